"""The parts that commands run: the sources, from the settings that name them."""

from pathlib import Path

import pytest

from pam_receiver.cli import parts
from pam_receiver.config import Settings, SettingsError, load_settings
from pam_receiver.finding import Severity
from pam_receiver.identity.identifiers import AssigningAuthority
from pam_receiver.profile.load import ProfileError, list_profiles
from pam_receiver.sources import Admission

LYRE = AssigningAuthority("CHU-LYRE", "1.2.250.1.999.77", "ISO")


def settings(folder: Path, text: str, *, overlay: str = "") -> Settings:
    (folder / "house.toml").write_text(text, encoding="utf-8")
    if overlay:
        (folder / "overlay.toml").write_text(overlay, encoding="utf-8")
    return load_settings(config=folder / "house.toml")


class TestMakeSources:
    def test_without_any_source_there_are_the_general_settings(self, tmp_path: Path) -> None:
        sources = parts.make_sources(settings(tmp_path, 'processing_ids = "T"\n'))
        assert sources.named == ()
        assert [each.name for each in sources.general.profiles.profiles] == list(list_profiles())
        assert sources.general.reading.accepts_processing_ids == {"T"}
        assert sources.general.reading.accepted_authorities is None

    def test_every_key_reaches_its_place(self, tmp_path: Path) -> None:
        text = (
            'default_authority = "OTHER"\nprocessing_ids = "P"\n[[source]]\nname = "a"\napplication = "GAM*"\n'
            'facility = "CHU*"\nport = 2576\nprofile = "pam_fr/2.11"\noverlay = "overlay.toml"\nstrictness = "strict"\n'
            'authorities = ["CHU-LYRE&1.2.250.1.999.77&ISO"]\ndefault_authority = "CHU-LYRE&1.2.250.1.999.77&ISO"\n'
            'charset = "8859/1"\nprocessing_ids = "T"\n'
        )
        overlay = '[overlay]\ntitle = "x"\n[[map]]\nfrom = "PID-11.4"\nto = "PID-11.9"\n'
        (source,) = parts.make_sources(settings(tmp_path, text, overlay=overlay)).named
        assert (source.name, source.application, source.facility, source.port) == ("a", "GAM*", "CHU*", 2576)
        assert source.charset == "8859/1"
        assert [each.name for each in source.profiles.profiles] == ["pam_fr/2.11+overlay"]
        assert {each.severity for each in source.profiles.profiles[0].rules.values()} >= {Severity.E}
        reading = source.reading
        assert (reading.accepts_processing_ids, reading.default_authority) == ({"T"}, LYRE)
        assert (reading.accepted_authorities, reading.birth_place_components) == ({LYRE}, (4,))

    def test_what_a_source_leaves_open_is_the_general_setting(self, tmp_path: Path) -> None:
        text = 'default_authority = "OTHER"\nprocessing_ids = "P"\n[[source]]\nname = "a"\nport = 2576\n'
        sources = parts.make_sources(settings(tmp_path, text))
        assert sources.named[0].reading == sources.general.reading
        assert sources.named[0].profiles is sources.general.profiles  # compiled once

    def test_a_profile_or_an_overlay_given_stands_in_for_all(self, tmp_path: Path) -> None:
        text = '[[source]]\nname = "a"\nport = 2576\nprofile = "pam_fr/2.11"\n'
        overlay = '[overlay]\ntitle = "x"\n[[grade]]\nrule = "control-id-missing"\nseverity = "ignore"\n'
        given = settings(tmp_path, text, overlay=overlay)
        sources = parts.make_sources(given, profile="pam", overlay=tmp_path / "overlay.toml")
        for source in (sources.general, *sources.named):
            (profile,) = source.profiles.profiles
            assert profile.name == "pam+overlay"
            assert profile.grades == {"control-id-missing": None}


class TestWhatCannotBeUsed:
    """A sentence names the file, the source and the key, in both languages."""

    def refuse(self, folder: Path, text: str, *, overlay: str = "") -> SettingsError:
        with pytest.raises(SettingsError) as failure:
            parts.make_sources(settings(folder, text, overlay=overlay))
        return failure.value

    def test_a_profile_that_is_none(self, tmp_path: Path) -> None:
        error = self.refuse(tmp_path, '[[source]]\nname = "a"\nport = 9\nprofile = "pam_fr/1.0"\n')
        assert error.en.startswith(f"profile ([[source]] a, file {tmp_path / 'house.toml'}): pam_fr/1.0: ")
        assert error.fr.startswith(f"profile ([[source]] a, fichier {tmp_path / 'house.toml'}) : pam_fr/1.0 : ")

    @pytest.mark.parametrize(
        "overlay", ["", "[overlay]\n", "[[grade]]", '[overlay]\ntitle = "x"\n[[grade]]\nrule = "x"\n', "colour = 1\n"]
    )
    def test_an_overlay_that_cannot_be_followed(self, tmp_path: Path, overlay: str) -> None:
        error = self.refuse(tmp_path, '[[source]]\nname = "a"\nport = 9\noverlay = "overlay.toml"\n', overlay=overlay)
        assert error.en.startswith(f"overlay ([[source]] a, file {tmp_path / 'house.toml'}): overlay.toml: ")
        assert error.en.endswith(".")
        assert not error.en.endswith("..")

    @pytest.mark.parametrize(
        ("rule", "said_en", "said_fr"),
        [
            ("ins-without-valy", "the nearest one is ins-without-vali.", "la plus proche est ins-without-vali."),
            ("no-usable-ipp", "cannot be graded", "sa gravité ne se règle pas"),
            ("raised-by-source", "cannot be graded", "sa gravité ne se règle pas"),
        ],
    )
    def test_a_grade_of_no_rule_or_of_a_refusal(self, tmp_path: Path, rule: str, said_en: str, said_fr: str) -> None:
        text = '[[source]]\nname = "a"\nport = 9\noverlay = "overlay.toml"\n'
        grade = f'[overlay]\ntitle = "x"\n[[grade]]\nrule = "{rule}"\nseverity = "I"\n'
        error = self.refuse(tmp_path, text, overlay=grade)
        assert error.en.startswith(
            f"overlay ([[source]] a, file {tmp_path / 'house.toml'}): overlay.toml: grade {rule}"
        )
        assert said_en in error.en
        assert said_fr in error.fr

    def test_of_the_two_the_one_at_fault_is_named(self, tmp_path: Path) -> None:
        text = '[[source]]\nname = "a"\nport = 9\nprofile = "pam_fr/{}"\noverlay = "overlay.toml"\n'
        fine = '[overlay]\ntitle = "x"\n'
        assert self.refuse(tmp_path, text.format("1.0"), overlay=fine).en.startswith("profile (")
        assert self.refuse(tmp_path, text.format("2.11"), overlay="x = 1\n").en.startswith("overlay (")

    def test_options_are_named_as_such(self, tmp_path: Path) -> None:
        general = settings(tmp_path, "")
        with pytest.raises(SettingsError, match=r"^--overlay: none\.toml: "):
            parts.make_sources(general, overlay=tmp_path / "none.toml")
        with pytest.raises(SettingsError, match=r"^--profile: pam_fr/1\.0: "):
            parts.make_sources(general, profile="pam_fr/1.0")

    def test_a_file_of_ours_at_fault_is_no_fault_of_the_settings(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(**_: object) -> None:
            raise ProfileError("pam/profile.toml", "profile", "missing", "manque")

        general = settings(tmp_path, '[[source]]\nname = "a"\nport = 9\n')
        monkeypatch.setattr(parts, "load_profiles", broken)
        with pytest.raises(ProfileError):
            parts.make_sources(general)


def test_a_source_that_names_its_port_goes_before_those_that_name_none(tmp_path: Path) -> None:
    text = '[[source]]\nname = "a"\napplication = "GAM*"\n[[source]]\nname = "b"\nport = 2576\n'
    sources = parts.make_sources(settings(tmp_path, text))
    raw = b"MSH|^~\\&|GAM|CHU|||||ADT^A28^ADT_A05|1|P|2.5^FRA^2.11\r"
    assert [sources.find(raw, port).name for port in (2576, 2575, None)] == ["b", "a", "a"]


class TestBehindListeners:
    """What comes in by a ``[[listener]]`` is held to what it says, and nothing else is."""

    RAW = b"MSH|^~\\&|GAM|CHU|||||ADT^A28^ADT_A05|1|P|2.5^FRA^2.11\r"
    TEXT = (
        "max_segments = 500\n"
        '[[listener]]\naddress = "127.0.0.1:2576"\nsource = "by-name"\nenvironment = "test"\n'
        '[[listener]]\naddress = "127.0.0.1:2577"\napplications = ["GAM"]\nfacilities = ["CHU"]\n'
        'receiving_applications = ["PAM"]\nreceiving_facilities = ["DM"]\n'
        "max_segments = 50\nmax_repetitions = 60\nmax_block_bytes = 4096\n"
        '[[source]]\nname = "by-name"\n'
        '[[source]]\nname = "by-port"\nport = 2577\n'
        '[[source]]\nname = "by-sender"\napplication = "LABO"\n'
    )

    def test_each_port_has_its_sources_its_environment_and_its_admission(self, tmp_path: Path) -> None:
        sources = parts.make_sources(settings(tmp_path, self.TEXT))
        by_name, by_port, nowhere = (sources.find(self.RAW, port) for port in (2576, 2577, None))
        assert [each.name for each in (by_name, by_port, nowhere)] == ["by-name", "by-port", ""]
        assert [each.policy.takes_test_ins for each in (by_name, by_port, nowhere)] == [True, False, False]
        assert by_port.admission == Admission(("GAM",), ("CHU",), ("PAM",), ("DM",), 50, 60, 4096)
        assert by_name.admission == nowhere.admission == Admission(most_segments=500, most_repetitions=2000)

    def test_the_source_of_a_listener_takes_whatever_the_message_says(self, tmp_path: Path) -> None:
        sources = parts.make_sources(settings(tmp_path, self.TEXT))
        raw = self.RAW.replace(b"GAM", b"LABO")
        assert [sources.find(raw, port).name for port in (2576, 2577, None)] == ["by-name", "by-port", "by-sender"]

    def test_a_production_listener_in_a_house_of_tests(self, tmp_path: Path) -> None:
        text = 'environment = "test"\n[[listener]]\naddress = "127.0.0.1:2576"\nenvironment = "production"\n'
        sources = parts.make_sources(settings(tmp_path, text))
        assert [sources.find(self.RAW, port).policy.takes_test_ins for port in (2576, None)] == [False, True]
