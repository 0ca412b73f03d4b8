"""PID and ZFD as words of identity."""

from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import ANNE, BIRTH_NAME, IPP, NIR, adt, ins_cx, pid

from pam_receiver.adt.person import is_up_to_2_9, read_person
from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.finding import Finding
from pam_receiver.hl7.header import read_header
from pam_receiver.identity.identifiers import PatientIdentifier
from pam_receiver.identity.model import Person
from pam_receiver.identity.status import Attribute, Declared
from pam_receiver.identity.traits import StrictTraits, Trait

ASKED = ReadingRules(frozenset("PTD"), ZoneInfo("Europe/Paris"))


def read(*segments: str, version: str = "2.5^FRA^2.11", **parts: object) -> tuple[Person, tuple[Finding, ...]]:
    """Read the person of a message whose PID has these parts; ``segments`` follow it."""
    message = adt("A31", pid(**parts), *segments, version=version)  # type: ignore[arg-type]
    segment = message.segment("PID")
    assert segment is not None
    return read_person(message, read_header(message), segment, ASKED)


def person(*segments: str, **parts: object) -> Person:
    return read(*segments, **parts)[0]  # type: ignore[arg-type]


def rules(*segments: str, **parts: object) -> list[tuple[str, str, str]]:
    return [(each.rule, each.severity.value, str(each.at)) for each in read(*segments, **parts)[1]]  # type: ignore[arg-type]


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


class TestNameTypes:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.10: XPN-7 is L, D, S or U, in its place."""

    SHIFTED = "KERGUELEN^ANNE^ANNE SOLENE MARIE^^^Mme^^L"
    UNTYPED = "KERGUELEN^ANNE^ANNE SOLENE MARIE"

    def test_shifted_as_in_the_sample_of_the_annex(self) -> None:
        assert rules(names=["^ANNIE^^^^^D", self.SHIFTED]) == [("name-shifted-by-one", "W", "PID-5[2].7")]
        assert person(names=["^ANNIE^^^^^D", self.SHIFTED]).traits.birth_family_name is None

    def test_shifted_and_first_it_is_taken_as_before_and_told_once(self) -> None:
        assert rules(names=[self.SHIFTED]) == [("name-shifted-by-one", "W", "PID-5.7")]
        assert person(names=[self.SHIFTED]).traits == ANNE

    def test_each_shifted_name_is_told_and_of_one_type_the_first(self) -> None:
        names = [self.UNTYPED, self.SHIFTED, "^ANNIE^^^^^^D", "^ANNICK^^^^^^D"]
        assert rules(names=names) == [
            ("name-shifted-by-one", "W", "PID-5[2].7"),
            ("name-shifted-by-one", "W", "PID-5[3].7"),
            ("name-without-type", "W", "PID-5.7"),
        ]

    @pytest.mark.parametrize("xpn_8", ["A", "", "I", "P"])
    def test_the_codes_of_xpn_8_are_no_shift(self, xpn_8: str) -> None:
        assert rules(names=[f"{self.UNTYPED}^^^^^{xpn_8}"]) == [("name-without-type", "W", "PID-5.7")]
        assert rules(names=[f"{BIRTH_NAME}^{xpn_8}"]) == []

    @pytest.mark.parametrize("others", [[], [BIRTH_NAME]])
    def test_maiden_name(self, others: list[str]) -> None:
        names = ["KERGUELEN^ANNE^^^^^M", *others]
        assert rules(names=names) == [("name-typed-maiden", "W", "PID-5.7")]
        assert person(names=names).traits.birth_family_name == ("KERGUELEN" if others else None)

    @pytest.mark.parametrize("type_", "ABCINPRT")
    def test_types_that_france_excludes_where_the_birth_name_is_expected(self, type_: str) -> None:
        other = f"KERGUELEN^ANNE^^^^^{type_}"
        assert rules(names=[other]) == [("name-type-excluded", "W", "PID-5.7")]
        assert rules(names=[other, BIRTH_NAME]) == []

    @pytest.mark.parametrize("type_", ["M", "A", "N"])
    def test_elsewhere_they_are_allowed(self, type_: str) -> None:
        assert rules(names=[f"KERGUELEN^ANNE^^^^^{type_}"], version="2.5") == []
        assert len(rules(names=[f"KERGUELEN^ANNE^^^^^{type_}"], version="2.5", pid3=[IPP, ins_cx()])) == 1

    @pytest.mark.parametrize("type_", ["X", "l", "LEGAL"])
    def test_what_is_no_type_is_left_to_the_profile(self, type_: str) -> None:
        assert rules(names=[f"KERGUELEN^ANNE^^^^^{type_}"]) == []

    def test_two_repetitions_in_one(self) -> None:
        glued = "KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L^^^^^^^^LE GOFF^ANNE^^^^^D"
        assert rules(names=[glued]) == [("repetitions-glued", "W", "PID-5")]
        assert rules(names=["KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L^^^^^^^"]) == []


class TestPid6:
    """IHE PAM FR 2.11.2 §6.6.3: PID-6 is the mother's name, not the birth name of the patient."""

    def rules(self, pid_6: str, names: list[str]) -> list[tuple[str, str, str]]:
        fields = pid(names=names).split("|")
        fields[6] = pid_6
        message = adt("A31", "|".join(fields))
        segment = message.segment("PID")
        assert segment is not None
        said = read_person(message, read_header(message), segment, ASKED)[1]
        return [(each.rule, each.severity.value, str(each.at)) for each in said]

    @pytest.mark.parametrize("type_", ["L", "M"])
    def test_a_birth_name_there_and_none_in_pid_5(self, type_: str) -> None:
        expected = [("birth-name-in-pid-6", "W", "PID-6.7")]
        assert self.rules(f"KERGUELEN^^^^^^{type_}", ["LE GOFF^ANNE^^^^^D"]) == expected
        assert self.rules(f"ROPARTZ~KERGUELEN^^^^^^{type_}", ["LE GOFF^ANNE^^^^^D"]) == [
            ("birth-name-in-pid-6", "W", "PID-6[2].7")
        ]

    @pytest.mark.parametrize(
        ("pid_6", "names"),
        [
            ("ROPARTZ^^^^^^M", [BIRTH_NAME]),
            ("ROPARTZ^^^^^^L", [BIRTH_NAME]),
            ("ROPARTZ", ["LE GOFF^ANNE^^^^^D"]),
            ("", ["LE GOFF^ANNE^^^^^D"]),
        ],
    )
    def test_a_mother_is_no_mistake(self, pid_6: str, names: list[str]) -> None:
        assert self.rules(pid_6, names) == []


class TestNoIns:
    """IHE PAM FR 2.11.2 §6.6.1, §6.6.10: a NIR of the health insurance is no INS, and PID-19 is forbidden."""

    BILLING = f"{NIR.matricule}^^^ASIP-SANTE-NIR&{NIR.oid}&ISO^NH"

    def test_a_billing_nir_beside_vali(self) -> None:
        assert rules(pid3=[IPP, self.BILLING]) == [("billing-nir-is-no-ins", "I", "PID-3[2].5")]

    @pytest.mark.parametrize("codes", [[], ["PROV"], ["VALI", "PROV"]])
    def test_it_is_no_matter_when_the_identity_is_not_validated(self, codes: list[str]) -> None:
        assert "billing-nir-is-no-ins" not in [rule for rule, _, _ in rules(pid3=[IPP, self.BILLING], codes=codes)]

    def test_nor_beside_an_ins(self) -> None:
        assert rules(pid3=[IPP, self.BILLING, ins_cx()]) == []
        assert rules(pid3=[IPP, self.BILLING, f'""^^^ASIP-SANTE-INS-NIR&{NIR.oid}&ISO^INS']) == []

    @pytest.mark.parametrize("oid", ["1.2.250.1.213.1.4.13", "1.2.250.1.999.1"])
    def test_nor_under_another_oid(self, oid: str) -> None:
        assert rules(pid3=[IPP, f"{NIR.matricule}^^^CPAM&{oid}&ISO^NH"]) == []

    def pid_19(self, text: str) -> tuple[Person, list[tuple[str, str, str]]]:
        fields = pid().split("|")
        fields[19] = text
        message = adt("A31", "|".join(fields))
        segment = message.segment("PID")
        assert segment is not None
        made, said = read_person(message, read_header(message), segment, ASKED)
        return made, [(each.rule, each.severity.value, str(each.at)) for each in said]

    @pytest.mark.parametrize("nir", [NIR.matricule, NIR.matricule[:13], "2 59 01 44 109 033 03", "180032B02040123"])
    def test_pid_19(self, nir: str) -> None:
        made, said = self.pid_19(nir)
        assert (made.ins, said) == ((), [("nir-in-pid-19", "W", "PID-19")])

    @pytest.mark.parametrize("text", ["", '""', "12345", "X" * 15])
    def test_another_number_in_pid_19_is_left_to_the_profile(self, text: str) -> None:
        assert self.pid_19(text)[1] == []


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

    @pytest.mark.parametrize("version", ["2.5^FRA^2.10", "2.5^FRA^2.11", "2.5^FRA"])
    def test_commas_are_of_versions_gone_by(self, version: str) -> None:
        assert rules(version=version, names=[self.OTHERS]) == [("given-names-with-commas", "W", "PID-5.3")]
        assert rules(version=version, names=["KERGUELEN^ANNE^ANNE,SOLENE^^^^L"], pid3=[IPP, ins_cx()]) == [
            ("given-names-with-commas", "W", "PID-5.3")
        ]

    def test_commas_elsewhere_are_no_matter(self) -> None:
        assert rules(version="2.5", names=[self.OTHERS]) == []

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

    @pytest.mark.parametrize("sent", ["19590230", "19591301", "23/01/1959", "UNKNOWN", "00000101"])
    def test_ill_formed_is_left_out(self, sent: str) -> None:
        assert person(birth_date=sent).traits.birth_date is None
        assert rules(birth_date=sent) == [("birth-date-ill-formed", "W", "PID-7")]

    @pytest.mark.parametrize("sent", ["19590000", "19590100", "195900", "19590023", "19590000000000"])
    def test_zeros_have_words_of_their_own(self, sent: str) -> None:
        assert person(birth_date=sent).traits.birth_date is None
        assert rules(birth_date=sent) == [("birth-date-with-zeros", "W", "PID-7")]


class TestSex:
    """IHE PAM FR 2.11.2 §6.6.5, §8.5.12: M, F, U; O was removed in 2.11, I is the word of the RNIV."""

    @pytest.mark.parametrize("sex", ["M", "F", "U", "", '""', "A"])
    def test_others_are_left_to_the_profile(self, sex: str) -> None:
        assert rules(sex=sex, pid3=[IPP, ins_cx()]) == []

    def test_o_is_of_an_older_profile_unless_an_ins_stands_beside_it(self) -> None:
        assert rules(sex="O") == []
        assert rules(sex="O", pid3=[IPP, ins_cx()]) == [("sex-other-with-ins", "W", "PID-8")]
        assert person(sex="O").traits.sex == "O"

    def test_i_is_not_of_hl7(self) -> None:
        assert rules(sex="I") == [("sex-undetermined-as-i", "W", "PID-8")]
        assert rules(sex="I", version="2.5") == []
        assert person(sex="I").traits.sex == "I"


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

    @pytest.mark.parametrize(
        ("codes", "at"), [(["RECUP"], "PID-32"), (["QUAL"], "PID-32"), (["HOMA", "QUAL"], "PID-32[2]")]
    )
    def test_statuses_that_do_not_travel(self, codes: list[str], at: str) -> None:
        assert rules(codes=codes) == [("status-never-sent", "W", at)]
        assert person(codes=codes).reliability.declared is Declared.NONE

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
