"""The texts of messages, which stand beside their lines, and since when those are gone that were pruned.

A line of ``message`` stays for ever; its text stands in ``message_text``, where the oldest go by themselves. That a
text was pruned is told by ``pruning``, for all messages up to one; that it was erased by legal demand, by the line.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from pam_receiver.store.reads import reads_of
from pam_receiver.store.schema import pruning
from pam_receiver.store.sealing import Sealed, Sealing

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


def earliest_id(at: datetime) -> str:
    """Return how the id begins of a message that was taken at ``at`` (aware): it sorts before each of them.

    Spec: RFC 9562 §5.7: the first 48 bits are milliseconds.
    """
    digits = f"{max(0, (at - _EPOCH) // _MS):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def read_texts(connection: Connection, ids: Collection[str], sealing: Sealing) -> dict[str, bytes]:
    """Return the texts of these messages, as they came in, by the id; those that have none are not in it.

    Raises:
        KeyMissing, SealBroken: one cannot be decrypted.
    """
    if not ids:
        return {}
    reads = reads_of(connection)
    within = {"ids": reads.pack(ids), "first": min(ids), "last": max(ids)}
    rows = connection.execute(reads.texts, within)
    return {row.message_id: sealing.open(row.message_id, Sealed(row.raw, row.key_id)) for row in rows}


@dataclass(frozen=True, slots=True)
class Prunings:
    """What was pruned: (id of the last message, when) of each pruning, in the order of the ids."""

    runs: tuple[tuple[str, datetime], ...]

    def since(self, message_id: str) -> datetime | None:
        """Since when the text of a message is gone, if it is not there; ``None``: it was not pruned."""
        return min((at for up_to, at in self.runs if up_to >= message_id), default=None)


def read_prunings(connection: Connection) -> Prunings:
    """Return the prunings that there were."""
    return Prunings(tuple((row.up_to, row.at) for row in connection.execute(_PRUNINGS)))


_PRUNINGS: Final[Select[Any]] = select(pruning.c.up_to, pruning.c.at).order_by(pruning.c.up_to)
