"""Back up an SQLite database beside a running daemon, and restore it; every copy is read anew before it counts.

The copy is made under a name of no meaning, compared with what it was taken from, forced to the disk, and only then
given its name, which nothing had before: a file that bears the name of a backup is whole.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain, count
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import URL

from pam_receiver.finding import Lang
from pam_receiver.store.audit import Actor, AuditEvent
from pam_receiver.store.engine import FileLock, Target, open_engine, read_revision, read_url
from pam_receiver.store.errors import (
    Reason,
    SchemaMismatch,
    StoreError,
    StoreSettingError,
    StoreUnavailable,
    translated,
)
from pam_receiver.store.schema import HEAD
from pam_receiver.store.transaction import Store

_PATIENCE_S: Final = 5.0  # for a writer that holds the file
_SIDES: Final = ("-wal", "-shm")  # what SQLite keeps beside a file in use


class BackupDamaged(StoreError):
    """A backup that is not whole: nothing may start from it."""

    def text(self, lang: Lang) -> str:
        if lang == "fr":
            return f"La sauvegarde {self.database} n'est pas intègre ({self.cause}) : rien n'a été changé."
        return f"The backup {self.database} is not whole ({self.cause}): nothing was changed."


class BackupExists(StoreSettingError):
    """The name of a backup is taken: a backup never takes the place of another file."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            str(file),
            fr=f"{file} existe déjà : une sauvegarde ne remplace aucun fichier, choisissez un autre nom.",
            en=f"{file} exists already: a backup replaces no file, choose another name.",
        )


@dataclass(frozen=True, slots=True)
class BackupReport:
    """A backup that was verified. ``rows``: by table; ``digest``: SHA-256 (hex) of the schema and of every row."""

    file: Path
    revision: str
    rows: Mapping[str, int]
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore did. ``kept``: where the database that was there lies now, ``None`` when there was none."""

    restored: BackupReport
    kept: Path | None


def backup(database_url: str, target: Path, *, by: Actor | None = None) -> BackupReport:
    """Copy a database into the new file ``target`` as it is at one moment; a daemon may go on writing meanwhile.

    ``by``: who asks; it goes into the audit trail of the database before the backup gets its name.

    Raises:
        StoreSettingError: the database is a server's, or ``target`` exists.
        StoreUnavailable: the database cannot be read, or the copy cannot be written.
        SchemaMismatch: it is not ours.
        BackupDamaged: the copy is not what it was taken from.
    """
    source = _file_of(read_url(database_url))
    path = source.path
    assert path is not None
    if os.path.lexists(target):
        raise BackupExists(target)
    revision = _revision(source)
    with _unnamed(target.parent, target.name, _show(target)) as draft:
        report = _copy(path, source.name, draft, target, revision)
        if by is not None and revision == HEAD:  # the tables of an older one hold no trail
            _audit(database_url, AuditEvent("backup", by, detail=_detail(report)))
        _name(draft, target)
    return report


def verify(file: Path) -> BackupReport:
    """Read a backup whole, and say what it holds.

    Raises:
        StoreUnavailable: it cannot be read.
        SchemaMismatch: it is not ours, or was made by a later pam-receiver.
        BackupDamaged: it is not whole.
    """
    found = _revision(Target(URL.create("sqlite", database=str(file)), Path(os.path.realpath(file))))
    if found > HEAD:
        raise SchemaMismatch(_show(file), current=found, expected=HEAD, is_newer=True)
    with _reading(file, _show(file)) as connection:
        _check(connection, file)
        rows, digest = _sum_up(connection)
    return BackupReport(file, found, rows, digest, file.stat().st_size)


def restore(file: Path, database_url: str, *, by: Actor | None = None) -> RestoreReport:
    """Put the backup ``file`` in the place of an SQLite database, which is kept beside under another name.

    The backup is verified, copied and verified again before the database is touched. ``by``: who asks; it goes into
    the trail of the restored database.

    Raises:
        StoreSettingError: the database is a server's.
        StoreUnavailable: a daemon serves it, another process writes to it, or the files cannot be read or written.
        SchemaMismatch: the backup is not ours, or of a later pam-receiver.
        BackupDamaged: the backup is not whole.
    """
    target = _file_of(read_url(database_url))
    path = target.path
    assert path is not None
    checked = verify(file)
    if path.exists() and path.samefile(file):
        raise StoreSettingError(
            _show(file),
            fr=f"{file} est la base elle-même : donnez une sauvegarde.",
            en=f"{file} is the database itself: name a backup.",
        )
    with closing(FileLock(target)), _unnamed(path.parent, path.name, target.name) as draft:
        kept = _free_name(path)
        report = _copy(file, _show(file), draft, path, checked.revision)
        if by is not None and checked.revision == HEAD:
            detail = {**_detail(report), "file": file.name, "kept": kept.name if path.exists() else None}
            _audit(f"sqlite:///{draft}", AuditEvent("restore", by, detail=detail))
        is_kept = _exchange(draft, path, kept, target.name)
    return RestoreReport(report, kept if is_kept else None)


# ---------------------------------------------------------------------------------------------------------- the parts


def _file_of(target: Target) -> Target:
    if target.is_sqlite:
        return target
    name = target.name
    raise StoreSettingError(
        name,
        fr=f"{name} est une base PostgreSQL : sauvegardez-la par pg_dump --format=custom, restaurez par pg_restore "
        "(docs/how-to/back-up-and-restore.fr.md).",
        en=f"{name} is a PostgreSQL database: back it up by pg_dump --format=custom, restore it by pg_restore "
        "(docs/how-to/back-up-and-restore.md).",
    )


def _show(file: Path) -> str:
    return str(file)


def _revision(target: Target) -> str:
    """Return the revision of an SQLite file, sure that it is one of ours."""
    engine = open_engine(target, read_only=True, lock_timeout_s=_PATIENCE_S)
    try:
        with translated(target.name), engine.begin() as connection:
            found = read_revision(connection, target.name)
    finally:
        engine.dispose()
    if found is None:
        raise SchemaMismatch(target.name, current=None, expected=HEAD)
    return found


@contextmanager
def _unnamed(folder: Path, name: str, shown: str) -> Iterator[Path]:
    """Give an empty file (0600) in ``folder``, which is gone at the end unless it was renamed."""
    try:
        handle, made = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
    except FileNotFoundError:
        raise StoreUnavailable(shown, Reason.MISSING, cause="FileNotFoundError") from None
    except OSError as error:
        raise StoreUnavailable(shown, Reason.READ_ONLY, cause=type(error).__name__) from None
    os.close(handle)
    draft = Path(made)
    try:
        yield draft
    finally:
        for each in (draft, *(draft.with_name(draft.name + side) for side in ("-journal", *_SIDES))):
            each.unlink(missing_ok=True)


def _copy(path: Path, name: str, draft: Path, target: Path, revision: str) -> BackupReport:
    """Copy the SQLite file ``path`` into ``draft``, and make sure that it is the same, whole, and on the disk."""
    with _reading(path, name) as source:
        source.execute("BEGIN")
        wanted = _sum_up(source)  # the first read fixes the moment, for the copy too
        with translated(_show(target)), closing(sqlite3.connect(draft)) as sink:
            source.backup(sink)  # in one step: in several, each commit of the daemon would begin it anew
            # One file, without -wal: it can be read from a medium that cannot be written. The daemon sets it back.
            sink.execute("PRAGMA journal_mode=DELETE").close()
    _sync(draft)
    with _reading(draft, _show(target)) as copied:
        _check(copied, target)
        if _sum_up(copied) != wanted:
            raise BackupDamaged(_show(target), cause="digest")
    rows, digest = wanted
    return BackupReport(target, revision, rows, digest, draft.stat().st_size)


@contextmanager
def _reading(file: Path, name: str) -> Iterator[sqlite3.Connection]:
    uri = f"file:{quote(os.fsencode(file.resolve()))}?mode=ro"
    with translated(name), closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE_S, isolation_level=None)) as opened:
        yield opened


def _check(connection: sqlite3.Connection, file: Path) -> None:
    if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise BackupDamaged(_show(file), cause="integrity_check")
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise BackupDamaged(_show(file), cause="foreign_key_check")


def _sum_up(connection: sqlite3.Connection) -> tuple[dict[str, int], str]:
    """Return the number of rows of each table, and the digest of the schema and of every row."""
    whole = sha256()
    for line in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"):
        whole.update(repr(line).encode("utf-8", "surrogatepass"))
    tables = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    rows: dict[str, int] = {}
    for (table,) in tables.fetchall():
        whole.update(f"\n{table}\n".encode())
        rows[table] = 0
        # In the order of the file, which a copy keeps. The name is of our schema, or of a file that is only read.
        quoted = table.replace('"', '""')
        for row in connection.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608 - no parameter  # nosec B608
            whole.update(repr(row).encode("utf-8", "surrogatepass"))
            rows[table] += 1
    return rows, whole.hexdigest()


def _detail(report: BackupReport) -> dict[str, object]:
    return {"file": report.file.name, "digest": report.digest, "messages": report.rows.get("message", 0)}


def _audit(database_url: str, event: AuditEvent) -> None:
    store = Store.open(database_url)
    try:
        with store.begin() as tx:
            tx.audit(event, at=datetime.now(UTC))
    finally:
        store.close()


def _name(draft: Path, target: Path) -> None:
    """Give the draft its name, unless the name has been taken since."""
    try:
        os.link(draft, target)  # unlike a rename, it replaces nothing
    except FileExistsError:
        raise BackupExists(target) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise BackupExists(target) from None
        draft.rename(target)
    _sync(target.parent)


def _exchange(draft: Path, path: Path, kept: Path, name: str) -> bool:
    """Put ``draft`` in the place of ``path``, which goes on as ``kept``; whether there was one.

    At no moment is the place empty: ``serve`` would fill it with a new database.
    """
    is_there = path.exists()
    try:
        if is_there:
            _settle(path, name)
            with suppress(OSError):  # a file system without hard links: then the rename below must do
                os.link(path, kept)
            # What an unfinished or damaged file has beside it must not be taken for that of the new one.
            for side in _SIDES:
                with suppress(FileNotFoundError):
                    path.with_name(path.name + side).rename(kept.with_name(kept.name + side))
            if not kept.exists():
                path.rename(kept)
        _sync(draft)
        draft.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise StoreUnavailable(name, Reason.READ_ONLY, cause=type(error).__name__) from None
    return is_there


def _free_name(path: Path) -> Path:
    """Return the name under which the database is kept; nothing has it, and whoever could take it holds our lock."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    first = path.with_name(f"{path.name}.before-restore-{stamp}")
    others = (first.with_name(f"{first.name}-{number}") for number in count(2))
    return next(each for each in chain([first], others) if not os.path.lexists(each))


def _settle(path: Path, name: str) -> None:
    """Make sure that nobody else has an SQLite file open, and take what lies beside it into it.

    Who had it open, and closed it after the exchange, would take away the -wal of the new one: it goes by its name. A
    file that is damaged stays as it is: it is perhaps why there is a restore.
    """
    try:
        with translated(name), closing(sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)) as old:
            old.execute("PRAGMA journal_mode=DELETE").close()  # asks for the file alone
    except StoreUnavailable as error:
        if error.reason is Reason.LOCKED:
            raise
    except StoreError:
        return


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
