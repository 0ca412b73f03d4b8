"""Load the profiles: the files of ``profiles/`` laid over HL7 v2.5, and the overlay of a source laid over them."""

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from pam_receiver.hl7.header import Header
from pam_receiver.profile.compile import compile_profile, fit_overlay
from pam_receiver.profile.lines import ProfileFile, read_overlay, read_profile, read_tables
from pam_receiver.profile.model import CodeTable, Profile, Strictness
from pam_receiver.profile.source import ProfileError
from pam_receiver.resources import PROFILES

__all__ = ["FRENCH", "INTERNATIONAL", "ProfileError", "ProfileSet", "list_profiles", "load_profile", "load_profiles"]

INTERNATIONAL: Final = "pam"
FRENCH: Final = "pam_fr/2.11"  # in force, and that of a message that announces a version not known here
_TABLES: Final = "tables"
_VERSION: Final = re.compile(r"(\d+)\.(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Origin:
    """What profiles were loaded from, as :func:`load_profiles` takes it."""

    overlay: Path | None = None
    strictness: Strictness = Strictness.LENIENT
    only: str | None = None


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """The profiles that messages are held to. ``versions``: those of France, the newest first.

    ``only`` is the one for every message, when a source names it. ``origin``: by which the same can be loaded again.
    """

    international: Profile
    versions: tuple[tuple[tuple[int, int], Profile], ...]
    only: Profile | None = None
    origin: Origin = Origin()

    @property
    def french(self) -> Profile:
        """The French profile in force."""
        return self.versions[0][1]

    def select(self, header: Header) -> Profile:
        """Return the profile of a message: by MSH-12, the French one of its version, or the international one.

        A version that is newer than all, not said or no version has the one in force; an older one the oldest.
        Spec: IHE PAM FR 2.11.2 §6.5.
        """
        if self.only is not None:
            return self.only
        if not header.is_french:
            return self.international
        announced = _VERSION.match(header.extension_version)
        if announced is None:
            return self.french
        asked = (int(announced[1]), int(announced[2]))
        for version, profile in self.versions:
            if asked >= version:
                return profile
        return self.versions[-1][1]

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """All that a message can be held to."""
        if self.only is not None:
            return (self.only,)
        return (self.international, *(profile for _, profile in self.versions))

    @property
    def maps(self) -> tuple[int, ...]:
        """The components of XAD, beside 9, where the COG of this sender may stand: those that the overlay maps."""
        return self.profiles[0].birth_place_components


def list_profiles(folder: Path = PROFILES) -> tuple[str, ...]:
    """Return the names of the profiles of ``folder``, the international one first, then the newest first."""
    found = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("*.toml")} - {_TABLES, "."}
    return tuple(
        sorted(found, key=lambda name: (name != INTERNATIONAL, tuple(-part for part in _version_of(name)), name))
    )


def _version_of(name: str) -> tuple[int, int]:
    found = _VERSION.search(name)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def load_profiles(
    folder: Path = PROFILES,
    *,
    overlay: Path | None = None,
    strictness: Strictness = Strictness.LENIENT,
    only: str | None = None,
) -> ProfileSet:
    """Load the profiles of ``folder``, or ``only`` one of them; the second call with the same arguments reads nothing.

    Raises:
        ProfileError: a file that cannot be trusted, naming it and the key.
    """
    return _load_profiles(folder, overlay, strictness, only)


@cache
def _load_profiles(folder: Path, overlay: Path | None, strictness: Strictness, only: str | None) -> ProfileSet:
    tables = _read_tables(folder)

    def load(name: str) -> Profile:
        chain = _read_chain(name, folder)
        if overlay is None:
            return compile_profile(chain, tables, strictness)
        laid = read_overlay(overlay)
        if only is None and name == INTERNATIONAL:
            laid = fit_overlay(laid, chain)
        profile = compile_profile([*chain, laid], tables, strictness)
        return replace(profile, name=f"{name}+{laid.name}")

    origin = Origin(overlay, strictness, only)
    if only is not None:
        profile = load(only)
        return ProfileSet(profile, ((_version_of(only), profile),), profile, origin)
    french = [name for name in list_profiles(folder) if name != INTERNATIONAL]
    versions = tuple((_version_of(name), load(name)) for name in french)
    return ProfileSet(load(INTERNATIONAL), versions, origin=origin)


def load_profile(
    name: str, folder: Path = PROFILES, *, overlay: Path | None = None, strictness: Strictness = Strictness.LENIENT
) -> Profile:
    """Load the profile ``name``, with the tables of ``folder`` and the profiles that it extends.

    Raises:
        ProfileError: a file that cannot be trusted, naming it and the key.
    """
    return load_profiles(folder, overlay=overlay, strictness=strictness, only=name).profiles[0]


@cache
def _read_tables(folder: Path) -> dict[str, CodeTable]:
    return read_tables(folder / _TABLES)


def _read_chain(name: str, folder: Path) -> list[ProfileFile]:
    chain = [_read_known(name, folder)]
    while (parent := chain[0].extends) is not None:
        if parent in [each.name for each in chain]:
            raise ProfileError(chain[0].name, "profile extends", "goes round in a circle", "tourne en rond")
        chain.insert(0, _read_known(parent, folder))
    return chain


@cache  # one file of a chain is in most of the others
def _read_known(name: str, folder: Path) -> ProfileFile:
    if name not in (known := list_profiles(folder)):
        names = ", ".join(known)
        problem, fr = f"no such profile; the profiles: {names}", f"profil inconnu ; les profils : {names}"
        raise ProfileError(name, "profile", problem, fr)
    return read_profile(name, folder)
