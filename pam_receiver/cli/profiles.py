"""``profiles``: what the profiles ask, place by place, and the import of conformance profiles."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.options import AsJson, Config, Language
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang
from pam_receiver.reasons import say_os_error

if TYPE_CHECKING:
    from pam_receiver.profile.load import ProfileSet
    from pam_receiver.profile.model import Profile, Strictness
    from pam_receiver.profile.outline import Asked, Both, Outline

DEFAULT_BASE = "pam_fr/2.11"

Name = Annotated[str, typer.Argument(metavar="NAME", help="argument.profile")]
Segment = Annotated[str | None, typer.Option("--segment", metavar="NAME", help="option.segment")]
Event = Annotated[str | None, typer.Option("--event", metavar="CODE", help="option.event")]
Overlay = Annotated[Path | None, typer.Option("--overlay", metavar="FILE", help="option.overlay")]
Base = Annotated[str, typer.Option("--base", metavar="NAME", help="option.base")]


def load(name: str, lang: Lang, overlay: Path | None = None) -> "Profile":
    """Return the profile that a person names (``pam_fr/2.11`` or ``2.11``), under an overlay when there is one.

    Ends the command by a sentence when there is no such profile. Raises:
        ProfileError: an overlay that cannot be trusted, naming the key.
    """
    from pam_receiver.profile.load import list_profiles, load_profiles

    known = list_profiles()
    asked = options.as_typed(name)
    found = [each for each in known if asked in (each, each.rpartition("/")[2])]
    if not found:
        output.fail(text("failure.no-profile", lang, name=asked, names=", ".join(known)), 2)
    profiles = load_profiles(only=found[0]) if overlay is None else load_overlay(overlay, only=found[0])
    return profiles.profiles[0]


def load_overlay(overlay: Path, *, only: str | None = None, strictness: "Strictness | None" = None) -> "ProfileSet":
    """Return the profiles, or ``only`` one of them, under an overlay.

    Raises:
        ProfileError: an overlay that cannot be trusted, naming the key.
    """
    from pam_receiver.profile.load import load_profiles
    from pam_receiver.profile.model import Strictness
    from pam_receiver.rulebook import check_grades

    profiles = load_profiles(overlay=overlay, only=only, strictness=strictness or Strictness.LENIENT)
    check_grades(profiles, overlay.name)
    return profiles


# -------------------------------------------------------------------------------------------------------------- list


def list_all(as_json: AsJson = False, config: Config = None, lang: Language = None) -> None:
    from pam_receiver.profile.lines import read_profile
    from pam_receiver.profile.load import load_profiles
    from pam_receiver.resources import PROFILES

    start = options.start(config, lang=lang)
    profiles = load_profiles()
    judged = _say_selection(profiles, start.lang)
    listed: list[dict[str, object]] = [
        {
            "name": each.name,
            "title": each.title,
            "spec": each.spec,
            "extends": read_profile(each.name, PROFILES).extends,
            "events": len(each.plans),
            "rules": len(each.rules),
            "judges": judged[each.name],
        }
        for each in profiles.profiles
    ]
    if as_json:
        output.print_json(listed)
        return
    keys = ("name", "title", "extends", "events", "rules", "judges")
    rows = [[str(each[key] or "HL7 v2.5") for key in keys] for each in listed]
    output.print_table([text(f"profiles.{key}", start.lang) for key in keys], rows)


def _say_selection(profiles: "ProfileSet", lang: Lang) -> dict[str, str]:
    """Which messages each profile judges, as :meth:`ProfileSet.select` picks it."""
    said = {profiles.international.name: text("profiles.for.international", lang)}
    for (major, minor), profile in profiles.versions:
        key = "between"
        if profile is profiles.french:
            key = "newest"
        elif profile is profiles.versions[-1][1]:
            key = "oldest"
        said[profile.name] = text(f"profiles.for.{key}", lang, version=f"{major}.{minor}")
    return said


# -------------------------------------------------------------------------------------------------------------- show


def show(
    name: Name,
    segment: Segment = None,
    event: Event = None,
    overlay: Overlay = None,
    as_json: AsJson = False,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.profile.outline import outline

    start = options.start(config, lang=lang)
    profile = load(name, start.lang, overlay)
    code = event.upper() if event is not None else None
    if code is not None and code not in profile.plans:
        names = ", ".join(profile.plans)
        output.fail(text("failure.no-event", start.lang, profile=profile.name, name=code, names=names), 1)
    lines = outline(profile, [code] if code is not None else ())
    if segment is not None:
        asked = _find_segment(lines, segment.upper(), profile, start.lang)
        _show_places(profile, asked, segment.upper(), start.lang, as_json=as_json)
    elif code is not None:
        _show_segments(profile, lines.segments, start.lang, as_json=as_json)
    else:
        _show_events(profile, start.lang, as_json=as_json)


def _find_segment(lines: "Outline", name: str, profile: "Profile", lang: Lang) -> "tuple[Asked, ...]":
    if name not in lines.places:
        segments = list(dict.fromkeys(str(asked.at) for asked in lines.segments))
        types = [each for each in lines.places if each not in segments]
        known = {"segments": ", ".join(segments), "types": ", ".join(types)}
        output.fail(text("failure.no-segment", lang, profile=profile.name, name=name, **known), 1)
    return lines.places[name]


def _print_profile(profile: "Profile", lang: Lang) -> None:
    output.print_title(text("profiles.heading", lang, name=profile.name, title=profile.title, spec=profile.spec))


def _show_events(profile: "Profile", lang: Lang, *, as_json: bool) -> None:
    from pam_receiver.profile.outline import outline

    if as_json:
        output.print_json(
            [
                {
                    "event": code,
                    "structure": plan.event.structure,
                    "transaction": plan.event.transaction,
                    "spec": plan.event.spec,
                    "segments": [asked_json(asked, lang) for asked in outline(profile, [code]).segments],
                }
                for code, plan in profile.plans.items()
            ]
        )
        return
    _print_profile(profile, lang)
    rows = [
        [
            code,
            plan.event.structure,
            plan.event.transaction,
            ", ".join(f"{each.name} {each.usage.value} {each.card}" for each in plan.segments.values()),
        ]
        for code, plan in profile.plans.items()
    ]
    print_filled(("event", "structure", "transaction", "segments"), rows, lang)


def _show_segments(profile: "Profile", segments: "Sequence[Asked]", lang: Lang, *, as_json: bool) -> None:
    if as_json:
        output.print_json([asked_json(asked, lang) for asked in segments])
        return
    _print_profile(profile, lang)
    rows = [[str(asked.at), say_usage(asked, lang), str(asked.rule.card), asked.rule.spec] for asked in segments]
    print_filled(("segment", "usage", "card", "spec"), rows, lang)


def _show_places(profile: "Profile", places: "Sequence[Asked]", segment: str, lang: Lang, *, as_json: bool) -> None:
    if as_json:
        output.print_json([asked_json(asked, lang) for asked in places])
        return
    from pam_receiver.profile.model import FieldRule
    from pam_receiver.profile.outline import say_events, say_table

    _print_profile(profile, lang)
    rows = []
    for asked in places:
        rule = asked.rule
        assert isinstance(rule, FieldRule)  # a segment has its own list
        length = "" if rule.max_length is None else str(rule.max_length)
        cells = [str(rule.at), rule.name, rule.type, say_usage(asked, lang), _say_card(asked), length, say_table(rule)]
        rows.append([*cells, pick(say_events(profile, asked.events), lang), rule.spec])
    print_filled(("place", "label", "type", "usage", "card", "length", "table", "events", "spec"), rows, lang)
    _offer_types(profile, places, segment, lang)


def print_filled(keys: Sequence[str], rows: Sequence[Sequence[str]], lang: Lang, *, indent: int = 0) -> None:
    """Print a table without the columns in which nothing stands; ``keys`` are those of its headers."""
    filled = [number for number in range(len(keys)) if any(row[number] for row in rows)]
    headers = [text(f"column.{keys[number]}", lang) for number in filled]
    output.print_table(headers, [[row[number] for number in filled] for row in rows], indent=indent)


def _offer_types(profile: "Profile", places: "Sequence[Asked]", segment: str, lang: Lang) -> None:
    from pam_receiver.profile.outline import outline

    judged = outline(profile).places
    used = dict.fromkeys(getattr(asked.rule, "type", "") for asked in places)
    types = sorted(each for each in used if each in judged and each != segment)
    if types:
        output.say(text("profiles.parts", lang, type=types[0], types=", ".join(types)))


def _say_card(asked: "Asked") -> str:
    """A part does not repeat: it has no cardinality of its own."""
    is_field = asked.at.component is None and _is_of_segment(asked)
    return str(asked.rule.card) if is_field else ""


def _is_of_segment(asked: "Asked") -> bool:
    from pam_receiver.profile.base import TYPES

    return asked.at.segment not in TYPES


def say_usage(asked: "Asked", lang: Lang) -> str:
    """Return the usage of a line with its condition, in words."""
    from pam_receiver.profile import outline

    return pick(outline.say_usage(asked.rule), lang)


def pick(both: "Both", lang: Lang) -> str:
    """Return the words of one language."""
    return both[0] if lang == "fr" else both[1]


def asked_json(asked: "Asked", lang: Lang) -> dict[str, object]:
    """Return what is asked of one segment or one place."""
    from pam_receiver.profile.model import FieldRule

    rule = asked.rule
    of_place: dict[str, object] = {}
    if isinstance(rule, FieldRule):
        of_place = {
            "name": rule.name,
            "type": rule.type,
            "length": rule.max_length,
            "table": None if rule.table is None else rule.table.id,
        }
    return {
        "place": str(asked.at),
        **of_place,
        "usage": rule.usage.value,
        "condition": say_usage(asked, lang).partition(" ")[2] or None,
        "cardinality": str(rule.card) if isinstance(rule, FieldRule) is False or _say_card(asked) else None,
        "events": list(asked.events),
        "spec": rule.spec,
        "rules": {each.id: each.severity.value for each in rule.rules.values()},
    }


# ------------------------------------------------------------------------------------------------------------ import


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE.xml", help="argument.xml")],
    base: Base = DEFAULT_BASE,
    to: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="option.output")] = None,
    force: Annotated[bool, typer.Option("--force", help="option.force")] = False,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.profile.xml_import import import_profile

    start = options.start(config, lang=lang)
    if to is not None:
        _refuse_unwritable(to, start.lang, is_forced=force)
    profile = load(base, start.lang)
    try:
        data = file.read_bytes()
    except OSError as error:
        output.fail(text("failure.file", start.lang, file=file, reason=say_os_error(error, start.lang)), 2)
    imported = import_profile(data, name=file.name, base=profile)
    for note in imported.notes_fr if start.lang == "fr" else imported.notes_en:
        output.warn(note)
    if to is None:
        output.say(imported.toml.rstrip("\n"))
        return
    _write(to, imported.toml, start.lang, is_forced=force)
    output.warn(text("profiles.imported", start.lang, file=to))


def _refuse_unwritable(file: Path, lang: Lang, *, is_forced: bool) -> None:
    """End the command when ``file`` surely cannot be written: its notes would be told of an overlay that is nowhere."""
    try:
        is_there, is_folder = file.exists() or file.is_symlink(), file.is_dir()
        if not is_there and not file.parent.exists():
            output.fail(text("failure.no-folder", lang, file=file, folder=file.parent), 2)
        if not is_folder and is_there and not is_forced:
            output.fail(text("failure.exists", lang, file=file), 2)
        number = errno.EISDIR if is_folder else 0
        if not is_there and not file.parent.is_dir():
            number = errno.ENOTDIR
        elif not is_folder and not os.access(file if is_there else file.parent, os.W_OK):
            number = errno.EACCES
    except OSError as error:  # of a folder that may not be looked into
        number = error.errno or errno.EACCES
    if number:
        reason = say_os_error(OSError(number, os.strerror(number)), lang)
        output.fail(text("failure.write", lang, file=file, reason=reason), 2)


def _write(file: Path, written: str, lang: Lang, *, is_forced: bool) -> None:
    try:
        with file.open("w" if is_forced else "x", encoding="utf-8", newline="\n") as stream:
            stream.write(written)
    except FileExistsError:
        output.fail(text("failure.exists", lang, file=file), 2)
    except OSError as error:
        output.fail(text("failure.write", lang, file=file, reason=say_os_error(error, lang)), 2)
