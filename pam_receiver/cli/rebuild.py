"""``rebuild``: the identities made anew from the journal, to compare them with those stored, or to replace these."""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pam_receiver import __version__
from pam_receiver.cli import options, output
from pam_receiver.cli.opening import open_store, reading
from pam_receiver.cli.options import AsJson, Config, Database, DatabaseRead, Environment, Language, Start
from pam_receiver.cli.scratch import make_maker, progress, scratch_folder
from pam_receiver.cli.texts import TEXTS, text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.rebuild.journal import FindInForce, Folded
    from pam_receiver.rebuild.model import Discrepancy, Group, Undecided, Verification
    from pam_receiver.store import Store
    from pam_receiver.store.replacing import Replaced

Verify = Annotated[bool, typer.Option("--verify", help="option.verify")]
Apply = Annotated[bool, typer.Option("--apply", help="option.rebuild-apply")]
WithCurrent = Annotated[bool, typer.Option("--with-current-settings", help="option.with-current-settings")]
Backup = Annotated[Path | None, typer.Option("--backup", metavar="FILE", help="option.backup")]
BackupDone = Annotated[Path | None, typer.Option("--backup-done", metavar="FILE", help="option.backup-done")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="option.why")]
Yes = Annotated[bool, typer.Option("--yes", help="option.rebuild-yes")]

_GROUPS: Final = ("missing", "surplus", "differing", "versions", "merges")
_SHOWN: Final = 5  # examples of each group on paper; the JSON has them all
_PG_DUMP: Final = b"PGDMP"  # how an archive of pg_dump --format=custom begins

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Asked:
    """How the command is asked for."""

    applies: bool
    with_current_settings: bool
    backup: Path | None
    backup_done: Path | None
    reason: str | None
    yes: bool
    as_json: bool


def rebuild(
    verify: Verify = False,
    apply: Apply = False,
    with_current_settings: WithCurrent = False,
    backup: Backup = None,
    backup_done: BackupDone = None,
    reason: Reason = None,
    yes: Yes = False,
    as_json: AsJson = False,
    database: Database = None,
    database_read: DatabaseRead = None,
    config: Config = None,
    environment: Environment = None,
    lang: Language = None,
) -> None:
    from pam_receiver.in_force import InForceUnusable
    from pam_receiver.rebuild.model import JournalIncomplete

    given = {"database": database, "database_read": database_read, "environment": environment, "lang": lang}
    start = options.start(config, **given)
    if verify and apply:
        output.fail(text("rebuild.one-of-both", start.lang), 2)
    why = options.as_typed(reason).strip() if reason else None
    asked = _Asked(apply, with_current_settings, backup, backup_done, why or None, yes, as_json)
    try:
        _run(start, asked)
    except (JournalIncomplete, InForceUnusable) as error:
        output.fail(error.text(start.lang), 1)


def _run(start: Start, asked: _Asked) -> None:
    from pam_receiver.rebuild.compare import compare
    from pam_receiver.rebuild.journal import fold_journal

    opened = closing(open_store(start.settings)) if asked.applies else reading(start)
    with opened as store, scratch_folder() as folder:
        if asked.applies:
            store.lock_for_serving()  # a daemon that serves this file decides on identities that go
            _check_backup_done(start, store, asked)
        find = _finder(start, store, folder)
        with progress(start.lang) as tell:
            folding = fold_journal(
                store, find, folder=folder, with_current_settings=asked.with_current_settings, tell=tell
            )
            with folding as folded:
                found = compare(store, folded)
                if asked.applies:
                    _apply(start, store, folded, found, asked)
                else:
                    _tell(found, start.lang, asked)
    raise typer.Exit(1 if found.differs and not asked.applies else 0)


def _finder(start: Start, store: "Store", folder: Path) -> "FindInForce":
    """Return what gives what was in force, from what the journal keeps; for ``None`` the settings of today."""
    from pam_receiver.cli import parts
    from pam_receiver.in_force import InForceUnusable, make_sources
    from pam_receiver.rebuild.journal import InForceThen
    from pam_receiver.store.folding import read_in_force

    def find(in_force: str | None) -> InForceThen:
        if in_force is None:
            return InForceThen(__version__, make_maker(start.settings, parts.make_sources(start.settings)))
        kept = read_in_force(store, in_force)
        if kept is None:
            raise InForceUnusable(in_force)
        sources = make_sources(kept, folder / "in-force" / in_force[:16])
        return InForceThen(str(kept.content["program"]), make_maker(start.settings, sources))

    return find


# ------------------------------------------------------------------------------------------------------------ apply


def _apply(start: Start, store: "Store", folded: "Folded", found: "Verification", asked: _Asked) -> None:
    """Replace what is stored by what was folded, after a backup; nothing when they are the same."""
    from pam_receiver.cli import parts
    from pam_receiver.cli.actor import actor
    from pam_receiver.in_force import make_in_force
    from pam_receiver.rebuild.apply import apply
    from pam_receiver.rebuild.compare import compare

    lang = start.lang
    if not found.differs:
        _tell(found, lang, asked)
        if not asked.as_json:
            output.say(text("rebuild.nothing", lang))
        return
    if found.undecided_count and not asked.yes:
        _tell(found, lang, asked)
        output.fail(text("rebuild.lost", lang, count=found.undecided_count), 1)
    file = _back_up(start, asked)
    detail = {
        "backup": file.name,
        "with_current_settings": asked.with_current_settings,
        "lost": found.undecided_count,
    }
    under = None
    if asked.with_current_settings:
        under = make_in_force(parts.make_sources(start.settings), program=__version__)
    at = datetime.now(UTC)
    done = apply(store, folded, actor=actor(), reason=asked.reason, at=at, detail=detail, under=under)
    _tell(found, lang, asked, backup=file, done=done)
    after = compare(store, folded)
    if any(getattr(after, name).count for name in _GROUPS):
        output.fail(text("rebuild.still-differs", lang), 1)


def _check_backup_done(start: Start, store: "Store", asked: _Asked) -> None:
    """On a server, make sure that what the operator calls a backup can be one of this journal."""
    from pam_receiver.store.queries import list_messages

    if start.settings.database.startswith("sqlite"):
        return
    if asked.backup_done is None:
        output.fail(text("rebuild.backup-needed", start.lang), 2)
    newest = list_messages(store, limit=1)
    try:
        with asked.backup_done.open("rb") as file:
            is_archive = file.read(len(_PG_DUMP)) == _PG_DUMP
        made_at = datetime.fromtimestamp(asked.backup_done.stat().st_mtime, UTC)
    except OSError:
        is_archive = False
    if not is_archive or (newest and made_at < newest[0].received_at):
        output.fail(text("rebuild.backup-unfit", start.lang, file=asked.backup_done), 2)


def _back_up(start: Start, asked: _Asked) -> Path:
    """Return the file of the backup that stands beside what is now replaced."""
    from pam_receiver.cli.actor import actor
    from pam_receiver.store.backup import backup
    from pam_receiver.store.engine import read_url

    if asked.backup_done is not None and not start.settings.database.startswith("sqlite"):
        return asked.backup_done
    path = read_url(start.settings.database).path
    assert path is not None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = asked.backup or path.with_name(f"{path.name}.before-rebuild-{stamp}")
    return backup(start.settings.database, target, by=actor()).file


# ------------------------------------------------------------------------------------------------------------- JSON


def verification_json(found: "Verification") -> Json:
    """Return what ``rebuild --json`` prints of the comparison; it holds no value of a patient."""
    from pam_receiver.cli.as_json import moment_json

    return {
        "messages": found.messages,
        "folded": found.folded,
        "acts": found.acts,
        "begins_at": moment_json(found.begins_at) if found.begins_at else None,
        "ends_at": moment_json(found.ends_at) if found.ends_at else None,
        "checkpoint": found.checkpoint,
        "in_force": [
            {
                "id": each.in_force,
                "program": each.program or None,
                "messages": each.messages,
                "first": each.first,
                "last": each.last,
            }
            for each in found.runs
        ],
        "before_settings_were_kept": found.before_settings_were_kept,
        "identities": found.identities,
        "differs": found.differs,
        "undecided": {
            "count": found.undecided_count,
            "examples": [_undecided_json(each) for each in found.undecided],
        },
        **{name: _group_json(getattr(found, name)) for name in _GROUPS},
    }


def _undecided_json(one: "Undecided") -> Json:
    return {
        "message_id": one.message_id,
        "ack": one.ack_code or None,
        "rules": list(one.rules),
        "reason": one.reason or None,
    }


def _group_json(group: "Group") -> Json:
    return {"count": group.count, "examples": [_discrepancy_json(each) for each in group.examples]}


def _discrepancy_json(one: "Discrepancy") -> Json:
    return {
        "identity_id": one.identity_id,
        "what": list(one.what),
        "version": one.version,
        "message_id": one.message_id,
    }


# ------------------------------------------------------------------------------------------------------------ print


def _tell(
    found: "Verification",
    lang: Lang,
    asked: _Asked,
    *,
    backup: Path | None = None,
    done: "Replaced | None" = None,
) -> None:
    """Say what was found, and what was done about it."""
    if asked.as_json:
        replaced = None
        if done is not None:
            replaced = {
                "backup": str(backup),
                "identities": done.identities,
                "versions": done.versions,
                "merges": done.merges,
                "gone": done.gone,
            }
        output.print_json({**verification_json(found), "replaced": replaced})
        return
    _print(found, lang)
    if done is not None:
        output.say(text("rebuild.backed-up", lang, file=backup))
        counts = {"identities": done.identities, "versions": done.versions, "merges": done.merges, "gone": done.gone}
        output.say(text("rebuild.done", lang, **counts))
    elif found.differs:
        output.say(text("rebuild.differs-now" if asked.with_current_settings else "rebuild.differs", lang))
    else:
        output.say(text("rebuild.same", lang, count=found.identities))


def _print(found: "Verification", lang: Lang) -> None:
    from pam_receiver.cli.as_json import moment_json

    output.print_title(text("rebuild.title", lang))
    if found.checkpoint is not None:
        output.say(text("rebuild.checkpoint", lang, id=found.checkpoint))
    if found.begins_at is None or found.ends_at is None:
        output.say(text("rebuild.empty", lang))
    else:
        span = {"begins": moment_json(found.begins_at), "ends": moment_json(found.ends_at)}
        counts = {"messages": found.messages, "folded": found.folded, "acts": found.acts}
        output.say(text("rebuild.span", lang, **span, **counts))
    _print_runs(found, lang)
    output.say()
    if found.undecided_count:
        output.print_title(text("rebuild.undecided", lang, count=found.undecided_count))
        output.print_table(
            [text(f"column.{key}", lang) for key in ("message", "ack", "rule")],
            [[each.message_id, each.ack_code or "-", _why(each, lang)] for each in found.undecided[:_SHOWN]],
            indent=2,
        )
    for name in _GROUPS:
        _print_group(name, getattr(found, name), lang)


def _print_runs(found: "Verification", lang: Lang) -> None:
    kept = [each for each in found.runs if each.in_force is not None]
    rows = [[(each.in_force or "")[:12], each.program, str(each.messages), each.first] for each in kept]
    if rows:
        output.print_table(
            [text(key, lang) for key in ("rebuild.runs", "column.program", "column.messages", "column.since")],
            rows,
            indent=2,
        )
    if found.before_settings_were_kept:
        output.say(text("rebuild.before", lang, count=found.before_settings_were_kept))
    others = sorted({each.program for each in kept} - {__version__})
    if others and found.differs:
        output.say(text("rebuild.other-program", lang, programs=", ".join(others)))


def _why(one: "Undecided", lang: Lang) -> str:
    return text(f"rebuild.reason.{one.reason}", lang) if one.reason else ", ".join(one.rules) or "-"


def _print_group(name: str, group: "Group", lang: Lang) -> None:
    if not group.count:
        return
    output.print_title(f"{text(f'rebuild.{name}', lang)}{' :' if lang == 'fr' else ':'} {group.count}")
    output.print_table(
        [text(f"column.{key}", lang) for key in ("identity", "version", "message", "facet")],
        [_row(each, lang) for each in group.examples[:_SHOWN]],
        indent=2,
    )


def _row(one: "Discrepancy", lang: Lang) -> list[str]:
    what = ", ".join(text(f"identity.{each}", lang) if f"identity.{each}" in TEXTS else each for each in one.what)
    return [one.identity_id, str(one.version or "-"), one.message_id or "-", what or "-"]
