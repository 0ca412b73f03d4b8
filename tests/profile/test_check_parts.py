"""Usages and conditions of components and fields, at every level. All persons are invented."""

import pytest
from small_messages import PID, a28, adt, said


@pytest.fixture
def load(load):
    """Load a small profile, for which the types of identifiers are no matter."""
    return lambda lines="", **more: load(f'[[component]]\nat = "CX-5"\ntable = "none"\nspec = "S"\n{lines}', **more)


PARTS = """
[[component]]
at = "CX-1"
usage = "R"
spec = "S"
[[component]]
at = "CX-2"
usage = "X"
spec = "S"
[[component]]
at = "CX-7"
usage = "C"
when = [{ at = "CX-5", is = "A" }, { at = "CX-3", present = false }]
spec = "S"
[[component]]
at = "CX-9"
usage = "CE"
when = [{ at = "CX-5", is = ["B", "C"] }]
spec = "S"
[[component]]
at = "HD-1"
usage = "C"
when = [{ at = "HD-2", present = false }]
spec = "S"
[[component]]
at = "HD-3"
usage = "CE"
when = [{ at = "HD-2", present = true }]
table = "none"
spec = "S"
"""


class TestParts:
    """HL7 v2.5 §2.12: usages of the components of a data type, wherever it is used."""

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ("1", []),
            ("^^^A", [("cx-1-required", "PID-18.1")]),
            ('""^^^A', []),
            (" ^^^A", [("cx-1-required", "PID-18.1")]),
            ("^", []),
            ("1^2", [("cx-2-forbidden", "PID-18.2")]),
            ('1^""', []),
            ("1^^^^A", [("cx-7-missing", "PID-18.7")]),
            ('1^^^^A^^""', []),
            ("1^^^^A^^2025", []),
            ("1^^M10^^A", []),
            ("1^^^^B", []),
            ("1^^^^B^^^^C", []),
            ("1^^^^C&x^^^^C", [("cx-5-divided", "PID-18.5")]),
            ("1^^^^ B ^^^^C", []),
            ("1^^^^\\X42\\^^^^C", []),
            ("1^^^^A^^2025^^C", [("cx-9-unexpected", "PID-18.9")]),
            ("1^^^^^^^^C", [("cx-9-unexpected", "PID-18.9")]),
            ('1^^^^""^^^^""', []),
            ("1^^^A", []),
            ("1^^^&2", []),
            ("1^^^A&&3", [("hd-3-unexpected", "PID-18.4.3")]),
            ("1^^^&&3", [("hd-1-missing", "PID-18.4.1"), ("hd-3-unexpected", "PID-18.4.3")]),
            ("1^^^&2&3", []),
        ],
    )
    def test_in_a_field(self, load, value: str, told: list[tuple[str, str]]) -> None:
        assert said(a28(PID={18: value}), load(PARTS)) == told

    def test_in_each_repetition_and_each_field_of_the_type(self, load) -> None:
        raw = a28(PID={3: "1~^^^A", 18: "1^2"}, PV1={2: "N", 19: "1^^^^A"})
        assert said(raw, load(PARTS)) == [
            ("cx-1-required", "PID-3[2].1"),
            ("cx-2-forbidden", "PID-18.2"),
            ("cx-7-missing", "PV1-19.7"),
        ]

    def test_and_in_a_component_of_the_type(self, load) -> None:
        assert said(a28(PV1={2: "N", 3: "A^B^C^&&3"}), load(PARTS)) == [
            ("hd-1-missing", "PV1-3.4.1"),
            ("hd-3-unexpected", "PV1-3.4.3"),
        ]

    def test_a_line_of_a_field_keeps_the_condition_of_the_type(self, load) -> None:
        profile = load(PARTS + '[[field]]\nat = "PID-18.7"\nname = "Effective"\nspec = "S"\n')
        assert said(a28(PID={18: "1^^^^A"}), profile) == [("pid-18-7-missing", "PID-18.7")]
        assert said(a28(PID={18: "1^^^^B"}), profile) == []
        assert said(a28(PID={18: "1^^M10^^A"}), profile) == []

    def test_so_does_one_of_a_subcomponent(self, load) -> None:
        profile = load(PARTS + '[[field]]\nat = "PID-18.4.1"\nname = "Namespace"\nspec = "S"\n')
        assert said(a28(PID={18: "1^^^&2"}), profile) == []
        assert said(a28(PID={18: "1^^^&&&x"}), profile)[-1] == ("pid-18-4-1-missing", "PID-18.4.1")

    @pytest.mark.parametrize(
        ("at", "when", "right", "wrong", "where"),
        [
            ("CX-4.1", '{ at = "CX-4.2", present = true }', "1^^^A&2", "1^^^&2", "PID-18.4.1"),
            ("CX-4.1", '{ at = "CX-5", is = "B" }', "1^^^&2^A", "1^^^&2^B", "PID-18.4.1"),
            ("CX-3", '{ at = "CX-4.2", is = "2" }', "1^^^A&3", "1^^^A&2", "PID-18.3"),
        ],
    )
    def test_a_condition_may_look_across_the_levels_of_a_type(
        self, load, at: str, when: str, right: str, wrong: str, where: str
    ) -> None:
        profile = load(f'[[component]]\nat = "{at}"\nusage = "C"\nwhen = [{when}]\nspec = "S"\n')
        name = at.lower().replace(".", "-")
        assert f"{name}-missing" not in [rule for rule, _ in said(a28(PID={18: right}), profile)]
        assert (f"{name}-missing", where) in said(a28(PID={18: wrong}), profile)

    @pytest.mark.parametrize(
        ("at", "when", "right", "wrong"),
        [
            ("PID-18.4.1", '{ at = "PID-18.4.2", present = true }', "1^^^A&2", "1^^^&2"),
            ("PID-18.4.1", '{ at = "PID-18.5", is = "PI" }', "1^^^&2^AN", "1^^^&2^PI"),
            ("PID-18.3", '{ at = "PID-18.4.2", is = "2" }', "1^^^A&3", "1^^^A&2"),
            ("PID-18.3", '{ at = "PID-18.5", is = "PI" }', "1^^^A^AN~1^^X^A^PI", "1^^X^A^AN~1^^^A^PI"),
            ("PID-18.3", '{ at = "PID-8", is = "M" }', "1^^X^A", ""),
            ("PID-18.3", '{ at = "PV1-2", is = "N" }', "1^^X^A", "1^^^A"),
            ("PID-18.3", '{ at = "PID-18", present = true }', "1^^X^A", "1^^^A"),
        ],
    )
    def test_and_so_may_one_of_a_field(self, load, at: str, when: str, right: str, wrong: str) -> None:
        profile = load(f'[[field]]\nat = "{at}"\nusage = "C"\nwhen = [{when}]\nspec = "S"\n')
        name = at.lower().replace(".", "-") + "-missing"
        assert name not in [rule for rule, _ in said(a28(PID={18: right}), profile)]
        assert (name in [rule for rule, _ in said(a28(PID={18: wrong}), profile)]) is bool(wrong)

    def test_nothing_is_said_of_the_parts_of_what_is_forbidden(self, load) -> None:
        profile = load(PARTS + '[[field]]\nat = "PID-18"\nusage = "X"\nspec = "S"\n')
        assert said(a28(PID={18: "^2"}), profile) == [("pid-18-forbidden", "PID-18")]

    def test_a_line_for_a_part_of_what_is_forbidden_is_let_be(self, load) -> None:
        profile = load('[[field]]\nat = "PID-18"\nusage = "X"\nspec = "S"\n[[field]]\nat = "PID-18.5"\nspec = "S"\n')
        assert said(a28(PID={18: "1"}), profile) == [("pid-18-forbidden", "PID-18")]


class TestConditionalFields:
    """HL7 v2.5 §2.12: usages C and CE of a field."""

    def line(self, usage: str, when: str) -> str:
        return f'[[field]]\nat = "PID-23"\nusage = "{usage}"\nwhen = [{when}]\nspec = "S"\n'

    @pytest.mark.parametrize(
        ("when", "holds"),
        [
            ('{ at = "PID-8", is = "F" }', True),
            ('{ at = "PID-8", is = ["M", "F"] }', True),
            ('{ at = "PID-8", is = "M" }', False),
            ('{ at = "PID-8", is_not = "F" }', False),
            ('{ at = "PID-8", is_not = "M" }', True),
            ('{ at = "PID-9", is_not = "M" }', True),
            ('{ at = "PID-9", is = "M" }', False),
            ('{ at = "PID-32", is = "HOMA" }', True),
            ('{ at = "PID-32", is_not = "HOMA" }', False),
            ('{ at = "PID-3.5", is = "INS" }', True),
            ('{ at = "PID-3.5", is_not = "INS" }', False),
            ('{ at = "PID-3.4.3", is = "ISO" }', True),
            ('{ at = "PID-3.4.2", is = "1.2" }', False),
            ('{ at = "PID-5.9", present = true }', False),
            ('{ at = "PID-5.3", present = true }', True),
            ('{ at = "PID-8.2", present = false }', True),
            ('{ at = "PID-60", present = false }', True),
            ('{ at = "EVN-2", present = true }', True),
            ('{ at = "EVN-6", present = false }', True),
            ('{ at = "EVN", present = true }', True),
            ('{ at = "PV2", present = true }', False),
            ('{ at = "PV2", present = false }', True),
            ('{ at = "PV2-3", is_not = "A" }', True),
            ('{ at = "PV1-2", is = "N" }, { at = "PID-8", is = "F" }', True),
            ('{ at = "PV1-2", is = "N" }, { at = "PID-8", is = "M" }', False),
        ],
    )
    def test_c_and_ce(self, load, when: str, holds: bool) -> None:
        needed = [("pid-23-missing", "PID-23")] if holds else []
        unwanted = [] if holds else [("pid-23-unexpected", "PID-23")]
        assert said(a28(), load(self.line("C", when))) == needed
        assert said(a28(PID={23: "X"}), load(self.line("C", when))) == []
        assert said(a28(), load(self.line("CE", when))) == []
        assert said(a28(PID={23: "X"}), load(self.line("CE", when))) == unwanted
        assert said(a28(PID={23: "^^"}), load(self.line("CE", when))) == []

    def test_a_condition_on_another_segment_looks_at_all_of_its_name(self, load) -> None:
        profile = load(self.line("C", '{ at = "NK1-3", is = "SPO" }'))
        pv1 = ("PV1", {2: "N"})
        for codes, told in ((["CHD", "SPO"], 1), (["CHD", "CHD"], 0), (["SPO"], 1), ([], 0)):
            kin = [("NK1", {1: "1", 3: code}) for code in codes]
            raw = adt("A28", ("EVN", {2: "20250310"}), ("PID", PID), *kin, pv1)
            assert len(said(raw, profile)) == told
