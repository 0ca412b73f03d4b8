"""SQLite that cannot be written: locked, full, read-only, moved away. Held, then answered; what is AA is kept."""

import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from faults.daemon import CAN_BE_PLAIN_OWNER, NO_PLAIN_OWNER, PLAIN_OWNER, Daemon, environment, serve_command
from faults.ledger import Effects, check_kept
from faults.sender import Client, Load, Stream, all_answered, run_all
from faults.traffic import family, streams

FOLDER_BYTES: Final = 24 << 20  # of a disk that is soon full


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def locking(url: str) -> Iterator[None]:
    """Hold the SQLite file, as another program that writes."""
    connection = sqlite3.connect(file_of(url), isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


class TestLockedOut:
    """The database is locked by another process: held until the ACK deadline, then closed without an answer."""

    def test_within_the_deadline_it_is_answered(self, sqlite_url: str, without_fault: Callable[..., Effects]) -> None:
        stream = Stream(family(1))
        with Daemon(sqlite_url) as daemon, Client(daemon.address) as client:
            with locking(sqlite_url):
                client.send([each.raw for each in stream.messages])
                assert client.is_silent_for(0.5)
            for at, ack in enumerate(client.read_acks(len(stream.messages))):
                stream.take(at, ack)
            assert daemon.stop() == 0
        check_kept(sqlite_url, stream.answered, without_fault(stream.messages))

    def test_past_the_deadline_the_connection_closes_and_the_repeat_is_taken_once(
        self, sqlite_url: str, without_fault: Callable[..., Effects]
    ) -> None:
        stream = Stream(family(1))
        with Daemon(sqlite_url, ack_deadline_s=1) as daemon:
            with Client(daemon.address) as client, locking(sqlite_url):
                client.send([each.raw for each in stream.messages])
                assert client.read_end() == []
            run_all(daemon.address, [stream], random.Random(1))
            assert daemon.logged("messages.given_up")
        check_kept(sqlite_url, stream.answered, without_fault(stream.messages))


class TestNoRoom:
    """The disk is full: nothing is answered that is not kept, and all is taken when there is room again."""

    def test_no_file_may_grow_what_was_answered_is_kept(
        self, sqlite_url: str, without_fault: Callable[..., Effects]
    ) -> None:
        todo = [Stream(messages) for messages in streams(range(60), 2)]
        right = without_fault([each for stream in todo for each in stream.messages])
        most = file_of(sqlite_url).stat().st_size + 300_000
        with Daemon(sqlite_url, most_file_bytes=most, ack_deadline_s=1) as daemon:
            Load(daemon.address, todo, random.Random(2)).join()
            daemon.wait_for_line("store.unavailable")
        answered = all_answered(todo)
        assert 10 < len(answered) < 600
        check_kept(sqlite_url, answered, right)
        with Daemon(sqlite_url) as daemon:
            run_all(daemon.address, todo, random.Random(3))
        check_kept(sqlite_url, all_answered(todo), right)

    def test_a_full_disk_holds_the_messages_until_there_is_room(
        self, sqlite_url: str, small_disk: Path, without_fault: Callable[..., Effects]
    ) -> None:
        file = small_disk / "pam-receiver.db"
        shutil.copyfile(file_of(sqlite_url), file)
        url = f"sqlite:///{file}"
        todo = [Stream(messages) for messages in streams(range(40), 2)]
        right = without_fault([each for stream in todo for each in stream.messages])
        with Daemon(url, ack_deadline_s=120) as daemon:
            load = Load(daemon.address, todo, random.Random(3))
            load.wait_for_answers(40)
            filler = small_disk / "filler"
            fill(filler)
            daemon.wait_for_line("store.unavailable")
            filler.unlink()
            load.join()
            assert all(stream.is_done for stream in todo), "closed before all was answered"
            assert daemon.logged("store.back")
            assert daemon.stop() == 0
        check_kept(url, all_answered(todo), right)


def fill(file: Path) -> None:
    """Write until there is no room left."""
    with file.open("wb", buffering=0) as opened:
        try:
            while opened.write(b"\0" * (1 << 12)):
                pass
        except OSError:
            return


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of a few megabytes; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={FOLDER_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk to fill")
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("no small disk can be mounted here, though we are root: a container without that right")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class TestReadOnly:
    """A file or a folder that may not be written: the start says so; under the daemon, held until it may be again."""

    @pytest.fixture(autouse=True)
    def _as_plain_owner(self) -> None:
        if not CAN_BE_PLAIN_OWNER:
            pytest.skip(NO_PLAIN_OWNER)

    @pytest.mark.parametrize("what", ["file", "folder"])
    def test_the_start_stops_with_a_sentence(self, sqlite_url: str, what: str) -> None:
        file = file_of(sqlite_url)
        place = file if what == "file" else file.parent
        bits = place.stat().st_mode
        place.chmod(bits & ~0o222)
        try:
            done = subprocess.run(
                [*(PLAIN_OWNER if os.geteuid() == 0 else []), *serve_command(sqlite_url)],
                capture_output=True,
                env=environment(),
                timeout=60,
                check=False,
            )
        finally:
            place.chmod(bits)
        assert done.returncode not in (0, 1)
        said = done.stderr.decode()
        assert "is read-only: check the rights of the file and of its folder" in said
        assert "Traceback" not in said

    def test_a_file_that_becomes_read_only_is_written_again_when_it_may_be(
        self, sqlite_url: str, without_fault: Callable[..., Effects]
    ) -> None:
        """The file is put back from a copy, with the rights of the copy: the daemon must open it anew."""
        file = file_of(sqlite_url)
        first, then = Stream(family(1)), Stream(family(2))
        with Daemon(sqlite_url, as_plain_owner=True, ack_deadline_s=120) as daemon:
            run_all(daemon.address, [first], random.Random(1))
            put_back_from_a_copy(file, bits=0o400)
            with Client(daemon.address) as client:
                client.send([each.raw for each in then.messages])
                daemon.wait_for_line("store.unavailable")
                assert client.is_silent_for(0.3)
                file.chmod(0o600)
                take_all(client, then)
            assert daemon.stop() == 0
        check_kept(sqlite_url, {**first.answered, **then.answered}, without_fault(first.messages + then.messages))


def take_all(client: Client, stream: Stream) -> None:
    for at, ack in enumerate(client.read_acks(len(stream.messages))):
        stream.take(at, ack)


def put_back_from_a_copy(file: Path, *, bits: int) -> None:
    """Replace a database by a whole copy of itself, as an operator does who restores a backup under the daemon."""
    copy = copy_of(file)
    copy.chmod(bits)
    copy.replace(file)


def copy_of(file: Path) -> Path:
    copy = file.with_suffix(".copy")
    source, target = sqlite3.connect(file), sqlite3.connect(copy)
    with source, target:
        source.backup(target)
    target.execute("PRAGMA journal_mode=DELETE")
    source.close()
    target.close()
    return copy


class TestMovedAway:
    """The database file is removed or replaced under the daemon: no AA for what is in no file that stands there."""

    def test_removed_then_put_back(self, sqlite_url: str, without_fault: Callable[..., Effects]) -> None:
        file = file_of(sqlite_url)
        first, then = Stream(family(1)), Stream(family(2))
        with Daemon(sqlite_url, ack_deadline_s=120) as daemon:
            run_all(daemon.address, [first], random.Random(1))
            file.rename(file.with_suffix(".away"))
            with Client(daemon.address) as client:
                client.send([each.raw for each in then.messages])
                daemon.wait_for_line("store.unavailable")
                assert client.is_silent_for(0.3)
                assert not file.exists(), "an empty database was made where there was none"
                file.with_suffix(".away").rename(file)
                take_all(client, then)
            assert daemon.stop() == 0
        check_kept(sqlite_url, {**first.answered, **then.answered}, without_fault(first.messages + then.messages))

    def test_removed_for_good_past_the_deadline_there_is_no_answer(self, sqlite_url: str) -> None:
        stream = Stream(family(1))
        with Daemon(sqlite_url, ack_deadline_s=1) as daemon:
            file_of(sqlite_url).unlink()
            with Client(daemon.address) as client:
                client.send([each.raw for each in stream.messages])
                assert client.read_end() == []
            assert daemon.stop() == 0
        assert not file_of(sqlite_url).exists()

    def test_replaced_by_a_copy_what_is_answered_afterwards_is_in_the_copy(
        self, sqlite_url: str, without_fault: Callable[..., Effects]
    ) -> None:
        first, then = Stream(family(1)), Stream(family(2))
        with Daemon(sqlite_url, ack_deadline_s=120) as daemon:
            run_all(daemon.address, [first], random.Random(1))
            put_back_from_a_copy(file_of(sqlite_url), bits=0o600)
            run_all(daemon.address, [then], random.Random(1))
            assert daemon.stop() == 0
        check_kept(sqlite_url, {**first.answered, **then.answered}, without_fault(first.messages + then.messages))

    def test_replaced_by_an_older_copy_the_log_of_the_newer_one_is_not_mixed_in(
        self, sqlite_url: str, without_fault: Callable[..., Effects]
    ) -> None:
        """What came between goes with the newer file, which is whole; what comes afterwards stands on the copy."""
        file = file_of(sqlite_url)
        newer = file.with_suffix(".newer")
        first, between, then = (Stream(family(number)) for number in (1, 2, 3))
        with Daemon(sqlite_url, ack_deadline_s=120) as daemon:
            run_all(daemon.address, [first], random.Random(1))
            copy = copy_of(file)
            run_all(daemon.address, [between], random.Random(1))
            file.rename(newer)
            copy.rename(file)
            run_all(daemon.address, [then], random.Random(1))
            assert daemon.stop() == 0
        gone = {**first.answered, **between.answered}
        check_kept(f"sqlite:///{newer}", gone, without_fault(first.messages + between.messages))
        check_kept(sqlite_url, {**first.answered, **then.answered}, without_fault(first.messages + then.messages))

    def test_moved_away_and_back_under_load(self, sqlite_url: str, without_fault: Callable[..., Effects]) -> None:
        file, away = file_of(sqlite_url), file_of(sqlite_url).with_suffix(".away")
        todo = [Stream(messages) for messages in streams(range(60), 4)]
        right = without_fault([each for stream in todo for each in stream.messages])
        with Daemon(sqlite_url, ack_deadline_s=120) as daemon:
            load = Load(daemon.address, todo, random.Random(7))
            for turn in range(1, 4):
                load.wait_for_answers(100 * turn)
                before = len(daemon.lines)
                file.rename(away)
                daemon.wait_for_line("store.unavailable", after=before)
                away.rename(file)
                daemon.wait_for_line("store.back", after=before)
            load.join()
            assert all(stream.is_done for stream in todo), "closed before all was answered"
            assert daemon.stop() == 0
        check_kept(sqlite_url, all_answered(todo), right)
