"""The table of tokens, on both databases: kept whole, a name for one at a time, ended once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pam_receiver.store import Actor, AuditEvent, Store, StoreConflict
from pam_receiver.store.tokens import Token, find_token, list_tokens
from pam_receiver.tokens import Role

from .conftest import NOW

TOKEN = Token("0123456789ab", "étage 2", Role.OPERATOR, "$argon2id$x", NOW, "root", NOW + timedelta(days=1))


def keep(store: Store, *tokens: Token) -> None:
    for each in tokens:
        with store.begin() as tx:
            tx.add_token(each)


class TestKept:
    def test_a_token_is_read_as_it_was_written(self, store: Store) -> None:
        bare = Token("ba9876543210", "bare", Role.READER, "$argon2id$y", NOW + timedelta(seconds=1), "root")
        keep(store, bare, TOKEN)
        assert find_token(store, TOKEN.id) == TOKEN
        assert list_tokens(store) == (TOKEN, bare)
        assert find_token(store, "nobody") is None

    def test_its_hash_is_not_printed(self) -> None:
        assert "argon2id" not in f"{TOKEN} {TOKEN!r}"

    def test_it_ends_at_its_last_moment(self) -> None:
        end = NOW + timedelta(days=1)
        assert not TOKEN.is_expired(end - timedelta(microseconds=1))
        assert TOKEN.is_expired(end)
        assert not replace(TOKEN, expires_at=None).is_expired(end)


class TestNames:
    def test_a_name_is_of_one_token_until_it_is_revoked(self, store: Store) -> None:
        keep(store, TOKEN)
        second = replace(TOKEN, id="222222222222")
        with store.begin() as tx:
            assert tx.has_token_name(TOKEN.name)
            assert not tx.has_token_name("other")
        with pytest.raises(StoreConflict):
            keep(store, second)
        with store.begin() as tx:
            assert tx.revoke_token(TOKEN.id, at=NOW)
            assert not tx.has_token_name(TOKEN.name)
        keep(store, second)
        assert [each.revoked_at for each in list_tokens(store)] == [NOW, None]


class TestRevoked:
    def test_once(self, store: Store) -> None:
        keep(store, TOKEN)
        with store.begin() as tx:
            assert tx.revoke_token(TOKEN.id, at=NOW)
        with store.begin() as tx:
            assert not tx.revoke_token(TOKEN.id, at=NOW + timedelta(days=1))
            assert not tx.revoke_token("nobody", at=NOW)
        assert find_token(store, TOKEN.id) == replace(TOKEN, revoked_at=NOW)

    def test_with_what_tells_of_it_or_not_at_all(self, store: Store) -> None:
        keep(store, TOKEN)

        def fail() -> None:
            with store.begin() as tx:
                tx.revoke_token(TOKEN.id, at=NOW)
                tx.audit(AuditEvent("token-revoke", Actor("x", "os-user", "y")), at=NOW)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert find_token(store, TOKEN.id) == TOKEN
