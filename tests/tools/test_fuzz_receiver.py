"""The tool that fuzzes: a run ends in time, a find is kept as bytes and fails the run."""

import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return __import__("fuzz_receiver")


def test_a_run_begins_with_the_golden_messages_and_ends_in_time() -> None:
    told = subprocess.run(
        [sys.executable, "tools/fuzz_receiver.py", "decoder", "--seconds", "1", "--by-chance"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.startswith("decoder: ")
    assert told.stdout.endswith("nothing found\n")


def test_a_find_is_kept_and_fails_the_run(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(data: bytes) -> None:
        raise KeyError

    monkeypatch.setattr(tool, "load", lambda name: (broken, [b"\x0bMSH|\x1c\r"]))
    assert tool.run_by_chance("parser", 60, tmp_path, random.Random(1)) == 1
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == b"\x0bMSH|\x1c\r"
    assert "KeyError" in capsys.readouterr().out


def test_too_much_memory_is_a_find(tool: ModuleType) -> None:
    began_with = tool.peak_bytes()
    assert tool.try_one(lambda data: None, b"", began_with) is None
    assert tool.try_one(lambda data: None, b"", began_with - tool.MOST_MORE_BYTES - 1) == "more than 256 MB"


def test_too_much_time_is_a_find(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((0.0, tool.MOST_SECONDS + 1))
    monkeypatch.setattr(tool.time, "monotonic", lambda: next(times))
    assert tool.try_one(lambda data: None, b"", tool.peak_bytes()) == "more than 10.0 s"
