"""Whether a text names a person: by an identifier, by an INS, by names and birth date; and nobody else's text."""

from dataclasses import replace

import pytest
from people import ANNE, CLINIC, HOSPITAL, NEW_NIR, NIR, NIR_OID, adt, ins_cx, ipp, pid

from pam_receiver.identity.identifiers import AssigningAuthority, PatientIdentifier
from pam_receiver.identity.model import EndedIns, EndReason, Identity
from pam_receiver.identity.traits import StrictTraits
from pam_receiver.store.traces import Traces

from .conftest import NOW

PERSON = Identity(
    id="1",
    ins=NIR,
    traits=ANNE,
    identifiers=(ipp("8001"), PatientIdentifier("V77", "VN", HOSPITAL)),
    ended_ins=(EndedIns(NEW_NIR, NOW, EndReason.REMOVED),),
)
NOBODY = ("LE GALL^MALO^MALO^^^^L", "20010203")
OTHER = pid(pid3=["9009^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI"], names=[NOBODY[0]], birth_date=NOBODY[1])
FULL = "CHU-LYRE&1.2.250.1.999.77&ISO"


def look(*segments: str, person: Identity = PERSON, **msh: str) -> bool:
    return Traces([person]).look(adt("A31", *segments).raw).is_named


def other(*, at: dict[int, str]) -> str:
    """The PID of somebody else, with these fields instead."""
    fields = OTHER.split("|")
    for number, text in at.items():
        fields[number] = text
    return "|".join(fields)


class TestByIdentifier:
    @pytest.mark.parametrize(
        "cx",
        [
            f"8001^^^{FULL}^PI",
            "8001^^^CHU-LYRE^PI",
            "8001^^^&1.2.250.1.999.77&ISO^PI",
            "8001^^^OTHER-NAME&1.2.250.1.999.77&ISO^PI",
            "8001^^^^PI",
            "8001",
            f"9009^^^{FULL}^PI~8001^^^{FULL}^PI",
            f" 8001 ^^^{FULL}^PI",
            f"V77^^^{FULL}^VN",
        ],
    )
    def test_in_pid_3(self, cx: str) -> None:
        assert look(other(at={3: cx}))

    @pytest.mark.parametrize(
        "cx", ["8001^^^CLINIQUE&1.2.250.1.999.88&ISO^PI", "8001^^^CLINIQUE^PI", "80011^^^^PI", "8001^^^^VN", "V7"]
    )
    def test_of_another_authority_or_another_value_it_is_another_person(self, cx: str) -> None:
        assert not look(other(at={3: cx}))

    def test_an_authority_known_by_its_name_alone(self) -> None:
        local = replace(PERSON, identifiers=(ipp("8001", AssigningAuthority("CHU-LYRE")),))
        assert look(other(at={3: f"8001^^^{FULL}^PI"}), person=local)
        assert not look(other(at={3: "8001^^^CLINIQUE^PI"}), person=local)

    def test_as_the_mother_of_a_newborn_or_in_any_other_segment(self) -> None:
        assert look(other(at={21: f"8001^^^{FULL}^PI"}))
        assert look(other(at={21: "8001"}))
        assert look(OTHER, f"NK1|1|{'|' * 31}8001^^^{FULL}^PI")
        assert look(OTHER, f"PV1|1|I{'|' * 17}V77^^^{FULL}^VN")

    def test_in_mrg(self) -> None:
        assert look(OTHER, f"MRG|8001^^^{FULL}^PI")
        assert look(OTHER, "MRG|8001")

    def test_a_number_in_another_field_is_no_identifier(self) -> None:
        assert not look(other(at={13: "8001"}), "PV1|1|I|8001^8001^1||||8001")

    def test_in_the_second_person_of_a_message(self) -> None:
        assert look(OTHER, f"MRG|1^^^{FULL}^PI", other(at={3: f"8001^^^{FULL}^PI"}))

    def test_a_value_with_a_sign_that_is_escaped(self) -> None:
        odd = replace(PERSON, identifiers=(ipp("A&B-4711"),))
        assert look(other(at={3: f"A\\T\\B-4711^^^{FULL}^PI"}), person=odd)


class TestByIns:
    @pytest.mark.parametrize("ins", [NIR, NEW_NIR])
    def test_in_force_or_ended(self, ins) -> None:
        assert look(other(at={3: ins_cx(ins)}))

    @pytest.mark.parametrize(
        "segments",
        [
            (other(at={19: NIR.matricule}),),
            (other(at={3: f"{NIR.matricule[:13]}^^^^NH"}),),
            (OTHER, f"IN1|1|X|{NIR.matricule[:1]} {NIR.matricule[1:3]} {NIR.matricule[3:]}"),
            (OTHER, f"NTE|1||{NIR.matricule}"),
        ],
        ids=["ssn", "without key", "with blanks", "note"],
    )
    def test_wherever_it_stands(self, segments: tuple[str, ...]) -> None:
        assert look(*segments)

    def test_a_former_one(self) -> None:
        person = replace(PERSON, ins=None, ended_ins=(), identifiers=(NIR.as_former(),))
        assert look(other(at={3: ins_cx(NIR)}), person=person)


class TestByTraits:
    @pytest.mark.parametrize(
        "name", ["KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L", "Kerguélen^Anne^^^^^L", "X^Y~KERGUELEN^ANNE"]
    )
    def test_birth_name_given_name_and_birth_date(self, name: str) -> None:
        sight = Traces([PERSON]).look(adt("A31", pid(pid3=["9009"], names=[name])).raw)
        assert sight.is_named
        assert sight.ids == {"9009"}

    @pytest.mark.parametrize(
        "person",
        [
            pid(pid3=["9009"], birth_date="19590124"),
            pid(pid3=["9009"], names=["KERGUELEN^SOLENE"]),
            pid(pid3=["9009"], names=["ANNE^KERGUELEN"]),
            pid(pid3=["9009"], birth_date=""),
        ],
    )
    def test_less_than_all_three_is_nobody(self, person: str) -> None:
        assert not look(person)

    def test_of_what_was_once_held(self) -> None:
        before = replace(PERSON, ins=None, identifiers=(), ended_ins=(), traits=ANNE)
        after = replace(before, traits=StrictTraits("ROSSEL", "ANNE", None, "1959-01-24"))
        assert Traces([before, after]).look(adt("A31", pid(pid3=["9009"])).raw).is_named
        assert not Traces([after]).look(adt("A31", pid(pid3=["9009"])).raw).is_named


class TestWithoutForm:
    """What was refused may be anything."""

    @pytest.mark.parametrize(
        "raw",
        [
            f"garbage {NIR.matricule} garbage".encode(),
            f'{{"ins":"{NIR.matricule[:13]}"}}'.encode(),
            b"KERGUELEN;ANNE;19590123",
            "Kerguélen;Anne;19590123".encode("iso8859-15"),
            b"PID|1||8001^^^CHU-LYRE^PI||KERGUELEN",
            f"MSH|^~\\&|X\xff|{NIR.matricule}".encode("latin-1"),
        ],
    )
    def test_it_names_the_person(self, raw: bytes) -> None:
        assert Traces([PERSON]).look(raw).is_named

    @pytest.mark.parametrize(
        "raw", [b"", b"garbage", b"8001 and nothing else", b"KERGUELEN ANNE", f"x{NIR.matricule}".encode()]
    )
    def test_it_does_not(self, raw: bytes) -> None:
        assert not Traces([PERSON]).look(raw).is_named

    def test_a_long_identifier_is_no_chance(self) -> None:
        person = replace(PERSON, identifiers=(ipp("800123"),))
        assert Traces([person]).look(b"nothing but 800123").is_named


def test_who_has_no_value_is_named_nowhere() -> None:
    traces = Traces([Identity(id="1")])
    assert not traces.look(adt("A31", pid()).raw).is_named
    assert not traces.look(b"").is_named


def test_the_matricules_are_all_that_ever_were() -> None:
    assert Traces([PERSON]).matricules == {NIR.matricule, NEW_NIR.matricule}
    assert NIR.oid == NIR_OID
    assert CLINIC != HOSPITAL
