"""A scratch store that takes the lines of a journal again, each with its id and at its time."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from shutil import copyfile

from pam_receiver.hl7.rules import BLOCK_TOO_LARGE
from pam_receiver.identity.unmerge import NotUndone, decide_unmerge
from pam_receiver.receive import Incoming, Outcome, Receiver
from pam_receiver.store import JournalEntry, Store, migrate
from pam_receiver.store.acts import UNMERGE, UnmergeAct, keep_act, load_by_id
from pam_receiver.store.checkpoints import Entry
from pam_receiver.store.folding import begin_with
from pam_receiver.store.sealing import InClear, Sealed

# Makes a receiver on a store, from where its message ids and its time come.
MakeReceiver = Callable[[Store, Callable[[], str], Callable[[], datetime]], Receiver]


class _Forgetful(InClear):
    """Keeps no text of a message: a scratch store is asked for identities alone, and lies in a folder of all."""

    def seal(self, name: str, content: bytes) -> Sealed:  # noqa: ARG002 - as of Sealing
        return Sealed(b"", None)


class Fold:
    """A scratch store, and receivers on it which take messages with the ids and at the times of the journal."""

    def __init__(self, file: Path, make: MakeReceiver | None = None) -> None:
        migrate.upgrade(f"sqlite:///{file}")
        self._file = file
        self.store = Store.open(f"sqlite:///{file}", sealing=_Forgetful())
        self._ids: deque[str] = deque()
        self._at = datetime.min.replace(tzinfo=UTC)  # each receive sets it first
        self._receiver = self.make(make) if make is not None else None

    def make(self, make: MakeReceiver) -> Receiver:
        """Return a receiver on the scratch store."""
        return make(self.store, self._ids.popleft, lambda: self._at)

    def begin_as(self, other: "Fold") -> None:
        """Hold what ``other`` holds, and nothing else."""
        self.store.close()
        other.store.close()  # the last connection that closes brings what stands in the WAL into the file
        for suffix in ("", "-wal"):
            source = other._file.with_name(other._file.name + suffix)
            if source.exists():
                copyfile(source, self._file.with_name(self._file.name + suffix))

    def begin_with(self, entries: Iterable[Entry]) -> None:
        """Hold what a checkpoint holds; to be called before anything else."""
        with self.store.begin() as tx:
            begin_with(tx, entries)

    def receive(self, entries: Sequence[JournalEntry], receiver: Receiver | None = None) -> list[Outcome]:
        """Take messages as the daemon did: many in one batch, and a block over the limit by itself.

        ``receiver``: one that :meth:`make` made; that of the beginning when ``None``.
        """
        taking = receiver or self._receiver
        assert taking is not None
        outcomes: list[Outcome] = []
        for is_oversize, run in groupby(entries, _is_oversize):
            taken = list(run)
            self._ids.extend(each.id for each in taken)
            incoming = [Incoming(each.raw, each.peer, each.received_at, each.port) for each in taken]
            self._at = taken[-1].received_at
            if is_oversize:
                outcomes += [taking.receive_oversize(each) for each in incoming]
            else:
                outcomes += taking.receive(incoming)
        return outcomes

    def act(self, entry: JournalEntry) -> NotUndone | None:
        """Do again what an operator did; return why it cannot be done here, ``None`` when it was.

        Lines of acts that change no identity change nothing here either.
        """
        if entry.action != UNMERGE or not entry.raw:
            return None
        words = UnmergeAct.from_bytes(entry.raw)
        with self.store.begin() as tx:
            known = load_by_id(tx, [words.absorbed, words.survivor])
            decision = decide_unmerge(
                known, absorbed=words.absorbed, survivor=words.survivor, was_active=words.was_active
            )
            if isinstance(decision, NotUndone):
                return decision
            keep_act(tx, UNMERGE, entry.raw, decision, act_id=entry.id, by=entry.peer, at=entry.received_at)
        return None

    def close(self) -> None:
        self.store.close()


def _is_oversize(entry: JournalEntry) -> bool:
    """Whether the journal holds but the head of a block that was too large."""
    return any(rule == BLOCK_TOO_LARGE.id for rule, _ in entry.rules)
