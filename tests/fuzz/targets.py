"""What must hold for any bytes, as functions that raise when it does not.

The invariant (docs/explanation/hostile-input.md): any bytes give acknowledgements or a close, never an unhandled
exception, never more than a bounded memory, never patient data outside. The receiver answers its own failures by AR
``internal-error``: here that is a find, not an answer.
"""

import logging
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from fuzz.mutation import CANARY

from pam_receiver.cli import parts
from pam_receiver.config import Settings
from pam_receiver.finding import Finding
from pam_receiver.hl7.ack import AckCode, decode_ack
from pam_receiver.hl7.er7 import Unreadable, encode_message, parse_message
from pam_receiver.hl7.header import read_header
from pam_receiver.hl7.mllp import BlockTooLarge, FrameDecoder
from pam_receiver.logs import JsonFormatter, TextFormatter
from pam_receiver.receive import INTERNAL_ERROR, Incoming, Outcome, Receiver
from pam_receiver.store import Store, migrate
from pam_receiver.understand import check_file_message

Target = Callable[[bytes], None]

BEGINS_AT: Final = datetime(2026, 3, 2, 7, tzinfo=UTC)
LIMIT: Final = 1 << 14  # of a block: small, so that blocks beyond it are met
MOST_ACK_BYTES: Final = 64 << 10
_RUNS_OF_A_STORE: Final = 2000  # then a new one, or each run would be slower than the last
_PEER: Final = "192.0.2.1:40000"
_CUTS: Final = (1, 7, 64, 4096)


def check_decoder(data: bytes) -> None:
    """The same bytes give the same messages however they are cut, and nothing is held beyond the limit."""
    whole = _decode(data, len(data) or 1)
    for size in _CUTS:
        assert _decode(data, size) == whole, f"cut in pieces of {size}"


def _decode(data: bytes, size: int) -> tuple[list[bytes], bool, int, int]:
    decoder = FrameDecoder(max_block_bytes=LIMIT)
    messages: list[bytes] = []
    try:
        for at in range(0, len(data), size):
            messages += decoder.feed(data[at : at + size])
        messages += decoder.finish()
    except BlockTooLarge as error:
        return messages + error.complete, True, 0, 0  # how much was skipped behind it depends on the cut
    assert sum(map(len, messages)) <= len(data)
    assert all(len(each) <= LIMIT for each in messages)
    return messages, False, decoder.skipped, decoder.unfinished


def check_parser(data: bytes) -> None:
    """A message is read or refused with the reason; what is read is written back and read the same."""
    for raw in cut(data):
        try:
            message = parse_message(raw)
        except Unreadable as error:
            _check_findings(error.findings)
            continue
        read_header(message)
        _check_findings(message.findings)
        for segment in message.segments:
            for number in range(1, 40):
                for repetition in segment.field(number).repetitions:
                    repetition.component(1)
        again = parse_message(encode_message(message))
        assert [each.text for each in again.segments] == [each.text for each in message.segments]


def check_checker() -> Target:
    """A message is judged without a database."""
    sources = parts.make_sources(Settings(environment="test"))

    def check(data: bytes) -> None:
        for raw in cut(data):
            checked = check_file_message(raw, sources=sources, at=BEGINS_AT)
            assert checked.ack_code in AckCode
            _check_findings(checked.findings)

    return check


class CheckReceiver:
    """The way as a whole, from the socket's bytes to the answers, on a real SQLite file."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix="pam-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None
        )
        template = Path(self._folder.name) / "template.db"
        migrate.upgrade(f"sqlite:///{template}")
        self._template = template.read_bytes()
        self._sources = parts.make_sources(Settings(environment="test"))
        self._runs = 0
        self._log = _Log()
        ours = logging.getLogger("pam_receiver")
        ours.setLevel(logging.DEBUG)
        ours.addHandler(self._log)
        ours.propagate = False
        self.store: Store | None = None
        self._receiver = self._renew()

    def close(self) -> None:
        ours = logging.getLogger("pam_receiver")
        ours.removeHandler(self._log)
        ours.setLevel(logging.NOTSET)
        ours.propagate = True
        if self.store is not None:
            self.store.close()
        self._folder.cleanup()

    def _renew(self) -> Receiver:
        if self.store is not None:
            self.store.close()
        file = Path(self._folder.name) / f"{self._runs}.db"
        file.write_bytes(self._template)
        self.store = Store.open(f"sqlite:///{file}")
        return Receiver(self.store, sources=self._sources, max_block_bytes=LIMIT)

    def __call__(self, data: bytes) -> None:
        self._runs += 1
        if self._runs % _RUNS_OF_A_STORE == 0:
            self._receiver = self._renew()
        self._log.lines.clear()
        at = BEGINS_AT + timedelta(seconds=self._runs)
        decoder = FrameDecoder(max_block_bytes=LIMIT)
        try:
            batch = [*decoder.feed(data), *decoder.finish()]
        except BlockTooLarge as error:
            batch = error.complete
            _check_outcome(self._receiver.receive_oversize(Incoming(error.head, _PEER, at)))
        outcomes = self._receiver.receive([Incoming(raw, _PEER, at) for raw in batch])
        assert len(outcomes) == len(batch)
        for outcome in outcomes:
            _check_outcome(outcome)
        told = [line for line in self._log.lines if CANARY in line or "message.failed" in line]
        assert not told, told


class _Log(logging.Handler):
    """Keeps every line as both formatters write it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._formatters = (JsonFormatter(), TextFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [each.format(record) for each in self._formatters]


def cut(data: bytes) -> list[bytes]:
    """The messages in the blocks of a stream, or all of it as one when there is no block."""
    decoder = FrameDecoder(max_block_bytes=LIMIT)
    try:
        return [*decoder.feed(data), *decoder.finish()] or [data]
    except BlockTooLarge as error:
        return [*error.complete, error.head]


def _check_findings(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        said = f"{finding.text('fr')} {finding.text('en')} {finding.at}"
        assert CANARY not in said, finding.rule
        assert "{" not in said.replace("{", "", said.count("}")), finding.rule


def _check_outcome(outcome: Outcome) -> None:
    assert INTERNAL_ERROR.id not in {rule for rule, _ in outcome.rules}, INTERNAL_ERROR.id
    answer = decode_ack(outcome.ack)
    assert answer.code == outcome.ack_code
    assert answer.code in {"AA", "AE", "AR"}
    assert len(outcome.ack) <= MOST_ACK_BYTES
    segments = outcome.ack.split(b"\r")
    assert segments.pop() == b""
    assert [each[:4] for each in segments] == [b"MSH|", b"MSA|", *[b"ERR|"] * (len(segments) - 2)]
    assert not any(sign in outcome.ack for sign in (b"\x0b", b"\x1c", b"\n", b"\x1b", b"\x00"))
    assert not any(CANARY.encode() in each for each in segments[2:])
