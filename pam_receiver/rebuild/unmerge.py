"""A wrong merge undone for good: what it would do and what a person should look at, then the act itself."""

from dataclasses import dataclass
from datetime import datetime

from pam_receiver.identity.identifiers import PI
from pam_receiver.identity.model import Identity, MergeLink
from pam_receiver.identity.rules import ABSORBED
from pam_receiver.identity.unmerge import NotUndone, decide_unmerge
from pam_receiver.store import Actor, AuditEvent, Store, queries
from pam_receiver.store.acts import (
    UNMERGE,
    LaterMessage,
    UnmergeAct,
    find_merge,
    keep_act,
    load_by_id,
    read_messages_since,
)
from pam_receiver.store.checkpoints import hold_journal
from pam_receiver.store.traces import Traces


@dataclass(frozen=True, slots=True)
class Unmerge:
    """What undoing a merge means. ``absorbed``: as it is now; ``link``: the merge; ``was_active``: before it.

    ``touched``: messages since then that changed the survivor and name an IPP of the absorbed identity, or whose text
    is gone: perhaps about the other patient. ``refused``: those that were refused because that IPP was absorbed.
    """

    absorbed: Identity
    link: MergeLink
    was_active: bool
    touched: tuple[LaterMessage, ...]
    refused: tuple[LaterMessage, ...]


def plan_unmerge(store: Store, absorbed: str) -> Unmerge | NotUndone:
    """Return what undoing the last merge that absorbed this identity (its id) means, or why it cannot be done.

    Raises:
        KeyMissing: a message is encrypted with a key that is not there.
    """
    found = find_merge(store, absorbed)
    if found is None:
        return NotUndone.NOT_MERGED
    link, was_active = found
    held = queries.find_identities_of(store, [absorbed, link.survivor])
    if absorbed not in held or link.survivor not in held:
        return NotUndone.UNKNOWN
    one, survivor = held[absorbed], held[link.survivor]
    if one.merged_into != survivor.id:
        return NotUndone.NOT_MERGED
    if survivor.merged_into is not None:
        return NotUndone.MERGED_SINCE
    known_by = Traces([Identity(one.id, identifiers=tuple(each for each in one.identifiers if each.type == PI))])
    touched, refused = [], []
    for each in read_messages_since(store, link):
        if each.raw is not None and not known_by.look(each.raw).is_named:
            continue
        if each.version is not None:
            touched.append(each)
        elif ABSORBED.id in each.rules:
            refused.append(each)
    return Unmerge(one, link, was_active, tuple(touched), tuple(refused))


def unmerge(
    store: Store, plan: Unmerge, *, actor: Actor, reason: str, new_id: str, at: datetime
) -> NotUndone | UnmergeAct:
    """Undo a merge: new versions of both identities, an alert, a line of the journal and one of the trail, at once.

    ``new_id``: of the line of the journal. Return what was done, or why it cannot be done any more.

    Raises:
        StoreConflict: another writer was faster: nothing was done, try again.
    """
    link = plan.link
    words = UnmergeAct(link.absorbed, link.survivor, link.message_id, plan.was_active)
    with store.begin() as tx:
        hold_journal(tx)
        known = load_by_id(tx, [link.absorbed, link.survivor])
        decision = decide_unmerge(known, absorbed=link.absorbed, survivor=link.survivor, was_active=plan.was_active)
        if isinstance(decision, NotUndone):
            return decision
        keep_act(tx, UNMERGE, words.to_bytes(), decision, act_id=new_id, by=actor.origin, at=at)
        events = (
            AuditEvent(
                UNMERGE,
                actor,
                identity_id=each,
                message_id=new_id,
                reason=reason,
                detail={"absorbed": link.absorbed, "survivor": link.survivor, "merge": link.message_id},
            )
            for each in (link.absorbed, link.survivor)
        )
        tx.audit(*events, at=at)
    return words
