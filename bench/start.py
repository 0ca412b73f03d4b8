"""How soon a command answers and the daemon listens, beside the start of Python and the import of SQLAlchemy.

Turn about in one run; medians. The first round counts for nothing: it fills the caches of the disk and of Python.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from gen_corpus import Corpus

_PROGRAM: Final = (sys.executable, "-m", "pam_receiver")
_LISTENING: Final = re.compile(r"listener\.listening.*?mllp=(127\.0\.0\.1):(\d+)")
_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.002
_TICKS_S: Final = os.sysconf("SC_CLK_TCK")
LIMITS_S: Final[Mapping[str, float]] = {"--help": 0.3, "show": 0.6, "serve": 1.5, "serve, new file": 1.5}
TO_COMPARE: Final = "python -c 'import sqlalchemy'"


@dataclass(frozen=True, slots=True)
class Start:
    """``wall_s``: until the command has ended, or the daemon takes a connection; ``cpu_s`` until then."""

    wall_s: float
    cpu_s: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/start.py", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, metavar="N", help="measured rounds (9)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pam-start-") as name:
        _show(measure(Path(name), runs=max(1, asked.runs)))
    return 0


def measure(folder: Path, *, runs: int) -> dict[str, list[Start]]:
    """Return what was measured in ``runs`` rounds, by the name of the command. ``folder``: an empty one."""
    known = _fill(folder, "known.db")
    new = (folder / f"new-{number}.db" for number in range(runs + 1))
    commands: dict[str, Callable[[], Start]] = {
        "python -c pass": lambda: _run([sys.executable, "-c", "pass"], folder),
        TO_COMPARE: lambda: _run([sys.executable, "-c", "import sqlalchemy"], folder),
        "--help": lambda: _run([*_PROGRAM, "--help"], folder),
        "show": lambda: _run([*_PROGRAM, "show", known, "--database", "sqlite:///known.db"], folder),
        "serve": lambda: _serve(folder, "known.db"),
        "serve, new file": lambda: _serve(folder, next(new).name),
    }
    rounds = [{name: command() for name, command in commands.items()} for _ in range(runs + 1)]
    return {name: [each[name] for each in rounds[1:]] for name in commands}


def _show(measured: Mapping[str, Sequence[Start]]) -> None:
    walls = {name: median(each.wall_s for each in starts) for name, starts in measured.items()}
    print(f"{'':<30} {'ms':>7} {'CPU ms':>7} {'× import sqlalchemy':>20} {'limit ms':>9}")
    for name, starts in measured.items():
        cpu = median(each.cpu_s for each in starts)
        row = f"{name:<30} {walls[name] * 1000:>7.0f} {cpu * 1000:>7.0f} {walls[name] / walls[TO_COMPARE]:>20.2f}"
        limit = LIMITS_S.get(name)
        judged = "" if limit is None else f" {limit * 1000:>9.0f}  {'met' if walls[name] < limit else 'NOT MET'}"
        print(row + judged)


# ------------------------------------------------------------------------------------------------------- the commands


def _environment() -> dict[str, str]:
    """The environment of an installed program: no setting of ours, and its bytecode is kept."""
    taken_out = ("PAM_RECEIVER_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(taken_out)}


def _run(command: Sequence[str], folder: Path) -> Start:
    before, begun = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, env=_environment(), check=True, capture_output=True, timeout=_PATIENCE_S)
    wall_s, after = time.perf_counter() - begun, os.times()
    return Start(wall_s, sum(after[2:4]) - sum(before[2:4]))


def _serve(folder: Path, file: str) -> Start:
    begun = time.perf_counter()
    with _Daemon(folder, file) as daemon:
        wall_s = time.perf_counter() - begun
        return Start(wall_s, daemon.cpu_s())


class _Daemon:
    """``serve`` with default settings, save for the ports; entered when it takes a connection."""

    def __init__(self, folder: Path, file: str) -> None:
        self._log = folder / f"{file}.log"
        options = ["--database", f"sqlite:///{file}", "--mllp", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        with self._log.open("wb") as out:
            command = [*_PROGRAM, "serve", *options]
            self._process = subprocess.Popen(command, cwd=folder, env=_environment(), stdout=out, stderr=out)
        self.address = ("", 0)

    def __enter__(self) -> "_Daemon":
        for said in self._said():
            if found := _LISTENING.search(said):
                self.address = (found[1], int(found[2]))
                socket.create_connection(self.address, timeout=_PATIENCE_S).close()
                return self
        self.__exit__()
        raise SystemExit(f"serve did not listen:\n{self._log.read_text()}")

    def _said(self) -> Iterator[str]:
        """What its log says so far, again and again while it runs."""
        ends_at = time.monotonic() + _PATIENCE_S
        while self._process.poll() is None and time.monotonic() < ends_at:
            yield self._log.read_text()
            time.sleep(_POLL_S)

    def cpu_s(self) -> float:
        """The time of the processor that it has taken so far."""
        told = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / _TICKS_S

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE_S)


def _fill(folder: Path, file: str) -> str:
    """Let a daemon make ``file`` and take one message into it; return the IPP of its patient."""
    (message,) = Corpus(1).messages()
    (folder / "one.hl7").write_bytes(message)
    with _Daemon(folder, file) as daemon:
        host, port = daemon.address
        _run([*_PROGRAM, "send", f"--to={host}:{port}", "one.hl7"], folder)
    return message.decode().split("PID|")[1].split("|")[2].split("^")[0]


if __name__ == "__main__":
    sys.exit(main())
