"""The benchmark: the daemon beside an ordinary app, turn about in one run, and what each step of the core takes.

Figures of two machines, or of two moments of one machine, do not compare: look at the ratios.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from check import show_check
from gen_corpus import Corpus, write_file
from measure import BASELINE, OURS, App, BenchError, Figures, Kind, Load, build_generator, measure
from steps import measure_steps

_STEP_MESSAGES: Final = 400
_MOST_MESSAGES: Final = 1_000_000
_MOST_CONNECTIONS: Final = 500
_MOST_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two measurements that were made one after the other."""

    ours: Figures
    baseline: Figures

    @property
    def ratio(self) -> float:
        return self.ours.per_s / self.baseline.per_s


def main() -> int:
    asked = _read_arguments()
    with tempfile.TemporaryDirectory(prefix="pam-bench-") as name:
        folder = Path(name)
        try:
            _run(asked, folder)
        except BenchError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--messages",
        type=_whole(_MOST_MESSAGES),
        default=10_000,
        metavar="N",
        help="at most N measured messages in each measurement (10000)",
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=3.0,
        metavar="S",
        help="at most S seconds of sending in each measurement (3)",
    )
    parser.add_argument(
        "--connections", type=_connections, default=(1, 8, 64), metavar="N,N,…", help="connections (1,8,64)"
    )
    parser.add_argument("--pairs", type=_whole(20), default=3, metavar="N", help="pairs of measurements of each (3)")
    parser.add_argument(
        "--warmup", type=_whole(_MOST_MESSAGES), default=200, metavar="N", help="messages sent before, unmeasured (200)"
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument(
        "--corpus",
        choices=["fresh", "mixed"],
        default="fresh",
        help="fresh: every message a new patient; mixed: creations, updates, repeats (fresh)",
    )
    parser.add_argument("--no-steps", action="store_true", help="leave out the steps of the core")
    parser.add_argument("--python-load", action="store_true", help="use the load generator in Python")
    return parser.parse_args()


def _whole(most: int) -> Callable[[str], int]:
    """Return the reader of an option that takes a number from 1 to ``most``."""

    def number(text: str) -> int:
        read = int(text)
        if not 1 <= read <= most:
            raise argparse.ArgumentTypeError(f"a number from 1 to {most} is wanted")
        return read

    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"at most {_MOST_SECONDS:g} seconds")
    return seconds


def _connections(text: str) -> tuple[int, ...]:
    return tuple(_whole(_MOST_CONNECTIONS)(part) for part in text.split(","))


def _run(asked: argparse.Namespace, folder: Path) -> None:
    generator = None if asked.python_load else build_generator(folder)
    if generator is None and not asked.python_load:
        print("No C compiler (cc): the load comes from a generator in Python, which takes a core of its own.\n")
    corpus = Corpus(asked.warmup + asked.messages, is_mixed=asked.corpus == "mixed")
    file = folder / "corpus.hl7"
    sizes = write_file(file, corpus)
    middle = sizes[len(sizes) // 2]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; {asked.database}; corpus {asked.corpus},")
    print(
        f"median message {middle} bytes; each measurement at most {asked.messages} messages or {asked.seconds:g} s.\n"
    )
    _show_head()
    medians = []
    for connections in asked.connections:
        load = Load(file, connections, asked.messages, asked.warmup, asked.seconds)
        pairs = [_measure_pair(asked.database, load, folder, generator) for _ in range(asked.pairs)]
        medians.append((connections, pairs))
    _show_ratios(medians)
    if not asked.no_steps:
        _show_steps()
        print()
        show_check()


def _measure_pair(kind: Kind, load: Load, folder: Path, generator: Path | None) -> Pair:
    made: list[Figures] = []
    apps: tuple[App, App] = (OURS, BASELINE)
    for app in apps:
        figures = measure(app, kind, load, folder=folder, generator=generator)
        _show_row(app, load.connections, figures)
        made.append(figures)
    return Pair(*made)


def _show_head() -> None:
    print(
        f"{'connections':>11}  {'app':<20} {'messages':>9} {'messages/s':>11} {'p50 ms':>8} {'p99 ms':>8}", flush=True
    )


def _show_row(app: App, connections: int, made: Figures) -> None:
    row = f"{made.messages:>9} {made.per_s:>11.0f} {made.p50_ms:>8.2f} {made.p99_ms:>8.2f}"
    print(f"{connections:>11}  {app:<20} {row}", flush=True)  # a measurement is shown when it is made


def _show_ratios(measured: Sequence[tuple[int, Sequence[Pair]]]) -> None:
    print(
        f"\n{'connections':>11}  {OURS + '/s':>15} {BASELINE + '/s':>22} {'ratio':>7}   (medians; ratio of each pair)"
    )
    for connections, pairs in measured:
        ours, baseline = (median(made.per_s for made in side) for side in _sides(pairs))
        each = " ".join(f"{pair.ratio:.2f}" for pair in pairs)
        ratio = median(pair.ratio for pair in pairs)
        print(f"{connections:>11}  {ours:>15.0f} {baseline:>22.0f} {ratio:>7.2f}   ({each})")


def _sides(pairs: Sequence[Pair]) -> tuple[list[Figures], list[Figures]]:
    return [pair.ours for pair in pairs], [pair.baseline for pair in pairs]


def _show_steps() -> None:
    split_us, steps = measure_steps(list(Corpus(_STEP_MESSAGES).messages()))
    print(f"\n{'step of the core, one message':<36} {'µs':>8} {'× str.split':>12}")
    print(f"{'str.split into segments and fields':<36} {split_us:>8.1f} {1:>12.1f}")
    for step in steps:
        print(f"{step.name:<36} {step.us:>8.1f} {step.us / split_us:>12.1f}")


if __name__ == "__main__":
    sys.exit(main())
