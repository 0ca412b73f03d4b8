"""The identities of two stores: who is the same person in both, and what would differ of them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from golden import BEGINS_AT, PEER
from people import ANNE, CLINIC, HOSPITAL, NEW_NIR, NIR, ipp

from pam_receiver.hl7.ack import Ack
from pam_receiver.identity.draft import find_differences
from pam_receiver.identity.identifiers import PatientIdentifier
from pam_receiver.identity.model import Change, Identity
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.rehearsal import FieldChange, IdentityChanges
from pam_receiver.rehearsal.identities import compare_identities
from pam_receiver.store import MessageRecord, Store


def person(number: int, *ipps: PatientIdentifier | str, **values: object) -> Identity:
    """An invented identity; its id follows from ``number``, and a text is an IPP of HOSPITAL."""
    identifiers = tuple(ipp(each) if isinstance(each, str) else each for each in ipps)
    made = Identity(id=str(UUID(int=number)), version=1, traits=ANNE, identifiers=identifiers)
    return replace(made, **values)  # type: ignore[arg-type]


def message_id(number: int) -> str:
    return f"message-{number:04}"


def keep(store: Store, *identities: Identity, first: int = 1) -> None:
    """Write each identity by a message of its own, numbered from ``first``; of those that are there a new version."""
    held: dict[str, Identity] = {}
    changes = []
    for number, one in enumerate(identities, first):
        before = held.get(one.id)
        changes.append((message_id(number), Change(before, one, find_differences(before, one))))
        held[one.id] = one
    with store.begin() as tx:
        tx.write(messages=[_message(made) for made, _ in changes], changes=changes, at=BEGINS_AT)


def _message(made: str) -> MessageRecord:
    raw = made.encode()
    return MessageRecord(
        made, BEGINS_AT, PEER, raw, sha256(raw).digest(), "GAM", "CHU-LYRE", made, "A28", "AA", Ack(raw)
    )


Compare = Callable[[list[Identity], list[Identity]], IdentityChanges]


@pytest.fixture
def stores(sqlite_template: Path, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    files = [tmp_path / name for name in ("before.db", "after.db")]
    for file in files:
        shutil.copyfile(sqlite_template, file)
    with closing(Store.open(f"sqlite:///{files[0]}")) as before, closing(Store.open(f"sqlite:///{files[1]}")) as after:
        yield before, after


@pytest.fixture
def compare(stores: tuple[Store, Store]) -> Compare:
    """Compare two lists of identities; the ids of the first are those of the journal's own store."""

    def go(before: list[Identity], after: list[Identity]) -> IdentityChanges:
        for store, identities in zip(stores, (before, after), strict=True):
            keep(store, *identities)
        return compare_identities(*stores, real=stores[0])

    return go


def told(found: IdentityChanges) -> tuple[int, int, list[tuple[str, ...]]]:
    """How many are gone, how many added, and what changed in each group."""
    return found.gone.count, found.added.count, [tuple(each.what for each in group.changes) for group in found.changed]


class TestTheSamePerson:
    def test_by_the_id(self, compare: Compare) -> None:
        found = compare([person(1, "100"), person(2, "200")], [person(2, "200"), person(1, "100")])
        assert told(found) == (0, 0, [])
        assert (found.before, found.after) == (2, 2)

    def test_by_an_ipp_when_another_message_created_it(self, compare: Compare) -> None:
        assert told(compare([person(1, "100")], [person(9, "100")])) == (0, 0, [])

    def test_by_a_former_ipp(self, compare: Compare) -> None:
        renumbered = person(9, ipp("100", active=False), "101")
        assert told(compare([person(1, "100")], [renumbered])) == (0, 0, [("identifiers",)])

    def test_never_by_the_ipp_of_another_authority(self, compare: Compare) -> None:
        assert told(compare([person(1, "100")], [person(9, ipp("100", CLINIC))])) == (1, 1, [])

    def test_never_by_another_identifier(self, compare: Compare) -> None:
        visit = PatientIdentifier("V1", "VN", HOSPITAL)
        assert told(compare([person(1, visit, "100")], [person(9, visit, "200")])) == (1, 1, [])

    def test_one_of_two_that_were_apart(self, compare: Compare) -> None:
        found = compare([person(1, "100"), person(2, "200")], [person(9, "100", "200")])
        assert told(found) == (1, 0, [("identifiers",)])
        assert found.gone.examples[0].identity_id == person(2).id

    def test_one_of_two_that_would_be_apart(self, compare: Compare) -> None:
        found = compare([person(9, "100", "200")], [person(1, "100"), person(2, "200")])
        assert told(found) == (0, 1, [("identifiers",)])
        assert found.changed[0].examples[0].identity_id == person(9).id

    def test_not_one_that_has_its_own_twin(self, compare: Compare) -> None:
        found = compare([person(1, "100", "200")], [person(1, "100"), person(2, "200")])
        assert told(found) == (0, 1, [("identifiers",)])

    def test_on_many_pages(self, compare: Compare) -> None:
        before = [person(n, f"{n}") for n in range(1, 1202)]
        after = [person(n + 5000 if n % 3 else n, f"{n}") for n in range(1, 1201)]
        assert told(compare(before, after)) == (1, 0, [])


class TestWhatWouldDiffer:
    @pytest.mark.parametrize(
        ("was", "now", "expected"),
        [
            ({}, {"status": IdentityStatus.VALIDEE}, FieldChange("status", "provisoire", "validee")),
            ({}, {"active": False}, FieldChange("active", "yes", "no")),
            ({"ins": NIR}, {}, FieldChange("ins", "held", "none")),
            ({"ins": NIR}, {"ins": NEW_NIR}, FieldChange("ins", "held", "held")),
            ({}, {"used_given_name": "SOLENE"}, FieldChange("used_given_name", "none", "held")),
            ({"used_given_name": "SOLENE"}, {"used_given_name": ""}, FieldChange("used_given_name", "held", "none")),
            ({"reliability_codes": ("VALI",)}, {}, FieldChange("reliability_codes", "held", "none")),
            ({}, {"traits": replace(ANNE, birth_place_code=None)}, FieldChange("birth_place_code", "held", "none")),
            ({}, {"traits": replace(ANNE, sex="M")}, FieldChange("sex", "held", "held")),
        ],
    )
    def test_is_named_without_its_value(
        self, compare: Compare, was: dict[str, object], now: dict[str, object], expected: FieldChange
    ) -> None:
        (group,) = compare([person(1, "100", **was)], [person(1, "100", **now)]).changed
        assert group.changes == (expected,)

    def test_not_the_order_of_identifiers(self, compare: Compare) -> None:
        assert told(compare([person(1, "100", "200")], [person(1, "200", "100")])) == (0, 0, [])

    def test_those_that_differ_alike_stand_together_the_most_frequent_first(self, compare: Compare) -> None:
        before = [person(n, f"{n}") for n in range(1, 5)]
        after = [replace(each, active=False) for each in before[:3]]
        after.append(replace(before[3], status=IdentityStatus.VALIDEE))
        found = compare(before, after)
        assert told(found) == (0, 0, [("active",), ("status",)])
        assert [group.count for group in found.changed] == [3, 1]

    def test_only_the_first_examples_are_kept(self, compare: Compare) -> None:
        before = [person(n, f"{n}") for n in range(1, 31)]
        found = compare(before, [])
        assert (found.gone.count, len(found.gone.examples)) == (30, 20)


class TestMerged:
    def merged(self, absorbed: int, survivor: int, *ipps: str) -> list[Identity]:
        one = person(absorbed, "100", active=False, merged_into=person(survivor).id)
        return [person(survivor, *ipps), one]

    def test_into_the_same_person(self, compare: Compare) -> None:
        assert told(compare(self.merged(1, 2, "200"), self.merged(1, 2, "200"))) == (0, 0, [])

    def test_into_the_same_person_whom_another_message_created(self, compare: Compare) -> None:
        assert told(compare(self.merged(1, 2, "200"), self.merged(1, 9, "200"))) == (0, 0, [])

    def test_into_another_person(self, compare: Compare) -> None:
        found = compare(self.merged(1, 2, "200"), self.merged(1, 9, "900"))
        assert told(found) == (1, 1, [("merged_into",)])
        assert found.changed[0].changes == (FieldChange("merged_into", "held", "held"),)

    def test_only_before(self, compare: Compare) -> None:
        found = compare(self.merged(1, 2, "200"), [person(2, "200"), person(1, "100")])
        assert told(found) == (0, 0, [("active", "merged_into")])


class TestExamples:
    def test_the_message_at_which_the_histories_part(self, stores: tuple[Store, Store]) -> None:
        first = person(1, "100")
        second = replace(first, version=2, used_family_name="ROSSEL")
        third = replace(second, version=3, active=False)
        keep(stores[0], first, second, third)
        keep(stores[1], first, second, replace(third, active=True, used_family_name=None))
        (group,) = compare_identities(*stores, real=stores[0]).changed
        assert [each.message_id for each in group.examples] == [message_id(3)]

    def test_a_message_that_changes_it_only_before_or_only_after(self, stores: tuple[Store, Store]) -> None:
        first = person(1, "100")
        second = replace(first, version=2, active=False)
        keep(stores[0], first)
        keep(stores[1], first, second)
        for pair in (stores, stores[::-1]):
            (group,) = compare_identities(*pair, real=stores[0]).changed
            assert [each.message_id for each in group.examples] == [message_id(2)]

    def test_in_the_order_of_their_messages(self, stores: tuple[Store, Store]) -> None:
        keep(stores[0], person(2, "200"), person(1, "100"))
        found = compare_identities(*stores, real=stores[0])
        assert [each.message_id for each in found.gone.examples] == [message_id(1), message_id(2)]

    def test_an_id_only_when_the_store_of_the_journal_has_it(self, stores: tuple[Store, Store]) -> None:
        keep(stores[0], person(1, "100"))
        found = compare_identities(*stores, real=stores[0])
        assert [each.identity_id for each in found.gone.examples] == [person(1).id]
        found = compare_identities(*stores, real=stores[1])
        assert [each.identity_id for each in found.gone.examples] == [None]


class TestUntil:
    """What a later message did to the store of the journal is no difference."""

    def test_a_later_change_and_a_later_identity(self, stores: tuple[Store, Store]) -> None:
        first = person(1, "100")
        keep(stores[0], first, replace(first, version=2, active=False), person(2, "200"))
        keep(stores[1], first)
        found = compare_identities(*stores, real=stores[0], until=message_id(1))
        assert (told(found), found.before, found.after) == ((0, 0, []), 1, 1)
        found = compare_identities(*stores, real=stores[0], until=message_id(2))
        assert told(found) == (0, 0, [("active",)])
        found = compare_identities(*stores, real=stores[0], until=message_id(3))
        assert told(found) == (1, 0, [("active",)])
