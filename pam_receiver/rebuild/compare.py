"""What the store holds, beside what a fold of its journal makes. Ids are those given then; no value is told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import zip_longest
from typing import Final

from pam_receiver.identity.model import Identity
from pam_receiver.identity.traits import TRAIT_NAMES
from pam_receiver.rebuild.journal import Folded
from pam_receiver.rebuild.model import MOST_EXAMPLES, Discrepancy, Group, Verification
from pam_receiver.store import Store, queries
from pam_receiver.store.folding import KeptVersion, read_erased, read_merges_since, read_versions

_FIELDS: Final = tuple(each.name for each in fields(Identity) if each.name != "traits")


@dataclass(slots=True)
class _Found:
    count: int = 0
    examples: list[Discrepancy] = field(default_factory=list)

    def add(self, found: Discrepancy) -> None:
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(found)

    def group(self) -> Group:
        return Group(self.count, tuple(self.examples))


def compare(store: Store, folded: Folded) -> Verification:
    """Compare the identities, versions and merges of ``store`` with those that its journal makes.

    What came in since the fold began is no difference. Of an identity that was erased by legal demand there is nothing
    to compare.
    """
    comparing = _Comparing(store, folded)
    for page in queries.read_all_identities(store):
        comparing.take(page)
    for page in queries.read_all_identities(folded.store):
        comparing.find_missing(page)
    comparing.compare_merges()
    return Verification(
        messages=folded.messages,
        folded=folded.folded,
        acts=folded.acts,
        begins_at=folded.begins_at,
        ends_at=folded.ends_at,
        checkpoint=folded.after or None,
        runs=tuple(folded.runs),
        before_settings_were_kept=folded.before_settings_were_kept,
        undecided=tuple(folded.undecided),
        undecided_count=folded.undecided_count,
        identities=comparing.identities,
        missing=comparing.missing.group(),
        surplus=comparing.surplus.group(),
        differing=comparing.differing.group(),
        versions=comparing.versions.group(),
        merges=comparing.merges.group(),
    )


class _Comparing:
    def __init__(self, store: Store, folded: Folded) -> None:
        self._store = store
        self._folded = folded
        self._erased = read_erased(store)
        self.identities = 0
        self.missing, self.surplus, self.differing = _Found(), _Found(), _Found()
        self.versions, self.merges = _Found(), _Found()

    def take(self, page: Sequence[Identity]) -> None:
        """Compare identities of the store with those of the fold."""
        ids = [one.id for one in page]
        stored, made = read_versions(self._store, ids), read_versions(self._folded.store, ids)
        twins = queries.find_identities_of(self._folded.store, ids)
        for one in page:
            if one.id in self._erased:
                continue
            versions = stored.get(one.id, ())
            was = _as_of(one, versions, self._folded.last)
            if was is None:
                continue  # created since
            twin = twins.get(one.id)
            if twin is None:
                first = versions[0].message_id if versions else None
                self.surplus.add(Discrepancy(one.id, (), message_id=first))
                continue
            # A date alone moves on without a version: of what changed since, the one of then is not kept.
            self._compare(was, twin, is_dated=was is one and self._is_dated(one))
            between = [each for each in versions if self._folded.after < each.message_id <= self._folded.last]
            self._compare_versions(one.id, between, made.get(one.id, ()))

    def _compare(self, one: Identity, twin: Identity, *, is_dated: bool) -> None:
        has_same_date = is_dated and not self._is_confirmed_since(one, twin)
        what = differing(one, twin if has_same_date else replace(twin, dated_at=one.dated_at))
        if what:
            self.differing.add(Discrepancy(one.id, what))

    def _is_confirmed_since(self, one: Identity, twin: Identity) -> bool:
        """Whether a message that came in since the fold may have moved the date on."""
        if one.dated_at is None or (twin.dated_at is not None and one.dated_at <= twin.dated_at):
            return False
        return queries.find_last_message_id(self._store) > self._folded.last

    def _is_dated(self, one: Identity) -> bool:
        """Whether the date of the source is held: before revision 0002 it was not."""
        return one.dated_at is not None or not self._folded.before_settings_were_kept

    def _compare_versions(self, identity_id: str, stored: Sequence[KeptVersion], made: Sequence[KeptVersion]) -> None:
        """Tell where two histories part; what follows from there is not told again."""
        for was, now in zip_longest(stored, made):
            if was == now or (was and now and self._is_same_but_for_date(was, now)):
                continue
            which = was or now
            assert which is not None
            what: tuple[str, ...] = ("version",) if was is None or now is None else _of_versions(was, now)
            self.versions.add(Discrepancy(identity_id, what, which.number, which.message_id))
            return

    def _is_same_but_for_date(self, was: KeptVersion, now: KeptVersion) -> bool:
        if self._is_dated(was.identity):
            return False
        return was == replace(now, identity=replace(now.identity, dated_at=None))

    def find_missing(self, page: Sequence[Identity]) -> None:
        """Tell the identities of the fold that the store has not; count them all."""
        self.identities += len(page)
        ids = [one.id for one in page]
        there: Collection[str] = queries.find_identities_of(self._store, ids)
        lacking = [each for each in ids if each not in there and each not in self._erased]
        made = read_versions(self._folded.store, lacking)
        for each in lacking:
            first = made[each][0].message_id if each in made else None
            self.missing.add(Discrepancy(each, (), message_id=first))

    def compare_merges(self) -> None:
        span = (self._folded.after, self._folded.last)
        stored, made = read_merges_since(self._store, *span), read_merges_since(self._folded.store, *span)
        for absorbed, survivor, message_id in sorted(stored ^ made, key=lambda each: each[2]):
            if not self._erased.intersection((absorbed, survivor)):
                self.merges.add(Discrepancy(absorbed, ("merged_into",), message_id=message_id))


def _as_of(one: Identity, versions: Sequence[KeptVersion], last: str) -> Identity | None:
    """Return an identity as it was after the message ``last``; ``None`` when it was not there yet."""
    if not versions or versions[-1].message_id <= last:
        return one
    known = [each for each in versions if each.message_id <= last]
    return known[-1].identity if known else None


def _of_versions(was: KeptVersion, now: KeptVersion) -> tuple[str, ...]:
    named = [name for name in ("number", "message_id") if getattr(was, name) != getattr(now, name)]
    return (*named, *differing(was.identity, now.identity))


def differing(one: Identity, other: Identity) -> tuple[str, ...]:
    """Return the names of the fields in which two states of an identity are not the same, the traits among them."""
    named = [name for name in _FIELDS if getattr(one, name) != getattr(other, name)]
    return (*named, *(name for name in TRAIT_NAMES if getattr(one.traits, name) != getattr(other.traits, name)))
