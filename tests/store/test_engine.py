"""URLs, and what happens when the database is not there, locked, full or not ours."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from pam_receiver.store import Reason, SchemaMismatch, Store, StoreSettingError, StoreUnavailable, migrate, queries
from pam_receiver.store.engine import read_url
from pam_receiver.store.schema import HEAD


class TestUrl:
    @pytest.mark.parametrize("url", ["sqlite:///a.db", "sqlite+pysqlite:///a.db"])
    def test_a_relative_file(self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        target = read_url(url)
        assert (target.path, target.name) == (tmp_path / "a.db", "sqlite:///a.db")

    @pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
    def test_a_server_whatever_its_scheme_is_called(self, scheme: str) -> None:
        target = read_url(f"{scheme}://gam:mot-de-passe@db.example:5433/pam?sslmode=require&password=autre")
        assert target.url.drivername == "postgresql+psycopg"
        assert target.url.query["sslmode"] == "require"
        assert target.path is None

    @pytest.mark.parametrize(
        ("hosts", "found", "ports"),
        [
            ("db1,db2", "db1,db2", "5432,5432"),
            ("db1:5433,db2", "db1,db2", "5433,5432"),
            ("[::1]:5433,10.0.0.2:5434,db3", "::1,10.0.0.2,db3", "5433,5434,5432"),
        ],
    )
    def test_a_server_with_several_hosts(self, hosts: str, found: str, ports: str) -> None:
        target = read_url(f"postgresql://gam:mot-de-passe@{hosts}/pam?sslmode=require")
        assert (target.url.query["host"], target.url.query["port"]) == (found, ports)
        assert (target.url.username, target.url.password, target.url.database) == ("gam", "mot-de-passe", "pam")
        assert target.url.query["sslmode"] == "require"
        assert "mot-de-passe" not in target.name
        assert target.name.startswith("postgresql://gam@")

    def test_the_name_to_show_holds_no_password(self) -> None:
        name = read_url("postgresql://gam:mot-de-passe@db.example/pam?password=autre").name
        assert name == "postgresql://gam@db.example/pam"

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "pam.db",
            "sqlite://",
            "sqlite:///:memory:",
            "sqlite:///file:a.db?uri=true",
            "sqlite:///a.db?mode=ro",
            "sqlite://a.db",
            "mysql://gam:mot-de-passe@db.example/pam",
            "postgresql+psycopg2://gam:mot-de-passe@db.example/pam",
            "postgresql://gam:mot-de-passe@db.example:port/pam",
            "postgresql://gam:mot-de-passe@[::1/pam",
            "postgresql://gam:mot-de-passe@db1:port,db2/pam",
            "postgresql://gam:mot-de-passe@db1,,db2/pam",
            "postgresql://gam:mot-de-passe@db1,db2/pam?host=db3",
            "sqlite:///a\0.db",
        ],
    )
    def test_anything_else_is_a_wrong_setting(self, url: str) -> None:
        with pytest.raises(StoreSettingError) as caught:
            Store.open(url)
        assert "sqlite:///" in str(caught.value)
        assert "mot-de-passe" not in str(caught.value) + caught.value.text("fr")

    def test_a_file_whose_name_is_no_text(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/\udce9.db"
        migrate.upgrade(url)
        with closing(Store.open(url)) as store:
            store.check()
        assert store.name == f"sqlite:///{tmp_path}/%3F.db"
        assert b"\xe9.db" in os.listdir(os.fsencode(tmp_path))


class TestPromises:
    def test_sqlite_commits_are_on_disk_and_keys_hold(self, sqlite_url: str) -> None:
        with closing(Store.open(sqlite_url)) as store, store.read() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}

    def test_a_server_commits_on_disk_and_answers_in_time(self, postgres_url: str) -> None:
        with closing(Store.open(postgres_url, lock_timeout_s=2.5)) as store, store.begin() as tx:
            names = (
                "synchronous_commit",
                "transaction_isolation",
                "lock_timeout",
                "statement_timeout",
                "timezone",
                "jit",
                "enable_seqscan",
                "enable_sort",
            )
            found = [tx._connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
        assert found == ["on", "serializable", "2500ms", "9s", "UTC", "off", "off", "off"]

    @pytest.mark.parametrize(
        ("of_the_server", "ours"),
        [("remote_apply", "remote_apply"), ("on", "on"), ("remote_write", "on"), ("local", "on"), ("off", "on")],
    )
    def test_a_server_that_commits_more_surely_is_left_so(
        self, postgres_url: str, of_the_server: str, ours: str
    ) -> None:
        url = f"{postgres_url}?options=-c%20synchronous_commit%3D{of_the_server}"
        with closing(Store.open(url)) as store, store.begin() as tx:
            assert tx._connection.exec_driver_sql("SHOW synchronous_commit").scalar() == ours

    def test_a_server_that_is_set_read_only_is_left_so(self, postgres_url: str) -> None:
        url = f"{postgres_url}?options=-c%20default_transaction_read_only%3Don"
        with closing(Store.open(url)) as store, pytest.raises(StoreUnavailable) as caught, store.begin():
            pass
        assert caught.value.reason is Reason.READ_ONLY

    def test_of_several_hosts_the_one_that_answers_is_taken(self, postgres_url: str) -> None:
        before, _, after = postgres_url.partition("@")
        with closing(Store.open(f"{before}@127.0.0.1:1,{after}")) as store, store.begin() as tx:
            assert tx._connection.exec_driver_sql("SELECT 1").scalar() == 1

    def test_the_settings_outlive_a_first_transaction_that_fails(self, postgres_url: str) -> None:
        with closing(Store.open(postgres_url)) as store:
            with pytest.raises(KeyError), store.begin():
                raise KeyError
            with store.begin() as tx:
                assert tx._connection.exec_driver_sql("SHOW statement_timeout").scalar() == "9s"

    def test_an_option_of_the_url_wins(self, postgres_url: str) -> None:
        url = f"{postgres_url}?application_name=essai"
        with closing(Store.open(url)) as store, store.begin() as tx:
            assert tx._connection.exec_driver_sql("SHOW application_name").scalar() == "essai"

    def test_a_read_store_cannot_write(self, database_url: str, author) -> None:
        with closing(Store.open(database_url, read_only=True)) as store:
            with pytest.raises(StoreUnavailable) as caught:
                author.create(store, author.identity("100"))
            store.check()
        assert caught.value.reason is Reason.READ_ONLY

    def test_a_reader_is_not_held_up_by_a_writer(self, store: Store, read_store: Store, author) -> None:
        author.create(store, author.identity("100"))
        with store.begin() as tx:
            tx.write(messages=[author.message()], at=author.now)
            read_store.check()
            assert len(queries.list_messages(read_store)) == 1

    def test_a_check_is_not_held_up_by_the_writer_of_the_same_store(self, store: Store) -> None:
        with store.begin():
            store.check()


class TestAway:
    @pytest.mark.parametrize("read_only", [False, True])
    def test_a_missing_file_is_said_and_not_made(self, tmp_path: Path, read_only: bool) -> None:
        file = tmp_path / "absent.db"
        with closing(Store.open(f"sqlite:///{file}", read_only=read_only)) as store:
            with pytest.raises(StoreUnavailable) as caught:
                store.check()
            with pytest.raises(StoreUnavailable):
                queries.find_identities(store, "100")
        assert caught.value.reason is Reason.MISSING
        assert not file.exists()

    def test_a_server_that_does_not_answer(self, author) -> None:
        with closing(Store.open("postgresql://gam:mot-de-passe@127.0.0.1:1/pam")) as store:
            with pytest.raises(StoreUnavailable) as caught:
                store.check()
            with pytest.raises(StoreUnavailable):
                author.create(store, author.identity("100"))
        assert caught.value.reason is Reason.AWAY
        assert "mot-de-passe" not in str(caught.value)

    def test_a_database_that_the_server_does_not_have(self, postgres_url: str) -> None:
        with closing(Store.open(f"{postgres_url}_absent")) as store, pytest.raises(StoreUnavailable):
            store.check()

    def test_a_locked_file_within_the_time_out(self, sqlite_url: str, author) -> None:
        blocker = sqlite3.connect(read_url(sqlite_url).path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        with closing(Store.open(sqlite_url, lock_timeout_s=0.2)) as store:
            with pytest.raises(StoreUnavailable) as caught:
                author.create(store, author.identity("100"))
            assert time.monotonic() - start < 3
            blocker.execute("ROLLBACK")
            author.create(store, author.identity("100"))
        blocker.close()
        assert caught.value.reason is Reason.LOCKED

    def test_a_full_disk_keeps_nothing_and_recovers(self, sqlite_url: str, author) -> None:
        with closing(Store.open(sqlite_url)) as store:
            with store.begin() as tx:
                pages = tx._connection.exec_driver_sql("PRAGMA page_count").scalar()
                tx._connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            with pytest.raises(StoreUnavailable) as caught, store.begin() as tx:
                tx.write(messages=[author.message(raw=bytes(1 << 20))], at=author.now)
            assert caught.value.reason is Reason.FULL
            assert queries.list_messages(store) == ()
            with store.begin() as tx:
                tx._connection.exec_driver_sql("PRAGMA max_page_count=100000")
            author.create(store, author.identity("100"))
            assert len(queries.list_messages(store)) == 1

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_file_without_right_to_write(self, sqlite_url: str, author) -> None:
        file = read_url(sqlite_url).path
        file.chmod(0o400)
        with closing(Store.open(sqlite_url)) as store, pytest.raises(StoreUnavailable):
            author.create(store, author.identity("100"))

    def test_a_file_moved_away_under_the_daemon_takes_no_commit_with_it(self, sqlite_url: str, author) -> None:
        file = read_url(sqlite_url).path
        with closing(Store.open(sqlite_url)) as store:
            author.create(store, author.identity("100"))
            moved = file.rename(file.with_suffix(".moved"))
            with pytest.raises(StoreUnavailable) as caught:
                author.create(store, author.identity("200"))
            assert caught.value.reason is Reason.MISSING
            for rest in ("-wal", "-shm"):
                file.with_name(file.name + rest).unlink(missing_ok=True)
            moved.rename(file)
            author.create(store, author.identity("300"))

    def test_what_was_committed_outlives_a_kill(self, sqlite_url: str) -> None:
        code = (
            "import os, signal, sys\n"
            "from datetime import datetime, UTC\n"
            "from pam_receiver.hl7.ack import Ack\n"
            "from pam_receiver.store import MessageRecord, Store\n"
            "now = datetime.now(UTC)\n"
            "def record(id):\n"
            "    return MessageRecord(id, now, '', b'raw', b'd', '', '', '', '', 'AA', Ack(b'ack'))\n"
            "store = Store.open(sys.argv[1])\n"
            "with store.begin() as tx:\n"
            "    tx.write(messages=[record('kept')], at=now)\n"
            "with store.begin() as tx:\n"
            "    tx.write(messages=[record('lost')], at=now)\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        root = Path(migrate.__file__).parents[2]
        done = subprocess.run([sys.executable, "-c", code, sqlite_url], cwd=root, timeout=60, check=False)
        assert done.returncode == -9
        with closing(Store.open(sqlite_url)) as store:
            assert [line.id for line in queries.list_messages(store)] == ["kept"]


class TestRevision:
    """A database at another revision is never taken for one that holds nothing."""

    def mismatch(self, url: str) -> SchemaMismatch:
        with closing(Store.open(url, read_only=True)) as store:
            for read in (store.check, lambda: queries.find_identities(store, "100")):
                with pytest.raises(SchemaMismatch) as caught:
                    read()
        return caught.value

    def test_newer_than_the_code(self, store: Store, database_url: str) -> None:
        with store.begin() as tx:
            tx._connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        try:
            error = self.mismatch(database_url)
            with pytest.raises(SchemaMismatch) as caught:
                migrate.prepare_for_serving(database_url)
        finally:
            with store.begin() as tx:
                tx._connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": HEAD})
        assert (error.current, error.expected, error.is_newer) == ("9999", HEAD, True)
        assert caught.value.is_newer

    def test_a_server_without_tables(self, bare_postgres_url: str) -> None:
        error = self.mismatch(bare_postgres_url)
        assert (error.current, error.is_foreign) == (None, False)

    def test_a_file_without_tables(self, tmp_path: Path) -> None:
        (tmp_path / "empty.db").touch()
        error = self.mismatch(f"sqlite:///{tmp_path / 'empty.db'}")
        assert (error.current, error.is_newer, error.is_foreign) == (None, False, False)

    def test_a_database_whose_tables_were_taken_down(self, bare_url: str) -> None:
        migrate.upgrade(bare_url)
        migrate.downgrade(bare_url, "base")
        error = self.mismatch(bare_url)
        assert (error.current, error.is_foreign) == (None, False)

    def test_the_file_of_another_program(self, tmp_path: Path) -> None:
        file = tmp_path / "other.db"
        with closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE message (id INTEGER)")
        assert self.mismatch(f"sqlite:///{file}").is_foreign

    def test_a_server_database_of_another_program(self, bare_url: str) -> None:
        if bare_url.startswith("sqlite"):
            connection = sqlite3.connect(read_url(bare_url).path)
        else:
            connection = psycopg.connect(bare_url)
        with closing(connection):
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
            connection.execute("INSERT INTO alembic_version VALUES ('5f3a')")
            connection.execute("CREATE TABLE message (id INTEGER)")
            connection.commit()
        assert self.mismatch(bare_url).is_foreign

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        file = tmp_path / "notes.db"
        file.write_bytes(b"not a database at all, but long enough to be looked at" * 100)
        assert self.mismatch(f"sqlite:///{file}").is_foreign
        assert file.read_bytes().startswith(b"not a database")


class TestServing:
    def test_a_second_daemon_on_one_file_is_refused(self, sqlite_url: str) -> None:
        with closing(Store.open(sqlite_url)) as one, closing(Store.open(sqlite_url)) as other:
            one.lock_for_serving()
            one.lock_for_serving()
            with pytest.raises(StoreUnavailable) as caught:
                other.lock_for_serving()
            assert caught.value.reason is Reason.SERVED
            with pytest.raises(StoreUnavailable):
                migrate.prepare_for_serving(sqlite_url)
            one.close()
            other.lock_for_serving()

    @pytest.mark.parametrize("link", [os.symlink, os.link])
    def test_a_second_daemon_under_another_name_of_the_file_is_refused(
        self, link: Callable[[Path, Path], None], sqlite_url: str, tmp_path: Path
    ) -> None:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        file = read_url(sqlite_url).path
        assert file is not None
        link(file, folder / "b.db")
        urls = [sqlite_url, f"sqlite:///{folder}/b.db"]
        for served, refused in (urls, reversed(urls)):
            with closing(Store.open(served)) as one, closing(Store.open(refused)) as other:
                one.lock_for_serving()
                with pytest.raises(StoreUnavailable) as caught:
                    other.lock_for_serving()
                assert caught.value.reason is Reason.SERVED
                with pytest.raises(StoreUnavailable):
                    migrate.prepare_for_serving(refused)

    def test_a_daemon_starts_again_after_it_stopped(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/a.db"
        for is_first in (True, False):
            assert (migrate.prepare_for_serving(url) is not None) is is_first
            with closing(Store.open(url)) as store:
                store.lock_for_serving()
                with store.begin():
                    pass

    def test_another_process_writes_and_reads_while_a_daemon_serves(self, sqlite_url: str) -> None:
        file = read_url(sqlite_url).path
        code = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0.1, isolation_level=None);"
            "c.execute('BEGIN IMMEDIATE'); c.execute('ROLLBACK'); print(c.execute('SELECT 7').fetchone()[0])"
        )
        with closing(Store.open(sqlite_url)) as store:
            store.lock_for_serving()
            store.check()
            done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
        assert done.stdout == "7\n"

    def test_a_symlink_to_a_file_that_is_not_there_yet(self, tmp_path: Path) -> None:
        (tmp_path / "b.db").symlink_to(tmp_path / "a.db")
        assert migrate.prepare_for_serving(f"sqlite:///{tmp_path}/b.db") is not None
        assert (tmp_path / "a.db").is_file()

    def test_reads_go_on_while_a_daemon_serves(self, sqlite_url: str) -> None:
        with closing(Store.open(sqlite_url)) as one, closing(Store.open(sqlite_url, read_only=True)) as reader:
            one.lock_for_serving()
            reader.check()

    def test_several_daemons_share_a_server(self, postgres_url: str) -> None:
        with closing(Store.open(postgres_url)) as one, closing(Store.open(postgres_url)) as other:
            one.lock_for_serving()
            other.lock_for_serving()
            other.check()

    def test_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/absent/a.db"
        with closing(Store.open(url)) as store, pytest.raises(StoreUnavailable) as caught:
            store.lock_for_serving()
        assert caught.value.reason is Reason.MISSING

    def test_a_name_that_no_lock_file_can_take(self, tmp_path: Path) -> None:
        (tmp_path / "a.db-lock").mkdir()
        with closing(Store.open(f"sqlite:///{tmp_path}/a.db")) as store, pytest.raises(StoreUnavailable) as caught:
            store.lock_for_serving()
        assert caught.value.reason is Reason.READ_ONLY
