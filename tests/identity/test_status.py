"""The status of an identity."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.finding import Location
from pam_receiver.identity.status import (
    Attribute,
    Declared,
    Deduction,
    IdentityStatus,
    Reliability,
    attributes_of,
    deduce,
    read_reliability,
)

AT = Location("PID", 1, 32)
CODES = (
    "VIDE", "PROV", "VALI", "DOUB", "DESA", "DPOT", "COLV", "CACH", "ANOM", "USUR",
    "HOMD", "INVA", "HOMA", "FICT", "DOUT",
)  # fmt: skip


def read(*codes: str) -> Reliability:
    return read_reliability(codes, AT)[0]


def rules(*codes: str) -> list[tuple[str, str]]:
    return [(each.rule, each.severity.value) for each in read_reliability(codes, AT)[1]]


class TestPid32:
    """IHE PAM FR 2.11.2 §6.6.15: one status, management codes and attributes, in any order."""

    @pytest.mark.parametrize(
        ("codes", "declared"),
        [
            ((), Declared.NONE),
            (("VIDE",), Declared.VIDE),
            (("PROV",), Declared.PROV),
            (("VALI",), Declared.VALI),
            (("CACH", "PROV", "USUR"), Declared.PROV),
            (("HOMA", "VALI"), Declared.VALI),
            (("ANOM",), Declared.NONE),
            (("QUAL",), Declared.NONE),
            (("NONE",), Declared.NONE),
            (("vali",), Declared.NONE),
        ],
    )
    def test_status_among_the_codes(self, codes: tuple[str, ...], declared: Declared) -> None:
        assert read(*codes).declared is declared

    @given(codes=st.lists(st.sampled_from(CODES), max_size=5))
    @settings(max_examples=100)
    def test_order_does_not_matter(self, codes: list[str]) -> None:
        there, back = read(*codes), read(*reversed(codes))
        assert (there.declared, there.attributes, there.deactivates) == (
            back.declared,
            back.attributes,
            back.deactivates,
        )
        assert rules(*codes) == rules(*reversed(codes))

    @pytest.mark.parametrize(
        ("codes", "kept"),
        [
            (("VALI", "PROV"), "PROV"),
            (("PROV", "VALI"), "PROV"),
            (("VALI", "VIDE"), "VIDE"),
            (("VIDE", "PROV", "VALI"), "VIDE"),
        ],
    )
    def test_of_two_statuses_the_lower_counts(self, codes: tuple[str, ...], kept: str) -> None:
        assert read(*codes).declared.name == kept
        assert rules(*codes) == [("several-statuses", "W")]

    def test_the_same_status_twice_is_one(self) -> None:
        assert read("VALI", "VALI").declared is Declared.VALI
        assert rules("VALI", "VALI") == []

    def test_attributes(self) -> None:
        assert attributes_of(("DOUT", "PROV", "HOMA")) == (Attribute.HOMONYME, Attribute.DOUTEUSE)
        assert attributes_of(("FICT",)) == (Attribute.FICTIVE,)
        assert attributes_of(("VALI", "CACH")) == ()

    @pytest.mark.parametrize(
        ("code", "deactivates"), [("DESA", True), ("INVA", True), ("DOUB", False), ("VALI", False)]
    )
    def test_what_deactivates(self, code: str, deactivates: bool) -> None:
        assert read("VALI", code).deactivates is deactivates


class TestCombinations:
    """RNIV 1 EXI ID 24, EXI SI 09: DOUT and FICT with provisional only, FICT with no other attribute."""

    FORBIDDEN = (("VALI", "DOUT"), ("VALI", "FICT"), ("PROV", "DOUT", "FICT"), ("PROV", "HOMA", "FICT"))
    ALLOWED = (("PROV", "DOUT"), ("PROV", "FICT"), ("PROV", "DOUT", "HOMA"), ("VALI", "HOMA"), ("PROV", "HOMA"))

    @pytest.mark.parametrize("codes", [order for codes in FORBIDDEN for order in permutations(codes)])
    def test_forbidden(self, codes: tuple[str, ...]) -> None:
        assert rules(*codes) == [("forbidden-attribute-combination", "W")]

    @pytest.mark.parametrize("codes", ALLOWED)
    def test_allowed(self, codes: tuple[str, ...]) -> None:
        assert rules(*codes) == []


def status_of(*codes: str, ins: bool, insi: bool = False, recuperee: bool = True) -> Deduction:
    return deduce(read(*codes), has_ins=ins, obtained_from_insi=insi, deduce_recuperee=recuperee)


class TestDeduction:
    """IHE PAM FR 2.11.2 §6.6.15, §6.6.1: what PID-32 and the INS beside it make of an identity."""

    @pytest.mark.parametrize(
        ("code", "ins", "status", "takes_ins"),
        [
            ("VALI", True, "qualifiee", True),
            ("VALI", False, "validee", False),
            ("PROV", False, "provisoire", False),
            ("PROV", True, "recuperee", False),
            ("VIDE", False, "provisoire", False),
            ("VIDE", True, "provisoire", False),
        ],
    )
    def test_table(self, code: str, ins: bool, status: str, takes_ins: bool) -> None:
        assert status_of(code, ins=ins) == Deduction(IdentityStatus(status), takes_ins)

    @pytest.mark.parametrize("ins", [True, False])
    @pytest.mark.parametrize("codes", [(), ("ANOM",)])
    def test_no_status_keeps_the_one_held_and_takes_no_ins(self, codes: tuple[str, ...], ins: bool) -> None:
        assert status_of(*codes, ins=ins) == Deduction(None, takes_ins=False)

    @pytest.mark.parametrize("ins", [True, False])
    @pytest.mark.parametrize("code", ["DOUT", "FICT"])
    @pytest.mark.parametrize("status", ["VALI", "PROV", "VIDE", "HOMA"])
    def test_douteuse_and_fictive_are_always_provisional(self, status: str, code: str, ins: bool) -> None:
        expected = Deduction(IdentityStatus.PROVISOIRE, takes_ins=False)
        assert status_of(status, code, ins=ins, insi=True) == expected


class TestRecuperee:
    """IHE PAM FR 2.11.2 §6.18.5: ZFD-5 = INSI says that INSi returned the identity; not verified yet: récupérée."""

    def test_prov_from_insi(self) -> None:
        assert status_of("PROV", ins=False, insi=True).status is IdentityStatus.RECUPEREE

    @pytest.mark.parametrize(("code", "status"), [("VIDE", "provisoire"), ("VALI", "validee")])
    def test_insi_beside_another_status_says_nothing(self, code: str, status: str) -> None:
        assert status_of(code, ins=False, insi=True) == Deduction(IdentityStatus(status), takes_ins=False)

    @pytest.mark.parametrize(("ins", "insi"), [(True, False), (False, True), (True, True)])
    def test_the_setting_turns_it_off(self, ins: bool, insi: bool) -> None:
        expected = Deduction(IdentityStatus.PROVISOIRE, takes_ins=False)
        assert status_of("PROV", ins=ins, insi=insi, recuperee=False) == expected
