"""The first tables: messages, identities with their identifiers and versions, merges, alerts.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table."""
    create_message()
    create_identity()
    create_identifiers()
    create_history()
    create_alert()
    create_sender_authority()


def create_message() -> None:
    op.create_table(
        "message",
        sa.Column("id", ID, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("sending_application", sa.Text(), nullable=False),
        sa.Column("sending_facility", sa.Text(), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("repeat_key", sa.Text()),
        sa.Column("repeat_of", ID),
        sa.Column("ack_code", sa.Text(), nullable=False),
        sa.Column("ack", sa.LargeBinary(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sa.ForeignKeyConstraint(["repeat_of"], ["message.id"], name="fk_message_repeat_of"),
    )
    op.create_index("ix_message_ack_code_id", "message", ["ack_code", "id"])
    accepted = sa.text("ack_code = 'AA' AND repeat_of IS NULL")
    op.create_index(
        "ix_message_accepted", "message", ["repeat_key", "id"], sqlite_where=accepted, postgresql_where=accepted
    )


def create_identity() -> None:
    op.create_table(
        "identity",
        sa.Column("id", ID, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("merged_into", ID),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reliability_codes", sa.JSON(), nullable=False),
        sa.Column("ins_matricule", sa.Text()),
        sa.Column("ins_oid", sa.Text()),
        sa.Column("birth_family_name", sa.Text()),
        sa.Column("first_birth_given_name", sa.Text()),
        sa.Column("birth_given_names", sa.Text()),
        sa.Column("birth_date", sa.Text()),
        sa.Column("sex", sa.Text()),
        sa.Column("birth_place_code", sa.Text()),
        sa.Column("used_family_name", sa.Text()),
        sa.Column("used_given_name", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        sa.ForeignKeyConstraint(
            ["merged_into"], ["identity.id"], name="fk_identity_merged_into", deferrable=True, initially="DEFERRED"
        ),
    )
    for column in ("ins_matricule", "merged_into"):
        held = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_identity_{column}", "identity", [column], sqlite_where=held, postgresql_where=held)


def create_identifiers() -> None:
    op.create_table(
        "identifier",
        sa.Column("identity_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("authority_key", sa.Text(), nullable=False),
        sa.Column("namespace_id", sa.Text(), nullable=False),
        sa.Column("universal_id", sa.Text(), nullable=False),
        sa.Column("universal_id_type", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("identity_id", "position", name="pk_identifier"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_identifier_identity_id"),
        sqlite_with_rowid=False,  # files that were made by the first release have one page more to write
    )
    op.create_index("ix_identifier_value", "identifier", ["value"])
    ipp = sa.text("type = 'PI'")
    op.create_index(
        "uq_identifier_ipp",
        "identifier",
        ["value", "authority_key"],
        unique=True,
        sqlite_where=ipp,
        postgresql_where=ipp,
    )
    op.create_table(
        "ended_ins",
        sa.Column("identity_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("matricule", sa.Text(), nullable=False),
        sa.Column("oid", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("identity_id", "position", name="pk_ended_ins"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_ended_ins_identity_id"),
    )


def create_history() -> None:
    op.create_table(
        "identity_version",
        sa.Column("identity_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("snapshot", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("identity_id", "number", name="pk_identity_version"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_identity_version_identity_id"),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_identity_version_message_id"),
    )
    op.create_index(
        "ix_identity_version_message_id_identity_id_number",
        "identity_version",
        ["message_id", "identity_id", "number"],
    )
    op.create_table(
        "merge_link",
        sa.Column("absorbed", ID, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("survivor", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("absorbed", "message_id", name="pk_merge_link"),
        sa.ForeignKeyConstraint(["absorbed"], ["identity.id"], name="fk_merge_link_absorbed"),
        sa.ForeignKeyConstraint(["survivor"], ["identity.id"], name="fk_merge_link_survivor"),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_merge_link_message_id"),
    )
    op.create_index("ix_merge_link_survivor", "merge_link", ["survivor"])


def create_alert() -> None:
    op.create_table(
        "alert",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("identity_id", ID),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("finding", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_alert_message_id"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_alert_identity_id"),
    )
    op.create_index("ix_alert_at", "alert", ["at"])
    op.create_index("ix_alert_message_id", "alert", ["message_id"])


def create_sender_authority() -> None:
    op.create_table(
        "sender_authority",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sender_key", sa.Text(), nullable=False),
        sa.Column("sending_application", sa.Text(), nullable=False),
        sa.Column("sending_facility", sa.Text(), nullable=False),
        sa.Column("namespace_id", sa.Text(), nullable=False),
        sa.Column("universal_id", sa.Text(), nullable=False),
        sa.Column("universal_id_type", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_sender_authority"),
    )
    op.create_index("ix_sender_authority_sender_key", "sender_authority", ["sender_key"])


def downgrade() -> None:
    """Drop every table, and all that they hold."""
    for table in (
        "sender_authority",
        "alert",
        "merge_link",
        "identity_version",
        "ended_ins",
        "identifier",
        "identity",
        "message",
    ):
        op.drop_table(table)
