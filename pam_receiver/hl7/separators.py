"""The separators of a message and the escape sequences that stand for them."""

import re
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Final

CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")  # C0, DEL and C1; a tab is judged apart
_NO_SEPARATOR: Final = frozenset(' "')  # a blank would cut names, a quote would hide ""
_HEADER: Final = "MSH"


@dataclass(frozen=True, slots=True)
class Separators:
    """The five separators, one sign each; ``""`` for one that MSH-2 leaves out.

    MSH-2 may leave out the last ones when nothing in the message needs them. HL7 wants ASCII signs; others are taken as
    they are, because samples of the ANS have a typographic tilde.

    Spec: HL7 v2.5 chapter 2, MSH-1 and MSH-2.
    """

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


STANDARD: Final = Separators()
UNSPLIT: Final = Separators("", "", "", "", "")  # for MSH-1 and MSH-2, which are never split nor unescaped


def is_separator(sign: str) -> bool:
    """Return whether this sign may separate: visible, neither letter nor digit nor quote."""
    return sign.isprintable() and not sign.isalnum() and sign not in _NO_SEPARATOR


def read_separators(header: str) -> Separators | None:
    """Read the separators from the text of an MSH segment; ``None`` when they cannot serve.

    A fifth sign in MSH-2 (the truncation sign of v2.7) is not used here.
    """
    if header.startswith("MSH|^~\\&|"):
        return STANDARD
    field = header[len(_HEADER) : len(_HEADER) + 1]
    signs = header[len(_HEADER) + 1 :].split(field, 1)[0] if field else ""
    if not signs or not all(map(is_separator, field + signs)) or len(set(field + signs)) <= len(signs):
        return None
    return Separators(field, *signs[:4], *[""] * (4 - len(signs)))


@lru_cache(maxsize=32)
def _sequences(sign: str) -> re.Pattern[str]:
    """Every escape sequence that HL7 defines, so that no end of one is taken for the beginning of another."""
    e = re.escape(sign)
    return re.compile(
        rf"{e}(?:(?P<letter>[FSTRE])|X(?P<hex>(?:[0-9A-Fa-f]{{2}})+)|(?P<br>\.(?:br|BR))"
        rf"|[HN]|\.[A-Za-z]{{2}}[+-]?[0-9]*|C[0-9A-Fa-f]{{4}}|M[0-9A-Fa-f]{{4}}(?:[0-9A-Fa-f]{{2}})?|Z[^{e}]*){e}"
    )


def unescape(text: str, separators: Separators, encoding: str = "utf-8") -> str:
    r"""Put the escaped signs back.

    ``\F\ \S\ \T\ \R\ \E\`` give the separators, ``\Xhh..\`` the bytes read in ``encoding``, ``\.br\`` a blank (a value
    is one line here). What has no plain text (highlighting, ``\Zxx\``, hexadecimal that gives a control character or
    does not decode, an escape sign alone) stays as sent: nothing is lost, nothing is run.

    Spec: HL7 v2.5 chapter 2, escape sequences.
    """
    sign = separators.escape
    if not sign or sign not in text:
        return text

    def plain(match: re.Match[str]) -> str:
        if letter := match["letter"]:
            return _meaning(separators)[letter] or match[0]
        if digits := match["hex"]:
            return _from_hex(digits, encoding) or match[0]
        return " " if match["br"] else match[0]

    return _sequences(sign).sub(plain, text)


def has_stray_escape(text: str, separators: Separators) -> bool:
    """Whether ``text`` holds an escape sign that belongs to no escape sequence. Spec: HL7 v2.5 §2.7."""
    sign = separators.escape
    return bool(sign) and sign in _sequences(sign).sub("", text)


@lru_cache(maxsize=32)
def _meaning(separators: Separators) -> dict[str, str]:
    return dict(zip("FSRET", astuple(separators), strict=True))


def _from_hex(digits: str, encoding: str) -> str | None:
    try:
        text = bytes.fromhex(digits).decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if CONTROL.search(text) else text


@lru_cache(maxsize=32)
def _escapes(separators: Separators) -> dict[int, str]:
    e = separators.escape
    return {ord(sign): f"{e}{letter}{e}" for letter, sign in _meaning(separators).items() if sign and e}


def escape(text: str, separators: Separators = STANDARD) -> str:
    """Write the separators in ``text`` as escape sequences: the inverse of :func:`unescape`.

    Without an escape sign in ``separators`` the text comes back unchanged.
    """
    return text.translate(_escapes(separators))
