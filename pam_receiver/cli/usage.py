"""A wrong command line, told in another language than the one that typer speaks."""

import re
from collections.abc import Sequence
from typing import Any, Final

import typer

from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

# typer names neither the class nor where it lives (its own copy of click, or click), only one that stands below it.
UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]

_NO_SUCH_COMMAND: Final = re.compile(r"No such command '(?P<name>.*?)'\.(?: Did you mean (?P<meant>.+)\?)?")
_EXTRA: Final = re.compile(r"unexpected extra arguments?(?:\(s\))? \((?P<words>.*)\)", re.DOTALL)
_EXPECTED: Final = (  # typer's words for a wrong number, those of pydantic or of click by its version: the key of ours
    (re.compile(r"(?P<least>\d+(?:\.\d+)?)<=x<=(?P<most>\d+(?:\.\d+)?)"), "usage.range"),
    (re.compile(r"greater than or equal to (?P<least>\d+(?:\.\d+)?)"), "usage.least"),
    (re.compile(r"less than or equal to (?P<most>\d+(?:\.\d+)?)"), "usage.most"),
    (re.compile(r"a valid int"), "usage.whole-number"),
    (re.compile(r"a valid (?:float|number)"), "usage.number"),
)


def explain_usage(error: Any, lang: Lang) -> str:
    """Return how the command is used and what was wrong with it; ``error`` is a :data:`UsageError`."""
    lines = []
    if error.ctx is not None:
        pieces = [error.ctx.command_path, *error.ctx.command.collect_usage_pieces(error.ctx)]
        lines.append(text("usage.usage", lang, usage=" ".join(pieces)))
        lines.append(text("usage.try", lang, command=error.ctx.command_path))
    return "\n".join([*lines, text("usage.error", lang, sentence=_sentence(error, lang))])


def _sentence(error: Any, lang: Lang) -> str:
    match type(error).__name__:
        case "MissingParameter":
            kind = "argument" if error.param.param_type_name == "argument" else "option"
            return text(f"usage.missing-{kind}", lang, name=_name_of(error))
        case "BadParameter":
            return text("usage.invalid", lang, name=_name_of(error), expected=_expected(error, lang))
        case "NoSuchOption":
            told = text("usage.no-such-option", lang, name=error.option_name)
            return _with_meant(told, sorted(error.possibilities or ()), lang)
        case "BadOptionUsage":
            key = "usage.no-value" if "not take a value" in error.message else "usage.needs-value"
            return text(key, lang, name=error.option_name)
    return _plain(error.message, lang)


def _plain(message: str, lang: Lang) -> str:
    """Return the sentence for a failure that has no class of its own, only typer's words."""
    if found := _NO_SUCH_COMMAND.match(message):
        told = text("usage.no-such-command", lang, name=found["name"])
        return _with_meant(told, re.findall(r"'([^']+)'", found["meant"] or ""), lang)
    if found := _EXTRA.search(message):
        return text("usage.extra", lang, words=found["words"])
    if message.startswith("Missing command"):
        return text("usage.missing-command", lang)
    return text("usage.other", lang, reason=message)


def _with_meant(sentence: str, names: Sequence[str], lang: Lang) -> str:
    return f"{sentence} {text('usage.did-you-mean', lang, names=', '.join(names))}" if names else sentence


def _name_of(error: Any) -> str:
    if error.param is None:
        return str(error.param_hint)
    return str(error.param.metavar if error.param.param_type_name == "argument" else error.param.opts[0])


def _expected(error: Any, lang: Lang) -> str:
    """Return what would have been right: in our own words, or found in typer's."""
    for pattern, key in _EXPECTED:
        if found := pattern.search(error.message):
            return text(key, lang, **found.groupdict())
    return str(error.message)
