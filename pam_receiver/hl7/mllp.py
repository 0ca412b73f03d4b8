"""MLLP: a byte stream cut into messages, whatever the cuts of the network. No socket, no clock, no log."""

import re
from typing import Final

from pam_receiver.errors import PamReceiverError

_VT: Final = 0x0B
_FS: Final = 0x1C
_SEPARATORS: Final = b"\r\n\x00"  # stand between blocks in real feeds; not worth counting
_BLOCK_FOLLOWS: Final = _SEPARATORS + b"\x0b"
_MSH: Final = b"MSH"
_VT_RUN: Final = re.compile(b"\x0b+")
_HEAD_BYTES: Final = 1 << 16


class BlockTooLarge(PamReceiverError):
    """No end of block within the limit: the stream has no known end any more and must be closed.

    ``head`` is the beginning of the block (at most 64 KiB), to read a header from; ``complete`` the messages that
    ended before it in the same bytes and are still to be answered; ``limit`` the bytes a block may have.
    """

    def __init__(self, head: bytes, *, limit: int, complete: list[bytes]) -> None:
        super().__init__(f"no end of block within {limit} bytes")
        self.head = head
        self.limit = limit
        self.complete = complete


class FrameDecoder:
    """Cut an MLLP byte stream into messages: ``<VT>`` message ``<FS><CR>``.

    The same bytes give the same messages however they are cut, and each byte is looked at a fixed number of times.

    - Between blocks everything up to the next VT is thrown away. ``skipped`` counts it, save CR, LF and NUL.
    - FS ends a block when the message before it is whole (it is empty, or its last segment has its CR or LF), or when
      CR, LF, NUL or VT follows. Any other FS is data, for the parser to refuse. A sender that writes neither the CR of
      its last segment nor the one after FS is thus understood at its next block or at :meth:`finish`.
    - VT with MSH behind it begins a new block even inside one; ``unfinished`` counts the blocks lost so. VT at the very
      beginning of a block is a repeated VT, thrown away. Any other VT is data.

    Spec: HL7 MLLP Release 1.
    """

    def __init__(self, *, max_block_bytes: int = 1 << 20) -> None:
        self.skipped = 0
        self.unfinished = 0
        self._limit = max_block_bytes
        self._buffer = bytearray()
        self._begin = 0  # of the block, in the buffer; 0 between two calls
        self._scanned = 0  # everything before is known to be data of the block
        self._inside = False
        self._head: bytes | None = None  # of the block that was too large

    @property
    def in_block(self) -> bool:
        """A block has begun and has not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes, split anywhere; return the messages now complete (``b""`` for an empty block).

        Raises:
            BlockTooLarge: more than ``max_block_bytes`` without an end; raised again by every later call.
        """
        complete: list[bytes] = []
        if self._head is None:
            self._buffer += data
            while self._find_begin() and self._find_end(complete):
                pass
        if self._head is not None:
            self._buffer.clear()
            raise BlockTooLarge(self._head, limit=self._limit, complete=complete)
        del self._buffer[: self._begin]
        self._scanned -= self._begin
        self._begin = 0
        return complete

    def finish(self) -> list[bytes]:
        """Say that no byte will follow; return the message, if any, whose FS was the last byte received."""
        if not self._inside or self._buffer[-1:] != bytes([_FS]):
            return []
        message = bytes(self._buffer[:-1])
        self._buffer.clear()
        self._scanned = 0
        self._inside = False
        return [message]

    def _find_begin(self) -> bool:
        """Pass over what stands between blocks; return whether a block has begun."""
        if self._inside:
            return True
        vt = self._buffer.find(_VT, self._begin)
        end = len(self._buffer) if vt < 0 else vt
        self.skipped += len(self._buffer[self._begin : end].translate(None, _SEPARATORS))
        self._inside = vt >= 0
        self._begin = self._scanned = end + self._inside
        return self._inside

    def _find_end(self, complete: list[bytes]) -> bool:
        """Take the block in if it has ended; return whether it has."""
        buffer = self._buffer
        while True:
            fs = buffer.find(_FS, self._scanned)
            decided = self._pass_vts(len(buffer) if fs < 0 else fs)
            if self._is_too_large(self._scanned) or not decided or fs < 0:
                return False
            if self._ends_at(fs):
                complete.append(bytes(buffer[self._begin : fs]))
                self._begin = self._scanned = fs + 1
                self._inside = False
                return True
            if fs + 1 == len(buffer):
                return False  # the next byte tells
            self._scanned = fs + 1

    def _ends_at(self, fs: int) -> bool:
        buffer = self._buffer
        if fs == self._begin or buffer[fs - 1] in b"\r\n":
            return True
        return fs + 1 < len(buffer) and buffer[fs + 1] in _BLOCK_FOLLOWS

    def _pass_vts(self, stop: int) -> bool:
        """Move ``_scanned`` up to ``stop``, over every VT; return False at one whose next bytes are still to come."""
        buffer = self._buffer
        while (vt := buffer.find(_VT, self._scanned, stop)) >= 0:
            behind = buffer[vt + 1 : vt + 1 + len(_MSH)]
            if vt == self._begin:
                run = _VT_RUN.match(buffer, vt, stop)
                self._begin = self._scanned = run.end() if run else vt + 1
                self.skipped += self._begin - vt
            elif behind == _MSH:
                if self._is_too_large(vt):
                    return False
                self.unfinished += 1
                self._begin = self._scanned = vt + 1
            elif _MSH.startswith(behind):
                self._scanned = vt
                return False
            else:
                self._scanned = vt + 1
        self._scanned = stop
        return True

    def _is_too_large(self, end: int) -> bool:
        """Return whether the block has too many bytes before ``end``; if so, nothing more will be read."""
        if self._head is None and end - self._begin > self._limit:
            self._head = bytes(self._buffer[self._begin : min(end, self._begin + _HEAD_BYTES)])
        return self._head is not None


def encode_frame(message: bytes) -> bytes:
    """Put a message into an MLLP block. Spec: HL7 MLLP Release 1."""
    return b"\x0b" + message + b"\x1c\r"
