"""One message held to a profile. All persons are invented."""

import re
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_messages import FRENCH, INTERNATIONAL, MRG, PID, Cells, a28, adt, check, movement, said

from pam_receiver.finding import ErrorCode, Severity
from pam_receiver.hl7.er7 import Unreadable, parse_message
from pam_receiver.profile.check import MOST_FINDINGS, check_message, check_segment
from pam_receiver.profile.lines import MAX_SENTENCE_LENGTH
from pam_receiver.profile.model import Condition, ConditionRule, Place, Test


@pytest.fixture
def load(load):
    """Load a small profile, for which the types of identifiers are no matter."""
    return lambda lines="", **more: load(f'[[component]]\nat = "CX-5"\ntable = "none"\nspec = "S"\n{lines}', **more)


class TestCleanMessages:
    """IHE PAM FR 2.11.2: what keeps to the text is not commented on. Full messages: ``test_every_rule``."""

    def test_a_small_creation(self) -> None:
        assert said(a28()) == []

    def test_a_small_admission(self) -> None:
        assert said(movement()) == []

    @pytest.mark.parametrize("event", ["A40", "A47", "A44"])
    def test_messages_without_a_visit(self, event: str) -> None:
        assert said(adt(event, ("EVN", {2: "20250310091500"}), ("PID", PID), ("PD1", {12: "N"}), ("MRG", MRG))) == []

    def test_the_way_a_real_feed_writes_changes_nothing(self) -> None:
        raw = a28(MSH={18: "8859/1"}, PID={11: "3 ALLÉE DES ÉTANGS^^NANTES^^44000^FRA^H"})
        assert said(raw.decode().encode("latin-1").replace(b"\r", b"\r\n")) == []

    def test_own_segments_of_the_sender_are_its_own_matter(self) -> None:
        assert said(a28() + b"ZZZ|1\r") == []

    def test_an_event_that_the_profile_does_not_accept_is_left_to_the_receiver(self) -> None:
        assert said(a28(MSH={9: "ADT^A08^ADT_A01"}, PID={32: ""})) == []
        assert said(a28(MSH={9: "ADT"})) == []


class TestStructure:
    """HL7 v2.5 §2.15.9.9: MSH-9.2 routes, MSH-9.3 follows from it."""

    @pytest.mark.parametrize("message_type", ["ADT^A28", "ADT^A28^", "ADT^A28^ADT_A01", 'ADT^A28^""'])
    def test_a_missing_or_odd_structure_is_said_and_not_followed(self, message_type: str) -> None:
        (finding,) = check(a28(MSH={9: message_type}))
        assert (finding.rule, str(finding.at), finding.severity) == ("odd-structure", "MSH-9.3", Severity.W)
        assert "ADT_A05" in finding.en


class TestStrangers:
    """HL7 v2.5 §2.5.2: a segment that the structure does not have is named; a piece of a value is not."""

    def test_a_segment_of_hl7_or_with_fields_is_named(self) -> None:
        assert said(a28() + b"OBR\rABC|1\r") == [("segment-unexpected", "OBR"), ("segment-unexpected", "ABC")]

    def test_a_bare_line_of_three_capitals_is_not(self) -> None:
        (finding,) = check(a28() + b"LEE\r")
        assert finding.rule == "unreadable-segment"
        assert "LEE" not in f"{finding.at} {finding.fr} {finding.en}"
        assert said(a28() + b"LEE|\r") == [("segment-unexpected", "LEE")]  # the same names, told apart


class TestSegments:
    """IHE PAM FR 2.11.2 §5.2; IHE ITI TF-2 §3.30: which segments, in which order."""

    @pytest.mark.parametrize("missing", ["EVN", "PV1"])
    def test_a_required_segment_is_missing(self, missing: str) -> None:
        raw = re.sub(rf"{missing}\|[^\r]*\r".encode(), b"", a28())
        (finding,) = check(raw)
        assert (finding.rule, str(finding.at)) == (f"{missing.lower()}-required", missing)
        assert (finding.code, finding.severity) == (ErrorCode.SEGMENT_SEQUENCE, Severity.W)

    def test_a_movement_needs_zbe_in_france(self) -> None:
        raw = movement().split(b"ZBE")[0]
        assert said(raw) == [("zbe-required", "ZBE")]
        assert said(raw.replace(b"M^VN", b"M^VN" + b"|" * 32 + b"V"), INTERNATIONAL) == []

    def test_no_pid_and_no_mrg_are_left_to_adt(self) -> None:
        evn = ("EVN", {2: "20250310091500"})
        assert said(adt("A28", evn, ("PV1", {2: "N"}))) == []
        assert said(adt("A40", evn, ("PID", PID))) == []
        assert said(adt("A47", evn, ("PID", PID), ("MRG", {}))) == []
        assert said(adt("A44", evn, ("PID", PID))) == [("mrg-required", "MRG")]

    def test_only_the_first_segment_out_of_order_is_said(self) -> None:
        evn, pid, pv1 = ("EVN", {2: "20250310091500"}), ("PID", PID), ("PV1", {2: "N"})
        (finding,) = check(adt("A28", pid, pv1, evn, ("PD1", {12: "N"})))
        assert (finding.rule, str(finding.at), finding.severity) == ("evn-out-of-order", "EVN", Severity.W)

    def test_a_french_segment_out_of_order(self) -> None:
        raw = adt("A28", ("EVN", {2: "20250310091500"}), ("ZFD", {4: "N"}), ("PID", PID), ("PV1", {2: "N"}))
        assert said(raw) == [("pid-out-of-order", "PID")]

    def test_a_segment_that_the_structure_does_not_have_is_an_information_once(self) -> None:
        (finding,) = check(a28() + b"MRG|1\rMRG|2\r")
        assert (finding.rule, str(finding.at), finding.severity) == ("segment-unexpected", "MRG", Severity.I)

    def test_a_line_that_is_no_segment_was_judged_when_it_was_read(self) -> None:
        assert said(a28() + b"notasegment\r") == []

    def test_a_segment_stands_too_often(self) -> None:
        (finding,) = check(a28() + b"PV1||N\rPV1||N\r")
        assert (finding.rule, str(finding.at)) == ("pv1-repeated", "PV1(2)")
        assert "3 received" in finding.en

    def test_one_merge_in_a_message(self) -> None:
        pair = [("PID", PID), ("MRG", MRG)]
        raw = adt("A40", ("EVN", {2: "20250310091500"}), *pair, *pair)
        assert said(raw) == [("pid-repeated", "PID(2)"), ("mrg-repeated", "MRG(2)")]

    def test_a_forbidden_segment_is_told_once_and_not_counted(self) -> None:
        assert said(a28() + b"PV2|\rPV2|\r") == [("pv2-forbidden", "PV2")]

    def test_the_same_sequence_is_told_the_same_again_after_many_others(self) -> None:
        plan = FRENCH.plans["A28"]
        raw = a28() + b"PV1||N\r"
        for number in range(1100):
            check(a28() + b"Z%02d|1\r" % (number % 100) + b"ZZZ|1\r" * (number // 100))
        assert 0 < len(plan.sequences) <= 1024
        assert said(raw) == said(raw) == [("pv1-repeated", "PV1(2)")]


class TestConditionalSegments:
    """HL7 v2.5 §2.12: usages C and CE of a whole segment, X and number by event."""

    LINES = (
        '[[segment]]\nname = "PD1"\nusage = "C"\nwhen = [{ at = "PID-30", is = "Y" }]\nspec = "S"\n'
        '[[segment]]\nname = "OBX"\nusage = "CE"\nwhen = [{ at = "PV1", present = true }]\nspec = "S"\ncard = "0..2"\n'
    )

    def test_c_is_required_when_its_condition_holds(self, load) -> None:
        profile = load(self.LINES)
        assert said(a28(PID={30: "Y"}), profile) == [("pd1-missing", "PD1")]
        assert said(a28(PID={30: "N"}), profile) == []
        assert said(a28(PID={30: "Y"}).replace(b"PV1|", b"PD1|\rPV1|"), profile) == []

    def test_ce_may_be_there_only_when_its_condition_holds(self, load) -> None:
        profile, obx = load(self.LINES), b"OBX|1|NM|A||1||||||F\r"
        without = a28().replace(b"PV1||N\r", b"") + obx
        assert ("obx-unexpected", "OBX") in said(without, profile)
        assert said(a28() + obx * 2, profile) == []
        assert said(a28() + obx * 3, profile) == [("obx-repeated", "OBX(3)")]


class TestRequiredFields:
    """IHE PAM FR 2.11.2 §6.6, §6.10, §6.13: usage R."""

    @pytest.mark.parametrize("value", ["", '""', "~", "^^", "  "])
    def test_identity_reliability_code_is_required_in_france_alone(self, value: str) -> None:
        (finding,) = check(a28(PID={32: value}))
        assert (finding.rule, str(finding.at)) == ("pid-32-required", "PID-32")
        assert (finding.code, finding.severity) == (ErrorCode.REQUIRED_FIELD_MISSING, Severity.W)
        assert finding.spec == "IHE PAM FR 2.11.2 §6.6.15"
        assert said(a28(PID={32: value}), INTERNATIONAL) == []

    def test_nothing_but_separators_does_not_become_known_as_right(self, load) -> None:
        profile = load('[[field]]\nat = "PID-26"\nusage = "R"\nspec = "S"\n')
        assert said(a28(PID={26: "FRA~^^"}), profile) == []
        assert said(a28(PID={26: "^^"}), profile) == [("pid-26-required", "PID-26")]

    def test_a_field_after_the_end_of_its_segment_is_missing(self) -> None:
        assert said(a28(EVN={2: ""}).replace(b"EVN||", b"EVN")) == [("evn-2-required", "EVN-2")]

    @pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 10, 11])
    def test_the_header_names_sender_receiver_and_message(self, number: int) -> None:
        assert said(a28(MSH={number: ""})) == [(f"msh-{number}-required", f"MSH-{number}")]

    def test_no_identifier_is_left_to_adt(self) -> None:
        assert said(a28(PID={3: ""})) == []

    def test_a_name_is_required_save_beside_vali_where_the_traits_are_judged_whole(self) -> None:
        assert said(a28(PID={5: "", 32: "PROV"})) == [("pid-5-missing", "PID-5")]
        assert said(a28(PID={5: "", 32: "HOMA~VALI"})) == []

    @pytest.mark.parametrize(("segment", "number"), [("PID", 18), ("PV1", 19), ("PV1", 3)])
    def test_a_movement_has_its_file_its_visit_and_its_ward(self, segment: str, number: int) -> None:
        raw = movement(**{segment: {number: ""}})
        assert said(raw) == [(f"{segment.lower()}-{number}-required", f"{segment}-{number}")]

    @pytest.mark.parametrize("number", [1, 2, 5, 9])
    def test_a_movement_says_what_it_is(self, number: int) -> None:
        assert said(movement(ZBE={number: ""})) == [(f"zbe-{number}-required", f"ZBE-{number}")]

    @pytest.mark.parametrize(("event", "action"), [("A11", "CANCEL"), ("Z99", "UPDATE")])
    def test_a_correction_and_a_cancel_name_the_first_event(self, event: str, action: str) -> None:
        assert said(movement(event, ZBE={4: action})) == [("zbe-6-missing", "ZBE-6")]
        assert said(movement(event, ZBE={4: action, 6: "A01"})) == []

    def test_a_condition_looks_at_its_own_segment(self) -> None:
        raw = movement("Z99", ZBE={4: "UPDATE", 6: "A01"}) + b"ZBE|313^CHU-LYRE|20250310||UPDATE|N||||L\r"
        assert said(raw) == [("zbe-repeated", "ZBE(2)"), ("zbe-6-missing", "ZBE(2)-6")]


class TestUnsupportedFields:
    """IHE PAM FR 2.11.2 §6.3 and the tables of chapter 6: usage X."""

    @pytest.mark.parametrize("number", [2, 4, 9, 10, 12, 17, 19, 20, 22, 28])
    def test_a_forbidden_field_is_a_warning(self, number: int) -> None:
        (finding,) = check(a28(PID={number: "x"}))
        assert (finding.rule, str(finding.at)) == (f"pid-{number}-forbidden", f"PID-{number}")
        assert finding.severity is Severity.W

    @pytest.mark.parametrize("value", ['""', "^^", "~", " "])
    def test_nothing_in_it_is_no_value(self, value: str) -> None:
        assert said(a28(PID={19: value})) == []

    def test_what_everybody_still_fills_is_an_information(self) -> None:
        findings = check(movement(EVN={1: "A01"}) + b"ZFA|ACTIF|||N\r")
        assert [(str(finding.at), finding.severity) for finding in findings] == [
            ("EVN-1", Severity.I),
            ("ZFA-4", Severity.I),
        ]


class TestRepetitions:
    """HL7 v2.5 §2.5.3.5; IHE PAM FR 2.11.2 §6.6: cardinality."""

    def test_more_than_the_field_takes(self) -> None:
        (finding,) = check(a28(PID={16: "M~S", 24: "N~"}))
        assert (finding.rule, str(finding.at)) == ("pid-16-repeated", "PID-16")
        assert "2 received" in finding.en

    def test_a_limit_above_one(self, load) -> None:
        profile = load('[[field]]\nat = "PID-26"\ncard = "0..2"\nspec = "S"\n')
        assert said(a28(PID={26: "A~B~~"}), profile) == []
        assert said(a28(PID={26: "A~B~C"}), profile) == [("pid-26-repeated", "PID-26")]

    def test_each_repetition_is_judged(self) -> None:
        assert said(a28(PID={32: 'VALI~~""~QUAL'})) == [("pid-32-not-in-table", "PID-32[4]")]


class TestRepeatedFaults:
    """A sender that writes its name wrong does so in every message: what was found is remembered for its place."""

    def test_it_is_told_the_same_again_after_many_others(self) -> None:
        plan, raw = FRENCH.plans["A28"], a28().replace(b"|CHU-LYRE", b"|CHU^1.2.3^ODD", 1)
        first = said(raw)
        assert [where for _, where in first] == ["MSH-4.3"]
        for number in range(300):
            check(a28().replace(b"|CHU-LYRE", b"|CHU^1.2.%d^ODD" % number, 1))
        assert 0 < len(plan.judged) <= 256
        assert said(raw) == said(raw) == first

    def test_in_another_segment_it_has_its_own_place(self) -> None:
        role = b"ROL|1|AD|ODRP|1^A^B^^^^^^A&1.2.3&ODD|20250101\r"
        told = [said(a28() + role), said(a28() + role + role), said(a28() + role)]
        assert told[0] == told[2]
        first, second = ([f"ROL{place}-4.9.3", f"ROL{place}-4.10"] for place in ("", "(2)"))
        wanted = {*first, *second}
        assert [where for _, where in told[1] if where in wanted] == [*first, *second]

    def test_of_a_patient_and_of_what_is_long_nothing_is_remembered(self) -> None:
        plan = FRENCH.plans["A28"]
        plan.judged.clear()
        check(a28(**{"5": "DOE^JANE^^^^^ODD"}))
        check(a28().replace(b"|CHU-LYRE", b"|CHU^1.2.3^" + b"O" * 250, 1))
        assert plan.judged == {}


class TestMostFindings:
    """A message of 1 MiB can hold some 400 000 faults: the rest is not looked for."""

    @pytest.mark.parametrize("change", [{32: "~".join(["XX"] * 5000)}, {11: "~".join(["^^^^^^XX"] * 5000)}])
    def test_in_the_repetitions_of_a_field(self, change: Cells) -> None:
        assert MOST_FINDINGS < len(check(a28(PID=change))) < MOST_FINDINGS + 10

    @pytest.mark.parametrize("segment", [("NK1", {1: "x"}), ("OBX", {1: "1", 2: "NM", 3: "3141-9^POIDS^LN", 5: "1"})])
    def test_in_thousands_of_segments(self, segment: tuple[str, Cells]) -> None:
        raw = adt("A28", ("EVN", {2: "20250310091500"}), ("PID", PID), ("PV1", {2: "N"}), *[segment] * 5000)
        assert MOST_FINDINGS < len(check(raw)) < MOST_FINDINGS + 20

    def test_in_the_conditions_of_thousands_of_segments(self, load) -> None:
        profile = load('[[field]]\nat = "NK1-2"\nusage = "C"\nwhen = [{ at = "PID-8", is = "F" }]\nspec = "S"\n')
        raw = adt("A28", ("EVN", {2: "20250310091500"}), ("PID", PID), ("NK1", {1: "1"}), *[("NK1", {1: "1"})] * 5000)
        rule = '[[rule]]\nid = "r"\nexpect = { at = "PID-9", present = true }\nfr = "f"\nen = "e"\nspec = "S"\n'
        assert len(check(raw, profile)) == MOST_FINDINGS + 1
        assert "r" in [each.rule for each in check(a28(), load(rule))]


class TestTables:
    """IHE PAM FR 2.11.2 chapter 6: French tables."""

    @pytest.mark.parametrize(
        ("number", "value", "where", "rule"),
        [
            (8, "O", "PID-8", "pid-8"),
            (16, "X", "PID-16.1", "pid-16"),
            (24, "1", "PID-24", "pid-24"),
            (32, "QUAL", "PID-32", "pid-32"),
            (32, "VALI~RECUP", "PID-32[2]", "pid-32"),
            (5, "KERGUELEN^ANNE^^^^^L~LYRE^ANNE^^^^^M", "PID-5[2].7", "xpn-7"),
            (11, "^^NANTES^^44000^FRA^XX", "PID-11.7", "xad-7"),
            (3, "100245^^^CHU-LYRE^INS-NIR", "PID-3.5", "cx-5"),
            (3, "100245^^^CHU-LYRE&1.2.3&OID^PI", "PID-3.4.3", "hd-3"),
        ],
    )
    def test_a_code_of_no_table(self, number: int, value: str, where: str, rule: str) -> None:
        (finding,) = check(a28(PID={number: value}))
        assert (finding.rule, str(finding.at)) == (f"{rule}-not-in-table", where)
        assert finding.code is ErrorCode.TABLE_VALUE
        assert finding.severity is (Severity.I if rule == "cx-5" else Severity.W)

    def test_international_tables_are_those_of_hl7(self) -> None:
        assert said(a28(PID={8: "O", 32: "QUAL"}), INTERNATIONAL) == []
        assert said(a28(PID={8: "X"}), INTERNATIONAL) == [("pid-8-not-in-table", "PID-8")]

    def test_a_code_may_be_padded_escaped_or_erased(self) -> None:
        assert said(a28(PID={8: " F ", 16: "\\X4D\\", 24: '""'})) == []
        assert said(a28(PID={8: "^^ "})) == []

    def test_the_code_of_a_composite_field_stands_in_its_first_part(self, load) -> None:
        table = {"T": 'title = "T"\nspec = "S"\n[values]\nA = "a"\n'}
        profile = load('[[field]]\nat = "PID-26"\ntable = "T"\nspec = "S"\n', tables=table)
        assert said(a28(PID={26: "A^a^T~^text alone"}), profile) == []
        assert said(a28(PID={26: "A~B^b^T"}), profile) == [("pid-26-not-in-table", "PID-26[2].1")]

    def test_and_there_in_the_first_subcomponent(self, load) -> None:
        table = {"T": 'title = "T"\nspec = "S"\n[values]\nA = "a"\n'}
        profile = load('[[field]]\nat = "PID-11"\ntable = "T"\nspec = "S"\n', tables=table)
        assert said(a28(PID={11: "A&x^^NANTES"}), profile) == []
        assert said(a28(PID={11: "B&x^^NANTES"}), profile) == [("pid-11-not-in-table", "PID-11.1.1")]

    def test_a_code_with_a_separator_in_it_must_be_escaped(self, load) -> None:
        table = {"T": 'title = "T"\nspec = "S"\n[values]\n"A&B" = "a"\n'}
        profile = load('[[field]]\nat = "PID-8"\ntable = "T"\nspec = "S"\n', tables=table)
        assert said(a28(PID={8: "A\\T\\B"}), profile) == []
        assert ("pid-8-divided", "PID-8") in said(a28(PID={8: "A&B"}), profile)


class TestDataTypes:
    """HL7 v2.5 chapter 2A: the form of dates and numbers, and how a value is divided."""

    @pytest.mark.parametrize(
        ("number", "value"), [(1, "one"), (7, "23/01/1959"), (25, "first"), (29, "2025-03-10"), (33, "20251310")]
    )
    def test_an_ill_formed_value(self, number: int, value: str) -> None:
        (finding,) = check(a28(PID={number: value, 24: "Y", 25: value if number == 25 else "1"}))
        assert (finding.rule, str(finding.at)) == (f"pid-{number}-ill-formed", f"PID-{number}")
        assert (finding.code, finding.severity) == (ErrorCode.DATA_TYPE, Severity.W)

    @pytest.mark.parametrize(
        "value", ["1959", "195901", "19590123", "19590123091500+0100", "19590123^D", '""', " 1959 "]
    )
    def test_any_precision_of_a_date(self, value: str) -> None:
        assert said(a28(PID={7: value})) == []

    def test_a_value_that_is_too_long(self) -> None:
        (finding,) = check(a28(MSH={10: "C" * 21}))
        assert (finding.rule, str(finding.at)) == ("msh-10-too-long", "MSH-10")
        assert "21 received" in finding.en
        assert said(a28(MSH={10: "C" * 18 + "\\T\\" * 2})) == []

    @pytest.mark.parametrize(
        ("number", "value", "where", "rule"),
        [
            (8, "F^x", "PID-8", "pid-8"),
            (7, "1959^D^x", "PID-7", "pid-7"),
            (23, "NANTES & LYRE", "PID-23", "pid-23"),
            (23, "NANTES^LYRE", "PID-23", "pid-23"),
            (5, "K^A^^^^^L^^^^^^^^x", "PID-5", "pid-5"),
            (5, "K^A & B^^^^^L", "PID-5.2", "xpn-2"),
            (3, "1^^^A&1.2.3&ISO&x^PI", "PID-3.4", "cx-4"),
            (26, "FRA^A~FRA^B&C", "PID-26[2].2", "ce-2"),
        ],
    )
    def test_more_parts_than_the_type_has(self, number: int, value: str, where: str, rule: str) -> None:
        assert said(a28(PID={number: value})) == [(f"{rule}-divided", where)]

    @pytest.mark.parametrize("value", ["FRA^^", "FRA^A&", "FRA^A& ", 'FRA^^^^^^""', "^^^^^^^^^"])
    def test_empty_parts_are_none(self, value: str) -> None:
        assert said(a28(PID={26: value})) == []

    def test_of_a_type_that_is_not_known_nothing_is_judged(self) -> None:
        obx = "OBX|1|NM|3141-9^POIDS^LN||7~2^x&y\\z|kg|||||F|||20250310||10000000001^MARTIN^^^^^^^^L^^^RPPS\r"
        assert [rule for rule, _ in said(a28() + obx.encode())] == ["obx-5-repeated"]


class TestEscapes:
    """HL7 v2.5 §2.7.1: an escape sign begins a sequence."""

    @pytest.mark.parametrize(("value", "where"), [("RESIDENCE A\\B", "PID-23"), ("\\", "PID-23"), ("\\Q\\", "PID-23")])
    def test_a_stray_sign_is_told(self, value: str, where: str) -> None:
        (finding,) = check(a28(PID={23: value}))
        assert (finding.rule, str(finding.at), finding.severity) == ("escape-unknown", where, Severity.W)
        assert "write \\E\\" in finding.en

    @pytest.mark.parametrize("value", ["A\\T\\B", "\\X41\\", "\\.br\\", "\\Zown\\", "\\E\\"])
    def test_a_sequence_is_not(self, value: str) -> None:
        assert said(a28(PID={23: value})) == []

    def test_in_a_component(self) -> None:
        assert said(a28(PID={11: "12 RUE\\A^^NANTES"})) == [("escape-unknown", "PID-11.1.1")]


class TestBeyond:
    """HL7 v2.5 §2.5.3: fields behind the last one are not read."""

    def test_are_told_once(self) -> None:
        (finding,) = check(a28(PID={41: "x", 45: "y"}))
        assert (finding.rule, str(finding.at), finding.severity) == ("field-beyond-segment", "PID-41", Severity.I)

    @pytest.mark.parametrize("value", ["", '""', "^~", " "])
    def test_only_when_there_is_something(self, value: str) -> None:
        assert said(a28(PID={45: value})) == []

    def test_a_private_segment_has_no_last_field(self, load) -> None:
        profile = load('[[segment]]\nname = "ZLY"\nafter = "PV1"\nspec = "S"\n')
        assert said(a28() + b"ZLY|1|2|3\r", profile) == []


class TestSeparators:
    """HL7 v2.5 §2.15.9.2: other signs than the usual ones separate as well."""

    @staticmethod
    def write(raw: bytes, signs: str) -> bytes:
        return raw.translate(bytes.maketrans(b"|^~\\&", signs.encode()))

    @pytest.mark.parametrize("signs", ["#^~\\&", "|*~\\&", "|!*%$"])
    @pytest.mark.parametrize("change", [{}, {32: "QUAL"}, {5: "A^B"}, {3: "1^^^A&1&ISO&x^PI~2^^^A^PI"}, {23: "\\A"}])
    def test_are_judged_alike(self, signs: str, change: Cells) -> None:
        raw = a28(PID=change)
        assert said(self.write(raw, signs)) == said(raw)

    def test_may_be_left_out_when_nothing_needs_them(self) -> None:
        raw = (
            b"MSH|^|GAM|CHU|PAM|CHU|20250310||ADT^A28^ADT_A05|1|P|2.5^FRA^2.11\rEVN||20250310\rPV1||N\rPID|||1~2&3\\4\r"
        )
        findings = [(rule, at) for rule, at in said(raw) if at.startswith("PID-3.")]
        assert findings == [("cx-4-required", "PID-3.4")]


class TestConditions:
    """IHE PAM FR 2.11.2 §6.6.12, §6.10.1, §6.13: what one field asks of another."""

    def test_a_birth_order_goes_with_a_multiple_birth(self) -> None:
        (finding,) = check(a28(PID={24: "N", 25: "1"}))
        assert (finding.rule, str(finding.at)) == ("birth-order-of-single-birth", "PID-25")
        assert finding.spec == "IHE PAM FR 2.11.2 §6.6.12"
        assert said(a28(PID={24: "", 25: "1"})) == [("birth-order-needs-multiple-birth", "PID-24")]
        assert said(a28(PID={24: "Y", 25: "1"})) == []
        assert said(a28(PID={24: "Y"})) == [("pid-25-missing", "PID-25")]
        assert said(a28(PID={24: "N", 25: '""'})) == []

    def test_an_identity_message_speaks_of_no_visit(self) -> None:
        assert said(a28(PV1={2: "I"})) == [("identity-message-with-patient-class", "PV1-2")]
        assert said(a28(PV1={2: ""})) == [("pv1-2-required", "PV1-2")]

    @pytest.mark.parametrize(
        ("event", "action", "rule"),
        [
            ("A01", "UPDATE", "movement-event-needs-insert"),
            ("A11", "INSERT", "cancelling-event-needs-cancel"),
            ("Z99", "INSERT", "correction-needs-update"),
            ("A06", "UPDATE", "status-change-event-never-updates"),
        ],
    )
    def test_the_action_goes_with_the_event(self, event: str, action: str, rule: str) -> None:
        assert said(movement(event, ZBE={4: action, 6: "A01"})) == [(rule, "ZBE-4")]

    def test_a_status_change_inserts_or_cancels(self) -> None:
        assert said(movement("A06")) == []
        assert said(movement("A07", ZBE={4: "CANCEL", 6: "A06"})) == []

    def test_nature_c_belongs_to_corrections(self) -> None:
        assert said(movement("A02", PV1={6: "6268"}, ZBE={9: "C"})) == [("nature-c-outside-correction", "ZBE-9")]
        assert said(movement("Z99", ZBE={4: "UPDATE", 6: "A01", 9: "C"})) == []

    @pytest.mark.parametrize(
        ("expect", "kept"),
        [
            (Condition(Place("PV1"), Test.PRESENT), True),
            (Condition(Place("PV1"), Test.ABSENT), False),
            (Condition(Place("PV2"), Test.PRESENT), False),
            (Condition(Place("PV2"), Test.ABSENT), True),
            (Condition(Place("PID", 5, 3), Test.PRESENT), True),
            (Condition(Place("PID", 5, 9), Test.PRESENT), False),
            (Condition(Place("PID", 13), Test.ABSENT), True),
            (Condition(Place("PID", 3), Test.ABSENT), False),
            (Condition(Place("PID", 3, 5), Test.IS, frozenset({"INS"})), True),
            (Condition(Place("PID", 3, 5), Test.IS_NOT, frozenset({"INS"})), False),
            (Condition(Place("PID", 3, 4, 3), Test.IS, frozenset({"ISO"})), True),
            (Condition(Place("PID", 3, 4, 9), Test.IS, frozenset({"ISO"})), False),
            (Condition(Place("PID", 8, 1, 2), Test.IS, frozenset({"F"})), False),
            (Condition(Place("PID", 60), Test.IS, frozenset({"Y"})), False),
        ],
    )
    def test_everything_a_condition_can_ask(self, expect: Condition, kept: bool) -> None:
        plan = FRENCH.plans["A28"]
        rule = ConditionRule(FRENCH.rules["birth-order-of-single-birth"], (), expect)
        profile = replace(FRENCH, plans={"A28": replace(plan, rules=(rule,), sequences={})})
        assert (said(a28(), profile) == []) is kept


class TestFindings:
    """HL7 v2.5 §2.15.5.8: what the sender is told."""

    def test_say_nothing_of_the_patient_and_fit_an_err(self) -> None:
        bad = "KERGUELEN"
        raw = movement(
            PID={
                1: bad,
                2: bad,
                5: f"{bad}^{bad}",
                7: bad,
                8: bad,
                18: "",
                24: "Y",
                25: bad,
                32: bad,
                41: bad,
                23: f"\\{bad}",
            },
            ZBE={4: bad, 9: ""},
            MSH={9: f"ADT^A01^{bad}", 10: bad * 9},
        )
        findings = check(raw)
        assert len(findings) > 12
        for finding in findings:
            assert finding.severity is not Severity.E
            assert finding.spec
            for text in (finding.fr, finding.en):
                assert bad not in text
                assert "{" not in text
                assert len(text) <= MAX_SENTENCE_LENGTH


CELL = st.text(st.sampled_from('AB019^~&\\" +-.'), max_size=12)
SEGMENT = st.builds(
    lambda name, cells: "|".join([name, *cells]),
    st.sampled_from(["EVN", "PID", "PID", "PV1", "MRG", "ZBE", "ZFD", "ROL", "NK1", "OBX", "ZZZ", "IN1", "PV2", "x"]),
    st.lists(CELL, max_size=42),
)


class TestAnyMessage:
    """Whatever was read is checked: nothing is raised, and nothing is an error."""

    @settings(max_examples=150, deadline=None)
    @given(
        event=st.sampled_from([*sorted(FRENCH.plans), "A08", "", "A99"]),
        encoding=st.sampled_from(["^~\\&", "^", "^~", "#!*%"]),
        segments=st.lists(SEGMENT, max_size=8),
        french=st.booleans(),
    )
    def test_never_raises_and_says_the_same_twice(
        self, event: str, encoding: str, segments: list[str], french: bool
    ) -> None:
        raw = "\r".join([f"MSH|{encoding}|||||20250310||ADT{encoding[0]}{event}|||", *segments]).encode()
        try:
            message = parse_message(raw)
        except Unreadable:
            return
        profile = FRENCH if french else INTERNATIONAL
        findings = check_message(message, profile)
        assert findings == check_message(message, profile)
        assert all(finding.severity is not Severity.E for finding in findings)
        assert bool(findings) <= profile.accepts(event)


class TestOneSegment:
    """A segment judged alone, in the place of the one that was sent (``shifts``)."""

    WRONG: Final = {2: "le dix mars", 4: "CANCEL", 5: "X", 9: ""}

    def test_it_is_told_what_the_whole_message_is_told_of_it(self) -> None:
        raw = movement(ZBE=self.WRONG, PID={30: "X"})
        message = parse_message(raw)
        (zbe,) = message.named("ZBE")
        alone = check_segment(zbe, message, FRENCH)
        of_zbe = [each for each in check(raw) if each.at is not None and each.at.segment == "ZBE"]
        assert {each.rule for each in alone} >= {"zbe-2-ill-formed", "zbe-6-missing", "movement-event-needs-insert"}
        assert sorted(alone, key=repr) == sorted(of_zbe, key=repr)

    def test_it_stands_in_the_place_of_the_one_that_was_sent(self) -> None:
        sent, right = parse_message(movement(ZBE=self.WRONG)), parse_message(movement())
        (zbe,) = right.named("ZBE")
        assert check_segment(zbe, sent, FRENCH) == ()

    def test_of_a_segment_or_an_event_that_the_profile_does_not_have_nothing_is_said(self) -> None:
        message = parse_message(movement() + b"ZZZ|1\r")
        assert check_segment(message.segments[-1], message, FRENCH) == ()
        strange = parse_message(movement(MSH={9: "ADT^A08^ADT_A01"}))
        assert check_segment(strange.named("ZBE")[0], strange, FRENCH) == ()
