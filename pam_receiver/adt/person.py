"""PID, and what ZFD says of it, as words of identity; the identifiers of PID-3 and MRG-1."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pam_receiver.adt import rules
from pam_receiver.finding import Finding, Location
from pam_receiver.hl7.datatypes import CX, parse_ts, read_cx, read_xpn
from pam_receiver.hl7.er7 import NULL, Message, Repetition, Segment
from pam_receiver.hl7.header import Header
from pam_receiver.identity.identifiers import (
    INS,
    INS_OIDS,
    MAX_IDENTIFIER_BYTES,
    MAX_IDENTIFIER_LENGTH,
    PI,
    AssigningAuthority,
    PatientIdentifier,
)
from pam_receiver.identity.model import Person, SentIdentifier, SentIns
from pam_receiver.identity.status import read_reliability
from pam_receiver.identity.traits import StrictTraits, Trait, is_head_of

ERASED: Final = ""
_SURELY_SHORT: Final = min(MAX_IDENTIFIER_LENGTH, MAX_IDENTIFIER_BYTES // 4)  # a character has at most 4 bytes


def said(value: str | None) -> str | None:
    """Return what a component says: ``None`` nothing (absent or empty), ``""`` erase, else the text.

    Spec: HL7 v2.5 §2.5.3.
    """
    if value is None:
        return None
    text = value.strip()
    return ERASED if text == NULL else text or None


# ---------------------------------------------------------------------------------------------------- identifiers


@dataclass(slots=True)
class Identifiers:
    """The identifiers of one field: those of the patient, the INS, and what is to be said of them."""

    identifiers: list[SentIdentifier] = field(default_factory=list)
    ins: list[SentIns] = field(default_factory=list)
    erased: list[tuple[str, AssigningAuthority]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    keys: set[tuple[str, str, str]] = field(default_factory=set)  # of ``identifiers``


def read_identifiers(segment: Segment, number: int, default_authority: AssigningAuthority | None) -> Identifiers:
    """Read the CX repetitions of PID-3 or MRG-1. An INS is one by its type and its OID, never by a name.

    Spec: IHE PAM FR 2.11.2 §6.6.1; IHE France, Constraints on HL7 data types 1.8.2 §N.1.
    """
    read = Identifiers()
    for rep in segment.repetitions(number):
        if not rep.raw.strip():
            continue
        cx = read_cx(rep)
        if cx.identifier_type.strip() == INS:
            _read_ins(read, cx, segment.location(number, rep.number))
        else:
            _read_identifier(read, cx, segment.location(number, rep.number), default_authority)
    return read


@lru_cache(maxsize=1024)  # each message of a feed names the same places
def _part(at: Location, component: int, subcomponent: int | None = None) -> Location:
    return Location(at.segment, at.sequence, at.field, at.repetition, component, subcomponent)


def _is_too_long(part: str) -> bool:
    return len(part) > MAX_IDENTIFIER_LENGTH or len(part.encode()) > MAX_IDENTIFIER_BYTES


def _read_ins(read: Identifiers, cx: CX, at: Location) -> None:
    matricule, oid = said(cx.id), cx.assigning_authority.universal_id.strip()
    if oid not in INS_OIDS:
        read.findings.append(rules.INS_WITHOUT_OID.at(_part(at, 4, 2)))
    elif matricule is None:
        read.findings.append(rules.IDENTIFIER_WITHOUT_VALUE.at(_part(at, 1)))
    else:
        read.ins.append(SentIns(matricule, oid, _part(at, 1)))


def _read_identifier(read: Identifiers, cx: CX, at: Location, default_authority: AssigningAuthority | None) -> None:
    value, hd = said(cx.id), cx.assigning_authority
    type_ = cx.identifier_type.strip() or PI
    authority = AssigningAuthority(hd.namespace_id.strip(), hd.universal_id.strip(), hd.universal_id_type.strip())
    if value is None or (value == ERASED and type_ == PI):
        read.findings.append(rules.IDENTIFIER_WITHOUT_VALUE.at(_part(at, 1)))
        return
    if not authority.key:
        if default_authority is None:
            read.findings.append(rules.IDENTIFIER_WITHOUT_AUTHORITY.at(_part(at, 4)))
            return
        read.findings.append(rules.AUTHORITY_ASSUMED.at(_part(at, 4)))
        authority = default_authority
    if type_ == PI and authority.universal_id in INS_OIDS:
        read.findings.append(rules.IPP_UNDER_INS_OID.at(_part(at, 5)))
        return
    if value == ERASED:
        read.erased.append((type_, authority))
        return
    parts = (value, type_, authority.namespace_id, authority.universal_id, authority.universal_id_type)
    if max(map(len, parts)) > _SURELY_SHORT and any(map(_is_too_long, parts)):
        limits = {"characters": MAX_IDENTIFIER_LENGTH, "octets": MAX_IDENTIFIER_BYTES}
        read.findings.append(rules.IDENTIFIER_TOO_LONG.at(at, **limits))
        return
    if not cx.identifier_type.strip():
        read.findings.append(rules.IDENTIFIER_WITHOUT_TYPE.at(_part(at, 5)))
    made = PatientIdentifier(value, type_, authority)
    key = made.key
    if key not in read.keys:
        read.keys.add(key)
        read.identifiers.append(SentIdentifier(made, _part(at, 1)))


# ------------------------------------------------------------------------------------------------------ the person


@dataclass(slots=True)
class _Traits:
    """What was read of PID so far."""

    values: dict[Trait, str | None] = field(default_factory=dict)
    places: dict[Trait, Location] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def set(self, trait: Trait, value: str | None, at: Location) -> None:
        self.values[trait] = value
        self.places[trait] = at


def read_person(
    message: Message,
    header: Header,
    pid: Segment,
    *,
    default_authority: AssigningAuthority | None,
    has_zfd: bool = True,
) -> tuple[Person, tuple[Finding, ...]]:
    """Read one PID (and the ZFD of the message) into what it says of a person.

    Spec: IHE PAM FR 2.11.2 §6.6.1, §6.6.2, §6.6.4, §6.6.5, §6.6.6, §6.6.15, §6.18.4, §6.18.5.
    """
    found = read_identifiers(pid, 3, default_authority)
    has_ins = any(each.matricule for each in found.ins)
    traits = _Traits()
    used = _read_names(traits, pid, header, has_ins=has_ins)
    _read_birth_date(traits, pid)
    traits.set(Trait.SEX, said(pid.value(8)), pid.location(8))
    _read_birth_place(traits, pid)
    codes = [text for rep in pid.repetitions(32) if (text := said(rep.component(1)))]
    reliability, status_findings = read_reliability(codes, pid.location(32))
    zfd = message.segment("ZFD") if has_zfd else None
    person = Person(
        at=pid.location(3),
        identifiers=tuple(found.identifiers),
        erased=tuple(found.erased),
        ins=tuple(found.ins),
        traits=StrictTraits(**traits.values),
        places=traits.places,
        used_family_name=used[0],
        used_given_name=used[1],
        reliability=reliability,
        requires_status=header.is_french or has_ins,
        birth_date_corrected=zfd is not None and zfd.value(4) == "Y",
        obtained_from_insi=zfd is not None and zfd.value(5) == "INSI",
    )
    return person, (*found.findings, *traits.findings, *status_findings)


def _read_names(traits: _Traits, pid: Segment, header: Header, *, has_ins: bool) -> tuple[str | None, str | None]:
    """Read the birth names into ``traits``; return the used family name and the used given name.

    Spec: IHE PAM FR 2.11.2 §6.6.2; IHE France, Constraints on HL7 data types 1.8.2 §N.10.
    """
    at = pid.location(5)
    if pid.raw(5) == NULL:
        for trait in (Trait.BIRTH_FAMILY_NAME, Trait.FIRST_BIRTH_GIVEN_NAME, Trait.BIRTH_GIVEN_NAMES):
            traits.set(trait, ERASED, at)
        return ERASED, ERASED
    by_type: dict[str, Repetition] = {}
    for rep in pid.repetitions(5):
        if rep.raw.strip():
            by_type.setdefault((rep.component(7) or "").strip(), rep)
    birth = by_type.get("L")
    if birth is None and not has_ins and "" in by_type and by_type[""].number == 1:
        birth = by_type[""]
        traits.findings.append(rules.NAME_WITHOUT_TYPE.at(pid.location(5, 1, 7)))
    if birth is None:
        for trait in (Trait.BIRTH_FAMILY_NAME, Trait.FIRST_BIRTH_GIVEN_NAME, Trait.BIRTH_GIVEN_NAMES):
            traits.places[trait] = at
    else:
        _read_birth_names(traits, pid, birth, header, has_ins=has_ins)
    used = by_type.get("D")
    return (said(used.component(1)), said(used.component(2))) if used is not None else (None, None)


def _read_birth_names(traits: _Traits, pid: Segment, rep: Repetition, header: Header, *, has_ins: bool) -> None:
    xpn = read_xpn(rep)
    first, further = said(xpn.given), said(xpn.further_given)
    if first and further and not has_ins and is_up_to_2_9(header) and not is_head_of(first, further):
        further = " ".join([first, *further.replace(",", " ").split()])
        traits.findings.append(rules.GIVEN_NAMES_JOINED.at(pid.location(5, rep.number, 3)))
    traits.set(Trait.BIRTH_FAMILY_NAME, said(xpn.family), pid.location(5, rep.number, 1))
    traits.set(Trait.FIRST_BIRTH_GIVEN_NAME, first, pid.location(5, rep.number, 2))
    traits.set(Trait.BIRTH_GIVEN_NAMES, further, pid.location(5, rep.number, 3))


def is_up_to_2_9(header: Header) -> bool:
    """Whether the message announces a PAM FR extension of 2.9 or before, when XPN-3 held the *other* given names.

    Spec: IHE PAM FR 2.11.2 §6.5, §8.5.10.
    """
    parts = header.extension_version.split(".")
    if not header.is_french or len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):
        return False
    return (int(parts[0]), int(parts[1])) <= (2, 9)


def _read_birth_date(traits: _Traits, pid: Segment) -> None:
    """Read PID-7 to the day at most; a hospital may send the hour of a birth."""
    at, value = pid.location(7), said(pid.value(7))
    if value:
        stamp = parse_ts(value)
        if stamp is None:
            traits.findings.append(rules.BIRTH_DATE_ILL_FORMED.at(at))
        value = stamp.date_text if stamp is not None else None
    traits.set(Trait.BIRTH_DATE, value, at)


def _read_birth_place(traits: _Traits, pid: Segment) -> None:
    """Read the COG of the address of type BDL: XAD-9; of several, the first that holds one.

    Spec: IHE PAM FR 2.11.2 §6.6.6; IHE France, Constraints on HL7 data types 1.8.2 §N.6.
    """
    if pid.raw(11) == NULL:
        traits.set(Trait.BIRTH_PLACE_CODE, ERASED, pid.location(11))
        return
    places = list(_birth_places(pid))
    for rep, code in [each for each in places if each[1]] or places:
        traits.set(Trait.BIRTH_PLACE_CODE, code, pid.location(11, rep.number, 9))
        return
    traits.set(Trait.BIRTH_PLACE_CODE, None, pid.location(11))


def _birth_places(pid: Segment) -> Iterator[tuple[Repetition, str | None]]:
    for rep in pid.repetitions(11):
        if (rep.component(7) or "").strip() == "BDL":
            yield rep, said(rep.component(9))
