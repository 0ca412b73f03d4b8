"""The counts of a report, what is to be fixed first, and the bound of its memory."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from golden import CONVERSATIONS

from pam_receiver.finding import ErrorCode, Finding, Location, Rule, Severity
from pam_receiver.hl7.ack import AckCode
from pam_receiver.hl7.er7 import Unreadable, parse_message
from pam_receiver.report import tally as module
from pam_receiver.report.entry import Entry
from pam_receiver.report.summary import Summary
from pam_receiver.report.tally import Tally
from pam_receiver.rulebook import find_rule
from pam_receiver.understand import Checked

from .conftest import Check, adt


def count(entries: Iterable[Entry], *, is_masked: bool = True) -> Summary:
    tally = Tally(is_masked=is_masked)
    for entry in entries:
        tally.add(entry)
    return tally.summary()


def finding(rule: str, at: Location | None, severity: Severity = Severity.W) -> Finding:
    return Rule(rule, ErrorCode.TABLE_VALUE, severity, "Changez.", "Change.", "HL7 v2.5").at(at)


def entry(
    *findings: Finding, code: AckCode = AckCode.AA, event: str = "A28", number: int = 1, raw: bytes = b""
) -> Entry:
    return Entry("in.hl7", "in.hl7", number, Checked(findings, event, str(number), False, code, "pam"), raw)


class TestTotals:
    def test_of_the_morning(self, morning_entries: Iterable[Entry]) -> None:
        summary = count(morning_entries)
        assert (summary.files, summary.messages, summary.unreadable) == (1, 22, 0)
        assert summary.total.messages == 22
        assert summary.total.in_error + summary.total.rejected == 2
        assert {each.event: each.messages for each in summary.events}["A28"] == 5
        assert [name for name, _ in summary.profiles] == ["pam_fr/2.11"]
        assert summary.senders[0] == ("GAM / CHU-LYRE", sum(number for _, number in summary.profiles))

    def test_days_of_the_first_and_last_message(self, check: Check) -> None:
        later = adt().replace(b"20260302", b"20260409")
        summary = count([check(later), check(adt())])
        assert (summary.first_sent, summary.last_sent) == ("2026-03-02", "2026-04-09")

    def test_messages_by_ack(self) -> None:
        warning = finding("w", Location("PID", 1, 8))
        summary = count(
            [
                entry(),
                entry(warning),
                entry(finding("i", None, Severity.I)),
                entry(finding("e", None, Severity.E), code=AckCode.AE),
                entry(finding("r", None, Severity.E), code=AckCode.AR, event="A08"),
            ]
        )
        total = summary.total
        assert (total.accepted, total.warned, total.in_error, total.rejected) == (2, 1, 1, 1)
        assert [(each.event, each.messages) for each in summary.events] == [("A28", 4), ("A08", 1)]
        assert (summary.errors, summary.warnings) == (2, 1)

    @pytest.mark.parametrize("event", ["", "KERGUELEN ANNE", "a28", "A28\n", "A281"])
    def test_what_is_no_event_is_not_shown(self, event: str) -> None:
        assert [each.event for each in count([entry(event=event)]).events] == [""]

    def test_messages_by_source(self) -> None:
        entries = [entry(), entry(), entry()]
        named = [replace(each, checked=replace(each.checked, source="gam")) for each in entries if each.checked]
        assert count([*named, *named, *entries]).sources == (("gam", 6), ("", 3))

    def test_files_one_after_the_other(self) -> None:
        first, second = entry(), entry()
        assert count([first, first, replace(second, file="other.hl7"), first]).files == 3

    def test_pieces_that_are_no_message(self) -> None:
        piece = Entry("/srv/x/in.hl7", "in.hl7", 0, None, problem="/srv/x/in.hl7 : vide.", count=2)
        summary = count([piece])
        assert (summary.messages, summary.unreadable) == (0, 2)
        assert [each.text for each in summary.troubles] == ["in.hl7 : vide."]


class TestExitCode:
    @pytest.mark.parametrize(
        ("entries", "code"),
        [
            ([], 0),
            ([entry(finding("w", None))], 0),
            ([entry(finding("e", None, Severity.E), code=AckCode.AE)], 1),
            ([entry(finding("e", None, Severity.E)), Entry("x", "x", 0, None, problem="x")], 2),
        ],
    )
    def test_it_tells_the_worst(self, entries: list[Entry], code: int) -> None:
        tally = Tally()
        for each in entries:
            tally.add(each)
        assert tally.exit_code == code


class TestGroups:
    def test_repetitions_and_segments_of_one_name_are_one_place(self) -> None:
        found = [
            finding("r", Location(*place))
            for place in (("PID", 1, 11, 1, 9), ("PID", 1, 11, 2, 9), ("PID", 2, 11, 1, 9))
        ]
        (group,) = count([entry(*found), entry(found[0])]).groups
        assert (group.at, group.count, group.messages) == ("PID-11.9", 4, 2)

    def test_one_rule_at_two_places_is_two_groups_and_one_thing_to_fix(self) -> None:
        first, second = finding("r", Location("PID", 1, 8)), finding("r", Location("PID", 1, 7))
        summary = count([entry(first, second), entry(first)])
        assert [(each.at, each.messages) for each in summary.groups] == [("PID-8", 2), ("PID-7", 1)]
        (fix,) = summary.fixes
        assert (fix.messages, [each.at for each in fix.groups]) == (2, ["PID-8", "PID-7"])

    def test_an_example_has_what_was_sent(self, check: Check) -> None:
        raw = adt(pid32="VALIDE", control_id="MSG-9")
        masked, shown = (count([check(raw, number=4)], is_masked=each) for each in (True, False))
        for summary, value in ((masked, "XXXXXX"), (shown, "VALIDE")):
            (example,) = next(
                each for each in summary.groups if each.at == "PID-32" and each.examples[0].value
            ).examples
            assert (example.file, example.number, example.control_id) == ("in.hl7", 4, "MSG-9")
            assert example.value == value

    def test_the_first_three_messages_are_examples(self) -> None:
        found = finding("r", Location("PID", 1, 8))
        (group,) = count(entry(found, found, number=number) for number in range(1, 9)).groups
        assert [each.number for each in group.examples] == [1, 2, 3]
        assert (group.count, group.messages) == (16, 8)

    def test_a_rule_of_the_house_brings_its_right_form(self, check: Check) -> None:
        summary = count([check(adt(event="A08"))])
        assert next(each for each in summary.groups if each.rule == "a08-excluded-in-france").right_form

    def test_how_many_fields_a_segment_has_is_told_by_its_own_sentence(self, check: Check) -> None:
        """The example of the rule names a field of another segment than the one at fault."""
        raw = adt().replace(b"PV1|1|N\r", b"PV1|1|N" + b"|" * 60 + b"x\r")
        (group,) = (each for each in count([check(raw)]).groups if each.rule == "field-beyond-segment")
        assert (group.at, group.right_form) == ("PV1-62", "")
        assert " 52 " in group.en

    def test_a_rule_of_a_profile_too(self, check: Check) -> None:
        summary = count([check(adt(pid32="VALIDE"))])
        (group,) = (each for each in summary.groups if each.rule.startswith("pid-32"))
        rule = find_rule(group.rule)
        assert rule is not None
        assert group.right_form == rule.example


class TestFixFirst:
    def test_refusals_come_first_then_what_most_messages_have(self) -> None:
        rare, often = finding("rare-warning", None), finding("often-warning", None)
        refusal = finding("refusal", None, Severity.E)
        told = finding("only-told", None, Severity.I)
        entries = [entry(often, told)] * 5 + [entry(rare)] * 2 + [entry(refusal, code=AckCode.AE)]
        assert [(each.rule, each.refuses) for each in count(entries).fixes] == [
            ("refusal", True),
            ("often-warning", False),
            ("rare-warning", False),
        ]


class TestNothingOfThePatient:
    """No value of the golden messages in what a masked report says."""

    def test_in_no_example(self, check: Check) -> None:
        raws = [raw for conversation in CONVERSATIONS for raw in conversation.messages]
        summary = count(check(raw, file="x", name="x") for raw in raws)
        values = [each.value for group in summary.groups for each in group.examples if each.value]
        told = " ".join(values)
        assert len(values) > 50
        for raw in raws:
            try:
                message = parse_message(raw)
            except Unreadable:
                continue
            for pid in message.named("PID"):
                numbers = [each.component(1) or "" for each in pid.repetitions(3)]
                names = [
                    part for each in pid.repetitions(5) for n in (1, 2, 3) for part in (each.component(n) or "").split()
                ]
                for secret in (*numbers, *names, pid.value(7) or ""):
                    assert len(secret) < 4 or secret not in told


class TestBounds:
    def test_very_many_places_are_counted_and_not_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_MOST_GROUPS", 3)
        summary = count(entry(finding("r", Location("PID", 1, number))) for number in range(1, 6))
        assert (len(summary.groups), summary.more_groups, summary.warnings) == (3, 2, 5)

    def test_very_many_pieces_likewise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_MOST_TROUBLES", 2)
        summary = count(Entry(f"{n}", f"{n}", 0, None, problem=f"{n}") for n in range(5))
        assert (len(summary.troubles), summary.more_troubles, summary.unreadable) == (2, 3, 5)
