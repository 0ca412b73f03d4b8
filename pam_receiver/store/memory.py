"""What the writer's connection to a file remembers of it: a lone message need not ask for it again.

It holds for as long as nobody else has written to the file: SQLite tells that by a number, which a commit of another
connection changes and our own does not. Spec: SQLite, PRAGMA data_version.
"""

from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import Connection, func, select

from pam_receiver.identity.known import Authorities
from pam_receiver.identity.model import SeenAuthority
from pam_receiver.store.pipeline import driver_of
from pam_receiver.store.prepared import fetch
from pam_receiver.store.schema import message

_MEMORY: Final = "pam_receiver_memory"  # the key by which a connection keeps it
_MOST_AUTHORITIES: Final = 1_000  # remembered, then all are forgotten: so many are those of a sender that invents them
_LAST_ID: Final = select(func.max(message.c.id).label("last"))

Name = tuple[tuple[str, str], str]  # who sends, and an HD-1 as it writes it


class Memory:
    """What was read of the file or committed to it by this connection. Made inside a transaction by :func:`recall`."""

    def __init__(self, version: int) -> None:
        self.version: Final = version
        self.authorities: Final = Authorities()
        self._names: set[Name] = set()  # those of which all authorities are remembered
        self.last: str | None = None  # the greatest id of the journal, once it was asked for

    def unknown(self, senders: Collection[tuple[str, str]], namespaces: Collection[str]) -> set[Name]:
        """Return the names of which the authorities are not remembered, of each sender with each HD-1."""
        return {(sender, each) for sender in senders for each in namespaces} - self._names

    def learn(self, names: Collection[Name], seen: Iterable[SeenAuthority]) -> Authorities:
        """Take in all authorities that go by these names; return those of all names."""
        self._names.update(names)
        for each in seen:
            self.authorities.see(each)
        return self.authorities

    def commit(self, *, last: str, seen: Iterable[SeenAuthority]) -> None:
        """Take in what was committed: the greatest id among its messages (``""``: none), and new authorities."""
        if self.last is not None:
            self.last = max(self.last, last)
        for each in seen:
            self.authorities.see(each)


def recall(connection: Connection) -> Memory:
    """Return what is still true of the file, in a transaction that has begun: until it ends nobody else writes."""
    ((version,),) = driver_of(connection).execute("PRAGMA data_version").fetchall()
    memory: Memory | None = connection.info.get(_MEMORY)
    if memory is None or memory.version != version or len(memory.authorities) > _MOST_AUTHORITIES:
        memory = connection.info[_MEMORY] = Memory(version)
    return memory


def forget(connection: Connection) -> None:
    """Remember nothing more of the file: what is done to it now is not told."""
    connection.info.pop(_MEMORY, None)


def last_message_id(connection: Connection, memory: Memory | None) -> str:
    """Return the greatest id of the journal, ``""`` when it is empty; it is asked for when it is not remembered."""
    if memory is not None and memory.last is not None:
        return memory.last
    ((last,),) = fetch(connection, _LAST_ID, {})
    found: str = last or ""
    if memory is not None:
        memory.last = found
    return found
