"""A day of traffic in miniature: memory, file handles and the log of SQLite stay flat, however many messages come."""

import random
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from faults import scale
from faults.daemon import Daemon
from faults.ledger import reading
from faults.sender import Stream, run_all
from faults.traffic import FAMILY_SIZE, streams
from sqlalchemy import func, select

from pam_receiver.store.schema import alert, identity, identity_version, merge_link, message

CONNECTIONS: Final = 4
STEP: Final = 1_000  # messages between two looks; each of them on new connections
WARM_UP: Final = 4_000  # after these, all that is loaded once is loaded
MOST_GROWTH_BYTES: Final = 4 << 20  # whatever the number of messages: keeping the bytes of each would take twice that
MOST_LOG_BYTES: Final = 176 << 20  # of the file -wal: after 40,000 pages SQLite itself empties it


class TestSoak:
    """20,000 messages with ``make test``, 200,000 with ``make soak``, through real sockets."""

    def test_memory_and_file_handles_are_flat(self, sqlite_url: str, note: Callable[[str], None]) -> None:
        log = Path(sqlite_url.removeprefix("sqlite:///") + "-wal")
        chance = random.Random(10)
        looks: list[tuple[int, int]] = []
        longest_log = 0
        messages = 0
        families = count()
        with Daemon(sqlite_url) as daemon:
            while messages < scale.SOAK_MESSAGES:
                numbers = [next(families) for _ in range(STEP // FAMILY_SIZE)]
                run_all(daemon.address, [Stream(each) for each in streams(numbers, CONNECTIONS)], chance)
                messages += STEP
                daemon.check_log()
                longest_log = max(longest_log, log.stat().st_size)
                if messages >= WARM_UP:
                    looks.append((daemon.memory_bytes, daemon.open_files))
            assert daemon.stop() == 0
        (first_bytes, first_files), (last_bytes, last_files) = looks[0], looks[-1]
        growth = max(held for held, _ in looks) - first_bytes
        assert growth < MOST_GROWTH_BYTES, f"{growth} bytes more after {messages - WARM_UP} messages"
        assert max(files for _, files in looks) - first_files <= CONNECTIONS
        assert longest_log < MOST_LOG_BYTES
        self.check_counts(sqlite_url, messages // FAMILY_SIZE)
        note(
            f"{messages} messages; memory {first_bytes >> 20} MiB after {WARM_UP}, {last_bytes >> 20} MiB at the end,"
            f" {growth >> 10} KiB more at most; {first_files} files open, {last_files} at the end;"
            f" the -wal file {longest_log >> 10} KiB at most"
        )

    def check_counts(self, url: str, families: int) -> None:
        """Each family left two identities, eight versions, one merge and one alert, in ten rows of the journal."""
        expected = {message: 10, identity: 2, identity_version: 8, merge_link: 1, alert: 1}
        with reading(url) as store, store.read() as connection:
            for table, each in expected.items():
                found = connection.execute(select(func.count()).select_from(table)).scalar()
                assert (table.name, found) == (table.name, each * families)
