"""A daemon that is told to end while it works."""

import random
import signal
from collections.abc import Callable, Sequence
from typing import Final

from faults.daemon import Daemon
from faults.ledger import Effects, check_kept, read_journal, reading
from faults.sender import Load, Stream, all_answered
from faults.traffic import streams

GRACE_S: Final = 10.0  # from SIGTERM to the end


def end_under_load(
    url: str,
    daemon: Daemon,
    without_fault: Callable[..., Effects],
    *,
    connections: int,
    signals: Sequence[signal.Signals] = (signal.SIGTERM,),
) -> None:
    """Make sure that it ends in time with all that it read answered and kept, and nothing else."""
    todo = [Stream(messages) for messages in streams(range(300), connections)]
    load = Load(daemon.address, todo, random.Random(8))
    load.wait_for_answers(200)
    for number in signals:
        daemon.signal(number)
    assert daemon.process.wait(GRACE_S) == 0
    load.join()
    assert daemon.wait() == 0
    assert not all(stream.is_done for stream in todo), "ended when all was done: no end under load"
    answered = all_answered(todo)
    with reading(url) as store, store.read() as connection:
        journal = read_journal(connection)
    assert {each.control_id for each in journal} == answered.keys(), "read and kept, but not answered"
    check_kept(url, answered, without_fault([each for stream in todo for each in stream.messages]))
