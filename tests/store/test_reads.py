"""Plans: no look-up of a message, an identity or an identifier reads a whole table, on either database."""

import re
from contextlib import closing
from itertools import pairwise

import pytest
from sqlalchemy import Connection, Select, text

from pam_receiver.hl7.ack import Ack
from pam_receiver.store import Hold, Store, alerts, migrate, queries
from pam_receiver.store.binary import binary_select
from pam_receiver.store.reads import READS, reads_of
from pam_receiver.store.schema import identity_version, message, metadata

TABLES = "|".join(metadata.tables)
LOOK_UPS = (
    "named",
    "holding",
    "by_id",
    "absorbed",
    "identifiers",
    "ended",
    "merges",
    "seen",
    "receipts",
    "receipts_of_one",
    "erased",
    "texts",
)
OF_A_BATCH = ("named", "seen", "receipts", "absorbed", "by_id", "identifiers", "ended", "merges", "erased")
PARAMETERS = ("ipps", "matricules", "ids", "senders", "namespaces", "keys")
LISTINGS: dict[str, Select] = {
    "history": queries._HISTORY.where(identity_version.c.identity_id == "1"),
    "touched": queries._TOUCHED.where(identity_version.c.message_id == "1"),
    "message": queries._STARTING.where(*queries._begins("0190")).limit(2),
    "journal": queries._journal(None, None).limit(50),
    "journal-page": queries._journal(None, "0190").limit(50),
    "journal-ack": queries._journal("AE", None).limit(50),
    "journal-ack-page": queries._journal("AE", "0190").limit(50),
    "journal-forward": queries._FORWARD.where(message.c.id > "0190").limit(250),
    "identities": queries._CREATED.limit(100),
    "identities-forward": queries._after("0190").limit(500),
    "alerts": alerts._IN_STATE.params(state="open").limit(50),
    "alerts-open-by-rule": alerts._OPEN_BY_RULE,
    "alerts-of-silence": alerts._SILENT,
    "heard": alerts._HEARD.params(first="0190", since="2025-01-01T00:00:00+00:00"),
}


def plan_of(store: Store, statement: Select, parameters: dict[str, object]) -> str:
    with store.read() as connection:
        compiled = statement.compile(connection.engine, compile_kwargs={"render_postcompile": True})
        values = {**compiled.params, **parameters}
        if connection.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {compiled}", tuple(values[name] for name in compiled.positiontup or ())
            )
            return "\n".join(row.detail for row in rows)
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        return "\n".join(connection.exec_driver_sql(f"EXPLAIN {compiled}", values).scalars())


def generic_plan(connection: Connection, statement: Select) -> str:
    """The plan that a server would keep for every value of ``keys``."""
    asked = str(statement.compile(connection.engine)).replace("%(keys)s::TEXT[]", "$1")
    connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
    connection.exec_driver_sql(f"PREPARE asked (text[]) AS {asked}")
    plan = connection.exec_driver_sql("EXPLAIN EXECUTE asked ('{7,8}')").scalars().all()
    connection.exec_driver_sql("DEALLOCATE asked")
    return "\n".join(plan)


def check_plan(plan: str) -> None:
    assert not re.search(rf"Seq Scan on ({TABLES})\b", plan), plan
    # "SCAN alert" in the order of its key is the key itself, read backwards
    assert not re.search(rf"SCAN (?!alert$)({TABLES}|inner_message)\b(?! USING (COVERING )?INDEX)", plan), plan


@pytest.fixture
def filled(store: Store, author) -> Store:
    """A store with enough rows for an index to be worth it."""
    author.create(store, *(author.identity(f"{n}", matricule=f"{n:015d}") for n in range(200)))
    with store.begin() as tx:
        tx._connection.execute(text("ANALYZE"))
    return store


@pytest.mark.parametrize("name", LOOK_UPS)
def test_a_look_up_uses_its_indexes(filled: Store, name: str) -> None:
    with filled.read() as connection:
        reads = reads_of(connection)
    if getattr(reads, name) is None:
        pytest.skip("of SQLite alone")
    parameters: dict[str, object] = {each: reads.pack(["7", "8"]) for each in PARAMETERS}
    plan = plan_of(filled, getattr(reads, name), {**parameters, "value": "7", "key": "7", "first": "7", "last": "8"})
    check_plan(plan)
    assert not re.search(rf"SCAN ({TABLES}|inner_message)\b", plan), plan
    if name.startswith("receipts"):
        assert "ix_message_accepted" in plan


def test_a_server_without_statistics_never_walks_through_all_receipts(bare_postgres_url: str, author) -> None:
    migrate.upgrade(bare_postgres_url)
    with closing(Store.open(bare_postgres_url)) as store:
        for _ in range(100):  # the two indexes do not outgrow their first page at the same row
            with store.begin() as tx:
                tx.write(messages=[author.message(raw=bytes(1100), ack=Ack(bytes(400)))], at=author.now)
                tx.load(repeat_keys=[bytes(32)])
            with store.begin() as tx:
                plan = generic_plan(tx._connection, READS["postgresql"].receipts)
            assert "Scan Backward using ix_message_accepted" in plan, plan


@pytest.mark.parametrize("has_statistics", [False, True])
def test_a_plan_that_a_server_made_of_empty_tables_never_walks_through_them(
    bare_postgres_url: str, *, has_statistics: bool
) -> None:
    """A batch has its statements planned once: the plan stays while the tables grow."""
    migrate.upgrade(bare_postgres_url)
    with closing(Store.open(bare_postgres_url)) as store, store.begin(pipelined=True, hold=Hold()) as tx:
        if has_statistics:
            tx.connection.execute(text("ANALYZE"))
        for name in OF_A_BATCH:
            asked = binary_select(getattr(READS["postgresql"], name))
            values = ", ".join(["'{7,8}'"] * len(asked._writes))
            tx.connection.exec_driver_sql(f"PREPARE asked AS {asked._sql.decode()}")
            plan = tx.connection.exec_driver_sql(f"EXPLAIN EXECUTE asked ({values})").scalars().all()
            tx.connection.exec_driver_sql("DEALLOCATE asked")
            for line, under in pairwise([*plan, ""]):
                is_scan = re.search(r"Scan .*(using|on) (?!unnest)\w", line) and "pruning" not in line  # of a few rows
                assert not is_scan or "Cond" in under, "\n".join(plan)


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_follows_an_index_and_sorts_nothing_big(filled: Store, name: str) -> None:
    plan = plan_of(filled, LISTINGS[name], {})
    check_plan(plan)
    assert "TEMP B-TREE FOR ORDER BY" not in plan, plan


def test_the_plan_test_sees_a_whole_table_read(filled: Store) -> None:
    with pytest.raises(AssertionError):
        check_plan("SCAN message")
    with pytest.raises(AssertionError):
        check_plan("Seq Scan on identity  (cost=0.00..8.00)")
    without_index = queries._journal(None, None).where(message.c.peer == "x").order_by(None)
    plan = plan_of(filled, without_index.order_by(message.c.peer), {})
    assert "SCAN message" in plan or "Seq Scan on message" in plan
