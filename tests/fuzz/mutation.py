"""Messages changed as a broken or hostile sender would: by segment, field and component, or by plain bytes."""

import random
import re
from typing import Final

from golden import CONVERSATIONS
from hostile_values import VALUES

from pam_receiver.hl7.mllp import encode_frame

CANARY: Final = "ZQXCANARI"  # stands in every field of a person; it must not come out of the house but in a row
MOST_BYTES: Final = 1 << 16
_ENDS: Final = re.compile(rb"\r\n|\r|\n")
_WORDS: Final = (
    *(value.sent.encode() for value in VALUES),
    *(b"A01 A08 A28 A31 A40 A47 A24 A29 A11 A13 A99 ADT ACK ADT_A05 ADT_A39 ADT_A30 P T D 2.5 2.5^FRA^2.11".split()),
    *(b"VALI PROV DOUB FICTI INS PI NH AN L D U M F O A \"\" 8859/15 8859/1 ASCII".split()),
    *(b"UNICODE UTF-8|1.2.250.1.213.1.4.8|1.2.250.1.213.1.4.9|1.2.250.1.213.1.4.10|99999|44109|2A004".split(b"|")),
    *(b"20260302080000|20260302080000+0100|00000000|20261332|18991231|99991231235959.9999-9999|19590123".split(b"|")),
    *(b"", b" ", b"0", b"-1", b"9" * 40, b"x" * 200, b"\\", b"\\X", b"\\X1B\\", b"\xe9", b"\xc3\xa9", b"\xff", b"\x00"),
    *(b"\x0b", b"\x1c", b"\x1c\r", b"\x0bMSH|^~\\&|", b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8", b"~", b"^", b"&"),
)  # fmt: skip
_SEGMENTS: Final = (b"MSH", b"EVN", b"PID", b"PV1", b"MRG", b"ZFA", b"ZBE", b"PD1", b"NK1", b"OBX", b"ZZZ", b"pid", b"")


def seeds() -> list[bytes]:
    """Every golden message, framed, its persons' family names replaced by the canary."""
    names = re.compile(rb"(?<=[|~])[A-Z][A-Z' -]{3,}(?=\^[A-Z])")
    return [encode_frame(names.sub(CANARY.encode(), raw)) for each in CONVERSATIONS for raw in each.messages]


class Mutator:
    """Changes messages by chance; the same chance gives the same changes."""

    def __init__(self, pool: list[bytes], chance: random.Random) -> None:
        self._pool = pool
        self._chance = chance

    def __call__(self, data: bytes) -> bytes:
        """Return ``data`` with one to six changes."""
        for _ in range(self._chance.choice((1, 1, 2, 3, 6))):
            change = self._chance.choice(
                (self._segment, self._field, self._field, self._part, self._part, self._bytes, self._splice)
            )
            data = change(data)
        return data[:MOST_BYTES]

    def _segment(self, data: bytes) -> bytes:
        """Drop, repeat, move or rename a segment, or end it in another way."""
        lines = _ENDS.split(data)
        at, to = self._chance.randrange(len(lines)), self._chance.randrange(len(lines) + 1)
        match self._chance.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines[to:to] = [lines[at]] * self._chance.choice((1, 2, 50))
            case 2:
                lines.insert(to, lines.pop(at))
            case 3:
                lines[at] = self._chance.choice(_SEGMENTS) + lines[at][3:]
            case 4:
                lines[at] = lines[at][: self._chance.randrange(len(lines[at]) + 1)]
            case _:
                return self._chance.choice((b"\n", b"\r\n", b"\r\r", b"\x85")).join(lines)
        return b"\r".join(lines)

    def _field(self, data: bytes) -> bytes:
        return self._cell(data, b"|")

    def _part(self, data: bytes) -> bytes:
        return self._cell(data, self._chance.choice((b"^", b"~", b"&")))

    def _cell(self, data: bytes, separator: bytes) -> bytes:
        """Replace, drop, repeat or swap what stands between two separators of a line."""
        lines = data.split(b"\r")
        at = self._chance.randrange(len(lines))
        cells = lines[at].split(separator)
        one, other = self._chance.randrange(len(cells)), self._chance.randrange(len(cells))
        match self._chance.randrange(5):
            case 0 | 1:
                cells[one] = self._chance.choice(_WORDS)
            case 2:
                del cells[one]
            case 3:
                cells[other:other] = [cells[one]] * self._chance.choice((1, 1, 20))
            case _:
                cells[one], cells[other] = cells[other], cells[one]
        lines[at] = separator.join(cells)
        return b"\r".join(lines)

    def _bytes(self, data: bytes) -> bytes:
        at = self._chance.randrange(len(data) + 1)
        match self._chance.randrange(4):
            case 0:
                return data[:at] + bytes([self._chance.randrange(256)]) + data[at + 1 :]
            case 1:
                return data[:at] + self._chance.choice(_WORDS) + data[at:]
            case 2:
                return data[:at]
            case _:
                return data[:at] + data[at + self._chance.randrange(1, 40) :]

    def _splice(self, data: bytes) -> bytes:
        """Put a piece of another message, or all of it, behind a piece of this one."""
        other = self._chance.choice(self._pool)
        if self._chance.random() < 0.5:
            return data + other
        return data[: self._chance.randrange(len(data) + 1)] + other[self._chance.randrange(len(other)) :]
