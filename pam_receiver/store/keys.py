"""Keys: their file, their form, and what is wrong with them. No line of a key is ever in an error or a log."""

import binascii
import os
import re
import stat
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from pam_receiver.finding import Lang
from pam_receiver.reasons import say_os_error
from pam_receiver.store.errors import StoreError, StoreSettingError

KEY_BYTES: Final = 32  # AES-256
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_OPEN_TO_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP  # the group may read: a service often has one


class KeysUnusable(StoreSettingError):
    """The file or the variable of keys cannot be used; the sentence names it, and the line by its number alone."""


class KeyMissing(StoreError):
    """What is asked for is encrypted or signed with a key that is not among the keys. ``key_id`` names it."""

    def __init__(self, key_id: str) -> None:
        super().__init__("", cause=key_id)
        self.key_id = key_id

    def text(self, lang: Lang) -> str:
        if lang == "fr":
            return f"Scellé par la clé {self.key_id}, qui manque : ajouter sa ligne au fichier de clés (key_file)."
        return f"Sealed with the key {self.key_id}, which is missing: add its line to the key file (key_file)."


class NoKey(StoreSettingError):
    """There is no key at all, and the act needs one."""

    def __init__(self) -> None:
        super().__init__(
            "",
            fr="Il faut une clé : « pam-receiver keys create FICHIER », puis key_file = FICHIER dans les réglages.",
            en='A key is needed: "pam-receiver keys create FILE", then key_file = FILE in the settings.',
        )


class SealBroken(StoreError):
    """What was encrypted or signed is not as it was written, or another key bears the same id."""

    def __init__(self, key_id: str) -> None:
        super().__init__("", cause=key_id)
        self.key_id = key_id

    def text(self, lang: Lang) -> str:
        if lang == "fr":
            return (
                f"La clé {self.key_id} n'ouvre pas ce qui est gardé : la donnée a été altérée, ou ce n'est pas la clé "
                "qui portait cet id."
            )
        return (
            f"The key {self.key_id} does not open what is kept: the data was altered, or this is not the key that had "
            "this id."
        )


@dataclass(frozen=True, slots=True)
class Key:
    """One key: an id to name it by, and its 32 bytes, from which those in use are derived."""

    id: str
    secret: bytes = field(repr=False)

    @property
    def line(self) -> str:
        """The line of a key file."""
        return f"{self.id} {b64encode(self.secret).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys, the current one first; the others only open what they have sealed."""

    keys: tuple[Key, ...]

    @property
    def current(self) -> Key:
        return self.keys[0]

    def find(self, key_id: str) -> Key:
        """Return the key of this id.

        Raises:
            KeyMissing: there is none.
        """
        for key in self.keys:
            if key.id == key_id:
                return key
        raise KeyMissing(key_id)


def is_key_id(text: str) -> bool:
    """Whether a key may be called so."""
    return _ID.fullmatch(text) is not None


def parse_keys(text: str, *, named: str) -> KeyRing:
    """Read lines ``KEYID BASE64``; a comma ends a line too, for a variable that holds one line. ``#``: a comment.

    ``named``: where the text comes from, for the sentences.

    Raises:
        KeysUnusable: a line that is no key, an id that is there twice, or no key at all.
    """
    keys: list[Key] = []
    for number, line in _lines(text):
        key_id, _, encoded = line.partition(" ")
        secret = _decode(encoded.strip())
        if not is_key_id(key_id) or secret is None:
            raise KeysUnusable(
                named,
                fr=f"{named}, ligne {number} : ce n'est pas une clé (ID, un espace, {KEY_BYTES} octets en base64).",
                en=f"{named}, line {number}: this is no key (ID, a space, {KEY_BYTES} bytes in base64).",
            )
        if any(key.id == key_id for key in keys):
            raise KeysUnusable(
                named,
                fr=f"{named}, ligne {number} : l'id {key_id} y est déjà.",
                en=f"{named}, line {number}: the id {key_id} is there already.",
            )
        keys.append(Key(key_id, secret))
    if not keys:
        raise KeysUnusable(named, fr=f"{named} ne contient aucune clé.", en=f"{named} holds no key.")
    return KeyRing(tuple(keys))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.replace(",", "\n").splitlines(), 1):
        bare = line.strip()
        if bare and not bare.startswith("#"):
            yield number, bare


def _decode(encoded: str) -> bytes | None:
    try:
        secret = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return secret if len(secret) == KEY_BYTES else None


def read_keys(path: Path) -> KeyRing:
    """Read a key file, which nobody but its owner (and a group that may read it) can open.

    Raises:
        KeysUnusable: it cannot be read, is open to others, or holds something else.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError:
        raise KeysUnusable(str(path), fr=f"{path} n'est pas un texte.", en=f"{path} is no text.") from None
    if mode & _OPEN_TO_OTHERS:
        raise KeysUnusable(
            str(path),
            fr=f"Le fichier de clés {path} est ouvert à d'autres que son propriétaire : chmod 600 {path}",
            en=f"The key file {path} is open to others than its owner: chmod 600 {path}",
        )
    return parse_keys(text, named=str(path))


def _unreadable(path: Path, error: OSError) -> KeysUnusable:
    return KeysUnusable(
        str(path),
        fr=f"Le fichier de clés {path} ne peut pas être lu ou écrit : {say_os_error(error, 'fr')}.",
        en=f"The key file {path} cannot be read or written: {say_os_error(error, 'en')}.",
    )


# ------------------------------------------------------------------------------------------------------- the file


def new_key_id(today: date, taken: Collection[str] = ()) -> str:
    """Return an id that says when the key was made, and that none has yet."""
    plain = today.isoformat()
    free = (f"{plain}.{number}" for number in range(2, len(taken) + 3))
    return plain if plain not in taken else next(each for each in free if each not in taken)


def create_file(path: Path, key: Key) -> None:
    """Write a key file that only its owner can read.

    Raises:
        KeysUnusable: there is a file already, or none can be written there.
    """
    try:
        _write(path, f"{key.line}\n")
    except OSError as error:
        raise _unreadable(path, error) from None


def add_first(path: Path, key: Key) -> None:
    """Put a new key before those of a file; it is written beside and takes its place at once, or not at all.

    Raises:
        KeysUnusable: the file cannot be used as it is, or cannot be written.
    """
    read_keys(path)
    beside = path.with_name(f".{path.name}.new")
    try:
        target = path.resolve(strict=True)
        beside = target.with_name(f".{target.name}.new")
        status, text = target.stat(), target.read_text(encoding="utf-8")
        _write(beside, f"{key.line}\n{text}")
        os.chmod(beside, stat.S_IMODE(status.st_mode))
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(beside, status.st_uid, status.st_gid)
        os.replace(beside, target)
        _sync_folder(target.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unreadable(path, error) from None


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
