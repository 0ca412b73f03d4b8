"""Encryption and signatures by the keys of a house: AES-256-GCM and HMAC-SHA256, through ``cryptography``.

It takes time to import: whoever has no key has no need of it.
"""

import hmac
import os
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pam_receiver.store.keys import KEY_BYTES, Key, KeyRing, SealBroken
from pam_receiver.store.sealing import Sealed

NONCE_BYTES: Final = 12  # random: NIST SP 800-38D §8.3 allows 2**32 of them under one key
_ENCRYPTS: Final = b"pam-receiver journal v1"
_SIGNS: Final = b"pam-receiver checkpoint v1"


def make_key(key_id: str) -> Key:
    """Return a new key, from the chance of the operating system."""
    return Key(key_id, os.urandom(KEY_BYTES))


class Keyed:
    """Seals with the current key, opens with whichever key sealed.

    ``load`` gives the keys when they are first needed: who only looks at an identity need not be able to read them.
    With ``encrypts`` false what is written stays in clear, and what is encrypted can be read all the same.
    """

    def __init__(self, load: Callable[[], KeyRing], *, encrypts: bool) -> None:
        self._load = load
        self._encrypts = encrypts
        self._ciphers: dict[str, AESGCM] = {}
        self._signers: dict[str, bytes] = {}

    @cached_property
    def keys(self) -> KeyRing:
        return self._load()

    def seal(self, name: str, content: bytes) -> Sealed:
        if not self._encrypts or not content:  # nothing is what a message without its content has
            return Sealed(content, None)
        key_id, nonce = self.keys.current.id, os.urandom(NONCE_BYTES)
        return Sealed(nonce + self._cipher(key_id).encrypt(nonce, content, name.encode()), key_id)

    def writes_with(self) -> str | None:
        return self.keys.current.id if self._encrypts else None

    def open(self, name: str, sealed: Sealed) -> bytes:
        if sealed.key_id is None:
            return sealed.content
        nonce, encrypted = sealed.content[:NONCE_BYTES], sealed.content[NONCE_BYTES:]
        try:
            return self._cipher(sealed.key_id).decrypt(nonce, encrypted, name.encode())
        except (InvalidTag, ValueError):  # ValueError: cut so short that the nonce is none
            raise SealBroken(sealed.key_id) from None

    def sign(self, content: bytes) -> tuple[str, bytes]:
        key_id = self.keys.current.id
        return key_id, self._signature(key_id, content)

    def verify(self, content: bytes, key_id: str, signature: bytes) -> None:
        if not hmac.compare_digest(self._signature(key_id, content), signature):
            raise SealBroken(key_id)

    def current_key_id(self) -> str:
        return self.keys.current.id

    def _cipher(self, key_id: str) -> AESGCM:
        if key_id not in self._ciphers:
            self._ciphers[key_id] = AESGCM(_derive(self.keys.find(key_id), _ENCRYPTS))
        return self._ciphers[key_id]

    def _signature(self, key_id: str, content: bytes) -> bytes:
        if key_id not in self._signers:
            self._signers[key_id] = _derive(self.keys.find(key_id), _SIGNS)
        return hmac.digest(self._signers[key_id], content, sha256().name)


def _derive(key: Key, use: bytes) -> bytes:
    """Return the key of one use: that which encrypts signs nothing. Spec: RFC 5869."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=use).derive(key.secret)
