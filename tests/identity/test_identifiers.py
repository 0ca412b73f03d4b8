"""Assigning authorities, IPPs and INS."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import DEMO_INS, HOSPITAL, NIA, NIR, TEST_INS, ipp

from pam_receiver.identity.identifiers import (
    INS_OIDS,
    AssigningAuthority,
    Ins,
    InsNature,
    PatientIdentifier,
    distinct,
    has_right_key,
    is_well_formed,
    lacks_key,
    looks_like_nir,
)


class TestAssigningAuthority:
    """HL7 v2.5 §2.A.33: HD-2 and HD-3 name an authority whenever HD-2 is filled, else HD-1 does."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (("CHU", "350000121", "M"), ("", "350000121", "M")),
            (("CHU", "1.2.3", "ISO"), ("HOPITAL", "1.2.3", "ISO")),
            (("CHU", "", ""), ("CHU", "", "")),
            (("CHU", "", "ISO"), ("CHU", "", "")),
        ],
    )
    def test_same_authority(self, one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
        assert AssigningAuthority(*one).key == AssigningAuthority(*other).key

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (("CHU", "350000121", "M"), ("CHU", "350000121", "N")),
            (("CHU", "350000121", "M"), ("CHU", "350000122", "M")),
            (("CHU", "350000121", "L"), ("CHU", "", "")),
            (("CHU", "", ""), ("CLINIQUE", "", "")),
            (("#ISO#1.2.3", "", ""), ("", "1.2.3", "M")),
        ],
    )
    def test_other_authority(self, one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
        assert AssigningAuthority(*one).key != AssigningAuthority(*other).key

    def test_nothing_names_no_authority(self) -> None:
        assert AssigningAuthority("", "", "ISO").key == ""

    def test_local_authority_has_a_name_alone(self) -> None:
        assert AssigningAuthority("CHU").is_local
        assert not HOSPITAL.is_local
        assert not AssigningAuthority().is_local

    @pytest.mark.parametrize(
        ("name", "answers"), [("CHU-LYRE", True), ("1.2.250.1.999.77", True), ("ISO", False), ("", False)]
    )
    def test_answers_to_its_namespace_and_its_universal_id(self, name: str, answers: bool) -> None:
        assert HOSPITAL.answers_to(name) is answers

    def test_no_name_answers_to_nothing(self) -> None:
        assert not AssigningAuthority("", "1.2.3", "ISO").answers_to("")


class TestPatientIdentifier:
    """IHE PAM FR 2.11.2 §6.6.1: an identifier travels with its type and its assigning authority."""

    def test_one_identifier_whatever_its_namespace_and_its_state(self) -> None:
        nameless = AssigningAuthority("", HOSPITAL.universal_id, "ISO")
        assert ipp("100").key == ipp("100", nameless, active=False).key

    def test_another_type_is_another_identifier(self) -> None:
        assert ipp("100").key != PatientIdentifier("100", "MR", HOSPITAL).key


class TestDistinct:
    """HL7 v2.5 §2.A.33: one identifier is held once, however its authority was named."""

    def test_in_force_if_any_copy_is(self) -> None:
        nameless = AssigningAuthority("", HOSPITAL.universal_id, "ISO")
        former, other = ipp("100", nameless, active=False), ipp("200")
        assert distinct((former, other, ipp("100"))) == (ipp("100"), other)
        assert distinct((ipp("100"), former)) == (ipp("100"),)
        assert distinct((former, former)) == (former,)


class TestIns:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.1: the OID tells what a matricule is."""

    @pytest.mark.parametrize(
        ("oid", "nature"),
        [
            ("1.2.250.1.213.1.4.8", "NIR"),
            ("1.2.250.1.213.1.4.9", "NIA"),
            ("1.2.250.1.213.1.4.10", "NIR"),
            ("1.2.250.1.213.1.4.11", "NIR"),
        ],
    )
    def test_nature_of_each_oid(self, oid: str, nature: str) -> None:
        assert Ins(NIR.matricule, oid).nature == nature

    def test_only_nir_and_nia_are_of_production(self) -> None:
        assert [each.is_production for each in (NIR, NIA, TEST_INS, DEMO_INS)] == [True, True, False, False]

    def test_former_ins_is_an_identifier_out_of_force_under_its_oid(self) -> None:
        assert NIA.as_former() == PatientIdentifier(
            NIA.matricule, "INS", AssigningAuthority("ASIP-SANTE-INS-NIA", NIA.oid, "ISO"), active=False
        )

    def test_every_nature_can_be_former(self) -> None:
        assert {Ins(NIR.matricule, oid).as_former().authority.universal_id for oid in INS_OIDS} == set(INS_OIDS)
        assert set(INS_OIDS.values()) == set(InsNature)


class TestMatricule:
    """IHE PAM FR 2.11.2 §6.6.1: the matricule has 15 characters, its key included."""

    @pytest.mark.parametrize("matricule", ["259014410903303", "185022A00401222", "185022B00401249", "859014410903391"])
    def test_well_formed(self, matricule: str) -> None:
        assert is_well_formed(matricule)

    @pytest.mark.parametrize(
        "matricule",
        [
            "2590144109033",
            "25901441090330",
            "2590144109033033",
            "",
            "25901441090330X",
            "185022C00401222",
            "185022a00401222",
            "2A9014410903303",
            "259 01441090330",
            "٢٥٩٠١٤٤١٠٩٠٣٣٠٣",
            "259014410903303\n",
        ],
    )
    def test_ill_formed(self, matricule: str) -> None:
        assert not is_well_formed(matricule)

    @pytest.mark.parametrize(
        ("matricule", "lacks"),
        [("2590144109033", True), ("185022A004012", True), ("259014410903303", False), ("259014410903", False)],
    )
    def test_without_its_key(self, matricule: str, lacks: bool) -> None:
        assert lacks_key(matricule) is lacks

    @pytest.mark.parametrize(
        ("text", "looks"),
        [
            ("259014410903303", True),
            ("2590144109033", True),
            ("2 59 01 44 109 033 03", True),
            ("1 85 02 2A 004 012", True),
            ("", False),
            ("7000101", False),
            ("2590144109033X", False),
        ],
    )
    def test_looks_like_a_nir(self, text: str, looks: bool) -> None:
        assert looks_like_nir(text) is looks

    @pytest.mark.parametrize("matricule", ["259014410903303", "185022A00401222", "185022B00401249"])
    def test_right_key_corsica_included(self, matricule: str) -> None:
        assert has_right_key(matricule)

    @pytest.mark.parametrize("matricule", ["259014410903304", "185022A00401249", "185022000401222"])
    def test_wrong_key(self, matricule: str) -> None:
        assert not has_right_key(matricule)

    @given(number=st.integers(min_value=0, max_value=10**13 - 1))
    @settings(max_examples=50)
    def test_key_is_97_less_the_remainder(self, number: int) -> None:
        key = 97 - number % 97
        assert has_right_key(f"{number:013d}{key:02d}")
        assert not has_right_key(f"{number:013d}{key % 97 + 1:02d}")
