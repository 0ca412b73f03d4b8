"""The programs that are measured: how each one is had, and how it is started.

What comes from a package registry goes into ``build/bench`` (nothing of it is ours, or is installed beside us).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from results import BASELINE, LIMIT, OURS, Kind

HERE: Final = Path(__file__).resolve().parent
PARTS: Final = HERE.parent / "build" / "bench"
_PROGRAM: Final = (sys.executable, "-m", "pam_receiver")
_INSTALL_WITHIN_S: Final = 300.0
_START_WITHIN_S: Final = 60.0
_NODE_PACKAGES: Final = MappingProxyType({"simple-hl7": "3.3.0", "@medplum/hl7": "5.0.10"})
# The newest release that runs on Python 3.11, 3.12 and 3.13: from 0.2.2 on it asks for 3.14.
_MESSAGEFOUNDRY: Final = "0.2.1"
_MESSAGEFOUNDRY_SETTINGS: Final = '[store]\nsynchronous = "full"\n'


class Missing(Exception):
    """An app that cannot be measured here, with a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an app runs: a folder of its own, its database there or on a server (``""``: it has none)."""

    home: Path
    url: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """How an app is started. ``port``: where it will listen; ``None``: it says so itself, on a line ``ready``."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None


@dataclass(frozen=True, slots=True)
class App:
    """A program that takes messages and answers AA.

    ``kinds``: the databases that it can have. ``may_repeat``: the same message again costs it as much as a new one.
    ``prepare`` gets it ready, once a run, and gives the versions of what it is made of (raises: Missing).
    """

    name: str
    keeps: str
    kinds: tuple[Kind, ...]
    launch: Callable[[Place], Launch]
    prepare: Callable[[], Mapping[str, str]] = dict
    may_repeat: bool = False


def environment() -> dict[str, str]:
    """Return the environment without the settings of a daemon of this machine."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PAM_RECEIVER_")}


def build(source: str, folder: Path) -> Path | None:
    """Build a C program of this folder into ``folder``; ``None`` when there is no C compiler, or it cannot."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / Path(source).stem
    command = [compiler, "-O2", "-std=gnu11", "-o", str(built), str(HERE / source)]
    done = subprocess.run(command, capture_output=True, check=False)
    return built if done.returncode == 0 else None


# ---------------------------------------------------------------------------------------------------------------- ours


def upgrade(place: Place) -> None:
    """Make our tables on a database server; in a file the daemon does it by itself."""
    command = [*_PROGRAM, "db", "upgrade", "--database", place.url]
    subprocess.run(command, env=environment(), cwd=place.home, check=True, capture_output=True, timeout=_START_WITHIN_S)


def serve_options(place: Place) -> list[str]:
    """Return the command and options of ``pam-receiver`` that are measured: its defaults, without HTTP."""
    options = ["--database", place.url, "--mllp", "127.0.0.1:0", "--http", "off", "--environment", "production"]
    return ["serve", *options, "--log-format", "text", "--log-level", "info"]


def _launch_ours(place: Place) -> Launch:
    if not place.url.startswith("sqlite"):
        upgrade(place)
    return Launch([*_PROGRAM, *serve_options(place)])


# --------------------------------------------------------------------------------------------------------------- peers


def _launch_baseline(place: Place) -> Launch:
    return Launch([sys.executable, str(HERE / "one_orm_transaction.py"), "--database", place.url])


def _launch_parse_only(_: Place) -> Launch:
    return Launch([sys.executable, str(HERE / "parse_only.py")])


def _launch_limit(place: Place) -> Launch:
    return Launch([str(PARTS / "limit"), str(place.home / "limit.log")])


def _prepare_limit() -> Mapping[str, str]:
    if build("limit.c", PARTS) is None:
        raise Missing("no C compiler (on Debian and Ubuntu: sudo apt install gcc libc6-dev)")
    return {"cc": _first_line("cc", "--version").removeprefix("cc ")}


def _node_launcher(name: str) -> Callable[[Place], Launch]:
    def launch(_: Place) -> Launch:
        return Launch(["node", str(HERE / "parse_only.cjs"), name], {"NODE_PATH": str(PARTS / "node" / "node_modules")})

    return launch


def _node_preparer(name: str) -> Callable[[], Mapping[str, str]]:
    def prepare() -> Mapping[str, str]:
        if shutil.which("node") is None or shutil.which("npm") is None:
            raise Missing("no node and npm (on Debian and Ubuntu: sudo apt install nodejs npm)")
        folder = PARTS / "node"
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "node_modules" / name / "package.json"
        if not kept.exists() or json.loads(kept.read_text("utf-8"))["version"] != _NODE_PACKAGES[name]:
            wanted = [f"{each}@{version}" for each, version in _NODE_PACKAGES.items()]
            _install(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *wanted], name)
        return {"node": _first_line("node", "--version").lstrip("v"), name: _NODE_PACKAGES[name]}

    return prepare


def _prepare_messagefoundry() -> Mapping[str, str]:
    folder = PARTS / "messagefoundry"
    mark = folder / f"installed-{_MESSAGEFOUNDRY}"
    if not mark.exists():
        _install([sys.executable, "-m", "venv", "--clear", str(folder)], "an environment for messagefoundry")
        wanted = f"messagefoundry=={_MESSAGEFOUNDRY}"
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-input", wanted]
        _install(pip, "messagefoundry")
        mark.touch()
    return {"messagefoundry": _MESSAGEFOUNDRY}


def _launch_messagefoundry(place: Place) -> Launch:
    config = place.home / "config"
    config.mkdir()
    shutil.copy(HERE / "messagefoundry_channel.py", config)
    (place.home / "messagefoundry.toml").write_text(_MESSAGEFOUNDRY_SETTINGS, "utf-8")
    port, http = _free_ports(2)
    program = [str(PARTS / "messagefoundry" / "bin" / "messagefoundry"), "serve", "--config", str(config)]
    options = ["--db", str(place.home / "bench.db"), "--port", str(http), "--env", "dev"]
    return Launch([*program, *options], {"BENCH_MLLP_PORT": str(port)}, port)


def _install(command: Sequence[str], name: str) -> None:
    """Install what a peer is made of. What the client says is not shown: it names hosts and paths."""
    print(f"Installing {name} into build/bench (once).", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_INSTALL_WITHIN_S)
    except subprocess.TimeoutExpired:
        raise Missing("its package could not be installed in time") from None
    if done.returncode != 0:
        raise Missing("its package cannot be had from a registry here")


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    return done.stdout.partition("\n")[0]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


# In the order in which they take turns: those whose rates are divided stand side by side.
APPS: Final = (
    App(LIMIT, "bytes", ("",), _launch_limit, _prepare_limit, may_repeat=True),
    App(OURS, "identities, history, journal, findings", ("sqlite", "postgresql"), _launch_ours),
    App(BASELINE, "patients, raw messages", ("sqlite", "postgresql"), _launch_baseline),
    App(
        "MessageFoundry", "raw messages", ("sqlite",), _launch_messagefoundry, _prepare_messagefoundry, may_repeat=True
    ),
    App("python-hl7", "nothing", ("",), _launch_parse_only, may_repeat=True),
    App("simple-hl7", "nothing", ("",), _node_launcher("simple-hl7"), _node_preparer("simple-hl7"), may_repeat=True),
    App(
        "@medplum/hl7",
        "nothing",
        ("",),
        _node_launcher("@medplum/hl7"),
        _node_preparer("@medplum/hl7"),
        may_repeat=True,
    ),
)
