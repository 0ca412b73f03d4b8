"""A PostgreSQL server that a test starts itself, to stop it, and to kill it: in a temporary folder, never as root."""

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
    """One server; ``url``: its database, empty at first."""

    def __init__(self, folder: Path) -> None:
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
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-l", str(self._folder / "log"), "-w", "-t", "60", "-o", options, "start")

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


def _is_there(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


@contextmanager
def running() -> Iterator[Cluster]:
    """A server, until the end of the test. Not in pytest's folder, which its owner could not enter."""
    folder = Path(tempfile.mkdtemp(prefix="pam-pg-"))
    try:
        cluster = Cluster(folder)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
