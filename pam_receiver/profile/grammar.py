"""The order of segments: a message structure compiled to a deterministic automaton (Glushkov, then subsets).

Everything counts as optional and every segment as repeatable here: what is missing or too often there is said of the
segment itself, and must not make the segments after it stand out of order. Only a group that repeats is held to its own
grammar where it begins anew: a second MRG, or an IN2 behind an IN3, without the PID or the IN1 that begins its group
stands out of order, since no count over the whole message can tell.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

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


@cache  # most profiles have the structure of another one
def compile_grammar(items: tuple[Item, ...]) -> Grammar:
    """Return the automaton that accepts the segments of ``items`` in their order."""
    positions = Positions()
    begins = _walk(items, positions, repeats=False).first
    number: dict[frozenset[int], int] = {frozenset(): 0}
    steps: list[dict[str, int]] = []
    queue = [frozenset[int]()]
    while len(steps) < len(queue):
        state = queue[len(steps)]
        reachable = set[int]().union(*(positions.follow[each] for each in state)) if state else begins
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


@dataclass(frozen=True, slots=True)
class _Ends:
    """The positions that items may begin and end with; ``own``: the same when nothing that is required is missing."""

    first: set[int]
    last: set[int]
    own_first: set[int]
    own_last: set[int]


def _walk(items: tuple[Item, ...], positions: Positions, *, repeats: bool) -> _Ends:
    """Add ``items`` to ``positions``. ``repeats``: they are those of a group that may stand again."""
    found = _Ends(set(), set(), set(), set())
    is_passed = False  # something required was met: nothing behind it begins the items
    for item in items:
        one = _walk_one(item, positions, repeats=repeats)
        for position in found.last:
            positions.follow[position] |= one.first
        found.first.update(one.first)
        found.last.update(one.last)
        if not is_passed:
            found.own_first.update(one.own_first)
        if item.card.min:
            is_passed = True
            found.own_last.clear()
        found.own_last.update(one.own_last)
    return found


def _walk_one(item: Item, positions: Positions, *, repeats: bool) -> _Ends:
    if item.items:
        again = item.card.max != 1
        found = _walk(item.items, positions, repeats=repeats or again)
        if again:
            for position in found.own_last:
                positions.follow[position] |= found.own_first
        return found
    position = len(positions.names)
    positions.names.append(item.name)
    positions.follow.append(set() if repeats and item.card.max == 1 else {position})
    return _Ends({position}, {position}, {position}, {position})


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
