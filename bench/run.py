"""The benchmark: the daemon, an ordinary app, other receivers and the limit of the machine, turn about in one run.

Figures of two machines, or of two moments of one machine, do not compare: look at the ratios.
"""

import argparse
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import plot
from apps import APPS, App, Missing, build
from gen_corpus import Corpus, write_file
from measure import BenchError, Load, connect_to_server, measure
from results import BASELINE, LIMIT, OURS, Kind, Measurement, Run

from pam_receiver.resources import IS_COMPILED

_MOST_MESSAGES: Final = 1_000_000
_MOST_CONNECTIONS: Final = 500
_MOST_SECONDS: Final = 600.0
_WARMUP_PART: Final = 5  # of the messages, one in five more for the warm-up
_PACKAGES: Final = ("pam-receiver", "sqlalchemy", "psycopg", "hl7")
_RATIOS: Final = (OURS, BASELINE, LIMIT)


def main() -> int:
    asked = _read_arguments()
    if asked.quick:
        asked.rounds, asked.seconds, asked.warmup = 1, 2.0, 0.5
    with tempfile.TemporaryDirectory(prefix="pam-bench-") as name:
        try:
            run = _run(asked, Path(name))
        except BenchError as error:
            print(error, file=sys.stderr)
            return 1
    print("\n" + plot.markdown(run))
    if asked.json is not None:
        run.write(asked.json)
    if asked.plot is not None:
        asked.plot.write_text(plot.svg(run), "utf-8")
    return 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="one round of 2 seconds each: about two minutes with one database")
    add("--rounds", type=whole(20), default=3, metavar="N", help="rounds, each app once in each (3)")
    add("--seconds", type=read_seconds, default=5.0, metavar="S", help="of each measurement, at most (5)")
    add("--warmup", type=read_seconds, default=1.0, metavar="S", help="seconds of sending before, unmeasured (1)")
    add(
        "--messages",
        type=whole(_MOST_MESSAGES),
        default=150_000,
        metavar="N",
        help="patients at hand for each measurement, which ends early when all were sent (150000)",
    )
    add("--connections", type=read_connections, default=(1, 8, 64), metavar="N,N,…", help="connections (1,8,64)")
    add(
        "--databases",
        type=some(("sqlite", "postgresql")),
        metavar="NAME,…",
        help="sqlite,postgresql (both; the second is left out when no server answers at PAM_TEST_POSTGRES)",
    )
    names = [each.name for each in APPS]
    written = ",".join(map(_written, names))
    add("--apps", type=some(names), default=names, metavar="NAME,…", help=f"{written} (all that can be had)")
    add(
        "--corpus",
        choices=["dialect", "fresh", "mixed"],
        default="dialect",
        help="dialect: new patients, in a GAM's dialect with some ten findings a message; fresh: new patients, by the "
        "profile; mixed: creations, updates, repeats, by the profile (dialect)",
    )
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    add("--plot", type=Path, metavar="FILE", help="draw the rates there, as SVG")
    add("--python-load", action="store_true", help="use the load generator in Python")
    return parser.parse_args()


def whole(most: int) -> Callable[[str], int]:
    """Return the reader of an option that takes a number from 1 to ``most``."""

    def number(text: str) -> int:
        read = int(text)
        if not 1 <= read <= most:
            raise argparse.ArgumentTypeError(f"a number from 1 to {most} is wanted")
        return read

    return number


def read_seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"at most {_MOST_SECONDS:g} seconds")
    return seconds


def read_connections(text: str) -> tuple[int, ...]:
    return tuple(whole(_MOST_CONNECTIONS)(part) for part in text.split(","))


def _written(name: str) -> str:
    return name.replace(" ", "-")


def some(names: Sequence[str]) -> Callable[[str], list[str]]:
    """Return the reader of an option that takes some of ``names``, each with a hyphen for its spaces."""
    known = {_written(name): name for name in names}

    def read(text: str) -> list[str]:
        parts = text.split(",")
        if unknown := [part for part in parts if part not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return [known[part] for part in parts]

    return read


# ------------------------------------------------------------------------------------------------------------- the run


def _run(asked: argparse.Namespace, folder: Path) -> Run:
    versions = read_versions()
    kinds = find_kinds(asked.databases, versions)
    apps, skipped = _prepare(asked.apps, versions)
    if "postgresql" not in kinds and asked.databases is None:
        skipped.append(("PostgreSQL", "no server answers at PAM_TEST_POSTGRES"))
    generator = None if asked.python_load else build("mllp_load.c", folder)
    if generator is None and not asked.python_load:
        skipped.append(("the load generator in C", "no C compiler; the one in Python takes a core: all is slower"))
    for left_out, why in skipped:
        print(f"Left out: {left_out}: {why}.", flush=True)
    file = folder / "corpus.hl7"
    warmup = max(1, asked.messages // _WARMUP_PART)
    corpus = Corpus(warmup + asked.messages, is_mixed=asked.corpus == "mixed", is_dialect=asked.corpus == "dialect")
    sizes = write_file(file, corpus)
    keep_on_disk(file)
    made: list[Measurement] = []
    _show_head()
    for connections in asked.connections:
        load = Load(file, connections, asked.messages, warmup, asked.seconds, asked.warmup)
        for number in range(1, asked.rounds + 1):
            for app, kind in _turns(apps, kinds):
                made.append(measure(app, kind, load, number=number, folder=folder, generator=generator))
                _show_row(made[-1])
    return Run(
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        cores=os.cpu_count() or 1,
        corpus=asked.corpus,
        median_bytes=sizes[len(sizes) // 2],
        seconds=asked.seconds,
        rounds=asked.rounds,
        versions=versions,
        skipped=skipped,
        measurements=made,
    )


def keep_on_disk(file: Path) -> None:
    """Have the file written now: not behind the back of the first measurements."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def find_kinds(asked: Sequence[Kind] | None, versions: dict[str, str]) -> list[Kind]:
    """Return the databases to measure on; a server that was not asked for by name may be absent.

    Raises:
        BenchError: one that was asked for by name is absent.
    """
    kinds: list[Kind] = list(asked or ("sqlite", "postgresql"))
    if "postgresql" in kinds:
        try:
            with connect_to_server() as connection:
                number = connection.info.server_version
            versions["postgresql"] = f"{number // 10000}.{number % 10000}"
        except BenchError:
            if asked is not None:
                raise
            kinds.remove("postgresql")
    return kinds


def _prepare(names: Sequence[str], versions: dict[str, str]) -> tuple[list[App], list[tuple[str, str]]]:
    """Get the apps ready; return those that can be had, and why the others cannot."""
    apps, skipped = [], []
    for app in APPS:
        if app.name in names:
            try:
                versions |= app.prepare()
            except Missing as missing:
                skipped.append((app.name, str(missing)))
            else:
                apps.append(app)
    return apps, skipped


def _turns(apps: Sequence[App], kinds: Sequence[Kind]) -> Iterator[tuple[App, Kind]]:
    """Give the turns of a round: on each database those whose rates are divided, side by side; then the others."""
    for kind in kinds:
        for app in apps:
            if app.name in _RATIOS and (kind in app.kinds or kind == kinds[0]):
                yield app, kind if kind in app.kinds else ""
    for app in apps:
        if app.name not in _RATIOS:
            yield from ((app, kind) for kind in app.kinds if not kind or kind in kinds)


def read_versions() -> dict[str, str]:
    """Return the versions of the software, and nothing that tells one machine from another."""
    return {
        "Linux": ".".join(platform.release().split(".")[:2]),
        "Python": platform.python_version() + (", core compiled" if IS_COMPILED else ""),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in _PACKAGES},
    }


# ------------------------------------------------------------------------------------------------- what is shown of it

_COLUMNS: Final[Mapping[str, Callable[[Measurement], str]]] = {
    "messages/s": lambda made: f"{made.per_s:.0f}",
    "p50 ms": lambda made: f"{made.p50_ms:.2f}",
    "p95 ms": lambda made: f"{made.p95_ms:.2f}",
    "p99 ms": lambda made: f"{made.p99_ms:.2f}",
    "CPU µs": lambda made: "-" if made.cpu_us is None else f"{made.cpu_us:.0f}",
    "peak MB": lambda made: "-" if made.peak_rss_mb is None else f"{made.peak_rss_mb:.0f}",
}


def _show_head() -> None:
    print(f"\n{'connections':>11}  {'app':<32}" + "".join(f"{name:>11}" for name in _COLUMNS), flush=True)


def _show_row(made: Measurement) -> None:
    cells = "".join(f"{show(made):>11}" for show in _COLUMNS.values())
    print(f"{made.connections:>11}  {made.name:<32}{cells}", flush=True)  # a measurement is shown when it is made


if __name__ == "__main__":
    sys.exit(main())
