"""One message held to a profile. All persons are invented."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.finding import ErrorCode, Finding, Severity
from pam_receiver.hl7.er7 import Unreadable, parse_message
from pam_receiver.profile.check import MOST_FINDINGS, check_message
from pam_receiver.profile.lines import MAX_SENTENCE_LENGTH
from pam_receiver.profile.load import load_profiles
from pam_receiver.profile.model import Condition, ConditionRule, EventPlan, FieldRule, Place, Profile, Test, Usage

PROFILES = load_profiles()
FRENCH, INTERNATIONAL = PROFILES.french, PROFILES.international

MSH = {
    2: "^~\\&", 3: "GAM-LYRE", 4: "CHU-LYRE", 5: "PAM-RECEIVER", 6: "CHU-LYRE", 7: "20250310091500", 10: "A28-0001",
    11: "P", 12: "2.5^FRA^2.11", 17: "FRA", 18: "UNICODE UTF-8", 19: "FR", 21: "2.11^IHE_FRANCE-2.11-PAM",
}  # fmt: skip
PID = {
    1: "1",
    3: "100245^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI~259014410903303^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS",
    5: "KERGUELEN^ANNE^ANNE SOLENE MARIE^^Mme^^L~DE LYRE^^^^^^D", 7: "19590123", 8: "F",
    11: "12 RUE DES ILES^^NANTES^^44000^FRA^H~^^NANTES^^^FRA^BDL^^44109", 16: "M", 24: "N", 26: "FRA", 30: "N",
    32: "VALI~HOMA", 33: "20250310091400",
}  # fmt: skip
MRG = {1: "100999^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI"}
ITI_31 = {"PID": {18: "24000006^^^CHU-LYRE&1.2.250.1.999.79&ISO^AN"}}
VISIT = {1: "1", 2: "I", 3: "6268^^^CHU-LYRE&000000001&M", 19: "1000045^^^CHU-LYRE&000000001&M^VN"}
MOVEMENT = {1: "312^CHU-LYRE", 2: "20250310090000", 4: "INSERT", 5: "N", 9: "HMS"}

Cells = dict[int, str]


def line(name: str, cells: Cells) -> str:
    return "|".join([name, *(cells.get(number, "") for number in range(1, max(cells, default=1) + 1))])


def adt(event: str, /, *segments: tuple[str, Cells], **changes: Cells) -> bytes:
    """Return a message of ``event``; ``changes`` are laid over the cells of the segments they name."""
    structure = FRENCH.events[event].structure
    msh = MSH | {9: f"ADT^{event}^{structure}"} | changes.get("MSH", {})
    lines = [line("MSH", msh).replace("MSH||", "MSH|", 1)]
    lines += [line(name, cells | changes.get(name, {})) for name, cells in segments]
    return "\r".join([*lines, ""]).encode()


def a28(**changes: Cells) -> bytes:
    return adt("A28", ("EVN", {2: "20250310091500"}), ("PID", PID), ("PV1", {2: "N"}), **changes)


def movement(event: str = "A01", **changes: Cells) -> bytes:
    pid = PID | ITI_31["PID"]
    segments = [("EVN", {2: "20250310091500"}), ("PID", pid), ("PV1", VISIT), ("ZBE", MOVEMENT)]
    return adt(event, *segments, **changes)


def check(raw: bytes, profile: Profile = FRENCH) -> tuple[Finding, ...]:
    return check_message(parse_message(raw), profile)


def said(raw: bytes, profile: Profile = FRENCH) -> list[tuple[str, str]]:
    """The rules broken and where: ``[("required-field-missing", "PID-32")]``."""
    return [(finding.rule, str(finding.at)) for finding in check(raw, profile)]


class TestCleanMessages:
    """IHE PAM FR 2.11.2: what keeps to the text is not commented on."""

    def test_a_complete_creation(self) -> None:
        assert said(a28()) == []

    def test_a_complete_admission(self) -> None:
        assert said(movement()) == []

    @pytest.mark.parametrize("event", ["A40", "A47", "A44"])
    def test_messages_without_a_visit(self, event: str) -> None:
        assert said(adt(event, ("EVN", {2: "20250310091500"}), ("PID", PID), ("PD1", {12: "N"}), ("MRG", MRG))) == []

    def test_all_the_french_segments_in_the_order_of_section_5_2(self) -> None:
        raw = adt(
            "A01",
            ("EVN", {2: "20250310091500"}),
            ("PID", PID | ITI_31["PID"]),
            ("PD1", {2: "A", 12: "N"}),
            ("ROL", {2: "UC", 3: "ODRP", 4: "10000000001^MARTIN"}),
            ("NK1", {1: "1", 33: "5001^^^CHU-LYRE^PN"}),
            ("PV1", VISIT),
            ("PV2", {7: "CS", 22: "N", 30: "F"}),
            ("ZBE", MOVEMENT),
            ("ZFA", {1: "ACTIF", 2: "20250310", 9: "INO", 11: "IC"}),
            ("ZFP", {1: "5", 2: "52"}),
            ("ZFV", {11: "AUCUN"}),
            ("ZFM", {1: "8"}),
            ("ZFD", {3: "Y", 4: "N", 5: "INSI", 6: "20250310", 7: "CN", 8: "20300101"}),
            ("ZFS", {1: "1", 2: "12^CHU-LYRE", 3: "20250310", 5: "INSERT", 6: "SPL", 7: "1"}),
            ("ROL", {2: "UC", 3: "RP", 4: "10000000002^DURAND"}),
        )
        assert said(raw) == []

    def test_the_way_a_real_feed_writes_changes_nothing(self) -> None:
        raw = a28(MSH={18: "8859/1"}, PID={11: "3 ALLÉE DES ÉTANGS^^NANTES^^44000^FRA^H"})
        assert said(raw.decode().encode("latin-1").replace(b"\r", b"\r\n")) == []

    def test_own_segments_of_the_sender_are_its_own_matter(self) -> None:
        assert said(a28() + b"ZZZ|1\rZFP|\rZBE|\r") == []

    def test_fields_beyond_the_last_are_ignored(self) -> None:
        assert said(a28(PID={45: "x"})) == []

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


class TestSegments:
    """IHE PAM FR 2.11.2 §5.2; IHE ITI TF-2 §3.30: which segments, in which order."""

    @pytest.mark.parametrize("missing", ["EVN", "PV1"])
    def test_a_required_segment_is_missing(self, missing: str) -> None:
        raw = re.sub(rf"{missing}\|[^\r]*\r".encode(), b"", a28())
        (finding,) = check(raw)
        assert (finding.rule, str(finding.at)) == ("required-segment-missing", missing)
        assert (finding.code, finding.severity) == (ErrorCode.SEGMENT_SEQUENCE, Severity.W)

    def test_a_movement_needs_zbe_in_france(self) -> None:
        raw = movement().split(b"ZBE")[0]
        assert said(raw) == [("required-segment-missing", "ZBE")]
        assert said(raw, INTERNATIONAL) == []

    def test_no_pid_and_no_mrg_are_left_to_adt(self) -> None:
        evn = ("EVN", {2: "20250310091500"})
        assert said(adt("A28", evn, ("PV1", {2: "N"}))) == []
        assert said(adt("A40", evn, ("PID", PID))) == []
        assert said(adt("A47", evn, ("PID", PID), ("MRG", {}))) == []
        assert said(adt("A44", evn, ("PID", PID))) == [("required-segment-missing", "MRG")]

    def test_only_the_first_segment_out_of_order_is_said(self) -> None:
        evn, pid, pv1 = ("EVN", {2: "20250310091500"}), ("PID", PID), ("PV1", {2: "N"})
        (finding,) = check(adt("A28", pid, pv1, evn, ("PD1", {12: "N"})))
        assert (finding.rule, str(finding.at), finding.severity) == ("segment-out-of-order", "EVN", Severity.W)

    def test_a_french_segment_out_of_order(self) -> None:
        raw = adt("A28", ("EVN", {2: "20250310091500"}), ("ZFD", {4: "N"}), ("PID", PID), ("PV1", {2: "N"}))
        assert said(raw) == [("segment-out-of-order", "PID")]

    def test_a_segment_that_the_structure_does_not_have_is_an_information_once(self) -> None:
        (finding,) = check(a28() + b"MRG|1\rMRG|2\r")
        assert (finding.rule, str(finding.at), finding.severity) == ("segment-unexpected", "MRG", Severity.I)

    def test_a_line_that_is_no_segment_was_judged_when_it_was_read(self) -> None:
        assert said(a28() + b"notasegment\r") == []

    def test_a_segment_stands_too_often(self) -> None:
        (finding,) = check(a28() + b"PV1||N\rPV1||N\r")
        assert (finding.rule, str(finding.at)) == ("too-many-segments", "PV1(2)")
        assert "3 received" in finding.en

    def test_one_merge_in_a_message(self) -> None:
        pair = [("PID", PID), ("MRG", MRG)]
        raw = adt("A40", ("EVN", {2: "20250310091500"}), *pair, *pair)
        assert said(raw) == [("too-many-segments", "PID(2)"), ("too-many-segments", "MRG(2)")]


class TestRequiredFields:
    """IHE PAM FR 2.11.2 §6.6, §6.10, §6.13: usage R."""

    @pytest.mark.parametrize("value", ["", '""', "~", "^^", "  "])
    def test_identity_reliability_code_is_required_in_france_alone(self, value: str) -> None:
        (finding,) = check(a28(PID={32: value}))
        assert (finding.rule, str(finding.at)) == ("required-field-missing", "PID-32")
        assert (finding.code, finding.severity) == (ErrorCode.REQUIRED_FIELD_MISSING, Severity.W)
        assert finding.spec == "IHE PAM FR 2.11.2 §6.6.15"
        assert said(a28(PID={32: value}), INTERNATIONAL) == []

    def test_a_field_after_the_end_of_its_segment_is_missing(self) -> None:
        assert said(a28(EVN={2: ""}).replace(b"EVN||", b"EVN")) == [("required-field-missing", "EVN-2")]

    @pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 10, 11])
    def test_the_header_names_sender_receiver_and_message(self, number: int) -> None:
        assert said(a28(MSH={number: ""})) == [("required-field-missing", f"MSH-{number}")]

    def test_no_identifier_is_left_to_adt(self) -> None:
        assert said(a28(PID={3: ""})) == []

    def test_a_name_is_required_save_beside_vali_where_the_traits_are_judged_whole(self) -> None:
        assert said(a28(PID={5: "", 32: "PROV"})) == [("required-field-missing", "PID-5")]
        assert said(a28(PID={5: "", 32: "HOMA~VALI"})) == []

    @pytest.mark.parametrize(("segment", "number"), [("PID", 18), ("PV1", 19), ("PV1", 3)])
    def test_a_movement_has_its_file_its_visit_and_its_ward(self, segment: str, number: int) -> None:
        raw = movement(**{segment: {number: ""}})
        assert said(raw) == [("required-field-missing", f"{segment}-{number}")]
        assert said(raw, INTERNATIONAL) == []

    def test_the_ward_is_not_required_of_every_event(self) -> None:
        assert said(movement("A21", PV1={3: ""})) == []

    @pytest.mark.parametrize("number", [1, 2, 5, 9])
    def test_a_movement_says_what_it_is(self, number: int) -> None:
        assert said(movement(ZBE={number: ""})) == [("required-field-missing", f"ZBE-{number}")]

    @pytest.mark.parametrize(("event", "action"), [("A11", "CANCEL"), ("Z99", "UPDATE")])
    def test_a_correction_and_a_cancel_name_the_first_event(self, event: str, action: str) -> None:
        assert said(movement(event, ZBE={4: action})) == [("required-field-missing", "ZBE-6")]
        assert said(movement(event, ZBE={4: action, 6: "A01"})) == []

    def test_a_condition_looks_at_its_own_segment(self) -> None:
        raw = movement("Z99", ZBE={4: "UPDATE", 6: "A01"}) + b"ZBE|313|20250310||UPDATE|N||||M\r"
        assert said(raw) == [("too-many-segments", "ZBE(2)"), ("required-field-missing", "ZBE(2)-6")]

    def test_a_name_has_its_type(self) -> None:
        (finding,) = check(a28(PID={5: "KERGUELEN^ANNE^ANNE SOLENE MARIE^^^Mme^^L~DE LYRE^^^^^^D~~^^"}))
        assert (finding.rule, str(finding.at)) == ("required-field-missing", "PID-5.7")


class TestUnsupportedFields:
    """IHE PAM FR 2.11.2 §6.3 and the tables of chapter 6: usage X."""

    @pytest.mark.parametrize("number", [2, 4, 9, 10, 12, 17, 19, 20, 22, 28])
    def test_a_forbidden_field_is_a_warning(self, number: int) -> None:
        (finding,) = check(a28(PID={number: "x"}))
        assert (finding.rule, str(finding.at)) == ("field-not-supported", f"PID-{number}")
        assert finding.severity is Severity.W

    @pytest.mark.parametrize("value", ['""', "^^", "~"])
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
        assert (finding.rule, str(finding.at)) == ("too-many-repetitions", "PID-16")
        assert "2 received" in finding.en

    @pytest.mark.parametrize("change", [{32: "~".join(["XX"] * 5000)}, {11: "~".join(["^^^^^^XX"] * 5000)}])
    def test_the_faults_of_thousands_are_not_all_looked_for(self, change: Cells) -> None:
        found = check_message(parse_message(a28(PID=change)), FRENCH)
        assert MOST_FINDINGS < len(found) < MOST_FINDINGS + 10

    def test_nor_those_of_thousands_of_segments(self) -> None:
        raw = adt("A28", ("EVN", {2: "20250310091500"}), ("PID", PID), ("PV1", {2: "N"}), *[("NK1", {1: "x"})] * 5000)
        assert MOST_FINDINGS < len(check_message(parse_message(raw), FRENCH)) < MOST_FINDINGS + 20

    def test_a_limit_above_one(self) -> None:
        assert said(a28(PID={38: "a~b"})) == []
        assert said(a28(PID={38: "a~b~c"})) == [("too-many-repetitions", "PID-38")]


class TestTables:
    """IHE PAM FR 2.11.2 chapter 6: French tables."""

    @pytest.mark.parametrize(
        ("number", "value", "where"),
        [
            (8, "O", "PID-8"),
            (16, "X", "PID-16"),
            (24, "1", "PID-24"),
            (32, "QUAL", "PID-32"),
            (32, "VALI~RECUP", "PID-32[2]"),
            (5, "KERGUELEN^ANNE^^^^^L~LYRE^ANNE^^^^^M", "PID-5[2].7"),
            (11, "^^NANTES^^44000^FRA^XX", "PID-11.7"),
            (3, "100245^^^CHU-LYRE^INS-NIR", "PID-3.5"),
        ],
    )
    def test_a_code_of_no_table(self, number: int, value: str, where: str) -> None:
        (finding,) = check(a28(PID={number: value}))
        assert (finding.rule, str(finding.at)) == ("value-not-in-table", where)
        assert finding.code is ErrorCode.TABLE_VALUE
        assert finding.severity is (Severity.I if number == 3 else Severity.W)

    def test_international_tables_are_those_of_hl7(self) -> None:
        assert said(a28(PID={8: "O", 32: "QUAL"}), INTERNATIONAL) == []
        assert said(a28(PID={8: "X"}), INTERNATIONAL) == [("value-not-in-table", "PID-8")]

    @pytest.mark.parametrize(
        ("segment", "where"),
        [
            ("ZFD|||||XX", "ZFD-5"),
            ("ZFD|||||INSI||XX", "ZFD-7"),
            ("ZFD|||O", "ZFD-3"),
            ("ZFA|OUVERT", "ZFA-1"),
        ],
    )
    def test_french_segments(self, segment: str, where: str) -> None:
        assert said(a28() + segment.encode() + b"\r") == [("value-not-in-table", where)]

    def test_actions_and_natures_of_movements(self) -> None:
        assert said(movement("A06", ZBE={4: "DELETE", 9: "HMSC^text"})) == [
            ("value-not-in-table", "ZBE-4"),
            ("value-not-in-table", "ZBE-9"),
        ]

    def test_a_code_may_be_padded_escaped_or_erased(self) -> None:
        assert said(a28(PID={8: " F ", 16: "\\X4D\\", 24: '""'})) == []
        assert said(a28(PID={8: "^x"})) == []


class TestDataTypes:
    """HL7 v2.5 chapter 2A: the form of dates and numbers."""

    @pytest.mark.parametrize(
        ("number", "value"), [(1, "one"), (7, "23/01/1959"), (25, "first"), (29, "2025-03-10"), (33, "20251310")]
    )
    def test_an_ill_formed_value(self, number: int, value: str) -> None:
        (finding,) = check(a28(PID={number: value, 24: "Y"}))
        assert (finding.rule, str(finding.at)) == ("value-ill-formed", f"PID-{number}")
        assert (finding.code, finding.severity) == (ErrorCode.DATA_TYPE, Severity.W)

    @pytest.mark.parametrize("value", ["1959", "195901", "19590123", "19590123091500+0100", "19590123^D", '""'])
    def test_any_precision_of_a_date(self, value: str) -> None:
        assert said(a28(PID={7: value})) == []

    def test_a_value_that_is_too_long(self) -> None:
        (finding,) = check(a28(MSH={10: "C" * 21}))
        assert (finding.rule, str(finding.at)) == ("value-too-long", "MSH-10")
        assert "21 received" in finding.en
        assert said(a28(MSH={10: "C" * 18 + "\\T\\" * 2})) == []


class TestConditions:
    """IHE PAM FR 2.11.2 §6.6.12, §6.10.1, §6.13: what one field asks of another."""

    def test_a_birth_order_needs_a_multiple_birth(self) -> None:
        (finding,) = check(a28(PID={24: "N", 25: "1"}))
        assert (finding.rule, str(finding.at)) == ("birth-order-needs-multiple-birth", "PID-24")
        assert finding.spec == "IHE PAM FR 2.11.2 §6.6.12"
        assert said(a28(PID={24: "", 25: "1"})) == [("birth-order-needs-multiple-birth", "PID-24")]
        assert said(a28(PID={24: "Y", 25: "1"})) == []
        assert said(a28(PID={24: "N", 25: '""'})) == []

    def test_an_identity_message_speaks_of_no_visit(self) -> None:
        assert said(a28(PV1={2: "I"})) == [("identity-message-with-patient-class", "PV1-2")]
        assert said(a28(PV1={2: ""})) == [("required-field-missing", "PV1-2")]

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
        assert said(movement("A02", ZBE={9: "C"})) == [("nature-c-outside-correction", "ZBE-9")]
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
            (Condition(Place("PID", 60), Test.IS, frozenset({"Y"})), False),
        ],
    )
    def test_everything_a_condition_can_ask(self, expect: Condition, kept: bool) -> None:
        plan = FRENCH.plans["A28"]
        rule = ConditionRule(FRENCH.rules[0].rule, (), expect)
        profile = replace(FRENCH, plans={"A28": replace(plan, rules=(rule,))})
        assert (said(a28(), profile) == []) is kept


def _lines(plan: EventPlan, usage: Usage) -> list[FieldRule]:
    return [
        entry.whole
        for each in plan.fields.values()
        for entry in each.fields.values()
        if entry.whole and entry.whole.usage is usage
    ]


class TestEveryLine:
    """IHE PAM FR 2.11.2: each line of the profile is checked, with a text that fits an ERR."""

    @pytest.mark.parametrize("rule", _lines(FRENCH.plans["A01"], Usage.X), ids=lambda rule: str(rule.at))
    def test_every_unsupported_field_of_an_admission(self, rule: FieldRule) -> None:
        assert rule.at.field is not None
        name = rule.at.segment
        raw = movement(**{name: {rule.at.field: "x"}})
        if name not in ("MSH", "EVN", "PID", "PV1", "ZBE"):
            raw += line(name, {rule.at.field: "x"}).encode() + b"\r"
        (finding,) = [each for each in check(raw) if each.rule == "field-not-supported"]
        assert str(finding.at) == str(rule.at)
        assert finding.spec == rule.spec

    def test_a_field_that_only_must_be_there(self) -> None:
        rule = next(each for each in FRENCH.plans["A01"].fields["NK1"].required if each.at.field == 33)
        assert rule.usage is Usage.R
        assert ("required-field-missing", "NK1-33") in said(movement() + b"NK1|1\r")

    def test_a_component_that_is_not_supported(self) -> None:
        plan = FRENCH.plans["A28"]
        fields = plan.fields["PID"].fields
        entry = fields[5]
        banned = replace(entry, components=(replace(entry.components[0], usage=Usage.X),))
        pid = replace(plan.fields["PID"], fields={**fields, 5: banned})
        profile = replace(FRENCH, plans={"A28": replace(plan, fields={**plan.fields, "PID": pid})})
        assert said(a28(), profile) == [("field-not-supported", "PID-5.7"), ("field-not-supported", "PID-5[2].7")]


class TestFindings:
    """HL7 v2.5 §2.15.5.8: what the sender is told."""

    def test_say_nothing_of_the_patient_and_fit_an_err(self) -> None:
        raw = movement(
            PID={
                1: "KERGUELEN",
                2: "KERGUELEN",
                5: "KERGUELEN^KERGUELEN",
                7: "KERGUELEN",
                8: "KERGUELEN",
                18: "",
                25: "KERGUELEN",
                32: "KERGUELEN",
            },
            ZBE={4: "KERGUELEN", 9: ""},
            MSH={9: "ADT^A01^KERGUELEN", 10: "KERGUELEN" * 9},
        )
        findings = check(raw)
        assert len(findings) > 8
        for finding in findings:
            assert finding.severity is not Severity.E
            assert finding.spec
            for text in (finding.fr, finding.en):
                assert "KERGUELEN" not in text
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
