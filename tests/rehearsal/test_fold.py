"""What is no message in a journal, and by which port a message came."""

from contextlib import closing
from pathlib import Path

import pytest
from golden import adt

from pam_receiver.rehearsal import Fold
from pam_receiver.store import queries

from .conftest import Hospital, maker

PLAIN = maker()
ACCEPTING = maker(incomplete_qualified_identity="accept")
MERGE = adt("100", "3", event="A40").replace(b"ADT_A05", b"ADT_A39") + b"MRG|101^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI\r"
BY_PORT = """
[[source]]
name = "labo"
port = 2576
processing_ids = ["T"]
"""


class TestActs:
    """What an operator did is done again, in both stores, and is no message."""

    def ward(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("101", "2"), MERGE)
        hospital.unmerge("101")
        hospital.receive(adt("101", "4", event="A31", sex="M"))

    def test_against_the_journal(self, hospital: Hospital) -> None:
        self.ward(hospital)
        found = hospital.rehearse(PLAIN)
        assert not found.differs, found
        assert (found.messages, found.rehearsed) == (4, 4)

    def test_under_other_settings(self, hospital: Hospital) -> None:
        self.ward(hospital)
        found = hospital.rehearse(PLAIN, ACCEPTING)
        assert not found.differs, found
        assert found.drift == ()

    def test_where_there_is_nothing_to_undo_it_does_nothing(self, hospital: Hospital) -> None:
        self.ward(hospital)
        of_merge = "message_id = (SELECT id FROM message WHERE event = 'A40')"
        hospital.execute(f"UPDATE message_text SET raw = :raw WHERE {of_merge}", raw=adt("100", "3", event="A31"))
        found = hospital.rehearse(PLAIN, ACCEPTING)
        assert not found.differs, found


class TestWithoutText:
    """What was pruned, erased, or never kept cannot be taken again."""

    def test_they_are_left_out_and_counted(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("200", "2"), adt("300", "3"))
        hospital.execute("UPDATE message SET erased_at = received_at WHERE control_id = '2'")
        hospital.execute("DELETE FROM message_text WHERE message_id IN (SELECT id FROM message WHERE control_id > '1')")
        found = hospital.rehearse(PLAIN, ACCEPTING)
        assert (found.messages, found.without_text) == (1, 2)
        assert found.identities is not None
        assert (found.identities.before, found.identities.after) == (1, 1)

    def test_an_empty_block_is_a_message(self, hospital: Hospital) -> None:
        hospital.receive(b"", adt("100", "1"))
        found = hospital.rehearse(PLAIN)
        assert (found.messages, found.without_text, found.differs) == (2, 0, False)

    def test_no_text_lies_in_the_scratch_store(self, sqlite_hospital: Hospital, tmp_path: Path) -> None:
        sqlite_hospital.receive(adt("100", "1"))
        with closing(Fold(tmp_path / "scratch.db", PLAIN)) as fold:
            with closing(sqlite_hospital.open()) as store:
                (page,) = queries.read_journal(store)
            (outcome,) = fold.receive(page)
        assert outcome.ack_code == "AA"
        files = [each.read_bytes() for each in tmp_path.glob("scratch.db*")]
        assert [each for each in files if b"MSH|^~" in each.replace(b"MSH|^~\\&|PAM-RECEIVER", b"")] == []


class TestPorts:
    """A source that is named by its port takes again what came in by it."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        file = tmp_path / "settings.toml"
        file.write_text(BY_PORT)
        return file

    def test_the_port_is_that_of_the_message(self, hospital: Hospital, config: Path) -> None:
        by_port = hospital.receive(adt("100", "1"), port=2576, config=config)
        besides = hospital.receive(adt("200", "2"), port=2575, config=config)
        assert [each.ack_code for each in (*by_port, *besides)] == ["AR", "AA"]
        found = hospital.rehearse(maker(config))
        assert not found.differs, found

    def test_what_would_differ_is_what_came_in_by_it(self, hospital: Hospital, config: Path) -> None:
        (by_port, _) = (*hospital.receive(adt("100", "1"), port=2576), *hospital.receive(adt("200", "2"), port=2575))
        (change,) = hospital.rehearse(PLAIN, maker(config)).answers
        assert (change.before, change.after, change.count) == ("AA", "AR", 1)
        assert [each.message_id for each in change.examples] == [by_port.message_id]

    def test_without_a_port_no_such_source_takes_it(self, hospital: Hospital, config: Path) -> None:
        hospital.receive(adt("100", "1"))
        assert not hospital.rehearse(PLAIN, maker(config)).differs
