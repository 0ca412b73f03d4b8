"""Findings in the journal: each sentence once, every finding read back whole."""

import json

import pytest
from sqlalchemy import func, select, text, update

from pam_receiver.finding import ErrorCode, Finding, Location, Severity
from pam_receiver.store import MessageRecord, Store, StoreConflict, migrate
from pam_receiver.store.queries import list_messages, read_journal
from pam_receiver.store.rows import finding_json
from pam_receiver.store.schema import message, said


def say(fr: str, at: Location | None = None, severity: Severity = Severity.W) -> Finding:
    return Finding("some-rule", ErrorCode(102), severity, at, fr, "said", spec="HL7 v2.5 §2.5.3")


FINDINGS = (
    say("« dit »\n\\ \"'"),
    say("« dit »\n\\ \"'", Location("PID", 1, 5, 2, 3, 4)),
    say("autre", Location("ZBE", 2)),
    say("autre", Location("PID", 1, 8), Severity.E),
)


def keep(store: Store, author, *findings: Finding) -> str:
    record = author.message(findings=findings)
    store_all(store, author, record)
    return record.id


def store_all(store: Store, author, *records: MessageRecord) -> None:
    with store.begin() as tx:
        tx.write(messages=records, at=author.now)


def count_said(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(said)).scalar_one()


def read_back(store: Store) -> list[tuple[Finding, ...]]:
    return [line.findings for line in reversed(list_messages(store))]


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
            whole = [finding_json(each) for each in FINDINGS]
            tx.connection.execute(update(message).where(message.c.id == kept).values(findings=whole))
        assert read_back(store) == [FINDINGS]


class TestStepBack:
    def test_they_are_written_out(self, bare_url: str, author) -> None:
        migrate.upgrade(bare_url)
        store = Store.open(bare_url)
        keep(store, author, *FINDINGS)
        keep(store, author)
        store.close()
        migrate.downgrade(bare_url, "-1")
        store = Store.open(bare_url)
        with store._engine.connect() as connection:  # of another revision: no query of ours reads it
            rows = connection.execute(text("SELECT findings FROM message ORDER BY id")).scalars().all()
        store.close()
        found = [json.loads(row) if isinstance(row, str) else row for row in rows]
        assert found == [[finding_json(each) for each in FINDINGS], []]
