"""``[[source]]``: senders that are taken in a way of their own, and what is said of a table that cannot be followed."""

import os
import re
from datetime import timedelta
from fnmatch import fnmatchcase, translate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.config import PREFIX, SOURCE_KEYS, Settings, SettingsError, load_settings
from pam_receiver.config.sources import SourceSettings, _covers, read_pattern
from pam_receiver.identity.identifiers import AssigningAuthority
from pam_receiver.rulebook import RULES

LYRE = AssigningAuthority("CHU-LYRE", "1.2.250.1.999.77", "ISO")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)


class House:
    """A folder with a settings file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "house.toml"

    def load(self, text: str) -> Settings:
        self.file.write_text(text, encoding="utf-8")
        return load_settings(config=self.file)

    def refuse(self, text: str) -> SettingsError:
        with pytest.raises(SettingsError) as failure:
            self.load(text)
        return failure.value


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


WHOLE = """
http = "off"

[[source]]
name = "chu-x"
application = "GAM*"
facility = "CHU-X*"
port = 2576
profile = "pam_fr/2.11"
overlay = "overlays/chu-x.toml"
strictness = "strict"
authorities = ["CHU-LYRE&1.2.250.1.999.77&ISO", "OTHER"]
default_authority = "CHU-LYRE&1.2.250.1.999.77&ISO"
charset = "utf-8"
processing_ids = ["P", "T"]
silent_after = "2h"

[[source]]
name = "rest"
facility = "*"
"""


class TestReading:
    def test_every_key(self, house: House) -> None:
        whole, rest = house.load(WHOLE).sources
        assert whole == SourceSettings(
            file=house.file,
            name="chu-x",
            application="GAM*",
            facility="CHU-X*",
            port=2576,
            profile="pam_fr/2.11",
            overlay=house.file.parent / "overlays" / "chu-x.toml",
            strictness="strict",
            authorities=(LYRE, AssigningAuthority("OTHER")),
            default_authority=LYRE,
            charset="UNICODE UTF-8",
            processing_ids=frozenset("PT"),
            silent_after=timedelta(hours=2),
        )
        assert rest == SourceSettings(file=house.file, name="rest", facility="*")
        assert all(f"\n{key.name} = " in WHOLE for key in SOURCE_KEYS)

    def test_every_key_is_described_in_both_languages(self) -> None:
        assert {key.name for key in SOURCE_KEYS} == set(SourceSettings.__dataclass_fields__) - {"file"}
        for key in SOURCE_KEYS:
            assert key.fr != key.en
            assert key.fr.endswith(".")
            assert key.en.endswith(".")
            assert key.allowed_fr
            assert key.allowed_en

    def test_none_is_nothing(self, house: House) -> None:
        assert house.load('http = "off"\n').sources == ()
        assert load_settings().sources == ()

    def test_an_absolute_overlay_stays_as_written(self, house: House) -> None:
        (source,) = house.load('[[source]]\nname = "a"\nport = 9\noverlay = "/etc/pam/a.toml"\n').sources
        assert source.overlay == Path("/etc/pam/a.toml")

    def test_no_variable_holds_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PAM_RECEIVER_SOURCES", "[]")
        with pytest.raises(SettingsError, match="Unknown environment variable: PAM_RECEIVER_SOURCES"):
            load_settings()


class TestWrongTables:
    """The sentence names file, source and key, in both languages."""

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("name", '"CHU X"'),
            ("name", '""'),
            ("name", "3"),
            ("name", f'"{"x" * 41}"'),
            ("application", '" "'),
            ("application", r'"GAM\u0007"'),
            ("facility", "12"),
            ("facility", f'"{"x" * 201}"'),
            ("port", "0"),
            ("port", "65536"),
            ("port", "true"),
            ("port", '"2576"'),
            ("profile", '"../secret"'),
            ("overlay", "[]"),
            ("strictness", '"hard"'),
            ("strictness", "[]"),
            ("authorities", '"CHU-LYRE"'),
            ("authorities", '["A&B&C&D"]'),
            ("authorities", "[3]"),
            ("default_authority", '"A^B"'),
            ("charset", '"ASCII"'),
            ("charset", '"WINDOWS-1252"'),
            ("charset", "1"),
            ("processing_ids", '"P,X"'),
            ("processing_ids", "3"),
        ],
    )
    def test_of_a_value(self, key: str, value: str, house: House) -> None:
        rest = "" if key == "name" else 'name = "chu-x"\n'
        error = house.refuse(f"[[source]]\n{rest}{key} = {value}\n")
        line = next(each for each in SOURCE_KEYS if each.name == key)
        label = "" if key == "name" else "chu-x"
        assert f" refused for {key} ([[source]] {label}" in error.en
        assert error.en.endswith(f"file {house.file}). Allowed: {line.allowed_en}.")
        assert f" refusée pour {key} ([[source]] {label}" in error.fr
        assert error.fr.endswith(f"fichier {house.file}). Permis : {line.allowed_fr}.")

    @pytest.mark.parametrize(
        ("key", "value", "fr", "en"),
        [
            ("application", '"[AB"', "un crochet [ n'est pas fermé par ]", "a bracket [ is not closed by ]"),
            ("facility", '"GAM[]"', "un crochet [ n'est pas fermé par ]", "a bracket [ is not closed by ]"),
            ("application", '"GAM[!]*"', "un crochet [ n'est pas fermé par ]", "a bracket [ is not closed by ]"),
            ("application", '"GAM[9-0]"', "[9-0] ne prend aucun signe", "[9-0] takes no sign"),
            ("application", '" GAM"', "aucune valeur ne commence ni", "no value begins or"),
            (
                "facility",
                '"CHU*^1.2.250"',
                "seul le premier composant est comparé, sans ^",
                "the first component alone",
            ),
            ("authorities", '["X&abc&ISO"]', "« abc » n'est pas un OID", '"abc" is not an OID'),
            ("authorities", '["A", "X&1.02&ISO"]', "« 1.02 » n'est pas un OID", '"1.02" is not an OID'),
            ("authorities", '["1.2.250.1.999.77"]', "un OID seul s'écrit &1.2", "an OID alone is written &1.2"),
            ("authorities", '["X&&ISO"]', "il manque l'OID entre X et ISO", "the OID between X and"),
            ("authorities", '["X&1.2.250.1.999.77"]', "le type d'un OID est ISO", "the type of an OID is ISO"),
            ("authorities", '["X&chu.example"]', "il manque le type de", "the type of"),
            ("authorities", '["&1.2.250.1.213.1.4.8&ISO"]', "1.2.250.1.213.1.4.8 est l'OID de l'INS", "1.2.250"),
            ("default_authority", '"X&1.2.250.1.999.77&iso"', "le type d'un OID est ISO : X&", "the type of an OID"),
        ],
    )
    def test_of_what_no_message_could_match(self, key: str, value: str, fr: str, en: str, house: House) -> None:
        """It would be a source, or an authority, that is never met, without a word."""
        given = "" if key in ("application", "facility") else "port = 2576\n"
        error = house.refuse(f'[[source]]\nname = "chu-x"\n{given}{key} = {value}\n')
        assert f" refused for {key} ([[source]] chu-x, file {house.file}): {en}" in error.en
        assert f" refusée pour {key} ([[source]] chu-x, fichier {house.file}) : {fr}" in error.fr
        line = next(each for each in SOURCE_KEYS if each.name == key)
        assert error.en.endswith(f". Allowed: {line.allowed_en}.")
        assert error.fr.endswith(f". Permis : {line.allowed_fr}.")

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("application", '"GAM[[]1]"'),
            ("application", '"[!A]*"'),
            ("application", '"GAM]"'),
            ("application", '"[]]"'),
            ("authorities", '["&1.2.250.1.999.77&ISO", "NAME", "X&chu.example&DNS"]'),
        ],
    )
    def test_not_of_what_one_could(self, key: str, value: str, house: House) -> None:
        given = "" if key == "application" else "port = 2576\n"
        assert house.load(f'[[source]]\nname = "a"\n{given}{key} = {value}\n').sources

    def test_of_an_unknown_key(self, house: House) -> None:
        error = house.refuse('[[source]]\nname = "chu-x"\naplication = "GAM"\n')
        assert error.en == (f"Unknown key: aplication ([[source]] chu-x, file {house.file}). Did you mean application?")
        assert error.fr == (
            f"Clé inconnue : aplication ([[source]] chu-x, fichier {house.file}). Vouliez-vous dire application ?"
        )

    @pytest.mark.parametrize("text", ["[source]\nname = 'x'\n", "source = 3\n", "source = ['x']\n"])
    def test_of_what_is_no_list_of_tables(self, text: str, house: House) -> None:
        error = house.refuse(text)
        assert error.en == f"In {house.file}, source must be tables [[source]]."
        assert str(house.file) in error.fr

    def test_of_a_name_that_is_missing(self, house: House) -> None:
        error = house.refuse('[[source]]\nname = "a"\nport = 9\n[[source]]\nport = 10\n')
        assert error.en == f"name ([[source]] 2, file {house.file}): it is missing."
        assert error.fr == f"name ([[source]] 2, fichier {house.file}) : il manque."

    def test_of_a_source_that_asks_for_nothing(self, house: House) -> None:
        error = house.refuse('[[source]]\nname = "a"\ncharset = "8859/1"\n')
        assert error.en.startswith(f"application ([[source]] a, file {house.file}): give at least one of application,")

    def test_of_a_name_given_twice(self, house: House) -> None:
        error = house.refuse('[[source]]\nname = "a"\nport = 9\n[[source]]\nname = "a"\nport = 10\n')
        assert error.en == f"name ([[source]] a, file {house.file}): this name is taken."

    def test_of_a_port_given_twice(self, house: House) -> None:
        error = house.refuse('[[source]]\nname = "a"\nport = 9\n[[source]]\nname = "b"\nport = 9\n')
        assert error.en == f"port ([[source]] b, file {house.file}): the port 9 is already that of [[source]] a."

    @pytest.mark.parametrize(("name", "address"), [("mllp", "127.0.0.1:2576"), ("http", "127.0.0.1:2576")])
    def test_of_a_port_of_the_general_settings(self, name: str, address: str, house: House) -> None:
        error = house.refuse(f'{name} = "{address}"\n[[source]]\nname = "a"\nport = 2576\n')
        assert error.en == f"port ([[source]] a, file {house.file}): the port 2576 is already that of {name}."
        assert error.fr == f"port ([[source]] a, fichier {house.file}) : le port 2576 est déjà celui de {name}."

    def test_of_a_port_of_the_command_line(self, house: House) -> None:
        house.file.write_text('[[source]]\nname = "a"\nport = 2576\n')
        with pytest.raises(SettingsError, match="already that of mllp"):
            load_settings({"mllp": "127.0.0.1:2576"}, config=house.file)


class TestNeverReached:
    """A source that an earlier one hides would never be used: that is a fault of the file."""

    @pytest.mark.parametrize(
        ("earlier", "later"),
        [
            ('application = "*"', 'application = "GAM"'),
            ('application = "GAM*"', 'application = "GAM"'),
            ('application = "GAM*"', 'application = "GAM-*"'),
            ('application = "GAM*"', 'application = "GAM*"\nport = 2576'),
            ('application = "GAM"', 'application = "GAM"\nfacility = "CHU"'),
            ('facility = "[CD]HU"', 'facility = "[CD]HU"'),
            ('facility = "?HU"', 'facility = "CHU"'),
            ('facility = "*"', "port = 2576"),
        ],
    )
    def test_hidden(self, earlier: str, later: str, house: House) -> None:
        error = house.refuse(f'[[source]]\nname = "a"\n{earlier}\n[[source]]\nname = "b"\n{later}\n')
        assert error.en == (
            f"application ([[source]] b, file {house.file}): "
            "no message reaches this source: [[source]] a, before it, takes them all."
        )
        assert "aucun message n'atteint cette source" in error.fr

    @pytest.mark.parametrize(
        ("earlier", "later"),
        [
            ('application = "GAM"', 'application = "GAM*"'),
            ('application = "GAM"\nfacility = "CHU"', 'application = "GAM"'),
            ('application = "?"', 'application = "*"'),
            ('application = "??*"', 'application = "?*"'),
            ('application = "[!A]*"', 'application = "?*"'),
            ('application = "GAM"\nport = 2576', 'application = "GAM"'),
            ("port = 2576", "port = 2577"),
            ('application = "gam*"', 'application = "GAM"'),
        ],
    )
    def test_not_hidden(self, earlier: str, later: str, house: House) -> None:
        assert len(house.load(f'[[source]]\nname = "a"\n{earlier}\n[[source]]\nname = "b"\n{later}\n').sources) == 2

    @given(
        wide=st.text("AB?*", min_size=1, max_size=5),
        narrow=st.text("AB?*", min_size=1, max_size=5),
        value=st.text("ABC", max_size=6),
    )
    def test_what_is_called_hidden_is(self, wide: str, narrow: str, value: str) -> None:
        if _covers(wide, narrow) and fnmatchcase(value, narrow):
            assert fnmatchcase(value, wide)


class TestPatterns:
    @given(st.text("A[]!-9", min_size=1, max_size=6), st.data())
    def test_one_that_is_taken_matches_something(self, pattern: str, data: st.DataObject) -> None:
        """A bracket that is not closed is a sign among others to fnmatch: it is refused, never half understood."""
        try:
            read_pattern(pattern)
        except ValueError:
            return
        if "[" in pattern:  # with a bracket that stands for itself a pattern of this alphabet matches its own text
            assert not fnmatchcase(pattern, pattern)
        value = data.draw(st.from_regex(re.compile(translate(pattern)), fullmatch=True))
        assert fnmatchcase(value, pattern)


class TestSpecs:
    """A spec is shown in both languages: of ours it names keys of the settings, and no English words."""

    def test_ours_name_keys_alone(self) -> None:
        ours = [rule.spec.partition("pam-receiver, ")[2] for rule in RULES.values()]
        named = {word for each in ours for word in re.split(r",? ", each) if word}
        assert {"[[source]]", "strictness", "charset"} <= named
        assert named & {"setting", "settings", "and", "or", "of", "the", "in"} == set()
