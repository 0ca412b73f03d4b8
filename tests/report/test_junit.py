"""JUnit XML as CI tools read it: a suite for each file, a case for each message."""

import io
import re
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pam_receiver.finding import ErrorCode, Lang, Location, Rule, Severity
from pam_receiver.report.entry import Entry
from pam_receiver.report.junit import JunitWriter
from pam_receiver.understand import Checked

from .conftest import Check, adt


def write(out: io.StringIO, entries: Iterable[Entry], lang: Lang = "en") -> None:
    with JunitWriter(out, lang) as writer:
        for entry in entries:
            writer.add(entry)


def read(entries: Iterable[Entry], lang: Lang = "en") -> ElementTree.Element:
    out = io.StringIO()
    write(out, entries, lang)
    return ElementTree.fromstring(out.getvalue().encode())


class TestSuites:
    def test_one_for_each_file_with_its_counts(self, check: Check) -> None:
        entries = [
            check(adt(), file="a.hl7"),
            check(adt(event="A08"), file="a.hl7", number=2),
            check(adt(), file="b.hl7"),
            Entry("b.hl7", "b.hl7", 0, None, problem="why"),
        ]
        suites = read(entries).findall("testsuite")
        assert [each.attrib for each in suites] == [
            {"name": "a.hl7", "tests": "2", "failures": "1", "errors": "0", "skipped": "0"},
            {"name": "b.hl7", "tests": "2", "failures": "0", "errors": "1", "skipped": "0"},
        ]

    def test_none_at_all(self) -> None:
        assert read([]).findall("testsuite") == []

    def test_a_run_that_broke_off_gives_no_whole_document(self, check: Check) -> None:
        def broken() -> Iterator[Entry]:
            yield check(adt())
            raise KeyboardInterrupt

        out = io.StringIO()
        with pytest.raises(KeyboardInterrupt):
            write(out, broken())
        with pytest.raises(ElementTree.ParseError):
            ElementTree.fromstring(out.getvalue())


class TestCases:
    def test_an_error_is_a_failure_and_the_rest_is_output(self, check: Check) -> None:
        (case,) = read([check(adt(event="A08", control_id="MSG-9"), number=7)]).iter("testcase")
        assert case.attrib == {"classname": "flux/in.hl7", "name": "message 7: A08 MSG-9"}
        failure = case.find("failure")
        assert failure is not None
        assert failure.attrib["type"] == "a08-excluded-in-france"
        assert re.fullmatch(r"E 201 MSH-9\.2 a08-excluded-in-france: .+ \[IHE PAM FR .+\]", failure.text or "")

    def test_warnings_are_no_failure(self, check: Check) -> None:
        (case,) = read([check(adt(pid32="VALIDE"))]).iter("testcase")
        assert case.find("failure") is None
        assert "W 103 PID-32 " in case.findtext("system-out", "")

    def test_what_cannot_be_read_is_an_error(self, check: Check) -> None:
        first, second = read(
            [check(b"MSH|^~\\&|A|B|C|D|||ADT^A28|1|P|2.5||||||BIG-5\r"), Entry("x", "x", 0, None, problem="why")]
        ).iter("error")
        assert first.attrib["type"] == "charset-unknown"
        assert second.attrib == {"message": "why", "type": "unreadable"}

    def test_in_french(self, check: Check) -> None:
        (failure,) = read([check(adt(event="A08"))], "fr").iter("failure")
        assert "A08 est exclu" in failure.attrib["message"]

    def test_neither_event_nor_control_id_may_tell_a_name(self, check: Check) -> None:
        (case,) = read([check(adt(event="KERGUELEN ANNE", control_id="KERGUELEN ANNE"))]).iter("testcase")
        assert "KERGUELEN" not in case.attrib["name"]


class TestAnyText:
    """XML 1.0 §2.2: what the document may hold."""

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.text(), st.text())
    def test_any_name_and_sentence_give_a_document(self, name: str, sentence: str) -> None:
        braced = sentence.replace("{", "{{").replace("}", "}}")
        rules = [
            Rule("r", ErrorCode.DATA_TYPE, severity, braced, braced, "HL7 v2.5").at(Location("PID"))
            for severity in Severity
        ]
        entry = Entry(name, name, 1, Checked(tuple(rules), sentence, sentence, False))
        (case,) = read([entry]).iter("testcase")
        assert len(case.attrib["classname"]) == len(name)
