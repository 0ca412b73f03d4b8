"""The order of segments: a message structure compiled to a deterministic automaton (Glushkov, then subsets).

Everything counts as optional and every segment as repeatable here: what is missing or too often there is said of the
segment itself, and must not make the segments after it stand out of order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pam_receiver.profile.base import Item
from pam_receiver.profile.model import Cardinality, Grammar


@dataclass(frozen=True, slots=True)
class Positions:
    """The segments of a structure by position, and which positions may follow which; used while compiling only."""

    names: list[str] = field(default_factory=list)
    follow: list[set[int]] = field(default_factory=list)


def insert_after(items: tuple[Item, ...], anchor: str, item: Item, *, behind: Iterable[str] = ()) -> tuple[Item, ...]:
    """Return ``items`` with ``item`` after the first top-level ``anchor``, and after the ``behind`` that follow it.

    Unchanged when the structure has no ``anchor`` at its top level.
    """
    names = [each.name for each in items]
    if anchor not in names:
        return items
    place = names.index(anchor) + 1
    passed = frozenset(behind)
    while place < len(names) and names[place] in passed:
        place += 1
    return (*items[:place], item, *items[place:])


def compile_grammar(items: tuple[Item, ...]) -> Grammar:
    """Return the automaton that accepts the segments of ``items`` in their order."""
    positions = Positions()
    first, _ = _walk(items, positions)
    number: dict[frozenset[int], int] = {frozenset(): 0}
    steps: list[dict[str, int]] = []
    queue = [frozenset[int]()]
    while len(steps) < len(queue):
        state = queue[len(steps)]
        reachable = set[int]().union(*(positions.follow[each] for each in state)) if state else first
        step = {}
        for name, target in _by_name(reachable, positions.names):
            if target not in number:
                number[target] = len(number)
                queue.append(target)
            step[name] = number[target]
        steps.append(step)
    return Grammar(frozenset(positions.names), tuple(steps))


def _by_name(reachable: set[int], names: list[str]) -> Iterator[tuple[str, frozenset[int]]]:
    for name in {names[each] for each in reachable}:
        yield name, frozenset(each for each in reachable if names[each] == name)


def _walk(items: tuple[Item, ...], positions: Positions) -> tuple[set[int], set[int]]:
    """Add ``items`` to ``positions``; return the positions they may begin with and those they may end with."""
    first: set[int] = set()
    last: set[int] = set()
    for item in items:
        begins, ends = _walk_one(item, positions)
        for position in last:
            positions.follow[position] |= begins
        first |= begins
        last |= ends
    return first, last


def _walk_one(item: Item, positions: Positions) -> tuple[set[int], set[int]]:
    if item.items:
        begins, ends = _walk(item.items, positions)
        if item.card.max != 1:
            for position in ends:
                positions.follow[position] |= begins
        return begins, ends
    position = len(positions.names)
    positions.names.append(item.name)
    positions.follow.append({position})
    return {position}, {position}


def count_segments(items: tuple[Item, ...]) -> dict[str, Cardinality]:
    """Return how often each segment may stand in a whole message of the structure ``items``."""
    total: dict[str, Cardinality] = {}
    for name, card in _counts(items, Cardinality(1, 1)):
        before = total.get(name)
        total[name] = card if before is None else _plus(before, card)
    return total


def _counts(items: tuple[Item, ...], outer: Cardinality) -> Iterator[tuple[str, Cardinality]]:
    for item in items:
        card = _times(item.card, outer)
        if item.items:
            yield from _counts(item.items, card)
        else:
            yield item.name, card


def _times(inner: Cardinality, outer: Cardinality) -> Cardinality:
    unlimited = inner.max is None or outer.max is None
    most = None if unlimited else (inner.max or 0) * (outer.max or 0)
    return Cardinality(inner.min * outer.min, most)


def _plus(one: Cardinality, other: Cardinality) -> Cardinality:
    most = None if one.max is None or other.max is None else one.max + other.max
    return Cardinality(one.min + other.min, most)
