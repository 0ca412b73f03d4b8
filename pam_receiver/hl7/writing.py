"""How a message that can be read is written: separators that are none, escape sequences that say something else.

Nothing here changes what is read. An escape sign that begins no sequence at all is told by the profile.
"""

import re
from collections.abc import Iterator
from dataclasses import astuple
from functools import lru_cache
from itertools import islice
from typing import Final

from pam_receiver.finding import Finding, Location, Rule
from pam_receiver.hl7 import rules
from pam_receiver.hl7.message import Message, Segment
from pam_receiver.hl7.separators import STANDARD, Separators, has_stray_escape

_MOST: Final = 100  # findings of one message: a text in another notation has an escape sign in every word
_LIKE_TILDES: Final = ("\u02dc", "\u223c")  # what word processors make of ~: a small tilde, a tilde operator
_REPEATING: Final = {"PID": (3, 5, 11, 13, 14, 21, 26, 32), "MRG": (1, 7)}  # those that a receiver acts on
_ENTITY: Final = re.compile(r"(?:&|\\T\\)(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{2,6}|#x[0-9A-Fa-f]{2,5});")
_COMPOSITE: Final = {("PID", 3), ("PID", 5), ("PID", 6), ("PID", 11), ("MRG", 1)}  # of one component they say nothing
_DIVIDED: Final = {("PID", 5, 1), ("PID", 6, 1), ("PID", 11, 1)}  # FN, SAD: their text is the first subcomponent
_WITH_AUTHORITY: Final = {("PID", 3), ("MRG", 1)}


def check_writing(message: Message) -> tuple[Finding, ...]:
    """Return what is odd in how a message is written, MSH-2 included; of very much only the beginning.

    Spec: HL7 v2.5 chapter 2, MSH-1, MSH-2 and escape sequences.
    """
    separators, raw = message.separators, message.raw
    found: list[Finding] = []
    if separators is not STANDARD and not "".join(astuple(separators)).isascii():
        found.append(rules.SEPARATOR_NOT_ASCII.at(Location("MSH", 1, 2)))
    for segment in message.segments:
        if segment.name in _REPEATING:
            found += _tildes(segment)
    escaped = raw.find(b"\\", raw.find(b"\\") + 1) >= 0 if separators is STANDARD else bool(separators.escape)
    if escaped or b";" in raw:  # beyond the one in MSH-2
        found += islice((finding for segment in message.segments for finding in _misuses(segment)), _MOST)
    return tuple(found)


def _tildes(segment: Segment) -> list[Finding]:
    """Fields that repeat and hold what looks like the repetition separator."""
    found: list[Finding] = []
    for sign in _LIKE_TILDES:
        if sign in segment.text and sign != segment.separators.repetition:
            held = (number for number in _REPEATING[segment.name] if sign in (segment.raw(number) or ""))
            name = f"U+{ord(sign):04X}"
            found += [rules.REPETITION_SIGN_ODD.at(segment.location(number), sign=name) for number in held]
    return found


def _misuses(segment: Segment) -> Iterator[Finding]:
    """One finding for each component whose escape sequences, or entities, are none of HL7's."""
    sign = segment.separators.escape
    has_sign = bool(sign) and sign in segment.text
    if segment.name in ("", "MSH") or not (has_sign or _ENTITY.search(segment.text)):
        return
    for number, cell in enumerate(segment.cells):
        if number and ((has_sign and sign in cell) or ";" in cell):
            for rep in segment.repetitions(number):
                parts = rep.raw.split(segment.separators.component) if segment.separators.component else [rep.raw]
                for component, text in enumerate(parts, 1):
                    rule = _misuse(segment, number, component, text, is_only=len(parts) == 1)
                    if rule is not None:
                        is_divided = rule is rules.ESCAPE_DOUBLED and (segment.name, number, component) in _DIVIDED
                        part = 1 if is_divided else None
                        yield rule.at(segment.location(number, rep.number, component, part))


def _misuse(segment: Segment, number: int, component: int, text: str, *, is_only: bool) -> Rule | None:
    separators = segment.separators
    if _ENTITY.search(text):
        return rules.XML_ENTITY
    if not separators.escape or separators.escape not in text:
        return None
    if any(letter in text for letter in _escaped_separators(segment, number, component, is_only=is_only)):
        return rules.SEPARATORS_ESCAPED
    is_doubled = _doubled(separators).search(text) and has_stray_escape(text, separators)
    return rules.ESCAPE_DOUBLED if is_doubled else None


def _escaped_separators(segment: Segment, number: int, component: int, *, is_only: bool) -> Iterator[str]:
    r"""The sequences that cannot be text here: ``\R\``, ``\S\`` in what has no other component, ``\T\`` in CX-4."""
    e, place = segment.separators.escape, (segment.name, number)
    if place in _COMPOSITE:
        yield f"{e}R{e}"
        if is_only:
            yield f"{e}S{e}"
    if place in _WITH_AUTHORITY and component == 4:
        yield f"{e}T{e}"


@lru_cache(maxsize=32)
def _doubled(separators: Separators) -> re.Pattern[str]:
    r"""An escape sequence whose signs were escaped once more: ``\\T\\``."""
    e = re.escape(separators.escape)
    return re.compile(f"{e}{e}[FSTR]{e}{e}")
