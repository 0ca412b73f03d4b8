"""``audit``: the trail read, exported to whoever keeps such trails, and verified."""

import os
import re
import socket
from contextlib import AbstractContextManager, closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.opening import open_store, reading
from pam_receiver.cli.options import AsJson, Config, Database, DatabaseRead, Language, Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang
from pam_receiver.reasons import say_os_error

if TYPE_CHECKING:
    from pam_receiver.cli.cursor import Cursor
    from pam_receiver.cli.export import Exported, Plan, Sink
    from pam_receiver.cli.send import Tls, TlsOptions
    from pam_receiver.config import Address
    from pam_receiver.store.trail import Head, TrailRow, Verification

_HEAD: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")
_FORMS: Final = ("jsonl", "syslog")
_PARTS: Final = ("trail", "imports")

Since = Annotated[str | None, typer.Option("--since", metavar="DATE", help="option.audit-since")]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help="option.audit-until")]


def list_rows(
    identity: Annotated[str | None, typer.Option("--identity", metavar="ID", help="option.audit-identity")] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="NAME", help="option.audit-actor")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="option.limit-audit")] = 50,
    as_json: AsJson = False,
    database: Database = None,
    database_read: DatabaseRead = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.atna import row_json
    from pam_receiver.store.trail import Asked, list_trail

    start = options.start(config, database=database, database_read=database_read, lang=lang)
    asked = Asked(
        identity_id=options.as_typed(identity) if identity is not None else None,
        actor=options.as_typed(actor) if actor is not None else None,
        since=options.read_moment(since, "--since", start),
        until=options.read_moment(until, "--until", start),
    )
    with reading(start) as store:
        rows = list_trail(store, asked, limit=limit)
    if as_json:
        output.print_json([row_json(row) for row in rows])
    elif rows:
        columns = ("number", "at", "actor", "origin", "action", "outcome", "subject", "reason")
        headers = [text(f"column.{column}", start.lang) for column in columns]
        output.print_table(headers, [_line(row) for row in rows])
    else:
        output.say(text("audit.none", start.lang))


def _line(row: "TrailRow") -> list[str]:
    from pam_receiver.cli.as_json import moment_json

    subject = row.identity_id or row.message_id or "-"
    return [
        str(row.number),
        moment_json(row.at),
        row.actor,
        row.origin,
        row.action,
        row.outcome,
        subject,
        row.reason or "-",
    ]


# ------------------------------------------------------------------------------------------------------------ verify


def verify(
    expect: Annotated[
        list[str] | None, typer.Option("--expect", metavar="NUMBER:HASH", help="option.audit-expect")
    ] = None,
    as_json: AsJson = False,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.store.trail import verify_trail

    start = options.start(config, database=database, lang=lang)
    expected = [_read_head(each, start.lang) for each in expect or []]
    with closing(open_store(start.settings, read_only=True)) as store:
        found = verify_trail(store, *expected)
    if as_json:
        output.print_json(_as_json(found))
    elif found.first is None:
        head = found.head or text("audit.no-head", start.lang)
        output.say(text("audit.whole", start.lang, count=found.count, head=head))
        if not expected:
            output.say(text("audit.not-anchored", start.lang))
    else:
        _print_faults(found, start.lang)
    raise typer.Exit(0 if found.first is None else 1)


def _read_head(word: str, lang: Lang) -> "Head":
    from pam_receiver.store.trail import Head

    found = _HEAD.fullmatch(word.strip())
    if found is None:
        raise typer.BadParameter(text("audit.bad-head", lang), param_hint="--expect")
    return Head(int(found[1]), found[2])


def _print_faults(found: "Verification", lang: Lang) -> None:
    output.say(text("audit.broken", lang, first=found.first, count=found.count))
    if found.unfit:
        numbers = _some([str(each) for each in found.unfit], found.unfit_count)
        output.say(text("audit.unfit", lang, count=found.unfit_count, numbers=numbers))
    if found.gaps:
        spans = [f"{first}" if first == last else f"{first}-{last}" for first, last in found.gaps]
        output.say(text("audit.gaps", lang, count=found.gap_count, numbers=_some(spans, found.gap_count)))
    for head in found.missing:
        output.say(text("audit.missing", lang, number=head.number))


def _some(names: list[str], count: int) -> str:
    return ", ".join(names) + (", …" if count > len(names) else "")


def _as_json(found: "Verification") -> dict[str, object]:
    return {
        "holds": found.first is None,
        "count": found.count,
        "head": str(found.head) if found.head is not None else None,
        "first": found.first,
        "unfit": list(found.unfit),
        "unfit_count": found.unfit_count,
        "gaps": [list(each) for each in found.gaps],
        "gap_count": found.gap_count,
        "missing": [str(each) for each in found.missing],
    }


# ------------------------------------------------------------------------------------------------------------ export


def export(
    form: Annotated[str, typer.Option("--format", metavar="jsonl|syslog", help="option.audit-format")] = "jsonl",
    since: Since = None,
    until: Until = None,
    after: Annotated[int | None, typer.Option("--after", metavar="NUMBER", min=0, help="option.audit-after")] = None,
    cursor: Annotated[Path | None, typer.Option("--cursor", metavar="FILE", help="option.audit-cursor")] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="trail|imports", help="option.audit-only")] = None,
    without_ipp: Annotated[bool, typer.Option("--without-ipp", help="option.audit-without-ipp")] = False,
    to_file: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="option.audit-output")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="HOST:PORT", help="option.audit-to")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="option.audit-plain")] = False,
    ca: Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="option.ca")] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="option.certificate")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="option.key")] = None,
    key_password_file: Annotated[
        Path | None, typer.Option("--key-password-file", metavar="FILE", help="option.key-password-file")
    ] = None,
    server_name: Annotated[str | None, typer.Option("--server-name", metavar="NAME", help="option.server-name")] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="option.reason")] = None,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.send import TlsOptions

    start = options.start(config, database=database, lang=lang)
    began = _read_cursor(cursor, start.lang) if cursor is not None else None
    moments = (options.read_moment(since, "--since", start), options.read_moment(until, "--until", start))
    plan = _plan(form, moments, after, cursor, began, only, start.lang, names_ipp=not without_ipp)
    tls = TlsOptions(ca, certificate, key, key_password_file, server_name)
    sink, where = _sink(form, to_file, to, tls, start.lang, is_plain=plain)
    why = options.as_typed(reason).strip() if reason is not None else ""
    done = _export(start, plan, sink, where, why or None)
    if cursor is not None:
        try:
            done.cursor.write(cursor)
        except OSError as error:
            output.fail(text("audit.not-written", start.lang, file=cursor, reason=say_os_error(error, start.lang)), 2)
    head = done.head or text("audit.no-head", start.lang)
    output.warn(text("audit.exported", start.lang, trail=done.trail, imports=done.imports, head=head))


def _plan(
    form: str,
    moments: tuple[datetime | None, datetime | None],
    after: int | None,
    file: Path | None,
    began: "Cursor | None",
    only: str | None,
    lang: Lang,
    *,
    names_ipp: bool,
) -> "Plan":
    """Check what the options ask for together."""
    from pam_receiver.cli.cursor import Cursor
    from pam_receiver.cli.export import Plan

    since, until = moments
    if form not in _FORMS:
        raise typer.BadParameter(text("audit.bad-format", lang), param_hint="--format")
    if only is not None and only not in _PARTS:
        raise typer.BadParameter(text("audit.bad-only", lang), param_hint="--only")
    if after is not None and (file is not None or only == "imports"):
        raise typer.BadParameter(text("audit.after-or-cursor", lang), param_hint="--after")
    if began is not None and since is not None:
        raise typer.BadParameter(text("audit.after-or-cursor", lang), param_hint="--since")
    if file is not None and until is not None:  # the next export would pass by what is left out here
        raise typer.BadParameter(text("audit.after-or-cursor", lang), param_hint="--until")
    return Plan(
        "syslog" if form == "syslog" else "jsonl",
        since,
        until,
        began or Cursor(number=after or 0),
        goes_on=file is not None,
        only="trail" if only == "trail" or after is not None else "imports" if only == "imports" else None,
        names_ipp=names_ipp,
    )


def _read_cursor(file: Path, lang: Lang) -> "Cursor | None":
    from pam_receiver.cli.cursor import Cursor, CursorUnusable

    try:
        return Cursor.read(file)
    except CursorUnusable:
        output.fail(text("audit.bad-cursor", lang, file=file), 2)
    except OSError as error:
        output.fail(text("failure.file", lang, file=file, reason=say_os_error(error, lang)), 2)


def _sink(
    form: str, file: Path | None, to: str | None, tls: "TlsOptions", lang: Lang, *, is_plain: bool
) -> "tuple[AbstractContextManager[Sink], str]":
    """Return what takes the export, and its name for the trail."""
    from pam_receiver.cli.collector import Collector
    from pam_receiver.cli.export import NewFile, StandardOutput

    if to is None:
        if tls.are_given or is_plain:
            raise typer.BadParameter(text("audit.tls-alone", lang), param_hint="--to")
        return (NewFile(file), options.as_typed(str(file))) if file is not None else (StandardOutput(), "-")
    if file is not None:
        raise typer.BadParameter(text("audit.to-or-output", lang), param_hint="--to")
    if form != "syslog":
        raise typer.BadParameter(text("audit.to-is-syslog", lang), param_hint="--to")
    if is_plain and tls.are_given:
        raise typer.BadParameter(text("audit.plain-or-tls", lang), param_hint="--plain")
    address = _read_address(to, lang)
    secured: Tls | None = None if is_plain else tls.load()
    return Collector(address, secured), str(address)


def _read_address(word: str, lang: Lang) -> "Address":
    from pam_receiver.config import parse_address

    try:
        return parse_address(word)
    except ValueError:
        raise typer.BadParameter(text("failure.to", lang), param_hint="--to") from None


def _export(
    start: Start, plan: "Plan", sink: "AbstractContextManager[Sink]", where: str, reason: str | None
) -> "Exported":
    """Do it; end the command by a sentence when the other side, or the disk, does not take it."""
    from pam_receiver.atna import Reporter
    from pam_receiver.cli.actor import actor
    from pam_receiver.cli.collector import TIMEOUT_S, Collector
    from pam_receiver.cli.export import CursorUnfit, NewFile, utc_now
    from pam_receiver.cli.export import export as write_export
    from pam_receiver.cli.send import why_not

    lang = start.lang
    reporter = Reporter(socket.gethostname(), os.getpid())
    try:
        with closing(open_store(start.settings)) as store:
            return write_export(store, plan, sink, by=actor(), to=where, reason=reason, reporter=reporter, now=utc_now)
    except CursorUnfit as error:
        output.fail(text("audit.cursor-unfit", lang, number=error.number), 1)
    except OSError as error:
        if isinstance(sink, Collector):
            output.fail(text("audit.not-sent", lang, address=where, reason=why_not(error, TIMEOUT_S, lang)), 1)
        if isinstance(sink, NewFile):
            output.fail(text("audit.not-written", lang, file=where, reason=say_os_error(error, lang)), 2)
        raise
