"""The reads that the writer and the queries share, as statements made once for each kind of database.

A collection of values is one parameter (a JSON text on SQLite, an array on PostgreSQL), so that a statement is the
same for any number of them: planned and compiled once, and no limit on how many.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    TableValuedAlias,
    Text,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import array

from pam_receiver.identity.identifiers import PI
from pam_receiver.identity.model import Identity, MergeLink
from pam_receiver.store.compiled import AnyQuery
from pam_receiver.store.prepared import fetch, fetch_all
from pam_receiver.store.rows import AnyRow, group, read_identity, read_merge
from pam_receiver.store.said import ack_columns
from pam_receiver.store.schema import (
    ended_ins,
    identifier,
    identity,
    merge_link,
    message,
    message_text,
    pruning,
    sender_authority,
)

MAX_RECEIPTS: Final = 16  # of one sender and control id, the latest: a sender may use one control id for ever

AnySelect = Select[Any]  # Any: the columns of a table built column by column have no static type


@dataclass(frozen=True, slots=True)
class Reads:
    """The statements for one kind of database, and how it takes a collection."""

    is_sqlite: bool
    named: AnyQuery  # ipps, matricules → identities, by an IPP or by the INS in force, some of them twice
    holding: AnySelect  # value → identities, by any identifier
    by_id: AnySelect  # ids → identities
    absorbed: AnySelect  # ids → identities absorbed into one of these
    identifiers: AnySelect  # ids
    ended: AnySelect  # ids
    merges: AnySelect  # ids
    seen: AnySelect  # senders, namespaces → the five columns that rows.read_seen takes
    receipts: AnySelect  # keys
    receipts_of_one: AnySelect | None  # key; on a server the one above is as quick
    erased: AnySelect  # ids → those of these messages whose text was erased or pruned
    texts: AnySelect  # ids, first and last of them → the texts of messages

    def pack(self, values: Collection[str]) -> str | list[str]:
        """Return ``values`` as the one parameter that stands for them."""
        return orjson.dumps(list(values)).decode() if self.is_sqlite else list(values)

    def ask_receipts(self, keys: Collection[str]) -> tuple[AnySelect, Mapping[str, object] | None]:
        """Return the statement that gives the receipts of these repeat keys, and its parameters."""
        if len(keys) == 1 and self.receipts_of_one is not None:
            (key,) = keys
            return self.receipts_of_one, {"key": key}
        return self.receipts, {"keys": self.pack(keys)} if keys else None


def _among(column: ColumnElement[Any], name: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Whether ``column`` is one of the values of the collection ``name``."""
    if is_sqlite:
        return column.in_(select(_each_of(name).c.value))
    return column == any_(bindparam(name, type_=ARRAY(Text)))


def _each_of(name: str) -> TableValuedAlias:
    """The values of a collection as a table of SQLite. To join it costs half of what a list to look in does."""
    return func.json_each(bindparam(name, type_=Text)).table_valued("value", name=name)


def _named(*, is_sqlite: bool) -> AnyQuery:
    pi: ColumnElement[Any] = literal_column(f"'{PI}'")
    has_ins = identity.c.ins_matricule.is_not(None)  # as the index says
    if is_sqlite:
        ipps, matricules = _each_of("ipps"), _each_of("matricules")
        is_ipp = and_(identifier.c.type == pi, identifier.c.value == ipps.c.value)
        holders = ipps.join(identifier, is_ipp).join(identity, identity.c.id == identifier.c.identity_id)
        with_ins = matricules.join(identity, and_(has_ins, identity.c.ins_matricule == matricules.c.value))
        return select(identity).select_from(holders).union_all(select(identity).select_from(with_ins))
    by_ipp = select(identifier.c.identity_id.label("id")).where(
        identifier.c.type == pi, _among(identifier.c.value, "ipps", is_sqlite=False)
    )
    by_matricule = select(identity.c.id).where(has_ins, _among(identity.c.ins_matricule, "matricules", is_sqlite=False))
    # The ids are found first: to a join it may prefer to walk through a table that is small while it plans.
    ids = by_ipp.union(by_matricule).scalar_subquery()
    return select(identity).where(identity.c.id == any_(func.array(ids)))


def _seen(*, is_sqlite: bool) -> AnySelect:
    found = select(
        sender_authority.c.sending_application,
        sender_authority.c.sending_facility,
        sender_authority.c.namespace_id,
        sender_authority.c.universal_id,
        sender_authority.c.universal_id_type,
    )
    sender, namespace = sender_authority.c.sender_key, sender_authority.c.namespace_id
    if not is_sqlite:
        return found.where(_among(sender, "senders", is_sqlite=False), _among(namespace, "namespaces", is_sqlite=False))
    senders, namespaces = _each_of("senders"), _each_of("namespaces")
    both = senders.join(sender_authority, sender == senders.c.value).join(namespaces, namespace == namespaces.c.value)
    return found.select_from(both)


def _receipt(of: FromClause) -> tuple[ColumnElement[Any], ...]:
    """The columns of a receipt."""
    return of.c.id, of.c.repeat_key, of.c.control_id, of.c.digest, *ack_columns(of)


def _is_accepted(of: FromClause) -> ColumnElement[bool]:
    """The two conditions of the partial index, letter for letter."""
    return and_(of.c.ack_code == literal_column("'AA'"), of.c.repeat_of.is_(None))


def _receipts(*, is_sqlite: bool) -> AnySelect:
    """Return the accepted messages of each repeat key, the latest ones first."""
    inner = message.alias("inner_message")
    accepted = select(*_receipt(inner)).where(_is_accepted(inner))
    if is_sqlite:  # no LATERAL there; an outer join keeps the keys outside, and gives a null row for one never used
        keys = _each_of("keys")
        latest = accepted.with_only_columns(inner.c.id).where(inner.c.repeat_key == keys.c.value)
        latest = latest.order_by(inner.c.id.desc()).limit(literal_column(str(MAX_RECEIPTS))).correlate(keys)
        return (
            select(*_receipt(message))
            .select_from(keys.outerjoin(message, message.c.id.in_(latest)))
            .order_by(message.c.id.desc())
        )
    keys = func.unnest(bindparam("keys", type_=ARRAY(Text))).table_valued("value").render_derived()
    # A list of one, and an order that begins with it: only the partial index has that order. Without statistics yet,
    # PostgreSQL would as soon walk through all that was accepted, once for each key.
    one_key = inner.c.repeat_key == any_(array([keys.c.value]))
    each = accepted.where(one_key).order_by(inner.c.repeat_key.desc(), inner.c.id.desc())
    lateral = each.limit(literal_column(str(MAX_RECEIPTS))).lateral()
    return select(lateral).select_from(keys.join(lateral, true())).order_by(lateral.c.id.desc())


def _receipts_of_one() -> AnySelect:
    """Return what :func:`_receipts` does on SQLite of one repeat key alone, as a lone message has, in half the time."""
    has_key = message.c.repeat_key == bindparam("key", type_=Text)
    found = select(*_receipt(message)).where(_is_accepted(message), has_key)
    return found.order_by(message.c.id.desc()).limit(literal_column(str(MAX_RECEIPTS)))


def _make_reads(*, is_sqlite: bool) -> Reads:
    holders = select(identifier.c.identity_id.label("id"))
    with_ins = select(identity.c.id).where(identity.c.ins_matricule.is_not(None))  # as the index says
    pi: ColumnElement[Any] = literal_column(f"'{PI}'")
    has_value = identifier.c.value == bindparam("value", type_=Text)
    is_indexed = (identifier.c.type == pi, identifier.c.type != pi)  # an index each
    by_value = [holders.where(each, has_value) for each in is_indexed]
    by_ins = with_ins.where(identity.c.ins_matricule == bindparam("value", type_=Text))
    absorbed = select(identity).where(identity.c.merged_into.is_not(None))  # as the index says
    of_identifier = select(identifier).where(_among(identifier.c.identity_id, "ids", is_sqlite=is_sqlite))
    of_ended = select(ended_ins).where(_among(ended_ins.c.identity_id, "ids", is_sqlite=is_sqlite))
    of_merge = select(merge_link).where(_among(merge_link.c.absorbed, "ids", is_sqlite=is_sqlite))
    pruned_to = select(func.max(pruning.c.up_to)).scalar_subquery()
    erased = select(message.c.id).where(or_(message.c.erased_at.is_not(None), message.c.id <= pruned_to))
    within = message_text.c.message_id.between(bindparam("first", type_=Text), bindparam("last", type_=Text))
    return Reads(
        is_sqlite=is_sqlite,
        named=_named(is_sqlite=is_sqlite),
        holding=select(identity).where(identity.c.id.in_(union(*by_value, by_ins))),
        by_id=select(identity).where(_among(identity.c.id, "ids", is_sqlite=is_sqlite)),
        absorbed=absorbed.where(_among(identity.c.merged_into, "ids", is_sqlite=is_sqlite)),
        identifiers=of_identifier.order_by(identifier.c.identity_id, identifier.c.position),
        ended=of_ended.order_by(ended_ins.c.identity_id, ended_ins.c.position),
        merges=of_merge.order_by(merge_link.c.at, merge_link.c.message_id),  # the last of each one counts
        seen=_seen(is_sqlite=is_sqlite),
        receipts=_receipts(is_sqlite=is_sqlite),
        receipts_of_one=_receipts_of_one() if is_sqlite else None,
        erased=erased.where(_among(message.c.id, "ids", is_sqlite=is_sqlite)),
        texts=select(message_text).where(within, _among(message_text.c.message_id, "ids", is_sqlite=is_sqlite)),
    )


READS: Final = MappingProxyType(
    {
        "sqlite": _make_reads(is_sqlite=True),
        "postgresql": _make_reads(is_sqlite=False),
    }
)


def reads_of(connection: Connection) -> Reads:
    """Return the statements for the database of ``connection``."""
    return READS[connection.dialect.name]


def read_identities(connection: Connection, statement: AnyQuery, parameters: Mapping[str, object]) -> list[Identity]:
    """Return the identities that ``statement`` selects, with all their identifiers and ended INS.

    With them come their survivors up the chain of merges, and the identities absorbed into any of these.
    """
    return read_families(connection, fetch(connection, statement, parameters))


def read_families(connection: Connection, rows: Sequence[AnyRow]) -> list[Identity]:
    """Return the identities of ``rows`` and of all that are merged with them, as :func:`read_identities` does."""
    # Level by level: a recursive statement would be one query, but PostgreSQL guesses its size wrong by some ten
    # million rows, and then reads the whole table.
    reads = reads_of(connection)
    found: dict[str, AnyRow] = {}
    identifiers: dict[str, list[AnyRow]] = {}
    ended: dict[str, list[AnyRow]] = {}
    new = {row.id: row for row in rows}
    while new:
        found |= new
        ids = {"ids": reads.pack(new)}
        survivors = {row.merged_into for row in new.values() if row.merged_into is not None} - found.keys()
        below, of_identifier, of_ended, above = fetch_all(
            connection,
            (reads.absorbed, ids),
            (reads.identifiers, ids),
            (reads.ended, ids),
            (reads.by_id, {"ids": reads.pack(survivors)} if survivors else None),
        )
        identifiers |= group(of_identifier)
        ended |= group(of_ended)
        new = {row.id: row for row in (*below, *above) if row.id not in found}
    return [read_identity(row, identifiers.get(row.id, ()), ended.get(row.id, ())) for row in found.values()]


def read_merges(connection: Connection, absorbed: Collection[str]) -> list[MergeLink]:
    """Return the links by which these identities (ids) were absorbed, the oldest first."""
    if not absorbed:
        return []
    reads = reads_of(connection)
    return [read_merge(row) for row in fetch(connection, reads.merges, {"ids": reads.pack(absorbed)})]
