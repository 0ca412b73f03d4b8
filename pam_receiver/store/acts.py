"""What operators do to identities, kept in the journal as a line of its own: a merge undone, a rebuild."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Select, null, select

from pam_receiver.hl7.ack import Ack
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import Decision, MergeLink
from pam_receiver.store.reads import read_identities, read_merges, reads_of
from pam_receiver.store.records import InForce, MessageRecord
from pam_receiver.store.rows import AnyRow, Json, read_merge
from pam_receiver.store.said import FINDINGS, rules_of
from pam_receiver.store.schema import REFUSED, identity_version, merge_link, message
from pam_receiver.store.texts import Prunings, read_prunings, read_texts
from pam_receiver.store.transaction import Store, Transaction

UNMERGE: Final = "unmerge"
REBUILD: Final = "rebuild"


@dataclass(frozen=True, slots=True)
class UnmergeAct:
    """The words of an unmerge: ids alone. ``merge``: the message that absorbed; ``was_active``: what it was before."""

    absorbed: str
    survivor: str
    merge: str
    was_active: bool

    def to_bytes(self) -> bytes:
        words = {"absorbed": self.absorbed, "survivor": self.survivor, "merge": self.merge, "active": self.was_active}
        return json.dumps({"action": UNMERGE, **words}).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "UnmergeAct":
        found: Json = json.loads(raw)
        return cls(found["absorbed"], found["survivor"], found["merge"], found["active"])


def load_by_id(tx: Transaction, ids: Collection[str]) -> Known:
    """Return what is known of these identities and of all that are merged with them."""
    reads = reads_of(tx.connection)
    found = read_identities(tx.connection, reads.by_id, {"ids": reads.pack(ids)})
    return Known(found, read_merges(tx.connection, [each.id for each in found if each.merged_into is not None]))


def find_merge(store: Store, absorbed: str) -> tuple[MergeLink, bool] | None:
    """Return the last merge that absorbed an identity, and whether it was active before; ``None`` when none did."""
    with store.read() as connection:
        row = connection.execute(_LAST_MERGE.where(merge_link.c.absorbed == absorbed)).first()
        if row is None:
            return None
        made = _MADE.where(identity_version.c.identity_id == absorbed, identity_version.c.message_id == row.message_id)
        changes: list[Json] = connection.execute(made).scalar() or []
    return read_merge(row), any(each["what"] == "active" and each["before"] for each in changes)


_LAST_MERGE: Final[Select[Any]] = (
    select(merge_link).order_by(merge_link.c.at.desc(), merge_link.c.message_id.desc()).limit(1)
)
_MADE: Final[Select[Any]] = select(identity_version.c.changes)


def keep_act(tx: Transaction, name: str, raw: bytes, decision: Decision, *, act_id: str, by: str, at: datetime) -> None:
    """Write a line of the journal that no message brought, and what it changed. ``raw``: its words, ids alone."""
    record = _line(name, raw, act_id=act_id, by=by, at=at)
    changes = [(act_id, change) for change in decision.changes]
    alerts = [(act_id, alert) for alert in decision.alerts]
    tx.write(messages=[record], changes=changes, merges=decision.merges, alerts=alerts, at=at)


def _line(name: str, raw: bytes, *, act_id: str, by: str, at: datetime) -> MessageRecord:
    return MessageRecord(
        id=act_id,
        received_at=at,
        peer=by,
        raw=raw,
        digest=sha256(raw).digest(),
        sending_application="",
        sending_facility="",
        control_id="",
        event=name,
        ack_code="AA",
        ack=Ack(b""),
        encoding="utf-8",
        action=name,
    )


def keep_rebuild(tx: Transaction, under: InForce, *, last: str, act_id: str, by: str, at: datetime) -> None:
    """Write a line of the journal: all messages up to ``last`` (an id) count as taken ``under`` this, from now on."""
    raw = json.dumps({"action": REBUILD, "last": last}).encode()
    tx.write(messages=[_line(REBUILD, raw, act_id=act_id, by=by, at=at)], in_force=under, at=at)


@dataclass(frozen=True, slots=True)
class LaterMessage:
    """A message that came after a merge. ``version``: of the survivor, that it made; ``None``: it was refused.

    ``raw``: ``None`` when its text is gone. ``rules``: those of its findings.
    """

    id: str
    received_at: datetime
    control_id: str
    event: str
    ack_code: str
    version: int | None
    rules: tuple[str, ...]
    raw: bytes | None = field(repr=False)


def read_messages_since(store: Store, link: MergeLink, *, page: int = 250) -> Iterator[LaterMessage]:
    """Read the messages that touched the survivor after a merge, then those refused (AE) after it, in their order.

    Each page is a moment of its own.
    """
    touched = _TOUCHING.where(identity_version.c.identity_id == link.survivor)
    for statement in (touched, _REFUSED):
        last = link.message_id
        while True:
            with store.read() as connection:
                rows = connection.execute(statement.where(message.c.id > last).limit(page)).all()
                texts = read_texts(connection, {row.id for row in rows}, store.sealing)
                prunings = read_prunings(connection)
            yield from (_read_later(row, texts.get(row.id), prunings) for row in rows)
            if not rows:
                break
            last = rows[-1].id


_COLUMNS: Final = (
    message.c.id,
    message.c.received_at,
    message.c.control_id,
    message.c.event,
    message.c.ack_code,
    FINDINGS,
    message.c.erased_at,
)
_TOUCHING: Final[Select[Any]] = (
    select(*_COLUMNS, identity_version.c.number)
    .join(identity_version, identity_version.c.message_id == message.c.id)
    .where(message.c.action.is_(None))
    .order_by(message.c.id)
)
_REFUSED: Final[Select[Any]] = (
    select(*_COLUMNS, null().label("number"))
    .where(message.c.ack_code == "AE", REFUSED, message.c.action.is_(None))
    .order_by(message.c.id)
)


def _read_later(row: AnyRow, text: bytes | None, prunings: Prunings) -> LaterMessage:
    is_gone = text is None and (row.erased_at is not None or prunings.since(row.id) is not None)
    return LaterMessage(
        id=row.id,
        received_at=row.received_at,
        control_id=row.control_id,
        event=row.event,
        ack_code=row.ack_code,
        version=row.number,
        rules=tuple(rule for rule, _ in rules_of(row.findings)),
        raw=None if is_gone else text or b"",
    )
