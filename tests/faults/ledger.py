"""What a database must hold after a fault: read from its tables, compared with a run without any fault."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from faults.traffic import Sent
from golden import PEER, make_receiver
from sqlalchemy import Connection, select

from pam_receiver.config import load_settings
from pam_receiver.hl7.ack import decode_ack
from pam_receiver.receive import Incoming
from pam_receiver.store import Store, queries
from pam_receiver.store.rows import identity_from_json
from pam_receiver.store.said import ack_columns, read_ack
from pam_receiver.store.schema import alert, identity_version, merge_link, message


@dataclass(frozen=True, slots=True)
class Journalled:
    """One row of the journal."""

    id: str
    control_id: str
    code: str
    ack: bytes = field(repr=False)
    repeat_of: str | None


@dataclass(frozen=True, slots=True)
class Effects:
    """What the messages did, by their control ids. An identity is known by the message that made it: ids differ."""

    versions: Mapping[str, list[tuple[object, ...]]]
    merges: Mapping[str, list[tuple[object, ...]]]
    alerts: Mapping[str, list[tuple[object, ...]]]

    def of(self, control_ids: Collection[str]) -> "Effects":
        """Those of these messages alone."""
        parts = ({name: part[name] for name in part if name in control_ids} for part in self._parts())
        return Effects(*parts)

    def _parts(self) -> tuple[Mapping[str, list[tuple[object, ...]]], ...]:
        return self.versions, self.merges, self.alerts


@contextmanager
def reading(url: str) -> Iterator[Store]:
    store = Store.open(url, read_only=True)
    try:
        yield store
    finally:
        store.close()


def read_journal(connection: Connection) -> list[Journalled]:
    columns = (message.c.id, message.c.control_id, message.c.ack_code, message.c.repeat_of, *ack_columns())
    rows = connection.execute(select(*columns).order_by(message.c.id))
    return [Journalled(row.id, row.control_id, row.ack_code, read_ack(row).raw, row.repeat_of) for row in rows]


def read_effects(connection: Connection, journal: Sequence[Journalled]) -> Effects:
    """Read what every message did; fail on a row whose message is not there, was refused, or is a repeat."""
    made_by = {each.id: each.control_id for each in journal if each.code == "AA" and each.repeat_of is None}
    rows = connection.execute(
        select(identity_version).order_by(identity_version.c.identity_id, identity_version.c.number)
    ).all()
    names = {row.identity_id: made_by[row.message_id] for row in rows if row.number == 1}
    versions, merges, alerts = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in rows:
        versions[made_by[row.message_id]].append(
            (names[row.identity_id], row.number, row.status, _plain(row.changes, names), _plain(row.snapshot, names))
        )
    for row in connection.execute(select(merge_link)):
        merges[made_by[row.message_id]].append((names[row.absorbed], names[row.survivor]))
    for row in connection.execute(select(alert)):
        alerts[made_by[row.message_id]].append((names[row.identity_id], row.rule, row.state))
    return Effects(*({name: sorted(part[name]) for name in part} for part in (versions, merges, alerts)))


def _plain(value: object, names: Mapping[str, str]) -> str:
    """A JSON value as text, in which an identity's id is the name of the message that made it."""
    if isinstance(value, dict):
        value = {key: names.get(part, part) if isinstance(part, str) else part for key, part in value.items()}
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    for each in _ids_in(text, names):
        text = text.replace(each, names[each])
    return text


def _ids_in(text: str, names: Mapping[str, str]) -> set[str]:
    """The identity ids that stand in a text, between quotation marks."""
    return {part for part in text.split('"') if part in names}


def effects_without_fault(messages: Sequence[Sent], file: Path, template: Path) -> Effects:
    """What these messages do when nothing goes wrong, one after the other."""
    file.write_bytes(template.read_bytes())
    store = Store.open(f"sqlite:///{file}")
    try:
        receiver = make_receiver(store, load_settings({}), new_message_id=None)
        for begin in range(0, len(messages), 200):
            batch = messages[begin : begin + 200]
            outcomes = receiver.receive([Incoming(each.raw, PEER, datetime.now(UTC)) for each in batch])
            assert [outcome.ack_code for outcome in outcomes] == [each.answer for each in batch]
        with store.read() as connection:
            return read_effects(connection, read_journal(connection))
    finally:
        store.close()


def check_kept(url: str, answered: Mapping[str, bytes], without_fault: Effects) -> None:
    """Every AA has its message, its identity and exactly one version of each; of no message is there a part only."""
    with reading(url) as store:
        with store.read() as connection:
            journal = read_journal(connection)
            effects = read_effects(connection, journal)
            if connection.dialect.name == "sqlite":
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
                assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        firsts = _check_journal(journal, answered)
        assert effects == without_fault.of(firsts)
        _check_identities(store, effects)


def _check_journal(journal: Sequence[Journalled], answered: Mapping[str, bytes]) -> frozenset[str]:
    """Check each answer that a sender got against the journal; return what was accepted, each once and once only."""
    firsts = {each.control_id: each for each in journal if each.code == "AA" and each.repeat_of is None}
    assert len(firsts) == sum(each.code == "AA" and each.repeat_of is None for each in journal), "accepted twice"
    for each in journal:
        assert decode_ack(each.ack).code == each.code
        if each.repeat_of is not None:
            first = firsts[each.control_id]
            assert (each.repeat_of, each.ack) == (first.id, first.ack)
    refused = {(each.control_id, each.ack) for each in journal if each.code != "AA"}
    for control_id, ack in answered.items():
        first_ack = firsts[control_id].ack if control_id in firsts else None
        assert ack == first_ack or (control_id, ack) in refused, f"{control_id} was answered, and is not in the journal"
    return frozenset(firsts)


def _check_identities(store: Store, effects: Effects) -> None:
    """Every identity is as its last version says, and has as many versions as it counts."""
    numbers: dict[object, list[object]] = defaultdict(list)
    for made in effects.versions.values():
        for name, number, *_ in made:
            numbers[name].append(number)
    assert all(sorted(each) == list(range(1, len(each) + 1)) for each in numbers.values())
    held = [identity for page in queries.read_all_identities(store) for identity in page]
    assert len(held) == len(numbers)
    with store.read() as connection:
        last = select(identity_version.c.identity_id, identity_version.c.number, identity_version.c.snapshot)
        snapshots = {(row.identity_id, row.number): row.snapshot for row in connection.execute(last)}
    for identity in held:
        version = identity_from_json(snapshots[identity.id, identity.version])
        assert identity == replace(version, dated_at=identity.dated_at)
        assert version.dated_at is None or (identity.dated_at or version.dated_at) >= version.dated_at
