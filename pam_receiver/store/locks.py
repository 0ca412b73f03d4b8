"""What writers on one PostgreSQL hold until they commit, so that two that meet are as if one after the other.

A batch holds the names that its messages say, and every name of each identity that it has loaded. An identity is found
by its names alone, and keeps its IPPs for ever, so whoever reads or changes it shares a lock with all others who do.
What is waited for is taken at once and in one order: nobody waits in a circle. SQLite lets one writer in anyway.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from sqlalchemy import Connection

from pam_receiver.identity.identifiers import PI
from pam_receiver.identity.model import Identity
from pam_receiver.store.binary import TRUE, write_locks
from pam_receiver.store.errors import StoreConflict
from pam_receiver.store.pipeline import Answer, Pipeline, pipeline_of

MOST_LOCKS: Final = 400  # of one batch: a server of default settings has room for some 6,400 in all

_IPP, _MATRICULE, _REPEAT = 1 << 32, 2 << 32, 3 << 32  # above the 32 bits of a digest
_EVERYONE: Final = 4 << 32  # shared by all batches, save the one that must be alone
# The lock on the table is the one that our inserts take anyway; erasures, checkpoints and rebuilds take one that
# excludes it. No batch does: it would wait for a VACUUM, and all others behind it. Each statement sees what was
# committed before it began: the reads of a batch come after its locks.
_TABLE: Final = b"LOCK TABLE message IN ROW EXCLUSIVE MODE"
# The statements that follow are planned once, for any values: else PostgreSQL plans most of them at each run, which
# takes longer than to run them. What keeps such a plan right stands in engine.py.
_PLANNED_ONCE: Final = b"set_config('plan_cache_mode', 'force_generic_plan', true)"
_WITH_OTHERS: Final = (
    b"SELECT %b, pg_advisory_xact_lock_shared(%d), "
    b"(SELECT count(pg_advisory_xact_lock(each)) FROM unnest($1::bigint[]) AS each)" % (_PLANNED_ONCE, _EVERYONE)
)
_ALONE: Final = b"SELECT %b, pg_advisory_xact_lock(%d)" % (_PLANNED_ONCE, _EVERYONE)
_TRY: Final = b"SELECT bool_and(pg_try_advisory_xact_lock(each)) FROM unnest($1::bigint[]) AS each"
_LAST: Final = b"SELECT max(id) FROM message"


@dataclass(frozen=True, slots=True)
class Hold:
    """What a batch holds: the locks of these names; or, when it is ``alone``, all that anybody could.

    Two names may share a lock, which makes their holders wait for nothing and does no harm.
    """

    locks: frozenset[int] = frozenset()
    alone: bool = False

    def is_too_wide(self) -> bool:
        """Whether these are more locks than one batch may take."""
        return len(self.locks) > MOST_LOCKS


ALONE: Final = Hold(alone=True)


class MoreToHold(StoreConflict):
    """Another batch holds a name by which an identity goes that this one has loaded: nothing was kept.

    ``hold``: what to wait for before all is loaded again.
    """

    def __init__(self, database: str, hold: Hold) -> None:
        super().__init__(database)
        self.hold = ALONE if hold.is_too_wide() else hold


def hold_names(*, ipps: Collection[str], matricules: Collection[str], repeat_keys: Collection[bytes]) -> Hold:
    """Return what a batch must hold whose messages say these names."""
    locks = {_IPP | _digest(each) for each in ipps}
    locks.update(_MATRICULE | _digest(each) for each in matricules)
    locks.update(_REPEAT | crc32(each) for each in repeat_keys)
    return Hold(frozenset(locks))


@dataclass(slots=True)
class Taken:
    """What a transaction holds by now. ``last``: the answer that brings the greatest id of the journal."""

    hold: Hold
    pipeline: Pipeline
    last: Answer

    @property
    def last_message_id(self) -> str:
        """The greatest id of the journal, ``""`` when it is empty: whoever held any of this before stands there."""
        ((last,),) = self.pipeline.wait_for(self.last).rows
        return (last or b"").decode()


def take(connection: Connection, hold: Hold) -> Taken:
    """Have all that is to be held waited for, until the end of the transaction; to be called first in a pipeline."""
    pipeline = pipeline_of(connection)
    assert pipeline is not None
    pipeline.send(_TABLE)
    if hold.alone:
        pipeline.send(_ALONE)
    else:
        pipeline.send(_WITH_OTHERS, [write_locks(hold.locks)])
    return Taken(hold, pipeline, pipeline.send(_LAST))


def extend(taken: Taken, loaded: Iterable[Identity], database: str) -> None:
    """Hold every other name of the identities loaded as well.

    Those who go by a name that was said have been safe since then: whoever changes one of them, or one merged with it,
    must hold that name too. So this waits for nobody (who waited for more could wait in a circle), and what was loaded
    holds good.

    Raises:
        MoreToHold: another batch holds one of them.
    """
    hold, names = taken.hold, frozenset(lock for each in loaded for lock in _locks_of(each))
    if hold.alone or names <= hold.locks:
        return
    wider = Hold(hold.locks | names)
    if wider.is_too_wide():
        raise MoreToHold(database, ALONE)
    answer = taken.pipeline.send(_TRY, [write_locks(names - hold.locks)])
    if taken.pipeline.wait_for(answer).rows != [[TRUE]]:
        raise MoreToHold(database, wider)


def _locks_of(identity: Identity) -> Iterable[int]:
    for each in identity.identifiers:
        if each.type == PI:
            yield _IPP | _digest(each.value)
    if identity.ins is not None:
        yield _MATRICULE | _digest(identity.ins.matricule)


def _digest(name: str) -> int:
    return crc32(name.encode("utf-8", "surrogatepass"))
