"""The months of the texts on PostgreSQL: made ahead, filled by the ids of messages, taken away whole by pruning."""

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from keyed import WHO, make_receiver, open_keyed, receive_morning
from sqlalchemy import select

from pam_receiver.cli.morning import morning
from pam_receiver.receive import Incoming
from pam_receiver.store import Reason, Store, StoreUnavailable, migrate, months, queries, retention
from pam_receiver.store.checkpoints import find_checkpoint
from pam_receiver.store.months import Made, Month, keep_months, make_months_at_leisure, read_months
from pam_receiver.store.retention import count_prunable, prune
from pam_receiver.store.schema import message_text, pruning
from pam_receiver.store.texts import earliest_id
from pam_receiver.store.transaction import Transaction

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 15, tzinfo=UTC)
SIZE = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('message_text')"


@pytest.fixture
def url(bare_postgres_url: str) -> str:
    """A database with the months of 2026 up to four after ``NOW``, without a row."""
    migrate.upgrade(bare_postgres_url)
    with closing(open_keyed(bare_postgres_url)) as store, store.begin() as tx:
        for part in read_months(tx.connection):
            tx.connection.exec_driver_sql(f"DROP TABLE {part.name}")
        make_months_at_leisure(tx.connection, NOW, since=JANUARY)
    return bare_postgres_url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(open_keyed(url)) as opened:
        yield opened


def take(store: Store, at: datetime, control_id: bytes = b"ONE") -> str:
    """Receive a message at ``at``; return its id."""
    raw = morning()[0].raw.replace(b"MATIN001", control_id)
    (outcome,) = make_receiver(store, at=at).receive([Incoming(raw, "192.0.2.1:1", at)])
    return outcome.message_id


def where(url: str) -> dict[str, int]:
    """How many texts each partition holds, those that hold any."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tableoid::regclass::text, count(*) FROM message_text GROUP BY 1").fetchall()
    return {name.removeprefix("message_text_"): count for name, count in rows}


def names(store: Store) -> list[str]:
    with store.read() as connection:
        return [each.name.removeprefix("public.message_text_") for each in read_months(connection)]


def texts(store: Store) -> set[str]:
    with store.read() as connection:
        return set(connection.execute(select(message_text.c.message_id)).scalars())


def value(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


class TestMonth:
    @pytest.mark.parametrize(
        ("first", "after"), [((2026, 1), (2026, 2)), ((2026, 12), (2027, 1)), ((2028, 2), (2028, 3))]
    )
    def test_the_next_one(self, first: tuple[int, int], after: tuple[int, int]) -> None:
        assert Month(datetime(*first, 1, tzinfo=UTC)).next() == Month(datetime(*after, 1, tzinfo=UTC))

    def test_its_bounds_lie_between_the_last_id_before_and_the_first_one_of_it(self) -> None:
        month = Month.of(FEBRUARY + timedelta(days=9))
        last = earliest_id(FEBRUARY - timedelta(milliseconds=1)) + "-7fff-bfff-ffffffffffff"
        assert last < month.start < earliest_id(FEBRUARY) + "-7000-8000-000000000000"
        assert (month.end, month.name) == (Month.of(MARCH).start, "message_text_2026_02")
        assert Month.of_id(month.start + "-7000-8000-000000000000") == month

    @pytest.mark.parametrize("message_id", ["", "m1", "ffffffff-ffff-7fff-bfff-ffffffffffff"])
    def test_an_id_that_tells_none(self, message_id: str) -> None:
        assert Month.of_id(message_id) is None


class TestMake:
    def test_an_upgrade_makes_this_month_and_the_coming_ones(self, bare_postgres_url: str) -> None:
        before = Month.of(datetime.now(UTC))
        migrate.upgrade(bare_postgres_url)
        with closing(Store.open(bare_postgres_url)) as store:
            found = names(store)
        assert len(found) == months.COMING + 1
        assert found[0] in {each.name.removeprefix("message_text_") for each in (before, before.next())}

    def test_a_text_lies_in_the_month_of_its_id(self, url: str, store: Store) -> None:
        end = FEBRUARY - timedelta(milliseconds=1)
        for number, at in enumerate((JANUARY, end, FEBRUARY, NOW)):
            take(store, at, b"M%d" % number)
        assert where(url) == {"2026_01": 2, "2026_02": 1, "2026_06": 1}

    def test_one_that_has_no_month_lies_among_all_others(self, url: str, store: Store) -> None:
        for number, at in enumerate((JANUARY - timedelta(days=1), NOW + timedelta(days=900))):
            one = take(store, at, b"M%d" % number)
            assert queries.find_messages(store, one)[0].raw
        assert where(url) == {"others": 2}

    def test_an_upgrade_moves_what_lies_there_into_its_month(self, url: str, store: Store) -> None:
        ahead = take(store, NOW + timedelta(days=900))
        with store.begin() as tx:
            tx.connection.exec_driver_sql("DROP TABLE message_text_2026_02, message_text_2026_03")
        take(store, FEBRUARY, b"TWO")
        assert where(url) == {"others": 2}
        with store.begin() as tx:
            make_months_at_leisure(tx.connection, NOW)
        assert where(url) == {"2026_02": 1, "others": 1}
        assert queries.find_messages(store, ahead)[0].raw

    def test_a_daemon_makes_what_is_missing_and_then_nothing(self, store: Store) -> None:
        later = NOW + timedelta(days=60)
        assert keep_months(store, later) == Made(("message_text_2026_10", "message_text_2026_11"))
        assert keep_months(store, later) == Made()

    def test_a_daemon_moves_nothing(self, url: str, store: Store) -> None:
        take(store, NOW + timedelta(days=120))
        assert keep_months(store, NOW + timedelta(days=60)) == Made(("message_text_2026_11",), "rows")
        assert where(url) == {"others": 1}

    def test_messages_at_work_and_a_daemon_that_makes_months_do_not_wait_for_each_other(
        self, url: str, store: Store
    ) -> None:
        with psycopg.connect(url) as batch:
            batch.execute("INSERT INTO message_text VALUES (%s, 'x')", [earliest_id(NOW) + "-7"])
            assert keep_months(store, NOW + timedelta(days=60)).months
            batch.execute("INSERT INTO message_text VALUES (%s, 'x')", [earliest_id(NOW) + "-8"])
        assert where(url) == {"2026_06": 2}

    def test_whoever_reads_all_others_is_not_waited_for(self, url: str, store: Store) -> None:
        with psycopg.connect(url) as reader:
            reader.execute("SELECT count(*) FROM message_text")
            with pytest.raises(StoreUnavailable) as caught:
                keep_months(store, NOW + timedelta(days=60))
            assert caught.value.reason is Reason.LOCKED
            take(store, NOW)
        assert keep_months(store, NOW + timedelta(days=60)).months

    def test_two_daemons_at_once(self, url: str) -> None:
        together = threading.Barrier(2, timeout=10)
        made: list[Made] = []

        def run() -> None:
            with closing(open_keyed(url)) as one:
                together.wait()
                made.append(keep_months(one, NOW + timedelta(days=60)))

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert sorted(len(each.months) for each in made) == [0, 2]
        assert {each.reason for each in made} == {None}

    def test_a_role_that_may_not_make_tables_says_so_and_takes_messages(self, url: str, guest: str) -> None:
        with closing(open_keyed(guest)) as store:
            assert keep_months(store, NOW) == Made()
            assert keep_months(store, NOW + timedelta(days=60)) == Made(reason="role")
            take(store, NOW + timedelta(days=120))
        assert where(url) == {"others": 1}

    def test_on_sqlite_there_is_nothing_to_do(self, sqlite_url: str) -> None:
        with closing(Store.open(sqlite_url)) as store:
            assert keep_months(store, NOW) == Made()


@pytest.fixture
def guest(url: str) -> Iterator[str]:
    """The URL for a role that may read and write the tables and owns none."""
    role = f"pam_guest_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}".encode())
        connection.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA public TO {role}".encode())
        yield url.replace("://postgres@", f"://{role}@")
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


BEFORE = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)  # in the middle of the morning of March


@pytest.fixture
def filled(store: Store, author) -> Store:
    """A store with a morning of each of three months, and an act of an operator in the first one."""
    for at in (JANUARY, FEBRUARY, MARCH):
        for hour in range(12):
            take(store, at + timedelta(hours=hour), b"%d-%d" % (at.month, hour))
    act = earliest_id(JANUARY + timedelta(days=20)) + "-act"
    with store.begin() as tx:
        tx.write(messages=[author.message(id=act, action="rebuild", raw=b"{}", repeat_key=b"")], at=NOW)
    return store


def prune_old(store: Store) -> int:
    return prune(store, before=BEFORE, actor=WHO, now=lambda: NOW).messages


class TestPrune:
    def test_old_months_go_whole_and_of_the_last_one_what_is_old(self, url: str, filled: Store) -> None:
        assert where(url) == {"2026_01": 12, "2026_02": 12, "2026_03": 12}
        assert count_prunable(filled, BEFORE, now=lambda: NOW) == 31
        assert prune_old(filled) == 31
        assert where(url) == {"2026_03": 5}
        assert names(filled)[0] == "2026_03"
        assert value(url, "SELECT count(*) FROM message") == 37
        with filled.read() as connection:
            ((up_to, at),) = connection.execute(select(pruning))
        assert (up_to < min(texts(filled)), at) == (True, NOW)

    def test_the_disk_is_given_back_without_a_vacuum(self, url: str, store: Store) -> None:
        with psycopg.connect(url) as connection:
            statement = "INSERT INTO message_text SELECT %s || n, %s FROM generate_series(1, 2000) n"
            connection.execute(statement, [earliest_id(JANUARY) + "-", os.urandom(2000)])
        take(store, NOW)
        before = value(url, SIZE)
        assert prune_old(store) == 2000
        after = value(url, SIZE)
        assert int(str(before)) - int(str(after)) > 3_000_000

    def test_what_it_took_is_told_and_acts_keep_their_words(self, filled: Store) -> None:
        prune_old(filled)
        found = {each.id: each for page in queries.read_journal(filled) for each in page}
        left = texts(filled)
        for each in found.values():
            is_gone = each.action is None and each.id not in left
            assert (bool(each.raw), each.erased_at) == (not is_gone, NOW if is_gone else None)
        assert [each.raw for each in found.values() if each.action] == [b"{}"]

    def test_what_lies_beside_the_months_goes_too(self, url: str, filled: Store) -> None:
        with psycopg.connect(url) as connection:
            old = earliest_id(JANUARY - timedelta(days=40)) + "-7"
            connection.execute("INSERT INTO message_text VALUES (%s, 'x')", [old])
        assert prune_old(filled) == 32
        with filled.read() as connection:
            (up_to,) = connection.execute(select(pruning.c.up_to)).scalars()
        assert up_to > earliest_id(MARCH)
        assert prune_old(filled) == 0

    def test_a_month_that_holds_a_message_after_the_checkpoint_is_left(
        self, url: str, filled: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = retention.empty_month

        def come_late(tx: Transaction, part: months.Partition, up_to: str) -> tuple[int, str]:
            return real(tx, part, min(up_to, part.start))

        monkeypatch.setattr(retention, "empty_month", come_late)
        assert prune_old(filled) == 31  # row by row
        assert where(url) == {"2026_03": 5}

    def test_a_role_that_owns_no_table_deletes_row_by_row(self, url: str, filled: Store, guest: str) -> None:
        with closing(open_keyed(guest)) as store:
            assert prune_old(store) == 31
        assert where(url) == {"2026_03": 5}
        assert "2026_01" in names(filled)
        assert prune_old(filled) == 0
        assert names(filled)[0] == "2026_03"  # what was left empty

    def test_messages_go_on_while_a_reader_holds_it_up(self, url: str, filled: Store) -> None:
        with psycopg.connect(url) as reader, closing(open_keyed(url)) as impatient:
            reader.execute("SELECT count(*) FROM message_text")
            with impatient.begin() as tx:
                tx.connection.exec_driver_sql("SELECT set_config('lock_timeout', '300ms', false)")
            with pytest.raises(StoreUnavailable) as caught:
                prune_old(impatient)
            assert caught.value.reason is Reason.LOCKED
            take(filled, NOW)
        assert len(texts(filled)) == 37
        assert prune_old(filled) == 31

    def test_two_at_once(self, url: str, filled: Store) -> None:
        together = threading.Barrier(2, timeout=10)
        done: list[int] = []

        def run() -> None:
            with closing(open_keyed(url)) as one:
                together.wait()
                done.append(prune_old(one))

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert sum(done) == 31
        assert where(url) == {"2026_03": 5}


# How a run of pruning is killed, as if the machine lost its power: inside the transaction that empties a month, or
# between that one and the next, which takes the month away.
KILLED = {
    "inside": ("Transaction, 'audit'", 36, ["2026_01", "2026_02", "2026_03"]),
    "between": ("retention, 'drop_empty_months'", 5, ["2026_01", "2026_02", "2026_03"]),
}
PRUNE = """
import os, sys
from datetime import UTC, datetime
from keyed import WHO, open_keyed
from pam_receiver.store import retention
from pam_receiver.store.transaction import Transaction
setattr({place}, lambda *_, **__: os.kill(os.getpid(), 9))
retention.prune(open_keyed(sys.argv[1]), before=datetime(2026, 3, 1, 6, 30, tzinfo=UTC), actor=WHO)
"""


class TestKilled:
    @pytest.mark.parametrize("when", KILLED)
    def test_nothing_is_lost_and_the_next_run_goes_on(self, when: str, url: str, filled: Store) -> None:
        place, left, standing = KILLED[when]
        tests = str(Path(__file__).parents[1])
        code = PRUNE.format(place=place)
        done = subprocess.run(
            [sys.executable, "-c", code, url], env={**os.environ, "PYTHONPATH": tests}, timeout=60, check=False
        )
        assert done.returncode == -9
        assert find_checkpoint(filled) is not None
        assert len(texts(filled)) == left
        assert names(filled)[:3] == standing
        for each in (one for page in queries.read_journal(filled) for one in page):
            assert bool(each.raw) == (each.erased_at is None)
        assert prune_old(filled) == left - 5
        assert (where(url), names(filled)[0]) == ({"2026_03": 5}, "2026_03")


def test_a_morning_over_the_end_of_a_month_is_read_in_its_order(store: Store) -> None:
    outcomes = receive_morning(store, at=FEBRUARY - timedelta(hours=10))
    found = [each for page in queries.read_journal(store, page=7) for each in page]
    assert [each.id for each in found] == [each.message_id for each in outcomes]
    assert [each.raw for each in found] == [scene.raw for scene in morning()]
