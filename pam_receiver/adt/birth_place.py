"""The birth place of PID-11, and the ways in which senders miss it."""

from collections.abc import Sequence
from typing import Final

from pam_receiver.adt import rules
from pam_receiver.adt.identifiers import ERASED, said
from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.finding import Finding, Location, Severity
from pam_receiver.hl7.datatypes import XAD_COMPONENTS
from pam_receiver.hl7.er7 import NULL, Repetition, Segment
from pam_receiver.identity.birth_place import PlaceStanding, find_place
from pam_receiver.values import value

_CODE: Final = 9  # IHE France, Constraints on HL7 data types 1.8.2 §N.6: XAD-9 holds the COG
_ODD_PLACES: Final = (4, 8)  # where senders write it instead (case 204)
_COUNTRY: Final = "99"  # how the COG of a country begins; no postal code does
_LISTED: Final = frozenset({PlaceStanding.CURRENT, PlaceStanding.FORMER})


@value(frozen=True, slots=True)
class BirthPlace:
    """The COG that a PID says (``None``: nothing, ``""``: erase), where it stands or should have, what is odd there."""

    code: str | None
    at: Location
    findings: tuple[Finding, ...] = ()


def read_birth_place(pid: Segment, asked: ReadingRules, *, has_ins: bool) -> BirthPlace:
    """Read the COG of the address of type BDL: XAD-9; of several, the first that holds one.

    That a BDL has no code at all is not said beside an INS: there the identity asks for the code.

    Spec: IHE PAM FR 2.11.2 §6.6.6; IHE France, Constraints on HL7 data types 1.8.2 §N.6.
    """
    if pid.raw(11) == NULL:
        return BirthPlace(ERASED, pid.location(11))
    findings: list[Finding] = []
    places: list[Repetition] = []
    residence = 0
    reps = pid.repetitions(11)
    for rep in reps:
        if len(rep.components) > XAD_COMPONENTS:
            at = pid.location(11, rep.number if len(reps) > 1 else None)
            findings.append(rules.REPETITIONS_GLUED.at(at, most=XAD_COMPONENTS))
        type_ = (rep.component(7) or "").strip()
        if type_ == "BDL":
            places.append(rep)
        elif type_ == "BR":
            residence = residence or rep.number
    if not places:
        if residence:
            findings.append(rules.BIRTH_PLACE_TYPED_BR.at(pid.location(11, residence, 7)))
        return BirthPlace(None, pid.location(11), tuple(findings))
    for rep in places:
        if code := said(rep.component(_CODE)):
            _judge(findings, pid, rep, code)
            return BirthPlace(code, pid.location(11, rep.number, _CODE), tuple(findings))
    return _read_without_code(pid, places, asked, findings, has_ins=has_ins)


def _judge(findings: list[Finding], pid: Segment, rep: Repetition, code: str | None) -> None:
    """A code that is also the postal code (54 communes alone have one code for both), a country that is a number."""
    if code and rep.component(5) == code and not code.startswith(_COUNTRY):
        severity = Severity.W if _is_postal_code(rep, code) else Severity.I
        findings.append(rules.BIRTH_PLACE_IS_ZIP.at(pid.location(11, rep.number, _CODE)).graded(severity))
    country = rep.component(6)
    if country and country.isdecimal():
        findings.append(rules.COUNTRY_BY_NUMBER.at(pid.location(11, rep.number, 6)))


def _read_without_code(
    pid: Segment, places: Sequence[Repetition], asked: ReadingRules, findings: list[Finding], *, has_ins: bool
) -> BirthPlace:
    first = places[0]
    at = pid.location(11, first.number, _CODE)
    _judge(findings, pid, first, None)
    if said(first.component(_CODE)) == ERASED:
        return BirthPlace(ERASED, at, tuple(findings))
    for rep in places:
        for number in asked.birth_place_components:
            code = _cog_at(rep, number)
            if code and not _is_postal_code(rep, code):
                mapped = pid.location(11, rep.number, number)
                findings.append(rules.BIRTH_PLACE_MAPPED.at(mapped, place=f"XAD-{number}"))
                return BirthPlace(code, mapped, tuple(findings))
    why = _why_no_code(first, at)
    if not has_ins or why.rule != rules.BIRTH_PLACE_WITHOUT_CODE.id:
        findings.append(why)
    return BirthPlace(None, at, tuple(findings))


def _is_postal_code(rep: Repetition, code: str) -> bool:
    """Whether a code is the postal code of its address and stands in no list of birth places."""
    is_same = rep.component(5) == code and not code.startswith(_COUNTRY)
    return is_same and find_place(code).standing not in _LISTED


def _why_no_code(rep: Repetition, at: Location) -> Finding:
    postal = said(rep.component(5)) or ""
    for number in _ODD_PLACES:
        code = _cog_at(rep, number)
        if code and code != postal:
            return rules.BIRTH_PLACE_MISPLACED.at(at, place=f"XAD-{number}")
    if postal.startswith(_COUNTRY) and _cog_at(rep, 5):
        return rules.BIRTH_PLACE_MISPLACED.at(at, place="XAD-5")
    if len(postal) == 5 and postal.isascii() and postal.isdecimal():
        return rules.ZIP_FOR_BIRTH_PLACE.at(at)
    return rules.BIRTH_PLACE_WITHOUT_CODE.at(at)


def _cog_at(rep: Repetition, number: int) -> str:
    """What stands in a component when it has the form of a COG, else nothing."""
    code = said(rep.component(number))
    return code if code and find_place(code).standing is not PlaceStanding.UNKNOWN else ""
