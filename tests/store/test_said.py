"""What is said in the journal: each sentence and each set once, every finding and every ACK read back whole."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Table, func, select, text, update

from pam_receiver.finding import ErrorCode, Finding, Location, Severity
from pam_receiver.hl7.ack import Ack
from pam_receiver.store import MessageRecord, Store, StoreConflict, migrate
from pam_receiver.store.queries import find_messages, list_messages, read_journal
from pam_receiver.store.rows import finding_json
from pam_receiver.store.said import NewlySaid
from pam_receiver.store.schema import message, said, said_together


def say(fr: str, at: Location | None = None, severity: Severity = Severity.W) -> Finding:
    return Finding("some-rule", ErrorCode(102), severity, at, fr, "said", spec="HL7 v2.5 §2.5.3")


FINDINGS = (
    say("« dit »\n\\ \"'"),
    say("« dit »\n\\ \"'", Location("PID", 1, 5, 2, 3, 4)),
    say("autre", Location("ZBE", 2)),
    say("autre", Location("PID", 1, 8), Severity.E),
)


HEAD = b"MSH|^~\\&|\xe9\rMSA|AA|1\r"
ERRS = b"ERR||PID^1^5|102|W|some-rule|||\xab dit \xbb\x00\r"


def keep(store: Store, author, *findings: Finding, errs: bytes = b"") -> str:
    record = author.message(findings=findings, ack=Ack(HEAD, errs))
    store_all(store, author, record)
    return record.id


def store_all(store: Store, author, *records: MessageRecord) -> None:
    with store.begin() as tx:
        tx.write(messages=records, at=author.now)


def count_rows(store: Store, table: Table) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def count_said(store: Store) -> int:
    return count_rows(store, said)


def read_back(store: Store) -> list[tuple[Finding, ...]]:
    return [line.findings for line in reversed(list_messages(store))]


def acks_of(store: Store) -> list[bytes]:
    return [find_messages(store, line.id)[0].ack for line in reversed(list_messages(store))]


class TestSaid:
    def test_what_is_kept_is_read_back(self, store: Store, author) -> None:
        keep(store, author, *FINDINGS)
        keep(store, author)
        keep(store, author, FINDINGS[1])
        assert read_back(store) == [FINDINGS, (), (FINDINGS[1],)]
        (page,) = read_journal(store)
        assert page[0].rules == tuple((each.rule, each.severity.value) for each in FINDINGS)

    def test_each_sentence_is_there_once(self, store: Store, other_store: Store, author) -> None:
        for each in (store, store, other_store):
            keep(each, author, *FINDINGS)
        assert count_said(store) == 3  # that of two places is one; a severity makes another

    def test_one_of_a_transaction_that_failed_is_said_again(self, store: Store, author) -> None:
        twice = author.message(findings=FINDINGS)
        with pytest.raises(StoreConflict):
            store_all(store, author, twice, twice)
        assert count_said(store) == 0
        keep(store, author, *FINDINGS)
        assert read_back(store) == [FINDINGS]

    def test_those_of_the_first_revision_are_read(self, store: Store, author) -> None:
        kept = keep(store, author)
        with store.begin() as tx:
            row = {"digest": "0", "findings": [finding_json(each) for each in FINDINGS], "errs": ERRS}
            tx.connection.execute(said_together.insert(), [row])
            tx.connection.execute(update(message).where(message.c.id == kept).values(said_together="0"))
        assert read_back(store) == [FINDINGS]
        assert acks_of(store) == [HEAD + ERRS]


class TestTogether:
    def test_each_set_is_there_once(self, store: Store, other_store: Store, author) -> None:
        for each in (store, store, other_store):
            keep(each, author, *FINDINGS, errs=ERRS)
        keep(store, author, errs=ERRS)  # a repeat has the answer of then, whatever would be said of it now
        keep(store, author, *FINDINGS)
        keep(store, author)
        assert count_rows(store, said_together) == 3
        assert acks_of(store) == [HEAD + ERRS] * 4 + [HEAD] * 2
        assert read_back(store) == [FINDINGS] * 3 + [(), FINDINGS, ()]

    def test_a_writer_waits_for_another_one_of_the_same_sets(self, store: Store, other_store: Store, author) -> None:
        records = [
            author.message(findings=FINDINGS[:number], ack=Ack(HEAD, ERRS * number)) for number in (1, 2, 3, 3, 2, 1)
        ]
        with ThreadPoolExecutor(1) as pool:
            with store.begin() as tx:
                tx.write(messages=records[:3], at=author.now)
                waiting = pool.submit(store_all, other_store, author, *records[3:])
            waiting.result(timeout=30)
        assert count_rows(store, said_together) == 3
        assert sorted(acks_of(store)) == sorted(record.ack.raw for record in records)

    def test_of_nothing_nothing_is_kept(self, store: Store, author) -> None:
        kept = keep(store, author)
        with store.read() as connection:
            row = connection.execute(select(message).where(message.c.id == kept)).one()
        assert (row.ack_head, row.said_together) == (HEAD, None)
        assert count_rows(store, said_together) == 0

    def test_one_of_a_transaction_that_failed_is_written_again(self, store: Store, author) -> None:
        twice = author.message(findings=FINDINGS, ack=Ack(HEAD, ERRS))
        with pytest.raises(StoreConflict):
            store_all(store, author, twice, twice)
        assert count_rows(store, said_together) == 0
        keep(store, author, *FINDINGS, errs=ERRS)
        assert acks_of(store) == [HEAD + ERRS]

    def test_a_sender_that_makes_sets_up_is_forgotten(self) -> None:
        remembered: dict[str, set[str]] = {}
        for number in range(12_000):
            newly = NewlySaid(remembered)
            newly.add((), b"%d" % number)
            assert len(newly.sets()) == 1
            newly.remember()
        assert [len(each) for each in remembered.values()] == [2000]

    def test_what_was_forgotten_is_written_once_more(self, store: Store, author) -> None:
        for number in (1, 2, 1):
            with store.begin() as tx:
                tx.connection.info.pop("pam_receiver_said", None)
            keep(store, author, *FINDINGS, errs=ERRS * number)
        assert acks_of(store) == [HEAD + ERRS * number for number in (1, 2, 1)]
        assert count_rows(store, said_together) == 2


class TestStepBack:
    def test_they_are_written_out(self, bare_url: str, author) -> None:
        migrate.upgrade(bare_url)
        store = Store.open(bare_url)
        keep(store, author, *FINDINGS, errs=ERRS)
        keep(store, author)
        store.close()
        migrate.downgrade(bare_url, "-1")
        store = Store.open(bare_url)
        with store._engine.connect() as connection:  # of another revision: no query of ours reads it
            rows = connection.execute(text("SELECT findings, ack FROM message ORDER BY id")).all()
        store.close()
        found = [json.loads(row.findings) if isinstance(row.findings, str) else row.findings for row in rows]
        assert found == [[finding_json(each) for each in FINDINGS], []]
        assert [bytes(row.ack) for row in rows] == [HEAD + ERRS, HEAD]
        migrate.upgrade(bare_url)
        store = Store.open(bare_url)
        assert (read_back(store), acks_of(store)) == ([FINDINGS, ()], [HEAD + ERRS, HEAD])
        store.close()
