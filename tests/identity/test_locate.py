"""Which identity a PID-3 names."""

from dataclasses import replace
from itertools import permutations

import pytest
from people import (
    CLINIC,
    HOSPITAL,
    NIR,
    SENDER,
    House,
    a29,
    a31,
    a40,
    a47,
    alerts_of,
    graded,
    held_ipps,
    house,
    ipp,
    movement,
    qualified,
    rules_of,
    who,
)

from pam_receiver.identity.identifiers import AssigningAuthority, PatientIdentifier
from pam_receiver.identity.locate import date_of
from pam_receiver.identity.model import MergeLink

LOCAL = AssigningAuthority("CHU-LYRE")


class TestFoundByIpp:
    """IHE PAM FR 2.11.2 §6.6.1: an identity is found by the IPP of its assigning authority, and by nothing else."""

    @pytest.mark.parametrize("type_", ["NH", "MR", "NDP", "PPN"])
    def test_another_identifier_locates_nobody(self, type_: str) -> None:
        shared = PatientIdentifier("777", type_, HOSPITAL)
        one = house(who("100", shared))
        one.accept(a31(who("200", shared)))
        assert one.of("100").id != one.of("200").id

    def test_an_ins_locates_nobody(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(qualified("200")))
        assert one.of("100").id != one.of("200").id

    def test_a_former_ins_locates_nobody(self) -> None:
        one = house(qualified("100"))
        one.accept(a47(who("100"), old_ins=[NIR]))
        one.accept(a31(qualified("200")))
        assert one.of("100").ins is None
        assert one.of("200").ins == NIR

    def test_one_known_ipp_among_several_is_enough(self) -> None:
        one = house(who("100"))
        one.accept(a31(who(ipp("900", CLINIC), "100")))
        assert held_ipps(one.of("100")) == {"100": True, "900": True}
        assert one.of("900", CLINIC) == one.of("100")

    def test_no_ipp_is_refused_at_pid_3(self) -> None:
        decision = House().decide(a31(who(replace(ipp("777"), type="NH"), ins=[NIR])))
        (finding,) = decision.findings
        assert (finding.rule, finding.severity, finding.code, str(finding.at)) == ("no-usable-ipp", "E", 101, "PID-3")


class TestTwoIdentities:
    """IHE PAM FR 2.11.2 §4.1: IPPs of two different active identities in one PID-3 are a conflict."""

    @pytest.mark.parametrize("order", list(permutations(("100", "200"))))
    def test_refused_and_nothing_changed(self, order: tuple[str, ...]) -> None:
        one = house(who("100"), who("200"))
        decision = one.decide(a31(who(*order, codes=["PROV"])))
        (finding,) = decision.findings
        assert (finding.rule, finding.severity, finding.code) == ("ipps-of-two-identities", "E", 205)
        assert decision.changes == ()

    @pytest.mark.parametrize("order", list(permutations(("100", "200"))))
    def test_an_inactive_one_beside_is_passed_over_and_keeps_its_ipp(self, order: tuple[str, ...]) -> None:
        one = house(who("100"), who("200"))
        one.accept(a29(who("200")))
        inactive = one.of("200")
        decision = one.accept(a31(who(*order, codes=["PROV"])))
        assert one.of("100").status == "provisoire"
        assert held_ipps(one.of("100")) == {"100": True}
        assert one.of("200") == inactive
        assert ("ipp-of-another-identity", "W") in graded(decision)

    def test_two_inactive_ones_are_a_conflict(self) -> None:
        one = house(who("100"), who("200"))
        one.accept(a29(who("100")))
        one.accept(a29(who("200")))
        assert rules_of(one.decide(a31(who("100", "200")))) == ["ipps-of-two-identities"]

    def test_absorbed_ipp_of_a_third_identity_is_a_conflict(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        one.accept(a40(who("300"), "200"))
        assert rules_of(one.decide(a31(who("100", "200")))) == ["ipps-of-two-identities"]


class TestAbsorbed:
    """ITI TF-2 §3.30.6.4: a later message that names only an absorbed identifier is refused."""

    @pytest.mark.parametrize("event", [a31, movement, a29])
    def test_alone_it_is_refused_with_the_date_and_the_control_id_of_the_merge(self, event: object) -> None:
        one = house(who("100"), who("200"))
        one.accept(a40(who("100"), "200"))
        decision = one.decide(event(who("200")))  # type: ignore[operator]
        (finding,) = decision.findings
        assert (finding.rule, finding.severity, finding.code) == ("ipp-of-absorbed-identity", "E", 204)
        for text in (finding.fr, finding.en):
            assert "2025-03-04 05:06 UTC" in text
            assert "MSG3" in text
        assert decision.changes == ()

    @pytest.mark.parametrize("order", list(permutations(("100", "200"))))
    def test_beside_its_survivor_it_is_passed_over_and_stays_with_the_absorbed(self, order: tuple[str, ...]) -> None:
        one = house(who("100"), who("200"))
        one.accept(a40(who("100"), "200"))
        absorbed = one.of("200")
        one.accept(a31(who(*order, codes=["PROV"])))
        assert one.of("100").status == "provisoire"
        assert held_ipps(one.of("100")) == {"100": True}
        assert one.of("200") == absorbed

    def test_beside_an_unknown_ipp_it_is_refused(self) -> None:
        one = house(who("100"), who("200"))
        one.accept(a40(who("100"), "200"))
        assert rules_of(one.decide(a31(who("200", "900")))) == ["ipp-of-absorbed-identity"]

    def test_date_is_told_in_utc(self) -> None:
        link = MergeLink("a", "b", House().occasion().at, "m", "MSG1")
        assert date_of(link) == "2025-03-04 05:06 UTC"


class TestRenumbered:
    """IHE PAM FR 2.11.2 §4.1: a number replaced since may be about somebody else by now; it is refused."""

    def test_alone(self) -> None:
        one = house(who("100"))
        one.accept(a47(who("101"), "100"))
        decision = one.decide(a31(who("100")))
        (finding,) = decision.findings
        assert (finding.rule, finding.severity, finding.code) == ("ipp-renumbered", "E", 204)

    def test_beside_the_one_in_force(self) -> None:
        one = house(who("100"))
        one.accept(a47(who("101"), "100"))
        one.accept(a31(who("100", "101", codes=["PROV"])))
        assert one.of("101").status == "provisoire"
        assert held_ipps(one.of("101")) == {"100": False, "101": True}


class TestAuthorityCompleted:
    """HL7 v2.5 §2.A.33: an authority known by HD-1 alone is the one that its sender then names in full."""

    def test_local_then_full_is_one_identity(self) -> None:
        one = house(who(ipp("100", LOCAL)))
        one.see(LOCAL)
        decision = one.accept(a31(who(ipp("100", HOSPITAL), codes=["PROV"])))
        assert len(one.identities) == 1
        assert one.of("100", HOSPITAL).identifiers == (ipp("100", HOSPITAL),)
        assert alerts_of(decision) == []

    def test_full_then_local_is_one_identity(self) -> None:
        one = house(who(ipp("100", HOSPITAL)))
        one.see(HOSPITAL)
        one.accept(a31(who(ipp("100", LOCAL), codes=["PROV"])))
        assert len(one.identities) == 1
        assert one.of("100", HOSPITAL).status == "provisoire"

    def test_name_is_kept_once_known(self) -> None:
        nameless = AssigningAuthority("", HOSPITAL.universal_id, "ISO")
        one = house(who(ipp("100", nameless)))
        one.accept(a31(who(ipp("100", HOSPITAL))))
        one.accept(a31(who(ipp("100", nameless))))
        assert one.known.find_by_ipp(ipp("100", nameless), SENDER) == one.of("100")
        assert [each.authority for each in one.of("100").identifiers] == [HOSPITAL]
