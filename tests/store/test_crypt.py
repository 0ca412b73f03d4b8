"""Sealing: what is encrypted opens under its own name and key alone, and a signature is of one text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyed import key, keyed

from pam_receiver.store.crypt import NONCE_BYTES, Keyed, make_key
from pam_receiver.store.keys import KEY_BYTES, KeyMissing, KeyRing, NoKey, SealBroken
from pam_receiver.store.sealing import InClear, Sealed


class TestSealing:
    @given(st.binary(min_size=1), st.text())
    def test_what_was_sealed_opens_and_shows_nothing(self, content: bytes, name: str) -> None:
        safe = keyed()
        name = name.encode("utf-8", "replace").decode()
        sealed = safe.seal(name, content)
        assert safe.open(name, sealed) == content
        assert sealed.key_id == "k1"
        assert len(sealed.content) == len(content) + NONCE_BYTES + 16
        assert len(content) < 8 or content not in sealed.content

    def test_the_same_text_is_never_sealed_twice_alike(self) -> None:
        safe = keyed()
        assert len({safe.seal("m", b"text").content for _ in range(100)}) == 100

    def test_it_opens_under_its_own_name_only(self) -> None:
        sealed = keyed().seal("one", b"text")
        with pytest.raises(SealBroken):
            keyed().open("another", sealed)

    @pytest.mark.parametrize("at", [0, NONCE_BYTES, -1])
    def test_a_byte_that_was_altered_is_seen(self, at: int) -> None:
        sealed = keyed().seal("one", b"text")
        altered = bytearray(sealed.content)
        altered[at] ^= 1
        with pytest.raises(SealBroken):
            keyed().open("one", Sealed(bytes(altered), "k1"))

    @pytest.mark.parametrize("content", [b"", b"short", bytes(NONCE_BYTES)])
    def test_what_is_cut_short_is_seen(self, content: bytes) -> None:
        with pytest.raises(SealBroken):
            keyed().open("one", Sealed(content, "k1"))

    def test_another_key_under_the_same_id_does_not_open(self) -> None:
        other = Keyed(lambda: KeyRing((make_key("k1"),)), encrypts=True)
        with pytest.raises(SealBroken) as broken:
            other.open("one", keyed().seal("one", b"text"))
        assert broken.value.key_id == "k1"

    def test_an_old_key_still_opens_and_the_new_one_seals(self) -> None:
        old = keyed("k1").seal("one", b"text")
        safe = keyed("k2", "k1")
        assert safe.open("one", old) == b"text"
        assert safe.seal("one", b"text").key_id == safe.writes_with() == "k2"

    def test_a_key_that_is_gone_is_named(self) -> None:
        with pytest.raises(KeyMissing) as missing:
            keyed("k2").open("one", keyed("k1").seal("one", b"text"))
        assert missing.value.key_id == "k1"

    def test_nothing_stays_nothing(self) -> None:
        assert keyed().seal("one", b"") == Sealed(b"", None)

    def test_without_encryption_it_writes_in_clear_and_reads_both(self) -> None:
        safe = keyed(encrypts=False)
        assert safe.seal("one", b"text") == Sealed(b"text", None)
        assert safe.writes_with() is None
        assert safe.open("one", Sealed(b"text", None)) == b"text"
        assert safe.open("one", keyed().seal("one", b"text")) == b"text"

    def test_the_keys_are_read_when_they_are_needed(self) -> None:
        def load() -> KeyRing:
            raise NoKey

        safe = Keyed(load, encrypts=True)
        assert safe.open("one", Sealed(b"text", None)) == b"text"
        with pytest.raises(NoKey):
            safe.seal("one", b"text")

    def test_no_repr_shows_what_is_sealed(self) -> None:
        assert "text" not in repr(Sealed(b"text", None))


class TestSigning:
    def test_a_signature_is_of_one_text_and_one_key(self) -> None:
        key_id, signature = keyed("k2", "k1").sign(b"text")
        assert key_id == "k2"
        keyed("k3", "k2").verify(b"text", key_id, signature)
        for content, safe in ((b"texts", keyed("k2")), (b"text", keyed("k1"))):
            with pytest.raises((SealBroken, KeyMissing)):
                safe.verify(content, key_id, signature)

    def test_the_key_that_signs_is_not_the_one_that_encrypts_nor_the_one_in_the_file(self) -> None:
        safe = keyed()
        safe.sign(b"text")
        safe.seal("one", b"text")
        used = [safe._signers["k1"], key("k1").secret]
        assert len({*used}) == 2
        with pytest.raises(SealBroken):
            safe.verify(b"text", "k1", b"")

    def test_a_key_is_32_bytes_of_chance(self) -> None:
        made = [make_key("k").secret for _ in range(10)]
        assert {len(each) for each in made} == {KEY_BYTES}
        assert len({*made}) == 10


class TestWithoutKeys:
    def test_it_writes_in_clear(self) -> None:
        assert InClear().seal("one", b"text") == Sealed(b"text", None)
        assert InClear().open("one", Sealed(b"text", None)) == b"text"
        assert InClear().writes_with() is None

    def test_what_a_key_sealed_is_not_read(self) -> None:
        with pytest.raises(KeyMissing, match="k1"):
            InClear().open("one", keyed().seal("one", b"text"))
        with pytest.raises(KeyMissing, match="k1"):
            InClear().verify(b"text", "k1", b"signature")

    def test_it_signs_nothing(self) -> None:
        with pytest.raises(NoKey):
            InClear().sign(b"text")
        with pytest.raises(NoKey):
            InClear().current_key_id()
