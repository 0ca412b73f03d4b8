"""A backup beside a writer is whole and replaces no file; a restore keeps what was there; damage stops both."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pam_receiver.store import (
    Actor,
    Reason,
    SchemaMismatch,
    Store,
    StoreSettingError,
    StoreUnavailable,
    migrate,
    queries,
)
from pam_receiver.store import backup as backups
from pam_receiver.store.backup import BackupDamaged, BackupExists, BackupReport, backup, restore, verify
from pam_receiver.store.engine import FileLock, read_url
from pam_receiver.store.schema import HEAD

WHO = Actor("operator", "os-user", "machine")


def file_of(url: str) -> Path:
    path = read_url(url).path
    assert path is not None
    return path


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def trail(url: str) -> list[tuple[str, dict[str, object]]]:
    with closing(sqlite3.connect(file_of(url))) as opened:
        found = opened.execute("SELECT action, detail FROM audit_event ORDER BY number").fetchall()
    return [(action, json.loads(detail)) for action, detail in found]


def ipps(url: str) -> list[str]:
    with closing(Store.open(url, read_only=True)) as store:
        return sorted(ipp.value for view in queries.list_identities(store) for ipp in view.identity.ipps)


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    opened = Store.open(sqlite_url, lock_timeout_s=1.0)
    yield opened
    opened.close()


class TestBackup:
    def test_the_copy_holds_what_the_database_held(
        self, sqlite_store: Store, sqlite_url: str, author, tmp_path
    ) -> None:
        author.create(sqlite_store, author.identity("100"), author.identity("200"))
        target = tmp_path / "copy.db"
        report = backup(sqlite_url, target)
        assert report == BackupReport(target, HEAD, report.rows, report.digest, target.stat().st_size)
        assert (report.rows["message"], report.rows["identity"], report.rows["alembic_version"]) == (2, 2, 1)
        assert verify(target) == report
        assert ipps(url_of(target)) == ["100", "200"]

    def test_only_its_owner_can_read_it_and_nothing_else_is_left(self, sqlite_url: str, tmp_path: Path) -> None:
        folder = tmp_path / "kept"
        folder.mkdir()
        backup(sqlite_url, folder / "copy.db")
        assert [each.name for each in folder.iterdir()] == ["copy.db"]
        assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600

    def test_a_daemon_writes_on_meanwhile_and_the_copy_is_of_one_moment(
        self, sqlite_store: Store, sqlite_url: str, author, tmp_path: Path
    ) -> None:
        sqlite_store.lock_for_serving()
        author.create(sqlite_store, author.identity("1"))
        stop, wrote = threading.Event(), threading.Semaphore(0)

        def write() -> None:
            number = 1
            while not stop.is_set():
                number += 1
                author.create(sqlite_store, author.identity(str(number)))
                wrote.release()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            reports = []
            for number in range(3):
                assert wrote.acquire(timeout=10)
                reports.append(backup(sqlite_url, tmp_path / f"copy-{number}.db"))
        finally:
            stop.set()
            writer.join(timeout=10)
        sizes = [report.rows["identity"] for report in reports]
        assert sizes == sorted(sizes)
        for report in reports:  # one message, one version, one identity each: nothing half done
            assert report.rows["message"] == report.rows["identity"] == report.rows["identity_version"]
            assert verify(report.file) == report

    def test_it_replaces_no_file(self, sqlite_url: str, tmp_path: Path) -> None:
        target = tmp_path / "copy.db"
        target.write_text("something else")
        with pytest.raises(BackupExists):
            backup(sqlite_url, target)
        assert target.read_text() == "something else"

    def test_it_replaces_no_file_that_came_meanwhile(
        self, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = tmp_path / "copy.db"
        copy = backups._copy

        def copy_slowly(*arguments: object) -> BackupReport:
            report = copy(*arguments)  # type: ignore[arg-type]
            target.write_text("another backup")
            return report

        monkeypatch.setattr(backups, "_copy", copy_slowly)
        with pytest.raises(BackupExists):
            backup(sqlite_url, target)
        assert target.read_text() == "another backup"
        assert not list(tmp_path.glob(".*partial*"))

    def test_a_copy_that_differs_gets_no_name(
        self, sqlite_store: Store, sqlite_url: str, author, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        author.create(sqlite_store, author.identity("100"))

        def spoil(path: Path) -> None:
            if path.name.endswith(".partial"):
                with closing(sqlite3.connect(path)) as opened, opened:
                    opened.execute("UPDATE message SET control_id = 'other'")

        monkeypatch.setattr(backups, "_sync", spoil)  # as a disk that lies: between writing and reading again
        with pytest.raises(BackupDamaged) as caught:
            backup(sqlite_url, tmp_path / "copy.db")
        assert caught.value.cause == "digest"
        assert not (tmp_path / "copy.db").exists()

    def test_who_asked_is_in_the_trail(self, sqlite_url: str, tmp_path: Path) -> None:
        report = backup(sqlite_url, tmp_path / "copy.db", by=WHO)
        assert trail(sqlite_url) == [("backup", {"file": "copy.db", "digest": report.digest, "messages": 0})]

    def test_without_its_line_in_the_trail_there_is_no_backup(
        self, sqlite_store: Store, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Store, "open", lambda *_: (_ for _ in ()).throw(StoreUnavailable("x", Reason.FULL)))
        with pytest.raises(StoreUnavailable):
            backup(sqlite_url, tmp_path / "copy.db", by=WHO)
        assert not (tmp_path / "copy.db").exists()

    def test_no_database_no_backup(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable) as caught:
            backup(url_of(tmp_path / "none.db"), tmp_path / "copy.db")
        assert caught.value.reason is Reason.MISSING
        assert list(tmp_path.iterdir()) == []

    def test_a_file_of_another_program_is_refused(self, tmp_path: Path) -> None:
        other = tmp_path / "other.db"
        with closing(sqlite3.connect(other)) as opened, opened:
            opened.execute("CREATE TABLE thing (x)")
        with pytest.raises(SchemaMismatch):
            backup(url_of(other), tmp_path / "copy.db")

    def test_no_folder_no_backup(self, sqlite_url: str, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable) as caught:
            backup(sqlite_url, tmp_path / "none" / "copy.db")
        assert caught.value.reason is Reason.MISSING

    def test_of_a_server_it_says_pg_dump(self, postgres_url: str, tmp_path: Path) -> None:
        for act in (lambda: backup(postgres_url, tmp_path / "x"), lambda: restore(tmp_path / "x", postgres_url)):
            with pytest.raises(StoreSettingError) as caught:
                act()
            assert "pg_dump" in caught.value.text("fr")
            assert "pg_restore" in caught.value.text("en")

    def test_of_an_older_revision_too(self, tmp_path: Path) -> None:
        old = url_of(tmp_path / "old.db")
        migrate.upgrade(old, "0001")
        assert backup(old, tmp_path / "copy.db", by=WHO).revision == "0001"


class TestVerify:
    @pytest.fixture
    def copy(self, sqlite_store: Store, sqlite_url: str, author, tmp_path: Path) -> Path:
        author.create(sqlite_store, *(author.identity(str(number)) for number in range(200)))
        return backup(sqlite_url, tmp_path / "copy.db").file

    def test_a_damaged_page_is_seen(self, copy: Path) -> None:
        data = bytearray(copy.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 4096] = os.urandom(4096)
        copy.write_bytes(data)
        with pytest.raises((BackupDamaged, StoreUnavailable)) as caught:
            verify(copy)
        assert getattr(caught.value, "reason", Reason.DAMAGED) is Reason.DAMAGED

    def test_half_a_file_is_seen(self, copy: Path) -> None:
        data = copy.read_bytes()
        copy.write_bytes(data[: len(data) // 2])
        with pytest.raises((BackupDamaged, StoreUnavailable)) as caught:
            verify(copy)
        assert getattr(caught.value, "reason", Reason.DAMAGED) is Reason.DAMAGED

    def test_a_row_that_points_nowhere_is_seen(self, copy: Path) -> None:
        with closing(sqlite3.connect(copy)) as opened, opened:
            opened.execute("DELETE FROM message WHERE id = (SELECT min(message_id) FROM identity_version)")
        with pytest.raises(BackupDamaged) as caught:
            verify(copy)
        assert caught.value.cause == "foreign_key_check"

    def test_text_is_no_backup(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("this is not a database, and long enough to be none " * 50)
        with pytest.raises(SchemaMismatch):
            verify(tmp_path / "text")

    def test_one_of_a_later_program_is_refused(self, copy: Path) -> None:
        with closing(sqlite3.connect(copy)) as opened, opened:
            opened.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(SchemaMismatch) as caught:
            verify(copy)
        assert caught.value.is_newer


class TestRestore:
    def test_the_database_is_as_it_was_and_the_other_one_is_kept(
        self, sqlite_store: Store, sqlite_url: str, author, tmp_path: Path
    ) -> None:
        author.create(sqlite_store, author.identity("100"))
        copy = tmp_path / "copy.db"
        made = backup(sqlite_url, copy)
        author.create(sqlite_store, author.identity("200"))
        sqlite_store.close()
        done = restore(copy, sqlite_url)
        assert ipps(sqlite_url) == ["100"]
        assert done.restored.digest == made.digest
        assert done.kept is not None
        assert ipps(url_of(done.kept)) == ["100", "200"]
        assert file_of(sqlite_url).stat().st_mode & 0o777 == 0o600
        assert verify(copy) == made

    def test_what_lay_in_the_wal_is_kept_with_the_old_one(
        self, sqlite_store: Store, sqlite_url: str, author, tmp_path: Path
    ) -> None:
        copy = backup(sqlite_url, tmp_path / "copy.db").file
        author.create(sqlite_store, author.identity("200"))
        killed = tmp_path / "killed"  # as after kill -9: the last commits are in the -wal alone
        killed.mkdir()
        file = file_of(sqlite_url)
        for side in ("", "-wal"):
            (killed / f"pam.db{side}").write_bytes(file.with_name(file.name + side).read_bytes())
        assert (killed / "pam.db-wal").stat().st_size > 0
        done = restore(copy, url_of(killed / "pam.db"))
        assert done.kept is not None
        assert ipps(url_of(done.kept)) == ["200"]
        assert ipps(url_of(killed / "pam.db")) == []

    def test_a_new_place_needs_no_old_database(self, sqlite_url: str, tmp_path: Path) -> None:
        copy = backup(sqlite_url, tmp_path / "copy.db").file
        done = restore(copy, url_of(tmp_path / "new.db"), by=WHO)
        assert done.kept is None
        assert trail(url_of(tmp_path / "new.db"))[-1][0] == "restore"

    def test_who_asked_is_in_the_trail_of_the_restored_one(self, sqlite_url: str, tmp_path: Path) -> None:
        copy = backup(sqlite_url, tmp_path / "copy.db", by=WHO).file
        done = restore(copy, sqlite_url, by=WHO)
        assert done.kept is not None
        (restored,) = trail(sqlite_url)
        assert restored[0] == "restore"
        assert restored[1] == {
            "file": "copy.db",
            "digest": done.restored.digest,
            "messages": 0,
            "kept": done.kept.name,
        }
        assert [action for action, _ in trail(url_of(done.kept))] == ["backup"]

    def test_a_served_database_is_left_alone(self, sqlite_store: Store, sqlite_url: str, author, tmp_path) -> None:
        copy = backup(sqlite_url, tmp_path / "copy.db").file
        author.create(sqlite_store, author.identity("200"))
        with closing(FileLock(read_url(sqlite_url))), pytest.raises(StoreUnavailable) as caught:
            restore(copy, sqlite_url)
        assert caught.value.reason is Reason.SERVED
        assert ipps(sqlite_url) == ["200"]

    def test_one_that_another_process_has_open_is_left_alone(
        self, sqlite_store: Store, sqlite_url: str, author, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backups, "_PATIENCE_S", 0.1)
        copy = backup(sqlite_url, tmp_path / "copy.db").file
        author.create(sqlite_store, author.identity("200"))
        with sqlite_store.begin(), pytest.raises(StoreUnavailable) as caught:
            restore(copy, sqlite_url)
        assert caught.value.reason is Reason.LOCKED
        assert ipps(sqlite_url) == ["200"]
        assert not list(tmp_path.glob("*before-restore*"))
        assert not list(tmp_path.glob(".*partial*"))

    def test_a_damaged_backup_changes_nothing(self, sqlite_url: str, tmp_path: Path) -> None:
        copy = backup(sqlite_url, tmp_path / "copy.db").file
        copy.write_bytes(copy.read_bytes()[:-8192])
        before = file_of(sqlite_url).read_bytes()
        with pytest.raises((BackupDamaged, StoreUnavailable)):
            restore(copy, sqlite_url)
        assert file_of(sqlite_url).read_bytes() == before

    def test_a_damaged_database_is_put_aside(self, sqlite_store: Store, sqlite_url: str, author, tmp_path) -> None:
        author.create(sqlite_store, author.identity("100"))
        copy = backup(sqlite_url, tmp_path / "copy.db").file
        sqlite_store.close()
        file_of(sqlite_url).write_bytes(b"\0" * 50_000)
        done = restore(copy, sqlite_url)
        assert ipps(sqlite_url) == ["100"]
        assert done.kept is not None
        assert done.kept.read_bytes() == b"\0" * 50_000

    def test_two_in_one_second_keep_both(self, sqlite_url: str, tmp_path: Path) -> None:
        copy = backup(sqlite_url, tmp_path / "copy.db").file
        kept = {restore(copy, sqlite_url).kept for _ in range(3)}
        assert len(kept) == 3
        assert all(each is not None and each.exists() for each in kept)

    def test_the_database_itself_is_no_backup(self, sqlite_url: str) -> None:
        with pytest.raises(StoreSettingError):
            restore(file_of(sqlite_url), sqlite_url)

    def test_without_hard_links_all_the_same(
        self, sqlite_store: Store, sqlite_url: str, author, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(1, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)
        author.create(sqlite_store, author.identity("100"))
        copy = backup(sqlite_url, tmp_path / "copy.db").file
        sqlite_store.close()
        done = restore(copy, sqlite_url)
        assert ipps(sqlite_url) == ["100"]
        assert done.kept is not None
        assert ipps(url_of(done.kept)) == ["100"]
