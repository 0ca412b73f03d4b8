"""Which INS of a message is admitted, and what happens to the one held."""

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
    former,
    house,
    ipp,
    moment,
    qualified,
    reasons_of,
    sent_ins,
    with_traits,
)

from pam_receiver.finding import Location
from pam_receiver.identity.identifiers import Ins
from pam_receiver.identity.ins import Admitted, admit_ins, check_ins, end_ins, is_outdated, replace_ins
from pam_receiver.identity.model import EndedIns, EndReason, Identity, Interval, Policy

PRODUCTION = Policy()
TEST = Policy(takes_test_ins=True)


def admit(*ins: Ins, policy: Policy = PRODUCTION, held: Ins | None = None) -> Admitted:
    return admit_ins(sent_ins(*ins), policy, held=held)


def rules(admitted: Admitted) -> list[tuple[str, str]]:
    return [(each.rule, each.severity.value) for each in admitted.findings]


class TestEnvironment:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.1: OIDs .10 and .11 are for tests and demonstrations."""

    @pytest.mark.parametrize("ins", [NIR, NIA])
    @pytest.mark.parametrize("policy", [PRODUCTION, TEST])
    def test_nir_and_nia_are_taken_everywhere(self, ins: Ins, policy: Policy) -> None:
        admitted = admit(ins, policy=policy)
        assert (admitted.ins, admitted.at, rules(admitted)) == (ins, Location("PID", 1, 3, 9, 1), [])

    @pytest.mark.parametrize("ins", [TEST_INS, DEMO_INS])
    def test_production_leaves_a_test_ins_out(self, ins: Ins) -> None:
        admitted = admit(ins)
        assert (admitted.ins, rules(admitted)) == (None, [("test-ins-in-production", "W")])

    @pytest.mark.parametrize("ins", [TEST_INS, DEMO_INS])
    def test_test_takes_it(self, ins: Ins) -> None:
        assert admit(ins, policy=TEST) == Admitted(ins, Location("PID", 1, 3, 9, 1))


class TestMatricule:
    """IHE PAM FR 2.11.2 §6.6.1: 15 characters; a wrong key or a disagreement is only said."""

    @pytest.mark.parametrize("matricule", ["2590144109033", "185022A004012"])
    def test_without_its_key_it_is_left_out(self, matricule: str) -> None:
        admitted = admit(Ins(matricule, NIR_OID))
        assert (admitted.ins, rules(admitted)) == (None, [("ins-without-key", "W")])
        assert matricule not in admitted.findings[0].fr + admitted.findings[0].en

    @pytest.mark.parametrize("matricule", ["259014410903", "25901441090330X", "259014410903303 "])
    def test_ill_formed_is_left_out(self, matricule: str) -> None:
        admitted = admit(Ins(matricule, NIR_OID))
        assert (admitted.ins, rules(admitted)) == (None, [("ins-ill-formed", "W")])

    def test_ill_formed_beside_a_good_one(self) -> None:
        admitted = admit(Ins("1", NIR_OID), NIR)
        assert (admitted.ins, rules(admitted)) == (NIR, [("ins-ill-formed", "W")])

    def test_erased_is_none(self) -> None:
        assert admit(ERASED_INS) == Admitted()

    def test_wrong_key_is_a_warning(self) -> None:
        wrong = Ins("259014410903304", NIR_OID)
        assert admit(wrong).ins == wrong
        assert [(each.rule, each.severity.value) for each in check_ins(wrong, ANNE, None)] == [("ins-key-wrong", "W")]

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"sex": "M"}, ("le sexe", "sex")),
            ({"birth_date": "1960-01-23"}, ("la date de naissance", "birth date")),
            ({"birth_place_code": "35238"}, ("le lieu de naissance", "birth place")),
        ],
    )
    def test_disagreement_is_told_for_information_and_says_with_what(
        self, changes: dict[str, str], words: tuple[str, str]
    ) -> None:
        (finding,) = check_ins(NIR, with_traits(**changes), None)
        assert (finding.rule, finding.severity) == ("ins-disagrees-with-traits", "I")
        assert words[0] in finding.fr
        assert words[1] in finding.en

    def test_agreement_is_silent(self) -> None:
        assert check_ins(NIR, ANNE, None) == ()


class TestNirAndNia:
    """IHE PAM FR 2.11.2 §4.4.1: of NIR and NIA sent together the receiver chooses the NIR."""

    @pytest.mark.parametrize("order", list(permutations((NIR, NIA))))
    def test_nir_is_chosen_and_the_nia_is_former(self, order: tuple[Ins, ...]) -> None:
        admitted = admit(*order)
        assert (admitted.ins, admitted.superseded, rules(admitted)) == (NIR, (NIA,), [("nia-beside-nir", "I")])

    def test_same_number_under_both_oids_is_a_nir_and_a_nia(self) -> None:
        nia = Ins(NIR.matricule, NIA.oid)
        admitted = admit(nia, NIR)
        assert (admitted.ins, admitted.superseded) == (NIR, (nia,))

    def test_the_same_ins_twice_is_one(self) -> None:
        assert admit(NIR, NIR) == admit(NIR)

    def test_two_nirs_leave_both_out(self) -> None:
        admitted = admit(NIR, NEW_NIR)
        assert (admitted.ins, rules(admitted)) == (None, [("several-ins", "W")])

    def test_two_nirs_of_which_one_is_held(self) -> None:
        admitted = admit(NEW_NIR, NIR, held=NIR)
        assert (admitted.ins, rules(admitted)) == (NIR, [("several-ins", "W")])


class TestReplace:
    """IHE PAM FR 2.11.2 §4.4.1, §4.4.2: an INS replaced stays as a former one."""

    def test_the_one_held_becomes_former(self) -> None:
        after = replace_ins(Identity("x", ins=NIA), NIR)
        assert (after.ins, former(after)) == (NIR, [(NIA.matricule, NIA.oid)])

    def test_superseded_is_former_once(self) -> None:
        after = replace_ins(replace_ins(Identity("x", ins=NIA), NIR, [NIA]), NIR, [NIA])
        assert former(after) == [(NIA.matricule, NIA.oid)]

    def test_former_that_comes_back_is_no_longer_former(self) -> None:
        after = replace_ins(replace_ins(Identity("x", ins=NIR), NEW_NIR), NIR)
        assert (after.ins, former(after)) == (NIR, [(NEW_NIR.matricule, NEW_NIR.oid)])

    def test_an_identifier_of_another_type_is_left_alone(self) -> None:
        held = (ipp(NIR.matricule), replace(ipp(NIR.matricule, HOSPITAL), type="NH"), ipp("1", CLINIC))
        assert replace_ins(Identity("x", identifiers=held), NIR).identifiers == held


class TestEnd:
    """IHE PAM FR 2.11.2 §4.4.3: all INS go, NIR and NIA, from `ins` and from the identifiers."""

    def test_in_force_and_former_go_with_the_reason(self) -> None:
        held = replace_ins(Identity("x", ins=NIA, identifiers=(ipp("100"),)), NIR)
        after = end_ins(held, EndReason.REMOVED, AT)
        assert (after.ins, after.identifiers) == (None, (ipp("100"),))
        assert reasons_of(after) == [(NIR, "removed-by-source"), (NIA, "removed-by-source")]

    def test_nothing_held_is_no_change(self) -> None:
        held = Identity("x", identifiers=(ipp("100"),))
        assert end_ins(held, EndReason.REMOVED, AT) == held

    def test_what_ended_before_stays_in_history(self) -> None:
        ended = EndedIns(NEW_NIR, AT, EndReason.DELETED)
        after = end_ins(Identity("x", ins=NIR, ended_ins=(ended,)), EndReason.REMOVED, AT)
        assert after.ended_ins[0] == ended

    def test_no_lookup_finds_an_ended_ins(self) -> None:
        one = house(qualified("100"))
        assert [each.id for each in one.known.find_by_matricule(NIR.matricule)] == [one.of("100").id]


class TestOutdated:
    """IHE PAM FR 2.11.2 §4.4.3: a message dated before the removal never brings the INS back."""

    ENDED = Identity("x", ended_ins=(EndedIns(NIR, AT, EndReason.REMOVED),))

    @pytest.mark.parametrize("seconds", [1, 3600, 10**7])
    def test_dated_before(self, seconds: int) -> None:
        assert is_outdated(NIR, self.ENDED, moment(AT - timedelta(seconds=seconds)))

    @pytest.mark.parametrize("seconds", [0, 1])
    def test_dated_then_or_after(self, seconds: int) -> None:
        assert not is_outdated(NIR, self.ENDED, moment(AT + timedelta(seconds=seconds)))

    def test_not_dated(self) -> None:
        assert not is_outdated(NIR, self.ENDED, None)

    def test_too_vague_to_be_surely_older(self) -> None:
        day = Interval(AT.replace(hour=0, minute=0, second=0), AT.replace(hour=23, minute=59, second=59))
        assert not is_outdated(NIR, self.ENDED, day)

    def test_another_ins(self) -> None:
        assert not is_outdated(NEW_NIR, self.ENDED, moment(AT - timedelta(days=1)))

    def test_the_same_number_as_nia_does_not_come_back_either(self) -> None:
        assert is_outdated(Ins(NIR.matricule, NIA.oid), self.ENDED, moment(AT - timedelta(days=1)))
