"""What a batch loads and writes, on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text

from pam_receiver.identity.identifiers import AssigningAuthority, Ins, PatientIdentifier
from pam_receiver.identity.model import Change, EndedIns, EndReason, Identity, MergeLink, SeenAuthority
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.identity.traits import Trait
from pam_receiver.store import Reason, Receipt, Store, StoreConflict, StoreError, StoreUnavailable, queries
from pam_receiver.store.reads import MAX_RECEIPTS
from pam_receiver.store.schema import (
    alert,
    identity,
    identity_version,
    merge_link,
    message,
    message_text,
    metadata,
    sender_authority,
)

NIR = "259014410903303"
OTHER_NIR = "259014410903404"
OID = "1.2.250.1.213.1.4.10"


def ids(known) -> set[str]:
    return {each.id for each in known}


def count(store: Store, table) -> int:
    with store.read() as connection:
        return len(connection.execute(select(table)).all())


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """The statements that ``store`` sends meanwhile."""
    sent: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(statement)

    event.listen(store._engine, "before_cursor_execute", note)
    yield sent
    event.remove(store._engine, "before_cursor_execute", note)


class TestLoad:
    def test_nothing_asked_costs_no_query_and_finds_nothing(self, store: Store) -> None:
        with counted(store) as sent, store.begin() as tx:
            known, receipts = tx.load()
        assert (list(known), receipts, sent) == ([], {}, [])

    def test_an_ipp_finds_its_identity_whatever_the_authority(self, store: Store, author) -> None:
        elsewhere = PatientIdentifier("100", "PI", AssigningAuthority("CLINIQUE"))
        one, other = author.identity("100"), author.identity(identifiers=(elsewhere,))
        author.create(store, one, other, author.identity("101"))
        with store.begin() as tx:
            known, _ = tx.load(ipps=["100"])
        assert ids(known) == {one.id, other.id}
        assert known.find_by_ipp(author.ipp("100"), author.sender) == one

    def test_a_former_ipp_still_finds_its_identity(self, store: Store, author) -> None:
        one = author.identity(identifiers=(author.ipp("100", active=False), author.ipp("200")))
        author.create(store, one)
        with store.begin() as tx:
            known, _ = tx.load(ipps={"100"})
        assert list(known) == [one]

    def test_another_type_of_identifier_finds_nothing(self, store: Store, author) -> None:
        author.create(store, author.identity(identifiers=(PatientIdentifier("100", "VN", author.hospital),)))
        with store.begin() as tx:
            assert list(tx.load(ipps=["100"], matricules=["100"])[0]) == []

    def test_a_matricule_finds_those_who_hold_it_in_force_only(self, store: Store, author) -> None:
        ended = EndedIns(Ins(NIR, OID), author.now, EndReason.REMOVED)
        holder = author.identity("100", matricule=NIR)
        author.create(store, holder, author.identity("200", ended_ins=(ended,)))
        with store.begin() as tx:
            known, _ = tx.load(matricules=[NIR])
        assert list(known) == [holder]
        assert known.find_by_matricule(NIR) == (holder,)

    def test_a_chain_of_merges_comes_whole_up_and_down(self, store: Store, author) -> None:
        third = author.identity("300")
        second = author.identity("200", merged_into=third.id, active=False)
        first = author.identity("100", matricule=NIR, merged_into=second.id, active=False)
        side = author.identity("400", merged_into=third.id, active=False)
        author.create(store, first, second, third, side, author.identity("500"))
        for start in ("100", "200", "300", "400"):
            with store.begin() as tx:
                known, _ = tx.load(ipps=[start])
            assert ids(known) == {first.id, second.id, third.id, side.id}
            assert known.find_survivor(known.get(first.id)) == third
            assert known.find_merge(first).survivor == second.id

    def test_the_authorities_of_the_senders_asked_for(self, store: Store, other_store: Store, author) -> None:
        seen = SeenAuthority(author.sender, author.hospital)
        with store.begin() as tx:
            tx.write(seen=[seen, seen, SeenAuthority(("OTHER", ""), author.hospital)], at=author.now)
        local = AssigningAuthority("CHU-LYRE")
        with other_store.begin() as tx:
            known, _ = tx.load(senders={author.sender}, namespaces={local.namespace_id, "OTHER"})
        assert known.same_authorities(local, author.sender) == (author.hospital, local)
        assert known.same_authorities(local, ("OTHER", "")) == (local,)
        assert count(store, sender_authority) == 2

    def test_an_authority_seen_again_is_no_conflict(self, store: Store, author) -> None:
        for _ in range(2):
            with store.begin() as tx:
                tx.write(seen=[SeenAuthority(author.sender, author.hospital)], at=author.now)
        assert count(store, sender_authority) == 1


class TestReceipts:
    """A repeat is known by an accepted message of the same sender and control id."""

    KEY = sha256(b"GAM 1").digest()

    def receipts(self, store: Store) -> list[Receipt]:
        with store.begin() as tx:
            _, found = tx.load(repeat_keys=[self.KEY, b"", sha256(b"never").digest()])
            assert tx.load(repeat_keys=[self.KEY])[1] == found  # asked for alone, by a statement of its own
        assert set(found) <= {self.KEY}
        return found.get(self.KEY, [])

    def write(self, store: Store, author, **values: object):
        record = author.message(repeat_key=self.KEY, **values)
        with store.begin() as tx:
            tx.write(messages=[record], at=author.now)
        return record

    def test_an_accepted_message_leaves_one(self, store: Store, author) -> None:
        record = self.write(store, author)
        assert self.receipts(store) == [Receipt(record.id, record.control_id, record.digest, record.ack)]

    @pytest.mark.parametrize("code", ["AE", "AR"])
    def test_a_refused_message_leaves_none(self, store: Store, author, code: str) -> None:
        self.write(store, author, ack_code=code)
        assert self.receipts(store) == []

    def test_a_repeat_leaves_none(self, store: Store, author) -> None:
        first = self.write(store, author)
        self.write(store, author, repeat_of=first.id)
        assert [receipt.message_id for receipt in self.receipts(store)] == [first.id]

    def test_a_message_without_control_id_leaves_none(self, store: Store, author) -> None:
        with store.begin() as tx:
            tx.write(messages=[author.message(repeat_key=b"")], at=author.now)
            assert tx.load(repeat_keys=[b""])[1] == {}

    def test_a_control_id_used_for_ever_gives_the_latest_ones(self, store: Store, author) -> None:
        records = [author.message(repeat_key=self.KEY) for _ in range(MAX_RECEIPTS + 5)]
        with store.begin() as tx:
            tx.write(messages=records, at=author.now)
        latest = [record.id for record in reversed(records)][:MAX_RECEIPTS]
        assert [receipt.message_id for receipt in self.receipts(store)] == latest


class TestWrite:
    @given(found=st.from_type(Identity), times=st.datetimes(timezones=st.just(UTC)))
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_an_identity_comes_back_as_it_was_written(self, store: Store, author, found: Identity, times) -> None:
        identifiers = tuple(
            PatientIdentifier(_clean(each.value), _clean(each.type), _clean_authority(each.authority), each.active)
            for each in found.identifiers
        )
        made = replace(
            author.identity("IPP" + author.new_id()),
            active=found.active,
            reliability_codes=tuple(map(_clean, found.reliability_codes)),
            ins=found.ins and Ins(_clean(found.ins.matricule), _clean(found.ins.oid)),
            traits=type(found.traits)(*(_clean(found.traits.get(t)) for t in Trait)),
            used_family_name=_clean(found.used_family_name),
            ended_ins=(EndedIns(Ins("1", OID), times, EndReason.DELETED),),
        )
        others = tuple(each for each in identifiers if each.type != "PI")
        made = replace(made, identifiers=made.identifiers + others)
        author.create(store, made)
        with store.begin() as tx:
            known, _ = tx.load(ipps=[made.identifiers[0].value])
        assert list(known) == [made]

    def test_a_batch_may_create_and_change_the_same_identity(self, store: Store, author) -> None:
        made = author.identity("100")
        second = author.change(made, status=IdentityStatus.VALIDEE)
        third = author.change(second.after, used_family_name="ROSSEL")
        author.keep(store, author.creation(made), second, third)
        with store.begin() as tx:
            known, _ = tx.load(ipps=["100"])
        assert list(known) == [third.after]
        assert count(store, identity_version) == 3

    def test_identifiers_that_go_come_and_move(self, store: Store, author) -> None:
        a, b, c, d = (author.ipp(value) for value in "abcd")
        made = author.identity(identifiers=(a, b, c))
        author.create(store, made)
        shorter = author.change(made, identifiers=(c, a))
        author.keep(store, shorter)
        longer = author.change(shorter.after, identifiers=(replace(c, active=False), a, d, b))
        author.keep(store, longer)
        with store.begin() as tx:
            known, _ = tx.load(ipps="abcd")
        assert list(known) == [longer.after]

    def test_an_ipp_may_go_from_one_identity_to_another_in_one_batch(self, store: Store, author) -> None:
        one, other = author.identity("100"), author.identity("200")
        author.create(store, one, other)
        swapped = (
            author.change(one, identifiers=other.identifiers),
            author.change(other, identifiers=one.identifiers),
        )
        author.keep(store, *swapped)
        with store.begin() as tx:
            known, _ = tx.load(ipps=["100"])
        assert list(known) == [swapped[1].after]

    def test_an_ins_that_ended_is_kept_with_its_reason(self, store: Store, author) -> None:
        made = author.identity("100", matricule=NIR)
        author.create(store, made)
        paris = datetime(2025, 3, 4, 8, tzinfo=timezone(timedelta(hours=1)))
        ended = EndedIns(Ins(NIR, OID), paris, EndReason.TRAIT_CHANGED)
        author.keep(store, author.change(made, ins=None, ended_ins=(ended,)))
        with store.begin() as tx:
            known, _ = tx.load(ipps=["100"], matricules=[NIR])
        (found,) = known
        assert found.ended_ins == (ended,)
        assert found.ended_ins[0].at.tzinfo is UTC

    def test_the_date_of_the_source_is_kept_and_moves_on_without_a_version(self, store: Store, author) -> None:
        early, late = author.now, author.now + timedelta(hours=1)
        dated, bare = author.identity("100", dated_at=early), author.identity("200")
        author.create(store, dated, bare)
        with store.begin() as tx:
            tx.write(confirmed=[replace(each, dated_at=late) for each in (dated, bare)], at=author.now)
            tx.write(confirmed=[replace(dated, dated_at=early)], at=author.now)  # it never moves back
        with store.begin() as tx:
            known, _ = tx.load(ipps=["100", "200"])
        assert set(known) == {replace(dated, dated_at=late), replace(bare, dated_at=late)}
        assert len(queries.find_history(store, dated.id)) == 1

    def test_a_date_confirmed_beside_a_change_of_the_same_batch_stays(self, store: Store, author) -> None:
        made = author.identity("100", dated_at=author.now)
        late = replace(made, dated_at=author.now + timedelta(hours=1))
        messages = [author.message(), author.message()]
        change = author.change(late, active=False)
        with store.begin() as tx:
            tx.write(
                messages=messages,
                changes=[(messages[0].id, author.creation(made)), (messages[1].id, change)],
                confirmed=[late],
                at=author.now,
            )
        with store.begin() as tx:
            known, _ = tx.load(ipps=["100"])
        assert list(known) == [change.after]

    def test_alerts_and_merges_are_kept(self, store: Store, author) -> None:
        survivor, absorbed = author.identity("100"), author.identity("200")
        author.create(store, survivor, absorbed)
        author.keep(store, author.change(absorbed, active=False, merged_into=survivor.id))
        record = author.message()
        alerts = [(record.id, author.alert(survivor)), (record.id, author.alert(None))]
        with store.begin() as tx:
            tx.write(messages=[record], alerts=alerts, at=author.now)
        assert (count(store, alert), count(store, merge_link)) == (2, 1)

    def test_a_refused_header_is_journalled_whatever_signs_it_holds(self, store: Store, author) -> None:
        record = author.message(ack_code="AE", sending_application="A\0B", control_id="\ud800", raw=b"\0\xff")
        with store.begin() as tx:
            tx.write(messages=[record], at=author.now)
        with store.read() as connection:
            row = connection.execute(select(message)).one()
            raw = connection.execute(select(message_text.c.raw)).scalar_one()
        assert (row.sending_application, row.control_id, raw) == ("A\N{REPLACEMENT CHARACTER}B", "?", b"\0\xff")

    def test_sixty_four_creations_are_a_handful_of_statements(self, store: Store, author) -> None:
        made = [author.identity(f"{n}", matricule=f"{n:015d}") for n in range(64)]
        records = [author.message() for _ in made]
        changes = [(record.id, author.creation(one)) for record, one in zip(records, made, strict=True)]
        alerts = [(record.id, author.alert(one)) for record, one in zip(records, made, strict=True)]
        with counted(store) as sent, store.begin() as tx:
            tx.load(
                ipps=[f"{n}" for n in range(64)],
                matricules=[f"{n:015d}" for n in range(64)],
                senders=[author.sender],
                namespaces=[author.hospital.namespace_id],
                repeat_keys=[record.repeat_key for record in records],
            )
            tx.write(messages=records, changes=changes, alerts=alerts, at=author.now)
        assert len(sent) <= 10
        assert count(store, identity) == 64

    def test_a_collection_may_be_of_any_size(self, store: Store, author) -> None:
        made = author.identity("77")
        author.create(store, made)
        with store.begin() as tx:
            known, _ = tx.load(ipps=[str(n) for n in range(100_000)])
        assert list(known) == [made]

    def test_a_time_without_offset_is_refused(self, store: Store, author) -> None:
        with pytest.raises(StoreError) as caught, store.begin() as tx:
            tx.write(messages=[author.message(received_at=datetime(2025, 1, 1))], at=author.now)  # noqa: DTZ001
        assert type(caught.value) is StoreError

    def test_a_version_of_an_unknown_message_is_refused_for_good(self, store: Store, author) -> None:
        with pytest.raises(StoreError) as caught, store.begin() as tx:
            tx.write(changes=[(author.new_id(), author.creation(author.identity("1")))], at=author.now)
        assert type(caught.value) is StoreError


class TestRollback:
    def test_an_error_of_the_caller_leaves_nothing(self, store: Store, author) -> None:
        record, made = author.message(), author.identity("100")
        with pytest.raises(KeyError), store.begin() as tx:  # noqa: PT012 - the whole transaction must fail
            tx.write(messages=[record], changes=[(record.id, author.creation(made))], at=author.now)
            raise KeyError
        assert all(count(store, table) == 0 for table in metadata.tables.values())

    def test_an_error_of_the_database_leaves_nothing(self, store: Store, author) -> None:
        made = author.identity("100")
        record = author.message()
        with pytest.raises(StoreConflict), store.begin() as tx:  # noqa: PT012 - the whole transaction must fail
            changes = [(record.id, author.creation(made)), (record.id, author.creation(author.identity("100")))]
            tx.write(messages=[record], changes=changes, at=author.now)
        assert count(store, message) == 0

    def test_the_store_works_on_after_an_error(self, store: Store, author) -> None:
        with pytest.raises(KeyError), store.begin():
            raise KeyError
        author.create(store, author.identity("100"))
        assert count(store, identity) == 1


class TestConflict:
    """Another writer was faster: nothing is kept, and the caller decides again."""

    def test_a_change_from_a_state_that_is_past(self, store: Store, other_store: Store, author) -> None:
        made = author.identity("100")
        author.create(store, made)
        author.keep(other_store, author.change(made, used_family_name="ROSSEL"))
        with pytest.raises(StoreConflict):
            author.keep(store, author.change(made, used_family_name="DURAND"))
        assert count(store, identity_version) == 2
        assert count(store, message) == 2

    def test_an_ipp_belongs_to_one_identity_for_ever(self, store: Store, other_store: Store, author) -> None:
        author.create(store, author.identity(identifiers=(author.ipp("100", active=False),)))
        with pytest.raises(StoreConflict):
            author.create(other_store, author.identity("100"))

    def test_other_identifiers_may_be_held_twice(self, store: Store, author) -> None:
        shared = PatientIdentifier("V1", "VN", author.hospital)
        made = [author.identity(ipp, matricule=NIR) for ipp in "12"]
        author.create(store, *(replace(one, identifiers=(*one.identifiers, shared)) for one in made))
        assert count(store, identity) == 2

    def test_sqlite_lets_one_writer_in(self, sqlite_url: str, author) -> None:
        one, other = Store.open(sqlite_url), Store.open(sqlite_url, lock_timeout_s=0.05)
        with one.begin(), pytest.raises(StoreUnavailable) as caught, other.begin():
            pass
        assert caught.value.reason is Reason.LOCKED
        one.close()
        other.close()


class TestDaemonsOnOneServer:
    """Several daemons on one PostgreSQL: what each decided on must still hold at its commit."""

    @pytest.fixture
    def stores(self, postgres_url: str) -> Iterator[tuple[Store, Store]]:
        both = Store.open(postgres_url), Store.open(postgres_url)
        yield both
        for each in both:
            each.close()

    def test_two_changes_of_one_identity(self, stores: tuple[Store, Store], author) -> None:
        one, other = stores
        made = author.identity("100")
        author.create(one, made)
        with pytest.raises(StoreConflict), one.begin() as tx:  # noqa: PT012 - the whole transaction must fail
            tx.load(ipps=["100"])
            author.keep(other, author.change(made, used_family_name="ROSSEL"))
            record = author.message()
            tx.write(
                messages=[record],
                changes=[(record.id, author.change(made, used_family_name="DURAND"))],
                at=author.now,
            )
        assert count(one, identity_version) == 2

    def test_two_merges_the_other_way_round_make_no_circle(self, stores: tuple[Store, Store], author) -> None:
        one, other = stores
        a, b = author.identity("100"), author.identity("200")
        author.create(one, a, b)
        with pytest.raises(StoreConflict), one.begin() as tx:  # noqa: PT012 - the whole transaction must fail
            tx.load(ipps=["100", "200"])
            with other.begin() as faster:
                faster.load(ipps=["100", "200"])
                self.merge(faster, author, author.change(b, merged_into=a.id))
            self.merge(tx, author, author.change(a, merged_into=b.id))
        assert count(one, merge_link) == 1

    def merge(self, tx, author, change: Change) -> None:
        record = author.message()
        link = MergeLink(change.after.id, change.after.merged_into, author.now, record.id, record.control_id)
        tx.write(messages=[record], changes=[(record.id, change)], merges=[link], at=author.now)

    def test_one_message_received_by_both_is_accepted_once(self, stores: tuple[Store, Store], author) -> None:
        one, other = stores
        key = sha256(b"the same").digest()
        with pytest.raises(StoreConflict), one.begin() as tx:  # noqa: PT012 - the whole transaction must fail
            assert tx.load(repeat_keys=[key])[1] == {}
            with other.begin() as faster:
                assert faster.load(repeat_keys=[key])[1] == {}
                faster.write(messages=[author.message(repeat_key=key)], at=author.now)
            tx.write(messages=[author.message(repeat_key=key)], at=author.now)
        assert count(one, message) == 1

    def test_a_lost_connection_is_made_again(self, stores: tuple[Store, Store], author) -> None:
        one, other = stores
        with pytest.raises(StoreUnavailable) as caught, one.begin() as tx:  # noqa: PT012 - the whole transaction must fail
            pid = tx._connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with other.begin() as killer:
                killer._connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            tx.write(messages=[author.message()], at=author.now)
        assert caught.value.reason is Reason.AWAY
        author.create(one, author.identity("100"))
        assert count(one, message) == 1

    def test_a_table_locked_by_another_is_waited_for_within_the_time_out(self, postgres_url: str, author) -> None:
        one, other = Store.open(postgres_url), Store.open(postgres_url, lock_timeout_s=0.05)
        with one.begin() as tx:
            tx._connection.execute(text("LOCK TABLE message IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(StoreUnavailable) as caught:
                author.create(other, author.identity("100"))
        assert caught.value.reason is Reason.LOCKED
        one.close()
        other.close()


def _clean(text: str | None) -> str | None:
    """``text`` without what no PostgreSQL column holds: such values are refused before the store."""
    return text if text is None else text.replace("\0", "").encode("utf-8", "ignore").decode()


def _clean_authority(authority: AssigningAuthority) -> AssigningAuthority:
    return AssigningAuthority(
        _clean(authority.namespace_id), _clean(authority.universal_id), _clean(authority.universal_id_type)
    )
