"""The tables. ``migrations/`` builds them, and a test holds the two equal.

History is append-only: nothing updates or deletes a row of ``message``, ``identity_version`` or ``merge_link`` save
legal erasure, which leaves its mark, and nothing at all one of ``audit_event``. Pruning takes rows of
``message_text`` away, and says so in ``pruning``. ``identity``, ``identifier`` and ``ended_ins`` hold the state now;
``alert`` has a state of its own.
"""

from datetime import UTC, datetime
from typing import Any, Final

import orjson
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
    literal_column,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

HEAD: Final = "0002"  # the revision that these tables are at; a test compares it with migrations/


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
        if dialect.name != "sqlite":
            return moment
        if moment.microsecond:  # the same text, in a tenth of the time
            return orjson.dumps(moment).decode()[1:-1]
        return moment.isoformat(timespec="microseconds")

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

# What decided: the settings, and the digests of the files of profiles and overlays. One row for each that ever was.
in_force: Final = Table(
    "in_force",
    metadata,
    Column("id", Text, primary_key=True),  # SHA-256 of content, hex
    Column("at", UtcTime, nullable=False),  # when it was first in force
    Column("content", JSON, nullable=False),
)

kept_file: Final = Table(
    "kept_file",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of the file, hex
    Column("content", LargeBinary, nullable=False),  # compressed by zlib
)

# What findings say, each sentence once; the journal names them by their digest.
said: Final = Table(
    "said",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("code", Integer, nullable=False),
    Column("severity", Text, nullable=False),
    Column("fr", Text, nullable=False),
    Column("en", Text, nullable=False),
    Column("spec", Text, nullable=False),
)

# All that was said of a message, each such set once: a feed breaks the same rules in the same places all the time.
# Erasure leaves it, for it holds no value of a patient: a finding has a rule, a place and a sentence, in which counts,
# names of the standards, or date and control id of a merge may stand; an ERR is made of a finding.
said_together: Final = Table(
    "said_together",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("findings", JSON, nullable=False),  # see said.py
    Column("errs", LargeBinary, nullable=False),  # the ERR segments of the ACK, as they were sent
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
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the bytes that came in
    Column("repeat_key", Text),  # hex; null without a control id
    Column("repeat_of", ID, ForeignKey("message.id")),
    Column("ack_code", Text, nullable=False),
    Column("ack_head", LargeBinary, nullable=False),  # MSH and MSA; the rest is said_together.errs: see said.py
    Column("said_together", Text, ForeignKey("said_together.digest")),  # null: nothing was said
    Column("port", Integer),  # ours, by which it came in; null: not known
    Column("in_force", Text, ForeignKey("in_force.id")),  # null: before revision 0002
    Column("action", Text),  # what an operator did; null: a message that came in
    Column("words", LargeBinary),  # of an act: ids alone, in clear; null: a message, or erased
    Column("replay_of", ID, ForeignKey("message.id")),  # the refused message that was taken again
    Column("erased_at", UtcTime),  # its text is gone since, by legal demand; pruning does not say it here
    Index(  # nearly all are accepted: each index that they do not stand in is one page less to write
        "ix_message_refused",
        "ack_code",
        "id",
        sqlite_where=text("ack_code <> 'AA'"),
        postgresql_where=text("ack_code <> 'AA'"),
    ),
    Index(
        "ix_message_replay_of",
        "replay_of",
        sqlite_where=text("replay_of IS NOT NULL"),
        postgresql_where=text("replay_of IS NOT NULL"),
    ),
    Index(
        "ix_message_accepted",  # the receipts: what a repeat is recognised by
        "repeat_key",
        "id",
        sqlite_where=text("ack_code = 'AA' AND repeat_of IS NULL"),
        postgresql_where=text("ack_code = 'AA' AND repeat_of IS NULL"),
    ),
)

REFUSED: Final = message.c.ack_code != literal_column("'AA'")
"""Of a message: it was not accepted, letter for letter as ``ix_message_refused`` has it."""

# The bytes of each message that came in with any, until they are pruned or erased. No foreign key: it is written with
# its message, in one transaction, and to take it away would lock the journal.
message_text: Final = Table(
    "message_text",
    metadata,
    Column("message_id", ID, primary_key=True),
    Column("raw", LargeBinary, nullable=False),
    Column("key_id", Text),  # of the key that raw is encrypted with; null: in clear
    postgresql_partition_by="RANGE (message_id)",  # a partition for each month: see months.py
)

# A row for each pruning: no message up to this one has its text any more, unless it came in later.
pruning: Final = Table(
    "pruning",
    metadata,
    Column("up_to", ID, primary_key=True),  # id of a message
    Column("at", UtcTime, nullable=False),
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
    Column("dated_at", UtcTime),  # the source's own date of what is held; null: it gave none
    Column("erased_at", UtcTime),  # by legal demand: what is left is a tombstone
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
    Index(  # of IPPs the next one serves
        "ix_identifier_value",
        "value",
        sqlite_where=text("type <> 'PI'"),
        postgresql_where=text("type <> 'PI'"),
    ),
    Index(
        "uq_identifier_ipp",  # an IPP belongs to one identity for ever; looked up by its value
        "value",
        "authority_key",
        unique=True,
        sqlite_where=text("type = 'PI'"),
        postgresql_where=text("type = 'PI'"),
    ),
    sqlite_with_rowid=False,
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
    Column("changes", JSON, nullable=False),  # null: created as the snapshot shows it
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
    Column("message_id", ID, ForeignKey("message.id")),  # null: no message brought it, as with a silent source
    Column("identity_id", ID, ForeignKey("identity.id")),
    Column("source", Text),  # of the settings; only where there is no message
    Column("rule", Text, nullable=False),
    Column("finding", JSON, nullable=False),
    Column("state", Text, nullable=False),  # open, acknowledged, closed
    Column("changed_at", UtcTime),
    Column("changed_by", Text),
    Column("note", Text),
    Index(None, "at"),
    Index(None, "message_id"),
    Index(None, "state", "id"),
)

# Who did what, and who looked at whom. Each row holds the hash of the one before: none can be changed or taken away.
audit_event: Final = Table(
    "audit_event",
    metadata,
    Column("number", SERIAL, primary_key=True, autoincrement=False),  # from 1, without a gap
    Column("at", UtcTime, nullable=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),  # success, refused, failed
    Column("actor", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),  # token, os-user, system
    Column("origin", Text, nullable=False),  # a network address, or the name of the host
    Column("identity_id", ID),  # no foreign key: the trail outlives what it speaks of
    Column("message_id", ID),
    Column("reason", Text),
    Column("detail", JSON, nullable=False),
    Column("previous", Text, nullable=False),  # hash of the row before, hex; of the first: empty
    Column("hash", Text, nullable=False),
    Index(None, "identity_id"),
    Index(None, "at"),
)

token: Final = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),  # the part of the token that may be shown
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),  # reader, operator, admin
    Column("hash", Text, nullable=False),  # argon2id of the secret part
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Index(  # the trail tells by name who acted
        "uq_token_name",
        "name",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

# What later folds of the journal start from: all identities as they were after the message up_to.
checkpoint: Final = Table(
    "checkpoint",
    metadata,
    Column("id", ID, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("reason", Text, nullable=False),  # prune, erase
    Column("up_to", ID, nullable=False),  # id of a message
    Column("identities", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of all parts
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

checkpoint_part: Final = Table(
    "checkpoint_part",
    metadata,
    Column("checkpoint_id", ID, ForeignKey("checkpoint.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("key_id", Text),  # as of message_text
)

tombstone: Final = Table(
    "tombstone",
    metadata,
    Column("identity_id", ID, ForeignKey("identity.id"), primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("versions", Integer, nullable=False),
    Column("messages", Integer, nullable=False),  # whose raw text was erased with it
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
