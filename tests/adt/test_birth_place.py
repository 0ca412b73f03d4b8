"""The birth place of PID-11, right and wrong."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import BIRTH_PLACE, adt, pid

from pam_receiver.adt.birth_place import BirthPlace, read_birth_place
from pam_receiver.adt.reading_rules import ReadingRules


def read(addresses: Sequence[str], *, components: tuple[int, ...] = (), has_ins: bool = False) -> BirthPlace:
    segment = adt("A31", pid(addresses=addresses)).segment("PID")
    assert segment is not None
    asked = ReadingRules(frozenset("P"), ZoneInfo("Europe/Paris"), birth_place_components=components)
    return read_birth_place(segment, asked, has_ins=has_ins)


def rules(*addresses: str, components: tuple[int, ...] = (), has_ins: bool = False) -> list[tuple[str, str, str]]:
    made = read(addresses, components=components, has_ins=has_ins)
    return [(each.rule, each.severity.value, str(each.at)) for each in made.findings]


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
        made = read(addresses)
        assert (made.code, str(made.at)) == (code, at)

    @pytest.mark.parametrize("addresses", [[], [HOME], [BIRTH_PLACE], [HOME, BIRTH_PLACE], ["^^^^^ITA^BDL^^99127"]])
    def test_nothing_is_said_of_what_is_right(self, addresses: list[str]) -> None:
        assert rules(*addresses) == []


class TestMistakes:
    """Constraints on HL7 data types 1.8.2 §N.6: the COG in XAD-9 of BDL, not a postal code, not elsewhere."""

    def test_zip_in_xad_5_and_nothing_in_xad_9(self) -> None:
        assert rules("^^NANTES^^44000^FRA^BDL") == [("postal-code-for-birth-place", "W", "PID-11.9")]

    def test_zip_in_xad_9_too(self) -> None:
        made = read(["^^NANTES^^44000^FRA^BDL^^44000"])
        assert made.code == "44000"
        assert [(each.rule, each.severity.value, str(each.at)) for each in made.findings] == [
            ("birth-place-code-is-postal-code", "W", "PID-11.9")
        ]

    @pytest.mark.parametrize("code", ["75116", "17130"])
    def test_a_code_that_is_listed_may_be_its_postal_code_as_well(self, code: str) -> None:
        assert rules(f"^^X^^{code}^FRA^BDL^^{code}") == [("birth-place-code-is-postal-code", "I", "PID-11.9")]

    def test_a_country_has_no_postal_code(self) -> None:
        assert rules("^^ROME^^99127^ITA^BDL^^99127") == []

    @pytest.mark.parametrize(
        ("address", "place"),
        [
            ("^^NANTES^44109^44000^FRA^BDL", "XAD-4"),
            ("^^NANTES^^44000^FRA^BDL^44109", "XAD-8"),
            ("^^NANTES^44109^^FRA^BDL", "XAD-4"),
            ("^^AJACCIO^2A004^^FRA^BDL", "XAD-4"),
            ("^^ROME^^99127^ITA^BDL", "XAD-5"),
        ],
    )
    def test_in_another_component(self, address: str, place: str) -> None:
        made = read([address])
        assert (made.code, [str(each.at) for each in made.findings]) == (None, ["PID-11.9"])
        assert made.findings[0].rule == "birth-place-code-misplaced"
        assert place in made.findings[0].fr
        assert place in made.findings[0].en

    def test_a_postal_code_written_twice_is_no_cog(self) -> None:
        assert rules("^^NANTES^44000^44000^FRA^BDL") == [("postal-code-for-birth-place", "W", "PID-11.9")]

    @pytest.mark.parametrize(
        "address", ["^^^^^^BDL", "^^NANTES^^^FRA^BDL", "^^LONDRES^^SW1A^GBR^BDL", "^^X^44^^FRA^BDL^BDL"]
    )
    def test_no_code_at_all(self, address: str) -> None:
        assert rules(address) == [("birth-place-without-code", "I", "PID-11.9")]

    def test_beside_an_ins_the_identity_asks_for_it(self) -> None:
        assert rules("^^NANTES^^^FRA^BDL", has_ins=True) == []
        assert rules("^^NANTES^^44000^FRA^BDL", has_ins=True) == [("postal-code-for-birth-place", "W", "PID-11.9")]

    def test_residence_at_birth_is_no_birth_place(self) -> None:
        assert rules("^^RENNES^^35000^FRA^H", "^^NANTES^^^FRA^BR^^44109") == [
            ("birth-place-typed-br", "I", "PID-11[2].7")
        ]
        assert rules("^^NANTES^^^FRA^BR^^44109", BIRTH_PLACE) == []

    @pytest.mark.parametrize("address", ["^^NANTES^^^100^BDL^^44109", "^^NANTES^^^100^BDL"])
    def test_country_by_number(self, address: str) -> None:
        assert ("country-by-number", "W", "PID-11.6") in rules(address)

    def test_two_addresses_in_one(self) -> None:
        glued = "1 RUE HAUTE^^RENNES^^35000^FRA^H^^^^^^^^^^NANTES^^^FRA^BDL^^44109"
        assert read([glued]).code is None
        assert rules(glued) == [("repetitions-glued", "W", "PID-11")]
        assert rules("^^NANTES^^^FRA^BDL^^44109^^^^^") == []

    @pytest.mark.parametrize(("addresses", "code"), [(['^^^^^^BDL^^""'], ""), (['""'], "")])
    def test_erased_is_no_mistake(self, addresses: list[str], code: str) -> None:
        made = read(addresses, components=(4, 8))
        assert (made.code, made.findings) == (code, ())


class TestMapped:
    """Departs from §N.6 of the annex where a source is set so: its COG is read in another component of the BDL."""

    @pytest.mark.parametrize(
        ("address", "components", "at"),
        [
            ("^^NANTES^44109^44000^FRA^BDL", (4,), "PID-11.4"),
            ("^^NANTES^^44000^FRA^BDL^44109", (4, 8), "PID-11.8"),
            ("^^NANTES^44109^44000^FRA^BDL^35238", (8, 4), "PID-11.8"),
        ],
    )
    def test_read_there(self, address: str, components: tuple[int, ...], at: str) -> None:
        made = read([address], components=components)
        assert made.code in ("44109", "35238")
        assert str(made.at) == at
        assert [(each.rule, each.severity.value, str(each.at)) for each in made.findings] == [
            ("birth-place-mapped", "I", at)
        ]

    def test_in_the_first_address_that_has_it(self) -> None:
        made = read(["^^NANTES^^^FRA^BDL", "^^NANTES^44109^^FRA^BDL"], components=(4,))
        assert (made.code, str(made.at)) == ("44109", "PID-11[2].4")

    def test_xad_9_comes_first(self) -> None:
        made = read(["^^RENNES^35238^^FRA^BDL", "^^NANTES^35238^^FRA^BDL^^44109"], components=(4, 8))
        assert (made.code, str(made.at), made.findings) == ("44109", "PID-11[2].9", ())

    def test_what_is_no_cog_is_not_read(self) -> None:
        assert read(["^^NANTES^LOIRE^^FRA^BDL"], components=(4, 8)).code is None
        assert rules("^^NANTES^LOIRE^44000^FRA^BDL", components=(4, 8)) == [
            ("postal-code-for-birth-place", "W", "PID-11.9")
        ]

    @pytest.mark.parametrize("address", ["^^NANTES^44000^44000^FRA^BDL", "^^NANTES^^44000^FRA^BDL^44000"])
    def test_a_postal_code_is_not_read_there(self, address: str) -> None:
        assert read([address], components=(4, 8)).code is None
        assert rules(address, components=(4, 8)) == [("postal-code-for-birth-place", "W", "PID-11.9")]

    def test_a_code_that_is_both_is_read(self) -> None:
        assert read(["^^PARIS^75116^75116^FRA^BDL"], components=(4,)).code == "75116"

    def test_another_component_than_the_one_set_is_told(self) -> None:
        assert rules("^^NANTES^^^FRA^BDL^44109", components=(4,)) == [("birth-place-code-misplaced", "W", "PID-11.9")]


class TestAnything:
    """HL7 v2.5 §2.5: whatever PID-11 holds, it is read; nothing is raised."""

    PARTS = st.text(st.sampled_from("^~&\\ 12345AB˜"), max_size=60)

    @given(before=PARTS, kind=st.sampled_from(["BDL", "BR", "H", ""]), after=PARTS)
    @settings(max_examples=200, deadline=None)
    def test_is_read(self, before: str, kind: str, after: str) -> None:
        made = read([before + "^^^^^^" + kind + after], components=(4, 8))
        assert made.at.field == 11
        assert all(each.at is not None and each.at.field == 11 for each in made.findings)
