"""What each pure step of the core takes per message, beside plain ``str.split`` of the same messages."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import hl7

from pam_receiver.adt import ReadingRules, read_event
from pam_receiver.hl7.ack import AckCode, Verdict, build_ack
from pam_receiver.hl7.er7 import parse_message
from pam_receiver.hl7.header import read_header
from pam_receiver.hl7.mllp import FrameDecoder, encode_frame
from pam_receiver.identity.decide import decide
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import Occasion, Policy
from pam_receiver.ids import MessageIds
from pam_receiver.profile.check import check_message
from pam_receiver.profile.load import load_profiles

_ROUNDS: Final = 5  # the best one counts: the others met something else on the machine
_READ_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Step:
    """``us``: microseconds per message, the best of some rounds."""

    name: str
    us: float


def measure_steps(messages: Sequence[bytes]) -> tuple[float, list[Step]]:
    """Return what ``str.split`` into segments and fields takes per message (µs), and each step of the core."""
    profiles, policy, ids, at = load_profiles(), Policy(), MessageIds(), datetime.now(UTC)
    asked = ReadingRules(frozenset({"P", "T", "D"}), ZoneInfo("Europe/Paris"))
    stream = b"".join(map(encode_frame, messages))
    texts = [raw.decode() for raw in messages]
    parsed = [parse_message(raw) for raw in messages]
    headers = [read_header(message) for message in parsed]
    readings = [read_event(m, h, asked) for m, h in zip(parsed, headers, strict=True)]
    events = [reading.event for reading in readings]
    occasions = [Occasion(ids(), h.control_id, h.sender, at, r.dated) for h, r in zip(headers, readings, strict=True)]
    said = [
        (*check_message(m, profiles.select(h)), *r.findings) for m, h, r in zip(parsed, headers, readings, strict=True)
    ]

    def decode() -> None:
        decoder = FrameDecoder()
        for begin in range(0, len(stream), _READ_BYTES):
            decoder.feed(stream[begin : begin + _READ_BYTES])

    def parse() -> None:
        for raw in messages:
            for segment in parse_message(raw).segments:
                _ = segment.cells

    def header() -> None:
        for message in parsed:
            read_header(message)

    def check() -> None:
        for m, h in zip(parsed, headers, strict=True):
            check_message(m, profiles.select(h))

    def read() -> None:
        for m, h in zip(parsed, headers, strict=True):
            read_event(m, h, asked)

    def settle() -> None:
        known = Known()
        for event, occasion in zip(events, occasions, strict=True):
            if event is not None:
                decision = decide(event, known, occasion, policy)
                known.apply(decision)

    def answer() -> None:
        for h, findings in zip(headers, said, strict=True):
            build_ack(h, Verdict(AckCode.AA, findings), control_id="1", at=at, lang="fr")

    def split() -> None:
        for text in texts:
            _ = [segment.split("|") for segment in text.split("\r")]

    def parse_with_hl7() -> None:
        for text in texts:
            hl7.parse(text)

    count = len(messages)
    own: tuple[tuple[str, Callable[[], None]], ...] = (
        ("FrameDecoder.feed", decode),
        ("parse_message, all fields split", parse),
        ("read_header", header),
        ("check_message", check),
        ("read_event", read),
        ("decide", settle),
        ("build_ack", answer),
    )
    steps = [Step(name, _time(run, count)) for name, run in own]
    steps.append(Step("all of these", sum(step.us for step in steps)))
    steps.append(Step("python-hl7 hl7.parse, to compare", _time(parse_with_hl7, count, rounds=2)))
    return _time(split, count), steps


def _time(run: Callable[[], None], count: int, *, rounds: int = _ROUNDS) -> float:
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter_ns()
        run()
        best = min(best, time.perf_counter_ns() - begun)
    return best / 1000 / count
