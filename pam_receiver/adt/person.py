"""PID, and what ZFD says of it, as words of identity; what senders often get wrong there has rules of its own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pam_receiver.adt import rules
from pam_receiver.adt.birth_place import read_birth_place
from pam_receiver.adt.identifiers import ERASED, Identifiers, read_identifiers, said
from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.finding import Finding, Location
from pam_receiver.hl7.datatypes import XPN_COMPONENTS, read_date
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
_CODE_LENGTH: Final = 4  # of table 0445
_ZEROS: Final = re.compile(r"\d{4}(?:00|\d\d00)")


@dataclass(slots=True)
class _Names:
    """What PID-5 says; ``birth``: the number of the repetition with the birth names, ``None`` when there is none."""

    family: str | None = None
    first: str | None = None
    given: str | None = None
    birth: int | None = None
    used_family: str | None = None
    used_given: str | None = None


def read_person(
    message: Message, header: Header, pid: Segment, asked: ReadingRules, *, has_zfd: bool = True
) -> tuple[Person, tuple[Finding, ...]]:
    """Read one PID (and the ZFD of the message) into what it says of a person.

    Spec: IHE PAM FR 2.11.2 §6.6.1, §6.6.2, §6.6.4, §6.6.5, §6.6.6, §6.6.15, §6.18.4, §6.18.5.
    """
    found = read_identifiers(pid, 3, asked)
    has_ins = found.has_ins
    findings: list[Finding] = []
    names = _read_names(findings, pid, header, has_ins=has_ins)
    birth_date = _read_birth_date(findings, pid)
    sex = _read_sex(findings, pid, header, has_ins=has_ins)
    place = read_birth_place(pid, asked, has_ins=has_ins)
    reliability, status_findings = _read_reliability(pid)
    zfd = message.segment("ZFD") if has_zfd else None
    person = Person(
        at=pid.location(3),
        identifiers=tuple(found.identifiers),
        erased=tuple(found.erased),
        ins=tuple(found.ins),
        traits=StrictTraits(names.family, names.first, names.given, birth_date, sex, place.code),
        places={**_places_in(pid.name, pid.sequence, names.birth), Trait.BIRTH_PLACE_CODE: place.at},
        used_family_name=names.used_family,
        used_given_name=names.used_given,
        reliability=reliability,
        requires_status=header.is_french or has_ins,
        birth_date_corrected=zfd is not None and zfd.value(4) == "Y",
        obtained_from_insi=zfd is not None and zfd.value(5) == "INSI",
    )
    _look_for_nir(found, pid, reliability)
    return person, (*found.findings, *findings, *place.findings, *status_findings)


@lru_cache(maxsize=256)  # the same few in all messages
def _places_in(segment: str, sequence: int, birth: int | None) -> dict[Trait, Location]:
    """Where the traits stand, or should have stood, beside the birth place; not to be changed."""
    names = {trait: n if birth else None for n, trait in enumerate(_NAMES, 1)}
    places = {trait: Location(segment, sequence, 5, birth, component) for trait, component in names.items()}
    return {
        **places,
        Trait.BIRTH_DATE: Location(segment, sequence, 7),
        Trait.SEX: Location(segment, sequence, 8),
    }


def _look_for_nir(found: Identifiers, pid: Segment, reliability: Reliability) -> None:
    """Say what is no INS, though it is a NIR: the one of the health insurance, and what stands in PID-19.

    Spec: IHE PAM FR 2.11.2 §6.6.1, §6.6.10.
    """
    if found.billing_at is not None and not found.ins and reliability.declared is Declared.VALI:
        found.findings.append(rules.BILLING_NIR.at(found.billing_at))
    if pid.raw(19) and looks_like_nir(pid.value(19) or ""):
        found.findings.append(rules.NIR_IN_PID_19.at(pid.location(19)))


# ---------------------------------------------------------------------------------------------------------- names


def _read_names(findings: list[Finding], pid: Segment, header: Header, *, has_ins: bool) -> _Names:
    """Read the birth names, the used family name and the used given name.

    Spec: IHE PAM FR 2.11.2 §6.6.2; IHE France, Constraints on HL7 data types 1.8.2 §N.10.
    """
    if pid.raw(5) == NULL:
        return _Names(ERASED, ERASED, ERASED, None, ERASED, ERASED)
    by_type: dict[str, Repetition] = {}
    reps = pid.repetitions(5)
    for rep in reps:
        if rep.raw.strip():
            by_type.setdefault((rep.component(7) or "").strip(), rep)
            if len(rep.components) > XPN_COMPONENTS:
                at_rep = pid.location(5, rep.number if len(reps) > 1 else None)
                findings.append(rules.REPETITIONS_GLUED.at(at_rep, most=XPN_COMPONENTS))
    birth = by_type.get("L")
    if birth is None and not has_ins and "" in by_type and by_type[""].number == 1:
        birth = by_type[""]
    if "" in by_type and (shifted := _find_shifted(reps)):
        findings += [rules.NAME_SHIFTED.at(pid.location(5, rep.number, 7)) for rep in shifted]
        by_type = {type_: rep for type_, rep in by_type.items() if rep not in shifted}
    if not by_type.keys() <= _NAME_TYPES:
        _judge_name_types(findings, pid, by_type, is_french=has_ins or header.is_french, is_taken=birth is not None)
    names = _Names()
    if birth is None:
        _look_in_pid_6(findings, pid)
    else:
        _read_birth_names(names, findings, pid, birth, header, has_ins=has_ins)
    used = by_type.get("D")
    if used is not None:
        names.used_family, names.used_given = said(used.component(1)), said(used.component(2))
    return names


def _find_shifted(reps: Sequence[Repetition]) -> list[Repetition]:
    """The names whose type stands one place too far, in XPN-8; of each type the first, as where it is in its place."""
    found: dict[str, Repetition] = {}
    for rep in reps:
        type_ = (rep.component(8) or "").strip()
        if type_ in _NAME_TYPES and not (rep.component(7) or "").strip():
            found.setdefault(type_, rep)
    return list(found.values())


def _judge_name_types(
    findings: list[Finding], pid: Segment, by_type: Mapping[str, Repetition], *, is_french: bool, is_taken: bool
) -> None:
    """Say what is odd in XPN-7, beside the types of France. ``is_taken``: a birth name was found all the same."""
    lacks_birth_name = "L" not in by_type
    for type_, rep in by_type.items():
        at = pid.location(5, rep.number, 7)
        if type_ == "" and lacks_birth_name and is_taken:
            findings.append(rules.NAME_WITHOUT_TYPE.at(at))
        elif type_ == "M" and is_french:
            findings.append(rules.NAME_TYPED_MAIDEN.at(at))
        elif type_ in _FORBIDDEN_NAME_TYPES and lacks_birth_name and is_french:
            findings.append(rules.NAME_TYPE_FORBIDDEN.at(at))


def _look_in_pid_6(findings: list[Finding], pid: Segment) -> None:
    """PID-6 is the mother's; one that is typed as a birth name, when PID-5 has none, may be the patient's own."""
    for rep in pid.repetitions(6):
        if (rep.component(7) or "").strip() in ("L", "M"):
            findings.append(rules.BIRTH_NAME_IN_PID_6.at(pid.location(6, rep.number, 7)))
            return


def _read_birth_names(
    names: _Names, findings: list[Finding], pid: Segment, rep: Repetition, header: Header, *, has_ins: bool
) -> None:
    first, further = said(rep.component(2)), said(rep.component(3))
    if first and further and not has_ins and is_up_to_2_9(header) and not is_head_of(first, further):
        further = " ".join([first, *further.replace(",", " ").split()])
        findings.append(rules.GIVEN_NAMES_JOINED.at(pid.location(5, rep.number, 3)))
    elif further and "," in further and (has_ins or (header.is_french and not is_up_to_2_9(header))):
        findings.append(rules.GIVEN_NAMES_WITH_COMMAS.at(pid.location(5, rep.number, 3)))
    names.family, names.first, names.given = said(rep.component(1)), first, further
    names.birth = rep.number


def is_up_to_2_9(header: Header) -> bool:
    """Whether the message announces a PAM FR extension of 2.9 or before, when XPN-3 held the *other* given names.

    Spec: IHE PAM FR 2.11.2 §6.5, §8.5.10.
    """
    parts = header.extension_version.split(".")
    if not header.is_french or len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):
        return False
    return (int(parts[0]), int(parts[1])) <= (2, 9)


# ----------------------------------------------------------------------------------------------- date, sex, status


def _read_birth_date(findings: list[Finding], pid: Segment) -> str | None:
    """Read PID-7 to the day at most; a hospital may send the hour of a birth."""
    value = said(pid.value(7))
    if not value:
        return value
    day = read_date(value)
    if day is None:
        rule = rules.BIRTH_DATE_WITH_ZEROS if _ZEROS.match(value) else rules.BIRTH_DATE_ILL_FORMED
        findings.append(rule.at(pid.location(7)))
    return day


def _read_sex(findings: list[Finding], pid: Segment, header: Header, *, has_ins: bool) -> str | None:
    """Read PID-8. O was taken out in 2.11 (and never came from INSi), and I is the word of the RNIV, not of HL7.

    Spec: IHE PAM FR 2.11.2 §6.6.5, §8.5.12.
    """
    sex = said(pid.value(8))
    if sex not in _SEXES:
        if sex == "O" and has_ins:
            findings.append(rules.SEX_OTHER.at(pid.location(8)))
        elif sex == "I" and (has_ins or header.is_french):
            findings.append(rules.SEX_BY_RNIV.at(pid.location(8)))
    return sex


def _read_reliability(pid: Segment) -> tuple[Reliability, tuple[Finding, ...]]:
    code = pid.raw(32) or ""
    if len(code) <= _CODE_LENGTH and code.isalnum() and code not in _NEVER_SENT:  # one alone, as nearly always
        return _read_one_code(code, pid.name, pid.sequence)
    reps = pid.repetitions(32)
    codes = [text for rep in reps if (text := said(rep.component(1)))]
    reliability, findings = read_reliability(codes, pid.location(32))
    if _NEVER_SENT.isdisjoint(codes):
        return reliability, findings
    wrong = next(rep.number for rep in reps if said(rep.component(1)) in _NEVER_SENT)
    at = pid.location(32, wrong if len(reps) > 1 else None)
    return reliability, (*findings, rules.STATUS_NEVER_SENT.at(at))


@lru_cache(maxsize=256)  # table 0445 has few, and what is taken for one is short
def _read_one_code(code: str, segment: str, sequence: int) -> tuple[Reliability, tuple[Finding, ...]]:
    return read_reliability([code], Location(segment, sequence, 32))
