"""From measured costs to machines: disk, time of an initial load and daily work, up to 100 million identities.

Takes the costs as JSON and prints a Markdown table for each database in it::

    {
      "measured_on": "2 cores, NVMe; 2026-11-30",
      "messages_per_identity": 2.5,
      "databases": [
        {
          "name": "PostgreSQL 15",
          "points": [
            {"identities": 10000,   "messages": 10000,   "identity_bytes": 3.1e7, "journal_bytes": 2.9e7,
             "us_per_message": {"1": 950, "64": 160}},
            {"identities": 5000000, "messages": 5000000, "identity_bytes": 1.5e10, "journal_bytes": 1.4e10,
             "us_per_message": {"1": 1100, "64": 190}}
          ]
        }
      ]
    }

A point is what was measured on a store of so many identities: the bytes of the identities with their history and
indexes, those of the journal (``message``, ``message_text``, ``said_together`` and ``said`` with their indexes), and
the time of one message, in µs of the wall clock, by the number of connections. Between two points a cost follows the
logarithm of the store's size, as the depth of an index does; beyond the last one it goes on so, and the line is marked.
``messages_per_identity``: those that are kept, over the life of an identity.
"""

import argparse
import itertools
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
_DAY_S: Final = 86_400
_DECIMAL: Final = 1000


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured on a store of so many identities. ``us``: µs per message, by connections."""

    identities: int
    bytes_per_identity: float
    bytes_per_message: float
    us: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of one database, by the size of the store, the smallest first."""

    name: str
    points: Sequence[Point]

    @property
    def connections(self) -> list[int]:
        """The numbers of connections of which every point has a cost."""
        return sorted(set.intersection(*(set(each.us) for each in self.points)))

    @property
    def largest(self) -> int:
        return self.points[-1].identities

    def us(self, connections: int, identities: int) -> float:
        return self._at(identities, [each.us[connections] for each in self.points])

    def bytes_of(self, identities: int, messages: float) -> tuple[float, float]:
        """The bytes of the identities, and those of the journal."""
        per_identity = self._at(identities, [each.bytes_per_identity for each in self.points])
        per_message = self._at(identities, [each.bytes_per_message for each in self.points])
        return identities * per_identity, messages * per_message

    def us_of_load(self, connections: int, identities: int) -> float:
        """The time to take one message for each identity, from an empty store on: the sum over its growth."""
        steps = 200
        bounds = [identities * step / steps for step in range(steps + 1)]
        middles = ((low + high) / 2 for low, high in itertools.pairwise(bounds))
        return sum(self.us(connections, max(1, round(each))) * identities / steps for each in middles)

    def _at(self, identities: int, values: Sequence[float]) -> float:
        """A value at this size: straight between two points over the logarithm of the size, never below zero growth.

        Below the first point it is that of the first one; beyond the last it goes on as between the last two, unless
        that would make it cheaper.
        """
        sizes = [each.identities for each in self.points]
        if len(sizes) == 1 or identities <= sizes[0]:
            return values[0]
        upper = next((n for n, size in enumerate(sizes) if identities <= size), len(sizes) - 1)
        low, high = sizes[upper - 1], sizes[upper]
        slope = (values[upper] - values[upper - 1]) / math.log(high / low)
        if identities > sizes[-1]:
            return values[-1] + max(0.0, slope) * math.log(identities / sizes[-1])
        return values[upper - 1] + slope * math.log(identities / low)


def read_costs(found: Mapping[str, Any]) -> list[Costs]:
    """Read the JSON above.

    Raises:
        KeyError, ValueError, TypeError: something is missing, or no number.
    """
    return [_read_database(each) for each in found["databases"]]


def _read_database(found: Mapping[str, Any]) -> Costs:
    points = sorted((_read_point(each) for each in found["points"]), key=lambda each: each.identities)
    if not points or len({each.identities for each in points}) < len(points):
        raise ValueError(f"{found['name']}: a point for each size, and at least one")
    costs = Costs(str(found["name"]), points)
    if not costs.connections:
        raise ValueError(f"{costs.name}: no number of connections that every point has")
    return costs


def _read_point(found: Mapping[str, Any]) -> Point:
    identities, messages = int(found["identities"]), int(found["messages"])
    if identities <= 0 or messages <= 0:
        raise ValueError("a point of no identities, or of no messages, tells nothing")
    return Point(
        identities,
        float(found["identity_bytes"]) / identities,
        float(found["journal_bytes"]) / messages,
        {int(connections): float(us) for connections, us in found["us_per_message"].items()},
    )


def table(costs: Costs, *, messages_per_identity: float, sizes: Sequence[int] = SIZES) -> str:
    """Return the table of one database as Markdown."""
    asked = costs.connections
    loads = [f"load, {each} conn." for each in asked]
    rates = [f"messages/day, {each} conn." for each in asked]
    rows = [["identities", "identities and history", "journal", "in all", *loads, *rates]]
    for size in sizes:
        identities, journal = costs.bytes_of(size, size * messages_per_identity)
        rows.append(
            [
                f"{size:,}{' *' if size > costs.largest else ''}",
                *(say_bytes(each) for each in (identities, journal, identities + journal)),
                *(say_time(costs.us_of_load(each, size) / 1e6) for each in asked),
                *(say_count(_DAY_S * 1e6 / costs.us(each, size)) for each in asked),
            ]
        )
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---:|" * len(rows[0]))
    return "\n".join(lines)


def say_bytes(count: float) -> str:
    unit = 0
    while count >= _DECIMAL and unit < 4:
        count, unit = count / _DECIMAL, unit + 1
    return f"{count:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[unit]}" if count < _DECIMAL else f"{count:,.0f} TB"


def say_time(seconds: float) -> str:
    for unit, length in (("d", _DAY_S), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.2g} s"


def say_count(count: float) -> str:
    unit = 0
    while count >= _DECIMAL and unit < 3:
        count, unit = count / _DECIMAL, unit + 1
    return f"{count:.3g}{('', ' k', ' M', ' G')[unit]}"


def page(found: Mapping[str, Any]) -> str:
    """Return what is printed: a table for each database, and what the figures stand on."""
    kept = float(found.get("messages_per_identity", 1))
    costs = read_costs(found)
    parts = [f"**{each.name}**\n\n{table(each, messages_per_identity=kept)}" for each in costs]
    measured = ", ".join(f"{each.name} up to {each.largest:,} identities" for each in costs)
    parts.append(
        f"Journal: {kept:g} messages kept for each identity. Load: one message for each, from an empty store on. "
        f"Measured: {measured}{'; ' + found['measured_on'] if found.get('measured_on') else ''}. "
        "\\* beyond what was measured: costs go on with the logarithm of the size."
    )
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s FILE.json"
    )
    parser.add_argument("costs", type=Path, metavar="FILE.json", help="the measured costs; - reads standard input")
    asked = parser.parse_args()
    text = sys.stdin.read() if str(asked.costs) == "-" else asked.costs.read_text(encoding="utf-8")
    try:
        print(page(json.loads(text)))
    except (KeyError, ValueError, TypeError) as error:
        parser.error(f"{asked.costs}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
