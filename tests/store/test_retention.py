"""Pruning: the texts of old messages go, all else stays, and what a fold needs is signed before; on both databases."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from keyed import MORNING_AT, WHO, make_receiver, open_keyed, receive_morning
from sqlalchemy import Row, select

from pam_receiver.cli.morning import morning
from pam_receiver.receive import Incoming
from pam_receiver.store import Store, queries, retention
from pam_receiver.store.checkpoints import Held, find_checkpoint, read_checkpoint
from pam_receiver.store.keys import NoKey
from pam_receiver.store.retention import Pruned, count_prunable, prune
from pam_receiver.store.schema import audit_event, message, message_text

from .test_reads import check_plan, plan_of

OLD = 12  # of the 22 messages, one an hour
BEFORE = MORNING_AT + timedelta(hours=OLD) - timedelta(minutes=30)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def kept(database_url: str) -> Iterator[Store]:
    with closing(open_keyed(database_url)) as opened:
        receive_morning(opened)
        yield opened


def rows(store: Store) -> list[Row]:  # type: ignore[type-arg]
    with store.read() as connection:
        return list(connection.execute(select(message).order_by(message.c.id)))


def texts(store: Store) -> list[str]:
    """The ids of the messages that have a text."""
    with store.read() as connection:
        return list(connection.execute(select(message_text.c.message_id).order_by(message_text.c.message_id)).scalars())


def events(store: Store) -> list[Row]:  # type: ignore[type-arg]
    with store.read() as connection:
        return list(connection.execute(select(audit_event).order_by(audit_event.c.number)))


def prune_old(store: Store, **more: object) -> Pruned:
    return prune(store, before=BEFORE, actor=WHO, now=lambda: NOW, **more)  # type: ignore[arg-type]


class TestPruning:
    def test_the_texts_of_old_messages_go_and_all_else_stays(self, kept: Store) -> None:
        before = rows(kept)
        assert prune_old(kept) == Pruned(OLD, is_log_empty=True)
        after = rows(kept)
        assert after == before
        assert [now.digest for now in after] == [sha256(scene.raw).digest() for scene in morning()]
        assert texts(kept) == [row.id for row in before[OLD:]]
        told = [each.erased_at for page in queries.read_journal(kept) for each in page]
        assert told == [NOW] * OLD + [None] * (len(before) - OLD)

    def test_it_can_still_be_looked_at(self, kept: Store) -> None:
        prune_old(kept)
        (found,) = queries.find_messages(kept, rows(kept)[0].id)
        assert (found.raw, found.erased_at) == (b"", NOW)
        assert found.ack.startswith(b"MSH|")
        first = next(queries.read_journal(kept))[0]
        assert (first.raw, first.erased_at) == (b"", NOW)

    def test_a_repeat_of_a_pruned_message_is_recognised(self, kept: Store) -> None:
        (accepted,) = queries.find_messages(kept, rows(kept)[0].id)
        identities = [each for page in queries.read_all_identities(kept) for each in page]
        prune_old(kept)
        (again,) = make_receiver(kept).receive([Incoming(morning()[0].raw, "192.0.2.1:1", NOW)])
        assert again.is_repeat
        assert again.ack == accepted.ack
        assert [each for page in queries.read_all_identities(kept) for each in page] == identities

    def test_identities_and_their_history_stay(self, kept: Store) -> None:
        view = queries.find_identities(kept, "100")[0]
        history = queries.find_history(kept, view.identity.id)
        prune_old(kept)
        assert queries.find_identities(kept, "100")[0] == view
        assert queries.find_history(kept, view.identity.id) == history

    def test_what_an_operator_did_keeps_its_words(self, kept: Store, author) -> None:
        act = author.message(action="unmerge", raw=b"{}", received_at=MORNING_AT)
        with kept.begin() as tx:
            tx.write(messages=[act], at=NOW)
        prune_old(kept)
        (found,) = queries.find_messages(kept, act.id)
        assert (found.raw, found.erased_at) == (b"{}", None)

    def test_a_repeat_of_a_pruned_message_does_not_bring_the_text_back(self, kept: Store) -> None:
        prune_old(kept)
        left = texts(kept)
        (again,) = make_receiver(kept).receive([Incoming(morning()[0].raw, "192.0.2.1:1", NOW)])
        assert again.is_repeat
        assert texts(kept) == left


class TestClockSetBack:
    """Ids go on from the greatest, whose time has not come yet: their lines tell how old those messages are."""

    def receive(self, store: Store, control_id: bytes, *, at: datetime) -> str:
        raw = morning()[0].raw.replace(b"MATIN001", control_id)
        receiver = make_receiver(store, at=NOW + timedelta(days=900))
        return receiver.receive([Incoming(raw, "192.0.2.1:1", at)])[0].message_id

    def test_they_are_pruned_all_the_same(self, kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "BATCH", 5)
        old = [self.receive(kept, b"OLD%d" % n, at=MORNING_AT) for n in range(11)]
        young = self.receive(kept, b"YOUNG", at=NOW)
        assert count_prunable(kept, BEFORE, now=lambda: NOW) == OLD + 11
        assert prune_old(kept).messages == OLD + 11
        assert count_prunable(kept, BEFORE, now=lambda: NOW) == 0
        assert not set(old) & set(texts(kept))
        assert young in texts(kept)
        for one, erased_at in ((old[0], NOW), (young, None)):
            (found,) = queries.find_messages(kept, one)
            assert found.erased_at == erased_at

    def test_one_that_came_after_the_checkpoint_waits_for_the_next(
        self, kept: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The checkpoint does not have what it did."""
        monkeypatch.setattr(retention, "BATCH", 5)
        taken: list[str] = []

        def receive_late(_count: int) -> None:
            if not taken:
                taken.append(self.receive(kept, b"LATE", at=MORNING_AT))

        assert prune_old(kept, tell=receive_late).messages == OLD
        assert taken[0] in texts(kept)
        assert prune_old(kept).messages == 1


class TestCheckpoint:
    def test_one_is_signed_that_has_all_that_the_pruned_messages_did(self, kept: Store) -> None:
        prune_old(kept)
        found = find_checkpoint(kept)
        assert found is not None
        assert found.reason == "prune"
        assert found.up_to == rows(kept)[-1].id
        held = [each.identity for each in read_checkpoint(kept, found) if isinstance(each, Held)]
        assert held == [each for page in queries.read_all_identities(kept) for each in page]

    def test_without_a_key_nothing_is_erased(self, database_url: str) -> None:
        with closing(Store.open(database_url)) as store:
            receive_morning(store)
            with pytest.raises(NoKey):
                prune_old(store)
            assert len(texts(store)) == len(rows(store))

    def test_where_nothing_is_old_nothing_is_written(self, kept: Store) -> None:
        assert prune(kept, before=MORNING_AT, actor=WHO).messages == 0
        assert find_checkpoint(kept) is None
        assert events(kept) == []


class TestBatches:
    def test_each_transaction_is_bounded_and_has_its_line_in_the_trail(
        self, kept: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "BATCH", 5)
        told: list[int] = []
        assert prune_old(kept, reason="policy", tell=told.append).messages == OLD
        assert told == [5, 10, 12]
        found = events(kept)
        assert [each.detail["messages"] for each in found] == [5, 5, 2]
        assert {(each.action, each.outcome, each.actor, each.reason) for each in found} == {
            ("prune", "success", "operator", "policy")
        }
        assert {each.detail["before"] for each in found} == {BEFORE.isoformat()}

    def test_one_that_was_stopped_goes_on_where_it_was(self, kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "BATCH", 5)
        done = [0]
        assert prune_old(kept, tell=done.append, is_stopped=lambda: done[-1] >= 5).messages == 5
        assert count_prunable(kept, BEFORE) == OLD - 5
        assert prune_old(kept).messages == OLD - 5
        assert count_prunable(kept, BEFORE) == 0

    def test_stopped_before_the_checkpoint_it_does_nothing(self, kept: Store) -> None:
        assert prune_old(kept, is_stopped=lambda: True).messages == 0
        assert count_prunable(kept, BEFORE) == OLD
        assert find_checkpoint(kept) is None

    def test_it_counts_without_erasing(self, kept: Store) -> None:
        assert count_prunable(kept, BEFORE) == OLD
        assert len(texts(kept)) == len(rows(kept))


PLANS = {
    "oldest": (retention._OLDEST.limit(1), {"bound": "0190"}),
    "next": (retention._NEXT.limit(5), {"bound": "0190", "up_to": "0200"}),
    "count": (retention._COUNT, {"bound": "0190"}),
    "oldest-ahead": (retention._OLDEST_AHEAD.limit(1), {"last": "0190"}),
    "next-ahead": (retention._NEXT_AHEAD.limit(5), {"last": "0190", "up_to": "0200"}),
    "count-ahead": (retention._COUNT_AHEAD, {"last": "0190"}),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_oldest_texts_are_found_by_their_ids(store: Store, author, name: str) -> None:
    with store.begin() as tx:
        made = [author.message(received_at=MORNING_AT + timedelta(days=n)) for n in range(300)]
        tx.write(messages=made, at=NOW)
        tx.connection.exec_driver_sql("ANALYZE")
    statement, values = PLANS[name]
    plan = plan_of(store, statement, {**values, "before": moment(store, MORNING_AT)})
    check_plan(plan)
    assert "TEMP B-TREE" not in plan


def moment(store: Store, at: datetime) -> object:
    """``at`` as the driver of this database has it."""
    return at.isoformat(timespec="microseconds") if store._engine.dialect.name == "sqlite" else at


def test_no_byte_of_what_was_pruned_is_left_in_the_files(sqlite_url: str) -> None:
    with closing(open_keyed(sqlite_url, encrypts=False)) as store:
        receive_morning(store)
        prune(store, before=MORNING_AT + timedelta(days=9), actor=WHO)
        file = Path(sqlite_url.removeprefix("sqlite:///"))
        content = b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    assert b"KERGUELEN" in content  # the identity stays
    assert b"|KERGUELEN^" not in content
    assert b"PID|1|" not in content


def test_every_writer_overwrites_what_it_deletes(sqlite_url: str) -> None:
    """The daemon too: what it changes in a row would else be left in the page. Some builds do so by default."""
    with closing(Store.open(sqlite_url)) as store, store.begin() as tx:
        assert tx.connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1
