"""What was in force, kept as a JSON value and files, and the same sources made of it again."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pam_receiver.cli import parts
from pam_receiver.config import load_settings
from pam_receiver.in_force import InForceUnusable, make_in_force, make_sources
from pam_receiver.resources import PROFILES
from pam_receiver.sources import Source, Sources
from pam_receiver.store import InForce

OVERLAY = """
[overlay]
title = "Essai"
spec = "CHU-LYRE"

[[grade]]
rule = "ins-without-vali"
severity = "E"
"""
SETTINGS = """
environment = "test"
incomplete_qualified_identity = "accept"
deduce_recuperee = false
processing_ids = "P,T"
timezone = "Europe/Lisbon"
default_authority = "CHU-LYRE&1.2.250.1.999.77&ISO"

[[source]]
name = "gam"
application = "GAM*"
profile = "pam_fr/2.10"
overlay = "chu.toml"
strictness = "strict"
authorities = ["CHU-LYRE&1.2.250.1.999.77&ISO", "CLINIQUE"]
charset = "8859/15"

[[source]]
name = "labo"
port = 2576
processing_ids = ["P"]
"""


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Sources that leave hardly any setting at its default."""
    file = tmp_path / "settings.toml"
    file.write_text(SETTINGS)
    (tmp_path / "chu.toml").write_text(OVERLAY)
    return parts.make_sources(load_settings(config=file))


@pytest.fixture
def kept(sources: Sources) -> InForce:
    return make_in_force(sources, program="1.2.3")


def through_json(kept: InForce) -> InForce:
    """As the database gives it back."""
    return replace(kept, content=json.loads(json.dumps(kept.content)))


def without_origins(sources: Sources) -> Sources:
    """The sources, save from where their profiles came."""

    def of(source: Source) -> Source:
        origin = replace(source.profiles.origin, overlay=None)
        return replace(source, profiles=replace(source.profiles, origin=origin))

    return Sources(of(sources.general), tuple(map(of, sources.named)), sources.by_port)


class TestAgain:
    def test_the_sources_are_the_same(self, sources: Sources, kept: InForce, tmp_path: Path) -> None:
        made = make_sources(through_json(kept), tmp_path / "again")
        assert without_origins(made) == without_origins(sources)
        assert made.named[1].profiles.profiles[0].name == "pam_fr/2.10+chu"

    def test_a_file_that_has_changed_since_is_as_it_was(self, sources: Sources, kept: InForce, tmp_path: Path) -> None:
        (tmp_path / "chu.toml").write_text(OVERLAY.replace('"E"', '"I"'))
        made = make_sources(through_json(kept), tmp_path / "again")
        assert without_origins(made) == without_origins(sources)
        changed = parts.make_sources(load_settings(config=tmp_path / "settings.toml"))
        assert without_origins(changed) == without_origins(sources)  # loaded once, kept in this process
        assert make_in_force(changed, program="1.2.3").id != kept.id

    @pytest.mark.parametrize("damage", [lambda _: b"", lambda packed: zlib.compress(zlib.decompress(packed) + b"#")])
    def test_a_file_that_was_altered_is_an_error(
        self, kept: InForce, tmp_path: Path, damage: Callable[[bytes], bytes]
    ) -> None:
        digest = next(iter(kept.files))
        files = {**kept.files, digest: damage(kept.files[digest])}
        if not files[digest]:
            del files[digest]
        with pytest.raises(InForceUnusable) as caught:
            make_sources(replace(kept, files=files), tmp_path / "again")
        assert kept.id[:12] in caught.value.text("fr")
        assert caught.value.text("fr") != caught.value.text("en")

    def test_no_file_is_laid_outside_of_its_folder(self, kept: InForce, tmp_path: Path) -> None:
        content = json.loads(json.dumps(kept.content))
        content["profiles"] = {"../outside.toml": next(iter(content["profiles"].values()))}
        with pytest.raises(InForceUnusable):
            make_sources(replace(kept, content=content), tmp_path / "again")
        assert not (tmp_path / "outside.toml").exists()


class TestKept:
    def test_the_id_is_the_digest_of_the_content(self, sources: Sources, kept: InForce) -> None:
        assert make_in_force(sources, program="1.2.3") == kept
        assert make_in_force(sources, program="1.2.4").id != kept.id

    def test_every_file_of_the_profiles_and_each_overlay(self, kept: InForce) -> None:
        content = json.loads(json.dumps(kept.content))
        assert set(content["profiles"]) == {path.relative_to(PROFILES).as_posix() for path in PROFILES.rglob("*.toml")}
        overlay = content["sources"]["named"][1]["profiles"]["overlay"]
        assert (overlay["name"], zlib.decompress(kept.files[overlay["digest"]]).decode()) == ("chu.toml", OVERLAY)
        assert len(kept.files) == len({*content["profiles"].values(), overlay["digest"]})

    def test_no_path_and_no_secret(self, kept: InForce, tmp_path: Path) -> None:
        text = json.dumps(kept.content)
        assert [each for each in (str(tmp_path), "sqlite", "password", "key_file") if each in text] == []

    def test_a_value_that_cannot_be_kept_stops_the_start(self, sources: Sources) -> None:
        @dataclass(frozen=True)
        class Odd:
            what: object = 1.5

        with pytest.raises(TypeError, match="float"):
            make_in_force(replace(sources, general=Odd()), program="1.2.3")  # type: ignore[arg-type]
