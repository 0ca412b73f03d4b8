"""A28, A31, A29 and the movements of ITI-31."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from people import (
    ANNE,
    AT,
    CLINIC,
    DEMO_INS,
    ERASED_INS,
    HOSPITAL,
    NEW_NIR,
    NIA,
    NIR,
    NIR_OID,
    TEST_INS,
    House,
    a28,
    a29,
    a31,
    alerts_of,
    cancel,
    former,
    graded,
    held_ipps,
    house,
    ipp,
    movement,
    qualified,
    reasons_of,
    rules_of,
    who,
    with_traits,
)

from pam_receiver.identity.identifiers import AssigningAuthority, Ins, PatientIdentifier
from pam_receiver.identity.model import Person, Policy, Update
from pam_receiver.identity.traits import StrictTraits, Trait

EVENTS = pytest.mark.parametrize("event", [a28, a31, movement])
Made = Callable[[Person], Update]


class TestCreateAndUpdate:
    """IHE PAM FR 2.11.2 §4.1, §5.3.2: A28, A31 and the movements create or update."""

    @EVENTS
    def test_unknown_is_created(self, event: Made) -> None:
        one = House()
        decision = one.accept(event(qualified("100")))
        identity = one.of("100")
        assert (identity.status, identity.ins, identity.traits, identity.version) == ("qualifiee", NIR, ANNE, 1)
        assert (identity.active, identity.identifiers) == (True, (ipp("100"),))
        assert graded(decision) == []

    @pytest.mark.parametrize(("event", "said"), [(a28, [("create-of-known-identity", "W")]), (a31, []), (movement, [])])
    def test_known_is_updated_and_a28_says_so(self, event: Made, said: list[tuple[str, str]]) -> None:
        one = house(who("100"))
        decision = one.accept(event(who("100", traits=StrictTraits(birth_family_name="TREVOUX"))))
        assert one.of("100").traits == with_traits(birth_family_name="TREVOUX")
        assert (one.of("100").version, len(one.identities)) == (2, 1)
        assert graded(decision) == said

    def test_a_cancel_never_creates(self) -> None:
        one = House()
        decision = one.accept(cancel(qualified("100")))
        assert (decision.changes, graded(decision)) == ((), [("cancel-of-unknown-identity", "I")])

    def test_a_cancel_updates(self) -> None:
        one = house(who("100", codes=["PROV"]))
        one.accept(cancel(who("100", codes=["VALI"])))
        assert one.of("100").status == "validee"

    @EVENTS
    def test_nothing_new_adds_no_version(self, event: Made) -> None:
        one = house(qualified("100"))
        assert one.accept(event(qualified("100"))).changes == ()

    def test_codes_in_another_order_add_no_version(self) -> None:
        one = house(who("100", codes=["VALI", "HOMA", "CACH"]))
        decision = one.accept(a31(who("100", codes=["CACH", "VALI", "HOMA"])))
        assert decision.changes == ()

    def test_a_code_that_is_new_adds_one(self) -> None:
        one = house(who("100", codes=["VALI"]))
        one.accept(a31(who("100", codes=["VALI", "HOMA"])))
        assert one.of("100").reliability_codes == ("VALI", "HOMA")
        assert one.of("100").attributes == ("homonyme",)

    def test_thousands_of_identifiers_are_all_held(self) -> None:
        numbers = [f"9{number:05}" for number in range(4000)]
        one = house(who("100"))
        one.accept(a31(who("100", *numbers, *numbers[:10])))
        assert [each.value for each in one.of("100").identifiers] == ["100", *numbers]


class TestStatus:
    """IHE PAM FR 2.11.2 §6.6.15, §6.6.1: the status that PID-32 and the INS beside it make."""

    @pytest.mark.parametrize(
        ("ins", "codes", "status", "held", "said"),
        [
            ([NIR], ["VALI"], "qualifiee", NIR, []),
            ([], ["VALI"], "validee", None, []),
            ([], ["PROV"], "provisoire", None, []),
            ([], ["VIDE"], "provisoire", None, []),
            ([], [], "provisoire", None, [("status-missing", "W")]),
            ([NIR], [], "provisoire", None, [("status-missing", "W"), ("ins-without-vali", "W")]),
            ([NIR], ["ANOM"], "provisoire", None, [("status-missing", "W"), ("ins-without-vali", "W")]),
            ([NIR], ["PROV"], "recuperee", None, [("ins-without-vali", "W")]),
            ([NIR], ["PROV", "CACH"], "recuperee", None, [("ins-without-vali", "W")]),
            ([NIR], ["VIDE"], "provisoire", None, [("ins-without-vali", "W")]),
            ([NIR], ["VALI", "PROV"], "recuperee", None, [("ins-without-vali", "W")]),
            ([NIR], ["VALI", "DOUT"], "provisoire", None, [("ins-with-doubtful-or-fictitious", "W")]),
            ([NIR], ["PROV", "FICT"], "provisoire", None, [("ins-with-doubtful-or-fictitious", "W")]),
            ([NIR], ["FICT"], "provisoire", None, [("status-missing", "W"), ("ins-with-doubtful-or-fictitious", "W")]),
            ([NIR], ["HOMA", "VALI"], "qualifiee", NIR, []),
        ],
    )
    @EVENTS
    def test_of_a_new_identity(
        self, event: Made, ins: list[Ins], codes: list[str], status: str, held: Ins | None, said: list[tuple[str, str]]
    ) -> None:
        one = House()
        decision = one.accept(event(who("100", ins=ins, codes=codes)))
        assert (one.of("100").status, one.of("100").ins) == (status, held)
        assert graded(decision) == said
        assert one.known.find_by_matricule(NIR.matricule) == ((one.of("100"),) if held else ())

    @pytest.mark.parametrize(("code", "kept"), [("PROV", "provisoire"), ("VALI", "validee")])
    @pytest.mark.parametrize("ins", [[], [NIR]])
    def test_none_leaves_the_one_that_is_known(self, code: str, kept: str, ins: list[Ins]) -> None:
        one = house(who("100", codes=[code]))
        decision = one.accept(a31(who("100", ins=ins, codes=[])))
        assert (one.of("100").status, one.of("100").ins) == (kept, None)
        assert ("status-missing", "W") in graded(decision)

    @pytest.mark.parametrize("ins", [[], [NIR], [NEW_NIR]])
    def test_none_leaves_a_qualified_identity_its_ins(self, ins: list[Ins]) -> None:
        one = house(qualified("100"))
        decision = one.accept(a31(who("100", ins=ins, codes=[])))
        assert (one.of("100").status, one.of("100").ins) == ("qualifiee", NIR)
        assert decision.changes == ()

    def test_none_is_silent_where_it_is_not_required(self) -> None:
        """International PAM: PID-32 is not required, unless an INS stands beside."""
        assert graded(House().decide(a31(who("100", codes=[], requires_status=False)))) == []
        beside_ins = House().decide(a31(who("100", ins=[NIR], codes=[], requires_status=False)))
        assert "status-missing" in rules_of(beside_ins)

    def test_we_never_raise_a_status_by_ourselves(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(who("100", codes=["PROV"])))
        one.accept(a31(who("100", codes=[], traits=ANNE)))
        assert one.of("100").status == "provisoire"


class TestRecuperee:
    """IHE PAM FR 2.11.2 §6.18.5: returned by INSi and not yet verified; never with an INS kept."""

    @pytest.mark.parametrize(("ins", "insi"), [([NIR], False), ([], True), ([NIR], True)])
    @pytest.mark.parametrize(("on", "status"), [(True, "recuperee"), (False, "provisoire")])
    def test_prov_with_an_ins_or_from_insi(self, ins: list[Ins], insi: bool, on: bool, status: str) -> None:
        one = House(Policy(deduce_recuperee=on))
        one.accept(a31(who("100", ins=ins, codes=["PROV"], obtained_from_insi=insi)))
        assert (one.of("100").status, one.of("100").ins) == (status, None)

    def test_a_known_qualified_identity_loses_its_ins(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(qualified("100", codes=["PROV"])))
        assert (one.of("100").status, one.of("100").ins) == ("recuperee", None)


class TestInsOutlivesNothing:
    """IHE PAM FR 2.11.2 §6.6.15; DMN INS 34: no matricule lives on an identity that is not qualified."""

    @pytest.mark.parametrize("ins", [[], [NIR], [NEW_NIR]])
    @pytest.mark.parametrize("codes", [["PROV"], ["VIDE"], ["VALI", "DOUT"], ["VALI", "FICT"], ["DOUT"], ["FICT"]])
    @pytest.mark.parametrize("event", [a28, a31, movement, cancel])
    def test_it_is_invalidated(self, event: Made, codes: list[str], ins: list[Ins]) -> None:
        one = house(qualified("100"))
        decision = one.accept(event(who("100", ins=ins, codes=codes)))
        identity = one.of("100")
        assert (identity.ins, former(identity)) == (None, [])
        assert identity.status in ("provisoire", "recuperee")
        assert reasons_of(identity) == [(NIR, "no-longer-qualified")]
        assert one.known.find_by_matricule(NIR.matricule) == ()
        assert "ins-invalidated" in alerts_of(decision)

    def test_former_ones_go_with_it(self) -> None:
        one = house(qualified("100", ins=NIA))
        one.accept(a31(qualified("100")))
        one.accept(a31(who("100", codes=["PROV"])))
        assert former(one.of("100")) == []
        assert [ins for ins, _ in reasons_of(one.of("100"))] == [NIR, NIA]

    def test_its_true_owner_may_get_it_next(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(who("100", codes=["PROV"])))
        decision = one.accept(a28(qualified("200")))
        assert (one.of("200").ins, rules_of(decision)) == (NIR, [])


class TestInsNotListed:
    """DMN INS 33: absence is no removal, but a strict trait changed at the source ends the qualification."""

    @pytest.mark.parametrize("said", [ANNE, StrictTraits(), with_traits(birth_family_name="Kerguélen")])
    @pytest.mark.parametrize("event", [a28, a31, movement])
    def test_strict_traits_unchanged(self, event: Made, said: StrictTraits) -> None:
        one = house(qualified("100"))
        decision = one.accept(event(who("100", traits=said)))
        assert (one.of("100").ins, one.of("100").status) == (NIR, "qualifiee")
        assert ("ins-not-listed-kept", "I") in graded(decision)

    @pytest.mark.parametrize("trait", list(Trait))
    @pytest.mark.parametrize("said", ["X", ""])
    def test_any_strict_trait_changed(self, trait: Trait, said: str) -> None:
        one = house(qualified("100"))
        decision = one.accept(a31(who("100", traits=StrictTraits(**{trait.value: said}))))
        identity = one.of("100")
        assert (identity.ins, identity.status) == (None, "validee")
        assert identity.traits.get(trait) == (said or None)
        assert reasons_of(identity) == [(NIR, "strict-trait-changed")]
        assert alerts_of(decision) == ["strict-trait-changed"]
        (finding,) = (each for each in decision.findings if each.rule == "strict-trait-changed")
        assert trait.value in finding.en

    def test_filling_a_trait_that_was_empty_is_no_change(self) -> None:
        one = house(
            qualified("100", traits=with_traits(sex=None)), policy=Policy(incomplete_qualified_identity="accept")
        )
        one.accept(a31(who("100")))
        assert (one.of("100").ins, one.of("100").traits.sex) == (NIR, "F")

    def test_a_used_name_is_no_strict_trait(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(who("100", used_family_name="TREVOUX")))
        assert (one.of("100").ins, one.of("100").used_family_name) == (NIR, "TREVOUX")

    def test_changed_without_any_status(self) -> None:
        """An INS never outlives the traits that it stands on, whether a status is sent or not."""
        one = house(qualified("100"))
        one.accept(a31(who("100", codes=[], traits=with_traits(birth_date="1960-01-23"))))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")

    def test_the_same_ins_with_changed_traits_is_followed(self) -> None:
        one = house(qualified("100"))
        decision = one.accept(a31(qualified("100", traits=with_traits(birth_date="1959-01-24"))))
        assert (one.of("100").ins, one.of("100").status) == (NIR, "qualifiee")
        assert one.of("100").traits.birth_date == "1959-01-24"
        assert alerts_of(decision) == []

    def test_two_quotes_remove_it(self) -> None:
        one = house(qualified("100"))
        decision = one.accept(a31(who("100", ins=[ERASED_INS])))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        assert reasons_of(one.of("100")) == [(NIR, "removed-by-source")]
        assert alerts_of(decision) == ["ins-erased-outside-a47"]

    def test_a_removal_dated_far_ahead_does_not_keep_its_ins_away_for_ever(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(who("100", codes=["PROV"])), dated=AT + timedelta(days=3650))
        one.accept(a31(qualified("100")), dated=AT + timedelta(seconds=1))
        assert one.of("100").status == "qualifiee"

    def test_a_message_dated_before_the_invalidation_never_brings_it_back(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(who("100", codes=["PROV"])), dated=AT)
        decision = one.accept(a31(qualified("100")), dated=AT - timedelta(seconds=1))
        assert one.of("100").ins is None
        assert ("ins-removed-since", "W") in graded(decision)
        assert one.of("100").status == "provisoire"
        assert alerts_of(decision) == ["ins-removed-since", "stale-update-applied"]

    def test_a_removal_that_is_not_dated_counts_from_when_we_received_it(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(who("100", codes=["PROV"])))
        one.accept(a31(qualified("100")), dated=AT - timedelta(seconds=1))
        assert one.of("100").ins is None


class TestEnvironment:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.1: a test INS is left out in production."""

    @pytest.mark.parametrize("ins", [TEST_INS, DEMO_INS])
    def test_production(self, ins: Ins) -> None:
        one = House()
        decision = one.accept(a28(who("100", ins=[ins])))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        assert graded(decision) == [("test-ins-in-production", "W")]

    @pytest.mark.parametrize("ins", [TEST_INS, DEMO_INS])
    def test_test(self, ins: Ins) -> None:
        one = House(Policy(takes_test_ins=True))
        one.accept(a28(who("100", ins=[ins])))
        assert (one.of("100").ins, one.of("100").status) == (ins, "qualifiee")


class TestMatricule:
    """IHE PAM FR 2.11.2 §6.6.1: what is wrong with a matricule never refuses the message."""

    @pytest.mark.parametrize(
        ("matricule", "rule"), [("2590144109033", "ins-without-key"), ("259014410903", "ins-ill-formed")]
    )
    def test_ill_formed_is_left_out(self, matricule: str, rule: str) -> None:
        one = House()
        decision = one.accept(a28(who("100", ins=[Ins(matricule, NIR_OID)])))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        assert graded(decision) == [(rule, "W")]

    def test_wrong_key_and_disagreement_are_taken(self) -> None:
        one, ins = House(), Ins("159014410903399", NIR_OID)
        decision = one.accept(a28(who("100", ins=[ins])))
        assert one.of("100").ins == ins
        assert graded(decision) == [("ins-key-wrong", "W"), ("ins-disagrees-with-traits", "I")]


class TestChangeOfIns:
    """IHE PAM FR 2.11.2 §4.4.1: another INS on a known IPP by A31 is followed, and the old one stays as former."""

    @EVENTS
    def test_nia_to_nir_is_the_normal_way(self, event: Made) -> None:
        one = house(qualified("100", ins=NIA))
        decision = one.accept(event(qualified("100")))
        assert (one.of("100").ins, former(one.of("100"))) == (NIR, [(NIA.matricule, NIA.oid)])
        assert ("nia-to-nir", "I") in graded(decision)
        assert alerts_of(decision) == []

    @pytest.mark.parametrize("order", list(permutations((NIR, NIA))))
    @pytest.mark.parametrize("held", [[], [NIA], [NIR]])
    def test_nir_and_nia_together(self, held: list[Ins], order: tuple[Ins, ...]) -> None:
        one = house(who("100", ins=held))
        one.accept(a31(who("100", ins=order)))
        assert (one.of("100").ins, former(one.of("100"))) == (NIR, [(NIA.matricule, NIA.oid)])

    def test_another_nir_is_an_alert(self) -> None:
        one = house(qualified("100"))
        decision = one.accept(a31(qualified("100", ins=NEW_NIR)))
        assert (one.of("100").ins, former(one.of("100"))) == (NEW_NIR, [(NIR.matricule, NIR.oid)])
        assert ("ins-replaced", "W") in graded(decision)
        assert alerts_of(decision) == ["ins-replaced"]

    def test_nir_to_nia_is_an_alert(self) -> None:
        one = house(qualified("100"))
        assert alerts_of(one.accept(a31(qualified("100", ins=NIA)))) == ["ins-replaced"]


class TestDoublon:
    """RNIV 1: the same INS on two active IPPs of one authority is a probable duplicate."""

    @EVENTS
    def test_stored_with_an_alert(self, event: Made) -> None:
        one = house(qualified("100"))
        decision = one.accept(event(qualified("200")))
        assert (one.of("100").ins, one.of("200").ins) == (NIR, NIR)
        assert ("doublon", "W") in graded(decision)
        assert [(each.identity_id, each.finding.rule) for each in decision.alerts] == [(one.of("200").id, "doublon")]

    def test_said_once(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(qualified("200")))
        assert rules_of(one.accept(a31(qualified("200")))) == []

    def test_not_of_another_authority(self) -> None:
        one = house(qualified("100"))
        decision = one.accept(a31(who(ipp("100", CLINIC), ins=[NIR])))
        assert rules_of(decision) == []

    def test_not_of_an_inactive_identity(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(qualified("100", codes=["VALI", "DESA"])))
        assert rules_of(one.accept(a31(qualified("200")))) == []


NDP = PatientIdentifier("777", "NDP", HOSPITAL)


class TestEmptyAndErased:
    """HL7 v2.5 §2.5.3: empty leaves, "" erases; a repetition that is not sent leaves what is held."""

    def test_used_name(self) -> None:
        one = house(who("100", used_family_name="TREVOUX", used_given_name="ANNE"))
        one.accept(a31(who("100")))
        assert (one.of("100").used_family_name, one.of("100").used_given_name) == ("TREVOUX", "ANNE")
        one.accept(a31(who("100", used_family_name="")))
        assert (one.of("100").used_family_name, one.of("100").used_given_name) == (None, "ANNE")

    def test_birth_place(self) -> None:
        one = house(who("100"))
        one.accept(a31(who("100", traits=with_traits(birth_place_code=None))))
        assert one.of("100").traits.birth_place_code == "44109"
        one.accept(a31(who("100", traits=with_traits(birth_place_code=""))))
        assert one.of("100").traits.birth_place_code is None

    def test_another_identifier(self) -> None:
        one = house(who("100", NDP))
        one.accept(a31(who("100")))
        assert one.of("100").identifiers == (ipp("100"), NDP)
        one.accept(a31(who("100", erased=(("NDP", HOSPITAL),))))
        assert one.of("100").identifiers == (ipp("100"), replace(NDP, active=False))
        one.accept(a31(who("100", NDP)))
        assert one.of("100").identifiers == (ipp("100"), NDP)

    @pytest.mark.parametrize("erased", [("PI", HOSPITAL), ("NDP", CLINIC), ("MR", HOSPITAL)])
    def test_only_of_its_type_and_authority_and_never_an_ipp(self, erased: tuple[str, AssigningAuthority]) -> None:
        one = house(who("100", NDP))
        assert one.accept(a31(who("100", erased=(erased,)))).changes == ()

    def test_a_second_ipp_is_added(self) -> None:
        one = house(who("100"))
        one.accept(a31(who("100", "101")))
        assert held_ipps(one.of("101")) == {"100": True, "101": True}

    def test_precision_of_a_date_is_kept(self) -> None:
        one = house(who("100", traits=with_traits(birth_date="1959-01")))
        assert one.of("100").traits.birth_date == "1959-01"


class TestInactive:
    """IHE PAM FR 2.11.2 §6.6.15: DESA and INVA make an identity inactive until a later A28 or A31 without them."""

    @pytest.mark.parametrize("code", ["DESA", "INVA"])
    def test_inactive_with_an_alert(self, code: str) -> None:
        one = house(who("100"))
        decision = one.accept(a31(who("100", codes=["VALI", code])))
        assert not one.of("100").active
        assert alerts_of(decision) == ["identity-deactivated"]

    def test_alert_only_when_it_is_news(self) -> None:
        one = house(who("100"))
        one.accept(a31(who("100", codes=["VALI", "DESA"])))
        decision = one.accept(a31(who("100", codes=["VALI", "DESA"])))
        assert (alerts_of(decision), graded(decision)) == ([], [("identity-deactivated", "W")])

    @pytest.mark.parametrize("event", [a28, a31])
    @pytest.mark.parametrize("codes", [["VALI"], []])
    def test_active_again(self, event: Made, codes: list[str]) -> None:
        one = house(who("100"))
        one.accept(a31(who("100", codes=["VALI", "DESA"])))
        decision = one.accept(event(who("100", codes=codes)))
        assert one.of("100").active
        assert one.of("100").reliability_codes == ("VALI",)
        assert ("identity-reactivated", "I") in graded(decision)

    @pytest.mark.parametrize("event", [movement, cancel])
    def test_a_movement_does_not_reactivate(self, event: Made) -> None:
        one = house(who("100"))
        one.accept(a31(who("100", codes=["VALI", "DESA"])))
        decision = one.accept(event(who("100", codes=["PROV"])))
        assert (one.of("100").active, one.of("100").status) == (False, "provisoire")
        assert ("inactive-identity", "W") in graded(decision)

    def test_doub_is_kept_with_an_alert_when_it_is_news(self) -> None:
        one = house(who("100"))
        decision = one.accept(a31(who("100", codes=["VALI", "DOUB"])))
        assert (one.of("100").active, one.of("100").reliability_codes) == (True, ("VALI", "DOUB"))
        assert alerts_of(decision) == ["duplicate-record"]
        assert alerts_of(one.accept(a31(who("100", codes=["VALI", "DOUB"])))) == []


class TestDelete:
    """HL7 v2.5 §3.3.29: A29 makes the identity inactive and ends its INS; nothing is erased."""

    def test_known(self) -> None:
        one = house(qualified("100"))
        decision = one.accept(a29(who("100")))
        identity = one.of("100")
        assert (identity.active, identity.ins, identity.status, identity.traits) == (False, None, "validee", ANNE)
        assert reasons_of(identity) == [(NIR, "identity-deleted")]
        assert graded(decision) == [("identity-deleted", "W")]
        assert alerts_of(decision) == ["identity-deleted"]

    def test_twice_is_once(self) -> None:
        one = house(who("100"))
        one.accept(a29(who("100")))
        assert one.accept(a29(who("100"))).changes == ()

    def test_unknown(self) -> None:
        decision = House().decide(a29(who("100")))
        assert (decision.changes, graded(decision)) == ((), [("delete-of-unknown-identity", "I")])

    def test_without_ipp(self) -> None:
        assert rules_of(House().decide(a29(who()))) == ["no-usable-ipp"]

    def test_comes_back_by_a_later_a28(self) -> None:
        one = house(qualified("100"))
        one.accept(a29(who("100")), dated=AT)
        one.accept(a28(qualified("100")), dated=AT + timedelta(days=1))
        assert (one.of("100").active, one.of("100").ins) == (True, NIR)
