"""The identifiers of PID-3 and MRG-1: those of the patient, the INS, and what a sender got wrong in them."""

from dataclasses import dataclass, field
from typing import Final

from pam_receiver.adt import rules
from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.finding import Finding, Location, Rule
from pam_receiver.hl7.datatypes import CX, CX_COMPONENTS, HD, read_cx
from pam_receiver.hl7.er7 import NULL, Repetition, Segment
from pam_receiver.identity.identifiers import (
    INS,
    INS_OIDS,
    MAX_IDENTIFIER_BYTES,
    MAX_IDENTIFIER_LENGTH,
    PI,
    AssigningAuthority,
    PatientIdentifier,
)
from pam_receiver.identity.model import SentIdentifier, SentIns

ERASED: Final = ""
_SURELY_SHORT: Final = min(MAX_IDENTIFIER_LENGTH, MAX_IDENTIFIER_BYTES // 4)  # a character has at most 4 bytes

# IHE France, Constraints on HL7 data types 1.8.2 §N.1
_NH: Final = "NH"
_INS_NAMES: Final = {oid: f"ASIP-SANTE-INS-{nature}" for oid, nature in INS_OIDS.items()}
_NATIONAL_NAMES: Final = frozenset({*_INS_NAMES.values(), "ASIP-SANTE-INS-C", "ASIP-SANTE-NIR", "ASIP-SANTE-NIA"})
_INS_C_OIDS: Final = frozenset({"1.2.250.1.213.1.4.2", "1.2.250.1.213.1.4.6", "1.2.250.1.213.1.4.7"})
_RULES_OF_TYPES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("INS-C", "INC-C", "INS-A"), rules.INS_C),  # INC-C: a misprint of the annex that senders copied
    **dict.fromkeys(("INS-NIR", "INS-NIA", "INS-NIR-TEST", "INS-NIR-DEMO"), rules.INS_TYPE_OF_FHIR),  # FR Core 2.2.0
}


def said(value: str | None) -> str | None:
    """Return what a component says: ``None`` nothing (absent or empty), ``""`` erase, else the text.

    Spec: HL7 v2.5 §2.5.3.
    """
    if value is None:
        return None
    text = value.strip()
    return ERASED if text == NULL else text or None


@dataclass(slots=True)
class Identifiers:
    """The identifiers of one field: those of the patient, the INS, and what is to be said of them.

    ``billing_at``: CX-5 of the first NH under the OID of an INS.
    """

    identifiers: list[SentIdentifier] = field(default_factory=list)
    ins: list[SentIns] = field(default_factory=list)
    erased: list[tuple[str, AssigningAuthority]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    keys: set[tuple[str, str, str]] = field(default_factory=set)  # of ``identifiers``
    billing_at: Location | None = None


def read_identifiers(segment: Segment, number: int, asked: ReadingRules) -> Identifiers:
    """Read the CX repetitions of PID-3 or MRG-1. An INS is one by its type and its OID, never by a name.

    Spec: IHE PAM FR 2.11.2 §6.6.1; IHE France, Constraints on HL7 data types 1.8.2 §N.1.
    """
    return _Reader(segment, number, asked).read()


class _Reader:
    """The reading of one field: lives as long as it, gathers what it holds."""

    __slots__ = ("_asked", "_found", "_number", "_reps", "_segment")

    def __init__(self, segment: Segment, number: int, asked: ReadingRules) -> None:
        self._segment = segment
        self._number = number
        self._asked = asked
        self._reps = segment.repetitions(number)
        self._found = Identifiers()

    def read(self) -> Identifiers:
        for rep in self._reps:
            if not rep.raw.strip():
                continue
            cx = read_cx(rep)
            type_ = cx.identifier_type.strip()
            if type_ == INS:
                self._read_ins(cx, rep)
            else:
                self._read_identifier(cx, type_, rep)
            if rep.component_count > 6:
                self._judge_length(cx, rep)
        return self._found

    def _at(self, rep: Repetition, component: int | None = None, subcomponent: int | None = None) -> Location:
        return self._segment.location(self._number, rep.number, component, subcomponent)

    def _say(self, rule: Rule, rep: Repetition, component: int, subcomponent: int | None = None) -> None:
        self._found.findings.append(rule.at(self._at(rep, component, subcomponent)))

    def _judge_length(self, cx: CX, rep: Repetition) -> None:
        """What stands behind CX-6: dates, which an INS has not, and a second identifier that lost its ``~``."""
        if rep.component_count > CX_COMPONENTS:
            at = self._segment.location(self._number, rep.number if len(self._reps) > 1 else None)
            self._found.findings.append(rules.REPETITIONS_GLUED.at(at, most=CX_COMPONENTS))
        elif cx.identifier_type.strip() == INS:
            for number in (7, 8):
                if said(rep.component(number)):
                    finding = rules.INS_WITH_DATES.at(self._at(rep, number), number=number)
                    self._found.findings.append(finding)

    def _read_ins(self, cx: CX, rep: Repetition) -> None:
        matricule, oid = said(cx.id), cx.assigning_authority.universal_id.strip()
        if oid not in INS_OIDS:
            self._say(rules.INS_WITHOUT_OID, rep, 4, 2)
            return
        if matricule is None:
            self._say(rules.IDENTIFIER_WITHOUT_VALUE, rep, 1)
            return
        self._found.ins.append(SentIns(matricule, oid, self._at(rep, 1)))
        name, expected = cx.assigning_authority.namespace_id.strip(), _INS_NAMES[oid]
        if name != expected and name in _NATIONAL_NAMES:
            self._found.findings.append(rules.INS_NAME_DISAGREES.at(self._at(rep, 4, 1), expected=expected))

    def _read_identifier(self, cx: CX, sent_type: str, rep: Repetition) -> None:
        found, value = self._found, said(cx.id)
        type_ = sent_type or PI
        if value is None or (value == ERASED and type_ == PI):
            self._say(rules.IDENTIFIER_WITHOUT_VALUE, rep, 1)
            return
        authority = self._read_authority(cx.assigning_authority, rep)
        if authority is None or not self._is_usable(type_, authority, rep):
            return
        if value == ERASED:
            found.erased.append((type_, authority))
            return
        parts = (value, type_, authority.namespace_id, authority.universal_id, authority.universal_id_type)
        if max(map(len, parts)) > _SURELY_SHORT and any(map(_is_too_long, parts)):
            limits = {"characters": MAX_IDENTIFIER_LENGTH, "octets": MAX_IDENTIFIER_BYTES}
            found.findings.append(rules.IDENTIFIER_TOO_LONG.at(self._at(rep), **limits))
            return
        if not sent_type:
            self._say(rules.IDENTIFIER_WITHOUT_TYPE, rep, 5)
        made = PatientIdentifier(value, type_, authority)
        key = made.key
        if key not in found.keys:
            found.keys.add(key)
            found.identifiers.append(SentIdentifier(made, self._at(rep, 1)))

    def _read_authority(self, hd: HD, rep: Repetition) -> AssigningAuthority | None:
        authority = AssigningAuthority(hd.namespace_id.strip(), hd.universal_id.strip(), hd.universal_id_type.strip())
        if authority.universal_id or authority.namespace_id:
            return authority
        default = self._asked.default_authority
        self._say(rules.IDENTIFIER_WITHOUT_AUTHORITY if default is None else rules.AUTHORITY_ASSUMED, rep, 4)
        return default

    def _is_usable(self, type_: str, authority: AssigningAuthority, rep: Repetition) -> bool:
        """Whether an IPP may be taken. Of another type that looks national it is said what it is not."""
        asked = self._asked
        if type_ != PI:
            self._judge_type(type_, authority, rep)
        elif authority.universal_id in INS_OIDS:
            self._say(rules.IPP_UNDER_INS_OID, rep, 5)
            return False
        elif asked.accepted_authorities is not None and not asked.accepts(authority):
            self._say(rules.AUTHORITY_NOT_ACCEPTED, rep, 4)
            return False
        return True

    def _judge_type(self, type_: str, authority: AssigningAuthority, rep: Repetition) -> None:
        rule = _RULES_OF_TYPES.get(type_)
        if rule is None and type_ == _NH:
            if authority.universal_id in _INS_C_OIDS:
                rule = rules.INS_C
            elif authority.namespace_id in _INS_NAMES.values():
                rule = rules.INS_TYPED_NH
            elif authority.universal_id in INS_OIDS:
                self._found.billing_at = self._found.billing_at or self._at(rep, 5)
        if rule is not None:
            self._say(rule, rep, 5)


def _is_too_long(part: str) -> bool:
    return len(part) > MAX_IDENTIFIER_LENGTH or len(part.encode()) > MAX_IDENTIFIER_BYTES
