"""The journal taken again: what would differ, and that nothing is written to it."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from golden import CONVERSATIONS, adt
from sqlalchemy import text

from pam_receiver.rehearsal import FieldChange, Rehearsal
from pam_receiver.store import Store, queries
from pam_receiver.store.schema import metadata

from .conftest import Hospital, at, maker

PLAIN = maker()
ACCEPTING = maker(incomplete_qualified_identity="accept")
BARE = maker(incomplete_qualified_identity="without_ins")
INS = b"~259014410903303^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS"


def qualified(ipp: str, control_id: str, *, event: str = "A28", complete: bool = True) -> bytes:
    """A message that gives an INS with VALI; not ``complete``: without the sex, which refuses it."""
    raw = adt(ipp, control_id, event=event, sex="F" if complete else "")
    return raw.replace(b"^PI||", b"^PI" + INS + b"||").replace(b"|PROV|", b"|VALI|")


def nothing_differs(found: Rehearsal) -> bool:
    return not found.differs and not found.findings and not found.drift


class TestTheSameSettings:
    """What the settings in force answered and kept, they answer and keep again."""

    @pytest.mark.parametrize("batch", [1, 7])
    def test_every_golden_message(self, sqlite_hospital: Hospital, batch: int) -> None:
        messages = [raw for each in CONVERSATIONS for raw in each.messages]
        outcomes = sqlite_hospital.receive(*messages, batch=batch, environment="test")
        assert len({each.ack_code for each in outcomes}) == 3
        same = maker(environment="test")
        for found in (sqlite_hospital.rehearse(same, same), sqlite_hospital.rehearse(same)):
            assert nothing_differs(found)
            assert (found.messages, found.rehearsed) == (len(messages), len(messages))
            assert found.identities is not None
            assert found.identities.before == found.identities.after > 10

    def test_an_empty_journal(self, hospital: Hospital) -> None:
        for found in (hospital.rehearse(PLAIN, ACCEPTING), hospital.rehearse(PLAIN)):
            assert nothing_differs(found)
            assert (found.messages, found.rehearsed, found.begins_at, found.identities) == (0, 0, None, None)

    def test_a_repeat_is_one_again(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("100", "1"))
        found = hospital.rehearse(PLAIN, PLAIN)
        assert (found.messages, nothing_differs(found)) == (2, True)

    def test_a_block_that_was_too_large_is_refused_again(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"))
        assert hospital.refuse_oversize(adt("200", "2")).ack_code == "AR"
        hospital.receive(adt("300", "3"))
        found = hospital.rehearse(PLAIN, PLAIN)
        assert (found.messages, nothing_differs(found)) == (3, True)
        assert found.identities is not None
        assert found.identities.after == 2

    def test_an_id_in_the_scratch_store_is_the_one_of_the_journal(self, hospital: Hospital, tmp_path: Path) -> None:
        (outcome,) = hospital.receive(adt("100", "1"))
        hospital.rehearse(PLAIN, ACCEPTING)
        with closing(Store.open(f"sqlite:///{tmp_path}/1/other.db", read_only=True)) as scratch:
            ((entry,),) = queries.read_journal(scratch)
            (view,) = queries.find_identities(scratch, "100")
        with closing(Store.open(hospital.url, read_only=True)) as store:
            assert queries.find_identities(store, "100") == (view,)
        assert (entry.id, entry.received_at) == (outcome.message_id, at(0))


class TestAnswers:
    def test_a_refused_message_would_be_taken(self, hospital: Hospital) -> None:
        _, refused = hospital.receive(adt("100", "1"), qualified("200", "2", complete=False))
        found = hospital.rehearse(PLAIN, ACCEPTING)
        (change,) = found.answers
        assert (change.before, change.after, change.count) == ("AE", "AA", 1)
        assert change.rules == (("qualified-trait-missing", 1),)
        (example,) = change.examples
        assert (example.message_id, example.control_id, example.event) == (refused.message_id, "2", "A28")
        assert example.rules == ("qualified-trait-missing",)
        assert found.differs
        assert found.drift == ()

    def test_a_taken_message_would_be_refused(self, hospital: Hospital) -> None:
        hospital.receive(qualified("200", "2", complete=False), incomplete_qualified_identity="accept")
        (change,) = hospital.rehearse(ACCEPTING, PLAIN).answers
        assert (change.before, change.after, change.rules) == ("AA", "AE", (("qualified-trait-missing", 1),))

    def test_a_finding_that_becomes_graver_is_counted_at_each_severity(self, hospital: Hospital) -> None:
        refused = hospital.receive(qualified("200", "2", complete=False), qualified("300", "3", complete=False))
        found = {(each.rule, each.severity): each for each in hospital.rehearse(PLAIN, ACCEPTING).findings}
        error, warning = found["qualified-trait-missing", "E"], found["qualified-trait-missing", "W"]
        assert (error.before, error.after, error.messages) == (2, 0, 2)
        assert (warning.before, warning.after, warning.messages) == (0, 2, 2)
        assert [each.message_id for each in error.examples] == [each.message_id for each in refused]

    def test_the_most_frequent_first_and_only_the_first_examples(self, hospital: Hospital) -> None:
        refused = hospital.receive(*(qualified(f"{n}", f"{n}", complete=False) for n in range(200, 225)))
        (change,) = hospital.rehearse(PLAIN, ACCEPTING).answers
        assert change.count == 25
        assert [each.message_id for each in change.examples] == [each.message_id for each in refused[:20]]

    def test_a_control_id_that_is_not_plain_is_a_digest(self, hospital: Hospital) -> None:
        hospital.receive(qualified("200", "KERGUELEN ANNE", complete=False))
        (change,) = hospital.rehearse(PLAIN, ACCEPTING).answers
        assert change.examples[0].control_id.startswith("sha256-")


class TestDrift:
    def test_the_journal_may_differ_from_the_settings_in_force(self, hospital: Hospital) -> None:
        (taken,) = hospital.receive(qualified("200", "2", complete=False), incomplete_qualified_identity="accept")
        found = hospital.rehearse(PLAIN, BARE)
        (drift,) = found.drift
        assert (drift.before, drift.after, drift.count) == ("AA", "AE", 1)
        assert drift.examples[0].message_id == taken.message_id
        assert [(each.before, each.after) for each in found.answers] == [("AE", "AA")]

    def test_messages_before_since_count_too(self, hospital: Hospital) -> None:
        hospital.receive(qualified("200", "2", complete=False), incomplete_qualified_identity="accept")
        hospital.receive(adt("100", "1"))
        found = hospital.rehearse(PLAIN, PLAIN, since=at(1))
        assert [(each.before, each.after) for each in found.drift] == [("AA", "AE")]
        assert not found.differs


class TestIdentities:
    def test_one_that_would_exist_besides(self, hospital: Hospital) -> None:
        _, refused = hospital.receive(adt("100", "1"), qualified("200", "2", complete=False))
        found = hospital.rehearse(PLAIN, ACCEPTING).identities
        assert found is not None
        assert (found.before, found.after, found.gone.count, found.changed) == (1, 2, 0, ())
        assert found.added.count == 1
        (example,) = found.added.examples
        assert (example.identity_id, example.message_id) == (None, refused.message_id)

    def test_one_that_would_not_exist(self, hospital: Hospital) -> None:
        (taken,) = hospital.receive(qualified("200", "2", complete=False), incomplete_qualified_identity="accept")
        found = hospital.rehearse(ACCEPTING, PLAIN).identities
        assert found is not None
        assert (found.before, found.after, found.gone.count, found.added.count) == (1, 0, 1, 0)
        with closing(Store.open(hospital.url, read_only=True)) as store:
            (view,) = queries.find_identities(store, "200")
        (example,) = found.gone.examples
        assert (example.identity_id, example.message_id) == (view.identity.id, taken.message_id)

    def test_what_would_differ_is_named_without_a_value(self, hospital: Hospital) -> None:
        _, second = hospital.receive(adt("200", "1"), qualified("200", "2", event="A31", complete=False))
        hospital.receive(adt("100", "3"))
        found = hospital.rehearse(PLAIN, BARE).identities
        assert found is not None
        (group,) = found.changed
        assert group.count == 1
        assert group.changes == (
            FieldChange("status", "provisoire", "validee"),
            FieldChange("reliability_codes", "held", "held"),
        )
        assert group.examples[0].message_id == second.message_id

    def test_an_ins_that_would_not_be_kept(self, hospital: Hospital) -> None:
        hospital.receive(qualified("200", "1", complete=False), incomplete_qualified_identity="accept")
        found = hospital.rehearse(ACCEPTING, BARE).identities
        assert found is not None
        (group,) = found.changed
        assert FieldChange("status", "qualifiee", "validee") in group.changes
        assert FieldChange("ins", "held", "none") in group.changes

    def test_one_created_by_another_message_is_the_same(self, hospital: Hospital) -> None:
        hospital.receive(qualified("200", "1", complete=False), adt("200", "2", event="A31"))
        found = hospital.rehearse(PLAIN, ACCEPTING)
        assert found.identities is not None
        assert (found.identities.gone.count, found.identities.added.count, found.identities.changed) == (0, 0, ())
        assert (found.identities.before, found.identities.after) == (1, 1)


class TestSince:
    def messages(self) -> list[bytes]:
        return [qualified(f"{n}", f"{n}", complete=False) for n in range(200, 204)]

    def test_earlier_messages_are_taken_under_the_settings_in_force_for_both(self, hospital: Hospital) -> None:
        outcomes = hospital.receive(*self.messages())
        found = hospital.rehearse(PLAIN, ACCEPTING, since=at(2))
        (change,) = found.answers
        assert [each.message_id for each in change.examples] == [each.message_id for each in outcomes[2:]]
        assert (found.messages, found.rehearsed, found.begins_at, found.ends_at) == (4, 2, at(2), at(3))
        assert found.identities is not None
        assert (found.identities.before, found.identities.after) == (0, 2)

    def test_what_was_kept_before_is_there_for_both(self, hospital: Hospital) -> None:
        hospital.receive(adt("200", "1"), *self.messages()[:1])
        found = hospital.rehearse(PLAIN, ACCEPTING, since=at(1)).identities
        assert found is not None
        assert (found.before, found.after, [each.count for each in found.changed]) == (1, 1, [1])

    @pytest.mark.parametrize(("minute", "rehearsed"), [(-5, 4), (0, 4), (3, 1), (4, 0)])
    def test_the_first_message_at_that_time_or_later(self, hospital: Hospital, minute: int, rehearsed: int) -> None:
        hospital.receive(*self.messages())
        for found in (
            hospital.rehearse(PLAIN, ACCEPTING, since=at(minute)),
            hospital.rehearse(PLAIN, since=at(minute)),
        ):
            assert found.rehearsed == rehearsed
            assert (found.identities is None) == (rehearsed == 0)

    def test_it_may_begin_on_a_later_page(self, sqlite_hospital: Hospital) -> None:
        sqlite_hospital.receive(*(adt(f"{n}", f"{n}") for n in range(1000, 1300)), batch=50)
        sqlite_hospital.receive(*self.messages())
        told: list[int] = []
        found = sqlite_hospital.rehearse(PLAIN, ACCEPTING, since=at(302), tell=lambda count, _: told.append(count))
        assert [each.count for each in found.answers] == [2]
        assert found.identities is not None
        assert (found.identities.before, found.identities.after) == (300, 302)
        assert told[-1] == 304
        assert all(before < after for before, after in pairwise(told))


class TestAgainstTheJournal:
    """Without another receiver: the settings in force beside what the journal says and the store holds."""

    def test_answers_and_identities(self, hospital: Hospital) -> None:
        (refused, _) = hospital.receive(qualified("200", "2", complete=False), adt("100", "1"))
        found = hospital.rehearse(ACCEPTING)
        (change,) = found.answers
        assert (change.before, change.after, change.rules) == ("AE", "AA", (("qualified-trait-missing", 1),))
        assert change.examples[0].message_id == refused.message_id
        assert {(each.severity, each.before, each.after) for each in found.findings} == {("E", 1, 0), ("W", 0, 1)}
        assert found.drift == ()
        assert found.identities is not None
        assert (found.identities.before, found.identities.after, found.identities.added.count) == (1, 2, 1)

    def test_what_comes_in_meanwhile_is_no_difference(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"), adt("200", "2"))
        late: list[bytes] = [adt("100", "3", event="A31", sex="M"), adt("300", "4")]

        def come_in(_count: int, _at: object) -> None:
            hospital.receive(*late)
            late.clear()

        found = hospital.rehearse(PLAIN, tell=come_in)
        assert (found.messages, nothing_differs(found)) == (2, True)
        assert found.identities is not None
        assert (found.identities.before, found.identities.after) == (2, 2)


class TestNothingIsWritten:
    def test_an_sqlite_file_stays_as_it_is(self, sqlite_hospital: Hospital) -> None:
        sqlite_hospital.receive(adt("100", "1"), qualified("200", "2", complete=False))
        file = Path(sqlite_hospital.url.removeprefix("sqlite:///"))
        before = file.read_bytes()
        assert sqlite_hospital.rehearse(PLAIN, ACCEPTING).differs
        assert sqlite_hospital.rehearse(ACCEPTING).differs
        assert file.read_bytes() == before

    def test_a_server_stays_as_it_is(self, postgres_url: str, tmp_path: Path) -> None:
        hospital = Hospital(postgres_url, tmp_path)
        hospital.receive(adt("100", "1"), qualified("200", "2", complete=False))
        before = _state_of(postgres_url)
        assert hospital.rehearse(PLAIN, ACCEPTING).differs
        assert hospital.rehearse(ACCEPTING).differs
        assert _state_of(postgres_url) == before
        assert before["message"][0] == 2

    def test_the_journal_cannot_be_written_at_all(self, hospital: Hospital) -> None:
        hospital.receive(adt("100", "1"))
        with closing(Store.open(hospital.url, read_only=True)) as store, pytest.raises(Exception), store.begin() as tx:  # noqa: B017, PT011
            tx._connection.execute(text("DELETE FROM alert"))


def _state_of(url: str) -> dict[str, tuple[int, str]]:
    """How many rows each table holds, and the digest of them all."""
    with psycopg.connect(url) as connection:
        counted = {}
        for table in metadata.tables:
            found = connection.execute(
                f"SELECT count(*), coalesce(md5(string_agg(t::text, '' ORDER BY t::text)), '') FROM {table} t"
            ).fetchone()
            assert found is not None
            counted[table] = (int(found[0]), str(found[1]))
        return counted
