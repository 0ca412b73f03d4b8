"""``profiles explain``: one rule, the lines that make it, and how an overlay changes it."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.options import AsJson, Config, Language
from pam_receiver.cli.profiles import Overlay, load_overlay, pick, print_filled, say_usage
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang, Severity

if TYPE_CHECKING:
    from pam_receiver.config import Settings
    from pam_receiver.finding import Rule
    from pam_receiver.profile.load import ProfileSet
    from pam_receiver.profile.model import ConditionRule, Profile
    from pam_receiver.profile.outline import Asked

RuleId = Annotated[str, typer.Argument(metavar="RULE", help="argument.rule")]
IGNORED = "ignore"


@dataclass(frozen=True, slots=True)
class _Layer:
    """Profiles by which messages are judged: those shipped (no ``kind``), those of a source, those under an overlay.

    ``used`` are the profiles as they are in use; ``lenient`` and ``strict`` the same without regard to the strictness
    of the source.
    """

    kind: str
    name: str
    used: "ProfileSet"
    lenient: "ProfileSet"
    strict: "ProfileSet"


@dataclass(frozen=True, slots=True)
class _Line:
    """A line, or several alike, that makes a rule. ``events`` is empty when it does so wherever the place is judged."""

    asked: "Asked"
    severity: Severity
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Standing:
    """A rule, where it is asked, and how severe it is: in each layer under each profile, and under ``strict``.

    ``lines`` are those that it is made from, ``condition`` what it asks when it is a condition rule, and ``events``
    then those in which it is asked, of ``profile``; a rule of the code has neither.
    """

    rule: "Rule"
    profile: "Profile"
    lines: tuple[_Line, ...]
    condition: "ConditionRule | None"
    events: tuple[str, ...]
    severities: Mapping[str, Mapping[str, str]]
    layers: tuple[_Layer, ...]
    strict: Severity
    is_fixed: bool


def explain(
    rule: RuleId, overlay: Overlay = None, as_json: AsJson = False, config: Config = None, lang: Language = None
) -> None:
    start = options.start(config, lang=lang)
    layers = (_shipped(), *_layers(start.settings, overlay))
    standing = _find(options.as_typed(rule).strip().lower(), layers, start.lang)
    if as_json:
        output.print_json(_standing_json(standing, start.lang))
    else:
        _print_standing(standing, start.lang)


# ------------------------------------------------------------------------------------------------------------ layers


def _shipped() -> _Layer:
    from pam_receiver.profile.load import load_profiles
    from pam_receiver.profile.model import Strictness

    profiles = load_profiles()
    return _Layer("", "", profiles, profiles, load_profiles(strictness=Strictness.STRICT))


def _layers(settings: "Settings", overlay: Path | None) -> Iterator[_Layer]:
    """The overlay that a person names, else the sources of the settings that judge in a way of their own.

    Raises:
        ProfileError: an overlay that cannot be trusted, naming the key.
        SettingsError: the same of a source, naming it.
    """
    from pam_receiver.cli import parts
    from pam_receiver.profile.load import load_profiles
    from pam_receiver.profile.model import Strictness

    if overlay is not None:
        lenient = load_overlay(overlay)
        yield _Layer("overlay", overlay.name, lenient, lenient, load_overlay(overlay, strictness=Strictness.STRICT))
        return
    used = {each.name: each.profiles for each in parts.make_sources(settings).named}
    for source in settings.sources:
        if source.profile or source.overlay or source.strictness == Strictness.STRICT.value:
            lenient, strict = (
                load_profiles(overlay=source.overlay, only=source.profile, strictness=each) for each in Strictness
            )
            yield _Layer("source", source.name, used[source.name], lenient, strict)


# ---------------------------------------------------------------------------------------------------------- the rule


def _find(rule_id: str, layers: tuple[_Layer, ...], lang: Lang) -> _Standing:
    """Return what is known of a rule; ends the command by a sentence when there is none of this id.

    Under an overlay that a person names it is that of the overlay; else the one shipped, and that of a source when
    only its overlay has it.
    """
    from pam_receiver.profile.outline import outline
    from pam_receiver.rulebook import RULES, find_rule

    asked = sorted(layers, key=lambda each: each.kind != "overlay")
    layer = next((each for each in asked if find_rule(rule_id, each.lenient) is not None), None)
    rule = None if layer is None else find_rule(rule_id, layer.lenient)
    if layer is None or rule is None:
        _fail_unknown(rule_id, layers, lang)
    profile = next(each for each in _newest_first(layer.lenient) if rule_id in each.rules or rule_id in RULES)
    conditions = _conditions(profile, rule_id)
    return _Standing(
        rule=rule,
        profile=profile,
        lines=_merged(outline(profile).find(rule_id), rule_id),
        condition=next(iter(conditions.values()), None),
        events=tuple(conditions),
        severities={each.name: _severities(each.used, rule) for each in layers},
        layers=layers,
        strict=_strict_severity(profile, layer.strict, rule),
        is_fixed=rule_id in RULES and rule.severity is Severity.E,
    )


def _fail_unknown(rule_id: str, layers: tuple[_Layer, ...], lang: Lang) -> NoReturn:
    from pam_receiver.rulebook import RULES

    profiles = [profile for layer in layers for profile in layer.lenient.profiles]
    known = [*RULES, *(each for profile in profiles for each in profile.rules)]
    near = difflib.get_close_matches(rule_id, known, n=1)
    key = "failure.no-rule-near" if near else "failure.no-rule"
    output.fail(text(key, lang, name=rule_id, near="".join(near)), 1)


def _merged(lines: "tuple[Asked, ...]", rule_id: str) -> tuple[_Line, ...]:
    """The lines, those that differ in their events alone taken together."""
    from pam_receiver.profile.outline import say_usage as usage_of

    found: dict[object, _Line] = {}
    for asked in lines:
        severity = next(each.severity for each in asked.rules.values() if each.id == rule_id)
        key = (asked.at, asked.rule.name, usage_of(asked.rule), asked.rule.spec, severity)
        alike = found.get(key)
        events = (*asked.events, *(alike.events if alike is not None else ()))
        found[key] = _Line(asked, severity, tuple(sorted(events)))
    return tuple(found.values())


def _conditions(profile: "Profile", rule_id: str) -> "dict[str, ConditionRule]":
    """The events in which a condition rule is asked."""
    return {code: each for code, plan in profile.plans.items() for each in plan.rules if each.rule.id == rule_id}


def _newest_first(profiles: "ProfileSet") -> "tuple[Profile, ...]":
    if profiles.only is not None:
        return (profiles.only,)
    return (*(french for _, french in profiles.versions), profiles.international)


def _severities(profiles: "ProfileSet", rule: "Rule") -> dict[str, str]:
    """The severity under each profile that has the rule."""
    from pam_receiver.rulebook import RULES

    having = [each for each in _newest_first(profiles) if rule.id in each.rules or rule.id in RULES]
    ignoring = {each.name: IGNORED for each in profiles.profiles if rule.id in each.ignored}
    return {each.name: _severity_in(each, rule) for each in having} | ignoring


def _severity_in(profile: "Profile", rule: "Rule") -> str:
    if rule.id in profile.rules:
        return profile.rules[rule.id].severity.value
    severity = profile.grades.get(rule.id, rule.severity)
    return IGNORED if severity is None else severity.value


def _strict_severity(profile: "Profile", strict: "ProfileSet", rule: "Rule") -> Severity:
    """The severity under ``strict``, which makes nothing of the rules of the code."""
    found = next(each for each in strict.profiles if each.name == profile.name)
    return found.rules[rule.id].severity if rule.id in found.rules else rule.severity


# ------------------------------------------------------------------------------------------------------------- words


def _print_standing(standing: _Standing, lang: Lang) -> None:
    rule = standing.rule
    is_one = len(standing.lines) < 2
    facts = [
        (text("explain.where", lang), _say_where(standing, lang)),
        (text("explain.events", lang), _say_events(standing, _events(standing), lang) if is_one else ""),
        (text("explain.severity", lang), _pair(standing, rule.severity.value, standing.strict.value, lang)),
        (text("explain.answer", lang), _pair(standing, *_answers(standing), lang)),
        *_layer_facts(standing, lang),
        (text("explain.code", lang), f"{rule.code.value} {rule.code.display}"),
        (text("explain.spec", lang), rule.spec if is_one else ""),
        *((text(f"explain.{each}", lang), _sentence(standing, each)) for each in _languages(lang)),
        (text("explain.example", lang), rule.example),
    ]
    output.print_title(rule.id)
    output.print_table([], [[label, value] for label, value in facts if value], indent=2)
    if not is_one:
        _print_lines(standing, lang)
    output.say()
    if standing.is_fixed:
        output.say(text("explain.fixed", lang))
        return
    output.say(text("explain.change", lang))
    output.say()
    output.say(f'[[grade]]\nrule = "{rule.id}"\nseverity = "{_other_severity(rule)}"')


def _layer_facts(standing: _Standing, lang: Lang) -> Iterator[tuple[str, str]]:
    """How severe the rule is: profile by profile, of a source in one word when all are of one mind."""
    for layer in standing.layers:
        found = standing.severities[layer.name]
        said = ", ".join(f"{name} {severity}" for name, severity in found.items())
        if layer.kind and len(set(found.values())) == 1 and len(found) == len(layer.used.profiles):
            said = next(iter(found.values()))
        yield text(f"explain.{layer.kind or 'profiles'}", lang, name=layer.name), said


def _print_lines(standing: _Standing, lang: Lang) -> None:
    output.say()
    output.say(text("explain.lines", lang, count=len(standing.lines)))
    severities = {line.severity for line in standing.lines}
    places = {_say_line(line, lang) for line in standing.lines}
    rows = [
        [
            _say_line(line, lang) if len(places) > 1 else "",
            _say_events(standing, line.events, lang),
            line.severity.value if len(severities) > 1 else "",
            line.asked.rule.spec,
        ]
        for line in standing.lines
    ]
    print_filled(("place", "events", "severity", "spec"), rows, lang, indent=2)


def _languages(lang: Lang) -> tuple[Lang, Lang]:
    return ("fr", "en") if lang == "fr" else ("en", "fr")


def _sentence(standing: _Standing, lang: Lang) -> str:
    from pam_receiver.rulebook import fill_in

    rule = standing.rule
    known = {"place": standing.lines[0].asked.at} if standing.lines else {}
    return fill_in(rule.fr if lang == "fr" else rule.en, lang, **known)


def _say_where(standing: _Standing, lang: Lang) -> str:
    from pam_receiver.profile.outline import say_condition

    if standing.condition is not None:
        return pick(say_condition(standing.condition), lang)
    return "; ".join(dict.fromkeys(_say_line(line, lang) for line in standing.lines))


def _say_line(line: _Line, lang: Lang) -> str:
    asked = line.asked
    name = asked.rule.name
    known = [str(asked.at), name if name != str(asked.at) else ""]
    return f"{' '.join(each for each in known if each)} ({say_usage(asked, lang)})"


def _events(standing: _Standing) -> tuple[str, ...]:
    """The events in which the rule is asked; empty: wherever its place is judged."""
    if not all(line.events for line in standing.lines):
        return ()
    return tuple(sorted({code for line in standing.lines for code in line.events})) or standing.events


def _say_events(standing: _Standing, events: tuple[str, ...], lang: Lang) -> str:
    from pam_receiver.profile.outline import say_events

    return pick(say_events(standing.profile, events), lang)


def _place(standing: _Standing) -> str | None:
    if standing.condition is not None:
        return str(standing.condition.expect.at)
    return next((str(line.asked.at) for line in standing.lines), None)


def _pair(standing: _Standing, lenient: str, strict: str, lang: Lang) -> str:
    if standing.strict is standing.rule.severity:
        return lenient
    return text("explain.strict", lang, lenient=lenient, strict=strict)


def _answers(standing: _Standing) -> tuple[str, str]:
    from pam_receiver.rulebook import answer_of

    return answer_of(standing.rule).value, answer_of(replace(standing.rule, severity=standing.strict)).value


def _other_severity(rule: "Rule") -> str:
    """The grade that is most often wanted, to be copied: a rule that only informs is raised, the others are ignored."""
    return "W" if rule.severity is Severity.I else IGNORED


def _standing_json(standing: _Standing, lang: Lang) -> dict[str, object]:
    rule, (answer, strict) = standing.rule, _answers(standing)
    return {
        "rule": rule.id,
        "place": _place(standing),
        "asks": _say_where(standing, lang) or None,
        "events": list(_events(standing)),
        "severity": rule.severity.value,
        "strict_severity": standing.strict.value,
        "answer": answer,
        "strict_answer": strict,
        "profiles": dict(standing.severities[""]),
        "sources": {each.name: dict(standing.severities[each.name]) for each in standing.layers if each.kind},
        "lines": [_line_json(line, lang) for line in standing.lines],
        "code": rule.code.value,
        "spec": rule.spec,
        "text": _sentence(standing, lang),
        "fr": _sentence(standing, "fr"),
        "en": _sentence(standing, "en"),
        "right_form": rule.example or None,
        "can_be_graded": not standing.is_fixed,
    }


def _line_json(line: _Line, lang: Lang) -> dict[str, object]:
    return {
        "place": str(line.asked.at),
        "asks": _say_line(line, lang),
        "events": list(line.events),
        "severity": line.severity.value,
        "spec": line.asked.rule.spec,
    }
