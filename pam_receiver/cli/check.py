"""``check``: what is not right in HL7 files, without a database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.findings import finding_headers, finding_json, finding_rows
from pam_receiver.cli.options import AsJson, Config, Environment, Files, Language, Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Finding, Lang, Severity

if TYPE_CHECKING:
    from pam_receiver.receive import Checked

_ORDER: Final = (Severity.E, Severity.W, Severity.I)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in one message of a file.

    ``checked`` is ``None`` for what is no message: ``problem`` says why, ``count`` how many messages it stands for.
    """

    file: Path
    number: int
    checked: "Checked | None"
    problem: str = ""
    count: int = 1

    @property
    def is_unreadable(self) -> bool:
        return self.checked is None or self.checked.unreadable

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings as the ACK lists them: errors first, then warnings, then the rest."""
        found = self.checked.findings if self.checked is not None else ()
        return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def check(
    files: Files,
    as_json: AsJson = False,
    config: Config = None,
    environment: Environment = None,
    lang: Language = None,
) -> None:
    start = options.start(config, lang=lang, environment=environment)
    reports = list(_check_files(files, start))
    if as_json:
        output.print_json([report_json(report, start.lang) for report in reports])
    else:
        _print(reports, start.lang)
    raise typer.Exit(exit_code(reports))


def exit_code(reports: Sequence[Report]) -> int:
    """Return 0 for nothing worse than a warning, 1 for errors, 2 when something could not be read."""
    if any(report.is_unreadable for report in reports):
        return 2
    return 1 if any(finding.is_error for report in reports for finding in report.findings) else 0


def _check_files(files: Sequence[Path], start: Start) -> Iterator[Report]:
    from pam_receiver.cli import parts
    from pam_receiver.cli.files import find_problems, read_content
    from pam_receiver.profile.load import load_profiles
    from pam_receiver.receive import check_file_message

    profiles = load_profiles()
    policy, reading = parts.make_policy(start.settings), parts.make_reading_rules(start.settings)
    for file in files:
        try:
            content = read_content(file)
        except OSError as error:
            yield Report(file, 0, None, text("failure.file", start.lang, file=file, reason=error.strerror))
            continue
        if content.messages and content.stray:
            output.warn(text("check.stray", start.lang, file=file, count=content.stray))
        at = datetime.now(UTC)
        for number, raw in enumerate(content.messages, 1):
            checked = check_file_message(raw, profiles=profiles, policy=policy, reading=reading, at=at)
            yield Report(file, number, checked)
        for problem in find_problems(file, content, start.lang):
            yield Report(file, 0, None, problem.text, problem.count)


def report_json(report: Report, lang: Lang) -> dict[str, object]:
    """Return what ``check --json`` says of one message; ``message`` counts from 1, 0 is no message."""
    checked = report.checked
    return {
        "file": str(report.file),
        "message": report.number,
        "event": checked.event if checked else "",
        "control_id": checked.control_id if checked else "",
        "unreadable": report.is_unreadable,
        "problem": report.problem or None,
        "findings": [finding_json(finding, lang) for finding in report.findings],
    }


def _print(reports: Sequence[Report], lang: Lang) -> None:
    for report in reports:
        if report.checked is None:
            output.warn(report.problem)
            continue
        values = {"file": report.file, "number": report.number, "event": report.checked.event}
        output.print_title(text("check.message", lang, control_id=report.checked.control_id, **values).rstrip())
        if report.findings:
            output.print_table(finding_headers(lang), finding_rows(report.findings, lang), indent=2)
        else:
            output.say(f"  {text('check.clean', lang)}")
        output.say()
    found = [finding.severity for report in reports for finding in report.findings]
    output.say(
        text(
            "check.total",
            lang,
            messages=sum(report.checked is not None for report in reports),
            errors=found.count(Severity.E),
            warnings=found.count(Severity.W),
            unreadable=sum(report.count for report in reports if report.is_unreadable),
        )
    )
