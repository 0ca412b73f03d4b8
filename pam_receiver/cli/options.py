"""The options that several commands share, and what a command starts from. Help texts are keys of ``texts``."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli.texts import lang_of_locale
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.config import Settings

Database = Annotated[str | None, typer.Option("--database", metavar="URL", help="option.database")]
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
        SettingsError: a wrong or unknown setting.
    """
    from pam_receiver.config import load_settings

    settings = load_settings(options, config=config)
    return Start(settings, settings.lang or lang_of_locale(os.environ))
