"""Character sets that MSH-18 may name, and text brought into one that lacks some of its signs."""

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_CODECS: Final[Mapping[str, str]] = MappingProxyType(
    {  # HL7 v2.5 table 0211; IHE PAM FR 2.11.2 §6.1 for 8859/15 and UNICODE UTF-8
        "8859/1": "iso8859-1",
        "8859/15": "iso8859-15",
        "UNICODE UTF-8": "utf-8",
        "ASCII": "ascii",
    }
)
_NICKNAMES: Final[Mapping[str, str]] = MappingProxyType({"UTF-8": "UNICODE UTF-8"})  # frequent, in no table

_PLAIN: Final = str.maketrans(
    {
        "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "€": "EUR", "’": "'", "‘": "'", "“": '"', "”": '"',
        "«": '"', "»": '"', "…": "...", "–": "-", "—": "-", "→": "->", "°": "o", "\u00a0": " ", "\u202f": " ",
    }
)  # fmt: skip


def table_name(declared: str) -> str | None:
    """Return the name of table 0211 for the first repetition of MSH-18; ``None`` when it names no set known here.

    Case and blanks do not count.
    """
    if declared in _CODECS:
        return declared
    name = " ".join(declared.upper().split())
    name = _NICKNAMES.get(name, name)
    return name if name in _CODECS else None


def is_table_name(declared: str) -> bool:
    """Return whether MSH-18 is the name of a known set as it stands in table 0211."""
    return declared in _CODECS


def is_nickname(declared: str) -> bool:
    """Return whether MSH-18 names a set in words that stand in no table."""
    return " ".join(declared.upper().split()) in _NICKNAMES


def find_codec(declared: str) -> str | None:
    """Return the Python codec for the first repetition of MSH-18; ``None`` when it names no set known here."""
    name = table_name(declared)
    return _CODECS[name] if name else None


def fold(text: str, encoding: str) -> str:
    """Return ``text`` with only the signs that ``encoding`` has: accents dropped, œ as oe, the rest left out."""
    if _fits(text, encoding):
        return text
    return "".join(sign if _fits(sign, encoding) else _fold_sign(sign, encoding) for sign in text)


def _fold_sign(sign: str, encoding: str) -> str:
    plain = unicodedata.normalize("NFKD", sign.translate(_PLAIN))
    return "".join(part for part in plain if not unicodedata.combining(part) and _fits(part, encoding))


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
