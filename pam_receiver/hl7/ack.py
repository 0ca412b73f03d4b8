"""Acknowledgements: what is said of a message, written so that no word of the sender can break it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal

from pam_receiver.finding import Finding, Lang, Location, Remembered, Severity
from pam_receiver.hl7 import rules
from pam_receiver.hl7.charset import find_codec, fold, is_table_name
from pam_receiver.hl7.er7 import Segment, parse_message
from pam_receiver.hl7.header import Header
from pam_receiver.hl7.separators import CONTROL, STANDARD, Separators, escape, unescape
from pam_receiver.values import value

_MOST_ECHOED: Final = 199  # signs of one field of the sender's; HL7 v2.5 gives MSH-10 20
_MOST_TEXT: Final = 250  # ERR-8, HL7 v2.5 §2.15.5
_RULE_TABLE: Final = "99PAMR"  # our rule ids: a local table
_CONTROL_OR_TAB: Final = re.compile(f"{CONTROL.pattern}|\t")
_NOT_IN_A_NAME: Final = re.compile("[^A-Z0-9]")
_OUR_SIGNS: Final = "^~\\&"
_BARS_OF_MSH: Final = 17  # from MSH-1 to MSH-18
_ORDER: Final = {severity: place for place, severity in enumerate(Severity)}  # worst first


class AckCode(StrEnum):
    """MSA-1 in original mode. Spec: HL7 v2.5 §2.9.2, table 0008."""

    AA = "AA"
    AE = "AE"
    AR = "AR"


@value(frozen=True, slots=True)
class Verdict:
    """What was decided about a message, and everything that is to be said of it."""

    code: AckCode
    findings: tuple[Finding, ...] = ()


@value(frozen=True, slots=True)
class Ack:
    """An acknowledgement in two parts, each segment ended by CR: ``head`` is MSH and MSA, ``errs`` all the ERR.

    The head is of one message; what is said after it is said of many, and is written and kept once for all of them.
    """

    head: bytes
    errs: bytes = b""

    @property
    def raw(self) -> bytes:
        """The whole of it: what the sender gets."""
        return self.head + self.errs


def build_ack(
    header: Header | None,
    verdict: Verdict,
    *,
    control_id: str,
    made_at: str,
    lang: Lang,
    which: Literal["all", "errors"] = "all",
    max_errors: int = 50,
) -> Ack:
    r"""Write the acknowledgement of a message: ER7 with ``|^~\&``, each segment ended by CR, not framed.

    ``header`` is what could be read of the message (``None``: nothing, the barest ACK); ``control_id`` our own MSH-10;
    ``made_at`` MSH-7, as :func:`write_time` gives it. Errors come first, then warnings, then informations; beyond
    ``max_errors`` ERR one more counts the rest. Everything of the sender's is cleaned of control characters, brought to
    our separators and bounded. The bytes stand in the sender's character set; a text that it cannot hold loses its
    accents.

    Spec: HL7 v2.5 §2.9.2, §2.15.5.
    """
    header = header or Header()
    msh = _plain_msh(header, control_id, made_at) or _msh(header, control_id, made_at)
    head = _encode(f"{msh}\rMSA|{verdict.code.value}|{_echo(header.control_id, header)}\r", header.encoding)
    if not verdict.findings:
        return Ack(head)
    declared = find_codec(_first(header.charset, header))
    sentences = "ascii" if declared in (None, "ascii") else header.encoding
    return Ack(head, _errs(verdict.findings, which, max_errors, lang, sentences, header.encoding))


def _encode(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return fold(text, encoding).encode(encoding)


def _plain_msh(header: Header, control_id: str, made_at: str) -> str | None:
    """Write MSH as :func:`_msh` would when nothing in it is to be cleaned or cut, as nearly always; else ``None``."""
    h = header
    if h.separators is not STANDARD or not (
        h.trigger_event.isalnum() and control_id.isalnum() and is_table_name(h.charset)
    ):
        return None
    parties = f"{h.receiving_application}|{h.receiving_facility}|{h.sending_application}|{h.sending_facility}"
    text = (
        f"MSH|{_OUR_SIGNS}|{parties}|{made_at}||ACK^{h.trigger_event}^ACK|{control_id}"
        f"|{h.processing_id_field or 'P'}|{h.version_field or '2.5'}|||||{h.country_code}|{h.charset}"
    )
    if len(parties) > _MOST_ECHOED or len(text) - len(parties) > _MOST_ECHOED:
        return None  # a field of them may be too long
    return text if text.isprintable() and text.count("|") == _BARS_OF_MSH else None


def write_time(at: datetime) -> str:
    """Write an aware time for MSH-7, to the second, with its offset."""
    iso = at.isoformat("T", "seconds")
    return f"{iso[:4]}{iso[5:7]}{iso[8:10]}{iso[11:13]}{iso[14:16]}{iso[17:19]}{iso[19:].replace(':', '')}"


def _msh(header: Header, control_id: str, made_at: str) -> str:
    charset = _first(header.charset, header)
    event = _clean(escape(header.trigger_event))
    fields = [
        f"MSH|{_OUR_SIGNS}",
        _echo(header.receiving_application, header),
        _echo(header.receiving_facility, header),
        _echo(header.sending_application, header),
        _echo(header.sending_facility, header),
        made_at,
        "",
        f"ACK^{event}^ACK" if event else "ACK",
        _clean(escape(control_id)),
        _echo(header.processing_id_field, header) or "P",
        _echo(header.version_field, header) or "2.5",
        *[""] * 4,
        _echo(header.country_code, header),
        # A name as it is, for it has no parts: translated, the hyphen of UTF-8 would go where a sender divides by it.
        # An unknown one would make the answer unreadable too.
        _clean(escape(charset)) if find_codec(charset) else "",
    ]
    return "|".join(fields).rstrip("|")


# --- what is echoed --------------------------------------------------------------------------------------------------


def _first(raw: str, header: Header) -> str:
    separator = header.separators.repetition
    return raw.split(separator, 1)[0] if separator else raw


def _echo(raw: str, header: Header) -> str:
    """Return a field of the sender's in our separators, clean and bounded."""
    theirs = header.separators
    return _clean(raw if theirs is STANDARD or theirs == STANDARD else _translate(raw, theirs))


def _translate(raw: str, theirs: Separators) -> str:
    """Bring a field from the sender's separators to ours, part by part."""
    pairs = (
        (theirs.repetition, STANDARD.repetition),
        (theirs.component, STANDARD.component),
        (theirs.subcomponent, STANDARD.subcomponent),
    )

    def join(text: str, level: int) -> str:
        if level == len(pairs):
            return escape(unescape(text, theirs))
        separator, ours = pairs[level]
        parts = text.split(separator) if separator else [text]
        return ours.join(join(part, level + 1) for part in parts)

    return join(raw, 0)


def _clean(text: str, most: int = _MOST_ECHOED) -> str:
    """Drop control characters and field separators, and cut at ``most`` signs without leaving half an escape."""
    clean = text
    if not text.isprintable() or "|" in text:
        clean = _CONTROL_OR_TAB.sub("", text).replace("|", "")
    if len(clean) <= most:
        return clean
    cut = clean[:most]
    return cut[: cut.rindex(STANDARD.escape)] if cut.count(STANDARD.escape) % 2 else cut


# --- ERR -------------------------------------------------------------------------------------------------------------


def _chosen(findings: Iterable[Finding], which: Literal["all", "errors"], most: int) -> Sequence[Finding]:
    """Return the findings to show, worst first, and one that counts those that are not shown."""
    chosen = sorted((f for f in findings if which == "all" or f.is_error), key=lambda f: _ORDER[f.severity])
    rest = chosen[most:]
    if not rest:
        return chosen
    return [*chosen[:most], rules.FINDINGS_NOT_SHOWN.at(count=len(rest), errors=sum(f.is_error for f in rest))]


_WRITTEN: Final = Remembered[bytes]()


def _errs(
    findings: tuple[Finding, ...],
    which: Literal["all", "errors"],
    most: int,
    lang: Lang,
    sentences: str,
    encoding: str,
) -> bytes:
    """Write a segment for each finding to show, ended by CR; their ``sentences`` hold no more than that codec has."""
    written = _WRITTEN.find(findings, which, most, lang, sentences, encoding)
    if written is None:
        text = "".join([f"{_err(each, lang, sentences)}\r" for each in _chosen(findings, which, most)])
        written = _WRITTEN.keep(_encode(text, encoding), findings, which, most, lang, sentences, encoding)
    return written


@lru_cache(maxsize=1024)  # a feed breaks the same few rules at the same places; no finding holds patient data
def _err(finding: Finding, lang: Lang, encoding: str) -> str:
    code = f"{finding.code.value}^{finding.code.display}^HL70357"
    text = _clean(escape(fold(finding.text(lang), encoding)), _MOST_TEXT)
    rule = f"{_clean(escape(finding.rule))}^^{_RULE_TABLE}"
    return f"ERR||{_err2(finding.at)}|{code}|{finding.severity}|{rule}|||{text}"


def _err2(place: Location | None) -> str:
    if place is None:
        return ""
    name, *numbers = place.err2
    name = _NOT_IN_A_NAME.sub("", name)[:3]
    return "^".join([name, *numbers]) if name else ""


# --- an acknowledgement received -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AckError:
    """One ERR of an acknowledgement; ``""`` for what it does not say. ``location`` is written for people."""

    location: str
    rule: str
    severity: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class DecodedAck:
    """An acknowledgement, of any receiver: ``code`` is MSA-1, ``control_id`` MSA-2 (what was acknowledged)."""

    code: str
    control_id: str
    text: str
    errors: tuple[AckError, ...]

    @property
    def is_accepted(self) -> bool:
        return self.code == AckCode.AA


def decode_ack(raw: bytes) -> DecodedAck:
    """Read an acknowledgement.

    Raises:
        Unreadable: it is no HL7 v2 message.
    """
    message = parse_message(raw)
    msa = message.segment("MSA")
    return DecodedAck(
        code=_value(msa, 1),
        control_id=(msa.field(2).raw or "") if msa else "",
        text=_value(msa, 3),
        errors=tuple(_read_err(err) for err in message.named("ERR")),
    )


def _value(segment: Segment | None, number: int) -> str:
    return (segment.value(number) or "") if segment else ""


def _read_err(err: Segment) -> AckError:
    return AckError(
        location=_read_location(err),
        rule=_value(err, 5),
        severity=_value(err, 4),
        code=_value(err, 3),
        text=_value(err, 8) or _value(err, 7),
    )


def _read_location(err: Segment) -> str:
    parts = [err.value(2, n) or "" for n in range(1, 7)]
    name, *numbers = parts
    if not all(part == "" or (part.isascii() and part.isdigit()) for part in numbers):
        return "^".join(parts).rstrip("^")
    sequence, field, *rest = [int(part[:9]) if part else None for part in numbers]
    return str(Location(name, sequence or 1, field, *rest)) if name else ""
