"""The golden conversations: what is sent, what must be answered, and what must be held at the end."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pam_receiver.cli import parts
from pam_receiver.config import Settings, load_settings, read_sources
from pam_receiver.hl7.ack import decode_ack
from pam_receiver.receive import Incoming, Outcome, Receiver
from pam_receiver.store import IdentityView, Store, queries

FOLDER: Final = Path(__file__).parent / "conversations"
PEER: Final = "192.0.2.1:40000"
BEGINS_AT: Final = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)  # 8:00 in Paris; a minute between two messages
_ENDS: Final = {"CR": b"\r", "CRLF": b"\r\n", "LF": b"\n"}
_KEYS: Final = {"title", "spec", "segment_end", "port", "answers", "alerts", "nobody", "identities"}
_TABLES: Final = {"settings", "source", "identity"}


@dataclass(frozen=True, slots=True)
class Conversation:
    """One folder of ``conversations``; its README.md says what each key of ``case.toml`` means."""

    folder: Path
    title: str
    spec: str
    messages: tuple[bytes, ...]
    answers: tuple[str, ...]
    alerts: tuple[str, ...]
    nobody: tuple[str, ...]
    identities: int | None
    expected: tuple[Mapping[str, object], ...]
    settings: Settings
    port: int | None = None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def incoming(self) -> tuple[Incoming, ...]:
        at = (BEGINS_AT + timedelta(minutes=n) for n in range(len(self.messages)))
        return tuple(Incoming(raw, PEER, when, self.port) for raw, when in zip(self.messages, at, strict=True))

    @property
    def golden_acks(self) -> tuple[bytes, ...]:
        return split(_read(self.folder / "ack.hl7"), b"\r")


def _read(file: Path) -> bytes:
    return file.read_bytes()


def split(data: bytes, segment_end: bytes) -> tuple[bytes, ...]:
    """Cut a golden file into messages: an empty line stands between two, a line is a segment."""
    return tuple((part.rstrip(b"\n") + b"\n").replace(b"\n", segment_end) for part in data.split(b"\n\n") if part)


def join(messages: tuple[bytes, ...]) -> bytes:
    """Write messages (segments ended by CR) as a golden file."""
    return b"\n".join(message.replace(b"\r", b"\n") for message in messages)


def load(folder: Path) -> Conversation:
    case: dict[str, Any] = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
    assert case.keys() <= _KEYS | _TABLES, case.keys() - _KEYS - _TABLES
    return Conversation(
        folder=folder,
        title=case["title"],
        spec=case["spec"],
        messages=split(_read(folder / "in.hl7"), _ENDS[case.get("segment_end", "CR")]),
        answers=tuple(case["answers"]),
        alerts=tuple(case.get("alerts", ())),
        nobody=tuple(case.get("nobody", ())),
        identities=case.get("identities"),
        expected=tuple(case.get("identity", ())),
        settings=load_settings(case.get("settings", {})).model_copy(
            update={"sources": read_sources(case.get("source", []), folder / "case.toml")}
        ),
        port=case.get("port"),
    )


CONVERSATIONS: Final = tuple(load(folder.parent) for folder in sorted(FOLDER.glob("*/case.toml")))


def message_ids() -> Callable[[], str]:
    """Ids that sort, the same in every run. Their first half goes into the MSH-10 of our answers."""
    numbers = count(1)
    return lambda: str(UUID(int=(0x0190_0000_0000_7000 << 64) | (next(numbers) << 80)))


def make_receiver(store: Store, settings: Settings, **options: Any) -> Receiver:
    """A receiver by the settings of a conversation, whose clock stands still."""
    return Receiver(
        store,
        sources=parts.make_sources(settings),
        answers=parts.make_answer_style(settings),
        **{"new_message_id": message_ids(), "now": lambda: BEGINS_AT, **options},
    )


def told(outcome: Outcome) -> str:
    """An outcome as ``case.toml`` writes it: the code of the answer, then its rules in their order of ABC."""
    return " ".join([outcome.ack_code, *sorted({rule for rule, _ in outcome.rules})])


def told_by(ack: bytes) -> str:
    """The same, read from the acknowledgement itself."""
    decoded = decode_ack(ack)
    return " ".join([decoded.code, *sorted({error.rule for error in decoded.errors})])


def describe(store: Store, view: IdentityView) -> dict[str, object]:
    """An identity in the words of ``case.toml``."""
    one = view.identity
    survivor = queries.find_identity(store, view.merged_into) if view.merged_into else None
    traits = {name: getattr(one.traits, name) for name in type(one.traits).__dataclass_fields__}
    return {
        **{name: value or "" for name, value in traits.items()},
        "active": one.active,
        "status": one.status.value,
        "version": one.version,
        "ins": one.ins.matricule if one.ins else "",
        "ipps": [each.value for each in one.ipps],
        "other": [f"{each.value} {each.type}" for each in one.identifiers if each.active and each.type != "PI"],
        "former": [f"{each.value} {each.type}" for each in one.identifiers if not each.active],
        "ended": [f"{each.ins.matricule} {each.reason}" for each in one.ended_ins],
        "authority": one.ipps[0].authority.key if one.ipps else "",
        "attributes": [each.value for each in one.attributes],
        "codes": list(one.reliability_codes),
        "used_family_name": one.used_family_name or "",
        "used_given_name": one.used_given_name or "",
        "survivor": survivor.identity.ipps[0].value if survivor else "",
        "history": [each.event for each in queries.find_history(store, one.id)],
    }


def all_messages() -> Iterator[tuple[str, bytes]]:
    """Every golden message and answer, with a name for it."""
    for each in CONVERSATIONS:
        for n, raw in enumerate(each.messages, 1):
            yield f"{each.name} message {n}", raw
        for n, raw in enumerate(each.golden_acks, 1):
            yield f"{each.name} answer {n}", raw


def adt(ipp: str, control_id: str, *, event: str = "A28", sex: str = "F", charset: str = "UNICODE UTF-8") -> bytes:
    """A PAM FR message of ITI-30 about an invented person, without a fault: for tests that need any message."""
    at = "20260302080000"
    return (
        f"MSH|^~\\&|GAM|CHU-LYRE|PAM-RECEIVER|DMN|{at}||ADT^{event}^ADT_A05|{control_id}|P|2.5^FRA^2.11"
        f"|||||FRA|{charset}|FR||2.11^IHE_FRANCE-2.11-PAM\r"
        f"EVN||{at}||||{at}\r"
        f"PID|1||{ipp}^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI||KERGUELEN^ANNE^ANNE SOLENE^^^^L||19590123|{sex}"
        f"|||^^NANTES^^^FRA^BDL^^44109|||||||||||||||||||||PROV|{at}\r"
        "PV1|1|N\r"
    ).encode()
