"""The connection that writes, kept between transactions: what it must not do is lose, mix, or hold up the end."""

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from pam_receiver.store import Store, StoreError, migrate
from pam_receiver.store.schema import message


def keep(store: Store, author: Any, count: int = 1) -> None:
    for _ in range(count):
        with store.begin() as tx:
            tx.write(messages=[author.message()], at=author.now)


def count_messages(url: str) -> int:
    store = Store.open(url, read_only=True)
    with store.read() as connection:
        found: int = connection.execute(select(func.count()).select_from(message)).scalar_one()
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    store.close()
    return found


def copy_of(url: str) -> Path:
    file = Path(url.removeprefix("sqlite:///"))
    target = file.with_name("copy.db")
    with sqlite3.connect(file) as source, sqlite3.connect(target) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    return target


class TestFileReplaced:
    """Another file takes the place, while the writer has its connection and others read."""

    @pytest.mark.parametrize("reads_before", [True, False])
    @pytest.mark.parametrize("reads_after", [True, False])
    @pytest.mark.parametrize("is_copy", [True, False], ids=["older copy", "new file"])
    def test_each_commit_is_in_the_file_that_stood_there(
        self, sqlite_url: str, author: Any, reads_before: bool, reads_after: bool, is_copy: bool
    ) -> None:
        file = Path(sqlite_url.removeprefix("sqlite:///"))
        old = file.with_name("old.db")
        store = Store.open(sqlite_url)
        store.lock_for_serving()
        keep(store, author, 3)
        if reads_before:
            store.check()
        other = copy_of(sqlite_url)
        if not is_copy:
            other.unlink()
            migrate.upgrade(f"sqlite:///{other}")
        keep(store, author, 4)
        file.rename(old)
        other.rename(file)
        for _ in range(2):
            if reads_after:
                store.check()
            keep(store, author)
            store.check()
        store.close()
        assert count_messages(f"sqlite:///{old}") == 7
        assert count_messages(sqlite_url) == (3 if is_copy else 0) + 2

    def test_a_file_that_comes_back_is_connected_to_anew(self, sqlite_url: str, author: Any) -> None:
        file = Path(sqlite_url.removeprefix("sqlite:///"))
        other, old = copy_of(sqlite_url), file.with_name("old.db")
        store = Store.open(sqlite_url)
        for _ in range(2):  # there and back, twice
            keep(store, author)
            file.rename(old)
            other.rename(file)
            store.check()
            file.rename(other)
            old.rename(file)
        keep(store, author)
        store.close()
        assert count_messages(sqlite_url) == 3
        assert count_messages(f"sqlite:///{other}") == 0


class TestCommit:
    def test_without_a_transaction_it_fails(self, sqlite_url: str, author: Any) -> None:
        store = Store.open(sqlite_url)
        tx = store.open_transaction()
        tx.write(messages=[author.message()], at=author.now)
        tx.connection.connection.driver_connection.rollback()
        with pytest.raises(StoreError):
            tx.commit()
        keep(store, author)
        store.close()
        assert count_messages(sqlite_url) == 1


class TestPatience:
    def test_who_reads_after_a_lock_was_met_waits_as_long_as_is_set(self, sqlite_url: str) -> None:
        store = Store.open(sqlite_url, lock_timeout_s=2.5)
        holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError):
            store.open_transaction(waits=False)
        holder.close()
        with store.read() as connection:
            assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 2500
        store.close()


class TestClose:
    def test_it_does_not_wait_for_a_transaction_that_hangs(self, postgres_url: str) -> None:
        store = Store.open(postgres_url)
        hangs = threading.Event()

        def hang() -> None:
            with suppress(StoreError), store.begin() as tx:
                hangs.set()
                tx.connection.execute(text("SELECT pg_sleep(30)"))

        thread = threading.Thread(target=hang)
        thread.start()
        assert hangs.wait(30)
        store.close()
        assert thread.is_alive()
        other = Store.open(postgres_url)
        ours = "datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND pid <> pg_backend_pid()"
        ended = 0
        while not ended:
            with other.begin() as tx:
                ending = text(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {ours}")
                ended = tx.connection.execute(ending).scalar_one()
        other.close()
        thread.join(30)
        assert not thread.is_alive()
