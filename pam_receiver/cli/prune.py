"""``prune``: the texts of old messages go, once they are older than is asked."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.counting import counting
from pam_receiver.cli.opening import open_store
from pam_receiver.cli.options import AsJson, Config, Database, Language, Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.store import Store

OlderThan = Annotated[str | None, typer.Option("--older-than", metavar="90d", help="option.older-than")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="option.dry-run")]
Why = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="option.reason")]


def prune(
    older_than: OlderThan = None,
    dry_run: DryRun = False,
    reason: Why = None,
    as_json: AsJson = False,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.as_json import moment_json
    from pam_receiver.store.retention import count_prunable

    start = options.start(config, database=database, lang=lang)
    before = datetime.now(UTC) - _read_age(older_than, start)
    is_log_empty = True
    with closing(open_store(start.settings, read_only=dry_run)) as store:
        if dry_run:
            count = count_prunable(store, before)
        else:
            count, is_log_empty = _prune(store, before, reason, start.lang)
    if as_json:
        output.print_json({"before": moment_json(before), "messages": count, "dry_run": dry_run})
    else:
        key = "prune.would" if dry_run else "prune.done"
        output.say(text(key, start.lang, count=count, before=moment_json(before)))
    if not is_log_empty:
        output.warn(text("log.not-empty", start.lang))


def _prune(store: "Store", before: datetime, reason: str | None, lang: Lang) -> tuple[int, bool]:
    from pam_receiver.cli.actor import actor
    from pam_receiver.store.retention import prune as erase_old

    why = None if reason is None else options.as_typed(reason)
    with counting(text("prune.doing", lang)) as tell:
        done = erase_old(store, before=before, actor=actor(), reason=why, tell=tell)
    return done.messages, done.is_log_empty and store.empty_log()


def _read_age(word: str | None, start: Start) -> timedelta:
    from pam_receiver.config.durations import parse_duration

    if word is None:
        if start.settings.journal_retention is None:
            output.fail(text("prune.no-age", start.lang), 2)
        return start.settings.journal_retention
    try:
        return parse_duration(options.as_typed(word))
    except ValueError:
        raise typer.BadParameter(text("prune.bad-age", start.lang), param_hint="--older-than") from None
