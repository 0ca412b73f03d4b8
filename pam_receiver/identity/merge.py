"""A40: the identities of MRG-1 disappear into the one of PID-3. Both are kept, with a dated link between them."""

from dataclasses import replace

from pam_receiver.identity import rules
from pam_receiver.identity.draft import Draft
from pam_receiver.identity.identifiers import PI, distinct
from pam_receiver.identity.locate import date_of, is_in_force, locate, say_absorbed
from pam_receiver.identity.model import Identity, Merge, MergeGroup, Person, SentIdentifier, UpdateKind
from pam_receiver.identity.traits import rniv_form
from pam_receiver.identity.update import follow


def decide_merge(draft: Draft, event: Merge) -> None:
    """Absorb, group after group; the first group that cannot be done undoes them all.

    Spec: ITI TF-2 §3.30.6.4; IHE PAM FR 2.11.2 §2.1, §4.1.
    """
    for group in event.groups:
        _decide_group(draft, group)
        if draft.is_refused():
            return


def _decide_group(draft: Draft, group: MergeGroup) -> None:
    sources = [each for each in group.sources if each.identifier.type == PI]
    if not sources:
        draft.add(rules.MERGE_SOURCE_UNUSABLE.at(group.at))
        return
    named = {(each.identifier.authority.key, each.identifier.value) for each in group.person.ipps}
    for sent in sources:
        if (sent.identifier.authority.key, sent.identifier.value) in named:
            holder = draft.known.find_by_ipp(sent.identifier, draft.occasion.sender)
            draft.alert(holder, rules.MERGE_INTO_ITSELF.at(sent.at))
            return
    target = _find_target(draft, group, sources)
    if draft.is_refused():
        return
    for sent in sources:
        source = draft.known.find_by_ipp(sent.identifier, draft.occasion.sender)
        if source is None:
            draft.add(rules.MERGE_SOURCE_UNKNOWN.at(sent.at))
        elif target is None:
            target = _renumber(draft, source, sent, group.person)
        else:
            _absorb(draft, source, draft.known.get(target.id), sent)
        if draft.is_refused():
            return
    if target is None:
        follow(draft, None, group.person, UpdateKind.UPDATE)
    elif draft.known.get(target.id).active:
        _compare(draft, target, group.person)
    else:
        draft.add(rules.INACTIVE_UPDATED.at(group.person.at))


def _find_target(draft: Draft, group: MergeGroup, sources: list[SentIdentifier]) -> Identity | None:
    """Return the identity of PID-3, ``None`` when unknown. One that was itself absorbed is refused: by 205 when the
    merge would be circular, else by 204.
    """
    holders = [draft.known.find_by_ipp(each.identifier, draft.occasion.sender) for each in group.person.ipps]
    known = [each for each in holders if each is not None]
    if known and all(each.merged_into is not None for each in known):
        chain = _chain(draft, known[0])
        for sent in sources:
            source = draft.known.find_by_ipp(sent.identifier, draft.occasion.sender)
            if source is not None and source.id in chain:
                draft.alert(source, rules.MERGE_INTO_ITSELF.at(sent.at))
                return None
        draft.add(say_absorbed(draft.known.find_merge(known[0]), group.person.ipps[0].at))
        return None
    found = locate(draft, group.person)
    return found.identity if found is not None else None


def _chain(draft: Draft, identity: Identity) -> set[str]:
    """The ids of all identities that ``identity`` was merged into, one after the other."""
    ids: set[str] = set()
    while identity.merged_into is not None:
        ids.add(identity.merged_into)
        identity = draft.known.get(identity.merged_into)
    return ids


def _absorb(draft: Draft, source: Identity, target: Identity, sent: SentIdentifier) -> None:
    if source.id == target.id:
        is_itself = is_in_force(draft, target, sent)
        if is_itself:
            draft.alert(target, rules.MERGE_INTO_ITSELF.at(sent.at))
        else:
            draft.add(rules.MERGE_REPEATED.at(sent.at))
        return
    if source.merged_into is not None:
        if target.id in _chain(draft, source):
            draft.add(rules.MERGE_REPEATED.at(sent.at))
            return
        link = draft.known.find_merge(source)
        draft.add(rules.MERGE_SOURCE_ABSORBED.at(sent.at, date=date_of(link), control_id=link.control_id))
        return
    if not is_in_force(draft, source, sent):
        draft.add(rules.RENUMBERED.at(sent.at))
        return
    if source.ins is not None and target.ins is not None and source.ins.matricule != target.ins.matricule:
        draft.alert(target, rules.MERGE_OF_TWO_INS.at(sent.at))
    draft.put(source, replace(source, active=False, merged_into=target.id))
    draft.link(source, target)


def _renumber(draft: Draft, source: Identity, sent: SentIdentifier, person: Person) -> Identity:
    """Target unknown, source known: the identity of MRG-1 goes on under the identifiers of PID-3.

    Spec: ITI TF-2 §3.30.6.4.
    """
    if source.merged_into is not None:
        draft.add(say_absorbed(draft.known.find_merge(source), sent.at))
        return source
    if not is_in_force(draft, source, sent):
        draft.add(rules.RENUMBERED.at(sent.at))
        return source
    known, sender = draft.known, draft.occasion.sender
    kept = [
        replace(each, active=False) if known.is_same(each, sent.identifier, sender) else each
        for each in source.identifiers
    ]
    brought = (known.resolve(each.identifier, sender) for each in person.ipps)
    after = replace(source, identifiers=distinct((*kept, *brought)))
    draft.add(rules.MERGE_AS_RENUMBER.at(sent.at))
    draft.put(source, after)
    return after


def _compare(draft: Draft, survivor: Identity, person: Person) -> None:
    """Say what PID holds that an A40 does not bring: traits and INS of the survivor stay as they are."""
    said = person.traits
    differs = bool(survivor.traits.changed_by(said)) or any(
        value and not survivor.traits.get(trait) for trait, value in said.items()
    )
    named = {each.matricule for each in person.ins if each.matricule}
    held = survivor.ins.matricule if survivor.ins else None
    parts = []
    if differs or _differs(person.used_family_name, survivor.used_family_name):
        parts.append(("les traits", "the traits"))
    if named - {held}:
        parts.append(("l'INS", "the INS"))
    if parts:
        what_fr, what_en = (" et ".join(each[0] for each in parts), " and ".join(each[1] for each in parts))
        draft.add(rules.MERGE_DIFFERS.at(person.at, what_fr=what_fr, what_en=what_en))


def _differs(said: str | None, held: str | None) -> bool:
    return said is not None and rniv_form(said) != rniv_form(held or "")
