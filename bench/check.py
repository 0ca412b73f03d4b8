"""What the compiled check of a profile takes per message, beside ``str.split`` and hl7apy's validation of the same.

Only the ratios mean something, and only those of one run: the rounds are taken in turn, and the best of each counts.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gen_corpus import Corpus
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message as parse_with_hl7apy
from hl7apy.validation import Validator

from pam_receiver.hl7.er7 import Message, parse_message
from pam_receiver.profile.check import check_message
from pam_receiver.profile.load import load_profile

LIMIT: Final = 12.0  # times str.split: 60 µs where the split of a message of 1.1 kB takes 5
PROFILE: Final = "pam_fr/2.11"
_MESSAGES: Final = 400
_ROUNDS: Final = 40
_HL7APY_MESSAGES: Final = 5  # it takes some 10 ms for each
# A clean message is given five breaches: two types that are none, no reliability code, a nationality, a visit number.
_BREACHES: Final[Mapping[str, str]] = {
    "^N|IDENTITES": "^FINEG|IDENTITES",
    "^FINEG^^^": "^FINEGE^^^",
    "alpha-3||||N||VALI|": "alpha-3||FRA||N|||",
    "PV1|1|N\r": "PV1|1|N|||||||||||||||||7000000^^^CHU-X&000897406&N^VN\r",
}


@dataclass(frozen=True, slots=True)
class Timing:
    """What one message takes, in µs, and how many findings it has, on average."""

    name: str
    us: float
    findings: float


def spoil(text: str) -> str:
    """Return a clean message of the corpus with a handful of breaches."""
    for right, wrong in _BREACHES.items():
        text = text.replace(right, wrong, 1)
    return text


def measure_check(messages: Sequence[bytes], *, rounds: int = _ROUNDS) -> tuple[float, list[Timing]]:
    """Return what ``str.split`` into segments and fields takes per message (µs), and the checks of the same messages.

    The check is given messages that are read already, as in the receiver.
    """
    profile = load_profile(PROFILE)
    texts = [raw.decode() for raw in messages]
    clean = [parse_message(raw) for raw in messages]
    spoilt = [parse_message(spoil(text).encode()) for text in texts]

    def split() -> int:
        for text in texts:
            _ = [segment.split("|") for segment in text.split("\r")]
        return 0

    def check(parsed: Sequence[Message]) -> Callable[[], int]:
        return lambda: sum(len(check_message(message, profile)) for message in parsed)

    def validate() -> int:
        for text in texts[:_HL7APY_MESSAGES]:
            _validate_with_hl7apy(text)
        return 0

    runs: list[tuple[str, Callable[[], int], int]] = [
        ("str.split into segments and fields", split, len(texts)),
        ("check_message, clean", check(clean), len(clean)),
        ("check_message, a handful of breaches", check(spoilt), len(spoilt)),
    ]
    best = dict.fromkeys((name for name, _, _ in runs), float("inf"))
    found = dict.fromkeys(best, 0.0)
    for _ in range(rounds):
        for name, run, count in runs:
            us, findings = _time(run)
            best[name] = min(best[name], us / count)
            found[name] = findings / count
    us, _ = _time(validate)
    (split_name, *others) = best
    timings = [Timing(name, best[name], found[name]) for name in others]
    timings.append(Timing("hl7apy parse and validate", us / min(_HL7APY_MESSAGES, len(texts)), 0.0))
    return best[split_name], timings


def _time(run: Callable[[], int]) -> tuple[float, int]:
    begun = time.perf_counter_ns()
    findings = run()
    return (time.perf_counter_ns() - begun) / 1000, findings


def _validate_with_hl7apy(text: str) -> None:
    """As in a daemon that uses it: parse, then validate. It knows no Z segments of France."""
    known = "".join(f"{line}\r" for line in text.split("\r") if line and not line.startswith("Z"))
    message = parse_with_hl7apy(known, validation_level=VALIDATION_LEVEL.TOLERANT, force_validation=False)
    try:
        Validator.validate(message)
    except HL7apyException as error:
        raise AssertionError(f"hl7apy finds an error in a clean message: {type(error).__name__}") from None


def show_check(*, messages: int = _MESSAGES, rounds: int = _ROUNDS) -> None:
    """Measure and print."""
    raws = list(Corpus(messages).messages())
    split_us, timings = measure_check(raws, rounds=rounds)
    size = sorted(map(len, raws))[len(raws) // 2]
    head = f"check by {PROFILE}, one A28 of {size} bytes"
    print(f"{head:<44} {'µs':>9} {'× str.split':>12} {'findings':>9}")
    print(f"{'str.split into segments and fields':<44} {split_us:>9.1f} {1:>12.1f}")
    for each in timings:
        findings = "" if each.name.startswith("hl7apy") else f"{each.findings:>9.1f}"
        print(f"{each.name:<44} {each.us:>9.1f} {each.us / split_us:>12.1f} {findings}".rstrip())
    clean = timings[0].us / split_us
    print(
        f"limit for a clean message: {LIMIT:g} × str.split; here {clean:.1f}, {'within' if clean <= LIMIT else 'ABOVE'}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bench/check.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=_MESSAGES, metavar="N", help=f"N messages ({_MESSAGES})")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, metavar="N", help=f"the best of N rounds ({_ROUNDS})")
    asked = parser.parse_args()
    if min(asked.messages, asked.rounds) < 1:
        parser.error("numbers from 1 on are wanted")
    show_check(messages=asked.messages, rounds=asked.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
