"""A merge undone: what each of the two identities is afterwards, and what is not undone."""

from dataclasses import replace

import pytest
from people import House, a28, a31, a40, a47, house, ipp, qualified, who, with_traits

from pam_receiver.identity.identifiers import Ins
from pam_receiver.identity.model import Decision
from pam_receiver.identity.unmerge import NotUndone, decide_unmerge


@pytest.fixture
def ward() -> House:
    """200 was merged into 100 by mistake."""
    made = house(who("100"), qualified("200", traits=with_traits(sex="M")))
    made.accept(a40(who("100"), "200"))
    return made


def undo(ward: House, absorbed: str = "200", survivor: str = "100", *, was_active: bool = True) -> Decision | NotUndone:
    ids = {"absorbed": ward.of(absorbed).id, "survivor": ward.of(survivor).id}
    return decide_unmerge(ward.known, was_active=was_active, **ids)


def done(ward: House, absorbed: str = "200", survivor: str = "100", *, was_active: bool = True) -> Decision:
    decision = undo(ward, absorbed, survivor, was_active=was_active)
    assert isinstance(decision, Decision), decision
    ward.known.apply(decision)
    return decision


class TestUndone:
    def test_the_absorbed_identity_is_as_it_was_before(self) -> None:
        ward = house(who("100"), qualified("200"))
        before = ward.of("200")
        ward.accept(a40(who("100"), "200"))
        done(ward)
        assert ward.of("200") == replace(before, version=3)

    def test_the_survivor_keeps_all_that_it_holds(self, ward: House) -> None:
        before = ward.of("100")
        done(ward)
        assert ward.of("100") == replace(before, version=before.version + 1)

    def test_both_histories_say_so(self, ward: House) -> None:
        one, other = done(ward).changes
        assert [(each.what, each.before, each.after) for each in one.differences] == [
            ("active", False, True),
            ("merged_into", ward.of("100").id, None),
        ]
        assert [(each.what, each.before, each.after) for each in other.differences] == [
            ("unmerged", ward.of("200").id, None)
        ]

    def test_an_alert_is_about_the_survivor(self, ward: House) -> None:
        (alert,) = done(ward).alerts
        assert (alert.identity_id, alert.finding.rule) == (ward.of("100").id, "merge-undone")
        assert alert.finding.fr != alert.finding.en

    def test_one_that_was_inactive_before_is_so_again(self, ward: House) -> None:
        done(ward, was_active=False)
        assert (ward.of("200").active, ward.of("200").merged_into) == (False, None)

    def test_an_ins_that_was_removed_meanwhile_does_not_come_back(self, ward: House) -> None:
        ins = ward.of("200").ins
        assert isinstance(ins, Ins)
        ward.accept(a47(who("100"), old_ins=[ins]))
        assert ward.of("200").ins is None
        done(ward)
        assert (ward.of("200").ins, ward.of("200").active) == (None, True)

    def test_messages_find_each_of_them_again(self, ward: House) -> None:
        done(ward)
        ward.accept(a31(who("200", traits=with_traits(sex="F"))))
        assert ward.of("200").traits.sex == "F"
        ward.accept(a28(who("100")))
        assert ward.of("100").identifiers == (ipp("100"),)

    def test_the_same_merge_can_be_done_and_undone_again(self, ward: House) -> None:
        done(ward)
        ward.accept(a40(who("100"), "200"))
        assert ward.of("200").merged_into == ward.of("100").id
        done(ward)
        assert ward.of("200").merged_into is None


class TestNotUndone:
    def test_what_is_not_merged(self, ward: House) -> None:
        done(ward)
        assert undo(ward) is NotUndone.NOT_MERGED

    def test_what_is_merged_into_another(self, ward: House) -> None:
        ward.accept(a28(who("300")))
        assert undo(ward, survivor="300") is NotUndone.NOT_MERGED

    def test_a_survivor_that_was_merged_since(self, ward: House) -> None:
        ward.accept(a28(who("300")))
        ward.accept(a40(who("300"), "100"))
        assert undo(ward) is NotUndone.MERGED_SINCE

    def test_the_later_merge_of_a_chain_first_then_the_earlier(self, ward: House) -> None:
        ward.accept(a28(who("300")))
        ward.accept(a40(who("300"), "100"))
        done(ward, absorbed="100", survivor="300")
        assert ward.of("200").merged_into == ward.of("100").id
        done(ward)
        assert [ward.of(each).merged_into for each in ("100", "200", "300")] == [None, None, None]

    def test_one_that_is_not_there(self, ward: House) -> None:
        found = decide_unmerge(ward.known, absorbed="x", survivor=ward.of("100").id, was_active=True)
        assert found is NotUndone.UNKNOWN
