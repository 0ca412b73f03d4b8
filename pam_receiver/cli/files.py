"""HL7 files as people keep them: one or many messages, CR, LF or CRLF, MLLP-framed or not, inside a batch or not."""

import errno
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang
from pam_receiver.hl7.mllp import FrameDecoder

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_BATCH: Final = (b"FHS", b"BHS", b"BTS", b"FTS")  # HL7 v2.5 §2.10.3: envelopes of a batch, no part of a message
_BLOCK: Final = re.compile(rb"\x0b[ \t\r\n\x00]*(?:\xef\xbb\xbf)?(?:MSH|FHS|BHS)")  # a VT alone may stand in a value
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


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that is no message and should have been: the sentence, and how many it stands for."""

    text: str
    count: int = 1


def find_problems(file: Path, content: FileContent, lang: Lang) -> list[Problem]:
    """Return what of a file could not be read as a message; nothing when it holds messages and nothing else."""
    found = [Problem(text("failure.no-hl7-in-block", lang, file=file, number=number)) for number in content.bare]
    if content.unfinished:
        sentence = text("failure.unfinished-blocks", lang, file=file, count=content.unfinished)
        found.append(Problem(sentence, content.unfinished))
    if not content.messages and not found:
        found.append(Problem(text("failure.no-hl7", lang, file=file)))
    return found


def read_content(path: Path) -> FileContent:
    """Read the messages of the file ``path``, of standard input when it is ``-``.

    Raises:
        OSError: the file cannot be read.
    """
    return split_messages(_read_stdin() if str(path) == "-" else path.read_bytes())


def _read_stdin() -> bytes:
    if sys.stdin is None:  # the process was started without one
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdin.buffer.read()


def split_messages(data: bytes) -> FileContent:
    """Cut the bytes of a file into messages: MLLP blocks if there are any, else one from each line that begins MSH."""
    if _BLOCK.search(data) is None:
        return _split_lines(data)
    decoder = FrameDecoder(max_block_bytes=len(data))
    blocks = decoder.feed(data)
    blocks += decoder.finish()
    contents = [_split_lines(block) for block in blocks]
    return FileContent(
        messages=tuple(message for content in contents for message in content.messages),
        stray=decoder.skipped + sum(content.stray for content in contents if content.messages),
        bare=tuple(number for number, content in enumerate(contents, 1) if not content.messages),
        unfinished=decoder.unfinished + decoder.in_block,
    )


def _split_lines(data: bytes) -> FileContent:
    messages: list[list[bytes]] = []
    stray = 0
    for line in _LINE_END.split(data.removeprefix(_BOM)):
        if line.lstrip().startswith(b"MSH"):
            messages.append([line.lstrip()])
        elif not line.strip(b" \t\x00\x1a") or line.startswith(_BATCH):
            continue
        elif messages:
            messages[-1].append(line)
        else:
            stray += 1
    return FileContent(tuple(b"\r".join(lines) + b"\r" for lines in messages), stray)
