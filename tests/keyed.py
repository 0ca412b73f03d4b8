"""Keys for the tests, stores that use them, and a database that has received the morning of the demo."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from pam_receiver.cli import parts
from pam_receiver.cli.morning import morning
from pam_receiver.config import Settings
from pam_receiver.ids import MessageIds
from pam_receiver.receive import Incoming, Outcome, Receiver
from pam_receiver.store import Actor, Store
from pam_receiver.store.crypt import Keyed
from pam_receiver.store.keys import Key, KeyRing

WHO: Final = Actor("operator", "os-user", "machine")
MORNING_AT: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
PEER: Final = "192.0.2.1:40000"


def key(name: str) -> Key:
    return Key(name, sha256(name.encode()).digest())


def keyed(*names: str, encrypts: bool = True) -> Keyed:
    """What seals with the first of these keys."""
    ring = KeyRing(tuple(key(name) for name in names or ("k1",)))
    return Keyed(lambda: ring, encrypts=encrypts)


def open_keyed(url: str, *names: str, encrypts: bool = True, read_only: bool = False) -> Store:
    return Store.open(url, lock_timeout_s=5.0, sealing=keyed(*names, encrypts=encrypts), read_only=read_only)


def make_receiver(store: Store, *, at: datetime | None = None) -> Receiver:
    """``at``: the time in the ids of its messages; ``None``: now."""
    sources = parts.make_sources(Settings(environment="test"))
    if at is None:
        return Receiver(store, sources=sources)
    ns = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) * 1_000_000
    return Receiver(store, sources=sources, new_message_id=MessageIds(lambda: ns))


def receive(store: Store, *raw: bytes, at: datetime = MORNING_AT) -> list[Outcome]:
    receiver = make_receiver(store)
    return [receiver.receive([Incoming(each, PEER, at)])[0] for each in raw]


def receive_morning(store: Store, *, at: datetime = MORNING_AT) -> Sequence[Outcome]:
    """Receive the messages of the demo, one an hour, the first one at ``at``."""
    hours = [at + timedelta(hours=number) for number, _ in enumerate(morning())]
    return [
        make_receiver(store, at=hour).receive([Incoming(scene.raw, PEER, hour)])[0]
        for hour, scene in zip(hours, morning(), strict=True)
    ]
