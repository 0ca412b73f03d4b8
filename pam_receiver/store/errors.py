"""What can go wrong with the store, and the one place where a driver's error becomes one of these.

No text here holds a value, a password or the driver's own words: PostgreSQL quotes the row in them.
"""

import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pam_receiver.errors import PamReceiverError
from pam_receiver.finding import Lang
from pam_receiver.store.schema import HEAD

if TYPE_CHECKING:
    import psycopg


class StoreError(PamReceiverError):
    """The database refused what we asked of it, and would refuse it again: a fault of ours, or of the caller.

    ``database`` is its URL without password; ``cause`` the driver's class and code, never its text.
    """

    def __init__(self, database: str, *, cause: str = "") -> None:
        super().__init__(database, cause)
        self.database = database
        self.cause = cause

    def text(self, lang: Lang) -> str:
        """The sentence for a person."""
        cause = f" ({self.cause})" if self.cause else ""
        if lang == "fr":
            return f"La base {self.database} refuse cette opération{cause}."
        return f"The database {self.database} refuses this operation{cause}."

    def __str__(self) -> str:
        return self.text("en")


class StoreSettingError(StoreError):
    """A database URL or a revision that means nothing here: a wrong setting, not a failure."""

    def __init__(self, database: str, *, fr: str, en: str) -> None:
        super().__init__(database)
        self._fr = fr
        self._en = en

    def text(self, lang: Lang) -> str:
        return self._fr if lang == "fr" else self._en


class Reason(StrEnum):
    """Why the store cannot be used now."""

    AWAY = "away"
    MISSING = "missing"
    LOCKED = "locked"
    FULL = "full"
    READ_ONLY = "read-only"
    NO_ACCESS = "no-access"
    DAMAGED = "damaged"
    SERVED = "served"
    REPLAYING = "replaying"


_UNAVAILABLE: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.AWAY: (
        "La base {database} ne répond pas ou refuse la connexion : vérifiez le serveur, la base, l'utilisateur.",
        "The database {database} does not answer or lets nobody in: check the server, the database and the user.",
    ),
    Reason.MISSING: (
        "La base {database} n'existe pas ou ne peut pas être ouverte ; `pam-receiver serve` crée un fichier SQLite.",
        "The database {database} does not exist or cannot be opened; `pam-receiver serve` creates an SQLite file.",
    ),
    Reason.LOCKED: (
        "La base {database} est verrouillée par un autre processus ; réessayez.",
        "The database {database} is locked by another process; try again.",
    ),
    Reason.FULL: (
        "Il n'y a plus de place pour la base {database} : libérez de l'espace disque.",
        "There is no room left for the database {database}: free some disk space.",
    ),
    Reason.READ_ONLY: (
        (
            "La base {database} est en lecture seule : vérifiez les droits du fichier et de son dossier ; un serveur "
            "PostgreSQL est un réplica, ou a été mis en lecture seule."
        ),
        (
            "The database {database} is read-only: check the rights of the file and of its folder; a PostgreSQL "
            "server is a standby, or was set read-only."
        ),
    ),
    Reason.NO_ACCESS: (
        "La base {database} refuse l'accès : vérifiez le nom de la base, l'utilisateur, le mot de passe et ses droits.",
        "The database {database} denies access: check the name of the database, the user, the password and its rights.",
    ),
    Reason.DAMAGED: (
        "La base {database} est endommagée : restaurez une sauvegarde.",
        "The database {database} is damaged: restore a backup.",
    ),
    Reason.SERVED: (
        "Un autre `pam-receiver serve` utilise déjà la base {database} : arrêtez-le d'abord.",
        "Another `pam-receiver serve` already uses the database {database}: stop it first.",
    ),
    Reason.REPLAYING: (
        (
            "Le réplica {database} a interrompu la lecture pour suivre sa base principale : réessayez ; si cela se "
            "répète, réglez hot_standby_feedback ou max_standby_streaming_delay du réplica."
        ),
        (
            "The standby {database} broke the reading off to follow its primary: try again; if it happens again, set "
            "hot_standby_feedback or max_standby_streaming_delay of the standby."
        ),
    ),
}


class StoreUnavailable(StoreError):
    """The database is away, locked, full or read-only: nothing was kept, try again."""

    def __init__(self, database: str, reason: Reason, *, cause: str = "") -> None:
        super().__init__(database, cause=cause)
        self.reason = reason

    def text(self, lang: Lang) -> str:
        fr, en = _UNAVAILABLE[self.reason]
        return (fr if lang == "fr" else en).format(database=self.database)


class StoreConflict(StoreError):
    """Another writer was faster: nothing was kept, load again and decide again."""

    def text(self, lang: Lang) -> str:
        if lang == "fr":
            return f"Un autre processus a modifié la base {self.database} en même temps ; réessayez."
        return f"Another process changed the database {self.database} at the same time; try again."


class SchemaMismatch(StoreError):
    """The database is not at the revision that this code knows.

    ``current``: the revision it is at, ``None`` when it has none. ``is_newer``: made by a later pam-receiver.
    ``is_foreign``: it holds something else than our tables.
    """

    def __init__(
        self, database: str, *, current: str | None, expected: str, is_newer: bool = False, is_foreign: bool = False
    ) -> None:
        super().__init__(database)
        self.current = current
        self.expected = expected
        self.is_newer = is_newer
        self.is_foreign = is_foreign

    def text(self, lang: Lang) -> str:
        fr, en = self._sentences()
        return fr if lang == "fr" else en

    def _sentences(self) -> tuple[str, str]:
        name, current, expected = self.database, self.current, self.expected
        if self.is_foreign:
            return (f"{name} n'est pas une base de pam-receiver.", f"{name} is not a database of pam-receiver.")
        if self.is_newer:
            return (
                (
                    f"La base {name} est à la révision {current}, plus récente que ce pam-receiver ({expected}) : "
                    "installez la version qui l'a créée."
                ),
                (
                    f"The database {name} is at revision {current}, newer than this pam-receiver ({expected}): "
                    "install the version that made it."
                ),
            )
        if current is None:
            return (
                f"La base {name} ne contient pas encore les tables : lancez `pam-receiver db upgrade`.",
                f"The database {name} does not hold the tables yet: run `pam-receiver db upgrade`.",
            )
        return (
            f"La base {name} est à la révision {current}, il faut {expected} : lancez `pam-receiver db upgrade`.",
            f"The database {name} is at revision {current}, {expected} is needed: run `pam-receiver db upgrade`.",
        )


_SQLITE_CONFLICTS: Final = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
_SQLITE_REASONS: Final[Mapping[int, Reason]] = {  # primary result codes: sqlite.org/rescode.html
    sqlite3.SQLITE_BUSY: Reason.LOCKED,
    sqlite3.SQLITE_LOCKED: Reason.LOCKED,
    sqlite3.SQLITE_PROTOCOL: Reason.LOCKED,
    sqlite3.SQLITE_READONLY: Reason.READ_ONLY,
    sqlite3.SQLITE_FULL: Reason.FULL,
    sqlite3.SQLITE_CANTOPEN: Reason.MISSING,
    sqlite3.SQLITE_PERM: Reason.NO_ACCESS,
    sqlite3.SQLITE_AUTH: Reason.NO_ACCESS,
    sqlite3.SQLITE_CORRUPT: Reason.DAMAGED,
    sqlite3.SQLITE_IOERR: Reason.AWAY,
    sqlite3.SQLITE_NOMEM: Reason.AWAY,
    sqlite3.SQLITE_INTERRUPT: Reason.AWAY,
}

# PostgreSQL, Appendix A: the whole code first, then its class (two signs)
_POSTGRES_CONFLICTS: Final = frozenset({"23505", "40001", "40P01"})
_POSTGRES_REASONS: Final[Mapping[str, Reason]] = {
    "53100": Reason.FULL,
    "55P03": Reason.LOCKED,
    "57014": Reason.LOCKED,  # query_canceled: our statement_timeout
    "25006": Reason.READ_ONLY,
    "42501": Reason.NO_ACCESS,
    "3D000": Reason.NO_ACCESS,
    "XX001": Reason.DAMAGED,
    "XX002": Reason.DAMAGED,
    "08": Reason.AWAY,
    "25": Reason.AWAY,  # idle_in_transaction_session_timeout
    "28": Reason.NO_ACCESS,
    "53": Reason.AWAY,
    "57": Reason.AWAY,
    "58": Reason.AWAY,
}


def read_driver_error(error: BaseException | None, database: str) -> StoreError:
    """Return what a driver's error means to a caller; the driver's text is left behind."""
    if isinstance(error, sqlite3.Error):
        return _read_sqlite_error(error, database)
    if isinstance(error, _postgres_errors()):
        return _read_postgres_error(error, database)
    return StoreError(database, cause=type(error).__name__)


def _postgres_errors() -> "tuple[type[psycopg.Error], ...]":
    """What a server's driver raises; nothing before it was imported, which SQLite never asks for."""
    driver = sys.modules.get("psycopg")
    return (driver.Error,) if driver is not None else ()


def _driver_errors() -> tuple[type[Exception], ...]:
    return (sqlite3.Error, *_postgres_errors())


def _read_sqlite_error(error: sqlite3.Error, database: str) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0)
    cause = getattr(error, "sqlite_errorname", type(error).__name__)
    if code in _SQLITE_CONFLICTS:
        return StoreConflict(database, cause=cause)
    if code == sqlite3.SQLITE_NOTADB:
        return SchemaMismatch(database, current=None, expected=HEAD, is_foreign=True)
    reason = _SQLITE_REASONS.get(code & 0xFF)
    return StoreUnavailable(database, reason, cause=cause) if reason else StoreError(database, cause=cause)


def _read_postgres_error(error: "psycopg.Error", database: str) -> StoreError:
    state = error.sqlstate
    cause = f"{type(error).__name__} {state or ''}".rstrip()
    if state in _POSTGRES_CONFLICTS:
        return StoreConflict(database, cause=cause)
    if state is None:  # no word from the server: connection refused, lost or timed out; anything else is ours
        driver = sys.modules["psycopg"]
        lost = isinstance(error, (driver.OperationalError, driver.InterfaceError))
        return StoreUnavailable(database, Reason.AWAY, cause=cause) if lost else StoreError(database, cause=cause)
    reason = _POSTGRES_REASONS.get(state) or _POSTGRES_REASONS.get(state[:2])
    return StoreUnavailable(database, reason, cause=cause) if reason else StoreError(database, cause=cause)


@contextmanager
def translated(database: str) -> Iterator[None]:
    """Turn every error of SQLAlchemy or of a driver that is raised inside into a :class:`StoreError`."""
    try:
        yield
    except PoolTimeout:
        raise StoreUnavailable(database, Reason.LOCKED, cause="PoolTimeout") from None
    except DBAPIError as error:
        raise read_driver_error(error.orig, database) from None
    except SQLAlchemyError as error:
        raise StoreError(database, cause=type(error).__name__) from None
    except _driver_errors() as error:
        raise read_driver_error(error, database) from None
