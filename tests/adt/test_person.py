"""PID and ZFD as words of identity."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import (
    ANNE,
    BIRTH_NAME,
    BIRTH_PLACE,
    DEMO_INS,
    HOSPITAL,
    IPP,
    NIA,
    NIR,
    TEST_INS,
    adt,
    ins_cx,
    ipp,
    pid,
)

from pam_receiver.adt.person import Identifiers, is_up_to_2_9, read_identifiers, read_person, said
from pam_receiver.finding import Finding
from pam_receiver.hl7.header import read_header
from pam_receiver.identity.identifiers import AssigningAuthority, Ins, PatientIdentifier
from pam_receiver.identity.model import Person
from pam_receiver.identity.status import Attribute, Declared
from pam_receiver.identity.traits import StrictTraits, Trait

DEFAULT = AssigningAuthority("GAM")


def read(*segments: str, version: str = "2.5^FRA^2.11", **parts: object) -> tuple[Person, tuple[Finding, ...]]:
    """Read the person of a message whose PID has these parts; ``segments`` follow it."""
    message = adt("A31", pid(**parts), *segments, version=version)  # type: ignore[arg-type]
    segment = message.segment("PID")
    assert segment is not None
    return read_person(message, read_header(message), segment, default_authority=None)


def person(*segments: str, **parts: object) -> Person:
    return read(*segments, **parts)[0]  # type: ignore[arg-type]


def rules(*segments: str, **parts: object) -> list[tuple[str, str, str]]:
    return [(each.rule, each.severity.value, str(each.at)) for each in read(*segments, **parts)[1]]  # type: ignore[arg-type]


def identifiers(*cx: str, default: AssigningAuthority | None = None) -> Identifiers:
    segment = adt("A31", pid(pid3=cx)).segment("PID")
    assert segment is not None
    return read_identifiers(segment, 3, default)


def values(read: Identifiers) -> list[tuple[str, str]]:
    return [(each.identifier.type, each.identifier.value) for each in read.identifiers]


def found(read: Identifiers) -> list[tuple[str, str, str]]:
    return [(each.rule, each.severity.value, str(each.at)) for each in read.findings]


class TestSaid:
    """HL7 v2.5 §2.5.3: nothing, "" and a value are three things."""

    @pytest.mark.parametrize(
        ("value", "meaning"), [(None, None), ("", None), ("  ", None), ('""', ""), (' "" ', ""), (" ANNE ", "ANNE")]
    )
    def test_meaning(self, value: str | None, meaning: str | None) -> None:
        assert said(value) == meaning


class TestIpp:
    """IHE PAM FR 2.11.2 §6.6.1: an identifier travels with its type (CX-5) and its assigning authority (CX-4)."""

    def test_whole(self) -> None:
        read = identifiers(IPP)
        assert [each.identifier for each in read.identifiers] == [ipp("100")]
        assert str(read.identifiers[0].at) == "PID-3.1"
        assert (read.findings, read.ins, read.erased) == ([], [], [])

    @pytest.mark.parametrize(
        ("hd", "authority"),
        [
            ("CHU&350000121&M", AssigningAuthority("CHU", "350000121", "M")),
            ("&350000121&M", AssigningAuthority("", "350000121", "M")),
            ("CHU&350000121", AssigningAuthority("CHU", "350000121", "")),
            ("CHU", AssigningAuthority("CHU")),
            ("CHU&&L", AssigningAuthority("CHU", "", "L")),
        ],
    )
    def test_authority_as_sent(self, hd: str, authority: AssigningAuthority) -> None:
        assert identifiers(f"100^^^{hd}^PI").identifiers[0].identifier.authority == authority

    def test_without_type_it_is_an_ipp_with_a_warning(self) -> None:
        read = identifiers("100^^^CHU")
        assert (values(read), found(read)) == ([("PI", "100")], [("identifier-without-type", "W", "PID-3.5")])

    def test_without_authority_it_is_left_out(self) -> None:
        read = identifiers("100^^^^PI", "100")
        assert values(read) == []
        assert found(read)[0] == ("identifier-without-authority", "W", "PID-3.4")
        assert found(read)[-1] == ("identifier-without-authority", "W", "PID-3[2].4")

    def test_without_authority_the_default_one_of_the_source_serves(self) -> None:
        read = identifiers("100^^^^PI", default=DEFAULT)
        assert [each.identifier for each in read.identifiers] == [ipp("100", DEFAULT)]
        assert found(read) == [("identifier-authority-assumed", "W", "PID-3.4")]

    @pytest.mark.parametrize("cx", ["^^^CHU^PI", '""^^^CHU^PI', "^^^CHU^MR", " ^^^CHU^PI"])
    def test_without_value_it_is_ignored(self, cx: str) -> None:
        read = identifiers(cx, IPP)
        assert values(read) == [("PI", "100")]
        assert found(read) == [("identifier-without-value", "W", "PID-3.1")]

    def test_an_empty_repetition_says_nothing(self) -> None:
        read = identifiers("", IPP, "")
        assert (values(read), found(read)) == ([("PI", "100")], [])

    def test_sent_twice_it_is_one(self) -> None:
        assert values(identifiers(IPP, IPP)) == [("PI", "100")]

    @pytest.mark.parametrize("cx", ["{}^^^CHU^PI", "100^^^{}^PI", "100^^^CHU&{}&ISO^PI", "100^^^CHU^{}"])
    def test_longer_than_a_column_it_is_an_error(self, cx: str) -> None:
        assert [each.severity for each in identifiers(cx.format("9" * 250)).findings] == []
        (finding,) = identifiers(cx.format("9" * 251)).findings
        assert (finding.rule, finding.severity, finding.code) == ("identifier-too-long", "E", 102)

    def test_value_is_opaque(self) -> None:
        assert values(identifiers("A\\F\\B 0012^^^CHU^PI")) == [("PI", "A|B 0012")]

    @pytest.mark.parametrize("type_", ["NH", "NDP", "MR", "INS-C", "PPN"])
    def test_other_types_are_kept(self, type_: str) -> None:
        assert values(identifiers(f"777^^^CHU^{type_}")) == [(type_, "777")]

    def test_two_quotes_erase_one_of_another_type(self) -> None:
        assert identifiers('""^^^CHU-LYRE&1.2.250.1.999.77&ISO^NDP').erased == [("NDP", HOSPITAL)]


class TestIns:
    """IHE PAM FR 2.11.2 §6.6.1: an INS is one by its type INS and its OID, never by a name or from NH."""

    @pytest.mark.parametrize("ins", [NIR, NIA, TEST_INS, DEMO_INS])
    @pytest.mark.parametrize("name", ["ASIP-SANTE-INS-NIR", "", "WHATEVER"])
    def test_by_type_and_oid(self, ins: Ins, name: str) -> None:
        read = identifiers(IPP, ins_cx(ins, name))
        assert [(each.matricule, each.oid, str(each.at)) for each in read.ins] == [
            (ins.matricule, ins.oid, "PID-3[2].1")
        ]
        assert values(read) == [("PI", "100")]

    def test_nh_is_no_ins_though_its_oid_is_the_same(self) -> None:
        read = identifiers(IPP, f"{NIR.matricule}^^^ASIP-SANTE-NIR&{NIR.oid}&ISO^NH")
        assert (read.ins, values(read)) == ([], [("PI", "100"), ("NH", NIR.matricule)])

    @pytest.mark.parametrize("hd", ["ASIP-SANTE-INS-NIR", "ASIP-SANTE-INS-C&1.2.250.1.213.1.4.2&ISO", ""])
    def test_without_the_oid_it_is_left_out(self, hd: str) -> None:
        read = identifiers(f"{NIR.matricule}^^^{hd}^INS")
        assert (read.ins, values(read)) == ([], [])
        assert found(read) == [("ins-without-known-oid", "W", "PID-3.4.2")]

    @pytest.mark.parametrize("type_", ["", "PI"])
    def test_under_its_oid_without_its_type_it_is_no_ipp(self, type_: str) -> None:
        read = identifiers(IPP, f"{NIR.matricule}^^^ASIP-SANTE-INS-NIR&{NIR.oid}&ISO^{type_}")
        assert (read.ins, values(read)) == ([], [("PI", "100")])
        assert found(read) == [("ipp-under-ins-oid", "W", "PID-3[2].5")]

    def test_two_quotes_erase(self) -> None:
        (read,) = identifiers(f'""^^^ASIP-SANTE-INS-NIR&{NIR.oid}&ISO^INS').ins
        assert read.matricule == ""

    def test_without_value_it_is_ignored(self) -> None:
        read = identifiers(f"^^^ASIP-SANTE-INS-NIR&{NIR.oid}&ISO^INS")
        assert (read.ins, found(read)) == ([], [("identifier-without-value", "W", "PID-3.1")])

    def test_pid_19_is_none(self) -> None:
        fields = pid().split("|")
        fields[19] = NIR.matricule
        message = adt("A31", "|".join(fields))
        segment = message.segment("PID")
        assert segment is not None
        assert read_person(message, read_header(message), segment, default_authority=None)[0].ins == ()

    @given(order=st.permutations([IPP, ins_cx(NIR), ins_cx(NIA), "777^^^CHU^NDP"]))
    @settings(max_examples=24)
    def test_order_of_repetitions_does_not_matter(self, order: list[str]) -> None:
        read = identifiers(*order)
        assert {each.matricule for each in read.ins} == {NIR.matricule, NIA.matricule}
        assert sorted(values(read)) == [("NDP", "777"), ("PI", "100")]


class TestTraits:
    """IHE PAM FR 2.11.2 §6.6.2, §6.6.4, §6.6.5, §6.6.6: where the five strict traits stand."""

    def test_all(self) -> None:
        made = person()
        assert made.traits == ANNE
        assert {trait: str(at) for trait, at in made.places.items()} == {
            Trait.BIRTH_FAMILY_NAME: "PID-5.1",
            Trait.FIRST_BIRTH_GIVEN_NAME: "PID-5.2",
            Trait.BIRTH_GIVEN_NAMES: "PID-5.3",
            Trait.BIRTH_DATE: "PID-7",
            Trait.SEX: "PID-8",
            Trait.BIRTH_PLACE_CODE: "PID-11.9",
        }
        assert rules() == []

    def test_none(self) -> None:
        made = person(names=[], birth_date="", sex="", addresses=[])
        assert made.traits == StrictTraits()
        assert {trait: str(at) for trait, at in made.places.items()} == {
            Trait.BIRTH_FAMILY_NAME: "PID-5",
            Trait.FIRST_BIRTH_GIVEN_NAME: "PID-5",
            Trait.BIRTH_GIVEN_NAMES: "PID-5",
            Trait.BIRTH_DATE: "PID-7",
            Trait.SEX: "PID-8",
            Trait.BIRTH_PLACE_CODE: "PID-11",
        }

    def test_two_quotes_erase_each(self) -> None:
        made = person(names=['""^""^""^^^^L'], birth_date='""', sex='""', addresses=['^^^^^^BDL^^""'])
        assert made.traits == StrictTraits("", "", "", "", "", "")

    def test_two_quotes_erase_whole_fields(self) -> None:
        made = person(names=['""'], addresses=['""'])
        assert made.traits == StrictTraits("", "", "", "1959-01-23", "F", "")
        assert (made.used_family_name, made.used_given_name) == ("", "")

    def test_a_name_of_more_than_a_hundred_characters_is_kept_whole(self) -> None:
        assert person(names=[f"{'K' * 150}^ANNE^^^^^L"]).traits.birth_family_name == "K" * 150


class TestNames:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.10: L is the birth name, D the used name."""

    @pytest.mark.parametrize("order", list(permutations([BIRTH_NAME, "TREVOUX^ANNIE^^^^^D", "STELLA^^^^^^S"])))
    def test_in_any_order(self, order: tuple[str, ...]) -> None:
        made = person(names=order)
        assert made.traits == ANNE
        assert (made.used_family_name, made.used_given_name) == ("TREVOUX", "ANNIE")

    @pytest.mark.parametrize(
        ("names", "used"),
        [
            ([BIRTH_NAME], (None, None)),
            ([BIRTH_NAME, "^ANNIE^^^^^D"], (None, "ANNIE")),
            ([BIRTH_NAME, '""^ANNIE^^^^^D'], ("", "ANNIE")),
            ([BIRTH_NAME, '""^""^^^^^D'], ("", "")),
        ],
    )
    def test_used_name(self, names: list[str], used: tuple[str | None, str | None]) -> None:
        made = person(names=names)
        assert (made.used_family_name, made.used_given_name) == used

    def test_without_type_the_first_one_is_taken_with_a_warning(self) -> None:
        made = person(names=["KERGUELEN^ANNE^ANNE SOLENE MARIE"])
        assert made.traits == ANNE
        assert rules(names=["KERGUELEN^ANNE"]) == [("name-without-type", "W", "PID-5.7")]

    def test_without_type_but_not_first_it_is_not(self) -> None:
        assert person(names=["TREVOUX^ANNE^^^^^D", "KERGUELEN^ANNE"]).traits.birth_family_name is None

    def test_beside_an_ins_the_type_must_be_l(self) -> None:
        made = person(pid3=[IPP, ins_cx()], names=["KERGUELEN^ANNE^ANNE SOLENE MARIE"])
        assert made.traits.birth_family_name is None
        assert rules(pid3=[IPP, ins_cx()], names=["KERGUELEN^ANNE"]) == []

    def test_mother_and_pseudonym_are_no_birth_name(self) -> None:
        assert person(names=["STELLA^^^^^^S"]).traits.birth_family_name is None

    def test_empty_repetitions_are_passed_over(self) -> None:
        assert person(names=["", BIRTH_NAME]).traits == ANNE


class TestGivenNames:
    """IHE PAM FR 2.11.2 §8.5.10: XPN-3 is the whole list since 2.10; up to 2.9 it held the other given names."""

    WHOLE = "KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L"
    OTHERS = "KERGUELEN^ANNE^SOLENE,MARIE^^^^L"

    @pytest.mark.parametrize(
        "version", ["2.5", "2.5^FRA", "2.5^FRA^2.3", "2.5^FRA^2.9", "2.5^FRA^2.10", "2.5^FRA^2.11"]
    )
    def test_whole_list_when_its_head_is_the_first_name(self, version: str) -> None:
        assert person(version=version, names=[self.WHOLE]).traits.birth_given_names == "ANNE SOLENE MARIE"
        assert rules(version=version, names=[self.WHOLE]) == []

    def test_hyphen_is_a_space_at_the_head(self) -> None:
        names = ["KERGUELEN^ANNE-SOLENE^ANNE SOLENE MARIE^^^^L"]
        assert person(version="2.5^FRA^2.9", names=names).traits.birth_given_names == "ANNE SOLENE MARIE"

    @pytest.mark.parametrize("version", ["2.5^FRA^2.3", "2.5^FRA^2.8", "2.5^FRA^2.9", "2.5^FRA^2.9.1", "2.5^FRA^1.0"])
    def test_up_to_2_9_the_others_follow_the_first(self, version: str) -> None:
        assert person(version=version, names=[self.OTHERS]).traits.birth_given_names == "ANNE SOLENE MARIE"
        assert rules(version=version, names=[self.OTHERS]) == [("given-names-list-joined", "I", "PID-5.3")]

    @pytest.mark.parametrize(
        "version",
        ["2.5^FRA^2.10", "2.5^FRA^2.11.2", "2.5^FRA^3.0", "2.5^FRA", "2.5^FRA^x.y", "2.5^FRA^2", "2.5"],
    )
    def test_otherwise_it_is_as_sent(self, version: str) -> None:
        assert person(version=version, names=[self.OTHERS]).traits.birth_given_names == "SOLENE,MARIE"

    @pytest.mark.parametrize("version", ["2.5^FRA^2.9", "2.5^FRA^2.11"])
    def test_beside_an_ins_it_is_the_whole_list_whatever_version_is_announced(self, version: str) -> None:
        made = person(version=version, pid3=[IPP, ins_cx()], names=["KERGUELEN^ANNE^SOLENE MARIE^^^^L"])
        assert made.traits.birth_given_names == "SOLENE MARIE"

    def test_the_version_is_that_of_the_french_extension(self) -> None:
        assert is_up_to_2_9(read_header(adt(version="2.5^FRA^2.9")))
        assert not is_up_to_2_9(read_header(adt(version="2.5^DEU^2.9")))

    @pytest.mark.parametrize("names", ["KERGUELEN^ANNE^^^^^L", "KERGUELEN^^SOLENE^^^^L", 'KERGUELEN^ANNE^""^^^^L'])
    def test_nothing_is_joined_to_nothing(self, names: str) -> None:
        assert rules(version="2.5^FRA^2.9", names=[names]) == []


class TestBirthDate:
    """IHE PAM FR 2.11.2 §6.6.4: PID-7 with the precision that was sent."""

    @pytest.mark.parametrize(
        ("sent", "date"),
        [
            ("19590123", "1959-01-23"),
            ("195901", "1959-01"),
            ("1959", "1959"),
            ("19590123103000", "1959-01-23"),
            ("19590123000000+0100", "1959-01-23"),
        ],
    )
    def test_precision(self, sent: str, date: str) -> None:
        assert person(birth_date=sent).traits.birth_date == date

    @pytest.mark.parametrize("sent", ["19590230", "19591301", "19590000", "23/01/1959", "UNKNOWN", "00000101"])
    def test_ill_formed_is_left_out(self, sent: str) -> None:
        assert person(birth_date=sent).traits.birth_date is None
        assert rules(birth_date=sent) == [("birth-date-ill-formed", "W", "PID-7")]


class TestBirthPlace:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.6: the COG stands in XAD-9 of the address of type BDL."""

    HOME = "1 RUE HAUTE^^RENNES^^35000^FRA^H^^35238"

    @pytest.mark.parametrize(
        ("addresses", "code", "at"),
        [
            ([BIRTH_PLACE], "44109", "PID-11.9"),
            ([HOME, BIRTH_PLACE], "44109", "PID-11[2].9"),
            ([HOME], None, "PID-11"),
            (["^^NANTES^^44000^FRA^BDL"], None, "PID-11.9"),
            (["^^NANTES^^44000^FRA^BDL", BIRTH_PLACE], "44109", "PID-11[2].9"),
            (["^^NANTES^^44000^FRA^BR^^44109"], None, "PID-11"),
            (["^^^^^ITA^BDL^^99127"], "99127", "PID-11.9"),
        ],
    )
    def test_place(self, addresses: list[str], code: str | None, at: str) -> None:
        made = person(addresses=addresses)
        assert made.traits.birth_place_code == code
        assert str(made.places[Trait.BIRTH_PLACE_CODE]) == at


class TestReliability:
    """IHE PAM FR 2.11.2 §6.6.15: PID-32 repeats, in any order."""

    @pytest.mark.parametrize("codes", list(permutations(["VALI", "HOMA", "CACH"])))
    def test_codes(self, codes: tuple[str, ...]) -> None:
        reliability = person(codes=codes).reliability
        assert (reliability.declared, reliability.attributes) == (Declared.VALI, frozenset({Attribute.HOMONYME}))
        assert reliability.codes == codes
        assert str(reliability.at) == "PID-32"

    def test_nothing_and_two_quotes_say_nothing(self) -> None:
        assert person(codes=[]).reliability.codes == ()
        assert person(codes=['""', "", "PROV"]).reliability.codes == ("PROV",)

    def test_findings_come_along(self) -> None:
        assert rules(codes=["VALI", "PROV"]) == [("several-statuses", "W", "PID-32")]

    @pytest.mark.parametrize(
        ("version", "pid3", "requires"),
        [
            ("2.5^FRA^2.11", [IPP], True),
            ("2.5", [IPP], False),
            ("2.5", [IPP, ins_cx()], True),
            ("2.5", [IPP, f'""^^^ASIP-SANTE-INS-NIR&{NIR.oid}&ISO^INS'], False),
        ],
    )
    def test_required_in_pam_fr_and_beside_an_ins(self, version: str, pid3: list[str], requires: bool) -> None:
        assert person(version=version, pid3=pid3).requires_status is requires


class TestZfd:
    """IHE PAM FR 2.11.2 §6.18.4, §6.18.5: birth date corrected, and how the identity was obtained."""

    @pytest.mark.parametrize(
        ("zfd", "corrected", "insi"),
        [
            ("ZFD||||Y|INSI", True, True),
            ("ZFD||||N|SM", False, False),
            ("ZFD||||N|INSI|20240610|CN", False, True),
            ("ZFD|", False, False),
        ],
    )
    def test_fields(self, zfd: str, corrected: bool, insi: bool) -> None:
        made = person(zfd)
        assert (made.birth_date_corrected, made.obtained_from_insi) == (corrected, insi)

    def test_absent(self) -> None:
        made = person()
        assert (made.birth_date_corrected, made.obtained_from_insi) == (False, False)


class TestAnything:
    """HL7 v2.5 §2.5: whatever a PID holds, it is read; nothing is raised."""

    TEXT = st.text(st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters="|"), max_size=40)

    @given(pid3=TEXT, names=TEXT, birth_date=TEXT, sex=TEXT, addresses=TEXT, codes=TEXT)
    @settings(max_examples=100, deadline=None)
    def test_is_read(self, **fields: str) -> None:
        made = person(
            pid3=[fields["pid3"]],
            names=[fields["names"]],
            birth_date=fields["birth_date"],
            sex=fields["sex"],
            addresses=[fields["addresses"]],
            codes=[fields["codes"]],
        )
        assert all(isinstance(each.identifier, PatientIdentifier) for each in made.identifiers)
        assert all(each.identifier.value and each.identifier.authority.key for each in made.identifiers)
