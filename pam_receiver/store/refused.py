"""The refused messages of the journal, to be taken again, and what is held of those whom they name."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, select

from pam_receiver.finding import Severity
from pam_receiver.identity.model import Identity, MergeLink, SeenAuthority
from pam_receiver.store.checkpoints import Held
from pam_receiver.store.folding import begin_with
from pam_receiver.store.reads import read_identities, read_merges, reads_of
from pam_receiver.store.rows import AnyRow, read_seen, sender_key
from pam_receiver.store.said import FINDINGS, rules_of
from pam_receiver.store.schema import REFUSED, identity, identity_version, message
from pam_receiver.store.texts import read_texts
from pam_receiver.store.transaction import Store, Transaction


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """A message that was refused, as it came in. ``errors``: the rules that it broke. ``digest``: of its bytes."""

    id: str
    received_at: datetime
    peer: str
    port: int | None
    raw: bytes = field(repr=False)
    ack_code: str
    errors: tuple[str, ...]
    repeat_key: str | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Named:
    """What a store holds of those whom a message names, with all that are merged with them."""

    identities: tuple[Identity, ...]
    merges: tuple[MergeLink, ...]
    seen: tuple[SeenAuthority, ...]


def read_refused(
    store: Store,
    *,
    since: datetime,
    until: datetime | None = None,
    codes: Collection[str],
    page: int = 100,
) -> Iterator[tuple[RefusedMessage, ...]]:
    """Read the messages received from ``since`` on, until ``until``, and answered one of ``codes``, the oldest first.

    Those whose text is gone are not among them, nor what was refused when it was taken again. Each page is a moment of
    its own.
    """
    found = _REFUSED.where(message.c.ack_code.in_(list(codes)), REFUSED, message.c.received_at >= since)
    if until is not None:
        found = found.where(message.c.received_at < until)
    last = ""
    while True:
        with store.read() as connection:
            rows = connection.execute(found.where(message.c.id > last).limit(page)).all()
            texts = read_texts(connection, [row.id for row in rows], store.sealing)
        if not rows:
            return
        if read := tuple(_read_refused(row, texts[row.id]) for row in rows if row.id in texts):
            yield read
        last = rows[-1].id


_REFUSED: Final[Select[Any]] = (
    select(
        message.c.id,
        message.c.received_at,
        message.c.peer,
        message.c.port,
        message.c.ack_code,
        FINDINGS,
        message.c.repeat_key,
        message.c.digest,
    )
    .where(message.c.action.is_(None), message.c.replay_of.is_(None), message.c.erased_at.is_(None))
    .order_by(message.c.id)
)


def _read_refused(row: AnyRow, raw: bytes) -> RefusedMessage:
    return RefusedMessage(
        id=row.id,
        received_at=row.received_at,
        peer=row.peer,
        port=row.port,
        raw=raw,
        ack_code=row.ack_code,
        errors=tuple(rule for rule, severity in rules_of(row.findings) if severity == Severity.E),
        repeat_key=row.repeat_key,
        digest=row.digest,
    )


def find_taken(store: Store, refused: Sequence[RefusedMessage]) -> frozenset[str]:
    """Return the ids of those that were accepted since: taken again, or sent again just as they were."""
    accepted = (message.c.ack_code == "AA", message.c.repeat_of.is_(None))
    again = REPLAYS.where(message.c.replay_of.in_([each.id for each in refused]))
    keys = [each.repeat_key for each in refused if each.repeat_key]
    sent = select(message.c.repeat_key, message.c.digest).where(message.c.repeat_key.in_(keys), *accepted)
    with store.read() as connection:
        taken = {row.replay_of for row in connection.execute(again) if row.ack_code == "AA"}
        receipts = {(row.repeat_key, row.digest) for row in connection.execute(sent)} if keys else set()
    return frozenset(each.id for each in refused if each.id in taken or (each.repeat_key, each.digest) in receipts)


# By nothing but replay_of: the answer is looked at here, for hardly any line of the journal has the first.
REPLAYS: Final[Select[Any]] = select(message.c.replay_of, message.c.ack_code)


def read_named(
    store: Store,
    *,
    ipps: Collection[str],
    matricules: Collection[str],
    sender: tuple[str, str],
    namespaces: Collection[str],
) -> Named:
    """Return what is held of those whom a message names by these identifiers, as the receiver would load it.

    ``namespaces``: HD-1 of their authorities.
    """
    with store.read() as connection:
        reads = reads_of(connection)
        names = {"ipps": reads.pack(ipps), "matricules": reads.pack(matricules)}
        identities = read_identities(connection, reads.named, names)
        merges = read_merges(connection, [each.id for each in identities if each.merged_into is not None])
        said = {"senders": reads.pack([sender_key(sender)]), "namespaces": reads.pack(namespaces)}
        rows = connection.execute(reads.seen, said).all()
    return Named(tuple(identities), tuple(merges), tuple(read_seen(*row) for row in rows))


def add_named(tx: Transaction, named: Named) -> None:
    """Write into a scratch store what it does not hold yet; what it holds may have changed there since."""
    connection = tx.connection
    ids = [each.id for each in named.identities]
    there = set(connection.execute(select(identity.c.id).where(identity.c.id.in_(ids))).scalars())
    stands = {(each.id, each.merged_into) for each in named.identities if each.id not in there}
    # A merge that was undone may be into somebody who is not here.
    merges = [each for each in named.merges if (each.absorbed, each.survivor) in stands]
    lines = {each.message_id for each in merges}
    known = set(connection.execute(select(message.c.id).where(message.c.id.in_(list(lines)))).scalars())
    new = [Held(each, None) for each in named.identities if each.id not in there]
    begin_with(tx, [*new, *merges, *named.seen], known=known)


def find_last_touches(store: Store, ids: Collection[str]) -> dict[str, str]:
    """Return the last message that made a version of each identity; of a replay, the message that it took again.

    What an operator did is no message: a merge undone lets those be taken that were refused for it.
    """
    if not ids:
        return {}
    brought_by = func.coalesce(message.c.replay_of, message.c.id)
    last = (
        select(identity_version.c.identity_id, func.max(brought_by).label("last"))
        .join(message, message.c.id == identity_version.c.message_id)
        .where(identity_version.c.identity_id.in_(list(ids)), message.c.action.is_(None))
        .group_by(identity_version.c.identity_id)
    )
    with store.read() as connection:
        return {row.identity_id: row.last for row in connection.execute(last)}
