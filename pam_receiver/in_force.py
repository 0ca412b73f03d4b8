"""What decides on messages, as a JSON value and the files beside it; and the same sources made of them again.

The journal names it for each message, so that a later fold takes each one as it was taken then.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import tzinfo
from enum import Enum
from hashlib import sha256
from pathlib import Path, PurePosixPath
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from pam_receiver.errors import PamReceiverError
from pam_receiver.finding import Lang
from pam_receiver.profile.load import ProfileSet, load_profiles
from pam_receiver.profile.model import Strictness
from pam_receiver.resources import PROFILES
from pam_receiver.sources import Sources
from pam_receiver.store import InForce

Json = Any  # a JSON value; what is wrong in it raises when it is read
_Made = TypeVar("_Made")


class InForceUnusable(PamReceiverError):
    """What was in force for some messages cannot be made again: a file of it is not there, or not as it was."""

    def __init__(self, in_force_id: str) -> None:
        super().__init__(in_force_id)
        self.in_force_id = in_force_id

    def text(self, lang: Lang) -> str:
        """The sentence for a person."""
        short = self.in_force_id[:12]
        if lang == "fr":
            return f"Ce qui était en vigueur ({short}) n'est pas gardé en entier : la base a été altérée."
        return f"What was in force ({short}) is not kept whole: the database was altered."


# ---------------------------------------------------------------------------------------------------------- to keep


def make_in_force(sources: Sources, *, program: str, profiles: Path = PROFILES) -> InForce:
    """Return what ``sources`` decide by: each value of them, the profiles of the folder, the overlays.

    ``program``: the version of ours. Nothing else of the settings is in it: no secret, and no path.
    """
    keep = _Keep(profiles)
    content = {
        "program": program,
        "profiles": {
            path.relative_to(profiles).as_posix(): keep.file(path) for path in sorted(profiles.rglob("*.toml"))
        },
        "sources": keep.value(sources),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return InForce(sha256(text.encode()).hexdigest(), content, keep.files)


class _Keep:
    """Writes values as JSON, and gathers the files that they name. ``files``: compressed, by digest."""

    def __init__(self, profiles: Path) -> None:
        self.files: dict[str, bytes] = {}
        self._profiles = profiles

    def file(self, path: Path) -> str:
        """Keep a file; return its digest."""
        read = path.read_bytes()
        digest = sha256(read).hexdigest()
        self.files[digest] = zlib.compress(read, 9)
        return digest

    def value(self, value: object) -> Json:
        match value:
            case ProfileSet():
                return self._profiles_of(value)
            case None | bool() | int() | Enum() | str():
                return value.value if isinstance(value, Enum) else value
            case ZoneInfo():
                return value.key
            case tuple() | list():
                return [self.value(each) for each in value]
            case frozenset():
                return sorted((self.value(each) for each in value), key=json.dumps)
            case Mapping():
                return {str(key): self.value(each) for key, each in value.items()}
            case _ if is_dataclass(value):
                return {each.name: self.value(getattr(value, each.name)) for each in fields(value)}
            case _:
                raise TypeError(type(value).__name__)  # a new kind of value in the sources: it must be kept too

    def _profiles_of(self, profiles: ProfileSet) -> Json:
        origin = profiles.origin
        overlay = None
        if origin.overlay is not None:
            overlay = {"name": origin.overlay.name, "digest": self.file(origin.overlay)}
        return {"overlay": overlay, "strictness": origin.strictness.value, "only": origin.only}


# ----------------------------------------------------------------------------------------------------- to make again


def make_sources(kept: InForce, folder: Path) -> Sources:
    """Return the sources as they were. ``folder``: an empty one, where their files are laid down.

    What a later version has added to the sources is as by its default.

    Raises:
        InForceUnusable: a file is missing or altered.
    """
    lay = _Lay(kept, folder)
    for name, digest in kept.content["profiles"].items():  # type: ignore[attr-defined]  # a JSON value
        lay.file(PurePosixPath("profiles", name), digest)
    made: Sources = lay.value(Sources, kept.content["sources"])
    return made


_PLAIN: Final = (str, int, bool, NoneType)


class _Lay:
    """Reads values by their types, and lays down the files that they name."""

    def __init__(self, kept: InForce, folder: Path) -> None:
        self._kept = kept
        self._folder = folder

    def file(self, name: PurePosixPath, digest: str) -> Path:
        packed = self._kept.files.get(digest)
        content = zlib.decompress(packed) if packed is not None else b""
        if sha256(content).hexdigest() != digest or ".." in name.parts or name.is_absolute():
            raise InForceUnusable(self._kept.id)
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def value(self, kind: Any, found: Json) -> Any:
        if kind is ProfileSet:
            return self._profiles(found)
        if kind in (ZoneInfo, tzinfo):
            return ZoneInfo(found)
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, UnionType):
            (one,) = (each for each in arguments if each is not NoneType)
            return None if found is None else self.value(one, found)
        if origin is tuple:
            return self._tuple(arguments, found)
        if origin is frozenset:
            return frozenset(self.value(arguments[0], each) for each in found)
        if origin is not None and issubclass(origin if origin is not Literal else str, Mapping):
            return {arguments[0](key): self.value(arguments[1], each) for key, each in found.items()}
        if is_dataclass(kind):
            hints = get_type_hints(kind)
            names = [each.name for each in fields(kind) if each.init and each.name in found]
            return kind(**{name: self.value(hints[name], found[name]) for name in names})  # type: ignore[operator]
        if origin is Literal or kind in _PLAIN:
            return found
        return kind(found)  # an enum

    def _tuple(self, arguments: tuple[Any, ...], found: Json) -> tuple[Any, ...]:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(self.value(arguments[0], each) for each in found)
        return tuple(self.value(kind, each) for kind, each in zip(arguments, found, strict=True))

    def _profiles(self, found: Json) -> ProfileSet:
        overlay = None
        if found["overlay"] is not None:
            digest = found["overlay"]["digest"]
            overlay = self.file(PurePosixPath("overlays", digest, found["overlay"]["name"]), digest)
        strictness = Strictness(found["strictness"])
        return load_profiles(self._folder / "profiles", overlay=overlay, strictness=strictness, only=found["only"])
