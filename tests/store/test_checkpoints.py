"""Checkpoints: all identities at one message, whole and signed, or none; on both databases."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from keyed import open_keyed, receive, receive_morning
from sqlalchemy import delete, func, insert, select, update

from pam_receiver.cli.morning import morning
from pam_receiver.identity.model import MergeLink, SeenAuthority
from pam_receiver.store import Store, StoreConflict, checkpoints, queries
from pam_receiver.store.checkpoints import (
    Checkpoint,
    CheckpointBroken,
    Draft,
    Held,
    discard,
    find_checkpoint,
    finish,
    hold_journal,
    read_checkpoint,
    write_checkpoint,
)
from pam_receiver.store.keys import KeyMissing, NoKey, SealBroken
from pam_receiver.store.schema import checkpoint, checkpoint_part, merge_link, message, sender_authority

AT = datetime(2026, 3, 9, 1, 2, 3, 456789, tzinfo=UTC)


@pytest.fixture(params=[True, False], ids=["encrypted", "clear"])
def kept(request: pytest.FixtureRequest, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that has received the morning of the demo; a part holds two entries."""
    monkeypatch.setattr(checkpoints, "PART", 2)
    with closing(open_keyed(database_url, encrypts=request.param)) as opened:
        receive_morning(opened)
        yield opened


def draft(store: Store, **values: object) -> Draft:
    made = write_checkpoint(store, reason="prune", at=AT, **values)  # type: ignore[arg-type]
    assert made is not None
    return made


def finished(store: Store, made: Draft | None = None) -> Checkpoint:
    made = made or draft(store)
    with store.begin() as tx:
        hold_journal(tx)
        finish(tx, made)
    found = find_checkpoint(store)
    assert found is not None
    assert found.id == made.id
    return found


def count(store: Store, table: object) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


class TestRoundTrip:
    def test_it_holds_every_identity_merge_and_authority(self, kept: Store) -> None:
        found = finished(kept)
        entries = list(read_checkpoint(kept, found))
        held = [each for each in entries if isinstance(each, Held)]
        identities = [each for page in queries.read_all_identities(kept) for each in page]
        assert [each.identity for each in held] == identities
        assert found.identities == len(identities) == 4
        assert {each.erased_at for each in held} == {None}
        assert sum(isinstance(each, MergeLink) for each in entries) == count(kept, merge_link) > 0
        assert sum(isinstance(each, SeenAuthority) for each in entries) == count(kept, sender_authority) > 0
        assert count(kept, checkpoint_part) > 3

    def test_it_is_of_the_last_message(self, kept: Store) -> None:
        found = finished(kept)
        assert found.up_to == queries.list_messages(kept, limit=1)[0].id
        assert (found.reason, found.at, found.key_id) == ("prune", AT, "k1")

    def test_the_merges_are_those_of_the_store(self, kept: Store) -> None:
        links = [each for each in read_checkpoint(kept, finished(kept)) if isinstance(each, MergeLink)]
        with kept.read() as connection:
            rows = connection.execute(select(merge_link).order_by(merge_link.c.absorbed, merge_link.c.message_id)).all()
        columns = [(row.absorbed, row.survivor, row.at, row.message_id, row.control_id) for row in rows]
        assert [(each.absorbed, each.survivor, each.at, each.message_id, each.control_id) for each in links] == columns

    def test_an_empty_store_has_an_empty_one(self, database_url: str) -> None:
        with closing(open_keyed(database_url)) as store:
            found = finished(store)
            assert (found.up_to, found.identities, list(read_checkpoint(store, found))) == ("", 0, [])

    def test_a_time_in_another_zone_is_the_same_time(self, kept: Store) -> None:
        here = AT.astimezone(timezone(timedelta(hours=2)))
        made = write_checkpoint(kept, reason="erase", at=here)
        assert finished(kept, made).at == AT

    def test_it_holds_no_value_of_those_without(self, kept: Store) -> None:
        gone = queries.find_identities(kept, "100")[0].identity
        made = draft(kept, without=[gone.id])
        entries = [each for each in read_checkpoint(kept, finished(kept, made)) if isinstance(each, Held)]
        (blank,) = [each for each in entries if each.identity.id == gone.id]
        assert blank.erased_at == AT
        assert (blank.identity.identifiers, blank.identity.ins, blank.identity.active) == ((), None, False)
        assert blank.identity.version == gone.version
        assert sum(bool(each.identity.identifiers) for each in entries) == 3


class TestOneMoment:
    def test_what_comes_in_meanwhile_is_not_in_it(self, kept: Store, database_url: str) -> None:
        before = [each for page in queries.read_all_identities(kept) for each in page]
        last = queries.list_messages(kept, limit=1)[0].id
        calls = 0

        def receive_more() -> bool:
            nonlocal calls
            calls += 1
            with closing(open_keyed(database_url)) as other:
                raw = morning()[0].raw.replace(b"|100^", b"|9%d^" % (900 + calls)).replace(b"MATIN", b"X%d" % calls)
                (outcome,) = receive(other, raw)
            assert outcome.ack_code == "AA"
            return False

        found = finished(kept, draft(kept, is_stopped=receive_more))
        assert calls > 3
        held = [each.identity for each in read_checkpoint(kept, found) if isinstance(each, Held)]
        assert (held, found.up_to) == (before, last)
        assert len([each for page in queries.read_all_identities(kept) for each in page]) == len(before) + calls

    def test_a_message_that_stands_before_the_last_one_and_comes_in_late_is_seen(self, kept: Store) -> None:
        made = draft(kept)
        ids = [line.id for line in queries.list_messages(kept, limit=2)]
        late = f"{ids[1]}0"  # between the last two
        assert ids[1] < late < ids[0]
        with kept.begin() as tx:
            row = tx.connection.execute(select(message).where(message.c.id == ids[1])).one()
            tx.connection.execute(insert(message), [{**row._mapping, "id": late, "repeat_key": None}])
        with pytest.raises(StoreConflict):
            finished(kept, made)
        assert find_checkpoint(kept) is None

    def test_a_message_after_the_last_one_is_no_conflict(self, kept: Store) -> None:
        made = draft(kept)
        receive(kept, morning()[0].raw)
        assert finished(kept, made).up_to < queries.list_messages(kept, limit=1)[0].id


class TestFinishing:
    def test_one_that_is_not_finished_is_none(self, kept: Store) -> None:
        draft(kept)
        assert count(kept, checkpoint) == 1
        assert find_checkpoint(kept) is None

    def test_only_the_newest_is_kept_and_its_parts_alone(self, kept: Store) -> None:
        finished(kept)
        draft(kept)  # of a process that was killed
        newest = finished(kept)
        with kept.read() as connection:
            assert connection.execute(select(checkpoint.c.id)).scalars().all() == [newest.id]
            assert set(connection.execute(select(checkpoint_part.c.checkpoint_id)).scalars()) == {newest.id}

    def test_one_that_another_took_away_is_not_finished(self, kept: Store) -> None:
        mine = draft(kept)
        newest = finished(kept)
        with pytest.raises(StoreConflict), kept.begin() as tx:
            finish(tx, mine)
        assert find_checkpoint(kept) == newest

    def test_one_that_another_took_away_is_not_gone_on_with(self, kept: Store) -> None:
        def take_away() -> bool:
            with kept.read() as connection:
                ids = connection.execute(select(checkpoint.c.id)).scalars().all()
            for each in ids:
                discard(kept, each)
            return False

        with pytest.raises(StoreConflict):
            draft(kept, is_stopped=take_away)

    def test_stopped_it_leaves_nothing(self, kept: Store) -> None:
        answers = iter([False, False, True])
        assert write_checkpoint(kept, reason="prune", at=AT, is_stopped=lambda: next(answers)) is None
        assert (count(kept, checkpoint), count(kept, checkpoint_part)) == (0, 0)

    def test_without_a_key_there_is_none(self, database_url: str) -> None:
        with closing(Store.open(database_url)) as store:
            with pytest.raises(NoKey):
                write_checkpoint(store, reason="prune", at=AT)
            assert count(store, checkpoint) == 0


class TestTrust:
    """Whoever can write the database cannot make a checkpoint that is taken for ours."""

    @pytest.mark.parametrize(
        "values",
        [
            {"up_to": "0"},
            {"identities": 5},
            {"reason": "erase"},
            {"at": AT + timedelta(microseconds=1)},
            {"digest": bytes(32)},
            {"signature": bytes(32)},
        ],
        ids=lambda values: next(iter(values)),
    )
    def test_what_is_signed_cannot_be_changed(self, kept: Store, values: dict[str, object]) -> None:
        finished(kept)
        with kept.begin() as tx:
            tx.connection.execute(update(checkpoint).values(values))
        with pytest.raises(CheckpointBroken) as broken:
            find_checkpoint(kept)
        assert broken.value.text("fr") != broken.value.text("en")

    def test_a_part_cannot_be_taken_away(self, kept: Store) -> None:
        found = finished(kept)
        with kept.begin() as tx:
            last = select(func.max(checkpoint_part.c.number)).scalar_subquery()
            tx.connection.execute(delete(checkpoint_part).where(checkpoint_part.c.number == last))
        with pytest.raises(CheckpointBroken):
            next(read_checkpoint(kept, found))

    def test_a_part_cannot_be_replaced(self, kept: Store) -> None:
        found = finished(kept)
        with kept.begin() as tx:
            other = select(checkpoint_part.c.content).where(checkpoint_part.c.number == 0).scalar_subquery()
            tx.connection.execute(update(checkpoint_part).where(checkpoint_part.c.number == 1).values(content=other))
        with pytest.raises((CheckpointBroken, SealBroken)):
            next(read_checkpoint(kept, found))

    def test_with_another_key_it_is_not_read(self, kept: Store, database_url: str) -> None:
        finished(kept)
        for other in (open_keyed(database_url, "k2"), Store.open(database_url)):
            with closing(other), pytest.raises(KeyMissing, match="k1"):
                find_checkpoint(other)

    def test_a_key_that_was_current_then_serves(self, kept: Store, database_url: str) -> None:
        found = finished(kept)
        with closing(open_keyed(database_url, "k2", "k1")) as later:
            assert find_checkpoint(later) == found
            assert len(list(read_checkpoint(later, found))) == len(list(read_checkpoint(kept, found)))


def test_where_the_journal_is_encrypted_so_are_its_parts(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints.zlib, "compress", lambda content: content)
    for encrypts in (True, False):
        with closing(open_keyed(sqlite_url, encrypts=encrypts)) as store:
            receive(store, morning()[0].raw)
            draft(store)
            with store.read() as connection:
                parts = connection.execute(select(checkpoint_part)).all()
            assert all((b"KERGUELEN" in row.content) is (row.key_id is None) for row in parts if row.number == 0)
    assert {row.key_id for row in parts} == {None, "k1"}
    assert Path(sqlite_url.removeprefix("sqlite:///")).exists()
