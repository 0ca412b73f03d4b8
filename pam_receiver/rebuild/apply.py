"""The identities of a store replaced by those that its journal makes, in one audited transaction."""

from collections.abc import Mapping
from datetime import datetime

from pam_receiver.ids import MessageIds
from pam_receiver.rebuild.journal import Folded
from pam_receiver.store import Actor, AuditEvent, InForce, Store
from pam_receiver.store.acts import keep_rebuild
from pam_receiver.store.replacing import Replaced, replace_identities


def apply(
    store: Store,
    folded: Folded,
    *,
    actor: Actor,
    reason: str | None,
    at: datetime,
    detail: Mapping[str, object],
    under: InForce | None = None,
) -> Replaced:
    """Replace the identities, versions and merges of ``store``. ``detail``: what else the trail is to say.

    ``under``: what the messages were taken under, when it is not what was in force then: a line of the journal says
    so, for a later fold would else bring back what was replaced.

    On SQLite whoever calls has made sure that no daemon serves the file; on a server the tables are locked meanwhile.

    Raises:
        StoreConflict: a message came in since the fold; nothing was changed.
        StoreUnavailable: nothing was changed.
    """
    with store.begin() as tx:
        done = replace_identities(tx, folded.store, after=folded.after, last=folded.last)
        if under is not None:
            new_id = MessageIds(after=folded.last)()
            keep_rebuild(tx, under, last=folded.last, act_id=new_id, by=actor.origin, at=at)
        told = {
            "identities": done.identities,
            "versions": done.versions,
            "merges": done.merges,
            "gone": done.gone,
            "last": folded.last,
        }
        tx.audit(AuditEvent("rebuild", actor, reason=reason, detail={**detail, **told}), at=at)
    return done
