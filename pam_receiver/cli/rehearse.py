"""``check --against-journal``: what would differ, had the messages of the journal come in under other settings."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from pam_receiver.cli import output
from pam_receiver.cli.opening import reading
from pam_receiver.cli.options import Start
from pam_receiver.cli.scratch import make_maker, progress, scratch_folder
from pam_receiver.cli.texts import TEXTS, text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.rehearsal import (
        AnswerChange,
        FieldChange,
        FindingChange,
        IdentityChanges,
        IdentityGroup,
        MessageExample,
        Rehearsal,
    )

_SHOWN: Final = 5  # examples of each group on paper; the JSON has them all

Json = dict[str, object]


def check_journal(
    start: Start, *, profile: str | None, overlay: Path | None, since: datetime | None, as_json: bool
) -> None:
    """Rehearse the journal under ``profile`` or ``overlay``, and end with 1 when an answer or an identity would differ.

    Without either, the settings in force are compared with what the journal says. ``since``: aware; only messages
    received from then on are compared.
    """
    from pam_receiver.cli import parts
    from pam_receiver.rehearsal import rehearse

    settings = start.settings
    present = parts.make_sources(settings)
    other = parts.make_sources(settings, profile=profile, overlay=overlay) if profile or overlay else None
    with (
        reading(start) as store,
        scratch_folder() as folder,
        progress(start.lang) as tell,
    ):
        found = rehearse(
            store,
            present=make_maker(settings, present),
            other=make_maker(settings, other) if other is not None else None,
            folder=folder,
            since=since,
            tell=tell,
        )
    if as_json:
        output.print_json(rehearsal_json(found, profile=profile, overlay=overlay))
    else:
        _print(found, _name_of(profile, overlay, start.lang), start.lang)
    raise typer.Exit(1 if found.differs else 0)


# ------------------------------------------------------------------------------------------------------------- JSON


def rehearsal_json(found: "Rehearsal", *, profile: str | None, overlay: Path | None) -> Json:
    """Return what ``check --against-journal --json`` prints; it holds no value of a patient."""
    from pam_receiver.cli.as_json import moment_json

    return {
        "profile": profile,
        "overlay": str(overlay) if overlay is not None else None,
        "messages": found.messages,
        "rehearsed": found.rehearsed,
        "without_text": found.without_text,
        "begins_at": moment_json(found.begins_at) if found.begins_at else None,
        "ends_at": moment_json(found.ends_at) if found.ends_at else None,
        "differs": found.differs,
        "answers": [_answers_json(each) for each in found.answers],
        "findings": [_findings_json(each) for each in found.findings],
        "identities": _identities_json(found.identities) if found.identities else None,
        "drift": [_answers_json(each) for each in found.drift],
    }


def _answers_json(change: "AnswerChange") -> Json:
    return {
        "before": change.before,
        "after": change.after,
        "count": change.count,
        "rules": [{"rule": rule, "messages": messages} for rule, messages in change.rules],
        "examples": [_example_json(each) for each in change.examples],
    }


def _example_json(example: "MessageExample") -> Json:
    return {
        "message_id": example.message_id,
        "control_id": example.control_id,
        "event": example.event,
        "rules": list(example.rules),
    }


def _findings_json(change: "FindingChange") -> Json:
    return {
        "rule": change.rule,
        "severity": change.severity,
        "before": change.before,
        "after": change.after,
        "messages": change.messages,
        "examples": [_example_json(each) for each in change.examples],
    }


def _identities_json(found: "IdentityChanges") -> Json:
    return {
        "before": found.before,
        "after": found.after,
        "gone": _group_json(found.gone),
        "added": _group_json(found.added),
        "changed": [_group_json(each) for each in found.changed],
    }


def _group_json(group: "IdentityGroup") -> Json:
    return {
        "count": group.count,
        "changes": [{"what": each.what, "before": each.before, "after": each.after} for each in group.changes],
        "examples": [{"identity_id": each.identity_id, "message_id": each.message_id} for each in group.examples],
    }


# ------------------------------------------------------------------------------------------------------------ print


def _name_of(profile: str | None, overlay: Path | None, lang: Lang) -> str:
    named = []
    if profile is not None:
        named.append(text("rehearse.profile", lang, name=profile))
    if overlay is not None:
        named.append(text("rehearse.overlay", lang, name=overlay))
    return ", ".join(named)


def _print(found: "Rehearsal", name: str, lang: Lang) -> None:
    from pam_receiver.cli.as_json import moment_json

    output.print_title(text("rehearse.title" if name else "rehearse.title-journal", lang, name=name))
    if found.begins_at is None or found.ends_at is None:
        output.say(text("rehearse.empty", lang))
        return
    span = {"begins": moment_json(found.begins_at), "ends": moment_json(found.ends_at)}
    output.say(text("rehearse.span", lang, count=found.rehearsed, **span))
    if found.messages > found.rehearsed:
        output.say(text("rehearse.earlier", lang, count=found.messages - found.rehearsed))
    if found.without_text:
        output.say(text("rehearse.without-text", lang, count=found.without_text))
    output.say()
    _print_answers("rehearse.answers", found.answers, lang)
    _print_findings(found.findings, lang)
    if found.identities is not None:
        _print_identities(found.identities, lang)
    if found.drift:
        _print_answers("rehearse.drift", found.drift, lang)
    output.say(text("rehearse.differs" if found.differs else "rehearse.same", lang))


def _print_answers(title: str, changes: "Sequence[AnswerChange]", lang: Lang) -> None:
    output.print_title(text(title, lang, count=sum(each.count for each in changes)))
    for change in changes:
        rules = ", ".join(f"{rule} ({messages})" for rule, messages in change.rules)
        output.say(f"  {_arrow(change.before, change.after)}  {change.count}  {rules}".rstrip())
        rows = [
            [each.message_id, each.control_id or "-", each.event or "-", ", ".join(each.rules) or "-"]
            for each in change.examples[:_SHOWN]
        ]
        output.print_table(_headers(lang, "message", "control", "event", "rule"), rows, indent=4)
    output.say()


def _print_findings(changes: "Sequence[FindingChange]", lang: Lang) -> None:
    output.print_title(text("rehearse.findings", lang, count=len(changes)))
    rows = [
        [
            each.severity,
            each.rule,
            str(each.before),
            str(each.after),
            str(each.messages),
            each.examples[0].message_id,
        ]
        for each in changes
    ]
    if rows:
        names = ("severity", "rule", "before", "after", "messages", "example")
        output.print_table(_headers(lang, *names), rows, indent=2)
    output.say()


def _print_identities(found: "IdentityChanges", lang: Lang) -> None:
    differing = found.gone.count + found.added.count + sum(each.count for each in found.changed)
    values = {"before": found.before, "after": found.after, "count": differing}
    output.print_title(text("rehearse.identities", lang, **values))
    named = [(text("rehearse.gone", lang), found.gone), (text("rehearse.added", lang), found.added)]
    between = " ; " if lang == "fr" else "; "
    named += [(between.join(_tell(change, lang) for change in each.changes), each) for each in found.changed]
    for name, group in named:
        if group.count:
            output.say(f"  {group.count}  {name}")
            rows = [[each.identity_id or "-", each.message_id] for each in group.examples[:_SHOWN]]
            output.print_table(_headers(lang, "identity", "message"), rows, indent=4)
    output.say()


def _headers(lang: Lang, *names: str) -> list[str]:
    return [text(f"column.{name}", lang) for name in names]


def _tell(change: "FieldChange", lang: Lang) -> str:
    label = text(f"identity.{change.what}", lang)
    colon = " :" if lang == "fr" else ":"
    if change.before == change.after:
        return f"{label}{colon} {text('rehearse.another', lang)}"
    return f"{label}{colon} {_arrow(_word(change.before, lang), _word(change.after, lang))}"


def _word(word: str, lang: Lang) -> str:
    """Return what ``before`` or ``after`` of a change is called: a status, yes or no, held or none."""
    return text(next(key for key in (word, f"status.{word}", f"rehearse.{word}") if key in TEXTS), lang)


def _arrow(before: str, after: str) -> str:
    return f"{before} → {after}"
