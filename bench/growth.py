"""What the daemon's rate and its database become as stored identities grow: SQLite, PostgreSQL, several sizes.

``load_bulk.py`` brings the same database from one size to the next. At each size the daemon is started on it and sent
new patients, then a mixture that speaks of stored ones chosen from all: what it needs is in no cache. Each run takes
turns with one of the same kind on a copy at the smallest size: the ratio of a size is that of its turns, of the same
minutes. Small sizes, which a run would make grow, are measured on copies as well.
"""

import argparse
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Final

import growth_plot
import psycopg
from apps import APPS, PARTS, Place, build, upgrade
from gen_corpus import Corpus, Spec, creation, write_blocks
from growth_plot import SENT, Growth, Held, Point, Sent
from load_bulk import MOST_PATIENTS, Makers, check_disk, forget_settings, load, making
from measure import FILE, SERVER, BenchError, Load, fresh_place, measure_at, size_of
from results import NAMES, OURS, Kind
from run import find_kinds, keep_on_disk, read_connections, read_seconds, read_versions, some, whole

_COPIED: Final = 200_000  # up to so many identities, each run is made on a copy
_MOST_MESSAGES: Final = 1_000_000
_WARMUP_PART: Final = 3  # of the messages, one in three more for the warm-up
_STATES: Final = 79  # of a patient, before it comes back to one that it had
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_COLUMNS: Final = ("stored", "database", "connections", "load", "messages/s", "p99 ms", "peak MB")


def main() -> int:
    asked = _read_arguments()
    forget_settings()
    try:
        growth = _run(asked)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n" + growth_plot.markdown(growth))
    if asked.json is not None:
        growth.write(asked.json)
    if asked.plot is not None:
        asked.plot.write_text(growth_plot.svg(growth), "utf-8")
    return 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/growth.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    default = (10_000, 100_000, 1_000_000, 5_000_000)
    shown = ",".join(map(str, default))
    add("--sizes", type=_sizes, default=default, metavar="N,N,…", help=f"stored identities ({shown})")
    databases = ("sqlite", "postgresql")
    add(
        "--databases", type=some(databases), metavar="NAME,…", help="sqlite,postgresql (both; the second if it answers)"
    )
    add("--connections", type=read_connections, default=(64, 8), metavar="N,N,…", help="connections (64,8)")
    add("--loads", type=some(tuple(SENT)), default=list(SENT), metavar="NAME,…", help="new,mixed (both)")
    add("--rounds", type=whole(20), default=3, metavar="N", help="runs of each (3)")
    add("--seconds", type=read_seconds, default=5.0, metavar="S", help="of each run, at most (5)")
    add("--warmup", type=read_seconds, default=2.0, metavar="S", help="seconds of sending before, unmeasured (2)")
    add(
        "--messages",
        type=whole(_MOST_MESSAGES),
        default=100_000,
        metavar="N",
        help="at hand for each run, which ends early when all were sent (100000)",
    )
    add("--corpus", choices=["dialect", "fresh"], default="dialect", help="as of run.py (dialect)")
    add("--workers", type=whole(64), default=os.cpu_count() or 1, metavar="N", help="that load in bulk (all cores)")
    add(
        "--folder",
        type=Path,
        default=PARTS,
        metavar="DIR",
        help="on a disk; what is made there is removed (build/bench)",
    )
    add("--keep", action="store_true", help="leave folder and databases, and say where")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    add("--plot", type=Path, metavar="FILE", help="draw rate and size there, as SVG")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted({whole(MOST_PATIENTS // 2)(part) for part in text.split(",")}))


# ------------------------------------------------------------------------------------------------------------- the run


def _run(asked: argparse.Namespace) -> Growth:
    versions = read_versions()
    kinds = find_kinds(asked.databases, versions)
    skipped = []
    if "postgresql" not in kinds and asked.databases is None:
        skipped.append(("PostgreSQL", "no server answers at PAM_TEST_POSTGRES"))
    growth = Growth(
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        cores=os.cpu_count() or 1,
        corpus=asked.corpus,
        seconds=asked.seconds,
        rounds=asked.rounds,
        versions=versions,
        skipped=skipped,
    )
    asked.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="pam-growth-", dir=asked.folder)).resolve()
    try:
        if _kind_of_disk(folder) in _IN_MEMORY:
            raise BenchError(f"{asked.folder} is in memory: give a --folder on a disk.")
        generator = build("mllp_load.c", folder)
        if generator is None:
            skipped.append(("the load generator in C", "no C compiler; the one in Python takes a core: all is slower"))
        corpus = Corpus(asked.sizes[-1], is_dialect=asked.corpus == "dialect")
        with making(folder, asked.workers) as makers:
            for kind in kinds:
                url = SERVER if kind == "postgresql" else f"sqlite:///{folder / 'any.db'}"
                check_disk(url, corpus, makers)
                _Growing(asked, kind, makers, generator, growth).run()
    finally:
        if asked.keep:
            print(f"Kept: {folder}, and the databases of the same names as its folders.")
        else:
            shutil.rmtree(folder)
    return growth


def _kind_of_disk(folder: Path) -> str:
    """Return the kind of file system that a folder is on, ``""`` when it cannot be told."""
    device = folder.stat().st_dev
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    return next((line.partition(" - ")[2].split()[0] for line in lines if line.split()[2] == number), "")


@dataclass(slots=True)
class _Stored:
    """A database with the first ``patients`` of the corpus."""

    place: Place
    patients: int


@dataclass(slots=True)
class _Growing:
    """The run on one kind of database. ``serial``: of the messages that speak of stored patients."""

    asked: argparse.Namespace
    kind: Kind
    makers: Makers
    generator: Path | None
    growth: Growth
    serial: int = 0

    def run(self) -> None:
        """Measure at each size, in their order, on one database that grows."""
        sizes = self.asked.sizes
        with fresh_place(self.kind, self.makers.folder, keep=self.asked.keep) as place, ExitStack() as copies:
            upgrade(place)
            grown = _Stored(place, 0)
            for size in sizes:
                self._load(grown, size)
                if size == sizes[0]:
                    copy = copies.enter_context(fresh_place(self.kind, self.makers.folder, copied=place))
                    smallest = _Stored(copy, grown.patients)
                if size != sizes[0] or len(sizes) == 1:
                    self._measure(grown, size, smallest)
                self._note_held(place, size)

    def _load(self, grown: _Stored, size: int) -> None:
        missing = size - grown.patients
        if missing > 0:
            print(f"\n{NAMES[self.kind]}, from {grown.patients:,} to {size:,} identities:", flush=True)
            load(grown.place.url, self._corpus(grown.patients, missing), self.makers)
            grown.patients = size

    def _measure(self, grown: _Stored, size: int, smallest: _Stored) -> None:
        print("  ".join(f"{name:>12}" for name in _COLUMNS), flush=True)
        asked, least = self.asked, self.asked.sizes[0]
        turns = [(smallest, least), (grown, size)] if size != least else [(grown, size)]
        for connections, sent, number in product(asked.connections, asked.loads, range(1, asked.rounds + 1)):
            for stored, its_size in turns:
                self.growth.points.append(self._measure_once(stored, its_size, size, connections, sent, number))
                _show(self.growth.points[-1])

    def _measure_once(
        self, stored: _Stored, size: int, beside: int, connections: int, sent: Sent, number: int
    ) -> Point:
        asked, held = self.asked, stored.patients
        warmup = max(1, asked.messages // _WARMUP_PART)
        count = warmup + asked.messages
        file = self.makers.folder / "load.hl7"
        corpus = self._corpus(held, count)
        specs = mix(held, count, serial=self.serial) if sent == "mixed" else map(creation, range(held, held + count))
        write_blocks(file, map(corpus.message, specs))
        keep_on_disk(file)
        self.serial += count
        what = Load(file, connections, asked.messages, warmup, asked.seconds, asked.warmup)
        ours = next(app for app in APPS if app.name == OURS)
        is_copied = size <= _COPIED
        copied = (
            fresh_place(self.kind, self.makers.folder, copied=stored.place) if is_copied else nullcontext(stored.place)
        )
        with copied as place:
            made, answered = measure_at(
                place, ours, self.kind, what, number=number, folder=self.makers.folder, generator=self.generator
            )
        if not is_copied:
            stored.patients += -(-answered // len(_TURNS)) if sent == "mixed" else answered
        return Point(size, beside, held, sent, made)

    def _note_held(self, place: Place, size: int) -> None:
        parts = _sqlite_parts(place) if self.kind == "sqlite" else _postgres_parts(place)
        self.growth.held.append(Held(self.kind, size, _count(self.kind, place), size_of(self.kind, place), parts))

    def _corpus(self, start: int, count: int) -> Corpus:
        return Corpus(count, start, is_dialect=self.asked.corpus == "dialect")


def _show(point: Point) -> None:
    made = point.made
    peak = "-" if made.peak_rss_mb is None else f"{made.peak_rss_mb:.0f}"
    cells = [f"{point.held:,}", NAMES[made.kind], str(made.connections), point.sent]
    cells += [f"{made.per_s:.0f}", f"{made.p99_ms:.2f}", peak]
    print("  ".join(f"{cell:>12}" for cell in cells), flush=True)


# ------------------------------------------------------------------------------------------------------- what is sent

_TURNS: Final = ("new", "change", "confirmation", "repeat")


def mix(patients: int, count: int, *, serial: int) -> Iterator[Spec]:
    """Give as many new patients, changes, confirmations and exact repeats, those of stored patients chosen from all.

    ``patients``: how many are stored, each by its :func:`creation`. ``serial``: greater than in any earlier mixture.
    """
    rnd = random.Random(serial)
    for n in range(count):
        turn, patient = _TURNS[n % len(_TURNS)], rnd.randrange(patients)
        if turn == "new":
            yield creation(patients + n // len(_TURNS))
        elif turn == "repeat":
            yield creation(patient)
        else:
            state = 1 + n % _STATES if turn == "change" else 0
            yield Spec(patient, "A31", f"CHUM-{serial + n:010d}", state)


# ------------------------------------------------------------------------------------------------- what is on the disk


def _count(kind: Kind, place: Place) -> int:
    if kind == "postgresql":
        with psycopg.connect(place.url) as connection:
            found = connection.execute("SELECT count(*) FROM identity").fetchone()
    else:
        with closing(sqlite3.connect(place.home / FILE)) as file:
            found = file.execute("SELECT count(*) FROM identity").fetchone()
    return int(found[0]) if found else 0


def _sqlite_parts(place: Place) -> Sequence[tuple[str, int, int]]:
    """Return each table with the bytes of its pages and of those of its indexes; it reads the whole file."""
    statement = """
        SELECT tbl_name, SUM(pgsize * (type = 'table')), SUM(pgsize * (type = 'index'))
          FROM dbstat JOIN sqlite_master USING (name) GROUP BY tbl_name ORDER BY SUM(pgsize) DESC
    """
    with closing(sqlite3.connect(place.home / FILE)) as file:
        try:
            return [(name, table, indexes) for name, table, indexes in file.execute(statement)]
        except sqlite3.OperationalError:  # an SQLite that was built without dbstat
            return ()


def _postgres_parts(place: Place) -> Sequence[tuple[str, int, int]]:
    statement = """
        SELECT coalesce(pg_partition_root(oid), oid)::regclass::text,  -- the months of a table are one
               sum(pg_table_size(oid))::bigint, sum(pg_indexes_size(oid))::bigint FROM pg_class
         WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
         GROUP BY 1 ORDER BY sum(pg_total_relation_size(oid)) DESC
    """
    with psycopg.connect(place.url) as connection:
        return [(name, table, indexes) for name, table, indexes in connection.execute(statement)]


if __name__ == "__main__":
    sys.exit(main())
