"""The audit trail: who did what, who looked at whom. Only ever added to; each row holds the hash of the one before."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Literal

from sqlalchemy import Connection, insert, select

from pam_receiver.store.rows import Values, storable
from pam_receiver.store.schema import audit_event

Outcome = Literal["success", "refused", "failed"]
ActorKind = Literal["token", "os-user", "system"]

READ: Final = "read"
SEARCH: Final = "search"
DISCLOSE: Final = "disclose"
EXPORT: Final = "export"

_LAST: Final = select(audit_event.c.number, audit_event.c.hash).order_by(audit_event.c.number.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. ``name``: of the token or of the OS user; ``origin``: a network address, or the name of the host.

    Of a user who came in by SSH, ``origin`` is ``HOST (ssh ADDRESS)``.
    """

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


def disclosure(
    partner: str, identity_id: str, *, actor: Actor, bears_ins: bool, message_id: str | None = None
) -> AuditEvent:
    """Return the event that data of an identity went to ``partner``; ``bears_ins``: its INS was among them.

    To be written in the transaction that hands the data over. Nothing does so yet: an ACK bears no identity.
    """
    detail = {"partner": partner, "ins": bears_ins}
    return AuditEvent(DISCLOSE, actor, identity_id=identity_id, message_id=message_id, detail=detail)


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
        "at": at.astimezone(UTC),
        "action": event.action,
        "outcome": event.outcome,
        "actor": storable(event.actor.name),
        "actor_kind": event.actor.kind,
        "origin": storable(event.actor.origin),
        "identity_id": event.identity_id,
        "message_id": event.message_id,
        "reason": storable(event.reason) if event.reason is not None else None,
        "detail": json.loads(json.dumps(dict(event.detail))),  # as it will come back: a list for a tuple
        "previous": previous,
    }


def hash_of(values: Mapping[str, object]) -> str:
    """Return the hash (SHA-256, hex) of one row, of which ``values`` holds every column save ``hash``.

    It is that of a JSON object with its keys in order, signs beyond ASCII escaped, and the time in UTC with
    microseconds: whoever has the row can compute it anew.
    """
    said = {name: _plain(value) for name, value in values.items()}
    return sha256(json.dumps(said, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _plain(value: object) -> object:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
