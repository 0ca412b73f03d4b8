"""Fills a database with as many identities as are asked for, as the daemon would have left them after as many A28.

The rows are the receiver's own: several processes take the messages of the corpus by ``receive``, each part into a
small file of its own, and the rows of those files are brought into the database, where the indexes are taken away
before and made again after. What the daemon takes long for, a sync for each few messages and the growing of each index,
is left out; nothing here knows what stands in a table. A load that was stopped leaves an SQLite file of no use.
"""

import argparse
import gc
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from apps import Place, environment, upgrade
from gen_corpus import Corpus
from measure import BenchError, fresh_place, size_of
from psycopg import sql
from results import NAMES, Kind
from sqlalchemy import Column, Table, Text, insert, make_url, select
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from pam_receiver import __version__
from pam_receiver.cli import parts
from pam_receiver.config import load_settings
from pam_receiver.ids import MessageIds
from pam_receiver.in_force import make_in_force
from pam_receiver.receive import AnswerStyle, Incoming, Receiver
from pam_receiver.sources import Sources
from pam_receiver.store import InForce, Store, queries
from pam_receiver.store.months import make_months_at_leisure
from pam_receiver.store.schema import ID, metadata

MOST_PATIENTS: Final = 50_000_000  # of the corpus
_PART: Final = 10_000  # messages that one process takes into one file
_BATCH: Final = 1000  # of them in one transaction
_SAMPLE: Final = 1500  # identities by which the need of disk is measured
_SPARE: Final = 1.3  # of the need, what must be free: the logs of the database, the files in which indexes are sorted
_SPACING_NS: Final = 100_000  # between two messages, where there is time: 10,000 a second
_LEAST_SPACING_NS: Final = 1000  # ids have a resolution of 244 ns
_CONNECTIONS: Final = 64
_PORT: Final = 2575
_CACHE_KIB: Final = 1 << 20  # for the keys that come in no order: their indexes cannot be taken away on SQLite

_Rows = Iterable[Sequence[Any]]  # Any: what SQLite holds
_Columns = Sequence[Column[Any]]
_Bring = Callable[[_Columns, _Rows], None]


@dataclass(frozen=True, slots=True)
class _Part:
    """Some messages of the corpus, when the first one came in, and the time from each to the next."""

    corpus: Corpus
    first_ns: int
    spacing_ns: int

    def at(self, number: int) -> datetime:
        """When the message of this number within the part came in."""
        return datetime.fromtimestamp((self.first_ns + number * self.spacing_ns) / 1e9, UTC)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bench/load_bulk.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("database", metavar="URL", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE; its tables are made")
    add("count", type=int, metavar="N", help="identities")
    add("--start", type=int, default=0, metavar="N", help="first patient of the corpus, where others are loaded (0)")
    add("--corpus", choices=["dialect", "fresh"], default="dialect", help="as of run.py (dialect)")
    add("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes that make rows (all cores)")
    asked = parser.parse_args()
    if min(asked.count, asked.workers) < 1 or asked.start < 0 or asked.start + asked.count > MOST_PATIENTS:
        parser.error(f"at least one, and patients up to {MOST_PATIENTS:,}")
    forget_settings()
    corpus = Corpus(asked.count, asked.start, is_dialect=asked.corpus == "dialect")
    with tempfile.TemporaryDirectory(prefix="pam-load-") as name:
        try:
            with making(Path(name), asked.workers) as makers:
                check_disk(asked.database, corpus, makers)
                upgrade(Place(Path.cwd(), asked.database))
                _check_fresh(asked.database, asked.start)
                load(asked.database, corpus, makers)
        except subprocess.CalledProcessError as error:  # its tables could not be made: pam-receiver says why
            print(error.stderr.decode("utf-8", "replace"), end="", file=sys.stderr)
            return 1
        except (BenchError, OSError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def forget_settings() -> None:
    """Take the settings of a daemon of this machine out of our environment, and out of that of our processes."""
    for name in os.environ.keys() - environment().keys():
        del os.environ[name]


def _check_fresh(url: str, start: int) -> None:
    with closing(Store.open(url, read_only=True)) as store:
        held = queries.read_statistics(store).identities
    if held and not start:
        raise BenchError(f"The database holds {held:,} identities: say with --start which patient is new.")


# -------------------------------------------------------------------------------------------------- what disk it takes


def check_disk(url: str, corpus: Corpus, makers: "Makers") -> None:
    """Say what disk the identities of ``corpus`` take, by a sample.

    Raises:
        BenchError: there is not enough of it.
    """
    kind = kind_of(url)
    per_identity = _measure_need(kind, corpus, makers)
    need = per_identity * corpus.count
    said = f"{corpus.count:,} identities on {NAMES[kind]} take about {need / 1e9:,.2f} GB ({per_identity:,} bytes each)"
    disk = _disk_of(url)
    if disk is None:
        print(f"{said}. What is free on the server cannot be seen from here.", flush=True)
        return
    free = shutil.disk_usage(disk).free
    if free < need * _SPARE:
        raise BenchError(f"{said}: {need * _SPARE / 1e9:,.2f} GB must be free, and {free / 1e9:,.2f} GB are.")
    print(f"{said}; {free / 1e9:,.2f} GB are free.", flush=True)


def _measure_need(kind: Kind, corpus: Corpus, makers: "Makers") -> int:
    """Return the bytes that an identity takes: by what a second sample adds to a first one on a fresh database."""
    sizes = []
    with fresh_place(kind, makers.folder) as place:
        upgrade(place)
        for start in (0, _SAMPLE):
            sample = replace(corpus, count=_SAMPLE, start=start)
            deque(_fill(place.url, sample, makers), maxlen=0)
            sizes.append(size_of(kind, place))
    return round((sizes[1] - sizes[0]) / _SAMPLE)


def kind_of(url: str) -> Kind:
    return "sqlite" if url.startswith("sqlite") else "postgresql"


def _disk_of(url: str) -> Path | None:
    """Return a folder on the disk that a database is on; ``None``: that of a server which is elsewhere, or hides it."""
    target = make_url(url)
    if kind_of(url) == "sqlite":
        return Path(target.database or "").resolve().parent
    if target.host not in {None, "localhost", "127.0.0.1", "::1"}:
        return None
    try:
        with psycopg.connect(_plain(url)) as connection:
            (name,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    except psycopg.Error:
        return None
    return Path(name) if name and Path(name).is_dir() else None


def _plain(url: str) -> str:
    """Return the URL of a server as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


# ------------------------------------------------------------------------------------------------------------ the load


@dataclass(frozen=True, slots=True)
class Makers:
    """Processes that make rows. ``folder``: of their files; ``empty``: one there with our tables, and no row."""

    pool: ProcessPoolExecutor
    workers: int
    folder: Path
    empty: Path


@contextmanager
def making(folder: Path, workers: int) -> Iterator[Makers]:
    """Have as many processes that make rows while inside; they start with the first load."""
    empty = folder / "empty.db"
    upgrade(Place(folder, f"sqlite:///{empty}"))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield Makers(pool, workers, folder, empty)


def load(url: str, corpus: Corpus, makers: Makers) -> None:
    """Bring the patients of ``corpus`` into a database that is up to date, which nobody else uses; tell how far it is.

    Raises:
        BenchError: a message was not accepted.
    """
    begun = time.perf_counter()
    for made in _fill(url, corpus, makers):
        if made % (10 * _PART) == 0:
            print(f"{made:,} of {corpus.count:,}, {made / (time.perf_counter() - begun):,.0f} a second", flush=True)
    _settle(url)
    print(f"{corpus.count:,} identities in {time.perf_counter() - begun:,.0f} s, indexes and all.", flush=True)


def _fill(url: str, corpus: Corpus, makers: Makers) -> Iterator[int]:
    """Bring the rows in; gives after each part how many patients are there. All is done when it has ended."""
    last, known = _look_at(url)
    if kind_of(url) == "postgresql":
        first = next(_parts_of(corpus, last)).at(0)
        with closing(Store.open(url)) as store, store.begin() as tx:  # the months in which its texts will lie
            make_months_at_leisure(tx.connection, datetime.now(UTC), since=first)
    filling = _filling_sqlite if kind_of(url) == "sqlite" else _filling_postgres
    with filling(url) as bring:
        for number, file in enumerate(_made(makers, _parts_of(corpus, last)), 1):
            _bring_in(file, bring, known)
            file.unlink()
            yield min(number * _PART, corpus.count)


def _look_at(url: str) -> tuple[str, dict[str, set[str]]]:
    """Return the last id of the journal, and the keys of what a database holds once for all messages, by table."""
    with closing(Store.open(url, read_only=True)) as store:
        last = queries.find_last_message_id(store)
        with store.read() as connection:
            once = [table for table in metadata.sorted_tables if _is_kept_once(table)]
            return last, {each.name: set(connection.execute(select(*each.primary_key)).scalars()) for each in once}


def _is_kept_once(table: Table) -> bool:
    """Whether the key of a row is a digest of what it says: then each part brings the same rows."""
    keys = list(table.primary_key)
    return len(keys) == 1 and isinstance(keys[0].type, Text) and keys[0].type is not ID


def _parts_of(corpus: Corpus, last: str) -> Iterator[_Part]:
    """Give the parts, each later than the one before: up to now, and after the last message that there is."""
    now = time.time_ns()
    first = now - corpus.count * _SPACING_NS
    if last:
        first = max(first, (UUID(last).int >> 80) * 1_000_000 + 1_000_000)
    spacing = max(_LEAST_SPACING_NS, (now - first) // corpus.count)
    for done in range(0, corpus.count, _PART):
        part = replace(corpus, start=corpus.start + done, count=min(_PART, corpus.count - done))
        yield _Part(part, first + done * spacing, spacing)


def _made(makers: Makers, parts_: Iterable[_Part]) -> Iterator[Path]:
    """Give the files of the parts in their order; a few of them are made before they are asked for."""
    waiting: deque[Future[Path]] = deque()
    for number, part in enumerate(parts_):
        waiting.append(makers.pool.submit(_make, makers.empty, makers.folder / f"part-{number}.db", part))
        if len(waiting) > 2 * makers.workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _bring_in(file: Path, bring: _Bring, known: dict[str, set[str]]) -> None:
    with closing(sqlite3.connect(file)) as source:
        for table in metadata.sorted_tables:
            columns = [each for each in table.columns if each is not table.autoincrement_column]
            rows = source.execute(str(select(*columns)))
            if table.name in known:
                key = columns.index(*table.primary_key)
                bring(columns, _new(rows, key, known[table.name]))
            else:
                bring(columns, rows)


def _new(rows: _Rows, key: int, known: set[str]) -> Iterator[Sequence[Any]]:
    for row in rows:
        if row[key] not in known:
            known.add(row[key])
            yield row


# --------------------------------------------------------------------------------------------- the rows, by a process


def _make(empty: Path, file: Path, part: _Part) -> Path:
    """Take a part of the corpus into a file of its own by the receiver, as ``serve`` makes it; return the file."""
    shutil.copyfile(empty, file)
    sources, answers, in_force = _what_decides()
    times, done = count(part.first_ns, part.spacing_ns), 0
    messages = part.corpus.messages()
    with closing(Store.open(f"sqlite:///{file}")) as store:
        receiver = Receiver(
            store,
            sources=sources,
            answers=answers,
            in_force=in_force,
            new_message_id=MessageIds(lambda: next(times)),
            now=lambda: part.at(done),
        )
        while raws := list(islice(messages, _BATCH)):
            batch = [Incoming(raw, _peer(n), part.at(n), _PORT) for n, raw in enumerate(raws, done)]
            done += len(batch)
            if any(outcome.ack_code != "AA" for outcome in receiver.receive(batch)):
                raise BenchError("not every message was answered by AA")
    gc.collect()
    return file


@cache
def _what_decides() -> tuple[Sources, AnswerStyle, InForce]:
    """Return what ``serve`` has of the settings that are measured: see ``serve_options``."""
    settings = load_settings({"environment": "production"})
    sources = parts.make_sources(settings)
    made = sources, parts.make_answer_style(settings), make_in_force(sources, program=__version__)
    gc.freeze()  # as serve does; and what the messages of a part make lasts as long as it does
    gc.disable()
    return made


def _peer(number: int) -> str:
    return f"127.0.0.1:{50_000 + number % _CONNECTIONS}"


# -------------------------------------------------------------------------------------------------------- the database


@contextmanager
def _filling_sqlite(url: str) -> Iterator[_Bring]:
    """Open a file for one large transaction without its indexes, and without a log: it cannot be taken back."""
    with closing(sqlite3.connect(make_url(url).database or "", isolation_level=None)) as target:
        for pragma in ("journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}"):
            target.execute(f"PRAGMA {pragma}").close()
        indexes = target.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        statements = [(f'DROP INDEX "{name}"', made) for name, made in indexes.fetchall()]
        target.execute("BEGIN EXCLUSIVE")
        for drop, _ in statements:
            target.execute(drop)
        yield partial(_insert, target)
        for _, make in statements:
            target.execute(make)
        target.execute("COMMIT")
        target.execute("PRAGMA journal_mode=WAL").close()


def _insert(target: sqlite3.Connection, columns: _Columns, rows: _Rows) -> None:
    names = [each.name for each in columns]
    statement = insert(columns[0].table).compile(dialect=sqlite_dialect(paramstyle="qmark"), column_keys=names)
    target.executemany(str(statement), rows)


# Foreign keys first: they stand on the others. %%I writes a name as it must be written.
_CONSTRAINTS: Final = """
    SELECT format('ALTER TABLE %%I DROP CONSTRAINT %%I', relname, conname),
           format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', relname, conname, pg_get_constraintdef(pg_constraint.oid))
      FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
     WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s) AND contype IN ('f', 'p', 'u')
     ORDER BY contype
"""
_INDEXES: Final = """
    SELECT format('DROP INDEX %%I', indexname), indexdef
      FROM pg_indexes WHERE schemaname = current_schema() AND tablename = ANY(%s)
"""


@contextmanager
def _filling_postgres(url: str) -> Iterator[_Bring]:
    """Open one transaction, in which the tables have no keys and no indexes until its end."""
    tables = [list(metadata.tables)]
    with psycopg.connect(_plain(url)) as target:
        target.execute("SET LOCAL maintenance_work_mem = '512MB'")
        constraints = target.execute(_CONSTRAINTS, tables).fetchall()
        _run(target, [drop for drop, _ in constraints])
        indexes = target.execute(_INDEXES, tables).fetchall()  # those that no constraint has brought
        _run(target, [drop for drop, _ in indexes])
        yield partial(_copy, target)
        _run(target, [make for _, make in indexes])
        _run(target, [make for _, make in reversed(constraints)])


def _settle(url: str) -> None:
    """Have all on the disk now: not behind the back of what is measured next."""
    if kind_of(url) == "sqlite":
        with Path(make_url(url).database or "").open("rb") as handle:
            os.fsync(handle.fileno())
        return
    with psycopg.connect(_plain(url), autocommit=True) as target:
        target.execute("VACUUM (ANALYZE)")  # what autovacuum does while a daemon fills its tables
        with suppress(psycopg.errors.InsufficientPrivilege):
            target.execute("CHECKPOINT")


def _run(target: "psycopg.Connection[Any]", statements: Sequence[str]) -> None:
    for each in statements:
        target.execute(each.encode())


def _copy(target: "psycopg.Connection[Any]", columns: _Columns, rows: _Rows) -> None:
    """Bring rows in as SQLite holds them: PostgreSQL reads its texts of times and of JSON, and 1 for true."""
    names = sql.SQL(", ").join(sql.Identifier(each.name) for each in columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(columns[0].table.name), names)
    with target.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


if __name__ == "__main__":
    sys.exit(main())
