"""PostgreSQL servers that a test starts itself, to stop, kill and promote: in a temporary folder, never as root."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from faults.daemon import until
from psycopg import sql

from pam_receiver.store import migrate

_OWNER: Final = "postgres"  # who runs it when we are root, which PostgreSQL refuses


def why_not() -> str:
    """Why no server can be started here; empty when one can."""
    if _programs() is None:
        return "no server of PostgreSQL to start: initdb was not found (Debian: apt install postgresql)"
    if os.geteuid() == 0 and (shutil.which("runuser") is None or not _is_user(_OWNER)):
        return f"PostgreSQL refuses to run as root, and there is no runuser or no user {_OWNER} to run it as"
    return ""


def _programs() -> Path | None:
    """The folder of initdb and pg_ctl: Debian keeps them off PATH, the newest version last."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: float(each.parts[-3]))
    found = shutil.which("initdb")
    real = [Path(found).resolve()] if found else []
    return next((each.parent for each in [*reversed(debian), *real] if (each.parent / "pg_ctl").exists()), None)


def _is_user(name: str) -> bool:
    return subprocess.run(["id", name], capture_output=True, check=False).returncode == 0


class Cluster:
    """One server; ``url``: its database, empty at first, or as that of ``copy_of``, which must be stopped."""

    def __init__(self, folder: Path, *, copy_of: "Cluster | None" = None) -> None:
        programs = _programs()
        assert programs is not None
        self._programs = programs
        self._folder = folder
        self._as_owner: Sequence[str] = ("runuser", "-u", _OWNER, "--") if os.geteuid() == 0 else ()
        if self._as_owner:
            shutil.chown(folder, _OWNER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.host = f"127.0.0.1:{self._port}"
        self.url = f"postgresql://postgres@{self.host}/postgres"
        if copy_of is None:
            self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        else:
            subprocess.run(["cp", "-a", copy_of._folder / "data", folder], check=True)

    def start(self, *, follow: "Cluster | None" = None) -> None:
        """Start it; as a standby of ``follow``, until it is promoted."""
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1"
        if follow is not None:
            signal_file = self._folder / "data" / "standby.signal"
            signal_file.touch()
            if self._as_owner:
                shutil.chown(signal_file, _OWNER)
            options += f" -c primary_conninfo={follow.url}"
        self._run("pg_ctl", "-l", str(self._folder / "log"), "-w", "-t", "60", "-o", options, "start")

    def promote(self) -> None:
        """Make a standby the primary; on return it takes writes."""
        self._run("pg_ctl", "-w", "-t", "60", "promote")

    def set(self, **settings: str) -> None:
        """Change settings of the server, and wait until it has read them."""
        with self.connect() as connection:
            connection.execute("SET default_transaction_read_only = off")  # else what it was set to stays for ever
            for name, value in settings.items():
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
            before = _read_at(connection)
            connection.execute("SELECT pg_reload_conf()")
            until(lambda: _read_at(connection) != before, "the new settings of the server")

    def stop(self, how: str) -> None:
        """Stop it; ``how``: ``fast`` and ``immediate`` as for pg_ctl, or ``killed``: SIGKILL of its first process."""
        if how == "killed":
            self._kill()
        else:
            self._run("pg_ctl", "-m", how, "-w", "-t", "60", "stop")

    def _kill(self) -> None:
        """Kill the first process; the others see that it is gone, and end."""
        session = self.process
        os.kill(session, signal.SIGKILL)
        until(lambda: not _is_there(session), "the end of the killed server")
        until(self._is_let_go, "the end of what the killed server had started")

    @property
    def process(self) -> int:
        return int((self._folder / "data" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])

    def _is_let_go(self) -> bool:
        """Whether no process of it is left: each works in the folder of the data."""
        data = str(self._folder / "data")
        for process in Path("/proc").glob("[0-9]*/cwd"):
            try:
                if os.readlink(process) == data:
                    return False
            except OSError:
                continue  # it has ended, or is none of ours
        return True

    def close(self) -> None:
        subprocess.run(self._command("pg_ctl", "-m", "immediate", "stop"), capture_output=True, check=False)
        until(self._is_let_go, "the end of the server")

    def _run(self, program: str, *arguments: str) -> None:
        # To a file: the server inherits what it is given, and a pipe would not end before it does.
        with tempfile.TemporaryFile() as said:
            command = self._command(program, *arguments)
            done = subprocess.run(command, stdout=said, stderr=said, check=False, cwd=self._folder)
            said.seek(0)
            assert done.returncode == 0, said.read().decode(errors="replace")

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [*self._as_owner, str(self._programs / program), "-D", str(self._folder / "data"), *arguments]

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.url, autocommit=True)


def _read_at(connection: "psycopg.Connection[tuple[object, ...]]") -> object:
    """When the settings were read last."""
    return connection.execute("SELECT pg_conf_load_time()").fetchone()


def _is_there(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


@contextmanager
def running(*, copy_of: Cluster | None = None, follow: Cluster | None = None) -> Iterator[Cluster]:
    """A server, until the end of the test. Not in pytest's folder, which its owner could not enter."""
    folder = Path(tempfile.mkdtemp(prefix="pam-pg-"))
    try:
        cluster = Cluster(folder, copy_of=copy_of)
        cluster.start(follow=follow)
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def prepared() -> Iterator[Cluster]:
    """A server at head without a row, stopped: what pairs are copied from."""
    with running() as cluster:
        migrate.upgrade(cluster.url)
        cluster.stop("fast")
        yield cluster


@contextmanager
def pair(copy_of: Cluster) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary, and a standby of it without which it acknowledges nothing."""
    with running(copy_of=copy_of) as primary, running(copy_of=copy_of, follow=primary) as standby:
        primary.set(synchronous_standby_names="*")
        with primary.connect() as connection:
            until(lambda: connection.execute(_ATTACHED).fetchone() == (1,), "the synchronous standby")
        yield primary, standby


def either(primary: Cluster, standby: Cluster) -> str:
    """The URL of whichever of the two takes writes."""
    return f"postgresql://postgres@{primary.host},{standby.host}/postgres"


def catch_up(primary: Cluster, standby: Cluster) -> None:
    """Wait until the standby shows all that the primary has."""
    with primary.connect() as connection:
        (place,) = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
    shown = f"SELECT pg_last_wal_replay_lsn() >= '{place}'::pg_lsn"
    with standby.connect() as connection:
        until(lambda: connection.execute(shown).fetchone() == (True,), "the standby to show what the primary has")


_ATTACHED: Final = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
