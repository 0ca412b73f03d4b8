"""The rules that hold for every profile, and those that are made from its lines."""

import re
from dataclasses import replace

import pytest

from pam_receiver.finding import ErrorCode, Rule, Severity
from pam_receiver.profile import rules
from pam_receiver.profile.base import SHAPES
from pam_receiver.profile.model import (
    Breach,
    Cardinality,
    CodeTable,
    Condition,
    FieldRule,
    Place,
    SegmentRule,
    Strictness,
    Test,
    Usage,
)

TABLE = CodeTable("T", "title", {"A": "a", "{B}": "b"}, "S")
FIELD = FieldRule(Place("PID", 8), "Sex", Usage.O, Cardinality(0, 1), "IS", "of the line")
WHEN = (
    Condition(Place("ZBE", 4), Test.IS, frozenset({"UPDATE", "CANCEL"})),
    Condition(Place("PID", 7), Test.IS_NOT, frozenset({"X"})),
    Condition(Place("PID", 9), Test.PRESENT),
    Condition(Place("PV2"), Test.ABSENT),
)


def made(rule: FieldRule, *, depth: int = 1, grading: rules.Grading | None = None) -> dict[Breach, Rule]:
    return rules.field_rules(rule, grading or rules.Grading(), depth=depth)


@pytest.mark.parametrize("rule", rules.GENERIC, ids=lambda rule: rule.id)
def test_a_rule_is_complete_in_both_languages_and_never_an_error(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert set(re.findall(r"\{(\w+?)\}", rule.fr)) == set(re.findall(r"\{(\w+?)\}", rule.en))
    assert rule.fr != rule.en
    assert rule.spec
    assert rule.example
    assert rule.severity is not Severity.E


def test_ids_are_unique_and_all_constants_are_listed() -> None:
    constants = [value for value in vars(rules).values() if isinstance(value, Rule)]
    assert [*rules.GENERIC, rules.NOT_CHECKED_TO_THE_END] == constants
    assert len({rule.id for rule in constants}) == len(constants)


class TestMadeOnce:
    """What several places and profiles ask in the same way has the same rules; each profile grades its own."""

    def test_the_same_asked_again(self) -> None:
        again = replace(FIELD, table=None)
        assert made(FIELD)[Breach.REPEATED] is made(again)[Breach.REPEATED]

    def test_what_a_profile_does_to_them_is_its_own(self) -> None:
        before = made(FIELD)
        strict = made(FIELD, grading=rules.Grading(Strictness.STRICT))
        ignoring = made(FIELD, grading=rules.Grading(grades={"pid-8-repeated": None}))
        made(FIELD).clear()
        assert strict[Breach.DIVIDED].severity is Severity.E
        assert Breach.REPEATED not in ignoring
        assert made(FIELD) == before

    @pytest.mark.parametrize(
        "change",
        [
            {"at": Place("PID", 9)},
            {"name": "Other"},
            {"type": "ST"},
            {"spec": "of another line"},
            {"severity": Severity.I, "other_severity": Severity.I},
            {"example": "F"},
            {"card": Cardinality(0, 3)},
            {"table": TABLE},
            {"max_length": 3},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_something_else_asked(self, change: dict[str, object]) -> None:
        assert made(replace(FIELD, **change)) != made(FIELD)  # type: ignore[arg-type]

    def test_tables_of_one_id_and_other_codes_or_in_another_order(self) -> None:
        for codes in ("AB", "ABC", "BA"):
            table = CodeTable("T", "title", dict.fromkeys(codes, ""), "S")
            rule = made(replace(FIELD, table=table))[Breach.NOT_IN_TABLE]
            assert rule.fr.endswith(f"({', '.join(codes)}).")
            assert rule.example == f"PID-8 = {codes[0]}"


class TestFieldRules:
    """HL7 v2.5 §2.12, §2.5.3: a rule for each way in which a line can be broken."""

    @pytest.mark.parametrize(
        ("change", "breaches"),
        [
            ({}, "repeated divided"),
            ({"card": Cardinality(0, None)}, "divided"),
            ({"usage": Usage.RE}, "repeated divided"),
            ({"usage": Usage.R}, "required repeated divided"),
            ({"usage": Usage.C, "when": WHEN}, "missing repeated divided"),
            ({"usage": Usage.CE, "when": WHEN}, "unexpected repeated divided"),
            ({"usage": Usage.X, "table": TABLE, "max_length": 3}, "forbidden"),
            ({"table": TABLE, "max_length": 3}, "repeated not-in-table divided"),
            ({"type": "NM", "shape": SHAPES["NM"], "max_length": 3}, "repeated ill-formed too-long divided"),
            ({"type": "DT", "shape": SHAPES["DT"], "max_length": 8}, "repeated ill-formed divided"),
            ({"type": "DT", "shape": SHAPES["DT"], "max_length": 6}, "repeated ill-formed too-long divided"),
            ({"max_length": 3}, "repeated too-long divided"),
        ],
    )
    def test_of_a_line(self, change: dict[str, object], breaches: str) -> None:
        assert " ".join(made(replace(FIELD, **change))) == breaches  # type: ignore[arg-type]

    @pytest.mark.parametrize(("depth", "breaches"), [(1, "repeated divided"), (2, "divided"), (3, "")])
    def test_only_a_field_repeats_and_a_subcomponent_has_no_parts(self, depth: int, breaches: str) -> None:
        assert " ".join(made(FIELD, depth=depth)) == breaches

    def test_say_what_the_line_says(self) -> None:
        rule = made(replace(FIELD, usage=Usage.R, severity=Severity.I, example="F"))[Breach.REQUIRED]
        assert (rule.id, rule.code, rule.severity) == ("pid-8-required", ErrorCode.REQUIRED_FIELD_MISSING, Severity.I)
        assert (rule.spec, rule.example) == ("of the line", "PID-8 = F")
        assert rule.en == "Fill {place} (Sex): required in a message {event}."

    def test_a_severity_of_the_usage_leaves_the_others_alone(self) -> None:
        asked = replace(FIELD, usage=Usage.C, when=WHEN, table=TABLE, severity=Severity.I)
        assert {breach: rule.severity for breach, rule in made(asked).items()} == {
            Breach.MISSING: Severity.I,
            Breach.REPEATED: Severity.W,
            Breach.NOT_IN_TABLE: Severity.W,
            Breach.DIVIDED: Severity.W,
        }

    def test_the_other_severity_is_for_all_but_the_usage(self) -> None:
        asked = replace(FIELD, usage=Usage.R, table=TABLE, other_severity=Severity.I)
        told = {breach: rule.severity for breach, rule in made(asked).items()}
        assert told.pop(Breach.REQUIRED) is Severity.W
        assert set(told.values()) == {Severity.I}

    def test_say_of_a_forbidden_value_whether_it_is_read(self) -> None:
        read, unread = (
            made(replace(FIELD, at=Place.parse(at), usage=Usage.X))[Breach.FORBIDDEN] for at in ("PID-8", "PID-9")
        )
        assert "reads what stands there" in read.en
        assert "lit ce qui s'y trouve" in read.fr
        assert "is not read" in unread.en
        assert "n'est pas lue" in unread.fr

    def test_say_why_a_field_is_required(self) -> None:
        rule = made(replace(FIELD, usage=Usage.C, when=WHEN))[Breach.MISSING]
        why = "ZBE-4 is CANCEL or UPDATE and PID-7 is not X and PID-9 is filled and PV2 is empty"
        assert rule.en == f"Fill {{place}} (Sex): required when {why}."
        assert "ZBE-4 vaut CANCEL ou UPDATE et PID-7 ne vaut pas X et PID-9 est renseigné et PV2 est vide" in rule.fr

    def test_name_the_codes_of_a_short_table_whatever_signs_they_have(self) -> None:
        rule = made(replace(FIELD, table=TABLE))[Breach.NOT_IN_TABLE]
        assert rule.at(None, place="PID-8", event="A28").en == "Take the code of PID-8 (Sex) from the table T (A, {B})."
        long = CodeTable("T", "title", {str(number): "" for number in range(13)}, "S")
        rule = made(replace(FIELD, table=long))[Breach.NOT_IN_TABLE]
        assert rule.at(None, place="PID-8", event="A28").en == "Take the code of PID-8 (Sex) from the table T."


class TestExamples:
    @pytest.mark.parametrize(
        ("change", "depth", "example"),
        [
            ({"example": "F"}, 1, "PID-8 = F"),
            ({"table": TABLE}, 1, "PID-8 = A"),
            ({"type": "NM"}, 1, "PID-8 = 1"),
            ({"type": "CE"}, 1, "PID-8 = CODE^LABEL^TABLE"),
            ({"type": "CE"}, 2, "PID-8 = CODE&LABEL&TABLE"),
            ({"type": "ST", "max_length": 2}, 1, "PID-8 = TE"),
            ({"type": "ST"}, 1, "PID-8 = TEXT"),
        ],
    )
    def test_are_of_the_line_of_its_table_or_of_its_type(
        self, change: dict[str, object], depth: int, example: str
    ) -> None:
        assert made(replace(FIELD, **change), depth=depth)[Breach.DIVIDED].example == example  # type: ignore[arg-type]

    @pytest.mark.parametrize("usage", [Usage.X, Usage.CE])
    def test_of_what_should_not_be_there_are_empty(self, usage: Usage) -> None:
        (first, *_) = made(replace(FIELD, usage=usage, when=WHEN, example="F")).values()
        assert first.example == "PID-8 = "


class TestSegmentRules:
    """HL7 v2.5 §2.5.2: presence, number and order of segments."""

    @pytest.mark.parametrize(
        ("usage", "most", "breaches"),
        [
            (Usage.O, None, "out-of-order"),
            (Usage.O, 1, "out-of-order repeated"),
            (Usage.R, 1, "out-of-order required repeated"),
            (Usage.C, None, "out-of-order missing"),
            (Usage.CE, 2, "out-of-order unexpected repeated"),
            (Usage.X, 1, "forbidden"),
        ],
    )
    def test_of_a_segment(self, usage: Usage, most: int | None, breaches: str) -> None:
        asked = SegmentRule("ZBE", usage, Cardinality(0, most), "S", when=WHEN)
        found = rules.segment_rules(asked, rules.Grading())
        assert " ".join(found) == breaches
        for breach, rule in found.items():
            assert rule.id == f"zbe-{breach.value}"
            assert rule.code is ErrorCode.SEGMENT_SEQUENCE
            empty = breach in (Breach.FORBIDDEN, Breach.UNEXPECTED)
            assert rule.example == ("" if empty else "ZBE|…")


class TestGrading:
    def test_an_overlay_counts_more_than_strictness_and_that_more_than_the_line(self) -> None:
        rule = rules.ODD_STRUCTURE
        lenient, strict = rules.Grading(), rules.Grading(Strictness.STRICT)
        assert lenient.grade(rule, is_strict=True) == rule
        assert strict.grade(rule, is_strict=False) == rule
        assert strict.grade(rule, is_strict=True) == replace(rule, severity=Severity.E)
        graded = rules.Grading(Strictness.STRICT, {rule.id: Severity.I})
        assert graded.grade(rule, is_strict=True) == replace(rule, severity=Severity.I)

    def test_what_is_ignored_is_gathered(self) -> None:
        grading = rules.Grading(grades={"pid-8-divided": None})
        assert Breach.DIVIDED not in made(FIELD, grading=grading)
        assert grading.ignored == {"pid-8-divided"}
