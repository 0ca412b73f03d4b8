"""A47: identifiers of MRG-1 become those of PID-3; an INS is replaced, or removed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from people import (
    ANNE,
    AT,
    CLINIC,
    ERASED_INS,
    HOSPITAL,
    NEW_NIR,
    NIA,
    NIR,
    House,
    a28,
    a29,
    a31,
    a40,
    a47,
    alerts_of,
    former,
    graded,
    held_ipps,
    house,
    ipp,
    qualified,
    reasons_of,
    rules_of,
    who,
    with_traits,
)

from pam_receiver.identity.identifiers import Ins, PatientIdentifier

REMOVALS = pytest.mark.parametrize("sent", [[ERASED_INS], []], ids=["two quotes", "no INS in PID-3"])


class TestReplaced:
    """IHE PAM FR 2.11.2 §4.4.2: A47 replaces an INS; the old one stays as former."""

    def test_ins_to_other_ins(self) -> None:
        one = house(qualified("100"))
        decision = one.accept(a47(qualified("100", ins=NEW_NIR), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("100").status) == (NEW_NIR, "qualifiee")
        assert former(one.of("100")) == [(NIR.matricule, NIR.oid)]
        assert one.known.find_by_matricule(NIR.matricule) == ()
        assert alerts_of(decision) == []

    def test_nia_to_nir_is_said(self) -> None:
        one = house(qualified("100", ins=NIA))
        decision = one.accept(a47(qualified("100"), old_ins=[NIA]))
        assert (one.of("100").ins, former(one.of("100"))) == (NIR, [(NIA.matricule, NIA.oid)])
        assert ("nia-to-nir", "I") in graded(decision)

    def test_nia_to_nir_of_the_same_number(self) -> None:
        nia = Ins(NIR.matricule, NIA.oid)
        one = house(qualified("100", ins=nia))
        one.accept(a47(qualified("100"), old_ins=[nia]))
        assert (one.of("100").ins, one.of("100").status) == (NIR, "qualifiee")
        assert former(one.of("100")) == [(nia.matricule, nia.oid)]

    def test_pid_3_may_list_the_old_one_too(self) -> None:
        one = house(qualified("100"))
        one.accept(a47(who("100", ins=[NIR, NEW_NIR]), old_ins=[NIR]))
        assert (one.of("100").ins, former(one.of("100"))) == (NEW_NIR, [(NIR.matricule, NIR.oid)])

    def test_twice_is_once(self) -> None:
        one = house(qualified("100"))
        one.accept(a47(qualified("100", ins=NEW_NIR), old_ins=[NIR]))
        decision = one.accept(a47(qualified("100", ins=NEW_NIR), old_ins=[NIR]))
        assert decision.changes == ()
        assert ("change-already-done", "I") in graded(decision)

    @pytest.mark.parametrize(
        ("ins", "codes", "why"),
        [
            (NEW_NIR, [], "ins-without-vali"),
            (Ins("123", NIR.oid), ["VALI"], "ins-ill-formed"),
            (Ins(NEW_NIR.matricule, "1.2.250.1.213.1.4.10"), ["VALI"], "test-ins-in-production"),
        ],
    )
    def test_new_ins_that_cannot_be_taken_takes_the_old_one_away_all_the_same(
        self, ins: Ins, codes: list[str], why: str
    ) -> None:
        one = house(qualified("100"))
        decision = one.accept(a47(who("100", ins=[ins], codes=codes), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        assert reasons_of(one.of("100")) == [(NIR, "removed-by-source")]
        assert {why, "new-ins-unusable"} <= set(rules_of(decision))
        assert "ins-not-listed-kept" not in rules_of(decision)
        assert alerts_of(decision) == ["new-ins-unusable"]

    def test_new_ins_with_prov(self) -> None:
        """§4.4.4: an A47 downgrade is provisoire, never récupérée by itself."""
        one = house(qualified("100"))
        one.accept(a47(who("100", ins=[NEW_NIR], codes=["PROV"]), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("100").status) == (None, "provisoire")

    def test_new_ins_without_a_trait_is_refused(self) -> None:
        one = house(qualified("100"))
        decision = one.take(a47(qualified("100", ins=NEW_NIR, traits=with_traits(sex=None)), old_ins=[NIR]))
        assert rules_of(decision) == ["qualified-trait-missing"]
        assert one.of("100").ins == NIR

    def test_mrg_and_pid_that_name_the_same_ins_change_nothing(self) -> None:
        one = house(qualified("100"))
        decision = one.accept(a47(qualified("100"), old_ins=[NIR]))
        assert decision.changes == ()
        assert ("change-without-new-identifier", "W") in graded(decision)

    def test_mrg_and_pid_that_name_the_same_ins_with_prov_end_it(self) -> None:
        one = house(qualified("100"))
        one.accept(a47(qualified("100", codes=["PROV"]), old_ins=[NIR]))
        assert one.of("100").ins is None

    def test_ins_of_a_doublon_is_replaced_here_only(self) -> None:
        one = house(qualified("100"), qualified("200"))
        one.accept(a47(qualified("100", ins=NEW_NIR), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("200").ins) == (NEW_NIR, NIR)


class TestRemoved:
    """IHE PAM FR 2.11.2 §4.4.3: the INS of MRG-1 is found, and all INS (NIR and NIA) go with their history."""

    @REMOVALS
    def test_all_ins_go(self, sent: list[Ins]) -> None:
        one = house(qualified("100", ins=NIA))
        one.accept(a31(qualified("100")))
        assert former(one.of("100")) == [(NIA.matricule, NIA.oid)]
        decision = one.accept(a47(who("100", ins=sent), old_ins=[NIR]))
        identity = one.of("100")
        assert (identity.ins, former(identity)) == (None, [])
        assert {each for each, _ in reasons_of(identity)} == {NIR, NIA}
        assert {reason for _, reason in reasons_of(identity)} == {"removed-by-source"}
        assert one.known.find_by_matricule(NIR.matricule) == ()
        (change,) = decision.changes
        assert {each.what: each.reason for each in change.differences}["ins"] == "removed-by-source"

    @REMOVALS
    @pytest.mark.parametrize(
        ("codes", "status"),
        [
            (["VALI"], "validee"),
            (["PROV"], "provisoire"),
            (["VIDE"], "provisoire"),
            ([], "validee"),
            (["ANOM"], "validee"),
            (["VALI", "DOUT"], "provisoire"),
            (["FICT"], "provisoire"),
        ],
    )
    def test_status_comes_from_pid_32(self, codes: list[str], status: str, sent: list[Ins]) -> None:
        one = house(qualified("100"))
        one.accept(a47(who("100", ins=sent, codes=codes), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("100").status) == (None, status)

    def test_downgrade_is_provisional_even_from_insi(self) -> None:
        """§4.4.4: the status of a downgrade travels as PROV, and provisional is what we keep."""
        one = house(qualified("100"))
        one.accept(a47(who("100", ins=[ERASED_INS], codes=["PROV"], obtained_from_insi=True), old_ins=[NIR]))
        assert one.of("100").status == "provisoire"

    @pytest.mark.parametrize(("codes", "status"), [(["VIDE"], "provisoire"), (["VALI"], "validee")])
    def test_without_status_an_identity_that_was_not_qualified_keeps_its_own(
        self, codes: list[str], status: str
    ) -> None:
        one = house(who("100", codes=codes))
        one.accept(a47(who("100", ins=[ERASED_INS], codes=[]), old_ins=[NIR]))
        assert one.of("100").status == status

    def test_twice_is_once(self) -> None:
        one = house(qualified("100"))
        one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]))
        decision = one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]))
        assert (decision.changes, rules_of(decision)) == ((), ["change-of-unknown-identifier"])

    def test_its_true_owner_may_get_it_next(self) -> None:
        one = house(qualified("100"))
        one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]))
        decision = one.accept(a28(qualified("200")))
        assert one.of("200").ins == NIR
        assert "doublon" not in rules_of(decision)

    @pytest.mark.parametrize("seconds", [1, 3600])
    def test_a_message_dated_before_never_brings_it_back(self, seconds: int) -> None:
        one = house(qualified("100"))
        one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]), dated=AT)
        decision = one.accept(a31(qualified("100")), dated=AT - timedelta(seconds=seconds))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        assert ("ins-removed-since", "W") in graded(decision)
        assert "ins-removed-since" in alerts_of(decision)

    def test_a_message_dated_after_brings_it_back(self) -> None:
        one = house(qualified("100"))
        one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]), dated=AT)
        one.accept(a31(qualified("100")), dated=AT + timedelta(seconds=1))
        assert (one.of("100").ins, one.of("100").status) == (NIR, "qualifiee")

    def test_a_nia_removed_does_not_come_back_beside_a_nir_that_was_not(self) -> None:
        one = house(qualified("100", ins=NIA))
        one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIA]))  # it counts from when we received it: AT
        one.accept(a31(who("100", ins=[NIA, NIR])), dated=AT - timedelta(hours=1))
        assert (one.of("100").ins, former(one.of("100"))) == (NIR, [])

    def test_traits_do_not_change(self) -> None:
        one = house(qualified("100"))
        one.accept(a47(who("100", ins=[ERASED_INS], traits=with_traits(sex="M")), old_ins=[NIR]))
        assert one.of("100").traits == ANNE

    def test_desa_makes_it_inactive_too(self) -> None:
        one = house(qualified("100"))
        decision = one.accept(a47(who("100", ins=[ERASED_INS], codes=["PROV", "DESA"]), old_ins=[NIR]))
        assert not one.of("100").active
        assert "identity-deactivated" in alerts_of(decision)


class TestCheckedAgainstTheIpp:
    """IHE PAM FR 2.11.2 §4.4.3: the INS names the patient, and the IPP must agree."""

    @REMOVALS
    def test_held_by_another_identity(self, sent: list[Ins]) -> None:
        one = house(qualified("100"), who("200"))
        decision = one.decide(a47(who("200", ins=sent), old_ins=[NIR]))
        (finding,) = decision.findings
        assert (finding.rule, finding.severity, finding.code) == ("ins-held-by-another-identity", "E", 204)
        assert str(finding.at).startswith("MRG-1")
        assert decision.changes == ()
        assert alerts_of(decision) == ["ins-held-by-another-identity"]

    def test_replacement_of_an_ins_held_by_another_identity(self) -> None:
        one = house(qualified("100"), who("200"))
        decision = one.decide(a47(qualified("200", ins=NEW_NIR), old_ins=[NIR]))
        assert rules_of(decision) == ["ins-held-by-another-identity"]
        assert decision.changes == ()

    def test_unknown_ipp_and_an_ins_that_is_held(self) -> None:
        one = house(qualified("100"))
        decision = one.decide(a47(who("900", ins=[ERASED_INS]), old_ins=[NIR]))
        assert rules_of(decision) == ["ins-held-by-another-identity"]
        assert alerts_of(decision) == ["ins-held-by-another-identity"]

    @pytest.mark.parametrize("which", ["unknown", "former"])
    @pytest.mark.parametrize(("sent", "status", "removed"), [([ERASED_INS], "validee", True), ([], "qualifiee", False)])
    def test_another_ins_is_held(self, which: str, sent: list[Ins], status: str, removed: bool) -> None:
        one = house(qualified("100", ins=NEW_NIR))
        if which == "former":
            one.accept(a31(qualified("100", ins=NIR)))
            one.accept(a31(qualified("100", ins=NEW_NIR)))
        decision = one.accept(a47(who("100", ins=sent), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("100").status) == (None if removed else NEW_NIR, status)
        kept = [(NIR.matricule, NIR.oid)] if which == "former" and not removed else []
        assert former(one.of("100")) == kept
        assert graded(decision) == [("ins-is-not-the-one-held", "W")]
        assert alerts_of(decision) == (["ins-is-not-the-one-held"] if removed else [])
        assert bool(decision.changes) is removed

    def test_the_finding_tells_the_effect(self) -> None:
        one = house(qualified("100", ins=NEW_NIR))
        texts = [one.decide(a47(who("100", ins=sent), old_ins=[NIR])).findings[0].en for sent in ([ERASED_INS], [])]
        assert "removed" in texts[0]
        assert "nothing is changed" in texts[1]

    @REMOVALS
    def test_nothing_is_held(self, sent: list[Ins]) -> None:
        one = house(who("100"))
        decision = one.accept(a47(who("100", ins=sent), old_ins=[NIR]))
        assert (decision.changes, graded(decision)) == ((), [("change-of-unknown-identifier", "I")])

    @pytest.mark.parametrize("code", ["VALI", "PROV"])
    def test_nothing_is_held_and_pid_3_names_an_ins(self, code: str) -> None:
        one = house(who("100", codes=["VALI"]))
        decision = one.accept(a47(who("100", ins=[NEW_NIR], codes=[code]), old_ins=[NIR]))
        assert (decision.changes, graded(decision)) == ((), [("change-of-unknown-identifier", "I")])

    def test_nothing_is_known(self) -> None:
        one = House()
        decision = one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]))
        assert (decision.changes, graded(decision)) == ((), [("change-of-unknown-identifier", "I")])
        assert one.identities == {}

    def test_ipps_of_two_identities(self) -> None:
        one = house(qualified("100"), who("200"))
        assert rules_of(one.decide(a47(who("100", "200", ins=[ERASED_INS]), old_ins=[NIR]))) == [
            "ipps-of-two-identities"
        ]


class TestWithoutIpp:
    """IHE PAM FR 2.11.2 §4.4.3: the patient is looked for by the INS of MRG-1."""

    def test_a_held_ins_is_enough(self) -> None:
        one = house(qualified("100"))
        one.accept(a47(who(ins=[ERASED_INS]), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")

    def test_an_unknown_ins_is_not(self) -> None:
        one = house(who("100"))
        decision = one.decide(a47(who(ins=[ERASED_INS]), old_ins=[NIR]))
        (finding,) = decision.findings
        assert (finding.rule, finding.code, str(finding.at)) == ("no-usable-ipp", 101, "PID-3")

    def test_an_ins_held_twice_is_not(self) -> None:
        one = house(qualified("100"), qualified("200"))
        decision = one.decide(a47(who(ins=[ERASED_INS]), old_ins=[NIR]))
        assert rules_of(decision) == ["no-usable-ipp"]
        assert decision.changes == ()

    def test_an_ins_of_an_absorbed_identity_leads_to_its_survivor(self) -> None:
        one = house(who("100"), qualified("200"))
        one.accept(a40(who("100"), "200"))
        one.accept(a47(who(ins=[ERASED_INS], codes=["PROV"]), old_ins=[NIR]))
        assert (one.of("200").ins, one.of("100").status) == (None, "provisoire")


class TestAfterMerge:
    """IHE PAM FR 2.11.2 §4.4.3: the INS of an absorbed identity is the patient's too."""

    def test_it_is_removed_from_the_absorbed_one(self) -> None:
        one = house(qualified("100"), qualified("200"))
        one.accept(a40(who("100"), "200"))
        one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]))
        assert one.known.find_by_matricule(NIR.matricule) == ()
        assert one.of("200").merged_into == one.of("100").id
        assert reasons_of(one.of("200")) == [(NIR, "removed-by-source")]

    def merged_with_two_ins(self) -> House:
        one = house(qualified("100", ins=NEW_NIR), qualified("200"))
        one.accept(a40(who("100"), "200"))
        return one

    def test_another_ins_of_the_survivor_stays_without_two_quotes(self) -> None:
        one = self.merged_with_two_ins()
        decision = one.accept(a47(who("100"), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("100").status, one.of("200").ins) == (NEW_NIR, "qualifiee", None)
        assert graded(decision) == [("ins-is-not-the-one-held", "W")]

    def test_another_ins_of_the_survivor_goes_with_two_quotes_and_an_alert(self) -> None:
        one = self.merged_with_two_ins()
        decision = one.accept(a47(who("100", ins=[ERASED_INS]), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("200").ins) == (None, None)
        assert alerts_of(decision) == ["ins-is-not-the-one-held"]

    def test_replaced_by_the_one_that_the_survivor_holds(self) -> None:
        one = self.merged_with_two_ins()
        decision = one.accept(a47(qualified("100", ins=NEW_NIR), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("200").ins) == (NEW_NIR, None)
        assert graded(decision) == [("change-already-done", "I")]

    def test_replaced_when_the_survivor_holds_none(self) -> None:
        one = house(who("100"), qualified("200"))
        one.accept(a40(who("100"), "200"))
        one.accept(a47(qualified("100", ins=NEW_NIR), old_ins=[NIR]))
        assert (one.of("100").ins, one.of("200").ins) == (NEW_NIR, None)


class TestRenumbered:
    """IHE PAM FR 2.11.2 §4.1: the IPP of MRG-1 becomes that of PID-3."""

    def test_old_one_is_kept_out_of_force(self) -> None:
        one = house(qualified("100"))
        before = one.of("100")
        one.accept(a47(who("101"), "100"))
        after = one.of("101")
        assert after.id == before.id
        assert held_ipps(after) == {"100": False, "101": True}
        assert one.of("100") == after
        assert (after.ins, after.status, after.traits) == (before.ins, before.status, before.traits)

    @pytest.mark.parametrize("codes", [["PROV"], ["VIDE"], ["VALI", "DOUT"]])
    def test_no_ins_stays_on_an_identity_that_is_qualified_no_more(self, codes: list[str]) -> None:
        one = house(qualified("100"))
        decision = one.accept(a47(who("101", codes=codes), "100"))
        assert (one.of("101").ins, one.of("101").status) == (None, "provisoire")
        assert alerts_of(decision) == ["ins-invalidated"]

    def test_others_stay(self) -> None:
        one = house(who("100", ipp("9", CLINIC)))
        one.accept(a47(who("101", ipp("9", CLINIC)), "100"))
        assert held_ipps(one.of("101")) == {"100": False, "9": True, "101": True}

    @pytest.mark.parametrize("how", ["active", "inactive", "absorbed", "former"])
    def test_new_one_held_by_another_identity(self, how: str) -> None:
        one = house(who("100"), who("200"), who("300"))
        if how == "inactive":
            one.accept(a29(who("200")))
        elif how == "absorbed":
            one.accept(a40(who("300"), "200"))
        elif how == "former":
            one.accept(a47(who("201"), "200"))
        decision = one.decide(a47(who("200"), "100"))
        (finding,) = decision.findings
        assert (finding.rule, finding.severity, finding.code) == ("new-identifier-already-held", "E", 205)
        assert decision.changes == ()

    def test_old_one_unknown(self) -> None:
        one = House()
        decision = one.accept(a47(who("101"), "100"))
        assert (decision.changes, graded(decision)) == ((), [("change-of-unknown-identifier", "I")])

    def test_twice_is_once(self) -> None:
        one = house(who("100"))
        one.accept(a47(who("101"), "100"))
        decision = one.accept(a47(who("101"), "100"))
        assert (decision.changes, graded(decision)) == ((), [("change-already-done", "I")])

    def test_back_again(self) -> None:
        one = house(who("100"))
        one.accept(a47(who("101"), "100"))
        one.accept(a47(who("100"), "101"))
        assert held_ipps(one.of("100")) == {"100": True, "101": False}

    def test_old_one_replaced_by_a_third(self) -> None:
        one = house(who("100"))
        one.accept(a47(who("101"), "100"))
        decision = one.decide(a47(who("102"), "100"))
        assert [(each.rule, each.code) for each in decision.findings] == [("ipp-renumbered", 204)]

    def test_old_one_absorbed(self) -> None:
        one = house(who("100"), who("200"))
        one.accept(a40(who("100"), "200"))
        decision = one.decide(a47(who("201"), "200"))
        assert [(each.rule, each.code) for each in decision.findings] == [("ipp-of-absorbed-identity", 204)]

    @pytest.mark.parametrize("new", [ipp("101", CLINIC), ipp("100")])
    def test_no_new_one_of_this_authority(self, new: PatientIdentifier) -> None:
        one = house(who("100"))
        decision = one.accept(a47(who(new), "100"))
        assert (decision.changes, graded(decision)) == ((), [("change-without-new-identifier", "W")])

    def test_without_ipp_in_pid_3(self) -> None:
        one = house(qualified("100"))
        assert rules_of(one.decide(a47(who(), "100", old_ins=[NIR]))) == ["no-usable-ipp"]

    def test_old_one_listed_in_pid_3_too_is_not_new(self) -> None:
        one = house(who("100", "200"))
        event = a47(who("100", "300"), "100", "200")
        one.accept(event)
        assert held_ipps(one.of("100")) == {"100": False, "200": False, "300": True}
        assert one.accept(event).changes == ()

    def test_of_two_new_ones_the_first_unknown_one_is_taken(self) -> None:
        one = house(who("100", "101"))
        event = a47(who("101", "102", "103"), "100")
        one.accept(event)
        assert held_ipps(one.of("100")) == {"100": False, "101": True, "102": True}
        assert one.accept(event).changes == ()

    def test_two_in_one_message(self) -> None:
        one = house(who("100", ipp("9", CLINIC)))
        one.accept(a47(who("101", ipp("8", CLINIC)), "100", ipp("9", CLINIC)))
        assert held_ipps(one.of("101")) == {"100": False, "9": False, "101": True, "8": True}

    def test_one_that_cannot_be_done_undoes_all(self) -> None:
        one = house(who("100"), who("200"))
        decision = one.decide(a47(who("101", "200"), "100"))
        assert (decision.is_refused, decision.changes) == (True, ())

    def test_with_the_ins_of_the_same_message(self) -> None:
        """The message is split by the types of its identifiers."""
        one = house(qualified("100"))
        one.accept(a47(who("101", ins=[ERASED_INS], codes=["PROV"]), "100", old_ins=[NIR]))
        after = one.of("101")
        assert (held_ipps(after), after.ins, after.status) == ({"100": False, "101": True}, None, "provisoire")
        assert after.version == 2


NDP = PatientIdentifier("777", "NDP", HOSPITAL)


class TestOtherIdentifiers:
    """IHE PAM FR 2.11.2 §4.1: any identifier can change; those that locate nobody are found by the IPP of PID-3."""

    def test_changed(self) -> None:
        one = house(who("100", NDP))
        one.accept(a47(who("100", replace(NDP, value="778")), NDP))
        assert one.of("100").identifiers == (ipp("100"), replace(NDP, active=False), replace(NDP, value="778"))

    def test_twice_is_once(self) -> None:
        one = house(who("100", NDP))
        one.accept(a47(who("100", replace(NDP, value="778")), NDP))
        decision = one.accept(a47(who("100", replace(NDP, value="778")), NDP))
        assert (decision.changes, graded(decision)) == ((), [("change-of-unknown-identifier", "I")])

    def test_unknown(self) -> None:
        one = house(who("100"))
        decision = one.accept(a47(who("100", NDP), replace(NDP, value="776")))
        assert (decision.changes, graded(decision)) == ((), [("change-of-unknown-identifier", "I")])

    def test_of_an_unknown_identity(self) -> None:
        decision = House().decide(a47(who("100"), NDP))
        assert graded(decision) == [("change-of-unknown-identifier", "I")]

    def test_no_new_one(self) -> None:
        one = house(who("100", NDP))
        decision = one.accept(a47(who("100"), NDP))
        assert (decision.changes, graded(decision)) == ((), [("change-without-new-identifier", "W")])

    def test_without_ipp(self) -> None:
        one = house(who("100", NDP))
        assert rules_of(one.decide(a47(who(replace(NDP, value="778")), NDP))) == ["no-usable-ipp"]
