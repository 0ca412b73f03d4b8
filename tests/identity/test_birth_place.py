"""What an INSEE code says of a place of birth."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.identity.birth_place import PLACES, Place, PlaceStanding, find_place

CODES = st.from_regex(r"[0-9][0-9AB][0-9]{3}", fullmatch=True)


class TestFindPlace:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.6: COG of the commune, of the country for a birth abroad."""

    @pytest.mark.parametrize(
        ("code", "name"),
        [
            ("44109", "Nantes"),
            ("2A004", "Ajaccio"),
            ("75056", "Paris"),
            ("75113", "Paris 13e Arrondissement"),
            ("97411", "Saint-Denis"),
            ("97701", "Saint-Barthélemy"),
            ("98735", "Papeete"),
            ("98818", "Nouméa"),
            ("99109", "Allemagne"),
            ("99134", "Espagne"),
            ("99350", "Maroc"),
            ("99351", "Tunisie"),
            ("99352", "Algérie"),
        ],
    )
    def test_a_code_of_today(self, code: str, name: str) -> None:
        assert find_place(code) == Place(code, name, PlaceStanding.CURRENT)

    @pytest.mark.parametrize(
        ("code", "name"),
        [
            ("20004", "Ajaccio"),  # Corsica before 1976
            ("75050", "Nanterre"),  # the department of the Seine before 1968
            ("97123", "Saint-Barthélemy"),  # before 2007
            ("98511", "Mamoudzou"),  # Mayotte before it was a department
            ("99115", "Tchécoslovaquie"),
            ("99141", "République démocratique allemande"),
        ],
    )
    def test_a_code_of_another_time(self, code: str, name: str) -> None:
        assert find_place(code) == Place(code, name, PlaceStanding.FORMER)

    def test_a_former_commune_bears_its_own_name_where_it_is_known_else_that_of_its_successor(self) -> None:
        assert find_place("01340").name == "Saint-Bois"  # commune déléguée of Arboys en Bugey
        assert find_place("01018").name == "Valserhône"  # took in Arlod's commune

    @pytest.mark.parametrize(
        "code",
        [
            "91352",  # Algeria before 1962
            "44000",  # a postal code
            "99996",
        ],
    )
    def test_the_form_of_a_code_in_no_list(self, code: str) -> None:
        assert find_place(code) == Place(code, None, PlaceStanding.PLAUSIBLE)

    @pytest.mark.parametrize(
        "code", ["", "99999", "4410", "441090", "2C004", "00123", "96001", "97911", "44 10", "2a004", "NANTES", "٤٤١٠٩"]
    )
    def test_no_code_at_all(self, code: str) -> None:
        assert find_place(code) == Place(code, None, PlaceStanding.UNKNOWN)

    @given(st.text(max_size=7) | CODES)
    def test_any_text_has_one_standing_and_a_name_when_it_is_listed(self, code: str) -> None:
        place = find_place(code)
        assert place == find_place(code)
        assert place.code == code
        assert (place.name is not None) == (place.standing in (PlaceStanding.CURRENT, PlaceStanding.FORMER))


class TestPlaces:
    """places.tsv, the list that is kept by hand."""

    LINES = tuple(line for line in PLACES.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))

    def test_each_line_is_a_code_a_name_and_perhaps_former(self) -> None:
        parts = [line.split("\t") for line in self.LINES]
        assert [each for each in parts if len(each) not in (2, 3) or each[2:] not in ([], ["former"])] == []
        assert [name for _, name, *_ in parts if not name or name != name.strip()] == []

    def test_each_code_stands_once_in_order_and_has_a_possible_form(self) -> None:
        codes = [line.split("\t")[0] for line in self.LINES]
        countries = [code for code in codes if code.startswith("99")]
        assert len(set(codes)) == len(codes)
        assert countries == sorted(countries)
        assert len(countries) > 200
        assert {code[:2] for code in codes} == {"97", "98", "99"}
        assert "99999" not in codes

    def test_none_of_them_hides_a_commune_of_today(self) -> None:
        former = [line.split("\t")[0] for line in self.LINES if line.endswith("\tformer")]
        assert [code for code in former if find_place(code).standing is not PlaceStanding.FORMER] == []


class TestLoading:
    """The lists are read when the first code is looked up, not before."""

    def test_importing_reads_nothing_and_the_first_look_reads_once(self) -> None:
        code = (
            "from pam_receiver.identity import birth_place as b, traits\n"
            "print(b._read_lists.cache_info().misses)\n"
            "b.find_place('44109'), b.find_place('35238')\n"
            "print(b._read_lists.cache_info().misses)"
        )
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        assert told.stdout.split() == ["0", "1"]
