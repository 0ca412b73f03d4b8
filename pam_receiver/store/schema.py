"""The tables. ``migrations/`` builds them, and a test holds the two equal.

History is append-only: nothing updates or deletes a row of ``message``, ``identity_version``, ``merge_link`` or
``alert``. ``identity``, ``identifier`` and ``ended_ins`` hold the state now.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

HEAD: Final = "0001"  # the revision that these tables are at; a test compares it with migrations/


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC. PostgreSQL: ``timestamptz``; SQLite: ISO 8601 text with microseconds, which sorts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:  # Any: the text of SQLite is read below
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without offset cannot be stored")
        moment = value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature of the base
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


# Ids are UUID texts that sort by time; "C" makes PostgreSQL sort them by their bytes, as SQLite does.
ID: Final = Text().with_variant(Text(collation="C"), "postgresql")
SERIAL: Final = BigInteger().with_variant(Integer(), "sqlite")

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

message: Final = Table(
    "message",
    metadata,
    Column("id", ID, primary_key=True),
    Column("received_at", UtcTime, nullable=False),
    Column("peer", Text, nullable=False),
    Column("sending_application", Text, nullable=False),
    Column("sending_facility", Text, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("encoding", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of raw
    Column("repeat_key", Text),  # hex; null without a control id
    Column("repeat_of", ID, ForeignKey("message.id")),
    Column("ack_code", Text, nullable=False),
    Column("ack", LargeBinary, nullable=False),
    Column("findings", JSON, nullable=False),
    Index("ix_message_ack_code_id", "ack_code", "id"),
    Index(
        "ix_message_accepted",  # the receipts: what a repeat is recognised by
        "repeat_key",
        "id",
        sqlite_where=text("ack_code = 'AA' AND repeat_of IS NULL"),
        postgresql_where=text("ack_code = 'AA' AND repeat_of IS NULL"),
    ),
)

identity: Final = Table(
    "identity",
    metadata,
    Column("id", ID, primary_key=True),
    Column("active", Boolean, nullable=False),
    # deferred: a batch may write the absorbed identity before its survivor
    Column("merged_into", ID, ForeignKey("identity.id", deferrable=True, initially="DEFERRED")),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("reliability_codes", JSON, nullable=False),
    Column("ins_matricule", Text),
    Column("ins_oid", Text),
    Column("birth_family_name", Text),
    Column("first_birth_given_name", Text),
    Column("birth_given_names", Text),
    Column("birth_date", Text),
    Column("sex", Text),
    Column("birth_place_code", Text),
    Column("used_family_name", Text),
    Column("used_given_name", Text),
    # Partial: most identities hold neither, and a planner that counted all those nulls would rather read the table.
    Index(
        "ix_identity_ins_matricule",
        "ins_matricule",
        sqlite_where=text("ins_matricule IS NOT NULL"),
        postgresql_where=text("ins_matricule IS NOT NULL"),
    ),
    Index(
        "ix_identity_merged_into",
        "merged_into",
        sqlite_where=text("merged_into IS NOT NULL"),
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
)

identifier: Final = Table(
    "identifier",
    metadata,
    Column("identity_id", ID, ForeignKey("identity.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("value", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("authority_key", Text, nullable=False),
    Column("namespace_id", Text, nullable=False),
    Column("universal_id", Text, nullable=False),
    Column("universal_id_type", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Index(None, "value"),
    Index(
        "uq_identifier_ipp",  # an IPP belongs to one identity for ever; looked up by its value
        "value",
        "authority_key",
        unique=True,
        sqlite_where=text("type = 'PI'"),
        postgresql_where=text("type = 'PI'"),
    ),
)

# No index on the matricule: an INS that was removed or invalidated is never looked up.
ended_ins: Final = Table(
    "ended_ins",
    metadata,
    Column("identity_id", ID, ForeignKey("identity.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("matricule", Text, nullable=False),
    Column("oid", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("reason", Text, nullable=False),
)

identity_version: Final = Table(
    "identity_version",
    metadata,
    Column("identity_id", ID, ForeignKey("identity.id"), primary_key=True),
    Column("number", Integer, primary_key=True),  # two writers of the same number: the second one is in conflict
    Column("at", UtcTime, nullable=False),
    Column("message_id", ID, ForeignKey("message.id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("changes", JSON, nullable=False),
    Column("snapshot", JSON, nullable=False),  # the whole identity after the change
    Index(None, "message_id", "identity_id", "number"),
)

merge_link: Final = Table(
    "merge_link",
    metadata,
    Column("absorbed", ID, ForeignKey("identity.id"), primary_key=True),
    Column("message_id", ID, ForeignKey("message.id"), primary_key=True),
    Column("survivor", ID, ForeignKey("identity.id"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("control_id", Text, nullable=False),
    Index(None, "survivor"),
)

alert: Final = Table(
    "alert",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("message_id", ID, ForeignKey("message.id"), nullable=False),
    Column("identity_id", ID, ForeignKey("identity.id")),
    Column("rule", Text, nullable=False),
    Column("finding", JSON, nullable=False),
    Index(None, "at"),
    Index(None, "message_id"),
)

# The keys are digests: MSH-3 and MSH-4 have no length that a sender keeps to.
sender_authority: Final = Table(
    "sender_authority",
    metadata,
    Column("key", Text, primary_key=True),  # of the sender and the authority
    Column("sender_key", Text, nullable=False),
    Column("sending_application", Text, nullable=False),
    Column("sending_facility", Text, nullable=False),
    Column("namespace_id", Text, nullable=False),
    Column("universal_id", Text, nullable=False),
    Column("universal_id_type", Text, nullable=False),
    Index(None, "sender_key"),
)
