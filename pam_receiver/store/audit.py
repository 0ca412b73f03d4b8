"""The audit trail: who did what, who looked at whom. Only ever added to; each row holds the hash of the one before."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal

from sqlalchemy import Connection, insert, select

from pam_receiver.store.rows import Values
from pam_receiver.store.schema import audit_event

Outcome = Literal["success", "refused", "failed"]
ActorKind = Literal["token", "os-user", "system"]

_LAST: Final = select(audit_event.c.number, audit_event.c.hash).order_by(audit_event.c.number.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. ``name``: of the token or of the OS user; ``origin``: a network address, or the name of the host."""

    name: str
    kind: ActorKind
    origin: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing done, or refused. ``action``: a stable word such as ``read``, ``erase``, ``token-create``.

    ``detail`` holds counts, ids and names of settings: never a value of a patient, for the trail is kept longer than
    what it speaks of.
    """

    action: str
    actor: Actor
    outcome: Outcome = "success"
    identity_id: str | None = None
    message_id: str | None = None
    reason: str | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


def append(connection: Connection, events: Sequence[AuditEvent], at: datetime) -> None:
    """Add ``events`` to the trail, in the write transaction of ``connection``. ``at``: aware, UTC."""
    last = connection.execute(_LAST).first()
    number, previous = (last.number, last.hash) if last is not None else (0, "")
    rows = []
    for event in events:
        number += 1
        values = _values(number, event, at, previous)
        previous = hash_of(values)
        rows.append({**values, "hash": previous})
    if rows:
        connection.execute(insert(audit_event), rows)


def _values(number: int, event: AuditEvent, at: datetime, previous: str) -> Values:
    return {
        "number": number,
        "at": at,
        "action": event.action,
        "outcome": event.outcome,
        "actor": event.actor.name,
        "actor_kind": event.actor.kind,
        "origin": event.actor.origin,
        "identity_id": event.identity_id,
        "message_id": event.message_id,
        "reason": event.reason,
        "detail": dict(event.detail),
        "previous": previous,
    }


def hash_of(values: Mapping[str, object]) -> str:
    """Return the hash (SHA-256, hex) of one row, of which ``values`` holds every column save ``hash``."""
    said = {name: _plain(value) for name, value in values.items()}
    return sha256(json.dumps(said, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _plain(value: object) -> object:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
