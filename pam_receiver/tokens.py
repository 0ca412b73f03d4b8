"""Tokens of HTTP clients: their form, their roles, and what is kept of them, which is a hash.

A token is ``pamr_<id>_<secret>``. The id may be shown and logged; the secret is seen once, by whoever made it. No value
here shows it when printed.
"""

import re
import unicodedata
from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

MAX_TOKEN: Final = 100  # characters; what is longer is no token of ours and is not looked at
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 20  # 160 bits: 32 signs of base 32 without padding
_TOKEN: Final = re.compile(r"pamr_([0-9a-f]{12})_([a-z2-7]{32})")
_ID: Final = re.compile(r"[0-9a-f]{12}")
_LONGEST_NAME: Final = 64

# A choice of the OWASP password storage cheat sheet. A secret of 160 bits needs no more: the hash is for whoever
# reads the table, and its cost here is what a flood of wrong tokens could use up.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


class Role(StrEnum):
    """What a token may do. Each role may do what those before it may."""

    READER = "reader"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether who has this role may do what ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Credential:
    """A token in two parts, as a client presents it."""

    id: str
    secret: str = field(repr=False)

    def reveal(self) -> str:
        """Return the token as text, to be shown once."""
        return f"pamr_{self.id}_{self.secret}"


def new_credential(random_bytes: Callable[[int], bytes]) -> Credential:
    """Return a new token; ``random_bytes`` gives that many bytes of chance, fit for secrets."""
    secret = b32encode(random_bytes(_SECRET_BYTES)).decode().lower()
    return Credential(random_bytes(_ID_BYTES).hex(), secret)


def parse_token(text: str) -> Credential | None:
    """Return the parts of a token; ``None`` when ``text`` does not have its form."""
    found = _TOKEN.fullmatch(text) if len(text) <= MAX_TOKEN else None
    return Credential(found[1], found[2]) if found else None


def parse_token_id(text: str) -> str | None:
    """Return the id in ``text``: an id alone, or a whole token; ``None`` when it is neither."""
    if credential := parse_token(text):
        return credential.id
    return text if _ID.fullmatch(text) else None


def read_name(text: str) -> str | None:
    """Return a name for a token in one form (NFC); ``None`` when it is empty, too long, or has signs that hide."""
    name = unicodedata.normalize("NFC", text)
    # isprintable refuses controls, line ends, and the signs that turn the order of a line about
    is_plain = name == name.strip() and name.isprintable() and not parse_token(name)
    return name if is_plain and 1 <= len(name) <= _LONGEST_NAME else None


def hash_secret(secret: str) -> str:
    """Return what is kept of a secret: argon2id, salted. Takes some 20 ms, on purpose."""
    return _HASHER.hash(secret)


def is_secret_of(kept: str | None, secret: str) -> bool:
    """Whether ``kept`` is the hash of ``secret``. Without a hash the same work is done, and the answer is no."""
    if kept is None:
        _HASHER.hash(secret)
        return False
    try:
        return _HASHER.verify(kept, secret)
    except (Argon2Error, InvalidHashError):
        return False
