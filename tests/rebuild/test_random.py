"""Any sequence of messages and of what operators do leaves a store that its journal makes again, word for word."""

import random
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from golden import adt

from pam_receiver.rebuild.unmerge import Unmerge, plan_unmerge, unmerge
from pam_receiver.store import queries
from pam_receiver.store.erasure import erase, find_traces
from pam_receiver.store.retention import prune
from pam_receiver.store.trail import verify_trail

from .conftest import LATER, WHO, Hospital, a40, at, keyed, qualified

IPPS = ("100", "101", "102", "103", "104")
NAMES = (b"ANNE", b"SOLENE")
TOO_STRICT: dict[str, Any] = {"incomplete_qualified_identity": "reject"}
ACCEPTS: dict[str, Any] = {"incomplete_qualified_identity": "accept"}
LEAVES_LATE: dict[str, Any] = {"stale_updates": "ignore"}


class Walk:
    """A way through what can happen to a hospital, by chance."""

    def __init__(self, hospital: Hospital, seed: int) -> None:
        self.hospital = hospital
        self.chance = random.Random(seed)
        self.sent: list[bytes] = []
        self.did: list[str] = []

    def go(self, steps: int) -> None:
        acts: list[tuple[int, Callable[[], None]]] = [
            (12, self.send),
            (2, self.unmerge),
            (1, self.erase),
            (1, self.prune),
            (1, self.replay),
        ]
        for _ in range(steps):
            (act,) = self.chance.choices([each for _, each in acts], [weight for weight, _ in acts])
            self.did.append(act.__name__)
            act()

    def send(self) -> None:
        batch = [self.message() for _ in range(self.chance.randrange(1, 5))]
        settings = self.chance.choice((TOO_STRICT, ACCEPTS, LEAVES_LATE))
        self.hospital.receive(*batch, batch=self.chance.choice((1, len(batch))), **settings)
        self.sent += batch

    def message(self) -> bytes:
        if self.sent and self.chance.random() < 0.15:
            return self.chance.choice(self.sent)  # word for word
        ipp, other = self.chance.sample(IPPS, 2)
        control_id, kind = f"{self.chance.randrange(60)}", self.chance.random()
        if kind < 0.2:
            return self.dated(a40(ipp, other, control_id))
        if kind < 0.35:
            return self.dated(a47(ipp, f"{self.chance.randrange(105, 109)}", control_id))
        raw = adt(ipp, control_id, event=self.chance.choice(("A28", "A31", "A31")), sex=self.chance.choice("FM"))
        raw = raw.replace(b"^ANNE^ANNE ", b"^%b^%b " % ((self.chance.choice(NAMES),) * 2))
        if kind < 0.6:
            raw = qualified(raw)
        return self.dated(raw.replace(b"|19590123|F", b"|19590123|") if kind < 0.42 else raw)

    def dated(self, raw: bytes) -> bytes:
        return raw.replace(b"20260302080000", b"20260302%02d0000" % self.chance.randrange(1, 8))

    def someone(self) -> str | None:
        with closing(self.hospital.open(read_only=True)) as store:
            ids = [each.id for page in queries.read_all_identities(store) for each in page if each.identifiers]
        return self.chance.choice(ids) if ids else None

    def unmerge(self) -> None:
        with closing(self.hospital.open()) as store:
            merged = [
                each.id
                for page in queries.read_all_identities(store)
                for each in page
                if each.merged_into is not None and each.identifiers
            ]
            plan = plan_unmerge(store, self.chance.choice(merged)) if merged else None
            if not isinstance(plan, Unmerge):
                return
            minute, self.hospital.count = self.hospital.count, self.hospital.count + 1
            unmerge(store, plan, actor=WHO, reason="why", new_id=self.hospital._ids(), at=at(minute))

    def erase(self) -> None:
        if (chosen := self.someone()) is None:
            return
        with closing(self.hospital.open()) as store:
            search, _ = find_traces(store, chosen)
            erase(store, search, actor=WHO, reason="why", now=lambda: LATER)

    def prune(self) -> None:
        with closing(self.hospital.open()) as store:
            prune(store, before=at(self.chance.randrange(self.hospital.count + 1)), actor=WHO, now=lambda: LATER)

    def replay(self) -> None:
        self.hospital.replay(is_for_good=True, settings=ACCEPTS)


def a47(new: str, old: str, control_id: str) -> bytes:
    """An A47 by which the identity of ``old`` goes on as ``new``."""
    return a40(new, old, control_id).replace(b"ADT^A40^ADT_A39", b"ADT^A47^ADT_A30")


@pytest.mark.parametrize("seed", [1, 5, 8, 9])
def test_it_is_verified_whatever_has_happened(hospital: Hospital, seed: int) -> None:
    hospital.sealing = keyed(encrypts=bool(seed % 2))
    walk = Walk(hospital, seed)
    walk.go(30)
    found = hospital.verify()
    assert not found.differs, (walk.did, found)
    before = hospital.histories()
    hospital.execute("UPDATE identity SET sex = 'U' WHERE erased_at IS NULL")
    hospital.rebuild()
    assert hospital.histories() == before
    with closing(hospital.open(read_only=True)) as store:
        assert verify_trail(store).first is None
