"""``unmerge``: a merge made by mistake is undone, after a look at what that means."""

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.access import Access
from pam_receiver.cli.opening import open_store
from pam_receiver.cli.options import Config, Database, Language
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.identity.unmerge import NotUndone
    from pam_receiver.rebuild.unmerge import Unmerge
    from pam_receiver.store import Store
    from pam_receiver.store.acts import LaterMessage

Absorbed = Annotated[str, typer.Argument(metavar="VALUE", help="argument.absorbed")]
Authority = Annotated[str | None, typer.Option("--authority", metavar="A", help="option.authority")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="option.why")]
Yes = Annotated[bool, typer.Option("--yes", help="option.unmerge-yes")]


def unmerge(
    value: Absorbed,
    reason: Why,
    authority: Authority = None,
    yes: Yes = False,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.actor import actor
    from pam_receiver.identity.unmerge import NotUndone
    from pam_receiver.ids import MessageIds
    from pam_receiver.rebuild.unmerge import plan_unmerge
    from pam_receiver.rebuild.unmerge import unmerge as undo
    from pam_receiver.store import queries

    start = options.start(config, database=database, lang=lang)
    why = options.as_typed(reason).strip()
    if not why:
        output.fail(text("unmerge.no-reason", start.lang), 2)
    access = Access(start, "unmerge", why)  # to look is an act of its own: it may end there
    with closing(open_store(start.settings)) as store:
        absorbed = _choose(store, options.as_typed(value), authority, access)
        plan = plan_unmerge(store, absorbed)
        if isinstance(plan, NotUndone):
            _refuse(plan, absorbed, start.lang)
        access.identities([absorbed, plan.link.survivor])
        _print_plan(plan, start.lang)
        if not yes:
            _ask(start.lang)
        new_id = MessageIds(after=queries.find_last_message_id(store))()
        done = undo(store, plan, actor=actor(), reason=why, new_id=new_id, at=datetime.now(UTC))
    if isinstance(done, NotUndone):
        _refuse(done, absorbed, start.lang)
    output.say(text("unmerge.done", start.lang, id=new_id, survivor=done.survivor))


def _choose(store: "Store", value: str, authority: str | None, access: Access) -> str:
    """Return the id of the absorbed identity that is meant; ends the command by a sentence when it is not clear."""
    from pam_receiver.store.queries import find_identities, find_identity

    lang = access.lang
    named = None if authority is None else options.as_typed(authority)
    views = find_identities(store, value, named)
    if not views and named is None and (one := find_identity(store, value)) is not None:
        if one.erased is not None:
            output.fail(text("unmerge.erased", lang, id=value), 1)
        views = (one,)
    if not views:
        access.search_failed()
    if not views and named is not None:
        output.fail(text("failure.no-identity-there", lang, value=value, authority=named), 1)
    if not views:
        output.fail(text("failure.no-identity", lang, value=value), 1)
    absorbed = [view.identity.id for view in views if view.identity.merged_into is not None]
    if len(absorbed) > 1:
        ids = ", ".join(sorted(absorbed))
        output.fail(text("unmerge.several", lang, count=len(absorbed), value=value, ids=ids), 2)
    return absorbed[0] if absorbed else views[0].identity.id


def _refuse(why: "NotUndone", identity_id: str, lang: Lang) -> NoReturn:
    output.fail(text(f"unmerge.{why.value}", lang, id=identity_id), 1)


def _print_plan(plan: "Unmerge", lang: Lang) -> None:
    from pam_receiver.cli.as_json import moment_json

    state = text("state.active" if plan.was_active else "state.inactive", lang)
    ipps = ", ".join(each.value for each in plan.absorbed.ipps)
    rows = [
        ["unmerge.absorbed", f"{plan.absorbed.id} ({ipps})"],
        ["unmerge.survivor", plan.link.survivor],
        ["unmerge.merge", f"{plan.link.message_id} {moment_json(plan.link.at)}"],
        ["unmerge.after", state],
    ]
    output.print_title(text("unmerge.plan", lang))
    output.print_table([], [[text(key, lang), value] for key, value in rows], indent=2)
    for key, messages in (("unmerge.touched", plan.touched), ("unmerge.refused", plan.refused)):
        output.print_title(text(key, lang))
        _print_messages(messages, lang)


def _print_messages(messages: "Sequence[LaterMessage]", lang: Lang) -> None:
    from pam_receiver.cli.as_json import moment_json

    if not messages:
        output.say(f"  {text('unmerge.none', lang)}")
        return
    headers = [text(f"column.{key}", lang) for key in ("message", "at", "event", "control", "version")]
    rows = [
        [each.id, moment_json(each.received_at), each.event, each.control_id, str(each.version or "-")]
        for each in messages
    ]
    output.print_table(headers, rows, indent=2)


def _ask(lang: Lang) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        output.fail(text("unmerge.needs-yes", lang), 2)
    if not typer.confirm(text("unmerge.confirm", lang), err=True):
        output.fail(text("unmerge.cancelled", lang), 1)
