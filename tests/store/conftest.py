"""Invented identities and messages for the tests of the store."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from uuid import UUID

import pytest
from hypothesis import strategies as st

from pam_receiver.finding import ErrorCode, Finding, Location, Rule, Severity
from pam_receiver.hl7.ack import Ack
from pam_receiver.identity.identifiers import INS_OIDS, AssigningAuthority, Ins, PatientIdentifier
from pam_receiver.identity.model import Alert, Change, Difference, Identity, MergeLink
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.identity.traits import StrictTraits
from pam_receiver.store import MessageRecord, Store

NOW = datetime(2025, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
HOSPITAL = AssigningAuthority("CHU-LYRE", "1.2.250.1.999.77", "ISO")
RULE = Rule("a-rule", ErrorCode.DATA_TYPE, Severity.W, "Corrigez.", "Correct it.", "HL7 v2.5 §2.9")

st.register_type_strategy(Ins, st.builds(Ins, st.text(), st.sampled_from(sorted(INS_OIDS))))


class Author:
    """Makes messages, identities and changes, each with an id of its own."""

    now = NOW
    hospital = HOSPITAL
    sender = ("GAM", "CHU-LYRE")

    def __init__(self) -> None:
        self._numbers = count(1)

    def new_id(self) -> str:
        return str(UUID(int=(1 << 100) + next(self._numbers)))

    def message(self, **values: object) -> MessageRecord:
        made = self.new_id()
        raw = f"MSH|^~\\&|{made}".encode()
        defaults: dict[str, object] = {
            "id": made,
            "received_at": NOW,
            "peer": "192.0.2.1:40000",
            "raw": raw,
            "digest": sha256(raw).digest(),
            "sending_application": "GAM",
            "sending_facility": "CHU-LYRE",
            "control_id": made[-6:],
            "event": "A28",
            "ack_code": "AA",
            "ack": Ack(b"MSH|^~\\&|\rMSA|AA|1\r"),
            "findings": (self.finding(),),
            "repeat_key": sha256(made.encode()).digest(),
            "encoding": "utf-8",
        }
        return MessageRecord(**{**defaults, **values})  # type: ignore[arg-type]

    def finding(self) -> Finding:
        return RULE.at(Location("PID", 1, 11, 2, 9))

    def ipp(self, value: str, *, active: bool = True) -> PatientIdentifier:
        return PatientIdentifier(value, "PI", HOSPITAL, active)

    def identity(self, *ipps: str, matricule: str | None = None, **values: object) -> Identity:
        made = Identity(
            id=self.new_id(),
            version=1,
            status=IdentityStatus.QUALIFIEE if matricule else IdentityStatus.PROVISOIRE,
            ins=Ins(matricule, "1.2.250.1.213.1.4.10") if matricule else None,
            traits=StrictTraits("KERGUELEN", "ANNE", "ANNE SOLENE MARIE", "1959-01-23", "F", "44109"),
            identifiers=tuple(self.ipp(value) for value in ipps),
        )
        return replace(made, **values)  # type: ignore[arg-type]

    def creation(self, identity: Identity) -> Change:
        return Change(None, identity, (Difference("created", None, True),))

    def change(self, before: Identity, **values: object) -> Change:
        after = replace(before, version=before.version + 1, **values)  # type: ignore[arg-type]
        return Change(before, after, tuple(Difference(what, None, None) for what in values))

    def alert(self, identity: Identity | None) -> Alert:
        return Alert(identity.id if identity else None, self.finding())

    def keep(self, store: Store, *changes: Change) -> list[MessageRecord]:
        """Write one message for each change, in one transaction; a change that absorbs writes its link too."""
        messages = [self.message() for _ in changes]
        links = [
            MergeLink(change.after.id, change.after.merged_into, NOW, message.id, message.control_id)
            for message, change in zip(messages, changes, strict=True)
            if change.after.merged_into is not None
        ]
        caused = [(message.id, change) for message, change in zip(messages, changes, strict=True)]
        with store.begin() as tx:
            tx.write(messages=messages, changes=caused, merges=links, at=NOW)
        return messages

    def create(self, store: Store, *identities: Identity) -> list[MessageRecord]:
        return self.keep(store, *(self.creation(identity) for identity in identities))


@pytest.fixture
def author() -> Author:
    return Author()


@pytest.fixture
def other_store(database_url: str) -> Iterator[Store]:
    """A second store on the database of ``store``."""
    opened = Store.open(database_url, lock_timeout_s=0.2)
    yield opened
    opened.close()


@pytest.fixture
def read_store(database_url: str) -> Iterator[Store]:
    """The database of ``store``, opened only to read."""
    opened = Store.open(database_url, read_only=True, lock_timeout_s=0.2)
    yield opened
    opened.close()
