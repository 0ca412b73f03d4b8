"""Revisions of the tables: up, down, up again, with a copy before, on both databases."""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from pam_receiver.store import Reason, SchemaMismatch, Store, StoreSettingError, StoreUnavailable, migrate, queries
from pam_receiver.store.engine import read_url
from pam_receiver.store.schema import HEAD, metadata


def file_of(url: str) -> Path:
    path = read_url(url).path
    assert path is not None
    return path


def copies(url: str) -> list[Path]:
    file = file_of(url)
    return sorted(file.parent.glob(f"{file.name}.before-*"))


def is_no_partition(name: str | None, *_: object) -> bool:
    return not (name or "").startswith("message_text_")


class TestSchema:
    def test_the_migrations_build_the_tables_of_the_code(self, store: Store) -> None:
        with store.read() as connection:
            opts = {"compare_type": True, "include_name": is_no_partition}
            context = MigrationContext.configure(connection, opts=opts)
            assert compare_metadata(context, metadata) == []

    def test_every_table_is_there(self, store: Store) -> None:
        with store.read() as connection:
            found = {each for each in inspect(connection).get_table_names() if is_no_partition(each)}
            assert found == {*metadata.tables, "alembic_version"}

    def test_the_code_knows_the_newest_revision(self) -> None:
        assert migrate.head() == HEAD


class TestUpgrade:
    def test_up_down_and_up_again(self, bare_url: str, author) -> None:
        done = migrate.upgrade(bare_url)
        assert (done.before, done.after, done.copy) == (None, HEAD, None)
        assert migrate.current(bare_url) == HEAD
        with closing(Store.open(bare_url)) as store:
            author.create(store, author.identity("100"))
        down = migrate.downgrade(bare_url, "base")
        assert (down.before, down.after) == (HEAD, None)
        assert migrate.current(bare_url) is None
        migrate.upgrade(bare_url, HEAD)
        with closing(Store.open(bare_url)) as store:
            assert queries.list_identities(store) == ()

    def test_at_head_there_is_nothing_to_do(self, database_url: str) -> None:
        done = migrate.upgrade(database_url)
        assert (done.before, done.after, done.copy) == (HEAD, HEAD, None)

    @pytest.mark.parametrize("step", [migrate.upgrade, migrate.downgrade])
    def test_an_unknown_revision_is_a_wrong_setting(self, database_url: str, step: Callable[..., object]) -> None:
        with pytest.raises(StoreSettingError) as caught:
            step(database_url, "7777")
        assert "7777" in str(caught.value)
        assert migrate.current(database_url) == HEAD

    def test_two_upgrades_of_a_server_at_once_both_end_well(self, bare_postgres_url: str) -> None:
        together = threading.Barrier(2, timeout=10)
        after: list[str | None] = []

        def run() -> None:
            together.wait()
            after.append(migrate.upgrade(bare_postgres_url).after)

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert after == [HEAD, HEAD]

    def test_each_schema_of_a_server_has_tables_of_its_own(self, bare_postgres_url: str, author) -> None:
        urls = [f"{bare_postgres_url}?options=-csearch_path%3D{name}" for name in ("chu_a", "chu_b")]
        with psycopg.connect(bare_postgres_url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA chu_a")
            connection.execute("CREATE SCHEMA chu_b")
        try:
            assert [migrate.upgrade(url).after for url in urls] == [HEAD, HEAD]
            with closing(Store.open(urls[0])) as store:
                author.create(store, author.identity("100"))
                assert len(queries.find_identities(store, "100")) == 1
            with closing(Store.open(urls[1])) as store:
                assert queries.find_identities(store, "100") == ()
            assert migrate.current(bare_postgres_url) is None
        finally:
            with psycopg.connect(bare_postgres_url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA chu_a, chu_b CASCADE")

    def test_it_works_from_any_folder_and_leaves_logging_alone(
        self, bare_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        handlers, level = list(logging.root.handlers), logging.root.level
        elsewhere = tmp_path / "100%"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        migrate.upgrade(bare_url)
        assert (list(logging.root.handlers), logging.root.level) == (handlers, level)
        assert capfd.readouterr() == ("", "")

    def test_a_new_file_is_its_owners_alone(self, tmp_path: Path) -> None:
        migrate.upgrade(f"sqlite:///{tmp_path}/new.db")
        assert os.stat(tmp_path / "new.db").st_mode & 0o077 == 0

    def test_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable):
            migrate.upgrade(f"sqlite:///{tmp_path}/absent/new.db")

    def test_a_path_that_cannot_be_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "link.db").symlink_to(tmp_path / "absent" / "new.db")
        with pytest.raises(StoreUnavailable):
            migrate.upgrade(f"sqlite:///{tmp_path}/link.db")

    def test_the_current_revision_of_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable) as caught:
            migrate.current(f"sqlite:///{tmp_path}/absent.db")
        assert caught.value.reason is Reason.MISSING
        assert not (tmp_path / "absent.db").exists()


class TestCopy:
    """Before the tables of an SQLite file change, a copy of it is written beside it."""

    def put_behind(self, url: str) -> None:
        with closing(sqlite3.connect(file_of(url))) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '0000'")
            connection.commit()

    def test_a_downgrade_writes_one(self, sqlite_url: str, author) -> None:
        with closing(Store.open(sqlite_url)) as store:
            author.create(store, author.identity("100"))
        done = migrate.downgrade(sqlite_url, "base")
        assert copies(sqlite_url) == [done.copy]
        assert done.copy is not None
        assert done.copy.stat().st_mode & 0o077 == 0
        with closing(Store.open(f"sqlite:///{done.copy}", read_only=True)) as copy:
            assert len(queries.find_identities(copy, "100")) == 1

    def test_an_upgrade_of_a_file_that_is_behind_writes_one_first(self, sqlite_url: str) -> None:
        # No revision stands before the first one: the upgrade fails, but only after the copy.
        self.put_behind(sqlite_url)
        with pytest.raises(StoreSettingError):
            migrate.upgrade(sqlite_url)
        (copy,) = copies(sqlite_url)
        assert copy.name.startswith(f"pam-receiver.db.before-{HEAD}-")
        assert migrate.current(f"sqlite:///{copy}") == "0000"

    def test_none_is_written_when_there_is_nothing_to_do(self, sqlite_url: str) -> None:
        migrate.upgrade(sqlite_url)
        assert migrate.prepare_for_serving(sqlite_url) is None
        assert copies(sqlite_url) == []


class TestPrepareForServing:
    def test_an_sqlite_file_is_made(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/new.db"
        done = migrate.prepare_for_serving(url)
        assert done is not None
        assert (done.before, done.after, done.copy) == (None, HEAD, None)
        assert migrate.prepare_for_serving(url) is None

    def test_a_server_at_head_is_ready(self, postgres_url: str) -> None:
        assert migrate.prepare_for_serving(postgres_url) is None

    def test_a_server_that_is_behind_is_refused_with_the_command(self, bare_postgres_url: str) -> None:
        with pytest.raises(SchemaMismatch) as caught:
            migrate.prepare_for_serving(bare_postgres_url)
        assert "`pam-receiver db upgrade`" in str(caught.value)
        assert migrate.current(bare_postgres_url) is None

    @pytest.mark.parametrize(
        "step",
        [
            migrate.prepare_for_serving,
            migrate.upgrade,
            lambda url: migrate.downgrade(url, "base"),
        ],
    )
    def test_a_newer_file_is_refused_and_not_touched(self, sqlite_url: str, step: Callable[[str], object]) -> None:
        with closing(sqlite3.connect(file_of(sqlite_url))) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            connection.commit()
        with pytest.raises(SchemaMismatch) as caught:
            step(sqlite_url)
        assert caught.value.is_newer
        assert copies(sqlite_url) == []
        assert migrate.current(sqlite_url) == "9999"

    def test_the_file_of_another_program_is_refused_and_not_touched(self, tmp_path: Path) -> None:
        file = tmp_path / "other.db"
        with closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE patients (id INTEGER)")
        before = file.read_bytes()
        with pytest.raises(SchemaMismatch) as caught:
            migrate.prepare_for_serving(f"sqlite:///{file}")
        assert caught.value.is_foreign
        assert file.read_bytes() == before

    @pytest.mark.parametrize("link", [None, os.symlink, os.link])
    def test_a_served_file_is_not_migrated(
        self, link: Callable[[Path, Path], None] | None, sqlite_url: str, tmp_path: Path
    ) -> None:
        url = sqlite_url
        if link is not None:
            link(file_of(sqlite_url), tmp_path / "link.db")
            url = f"sqlite:///{tmp_path}/link.db"
        with closing(Store.open(sqlite_url)) as store:
            store.lock_for_serving()
            for step in (migrate.upgrade, lambda url: migrate.downgrade(url, "base")):
                with pytest.raises(StoreUnavailable) as caught:
                    step(url)
                assert caught.value.reason is Reason.SERVED
