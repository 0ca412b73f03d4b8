"""What decided and by which port; dates of the source; states of alerts; trail, tokens, checkpoints, tombstones.

Revision ID: 0002
"""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add columns and tables; the texts of messages move into a table of their own."""
    create_in_force()
    extend_message()
    move_texts()
    keep_said_once()
    write_repeat_keys(new_repeat_key)
    op.add_column("identity", sa.Column("dated_at", TIME))
    op.add_column("identity", sa.Column("erased_at", TIME))
    extend_alert()
    create_audit_event()
    create_token()
    create_checkpoint()


def create_in_force() -> None:
    op.create_table(
        "in_force",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_in_force"),
    )
    op.create_table(
        "kept_file",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_kept_file"),
    )
    op.create_table(
        "said",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("fr", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_said"),
    )
    op.create_table(
        "said_together",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("errs", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_said_together"),
    )


def extend_message() -> None:
    # Each with its key in one statement: SQLite adds no constraint to a table that is there, and to write the journal
    # anew would take hours.
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.add_column("message", sa.Column("port", sa.Integer()))
    if is_sqlite:
        op.execute(
            "ALTER TABLE message ADD COLUMN in_force TEXT CONSTRAINT fk_message_in_force REFERENCES in_force (id)"
        )
    else:
        op.add_column("message", sa.Column("in_force", sa.Text()))
        op.create_foreign_key("fk_message_in_force", "message", "in_force", ["in_force"], ["id"])
    op.add_column("message", sa.Column("action", sa.Text()))
    op.add_column("message", sa.Column("words", sa.LargeBinary()))
    if is_sqlite:
        op.execute(
            "ALTER TABLE message ADD COLUMN replay_of TEXT CONSTRAINT fk_message_replay_of REFERENCES message (id)"
        )
    else:
        op.add_column("message", sa.Column("replay_of", ID))
        op.create_foreign_key("fk_message_replay_of", "message", "message", ["replay_of"], ["id"])
    op.add_column("message", sa.Column("erased_at", TIME))
    op.drop_index("ix_message_ack_code_id", "message")
    refused = sa.text("ack_code <> 'AA'")
    op.create_index("ix_message_refused", "message", ["ack_code", "id"], sqlite_where=refused, postgresql_where=refused)
    op.drop_index("ix_identifier_value", "identifier")
    others = sa.text("type <> 'PI'")
    op.create_index("ix_identifier_value", "identifier", ["value"], sqlite_where=others, postgresql_where=others)
    is_replay = sa.text("replay_of IS NOT NULL")
    op.create_index(
        "ix_message_replay_of", "message", ["replay_of"], sqlite_where=is_replay, postgresql_where=is_replay
    )


def keep_said_once() -> None:
    """Take findings and ERR segments out of the lines of the journal, each set of them once; see said.py."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    op.execute("ALTER TABLE message RENAME COLUMN ack TO ack_head")
    if is_sqlite:
        op.execute(
            "ALTER TABLE message ADD COLUMN said_together TEXT "
            "CONSTRAINT fk_message_said_together REFERENCES said_together (digest)"
        )
    else:
        op.add_column("message", sa.Column("said_together", sa.Text()))
    findings_in = ":findings" if is_sqlite else "CAST(:findings AS JSON)"
    columns = sa.text(
        "SELECT id, ack_head, CAST(findings AS TEXT) FROM message WHERE id > :after ORDER BY id LIMIT 2000"
    )
    keep = sa.text(
        f"INSERT INTO said_together (digest, findings, errs) VALUES (:digest, {findings_in}, :errs) "  # noqa: S608
        "ON CONFLICT DO NOTHING"
    )
    write = sa.text("UPDATE message SET ack_head = :head, said_together = :digest WHERE id = :id")
    after = ""
    while rows := connection.execute(columns, {"after": after}).all():
        sets: dict[str, dict[str, object]] = {}
        lines = []
        for id_, ack, findings in rows:
            head, errs = split_ack(bytes(ack))
            if errs or findings != "[]":  # else nothing was said
                digest = sha256(b"\0".join((findings.encode(), errs))).hexdigest()[:32]
                sets[digest] = {"digest": digest, "findings": findings, "errs": errs}
                lines.append({"id": id_, "head": head, "digest": digest})
        if sets:
            connection.execute(keep, list(sets.values()))
            connection.execute(write, lines)
        after = rows[-1][0]
    if not is_sqlite:
        op.create_foreign_key("fk_message_said_together", "message", "said_together", ["said_together"], ["digest"])
    op.drop_column("message", "findings")


def split_ack(ack: bytes) -> tuple[bytes, bytes]:
    """Return an ACK up to its first ERR segment, and from there on."""
    at = ack.find(b"\rERR|") + 1
    return (ack[:at], ack[at:]) if at else (ack, b"")


def say_again() -> None:
    """Bring findings and whole ACKs back into the lines of the journal."""
    connection = op.get_bind()
    op.execute("ALTER TABLE message RENAME COLUMN ack_head TO ack")
    op.add_column("message", sa.Column("findings", sa.JSON(), nullable=False, server_default="[]"))
    op.execute(
        "UPDATE message SET findings = (SELECT s.findings FROM said_together s WHERE s.digest = message.said_together) "
        "WHERE said_together IS NOT NULL"
    )
    columns = sa.text(
        "SELECT m.id, m.ack, s.errs FROM message m JOIN said_together s ON s.digest = m.said_together "
        "WHERE m.id > :after ORDER BY m.id LIMIT 2000"
    )
    write = sa.text("UPDATE message SET ack = :ack WHERE id = :id")
    after = ""
    while rows := connection.execute(columns, {"after": after}).all():  # SQLite has no concatenation of bytes
        connection.execute(write, [{"id": id_, "ack": bytes(head) + bytes(errs)} for id_, head, errs in rows])
        after = rows[-1][0]


def write_repeat_keys(make: Callable[[str, str, str], bytes]) -> None:
    """Write the keys of all messages anew, by MSH-3, MSH-4 and MSH-10."""
    connection = op.get_bind()
    columns = sa.text(
        "SELECT id, sending_application, sending_facility, control_id FROM message "
        "WHERE repeat_key IS NOT NULL AND id > :after ORDER BY id LIMIT 10000"
    )
    write = sa.text("UPDATE message SET repeat_key = :key WHERE id = :id")
    after = ""
    while rows := connection.execute(columns, {"after": after}).all():
        connection.execute(write, [{"id": id_, "key": make(*named).hex()} for id_, *named in rows])
        after = rows[-1][0]


def new_repeat_key(application: str, facility: str, control_id: str) -> bytes:
    sender = sha256(f"{application}\0{facility}".encode()).digest()[:16]
    said = control_id.encode()
    return sender + (said if len(said) <= 32 else sha256(said).digest())


def old_repeat_key(application: str, facility: str, control_id: str) -> bytes:
    return sha256(f"{application}\0{facility}\0{control_id}".encode()).digest()


def move_texts() -> None:
    op.create_table(
        "message_text",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text()),
        sa.PrimaryKeyConstraint("message_id", name="pk_message_text"),
        postgresql_partition_by="RANGE (message_id)",
    )
    if op.get_bind().dialect.name != "sqlite":
        create_partitions()
    op.create_table(
        "pruning",
        sa.Column("up_to", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("up_to", name="pk_pruning"),
    )
    op.execute("INSERT INTO message_text (message_id, raw) SELECT id, raw FROM message WHERE length(raw) > 0")
    op.drop_column("message", "raw")


def create_partitions() -> None:
    """Make a partition for each month (UTC) of which there are messages, and one for all others: see months.py.

    The first 48 bits of an id are milliseconds. An id that is none tells no month.
    """
    op.execute("CREATE TABLE message_text_others PARTITION OF message_text DEFAULT")
    next_id = sa.text("SELECT min(id) FROM message WHERE id >= :start")
    start = ""
    while (found := op.get_bind().execute(next_id, {"start": start}).scalar()) is not None:
        try:
            at = datetime.fromtimestamp(int(found[:13].replace("-", ""), 16) / 1000, UTC)
        except (ValueError, OverflowError):
            return
        first = datetime(at.year, at.month, 1, tzinfo=UTC)
        after = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
        digits = [f"{int(each.timestamp()) * 1000:012x}" for each in (first, after)]
        begin, start = (f"{each[:8]}-{each[8:]}" for each in digits)
        op.execute(
            f"CREATE TABLE message_text_{first:%Y_%m} PARTITION OF message_text "
            f"FOR VALUES FROM ('{begin}') TO ('{start}')"
        )


def move_texts_back() -> None:
    """Bring the texts back into ``message``; of what is gone there is none, as it was before."""
    empty = sa.text("x''" if op.get_bind().dialect.name == "sqlite" else "''")
    op.add_column("message", sa.Column("raw", sa.LargeBinary(), nullable=False, server_default=empty))
    op.execute(
        "UPDATE message SET raw = (SELECT t.raw FROM message_text t WHERE t.message_id = message.id) "
        "WHERE id IN (SELECT message_id FROM message_text)"
    )
    op.execute("UPDATE message SET raw = words WHERE words IS NOT NULL")
    op.drop_table("pruning")
    op.drop_table("message_text")


def extend_alert() -> None:
    with op.batch_alter_table("alert") as batch:
        batch.alter_column("message_id", existing_type=ID, nullable=True)
        batch.add_column(sa.Column("source", sa.Text()))
        batch.add_column(sa.Column("state", sa.Text(), nullable=False, server_default="open"))
        batch.add_column(sa.Column("changed_at", TIME))
        batch.add_column(sa.Column("changed_by", sa.Text()))
        batch.add_column(sa.Column("note", sa.Text()))
    with op.batch_alter_table("alert") as batch:
        batch.alter_column("state", existing_type=sa.Text(), existing_nullable=False, server_default=None)
    op.create_index("ix_alert_state_id", "alert", ["state", "id"])


def create_audit_event() -> None:
    op.create_table(
        "audit_event",
        sa.Column("number", SERIAL, autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("identity_id", ID),
        sa.Column("message_id", ID),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_event"),
    )
    op.create_index("ix_audit_event_identity_id", "audit_event", ["identity_id"])
    op.create_index("ix_audit_event_at", "audit_event", ["at"])
    refuse_changes_of_audit_event()


def refuse_changes_of_audit_event() -> None:
    """Have the database itself refuse all but new rows; who may change its tables can take the triggers away."""
    if op.get_bind().dialect.name == "sqlite":
        refusal = "BEGIN SELECT RAISE(ABORT, 'audit_event is append-only'); END"
        for name, when in (
            ("audit_event_no_update", "BEFORE UPDATE ON audit_event"),
            ("audit_event_no_delete", "BEFORE DELETE ON audit_event"),
            # INSERT OR REPLACE takes a row away without asking the trigger of DELETE
            (
                "audit_event_no_replace",
                "BEFORE INSERT ON audit_event WHEN EXISTS (SELECT 1 FROM audit_event WHERE number = NEW.number)",
            ),
        ):
            op.execute(f"CREATE TRIGGER {name} {when} {refusal}")
        return
    op.execute(
        "CREATE FUNCTION audit_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit_event is append-only' USING ERRCODE = '42501'; END $$"
    )
    for name, when, each in (
        ("audit_event_no_change", "UPDATE OR DELETE", "ROW"),
        ("audit_event_no_truncate", "TRUNCATE", "STATEMENT"),
    ):
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {when} ON audit_event "
            f"FOR EACH {each} EXECUTE FUNCTION audit_event_is_append_only()"
        )


def create_token() -> None:
    op.create_table(
        "token",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
    )
    op.create_index(
        "uq_token_name",
        "token",
        ["name"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )


def create_checkpoint() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("up_to", ID, nullable=False),
        sa.Column("identities", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoint"),
    )
    op.create_table(
        "checkpoint_part",
        sa.Column("checkpoint_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text()),
        sa.PrimaryKeyConstraint("checkpoint_id", "number", name="pk_checkpoint_part"),
        sa.ForeignKeyConstraint(["checkpoint_id"], ["checkpoint.id"], name="fk_checkpoint_part_checkpoint_id"),
    )
    op.create_table(
        "tombstone",
        sa.Column("identity_id", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("versions", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("identity_id", name="pk_tombstone"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_tombstone_identity_id"),
    )


def write_findings_out() -> None:
    """Write each finding of a set whole again, and of each creation that it was one: see its snapshot."""
    names = ("segment", "sequence", "field", "repetition", "component", "subcomponent")
    if op.get_bind().dialect.name == "sqlite":
        place = ", ".join(f"'{name}', json_extract(f.value, '$[{n}]')" for n, name in enumerate(names, 3))
        at = f"CASE WHEN json_array_length(f.value) > 3 THEN json_object({place}) END"
        words = f"'rule', s.rule, 'code', s.code, 'severity', s.severity, 'at', json({at}), 'fr', s.fr, 'en', s.en"
        found = f"SELECT json_group_array(json_object({words}, 'spec', s.spec))"
        source = (  # CROSS JOIN keeps the order of the first one
            "FROM json_each(said_together.findings) f CROSS JOIN said s WHERE s.digest = json_extract(f.value, '$[2]')"
        )
    else:
        place = ", ".join(f"'{name}', f.value -> {n}" for n, name in enumerate(names, 3))
        at = f"CASE WHEN json_array_length(f.value) > 3 THEN json_build_object({place}) END"
        words = f"'rule', s.rule, 'code', s.code, 'severity', s.severity, 'at', {at}, 'fr', s.fr, 'en', s.en"
        found = f"SELECT json_agg(json_build_object({words}, 'spec', s.spec) ORDER BY f.n)"
        source = (
            "FROM json_array_elements(said_together.findings) WITH ORDINALITY f(value, n) "
            "JOIN said s ON s.digest = f.value ->> 2"
        )
    whole = f"({found} {source})"
    op.execute(f"UPDATE said_together SET findings = {whole} WHERE CAST(findings AS TEXT) LIKE '[[%'")  # noqa: S608 - of names above
    created = """'[{"what": "created", "before": null, "after": true}]'"""
    op.execute(f"UPDATE identity_version SET changes = {created} WHERE CAST(changes AS TEXT) = 'null'")  # noqa: S608


def downgrade() -> None:
    """Take all of it away; alerts that no message brought go."""
    write_findings_out()
    for table in ("tombstone", "checkpoint_part", "checkpoint", "token", "audit_event"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":  # where they go with their table
        op.execute("DROP FUNCTION audit_event_is_append_only()")
    op.execute("DELETE FROM alert WHERE message_id IS NULL")
    op.drop_index("ix_alert_state_id", "alert")
    with op.batch_alter_table("alert") as batch:
        for column in ("note", "changed_by", "changed_at", "state", "source"):
            batch.drop_column(column)
        batch.alter_column("message_id", existing_type=ID, nullable=False)
    with op.batch_alter_table("identity") as batch:
        batch.drop_column("erased_at")
        batch.drop_column("dated_at")
    op.drop_index("ix_message_refused", "message")
    op.create_index("ix_message_ack_code_id", "message", ["ack_code", "id"])
    op.drop_index("ix_identifier_value", "identifier")
    op.create_index("ix_identifier_value", "identifier", ["value"])
    op.drop_index("ix_message_replay_of", "message")
    move_texts_back()
    say_again()
    write_repeat_keys(old_repeat_key)
    with op.batch_alter_table("message") as batch:
        batch.alter_column("raw", existing_type=sa.LargeBinary(), existing_nullable=False, server_default=None)
        batch.alter_column("findings", existing_type=sa.JSON(), existing_nullable=False, server_default=None)
        if op.get_bind().dialect.name != "sqlite":  # where the new table is made without them
            batch.drop_constraint("fk_message_said_together", type_="foreignkey")
            batch.drop_constraint("fk_message_replay_of", type_="foreignkey")
            batch.drop_constraint("fk_message_in_force", type_="foreignkey")
        for column in ("erased_at", "replay_of", "words", "action", "in_force", "port", "said_together"):
            batch.drop_column(column)
    op.drop_table("said_together")
    op.drop_table("said")
    op.drop_table("kept_file")
    op.drop_table("in_force")
