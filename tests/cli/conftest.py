"""The command line in this process, a real daemon in another, and a database with a morning in it."""

import io
import json
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pam_receiver.cli import main, parts
from pam_receiver.cli.morning import Scene, morning
from pam_receiver.config import Settings
from pam_receiver.receive import Incoming, Receiver
from pam_receiver.store import Store, migrate

PATIENCE_S = 30.0
CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An English machine without any setting, in an empty folder."""
    for name in list(os.environ):
        if name.startswith(("PAM_RECEIVER_", "LC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """``serve`` sets logging up for its process; here that process goes on."""
    root, ours = logging.getLogger(), logging.getLogger("pam_receiver")
    before = (root.handlers[:], root.level, ours.level, logging.raiseExceptions)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.raiseExceptions = before[3]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process."""

    def go(*words: object, stdin: bytes | None = None) -> Result:
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        return Result(int(end.value.code or 0), captured.out, captured.err)

    return go


class Daemon:
    """``pam-receiver serve`` in a process of its own; its log is read line by line."""

    def __init__(self, *words: str, mllp: str | None = "127.0.0.1:0") -> None:
        command = [sys.executable, "-m", "pam_receiver", "serve", "--log-format", "json"]
        command += ["--mllp", mllp] if mllp is not None else []
        self.process = subprocess.Popen(
            [*command, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.entries: list[dict[str, object]] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, name: str) -> dict[str, object]:
        """The next log line of this name; fails when the process ends or keeps silent."""
        while True:
            line = self._lines.get(timeout=PATIENCE_S)
            assert line is not None, f"the daemon ended before it said {name}: {self.entries[-3:]}"
            entry = json.loads(line)
            self.entries.append(entry)
            if entry["log"] == name:
                return dict(entry)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture
def serve() -> Iterator[Callable[..., Daemon]]:
    """Start daemons; those still running at the end are stopped."""
    daemons: list[Daemon] = []

    def start(*words: str, **given: str | None) -> Daemon:
        daemons.append(Daemon(*words, **given))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.end()


@pytest.fixture(scope="session")
def scenes() -> dict[str, Scene]:
    """The messages of the demo, by name."""
    return {scene.name: scene for scene in morning()}


def receive(url: str, *messages: bytes, port: int | None = None) -> None:
    """Give messages to a receiver on this database, as the daemon would that listens on ``port``."""
    settings = Settings(environment="test")
    store = Store.open(url)
    receiver = Receiver(
        store,
        sources=parts.make_sources(settings),
        answers=parts.make_answer_style(settings),
    )
    for raw in messages:
        receiver.receive([Incoming(raw, "192.0.2.1:40000", datetime.now(UTC), port)])
    store.close()


@pytest.fixture(scope="session")
def morning_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has received the morning of the demo."""
    file = tmp_path_factory.mktemp("morning") / "morning.db"
    migrate.upgrade(f"sqlite:///{file}")
    receive(f"sqlite:///{file}", *(scene.raw for scene in morning()))
    return file


@pytest.fixture
def morning_url(morning_file: Path, tmp_path: Path) -> str:
    """A copy of it: to look at an identity leaves a trace."""
    file = tmp_path / "morning" / "morning.db"
    file.parent.mkdir()
    shutil.copyfile(morning_file, file)
    return f"sqlite:///{file}"
