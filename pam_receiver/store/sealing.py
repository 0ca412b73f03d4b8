"""What the store asks of keys: to seal what it writes, to open what it reads, to sign. And the store without a key."""

from dataclasses import field
from typing import Protocol

from pam_receiver.store.keys import KeyMissing, NoKey
from pam_receiver.values import value


@value(frozen=True, slots=True)
class Sealed:
    """Bytes as they are kept. ``key_id``: of the key that they are encrypted with; ``None``: they are in clear."""

    content: bytes = field(repr=False)
    key_id: str | None


class Sealing(Protocol):
    """``name`` is what bytes belong to (the id of their message): sealed bytes open under their own name only."""

    def seal(self, name: str, content: bytes) -> Sealed:
        """Return ``content`` as it is to be kept."""

    def writes_with(self) -> str | None:
        """Return the id of the key that seals; ``None``: what is kept now is kept in clear."""

    def open(self, name: str, sealed: Sealed) -> bytes:
        """Return what was sealed.

        Raises:
            KeyMissing: its key is not there.
            SealBroken: it is not as it was written.
        """

    def sign(self, content: bytes) -> tuple[str, bytes]:
        """Return the id of the current key, and the signature (HMAC-SHA256) of ``content``.

        Raises:
            NoKey: there is no key.
        """

    def verify(self, content: bytes, key_id: str, signature: bytes) -> None:
        """Make sure that this key signed ``content``.

        Raises:
            KeyMissing: the key is not there.
            SealBroken: the signature is not that of ``content``.
        """

    def current_key_id(self) -> str:
        """Return the id of the current key.

        Raises:
            NoKey: there is no key.
        """


class InClear:
    """No key: everything is kept as it is, and what a key sealed cannot be read."""

    def seal(self, name: str, content: bytes) -> Sealed:  # noqa: ARG002 - as of Sealing
        return Sealed(content, None)

    def writes_with(self) -> str | None:
        return None

    def open(self, name: str, sealed: Sealed) -> bytes:  # noqa: ARG002 - as of Sealing
        if sealed.key_id is not None:
            raise KeyMissing(sealed.key_id)
        return sealed.content

    def sign(self, content: bytes) -> tuple[str, bytes]:  # noqa: ARG002 - as of Sealing
        raise NoKey

    def verify(self, content: bytes, key_id: str, signature: bytes) -> None:  # noqa: ARG002 - as of Sealing
        raise KeyMissing(key_id)

    def current_key_id(self) -> str:
        raise NoKey
