"""Alerts: what a person should look at, and how far somebody has got with it. Never deleted save by legal erasure.

An alert is open, then perhaps acknowledged, then closed; closed is the end: what happens again opens another one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, insert, select, update

from pam_receiver.finding import Finding, Lang
from pam_receiver.store.audit import Actor, AuditEvent
from pam_receiver.store.errors import StoreError
from pam_receiver.store.rows import AnyRow, finding_from_json, finding_json
from pam_receiver.store.schema import alert, message
from pam_receiver.store.texts import earliest_id
from pam_receiver.store.transaction import Store, Transaction

SILENT: Final = "source-silent"  # the rule of the alert that no message brings


class AlertState(StrEnum):
    """How far somebody has got with an alert."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


STEPS: Final[Mapping[AlertState, frozenset[AlertState]]] = MappingProxyType(
    {  # to: from
        AlertState.ACKNOWLEDGED: frozenset({AlertState.OPEN}),
        AlertState.CLOSED: frozenset({AlertState.OPEN, AlertState.ACKNOWLEDGED}),
    }
)
PENDING: Final = (AlertState.OPEN, AlertState.ACKNOWLEDGED)


class AlertUnknown(StoreError):
    """No alert has this number."""

    def __init__(self, database: str, alert_id: int) -> None:
        super().__init__(database)
        self.alert_id = alert_id

    def text(self, lang: Lang) -> str:
        if lang == "fr":
            return f"Aucune alerte {self.alert_id} : rien n'a été changé."
        return f"No alert {self.alert_id}: nothing was changed."


class AlertStepRefused(StoreError):
    """An alert cannot go from the state that it has to the one that is asked for."""

    def __init__(self, database: str, alert_id: int, state: AlertState, asked: AlertState) -> None:
        super().__init__(database)
        self.alert_id = alert_id
        self.state = state
        self.asked = asked

    def text(self, lang: Lang) -> str:
        words = {"open": "ouverte", "acknowledged": "déjà prise en charge", "closed": "déjà close"}
        if lang == "fr":
            return f"L'alerte {self.alert_id} est {words[self.state]} : rien n'a été changé."
        return f"The alert {self.alert_id} is {self.state.value} already: nothing was changed."


@dataclass(frozen=True, slots=True)
class AlertView:
    """Something that a person should look at. ``message_id``: of the message that brought it, or else ``source``.

    ``changed_at``, ``changed_by`` and ``note``: of the last step; ``None`` while it is open.
    """

    id: int
    at: datetime
    message_id: str | None
    identity_id: str | None
    finding: Finding
    source: str | None = None
    state: AlertState = AlertState.OPEN
    changed_at: datetime | None = None
    changed_by: str | None = None
    note: str | None = None


# ---------------------------------------------------------------------------------------------------------- to read


def list_alerts(
    store: Store, *, states: Collection[AlertState] = tuple(AlertState), limit: int = 50
) -> tuple[AlertView, ...]:
    """Return the last ``limit`` alerts in one of ``states``, the newest first."""
    with store.read() as connection:
        found: list[AnyRow] = []
        for state in states:  # each has its index; together they would be sorted, however many there are
            found += connection.execute(_IN_STATE.limit(limit), {"state": state.value}).all()
    found.sort(key=lambda row: row.id, reverse=True)
    return tuple(_read(row) for row in found[:limit])


def find_alerts(store: Store, ids: Collection[int]) -> tuple[AlertView, ...]:
    """Return the alerts of these numbers, in the order of their numbers."""
    with store.read() as connection:
        rows = connection.execute(_OF_IDS, {"ids": sorted(ids)}).all()
    return tuple(_read(row) for row in rows)


def count_open(store: Store) -> dict[str, int]:
    """Return how many alerts are open, by rule."""
    with store.read() as connection:
        return {row.rule: row.number for row in connection.execute(_OPEN_BY_RULE)}


def silent_sources(store: Store) -> frozenset[str]:
    """Return the sources for which an alert of silence is not closed."""
    with store.read() as connection:
        rows = connection.execute(_SILENT).all()
    return frozenset(row.source for row in rows)


@dataclass(frozen=True, slots=True)
class Heard:
    """Senders as the journal names them, and when the last message of each came in."""

    application: str
    facility: str
    port: int | None
    at: datetime


def heard_since(store: Store, since: datetime) -> tuple[Heard, ...]:
    """Return who has sent anything since ``since``, to any of the daemons of this database."""
    with store.read() as connection:
        rows = connection.execute(_HEARD, {"first": earliest_id(since), "since": since}).all()
    return tuple(Heard(row.sending_application, row.sending_facility, row.port, row.at) for row in rows)


_IN_STATE: Final[Select[Any]] = select(alert).where(alert.c.state == bindparam("state")).order_by(alert.c.id.desc())
_OF_IDS: Final[Select[Any]] = select(alert).where(alert.c.id.in_(bindparam("ids", expanding=True))).order_by(alert.c.id)
_OPEN_BY_RULE: Final[Select[Any]] = (
    select(alert.c.rule, func.count().label("number"))
    .where(alert.c.state == AlertState.OPEN.value)
    .group_by(alert.c.rule)
    .order_by(alert.c.rule)
)
_SILENT: Final[Select[Any]] = select(alert.c.id, alert.c.source).where(
    alert.c.state.in_([each.value for each in PENDING]), alert.c.rule == SILENT
)
# By the ids, which begin with the time: none is of before its message came in.
_HEARD: Final[Select[Any]] = (
    select(
        message.c.sending_application,
        message.c.sending_facility,
        message.c.port,
        func.max(message.c.received_at).label("at"),
    )
    .where(message.c.id > bindparam("first"), message.c.received_at > bindparam("since"), message.c.action.is_(None))
    .group_by(message.c.sending_application, message.c.sending_facility, message.c.port)
)


def _read(row: AnyRow) -> AlertView:
    return AlertView(
        id=row.id,
        at=row.at,
        message_id=row.message_id,
        identity_id=row.identity_id,
        finding=finding_from_json(row.finding),
        source=row.source,
        state=AlertState(row.state),
        changed_at=row.changed_at,
        changed_by=row.changed_by,
        note=row.note,
    )


# --------------------------------------------------------------------------------------------------------- to change


def take_step(
    tx: Transaction, ids: Sequence[int], to: AlertState, *, by: Actor, note: str | None, at: datetime
) -> None:
    """Bring alerts to a state, all of them or none, and say so in the audit trail. ``at``: aware, UTC.

    Raises:
        AlertUnknown: one of the numbers is none.
        AlertStepRefused: one of them is not in a state that this step starts from.
    """
    wanted = list(dict.fromkeys(ids))
    held = {row.id: row for row in tx.connection.execute(_OF_IDS, {"ids": wanted}).all()}
    for each in wanted:
        if each not in held:
            raise AlertUnknown(tx.database, each)
        state = AlertState(held[each].state)
        if state not in STEPS[to]:
            raise AlertStepRefused(tx.database, each, state, to)
    changed = {"state": to.value, "changed_at": at, "changed_by": by.name}
    for each in wanted:
        kept = note if note is not None else held[each].note
        tx.connection.execute(update(alert).where(alert.c.id == each).values(**changed, note=kept))
    tx.audit(*(_event(held[each], to, by) for each in wanted), at=at)


def _event(row: AnyRow, to: AlertState, by: Actor) -> AuditEvent:
    """The line of the trail. The note is not in it: it may name a patient, and the trail is kept longer."""
    action = "alert-close" if to is AlertState.CLOSED else "alert-acknowledge"
    detail = {"alert": row.id, "rule": row.rule, "from": row.state}
    return AuditEvent(action, by, identity_id=row.identity_id, message_id=row.message_id, detail=detail)


def open_silence(tx: Transaction, source: str, finding: Finding, *, at: datetime) -> bool:
    """Open the alert that a source is silent; whether this was done: not while one about it is not closed."""
    if any(row.source == source for row in tx.connection.execute(_SILENT)):
        return False
    values = {"at": at, "source": source, "rule": SILENT, "finding": finding_json(finding), "state": AlertState.OPEN}
    tx.connection.execute(insert(alert).values(values))
    return True


def close_silence(tx: Transaction, source: str, *, by: Actor, note: str, at: datetime) -> None:
    """Close the alerts that a source is silent: it has spoken again."""
    ids = [row.id for row in tx.connection.execute(_SILENT) if row.source == source]
    take_step(tx, ids, AlertState.CLOSED, by=by, note=note, at=at)
