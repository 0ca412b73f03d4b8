"""tools/check_official_samples.py: what it says of the forms of the official samples, with invented people."""

import subprocess
import sys
from pathlib import Path

import pytest
from golden import FOLDER

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "check_official_samples.py"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A folder as one fetches it: a sample below it, an acknowledgement, and something else."""
    (tmp_path / "below").mkdir()
    discharge = (FOLDER / "281-zbe-shifted-by-one" / "in.hl7").read_bytes()
    (tmp_path / "below" / "discharge.er7").write_bytes(discharge)
    (tmp_path / "ack.hl7").write_bytes((FOLDER / "281-zbe-shifted-by-one" / "ack.hl7").read_bytes())
    (tmp_path / "result.hl7").write_bytes(discharge.replace(b"ADT^A03^ADT_A03", b"ORU^R01^ORU_R01"))
    (tmp_path / "README.md").write_text("MSH|no message\n", encoding="utf-8")
    return tmp_path


def test_says_the_answer_and_each_finding_with_its_section(samples: Path) -> None:
    done = run(samples)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "discharge.er7 (1): A03 AA pam_fr/2.11"
    assert "  W ZBE-5 zbe-shifted-by-one [IHE PAM FR 2.11.2 §6.13]" in lines
    assert lines[-1] == "2 ADT message(s), 2 of other types left out"
    assert "KERGUELEN" not in done.stdout


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere")
    assert done.returncode == 2
    assert "nowhere" in done.stderr


def test_a_folder_without_samples_fails(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == 1
