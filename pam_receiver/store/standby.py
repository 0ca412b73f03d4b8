"""A standby of PostgreSQL: how far behind its primary it is."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from pam_receiver.store.transaction import Store


@dataclass(frozen=True, slots=True)
class Replay:
    """``at``: the commit, on the primary, of the last transaction that the standby has; ``None``: none since its start.

    A primary on which nothing is written has nothing newer to give: this moment says what is surely there, no more.
    """

    at: datetime | None


def find_replay(store: Store) -> Replay | None:
    """Return how far the standby is; ``None`` when ``store`` is on a primary, or on SQLite.

    Raises:
        StoreError: it cannot be read now.
    """
    with store.read() as connection:
        if connection.dialect.name == "sqlite":
            return None
        row = connection.execute(_REPLAY).one()
    return Replay(row.at) if row.is_standby else None


_REPLAY = text("SELECT pg_is_in_recovery() AS is_standby, pg_last_xact_replay_timestamp() AS at")
