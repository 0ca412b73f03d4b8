"""Write the lists that the container installs from: each package at its pin of constraints.txt, with its hashes.

``tools/lock_requirements.py`` writes ``packaging/requirements.lock`` (what the receiver runs with) and
``packaging/build.lock`` (what builds its wheel). The packages are those that are needed on the Python and the machines
of the image; their files are fetched by pip, from the index that pip is set up with, and hashed here. No address is
written. To be run in an environment in which the project is installed: the closure is read from what is there.
"""

import hashlib
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

ROOT: Final = Path(__file__).resolve().parent.parent
PYTHON: Final = "3.13"  # of the image
MACHINES: Final = ("x86_64", "aarch64")
_GLIBC: Final = ("2_28", "2_17")  # manylinux: what a slim Debian takes
_MARKERS: Final = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
_HEAD: Final = """\
# {what}, with the hash of each file that may be installed, for `pip install --require-hashes`.
# Made by tools/lock_requirements.py from constraints.txt, for Python {python} on Linux ({machines}); not to be edited.
"""


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = read_pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    builds = [*project["build-system"]["requires"], *project["project"]["optional-dependencies"]["compile"]]
    for name, what, declared in (
        ("requirements.lock", "What the receiver runs with", project["project"]["dependencies"]),
        ("build.lock", "What builds its wheel", builds),
    ):
        needed = find_closure(declared)
        hashes = fetch_hashes({each: pins[each] for each in needed})
        text = write_lock(what, pins, hashes)
        (ROOT / "packaging" / name).write_text(text, encoding="utf-8")
        print(f"packaging/{name}: {len(needed)} packages, {sum(map(len, hashes.values()))} hashes")
    return 0


def read_pins(text: str) -> dict[str, str]:
    """Return the version of each package that a list of pins names."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {str(canonicalize_name(name)): version for name, version in (line.split("==") for line in lines)}


def find_closure(declared: Iterable[str]) -> list[str]:
    """Return what these requirements need in the image, and what that needs, by canonical name."""
    found: dict[str, set[str]] = {}
    todo = [Requirement(each) for each in declared]
    while todo:
        requirement = todo.pop()
        name = str(canonicalize_name(requirement.name))
        extras = requirement.extras | {""}
        if extras <= found.get(name, set()):
            continue
        found.setdefault(name, set()).update(extras)
        todo += [each for each in map(Requirement, metadata.requires(name) or ()) if _is_needed(each, extras)]
    return sorted(found)


def _is_needed(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**_MARKERS, "extra": extra}) for extra in extras)


def fetch_hashes(pins: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the SHA-256 of each file that pip would take in the image, by package."""
    hashes: dict[str, set[str]] = {name: set() for name in pins}
    for machine in MACHINES:
        with tempfile.TemporaryDirectory() as folder:
            platforms = [f"--platform=manylinux_{glibc}_{machine}" for glibc in _GLIBC]
            platforms.append(f"--platform=manylinux2014_{machine}")
            command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
            command += ["--only-binary=:all:", f"--python-version={PYTHON}", *platforms, "-d", folder]
            subprocess.run([*command, *(f"{name}=={version}" for name, version in pins.items())], check=True)
            for file in Path(folder).iterdir():
                hashes[name_of(file.name)].add(hashlib.sha256(file.read_bytes()).hexdigest())
    return hashes


def name_of(file: str) -> str:
    """Return the package that a file of an index belongs to."""
    return str(parse_wheel_filename(file)[0] if file.endswith(".whl") else parse_sdist_filename(file)[0])


def write_lock(what: str, pins: Mapping[str, str], hashes: Mapping[str, Iterable[str]]) -> str:
    """Return the text of a list: a package a line, its hashes below it."""
    head = _HEAD.format(what=what, python=PYTHON, machines=", ".join(MACHINES))
    entries = (
        " \\\n".join([f"{name}=={pins[name]}", *(f"    --hash=sha256:{each}" for each in sorted(hashes[name]))])
        for name in sorted(hashes)
    )
    return head + "".join(f"{entry}\n" for entry in entries)


if __name__ == "__main__":
    sys.exit(main())
