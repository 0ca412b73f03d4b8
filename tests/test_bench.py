"""bench/: it runs on this machine and shows what it says it shows. No figure is judged here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROW = r"^ +1  {app} +50 +\d+ +\d+\.\d\d +\d+\.\d\d$"


def run_bench(*options: str) -> str:
    """Run bench/run.py of this checkout; return what it printed."""
    done = subprocess.run(
        [sys.executable, "bench/run.py", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_names_every_option() -> None:
    shown = run_bench("--help")
    for option in ("--messages", "--seconds", "--connections", "--pairs", "--warmup", "--database", "--corpus"):
        assert option in shown


@pytest.mark.parametrize("options", [("--corpus", "fresh"), ("--corpus", "mixed", "--python-load")])
def test_tiny_run_shows_both_apps_and_their_ratio(options: tuple[str, ...]) -> None:
    sizes = ("--messages", "50", "--warmup", "5", "--seconds", "10")
    shown = run_bench(*sizes, "--connections", "1", "--pairs", "1", "--no-steps", *options)
    assert re.search(ROW.format(app="pam-receiver"), shown, re.MULTILINE)
    assert re.search(ROW.format(app="one ORM transaction"), shown, re.MULTILINE)
    assert re.search(r"^ +1 +\d+ +\d+ +\d+\.\d\d   \(\d+\.\d\d\)$", shown, re.MULTILINE)


def test_unknown_size_is_refused_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "bench/run.py", "--connections", "0"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == 2
    assert "from 1 to 500" in done.stderr
