"""``backup`` and ``restore``: the whole database in one verified file, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.options import AsJson, Config, Database, Language
from pam_receiver.cli.texts import text

if TYPE_CHECKING:
    from pam_receiver.store.backup import BackupReport

Target = Annotated[Path, typer.Argument(metavar="TARGET", help="argument.backup-target")]
Backup = Annotated[Path, typer.Argument(metavar="BACKUP", help="argument.backup")]


def backup(
    target: Target,
    as_json: AsJson = False,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.actor import actor
    from pam_receiver.store import backup as backups

    start = options.start(config, database=database, lang=lang)
    report = backups.backup(start.settings.database, target, by=actor())
    if as_json:
        output.print_json(report_json(report))
    else:
        counts = {"messages": report.rows.get("message", 0), "identities": report.rows.get("identity", 0)}
        output.say(text("backup.done", start.lang, file=report.file, size=report.size, **counts))
        output.say(text("backup.digest", start.lang, digest=report.digest))


def restore(
    backup_file: Backup,
    yes: Annotated[bool, typer.Option("--yes", help="option.yes-restore")] = False,
    as_json: AsJson = False,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.actor import actor
    from pam_receiver.store import backup as backups

    start = options.start(config, database=database, lang=lang)
    if not yes:
        output.fail(text("restore.needs-yes", start.lang), 2)
    done = backups.restore(backup_file, start.settings.database, by=actor())
    if as_json:
        output.print_json({**report_json(done.restored), "kept": str(done.kept) if done.kept is not None else None})
        return
    counts = {"messages": done.restored.rows.get("message", 0), "identities": done.restored.rows.get("identity", 0)}
    output.say(text("restore.done", start.lang, file=done.restored.file, **counts))
    output.say(text("backup.digest", start.lang, digest=done.restored.digest))
    if done.kept is not None:
        output.say(text("restore.kept", start.lang, kept=done.kept))
    output.say(text("restore.next", start.lang))


def report_json(report: "BackupReport") -> dict[str, object]:
    """Return what ``backup --json`` gives. The names are a contract, as in ``as_json``."""
    return {
        "file": str(report.file),
        "revision": report.revision,
        "rows": dict(report.rows),
        "sha256_of_rows": report.digest,
        "size": report.size,
    }
