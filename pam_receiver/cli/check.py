"""``check``: what is not right in HL7 files, without a database; as a list, as totals, as a report to hand on."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.findings import finding_headers, finding_json, finding_rows
from pam_receiver.cli.options import AsJson, Config, Database, DatabaseRead, Environment, Language, Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang
from pam_receiver.reasons import say_os_error

if TYPE_CHECKING:
    from pam_receiver.cli.progress import Progress
    from pam_receiver.cli.reports import Reports
    from pam_receiver.report.entry import Entry
    from pam_receiver.report.summary import Summary
    from pam_receiver.sources import Sources
    from pam_receiver.understand import Checked

_MOST_FIXES: Final = 10  # in the totals that are printed

Paths = Annotated[list[Path] | None, typer.Argument(metavar="FILE|FOLDER…", help="argument.paths", allow_dash=True)]
ReportFiles = Annotated[list[Path] | None, typer.Option("--report", metavar="FILE", help="option.report")]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="option.junit")]
Totals = Annotated[bool, typer.Option("--totals", help="option.totals")]
Unmask = Annotated[bool, typer.Option("--unmask", help="option.unmask")]
AgainstJournal = Annotated[bool, typer.Option("--against-journal", help="option.against-journal")]
ProfileName = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="option.profile")]
Overlay = Annotated[Path | None, typer.Option("--overlay", metavar="FILE", help="option.overlay")]
Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, metavar="N", help="option.received-on")]
Since = Annotated[str | None, typer.Option("--since", metavar="DATE", help="option.since")]


class Sink(Protocol):
    """Takes what was checked, one by one."""

    def add(self, entry: "Entry", /) -> None: ...


def check(
    files: Paths = None,
    reports: ReportFiles = None,
    junit: Junit = None,
    unmask: Unmask = False,
    totals: Totals = False,
    as_json: AsJson = False,
    profile: ProfileName = None,
    overlay: Overlay = None,
    port: Port = None,
    against_journal: AgainstJournal = False,
    since: Since = None,
    database: Database = None,
    database_read: DatabaseRead = None,
    config: Config = None,
    environment: Environment = None,
    lang: Language = None,
) -> None:
    start = options.start(config, lang=lang, environment=environment, database=database, database_read=database_read)
    asked_files, of_files = files or [], bool(files or reports or junit or unmask or totals or port)
    if against_journal:
        if of_files:
            output.fail(text("check.not-with-journal", start.lang), 2)
        _check_journal(start, profile=profile, overlay=overlay, since=since, as_json=as_json)
        return
    if any(each is not None for each in (since, database, database_read)):
        output.fail(text("check.journal-only", start.lang), 2)
    if not asked_files:
        output.fail(text("check.nothing-given", start.lang), 2)
    if unmask and not (reports or junit):
        output.fail(text("check.unmask-alone", start.lang), 2)
    _check_port(port, start)
    from pam_receiver.cli import parts
    from pam_receiver.cli.reports import Reports

    sources = parts.make_sources(start.settings, profile=profile, overlay=overlay)
    written = Reports(reports or [], junit, is_masked=not unmask, start=start)
    is_listed = not (as_json or totals or written.paths)
    checker = _Checker(start, sources, port)
    raise typer.Exit(_run(asked_files, start, checker, written, as_json=as_json, is_listed=is_listed))


def _check_port(port: int | None, start: Start) -> None:
    """Refuse a port that the settings do not listen on: no message could come in by it."""
    settings = start.settings
    listening = {each.port for each in settings.listeners} or {settings.mllp.port}  # [[listener]] stands in for mllp
    known = (listening | {each.port for each in settings.sources if each.port is not None}) - {0}
    if port is not None and port not in known:
        ports = ", ".join(map(str, sorted(known))) or "–"
        output.fail(text("check.no-such-port", start.lang, port=port, ports=ports), 2)


def _check_journal(
    start: Start, *, profile: str | None, overlay: Path | None, since: str | None, as_json: bool
) -> None:
    from pam_receiver.cli.rehearse import check_journal

    moment = options.read_moment(since, "--since", start)
    check_journal(start, profile=profile, overlay=overlay, since=moment, as_json=as_json)


def _run(
    files: Sequence[Path], start: Start, checker: "_Checker", written: "Reports", *, as_json: bool, is_listed: bool
) -> int:
    """Check everything and return the exit code."""
    from pam_receiver.cli.progress import Progress
    from pam_receiver.report.masking import mask_name_for
    from pam_receiver.report.tally import Tally

    subjects = [_subject(each, start.lang) for each in files]
    tally = Tally(is_masked=written.is_masked, profiles=checker.profiles)
    with ExitStack() as stack:
        sinks: list[Sink] = [tally, *stack.enter_context(written).sinks]
        if as_json:
            sinks.append(stack.enter_context(_JsonList(start.lang)))
        elif is_listed:
            sinks.append(_Lister(start.lang))
        is_shown = not as_json and not (is_listed and output.is_terminal())
        with Progress(start.lang) if is_shown else nullcontext() as progress:
            for entry in checker.check(files, without=written.paths, progress=progress):
                for sink in sinks:
                    sink.add(entry)
                if written.is_masked and written.paths:
                    subjects = [mask_name_for(entry.raw, each) for each in subjects]
        summary = tally.summary()
        written.write(summary, subjects=subjects)
    if not as_json:
        if not is_listed:
            _print_totals(summary, start.lang)
        _print_last_line(summary, start.lang)
    for path in written.paths:
        output.warn(text("check.written", start.lang, file=path))
    return tally.exit_code


def _subject(path: Path, lang: Lang) -> str:
    """How the report names what was checked: a folder or file by its own name, not by the way to it."""
    name = path.name or path.resolve().name
    return text("check.stdin", lang) if str(path) == "-" else options.as_typed(name)


class _Checker:
    """Checks files one by one, each message on its own, as if it came in by ``port``: ours, ``None`` if unknown."""

    def __init__(self, start: Start, sources: "Sources", port: int | None) -> None:
        self.profiles = [source.profiles for source in (sources.general, *sources.named)]
        self._lang = start.lang
        self._sources = sources
        self._port = port
        self._acknowledgements = 0

    def check(
        self, paths: Sequence[Path], *, without: Sequence[Path], progress: "Progress | None"
    ) -> "Iterator[Entry]":
        """Give what was found in each message, file by file. ``without``: the reports being written."""
        from pam_receiver.cli.files import find_files

        if progress is not None:
            progress.measure(paths)
        on_read = progress.advance if progress is not None else None
        for path, name in find_files(paths, without=frozenset(each.resolve() for each in without)):
            yield from self._check_file(path, name, on_read)
        if self._acknowledgements:
            output.warn(text("check.acknowledgements", self._lang, count=self._acknowledgements))

    def _check_file(self, path: Path, name: str, on_read: Callable[[int], None] | None) -> "Iterator[Entry]":
        from pam_receiver.cli.files import Splitter, find_problems, read_messages
        from pam_receiver.report.entry import Entry

        file, splitter = options.as_typed(str(path)), Splitter()
        try:
            if path.is_dir():
                os.listdir(path)  # says why, when it cannot be looked into
                yield Entry(file, name, 0, None, problem=text("failure.empty-folder", self._lang, file=file))
                return
            for number, raw in enumerate(read_messages(path, splitter, on_read=on_read), 1):
                if (checked := self._check_message(raw)) is not None:
                    yield Entry(file, name, number, checked, raw)
        except OSError as error:
            problem = text("failure.file", self._lang, file=file, reason=say_os_error(error, self._lang))
            yield Entry(file, name, 0, None, problem=problem)
            return
        if splitter.count and splitter.stray:
            output.warn(text("check.stray", self._lang, file=file, count=splitter.stray))
        for each in find_problems(file, splitter, self._lang):
            yield Entry(file, name, 0, None, problem=each.text, count=each.count)

    def _check_message(self, raw: bytes) -> "Checked | None":
        """Return what is to be said of a message; ``None`` for an ACK, which is no part of the feed."""
        from pam_receiver.cli.files import is_acknowledgement
        from pam_receiver.understand import check_file_message

        if is_acknowledgement(raw):
            self._acknowledgements += 1
            return None
        return check_file_message(raw, sources=self._sources, at=datetime.now(UTC), port=self._port)


# ------------------------------------------------------------------------------------------------------ what is shown


def entry_json(entry: "Entry", lang: Lang) -> dict[str, object]:
    """Return what ``check --json`` says of one message; ``message`` counts from 1, 0 is no message."""
    checked = entry.checked
    return {
        "file": entry.file,
        "message": entry.number,
        "event": checked.event if checked else "",
        "control_id": checked.control_id if checked else "",
        "ack": checked.ack_code.value if checked else None,
        "profile": (checked.profile or None) if checked else None,
        "source": (checked.source or None) if checked else None,
        "unreadable": entry.is_unreadable,
        "problem": entry.problem or None,
        "findings": [finding_json(finding, lang) for finding in entry.findings],
    }


class _JsonList(output.JsonList):
    """One object a message, printed as it is checked."""

    def __init__(self, lang: Lang) -> None:
        super().__init__()
        self._lang = lang

    def add(self, entry: "Entry") -> None:
        self.print(entry_json(entry, self._lang))


class _Lister:
    """The findings of each message, for a person."""

    def __init__(self, lang: Lang) -> None:
        self._lang = lang

    def add(self, entry: "Entry") -> None:
        if entry.checked is None:
            output.warn(entry.problem)
            return
        from pam_receiver.report.words import word

        event = entry.checked.event or word("event.none", self._lang)
        values = {"file": entry.file, "number": entry.number, "event": event}
        output.print_title(text("check.message", self._lang, control_id=entry.checked.control_id, **values).rstrip())
        if entry.findings:
            output.print_table(finding_headers(self._lang), finding_rows(entry.findings, self._lang), indent=2)
        else:
            output.say(f"  {text('check.clean', self._lang)}")
        output.say()


def _print_totals(summary: "Summary", lang: Lang) -> None:
    for trouble in summary.troubles:
        output.warn(trouble.text)
    if summary.more_troubles:
        output.warn(text("check.more-problems", lang, count=summary.more_troubles))
    if summary.messages:
        _print_events(summary, lang)
    if len(summary.sources) > 1:
        _print_sources(summary, lang)
    if summary.fixes:
        _print_fixes(summary, lang)


def _print_events(summary: "Summary", lang: Lang) -> None:
    from pam_receiver.report.words import word

    rows = [
        [
            each.event or word("event.none", lang),
            *map(str, (each.messages, each.accepted, each.warned, each.in_error, each.rejected)),
        ]
        for each in (*summary.events, summary.total)
    ]
    rows[-1][0] = text("check.all", lang)
    headers = [text("column.event", lang), text("column.messages", lang), "AA", "AA + W", "AE", "AR"]
    output.print_table(headers, rows)
    output.say()


def _print_sources(summary: "Summary", lang: Lang) -> None:
    from pam_receiver.report.words import word

    rows = [[name or word("no-source", lang), str(count)] for name, count in summary.sources]
    output.print_table([text("column.source", lang), text("column.messages", lang)], rows)
    output.say()


def _print_fixes(summary: "Summary", lang: Lang) -> None:
    output.print_title(text("check.first", lang))
    rows = [
        [
            fix.groups[0].severity.value,
            str(fix.messages),
            ", ".join(group.at for group in fix.groups[:3]) + (" …" if len(fix.groups) > 3 else ""),
            fix.rule,
            fix.groups[0].text(lang),
        ]
        for fix in summary.fixes[:_MOST_FIXES]
    ]
    output.print_table(["", *(text(f"column.{key}", lang) for key in ("messages", "location", "rule", "text"))], rows)
    if more := len(summary.fixes) - len(rows):
        output.say(text("check.more-fixes", lang, count=more))
    output.say()


def _print_last_line(summary: "Summary", lang: Lang) -> None:
    values = {"messages": summary.messages, "errors": summary.errors, "warnings": summary.warnings}
    output.say(text("check.total", lang, unreadable=summary.unreadable, **values))
