"""A47: identifiers of MRG-1 become those of PID-3; an INS is replaced, or removed with its history.

The message is split by the types of its identifiers: INS to other INS, INS to ``""`` (or to nothing), IPP to IPP.
"""

from dataclasses import replace

from pam_receiver.finding import Location
from pam_receiver.identity import rules
from pam_receiver.identity.draft import Draft
from pam_receiver.identity.identifiers import PI, Ins, PatientIdentifier, distinct
from pam_receiver.identity.ins import end_ins
from pam_receiver.identity.locate import locate, say_absorbed
from pam_receiver.identity.model import ChangeIdentifier, EndReason, Identity, Person, SentIdentifier, UpdateKind
from pam_receiver.identity.status import IdentityStatus, deduce
from pam_receiver.identity.update import follow, follow_activity, follow_codes, merge_authority, restrain, unqualified


def decide_change(draft: Draft, event: ChangeIdentifier) -> None:
    """Renumber what MRG-1 names, then replace or remove its INS.

    Spec: IHE PAM FR 2.11.2 §4.1, §4.4.2-4.4.4; ITI TF-2 §3.30.6.5.
    """
    ipps = [each for each in event.old if each.identifier.type == PI]
    others = [each for each in event.old if each.identifier.type != PI]
    if ipps:
        _renumber(draft, event, ipps)
    if others and not draft.is_refused():
        _change_others(draft, event, others)
    if event.old_ins and not draft.is_refused():
        _change_ins(draft, event)


# ------------------------------------------------------------------------------------------------------------ IPP


def _without_old(event: ChangeIdentifier) -> Person:
    """Return what PID-3 brings: what MRG-1 names too is obsolete, not new. Spec: IHE PAM FR 2.11.2 §4.1."""
    old = {each.identifier.key for each in event.old}
    brought = tuple(each for each in event.person.identifiers if each.identifier.key not in old)
    return replace(event.person, identifiers=brought)


def _renumber(draft: Draft, event: ChangeIdentifier, old: list[SentIdentifier]) -> None:
    if not event.person.ipps:
        draft.add(rules.NO_IPP.at(event.person.at))
        return
    person = _without_old(event)
    for sent in old:
        identity = draft.known.find_by_ipp(sent.identifier, draft.occasion.sender)
        if identity is None:
            draft.add(rules.CHANGE_OF_NOTHING.at(sent.at))
        elif identity.merged_into is not None:
            draft.add(say_absorbed(draft.known.find_merge(identity), sent.at))
        else:
            _renumber_one(draft, identity, sent, person)
            if not event.old_ins:
                _follow_downgrade(draft, draft.known.get(identity.id), person)
        if draft.is_refused():
            return


def _renumber_one(draft: Draft, identity: Identity, old: SentIdentifier, person: Person) -> None:
    for each in person.ipps:
        holder = draft.known.find_by_ipp(each.identifier, draft.occasion.sender)
        if holder is not None and holder.id != identity.id:
            draft.alert(holder, rules.NEW_IDENTIFIER_HELD.at(each.at))
            return
    candidates = _candidates(draft, old, person)
    if not candidates:
        draft.add(rules.CHANGE_WITHOUT_NEW.at(old.at))
        return
    if not _holds(draft, identity.ipps, old.identifier):
        is_done = any(_holds(draft, identity.ipps, each.identifier) for each in candidates)
        draft.add(rules.CHANGE_DONE.at(old.at) if is_done else rules.RENUMBERED.at(old.at))
        return
    new = _pick_new(draft, identity.identifiers, candidates)
    draft.put(identity, replace(identity, identifiers=_exchange(draft, identity.identifiers, old, new)))


def _follow_downgrade(draft: Draft, identity: Identity, person: Person) -> None:
    """Without a word on the INS, PID-32 may still say that the identity is qualified no more: its INS ends.

    Spec: DMN INS 34.
    """
    if identity.ins is not None and person.reliability.is_provisional:
        draft.alert(identity, rules.INS_INVALIDATED.at(person.reliability.at))
        ended = end_ins(identity, EndReason.NOT_QUALIFIED, draft.occasion.took_place_at)
        codes = follow_codes(identity, person, UpdateKind.CHANGE)
        draft.put(identity, replace(ended, status=IdentityStatus.PROVISOIRE, reliability_codes=codes))


def _candidates(draft: Draft, old: SentIdentifier, person: Person) -> list[SentIdentifier]:
    """Return what ``old`` may become: the others of its type and authority in PID-3."""
    keys = _keys(draft, old.identifier)
    return [
        each
        for each in person.identifiers
        if each.identifier.type == old.identifier.type
        and each.identifier.value != old.identifier.value
        and not keys.isdisjoint(_keys(draft, each.identifier))
    ]


def _pick_new(draft: Draft, held: tuple[PatientIdentifier, ...], candidates: list[SentIdentifier]) -> SentIdentifier:
    """Return the one of ``candidates`` that an identifier becomes, rather one that is new to this identity."""
    in_force = tuple(each for each in held if each.active)
    return next((each for each in candidates if not _holds(draft, in_force, each.identifier)), candidates[0])


def _exchange(
    draft: Draft, held: tuple[PatientIdentifier, ...], old: SentIdentifier, new: SentIdentifier
) -> tuple[PatientIdentifier, ...]:
    """Return the identifiers with ``old`` kept but not in force, and ``new`` in force."""
    after: list[PatientIdentifier] = []
    is_there = False
    for each in held:
        if _is_same(draft, each, old.identifier):
            after.append(replace(each, active=False))
        elif _is_same(draft, each, new.identifier):
            after.append(replace(merge_authority(each, new.identifier), active=True))
            is_there = True
        else:
            after.append(each)
    return distinct(after if is_there else (*after, draft.known.resolve(new.identifier, draft.occasion.sender)))


def _keys(draft: Draft, identifier: PatientIdentifier) -> set[str]:
    return {each.key for each in draft.known.same_authorities(identifier.authority, draft.occasion.sender)}


def _is_same(draft: Draft, held: PatientIdentifier, sent: PatientIdentifier) -> bool:
    return draft.known.is_same(held, sent, draft.occasion.sender)


def _holds(draft: Draft, held: tuple[PatientIdentifier, ...], sent: PatientIdentifier) -> bool:
    return any(_is_same(draft, each, sent) for each in held)


def _change_others(draft: Draft, event: ChangeIdentifier, old: list[SentIdentifier]) -> None:
    """Change identifiers that locate nobody (NDP, MR …) of the identity that PID-3 names."""
    found = locate(draft, event.person)
    if found is None:
        return
    person = _without_old(event)
    for sent in old:
        identity = draft.known.get(found.identity.id) if found.identity else None
        held = tuple(each for each in identity.identifiers if each.active) if identity else ()
        if identity is None or not _holds(draft, held, sent.identifier):
            draft.add(rules.CHANGE_OF_NOTHING.at(sent.at))
            continue
        candidates = _candidates(draft, sent, person)
        if not candidates:
            draft.add(rules.CHANGE_WITHOUT_NEW.at(sent.at))
            continue
        new = _pick_new(draft, identity.identifiers, candidates)
        draft.put(identity, replace(identity, identifiers=_exchange(draft, identity.identifiers, sent, new)))


# ------------------------------------------------------------------------------------------------------------ INS


def _change_ins(draft: Draft, event: ChangeIdentifier) -> None:
    """Replace or remove an INS: found by the INS of MRG-1, and checked against the IPP of PID-3."""
    person, at = event.person, event.old_ins[0].at
    old = {Ins(each.matricule, each.oid) for each in event.old_ins}
    matricules = sorted({ins.matricule for ins in old})
    holders = [identity for matricule in matricules for identity in draft.known.find_by_matricule(matricule)]
    identity = _find_owner(draft, person, holders, at)
    if identity is None:
        return
    draft.confirm(identity)
    own = [each for each in holders if draft.known.find_survivor(each).id == identity.id]
    if holders and not own:
        draft.alert(holders[0], rules.INS_OF_ANOTHER.at(at))
        return
    for each in own:
        if each.id != identity.id:  # absorbed by this identity: its INS is the patient's too
            draft.put(each, unqualified(end_ins(each, EndReason.REMOVED, draft.occasion.took_place_at)))
    is_its_own = any(each.id == identity.id for each in own) or (bool(own) and identity.ins is None)
    named = {Ins(each.matricule, each.oid) for each in person.ins if each.matricule}
    if not is_its_own:
        _change_unknown(draft, identity, person, at, named)
    elif named - old:
        _replace(draft, identity, event, old)
    elif named:  # MRG-1 and PID-3 name the same INS: rules 1 to 3 decide, as for any message
        draft.add(rules.CHANGE_WITHOUT_NEW.at(at))
        follow(draft, identity, person, UpdateKind.CHANGE)
    else:
        _remove(draft, identity, person)


def _find_owner(draft: Draft, person: Person, holders: list[Identity], at: Location) -> Identity | None:
    """Return the identity of the IPP or, when PID-3 has none, the only one that holds the INS of MRG-1.

    ``None``: unknown or refused, and said so.
    """
    if person.ipps:
        found = locate(draft, person)
        if found is None:
            return None
        if found.identity is None:
            if holders:
                draft.alert(holders[0], rules.INS_OF_ANOTHER.at(at))
            else:
                draft.add(rules.CHANGE_OF_NOTHING.at(at))
        return found.identity
    survivors = {each.id: each for each in map(draft.known.find_survivor, holders)}
    if len(survivors) != 1:
        draft.add(rules.NO_IPP.at(person.at))
        return None
    return next(iter(survivors.values()))


def _replace(draft: Draft, identity: Identity, event: ChangeIdentifier, old: set[Ins]) -> None:
    """Follow PID with its new INS; if that one cannot be taken, the old one goes all the same.

    A NIA may become a NIR of the same number, so an INS is compared with its OID. An INS that MRG-1 calls obsolete is
    none that PID-3 brings.
    """
    person = event.person
    new = tuple(each for each in person.ins if each.matricule and Ins(each.matricule, each.oid) not in old)
    after = follow(draft, identity, replace(person, ins=new), UpdateKind.CHANGE)
    if draft.is_stale(identity):
        return  # what the source has said since names the INS held: a late message does not call it obsolete
    brought = {Ins(each.matricule, each.oid) for each in new}
    if after.ins is not None and after.ins == identity.ins and after.ins not in brought:
        draft.alert(identity, rules.NEW_INS_UNUSABLE.at(event.old_ins[0].at))
        ended = end_ins(after, EndReason.REMOVED, draft.occasion.took_place_at)
        draft.put(after, unqualified(ended))


def _remove(draft: Draft, identity: Identity, person: Person) -> None:
    """Remove every INS; the status comes from PID-32, and without it a qualified identity is validated.

    Spec: IHE PAM FR 2.11.2 §4.4.3, §4.4.4.
    """
    ended = unqualified(end_ins(identity, EndReason.REMOVED, draft.occasion.took_place_at))
    deduction = deduce(person.reliability, has_ins=False, obtained_from_insi=False, deduce_recuperee=False)
    after = replace(
        ended,
        status=deduction.status or ended.status,
        reliability_codes=follow_codes(ended, person, UpdateKind.CHANGE),
        active=follow_activity(draft, identity, person, UpdateKind.CHANGE),
    )
    draft.put(identity, restrain(draft, identity, after, person))


def _change_unknown(draft: Draft, identity: Identity, person: Person, at: Location, named: set[Ins]) -> None:
    """The INS of MRG-1 is former or unknown here: idempotent, and careful with an INS that is another one."""
    if identity.ins is None:
        draft.add(rules.CHANGE_OF_NOTHING.at(at))
        if not named:
            _remove(draft, identity, person)
    elif identity.ins in named:
        draft.add(rules.CHANGE_DONE.at(at))
    elif person.erases_ins and not named:
        effect = {
            "effect_fr": "tous ses INS sont retirés ; à vérifier.",
            "effect_en": "all its INS are removed; check it.",
        }
        draft.alert(identity, rules.INS_NOT_THE_ONE_HELD.at(at, **effect))
        _remove(draft, identity, person)
    else:
        effect = {"effect_fr": "rien n'est changé ; vérifier MRG-1.", "effect_en": "nothing is changed; check MRG-1."}
        draft.add(rules.INS_NOT_THE_ONE_HELD.at(at, **effect))
