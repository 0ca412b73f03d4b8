"""Ids: of messages, of our own acknowledgements, and a control id fit to be logged."""

import hashlib
import re
import time
from collections.abc import Callable
from os import urandom
from typing import Final
from uuid import UUID

_SAFE: Final = re.compile(r"[A-Za-z0-9._-]{1,50}")
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS: Final = tuple(one + other for one in _DIGITS for other in _DIGITS)  # two digits of base 36 at once
_62_BITS: Final = (1 << 62) - 1


def safe_control_id(control_id: str) -> str:
    """Return a control id that may be logged: as sent if it is short and plain, else a digest of it."""
    if not control_id or _SAFE.fullmatch(control_id):
        return control_id
    return "sha256-" + hashlib.sha256(control_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class MessageIds:
    """Gives message ids: UUIDs that sort by time (RFC 9562, version 7), each greater than the last.

    ``after``: the greatest id that is in use already, ``""`` when none is. The clock may have been set back since.
    """

    def __init__(self, now_ns: Callable[[], int] = time.time_ns, *, after: str = "") -> None:
        self._now_ns = now_ns
        self._last = _time_of(UUID(after)) if after else 0

    def __call__(self) -> str:
        """Return the next id. 48 bits of milliseconds, 12 of their fraction, 62 of chance."""
        ms, rest = divmod(self._now_ns(), 1_000_000)
        self._last = max(self._last + 1, (ms << 12) | (rest * 4096 // 1_000_000))
        ms, fraction = self._last >> 12, self._last & 0xFFF
        chance = int.from_bytes(urandom(8)) & _62_BITS  # of the system, so that a fork cannot give the same again
        signs = f"{ms << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | chance:032x}"
        return f"{signs[:8]}-{signs[8:12]}-{signs[12:16]}-{signs[16:20]}-{signs[20:]}"  # as str(UUID) would


def _time_of(message_id: UUID) -> int:
    """The part of an id that sorts: milliseconds and their fraction, 60 bits."""
    return message_id.int >> 80 << 12 | message_id.int >> 64 & 0xFFF


def ack_control_id(message_id: str) -> str:
    """Return our own MSH-10 for the answer to a message: 20 signs, as unique as the id. Spec: HL7 v2.5 §2.15.9.10."""
    number = int(message_id.replace("-", ""), 16) >> 25
    pairs = []
    for _ in range(10):
        number, pair = divmod(number, 36 * 36)
        pairs.append(_PAIRS[pair])
    pairs.reverse()
    return "".join(pairs)
