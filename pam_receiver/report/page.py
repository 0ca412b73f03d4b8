"""The report as one page of HTML: nothing is fetched from anywhere, and it prints on A4."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from pam_receiver import __version__
from pam_receiver.finding import Lang
from pam_receiver.report import words
from pam_receiver.report.summary import EventCount, Summary

_TEMPLATES: Final = Path(__file__).parent / "templates"
_MOST_FIXES: Final = 10
_COLUMNS: Final = ("accepted", "warned", "in_error", "rejected")  # of EventCount, from good to bad


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of the bar of acknowledgements."""

    name: str
    count: int
    percent: float


def render_page(summary: Summary, *, subjects: Sequence[str], at: datetime, lang: Lang) -> str:
    """Return the page. ``subjects``: the names of the files or folders that were checked; ``at``: now, local time."""
    number = partial(words.number, lang=lang)
    return _template().render(
        s=summary,
        total=summary.total,
        bars=_bars(summary.total),
        verdict=_verdict(summary, lang),
        subjects=subjects,
        made=words.moment(at, lang),
        sent=_sent(summary, lang),
        fixes=summary.fixes[:_MOST_FIXES],
        more_fixes=max(0, len(summary.fixes) - _MOST_FIXES),
        lang=lang,
        version=__version__,
        event_names={key.removeprefix("event."): words.word(key, lang) for key in words.WORDS if key[:6] == "event."},
        w=lambda key, **values: words.word(key, lang, **{name: _shown(each, lang) for name, each in values.items()}),
        n=number,
        t=partial(words.typeset, lang=lang),
        share=lambda part: words.share(part, summary.messages, lang),
    )


def _shown(value: object, lang: Lang) -> object:
    return words.number(value, lang) if isinstance(value, int) else value


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _bars(total: EventCount) -> list[Bar]:
    counts = [(name, int(getattr(total, name))) for name in _COLUMNS]
    return [Bar(name, count, 100 * count / total.messages) for name, count in counts if count]


def _verdict(summary: Summary, lang: Lang) -> str:
    total = summary.total
    refused = total.in_error + total.rejected
    match (summary.messages, refused, total.warned):
        case (0, _, _):
            key = "verdict.none"
        case (_, 0, 0):
            key = "verdict.clean"
        case (_, 0, _):
            key = "verdict.warned"
        case _:
            key = "verdict.refused"
    return words.word(
        key,
        lang,
        messages=words.number(summary.messages, lang),
        warned=words.number(total.warned, lang),
        refused=words.number(refused, lang),
        share=words.share(refused, summary.messages, lang),
    )


def _sent(summary: Summary, lang: Lang) -> str:
    """Return the days of MSH-7, first and last; one that is no day of the calendar is shown as it stands."""
    first, last = (_day(each, lang) for each in (summary.first_sent, summary.last_sent))
    return first if first == last else words.word("sent-range", lang, first=first, last=last)


def _day(text: str, lang: Lang) -> str:
    try:
        return words.day(date.fromisoformat(text), lang)
    except ValueError:
        return text
