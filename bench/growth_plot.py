"""What a run of growth.py found: its ratios, its tables as Markdown, rate and size against stored identities as SVG."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from statistics import median
from typing import Final, Literal

from plot import DOCS, PAGE, STYLE, fill_in
from results import NAMES, Kind, Measurement

WANTED_RATIO: Final = 0.70  # of the rate at the smallest size
WANTED_PEAK_MB: Final = 150.0  # less than that, of the daemon, once so many are stored:
MANY: Final = 1_000_000
_LEAST_BYTES: Final = 5  # per identity: a table with less is not shown
DRAWING: Final = DOCS / "growth.svg"
KEPT: Final = DOCS / "growth.json"

Sent = Literal["new", "mixed"]
"""What is sent: new patients; or as many new ones, changes, confirmations and repeats of stored ones."""

SENT: Final[Mapping[Sent, str]] = {"new": "new patients", "mixed": "mixed, of all stored"}


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement at ``size`` identities. ``beside``: the size with which it took turns; ``held``: when it began."""

    size: int
    beside: int
    held: int
    sent: Sent
    made: Measurement


@dataclass(frozen=True, slots=True)
class Held:
    """What a database took on the disk at ``size``, with so many ``identities``.

    ``parts``: of each table its name, its bytes and those of its indexes, where the database can tell.
    """

    kind: Kind
    size: int
    identities: int
    bytes: int
    parts: Sequence[tuple[str, int, int]] = ()


@dataclass(frozen=True, slots=True)
class Growth:
    """All of one run; as of :class:`results.Run`."""

    at: str
    cores: int
    corpus: str
    seconds: float
    rounds: int
    versions: Mapping[str, str]
    skipped: Sequence[tuple[str, str]] = ()
    points: list[Point] = field(default_factory=list, repr=False)
    held: list[Held] = field(default_factory=list, repr=False)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Growth":
        values = json.loads(path.read_text("utf-8"))
        values["points"] = [Point(**{**each, "made": Measurement(**each["made"])}) for each in values["points"]]
        values["held"] = [
            Held(**{**each, "parts": [(name, table, indexes) for name, table, indexes in each["parts"]]})
            for each in values["held"]
        ]
        values["skipped"] = [(what, why) for what, why in values["skipped"]]
        return cls(**values)

    @property
    def sizes(self) -> list[int]:
        return sorted({each.size for each in self.points})

    def lines(self) -> "list[Line]":
        """Return the curves: those of SQLite first, many connections first, new patients first."""
        names = {(each.made.kind, each.made.connections, each.sent) for each in self.points}
        found = [Line(self, *name) for name in names]
        return sorted(found, key=lambda each: (each.kind != "sqlite", -each.connections, each.sent != "new"))


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: a database, a number of connections, what is sent."""

    growth: Growth = field(repr=False)
    kind: Kind
    connections: int
    sent: Sent

    @property
    def words(self) -> str:
        return f"{self.connections} connection{'s' if self.connections > 1 else ''}, {SENT[self.sent]}"

    def made(self, size: int) -> list[Point]:
        return [each for each in self._points() if each.size == size]

    def median(self, size: int, figure: Callable[[Measurement], float | None]) -> float | None:
        known = [value for each in self.made(size) if (value := figure(each.made)) is not None]
        return median(known) if known else None

    def per_s(self, size: int) -> float:
        return self.median(size, lambda made: made.per_s) or 0.0

    def ratio(self, size: int) -> float | None:
        """Return the median over the rounds of the rate by that of the smallest size, which took turns with it."""
        smallest = self.growth.sizes[0]
        small = {each.made.round: each.made.per_s for each in self.made(smallest) if each.beside == size}
        found = [
            each.made.per_s / small[each.made.round]
            for each in self.made(size)
            if size != smallest and each.made.round in small
        ]
        return median(found) if found else None

    def _points(self) -> Iterator[Point]:
        for each in self.growth.points:
            if (each.made.kind, each.made.connections, each.sent) == (self.kind, self.connections, self.sent):
                yield each


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/growth_plot.py", description=__doc__)
    parser.add_argument("file", type=Path, help="what growth.py --json wrote")
    parser.add_argument("--markdown", action="store_true", help="print the tables")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw rate and size there, as SVG")
    parser.add_argument("--docs", action="store_true", help=f"put all into {PAGE.name}, {KEPT.name}, {DRAWING.name}")
    asked = parser.parse_args()
    growth = Growth.read(asked.file)
    if asked.markdown:
        print(markdown(growth), end="")
    if asked.plot is not None:
        asked.plot.write_text(svg(growth), "utf-8")
    if asked.docs:
        image = f"![Messages per second and bytes per identity, by stored identities]({DRAWING.name})"
        fill_in(PAGE, "growth", f"{markdown(growth)}\n{image}")
        DRAWING.write_text(svg(growth), "utf-8")
        growth.write(KEPT)
    return 0


# ------------------------------------------------------------------------------------------------------------ Markdown


def markdown(growth: Growth) -> str:
    """Return the tables of a run: the rates and what is wanted of them, then the bytes of each identity."""
    software = ", ".join(f"{name} {number}" for name, number in growth.versions.items())
    medians = f"medians of {growth.rounds} × {growth.seconds:g} s after a warm-up"
    lines = [f"Run of {growth.at[:10]}: {growth.cores} cores; corpus {growth.corpus}; {medians}. {software}.", ""]
    lines += [f"Left out: {what}: {why}." for what, why in growth.skipped]
    lines += [""] if growth.skipped else []
    return "\n".join([*lines, *_rate_table(growth), "", *_size_table(growth)]) + "\n"


def _rate_table(growth: Growth) -> list[str]:
    head = ["database", "load", "stored", "messages/s", "p99 ms", "CPU µs/message", "of the smallest", "wanted", ""]
    head += ["peak MB", "wanted", ""]
    rows = []
    for line in growth.lines():
        for size in growth.sizes:
            if not line.made(size):
                continue
            p99, cpu = line.median(size, lambda made: made.p99_ms), line.median(size, lambda made: made.cpu_us)
            cells = [NAMES[line.kind], line.words, f"{size:,}", f"{line.per_s(size):,.0f}", f"{p99:.2f}"]
            cells += ["" if cpu is None else f"{cpu:,.0f}"]
            rows.append(f"| {' | '.join([*cells, *_judged_ratio(line, size), *_judged_peak(line, size)])} |")
    return [f"| {' | '.join(head)} |", "|---|---|" + "---:|" * 6 + "---|---:|---:|---|", *rows]


def _judged_ratio(line: Line, size: int) -> list[str]:
    ratio = line.ratio(size)
    return ["", "", ""] if ratio is None else [f"{ratio:.2f}", f"≥ {WANTED_RATIO:.2f}", _judged(ratio >= WANTED_RATIO)]


def _judged_peak(line: Line, size: int) -> list[str]:
    peak = line.median(size, lambda made: made.peak_rss_mb)
    if peak is None:
        return ["", "", ""]
    return [f"{peak:.0f}", *([f"< {WANTED_PEAK_MB:g}", _judged(peak < WANTED_PEAK_MB)] if size >= MANY else ["", ""])]


def _judged(is_met: bool) -> str:
    return "met" if is_met else "**not met**"


def _size_table(growth: Growth) -> list[str]:
    """Bytes per identity: a column for each size, a row for each table and for its indexes, those that count."""
    lines = [f"| bytes per identity, stored: | {' | '.join(f'{size:,}' for size in growth.sizes)} |"]
    lines.append("|---|" + "---:|" * len(growth.sizes))
    for kind in dict.fromkeys(each.kind for each in growth.held):
        held = {each.size: each for each in growth.held if each.kind == kind}
        rows: dict[str, dict[int, float]] = {"all": {size: each.bytes / each.identities for size, each in held.items()}}
        for size, each in held.items():
            for name, table, indexes in each.parts:
                rows.setdefault(f"`{name}`", {})[size] = table / each.identities
                rows.setdefault(f"`{name}`, indexes", {})[size] = indexes / each.identities
        for name, values in rows.items():
            if values.get(max(held), 0) >= _LEAST_BYTES:
                cells = (f"{values[size]:,.0f}" if size in values else "" for size in growth.sizes)
                lines.append(f"| {NAMES[kind]}, {name} | {' | '.join(cells)} |")
    return lines


# ----------------------------------------------------------------------------------------------------------------- SVG

_WIDTH: Final = 860
_LEFT: Final = 75
_RIGHT: Final = 490  # the curves end here, and their names stand beyond
_HEIGHT: Final = 220  # of a panel
_GAP: Final = 74
_TOP: Final = 76
_LEAST_APART: Final = 17  # the names
_LOOKS: Final[Mapping[str, str]] = {"sqlite": "ours", "postgresql": "durable"}
_DASHES: Final[Mapping[Sent, str]] = {"new": "", "mixed": ' stroke-dasharray="5 4"'}

_Curve = tuple[str, str, str, Sequence[tuple[int, float]]]
"""Name, looks, dashes, and the points: identities, value."""


def svg(growth: Growth) -> str:
    """Draw a panel for the rates on each database, and one for the size; identities on a logarithmic axis."""
    lines = growth.lines()
    panels: list[tuple[str, list[_Curve]]] = []
    for kind in dict.fromkeys(each.kind for each in lines):
        curves: list[_Curve] = [
            (
                each.words,
                _LOOKS[kind],
                _DASHES[each.sent],
                [(size, each.per_s(size)) for size in growth.sizes if each.made(size)],
            )
            for each in lines
            if each.kind == kind
        ]
        panels.append((f"{NAMES[kind]}: messages per second", curves))
    kinds = dict.fromkeys(each.kind for each in growth.held)
    sizes: list[_Curve] = [
        (
            NAMES[kind],
            _LOOKS[kind],
            "",
            [(each.size, each.bytes / each.identities) for each in growth.held if each.kind == kind],
        )
        for kind in kinds
    ]
    panels.append(("bytes on the disk per identity", sizes))
    height = _TOP + len(panels) * (_HEIGHT + _GAP)
    foot = f"corpus {growth.corpus}, {growth.cores} cores, medians of {growth.rounds} × {growth.seconds:g} s"
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    drawn = [
        part
        for n, (title, curves) in enumerate(panels)
        for part in _panel(title, curves, growth.sizes, _TOP + n * (_HEIGHT + _GAP))
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            "<title>Messages per second and bytes per identity, by the number of stored identities</title>",
            f"<style>{STYLE}  path {{ stroke-width: 2 }}\n</style>",
            f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
            '<text class="title" x="16" y="28">As the stored identities grow (logarithmic axis)</text>',
            *drawn,
            f'<text class="soft" x="16" y="{height - 14}">{escape(foot)}, {growth.at[:10]}</text>',
            "</svg>",
            "",
        ]
    )


def _panel(title: str, curves: Sequence[_Curve], sizes: Sequence[int], top: int) -> list[str]:
    bottom = top + _HEIGHT
    step = _step(max([value for *_, points in curves for _, value in points], default=1.0))
    most = step * 4

    def x(size: int) -> float:
        first, last = math.log10(sizes[0]), math.log10(sizes[-1])
        return round(_LEFT + (math.log10(size) - first) / ((last - first) or 1.0) * (_RIGHT - _LEFT), 1)

    def y(value: float) -> float:
        return round(bottom - value / most * _HEIGHT, 1)

    parts = [f'<text class="group" x="16" y="{top - 14}">{escape(title)}</text>']
    for n in range(5):
        at = y(n * step)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="soft" x="{_LEFT - 8}" y="{at + 4}" text-anchor="end">{n * step:,.0f}</text>')
    parts += [
        f'<text class="soft" x="{x(size)}" y="{bottom + 20}" text-anchor="middle">{size:,}</text>' for size in sizes
    ]
    for _, looks, dashes, points in curves:
        path = " L ".join(f"{x(size)} {y(value)}" for size, value in points)
        parts.append(f'<path class="{looks}"{dashes} d="M {path}" style="fill: none"/>')
        parts += [f'<circle class="{looks}" cx="{x(size)}" cy="{y(value)}" r="4"/>' for size, value in points]
    return parts + _names(curves, y)


def _names(curves: Sequence[_Curve], y: Callable[[float], float]) -> list[str]:
    """Write the name of each curve and its last value beside its end, and none over another."""
    parts, lowest = [], -math.inf
    for name, looks, _, points in sorted(curves, key=lambda each: -each[3][-1][1]):
        lowest = max(lowest + _LEAST_APART, y(points[-1][1]) + 4)
        text = f"{points[-1][1]:,.0f}  {name}"
        parts.append(f'<text class="{looks}" x="{_RIGHT + 12}" y="{lowest}">{escape(text)}</text>')
    return parts


def _step(most: float) -> float:
    """Return a round number, four of which are at least ``most``."""
    power: float = 10.0 ** math.floor(math.log10(max(most, 1.0) / 4))
    return next(power * each for each in (1, 2, 2.5, 5, 10) if power * each * 4 >= most)


if __name__ == "__main__":
    sys.exit(main())
