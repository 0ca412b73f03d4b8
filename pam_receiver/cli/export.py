"""An export of the trail, and of what came in: which rows, in which form, where to. It is in the trail itself."""

import heapq
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Protocol, Self

from pam_receiver.atna import Reporter, Syslog, imported_json, row_json, tell_import, tell_row, to_xml
from pam_receiver.cli.cursor import START, Cursor
from pam_receiver.errors import PamReceiverError
from pam_receiver.store import AuditEvent, Store
from pam_receiver.store.audit import EXPORT, Actor
from pam_receiver.store.trail import (
    Asked,
    Head,
    Import,
    TrailRow,
    find_head,
    find_ipps,
    read_imports,
    read_trail,
    record,
)

if TYPE_CHECKING:
    from pam_receiver.identity.identifiers import PatientIdentifier

Form = Literal["jsonl", "syslog"]
Only = Literal["trail", "imports"]

# An export that goes on where the last one ended must not pass by a message whose transaction is still open; a batch
# is committed or given up well within this.
SETTLED_AFTER: Final = timedelta(minutes=2)
_PAGE: Final = 200


class CursorUnfit(PamReceiverError):
    """The row that was exported last is no longer in the trail, or another one."""

    def __init__(self, number: int) -> None:
        super().__init__(str(number))
        self.number = number


class Sink(Protocol):
    """Takes the export, message by message."""

    def write(self, message: bytes, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What is exported. ``cursor``: where the last one ended; ``goes_on``: the next one will go on where this ends."""

    form: Form
    since: datetime | None = None
    until: datetime | None = None
    cursor: Cursor = START
    goes_on: bool = False
    only: Only | None = None
    names_ipp: bool = True


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported; ``head``: the last row of the trail when it began, ``None`` when there was none."""

    trail: int
    imports: int
    head: Head | None
    cursor: Cursor


def export(
    store: Store,
    plan: Plan,
    sink: AbstractContextManager[Sink],
    *,
    by: Actor,
    to: str,
    reason: str | None,
    reporter: Reporter,
    now: Callable[[], datetime],
) -> Exported:
    """Write what ``plan`` asks for to ``sink``; that it is exported is in the trail before the first of it goes out.

    ``to``: where it goes, as the trail has it.

    Raises:
        CursorUnfit: the trail is not the one that was exported before; nothing was exported.
        OSError: the sink takes no more.
    """
    head = find_head(store)
    _check(store, plan.cursor, head)
    began = now()
    record(store, _event(plan, head, by, to, reason), now=now)
    count = {"trail": 0, "imports": 0}
    last: Import | None = None
    write = _writer(plan, reporter)
    with sink as opened:
        for row, made, ipp in _entries(store, plan, head, began):
            if made is not None:
                last, count["imports"] = made, count["imports"] + 1
            else:
                count["trail"] += 1
            opened.write(write(row, made, ipp))
    cursor = plan.cursor if plan.only == "imports" else plan.cursor.after_row(head)
    return Exported(count["trail"], count["imports"], head, cursor.after_import(last))


def _check(store: Store, cursor: Cursor, head: Head | None) -> None:
    """Make sure that the trail still holds the row that the last export ended with."""
    if not cursor.hash:
        return
    found = next(read_trail(store, after=cursor.number - 1, up_to=cursor.number), None)
    if head is None or found is None or found.hash != cursor.hash:
        raise CursorUnfit(cursor.number)


def _event(plan: Plan, head: Head | None, by: Actor, to: str, reason: str | None) -> AuditEvent:
    told: dict[str, object] = {
        "format": plan.form,
        "to": to,
        "after": plan.cursor.number,
        "head": str(head) if head is not None else None,
        "only": plan.only,
        "since": plan.since.isoformat() if plan.since is not None else None,
        "until": plan.until.isoformat() if plan.until is not None else None,
    }
    return AuditEvent(
        EXPORT, by, reason=reason, detail={name: value for name, value in told.items() if value is not None}
    )


# ----------------------------------------------------------------------------------------------------------- entries

_Entry = tuple[TrailRow | None, Import | None, "PatientIdentifier | None"]


def _entries(store: Store, plan: Plan, head: Head | None, began: datetime) -> Iterator[_Entry]:
    """Give rows and imports, the older first, and an IPP of whom each speaks of."""
    rows: Iterator[_Entry] = iter(())
    imports: Iterator[_Entry] = iter(())
    if plan.only != "imports" and head is not None:
        asked = Asked(since=plan.since, until=plan.until)
        found = read_trail(store, asked, after=plan.cursor.number, up_to=head.number)
        rows = _with_ipps(store, found, is_asked=plan.names_ipp and plan.form == "syslog")
    if plan.only != "trail":
        settled = began - SETTLED_AFTER if plan.goes_on else None
        until = min((each for each in (plan.until, settled) if each is not None), default=None)
        received = read_imports(store, after=plan.cursor.imported, since=plan.since, until=until)
        imports = ((None, made, made.ipp if plan.names_ipp else None) for made in received)
    return heapq.merge(rows, imports, key=_when)


def _when(entry: _Entry) -> datetime:
    row, made, _ = entry
    at = row.at if row is not None else made.at if made is not None else None
    assert at is not None
    return at


def _with_ipps(store: Store, rows: Iterator[TrailRow], *, is_asked: bool) -> Iterator[_Entry]:
    while page := list(islice(rows, _PAGE)):
        ids = {row.identity_id for row in page if row.identity_id is not None} if is_asked else set()
        ipps = find_ipps(store, ids) if ids else {}
        yield from ((row, None, ipps.get(row.identity_id or "")) for row in page)


def _writer(
    plan: Plan, reporter: Reporter
) -> "Callable[[TrailRow | None, Import | None, PatientIdentifier | None], bytes]":
    syslog = Syslog(reporter.host, reporter.process_id)

    def write(row: TrailRow | None, made: Import | None, ipp: "PatientIdentifier | None") -> bytes:
        if plan.form == "jsonl":
            value = row_json(row) if row is not None else imported_json(made) if made is not None else {}
            return json.dumps(value).encode("ascii")
        if row is not None:
            return syslog.message(to_xml(tell_row(row, ipp, by=reporter)), row.at)
        assert made is not None
        return syslog.message(to_xml(tell_import(made, ipp, by=reporter)), made.at)

    return write


# ------------------------------------------------------------------------------------------------------------- sinks


class StandardOutput:
    """One message a line, to standard output."""

    def __enter__(self) -> Self:
        return self

    def write(self, message: bytes) -> None:
        sys.stdout.buffer.write(message + b"\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            sys.stdout.buffer.flush()


class NewFile:
    """One message a line, to a file of its owner alone, which must not exist; it appears whole or not at all.

    Raises:
        OSError: it cannot be written; FileExistsError when it is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")

    def __enter__(self) -> Self:
        if self._path.exists():
            raise FileExistsError(str(self._path))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._opened = open(os.open(self._part, flags, 0o600), "wb")
        return self

    def write(self, message: bytes) -> None:
        self._opened.write(message + b"\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._opened.flush()
                os.fsync(self._opened.fileno())
                os.link(self._part, self._path)  # unlike a rename, it replaces nothing
        finally:
            self._opened.close()
            self._part.unlink(missing_ok=True)


def utc_now() -> datetime:
    return datetime.now(UTC)
