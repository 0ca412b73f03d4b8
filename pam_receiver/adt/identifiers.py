"""The identifiers of PID-3 and MRG-1: those of the patient, the INS, and what a sender got wrong in them."""

from functools import lru_cache
from typing import Final

from pam_receiver.adt import rules
from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.finding import Finding, Location, Rule
from pam_receiver.hl7.datatypes import CX_COMPONENTS
from pam_receiver.hl7.er7 import NULL, Repetition, Segment
from pam_receiver.hl7.separators import STANDARD
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


def read_identifiers(segment: Segment, number: int, asked: ReadingRules) -> "Identifiers":
    """Read the CX repetitions of PID-3 or MRG-1. An INS is one by its type and its OID, never by a name.

    Spec: IHE PAM FR 2.11.2 §6.6.1; IHE France, Constraints on HL7 data types 1.8.2 §N.1.
    """
    found = Identifiers(segment, number, asked)
    found.read()
    return found


class Identifiers:
    """The identifiers of one field: those of the patient, the INS, and what is to be said of them.

    ``has_ins``: one of ``ins`` has a matricule, and does not erase. ``billing_at``: CX-5 of the first NH under the OID
    of an INS.
    """

    __slots__ = (
        "_asked",
        "_keys",
        "_number",
        "_reps",
        "_segment",
        "billing_at",
        "erased",
        "findings",
        "has_ins",
        "identifiers",
        "ins",
    )

    def __init__(self, segment: Segment, number: int, asked: ReadingRules) -> None:
        self.identifiers: list[SentIdentifier] = []
        self.ins: list[SentIns] = []
        self.erased: list[tuple[str, AssigningAuthority]] = []
        self.findings: list[Finding] = []
        self.has_ins = False
        self.billing_at: Location | None = None
        self._keys: set[tuple[str, str, str]] = set()  # of ``identifiers``
        self._segment = segment
        self._number = number
        self._asked = asked
        self._reps = segment.repetitions(number)

    def read(self) -> None:
        for rep in self._reps:
            if not rep.raw.strip():
                continue
            type_ = (rep.component(5) or "").strip()
            if type_ == INS:
                self._read_ins(rep)
            else:
                self._read_identifier(type_, rep)
            if len(rep.components) > 6:
                self._judge_length(type_, rep)

    def _at(self, rep: Repetition, component: int | None = None, subcomponent: int | None = None) -> Location:
        return self._segment.location(self._number, rep.number, component, subcomponent)

    def _say(self, rule: Rule, rep: Repetition, component: int, subcomponent: int | None = None) -> None:
        self.findings.append(rule.at(self._at(rep, component, subcomponent)))

    def _judge_length(self, type_: str, rep: Repetition) -> None:
        """What stands behind CX-6: dates, which an INS has not, and a second identifier that lost its ``~``."""
        if len(rep.components) > CX_COMPONENTS:
            at = self._segment.location(self._number, rep.number if len(self._reps) > 1 else None)
            self.findings.append(rules.REPETITIONS_GLUED.at(at, most=CX_COMPONENTS))
        elif type_ == INS:
            for number in (7, 8):
                if said(rep.component(number)):
                    finding = rules.INS_WITH_DATES.at(self._at(rep, number), number=number)
                    self.findings.append(finding)

    def _read_ins(self, rep: Repetition) -> None:
        matricule, authority = said(rep.component(1)), _read_authority(rep)
        oid = authority.universal_id
        if oid not in INS_OIDS:
            self._say(rules.INS_WITHOUT_OID, rep, 4, 2)
            return
        if matricule is None:
            self._say(rules.IDENTIFIER_WITHOUT_VALUE, rep, 1)
            return
        self.has_ins = self.has_ins or matricule != ERASED
        self.ins.append(SentIns(matricule, oid, self._at(rep, 1)))
        name, expected = authority.namespace_id, _INS_NAMES[oid]
        if name != expected and name in _NATIONAL_NAMES:
            self.findings.append(rules.INS_NAME_DISAGREES.at(self._at(rep, 4, 1), expected=expected))

    def _read_identifier(self, sent_type: str, rep: Repetition) -> None:
        value = said(rep.component(1))
        type_ = sent_type or PI
        if value is None or (value == ERASED and type_ == PI):
            self._say(rules.IDENTIFIER_WITHOUT_VALUE, rep, 1)
            return
        authority = _read_authority(rep)
        if not (authority.universal_id or authority.namespace_id):
            default = self._asked.default_authority
            self._say(rules.IDENTIFIER_WITHOUT_AUTHORITY if default is None else rules.AUTHORITY_ASSUMED, rep, 4)
            if default is None:
                return
            authority = default
        if not self._is_usable(type_, authority, rep):
            return
        if value == ERASED:
            self.erased.append((type_, authority))
            return
        if len(rep.raw) > _SURELY_SHORT or authority is self._asked.default_authority:
            parts = (value, type_, authority.namespace_id, authority.universal_id, authority.universal_id_type)
            if any(map(_is_too_long, parts)):
                limits = {"characters": MAX_IDENTIFIER_LENGTH, "octets": MAX_IDENTIFIER_BYTES}
                self.findings.append(rules.IDENTIFIER_TOO_LONG.at(self._at(rep), **limits))
                return
        if not sent_type:
            self._say(rules.IDENTIFIER_WITHOUT_TYPE, rep, 5)
        made = PatientIdentifier(value, type_, authority)
        key = made.key
        if key not in self._keys:
            self._keys.add(key)
            self.identifiers.append(SentIdentifier(made, self._at(rep, 1)))

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
                self.billing_at = self.billing_at or self._at(rep, 5)
        if rule is not None:
            self._say(rule, rep, 5)


def _read_authority(rep: Repetition) -> AssigningAuthority:
    """Read CX-4. Those of a feed are few: the short ones are remembered."""
    if rep.separators is STANDARD and len(rep.raw) <= _SURELY_SHORT and "\\" not in rep.raw:
        return _read_plain_authority(rep.components[3] if len(rep.components) > 3 else "")
    return _make_authority(rep.subcomponents(4))


@lru_cache(maxsize=1024)
def _read_plain_authority(component: str) -> AssigningAuthority:
    return _make_authority(component.split("&"))


def _make_authority(parts: list[str]) -> AssigningAuthority:
    return AssigningAuthority(*[part.strip() for part in parts[:3]])


def _is_too_long(part: str) -> bool:
    return len(part) > MAX_IDENTIFIER_LENGTH or len(part.encode()) > MAX_IDENTIFIER_BYTES
