"""What a transaction of the store is given to write, and the receipts that it finds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pam_receiver.finding import Finding
from pam_receiver.hl7.ack import Ack
from pam_receiver.store.rows import AnyRow, Values, storable
from pam_receiver.store.said import read_ack
from pam_receiver.values import value


@value(frozen=True, slots=True)
class Receipt:
    """An earlier accepted (AA) message, by which its repeat is recognised. ``digest``: SHA-256 of its bytes."""

    message_id: str
    control_id: str
    digest: bytes
    ack: Ack


@value(frozen=True, slots=True)
class MessageRecord:
    """One message to journal. ``id``: a UUID text that sorts by time. ``event``: ``""`` when it could not be read.

    ``repeat_key``: what names sender and control id, ``b""`` without a control id. ``repeat_of``: the id of the
    accepted message that this one repeats. ``replay_of``: that of the refused one that is taken again. ``action``: the
    name of an operator's act, of which ``raw`` holds the words; ``None`` for a message that came in.
    """

    id: str
    received_at: datetime
    peer: str
    raw: bytes
    digest: bytes
    sending_application: str
    sending_facility: str
    control_id: str
    event: str
    ack_code: str
    ack: Ack
    findings: tuple[Finding, ...] = ()
    repeat_key: bytes = b""
    repeat_of: str | None = None
    encoding: str = ""
    port: int | None = None
    replay_of: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides on messages: the settings and the profiles. ``id``: SHA-256 of ``content``, hex.

    ``content``: a JSON value, which names each file by its digest; ``files``: those files, by digest, compressed.
    """

    id: str
    content: Mapping[str, object]
    files: Mapping[str, bytes] = field(repr=False)


def message_values(record: MessageRecord) -> Values:
    """Return the row of a message, without what only its transaction can tell."""
    return {
        "id": record.id,
        "received_at": record.received_at,
        "peer": storable(record.peer),
        "sending_application": storable(record.sending_application),
        "sending_facility": storable(record.sending_facility),
        "control_id": storable(record.control_id),
        "event": storable(record.event),
        "encoding": storable(record.encoding),
        "digest": record.digest,
        "repeat_key": record.repeat_key.hex() or None,
        "repeat_of": record.repeat_of,
        "ack_code": record.ack_code,
        "ack_head": record.ack.head,
        "port": record.port,
        "replay_of": record.replay_of,
        "action": record.action,
        "words": record.raw if record.action is not None else None,
    }


def read_receipts(rows: Iterable[AnyRow]) -> dict[bytes, list[Receipt]]:
    """Return accepted messages by their repeat key; a key that was never used has a null row on SQLite."""
    found: dict[bytes, list[Receipt]] = {}
    for row in rows:
        if row.id is not None:
            receipt = Receipt(row.id, row.control_id, row.digest, read_ack(row))
            found.setdefault(bytes.fromhex(row.repeat_key), []).append(receipt)
    return found
