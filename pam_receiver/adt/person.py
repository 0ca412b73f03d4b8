"""PID, and what ZFD says of it, as words of identity; what senders often get wrong there has rules of its own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pam_receiver.adt import rules
from pam_receiver.adt.birth_place import read_birth_place
from pam_receiver.adt.identifiers import ERASED, Identifiers, read_identifiers, said
from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.finding import Finding, Location
from pam_receiver.hl7.datatypes import XPN_COMPONENTS, parse_ts, read_xpn
from pam_receiver.hl7.er7 import NULL, Message, Repetition, Segment
from pam_receiver.hl7.header import Header
from pam_receiver.identity.identifiers import looks_like_nir
from pam_receiver.identity.model import Person
from pam_receiver.identity.status import Declared, Reliability, read_reliability
from pam_receiver.identity.traits import StrictTraits, Trait, is_head_of

_NAMES: Final = (Trait.BIRTH_FAMILY_NAME, Trait.FIRST_BIRTH_GIVEN_NAME, Trait.BIRTH_GIVEN_NAMES)
_NAME_TYPES: Final = frozenset("LDSU")  # Constraints on HL7 data types 1.8.2 §N.10: those of France
_FORBIDDEN_NAME_TYPES: Final = frozenset("ABCINPRT")  # the same, beside M
_SEXES: Final = frozenset({"M", "F", "U", ERASED, None})  # IHE PAM FR 2.11.2 §6.6.5
_NEVER_SENT: Final = frozenset({"RECUP", "QUAL"})  # statuses of the RNIV that table 0445 does not have
_ZEROS: Final = re.compile(r"\d{4}(?:00|\d\d00)")


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
    message: Message, header: Header, pid: Segment, asked: ReadingRules, *, has_zfd: bool = True
) -> tuple[Person, tuple[Finding, ...]]:
    """Read one PID (and the ZFD of the message) into what it says of a person.

    Spec: IHE PAM FR 2.11.2 §6.6.1, §6.6.2, §6.6.4, §6.6.5, §6.6.6, §6.6.15, §6.18.4, §6.18.5.
    """
    found = read_identifiers(pid, 3, asked)
    has_ins = any(each.matricule for each in found.ins)
    traits = _Traits()
    used = _read_names(traits, pid, header, has_ins=has_ins)
    _read_birth_date(traits, pid)
    _read_sex(traits, pid, header, has_ins=has_ins)
    place = read_birth_place(pid, asked, has_ins=has_ins)
    traits.set(Trait.BIRTH_PLACE_CODE, place.code, place.at)
    reliability, status_findings = _read_reliability(pid)
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
    _look_for_nir(found, pid, reliability)
    return person, (*found.findings, *traits.findings, *place.findings, *status_findings)


def _look_for_nir(found: Identifiers, pid: Segment, reliability: Reliability) -> None:
    """Say what is no INS, though it is a NIR: the one of the health insurance, and what stands in PID-19.

    Spec: IHE PAM FR 2.11.2 §6.6.1, §6.6.10.
    """
    if found.billing_at is not None and not found.ins and reliability.declared is Declared.VALI:
        found.findings.append(rules.BILLING_NIR.at(found.billing_at))
    if pid.raw(19) and looks_like_nir(pid.value(19) or ""):
        found.findings.append(rules.NIR_IN_PID_19.at(pid.location(19)))


# ---------------------------------------------------------------------------------------------------------- names


def _read_names(traits: _Traits, pid: Segment, header: Header, *, has_ins: bool) -> tuple[str | None, str | None]:
    """Read the birth names into ``traits``; return the used family name and the used given name.

    Spec: IHE PAM FR 2.11.2 §6.6.2; IHE France, Constraints on HL7 data types 1.8.2 §N.10.
    """
    at = pid.location(5)
    if pid.raw(5) == NULL:
        for trait in _NAMES:
            traits.set(trait, ERASED, at)
        return ERASED, ERASED
    by_type: dict[str, Repetition] = {}
    reps = pid.repetitions(5)
    for rep in reps:
        if rep.raw.strip():
            by_type.setdefault((rep.component(7) or "").strip(), rep)
            if rep.component_count > XPN_COMPONENTS:
                at_rep = pid.location(5, rep.number if len(reps) > 1 else None)
                traits.findings.append(rules.REPETITIONS_GLUED.at(at_rep, most=XPN_COMPONENTS))
    birth = by_type.get("L")
    if birth is None and not has_ins and "" in by_type and by_type[""].number == 1:
        birth = by_type[""]
    if "" in by_type and (shifted := _find_shifted(reps)):
        traits.findings += [rules.NAME_SHIFTED.at(pid.location(5, rep.number, 7)) for rep in shifted]
        by_type = {type_: rep for type_, rep in by_type.items() if rep not in shifted}
    if not by_type.keys() <= _NAME_TYPES:
        _judge_name_types(traits, pid, by_type, is_french=has_ins or header.is_french, is_taken=birth is not None)
    if birth is None:
        for trait in _NAMES:
            traits.places[trait] = at
        _look_in_pid_6(traits, pid)
    else:
        _read_birth_names(traits, pid, birth, header, has_ins=has_ins)
    used = by_type.get("D")
    return (said(used.component(1)), said(used.component(2))) if used is not None else (None, None)


def _find_shifted(reps: Sequence[Repetition]) -> list[Repetition]:
    """The names whose type stands one place too far, in XPN-8; of each type the first, as where it is in its place."""
    found: dict[str, Repetition] = {}
    for rep in reps:
        type_ = (rep.component(8) or "").strip()
        if type_ in _NAME_TYPES and not (rep.component(7) or "").strip():
            found.setdefault(type_, rep)
    return list(found.values())


def _judge_name_types(
    traits: _Traits, pid: Segment, by_type: Mapping[str, Repetition], *, is_french: bool, is_taken: bool
) -> None:
    """Say what is odd in XPN-7, beside the types of France. ``is_taken``: a birth name was found all the same."""
    lacks_birth_name = "L" not in by_type
    for type_, rep in by_type.items():
        at = pid.location(5, rep.number, 7)
        if type_ == "" and lacks_birth_name and is_taken:
            traits.findings.append(rules.NAME_WITHOUT_TYPE.at(at))
        elif type_ == "M" and is_french:
            traits.findings.append(rules.NAME_TYPED_MAIDEN.at(at))
        elif type_ in _FORBIDDEN_NAME_TYPES and lacks_birth_name and is_french:
            traits.findings.append(rules.NAME_TYPE_FORBIDDEN.at(at))


def _look_in_pid_6(traits: _Traits, pid: Segment) -> None:
    """PID-6 is the mother's; one that is typed as a birth name, when PID-5 has none, may be the patient's own."""
    for rep in pid.repetitions(6):
        if (rep.component(7) or "").strip() in ("L", "M"):
            traits.findings.append(rules.BIRTH_NAME_IN_PID_6.at(pid.location(6, rep.number, 7)))
            return


def _read_birth_names(traits: _Traits, pid: Segment, rep: Repetition, header: Header, *, has_ins: bool) -> None:
    xpn = read_xpn(rep)
    first, further = said(xpn.given), said(xpn.further_given)
    if first and further and not has_ins and is_up_to_2_9(header) and not is_head_of(first, further):
        further = " ".join([first, *further.replace(",", " ").split()])
        traits.findings.append(rules.GIVEN_NAMES_JOINED.at(pid.location(5, rep.number, 3)))
    elif further and "," in further and (has_ins or (header.is_french and not is_up_to_2_9(header))):
        traits.findings.append(rules.GIVEN_NAMES_WITH_COMMAS.at(pid.location(5, rep.number, 3)))
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


# ----------------------------------------------------------------------------------------------- date, sex, status


def _read_birth_date(traits: _Traits, pid: Segment) -> None:
    """Read PID-7 to the day at most; a hospital may send the hour of a birth."""
    at, value = pid.location(7), said(pid.value(7))
    if value:
        stamp = parse_ts(value)
        if stamp is None:
            rule = rules.BIRTH_DATE_WITH_ZEROS if _ZEROS.match(value) else rules.BIRTH_DATE_ILL_FORMED
            traits.findings.append(rule.at(at))
        value = stamp.date_text if stamp is not None else None
    traits.set(Trait.BIRTH_DATE, value, at)


def _read_sex(traits: _Traits, pid: Segment, header: Header, *, has_ins: bool) -> None:
    """Read PID-8. O was taken out in 2.11 (and never came from INSi), and I is the word of the RNIV, not of HL7.

    Spec: IHE PAM FR 2.11.2 §6.6.5, §8.5.12.
    """
    at, sex = pid.location(8), said(pid.value(8))
    traits.set(Trait.SEX, sex, at)
    if sex not in _SEXES:
        if sex == "O" and has_ins:
            traits.findings.append(rules.SEX_OTHER.at(at))
        elif sex == "I" and (has_ins or header.is_french):
            traits.findings.append(rules.SEX_BY_RNIV.at(at))


def _read_reliability(pid: Segment) -> tuple[Reliability, tuple[Finding, ...]]:
    reps = pid.repetitions(32)
    codes = [text for rep in reps if (text := said(rep.component(1)))]
    reliability, findings = read_reliability(codes, pid.location(32))
    if _NEVER_SENT.isdisjoint(codes):
        return reliability, findings
    wrong = next(rep.number for rep in reps if said(rep.component(1)) in _NEVER_SENT)
    at = pid.location(32, wrong if len(reps) > 1 else None)
    return reliability, (*findings, rules.STATUS_NEVER_SENT.at(at))
