"""A good sender beside a thousand idle connections and a hundred that drip: how much slower it is served.

One daemon, one good sender with one message in flight. It is measured alone and in the crowd by turns; the figure is
the median of the ratios of neighbouring turns. The aim is a ratio of at most 2.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Final

from gen_corpus import Corpus

_ROOT: Final = Path(__file__).resolve().parents[1]
_PATIENCE_S: Final = 60.0
_DRIP_S: Final = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/hostile.py", description=__doc__)
    parser.add_argument("--idle", type=int, default=1000, metavar="N", help="idle connections (1000)")
    parser.add_argument(
        "--slow", type=int, default=100, metavar="N", help="connections that drip a byte a second (100)"
    )
    parser.add_argument("--messages", type=int, default=300, metavar="N", help="messages of one turn (300)")
    parser.add_argument("--turns", type=int, default=5, metavar="N", help="turns alone, and as many in the crowd (5)")
    asked = parser.parse_args()
    _raise_file_limit(asked.idle + asked.slow + 100)
    with tempfile.TemporaryDirectory(prefix="pam-bench-") as folder:
        asyncio.run(_measure(asked, Path(folder)))
    return 0


def _raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


async def _measure(asked: argparse.Namespace, folder: Path) -> None:
    total = asked.messages * (2 * asked.turns + 1)
    messages = Corpus(total).messages()
    async with _daemon(folder) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)

        async def turn() -> float:
            began = time.perf_counter()
            for _ in range(asked.messages):
                writer.write(b"\x0b" + next(messages) + b"\x1c\r")
                answer = await reader.readuntil(b"\x1c\r")
                assert b"\rMSA|AA|" in answer, "a message was not accepted"
            return float(asked.messages / (time.perf_counter() - began))

        await turn()  # warm
        ratios, figures = [], []
        for _ in range(asked.turns):
            alone = await turn()
            async with _crowd(host, port, idle=asked.idle, slow=asked.slow):
                crowded = await turn()
            ratios.append(alone / crowded)
            figures.append((alone, crowded))
        writer.close()
    print(f"{asked.idle} idle, {asked.slow} slow, {asked.messages} messages a turn, one in flight")
    print(f"{'alone, messages/s':>20} {'in the crowd':>14} {'ratio':>7}")
    for (alone, crowded), ratio in zip(figures, ratios, strict=True):
        print(f"{alone:20.0f} {crowded:14.0f} {ratio:7.2f}")
    print(f"median ratio: {median(ratios):.2f}")


@asynccontextmanager
async def _daemon(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Run a daemon on a fresh database; give where it listens."""
    words = ["--database", f"sqlite:///{folder / 'bench.db'}", "--mllp", "127.0.0.1:0", "--http", "off"]
    command = [sys.executable, "-m", "pam_receiver", "serve", *words, "--log-format", "json"]
    log = folder / "log"
    with log.open("w") as err:
        process = subprocess.Popen(command, stderr=err, env={**os.environ, "PYTHONPATH": str(_ROOT)})
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not (ready := [line for line in log.read_text().splitlines() if '"serve.ready"' in line]):
                if process.poll() is not None:
                    raise SystemExit(f"the daemon ended: {log.read_text()[-500:]}")
                await asyncio.sleep(0.05)
        host, _, port = json.loads(ready[0])["mllp"].rpartition(":")
        yield host, int(port)
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


@asynccontextmanager
async def _crowd(host: str, port: int, *, idle: int, slow: int) -> AsyncIterator[None]:
    """Hold connections open that say nothing, and others that say a byte a second of a message without an end."""
    writers = [
        writer for _, writer in await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(idle)))
    ]
    drips = [asyncio.create_task(_drip(host, port)) for _ in range(slow)]
    await asyncio.sleep(_DRIP_S)
    try:
        yield
    finally:
        for task in drips:
            task.cancel()
        await asyncio.gather(*drips, return_exceptions=True)
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def _drip(host: str, port: int) -> None:
    """Begin a message and never end it; come again when the daemon has cut the connection."""
    while True:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(b"\x0bMSH|^~\\&|")
            while not reader.at_eof():
                writer.write(b"X")
                await asyncio.sleep(_DRIP_S)
                await writer.drain()
        except ConnectionError:
            continue
        finally:
            writer.close()


if __name__ == "__main__":
    sys.exit(main())
