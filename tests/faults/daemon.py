"""``pam-receiver serve`` in a process of its own, and what can be seen of it from outside: its log, files, memory."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 30.0  # a busy machine; what takes longer has failed


def environment(**settings: object) -> dict[str, str]:
    """The environment of a child: ours without settings of pam-receiver, with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAM_RECEIVER_")}
    asked = {f"PAM_RECEIVER_{name.upper()}": str(value) for name, value in settings.items()}
    return {**kept, **asked, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what no event tells of; fail when it does not come."""
    ends_at = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > ends_at:
            pytest.fail(f"waited {PATIENCE_S} s in vain for: {what}")
        time.sleep(0.005)


def serve_command(url: str, most_file_bytes: int | None = None) -> list[str]:
    """The command that serves ``url`` on free ports."""
    command = ["serve", "--database", url, "--mllp", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    return [sys.executable, "-c", START, str(most_file_bytes), *command, "--log-format", "json", "--lang", "en"]


class Daemon:
    """``pam-receiver serve``, from its start to its end.

    ``as_plain_owner``: as root, without root's right to write what may not be written. Every line of its log is read as
    JSON: one that is none, a traceback too, is kept in ``strays`` and fails the test when the daemon is left.
    """

    def __init__(
        self, url: str, *, most_file_bytes: int | None = None, as_plain_owner: bool = False, **settings: object
    ) -> None:
        begun_at = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(PLAIN_OWNER if as_plain_owner and os.geteuid() == 0 else []),
                *serve_command(url, most_file_bytes),
            ],
            stderr=subprocess.PIPE,
            env=environment(**settings),
        )
        self.lines: list[dict[str, object]] = []
        self.strays: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._has_ended = False
        self._reader.start()
        self.address = self._wait_until_ready()
        self.started_in_s = time.monotonic() - begun_at

    def _wait_until_ready(self) -> tuple[str, int]:
        try:
            ready = self.wait_for_line("serve.ready")
        except BaseException:
            self.kill()
            raise
        host, port = str(ready["mllp"]).rsplit(":", 1)
        return host, int(port)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                try:
                    self.lines.append(json.loads(line))
                except ValueError:
                    self.strays.append(line.decode(errors="replace").rstrip())
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()

    def wait_for_line(self, event: str, *, after: int = 0) -> dict[str, object]:
        """Wait for a line of this event, after the first ``after`` lines; fail when it does not come."""

        def found() -> dict[str, object] | None:
            return next((line for line in self.lines[after:] if line["log"] == event), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or self._has_ended, PATIENCE_S)
            line = found()
        assert line is not None, f"no {event} within {PATIENCE_S} s; last of the log: {self.lines[-3:]} {self.strays}"
        return line

    def logged(self, event: str) -> list[dict[str, object]]:
        with self._news:
            return [line for line in self.lines if line["log"] == event]

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        if error is None:
            self.check_log()

    def check_log(self) -> None:
        """Nothing failed in it, and let go of the lines up to here."""
        with self._news:
            assert self.strays == [], "the daemon wrote what is no log line"
            failed = [line for line in self.lines if line["level"] in ("ERROR", "CRITICAL")]
            assert failed == [], failed  # a log line holds nothing of a patient
            self.lines.clear()

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        self.process.kill()
        self._close()

    def stop(self) -> int:
        """End it with SIGTERM; return its exit code."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        code = self.process.wait(PATIENCE_S)
        self._close()
        return code

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def _close(self) -> None:
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.process.stderr is not None
        self.process.stderr.close()

    # -- what the system says of it -----------------------------------------------------------------------------------

    @property
    def memory_bytes(self) -> int:
        """What it holds of the machine's memory now."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    @property
    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


# Root writes where nobody may: a process without these two rights is held to the bits, as any owner of a file.
PLAIN_OWNER: Final = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
NO_PLAIN_OWNER: Final = "root may write everywhere, and setpriv is not there to take that right from a process"
CAN_BE_PLAIN_OWNER: Final = os.geteuid() != 0 or shutil.which("setpriv") is not None

START: Final = """
import resource, runpy, sys
most_file_bytes = sys.argv.pop(1)
if most_file_bytes != "None":  # what a full disk looks like: no file of this process grows beyond it
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most_file_bytes),) * 2)
runpy.run_module("pam_receiver", run_name="__main__", alter_sys=True)
"""
