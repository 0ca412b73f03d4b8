"""The identities of two scratch stores, paired and compared. What is held does not grow with them.

An identity has its id from the message that created it, so most have the same one in both. One that another message
created is the same person's when the two hold the same IPP.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from pam_receiver.identity.draft import find_differences
from pam_receiver.identity.identifiers import PI
from pam_receiver.identity.model import Difference, Identity
from pam_receiver.rehearsal.model import (
    MOST_EXAMPLES,
    FieldChange,
    IdentityChanges,
    IdentityExample,
    IdentityGroup,
)
from pam_receiver.store import Store, queries

_Key = tuple[str, str, str]  # of an identifier: type, authority, value


@dataclass(slots=True)
class _Group:
    """Identities that differ in one way: how many, and the first pairs of ids (``None``: not there)."""

    count: int = 0
    pairs: list[tuple[str | None, str | None]] = field(default_factory=list)

    def add(self, before: Identity | None, after: Identity | None) -> None:
        self.count += 1
        if len(self.pairs) < MOST_EXAMPLES:
            self.pairs.append((before.id if before else None, after.id if after else None))


def compare_identities(before: Store, after: Store, *, real: Store, until: str | None = None) -> IdentityChanges:
    """Compare what two stores hold; ``real`` says which of the ids shown are those of an identity that it holds.

    ``until``: the id of the last message that counts; what a later one did to an identity of ``before`` is no change.
    """
    sizes: Counter[str] = Counter()
    gone, added = _Group(), _Group()
    changed: dict[tuple[FieldChange, ...], _Group] = {}
    for page in queries.read_all_identities(before):
        twins = _find_twins(page, before, after)
        alone = [one for one in page if one.id not in twins and not _is_later(one, before, until)]
        pairs = [(one, twins[one.id]) for one in page if one.id in twins]
        sizes["before"] += len(alone) + len(pairs)
        for one in alone:
            gone.add(one, None)
        for one, twin in _with_survivors_alike(pairs, before, after):
            changes = _changes(one, twin)
            if changes and not _is_later(one, before, until):
                changed.setdefault(changes, _Group()).add(one, twin)
    for page in queries.read_all_identities(after):
        sizes["after"] += len(page)
        twins = _find_twins(page, after, before)
        for one in page:
            if one.id not in twins:
                added.add(None, one)
    tell = _Teller(before, after, real)
    groups = [tell.group(each, changes) for changes, each in changed.items()]
    groups.sort(key=lambda each: (-each.count, [change.what for change in each.changes]))
    return IdentityChanges(sizes["before"], sizes["after"], tell.group(gone), tell.group(added), tuple(groups))


def _is_later(identity: Identity, store: Store, until: str | None) -> bool:
    return until is not None and queries.find_history(store, identity.id)[-1].message_id > until


# ------------------------------------------------------------------------------------------------------------ pairs


def _find_twins(page: Sequence[Identity], here: Store, there: Store) -> dict[str, Identity]:
    """Return the identity of ``there`` that each one of ``here`` is, by id here: asked the other way round, the same.

    One that was split in two there has one twin; the other part has none.
    """
    twins = queries.find_identities_of(there, [each.id for each in page])
    alone = [each for each in page if each.id not in twins]
    wanted = _first_holders(alone, here, there)
    wanting = _first_holders(list(wanted.values()), there, here)
    for one in alone:
        if one.id in wanted and wanting.get(wanted[one.id].id) == one:
            twins[one.id] = wanted[one.id]
    return twins


def _first_holders(ones: Collection[Identity], here: Store, there: Store) -> dict[str, Identity]:
    """Return, by the id of each, who in ``there`` holds the first of its IPPs that someone unknown ``here`` holds."""
    values = {value for one in ones for _, _, value in _ipps(one)}
    if not values:
        return {}
    found = queries.find_holders(there, values)
    known = queries.find_identities_of(here, [each.id for each in found])
    holders = {key: each for each in found if each.id not in known for key in _ipps(each)}
    held = {one.id: [holders[key] for key in _ipps(one) if key in holders] for one in ones}
    return {each: those[0] for each, those in held.items() if those}


def _ipps(identity: Identity) -> list[_Key]:
    return [each.key for each in identity.identifiers if each.type == PI]


def _with_survivors_alike(
    pairs: Sequence[tuple[Identity, Identity]], before: Store, after: Store
) -> Iterable[tuple[Identity, Identity]]:
    """Give the pairs; where both were absorbed, and by the holders of one IPP, with the same survivor."""
    apart = [
        (one.merged_into, twin.merged_into)
        for one, twin in pairs
        if one.merged_into and twin.merged_into and one.merged_into != twin.merged_into
    ]
    were = queries.find_identities_of(before, [each for each, _ in apart])
    are = queries.find_identities_of(after, [each for _, each in apart])
    alike = {(was, now) for was, now in apart if not set(_ipps(were[was])).isdisjoint(_ipps(are[now]))}
    for one, twin in pairs:
        is_alike = (one.merged_into, twin.merged_into) in alike
        yield one, replace(twin, merged_into=one.merged_into) if is_alike else twin


# ------------------------------------------------------------------------------------------------------ differences


def _changes(one: Identity, twin: Identity) -> tuple[FieldChange, ...]:
    """Return what differs, without values. The order of identifiers tells only the order in which they came."""
    if set(one.identifiers) == set(twin.identifiers):
        twin = replace(twin, identifiers=one.identifiers)
    return tuple(_without_values(each) for each in find_differences(one, twin))


def _without_values(difference: Difference) -> FieldChange:
    match difference.what:
        case "status":  # a code, the same for many
            return FieldChange("status", str(difference.before), str(difference.after))
        case "active":
            return FieldChange("active", _yes_or_no(difference.before), _yes_or_no(difference.after))
        case what:
            return FieldChange(what, _held_or_none(difference.before), _held_or_none(difference.after))


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"


def _held_or_none(value: object) -> str:
    return "held" if value else "none"


class _Teller:
    """Makes examples to show: whether the real store has this identity, and by which message it begins to differ."""

    def __init__(self, before: Store, after: Store, real: Store) -> None:
        self._before = before
        self._after = after
        self._real = real

    def group(self, found: _Group, changes: tuple[FieldChange, ...] = ()) -> IdentityGroup:
        """Return a group with its examples, in the order of their messages."""
        ids = [before or after or "" for before, after in found.pairs]
        held = queries.find_identities_of(self._real, ids)
        examples = [
            IdentityExample(each if each in held else None, self._begins(before, after))
            for each, (before, after) in zip(ids, found.pairs, strict=True)
        ]
        return IdentityGroup(found.count, tuple(sorted(examples, key=lambda each: each.message_id)), changes)

    def _begins(self, before: str | None, after: str | None) -> str:
        """Return the message at which the two histories part; of an identity without a twin the one that created it."""
        histories = [queries.find_history(self._before, before or ""), queries.find_history(self._after, after or "")]
        for was, now in zip_longest(*histories):
            if was is None or now is None or (was.message_id, was.identity) != (now.message_id, now.identity):
                return min(each.message_id for each in (was, now) if each is not None)
        raise AssertionError  # not reached: what differs has histories that differ
