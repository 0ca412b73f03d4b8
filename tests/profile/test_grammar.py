"""The order of segments as an automaton."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.profile.base import Item, read_structure
from pam_receiver.profile.grammar import compile_grammar, count_segments, insert_after
from pam_receiver.profile.model import Cardinality, Grammar

ONE = Cardinality(1, 1)
MANY = Cardinality(0, None)


def structure(name: str) -> tuple[Item, ...]:
    items = read_structure(name)
    assert items is not None
    return items


def accepts(grammar: Grammar, names: str) -> bool:
    state: int | None = 0
    for name in names.split():
        state = grammar.steps[state].get(name) if state is not None else None
    return state is not None


class TestOrder:
    """HL7 v2.5 §2.5.2: segments stand in the order of the abstract message."""

    @pytest.mark.parametrize(
        "names",
        [
            "MSH EVN PID PD1 ROL ROL NK1 PV1 PV2 ROL OBX PR1 ROL PR1 GT1 IN1 IN2 IN1 ROL ACC",
            "MSH PID",
            "MSH EVN PID PV1 ROL",
            "MSH EVN PID PID",
            "",
        ],
    )
    def test_the_order_of_the_structure_is_accepted_gaps_and_repeats_too(self, names: str) -> None:
        assert accepts(compile_grammar(structure("ADT_A05")), names)

    @pytest.mark.parametrize(
        "names", ["EVN MSH", "MSH PID EVN", "MSH EVN PID PV1 PD1", "MSH EVN PID PV1 IN1 PR1", "MSH EVN PID MRG"]
    )
    def test_another_order_is_not(self, names: str) -> None:
        assert not accepts(compile_grammar(structure("ADT_A05")), names)

    def test_a_repeating_group_begins_again(self) -> None:
        grammar = compile_grammar(structure("ADT_A39"))
        assert accepts(grammar, "MSH EVN PID MRG PID PD1 MRG PV1 PID MRG")
        assert not accepts(grammar, "MSH EVN PID MRG EVN")

    def test_a_group_that_stands_once_does_not(self) -> None:
        items = (Item("G", ONE, (Item("PID", ONE), Item("PV1", ONE))), Item("ACC", ONE))
        assert not accepts(compile_grammar(items), "PID PV1 PID")
        assert accepts(compile_grammar(items), "PID PV1 ACC")

    @given(st.lists(st.sampled_from(["MSH", "EVN", "PID", "ROL", "PV1", "PR1", "IN1", "ZZZ"]), max_size=12))
    def test_any_subset_in_order_is_accepted(self, names: list[str]) -> None:
        whole = ["MSH", "EVN", "PID", "ROL", "PV1", "PR1", "IN1"]
        wanted = sorted((name for name in set(names) if name in whole), key=whole.index)
        assert accepts(compile_grammar(structure("ADT_A05")), " ".join(wanted))


class TestPlacing:
    """HL7 v2.5 §2.11: a local segment stands where the profile puts it."""

    ITEMS = (Item("PID", ONE), Item("PV1", ONE), Item("PV2", ONE), Item("OBX", MANY))

    def test_stands_behind_its_anchor(self) -> None:
        names = [item.name for item in insert_after(self.ITEMS, "PV2", Item("ZBE", ONE))]
        assert names == ["PID", "PV1", "PV2", "ZBE", "OBX"]

    def test_stands_behind_those_placed_before_it(self) -> None:
        items = insert_after(self.ITEMS, "PV2", Item("ZBE", ONE))
        names = [item.name for item in insert_after(items, "PV2", Item("ZFA", ONE), behind=["ZBE"])]
        assert names == ["PID", "PV1", "PV2", "ZBE", "ZFA", "OBX"]

    def test_may_be_the_last(self) -> None:
        assert insert_after(self.ITEMS, "OBX", Item("ZBE", ONE), behind=["ZZZ"])[-1].name == "ZBE"

    def test_has_no_place_without_its_anchor(self) -> None:
        assert insert_after(self.ITEMS, "PDA", Item("ZBE", ONE)) == self.ITEMS


class TestCounts:
    """HL7 v2.5 §2.5.2: optional and repeating segments, in groups too."""

    def test_counts_the_whole_message(self) -> None:
        counts = count_segments(structure("ADT_A39"))
        assert counts["MSH"] == Cardinality(1, 1)
        assert counts["SFT"] == Cardinality(0, None)
        assert counts["MRG"] == Cardinality(1, None)
        assert counts["PV1"] == Cardinality(0, None)

    def test_adds_up_a_segment_that_has_several_places(self) -> None:
        once = Item("ROL", Cardinality(0, 1))
        assert count_segments((once, Item("PV1", ONE), once))["ROL"] == Cardinality(0, 2)
        assert count_segments((once, Item("ROL", MANY)))["ROL"] == Cardinality(0, None)
        assert count_segments((Item("G", Cardinality(0, 2), (Item("X", ONE),)),))["X"] == Cardinality(0, 2)
