"""``profiles diff``: what differs between two profiles, or overlays."""

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli import options, output, profiles
from pam_receiver.cli.options import AsJson, Config, Language
from pam_receiver.cli.profiles import DEFAULT_BASE, Base
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.profile.compare import Change
    from pam_receiver.profile.model import Profile
    from pam_receiver.profile.outline import Both

First = Annotated[str, typer.Argument(metavar="A", help="argument.compared")]
Second = Annotated[str, typer.Argument(metavar="B", help="argument.compared")]


def diff(
    before: First,
    after: Second,
    base: Base = DEFAULT_BASE,
    as_json: AsJson = False,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.profile.compare import compare_profiles

    start = options.start(config, lang=lang)
    one, other = (_load(each, base, start.lang) for each in (before, after))
    changes = compare_profiles(one, other)
    if as_json:
        output.print_json([_change_json(change, start.lang) for change in changes])
    elif changes:
        names = {"before": one.name, "after": other.name}
        output.print_title(text("diff.title", start.lang, count=len(changes), **names))
        _print_changes(changes, one, start.lang)
    else:
        output.say(text("diff.none", start.lang, before=one.name, after=other.name))


def _load(word: str, base: str, lang: Lang) -> "Profile":
    """Return a profile by its name, or ``base`` under the overlay of this file."""
    file = Path(options.as_typed(word))
    if file.suffix == ".toml" or file.is_file():
        return profiles.load(base, lang, file)
    return profiles.load(word, lang)


def _print_changes(changes: "tuple[Change, ...]", profile: "Profile", lang: Lang) -> None:
    from pam_receiver.profile.outline import say_events

    for group, members in groupby(changes, key=lambda change: change.group):
        output.say()
        output.print_title(group or text("diff.general", lang))
        rows = [
            [
                change.at,
                change.name,
                text(f"facet.{change.facet.value}", lang),
                _say(change, change.before, lang) or "-",
                _say(change, change.after, lang) or "-",
                profiles.pick(say_events(profile, change.events), lang),
            ]
            for change in members
        ]
        profiles.print_filled(("place", "label", "facet", "before", "after", "events"), rows, lang, indent=2)


def _say(change: "Change", said: "Both | None", lang: Lang) -> str | None:
    """One side of a change. The severity of a rule of the code, where no overlay speaks of it, is that of the code."""
    from pam_receiver.profile.compare import Facet
    from pam_receiver.rulebook import RULES

    if said is not None:
        return profiles.pick(said, lang)
    is_of_code = change.facet is Facet.SEVERITY and change.at in RULES
    return RULES[change.at].severity.value if is_of_code else None


def _change_json(change: "Change", lang: Lang) -> dict[str, object]:
    return {
        "group": change.group,
        "at": change.at,
        "name": change.name or None,
        "what": change.facet.value,
        "before": _say(change, change.before, lang),
        "after": _say(change, change.after, lang),
        "events": list(change.events),
    }
