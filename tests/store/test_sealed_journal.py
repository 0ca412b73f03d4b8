"""The journal encrypted: nothing of a message in clear, everything read as before, a missing key said."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from keyed import keyed, open_keyed, receive, receive_morning
from sqlalchemy import select, update

from pam_receiver.cli.morning import morning
from pam_receiver.store import Store, queries
from pam_receiver.store.keys import KeyMissing, SealBroken
from pam_receiver.store.schema import message, message_text


@pytest.fixture
def sealed(database_url: str) -> Iterator[Store]:
    with closing(open_keyed(database_url)) as opened:
        yield opened


def rows(store: Store) -> list[tuple[str, bytes, bytes, str | None]]:
    with store.read() as connection:
        columns = (message.c.id, message_text.c.raw, message.c.digest, message_text.c.key_id)
        joined = message.join(message_text, message_text.c.message_id == message.c.id)
        return [tuple(row) for row in connection.execute(select(*columns).select_from(joined).order_by(message.c.id))]


class TestWriting:
    def test_no_text_stands_in_clear_and_the_digest_is_of_the_text(self, sealed: Store) -> None:
        receive_morning(sealed)
        found = rows(sealed)
        assert len(found) == len(morning())
        for scene, (_, raw, digest, key_id) in zip(morning(), found, strict=True):
            assert key_id == "k1"
            assert b"MSH" not in raw
            assert b"KERGUELEN" not in raw
            assert digest == sha256(scene.raw).digest()

    def test_without_encryption_it_stands_as_it_came(self, database_url: str) -> None:
        with closing(open_keyed(database_url, encrypts=False)) as store:
            receive_morning(store)
            assert [(row[1], row[3]) for row in rows(store)] == [(scene.raw, None) for scene in morning()]

    def test_a_repeat_is_recognised(self, sealed: Store) -> None:
        first, again = receive(sealed, morning()[0].raw, morning()[0].raw)
        assert again.is_repeat
        assert again.ack == first.ack


class TestReading:
    def test_one_message(self, sealed: Store) -> None:
        (outcome,) = receive(sealed, morning()[0].raw)
        (found,) = queries.find_messages(sealed, outcome.message_id)
        assert found.raw == morning()[0].raw
        assert "KERGUELEN" not in repr(found)

    def test_the_journal_from_several_keys_and_in_clear(self, database_url: str) -> None:
        for names, encrypts, scene in ((["k1"], False, 0), (["k1"], True, 1), (["k2", "k1"], True, 2)):
            with closing(open_keyed(database_url, *names, encrypts=encrypts)) as store:
                receive(store, morning()[scene].raw)
        with closing(open_keyed(database_url, "k3", "k2", "k1", encrypts=False)) as store:
            assert [row[3] for row in rows(store)] == [None, "k1", "k2"]
            entries = [entry for page in queries.read_journal(store) for entry in page]
        assert [entry.raw for entry in entries] == [scene.raw for scene in morning()[:3]]

    def test_a_missing_key_is_said_and_the_rest_can_be_read(self, sealed: Store, database_url: str) -> None:
        (outcome,) = receive(sealed, morning()[0].raw)
        for reader in (Store.open(database_url), open_keyed(database_url, "k9")):
            with closing(reader):
                with pytest.raises(KeyMissing, match="k1"):
                    queries.find_messages(reader, outcome.message_id)
                with pytest.raises(KeyMissing, match="k1"):
                    list(queries.read_journal(reader))
                assert len(queries.list_messages(reader)) == 1
                assert len(queries.find_identities(reader, "100")) == 1

    def test_a_text_under_the_id_of_another_message_is_seen(self, sealed: Store) -> None:
        one, other = receive(sealed, morning()[0].raw, morning()[1].raw)
        with sealed.begin() as tx:
            id_of = message_text.c.message_id
            text = select(message_text.c.raw).where(id_of == one.message_id).scalar_subquery()
            tx.connection.execute(update(message_text).where(id_of == other.message_id).values(raw=text))
        with pytest.raises(SealBroken):
            queries.find_messages(sealed, other.message_id)


def test_the_file_of_a_sealed_journal_holds_no_message(sqlite_url: str) -> None:
    """What stands in clear all the same (identities, versions) is told in how-to/encrypt-the-journal."""
    with closing(open_keyed(sqlite_url)) as store:
        receive_morning(store)
        file = Path(sqlite_url.removeprefix("sqlite:///"))
        content = b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    assert b"KERGUELEN" in content  # the identity
    assert b"|KERGUELEN^" not in content
    assert b"0298000000" not in content
    assert b"PID|" not in content


def test_a_store_without_keys_is_as_before(database_url: str) -> None:
    with closing(Store.open(database_url)) as store:
        receive_morning(store)
        assert all(row[3] is None for row in rows(store))
        assert keyed().writes_with() == "k1"
