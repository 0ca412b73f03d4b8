"""Take a journal again under two receivers, each in a scratch store of its own, and say what differs.

The store of the journal is only read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from itertools import groupby
from pathlib import Path

from pam_receiver.hl7.rules import EMPTY_BLOCK
from pam_receiver.rehearsal.fold import Fold, MakeReceiver
from pam_receiver.rehearsal.identities import compare_identities
from pam_receiver.rehearsal.messages import Tally
from pam_receiver.rehearsal.model import Rehearsal
from pam_receiver.store import JournalEntry, Store, queries


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
    are compared; those before are taken under ``present`` alone, for both. What an operator did is done again; messages
    whose text is gone are left out, and counted. ``folder``: an empty one, for scratch databases about as big as that
    of the journal. ``tell``: called with the number of messages done and the time of the last one.

    Raises:
        StoreUnavailable: the store cannot be read, or ``folder`` is full.
    """
    tally = Tally()
    last_id = ""
    with ExitStack() as stack:
        now = stack.enter_context(closing(Fold(folder / "present.db", present)))
        then = stack.enter_context(closing(Fold(folder / "other.db", other))) if other is not None else None
        for page in stack.enter_context(closing(queries.read_journal(store))):
            for kind, run in _runs(page):
                if kind == "message":
                    start = 0 if tally.rehearsed else _first_since(run, since)
                    _take(run, start, now, then, tally)
                elif kind == "act":
                    _act(run, now, then if tally.rehearsed else None)
                else:
                    tally.without_text += len(run)
            last_id = page[-1].id
            tell(tally.messages, page[-1].received_at)
        identities = None
        if tally.rehearsed and then is not None:
            identities = compare_identities(now.store, then.store, real=store)
        elif tally.rehearsed:
            identities = compare_identities(store, now.store, real=store, until=last_id)
    return tally.result(identities)


def _take(page: Sequence[JournalEntry], start: int, now: Fold, then: Fold | None, tally: Tally) -> None:
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


def _runs(page: Sequence[JournalEntry]) -> Iterator[tuple[str, list[JournalEntry]]]:
    return ((kind, list(run)) for kind, run in groupby(page, _kind_of))


def _kind_of(entry: JournalEntry) -> str:
    if entry.action is not None:
        return "act"
    return "message" if has_text(entry) else "gone"


def has_text(entry: JournalEntry) -> bool:
    """Whether the journal holds what came in: not of what was pruned or erased, nor of whom it does not listen to."""
    if entry.erased_at is not None:
        return False
    return bool(entry.raw) or any(rule == EMPTY_BLOCK.id for rule, _ in entry.rules)


def _act(entries: Sequence[JournalEntry], now: Fold, then: Fold | None) -> None:
    """Do again what an operator did, where it can be done: under other settings there may be nothing to undo."""
    for entry in entries:
        now.act(entry)
        if then is not None:
            then.act(entry)
