"""The identifiers of PID-3 and MRG-1."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import CLINIC, DEMO_INS, HOSPITAL, IPP, NIA, NIR, TEST_INS, adt, ins_cx, ipp, pid

from pam_receiver.adt.identifiers import Identifiers, read_identifiers, said
from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.identity.identifiers import AssigningAuthority, Ins

DEFAULT = AssigningAuthority("GAM")


def identifiers(
    *cx: str, default: AssigningAuthority | None = None, accepted: frozenset[AssigningAuthority] | None = None
) -> Identifiers:
    segment = adt("A31", pid(pid3=cx)).segment("PID")
    assert segment is not None
    asked = ReadingRules(frozenset("PTD"), ZoneInfo("Europe/Paris"), default, accepted)
    return read_identifiers(segment, 3, asked)


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

    @given(order=st.permutations([IPP, ins_cx(NIR), ins_cx(NIA), "777^^^CHU^NDP"]))
    @settings(max_examples=24)
    def test_order_of_repetitions_does_not_matter(self, order: list[str]) -> None:
        read = identifiers(*order)
        assert {each.matricule for each in read.ins} == {NIR.matricule, NIA.matricule}
        assert sorted(values(read)) == [("NDP", "777"), ("PI", "100")]


class TestInsMistakes:
    """IHE PAM FR 2.11.2 §6.6.1; Constraints on HL7 data types 1.8.2 §N.1: type INS, its name and OID, no dates."""

    @pytest.mark.parametrize(
        ("ins", "name"),
        [
            (NIR, "ASIP-SANTE-INS-NIA"),
            (NIA, "ASIP-SANTE-INS-NIR"),
            (TEST_INS, "ASIP-SANTE-NIR"),
            (NIR, "ASIP-SANTE-INS-C"),
        ],
    )
    def test_name_against_oid(self, ins: Ins, name: str) -> None:
        read = identifiers(IPP, ins_cx(ins, name))
        assert found(read) == [("ins-name-disagrees-with-oid", "W", "PID-3[2].4.1")]
        assert [(each.matricule, each.oid) for each in read.ins] == [(ins.matricule, ins.oid)]
        assert f"ASIP-SANTE-INS-{ins.nature}" in read.findings[0].fr

    @pytest.mark.parametrize("name", ["ASIP-SANTE-INS-NIR", "", "GAM", "ASIP-SANTE-INS-NIR-TEST"])
    def test_another_name_says_nothing_of_the_nature(self, name: str) -> None:
        assert found(identifiers(IPP, ins_cx(TEST_INS, name))) == []

    @pytest.mark.parametrize(
        ("more", "places"),
        [
            ("^^20101207", ["PID-3[2].7"]),
            ("^^^20301207", ["PID-3[2].8"]),
            ("^^20101207^20301207", ["PID-3[2].7", "PID-3[2].8"]),
            ("^^^^", []),
            ('^^""', []),
        ],
    )
    def test_dates(self, more: str, places: list[str]) -> None:
        read = identifiers(IPP, ins_cx() + more)
        assert found(read) == [("ins-with-dates", "I", place) for place in places]
        assert len(read.ins) == 1

    @pytest.mark.parametrize("type_", ["INS-NIR", "INS-NIA", "INS-NIR-TEST", "INS-NIR-DEMO"])
    def test_types_of_fhir(self, type_: str) -> None:
        read = identifiers(IPP, f"{NIR.matricule}^^^ASIP-SANTE-INS-NIR&{NIR.oid}&ISO^{type_}")
        assert found(read) == [("ins-type-of-fhir", "W", "PID-3[2].5")]
        assert (read.ins, values(read)[1:]) == ([], [(type_, NIR.matricule)])

    @pytest.mark.parametrize(
        ("oid", "type_"),
        [("1.2.250.1.213.1.4.2", "INS-C"), ("1.2.250.1.213.1.4.2", "INC-C"), ("1.2.250.1.213.1.4.6", "NH")],
    )
    def test_ins_c(self, oid: str, type_: str) -> None:
        read = identifiers(IPP, f"0123456789012345678912^^^ASIP-SANTE-INS-C&{oid}&ISO^{type_}^^20101207")
        assert found(read) == [("ins-c-is-no-ins", "I", "PID-3[2].5")]
        assert (read.ins, values(read)[1:]) == ([], [(type_, "0123456789012345678912")])

    def test_an_ins_typed_nh(self) -> None:
        read = identifiers(IPP, f"{NIR.matricule}^^^ASIP-SANTE-INS-NIR&{NIR.oid}&ISO^NH")
        assert found(read) == [("ins-typed-nh", "W", "PID-3[2].5")]
        assert (read.ins, values(read)[1:], read.billing_at) == ([], [("NH", NIR.matricule)], None)

    def test_a_billing_nir_is_only_remembered(self) -> None:
        read = identifiers(IPP, f"{NIR.matricule}^^^ASIP-SANTE-NIR&{NIR.oid}&ISO^NH", "1^^^CPAM^NH")
        assert (found(read), str(read.billing_at)) == ([], "PID-3[2].5")


class TestRepetitions:
    """HL7 v2.5 chapter 2.A: a CX has ten components; more are two repetitions without their ~."""

    def test_glued(self) -> None:
        read = identifiers(f"{IPP}^^^^^^{IPP}")
        assert found(read) == [("repetitions-glued", "W", "PID-3")]
        assert values(read) == [("PI", "100")]

    def test_ten_are_not(self) -> None:
        assert found(identifiers(f"{IPP}^^^^^UF")) == []


class TestAcceptedAuthorities:
    """IHE PAM FR 2.11.2 §6.6.1: whose IPPs a source may send is a setting of it."""

    ACCEPTED = frozenset({HOSPITAL})

    def test_of_another_authority_an_ipp_is_left_out(self) -> None:
        read = identifiers("1^^^CLINIQUE&1.2.250.1.999.88&ISO^PI", IPP, accepted=self.ACCEPTED)
        assert (values(read), found(read)) == ([("PI", "100")], [("authority-not-accepted", "W", "PID-3.4")])

    def test_untyped_too(self) -> None:
        read = identifiers("1^^^CLINIQUE", accepted=self.ACCEPTED)
        assert (values(read), found(read)) == ([], [("authority-not-accepted", "W", "PID-3.4")])

    @pytest.mark.parametrize(
        "hd", ["CHU-LYRE", "CHU-LYRE&1.2.250.1.999.77&ISO", "X&1.2.250.1.999.77", "&1.2.250.1.999.77"]
    )
    def test_same_id_or_same_name(self, hd: str) -> None:
        assert found(identifiers(f"1^^^{hd}^PI", accepted=self.ACCEPTED)) == []

    @pytest.mark.parametrize("hd", ["CHU-LYRE&1.2.250.1.999.88&ISO", "chu-lyre", "&1.2.250.1.999.88&ISO", "X"])
    def test_another_id_or_another_name(self, hd: str) -> None:
        assert [rule for rule, _, _ in found(identifiers(f"1^^^{hd}^PI", accepted=self.ACCEPTED))] == [
            "authority-not-accepted"
        ]

    def test_several_may_be_accepted(self) -> None:
        read = identifiers(IPP, "1^^^CLINIQUE^PI", "2^^^LABO^PI", accepted=frozenset({HOSPITAL, CLINIC}))
        assert values(read) == [("PI", "100"), ("PI", "1")]

    def test_other_types_and_the_ins_are_not_asked(self) -> None:
        read = identifiers("7^^^CNOP&1.2.250.1.176.1.2&ISO^NDP", ins_cx(), accepted=self.ACCEPTED)
        assert (values(read), len(read.ins), found(read)) == ([("NDP", "7")], 1, [])

    def test_the_default_authority_is_accepted(self) -> None:
        read = identifiers("1^^^^PI", default=DEFAULT, accepted=self.ACCEPTED)
        assert (values(read), found(read)) == ([("PI", "1")], [("identifier-authority-assumed", "W", "PID-3.4")])

    def test_none_are_asked_for(self) -> None:
        assert found(identifiers("1^^^CLINIQUE^PI")) == []
