"""A40: the identities of MRG-1 disappear into the one of PID-3."""

from dataclasses import replace

import pytest
from people import (
    ANNE,
    AT,
    CLINIC,
    HOSPITAL,
    NEW_NIR,
    NIR,
    House,
    a29,
    a31,
    a40,
    a47,
    alerts_of,
    graded,
    group,
    held_ipps,
    house,
    ipp,
    qualified,
    rules_of,
    who,
    with_traits,
)

from pam_receiver.identity.identifiers import PatientIdentifier
from pam_receiver.identity.model import Decision, Merge, MergeLink


def refusal(decision: Decision) -> tuple[str, str, int, str]:
    (finding,) = decision.findings
    assert decision.changes == ()
    assert decision.merges == ()
    return (finding.rule, finding.severity, finding.code, str(finding.at))


class TestAbsorb:
    """ITI TF-2 §3.30.6.4: the patient of MRG-1 disappears into that of PID-3."""

    def test_both_are_kept_with_a_dated_link(self) -> None:
        one = house(who("100"), who("200"))
        survivor, absorbed = one.of("100"), one.of("200")
        decision = one.accept(a40(who("100"), "200"))
        assert one.of("100") == survivor
        assert one.of("200") == replace(absorbed, active=False, merged_into=survivor.id, version=2)
        (link,) = decision.merges
        assert link == MergeLink(absorbed.id, survivor.id, AT, link.message_id, "MSG3")

    def test_several_sources(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        one.accept(a40(who("100"), "200", "300"))
        assert [one.of(value).merged_into for value in ("200", "300")] == [one.of("100").id] * 2

    def test_survivor_absorbed_in_turn(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        one.accept(a40(who("200"), "300"))
        one.accept(a40(who("100"), "200"))
        assert one.known.find_survivor(one.of("300")) == one.of("100")

    def test_two_numbers_of_one_source(self) -> None:
        one = house(who("100"), who("200", "201"))
        decision = one.accept(a40(who("100"), "200", "201"))
        assert len(decision.merges) == 1


class TestNoDemographics:
    """ITI TF-2 §3.30.6.4: A40 carries no demographics; A31 does."""

    def test_traits_status_and_ins_of_the_survivor_do_not_change(self) -> None:
        one = house(qualified("100"), who("200"))
        survivor = one.of("100")
        said = who("100", ins=[NEW_NIR], codes=["PROV", "DOUT"], traits=with_traits(birth_family_name="TREVOUX"))
        decision = one.accept(a40(said, "200"))
        assert one.of("100") == survivor
        assert graded(decision) == [("merge-differs-from-survivor", "W")]

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            (who("100", traits=with_traits(sex="M")), "the traits of PID"),
            (who("100", used_family_name="TREVOUX"), "the traits of PID"),
            (who("100", ins=[NIR]), "the INS of PID"),
            (who("100", ins=[NIR], traits=with_traits(sex="M")), "the traits and the INS of PID"),
        ],
    )
    def test_differences_are_told(self, said: object, words: str) -> None:
        one = house(who("100"), who("200"))
        decision = one.accept(a40(said, "200"))  # type: ignore[arg-type]
        assert graded(decision) == [("merge-differs-from-survivor", "W")]
        assert words in decision.findings[0].en

    def test_a_trait_that_the_survivor_lacks_is_a_difference(self) -> None:
        one = house(who("100", traits=with_traits(sex=None)), who("200"))
        assert rules_of(one.accept(a40(who("100"), "200"))) == ["merge-differs-from-survivor"]
        assert one.of("100").traits.sex is None

    def test_the_same_is_silent(self) -> None:
        one = house(qualified("100", used_family_name="TREVOUX"), who("200"))
        said = qualified("100", traits=with_traits(birth_family_name="Kerguélen"), used_family_name="Trévoux")
        assert graded(one.accept(a40(said, "200"))) == []

    def test_an_ins_held_only_by_the_absorbed_one_does_not_move(self) -> None:
        one = house(who("100"), qualified("200"))
        one.accept(a40(qualified("100"), "200"))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        decision = one.accept(a31(qualified("100")))
        assert (one.of("100").ins, one.of("100").status) == (NIR, "qualifiee")
        assert "doublon" not in rules_of(decision)

    def test_both_hold_different_ins(self) -> None:
        one = house(qualified("100"), qualified("200", ins=NEW_NIR))
        decision = one.accept(a40(qualified("100"), "200"))
        assert one.of("100").ins == NIR
        assert graded(decision) == [("merge-of-two-ins", "W")]
        assert [(each.identity_id, each.finding.rule) for each in decision.alerts] == [
            (one.of("100").id, "merge-of-two-ins")
        ]

    def test_both_hold_the_same_ins(self) -> None:
        one = house(qualified("100"), qualified("200"))
        assert alerts_of(one.accept(a40(qualified("100"), "200"))) == []


class TestUnknown:
    """ITI TF-2 §3.30.6.4: source unknown, nothing to merge; target unknown, a change of identifier."""

    def test_both_unknown_the_target_is_created_by_the_rules_of_a31(self) -> None:
        one = House()
        decision = one.accept(a40(qualified("100"), "200"))
        assert (one.of("100").status, one.of("100").ins, one.of("100").traits) == ("qualifiee", NIR, ANNE)
        assert one.holder("200") is None
        assert graded(decision) == [("merge-of-unknown-identity", "I")]

    def test_both_unknown_and_a_trait_missing(self) -> None:
        decision = House().decide(a40(qualified("100", traits=with_traits(sex=None)), "200"))
        assert refusal(decision) == ("qualified-trait-missing", "E", 101, "PID-8")

    def test_source_unknown_target_known(self) -> None:
        one = house(who("100"))
        decision = one.accept(a40(who("100"), "200"))
        assert (decision.changes, graded(decision)) == ((), [("merge-of-unknown-identity", "I")])

    def test_target_unknown_source_known(self) -> None:
        one = house(qualified("200"))
        before = one.of("200")
        decision = one.accept(a40(who("100"), "200"))
        after = one.of("100")
        assert after.id == before.id
        assert held_ipps(after) == {"200": False, "100": True}
        assert (after.active, after.merged_into, after.ins, after.status) == (True, None, NIR, "qualifiee")
        assert decision.merges == ()
        assert ("merge-taken-as-renumbering", "I") in graded(decision)

    def test_target_unknown_of_two_sources_the_first_goes_on_and_the_second_is_absorbed(self) -> None:
        one = house(who("200"), who("300"))
        one.accept(a40(who("100"), "200", "300"))
        assert one.of("100").id == one.of("200").id
        assert one.of("300").merged_into == one.of("100").id

    def test_target_unknown_and_the_source_renumbered_since(self) -> None:
        one = house(who("200"))
        one.accept(a47(who("201"), "200"))
        assert refusal(one.decide(a40(who("100"), "200")))[:3] == ("ipp-renumbered", "E", 204)

    def test_target_unknown_and_the_source_absorbed(self) -> None:
        one = house(who("200"), who("300"))
        one.accept(a40(who("300"), "200"))
        assert refusal(one.decide(a40(who("100"), "200")))[:3] == ("ipp-of-absorbed-identity", "E", 204)

    def test_target_without_ipp(self) -> None:
        one = house(who("200"))
        assert refusal(one.decide(a40(who(), "200"))) == ("no-usable-ipp", "E", 101, "PID-3")

    def test_source_that_is_no_ipp(self) -> None:
        one = house(who("100"))
        decision = one.decide(a40(who("100"), PatientIdentifier("777", "MR", HOSPITAL)))
        assert refusal(decision) == ("merge-without-ipp", "E", 101, "MRG-1")


class TestConflicts:
    """ITI TF-2 §3.30.6.4: a merge into itself, circular, or of what is absorbed already."""

    def test_into_itself(self) -> None:
        one = house(who("100"))
        assert refusal(one.decide(a40(who("100"), "100"))) == ("merge-into-itself", "E", 205, "MRG-1.1")

    def test_into_itself_even_when_unknown(self) -> None:
        assert refusal(House().decide(a40(who("100"), "100")))[0] == "merge-into-itself"

    def test_into_itself_by_another_number_in_force(self) -> None:
        one = house(who("100", "101"))
        assert refusal(one.decide(a40(who("100"), "101")))[0] == "merge-into-itself"

    def test_the_same_number_of_another_authority_is_another_identity(self) -> None:
        one = house(who("100"), who(ipp("100", CLINIC)))
        one.accept(a40(who("100"), ipp("100", CLINIC)))
        assert one.of("100", CLINIC).merged_into == one.of("100").id

    @pytest.mark.parametrize("links", [1, 2])
    def test_circular(self, links: int) -> None:
        one = house(who("100"), who("200"), who("300"))
        one.accept(a40(who("100"), "200"))
        if links == 2:
            one.accept(a40(who("300"), "100"))
        last = "300" if links == 2 else "100"
        assert refusal(one.decide(a40(who("200"), last))) == ("merge-into-itself", "E", 205, "MRG-1.1")

    def test_target_absorbed_and_not_circular(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        one.accept(a40(who("100"), "200"))
        decision = one.decide(a40(who("200"), "300"))
        assert refusal(decision)[:3] == ("ipp-of-absorbed-identity", "E", 204)
        assert "MSG4" in decision.findings[0].fr

    def test_target_absorbed_and_source_unknown(self) -> None:
        one = house(who("100"), who("200"))
        one.accept(a40(who("100"), "200"))
        assert refusal(one.decide(a40(who("200"), "900")))[:3] == ("ipp-of-absorbed-identity", "E", 204)

    def test_source_absorbed_by_another(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        one.accept(a40(who("100"), "200"))
        decision = one.decide(a40(who("300"), "200"))
        assert refusal(decision)[:3] == ("merge-of-absorbed-identity", "E", 204)
        assert "MSG4" in decision.findings[0].fr

    def test_source_renumbered_since(self) -> None:
        one = house(who("100"), who("200"))
        one.accept(a47(who("201"), "200"))
        assert refusal(one.decide(a40(who("100"), "200")))[:3] == ("ipp-renumbered", "E", 204)

    def test_target_names_two_identities(self) -> None:
        one = house(who("100"), who("101"), who("200"))
        assert refusal(one.decide(a40(who("100", "101"), "200")))[:3] == ("ipps-of-two-identities", "E", 205)


class TestRepeated:
    """ITI TF-2 §3.30.6.4: a merge that is done already has no effect."""

    def test_merge(self) -> None:
        one = house(who("100"), who("200"))
        one.accept(a40(who("100"), "200"))
        decision = one.accept(a40(who("100"), "200"))
        assert (decision.changes, decision.merges, graded(decision)) == ((), (), [("merge-already-done", "I")])

    def test_merge_into_the_end_of_the_chain(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        one.accept(a40(who("200"), "300"))
        one.accept(a40(who("100"), "200"))
        assert graded(one.accept(a40(who("100"), "300"))) == [("merge-already-done", "I")]

    def test_merge_taken_as_a_change_of_identifier(self) -> None:
        one = house(who("200"))
        one.accept(a40(who("100"), "200"))
        decision = one.accept(a40(who("100"), "200"))
        assert (decision.changes, graded(decision)) == ((), [("merge-already-done", "I")])

    def test_merge_taken_as_a_change_while_another_authority_gave_the_same_number(self) -> None:
        one = house(who("200", ipp("200", CLINIC)))
        one.accept(a40(who("100"), "200"))
        assert graded(one.accept(a40(who("100"), "200"))) == [("merge-already-done", "I")]

    def test_merge_of_unknown_identities(self) -> None:
        one = House()
        one.accept(a40(who("100"), "200"))
        assert one.accept(a40(who("100"), "200")).changes == ()


class TestGroups:
    """HL7 v2.5 §3.3.40: several PID and MRG groups, all or none."""

    def test_all(self) -> None:
        one = house(who("100"), who("200"), who("300"), who("400"))
        decision = one.accept(Merge((group(who("100"), "200"), group(who("300"), "400"))))
        assert one.of("200").merged_into == one.of("100").id
        assert one.of("400").merged_into == one.of("300").id
        assert len(decision.merges) == 2

    def test_none(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        decision = one.decide(Merge((group(who("100"), "200"), group(who("300"), "300"))))
        assert refusal(decision)[0] == "merge-into-itself"

    def test_each_finds_what_the_last_one_left(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        one.accept(Merge((group(who("200"), "300"), group(who("100"), "200"))))
        assert one.known.find_survivor(one.of("300")) == one.of("100")

    def test_each_sees_what_the_last_one_forbids(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        decision = one.decide(Merge((group(who("100"), "200"), group(who("200"), "300"))))
        assert refusal(decision)[:3] == ("ipp-of-absorbed-identity", "E", 204)

    def test_circle_of_two_groups(self) -> None:
        one = house(who("100"), who("200"))
        decision = one.decide(Merge((group(who("100"), "200"), group(who("200"), "100"))))
        assert refusal(decision)[0] == "merge-into-itself"

    def test_created_and_absorbed_in_one_message(self) -> None:
        one = house(who("200"))
        decision = one.accept(Merge((group(who("100"), "900"), group(who("200"), "100"))))
        assert one.of("100").merged_into == one.of("200").id
        assert one.of("100").version == 1
        assert len(decision.changes) == 1


class TestInactiveSurvivor:
    """IHE PAM FR 2.11.2 §6.6.15: only A28 and A31 make an identity active again."""

    def test_stays_inactive(self) -> None:
        one = house(who("100"), who("200"))
        one.accept(a29(who("100")))
        decision = one.accept(a40(who("100"), "200"))
        assert not one.of("100").active
        assert ("inactive-identity", "W") in graded(decision)
        assert one.of("200").merged_into == one.of("100").id
