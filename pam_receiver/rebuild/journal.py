"""The journal folded anew into a scratch store: each message under what was in force, each verdict as it was given.

A message that was refused, or that repeated another one, touched no identity then and touches none now.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Final

from pam_receiver.finding import Severity
from pam_receiver.rebuild.model import MOST_EXAMPLES, JournalIncomplete, Run, Undecided
from pam_receiver.receive import Outcome, Receiver
from pam_receiver.rehearsal import Fold, MakeReceiver, has_text
from pam_receiver.store import JournalEntry, Store, StoreConflict, queries
from pam_receiver.store.checkpoints import Checkpoint, CheckpointBroken, find_checkpoint, read_checkpoint
from pam_receiver.store.folding import find_overtaken, find_rebuild

_AA: Final = "AA"
_NOT_TAKEN: Final = "repeat"  # an accepted message that is now one that repeats another


@dataclass(slots=True)
class InForceThen:
    """How the messages of one run are taken: the version of ours of that time, and what makes the receiver."""

    program: str
    make: MakeReceiver


# Gives what was in force by its id; for ``None`` what is in force now.
FindInForce = Callable[[str | None], InForceThen]


@dataclass(slots=True)
class Folded:
    """A journal folded: the scratch store with what it makes, and what was seen on the way.

    ``after``: the last message that the checkpoint holds, ``""`` without one; ``last``: the last of the journal.
    """

    store: Store
    after: str = ""
    last: str = ""
    messages: int = 0
    folded: int = 0
    acts: int = 0
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    runs: list[Run] = field(default_factory=list)
    before_settings_were_kept: int = 0
    undecided: list[Undecided] = field(default_factory=list)
    undecided_count: int = 0
    identities: int = 0


@contextmanager
def fold_journal(
    store: Store,
    find: FindInForce,
    *,
    folder: Path,
    with_current_settings: bool = False,
    tell: Callable[[int, datetime], None] = lambda _count, _at: None,
) -> Iterator[Folded]:
    """Fold the journal of ``store`` from its newest checkpoint on; the scratch store is there until the end.

    ``find``: gives what was in force. ``with_current_settings``: every message is taken under what is in force now.
    ``folder``: an empty one, for a scratch database; it holds the identities with their histories, and a line for each
    message. ``tell``: called with the number of messages done and the time of the last one.

    Raises:
        JournalIncomplete: the text of accepted messages is gone, and no checkpoint holds them.
        StoreUnavailable: the store cannot be read, or ``folder`` is full.
        KeyMissing, SealBroken, CheckpointBroken: as of the checkpoint.
        StoreConflict: the journal was pruned, or somebody erased, while it was read: fold it again.
    """
    with closing(Fold(folder / "rebuilt.db")) as fold:
        state = Folded(fold.store)
        found = find_checkpoint(store)
        try:
            _fold(store, fold, state, found, find, tell, with_current_settings)
        except (JournalIncomplete, CheckpointBroken):
            if find_checkpoint(store) != found:
                raise StoreConflict(store.name) from None
            raise
        yield state


def _fold(
    store: Store,
    fold: Fold,
    state: Folded,
    found: Checkpoint | None,
    find: FindInForce,
    tell: Callable[[int, datetime], None],
    with_current_settings: bool,
) -> None:
    if found is not None:
        state.after = state.last = found.up_to
        with closing(read_checkpoint(store, found)) as entries:  # type: ignore[type-var]  # a generator
            fold.begin_with(entries)
    rebuilt = None if with_current_settings else find_rebuild(store, state.after)
    folding = _Folding(fold, state, find, find_overtaken(store, state.after), with_current_settings, rebuilt)
    with closing(queries.read_journal(store, after=state.after)) as pages:
        for page in pages:
            folding.take(page)
            tell(state.messages, page[-1].received_at)
    folding.finish()


class _Folding:
    """Takes the journal line by line; those that were decided late wait for what came before them.

    ``rebuilt``: up to which message the identities were rebuilt under other settings, and under what.
    """

    def __init__(
        self,
        fold: Fold,
        state: Folded,
        find: FindInForce,
        overtaken: dict[str, frozenset[str]],
        with_current_settings: bool,
        rebuilt: tuple[str, str] | None,
    ) -> None:
        self._rebuilt = rebuilt
        self._fold = fold
        self._state = state
        self._find = find
        self._overtaken = overtaken
        self._awaited = frozenset().union(*overtaken.values())
        self._done: set[str] = set()  # of those
        self._is_now = with_current_settings
        self._waiting: list[JournalEntry] = []
        self._then: dict[str | None, InForceThen] = {}
        self._receivers: dict[str | None, Receiver] = {}
        self._gone: list[str] = []

    def take(self, page: Sequence[JournalEntry]) -> None:
        state = self._state
        state.messages += len(page)
        state.begins_at = state.begins_at or page[0].received_at
        state.ends_at = page[-1].received_at
        state.last = page[-1].id
        self._take_all(self._in_order(page))

    def _take_all(self, entries: Iterable[JournalEntry]) -> None:
        taken = (entry for entry in entries if _kind_of(entry) != "left")
        for (in_force, kind), run in groupby(taken, lambda entry: (self._in_force_of(entry), _kind_of(entry))):
            self._take_run(kind, in_force, list(run))

    def _in_force_of(self, entry: JournalEntry) -> str | None:
        return self._rebuilt[1] if self._rebuilt is not None and self._is_rebuilt(entry) else entry.in_force

    def _is_rebuilt(self, entry: JournalEntry) -> bool:
        return self._rebuilt is not None and entry.id <= self._rebuilt[0]

    def finish(self) -> None:
        """Take what waited for a line that did not come, and say what only the whole journal tells."""
        self._take_all(self._waiting)
        if self._gone:
            raise JournalIncomplete(len(self._gone), self._gone[0])

    def _in_order(self, page: Sequence[JournalEntry]) -> Iterator[JournalEntry]:
        for entry in page:
            if self._waits(entry):
                self._waiting.append(entry)
            else:
                yield from self._released(entry)

    def _waits(self, entry: JournalEntry) -> bool:
        return not self._overtaken.get(entry.id, frozenset()) <= self._done

    def _released(self, entry: JournalEntry) -> Iterator[JournalEntry]:
        """Give a line, then those that waited for it, and those that waited for these."""
        yield entry
        if entry.id not in self._awaited:
            return
        self._done.add(entry.id)
        while freed := next((each for each in self._waiting if not self._waits(each)), None):
            self._waiting.remove(freed)
            yield from self._released(freed)

    def _take_run(self, kind: str, in_force: str | None, run: list[JournalEntry]) -> None:
        match kind:
            case "act":
                self._act(run)
            case "gone":
                self._gone += [each.id for each in run]
            case "message":
                self._receive(in_force, run)

    def _act(self, run: Sequence[JournalEntry]) -> None:
        for entry in run:
            self._state.acts += 1
            if (reason := self._fold.act(entry)) is not None:
                self._undecided(Undecided(entry.id, "", reason=reason.value))

    def _receive(self, in_force: str | None, run: list[JournalEntry]) -> None:
        state = self._state
        state.folded += len(run)
        if in_force is None:
            state.before_settings_were_kept += len(run)
        self._note(in_force, run)
        for entry, outcome in zip(run, self._fold.receive(run, self._receiver(in_force)), strict=True):
            is_taken = outcome.ack_code == _AA and not outcome.is_repeat
            if not is_taken and not self._is_rebuilt(entry):  # else the operator was told then
                self._undecided(_tell(entry, outcome))

    def _receiver(self, in_force: str | None) -> Receiver:
        key = None if self._is_now else in_force
        if key not in self._receivers:
            self._receivers[key] = self._fold.make(self._find_then(key).make)
        return self._receivers[key]

    def _find_then(self, in_force: str | None) -> InForceThen:
        if in_force not in self._then:
            self._then[in_force] = self._find(in_force)
        return self._then[in_force]

    def _note(self, in_force: str | None, run: list[JournalEntry]) -> None:
        runs = self._state.runs
        if runs and runs[-1].in_force == in_force:
            before = runs[-1]
            count = before.messages + len(run)
            runs[-1] = Run(in_force, before.program, count, before.first, run[-1].id)
            return
        program = self._find_then(in_force).program if in_force is not None else ""
        runs.append(Run(in_force, program, len(run), run[0].id, run[-1].id))

    def _undecided(self, one: Undecided) -> None:
        self._state.undecided_count += 1
        if len(self._state.undecided) < MOST_EXAMPLES:
            self._state.undecided.append(one)


def _kind_of(entry: JournalEntry) -> str:
    if entry.action is not None:
        return "act"
    if entry.ack_code != _AA or entry.repeat_of is not None:
        return "left"
    return "message" if has_text(entry) else "gone"


def _tell(entry: JournalEntry, outcome: Outcome) -> Undecided:
    errors = tuple(rule for rule, severity in outcome.rules if severity == Severity.E)
    return Undecided(entry.id, outcome.ack_code, errors, _NOT_TAKEN if outcome.is_repeat else "")
