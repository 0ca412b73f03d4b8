"""What the writer's connection remembers of a file is true, whoever else writes to it."""

from contextlib import suppress

import pytest
from sqlalchemy import delete

from pam_receiver.identity.identifiers import AssigningAuthority
from pam_receiver.identity.model import SeenAuthority
from pam_receiver.store import Store
from pam_receiver.store.schema import message, sender_authority

LOCAL = AssigningAuthority("CHU-LYRE")
SECOND = AssigningAuthority("CHU-LYRE", "1.2.250.1.999.78", "ISO")


def see(store: Store, author, *authorities: AssigningAuthority) -> None:
    with store.begin() as tx:
        tx.write(seen=[SeenAuthority(author.sender, each) for each in authorities], at=author.now)


def meant(store: Store, author) -> tuple[AssigningAuthority, ...]:
    with store.begin() as tx:
        known, _ = tx.load(senders={author.sender}, namespaces={LOCAL.namespace_id})
    return known.same_authorities(LOCAL, author.sender)


def last(store: Store) -> str:
    with store.begin() as tx:
        return tx.last_message_id


class TestAuthorities:
    """IHE PAM FR 2.11.2 §4.4.3: what a sender means by HD-1 is what it has named."""

    def test_of_another_process_are_known_to_the_next_batch(self, store: Store, other_store: Store, author) -> None:
        assert meant(store, author) == (LOCAL,)
        see(other_store, author, author.hospital)
        assert meant(store, author) == (author.hospital, LOCAL)
        see(other_store, author, SECOND)
        assert meant(store, author) == (LOCAL,)

    def test_of_a_batch_that_was_taken_back_are_not_known(self, store: Store, author) -> None:
        assert meant(store, author) == (LOCAL,)
        with suppress(ZeroDivisionError), store.begin() as tx:
            tx.write(seen=[SeenAuthority(author.sender, author.hospital)], at=author.now)
            known, _ = tx.load(senders={author.sender}, namespaces={LOCAL.namespace_id})
            assert known.same_authorities(LOCAL, author.sender) == (author.hospital, LOCAL)  # by itself they are
            raise ZeroDivisionError
        assert meant(store, author) == (LOCAL,)

    def test_that_a_batch_has_seen_and_not_written_are_not_known(self, store: Store, author) -> None:
        for _ in range(2):
            with store.begin() as tx:
                known, _ = tx.load(senders={author.sender}, namespaces={LOCAL.namespace_id})
                assert known.see(SeenAuthority(author.sender, author.hospital))

    def test_of_the_last_batch_are_known_to_the_next(self, store: Store, author) -> None:
        assert meant(store, author) == (LOCAL,)
        see(store, author, author.hospital)
        assert meant(store, author) == (author.hospital, LOCAL)

    def test_that_are_deleted_by_our_own_connection_are_not_known(self, store: Store, author) -> None:
        see(store, author, author.hospital)
        assert meant(store, author) == (author.hospital, LOCAL)
        with store.begin() as tx:
            tx.connection.execute(delete(sender_authority))
        assert meant(store, author) == (LOCAL,)

    def test_are_true_however_many_there_are(self, store: Store, author) -> None:
        others = [SeenAuthority((f"GAM{number}", ""), SECOND) for number in range(1_002)]
        with store.begin() as tx:
            tx.write(seen=[*others, SeenAuthority(author.sender, author.hospital)], at=author.now)
        with store.begin() as tx:
            known, _ = tx.load(senders=[each.sender for each in others], namespaces={LOCAL.namespace_id})
        assert all(known.same_authorities(LOCAL, each.sender) == (SECOND, LOCAL) for each in others)
        assert meant(store, author) == (author.hospital, LOCAL)


class TestLastMessage:
    """The ids of the journal are in the order in which its messages were taken."""

    def test_is_that_of_whoever_wrote_last(self, store: Store, other_store: Store, author) -> None:
        if not store.is_file:
            pytest.skip("on a server it is told with what is held: test_locks.py")
        assert last(store) == ""
        for writer in (store, other_store, other_store, store, store):
            kept = author.message()
            with writer.begin() as tx:
                tx.write(messages=[kept], at=author.now)
            assert last(store) == kept.id

    def test_is_not_one_that_was_taken_back(self, store: Store, author) -> None:
        (kept,) = author.create(store, author.identity("100"))
        with suppress(ZeroDivisionError), store.begin() as tx:
            before = tx.last_message_id
            tx.write(messages=[author.message()], at=author.now)
            raise ZeroDivisionError
        assert last(store) == before == (kept.id if store.is_file else "")

    def test_is_asked_again_after_our_own_connection_did_something_else(self, store: Store, author) -> None:
        with store.begin() as tx:
            tx.write(messages=[author.message()], at=author.now)
        assert last(store) or not store.is_file
        with store.begin() as tx:
            tx.connection.execute(delete(message))
            assert tx.last_message_id == ""
        assert last(store) == ""
