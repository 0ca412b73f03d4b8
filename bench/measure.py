"""One measurement: an app on a fresh database, a load on it, and the figures. Ends only what it started."""

import asyncio
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from apps import App, Launch, Place, environment
from psycopg import sql
from results import Kind, Measurement
from sqlalchemy import make_url
from usage import read_usage

SERVER: Final = os.environ.get("PAM_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
_READY: Final = re.compile(r"ready.*?mllp=127\.0\.0\.1:(\d+)")
_START_WITHIN_S: Final = 60.0
_STOP_WITHIN_S: Final = 15.0
_DRAIN_S: Final = 30.0
_ENDLESS: Final = 10**9
FILE: Final = "bench.db"


class BenchError(Exception):
    """A measurement that means nothing, with a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent. ``seconds``: how long, at most; ``warmup_s``: how long before, unmeasured.

    ``corpus`` holds ``warmup`` messages for that, and ``messages`` to be measured. An app to which the same message
    again means less work gets each one once.
    """

    corpus: Path
    connections: int
    messages: int
    warmup: int
    seconds: float
    warmup_s: float


@dataclass(frozen=True, slots=True)
class _Figures:
    sent: int
    messages: int
    per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


def measure(app: App, kind: Kind, load: Load, *, number: int, folder: Path, generator: Path | None) -> Measurement:
    """Start ``app`` on a fresh database, put ``load`` on it, stop it. ``number``: of the round.

    ``generator``: the C generator, ``None`` for the one in Python.

    Raises:
        BenchError: it did not start, or a message was not answered by AA.
    """
    with fresh_place(kind, folder) as place:
        return measure_at(place, app, kind, load, number=number, folder=folder, generator=generator)[0]


def measure_at(
    place: Place, app: App, kind: Kind, load: Load, *, number: int, folder: Path, generator: Path | None
) -> tuple[Measurement, int]:
    """Do as :func:`measure` does, on the database of ``place``; return how many messages it was sent in all, too."""
    with _running(app, place, folder) as (daemon, port):
        size = size_of(kind, place)
        warm = _send(generator, port, load, app, begin=0)
        before = read_usage(daemon.pid)
        made = _send(generator, port, load, app, begin=warm.sent)
        after = read_usage(daemon.pid)
    sent = warm.sent + made.sent
    measurement = Measurement(
        app=app.name,
        kind=kind,
        connections=load.connections,
        round=number,
        messages=made.messages,
        per_s=round(made.per_s, 1),
        p50_ms=round(made.p50_ms, 3),
        p95_ms=round(made.p95_ms, 3),
        p99_ms=round(made.p99_ms, 3),
        cpu_us=round(1e6 * (after.cpu_s - before.cpu_s) / made.messages, 1) if before and after else None,
        peak_rss_mb=round(after.peak_rss_mb, 1) if after else None,
        disk_bytes=round((size_of(kind, place) - size) / sent) if kind else None,
    )
    return measurement, sent


# ----------------------------------------------------------------------------------------------------------- the place


@contextmanager
def fresh_place(kind: Kind, folder: Path, *, copied: Place | None = None, keep: bool = False) -> Iterator[Place]:
    """Make a folder and a database while inside. ``copied``: as a copy of that one. ``keep``: they stay.

    Raises:
        BenchError: the server of databases does not answer.
    """
    name = f"pam_bench_{secrets.token_hex(4)}"
    home = folder / name
    home.mkdir()
    try:
        if kind == "postgresql":
            with connect_to_server() as admin, _fresh_database(admin, name, copied=copied, keep=keep) as url:
                yield Place(home, url)
        else:
            if copied is not None:
                _copy_file(copied.home / FILE, home / FILE)
            yield Place(home, f"sqlite:///{home / FILE}" if kind else "")
    finally:
        if not keep:
            shutil.rmtree(home)


def _copy_file(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as handle:
        os.fsync(handle.fileno())  # now: not behind the back of what is measured next


def connect_to_server() -> "psycopg.Connection[tuple[object, ...]]":
    """Connect to the PostgreSQL that the tests use as well.

    Raises:
        BenchError: it does not answer.
    """
    try:
        return psycopg.connect(SERVER, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        raise BenchError("PostgreSQL not found: set PAM_TEST_POSTGRES=postgresql://user@host/database") from None


@contextmanager
def _fresh_database(
    admin: "psycopg.Connection[tuple[object, ...]]", name: str, *, copied: Place | None, keep: bool
) -> Iterator[str]:
    template = (make_url(copied.url).database or "") if copied is not None else "template1"
    how = sql.SQL("STRATEGY FILE_COPY" if copied is not None else "")  # with a checkpoint, before and after
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} {}")
    admin.execute(statement.format(sql.Identifier(name), sql.Identifier(template), how))
    try:
        yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    finally:
        if not keep:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def size_of(kind: Kind, place: Place) -> int:
    """Return the bytes of a database: of its files, or as the server says, without the server's own log."""
    if kind == "postgresql":
        with psycopg.connect(place.url) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None
        return int(row[0])
    return sum(each.stat().st_size for each in place.home.glob(f"{FILE}*"))


@contextmanager
def _running(app: App, place: Place, folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Run an app while inside; gives it and its port. Its output goes to a file, as a service manager would have it."""
    launch = app.launch(place)
    output = folder / "daemon.log"
    with output.open("wb") as out:
        daemon = subprocess.Popen(
            launch.command, stdout=out, stderr=out, env={**environment(), **launch.environment}, cwd=place.home
        )
    try:
        yield daemon, _wait_ready(daemon, output, app, launch)
    finally:
        daemon.terminate()
        try:
            daemon.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _wait_ready(daemon: "subprocess.Popen[bytes]", output: Path, app: App, launch: Launch) -> int:
    ends_at = time.monotonic() + _START_WITHIN_S
    while time.monotonic() < ends_at and daemon.poll() is None:
        if launch.port is not None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", launch.port), 1):
                return launch.port
        elif found := _READY.search(output.read_text("utf-8", "replace")):
            return int(found[1])
        time.sleep(0.02)
    raise BenchError(f"{app.name} did not start:\n{output.read_text('utf-8', 'replace')[-2000:]}")


# ------------------------------------------------------------------------------------------------------------ the load


def _send(generator: Path | None, port: int, load: Load, app: App, *, begin: int) -> _Figures:
    """Send from message ``begin`` on: 0 is the warm-up."""
    seconds, most = (load.seconds, load.messages) if begin else (load.warmup_s, load.warmup)
    if app.may_repeat and begin:
        most = _ENDLESS
    if generator is None:
        made = asyncio.run(_load_in_python(load, port, begin=begin, most=most, seconds=seconds))
    else:
        made = _load_in_c(generator, load, port, begin=begin, most=most, seconds=seconds)
    if not made.messages:
        raise BenchError(f"{app.name} answered nothing in {seconds:g} s: give more of --seconds and --warmup")
    return made


def _load_in_c(generator: Path, load: Load, port: int, *, begin: int, most: int, seconds: float) -> _Figures:
    command = [str(generator), "--port", str(port), "--connections", str(load.connections), "--offset", str(begin)]
    command += ["--messages", str(most), "--seconds", str(seconds), "--drain", str(_DRAIN_S), str(load.corpus)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=seconds + _DRAIN_S + 30)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        raise BenchError(f"not every message was answered by AA:\n{said}")
    report = json.loads(done.stdout)
    p50, p95, p99 = (report["latency_us"][name] / 1000 for name in ("p50", "p95", "p99"))
    return _Figures(report["sent"], report["measured"], report["messages_per_s"], p50, p95, p99)


async def _load_in_python(load: Load, port: int, *, begin: int, most: int, seconds: float) -> _Figures:
    """The same load without a C compiler. It takes a core of its own, and its figures are lower."""
    frames = [frame + b"\x1c\r" for frame in load.corpus.read_bytes().split(b"\x1c\r") if frame]
    waiting = iter(frames[begin : begin + most])
    ends_at = time.perf_counter() + seconds
    latencies: list[float] = []
    times: list[float] = []

    async def send_all() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for frame in waiting:
            begun = time.perf_counter()
            if begun >= ends_at:
                break
            writer.write(frame)
            async with asyncio.timeout(_DRAIN_S):
                answer = await reader.readuntil(b"\x1c\r")
            if b"\rMSA|AA|" + frame.split(b"|", 10)[9] not in answer:
                raise BenchError("not every message was answered by AA")
            times.extend((begun, time.perf_counter()))
            latencies.append(times[-1] - begun)
        writer.close()

    await asyncio.gather(*(send_all() for _ in range(load.connections)))
    if not latencies:
        return _Figures(0, 0, 0, 0, 0, 0)
    latencies.sort()
    took = max(times) - min(times)
    p50, p95, p99 = (1000 * latencies[int(share * (len(latencies) - 1))] for share in (0.5, 0.95, 0.99))
    return _Figures(len(latencies), len(latencies), len(latencies) / took, p50, p95, p99)
