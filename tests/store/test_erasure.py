"""Legal erasure: nothing of the person is left, nothing of anybody else goes; on both databases."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from keyed import WHO, make_receiver, open_keyed, receive, receive_morning
from people import adt, ins_cx, pid
from sqlalchemy import func, select

from pam_receiver.cli.morning import morning
from pam_receiver.identity.identifiers import Ins
from pam_receiver.identity.model import Identity
from pam_receiver.receive import Incoming
from pam_receiver.store import Store, StoreConflict, queries, retention
from pam_receiver.store import erasure as module
from pam_receiver.store.checkpoints import Held, find_checkpoint, read_checkpoint
from pam_receiver.store.erasure import Erasure, Search, erase, find_traces
from pam_receiver.store.keys import KeyMissing, NoKey
from pam_receiver.store.retention import prune
from pam_receiver.store.schema import (
    alert,
    audit_event,
    ended_ins,
    identifier,
    identity,
    identity_version,
    message,
    tombstone,
)

from .test_checkpoints import draft, finished

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FULL = "CHU-LYRE&1.2.250.1.999.77&ISO"
TEST_NIR = Ins("259014410900036", "1.2.250.1.213.1.4.10")  # of Anne, IPP 100 and 101, in the morning
WORDS = ("KERGUELEN", "SOLENE", "1959-01-23", "19590123", "259014410900036")


@pytest.fixture(params=[True, False], ids=["encrypted", "clear"])
def kept(request: pytest.FixtureRequest, database_url: str) -> Iterator[Store]:
    with closing(open_keyed(database_url, encrypts=request.param)) as opened:
        receive_morning(opened)
        yield opened


def found(store: Store, value: str) -> Identity:
    return queries.find_identities(store, value)[0].identity


def search(store: Store, value: str = "100") -> tuple[Search, Erasure]:
    return find_traces(store, found(store, value).id)


def erase_it(store: Store, value: str = "100") -> Erasure:
    return erase(store, search(store, value)[0], actor=WHO, reason="on demand", now=lambda: NOW)


def texts(store: Store) -> dict[str, bytes]:
    return {entry.id: entry.raw for page in queries.read_journal(store) for entry in page}


def dump(store: Store) -> str:
    """Every row of every table, texts decrypted."""
    shown = []
    with store.read() as connection:
        for table in (alert, audit_event, ended_ins, identifier, identity, identity_version, message, tombstone):
            shown += [repr(tuple(row)) for row in connection.execute(select(table))]
    return "\n".join([*shown, *map(repr, texts(store).values())])


def everybody(store: Store) -> dict[str, Identity]:
    return {each.id: each for page in queries.read_all_identities(store) for each in page}


def update_of(ipp: str, control_id: str, *segments: str, **values: object) -> bytes:
    person = pid(pid3=[f"{ipp}^^^{FULL}^PI"], codes=["PROV"], **values)  # type: ignore[arg-type]
    return adt("A31", person, *segments, msh={10: control_id}).raw


def journal(store: Store, *raw: bytes) -> list[str]:
    return [outcome.message_id for outcome in receive(store, *raw, at=NOW)]


class TestPerson:
    def test_nothing_is_left_but_ids_numbers_and_dates(self, kept: Store) -> None:
        gone = found(kept, "100")
        versions = queries.find_history(kept, gone.id)
        assert all(word in dump(kept) for word in WORDS)
        done = erase_it(kept)
        assert [word for word in WORDS if word in dump(kept)] == []
        view = queries.find_identity(kept, gone.id)
        assert view is not None
        assert view.identity == Identity(id=gone.id, active=False, version=gone.version)
        assert view.erased is not None
        assert (view.erased.at, view.erased.by, view.erased.reason) == (NOW, "operator", "on demand")
        assert (view.erased.versions, view.erased.messages) == (gone.version, done.messages)
        after = queries.find_history(kept, gone.id)
        assert [(each.version, each.at, each.message_id) for each in after] == [
            (each.version, each.at, each.message_id) for each in versions
        ]
        assert {(each.changes, each.identity.identifiers) for each in after} == {((), ())}

    def test_it_is_found_by_no_identifier_any_more(self, kept: Store) -> None:
        erase_it(kept)
        for value in ("100", "101", TEST_NIR.matricule):
            assert queries.find_identities(kept, value) == ()

    def test_those_merged_into_it_go_with_it(self, kept: Store) -> None:
        absorbed, survivor = found(kept, "101"), found(kept, "100")
        assert absorbed.merged_into == survivor.id
        done = erase_it(kept, "101")
        assert {each.id for each in done.identities} == {absorbed.id, survivor.id}
        left = queries.find_identity(kept, absorbed.id)
        assert left is not None
        assert left.erased is not None
        assert left.identity == Identity(
            id=absorbed.id, active=False, merged_into=survivor.id, version=absorbed.version
        )

    def test_nobody_else_changes(self, kept: Store) -> None:
        before, raw = everybody(kept), texts(kept)
        histories = {each: queries.find_history(kept, each) for each in before}
        done = erase_it(kept)
        gone = {each.id for each in done.identities}
        after = everybody(kept)
        assert {each for each in before if before[each] != after[each]} == gone
        assert {each for each in before if histories[each] != queries.find_history(kept, each)} == gone
        emptied = {each for each, text in texts(kept).items() if not text}
        assert len(emptied) == done.messages
        assert all(any(word.encode() in raw[each] for word in WORDS) for each in emptied)
        assert not any(b"KERGUELEN" in text for text in texts(kept).values())
        assert sum(bool(text) for text in texts(kept).values()) == len(raw) - done.messages > 0

    def test_the_plan_says_what_will_go(self, kept: Store) -> None:
        _, plan = search(kept)
        assert replace(erase_it(kept), is_log_empty=True) == plan
        assert plan.versions == sum(each.version for each in plan.identities) == 7

    def test_what_an_identity_holds_is_in_no_column_that_was_forgotten(self, kept: Store) -> None:
        """A column that is added to the table later is erased too."""
        gone = found(kept, "100")
        erase_it(kept)
        with kept.read() as connection:
            row = connection.execute(select(identity).where(identity.c.id == gone.id)).one()
        values = {name: value for name, value in row._mapping.items() if value is not None}
        assert values == {
            "id": gone.id,
            "active": False,
            "version": gone.version,
            "status": "provisoire",
            "reliability_codes": [],
            "erased_at": NOW,
        }

    def test_another_holder_of_the_same_ins_is_told_and_stays(self, kept: Store) -> None:
        cx = [f"555^^^{FULL}^PI", ins_cx(TEST_NIR)]
        twin = adt("A28", pid(pid3=cx, codes=["VALI"]), msh={10: "TWIN"}).raw
        journal(kept, twin)
        if not queries.find_identities(kept, "555"):
            pytest.fail("the doublon was not created")
        _, plan = search(kept)
        assert plan.alike == (found(kept, "555").id,)
        erase_it(kept)
        assert found(kept, "555").ins == TEST_NIR


class TestMessages:
    """The journal is searched by reading, not by versions alone."""

    def test_one_that_was_refused(self, kept: Store) -> None:
        (refused,) = journal(kept, adt("A08", pid(pid3=[f"100^^^{FULL}^PI"]), msh={10: "R1"}).raw)
        (stranger,) = journal(kept, adt("A08", pid(pid3=[f"999^^^{FULL}^PI"], names=["X^Y"]), msh={10: "R2"}).raw)
        erase_it(kept)
        assert texts(kept)[refused] == b""
        assert texts(kept)[stranger]

    def test_one_that_cannot_be_read(self, kept: Store) -> None:
        (broken,) = journal(kept, b"no header|" + TEST_NIR.matricule.encode())
        (other,) = journal(kept, b"no header|259014410900999")
        erase_it(kept)
        assert texts(kept)[broken] == b""
        assert texts(kept)[other]

    def test_one_without_identifier_by_names_and_birth_date(self, kept: Store) -> None:
        (told,) = journal(kept, adt("A31", pid(pid3=[""]), msh={10: "T1"}).raw)
        erase_it(kept)
        assert texts(kept)[told] == b""

    def test_one_of_a_namesake_born_the_same_day_stays(self, kept: Store) -> None:
        (namesake,) = journal(kept, update_of("777", "N1"))
        assert found(kept, "777").traits.birth_family_name == "KERGUELEN"
        erase_it(kept)
        assert texts(kept)[namesake]
        assert found(kept, "777").traits.birth_family_name == "KERGUELEN"

    def test_one_about_a_newborn_that_names_the_mother(self, kept: Store) -> None:
        child = pid(pid3=[f"778^^^{FULL}^PI"], names=["LE GALL^MALO^MALO^^^^L"], birth_date="20260301", codes=["PROV"])
        fields = child.split("|")
        fields[21] = f"100^^^{FULL}^PI"
        (birth,) = journal(kept, adt("A28", "|".join(fields), msh={10: "B1"}).raw)
        erase_it(kept)
        assert texts(kept)[birth] == b""
        assert found(kept, "778").traits.first_birth_given_name == "MALO"

    def test_what_came_in_since_the_search_goes_too(self, kept: Store) -> None:
        asked, _ = search(kept)
        (late,) = journal(kept, adt("A08", pid(pid3=[f"100^^^{FULL}^PI"]), msh={10: "L1"}).raw)
        erase(kept, asked, actor=WHO, reason="on demand", now=lambda: NOW)
        assert texts(kept)[late] == b""

    def test_one_that_came_in_while_the_checkpoint_was_written_is_waited_for(
        self, kept: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked, _ = search(kept)
        write, drafts = module.write_checkpoint, []

        def write_then_receive(store: Store, **values: object) -> object:
            made = write(store, **values)  # type: ignore[arg-type]
            if not drafts:
                journal(store, adt("A08", pid(pid3=[f"100^^^{FULL}^PI"]), msh={10: "L2"}).raw)
            drafts.append(made)
            return made

        monkeypatch.setattr(module, "write_checkpoint", write_then_receive)
        erase(kept, asked, actor=WHO, reason="on demand", now=lambda: NOW)
        assert len(drafts) == 2
        assert not any(b"KERGUELEN" in text for text in texts(kept).values())
        last = queries.list_messages(kept, limit=1)[0]
        checkpoint = find_checkpoint(kept)
        assert checkpoint is not None
        assert checkpoint.up_to == last.id

    def test_a_person_who_changed_since_the_search_is_searched_again(self, kept: Store) -> None:
        asked, _ = search(kept)
        journal(kept, update_of("100", "C1", names=["ROSSEL^ANNE^ANNE^^^^L"]))
        with pytest.raises(StoreConflict):
            erase(kept, asked, actor=WHO, reason="on demand")
        assert found(kept, "100").traits.birth_family_name == "ROSSEL"
        erase_it(kept)
        assert "ROSSEL" not in dump(kept)

    def test_a_text_under_a_key_that_is_gone_stops_it_before_anything_is_erased(self, database_url: str) -> None:
        with closing(open_keyed(database_url, "k1")) as store:
            receive_morning(store)
        with closing(open_keyed(database_url, "k2")) as store:
            with pytest.raises(KeyMissing, match="k1"):
                search(store)
            assert found(store, "100").ins is not None


class TestAfterwards:
    def test_the_ipp_is_free_and_a_new_message_makes_a_new_identity(self, kept: Store) -> None:
        gone = found(kept, "100")
        erase_it(kept)
        (outcome,) = receive(kept, update_of("100", "NEW1", names=["TANGUY^MALO^MALO^^^^L"], birth_date="19700101"))
        assert outcome.ack_code == "AA"
        assert found(kept, "100").id != gone.id
        assert queries.find_identity(kept, gone.id) is not None

    def test_a_repeat_of_an_erased_message_brings_nobody_back(self, kept: Store) -> None:
        erase_it(kept)
        (again,) = make_receiver(kept).receive([Incoming(morning()[0].raw, "192.0.2.1:1", NOW)])
        assert again.is_repeat
        assert queries.find_identities(kept, "100") == ()

    def test_the_text_of_that_repeat_is_not_kept_either(self, kept: Store) -> None:
        """It would be the person, back in the journal by a sender that had no answer."""
        erase_it(kept)
        (again,) = receive(kept, morning()[0].raw)
        assert b"KERGUELEN" not in texts(kept)[again.message_id]

    def test_the_trail_says_who_when_and_why_without_a_value(self, kept: Store) -> None:
        done = erase_it(kept)
        with kept.read() as connection:
            events = connection.execute(select(audit_event)).all()
        assert [(each.action, each.actor, each.reason, each.at) for each in events] == [
            ("erase", "operator", "on demand", NOW)
        ] * 2
        assert {each.identity_id for each in events} == {each.id for each in done.identities}
        assert not any(word in repr(events) for word in WORDS)

    def test_the_checkpoint_has_nothing_of_it_and_older_ones_are_gone(self, kept: Store) -> None:
        older = finished(kept)
        draft(kept)  # of a process that was killed
        done = erase_it(kept)
        checkpoint = find_checkpoint(kept)
        assert checkpoint is not None
        assert (checkpoint.id == older.id, checkpoint.reason) == (False, "erase")
        held = {each.identity.id: each for each in read_checkpoint(kept, checkpoint) if isinstance(each, Held)}
        assert {each: one.identity for each, one in held.items()} == everybody(kept)
        assert {each for each, one in held.items() if one.erased_at == NOW} == {each.id for each in done.identities}
        assert checkpoint.up_to == queries.list_messages(kept, limit=1)[0].id

    def test_alerts_about_it_go_and_a_note_that_names_it(self, kept: Store, author) -> None:
        gone, other = found(kept, "100"), found(kept, "200")
        about_both = queries.find_history(kept, gone.id)[0].message_id
        with kept.begin() as tx:
            tx.write(alerts=[(about_both, author.alert(gone)), (about_both, author.alert(other))], at=NOW)
            tx.connection.execute(alert.update().values(note="mixed up with KERGUELEN ANNE 19590123?"))
        before = count(kept, alert)
        done = erase_it(kept)
        with kept.read() as connection:
            left = connection.execute(select(alert).where(alert.c.message_id == about_both)).all()
        assert [(each.identity_id, each.note) for each in left] == [(other.id, None)]
        assert count(kept, alert) == before - done.alerts

    def test_without_a_key_nothing_is_erased(self, database_url: str) -> None:
        with closing(Store.open(database_url)) as store:
            receive_morning(store)
            asked, _ = search(store)
            with pytest.raises(NoKey):
                erase(store, asked, actor=WHO, reason="on demand")
            assert found(store, "100").ins is not None


def count(store: Store, table: object) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


def prune_all(store: Store) -> None:
    prune(store, before=NOW, actor=WHO, now=lambda: NOW)


class TestBesideTheDaemon:
    @pytest.mark.parametrize("act", [erase_it, prune_all], ids=["erase", "prune"])
    def test_messages_go_on_while_it_is_done(
        self, database_url: str, act: Callable[[Store], object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another writer on the same database, as the daemon: each of its messages is kept."""
        monkeypatch.setattr(retention, "BATCH", 2)
        with closing(open_keyed(database_url)) as store:
            receive_morning(store)
        done, answers = threading.Event(), []

        def go_on() -> None:
            with closing(open_keyed(database_url)) as own:
                receiver = make_receiver(own)
                while not done.is_set() or len(answers) < 5:
                    raw = update_of(str(5000 + len(answers)), f"GO{len(answers)}", names=[f"N{len(answers)}^X^X^^^^L"])
                    answers.append(receiver.receive([Incoming(raw, "192.0.2.1:1", NOW)])[0].ack_code)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            with closing(open_keyed(database_url)) as store:
                act(store)
        finally:
            done.set()
            thread.join(60)
        assert not thread.is_alive()
        assert set(answers) == {"AA"}
        with closing(open_keyed(database_url)) as store:
            assert len(queries.find_identities(store, "100")) == (0 if act is erase_it else 1)
            assert len(queries.find_identities(store, str(5000 + len(answers) - 1))) == 1
            assert not any(b"KERGUELEN" in text for text in texts(store).values())


def test_no_byte_of_the_person_is_left_in_the_files(sqlite_url: str) -> None:
    """Not in pages that were freed, split or written over, nor in the -wal file: 300 persons came and changed."""
    chance = random.Random(7)
    with closing(open_keyed(sqlite_url, encrypts=False)) as daemon, closing(open_keyed(sqlite_url)) as operator:
        receive_morning(daemon)
        for number in range(300):
            ipp = str(3000 + chance.randrange(120))
            name = "".join(chance.choices("ABCDEFGH", k=chance.randrange(3, 30)))
            receive(daemon, update_of(ipp, f"F{number}", names=[f"{name}^X^X^^^^L"], birth_date="20010203"))
            if number % 50 == 0:
                receive(daemon, update_of("100", f"U{number}", names=[f"KERGUELEN^ANNE^ANNE SOLENE {name}^^^^L"]))
        file = Path(sqlite_url.removeprefix("sqlite:///"))

        def content() -> bytes:
            return b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))

        assert all(word.encode() in content() for word in WORDS)
        done = erase_it(operator)
        assert done.is_log_empty
        assert [word for word in WORDS if word.encode() in content()] == []
        assert receive(daemon, update_of("3000", "AFTER", birth_date="20010203"))[0].ack_code == "AA"


def test_a_reader_that_keeps_an_old_page_is_told(sqlite_url: str) -> None:
    with closing(open_keyed(sqlite_url)) as store, closing(Store.open(sqlite_url, read_only=True)) as reader:
        receive_morning(store)
        with reader.read() as connection:
            connection.execute(select(message.c.id)).first()
            short = Store.open(sqlite_url, lock_timeout_s=0.1, sealing=store.sealing)
            with closing(short):
                assert not erase_it(short).is_log_empty
        assert store.empty_log()
