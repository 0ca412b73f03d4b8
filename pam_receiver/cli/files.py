"""HL7 files as people keep them: one or many messages, CR, LF or CRLF, MLLP-framed or not, inside a batch or not."""

import errno
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang
from pam_receiver.hl7.mllp import BlockTooLarge, FrameDecoder

if TYPE_CHECKING:
    from io import BufferedReader

STDIN: Final = Path("-")

_MOST_BYTES: Final = 16 << 20  # of one message: sixteen times what a receiver takes by default
_CHUNK_BYTES: Final = 1 << 18
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_BATCH: Final = (b"FHS", b"BHS", b"BTS", b"FTS")  # HL7 v2.5 §2.10.3: envelopes of a batch, no part of a message
_BLOCK: Final = re.compile(rb"\x0b[ \t\r\n\x00]*(?:\xef\xbb\xbf)?(?:MSH|FHS|BHS)")  # a VT alone may stand in a value
_BLOCK_MAY_FOLLOW: Final = re.compile(rb"\x0b[ \t\r\n\x00]*(?:\xef(?:\xbb(?:\xbf)?)?)?(?:MS?|[FB]H?)?\Z")
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileContent:
    """The messages of a file, segments ended by CR, and how many lines (bytes, when framed) were none of it.

    ``bare`` are the numbers, from 1, of the MLLP blocks without any message; ``unfinished`` counts the blocks that have
    no end: these are not read.
    """

    messages: tuple[bytes, ...]
    stray: int
    bare: tuple[int, ...] = ()
    unfinished: int = 0

    @property
    def count(self) -> int:
        """How many messages there are."""
        return len(self.messages)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that is no message and should have been: the sentence, and how many it stands for."""

    text: str
    count: int = 1


class Splitter:
    """Cut the bytes of a file into messages: one from each line that begins MSH, one or more from each MLLP block.

    The same bytes give the same messages however they are cut. Once a block has begun, only blocks are read.
    ``count``, ``stray``, ``bare`` and ``unfinished`` are as in :class:`FileContent`. After more than ``most_bytes``
    without the end of a message ``is_too_large`` is set, and nothing more is read: memory has a bound.
    """

    def __init__(self, *, most_bytes: int = _MOST_BYTES) -> None:
        self.count = 0
        self.is_too_large = False
        self._most_bytes = most_bytes
        self._lines = _Lines()
        self._pending = bytearray()  # lines that are not whole yet
        self._decoder: FrameDecoder | None = None
        self._blocks = 0
        self._bare: list[int] = []
        self._stray_in_blocks = 0

    @property
    def stray(self) -> int:
        skipped = self._decoder.skipped if self._decoder is not None else 0
        return self._lines.stray + self._stray_in_blocks + skipped

    @property
    def bare(self) -> tuple[int, ...]:
        return tuple(self._bare)

    @property
    def unfinished(self) -> int:
        return self._decoder.unfinished + self._decoder.in_block if self._decoder is not None else 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes, cut anywhere; return the messages now complete."""
        if self.is_too_large:
            return []
        messages = self._read_blocks(data) if self._decoder is not None else self._read_lines(data)
        self.count += len(messages)
        return messages

    def finish(self) -> list[bytes]:
        """Say that no byte will follow; return the messages that had no end of their own."""
        if self.is_too_large:
            return []
        if self._decoder is not None:
            messages = self._split_blocks(self._decoder.finish())
        else:
            messages = self._take_lines(len(self._pending)) + self._lines.finish()
        self.count += len(messages)
        return messages

    def _read_lines(self, data: bytes) -> list[bytes]:
        self._pending += data
        block = _BLOCK.search(self._pending)
        if block is None:
            messages = self._take_lines(self._end_of_lines())
            self.is_too_large = max(len(self._pending), self._lines.size) > self._most_bytes
            return messages
        messages = self._take_lines(block.start()) + self._lines.finish()
        self._decoder = FrameDecoder(max_block_bytes=self._most_bytes)
        framed = bytes(self._pending)
        self._pending.clear()
        return messages + self._read_blocks(framed)

    def _end_of_lines(self) -> int:
        """Return where the whole lines end; behind it stands a part of a line, or what may begin a block."""
        pending = self._pending
        block = _BLOCK_MAY_FOLLOW.search(pending)
        end = block.start() if block is not None else len(pending)
        if block is None and pending.endswith(b"\r"):  # LF may follow
            end -= 1
        return max(pending.rfind(b"\r", 0, end), pending.rfind(b"\n", 0, end)) + 1

    def _take_lines(self, end: int) -> list[bytes]:
        if not end:
            return []
        lines = _LINE_END.split(bytes(self._pending[:end]))
        del self._pending[:end]
        return [message for line in lines for message in self._lines.take(line)]

    def _read_blocks(self, data: bytes) -> list[bytes]:
        assert self._decoder is not None
        try:
            return self._split_blocks(self._decoder.feed(data))
        except BlockTooLarge as error:
            self.is_too_large = True
            return self._split_blocks(error.complete)

    def _split_blocks(self, blocks: Sequence[bytes]) -> list[bytes]:
        messages: list[bytes] = []
        for block in blocks:
            self._blocks += 1
            lines = _Lines()
            found = [message for line in _LINE_END.split(block) for message in lines.take(line)] + lines.finish()
            if found:
                self._stray_in_blocks += lines.stray
            else:
                self._bare.append(self._blocks)
            messages += found
        return messages


class _Lines:
    """Lines gathered into messages. ``size``: bytes of the message that is open."""

    def __init__(self) -> None:
        self.stray = 0
        self.size = 0
        self._open: list[bytes] = []
        self._is_first = True

    def take(self, line: bytes) -> list[bytes]:
        """Take one line; return the message that it ends, if any."""
        if self._is_first:
            line = line.removeprefix(_BOM)
            self._is_first = False
        if line.lstrip().startswith(b"MSH"):
            ended = self.finish()
            line = line.lstrip()
        elif not line.strip(b" \t\x00\x1a") or line.startswith(_BATCH):
            return []
        elif self._open:
            ended = []
        else:
            self.stray += 1
            return []
        self._open.append(line)
        self.size += len(line) + 1
        return ended

    def finish(self) -> list[bytes]:
        """Return the message that is open, if any."""
        messages = [b"\r".join(self._open) + b"\r"] if self._open else []
        self._open = []
        self.size = 0
        return messages


def find_problems(file: Path | str, content: FileContent | Splitter, lang: Lang) -> list[Problem]:
    """Return what of a file could not be read as a message; nothing when it holds messages and nothing else."""
    found = [Problem(text("failure.no-hl7-in-block", lang, file=file, number=number)) for number in content.bare]
    if isinstance(content, Splitter) and content.is_too_large:
        found.append(Problem(text("failure.too-large", lang, file=file, most=_MOST_BYTES >> 20)))
    elif content.unfinished:
        sentence = text("failure.unfinished-blocks", lang, file=file, count=content.unfinished)
        found.append(Problem(sentence, content.unfinished))
    if not content.count and not found:
        found.append(Problem(text("failure.no-hl7", lang, file=file)))
    return found


def find_files(paths: Sequence[Path], *, without: Collection[Path] = ()) -> Iterator[tuple[Path, str]]:
    """Give each file that ``paths`` stand for, and a short name for it: of a folder all files below it, in the order
    of their names, hidden ones left out.

    ``without`` are resolved paths that a folder is not to give: the reports that lie in it. Given as they are: a path
    that is no folder, also when it is missing, and a folder without any file or that cannot be looked into.
    """
    for path in paths:
        name = path.name or path.resolve().name
        if path == STDIN or not path.is_dir():
            yield path, name
            continue
        is_empty = True
        for file in _walk(path):
            if not without or file.resolve() not in without:
                is_empty = False
                yield file, str(Path(name, file.relative_to(path)))
        if is_empty:
            yield path, name


def _walk(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:  # who reads it is told why
        yield folder
        return
    for name, is_folder in found:
        if name.startswith("."):
            continue
        if is_folder:
            yield from _walk(folder / name)
        elif (folder / name).is_file():  # no socket, no pipe, no link to another folder: links may go round
            yield folder / name


def read_messages(path: Path, splitter: Splitter, *, on_read: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Give the messages of the file ``path`` (``-``: standard input) one by one, without holding the file.

    ``splitter`` is a fresh one; what it counted is known when the last message was given. ``on_read`` is told how many
    bytes were read.

    Raises:
        OSError: the file cannot be read, from its beginning or from somewhere on.
    """
    for data in _read_chunks(path):
        yield from splitter.feed(data)
        if on_read is not None:
            on_read(len(data))
        if splitter.is_too_large:
            return
    yield from splitter.finish()


def is_acknowledgement(raw: bytes) -> bool:
    """Whether a message is itself an ACK, as a capture of both directions holds: MSH-9.1, HL7 v2.5 §2.15.9.9."""
    cells = raw[:4096].split(b"\r", 1)[0].split(raw[3:4], 9)
    return len(cells) > 8 and re.fullmatch(rb"ACK(?:\W.*)?", cells[8], re.DOTALL) is not None


def read_content(path: Path) -> FileContent:
    """Read the messages of the file ``path``, of standard input when it is ``-``.

    Raises:
        OSError: the file cannot be read.
    """
    return split_messages(b"".join(_read_chunks(path)))


def split_messages(data: bytes) -> FileContent:
    """Cut the bytes of a file into messages, as :class:`Splitter` does; none is too large."""
    splitter = Splitter(most_bytes=len(data))
    messages = splitter.feed(data) + splitter.finish()
    return FileContent(tuple(messages), splitter.stray, splitter.bare, splitter.unfinished)


def _read_chunks(path: Path) -> Iterator[bytes]:
    if path == STDIN:
        if sys.stdin is None:  # the process was started without one
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        stdin = cast("BufferedReader", sys.stdin.buffer)
        while data := stdin.read1(_CHUNK_BYTES):  # what has come, so that a pipe is checked as it flows
            yield data
        return
    with path.open("rb", buffering=0) as file:
        while data := file.read(_CHUNK_BYTES):
            yield data
