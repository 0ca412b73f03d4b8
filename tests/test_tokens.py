"""Tokens: their form, their roles, what is kept of them; and that none is shown by accident."""

import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.tokens import (
    MAX_TOKEN,
    Credential,
    Role,
    hash_secret,
    is_secret_of,
    new_credential,
    parse_token,
    parse_token_id,
    read_name,
)


class TestForm:
    def test_a_new_one_has_160_bits_of_chance_and_is_read_again(self) -> None:
        asked: list[int] = []

        def chance(count: int) -> bytes:
            asked.append(count)
            return os.urandom(count)

        made = new_credential(chance)
        assert sorted(asked) == [6, 20]
        assert parse_token(made.reveal()) == made
        assert made.reveal().startswith(f"pamr_{made.id}_")
        assert len(made.reveal()) <= MAX_TOKEN
        assert len({new_credential(os.urandom).secret for _ in range(100)}) == 100

    @given(st.binary(min_size=20, max_size=20))
    def test_every_chance_gives_a_token_that_is_read_again(self, chance: bytes) -> None:
        made = new_credential(lambda count: chance[:count])
        assert parse_token(made.reveal()) == made

    @given(st.text(max_size=120))
    def test_what_is_read_is_what_was_written(self, text: str) -> None:
        found = parse_token(text)
        assert found is None or found.reveal() == text

    @pytest.mark.parametrize("text", ["", "pamr_", "pamr_0123456789ab", "0123456789ab", "x" * 200])
    def test_what_is_none(self, text: str) -> None:
        assert parse_token(text) is None

    def test_the_id_is_read_from_an_id_or_a_whole_token(self) -> None:
        made = new_credential(os.urandom)
        assert parse_token_id(made.id) == parse_token_id(made.reveal()) == made.id
        assert parse_token_id(made.secret) is None

    def test_the_secret_is_not_printed(self) -> None:
        made = new_credential(os.urandom)
        assert made.secret not in f"{made} {made!r} {[made]}"
        assert pickle.loads(pickle.dumps(made)) == made


class TestRole:
    def test_each_holds_those_before_it(self) -> None:
        held = {(one.value, other.value) for one in Role for other in Role if one.includes(other)}
        assert held == {
            ("reader", "reader"),
            ("operator", "reader"),
            ("operator", "operator"),
            ("admin", "reader"),
            ("admin", "operator"),
            ("admin", "admin"),
        }


class TestHash:
    def test_it_is_argon2id_salted_and_knows_its_secret_only(self) -> None:
        kept, again = hash_secret("secret"), hash_secret("secret")
        assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert kept != again
        assert is_secret_of(kept, "secret")
        assert not is_secret_of(kept, "Secret")

    @pytest.mark.parametrize("kept", [None, "", "x", "$argon2id$v=19$m=19456,t=2,p=1$x"])
    def test_what_is_no_hash_fits_nothing(self, kept: str | None) -> None:
        assert not is_secret_of(kept, "secret")


class TestName:
    @pytest.mark.parametrize("name", ["prometheus", "Anne Le Goff", "tableau de bord – étage 2", "x" * 64])
    def test_plain_ones(self, name: str) -> None:
        assert read_name(name) == name

    @pytest.mark.parametrize(
        "name",
        ["", " ", " x", "x ", "x\n", "x\x00y", "a\u202eb", "a\u200bb", "x\x1b[31m", "x" * 65, "a\u2028b"],
    )
    def test_those_with_signs_that_hide(self, name: str) -> None:
        assert read_name(name) is None

    def test_a_token_is_no_name(self) -> None:
        assert read_name(Credential("0123456789ab", "a" * 32).reveal()) is None

    def test_two_ways_to_write_an_accent_are_one_name(self) -> None:
        assert read_name("e\u0301tage") == "étage"
