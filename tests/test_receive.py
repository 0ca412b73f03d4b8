"""The way of a message through the receiver: batches, faults of one message, and a database that refuses."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from compiled import PUTS_A_STEP_ELSEWHERE
from golden import BEGINS_AT, CONVERSATIONS, PEER, adt, all_messages, make_receiver, told
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from pam_receiver import receive, understand
from pam_receiver.cli import parts
from pam_receiver.config import Settings, load_settings
from pam_receiver.finding import ErrorCode, Location, Severity
from pam_receiver.hl7.ack import AckCode, decode_ack
from pam_receiver.hl7.er7 import encode_message, parse_message
from pam_receiver.profile.check import MOST_FINDINGS
from pam_receiver.receive import Incoming, Outcome, Receiver
from pam_receiver.store import MessageView, Store, StoreConflict, StoreError, StoreUnavailable, Transaction, queries
from pam_receiver.store.alerts import list_alerts
from pam_receiver.understand import Checked, check_file_message

DEFAULTS: Final[Settings] = load_settings({})
SECRET: Final = "KERGUELEN"
SOURCES: Final = parts.make_sources(DEFAULTS)


def incoming(*messages: bytes) -> tuple[Incoming, ...]:
    return tuple(Incoming(raw, PEER, BEGINS_AT) for raw in messages)


def codes(outcomes: Sequence[Outcome]) -> list[str]:
    return [each.ack_code for each in outcomes]


def journal(store: Store) -> list[MessageView]:
    """The journal, oldest first."""
    return list(reversed(queries.list_messages(store, limit=1000)))


def is_known(store: Store, ipp: str) -> bool:
    return bool(queries.find_identities(store, ipp))


@pytest.fixture
def receiver(store: Store) -> Receiver:
    return make_receiver(store, DEFAULTS)


class TestBatch:
    """ITI TF-2 §3.30.4: each message is taken on the state that the one before it left."""

    def test_order_inside_a_batch(self, store: Store, receiver: Receiver) -> None:
        batch = incoming(adt("7000101", "1"), adt("7000101", "2", event="A31", sex="M"), adt("7000101", "3"))
        outcomes = receiver.receive(batch)
        assert [told(each) for each in outcomes] == ["AA", "AA", "AA create-of-known-identity"]
        (view,) = queries.find_identities(store, "7000101")
        assert (view.identity.version, view.identity.traits.sex) == (3, "F")
        assert [each.control_id for each in queries.find_history(store, view.identity.id)] == ["1", "2", "3"]

    def test_a_repeat_inside_a_batch_has_the_first_answer(self, store: Store, receiver: Receiver) -> None:
        first, other, repeat = receiver.receive(incoming(adt("7000101", "1"), adt("7000202", "2"), adt("7000101", "1")))
        assert (first.is_repeat, other.is_repeat, repeat.is_repeat) == (False, False, True)
        assert repeat.ack == first.ack
        assert [each.repeat_of for each in journal(store)] == [None, None, first.message_id]
        (view,) = queries.find_identities(store, "7000101")
        assert view.identity.version == 1

    def test_the_same_id_with_other_bytes_inside_a_batch_is_new(self, receiver: Receiver) -> None:
        outcomes = receiver.receive(incoming(adt("7000101", "1"), adt("7000101", "1", event="A31", sex="M")))
        assert [told(each) for each in outcomes] == ["AA", "AA control-id-reused"]

    def test_one_bad_message_among_good_ones(self, store: Store, receiver: Receiver) -> None:
        without_ipp = adt("", "2")
        batch = incoming(adt("7000101", "1"), without_ipp, b"rubbish", b"", adt("7000202", "3"))
        assert codes(receiver.receive(batch)) == ["AA", "AE", "AR", "AR", "AA"]
        assert is_known(store, "7000101")
        assert is_known(store, "7000202")
        assert [each.ack_code for each in journal(store)] == ["AA", "AE", "AR", "AR", "AA"]

    def test_nothing_comes_of_nothing(self, receiver: Receiver) -> None:
        assert receiver.receive(()) == ()


class TestJournal:
    """Every message read is kept with its bytes, findings and answer, refused ones too."""

    def test_all_that_was_read_is_kept(self, store: Store, receiver: Receiver) -> None:
        raw = adt("7000101", "1").replace(b"\r", b"\r\n")
        (outcome,) = receiver.receive(incoming(raw))
        (kept,) = queries.find_messages(store, outcome.message_id)
        assert (kept.raw, kept.ack, kept.encoding) == (raw, outcome.ack, "utf-8")
        line = kept.line
        assert (line.peer, line.received_at, line.control_id, line.event) == (PEER, BEGINS_AT, "1", "A28")
        assert (line.sending_application, line.sending_facility, line.ack_code) == ("GAM", "CHU-LYRE", "AA")
        assert [each.version for each in kept.identities] == [1]

    def test_a_refusal_is_kept_with_its_findings_and_touches_nobody(self, store: Store, receiver: Receiver) -> None:
        receiver.receive(incoming(adt("", "1"), b"\xff\xfe"))
        refused, unreadable = journal(store)
        assert [finding.rule for finding in refused.findings if finding.is_error] == ["no-usable-ipp"]
        assert [finding.rule for finding in unreadable.findings] == ["no-header"]
        assert queries.read_statistics(store).identities == 0

    def test_an_id_unfit_for_a_log_is_told_by_its_digest(self, receiver: Receiver) -> None:
        first, second = receiver.receive(incoming(adt("7000101", "A-1_b.c"), adt("7000101", "A B")))
        assert first.control_id == "A-1_b.c"
        assert second.control_id.startswith("sha256-")


class TestUnforeseen:
    """HL7 v2.5 §2.9.2.2: an unforeseen failure on one message is that message's AR 207; the others go on."""

    @PUTS_A_STEP_ELSEWHERE
    @pytest.mark.parametrize("step", ["read_event", "check_message", "decide"])
    def test_it_fails_alone(
        self,
        store: Store,
        receiver: Receiver,
        step: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        receiver.receive(incoming(adt("7000999", "9")))  # a new authority is taken in alone: everything twice
        home = receive if step == "decide" else understand
        real: Callable[..., Any] = getattr(home, step)
        calls = iter(range(3))

        def broken(*arguments: object) -> object:
            if next(calls) == 1:
                raise ValueError(SECRET)
            return real(*arguments)

        monkeypatch.setattr(home, step, broken)
        outcomes = receiver.receive(incoming(*(adt(f"700010{n}", str(n)) for n in range(3))))
        assert [told(each) for each in outcomes] == ["AA", "AR internal-error", "AA"]
        assert [error.code for error in decode_ack(outcomes[1].ack).errors] == [str(ErrorCode.INTERNAL_ERROR.value)]
        assert decode_ack(outcomes[1].ack).control_id == "1"
        assert [is_known(store, f"700010{n}") for n in range(3)] == [True, False, True]
        (record,) = caplog.records
        assert (record.getMessage(), record.levelno) == ("message.failed", logging.ERROR)
        assert SECRET not in caplog.text + str(vars(record)) + outcomes[1].ack.decode()

    @PUTS_A_STEP_ELSEWHERE
    def test_it_is_judged_again_when_it_comes_again(
        self, store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(receive, "decide", lambda *_: 1 / 0)
            assert codes(receiver.receive(incoming(adt("7000101", "1")))) == ["AR"]
        (outcome,) = receiver.receive(incoming(adt("7000101", "1")))
        assert (outcome.ack_code, outcome.is_repeat) == ("AA", False)


# ------------------------------------------------------------------------------------------- a database that refuses


class Overtaken(Store):
    """A store on which another writer is a few times faster between our reading and our writing."""

    times = 0

    def open_transaction(self, **how: Any) -> Transaction:
        return Racing(super().open_transaction(**how), self)  # type: ignore[return-value]


class Racing:
    def __init__(self, tx: Transaction, store: Overtaken) -> None:
        self._tx, self._store = tx, store
        self.load, self.commit, self.ending_on_error = tx.load, tx.commit, tx.ending_on_error

    @property
    def last_message_id(self) -> str:
        return self._tx.last_message_id

    def write(self, **what: Any) -> None:
        if self._store.times > 0:
            self._store.times -= 1
            raise StoreConflict(self._store.name)
        self._tx.write(**what)


@pytest.fixture
def overtaken(database_url: str) -> Iterator[Overtaken]:
    opened = Overtaken.open(database_url, lock_timeout_s=1.0)
    assert isinstance(opened, Overtaken)
    yield opened
    opened.close()


@PUTS_A_STEP_ELSEWHERE
class TestConflict:
    """Another writer was faster: load again and decide again."""

    def test_a_conflict_is_tried_again(self, overtaken: Overtaken) -> None:
        overtaken.times = 3
        outcomes = make_receiver(overtaken, DEFAULTS).receive(incoming(adt("7000101", "1"), adt("7000202", "2")))
        assert codes(outcomes) == ["AA", "AA"]
        assert overtaken.times == 0
        assert queries.read_statistics(overtaken).messages == 2

    def test_a_conflict_without_end_refuses_what_conflicts_and_nothing_else(self, overtaken: Overtaken) -> None:
        """A message that conflicts whenever it is tried would else block its line, and its batch, for ever."""
        overtaken.times = 5 + 25  # the batch, then its first message alone
        outcomes = make_receiver(overtaken, DEFAULTS).receive(incoming(adt("7000101", "1"), adt("7000202", "2")))
        assert [told(each) for each in outcomes] == ["AR internal-error", "AA"]
        assert [each.ack_code for each in journal(overtaken)] == ["AR", "AA"]


def refuse(url: str, table: str, condition: str) -> None:
    """Make the database refuse each row of ``table`` for which ``condition`` (on its column names) holds."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            words = " ".join(f"NEW.{word}" if word.isidentifier() else word for word in condition.split())
            sql = f"CREATE TRIGGER refused BEFORE INSERT ON {table} WHEN {words} BEGIN SELECT RAISE(ABORT, 'no'); END"
        else:
            sql = f"ALTER TABLE {table} ADD CONSTRAINT refused CHECK (NOT ({condition})) NOT VALID"
        connection.execute(text(sql))
    engine.dispose()


@pytest.fixture
def refusing(database_url: str) -> Iterator[Callable[[str, str], None]]:
    """Lets a test add a refusal, and takes it back: the PostgreSQL database is shared by the run."""
    tables: list[str] = []

    def add(table: str, condition: str) -> None:
        refuse(database_url, table, condition)
        tables.append(table)

    yield add
    if database_url.startswith("postgresql"):
        with psycopg.connect(database_url, autocommit=True) as connection:
            for table in tables:
                connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT refused")


class TestValueRefused:
    """A value that the database does not take isolates its message: the others of the batch are kept."""

    @pytest.mark.parametrize("place", range(5))
    def test_the_message_stands_alone(
        self, store: Store, receiver: Receiver, refusing: Callable[[str, str], None], place: int
    ) -> None:
        refusing("identifier", "value = '7000109'")
        ipps = ["7000101", "7000102", "7000103", "7000104"]
        ipps.insert(place, "7000109")
        outcomes = receiver.receive(incoming(*(adt(ipp, str(n)) for n, ipp in enumerate(ipps))))
        assert codes(outcomes) == ["AR" if ipp == "7000109" else "AA" for ipp in ipps]
        assert [ipp for ipp in ipps if not is_known(store, ipp)] == ["7000109"]
        assert [each.control_id for each in journal(store)] == ["0", "1", "2", "3", "4"]

    def test_a_refusal_that_cannot_be_journalled_is_no_answer(
        self, store: Store, receiver: Receiver, refusing: Callable[[str, str], None]
    ) -> None:
        refusing("message", "control_id = '1'")
        with pytest.raises(StoreError) as caught:
            receiver.receive(incoming(adt("7000101", "1")))
        assert not isinstance(caught.value, StoreUnavailable)
        assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"
        assert not is_known(store, "7000101")


class TestUnavailable:
    """Our own outage is never told as a fault of the message."""

    def test_nothing_is_kept_and_the_same_batch_may_be_given_again(self, database_url: str, store: Store) -> None:
        impatient = Store.open(database_url, lock_timeout_s=0.1)
        receiver = make_receiver(impatient, DEFAULTS)
        batch = incoming(adt("7000101", "1"))
        holder = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
        try:
            with holder.connect() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN EXCLUSIVE")
                else:
                    connection.exec_driver_sql("LOCK TABLE message IN ACCESS EXCLUSIVE MODE")
                with pytest.raises(StoreUnavailable):
                    receiver.receive(batch)
                connection.rollback()
            assert journal(store) == []
            assert codes(receiver.receive(batch)) == ["AA"]
        finally:
            holder.dispose()
            impatient.close()


class TestOversize:
    """HL7 MLLP Release 1: a block over the limit is refused by what could be read of its header."""

    def test_it_is_refused_and_journalled(self, store: Store) -> None:
        receiver = make_receiver(store, DEFAULTS, max_block_bytes=4096)
        head = adt("7000101", "1")[:200] + b"x" * 4000
        outcome = receiver.receive_oversize(incoming(head)[0])
        assert told(outcome) == "AR block-too-large"
        decoded = decode_ack(outcome.ack)
        assert (decoded.control_id, "4096" in decoded.errors[0].text) == ("1", True)
        (kept,) = queries.find_messages(store, outcome.message_id)
        assert (kept.raw, kept.line.ack_code) == (head, "AR")
        assert not is_known(store, "7000101")

    def test_without_a_header_the_barest_answer(self, receiver: Receiver) -> None:
        outcome = receiver.receive_oversize(incoming(b"x" * 100)[0])
        assert (told(outcome), outcome.control_id, outcome.event) == ("AR block-too-large", "", "")


class TestAnswerStyle:
    """HL7 v2.5 §2.15.5: how the sentences of an answer speak."""

    @pytest.mark.parametrize(
        ("lang", "asked", "begins"),
        [
            ("fr", "FR", "PID-3 sans"),
            ("fr", "", "PID-3 sans"),
            ("fr", "EN", "PID-3 without"),
            ("en", "FR", "PID-3 with"),
        ],
    )
    def test_language(self, store: Store, lang: str, asked: str, begins: str) -> None:
        receiver = make_receiver(store, load_settings({"ack_lang": lang}))
        raw = adt("", "1").replace(b"|UNICODE UTF-8|FR|", f"|UNICODE UTF-8|{asked}|".encode())
        (outcome,) = receiver.receive(incoming(raw))
        assert decode_ack(outcome.ack).errors[0].text.startswith(begins)

    def test_errors_only(self, store: Store) -> None:
        receiver = make_receiver(store, load_settings({"ack_findings": "errors"}))
        (outcome,) = receiver.receive(incoming(adt("", "1").replace(b"EVN|", b"ZVN|")))
        assert {error.severity for error in decode_ack(outcome.ack).errors} == {"E"}
        assert {severity for _, severity in outcome.rules} >= {"E", "W"}


class TestManyFindings:
    """HL7 v2.5 §2.15.5: a sender is told its faults; of thousands, the first and how many more there are."""

    @pytest.fixture
    def many(self) -> bytes:
        identifiers = "~".join(["7000101^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI", *["x"] * 1900])
        return adt("X", "1").replace(b"X^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI", identifiers.encode())

    def test_the_journal_keeps_a_bounded_number(self, store: Store, receiver: Receiver, many: bytes) -> None:
        assert codes(receiver.receive(incoming(many))) == ["AA"]
        (line,) = journal(store)
        assert len(line.findings) == MOST_FINDINGS
        assert line.findings[-1].rule == "findings-not-shown"
        assert line.findings[-1].en.startswith("901 more")

    def test_an_error_among_them_is_kept(self, store: Store, receiver: Receiver, many: bytes) -> None:
        raw = many.replace(b"KERGUELEN", b"KER\x01GUELEN")
        assert codes(receiver.receive(incoming(raw))) == ["AE"]
        (line,) = journal(store)
        assert [each.rule for each in line.findings if each.is_error] == ["control-character"]

    def test_the_acknowledgement_shows_fifty_and_counts(self, receiver: Receiver, many: bytes) -> None:
        (outcome,) = receiver.receive(incoming(many))
        assert [each.rule for each in decode_ack(outcome.ack).errors][50:] == ["findings-not-shown"]


class TestGeneralWord:
    """Where a later step says why, the profile's general word for the same fault falls away."""

    def test_one_finding_for_one_fault(self, receiver: Receiver) -> None:
        raw = adt("7000101", "").replace(b"|PROV|", b"||")
        (outcome,) = receiver.receive(incoming(raw))
        assert told(outcome) == "AA control-id-missing status-missing"


@pytest.fixture
def house(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with one ``[[source]]`` of these lines, and ``overlay.toml`` beside the file when one is given."""

    def make(*lines: str, overlay: str = "") -> Settings:
        if overlay:
            (tmp_path / "overlay.toml").write_text(f'[overlay]\ntitle = "of the test"\n{overlay}', encoding="utf-8")
            lines = (*lines, 'overlay = "overlay.toml"')
        file = tmp_path / "house.toml"
        file.write_text("\n".join(["[[source]]", *lines]), encoding="utf-8")
        return load_settings(config=file)

    return make


def grade(**severities: str) -> str:
    return "".join(
        f'[[grade]]\nrule = "{rule.replace("_", "-")}"\nseverity = "{severity}"\n'
        for rule, severity in severities.items()
    )


class TestOverlay:
    """What the overlay of a source makes of the rules of the code (issue: it may set any rule to ignore, I, W, E)."""

    SOURCE: Final = ('name = "gam"', 'application = "GAM"')

    def test_a_rule_of_the_decision_raised_keeps_nothing_of_it(
        self, store: Store, house: Callable[..., Settings]
    ) -> None:
        receiver = make_receiver(store, house(*self.SOURCE, overlay=grade(create_of_known_identity="E")))
        first, again = receiver.receive(incoming(adt("7000101", "1"), adt("7000101", "2", sex="M")))
        assert (told(first), told(again)) == ("AA", "AE create-of-known-identity raised-by-source")
        (view,) = queries.find_identities(store, "7000101")
        assert (view.identity.version, view.identity.traits.sex) == (1, "F")
        assert list_alerts(store) == ()
        (fixed,) = receiver.receive(incoming(adt("7000101", "2", event="A31", sex="M")))
        assert told(fixed) == "AA"  # a refused message is no earlier one of that id

    @PUTS_A_STEP_ELSEWHERE
    def test_an_authority_named_in_a_message_so_refused_is_not_learnt(
        self, store: Store, house: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        learnt: list[object] = []
        real = receive._authorities
        monkeypatch.setattr(receive, "_authorities", lambda *of: learnt.append(of) or real(*of))
        receiver = make_receiver(store, house(*self.SOURCE, overlay=grade(create_of_known_identity="E")))
        receiver.receive(incoming(adt("7000999", "9")))  # what is new is taken in alone: everything twice
        learnt.clear()
        receiver.receive(incoming(adt("7000101", "1"), adt("7000101", "2")))
        assert len(learnt) == 1

    def test_a_rule_of_the_reading_raised(self, store: Store, house: Callable[..., Settings]) -> None:
        settings = house(*self.SOURCE, overlay=grade(control_id_missing="E"))
        (outcome,) = make_receiver(store, settings).receive(incoming(adt("7000101", "")))
        assert told(outcome) == "AE control-id-missing raised-by-source"
        assert not is_known(store, "7000101")

    def test_a_reused_id_raised(self, store: Store, house: Callable[..., Settings]) -> None:
        receiver = make_receiver(store, house(*self.SOURCE, overlay=grade(control_id_reused="E")))
        outcomes = receiver.receive(incoming(adt("7000101", "1"), adt("7000202", "1"), adt("7000101", "1")))
        assert [told(each) for each in outcomes] == ["AA", "AE control-id-reused raised-by-source", "AA"]
        assert outcomes[2].is_repeat
        assert not is_known(store, "7000202")

    def test_a_rule_ignored_is_gone_everywhere(self, store: Store, house: Callable[..., Settings]) -> None:
        settings = house(*self.SOURCE, overlay=grade(create_of_known_identity="ignore", control_id_reused="ignore"))
        outcomes = make_receiver(store, settings).receive(incoming(adt("7000101", "1"), adt("7000101", "1", sex="M")))
        assert [told(each) for each in outcomes] == ["AA", "AA"]
        assert decode_ack(outcomes[1].ack).errors == ()
        assert journal(store)[1].findings == ()

    def test_other_senders_are_judged_as_ever(self, store: Store, house: Callable[..., Settings]) -> None:
        receiver = make_receiver(store, house(*self.SOURCE, overlay=grade(create_of_known_identity="E")))
        other = [raw.replace(b"|GAM|", b"|LABO|") for raw in (adt("7000101", "1"), adt("7000101", "2"))]
        assert [told(each) for each in receiver.receive(incoming(*other))] == ["AA", "AA create-of-known-identity"]

    def test_a_fault_told_in_the_words_of_the_code_stays_the_error_that_strictness_makes_it(
        self, store: Store, house: Callable[..., Settings]
    ) -> None:
        raw = adt("7000101", "")  # control-id-missing takes the place of msh-10-required
        receiver = make_receiver(store, house(*self.SOURCE, 'strictness = "strict"'))
        (outcome,) = receiver.receive(incoming(raw))
        assert told(outcome) == "AE control-id-missing raised-by-source"

    @pytest.mark.parametrize(("strictness", "code"), [("lenient", "AA"), ("strict", "AE")])
    def test_a_rule_ignored_leaves_the_general_one_of_its_place(
        self, store: Store, house: Callable[..., Settings], strictness: str, code: str
    ) -> None:
        settings = house(*self.SOURCE, f'strictness = "{strictness}"', overlay=grade(sex_undetermined_as_i="ignore"))
        (outcome,) = make_receiver(store, settings).receive(incoming(adt("7000101", "1", sex="I")))
        assert told(outcome) == f"{code} pid-8-not-in-table"

    def test_a_strict_source_refuses_what_could_not_be_checked_to_its_end(
        self, store: Store, house: Callable[..., Settings]
    ) -> None:
        phones = "~".join([r"^PRN^PH^^^^^^^^^02\91"] * (MOST_FINDINGS + 5))
        raw = adt("7000101", "1").replace(b"|||||||||||||||||||||PROV", f"||{phones}|||||||||||||||||||PROV".encode())
        settings = house(*self.SOURCE, 'strictness = "strict"')
        (outcome,) = make_receiver(store, settings).receive(incoming(raw))
        assert outcome.ack_code == "AE"
        assert ("not-checked-to-the-end", "E") in outcome.rules
        assert not is_known(store, "7000101")


class TestSource:
    """A message is taken as its source asks, and the outcome says which one it was."""

    def test_an_event_that_its_profile_does_not_take_is_refused(
        self, store: Store, house: Callable[..., Settings]
    ) -> None:
        french = adt("7000101", "1", event="A08")
        raw = french.replace(b"|2.5^FRA^2.11|||||FRA|", b"|2.5||||||").replace(b"|FR||2.11^IHE_FRANCE-2.11-PAM", b"")
        receiver = make_receiver(store, house('name = "a"', 'application = "GAM"', 'profile = "pam_fr/2.11"'))
        (outcome,) = receiver.receive(incoming(raw))
        assert told(outcome) == "AR event-not-in-profile"
        assert not is_known(store, "7000101")

    def test_the_outcome_names_it(self, store: Store, house: Callable[..., Settings]) -> None:
        receiver = make_receiver(store, house('name = "a"', "port = 2576"))
        messages = (adt("7000101", "1"), b"rubbish")
        outcomes = receiver.receive([Incoming(raw, PEER, BEGINS_AT, port) for raw in messages for port in (2576, 2575)])
        assert [each.source for each in outcomes] == ["a", "", "a", ""]
        head = receiver.receive_oversize(Incoming(adt("7000101", "9"), PEER, BEGINS_AT, 2576))
        assert (head.source, head.ack_code) == ("a", "AR")

    @PUTS_A_STEP_ELSEWHERE
    def test_a_failure_of_ours_names_it_too(
        self, store: Store, house: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(understand, "read_event")
        receiver = make_receiver(store, house('name = "a"', "port = 2576"))
        (outcome,) = receiver.receive([Incoming(adt("7000101", "1"), PEER, BEGINS_AT, 2576)])
        assert (told(outcome), outcome.source) == ("AR internal-error", "a")

    @pytest.mark.parametrize("charset", ["8859/1", "8859/15", "UNICODE UTF-8"])
    @pytest.mark.parametrize("announced", ["", "8859/1", "UNICODE UTF-8", "EBCDIC"])
    def test_the_answer_stands_in_the_set_that_was_read_and_says_so(
        self, store: Store, house: Callable[..., Settings], charset: str, announced: str
    ) -> None:
        codec = {"8859/1": "iso8859-1", "8859/15": "iso8859-15"}.get(charset, "utf-8")
        raw = adt("7000101", "", charset=announced).decode().replace("^ANNE SOLENE^", "^ANNE SOLÈNE^").encode(codec)
        receiver = make_receiver(store, house('name = "a"', 'application = "GAM"', f'charset = "{charset}"'))
        (outcome,) = receiver.receive(incoming(raw))
        (errors,) = [each for each in decode_ack(outcome.ack).errors if each.rule == "control-id-missing"]
        assert "être reconnu" in errors.text
        assert parse_message(outcome.ack).encoding == codec
        assert f"|{charset}\r".encode() in outcome.ack


class TestCheckFileMessage:
    """What can be said of a message without a database."""

    def check(self, raw: bytes) -> Checked:
        return check_file_message(raw, sources=SOURCES, at=BEGINS_AT)

    def test_a_clean_message(self) -> None:
        wanted = Checked((), "A28", "1", unreadable=False, ack_code=AckCode.AA, profile="pam_fr/2.11")
        assert self.check(adt("7000101", "1")) == wanted

    def test_an_error_with_its_place_and_section(self) -> None:
        (finding,) = [each for each in self.check(adt("", "1")).findings if each.is_error]
        assert (finding.rule, finding.at) == ("no-usable-ipp", Location("PID", 1, 3))
        assert "§" in finding.spec
        assert self.check(adt("", "1")).ack_code is AckCode.AE

    def test_the_source_and_its_profile_are_named(self, house: Callable[..., Settings]) -> None:
        sources = parts.make_sources(house('name = "a"', "port = 2576", 'profile = "pam"'))
        checked = check_file_message(adt("7000101", "1"), sources=sources, at=BEGINS_AT, port=2576)
        assert (checked.source, checked.profile) == ("a", "pam")

    def test_unreadable(self) -> None:
        checked = self.check(b"rubbish")
        assert (checked.unreadable, checked.event, checked.findings[0].severity) == (True, "", Severity.E)
        assert (checked.ack_code, checked.profile) == (AckCode.AR, "")

    def test_a_refused_type_is_readable(self) -> None:
        checked = self.check(adt("7000101", "1").replace(b"ADT^A28^ADT_A05", b"ORU^R01^ORU_R01"))
        assert (checked.unreadable, checked.event) == (False, "R01")
        assert (checked.ack_code, checked.profile) == (AckCode.AR, "pam_fr/2.11")

    @pytest.mark.parametrize("event", ["A11", "A29"])
    def test_what_only_a_store_can_tell_is_left_out(self, event: str) -> None:
        rules = {each.rule for each in self.check(adt("7000101", "1", event=event)).findings}
        assert not rules & {"cancel-of-unknown-identity", "delete-of-unknown-identity"}

    def test_every_golden_message_of_one_part_is_judged_alike(self) -> None:
        """Alone in its conversation, a message is checked as it is received on an empty store."""
        judged: list[str] = []
        for conversation in CONVERSATIONS:
            if len(conversation.messages) == 1 and conversation.settings.model_dump() == DEFAULTS.model_dump():
                checked = self.check(conversation.messages[0])
                said = sorted({each.rule for each in checked.findings})
                assert [checked.ack_code, *said] == conversation.answers[0].split(), conversation.name
                judged.append(conversation.name)
        assert len(judged) >= 10


GOLDEN: Final = [raw for name, raw in all_messages() if "message" in name]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A golden message, cut or with some bytes replaced; or any bytes."""
    raw = bytearray(draw(st.sampled_from(GOLDEN)))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(raw)))
        raw[begin : begin + draw(st.integers(0, 30))] = draw(st.binary(max_size=8))
    return bytes(raw)


class TestAnyBytes:
    """Any bytes are answered, journalled, and never stop the message beside them."""

    @settings(max_examples=60, deadline=None)
    @given(batch=st.lists(st.one_of(damaged(), st.binary(max_size=80)), max_size=6))
    def test_every_message_has_one_readable_answer(self, sqlite_any: Receiver, batch: list[bytes]) -> None:
        outcomes = sqlite_any.receive([Incoming(raw, PEER, datetime.now(UTC)) for raw in (*batch, adt("6000001", ""))])
        assert outcomes[-1].ack_code == "AA"
        assert len(outcomes) == len(batch) + 1
        for outcome in outcomes:
            assert "internal-error" not in told(outcome)
            assert decode_ack(outcome.ack).code == outcome.ack_code
            assert encode_message(parse_message(outcome.ack)) == outcome.ack


@pytest.fixture(scope="module")
def sqlite_any(sqlite_template: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    file = tmp_path_factory.mktemp("any") / "pam-receiver.db"
    file.write_bytes(sqlite_template.read_bytes())
    store = Store.open(f"sqlite:///{file}")
    yield make_receiver(store, load_settings({"environment": "test"}), new_message_id=None)
    store.close()


class TestOrder:
    """The order of the ids is that of the commits, whoever else writes: a fold of the journal goes by it."""

    def test_a_message_that_another_writer_overtook_has_a_later_id(self, store: Store, database_url: str) -> None:
        first = make_receiver(store, DEFAULTS, new_message_id=None)
        (early, late) = incoming(adt("7000101", "1"), adt("7000202", "2"))
        read = first.read(early)
        with closing(Store.open(database_url)) as other:
            (overtaking,) = make_receiver(other, DEFAULTS, new_message_id=None).receive([late])
        (overtaken,) = first.keep([read])
        assert overtaking.message_id < overtaken.message_id
