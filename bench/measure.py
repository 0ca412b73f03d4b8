"""One measurement: a daemon on a fresh database, a load on it, and the figures. Ends only what it started."""

import asyncio
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psycopg
from psycopg import sql
from sqlalchemy import make_url

HERE: Final = Path(__file__).parent
SERVER: Final = os.environ.get("PAM_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
_READY: Final = re.compile(r"ready.*?mllp=127\.0\.0\.1:(\d+)")
_START_WITHIN_S: Final = 60.0
_STOP_WITHIN_S: Final = 15.0
_DRAIN_S: Final = 30.0

Kind = Literal["sqlite", "postgresql"]
App = Literal["pam-receiver", "one ORM transaction"]
OURS: Final[App] = "pam-receiver"
BASELINE: Final[App] = "one ORM transaction"


class BenchError(Exception):
    """A measurement that means nothing, with a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a load came to. Latencies run from the first byte sent to the ACK read whole."""

    messages: int
    per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: the first ``warmup`` messages of ``corpus`` unmeasured, then at most ``messages``.

    ``seconds``: when the sending stops in any case.
    """

    corpus: Path
    connections: int
    messages: int
    warmup: int
    seconds: float


def measure(app: App, kind: Kind, load: Load, *, folder: Path, generator: Path | None) -> Figures:
    """Start ``app`` on a fresh database, put ``load`` on it, stop it.

    ``generator``: the C generator, ``None`` for the one in Python.

    Raises:
        BenchError: it did not start, or a message was not answered by AA.
    """
    with _fresh_database(kind, folder) as url, _running(_command(app, url), app, url, folder) as port:
        if generator is None:
            return asyncio.run(_load_in_python(load, port))
        return _load_in_c(generator, load, port)


# ------------------------------------------------------------------------------------------------------ the daemons


def _command(app: App, url: str) -> list[str]:
    if app == BASELINE:
        return [sys.executable, str(HERE / "one_orm_transaction.py"), "--database", url]
    options = ["--database", url, "--mllp", "127.0.0.1:0", "--http", "off", "--environment", "production"]
    return [sys.executable, "-m", "pam_receiver", "serve", *options, "--log-format", "text", "--log-level", "info"]


@contextmanager
def _running(command: Sequence[str], app: App, url: str, folder: Path) -> Iterator[int]:
    """Run a daemon while inside; gives its port. Its output goes to a file, as a service manager would have it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAM_RECEIVER_")}
    if app == OURS and not url.startswith("sqlite"):
        upgrade = [sys.executable, "-m", "pam_receiver", "db", "upgrade", "--database", url]
        subprocess.run(upgrade, env=environment, cwd=folder, check=True, capture_output=True, timeout=_START_WITHIN_S)
    output = folder / "daemon.log"
    with output.open("wb") as out:
        daemon = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=folder)
    try:
        yield _wait_ready(daemon, output, app)
    finally:
        daemon.terminate()
        try:
            daemon.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _wait_ready(daemon: subprocess.Popen[bytes], output: Path, app: App) -> int:
    ends_at = time.monotonic() + _START_WITHIN_S
    while time.monotonic() < ends_at:
        found = _READY.search(output.read_text("utf-8", "replace"))
        if found is not None:
            return int(found[1])
        if daemon.poll() is not None:
            break
        time.sleep(0.02)
    raise BenchError(f"{app} did not start:\n{output.read_text('utf-8', 'replace')[-2000:]}")


@contextmanager
def _fresh_database(kind: Kind, folder: Path) -> Iterator[str]:
    name = f"pam_bench_{secrets.token_hex(4)}"
    if kind == "sqlite":
        home = folder / name
        home.mkdir()
        try:
            yield f"sqlite:///{home / 'bench.db'}"
        finally:
            shutil.rmtree(home)
        return
    try:
        admin = psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        raise BenchError("PostgreSQL not found: set PAM_TEST_POSTGRES=postgresql://user@host/database") from None
    with admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


# --------------------------------------------------------------------------------------------------------- the load


def build_generator(folder: Path) -> Path | None:
    """Build ``mllp_load.c`` into ``folder``; ``None`` when there is no C compiler, or it cannot."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    built = folder / "mllp_load"
    done = subprocess.run(
        [compiler, "-O2", "-std=gnu11", "-o", str(built), str(HERE / "mllp_load.c")], capture_output=True, check=False
    )
    return built if done.returncode == 0 else None


def _load_in_c(generator: Path, load: Load, port: int) -> Figures:
    command = [str(generator), "--port", str(port), "--connections", str(load.connections)]
    command += ["--messages", str(load.messages), "--warmup", str(load.warmup), "--seconds", str(load.seconds)]
    done = subprocess.run(
        [*command, "--drain", str(_DRAIN_S), str(load.corpus)],
        capture_output=True,
        check=False,
        timeout=load.seconds + _DRAIN_S + 30,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        raise BenchError(f"not every message was answered by AA:\n{said}")
    report = json.loads(done.stdout)
    latency = report["latency_us"]
    if not report["measured"]:
        raise BenchError("the time was up before the warm-up was over: give more --seconds")
    return Figures(report["measured"], report["messages_per_s"], latency["p50"] / 1000, latency["p99"] / 1000)


async def _load_in_python(load: Load, port: int) -> Figures:
    """The same load without a C compiler. It takes a core of its own, and its figures are lower."""
    frames = [frame + b"\x1c\r" for frame in load.corpus.read_bytes().split(b"\x1c\r") if frame]
    frames = frames[: load.warmup + load.messages]
    waiting = iter(enumerate(frames))
    ends_at = time.perf_counter() + load.seconds
    latencies: list[float] = []
    times: list[float] = []

    async def send_all() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, frame in waiting:
            begun = time.perf_counter()
            if begun >= ends_at:
                break
            writer.write(frame)
            async with asyncio.timeout(_DRAIN_S):
                answer = await reader.readuntil(b"\x1c\r")
            if b"\rMSA|AA|" + frame.split(b"|", 10)[9] not in answer:
                raise BenchError("not every message was answered by AA")
            if number >= load.warmup:
                times.extend((begun, time.perf_counter()))
                latencies.append(times[-1] - begun)
        writer.close()

    await asyncio.gather(*(send_all() for _ in range(load.connections)))
    if not latencies:
        raise BenchError("the time was up before the warm-up was over: give more --seconds")
    latencies.sort()
    took = max(times) - min(times)
    p50, p99 = (1000 * latencies[int(share * (len(latencies) - 1))] for share in (0.5, 0.99))
    return Figures(len(latencies), len(latencies) / took, p50, p99)
