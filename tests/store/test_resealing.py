"""After a rotation: old texts and the checkpoint come under the new key, step by step; on both databases."""

from contextlib import closing
from pathlib import Path

import pytest
from keyed import WHO, open_keyed, receive, receive_morning
from sqlalchemy import select

from pam_receiver.cli.morning import morning
from pam_receiver.store import Store, checkpoints, queries, resealing
from pam_receiver.store.checkpoints import find_checkpoint, read_checkpoint
from pam_receiver.store.keys import KeyMissing, NoKey
from pam_receiver.store.resealing import KeyUse, count_by_key, reseal
from pam_receiver.store.schema import audit_event

from .test_checkpoints import draft, finished


def texts(store: Store) -> list[bytes]:
    return [entry.raw for page in queries.read_journal(store) for entry in page]


@pytest.fixture
def mixed(database_url: str) -> str:
    """A journal of which one message is in clear, two under k1, the rest under k2; a checkpoint under k1."""
    with closing(open_keyed(database_url, encrypts=False)) as store:
        receive(store, morning()[0].raw)
    with closing(open_keyed(database_url, "k1")) as store:
        receive(store, *(scene.raw for scene in morning()[1:3]))
        finished(store, draft(store))
    with closing(open_keyed(database_url, "k2", "k1")) as store:
        receive(store, *(scene.raw for scene in morning()[3:]))
    return database_url


class TestCounting:
    def test_by_key(self, mixed: str) -> None:
        with closing(open_keyed(mixed, "k2", "k1")) as store:
            assert count_by_key(store) == (KeyUse(None, 1), KeyUse("k1", 2, signs=True), KeyUse("k2", 19))

    def test_it_asks_for_no_key(self, mixed: str) -> None:
        with closing(Store.open(mixed)) as store:
            assert [use.messages for use in count_by_key(store)] == [1, 2, 19]


class TestResealing:
    def test_all_comes_under_the_current_key_and_the_old_one_can_go(
        self, mixed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resealing, "BATCH", 2)
        with closing(open_keyed(mixed, "k2", "k1")) as store:
            told: list[int] = []
            assert reseal(store, actor=WHO, tell=told.append) == 3
            assert told == [2, 3]
            assert count_by_key(store) == (KeyUse("k2", 22, signs=True),)
        with closing(open_keyed(mixed, "k2")) as store:
            assert texts(store) == [scene.raw for scene in morning()]
            found = find_checkpoint(store)
            assert found is not None
            assert len(list(read_checkpoint(store, found))) > 1

    def test_each_step_is_in_the_trail_and_begun_again_it_does_nothing(
        self, mixed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resealing, "BATCH", 2)
        with closing(open_keyed(mixed, "k2", "k1")) as store:
            reseal(store, actor=WHO)
            assert reseal(store, actor=WHO) == 0
            with store.read() as connection:
                found = connection.execute(select(audit_event).order_by(audit_event.c.number)).all()
        assert [(each.action, each.detail) for each in found] == [
            ("keys-reencrypt", {"messages": 2}),
            ("keys-reencrypt", {"messages": 1}),
        ]

    def test_stopped_half_way_all_can_be_read_and_the_rest_is_done_later(
        self, mixed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resealing, "BATCH", 1)

        def stop(_count: int) -> None:
            raise KeyboardInterrupt

        with closing(open_keyed(mixed, "k2", "k1")) as store:
            with pytest.raises(KeyboardInterrupt):
                reseal(store, actor=WHO, tell=stop)
            assert count_by_key(store) == (KeyUse("k1", 2, signs=True), KeyUse("k2", 20))
            assert texts(store) == [scene.raw for scene in morning()]
            assert reseal(store, actor=WHO) == 2

    def test_a_key_that_is_gone_stops_it(self, mixed: str) -> None:
        with closing(open_keyed(mixed, "k3", "k2")) as store, pytest.raises(KeyMissing, match="k1"):
            reseal(store, actor=WHO)

    def test_without_any_key_nothing_is_done(self, mixed: str) -> None:
        with closing(Store.open(mixed)) as store, pytest.raises(NoKey):
            reseal(store, actor=WHO)

    def test_where_encryption_is_off_again_all_comes_in_clear(self, mixed: str) -> None:
        with closing(open_keyed(mixed, "k2", "k1", encrypts=False)) as store:
            assert reseal(store, actor=WHO) == 21
        with closing(Store.open(mixed)) as store:
            assert texts(store) == [scene.raw for scene in morning()]

    def test_the_parts_of_the_checkpoint_come_under_the_new_key_too(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checkpoints, "PART", 1)
        with closing(open_keyed(database_url, "k1")) as store:
            receive_morning(store)
            before = finished(store)
            entries = list(read_checkpoint(store, before))
        with closing(open_keyed(database_url, "k2", "k1")) as store:
            reseal(store, actor=WHO)
        with closing(open_keyed(database_url, "k2")) as store:
            after = find_checkpoint(store)
            assert after is not None
            assert (after.id, after.digest, after.key_id) == (before.id, before.digest, "k2")
            assert list(read_checkpoint(store, after)) == entries


def test_what_was_in_clear_is_left_nowhere_in_the_files(sqlite_url: str) -> None:
    with closing(open_keyed(sqlite_url, encrypts=False)) as store:
        receive_morning(store)
    with closing(open_keyed(sqlite_url)) as store:
        reseal(store, actor=WHO)
        file = Path(sqlite_url.removeprefix("sqlite:///"))
        content = b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    assert b"PID|1|" not in content
