"""``replay``: messages that were refused, taken again once a rule or a setting has changed."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pam_receiver import __version__
from pam_receiver.cli import options, output
from pam_receiver.cli.opening import open_store
from pam_receiver.cli.options import AsJson, Config, Database, Environment, Language, Start
from pam_receiver.cli.scratch import progress, scratch_folder
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.rebuild.replay import MakeReplayer, Replay, Replayed, ReplayGroup
    from pam_receiver.receive import Outcome, Receiver
    from pam_receiver.store import AuditEvent, Store

Since = Annotated[str, typer.Option("--since", metavar="DATE", help="option.replay-since")]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help="option.until")]
Only = Annotated[str | None, typer.Option("--only", metavar="AE|AR|AE,AR", help="option.only")]
OfRule = Annotated[str | None, typer.Option("--rule", metavar="ID", help="option.replay-rule")]
Apply = Annotated[bool, typer.Option("--apply", help="option.replay-apply")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="option.why")]

_SHOWN: Final = 20  # of each group

Json = dict[str, object]


def replay(
    since: Since,
    until: Until = None,
    only: Only = None,
    rule: OfRule = None,
    apply: Apply = False,
    reason: Reason = None,
    as_json: AsJson = False,
    database: Database = None,
    config: Config = None,
    environment: Environment = None,
    lang: Language = None,
) -> None:
    from pam_receiver.ids import MessageIds
    from pam_receiver.rebuild.replay import replay as take_again
    from pam_receiver.store import queries

    start = options.start(config, database=database, environment=environment, lang=lang)
    begins_at = options.read_moment(since, "--since", start)
    ends_at = options.read_moment(until, "--until", start)
    assert begins_at is not None
    codes, rule_id = _read_codes(only, start.lang), _read_rule(rule, start)
    with (
        closing(open_store(start.settings, read_only=not apply)) as store,
        scratch_folder() as folder,
        progress(start.lang) as tell,
    ):
        found = take_again(
            store,
            _maker(start, options.as_typed(reason).strip() if reason else None),
            folder=folder,
            new_message_id=MessageIds(after=queries.find_last_message_id(store)),
            now=lambda: datetime.now(UTC),
            since=begins_at,
            until=ends_at,
            codes=codes,
            rule=rule_id,
            is_for_good=apply,
            tell=tell,
        )
    if as_json:
        output.print_json(replay_json(found))
    else:
        _print(found, start.lang)
    raise typer.Exit(1 if found.changed.count else 0)


def _read_codes(only: str | None, lang: Lang) -> tuple[str, ...]:
    from pam_receiver.rebuild.replay import REFUSALS

    if only is None:
        return REFUSALS
    codes = tuple(each.strip().upper() for each in only.split(","))
    if not set(codes) <= set(REFUSALS):
        output.fail(text("replay.only", lang), 2)
    return codes


def _read_rule(rule: str | None, start: Start) -> str | None:
    """Return the id of a rule; ends the command when nothing that is in force has it."""
    from pam_receiver.cli import parts
    from pam_receiver.rulebook import find_rule

    if rule is None:
        return None
    rule_id = options.as_typed(rule).strip().lower()
    sources = parts.make_sources(start.settings)
    if not any(find_rule(rule_id, each.profiles) for each in (sources.general, *sources.named)):
        output.fail(text("replay.no-rule", start.lang, rule=rule_id), 2)
    return rule_id


def _maker(start: Start, reason: str | None) -> "MakeReplayer":
    from pam_receiver.cli import parts
    from pam_receiver.cli.actor import actor
    from pam_receiver.in_force import make_in_force
    from pam_receiver.receive import Receiver
    from pam_receiver.store import AuditEvent

    settings, who = start.settings, actor()
    sources = parts.make_sources(settings)
    in_force = make_in_force(sources, program=__version__)

    def audit(outcome: "Outcome") -> "AuditEvent":
        return AuditEvent(
            "replay",
            who,
            "success" if outcome.ack_code == "AA" else "refused",
            message_id=outcome.message_id,
            reason=reason,
            detail={"replay_of": outcome.replay_of, "ack": outcome.ack_code},
        )

    def make(
        store: "Store", new_message_id: Callable[[], str], now: Callable[[], datetime], *, is_for_good: bool
    ) -> "Receiver":
        return Receiver(
            store,
            sources=sources,
            answers=parts.make_answer_style(settings),
            in_force=in_force if is_for_good else None,
            new_message_id=new_message_id,
            now=now,
            max_block_bytes=settings.max_block_bytes,
            audit=audit if is_for_good else None,
        )

    return make


# ------------------------------------------------------------------------------------------------------------- JSON


def replay_json(found: "Replay") -> Json:
    """Return what ``replay --json`` prints; it holds no value of a patient."""
    return {
        "applied": found.is_for_good,
        "messages": found.messages,
        "taken": found.taken,
        "accepted": _group_json(found.accepted),
        "changed": _group_json(found.changed),
        "refused": _group_json(found.refused),
    }


def _group_json(group: "ReplayGroup") -> Json:
    return {"count": group.count, "examples": [_replayed_json(each) for each in group.examples]}


def _replayed_json(one: "Replayed") -> Json:
    return {
        "message_id": one.message_id,
        "control_id": one.control_id,
        "event": one.event,
        "before": one.before,
        "after": one.after,
        "rules": list(one.errors),
        "identities": list(one.changed),
        "new_message_id": one.new_id,
    }


# ------------------------------------------------------------------------------------------------------------ print


def _print(found: "Replay", lang: Lang) -> None:
    output.print_title(text("replay.title-apply" if found.is_for_good else "replay.title", lang))
    if not found.messages:
        output.say(text("replay.none", lang))
        return
    output.say(text("replay.counts", lang, messages=found.messages, taken=found.taken))
    named = "replay.accepted" if found.is_for_good else "replay.would"
    _print_group(named, found.accepted, "new" if found.is_for_good else "rule", lang)
    _print_group("replay.changed", found.changed, "identity", lang)
    _print_group("replay.refused", found.refused, "rule", lang)
    if found.accepted.count and not found.is_for_good:
        output.say()
        output.say(text("replay.apply", lang))


def _print_group(title: str, group: "ReplayGroup", last: str, lang: Lang) -> None:
    output.say()
    output.print_title(text(title, lang, count=group.count))
    rows = [_row(each) for each in group.examples[:_SHOWN]]
    if rows:
        output.print_table(
            [text(f"column.{key}", lang) for key in ("message", "control", "event", last)], rows, indent=2
        )


def _row(one: "Replayed") -> list[str]:
    last = one.new_id or ", ".join(one.changed or one.errors) or "-"
    return [one.message_id, one.control_id or "-", one.event or "-", last]
