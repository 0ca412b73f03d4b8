"""``profiles explain``: one rule, and how an overlay changes it."""

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.options import AsJson, Config, Language
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang, Severity

if TYPE_CHECKING:
    from pam_receiver.finding import Rule
    from pam_receiver.profile.load import ProfileSet
    from pam_receiver.profile.model import ConditionRule, Profile
    from pam_receiver.profile.outline import Asked

RuleId = Annotated[str, typer.Argument(metavar="RULE", help="argument.rule")]
IGNORED = "ignore"


@dataclass(frozen=True, slots=True)
class _Standing:
    """A rule, where it is asked, and how severe it is: under each profile that has it, and under ``strict``.

    ``asked`` is the line that it is made from, ``condition`` what it asks when it is a condition rule; a rule of the
    code has neither. ``events`` are those in which it is asked, of ``profile``, when they are not all.
    """

    rule: "Rule"
    profile: "Profile"
    asked: "Asked | None"
    condition: "ConditionRule | None"
    events: tuple[str, ...]
    severities: dict[str, str]
    strict: Severity
    is_fixed: bool


def explain(rule: RuleId, as_json: AsJson = False, config: Config = None, lang: Language = None) -> None:
    start = options.start(config, lang=lang)
    standing = _find(options.as_typed(rule).strip().lower(), start.lang)
    if as_json:
        output.print_json(_standing_json(standing, start.lang))
    else:
        _print_standing(standing, start.lang)


def _find(rule_id: str, lang: Lang) -> _Standing:
    """Return what is known of a rule; ends the command by a sentence when there is none of this id."""
    from pam_receiver.profile.load import load_profiles
    from pam_receiver.profile.outline import outline
    from pam_receiver.rulebook import RULES, find_rule

    profiles = load_profiles()
    rule = find_rule(rule_id, profiles)
    if rule is None:
        known = [*RULES, *(each for profile in profiles.profiles for each in profile.rules)]
        near = difflib.get_close_matches(rule_id, known, n=1)
        key = "failure.no-rule-near" if near else "failure.no-rule"
        output.fail(text(key, lang, name=rule_id, near="".join(near)), 1)
    having = [each for each in _newest_first(profiles) if rule_id in each.rules or rule_id in RULES]
    profile = having[0]
    asked, condition = outline(profile).find(rule_id), _conditions(profile, rule_id)
    return _Standing(
        rule=rule,
        profile=profile,
        asked=asked,
        condition=next(iter(condition.values()), None),
        events=tuple(condition) if asked is None else asked.events,
        severities={each.name: _severity_in(each, rule) for each in having}
        | {each.name: IGNORED for each in profiles.profiles if rule_id in each.ignored},
        strict=_strict_severity(profile, rule),
        is_fixed=rule_id in RULES and rule.severity is Severity.E,
    )


def _conditions(profile: "Profile", rule_id: str) -> "dict[str, ConditionRule]":
    """The events in which a condition rule is asked."""
    return {code: each for code, plan in profile.plans.items() for each in plan.rules if each.rule.id == rule_id}


def _newest_first(profiles: "ProfileSet") -> "tuple[Profile, ...]":
    return (*(french for _, french in profiles.versions), profiles.international)


def _severity_in(profile: "Profile", rule: "Rule") -> str:
    if rule.id in profile.rules:
        return profile.rules[rule.id].severity.value
    severity = profile.grades.get(rule.id, rule.severity)
    return IGNORED if severity is None else severity.value


def _strict_severity(profile: "Profile", rule: "Rule") -> Severity:
    """The severity under ``strict``, which makes nothing of the rules of the code."""
    from pam_receiver.profile.load import load_profile
    from pam_receiver.profile.model import Strictness

    if rule.id not in profile.rules:
        return rule.severity
    return load_profile(profile.name, strictness=Strictness.STRICT).rules[rule.id].severity


# ------------------------------------------------------------------------------------------------------------- words


def _print_standing(standing: _Standing, lang: Lang) -> None:
    from pam_receiver.cli.profiles import pick
    from pam_receiver.profile.outline import say_events

    rule = standing.rule
    facts = [
        ("where", _say_where(standing, lang)),
        ("events", pick(say_events(standing.profile, standing.events), lang)),
        ("severity", _pair(standing, rule.severity.value, standing.strict.value, lang)),
        ("answer", _pair(standing, *_answers(standing), lang)),
        ("profiles", ", ".join(f"{name} {severity}" for name, severity in standing.severities.items())),
        ("code", f"{rule.code.value} {rule.code.display}"),
        ("spec", rule.spec),
        *((each, _sentence(standing, each)) for each in _languages(lang)),
        ("example", rule.example),
    ]
    output.print_title(rule.id)
    output.print_table([], [[text(f"explain.{key}", lang), value] for key, value in facts if value], indent=2)
    output.say()
    if standing.is_fixed:
        output.say(text("explain.fixed", lang))
        return
    output.say(text("explain.change", lang))
    output.say()
    output.say(f'[[grade]]\nrule = "{rule.id}"\nseverity = "{_other_severity(rule)}"')


def _languages(lang: Lang) -> tuple[Lang, Lang]:
    return ("fr", "en") if lang == "fr" else ("en", "fr")


def _sentence(standing: _Standing, lang: Lang) -> str:
    from pam_receiver.rulebook import fill_in

    rule = standing.rule
    known = {} if standing.asked is None else {"place": standing.asked.at}
    return fill_in(rule.fr if lang == "fr" else rule.en, **known)


def _say_where(standing: _Standing, lang: Lang) -> str:
    from pam_receiver.cli.profiles import pick, say_usage
    from pam_receiver.profile.outline import say_condition

    if standing.condition is not None:
        return pick(say_condition(standing.condition), lang)
    asked = standing.asked
    if asked is None:
        return ""
    name = getattr(asked.rule, "name", "")
    known = [str(asked.at), name if name != str(asked.at) else ""]
    return f"{' '.join(each for each in known if each)} ({say_usage(asked, lang)})"


def _place(standing: _Standing) -> str | None:
    if standing.condition is not None:
        return str(standing.condition.expect.at)
    return None if standing.asked is None else str(standing.asked.at)


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
        "events": list(standing.events),
        "severity": rule.severity.value,
        "strict_severity": standing.strict.value,
        "answer": answer,
        "strict_answer": strict,
        "profiles": standing.severities,
        "code": rule.code.value,
        "spec": rule.spec,
        "text": _sentence(standing, lang),
        "fr": _sentence(standing, "fr"),
        "en": _sentence(standing, "en"),
        "right_form": rule.example or None,
        "can_be_graded": not standing.is_fixed,
    }
