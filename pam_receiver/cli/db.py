"""``db``: the revision of the database's schema."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.options import Config, Database, Language
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.store.migrate import Migration

_ONE_STEP_BACK: Final = "-1"  # as alembic writes it

Yes = Annotated[bool, typer.Option("--yes", help="option.yes")]


def upgrade(database: Database = None, config: Config = None, lang: Language = None) -> None:
    from pam_receiver.store import migrate

    start = options.start(config, database=database, lang=lang)
    _tell(migrate.upgrade(start.settings.database), start.lang)


def current(database: Database = None, config: Config = None, lang: Language = None) -> None:
    from pam_receiver.store import migrate

    start = options.start(config, database=database, lang=lang)
    found = migrate.current(start.settings.database) or text("db.none", start.lang)
    output.say(text("db.current", start.lang, current=found, head=migrate.head()))


def downgrade(
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="argument.revision")] = _ONE_STEP_BACK,
    yes: Yes = False,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.store import migrate

    start = options.start(config, database=database, lang=lang)
    if not yes:
        output.fail(text("failure.needs-yes", start.lang), 2)
    _tell(migrate.downgrade(start.settings.database, revision), start.lang)


def _tell(done: "Migration", lang: Lang) -> None:
    if done.copy is not None:
        output.say(text("db.copied", lang, copy=done.copy))
    output.say(text("db.upgraded", lang, revision=done.after or text("db.none", lang)))
