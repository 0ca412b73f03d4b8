"""bench/load_bulk.py: what is loaded in bulk is what the daemon leaves."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from faults.daemon import Daemon, environment
from sqlalchemy import select, text

from pam_receiver.store import Store, migrate
from pam_receiver.store.schema import metadata

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "bench"
COUNT = 60
IPP = "8000057"  # of a patient in the last part
SMALL = "import load_bulk; load_bulk._PART, load_bulk._SAMPLE = 25, 20;"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python, or a command of ours, with a clean environment."""
    kept = {**environment(), "PYTHONPATH": os.pathsep.join([str(ROOT), str(BENCH)])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=kept, timeout=120)


def run_main(module: str, *arguments: str, first: str = SMALL) -> "subprocess.CompletedProcess[str]":
    """Run the main of a module of bench/, its parts and its sample small."""
    code = f"import sys; {first} import {module}; sys.exit({module}.main())"
    return run("-c", code, *arguments)


def write_corpus(file: Path) -> list[bytes]:
    done = run("bench/gen_corpus.py", str(file), "--count", str(COUNT), "--dialect")
    assert done.returncode == 0, done.stderr
    return re.findall(rb"\x0b.+?\x1c\r", file.read_bytes(), re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The rows that the daemon leaves of the corpus, sent to it one by one."""
    folder = tmp_path_factory.mktemp("served")
    url = f"sqlite:///{folder / 'served.db'}"
    with Daemon(url, environment="production") as daemon:
        with socket.create_connection(daemon.address, 30) as link:
            for frame in write_corpus(folder / "corpus.hl7"):
                link.sendall(frame)
                answer = b""
                while not answer.endswith(b"\x1c\r"):
                    answer += link.recv(65536)
                assert b"\rMSA|AA|" in answer
        assert daemon.stop() == 0
    return read_rows(url)


def read_rows(url: str) -> dict[str, list[str]]:
    """Return the rows of every table, in an order that does not depend on ids, without what differs of necessity."""
    store = Store.open(url, read_only=True)
    with store.read() as connection:
        rows = {table.name: [dict(row._mapping) for row in connection.execute(select(table))] for table in TABLES}
    store.close()
    names = {row["id"]: f"message {row['control_id']}" for row in rows["message"]}
    names |= {row["identity_id"]: f"identity {row['value']}" for row in rows["identifier"] if row["position"] == 0}
    return {table.name: sorted(spoken(row, names) for row in rows[table.name]) for table in TABLES}


TABLES = metadata.sorted_tables


def spoken(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """A row as text: ids as what they stand for, times as such; ports and what the answer tells of its own left out."""
    cells: dict[str, object] = {}
    for column, value in row.items():
        match column, value:
            case "ack", bytes():
                cells[column] = re.sub(rb"^((?:[^|]*\|){6})[^|]*(\|\|[^|]*\|)[^|]*", rb"\1\2", value)
            case "peer" | "port", _:
                cells[column] = str(value).startswith("127.0.0.1:") or isinstance(value, int)
            case _, datetime() if column != "dated_at":
                cells[column] = "a time"
            case _:
                cells[column] = value
    shown = repr(cells)
    for each in set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", shown)):
        shown = shown.replace(each, names[each])
    return shown


def read_structure(url: str) -> list[str]:
    """Return what keys and indexes a database has, in its own words."""
    store = Store.open(url, read_only=True)
    with store.read() as connection:
        if connection.dialect.name == "sqlite":
            statement = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master"
        else:
            statement = """
                SELECT conname || ' ' || pg_get_constraintdef(oid) || ' ' || convalidated FROM pg_constraint
                 WHERE connamespace = current_schema()::regnamespace
                UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
            """
        found = sorted(connection.execute(text(statement)).scalars())
    store.close()
    return found


class TestLoadBulk:
    """load_bulk.py: the rows of the receiver, brought in from many files."""

    def test_a_database_is_as_the_daemon_leaves_it(self, bare_url: str, served: dict[str, list[str]]) -> None:
        migrate.upgrade(bare_url)
        structure = read_structure(bare_url)
        done = run_main("load_bulk", bare_url, str(COUNT), "--workers", "2")
        assert done.returncode == 0, done.stderr
        assert re.match(rf"{COUNT} identities on \w+ take about 0\.00 GB \([\d,]+ bytes each\)", done.stdout)
        rows = read_rows(bare_url)
        assert len(rows["message"]) == len(rows["identity"]) == COUNT
        for table in TABLES:
            assert rows[table.name] == served[table.name], table.name
        assert read_structure(bare_url) == structure
        check_ids_sort_by_time(bare_url)
        if bare_url.startswith("sqlite"):
            check_file(bare_url)
        check_commands(bare_url)
        again = run_main("load_bulk", bare_url, "1")
        assert again.returncode == 1
        assert again.stderr == "The database holds 60 identities: say with --start which patient is new.\n"

    def test_what_the_disk_cannot_hold_is_not_begun(self, tmp_path: Path) -> None:
        file = tmp_path / "large.db"
        full = f"{SMALL} load_bulk.shutil.disk_usage = lambda _: type('_', (), {{'free': 10**9}})();"
        done = run_main("load_bulk", f"sqlite:///{file}", "1000000", first=full)
        assert done.returncode == 1
        said = r"1,000,000 identities on SQLite take about [\d.]+ GB \([\d,]+ bytes each\): [\d.]+ GB must be free, "
        assert re.fullmatch(said + r"and 1\.00 GB are\.\n", done.stderr)
        assert not file.exists()

    def test_a_table_knows_whether_its_rows_come_once(self) -> None:
        """Texts that are no ids are digests, save that of a token, of which no message makes one."""
        once = "print([table.name for table in load_bulk.metadata.sorted_tables if load_bulk._is_kept_once(table)])"
        done = run("-c", f"import load_bulk; {once}")
        found = set(re.findall(r"'(\w+)'", done.stdout))
        assert found == {"in_force", "kept_file", "said", "sender_authority", "token"}


def check_ids_sort_by_time(url: str) -> None:
    store = Store.open(url, read_only=True)
    message = metadata.tables["message"]
    with store.read() as connection:
        by_id = connection.execute(select(message.c.control_id, message.c.received_at).order_by(message.c.id)).all()
    store.close()
    assert [row.control_id for row in by_id] == [f"CHUX-{n:010d}" for n in range(COUNT)]
    times = [row.received_at for row in by_id]
    assert times == sorted(set(times))


def check_file(url: str) -> None:
    store = Store.open(url, read_only=True)
    with store.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert connection.execute(text("PRAGMA foreign_key_check")).first() is None
    store.close()


def check_commands(url: str) -> None:
    """The database answers the commands, and its journal folds to the identities that it holds."""
    for command in (["show", IPP], ["history", IPP]):
        shown = run("-m", "pam_receiver", *command, "--database", url)
        assert shown.returncode == 0, shown.stderr
        assert IPP in shown.stdout
    verified = run("-m", "pam_receiver", "rebuild", "--verify", "--database", url)
    assert verified.returncode == 0, verified.stdout + verified.stderr
