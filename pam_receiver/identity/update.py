"""A28, A31 and the movements of ITI-31: the person of PID is created, or follows what the source says."""

from dataclasses import replace
from typing import Final

from pam_receiver.finding import Finding, Severity
from pam_receiver.identity import rules
from pam_receiver.identity.draft import Draft
from pam_receiver.identity.identifiers import PI, InsNature, PatientIdentifier, distinct
from pam_receiver.identity.ins import Admitted, admit_ins, check_ins, end_ins, is_outdated, replace_ins
from pam_receiver.identity.locate import locate
from pam_receiver.identity.model import Delete, EndReason, Identity, Person, Update, UpdateKind
from pam_receiver.identity.status import DEACTIVATING, DUPLICATE, Declared, IdentityStatus, deduce
from pam_receiver.identity.traits import (
    StrictTraits,
    Trait,
    check_birth_place,
    check_qualified_form,
    is_head_of,
    missing_traits,
    words_for,
)

_LEFT_OUT: Final = Admitted()
_MOVEMENTS: Final = frozenset({UpdateKind.ENCOUNTER, UpdateKind.CANCEL})
_DEMOGRAPHIC: Final = frozenset({UpdateKind.CREATE, UpdateKind.UPDATE})


def decide_update(draft: Draft, event: Update) -> None:
    """Create or update the identity that PID-3 names; a cancel never creates.

    Spec: IHE PAM FR 2.11.2 §4.1, §5.3.2; ITI TF-2 §3.30.6.2, §3.30.6.3, §3.31.7.
    """
    found = locate(draft, event.person)
    if found is None:
        return
    before = found.identity
    if before is None and event.kind is UpdateKind.CANCEL:
        draft.add(rules.CANCEL_OF_UNKNOWN.at(found.at))
        return
    if before is not None and event.kind is UpdateKind.CREATE:
        draft.add(rules.KNOWN_ON_CREATE.at(found.at))
    follow(draft, before, event.person, event.kind)


def decide_delete(draft: Draft, event: Delete) -> None:
    """Make the identity inactive and end its INS; nothing is erased. A29 is outside PAM, but real senders send it.

    Spec: HL7 v2.5 §3.3.29.
    """
    found = locate(draft, event.person)
    if found is None:
        return
    before = found.identity
    if before is None:
        draft.add(rules.DELETE_OF_UNKNOWN.at(found.at))
        return
    after = end_ins(before, EndReason.DELETED, draft.occasion.took_place_at)
    draft.alert(before, rules.DELETED.at(found.at))
    draft.put(before, replace(unqualified(after), active=False))


def unqualified(identity: Identity) -> Identity:
    """Return ``identity`` as *validée* if it was *qualifiée*: its document was checked, its INS is gone."""
    if identity.status is not IdentityStatus.QUALIFIEE:
        return identity
    return replace(identity, status=IdentityStatus.VALIDEE)


def follow(draft: Draft, before: Identity | None, person: Person, kind: UpdateKind) -> Identity:
    """Put into the draft, and return, what becomes of an identity that the source describes as ``person``.

    Spec: IHE PAM FR 2.11.2 §6.6.1, §6.6.2, §6.6.15; HL7 v2.5 §2.5.3 (empty leaves, ``""`` erases).
    """
    held = before or draft.new_identity()
    admitted = _admit(draft, held, person)
    status, taken = _judge(draft, held, person, admitted, kind)
    if taken.ins is None:
        names_ins = admitted.ins is not None or kind is UpdateKind.CHANGE
        after = _without_new_ins(draft, held, person, status, names_ins=names_ins)
    elif before is None and not taken.superseded:
        after = held  # nothing gives way to it
    else:
        after = _take_ins(draft, held, taken, kind)
    traits = held.traits.follow(_with_list(draft, held.traits, person, is_qualified=taken.ins is not None))
    identifiers = _follow_identifiers(draft, after, person)
    codes = follow_codes(held, person, kind)
    after = Identity(  # neither replace nor names: every message makes one
        held.id,
        follow_activity(draft, held, person, kind),
        held.merged_into,
        held.version,
        after.status if taken.ins is None else IdentityStatus.QUALIFIEE,
        codes,
        taken.ins or after.ins,
        traits,
        _said(person.used_family_name, held.used_family_name),
        _said(person.used_given_name, held.used_given_name),
        identifiers,
        after.ended_ins,
        held.dated_at,
    )
    if draft.is_stale(held):
        after = restrain(draft, held, after, person)
    draft.add(*check_birth_place(person.traits, person.places))
    if taken.ins is not None:
        draft.add(*check_qualified_form(person.traits, person.places))
        draft.add(*check_ins(taken.ins, after.traits, taken.at))
        if taken.ins != held.ins:
            _alert_doublon(draft, after, taken)
    draft.put(before, after)
    return after


def _said(said: str | None, held: str | None) -> str | None:
    return held if said is None else said or None


def follow_codes(held: Identity, person: Person, kind: UpdateKind) -> tuple[str, ...]:
    """Return the codes of PID-32 after a message: another order of the same says nothing new.

    None at all leaves them, save DESA and INVA, which an A28 or A31 without them ends.
    """
    said = person.reliability.codes
    if said:
        is_same = said == held.reliability_codes or set(said) == set(held.reliability_codes)
        return held.reliability_codes if is_same else said
    ended = DEACTIVATING if kind in _DEMOGRAPHIC else ()
    return tuple(code for code in held.reliability_codes if code not in ended)


def restrain(draft: Draft, held: Identity, after: Identity, person: Person) -> Identity:
    """Return what a late message may make of an identity: no status is raised by it, and nobody made active again.

    Its codes of PID-32 count only where they lower the status; else an attribute such as DOUT, which the source has set
    since, would go, and only DESA and INVA are added.
    """
    if not draft.is_stale(held):
        return after
    allowed = after
    if not after.status.is_below(held.status):
        ending = (code for code in person.reliability.codes if code in DEACTIVATING)
        codes = tuple(dict.fromkeys((*held.reliability_codes, *ending)))
        allowed = replace(allowed, status=held.status, reliability_codes=codes)
    if after.active and not held.active:
        allowed = replace(allowed, active=False)
    if allowed != after:
        draft.hold_back(held)
    return allowed


# ------------------------------------------------------------------------------------------------ INS and status


def _admit(draft: Draft, held: Identity, person: Person) -> Admitted:
    admitted = admit_ins(person.ins, draft.policy, held=held.ins)
    draft.add(*admitted.findings)
    if admitted.ins is not None and is_outdated(admitted.ins, held, draft.occasion.dated):
        draft.alert(held, rules.INS_OUTDATED.at(admitted.at))
        return _LEFT_OUT
    if draft.is_stale(held) and admitted.ins is not None:
        if admitted.ins == held.ins:
            return replace(admitted, superseded=())
        draft.hold_back(held)
        return _LEFT_OUT
    if not admitted.superseded:
        return admitted
    superseded = (each for each in admitted.superseded if not is_outdated(each, held, draft.occasion.dated))
    return replace(admitted, superseded=tuple(superseded))


def _judge(
    draft: Draft, held: Identity, person: Person, admitted: Admitted, kind: UpdateKind
) -> tuple[IdentityStatus | None, Admitted]:
    """Return the status deduced (``None``: the one held) and the INS that is taken, after PID-32, ZFD-4 and the traits.

    Spec: IHE PAM FR 2.11.2 §6.6.4, §6.6.15.
    """
    reliability, names_ins = person.reliability, admitted.ins is not None
    if reliability.declared is Declared.NONE and (person.requires_status or names_ins):
        draft.add(rules.STATUS_MISSING.at(reliability.at))
    deduction = deduce(
        reliability,
        has_ins=names_ins and not person.birth_date_corrected,
        obtained_from_insi=person.obtained_from_insi and not person.birth_date_corrected,
        deduce_recuperee=draft.policy.deduce_recuperee and kind is not UpdateKind.CHANGE,  # §4.4.4: provisoire
    )
    if not names_ins:
        return deduction.status, _LEFT_OUT
    if reliability.forces_provisoire:
        draft.add(rules.INS_OF_DOUBTFUL.at(admitted.at))
    elif reliability.declared is not Declared.VALI:
        draft.add(rules.INS_WITHOUT_VALI.at(admitted.at))
    elif person.birth_date_corrected:
        draft.add(rules.BIRTH_DATE_CORRECTED.at(admitted.at))
    elif _has_traits(draft, held, person, admitted, kind):
        return deduction.status, admitted
    else:
        return IdentityStatus.VALIDEE, _LEFT_OUT
    return deduction.status, _LEFT_OUT


def _has_traits(draft: Draft, held: Identity, person: Person, admitted: Admitted, kind: UpdateKind) -> bool:
    """Whether the five strict traits allow the INS to be taken, by the setting when some are missing.

    A movement of a qualified identity, naming the INS held, may leave out traits that are held.
    """
    missing = missing_traits(person.traits)
    if not missing:
        return True
    is_movement_of_qualified = kind in _MOVEMENTS and held.ins == admitted.ins
    lacking = []
    for trait in missing:
        if is_movement_of_qualified and person.traits.get(trait) is None and held.traits.get(trait):
            draft.add(rules.TRAIT_HELD.at(person.places.get(trait), **words_for(trait)))
        else:
            lacking.append(trait)
    choice = draft.policy.incomplete_qualified_identity
    severity = Severity.E if choice == "reject" else Severity.W
    for trait in lacking:
        draft.add(rules.TRAIT_MISSING.at(person.places.get(trait), **words_for(trait)).graded(severity))
    return not lacking or choice == "accept"


def _take_ins(draft: Draft, held: Identity, taken: Admitted, kind: UpdateKind) -> Identity:
    ins = taken.ins
    assert ins is not None
    if held.ins is not None and held.ins != ins:
        if (held.ins.nature, ins.nature) == (InsNature.NIA, InsNature.NIR):
            draft.add(rules.NIA_TO_NIR.at(taken.at))
        elif kind is not UpdateKind.CHANGE:
            draft.alert(held, rules.INS_REPLACED.at(taken.at))
    return replace_ins(held, ins, taken.superseded)


def _without_new_ins(
    draft: Draft, held: Identity, person: Person, status: IdentityStatus | None, *, names_ins: bool
) -> Identity:
    """Return the identity when the message brings no INS that can be taken: the one held stays only on firm ground."""
    if held.ins is None:
        return held if status in (None, held.status) else replace(held, status=status)
    reason = _why_ins_ends(draft, held, person, names_ins=names_ins)
    if reason is not None:
        ended = unqualified(end_ins(held, reason, draft.occasion.took_place_at))
        return replace(ended, status=status or ended.status)
    if person.reliability.declared is Declared.VALI and not names_ins:
        draft.add(rules.INS_KEPT.at(person.at))
    return held


def _why_ins_ends(draft: Draft, held: Identity, person: Person, *, names_ins: bool) -> EndReason | None:
    """Return why the INS held does not outlive this message, ``None`` when it does.

    Spec: DMN INS 33 and INS 34; IHE PAM FR 2.11.2 §4.4.3, §6.6.4.
    """
    reliability = person.reliability
    if reliability.is_provisional:
        draft.alert(held, rules.INS_INVALIDATED.at(reliability.at))
        return EndReason.NOT_QUALIFIED
    if names_ins and person.birth_date_corrected and reliability.declared is Declared.VALI:
        draft.alert(held, rules.INS_INVALIDATED.at(reliability.at))
        return EndReason.BIRTH_DATE_CORRECTED
    if person.erases_ins:
        draft.alert(held, rules.INS_ERASED.at(person.at))
        return EndReason.REMOVED
    changed = held.traits.changed_by(person.traits)
    if changed:
        at = person.places.get(changed[0])
        draft.alert(held, rules.STRICT_TRAIT_CHANGED.at(at, traits=", ".join(changed)))
        return EndReason.TRAIT_CHANGED
    return None


def _alert_doublon(draft: Draft, identity: Identity, taken: Admitted) -> None:
    assert taken.ins is not None
    holders = draft.known.find_by_matricule(taken.ins.matricule)
    if not holders:
        return
    authorities = {each.authority.key for each in identity.ipps}
    for other in holders:
        if other.id == identity.id or not other.active:
            continue
        if not authorities.isdisjoint(each.authority.key for each in other.ipps):
            draft.alert(identity, rules.DOUBLON.at(taken.at))
            return


# ------------------------------------------------------------------------------------------------------ the rest


def _with_list(draft: Draft, held: StrictTraits, person: Person, *, is_qualified: bool) -> StrictTraits:
    """Return the traits said, with the list of given names of a qualified identity never left out of step."""
    said = person.traits
    first = said.first_birth_given_name
    if not is_qualified or not first or said.birth_given_names:
        return said
    if said.birth_given_names is None and held.birth_given_names and is_head_of(first, held.birth_given_names):
        return said
    draft.add(rules.LIST_IS_FIRST_NAME.at(person.places.get(Trait.BIRTH_GIVEN_NAMES)))
    return replace(said, birth_given_names=first)


def _follow_identifiers(draft: Draft, identity: Identity, person: Person) -> tuple[PatientIdentifier, ...]:
    """Return the identifiers held and those sent. One not sent stays; ``""`` ends those of its type and authority,
    save an IPP, which changes by A47 and A40 only. An IPP belongs to one identity for ever: that of an inactive or
    absorbed one, named beside, stays there.
    """
    known, sender = draft.known, draft.occasion.sender
    after = list(identity.identifiers)
    places: dict[tuple[str, str], list[int]] = {}  # by type and value: PID-3 may repeat thousands of times
    for position, each in enumerate(after):
        places.setdefault((each.type, each.value), []).append(position)
    is_merged = False
    for sent in person.identifiers:
        said = sent.identifier
        if said.type == PI:
            holder = known.find_by_ipp(said, sender)
            if holder is not None and holder.id != identity.id:
                draft.add(rules.IPP_OF_ANOTHER.at(sent.at))
                continue
        same = places.setdefault((said.type, said.value), [])
        for index in same:
            held = after[index]
            if known.is_same(held, said, sender):
                after[index] = merged = merge_authority(held, said)
                is_merged = is_merged or merged is not held
                break
        else:
            same.append(len(after))
            after.append(known.resolve(said, sender))
    if not is_merged and not person.erased:
        return tuple(after)  # nearly always so: none has become the copy of another
    if not person.erased:
        return distinct(after)
    ended = {(type_, authority.key) for type_, authority in person.erased if type_ != PI}
    return distinct(replace(each, active=False) if (each.type, each.authority.key) in ended else each for each in after)


def merge_authority(held: PatientIdentifier, sent: PatientIdentifier) -> PatientIdentifier:
    """Return the identifier in force, its authority completed by what is now said of it.

    A former IPP stays former: only A47 brings a number back.
    """
    authority = held.authority
    if authority.is_local and sent.authority.universal_id:
        authority = sent.authority
    elif not authority.namespace_id and sent.authority.namespace_id:
        authority = replace(authority, namespace_id=sent.authority.namespace_id)
    is_active = held.active or held.type != PI
    if authority is held.authority and is_active == held.active:
        return held
    return replace(held, authority=authority, active=is_active)


def follow_activity(draft: Draft, held: Identity, person: Person, kind: UpdateKind) -> bool:
    """Return whether the identity is active after the message; DESA, INVA and DOUB are alerts when they are news.

    Spec: IHE PAM FR 2.11.2 §6.6.15.
    """
    reliability, deactivates = person.reliability, person.reliability.deactivates
    if deactivates:
        _alert_once(draft, held, rules.DEACTIVATED.at(reliability.at), is_news=held.active)
    if DUPLICATE in reliability.codes:
        is_news = DUPLICATE not in held.reliability_codes
        _alert_once(draft, held, rules.DUPLICATE_RECORD.at(reliability.at), is_news=is_news)
    if deactivates:
        return False
    if not held.active:
        returns = kind in _DEMOGRAPHIC
        if returns and draft.is_stale(held):
            draft.hold_back(held)
            returns = False
        draft.add((rules.REACTIVATED if returns else rules.INACTIVE_UPDATED).at(person.at))
        return returns
    return True


def _alert_once(draft: Draft, identity: Identity, finding: Finding, *, is_news: bool) -> None:
    if is_news:
        draft.alert(identity, finding)
    else:
        draft.add(finding)
