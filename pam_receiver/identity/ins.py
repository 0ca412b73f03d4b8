"""Which INS of a message is admitted, and what happens to the one held when it is replaced or ends."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from pam_receiver.finding import Finding, Location
from pam_receiver.identity import rules
from pam_receiver.identity.identifiers import INS as INS_TYPE
from pam_receiver.identity.identifiers import (
    Ins,
    InsNature,
    PatientIdentifier,
    has_right_key,
    is_well_formed,
    lacks_key,
)
from pam_receiver.identity.model import EndedIns, EndReason, Identity, Interval, Policy, SentIns
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.identity.traits import Disagreement, StrictTraits, find_disagreements
from pam_receiver.values import value

_PREFERENCE: Final = (  # IHE PAM FR 2.11.2 §4.4.1: of NIR and NIA, the NIR
    "1.2.250.1.213.1.4.8",
    "1.2.250.1.213.1.4.10",
    "1.2.250.1.213.1.4.11",
    "1.2.250.1.213.1.4.9",
)

_DISAGREEMENTS: Final[dict[Disagreement, tuple[str, str]]] = {
    "sex": ("le sexe", "sex"),
    "date": ("la date de naissance", "birth date"),
    "place": ("le lieu de naissance", "birth place"),
}


@value(frozen=True, slots=True)
class Admitted:
    """The INS that a message names, if it can be taken at all; ``superseded``: the NIA that stands beside a NIR."""

    ins: Ins | None = None
    at: Location | None = None
    superseded: tuple[Ins, ...] = ()
    findings: tuple[Finding, ...] = ()


def admit_ins(sent: Iterable[SentIns], policy: Policy, *, held: Ins | None) -> Admitted:
    """Choose the INS of a message: well formed, of this environment, the NIR before the NIA.

    Of several of one nature none is taken, save the one already ``held``.

    Spec: IHE PAM FR 2.11.2 §4.4.1, §6.6.1; IHE France, Constraints on HL7 data types 1.8.2 §N.1.
    """
    findings: list[Finding] = []
    usable: dict[Ins, Location] = {}
    for each in sent:
        if not each.matricule:
            continue
        ins = Ins(each.matricule, each.oid)
        if not is_well_formed(ins.matricule):
            rule = rules.INS_WITHOUT_KEY if lacks_key(ins.matricule) else rules.INS_ILL_FORMED
            findings.append(rule.at(each.at))
        elif not policy.takes_test_ins and not ins.is_production:
            findings.append(rules.TEST_INS_LEFT_OUT.at(each.at))
        else:
            usable.setdefault(ins, each.at)
    if len(usable) == 1:
        [(ins, at)] = usable.items()
        return Admitted(ins, at, (), tuple(findings))
    if not usable:
        return Admitted(findings=tuple(findings))
    best = min(_PREFERENCE.index(ins.oid) for ins in usable)
    first, *others = [ins for ins in usable if _PREFERENCE.index(ins.oid) == best]
    if others:
        findings.append(rules.SEVERAL_INS.at(usable[others[0]]))
        if held not in usable:
            return Admitted(findings=tuple(findings))
        first = held
    superseded = tuple(ins for ins in usable if ins.nature is InsNature.NIA and ins != first)
    if superseded:
        findings.append(rules.NIA_AND_NIR.at(usable[superseded[0]]))
    return Admitted(first, usable[first], superseded, tuple(findings))


def check_ins(ins: Ins, traits: StrictTraits, at: Location | None) -> tuple[Finding, ...]:
    """Check the key of an INS that is taken, and whether it agrees with the traits. Warnings only.

    Official samples have wrong keys, and a changed civil status breaks any agreement.

    Spec: IHE PAM FR 2.11.2 §6.6.1.
    """
    findings = [] if has_right_key(ins.matricule) else [rules.INS_KEY_WRONG.at(at)]
    parts = find_disagreements(ins, traits)
    if parts:
        findings.append(_say_disagreement(parts, at))
    return tuple(findings)


@lru_cache(maxsize=256)
def _say_disagreement(parts: tuple[Disagreement, ...], at: Location | None) -> Finding:
    french, english = (", ".join([_DISAGREEMENTS[part][lang] for part in parts]) for lang in (0, 1))
    return rules.INS_DISAGREES.at(at, what_fr=french, what_en=english)


def is_outdated(ins: Ins, identity: Identity, dated: Interval | None) -> bool:
    """Whether ``ins`` was taken from ``identity`` after what a message tells happened: it must not come back.

    A message that is not dated, or not precisely enough to be surely older, is not outdated.
    """
    if dated is None or not identity.ended_ins:
        return False
    return any(each.ins.matricule == ins.matricule and dated.latest < each.at for each in identity.ended_ins)


def replace_ins(identity: Identity, ins: Ins, superseded: Sequence[Ins] = ()) -> Identity:
    """Return ``identity`` qualified by ``ins``; the one it held, and ``superseded``, stay as former identifiers."""
    is_held = identity.ins == ins and identity.status is IdentityStatus.QUALIFIEE
    if is_held and not superseded and not any(_is_ins(each, ins) for each in identity.identifiers):
        return identity
    former = [identity.ins] if identity.ins is not None else []
    former += superseded
    others = [each for each in identity.identifiers if not _is_ins(each, ins)]
    for each in former:
        if each != ins and not any(_is_ins(held, each) for held in others):
            others.append(each.as_former())
    return replace(identity, ins=ins, identifiers=tuple(others), status=IdentityStatus.QUALIFIEE)


def end_ins(identity: Identity, reason: EndReason, at: datetime) -> Identity:
    """Return ``identity`` without any INS, in force or former: they are history now, which no look-up finds.

    Spec: IHE PAM FR 2.11.2 §4.4.3 (all INS go, NIR and NIA); DMN INS 34 (no matricule outside *qualifiée*).
    """
    formers = [Ins(each.value, each.authority.universal_id) for each in identity.former_ins]
    gone = ([identity.ins] if identity.ins is not None else []) + formers
    if not gone:
        return identity
    return replace(
        identity,
        ins=None,
        identifiers=tuple(each for each in identity.identifiers if each.type != INS_TYPE),
        ended_ins=identity.ended_ins + tuple(EndedIns(ins, at, reason) for ins in gone),
    )


def _is_ins(identifier: PatientIdentifier, ins: Ins) -> bool:
    return (
        identifier.type == INS_TYPE
        and identifier.value == ins.matricule
        and identifier.authority.universal_id == ins.oid
    )
