"""``keys``: make, rotate and list the keys of the journal, and bring old messages under the current one."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.counting import counting
from pam_receiver.cli.opening import load_keys, open_store
from pam_receiver.cli.options import AsJson, Config, Database, Language, Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pam_receiver.identity.as_json import Json
    from pam_receiver.store.resealing import KeyUse

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="argument.key-file")]
KeyId = Annotated[str | None, typer.Option("--id", metavar="NAME", help="option.key-id")]


def create(file: KeyFile, key_id: KeyId = None, lang: Language = None) -> None:
    from pam_receiver.store.crypt import make_key
    from pam_receiver.store.keys import create_file, new_key_id

    spoken = _spoken(lang)
    name = _read_id(key_id, spoken) or new_key_id(datetime.now(UTC).date())
    create_file(file, make_key(name))
    output.say(text("keys.created", spoken, file=file, id=name))


def rotate(file: KeyFile, key_id: KeyId = None, lang: Language = None) -> None:
    from pam_receiver.store.crypt import make_key
    from pam_receiver.store.keys import add_first, new_key_id, read_keys

    spoken = _spoken(lang)
    taken = [key.id for key in read_keys(file).keys]
    name = _read_id(key_id, spoken) or new_key_id(datetime.now(UTC).date(), taken)
    if name in taken:
        output.fail(text("keys.taken", spoken, id=name, file=file), 2)
    add_first(file, make_key(name))
    output.say(text("keys.rotated", spoken, id=name, file=file))


def list_all(as_json: AsJson = False, database: Database = None, config: Config = None, lang: Language = None) -> None:
    from pam_receiver.store.resealing import count_by_key

    start = options.start(config, database=database, lang=lang)
    held = _held(start)
    with closing(open_store(start.settings, read_only=True)) as store:
        lines = _lines(held, count_by_key(store))
    if as_json:
        output.print_json(lines)
    else:
        _print_lines(lines, start.lang)


def reencrypt(database: Database = None, config: Config = None, lang: Language = None) -> None:
    from pam_receiver.cli.actor import actor
    from pam_receiver.store.resealing import reseal

    start = options.start(config, database=database, lang=lang)
    load_keys(start.settings)
    with closing(open_store(start.settings)) as store, counting(text("keys.reencrypting", start.lang)) as tell:
        done = reseal(store, actor=actor(), tell=tell)
    output.say(text("keys.done", start.lang, count=done))


def _spoken(lang: str | None) -> Lang:
    """Return the language to speak. The file of keys may be needed to read the settings: they are not asked."""
    import os

    from pam_receiver.cli.texts import lang_of_locale

    return "en" if lang == "en" else "fr" if lang == "fr" else lang_of_locale(os.environ)


def _read_id(word: str | None, lang: Lang) -> str | None:
    from pam_receiver.store.keys import is_key_id

    if word is None:
        return None
    if not is_key_id(options.as_typed(word)):
        raise typer.BadParameter(text("keys.bad-id", lang), param_hint="--id")
    return word


def _held(start: Start) -> list[str]:
    from pam_receiver.store.keys import NoKey

    try:
        return [key.id for key in load_keys(start.settings).keys]
    except NoKey:
        return []  # what is in clear can be counted all the same


def _lines(held: list[str], uses: "Sequence[KeyUse]") -> "list[Json]":
    """Return one object for each key that is held or was used, the current one first, and one for what is in clear."""
    by_key = {use.key_id: use for use in uses}
    names = [*held, *(key_id for key_id in by_key if key_id is not None and key_id not in held)]
    lines: list[Json] = []
    for name in names:
        use = by_key.get(name)
        kind = "absent" if name not in held else "current" if name == held[0] else "reads"
        messages, signs = (use.messages, use.signs) if use else (0, False)
        lines.append({"key": name, "use": kind, "messages": messages, "signs_checkpoint": signs})
    clear = by_key.get(None)
    if clear is not None:
        lines.append({"key": None, "use": "clear", "messages": clear.messages, "signs_checkpoint": False})
    return lines


def _print_lines(lines: "Sequence[Json]", lang: Lang) -> None:
    rows = [
        [
            str(line["key"] or "-"),
            text(f"keys.{line['use']}", lang),
            str(line["messages"]),
            text("keys.signs", lang) if line["signs_checkpoint"] else "-",
        ]
        for line in lines
    ]
    output.print_table([text(f"column.{key}", lang) for key in ("key", "use", "messages", "checkpoint")], rows)
