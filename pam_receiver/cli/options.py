"""The options that several commands share, and what a command starts from. Help texts are keys of ``texts``."""

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli.texts import lang_of_locale, text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.config import Settings

Database = Annotated[str | None, typer.Option("--database", metavar="URL", help="option.database")]
DatabaseRead = Annotated[str | None, typer.Option("--database-read", metavar="URL", help="option.database-read")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="option.config")]
Language = Annotated[str | None, typer.Option("--lang", metavar="fr|en", help="option.lang")]
AsJson = Annotated[bool, typer.Option("--json", help="option.json")]
Environment = Annotated[str | None, typer.Option("--environment", metavar="production|test", help="option.environment")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="argument.files", allow_dash=True)]


@dataclass(frozen=True, slots=True)
class Start:
    """What a command starts from: the settings in force and the language to speak."""

    settings: "Settings"
    lang: Lang


def as_typed(word: str) -> str:
    """Return a word of the command line as text, also when the locale could not read its bytes: then as UTF-8."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return os.fsencode(word).decode("utf-8", "replace")
    return word


def start(config: Path | None, **options: object) -> Start:
    """Read the settings: these options first.

    Raises:
        SettingsError: a wrong or unknown setting; a password in the URL of an option, where all can see it.
    """
    from pam_receiver.config import SettingsError, holds_password, load_settings

    if any(holds_password(str(options.get(name) or "")) for name in ("database", "database_read")):
        raise SettingsError(fr=text("failure.password-seen", "fr"), en=text("failure.password-seen", "en"))
    settings = load_settings(options, config=config)
    return Start(settings, settings.lang or lang_of_locale(os.environ))


def read_moment(word: str | None, option: str, start: Start) -> datetime | None:
    """Return the moment that ``option`` names, in UTC; without a zone it is that of the settings.

    Raises:
        SettingsError: it is no date.
    """
    from pam_receiver.config import SettingsError

    if word is None:
        return None
    try:
        moment = datetime.combine(date.fromisoformat(word), time()) if len(word) <= 10 else datetime.fromisoformat(word)
    except ValueError:
        raise SettingsError(
            fr=f"{option} : {word} n'est pas une date (2026-11-24, ou 2026-11-24T08:00).",
            en=f"{option}: {word} is not a date (2026-11-24, or 2026-11-24T08:00).",
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=start.settings.timezone)).astimezone(UTC)
