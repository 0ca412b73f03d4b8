"""ER7: bytes to a message and back. What is not understood is kept; what cannot be read is refused, never guessed."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from pam_receiver.errors import PamReceiverError
from pam_receiver.finding import Finding, Location, Rule
from pam_receiver.hl7 import rules
from pam_receiver.hl7.charset import find_codec, is_nickname, is_table_name, table_name
from pam_receiver.hl7.header import Header, read_first_line, read_header_loosely, strip_start
from pam_receiver.hl7.message import NULL, Field, Message, Repetition, Segment
from pam_receiver.hl7.separators import CONTROL, STANDARD, Separators, escape, read_separators, unescape

__all__ = [
    "NULL",
    "Field",
    "Message",
    "Repetition",
    "Segment",
    "Separators",
    "Unreadable",
    "encode_message",
    "escape",
    "parse_message",
    "unescape",
]

_UTF_8: Final = "UNICODE UTF-8"  # HL7 v2.5 table 0211
_MSH_18: Final = Location("MSH", 1, 18)
_NEW_LINE: Final = re.compile("[\r\n]")
_NAME: Final = re.compile("[A-Z][A-Z0-9]{2}")
_CONTROL_OR_TAB: Final = re.compile("[\x00-\x09\x0b-\x0c\x0e-\x1f\x7f-\x9f]")  # CR and LF end segments
_MOST_CONTROLS: Final = 1000  # findings about control characters in one message, as many as the journal keeps

# Every byte but the control characters: what is left after deleting these is one. A quick look before a slow one.
_C0: Final = frozenset(range(0x20)) - frozenset(b"\r\n") | {0x7F}
_HARMLESS: Final = bytes(sorted(set(range(0x100)) - _C0))
_HARMLESS_8859: Final = bytes(sorted(set(range(0x100)) - _C0 - set(range(0x80, 0xA0))))
_UTF_8_OF_C1: Final = b"\xc2"  # U+0080 to U+009F are C2 80 to C2 9F there


class Unreadable(PamReceiverError):
    """The bytes are no HL7 v2 message, or stand in no character set that can be read.

    ``findings`` says why; ``header`` is what could be read of MSH, to answer with.
    """

    def __init__(self, finding: Finding, header: Header | None) -> None:
        super().__init__(finding.rule)
        self.findings = (finding,)
        self.header = header


def parse_message(
    raw: bytes, *, charset: str | None = None, most_segments: int | None = None, most_repetitions: int | None = None
) -> Message:
    """Read one message. Segments may end with CR, LF or CRLF; blanks and a byte order mark may stand before MSH.

    ``charset``: the set of table 0211 that this sender is known to write in, whatever MSH-18 says; ``None``: MSH-18 is
    followed. ``most_segments``, ``most_repetitions``: how many lines and repetition separators a message may have,
    counted before anything is made of them; ``None``: any number. Findings about the form (W, and E for control
    characters) come with the message.

    Raises:
        Unreadable: no MSH, separators that cannot serve, a character set that is unknown or is not the one announced,
            or more than a message may have.
    """
    body = strip_start(raw)
    if not body.startswith(b"MSH"):
        raise _unreadable(raw, (rules.NO_HEADER if body else rules.EMPTY_BLOCK).at(Location("MSH")))
    header = read_first_line(body)
    separators = read_separators(header)
    if separators is None:
        raise _unreadable(raw, rules.SEPARATORS_UNUSABLE.at(Location("MSH", 1, 2 if header[3:4] else 1)))
    text, encoding, findings = _decode(body, header, separators, charset)
    if not header.isascii():  # only now are separators beyond ASCII known for what they are
        separators = read_separators(_NEW_LINE.split(text, maxsplit=1)[0]) or separators
    _refuse_too_many(raw, text, separators, most_segments, most_repetitions)
    segments, unreadable = _cut(text, separators, encoding)
    findings += unreadable
    if _may_hold_controls(body, text, encoding):
        findings += islice(_control_findings(segments), _MOST_CONTROLS)
    return Message(raw, separators, tuple(segments), encoding, tuple(findings))


def _refuse_too_many(
    raw: bytes, text: str, separators: Separators, most_segments: int | None, most_repetitions: int | None
) -> None:
    if most_segments is not None and len(text) > most_segments:  # else it cannot have more lines, nor below more signs
        lines = text.count("\r") + text.count("\n") - text.count("\r\n")
        if lines > most_segments:
            raise _unreadable(raw, rules.TOO_MANY_SEGMENTS.at(Location("MSH"), count=lines, limit=most_segments))
    if most_repetitions is not None and len(text) > most_repetitions and separators.repetition:
        signs = text.count(separators.repetition)
        if signs > most_repetitions:
            raise _unreadable(raw, rules.TOO_MANY_REPETITIONS.at(Location("MSH"), count=signs, limit=most_repetitions))


def encode_message(message: Message) -> bytes:
    """Write a message back: its segments as they were sent, each ended by CR, in the character set it came in."""
    return "".join(f"{segment.text}\r" for segment in message.segments).encode(message.encoding)


def _unreadable(raw: bytes, finding: Finding) -> Unreadable:
    return Unreadable(finding, read_header_loosely(raw))


# --- character set ---------------------------------------------------------------------------------------------------


def _decode(body: bytes, header: str, separators: Separators, known: str | None) -> tuple[str, str, list[Finding]]:
    """Return the text, the codec it was read with, and what is to be said of MSH-18."""
    cells = header.split(separators.field, 18)
    field = cells[17] if len(cells) > 17 else ""
    declared, name, findings = _read_declared(field, separators)
    if known is not None:
        return _decode_known(body, known, name if declared else "", findings)
    codec = find_codec(name) if name else None
    if name is None or codec is None:
        raise _unreadable(body, rules.CHARSET_UNKNOWN.at(_MSH_18))
    if body.isascii():
        return body.decode("ascii"), codec, findings
    if not declared or codec == "ascii":
        rule = rules.CHARSET_NOT_ASCII if declared else rules.CHARSET_MISSING
        return _decode_undeclared(body, rule, findings)
    if codec != "utf-8" and _reads_as_utf8(body):
        findings.append(rules.CHARSET_DOUBTFUL.at(_MSH_18, charset=name))
    try:
        return body.decode(codec), codec, findings
    except UnicodeDecodeError as error:
        finding = rules.CHARSET_MISMATCH.at(_MSH_18, charset=name, offset=error.start + 1)
        raise _unreadable(body, finding) from None


def _read_declared(field: str, separators: Separators) -> tuple[str, str | None, list[Finding]]:
    """Return the first repetition of MSH-18, the set of table 0211 that it means, what is to be said of its form."""
    if separators is STANDARD and is_table_name(field):
        return field, field, []  # nearly always so
    declared = field
    findings = []
    if separators.repetition and separators.repetition in declared:
        declared = declared.split(separators.repetition, 1)[0]
        findings.append(rules.CHARSET_REPEATED.at(_MSH_18))
    declared = "" if declared == NULL else declared.strip()
    name = table_name(declared or "UNICODE UTF-8")
    if name is not None and name != declared and is_nickname(declared):
        findings.append(rules.CHARSET_NICKNAME.at(_MSH_18, charset=name))
    return declared, name, findings


def _decode_known(
    body: bytes, known: str, announced: str | None, findings: list[Finding]
) -> tuple[str, str, list[Finding]]:
    """Read bytes in the set that their sender is known to write in.

    ``announced``: what MSH-18 names, ``""`` for nothing, ``None`` for no set of ours. It is followed, with a warning,
    only when the bytes are not in ``known`` and are in it, or are UTF-8 as it says, which a text in an 8859 set
    practically never is: the sender may have been put right.
    """
    codec = find_codec(known)
    assert codec is not None
    if announced == _UTF_8 != known and not body.isascii() and _reads_as_utf8(body):
        findings.append(rules.CHARSET_NOT_OF_SOURCE.at(_MSH_18, charset=known, read=announced))
        return body.decode("utf-8"), "utf-8", findings
    try:
        text = body.decode(codec)
    except UnicodeDecodeError as error:
        read = _decode_as(body, announced) if announced else None
        if read is None:
            finding = rules.CHARSET_MISMATCH.at(_MSH_18, charset=known, offset=error.start + 1)
            raise _unreadable(body, finding) from None
        findings.append(rules.CHARSET_NOT_OF_SOURCE.at(_MSH_18, charset=known, read=announced or ""))
        return *read, findings
    if announced is None or (announced not in ("", known) and not body.isascii()):
        findings.append(rules.CHARSET_OF_SOURCE.at(_MSH_18, charset=known))
    if codec != "utf-8" and not body.isascii() and _reads_as_utf8(body):
        findings.append(rules.CHARSET_DOUBTFUL.at(_MSH_18, charset=known))
    return text, codec, findings


def _decode_as(body: bytes, name: str) -> tuple[str, str] | None:
    codec = find_codec(name)
    assert codec is not None
    try:
        return body.decode(codec), codec
    except UnicodeDecodeError:
        return None


def _decode_undeclared(body: bytes, rule: Rule, findings: list[Finding]) -> tuple[str, str, list[Finding]]:
    """Read bytes whose charset is not said: UTF-8 if they are, else 8859/15, the charset of France (PAM FR §6.1)."""
    charset, codec = ("UNICODE UTF-8", "utf-8") if _reads_as_utf8(body) else ("8859/15", "iso8859-15")
    findings.append(rule.at(_MSH_18, charset=charset))
    return body.decode(codec), codec, findings


def _reads_as_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# --- segments --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)  # the same few in all messages
def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _cut(text: str, separators: Separators, encoding: str) -> tuple[list[Segment], list[Finding]]:
    if "\n" in text:
        text = text.replace("\n", "\r")  # CRLF then makes an empty line, dropped below
    segments: list[Segment] = []
    sequences: dict[str, int] = {}
    unreadable = first_unreadable = 0
    field = separators.field
    for line in text.split("\r"):
        if not line:
            continue
        name = line[:3]
        if not _is_name(name) or not (line.startswith(field, 3) or len(line) == 3):
            name = ""
            unreadable += 1
            first_unreadable = first_unreadable or len(segments) + 1
        sequence = sequences[name] = sequences.get(name, 0) + 1
        segments.append(Segment(line, name, sequence, len(segments), separators, encoding))
    findings = []
    if sequences["MSH"] > 1:  # the block of a sender that frames several messages as one: the others would be lost
        findings.append(rules.SEVERAL_MESSAGES.at(Location("MSH", 2), count=sequences["MSH"]))
    if unreadable:
        findings.append(rules.UNREADABLE_SEGMENT.at(count=unreadable, line=first_unreadable))
    return segments, findings


# --- control characters ----------------------------------------------------------------------------------------------


def _may_hold_controls(body: bytes, text: str, encoding: str) -> bool:
    if body.translate(None, _HARMLESS if encoding == "utf-8" else _HARMLESS_8859):
        return True
    return encoding == "utf-8" and _UTF_8_OF_C1 in body and _CONTROL_OR_TAB.search(text) is not None


def _control_findings(segments: list[Segment]) -> Iterator[Finding]:
    """One finding for each component that holds a control character, or a tab."""
    for segment in segments:
        if not _CONTROL_OR_TAB.search(segment.text):
            continue
        if segment.name:
            for place, component in _components(segment):
                yield from _judge(component, place)
        else:
            yield from _judge(segment.text, None)


def _components(segment: Segment) -> Iterator[tuple[Location, str]]:
    """Every component of the fields that hold a control character, with its place."""
    for number, cell in enumerate(segment.cells):
        if number and _CONTROL_OR_TAB.search(cell):
            for repetition in segment.repetitions(number):
                components = repetition.raw.split(segment.separators.component)
                for n, component in enumerate(components, 1):
                    yield segment.location(number, repetition.number, n), component


def _judge(text: str, place: Location | None) -> Iterator[Finding]:
    if control := CONTROL.search(text):
        yield rules.CONTROL_CHARACTER.at(place, sign=f"0x{ord(control[0]):02X}")
    elif "\t" in text:
        yield rules.TAB_IN_VALUE.at(place)
