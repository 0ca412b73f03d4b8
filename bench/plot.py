"""Draws a run that was kept as JSON: its tables as Markdown, its rates as SVG, and both into the docs."""

import argparse
import math
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from results import BASELINE, LIMIT, NAMES, OURS, Measurement, Run, standings

DOCS: Final = Path(__file__).resolve().parent.parent / "docs" / "explanation"
PAGE: Final = DOCS / "performance.md"
_END: Final = "<!-- end -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/plot.py", description=__doc__)
    parser.add_argument("file", type=Path, help="what run.py --json wrote")
    parser.add_argument("--before", type=Path, metavar="FILE", help="an earlier run, of which ours is shown beside")
    parser.add_argument("--markdown", action="store_true", help="print the tables")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the rates there, as SVG")
    parser.add_argument(
        "--docs", action="store_true", help=f"put both into {PAGE.name}, with {PAGE.stem}.svg beside it"
    )
    asked = parser.parse_args()
    run = Run.read(asked.file)
    if asked.before is not None:
        run = run.with_earlier(Run.read(asked.before))
    if asked.markdown:
        print(markdown(run), end="")
    if asked.plot is not None:
        asked.plot.write_text(svg(run), "utf-8")
    if asked.docs:
        fill_in(PAGE, "measured", markdown(run))
        PAGE.with_suffix(".svg").write_text(svg(run), "utf-8")
    return 0


def fill_in(page: Path, mark: str, text: str) -> None:
    """Put a text into a page, between ``<!-- MARK -->`` and the next ``<!-- end -->``."""
    head, begin, rest = page.read_text("utf-8").partition(f"<!-- {mark} -->")
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"{page.name} has no place for this: <!-- {mark} --> … {_END}")
    page.write_text(f"{head}{begin}\n{text.rstrip()}\n{end}{tail}", "utf-8")


# ------------------------------------------------------------------------------------------------------------ Markdown


def markdown(run: Run) -> str:
    """Return the tables of a run: what is wanted of ours, then every median."""
    software = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    corpus = f"corpus {run.corpus}, median message {run.median_bytes} bytes"
    medians = f"medians of {run.rounds} × {run.seconds:g} s after a warm-up"
    lines = [f"Run of {run.at[:10]}: {run.cores} cores; {corpus}; {medians}. {software}.", ""]
    lines += [f"Left out: {app}: {why}." for app, why in run.skipped]
    lines += [""] if run.skipped else []
    lines += [*_standing_table(run), "", *_median_table(run)]
    return "\n".join(lines) + "\n"


def _standing_table(run: Run) -> list[str]:
    rows = [
        f"| {NAMES[each.kind]} | {each.connections} | {_count(each.per_s)} "
        f"| {words} | {came:.2f} | {_wanted(words, wanted)} | {'met' if is_met else '**not met**'} |"
        for each in standings(run)
        for words, came, wanted, is_met in each.marks()
        if came is not None
    ]
    head = "| database | connections | messages/s | measure | came to | wanted | |"
    return [head, "|---|---:|---:|---|---:|---:|---|", *rows]


def _wanted(words: str, wanted: float) -> str:
    return f"< {wanted:g}" if words.startswith("p99") else f"≥ {wanted:g}"


def _median_table(run: Run) -> list[str]:
    head = ["connections", "app", "messages/s", "p50 ms", "p95 ms", "p99 ms"]
    head += ["CPU µs/message", "peak MB", "disk bytes/message"]
    rows = [
        f"| {each.connections} | {each.name} | {_count(each.per_s)} | {each.p50_ms:.2f} | {each.p95_ms:.2f} "
        f"| {each.p99_ms:.2f} | {_count(each.cpu_us)} | {_count(each.peak_rss_mb)} | {_count(each.disk_bytes)} |"
        for each in _in_order(run.medians())
    ]
    return [f"| {' | '.join(head)} |", "|---:|---|" + "---:|" * (len(head) - 2), *rows]


def _in_order(made: Sequence[Measurement]) -> list[Measurement]:
    """Return the fastest first, for each number of connections."""
    return sorted(made, key=lambda each: (each.connections, -each.per_s))


def _count(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}"


# ----------------------------------------------------------------------------------------------------------------- SVG

_WIDTH: Final = 860
_LEFT: Final = 275  # of the axis: the names stand before it
_RIGHT: Final = 760  # the axis ends here; a figure may stand beyond
_TOP: Final = 70
_ROW: Final = 22
_GAP: Final = 44  # between the groups, for the title of each
STYLE: Final = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #24292f }
  .page { fill: #ffffff } .soft { fill: #57606a } .grid { stroke: #d8dee4 }
  .title { font-size: 16px; font-weight: 600 } .group { font-weight: 600 }
  .ours { fill: #0550ae; stroke: #0550ae } .durable { fill: #9a6700; stroke: #9a6700 }
  .nothing { fill: #6e7781; stroke: #6e7781 } .limit { fill: #1a7f37; stroke: #1a7f37 }
  text.ours { font-weight: 600 } text.ours, text.durable, text.nothing, text.limit { stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .page { fill: #0d1117 } .soft { fill: #9198a1 } .grid { stroke: #30363d }
    .ours { fill: #79c0ff; stroke: #79c0ff } .durable { fill: #e3b341; stroke: #e3b341 }
    .nothing { fill: #9198a1; stroke: #9198a1 } .limit { fill: #56d364; stroke: #56d364 }
  }
"""
_LEGEND: Final = (
    ("ours", "ours: checked, with history"),
    ("durable", "keeps the messages"),
    ("nothing", "parses, keeps nothing"),
    ("limit", "limit of disk and sockets"),
)


def svg(run: Run) -> str:
    """Draw the median rates: a group for each number of connections, the fastest first, on a logarithmic axis."""
    made = _in_order(run.medians())
    decades = _decades([each.per_s for each in made])
    parts: list[str] = []
    y = _TOP + _GAP
    for connections in run.connections:
        group = [each for each in made if each.connections == connections]
        words = f"{connections} connection{'s' if connections > 1 else ''}"
        parts.append(f'<text class="group" x="16" y="{y - 10}">{words}</text>')
        parts += _axis(decades, y - 4, y + _ROW * len(group))
        for each in group:
            parts += _row(each, y + _ROW // 2, decades)
            y += _ROW
        y += _GAP
    height = y - _GAP + 40
    foot = f"corpus {run.corpus}, {run.cores} cores, medians of {run.rounds} × {run.seconds:g} s, {run.at[:10]}"
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            "<title>Messages per second of each app, by the number of connections</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
            '<text class="title" x="16" y="28">Messages per second (logarithmic axis)</text>',
            *_legend(),
            *parts,
            f'<text class="soft" x="16" y="{height - 14}">{escape(foot)}</text>',
            "</svg>",
            "",
        ]
    )


def _decades(rates: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten between which all rates lie."""
    positive = [rate for rate in rates if rate > 0] or [1.0]
    first, last = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    return first, max(last, first + 1)


def _x(rate: float, decades: tuple[int, int]) -> float:
    first, last = decades
    share = (math.log10(max(rate, 10.0**first)) - first) / (last - first)
    return round(_LEFT + share * (_RIGHT - _LEFT), 1)


def _axis(decades: tuple[int, int], top: int, bottom: int) -> list[str]:
    parts = []
    for power in range(decades[0], decades[1] + 1):
        x = _x(10.0**power, decades)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<text class="soft" x="{x}" y="{top - 6}" text-anchor="middle">{10**power:,}</text>')
    return parts


def _row(made: Measurement, y: int, decades: tuple[int, int]) -> list[str]:
    looks, x = _looks(made), _x(made.per_s, decades)
    return [
        f'<text class="{looks}" x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(made.name)}</text>',
        f'<line class="{looks}" x1="{_LEFT}" x2="{x}" y1="{y}" y2="{y}" stroke-width="2"/>',
        f'<circle class="{looks}" cx="{x}" cy="{y}" r="5"/>',
        f'<text class="{looks}" x="{x + 10}" y="{y + 4}">{made.per_s:,.0f}</text>',
    ]


def _looks(made: Measurement) -> str:
    if made.app.startswith(OURS):
        return "ours"
    if made.app == LIMIT:
        return "limit"
    return "durable" if made.kind or made.app == BASELINE else "nothing"


def _legend() -> list[str]:
    parts, x = [], 16
    for looks, words in _LEGEND:
        parts.append(f'<circle class="{looks}" cx="{x + 5}" cy="48" r="5"/>')
        parts.append(f'<text x="{x + 16}" y="52">{words}</text>')
        x += 36 + 7 * len(words)
    return parts


if __name__ == "__main__":
    sys.exit(main())
