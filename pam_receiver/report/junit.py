"""The findings as JUnit XML, which CI tools show: a suite for each file, a case for each message."""

import re
import tempfile
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Final, Self
from xml.sax.saxutils import escape, quoteattr

from pam_receiver.finding import Finding, Lang
from pam_receiver.ids import safe_control_id
from pam_receiver.report.entry import Entry
from pam_receiver.report.masking import mask_name_for

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 §2.2
_EVENT: Final = re.compile(r"[A-Z]\d\d")
_IN_MEMORY: Final = 1 << 20
_SHOWN: Final = "\0"  # the name of a file in what is written before all its messages are known; no XML holds it


@dataclass(slots=True)
class _Suite:
    """A file whose messages are being written."""

    name: str
    shown: str  # the name, with what its messages tell of their patients masked
    body: IO[str]
    tests: int = 0
    failures: int = 0
    errors: int = 0


class JunitWriter:
    """Writes the XML to ``out``: an error finding is a failure, what cannot be read an error, the rest is system-out.

    Used as a context; the document is whole when it ends without an exception. The counts of a suite stand before its
    cases, so that those of one file wait in a temporary file.
    """

    def __init__(self, out: IO[str], lang: Lang, *, is_masked: bool = True) -> None:
        self._out = out
        self._lang = lang
        self._is_masked = is_masked
        self._suite: _Suite | None = None

    def __enter__(self) -> Self:
        self._out.write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="pam-receiver check">\n')
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._end_suite()
            self._out.write("</testsuites>\n")
        elif self._suite is not None:
            self._suite.body.close()

    def add(self, entry: Entry) -> None:
        """Write one message, or one piece that is none. Those of a file come one after the other."""
        if self._suite is None or self._suite.name != entry.file:
            self._end_suite()
            body = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="")  # noqa: SIM115
            self._suite = _Suite(entry.file, entry.file, body)
        if self._is_masked:
            self._suite.shown = mask_name_for(entry.raw, self._suite.shown)
        self._write_case(self._suite, entry)

    def _write_case(self, suite: _Suite, entry: Entry) -> None:
        findings = entry.findings
        failures = [finding for finding in findings if finding.is_error]
        others = [finding for finding in findings if not finding.is_error]
        suite.tests += 1
        body = suite.body
        body.write(f"    <testcase classname={_SHOWN} name={_attribute(_name_of(entry))}>\n")
        if entry.is_unreadable:
            suite.errors += 1
            why = entry.problem or (failures[0].text(self._lang) if failures else "")
            kind = failures[0].rule if failures else "unreadable"
            body.write(f"      <error message={_attribute(why)} type={_attribute(kind)}/>\n")
        elif failures:
            suite.failures += 1
            first = failures[0]
            body.write(f"      <failure message={_attribute(first.text(self._lang))} type={_attribute(first.rule)}>")
            body.write(f"{self._lines(failures)}</failure>\n")
        if others:
            body.write(f"      <system-out>{self._lines(others)}</system-out>\n")
        body.write("    </testcase>\n")

    def _lines(self, findings: list[Finding]) -> str:
        return _text("\n".join(_line(finding, self._lang) for finding in findings))

    def _end_suite(self) -> None:
        suite, self._suite = self._suite, None
        if suite is None:
            return
        counts = f'tests="{suite.tests}" failures="{suite.failures}" errors="{suite.errors}" skipped="0"'
        shown = _attribute(suite.shown)
        self._out.write(f"  <testsuite name={shown} {counts}>\n")
        with suite.body as body:
            body.seek(0)
            for line in body:
                self._out.write(line.replace(_SHOWN, shown, 1))
        self._out.write("  </testsuite>\n")


def _name_of(entry: Entry) -> str:
    if entry.checked is None:
        return "-"
    event = entry.checked.event if _EVENT.fullmatch(entry.checked.event) else ""
    told = " ".join(each for each in (event, safe_control_id(entry.checked.control_id)) if each)
    return f"message {entry.number}" + (f": {told}" if told else "")


def _line(finding: Finding, lang: Lang) -> str:
    told = [finding.severity.value, str(int(finding.code)), str(finding.at or ""), finding.rule]
    return f"{' '.join(filter(None, told))}: {finding.text(lang)} [{finding.spec}]"


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
