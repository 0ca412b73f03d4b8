"""What is said of messages, as the journal keeps it: each sentence once in ``said``, each set in ``said_together``.

A feed breaks the same few rules in every message. A line of the journal names, by its digest, the set of all that was
said of its message: the findings, and the ERR segments of the ACK. In a set a finding is ``[rule, severity, digest,
segment, sequence, field, repetition, component, subcomponent]``, without the last six when it has no place, and the
digest names its sentence; up to revision 0001 it was the whole of :func:`pam_receiver.store.rows.finding_json`.

The one home of both halves of an ACK: whoever selects one takes :func:`ack_columns` and :func:`read_ack`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import astuple
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, select

from pam_receiver.finding import ErrorCode, Finding, Location, Remembered, Severity
from pam_receiver.hl7.ack import Ack
from pam_receiver.store.json_text import JsonText
from pam_receiver.store.rows import AnyRow, Values, finding_from_json
from pam_receiver.store.schema import message, said, said_together
from pam_receiver.values import value

_Kept = list[Any] | dict[str, Any]  # Any: JSON values

# ----------------------------------------------------------------------------------------------------- what is written

_KNOWN: Final = "pam_receiver_said"  # the key by which a connection remembers what the database has
_MOST_KNOWN: Final = 10_000  # digests remembered: many more would be those of a sender that makes them up


@lru_cache(maxsize=4096)  # no finding holds patient data
def _keep(finding: Finding) -> tuple[str, str, Values]:
    """Return what stands in a set, and the row of ``said`` with its key: SHA-256 of it, 32 signs in hex."""
    words = [finding.rule, int(finding.code), finding.severity.value, finding.fr, finding.en, finding.spec]
    digest = sha256(json.dumps(words).encode()).hexdigest()[:32]
    names = ("rule", "code", "severity", "fr", "en", "spec")
    place = astuple(finding.at) if finding.at is not None else ()
    text = json.dumps([finding.rule, finding.severity.value, digest, *place], separators=(",", ":"))
    return text, digest, {"digest": digest, **dict(zip(names, words, strict=True))}


@value(frozen=True, slots=True)
class _Together:
    """A set: its key, its row of ``said_together``, and the rows of ``said`` that it names, by their keys."""

    digest: str
    row: Values
    sentences: dict[str, Values]


_KEPT: Final = Remembered[_Together]()


def _keep_together(findings: tuple[Finding, ...], errs: bytes) -> _Together:
    kept = _KEPT.find(findings, errs)
    if kept is None:
        made = [_keep(finding) for finding in findings]
        text = JsonText(f"[{','.join([text for text, _, _ in made])}]")
        digest = digest_of(text, errs)
        row: Values = {"digest": digest, "findings": text, "errs": errs}
        kept = _KEPT.keep(_Together(digest, row, {digest: row for _, digest, row in made}), findings, errs)
    return kept


def digest_of(findings: str, errs: bytes) -> str:
    """Return the key of a set, by the text of its JSON: SHA-256 of both with a NUL between, 32 signs in hex."""
    return sha256(b"\0".join((findings.encode(), errs))).hexdigest()[:32]


class NewlySaid:
    """What is said in one transaction, and the rows for it: none that its connection knows the database to have."""

    def __init__(self, remembered: MutableMapping[Any, Any]) -> None:
        """``remembered``: by a connection, for as long as it lasts."""
        self._known: set[str] = remembered.setdefault(_KNOWN, set())
        self._sentences: dict[str, Values] = {}
        self._sets: dict[str, Values] = {}

    def add(self, findings: tuple[Finding, ...], errs: bytes) -> str | None:
        """Return what stands in the line of a message of which this is said; ``None``: nothing is."""
        if not findings and not errs:
            return None
        kept = _keep_together(findings, errs)
        if kept.digest not in self._known:
            self._sets[kept.digest] = kept.row
            self._sentences.update(kept.sentences)
        return kept.digest

    def sentences(self) -> list[Values]:
        """Return the rows of ``said`` to write, in the order in which every writer takes them: none waits in a ring."""
        return [self._sentences[each] for each in sorted(self._sentences.keys() - self._known)]

    def sets(self) -> list[Values]:
        """Return the rows of ``said_together`` to write after them, in such an order too."""
        return [self._sets[each] for each in sorted(self._sets)]

    def remember(self) -> None:
        """Take note that all of it was committed."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known.update(self._sentences, self._sets)


# -------------------------------------------------------------------------------------------------------- what is read


def ack_columns(of: FromClause = message) -> tuple[ColumnElement[bytes], ColumnElement[bytes]]:
    """Return the columns of a SELECT from ``of`` (``message``, or an alias) by which :func:`read_ack` reads an ACK."""
    return of.c.ack_head, _column_of_set("errs", of)


def read_ack(row: AnyRow) -> Ack:
    """Return the ACK of a row that was selected with :func:`ack_columns`."""
    return Ack(row.ack_head, row.errs or b"")


def _column_of_set(name: str, of: FromClause) -> ColumnElement[Any]:  # Any: of the column
    # A look-up for each row that is given, and no join: which rows are given, and by which index, does not change.
    found = select(said_together.c[name]).where(said_together.c.digest == of.c.said_together)
    return found.correlate(of).scalar_subquery().label(name)


FINDINGS: Final[ColumnElement[Any]] = _column_of_set("findings", message)
"""The column ``findings`` of a SELECT from ``message``, for the functions below; ``None``: nothing was said."""


def rules_of(findings: Iterable[_Kept] | None) -> Iterator[tuple[str, str]]:
    """Give the rule and the severity of each finding of a row that was selected with ``FINDINGS``."""
    for each in findings or ():
        yield (each["rule"], each["severity"]) if isinstance(each, dict) else (each[0], each[1])


def read_findings(connection: Connection, rows: Sequence[Iterable[_Kept] | None]) -> list[tuple[Finding, ...]]:
    """Return the findings of several rows that were selected with ``FINDINGS``, with their sentences."""
    digests = {each[2] for findings in rows for each in findings or () if isinstance(each, list)}
    found = connection.execute(_SAID.where(said.c.digest.in_(digests))).all() if digests else ()
    sentences = {row.digest: row for row in found}
    return [tuple(_read(each, sentences) for each in findings or ()) for findings in rows]


_SAID: Final = select(said)


def _read(kept: _Kept, sentences: Mapping[str, Any]) -> Finding:
    if isinstance(kept, dict):
        return finding_from_json(kept)
    row = sentences[kept[2]]
    return Finding(
        rule=row.rule,
        code=ErrorCode(row.code),
        severity=Severity(row.severity),
        at=Location(*kept[3:]) if len(kept) > 3 else None,
        fr=row.fr,
        en=row.en,
        spec=row.spec,
    )
