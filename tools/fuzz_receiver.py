"""Fuzz one part of the receiver for a while: ``tools/fuzz_receiver.py decoder|parser|checker|receive --seconds N``.

With atheris (``pip install atheris``) the run is led by coverage; without it, by chance alone. The inputs begin with
the golden conversations and are changed as senders break them (tests/fuzz/mutation.py). A find ends the run with an
exit code that is not 0; its bytes are kept in ``build/fuzz/``, to become a test in tests/hostile/test_finds.py.
"""

import argparse
import hashlib
import importlib
import importlib.util
import logging
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NAMES: Final = ("decoder", "parser", "checker", "receive")
MOST_MORE_BYTES: Final = 256 << 20  # of memory, beyond what the process holds when it begins
MOST_SECONDS: Final = 10.0  # for one input


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/fuzz_receiver.py", description=__doc__)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=900, metavar="N", help="how long (900)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the chance without atheris (0)")
    parser.add_argument("--by-chance", action="store_true", help="without atheris even where it is installed")
    asked = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    finds = ROOT / "build" / "fuzz"
    finds.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris") is not None and not asked.by_chance:
        return run_by_coverage(asked.target, asked.seconds, finds)
    return run_by_chance(asked.target, asked.seconds, finds, random.Random(asked.seed))


def load(name: str) -> tuple[Callable[[bytes], None], list[bytes]]:
    """Return a target and the inputs to begin with."""
    targets, mutation = importlib.import_module("fuzz.targets"), importlib.import_module("fuzz.mutation")
    made = {
        "decoder": lambda: targets.check_decoder,
        "parser": lambda: targets.check_parser,
        "checker": targets.check_checker,
        "receive": targets.CheckReceiver,
    }
    return made[name](), mutation.seeds()


def run_by_chance(name: str, seconds: int, finds: Path, chance: random.Random) -> int:
    """Change the seeds by chance until the time is over or something is found."""
    target, pool = load(name)
    mutate = importlib.import_module("fuzz.mutation").Mutator(pool, chance)
    began, runs = time.monotonic(), 0
    began_with = peak_bytes()
    for data in inputs(pool, mutate, chance):
        if time.monotonic() - began > seconds:
            break
        if (trace := try_one(target, data, began_with)) is not None:
            kept = finds / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
            kept.write_bytes(data)
            print(f"{trace}\n{name}: a find after {runs} inputs, kept in {kept}")
            return 1
        runs += 1
    more = (peak_bytes() - began_with) >> 20
    print(f"{name}: {runs} inputs in {time.monotonic() - began:.0f} s, {more} MB more at the peak, nothing found")
    return 0


def inputs(pool: list[bytes], mutate: Callable[[bytes], bytes], chance: random.Random) -> Iterable[bytes]:
    yield from pool
    while True:
        yield mutate(chance.choice(pool))


def try_one(target: Callable[[bytes], None], data: bytes, began_with: int) -> str | None:
    """Return what went wrong, or ``None``."""
    began = time.monotonic()
    try:
        target(data)
    except Exception:  # noqa: BLE001 - whatever it is, it is a find
        return traceback.format_exc()
    if time.monotonic() - began > MOST_SECONDS:
        return f"more than {MOST_SECONDS} s"
    if peak_bytes() - began_with > MOST_MORE_BYTES:
        return f"more than {MOST_MORE_BYTES >> 20} MB"
    return None


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run_by_coverage(name: str, seconds: int, finds: Path) -> int:
    """Let libFuzzer choose; it ends the process itself when it finds something."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["pam_receiver"]):
        target, pool = load(name)
    logging.raiseExceptions = False
    mutation = importlib.import_module("fuzz.mutation")
    corpus = finds / f"corpus-{name}"
    corpus.mkdir(exist_ok=True)
    for data in pool:
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def change(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.3:
            return bytes(atheris.Mutate(data, most))
        return bytes(mutation.Mutator(pool, chance)(data)[:most])

    most_mb = (peak_bytes() + MOST_MORE_BYTES) >> 20
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={mutation.MOST_BYTES}",
        f"-rss_limit_mb={most_mb}",
        f"-timeout={MOST_SECONDS:.0f}",
        f"-artifact_prefix={finds}/{name}-",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target, custom_mutator=change)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
