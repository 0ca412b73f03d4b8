"""Messages that come late: whatever the order, none raises a status, brings an INS back, or moves a date back."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import (
    ANNE,
    AT,
    ERASED_INS,
    NEW_NIR,
    NIR,
    OTHER_SENDER,
    House,
    a28,
    a29,
    a31,
    a40,
    a47,
    alerts_of,
    house,
    movement,
    qualified,
    rules_of,
    who,
    with_traits,
)

from pam_receiver.identity.draft import find_differences
from pam_receiver.identity.identifiers import Ins
from pam_receiver.identity.model import Event, Identity, Interval, Occasion, Person, Policy, Update
from pam_receiver.identity.status import IdentityStatus

EARLIER, LATER = AT - timedelta(hours=2), AT - timedelta(hours=1)
IGNORE = Policy(stale_updates="ignore")
PROV = who("100", codes=["PROV"])
RENAMED = who("100", codes=["PROV"], traits=with_traits(birth_family_name="TREVOUX"))
UPDATES = pytest.mark.parametrize("event", [a28, a31, movement])
Made = Callable[[Person], Update]


def held_since(at: datetime, person: Person, policy: Policy | None = None) -> House:
    """A house with one person, described at this moment."""
    one = House(policy)
    one.accept(a28(person), dated=at)
    return one


class TestDate:
    """IHE PAM FR 2.11.2 §6.4, §6.6: PID-33, else EVN-2, dates what is held; it never moves back."""

    def test_an_identity_has_the_date_of_the_message_that_made_it(self) -> None:
        assert held_since(LATER, PROV).of("100").dated_at == LATER

    def test_without_a_date_there_is_none(self) -> None:
        assert house(PROV).of("100").dated_at is None

    def test_an_imprecise_date_counts_from_its_beginning(self) -> None:
        one = House()
        one.accept(a28(PROV), dated=Interval(EARLIER, AT))
        assert one.of("100").dated_at == EARLIER

    def test_a_later_message_moves_it_on(self) -> None:
        one = held_since(EARLIER, PROV)
        one.accept(a31(RENAMED), dated=LATER)
        assert (one.of("100").dated_at, one.of("100").version) == (LATER, 2)

    def test_a_later_message_without_a_difference_moves_it_on_without_a_version(self) -> None:
        one = held_since(EARLIER, PROV)
        decision = one.accept(a31(PROV), dated=LATER)
        assert (one.of("100").dated_at, one.of("100").version) == (LATER, 1)
        assert decision.changes == ()
        assert decision.confirmed == (one.of("100"),)

    def test_a_message_without_a_date_leaves_it(self) -> None:
        one = held_since(EARLIER, PROV)
        one.accept(a31(RENAMED))
        assert one.of("100").dated_at == EARLIER

    def test_a_late_message_leaves_it(self) -> None:
        one = held_since(LATER, PROV)
        one.accept(a31(RENAMED), dated=EARLIER)
        assert (one.of("100").dated_at, one.of("100").version) == (LATER, 2)

    def test_a_refused_message_leaves_it(self) -> None:
        one = held_since(EARLIER, PROV)
        decision = one.take(a31(qualified("100", traits=with_traits(sex=""))), dated=LATER)
        assert decision.is_refused
        assert decision.confirmed == ()
        assert one.of("100").dated_at == EARLIER

    @pytest.mark.parametrize(("ahead", "counts"), [(timedelta(days=1), True), (timedelta(days=1, seconds=1), False)])
    def test_a_date_in_the_future_is_none(self, ahead: timedelta, counts: bool) -> None:
        one = held_since(AT + ahead, PROV)
        assert one.of("100").dated_at == (AT + ahead if counts else None)
        decision = one.accept(a31(qualified("100")), dated=AT)
        assert (one.of("100").status == "provisoire") is counts
        assert ("stale-update-applied" in alerts_of(decision)) is counts

    def test_it_is_no_difference_that_a_version_tells(self) -> None:
        before = Identity("x", dated_at=EARLIER)
        assert find_differences(before, Identity("x", dated_at=LATER)) == ()

    def test_of_an_occasion_ours_stands_in_for_it_only_where_something_ends(self) -> None:
        occasion = Occasion("id", "MSG1", OTHER_SENDER, AT)
        assert (occasion.dated_at, occasion.took_place_at) == (None, AT)


class TestApply:
    """IHE PAM FR 2.11.2 §6.4, §6.6; setting stale_updates = apply: taken and alerted, and nothing is raised by it."""

    @UPDATES
    def test_traits_follow_and_an_alert_is_kept(self, event: Made) -> None:
        one = held_since(LATER, PROV)
        decision = one.accept(event(RENAMED), dated=EARLIER)
        assert one.of("100").traits.birth_family_name == "TREVOUX"
        assert alerts_of(decision) == ["stale-update-applied"]
        assert rules_of(decision, "W")[-1] == "stale-update-applied"
        assert decision.alerts[0].identity_id == one.of("100").id

    @UPDATES
    @pytest.mark.parametrize("late", [qualified("100"), who("100"), who("100", ins=[NIR], codes=["PROV"])])
    def test_no_status_is_raised(self, event: Made, late: Person) -> None:
        one = held_since(LATER, PROV)
        decision = one.accept(event(late), dated=EARLIER)
        identity = one.of("100")
        assert (identity.status, identity.ins, identity.reliability_codes) == ("provisoire", None, ("PROV",))
        assert alerts_of(decision) == ["stale-update-applied"]

    @UPDATES
    def test_of_an_identity_downgraded_since_the_ins_stays_away(self, event: Made) -> None:
        one = held_since(EARLIER - timedelta(hours=1), qualified("100"))
        one.accept(a31(PROV), dated=LATER)
        decision = one.accept(event(qualified("100")), dated=EARLIER)
        assert (one.of("100").status, one.of("100").ins) == ("provisoire", None)
        assert alerts_of(decision) == ["ins-removed-since", "stale-update-applied"]

    def test_of_an_ins_replaced_since_the_old_one_stays_former(self) -> None:
        one = held_since(EARLIER, qualified("100"))
        one.accept(a47(qualified("100", ins=NEW_NIR), old_ins=[NIR]), dated=LATER)
        decision = one.accept(a31(qualified("100")), dated=EARLIER)
        assert one.of("100").ins == NEW_NIR
        assert alerts_of(decision) == ["stale-update-applied"]
        assert "ins-replaced" not in rules_of(decision)

    @UPDATES
    def test_a_lower_status_is_taken(self, event: Made) -> None:
        one = held_since(LATER, qualified("100"))
        decision = one.accept(event(PROV), dated=EARLIER)
        assert (one.of("100").status, one.of("100").ins) == ("provisoire", None)
        assert alerts_of(decision) == ["ins-invalidated", "stale-update-applied"]
        one.accept(a31(qualified("100")), dated=LATER)
        assert one.of("100").ins == NIR  # what is not late gives it back

    def test_a_doubt_raised_since_stays(self) -> None:
        one = held_since(LATER, who("100", codes=["PROV", "DOUT"]))
        one.accept(a31(PROV), dated=EARLIER)
        assert one.of("100").reliability_codes == ("PROV", "DOUT")

    def test_a_doubt_that_comes_late_is_taken(self) -> None:
        one = held_since(LATER, who("100"))
        one.accept(a31(who("100", codes=["PROV", "DOUT"])), dated=EARLIER)
        assert (one.of("100").status, one.of("100").reliability_codes) == ("provisoire", ("PROV", "DOUT"))

    @pytest.mark.parametrize("end", [a29(who("100")), a31(who("100", codes=["VALI", "DESA"]))])
    def test_nobody_is_made_active_again(self, end: Event) -> None:
        one = held_since(EARLIER, who("100"))
        one.accept(end, dated=LATER)
        decision = one.accept(a31(who("100")), dated=EARLIER)
        assert not one.of("100").active
        assert "identity-reactivated" not in rules_of(decision)
        assert alerts_of(decision) == ["stale-update-applied"]

    def test_a_deletion_is_taken(self) -> None:
        one = held_since(LATER, qualified("100"))
        decision = one.accept(a29(who("100")), dated=EARLIER)
        assert (one.of("100").active, one.of("100").ins) == (False, None)
        assert alerts_of(decision) == ["identity-deleted", "stale-update-applied"]

    def test_a47_removes_an_ins(self) -> None:
        one = held_since(LATER, qualified("100"))
        decision = one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]), dated=EARLIER)
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        assert alerts_of(decision) == ["stale-update-applied"]

    def test_a47_that_removes_an_ins_raises_no_status(self) -> None:
        one = held_since(LATER, PROV)
        decision = one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]), dated=EARLIER)
        assert (one.of("100").status, one.of("100").reliability_codes) == ("provisoire", ("PROV",))
        assert alerts_of(decision) == ["stale-update-applied"]

    def test_a47_does_not_replace_an_ins(self) -> None:
        one = held_since(LATER, qualified("100"))
        decision = one.accept(a47(qualified("100", ins=NEW_NIR), old_ins=[NIR]), dated=EARLIER)
        assert (one.of("100").ins, one.of("100").status) == (NIR, "qualifiee")
        assert alerts_of(decision) == ["stale-update-applied"]

    def test_a47_renumbers(self) -> None:
        one = held_since(LATER, PROV)
        decision = one.accept(a47(who("101"), "100"), dated=EARLIER)
        assert [each.value for each in one.of("101").ipps] == ["101"]
        assert alerts_of(decision) == ["stale-update-applied"]

    def test_several_identities_have_an_alert_each(self) -> None:
        one = held_since(LATER, qualified("100"))
        one.accept(a28(qualified("200")), dated=LATER)
        one.accept(a40(who("100"), "200"), dated=LATER)
        decision = one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]), dated=EARLIER)
        assert {each.identity_id for each in decision.alerts} == {one.of("100").id, one.of("200").id}
        assert rules_of(decision).count("stale-update-applied") == 1


class TestIgnore:
    """IHE PAM FR 2.11.2 §6.4, §6.6; setting stale_updates = ignore: journalled and alerted, nothing changes."""

    @pytest.mark.parametrize(
        "event",
        [
            a31(RENAMED),
            a28(RENAMED),
            movement(RENAMED),
            a31(who("100", codes=["VIDE"])),
            a31(qualified("100", ins=NEW_NIR)),
            a29(who("100")),
            a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]),
            a47(who("101"), "100"),
        ],
    )
    def test_nothing_changes_and_one_alert_says_so(self, event: Event) -> None:
        one = held_since(LATER, qualified("100"), IGNORE)
        before = one.of("100")
        decision = one.accept(event, dated=EARLIER)
        assert one.of("100") == before
        assert rules_of(decision) == ["stale-update-ignored"]
        assert [(each.identity_id, each.finding.rule) for each in decision.alerts] == [
            (before.id, "stale-update-ignored")
        ]
        assert (decision.changes, decision.merges, decision.confirmed) == ((), (), ())

    def test_what_must_be_corrected_is_refused_all_the_same(self) -> None:
        one = held_since(LATER, PROV, IGNORE)
        one.accept(a31(who("100", ins=[NIR], codes=["PROV"])), dated=LATER)
        decision = one.take(a31(who(ins=[NIR])), dated=EARLIER)
        assert rules_of(decision) == ["no-usable-ipp"]

    def test_a_new_identity_is_never_late(self) -> None:
        one = held_since(LATER, PROV, IGNORE)
        one.accept(a28(who("200")), dated=EARLIER)
        assert one.of("200").status == "validee"


class TestNotLate:
    """IHE PAM FR 2.11.2 §6.4, §6.6: only what is surely older is late."""

    POLICIES = pytest.mark.parametrize("policy", [Policy(), IGNORE])

    @POLICIES
    def test_the_same_date(self, policy: Policy) -> None:
        one = held_since(LATER, PROV, policy)
        assert alerts_of(one.accept(a31(qualified("100")), dated=LATER)) == []
        assert one.of("100").status == "qualifiee"

    @POLICIES
    def test_a_day_that_has_not_ended_before(self, policy: Policy) -> None:
        one = held_since(LATER, PROV, policy)
        day = Interval(LATER.replace(hour=0), LATER.replace(hour=23))
        assert alerts_of(one.accept(a31(qualified("100")), dated=day)) == []
        assert one.of("100").status == "qualifiee"

    @POLICIES
    def test_a_day_that_has(self, policy: Policy) -> None:
        one = held_since(LATER, PROV, policy)
        day = Interval(LATER - timedelta(days=1), LATER - timedelta(seconds=1))
        one.accept(a31(qualified("100")), dated=day)
        assert one.of("100").status == "provisoire"

    @POLICIES
    def test_a_message_without_a_date(self, policy: Policy) -> None:
        one = held_since(LATER, PROV, policy)
        one.accept(a31(qualified("100")))
        assert one.of("100").status == "qualifiee"

    @POLICIES
    @UPDATES
    def test_nothing_new_nothing_said(self, policy: Policy, event: Made) -> None:
        one = held_since(LATER, qualified("100"), policy)
        decision = one.accept(event(qualified("100")), dated=EARLIER)
        assert set(rules_of(decision)) <= {"create-of-known-identity"}
        assert (decision.alerts, decision.changes) == ((), ())

    @POLICIES
    def test_a_merge(self, policy: Policy) -> None:
        one = held_since(LATER, PROV, policy)
        one.accept(a28(who("200")), dated=LATER)
        decision = one.accept(a40(who("100", codes=["PROV"]), "200"), dated=EARLIER)
        assert one.of("200").merged_into == one.of("100").id
        assert alerts_of(decision) == []


class TestTwoSenders:
    """IHE PAM FR 2.11.2 §6.6: whoever gave the date held, it is compared with; a clock behind is seen as late."""

    def test_a_sender_whose_clock_is_behind_raises_nothing(self) -> None:
        one = held_since(AT, PROV)
        decision = one.accept(a31(qualified("100")), dated=AT - timedelta(minutes=3), sender=OTHER_SENDER)
        assert one.of("100").status == "provisoire"
        assert alerts_of(decision) == ["stale-update-applied"]

    def test_a_sender_whose_clock_is_ahead_holds_the_other_one_up_for_that_long(self) -> None:
        one = House()
        one.accept(a28(PROV), dated=AT + timedelta(minutes=3), sender=OTHER_SENDER)
        one.accept(a31(qualified("100")), dated=AT + timedelta(minutes=2))
        assert one.of("100").status == "provisoire"
        one.accept(a31(qualified("100")), dated=AT + timedelta(minutes=3))
        assert one.of("100").status == "qualifiee"


# -------------------------------------------------------------------------------------------------------- any order

SAYINGS: dict[str, Event] = {
    "vali+ins": a31(qualified("100")),
    "vali+new ins": a31(qualified("100", ins=NEW_NIR)),
    "vali": a31(who("100")),
    "prov": a31(PROV),
    "prov+ins": a31(who("100", ins=[NIR], codes=["PROV"])),
    "vide": a31(who("100", codes=["VIDE"])),
    "doubtful": a31(who("100", codes=["PROV", "DOUT"])),
    "nothing": a31(who("100", codes=[])),
    "movement": movement(qualified("100")),
    "deactivated": a31(who("100", codes=["VALI", "DESA"])),
    "deleted": a29(who("100")),
    "removed": a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]),
    "replaced": a47(qualified("100", ins=NEW_NIR), old_ins=[NIR]),
    "other name": a31(RENAMED),
}
NAMED: dict[str, Ins] = {"vali+ins": NIR, "movement": NIR, "vali+new ins": NEW_NIR, "replaced": NEW_NIR}
WITHOUT_INS = {"prov", "prov+ins", "vide", "doubtful", "deleted", "other name"}

orders = st.lists(st.sampled_from(sorted(SAYINGS)), min_size=2, max_size=6).flatmap(
    lambda story: st.tuples(st.just(story), st.permutations(range(len(story))))
)


def told(story: Sequence[str], order: Sequence[int], policy: Policy) -> House:
    """A house that is told the story, of which each part is dated an hour after the one before, in this order."""
    one = held_since(AT - timedelta(hours=20), PROV, policy)
    for index in order:
        one.take(SAYINGS[story[index]], dated=AT - timedelta(hours=19 - index))
    return one


def rank(identity: Identity) -> int:
    return list(IdentityStatus).index(identity.status)


class TestAnyOrder:
    """IHE PAM FR 2.11.2 §6.6.15: what comes last is not what was said last."""

    @given(told_so=orders)
    @settings(max_examples=500, deadline=None)
    def test_nothing_ends_higher_than_in_the_order_of_the_dates(self, told_so: tuple[list[str], list[int]]) -> None:
        story, order = told_so
        right = told(story, range(len(story)), Policy()).of("100")
        found = told(story, order, Policy()).of("100")
        assert rank(found) <= rank(right)
        assert right.active or not found.active

    @pytest.mark.parametrize("policy", [Policy(), IGNORE])
    @given(told_so=orders)
    @settings(max_examples=300, deadline=None)
    def test_the_ins_is_that_of_the_newest_message_or_none(
        self, policy: Policy, told_so: tuple[list[str], list[int]]
    ) -> None:
        story, order = told_so
        found = told(story, order, policy).of("100")
        newest = story[-1]
        if newest in WITHOUT_INS:
            assert found.ins is None
            assert rank(found) < rank(Identity("x", status=IdentityStatus.QUALIFIEE))
        elif newest in NAMED:
            assert found.ins in (None, NAMED[newest])

    @pytest.mark.parametrize("policy", [Policy(), IGNORE])
    @given(told_so=orders)
    @settings(max_examples=100, deadline=None)
    def test_the_date_is_the_latest_one(self, policy: Policy, told_so: tuple[list[str], list[int]]) -> None:
        story, order = told_so
        one = told(story, order, policy)
        assert one.of("100").dated_at <= AT - timedelta(hours=19 - len(story) + 1)  # type: ignore[operator]
        before = one.of("100").dated_at
        one.take(a31(PROV), dated=AT - timedelta(hours=19))
        assert one.of("100").dated_at == before

    @given(told_so=orders)
    @settings(max_examples=100, deadline=None)
    def test_in_the_order_of_the_dates_nothing_is_late(self, told_so: tuple[list[str], list[int]]) -> None:
        story, _ = told_so
        one = held_since(AT - timedelta(hours=20), PROV)
        for index, saying in enumerate(story):
            decision = one.take(SAYINGS[saying], dated=AT - timedelta(hours=19 - index))
            assert not {"stale-update-applied", "stale-update-ignored"} & set(rules_of(decision))

    def test_names_are_those_of_one_person(self) -> None:
        assert {each.traits for each in [PROV, qualified("100")]} == {ANNE}
