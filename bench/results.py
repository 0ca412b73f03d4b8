"""What a run of the benchmark found: its measurements, their medians, and how they stand beside what is wanted.

No figure of one machine says anything of another: a run is read by its ratios.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Final, Literal

OURS: Final = "pam-receiver"
BASELINE: Final = "one ORM transaction"
LIMIT: Final = "the limit"

Kind = Literal["sqlite", "postgresql", ""]
"""The database of an app; ``""``: none."""

NAMES: Final[Mapping[Kind, str]] = MappingProxyType({"sqlite": "SQLite", "postgresql": "PostgreSQL", "": ""})


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one app did in one window of one round. Latencies run from the first byte sent to the ACK read whole.

    ``cpu_us``: processor time of the app's processes per message (a database server's not). ``peak_rss_mb``: the most
    memory that they ever held, summed. ``disk_bytes``: by what the database grew per message, once the app had ended.
    ``None``: it cannot be known here.
    """

    app: str
    kind: Kind
    connections: int
    round: int
    messages: int
    per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_us: float | None = None
    peak_rss_mb: float | None = None
    disk_bytes: float | None = None

    @property
    def name(self) -> str:
        """The app, with its database where it has one."""
        return f"{self.app}, {NAMES[self.kind]}" if self.kind else self.app


@dataclass(frozen=True, slots=True)
class Run:
    """All of one run. ``versions``: of the software, by name. ``skipped``: (app, why it was not measured)."""

    at: str
    cores: int
    corpus: str
    median_bytes: int
    seconds: float
    rounds: int
    versions: Mapping[str, str]
    skipped: Sequence[tuple[str, str]] = ()
    measurements: Sequence[Measurement] = field(default=(), repr=False)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Run":
        values = json.loads(path.read_text("utf-8"))
        values["measurements"] = [Measurement(**each) for each in values["measurements"]]
        values["skipped"] = [(app, why) for app, why in values["skipped"]]
        return cls(**values)

    @property
    def connections(self) -> list[int]:
        return sorted({each.connections for each in self.measurements})

    def medians(self) -> list[Measurement]:
        """Return one measurement for each app, database and number of connections: the median of each figure."""
        found: dict[tuple[int, str, Kind], list[Measurement]] = {}
        for each in self.measurements:
            found.setdefault((each.connections, each.app, each.kind), []).append(each)
        return [_median(rounds) for rounds in found.values()]

    def with_earlier(self, earlier: "Run") -> "Run":
        """Return this run with ours of an earlier one beside it, under a name of its own."""
        ours = [replace(each, app=f"{OURS} before") for each in earlier.measurements if each.app == OURS]
        return replace(self, measurements=[*self.measurements, *ours])


def _median(rounds: Sequence[Measurement]) -> Measurement:
    return replace(
        rounds[0],
        round=0,
        messages=sum(each.messages for each in rounds),
        per_s=median(each.per_s for each in rounds),
        p50_ms=median(each.p50_ms for each in rounds),
        p95_ms=median(each.p95_ms for each in rounds),
        p99_ms=median(each.p99_ms for each in rounds),
        cpu_us=_median_known(each.cpu_us for each in rounds),
        peak_rss_mb=_median_known(each.peak_rss_mb for each in rounds),
        disk_bytes=_median_known(each.disk_bytes for each in rounds),
    )


def _median_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


# ------------------------------------------------------------------------------------------------------ what is wanted


@dataclass(frozen=True, slots=True)
class Wanted:
    """The least ratio to the ORM app, the least share of the limit, the most p99 (below it)."""

    of_baseline: float
    of_limit: float | None = None
    p99_ms: float | None = None


WANTED: Final[Mapping[tuple[Kind, int], Wanted]] = MappingProxyType(
    {
        ("sqlite", 1): Wanted(4, 0.28, 2),
        ("sqlite", 8): Wanted(9, 0.18, 6),
        ("sqlite", 64): Wanted(16, 0.06, 30),
        ("postgresql", 1): Wanted(4),
        ("postgresql", 8): Wanted(9),
        ("postgresql", 64): Wanted(14),
    }
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How ours stands with one database and number of connections: ratios of the same round, the median of them."""

    kind: Kind
    connections: int
    per_s: float
    p99_ms: float
    of_baseline: float | None
    of_limit: float | None
    wanted: Wanted | None

    def marks(self) -> Iterable[tuple[str, float | None, float, bool]]:
        """Give what is wanted here: (words, what it came to, what is wanted, whether it is met)."""
        if self.wanted is None:
            return
        if self.of_baseline is not None:
            yield "× ORM", self.of_baseline, self.wanted.of_baseline, self.of_baseline >= self.wanted.of_baseline
        if self.wanted.of_limit is not None and self.of_limit is not None:
            yield "of the limit", self.of_limit, self.wanted.of_limit, self.of_limit >= self.wanted.of_limit
        if self.wanted.p99_ms is not None:
            yield "p99 ms", self.p99_ms, self.wanted.p99_ms, self.p99_ms < self.wanted.p99_ms


def standings(run: Run) -> list[Standing]:
    """Return how ours stands, in the order of the databases and the connections."""
    found = [
        Standing(
            made.kind,
            made.connections,
            made.per_s,
            made.p99_ms,
            _ratio(run, made, BASELINE, made.kind),
            _ratio(run, made, LIMIT, ""),
            WANTED.get((made.kind, made.connections)),
        )
        for made in run.medians()
        if made.app == OURS
    ]
    return sorted(found, key=lambda each: (each.kind != "sqlite", each.connections))


def _ratio(run: Run, ours: Measurement, other: str, kind: Kind) -> float | None:
    """Return the median over the rounds of ours by the other one's rate; ``None`` when the other was not measured."""
    rates: dict[tuple[str, int], float] = {
        (each.app, each.round): each.per_s
        for each in run.measurements
        if each.connections == ours.connections and (each.app, each.kind) in {(OURS, ours.kind), (other, kind)}
    }
    ratios = [
        rate / rates[other, number] for (app, number), rate in rates.items() if app == OURS and (other, number) in rates
    ]
    return median(ratios) if ratios else None
