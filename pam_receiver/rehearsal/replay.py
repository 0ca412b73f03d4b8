"""Take a journal again under two receivers, each in a scratch store of its own, and say what differs.

The store of the journal is only read.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from shutil import copyfile

from pam_receiver.hl7.rules import BLOCK_TOO_LARGE
from pam_receiver.receive import Incoming, Outcome, Receiver
from pam_receiver.rehearsal.identities import compare_identities
from pam_receiver.rehearsal.messages import Tally
from pam_receiver.rehearsal.model import Rehearsal
from pam_receiver.store import JournalEntry, Store, migrate, queries

# Makes a receiver on a store, from where its message ids and its time come.
MakeReceiver = Callable[[Store, Callable[[], str], Callable[[], datetime]], Receiver]


def rehearse(
    store: Store,
    *,
    present: MakeReceiver,
    other: MakeReceiver | None = None,
    folder: Path,
    since: datetime | None = None,
    tell: Callable[[int, datetime], None] = lambda _count, _at: None,
) -> Rehearsal:
    """Take the journal of ``store`` again, in its order, and compare.

    With ``other``: what it would answer and keep, with what ``present`` does. Without: what ``present`` would answer
    and keep, with what the journal says and the store holds. Only messages from the first one received at ``since`` on
    are compared; those before are taken under ``present`` alone, for both. ``folder``: an empty one, for scratch
    databases as big as the journal. ``tell``: called with the number of messages done and the time of the last one.

    Raises:
        StoreUnavailable: the store cannot be read, or ``folder`` is full.
    """
    tally = Tally()
    last_id = ""
    with ExitStack() as stack:
        now = stack.enter_context(closing(_Fold(folder / "present.db", present)))
        then = stack.enter_context(closing(_Fold(folder / "other.db", other))) if other is not None else None
        for page in stack.enter_context(closing(queries.read_journal(store))):
            start = 0 if tally.rehearsed else _first_since(page, since)
            _take(page, start, now, then, tally)
            last_id = page[-1].id
            tell(tally.messages, page[-1].received_at)
        identities = None
        if tally.rehearsed and then is not None:
            identities = compare_identities(now.store, then.store, real=store)
        elif tally.rehearsed:
            identities = compare_identities(store, now.store, real=store, until=last_id)
    return tally.result(identities)


def _take(page: Sequence[JournalEntry], start: int, now: "_Fold", then: "_Fold | None", tally: Tally) -> None:
    """Take a page, of which the messages from ``start`` on are compared."""
    later = page[start:]
    answers = now.receive(page[:start])
    if later and then is not None and not tally.rehearsed:
        then.begin_as(now)
    mine = now.receive(later)
    if then is not None:
        tally.add_drift(page, [*answers, *mine])
    if later:
        tally.add(later, mine if then is not None else later, then.receive(later) if then is not None else mine)
    tally.messages += len(page)


def _first_since(page: Sequence[JournalEntry], since: datetime | None) -> int:
    if since is None:
        return 0
    return next((n for n, entry in enumerate(page) if entry.received_at >= since), len(page))


class _Fold:
    """A scratch store and a receiver on it, which takes messages with the ids and at the times of the journal."""

    def __init__(self, file: Path, make: MakeReceiver) -> None:
        migrate.upgrade(f"sqlite:///{file}")
        self._file = file
        self.store = Store.open(f"sqlite:///{file}")
        self._ids: deque[str] = deque()
        self._at = datetime.min.replace(tzinfo=UTC)  # each receive sets it first
        self._receiver = make(self.store, self._ids.popleft, lambda: self._at)

    def begin_as(self, other: "_Fold") -> None:
        """Hold what ``other`` holds, and nothing else."""
        self.store.close()
        other.store.close()  # the last connection that closes brings what stands in the WAL into the file
        for suffix in ("", "-wal"):
            source = other._file.with_name(other._file.name + suffix)
            if source.exists():
                copyfile(source, self._file.with_name(self._file.name + suffix))

    def receive(self, entries: Sequence[JournalEntry]) -> list[Outcome]:
        """Take messages as the daemon did: many in one batch, and a block over the limit by itself."""
        outcomes: list[Outcome] = []
        for is_oversize, run in groupby(entries, _is_oversize):
            taken = list(run)
            self._ids.extend(each.id for each in taken)
            incoming = [Incoming(each.raw, each.peer, each.received_at, each.port) for each in taken]
            self._at = taken[-1].received_at
            if is_oversize:
                outcomes += [self._receiver.receive_oversize(each) for each in incoming]
            else:
                outcomes += self._receiver.receive(incoming)
        return outcomes

    def close(self) -> None:
        self.store.close()


def _is_oversize(entry: JournalEntry) -> bool:
    """Whether the journal holds but the head of a block that was too large."""
    return any(rule == BLOCK_TOO_LARGE.id for rule, _ in entry.rules)
