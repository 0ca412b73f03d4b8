"""bench/: it runs on this machine and shows what it says it shows. No figure is judged here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pam_receiver.hl7.er7 import parse_message
from pam_receiver.profile.check import check_message
from pam_receiver.profile.load import load_profile

ROOT = Path(__file__).parent.parent
ROW = r"^ +1  {app} +50 +\d+ +\d+\.\d\d +\d+\.\d\d$"


def run_bench(*options: str, script: str = "run.py") -> str:
    """Run a script of bench/ of this checkout; return what it printed."""
    done = subprocess.run(
        [sys.executable, f"bench/{script}", *options],
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


@pytest.mark.parametrize("options", [(), ("--mixed", "--encoding", "iso8859-1")])
def test_messages_of_the_corpus_keep_to_the_profile(options: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "corpus.hl7"
    run_bench(str(file), "--count", "900", *options, script="gen_corpus.py")
    messages = [parse_message(block) for block in re.findall(rb"\x0b(.+?)\x1c\r", file.read_bytes(), re.DOTALL)]
    assert len(messages) == 900
    assert {message.segments[0].value(9, 2) for message in messages} == ({"A28", "A31"} if options else {"A28"})
    profile = load_profile("pam_fr/2.11")
    assert {(each.rule, str(each.at)) for message in messages for each in check_message(message, profile)} == set()


def test_check_is_shown_beside_its_limit() -> None:
    shown = run_bench("--messages", "20", "--rounds", "2", script="check.py")
    assert re.search(r"^check_message, clean +\d+\.\d +\d+\.\d +0\.0$", shown, re.MULTILINE)
    assert re.search(r"^check_message, a handful of breaches +\d+\.\d +\d+\.\d +5\.0$", shown, re.MULTILINE)
    assert re.search(r"^hl7apy parse and validate +\d+\.\d +\d+\.\d$", shown, re.MULTILINE)
    assert re.search(r"^limit for a clean message: 12 × str\.split; here \d+\.\d, (within|ABOVE)$", shown, re.MULTILINE)
