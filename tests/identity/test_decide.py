"""Decisions by properties: whatever the order of events, no identity is mixed up and no INS outlives its ground."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import (
    ANNE,
    AT,
    ERASED_INS,
    HOSPITAL,
    NEW_NIR,
    NIA,
    NIR,
    OTHER_SENDER,
    SENDER,
    House,
    a28,
    a29,
    a31,
    a40,
    a47,
    cancel,
    group,
    house,
    ipp,
    movement,
    qualified,
    who,
    with_traits,
)

from pam_receiver.identity.decide import decide
from pam_receiver.identity.identifiers import PI, AssigningAuthority, Ins, PatientIdentifier
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import Decision, Event, Identity, Merge, Person, Policy
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.identity.traits import StrictTraits, missing_traits

IPPS = ("100", "200", "300", "400")
SAME_NUMBER = Ins(NIR.matricule, NIA.oid)
EVERY_INS = (NIR, NEW_NIR, NIA, SAME_NUMBER)
NDP = PatientIdentifier("777", "NDP", HOSPITAL)

numbers = st.lists(st.sampled_from(IPPS), min_size=1, max_size=2, unique=True)
sent_codes = st.one_of(
    st.sampled_from([["VALI"], ["VALI"], ["PROV"], ["VIDE"], []]),
    st.lists(st.sampled_from(["VALI", "PROV", "DOUT", "FICT", "HOMA", "DESA", "DOUB"]), max_size=3),
)
sent_traits = st.sampled_from(
    [
        *[ANNE] * 3,
        StrictTraits(),
        with_traits(birth_family_name="TREVOUX"),
        with_traits(sex=""),
        with_traits(birth_date="1959"),
    ]
)
sent_ins = st.one_of(
    st.sampled_from([[], [NIR], [NIR], [NEW_NIR], [ERASED_INS]]), st.lists(st.sampled_from(EVERY_INS), max_size=3)
)


@st.composite
def people(draw: st.DrawFn) -> Person:
    return who(
        *draw(numbers),
        *draw(st.sampled_from([(), (), (NDP,)])),
        ins=draw(sent_ins),
        codes=draw(sent_codes),
        traits=draw(sent_traits),
        birth_date_corrected=draw(st.sampled_from([False, False, False, True])),
        obtained_from_insi=draw(st.booleans()),
    )


updates = st.builds(lambda event, person: event(person), st.sampled_from([a28, a31, movement, cancel, a29]), people())
merges = st.builds(
    lambda pairs: Merge(tuple(group(person, *sources) for person, sources in pairs)),
    st.lists(st.tuples(people(), numbers), min_size=1, max_size=2),
)
changes_of_ins = st.builds(
    lambda person, ins: a47(person, old_ins=ins),
    people(),
    st.lists(st.sampled_from(EVERY_INS), min_size=1, max_size=2),
)
changes_of_ipp = st.builds(lambda person, old: a47(person, *old), people(), numbers)
changes_of_both = st.builds(lambda person, old: a47(person, *old, old_ins=[NIR]), people(), numbers)
events = st.one_of(updates, updates, merges, changes_of_ins, changes_of_ipp, changes_of_both)
hours = st.none() | st.integers(-3, 3)
stories = st.lists(st.tuples(events, hours), min_size=1, max_size=10)


def tell(one: House, event: Event, hour: int | None) -> Decision:
    return one.take(event, dated=None if hour is None else AT + timedelta(hours=hour))


def told(story: list[tuple[Event, int | None]]) -> House:
    one = House()
    for event, hour in story:
        tell(one, event, hour)
    return one


def look_ups(known: Known) -> dict[str, object]:
    """Everything that can be asked of what is known."""
    by_ipp = {value: known.find_by_ipp(ipp(value), SENDER) for value in IPPS}
    by_ins = {ins.matricule: known.find_by_matricule(ins.matricule) for ins in EVERY_INS}
    return {"all": sorted(known, key=lambda each: each.id), "by_ipp": by_ipp, "by_ins": by_ins}


class TestDecide:
    """HL7 v2.5 §2.9.2: the same event on the same state gives the same decision, and a refusal changes nothing."""

    @given(story=stories, event=events, hour=hours)
    @settings(max_examples=100, deadline=None)
    def test_what_is_known_does_not_change(
        self, story: list[tuple[Event, int | None]], event: Event, hour: int
    ) -> None:
        one = told(story)
        before = look_ups(one.known)
        occasion = one.occasion(dated=None if hour is None else AT + timedelta(hours=hour))
        decision = decide(event, one.known, occasion, one.policy)
        assert look_ups(one.known) == before
        assert decide(event, one.known, occasion, one.policy) == decision

    @given(story=stories, event=events, hour=hours)
    @settings(max_examples=100, deadline=None)
    def test_refused_changes_nothing(self, story: list[tuple[Event, int | None]], event: Event, hour: int) -> None:
        one = told(story)
        before = look_ups(one.known)
        decision = tell(one, event, hour)
        if decision.is_refused:
            assert (decision.changes, decision.merges) == ((), ())
            assert all(each.is_error for each in decision.findings)
            assert look_ups(one.known) == before

    @given(story=stories, event=events, hour=hours)
    @settings(max_examples=100, deadline=None)
    def test_repeated_adds_no_version(self, story: list[tuple[Event, int | None]], event: Event, hour: int) -> None:
        one = told(story)
        first = tell(one, event, hour)
        again = tell(one, event, hour)
        assert (again.changes, again.merges) == ((), ())
        is_chained = isinstance(event, Merge) and len(event.groups) > 1  # a group may absorb the target of another
        assert first.is_refused or is_chained or not again.is_refused

    @given(story=stories)
    @settings(max_examples=100, deadline=None)
    def test_versions_are_numbered_without_a_gap_and_tell_what_changed(
        self, story: list[tuple[Event, int | None]]
    ) -> None:
        one = House()
        versions: dict[str, int] = {}
        for event, hour in story:
            for change in tell(one, event, hour).changes:
                expected = versions.get(change.after.id, 0)
                assert (change.before.version if change.before else 0) == expected
                assert change.after.version == expected + 1
                assert bool(change.differences) == (change.before is not None)
                versions[change.after.id] = change.after.version
        assert versions == {each.id: each.version for each in one.known}

    @given(story=stories)
    @settings(max_examples=100, deadline=None)
    def test_a_batch_knows_what_a_new_reading_would_find(self, story: list[tuple[Event, int | None]]) -> None:
        one = told(story)
        assert look_ups(Known(one.known)) == look_ups(one.known)


class TestNoMixUp:
    """IHE PAM FR 2.11.2 §6.6.1: an IPP is one person's, for ever."""

    @given(story=stories)
    @settings(max_examples=100, deadline=None)
    def test_an_ipp_is_held_by_exactly_one_identity(self, story: list[tuple[Event, int | None]]) -> None:
        one = told(story)
        held = Counter(each.key for identity in one.known for each in identity.identifiers if each.type == PI)
        assert all(times == 1 for times in held.values())
        for identity in one.known:
            for each in identity.identifiers:
                if each.type == PI:
                    assert one.known.find_by_ipp(each, SENDER) == identity

    @given(story=stories)
    @settings(max_examples=100, deadline=None)
    def test_no_ipp_is_ever_lost(self, story: list[tuple[Event, int | None]]) -> None:
        one, owners = House(), {}
        for event, hour in story:
            tell(one, event, hour)
            now = {each.key: identity.id for identity in one.known for each in identity.identifiers if each.type == PI}
            assert now | owners == now
            owners = now

    @given(story=stories)
    @settings(max_examples=100, deadline=None)
    def test_merges_make_no_circle_and_every_chain_ends_at_a_survivor(
        self, story: list[tuple[Event, int | None]]
    ) -> None:
        one = told(story)
        for identity in one.known:
            seen: set[str] = set()
            last = identity
            while last.merged_into is not None:
                assert last.id not in seen
                assert not last.active
                assert one.known.find_merge(last).survivor == last.merged_into
                seen.add(last.id)
                last = one.known.get(last.merged_into)
            assert one.known.find_survivor(identity) == last


LOCAL = AssigningAuthority(HOSPITAL.namespace_id)
SECOND = AssigningAuthority(HOSPITAL.namespace_id, "1.2.250.1.999.78", "ISO")
anywhere = st.lists(
    st.builds(ipp, st.sampled_from(IPPS[:2]), st.sampled_from([HOSPITAL, HOSPITAL, LOCAL, SECOND])),
    min_size=1,
    max_size=2,
    unique=True,
)
namings = st.lists(
    st.tuples(st.sampled_from([a31, a40, a47]), anywhere, anywhere, st.sampled_from([SENDER, OTHER_SENDER])),
    min_size=1,
    max_size=8,
)


class TestAuthorities:
    """HL7 v2.5 §2.A.33: however an authority is named, an identifier is held by one identity."""

    @given(story=namings)
    @settings(max_examples=100, deadline=None)
    def test_an_ipp_is_held_by_exactly_one_identity(self, story: list[tuple[object, ...]]) -> None:
        one = House()
        for event, new, old, sender in story:
            made = event(who(*new), *(() if event is a31 else old))  # type: ignore[operator, misc]
            if not one.take(made, sender=sender).is_refused:
                for each in (*new, *old):  # type: ignore[misc]
                    if each.authority.universal_id:
                        one.see(each.authority, sender)  # type: ignore[arg-type]
        held = Counter(each.key for identity in one.known for each in identity.identifiers)
        assert all(times == 1 for times in held.values())


class TestQualified:
    """DMN INS 34: no matricule lives outside qualifiée, and qualifiée is matricule, VALI and the five traits."""

    @given(story=stories)
    @settings(max_examples=100, deadline=None)
    def test_ins_if_and_only_if_qualified(self, story: list[tuple[Event, int | None]]) -> None:
        for identity in told(story).known:
            assert (identity.status is IdentityStatus.QUALIFIEE) == (identity.ins is not None)
            assert identity.ins is not None or identity.former_ins == ()
            if identity.ins is not None:
                assert missing_traits(identity.traits) == ()
                assert identity.ins.as_former().key not in {each.key for each in identity.former_ins}

    @given(story=stories)
    @settings(max_examples=100, deadline=None)
    def test_an_ended_ins_is_found_by_no_look_up(self, story: list[tuple[Event, int | None]]) -> None:
        known = told(story).known
        for identity in known:
            for ended in identity.ended_ins:
                found = known.find_by_matricule(ended.ins.matricule)
                is_back = identity.ins is not None and identity.ins.matricule == ended.ins.matricule
                assert (identity in found) is is_back

    @given(story=stories)
    @settings(max_examples=100, deadline=None)
    def test_an_ins_that_left_is_former_or_in_history(self, story: list[tuple[Event, int | None]]) -> None:
        one = House()
        for event, hour in story:
            for change in tell(one, event, hour).changes:
                before = change.before.ins if change.before else None
                if before is not None and change.after.ins != before:
                    ended = {each.ins for each in change.after.ended_ins}
                    formers = {(each.value, each.authority.universal_id) for each in change.after.former_ins}
                    assert before in ended or (before.matricule, before.oid) in formers

    @given(story=stories, event=updates)
    @settings(max_examples=100, deadline=None)
    def test_only_vali_beside_an_ins_makes_an_identity_qualified(
        self, story: list[tuple[Event, int | None]], event: Event
    ) -> None:
        one = told(story)
        for change in one.take(event).changes:
            was = change.before.status if change.before else None
            if change.after.status is IdentityStatus.QUALIFIEE and was is not IdentityStatus.QUALIFIEE:
                person = event.person  # type: ignore[union-attr]
                assert "VALI" in person.reliability.codes
                assert any(each.matricule for each in person.ins)


def what_is_kept(identity: Identity | None) -> object:
    """An identity without the order in which its identifiers and codes came."""
    if identity is None:
        return None
    identifiers, codes = frozenset(identity.identifiers), frozenset(identity.reliability_codes)
    return (identity.id, identity.status, identity.ins, identity.traits, identity.active, identifiers, codes)


class TestOrder:
    """IHE PAM FR 2.11.2 §6.6.15, §6.6.1: the repetitions of PID-3 and PID-32 come in any order."""

    @given(story=stories, data=st.data())
    @settings(max_examples=100, deadline=None)
    @pytest.mark.parametrize("event", [a28, a31, movement, cancel, a29])
    def test_of_repetitions_does_not_matter(
        self, event: object, story: list[tuple[Event, int | None]], data: st.DataObject
    ) -> None:
        values = data.draw(st.lists(st.sampled_from(IPPS), min_size=1, max_size=3, unique=True))
        ins = data.draw(st.lists(st.sampled_from(EVERY_INS), max_size=3, unique=True))
        codes = data.draw(st.lists(st.sampled_from(["VALI", "PROV", "DOUT", "HOMA", "DESA"]), max_size=3, unique=True))
        shuffled = [data.draw(st.permutations(each)) for each in (values, ins, codes)]
        ends = []
        for order in ((values, ins, codes), shuffled):
            one = told(story)
            decision = one.take(event(who(*order[0], ins=order[1], codes=order[2])))  # type: ignore[operator]
            ends.append((decision.is_refused, {value: what_is_kept(one.holder(value)) for value in IPPS}))
        assert ends[0] == ends[1]


class TestPolicy:
    """The settings change what is asked of an identity, never what a matricule stands on."""

    @pytest.mark.parametrize("incomplete", ["reject", "without_ins", "accept"])
    @pytest.mark.parametrize("recuperee", [True, False])
    @given(story=stories)
    @settings(max_examples=30, deadline=None)
    def test_ins_if_and_only_if_qualified(
        self, incomplete: object, recuperee: bool, story: list[tuple[Event, int | None]]
    ) -> None:
        one = House(Policy(incomplete_qualified_identity=incomplete, deduce_recuperee=recuperee))  # type: ignore[arg-type]
        for event, hour in story:
            tell(one, event, hour)
        for identity in one.known:
            assert (identity.status is IdentityStatus.QUALIFIEE) == (identity.ins is not None)
            assert recuperee or identity.status is not IdentityStatus.RECUPEREE

    def test_a_merge_and_its_repeat_after_a_new_start(self) -> None:
        one = house(qualified("100"), who("200"))
        decision = one.accept(a40(who("100"), "200"))
        fresh = Known(one.known, decision.merges)
        assert decide(a40(who("100"), "200"), fresh, one.occasion(), one.policy).changes == ()
