"""What the command line and the web read, on both databases."""

from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import text

from pam_receiver.hl7.ack import Ack
from pam_receiver.identity.identifiers import AssigningAuthority, Ins, PatientIdentifier
from pam_receiver.identity.model import EndedIns, EndReason
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.store import Store, queries
from pam_receiver.store.schema import HEAD

NIR = "259014410903303"
OID = "1.2.250.1.213.1.4.10"


class TestFindIdentities:
    def test_nothing(self, store: Store) -> None:
        assert queries.find_identities(store, "100") == ()

    def test_by_its_ipp(self, store: Store, read_store: Store, author) -> None:
        made = author.identity("100", matricule=NIR)
        author.create(store, made)
        assert queries.find_identities(read_store, "100") == (queries.IdentityView(made, None, ()),)

    def test_by_any_type_of_identifier_former_ones_too(self, store: Store, author) -> None:
        visit = PatientIdentifier("V1", "VN", author.hospital, active=False)
        former = Ins(NIR, OID).as_former()
        made = author.identity(identifiers=(author.ipp("100"), visit, former))
        author.create(store, made)
        for value in ("100", "V1", NIR):
            assert [view.identity for view in queries.find_identities(store, value)] == [made]

    def test_by_the_ins_in_force_and_never_by_an_ended_one(self, store: Store, author) -> None:
        ended = EndedIns(Ins(NIR, OID), author.now, EndReason.REMOVED)
        holder = author.identity("100", matricule=NIR)
        author.create(store, author.identity("200", ended_ins=(ended,)))
        assert queries.find_identities(store, NIR) == ()
        author.create(store, holder)
        assert [view.identity for view in queries.find_identities(store, NIR)] == [holder]

    @pytest.mark.parametrize(
        ("authority", "found"),
        [
            (None, "both"),
            ("CHU-LYRE", "one"),
            ("1.2.250.1.999.77", "one"),
            ("CLINIQUE", "other"),
            ("ELSEWHERE", ""),
            ("", ""),
        ],
    )
    def test_an_authority_picks_one_of_several(self, store: Store, author, authority: str | None, found: str) -> None:
        one = author.identity("100")
        other = author.identity(identifiers=(PatientIdentifier("100", "PI", AssigningAuthority("CLINIQUE")),))
        author.create(store, one, other)
        expected = {"both": [one, other], "one": [one], "other": [other], "": []}[found]
        assert [view.identity for view in queries.find_identities(store, "100", authority)] == expected

    @pytest.mark.parametrize("authority", [OID, "ASIP-SANTE-INS-NIR"])
    def test_the_authority_of_an_ins_is_its_oid_or_its_name(self, store: Store, author, authority: str) -> None:
        author.create(store, author.identity("100", matricule=NIR))
        assert len(queries.find_identities(store, NIR, authority)) == 1
        assert queries.find_identities(store, NIR, "1.2.250.1.213.1.4.9") == ()

    def test_only_the_authority_of_the_identifier_that_was_asked_for_counts(self, store: Store, author) -> None:
        visit = PatientIdentifier("V1", "VN", AssigningAuthority("SERVICE"))
        author.create(store, author.identity(identifiers=(author.ipp("100"), visit)))
        assert queries.find_identities(store, "100", "SERVICE") == ()

    def test_an_absorbed_one_names_the_last_survivor(self, store: Store, author) -> None:
        third = author.identity("300")
        second = author.identity("200", merged_into=third.id, active=False)
        first = author.identity("100", merged_into=second.id, active=False)
        author.create(store, first, second, third)
        (view,) = queries.find_identities(store, "100")
        assert (view.identity, view.merged_into, view.absorbed) == (first, third.id, ())
        (view,) = queries.find_identities(store, "200")
        assert (view.merged_into, view.absorbed) == (third.id, (first.id,))
        (view,) = queries.find_identities(store, "300")
        assert (view.merged_into, view.absorbed) == (None, tuple(sorted((first.id, second.id))))

    def test_active_ones_come_first(self, store: Store, author) -> None:
        old = author.identity("100", active=False, matricule=NIR)
        new = author.identity("200", matricule=NIR)
        author.create(store, old, new)
        assert [view.identity for view in queries.find_identities(store, NIR)] == [new, old]


class TestFindIdentity:
    def test_by_its_id(self, store: Store, author) -> None:
        made = author.identity("100")
        author.create(store, made)
        assert queries.find_identity(store, made.id) == queries.IdentityView(made, None, ())

    def test_an_unknown_id(self, store: Store) -> None:
        assert queries.find_identity(store, "absent") is None


class TestIdentitiesOf:
    def test_those_that_exist_and_none_of_their_family(self, store: Store, author) -> None:
        survivor = author.identity("200")
        absorbed = author.identity("100", merged_into=survivor.id, active=False)
        author.create(store, absorbed, survivor, author.identity("300"))
        assert queries.find_identities_of(store, [absorbed.id, "absent"]) == {absorbed.id: absorbed}
        assert queries.find_identities_of(store, []) == {}


class TestHolders:
    def test_by_an_ipp_of_any_authority_former_ones_too(self, store: Store, author) -> None:
        elsewhere = PatientIdentifier("100", "PI", AssigningAuthority("CLINIQUE"))
        one = author.identity(identifiers=(author.ipp("100", active=False), author.ipp("101")))
        other = author.identity(identifiers=(elsewhere,))
        author.create(store, one, other, author.identity("300"))
        assert {each.id for each in queries.find_holders(store, {"100", "400"})} == {one.id, other.id}

    def test_nothing_else_holds_an_ipp(self, store: Store, author) -> None:
        visit = PatientIdentifier("V1", "VN", author.hospital)
        author.create(store, author.identity(matricule=NIR, identifiers=(author.ipp("100"), visit)))
        assert queries.find_holders(store, {"V1", NIR}) == ()
        assert queries.find_holders(store, ()) == ()


class TestAllIdentities:
    @pytest.mark.parametrize("count", [0, 1, 3, 4])
    def test_each_once_page_after_page_in_the_order_of_the_ids(self, store: Store, author, count: int) -> None:
        made = [author.identity(f"{n}") for n in range(count)]
        author.create(store, *reversed(made))
        pages = list(queries.read_all_identities(store, page=2))
        assert [each for page in pages for each in page] == made
        assert [len(page) for page in pages] == [2] * (count // 2) + [1] * (count % 2)

    def test_a_page_holds_no_one_of_another_page(self, store: Store, author) -> None:
        first, second, third = author.identity("1"), author.identity("2"), author.identity("3")
        merged = replace(first, merged_into=third.id, active=False)
        author.create(store, merged, second, third)
        pages = list(queries.read_all_identities(store, page=2))
        assert [[each.id for each in page] for page in pages] == [[first.id, second.id], [third.id]]


class TestHistory:
    def test_each_version_with_its_cause_and_what_it_was(self, store: Store, author) -> None:
        made = author.identity("100")
        changed = author.change(made, status=IdentityStatus.VALIDEE, used_family_name="ROSSEL")
        (first,) = author.create(store, made)
        (second,) = author.keep(store, changed)
        author.create(store, author.identity("200"))
        one, two = queries.find_history(store, made.id)
        assert (one.version, one.message_id, one.status, one.identity) == (1, first.id, made.status, made)
        assert (two.version, two.at, two.status) == (2, author.now, IdentityStatus.VALIDEE)
        assert (two.event, two.control_id) == (second.event, second.control_id)
        assert [each.what for each in two.changes] == ["status", "used_family_name"]
        assert two.identity == changed.after

    def test_an_unknown_identity_has_none(self, store: Store) -> None:
        assert queries.find_history(store, "absent") == ()


class TestJournal:
    def write(self, store: Store, author, *codes: str):
        records = [author.message(ack_code=code) for code in codes]
        with store.begin() as tx:
            tx.write(messages=records, at=author.now)
        return records

    def test_the_newest_first(self, store: Store, author) -> None:
        records = self.write(store, author, "AA", "AE", "AA", "AR")
        found = queries.list_messages(store, limit=3)
        assert [line.id for line in found] == [record.id for record in reversed(records)][:3]
        assert (found[0].received_at, found[0].findings) == (author.now, (author.finding(),))

    def test_only_those_answered_so(self, store: Store, author) -> None:
        records = self.write(store, author, "AA", "AE", "AA", "AR")
        assert [line.id for line in queries.list_messages(store, ack="AE")] == [records[1].id]

    def test_page_after_page(self, store: Store, author) -> None:
        records = self.write(store, author, *["AA"] * 5)
        seen: list[str] = []
        while page := queries.list_messages(store, ack="AA", limit=2, before_id=seen[-1] if seen else None):
            seen += [line.id for line in page]
        assert seen == [record.id for record in reversed(records)]

    def test_one_message_with_all_that_is_kept(self, store: Store, author) -> None:
        one, other = author.identity("100"), author.identity("200")
        record = author.message(raw=b"MSH|\xe9\x00", ack=Ack(b"MSH|\xe8\r", b"ERR|\xe9\x00\r"))
        changes = [(record.id, author.creation(each)) for each in (one, other)]
        repeat = author.message(repeat_of=record.id)
        with store.begin() as tx:
            tx.write(messages=[record, repeat], changes=changes, at=author.now)
        (found,) = queries.find_messages(store, record.id)
        assert (found.raw, found.ack, found.encoding) == (record.raw, b"MSH|\xe8\rERR|\xe9\x00\r", "utf-8")
        assert {each.identity_id for each in found.identities} == {one.id, other.id}
        assert {each.version for each in found.identities} == {1}
        (found,) = queries.find_messages(store, repeat.id)
        assert (found.line.repeat_of, found.identities) == (record.id, ())

    def test_the_start_of_an_id_may_stand_for_it(self, store: Store, author) -> None:
        records = [author.message(id=each) for each in ("0190a", "0190b", "0191")]
        with store.begin() as tx:
            tx.write(messages=records, at=author.now)
        assert [found.line.id for found in queries.find_messages(store, "0191")] == ["0191"]
        assert [found.line.id for found in queries.find_messages(store, "0190")] == ["0190a", "0190b"]
        assert queries.find_messages(store, "02") == ()
        assert queries.find_messages(store, "") == ()


class TestReadJournal:
    def write(self, store: Store, author, count: int):
        records = [author.message(ack_code="AE" if n % 2 else "AA") for n in range(count)]
        with store.begin() as tx:
            tx.write(messages=list(reversed(records)), at=author.now)
        return records

    @pytest.mark.parametrize("count", [0, 1, 4, 5])
    def test_the_oldest_first_page_after_page(self, read_store: Store, store: Store, author, count: int) -> None:
        records = self.write(store, author, count)
        pages = list(queries.read_journal(read_store, page=2))
        assert [each.id for page in pages for each in page] == [record.id for record in records]
        assert [len(page) for page in pages] == [2] * (count // 2) + [1] * (count % 2)

    def test_each_message_as_it_came_in_and_its_answer(self, store: Store, author) -> None:
        record = author.message(raw=b"MSH|\xe9\x00", ack_code="AE")
        with store.begin() as tx:
            tx.write(messages=[record], at=author.now)
        ((entry,),) = queries.read_journal(store)
        rules = (("a-rule", "W"),)
        assert entry == queries.JournalEntry(record.id, author.now, record.peer, record.raw, "AE", rules)
        assert "MSH" not in repr(entry)

    def test_what_comes_in_meanwhile_is_not_read(self, read_store: Store, store: Store, author) -> None:
        records = self.write(store, author, 3)
        with closing(queries.read_journal(read_store, page=2)) as journal:
            seen = list(next(journal))
            self.write(store, author, 2)
            seen += [each for page in journal for each in page]
        assert [each.id for each in seen] == [record.id for record in records]

    def test_a_reader_that_stops_holds_nothing(self, read_store: Store, store: Store, author) -> None:
        self.write(store, author, 3)
        with closing(queries.read_journal(read_store, page=2)) as journal:
            next(journal)
        assert read_store._engine.pool.checkedout() == 0

    def test_a_server_waits_for_whoever_works_on_a_page(self, postgres_url: str, author) -> None:
        with closing(Store.open(postgres_url)) as store:
            self.write(store, author, 1)
        with closing(Store.open(postgres_url, read_only=True)) as reader:
            with closing(queries.read_journal(reader)) as journal:
                next(journal)
                connection = journal.gi_frame.f_locals["connection"]
                assert connection.execute(IDLE_LIMIT).scalar() == "15min"
            with reader.read() as connection:
                assert connection.execute(IDLE_LIMIT).scalar() == "30s"


IDLE_LIMIT = text("SHOW idle_in_transaction_session_timeout")


class TestListings:
    def test_identities_in_the_order_of_their_creation(self, store: Store, author) -> None:
        made = [author.identity(value) for value in "123"]
        renamed = [replace(one, id=name) for one, name in zip(made, ("c", "a", "b"), strict=True)]
        author.create(store, *renamed)
        assert [view.identity.id for view in queries.list_identities(store)] == ["c", "a", "b"]
        assert [view.identity.id for view in queries.list_identities(store, limit=2)] == ["c", "a"]

    def test_statistics(self, store: Store, author) -> None:
        author.create(store, author.identity("100"), author.identity("200"))
        assert queries.read_statistics(store) == queries.Statistics(HEAD, 2, 2, 0)
