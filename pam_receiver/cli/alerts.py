"""``alerts``: what a person should look at, and the steps that somebody takes with it."""

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.opening import open_store, reading
from pam_receiver.cli.options import AsJson, Config, Database, DatabaseRead, Language, Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.store.alerts import AlertState, AlertView

STATES: Final = ("open", "acknowledged", "closed", "all")
MOST_AT_ONCE: Final = 1000
_NO_NUMBER: Final = 1 << 63  # neither database counts that far

Ids = Annotated[list[int], typer.Argument(metavar="ID…", help="argument.alerts")]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="option.note")]
NeededNote = Annotated[str, typer.Option("--note", metavar="TEXT", help="option.note")]


def alerts(
    context: typer.Context,
    state: Annotated[str | None, typer.Option("--state", metavar="|".join(STATES), help="option.state")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="option.limit-alerts")] = 50,
    as_json: AsJson = False,
    database: Database = None,
    database_read: DatabaseRead = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from pam_receiver.store.alerts import PENDING, AlertState, list_alerts

    start = options.start(config, database=database, database_read=database_read, lang=lang)
    if state is not None and state not in STATES:
        raise typer.BadParameter(text("alerts.bad-state", start.lang), param_hint="--state")
    of_all = {"": PENDING, "all": tuple(AlertState)}
    states = of_all.get(state or "") or (AlertState(state or ""),)
    with reading(start) as store:
        found = list_alerts(store, states=states, limit=limit)
    if as_json:
        output.print_json([alert_json(each, start.lang) for each in found])
    elif found:
        _print(found, start.lang)
    else:
        output.say(text("alerts.none", start.lang))


def acknowledge(
    ids: Ids,
    note: Note = None,
    as_json: AsJson = False,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.store.alerts import AlertState

    start = options.start(config, database=database, lang=lang)
    _step(start, ids, AlertState.ACKNOWLEDGED, note, is_json=as_json)


def close(
    ids: Ids,
    note: NeededNote,
    as_json: AsJson = False,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.store.alerts import AlertState

    start = options.start(config, database=database, lang=lang)
    if not note.strip():
        raise typer.BadParameter(text("alerts.empty-note", start.lang), param_hint="--note")
    _step(start, ids, AlertState.CLOSED, note, is_json=as_json)


def _step(start: Start, ids: list[int], to: "AlertState", note: str | None, *, is_json: bool) -> None:
    from pam_receiver.cli.actor import actor
    from pam_receiver.store.alerts import AlertStepRefused, AlertUnknown, find_alerts, take_step
    from pam_receiver.store.rows import storable

    kept = None if note is None else storable(options.as_typed(note))
    if len(ids) > MOST_AT_ONCE:
        raise typer.BadParameter(text("alerts.too-many", start.lang, most=MOST_AT_ONCE), param_hint="ID…")
    if any(abs(each) >= _NO_NUMBER for each in ids):
        raise typer.BadParameter(text("alerts.no-number", start.lang), param_hint="ID…")
    with closing(open_store(start.settings)) as store:
        try:
            with store.begin() as tx:
                take_step(tx, ids, to, by=actor(), note=kept, at=datetime.now(UTC))
        except (AlertUnknown, AlertStepRefused) as error:
            output.fail(error.text(start.lang), 1)
        found = find_alerts(store, ids)
    if is_json:
        output.print_json([alert_json(each, start.lang) for each in found])
    else:
        numbers = ", ".join(str(each.id) for each in found)
        output.say(text(f"alerts.{to.value}", start.lang, count=len(found), ids=numbers))


def alert_json(view: "AlertView", lang: Lang) -> dict[str, object]:
    """Return what ``alerts --json`` gives of one alert. The names are a contract, as in ``as_json``."""
    from pam_receiver.cli.as_json import moment_json
    from pam_receiver.cli.findings import finding_json

    return {
        "id": view.id,
        "at": moment_json(view.at),
        "state": view.state.value,
        "finding": finding_json(view.finding, lang),
        "identity_id": view.identity_id,
        "message_id": view.message_id,
        "source": view.source,
        "changed_at": moment_json(view.changed_at) if view.changed_at is not None else None,
        "changed_by": view.changed_by,
        "note": view.note,
    }


def _print(found: "tuple[AlertView, ...]", lang: Lang) -> None:
    from pam_receiver.cli.as_json import moment_json

    keys = ("alert", "at", "alert-state", "rule", "identity", "alert-message", "source", "note")
    rows = [
        [
            str(each.id),
            moment_json(each.at),
            text(f"alert-state.{each.state.value}", lang),
            f"{each.finding.severity.value} {each.finding.rule}",
            each.identity_id or "-",
            each.message_id or "-",
            each.source or "-",
            each.note or "",
        ]
        for each in found
    ]
    output.print_table([text(f"column.{key}", lang) for key in keys], rows)
