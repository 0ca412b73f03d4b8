"""A value of a message shown without telling whose it is: letters and digits are masked, the form stays."""

import re
import unicodedata
from collections.abc import Collection
from functools import cache
from typing import Final

from pam_receiver.finding import Location
from pam_receiver.hl7.er7 import Unreadable, parse_message
from pam_receiver.hl7.message import Message, Segment
from pam_receiver.hl7.separators import Separators
from pam_receiver.profile.base import read_table

_LONGEST: Final = 120  # signs of a value that are shown
_SHORTEST_WORD: Final = 3  # of a person's data; two letters stand in every name of a file
_WORD: Final = re.compile(r"[^\W_]+")
_PERSONAL_SEGMENTS: Final = ("PID", "MRG", "NK1", "GT1", "IN1", "IN2")

_IDENTIFIERS: Final = frozenset({("PID", 3), ("PID", 18), ("PID", 21), *(("MRG", number) for number in range(1, 7))})

# Words of the standards tell nothing of a person, and what is wrong with them shows only when they can be read.
_EVENT: Final = re.compile(r"ADT|ACK|[A-Z]\d\d|(?:ADT|ORU|ORM|SIU)_[A-Z]\d\d")  # HL7 v2.5 tables 0076, 0003, 0354
_STRUCTURE: Final = re.compile(r"([A-Z]{3})_[A-Z]\d\d")  # HL7 v2.5 table 0354
_WORDS: Final = frozenset(
    """
    VIDE PROV VALI DOUB DESA DPOT DOUA COLP COLV FILI CACH ANOM IDVER RECD IDRA USUR HOMD HOMA INVA FICT DOUT
    PI INS INS-C INS-NIR INS-NIA NH NIR NIA VN NDP ISO FRA BDL BR INSI INSERT UPDATE CANCEL
    ADELI EI FINEG FINEJ FINESS IDNPS IDNST NNFRA PPN RPPS SIREN SIRET
    ASIP-SANTE-INS-NIR ASIP-SANTE-INS-NIA ASIP-SANTE-INS-C
    1.2.250.1.213.1.4.2 1.2.250.1.213.1.4.8 1.2.250.1.213.1.4.9 1.2.250.1.213.1.4.10 1.2.250.1.213.1.4.11
    2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.8 2.8.1 2.8.2 2.9 2.10 2.11 2.11.1 2.11.2
    ASCII 8859/1 8859/15 UNICODE UTF-8
    """.split()  # noqa: SIM905 - a list would take a line for each word
) | {"UNICODE UTF-8"}  # IHE PAM FR 2.11.2 §6.6.3, §6.6.15; HL7 v2.5 tables 0104, 0211
_LETTER: Final = re.compile(r"[A-Z]")  # one letter is a code
# In names and addresses any word may be somebody's, and a letter may be an initial: only types of names and of
# addresses stay there (HL7 v2.5 tables 0200, 0190).
_TYPES: Final = frozenset({"L", "D", "S", "M", "BDL", "BR", "FRA"})
_NAMES_AND_ADDRESSES: Final = frozenset(
    {("PID", 5), ("PID", 6), ("PID", 9), ("PID", 11), ("MRG", 7), ("NK1", 2), ("NK1", 4)}
)


def read_message(raw: bytes) -> Message | None:
    """Return the message, ``None`` when it cannot be read."""
    try:
        return parse_message(raw)
    except Unreadable:
        return None


def read_value(message: Message, at: Location) -> str | None:
    """Return what stands at ``at`` as it was sent; ``None`` for a whole segment, or when nothing stands there."""
    segments = message.named(at.segment)
    if at.field is None or not 1 <= at.sequence <= len(segments):
        return None
    segment = segments[at.sequence - 1]
    text = segment.raw(at.field)
    if text is None or (at.segment == "MSH" and at.field <= 2):
        return text
    separators = message.separators
    for number, separator in (
        (at.repetition or (1 if at.component else None), separators.repetition),
        (at.component, separators.component),
        (at.subcomponent, separators.subcomponent),
    ):
        if number is not None and separator:
            parts = text.split(separator)
            text = parts[number - 1] if number <= len(parts) else ""
    return text or None


def mask_value(value: str, at: Location, separators: Separators) -> str:
    """Mask the letters and digits of a value, part by part; words of the standards stay where nobody's name stands."""
    signs = "".join({separators.repetition, separators.component, separators.subcomponent} - {""})
    if at.segment == "MSH" and at.field is not None and at.field <= 2:
        return shorten(value)
    is_personal = (at.segment, at.field) in _NAMES_AND_ADDRESSES
    is_type = (at.segment, at.field) == ("MSH", 9)
    parts = re.split(f"([{re.escape(signs)}])", value) if signs else [value]
    return shorten(
        "".join(
            part if _may_show(part, is_personal=is_personal) or (is_type and _is_type(part)) else mask(part)
            for part in parts
        )
    )


def _is_type(part: str) -> bool:
    """Whether it is a type or a structure of messages: in a header out of step MSH-9 may hold anybody's name."""
    found = _STRUCTURE.fullmatch(part)
    return (found[1] if found else part) in _message_types()


@cache
def _message_types() -> Collection[str]:
    table = read_table("0076")
    assert table is not None
    return table.values.keys()


def _may_show(part: str, *, is_personal: bool) -> bool:
    if is_personal:
        return part in _TYPES
    return part in _WORDS or _LETTER.fullmatch(part) is not None or _EVENT.fullmatch(part) is not None


def mask(text: str) -> str:
    """Return ``text`` with X and x for its letters and 9 for its digits: ``Lefèvre-25`` is ``Xxxxxxx-99``.

    ASCII punctuation and the blank stay; any other sign is a point in the middle of the line.
    """
    return "".join(_mask_sign(sign) for sign in unicodedata.normalize("NFC", text))


def _mask_sign(sign: str) -> str:
    if sign.isalpha():
        return "X" if sign.isupper() else "x"
    if sign.isnumeric():
        return "9"
    return sign if sign.isascii() else "·"


def shorten(value: str, *, most: int = _LONGEST) -> str:
    """Return ``value`` fit to be shown: control characters visible, at most ``most`` signs."""
    shown = value if len(value) <= most else value[: most - 1] + "…"
    return "".join(_visible(sign) for sign in shown)


def _visible(sign: str) -> str:
    if sign < " ":
        return chr(0x2400 + ord(sign))  # the pictures of control characters, U+2400 on
    return "�" if sign == "\x7f" or unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else sign


def personal_words(message: Message) -> frozenset[str]:
    """Return the words of a message that may tell whose it is, in capitals without accents."""
    words = set()
    for segment in message.segments:
        if segment.name in _PERSONAL_SEGMENTS:
            for number in range(1, segment.field_count + 1):
                words |= _words_of(segment, number)
    return frozenset(word for word in words if len(word) >= _SHORTEST_WORD and word not in _WORDS)


def _words_of(segment: Segment, number: int) -> set[str]:
    """Of an identifier its value alone: the authority that gave it is nobody's name."""
    if (segment.name, number) in _IDENTIFIERS:
        texts = [each.component(1) or "" for each in segment.repetitions(number)]
    else:
        texts = [segment.raw(number) or ""]
    return {_plain(word) for text in texts for word in _WORD.findall(text)}


def mask_name_for(raw: bytes, name: str) -> str:
    """Return ``name``, of a file or folder, with the words masked that the message ``raw`` tells of its patient."""
    message = read_message(raw) if raw and _WORD.search(name) else None
    return name if message is None else mask_name(name, personal_words(message))


def mask_name(name: str, words: Collection[str]) -> str:
    """Return the name of a file with each of its words masked that is, or holds, one of ``words``.

    A capture is often named after its patient.
    """
    return _WORD.sub(lambda found: mask(found[0]) if _tells(_plain(found[0]), words) else found[0], name)


def _tells(word: str, words: Collection[str]) -> bool:
    return word in words or any(len(each) > _SHORTEST_WORD and each in word for each in words)


def _plain(word: str) -> str:
    signs = unicodedata.normalize("NFD", word)
    return "".join(sign for sign in signs if not unicodedata.combining(sign)).upper()
