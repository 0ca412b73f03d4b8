"""``erase``: one person goes, on legal demand, after a look at what that means."""

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.access import Access
from pam_receiver.cli.counting import counting
from pam_receiver.cli.opening import open_store
from pam_receiver.cli.options import Config, Database, Language
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.identity.model import Identity
    from pam_receiver.store import Store
    from pam_receiver.store.erasure import Erasure
    from pam_receiver.store.queries import IdentityView

Erased = Annotated[str, typer.Argument(metavar="IDENTIFIER", help="argument.erased")]
Authority = Annotated[str | None, typer.Option("--authority", metavar="A", help="option.authority")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="option.reason")]
Yes = Annotated[bool, typer.Option("--yes", help="option.erase-yes")]


def erase(
    identifier: Erased,
    reason: Why,
    authority: Authority = None,
    yes: Yes = False,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.actor import actor
    from pam_receiver.store.erasure import erase as erase_person
    from pam_receiver.store.erasure import find_traces

    start = options.start(config, database=database, lang=lang)
    why = options.as_typed(reason).strip()
    if not why:
        output.fail(text("erase.no-reason", start.lang), 2)
    with closing(open_store(start.settings)) as store:
        store.sealing.current_key_id()  # without a key it ends here, before the journal is read
        access = Access(start, "erase", why)  # to look is an act of its own: it may end there
        chosen = _choose(store, options.as_typed(identifier), authority, access)
        with counting(text("erase.searching", start.lang)) as tell:
            search, plan = find_traces(store, chosen, tell)
        access.identities([each.id for each in plan.identities])
        _print_plan(plan, start.lang)
        if not yes:
            _ask(start.lang)
        done = erase_person(store, search, actor=actor(), reason=why)
    _print_done(done, start.settings.database, start.lang)


def _choose(store: "Store", value: str, authority: str | None, access: Access) -> str:
    """Return the id of an identity of the person; ends the command by a sentence when it is not clear who is meant."""
    from pam_receiver.cli.as_json import moment_json
    from pam_receiver.store.queries import find_identities, find_identity

    lang = access.lang
    named = None if authority is None else options.as_typed(authority)
    views = find_identities(store, value, named)
    if not views and named is None and (one := find_identity(store, value)) is not None:
        if one.erased is not None:
            output.fail(text("erase.already", lang, id=value, at=moment_json(one.erased.at)), 1)
        views = (one,)
    if not views:
        access.search_failed()
    if not views and named is not None:
        output.fail(text("failure.no-identity-there", lang, value=value, authority=named), 1)
    if not views:
        output.fail(text("failure.no-identity", lang, value=value), 1)
    people = {view.merged_into or view.identity.id: view for view in reversed(views)}
    if len(people) == 1:
        return views[0].identity.id
    access.identities([view.identity.id for view in people.values()])
    return _choose_among(list(people.values()), value, lang)


def _choose_among(views: "Sequence[IdentityView]", value: str, lang: Lang) -> str:
    """Ask which one is meant, where somebody can answer."""
    output.warn(text("erase.several", lang, count=len(views), value=value))
    rows = [[str(number), *_describe(view.identity)] for number, view in enumerate(views, 1)]
    output.print_table(_headers(lang), rows, indent=2)
    if not _somebody_is_there():
        raise typer.Exit(2)
    number: int = typer.prompt(text("erase.which", lang), type=int, err=True)
    if not 1 <= number <= len(views):
        output.fail(text("erase.cancelled", lang), 1)
    chosen = views[number - 1]
    return chosen.identity.id


def _somebody_is_there() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _headers(lang: Lang) -> list[str]:
    return ["", *(text(f"column.{key}", lang) for key in ("identity", "ipp", "name", "ins"))]


def _describe(one: "Identity") -> list[str]:
    ipps = ", ".join(f"{each.value} {each.authority.namespace_id or each.authority.universal_id}" for each in one.ipps)
    names = (one.traits.birth_family_name, one.traits.first_birth_given_name)
    return [one.id, ipps or "-", " ".join(each for each in names if each) or "-", one.ins.matricule if one.ins else "-"]


def _print_plan(plan: "Erasure", lang: Lang) -> None:
    output.print_title(text("erase.plan", lang))
    output.print_table(_headers(lang), [["", *_describe(each)] for each in plan.identities], indent=2)
    counts = {
        "identities": len(plan.identities),
        "versions": plan.versions,
        "messages": plan.messages,
        "alerts": plan.alerts,
    }
    output.print_table([], [[text(f"erase.{key}", lang), str(count)] for key, count in counts.items()], indent=2)
    output.say(text("erase.kept", lang))
    if plan.alike:
        output.warn(text("erase.alike", lang, count=len(plan.alike), ids=", ".join(plan.alike)))


def _ask(lang: Lang) -> None:
    if not _somebody_is_there():
        output.fail(text("erase.needs-yes", lang), 2)
    if not typer.confirm(text("erase.confirm", lang), err=True):
        output.fail(text("erase.cancelled", lang), 1)


def _print_done(done: "Erasure", database: str, lang: Lang) -> None:
    counts = {"versions": done.versions, "messages": done.messages, "alerts": done.alerts}
    output.say(text("erase.done", lang, identities=len(done.identities), **counts))
    output.say(text("erase.copies", lang))
    if database.startswith("postgres"):
        output.warn(text("erase.vacuum", lang))
    if not done.is_log_empty:
        output.warn(text("log.not-empty", lang))
