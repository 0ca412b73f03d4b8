"""The table of commands, and the one place where a failure becomes a sentence and an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperArgument, TyperOption

from pam_receiver import __version__
from pam_receiver.cli import (
    alerts,
    audit,
    backup,
    check,
    db,
    demo,
    differ,
    erase,
    explainer,
    keys,
    output,
    profiles,
    prune,
    read,
    rebuild,
    replay,
    send,
    serve,
    token,
    unmerge,
)
from pam_receiver.cli.program import NAME
from pam_receiver.cli.texts import TEXTS, guess_lang, text
from pam_receiver.cli.usage import UsageError, explain_usage
from pam_receiver.finding import Lang
from pam_receiver.reasons import say_os_error
from pam_receiver.resources import IS_COMPILED

DONE: Final = 0
NOT_FOUND: Final = 1  # or findings, as each command says
USAGE: Final = 2  # usage or setting
DATABASE: Final = 3  # absent, locked or at another revision: never mistaken for "no such patient"
UNFORESEEN: Final = 70  # EX_SOFTWARE of sysexits.h: a fault of ours, never mistaken for one of the above


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ``arguments`` are those of the process when not given. Always ends by SystemExit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    lang = guess_lang(words, os.environ)
    output.prepare_streams()
    try:
        sys.exit(_run(words, lang))
    except Exception as error:  # noqa: BLE001 - the top of the program: a person gets a sentence, never a traceback
        sentence, code = explain(error, lang)
        output.warn(sentence)
        sys.exit(code)


def _run(words: Sequence[str], lang: Lang) -> int:
    """Run a command; return its exit code. In English typer itself tells what is wrong with its words, and exits."""
    try:
        return build(lang)(words, prog_name=NAME, standalone_mode=lang == "en") or DONE
    except typer.Abort:
        return NOT_FOUND
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # holds the help, already in the language
            output.warn(str(error))
        else:
            output.warn(explain_usage(error, lang))
        return USAGE


def build(lang: Lang) -> Any:
    """Return the command, its help in ``lang``."""
    app = typer.Typer(
        help="help",
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode="rich" if output.is_terminal() else None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    app.command(help="help.serve")(serve.serve)
    app.command(help="help.show")(read.show)
    app.command(help="help.history")(read.history)
    app.command(help="help.messages")(read.messages)
    app.command(help="help.message")(read.message)
    app.command(help="help.check")(check.check)
    app.command(help="help.send")(send.send)
    schema = typer.Typer(no_args_is_help=True)
    schema.command(help="help.db.upgrade")(db.upgrade)
    schema.command(help="help.db.current")(db.current)
    schema.command(help="help.db.downgrade")(db.downgrade)
    app.add_typer(schema, name="db", help="help.db")
    told = typer.Typer(no_args_is_help=True)
    told.command(name="list", help="help.profiles.list")(profiles.list_all)
    told.command(help="help.profiles.show")(profiles.show)
    told.command(help="help.profiles.explain")(explainer.explain)
    told.command(help="help.profiles.diff")(differ.diff)
    told.command(name="import", help="help.profiles.import")(profiles.import_file)
    app.add_typer(told, name="profiles", help="help.profiles")
    _add_commands_of_operators(app)
    app.command(help="help.demo")(demo.demo)
    command = typer.main.get_command(app)
    _translate(command, lang)
    return command


def _add_commands_of_operators(app: typer.Typer) -> None:
    """Add what changes what is kept, or tells who did so."""
    kept = typer.Typer(no_args_is_help=True)
    kept.command(help="help.token.create")(token.create)
    kept.command(name="list", help="help.token.list")(token.list_all)
    kept.command(help="help.token.revoke")(token.revoke)
    app.add_typer(kept, name="token", help="help.token")
    app.command(help="help.prune")(prune.prune)
    app.command(help="help.erase")(erase.erase)
    secret = typer.Typer(no_args_is_help=True)
    secret.command(help="help.keys.create")(keys.create)
    secret.command(help="help.keys.rotate")(keys.rotate)
    secret.command(name="list", help="help.keys.list")(keys.list_all)
    secret.command(help="help.keys.reencrypt")(keys.reencrypt)
    app.add_typer(secret, name="keys", help="help.keys")
    app.command(help="help.rebuild")(rebuild.rebuild)
    app.command(help="help.replay")(replay.replay)
    app.command(help="help.unmerge")(unmerge.unmerge)
    watched = typer.Typer(invoke_without_command=True)
    watched.callback()(alerts.alerts)
    watched.command(help="help.alerts.acknowledge")(alerts.acknowledge)
    watched.command(help="help.alerts.close")(alerts.close)
    app.add_typer(watched, name="alerts", help="help.alerts")
    app.command(help="help.backup")(backup.backup)
    app.command(help="help.restore")(backup.restore)
    trail = typer.Typer(no_args_is_help=True)
    trail.command(name="list", help="help.audit.list")(audit.list_rows)
    trail.command(help="help.audit.export")(audit.export)
    trail.command(help="help.audit.verify")(audit.verify)
    app.add_typer(trail, name="audit", help="help.audit")


def explain(error: Exception, lang: Lang) -> tuple[str, int]:
    """Return the sentence and the exit code for a failure: what was wrong with the world, or where we failed."""
    from pam_receiver.config import SettingsError
    from pam_receiver.logs import describe
    from pam_receiver.profile.source import ProfileError
    from pam_receiver.store import StoreError, StoreSettingError

    match error:
        case SettingsError() | StoreSettingError():
            return error.text(lang), USAGE
        case StoreError():
            return error.text(lang), DATABASE
        case ProfileError():
            return text("failure.profile", lang, reason=error.text(lang)), USAGE
        case OSError(strerror=str()):  # of this machine: standard output on a full disk, no more open files
            return text("failure.machine", lang, reason=say_os_error(error, lang)), UNFORESEEN
        case _:
            name, place = describe(error)
            return text("failure.unforeseen", lang, error=name, place=place), UNFORESEEN


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"pam-receiver {__version__}{' (mypyc)' if IS_COMPILED else ''}")
        raise typer.Exit(DONE)


def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="option.version")
    ] = False,
) -> None:
    pass


def _translate(command: Any, lang: Lang) -> None:
    """Put the sentence in the place of each key, in a command and those below it."""
    command.help = command.short_help = text(command.help, lang)
    for parameter in command.params:
        if isinstance(parameter, TyperOption | TyperArgument) and parameter.help and parameter.help in TEXTS:
            parameter.help = text(parameter.help, lang)
    if (asks_help := command.get_help_option(typer.Context(command))) is not None:  # the command keeps it
        asks_help.help = text("usage.help", lang)
    for below in getattr(command, "commands", {}).values():
        _translate(below, lang)
