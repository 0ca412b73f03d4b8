"""Build what is released into ``dist/``: wheel and sdist, twice and to the same bytes; the SBOM; the checksums.

The time in the archives is that of the last commit (``SOURCE_DATE_EPOCH``), so that anyone can build the same bytes
from the same tree. The SBOM (CycloneDX 1.6, JSON) names what an environment holds in which nothing was installed but
the wheel, with the pins of ``constraints.txt``.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SUMS: Final = "SHA256SUMS"


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/release.py", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "dist", metavar="FOLDER", help="(dist)")
    parser.add_argument("--without-sbom", action="store_true", help="needs no network")
    asked = parser.parse_args()
    target: Path = asked.into
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": time_of_last_commit(), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again"
        build(target, environment)
        build(again, environment)
        if different := compare(target, again):
            print(f"Not the same bytes when built again: {', '.join(different)}", file=sys.stderr)
            return 1
        if not asked.without_sbom:
            (wheel,) = target.glob("*.whl")
            write_sbom(wheel, Path(folder) / "runtime", environment)
    (target / SUMS).write_text(checksums(target), encoding="ascii")
    print((target / SUMS).read_text(encoding="ascii"), end="")
    return 0


def time_of_last_commit() -> str:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return given or run("git", "log", "-1", "--format=%ct").strip()


def run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def build(folder: Path, environment: Mapping[str, str]) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder), environment=environment)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), environment=environment)


def compare(one: Path, other: Path) -> list[str]:
    """Return the files that are not the same in both folders."""
    names = sorted({path.name for folder in (one, other) for path in folder.iterdir()})
    return [name for name in names if content(one / name) != content(other / name)]


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def write_sbom(wheel: Path, runtime: Path, environment: Mapping[str, str]) -> None:
    """Install the wheel alone and write down what it brought."""
    run(sys.executable, "-m", "venv", "--without-pip", str(runtime))
    python = str(runtime / "bin" / "python")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-qq", "--disable-pip-version-check")
    run(*pip, "-c", "constraints.txt", str(wheel))
    sbom = wheel.with_name(f"{wheel.name.rsplit('-', 3)[0]}.cdx.json")
    words = ("environment", "--output-reproducible", "--pyproject", "pyproject.toml", "--of", "JSON", "--sv", "1.6")
    run(sys.executable, "-m", "cyclonedx_py", *words, "-o", str(sbom), python, environment=environment)


def checksums(folder: Path) -> str:
    """Return what ``sha256sum -c`` reads."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


if __name__ == "__main__":
    sys.exit(main())
