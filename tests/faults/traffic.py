"""What a hospital sends of invented people, in families of messages: creations, updates, merges, new identifiers.

Families have nothing in common with one another, so that each may come on a connection of its own, in any order among
them; the messages of one come in order. What must be held at the end follows from that alone.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from stdnum.fr import nir

_AUTHORITY: Final = "CHU-LYRE&1.2.250.1.999.77&ISO"
_NIR: Final = "ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO"
_STRUCTURES: Final = {"A28": "ADT_A05", "A31": "ADT_A05", "A40": "ADT_A39", "A47": "ADT_A30"}
FAMILY_SIZE: Final = 10
_YEARS: Final = 50  # of birth; with the twelve months, one woman for each in a commune of Loire-Atlantique


@dataclass(frozen=True, slots=True)
class Sent:
    """One message: its MSH-10, its bytes, and the code that it must be answered with."""

    control_id: str
    raw: bytes
    answer: str = "AA"


def family(number: int, *, prefix: str = "F") -> tuple[Sent, ...]:
    """The ten messages of one family: two records of one woman, of which one is absorbed, then one that has a child."""
    name = f"{prefix}{number}"
    one, two, new = (f"{kind}{number:07}" for kind in (71, 72, 73))
    year, month = 40 + number % _YEARS, 1 + number // _YEARS % 12
    commune = 44001 + number // _YEARS // 12
    ins = _matricule(f"2{year}{month:02}{commune}000")  # an order number that is given to nobody

    def say(step: int, event: str, ipp: str, answer: str = "AA", **more: str) -> Sent:
        control_id = f"{name}-{step}"
        born = f"19{year}{month:02}23"
        raw = _message(event, control_id, ipp, step=step, born=born, commune=commune, **more)
        return Sent(control_id, raw, answer)

    return (
        say(0, "A28", one),
        say(1, "A28", two),
        say(2, "A31", one, used="MORVAN^ANNE"),
        say(3, "A31", one, used="MORVAN^ANNE"),  # nothing new: no version
        say(4, "A31", one, used="MORVAN^ANNE", status="VALI", ins=ins),
        say(5, "A40", one, used="MORVAN^ANNE", status="VALI", ins=ins, mrg=two),
        say(6, "A31", "", answer="AE"),  # of nobody: refused, and a repeat is refused again
        say(7, "A47", new, used="MORVAN^ANNE", status="VALI", ins=ins, mrg=one),
        say(8, "A31", new, used="MORVAN^ANNE", status="VALI~DOUB", ins=ins),  # an alert
        say(9, "A31", new, used="CORRE^ANNE", status="VALI", ins=ins),
    )


def _matricule(stem: str) -> str:
    return stem + nir.calc_check_digits(stem)


def _message(
    event: str,
    control_id: str,
    ipp: str,
    *,
    step: int,
    born: str,
    commune: int,
    used: str = "",
    status: str = "PROV",
    ins: str = "",
    mrg: str = "",
) -> bytes:
    at = f"202603020800{step:02}"
    pid3 = [f"{ipp}^^^{_AUTHORITY}^PI"] if ipp else []
    pid3 += [f"{ins}^^^{_NIR}^INS"] if ins else []
    names = ["KERGUELEN^ANNE^ANNE SOLENE^^^^L"] + ([f"{used}^^^^^D"] if used else [])
    return (
        f"MSH|^~\\&|GAM|CHU-LYRE|PAM-RECEIVER|DMN|{at}||ADT^{event}^{_STRUCTURES[event]}|{control_id}|P|2.5^FRA^2.11"
        f"|||||FRA|UNICODE UTF-8|FR||2.11^IHE_FRANCE-2.11-PAM\r"
        f"EVN||{at}||||{at}\r"
        f"PID|1||{'~'.join(pid3)}||{'~'.join(names)}||{born}|F"
        f"|||^^LIEU^^^FRA^BDL^^{commune}|||||||||||||||||||||{status}|{at}\r"
        + (f"MRG|{mrg}^^^{_AUTHORITY}^PI\r" if mrg else "")
        + ("PV1|1|N\r" if event in ("A28", "A31") else "")
    ).encode()


def conflicting(count: int, chance: random.Random) -> Iterator[bytes]:
    """Messages by chance about few identities at a time, which touch each other: each says something of another one.

    Numbers go and new ones come, for whoever was absorbed or has a new number is refused from then on. One message in
    ten is one that was sent before, word for word.
    """
    sent: list[bytes] = []
    for number in range(count):
        if sent and chance.random() < 0.1:
            yield chance.choice(sent[-50:])
            continue
        pool = [f"{81_000_000 + number // 50 + offset}" for offset in range(12)]
        one, other, third = chance.sample(pool, 3)
        event = chance.choices(("A28", "A31", "A40", "A47"), (30, 45, 15, 10))[0]
        is_qualified = chance.random() < 0.4
        raw = _message(
            event,
            f"C{number}" if chance.random() < 0.97 else "C-AGAIN",
            f"{one}^^^{_AUTHORITY}^PI~{third}" if event == "A31" and chance.random() < 0.05 else one,
            step=chance.randrange(60),
            born=f"1940{1 + chance.randrange(2):02}23",
            commune=44001,
            used=chance.choice(("", "MORVAN^ANNE", "CORRE^ANNE")),
            status="VALI" if is_qualified else "PROV",
            ins=_matricule(f"24{chance.randrange(4)}0144001000") if is_qualified else "",
            mrg=other if event in ("A40", "A47") else "",
        )
        sent.append(raw)
        yield raw


def streams(numbers: Sequence[int], connections: int, *, prefix: str = "F") -> list[list[Sent]]:
    """The messages of these families, dealt out to so many connections; on each, three families are interleaved."""
    dealt: list[list[Sent]] = []
    for first in range(connections):
        mine = numbers[first::connections]
        dealt.append([])
        for begin in range(0, len(mine), 3):
            dealt[-1] += interleaved([family(number, prefix=prefix) for number in mine[begin : begin + 3]])
    return dealt


def interleaved(families: Sequence[Sequence[Sent]]) -> Iterator[Sent]:
    for step in range(FAMILY_SIZE):
        yield from (each[step] for each in families)
