"""The store of the settings, with the keys of the settings."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pam_receiver.cli.options import Start
    from pam_receiver.config import Settings
    from pam_receiver.store import Store
    from pam_receiver.store.keys import KeyRing
    from pam_receiver.store.sealing import Sealing


def open_store(settings: "Settings", *, read_only: bool = False, lock_timeout_s: float = 5.0) -> "Store":
    """Return the store; the keys are read when a sealed text, or a checkpoint, is first needed.

    Raises:
        SettingsError: there are two sets of keys.
        StoreSettingError: the URL names no database.
    """
    from pam_receiver.store import Store

    sealing = make_sealing(settings)
    return Store.open(settings.database, read_only=read_only, lock_timeout_s=lock_timeout_s, sealing=sealing)


def is_up_to_date(settings: "Settings") -> bool:
    """Whether the tables are there, at the revision of this program: then nothing that migrates need be loaded.

    Raises:
        StoreUnavailable: the database cannot be read now.
    """
    from pam_receiver.store import Reason, SchemaMismatch, StoreUnavailable

    store = open_store(settings, read_only=True)
    try:
        store.check()
    except SchemaMismatch:
        return False
    except StoreUnavailable as error:
        if error.reason is not Reason.MISSING:
            raise
        return False
    finally:
        store.close()
    return True


@contextmanager
def reading(start: "Start") -> "Iterator[Store]":
    """Open to read what is shown or compared: the standby, when the settings name one, else the database itself.

    Nothing is created, nothing migrated. Who reads from a standby is told of which moment it is.

    Raises:
        SettingsError: there are two sets of keys.
        StoreSettingError: the URL names no database.
    """
    from pam_receiver.cli import output
    from pam_receiver.cli.as_json import moment_json
    from pam_receiver.cli.texts import text
    from pam_receiver.store import Store
    from pam_receiver.store.standby import find_replay

    settings = start.settings
    if settings.database_read is None:
        with closing(open_store(settings, read_only=True)) as store:
            yield store
        return
    with closing(Store.open(settings.database_read, read_only=True, sealing=make_sealing(settings))) as store:
        replay = find_replay(store)
        if replay is not None:
            moment = moment_json(replay.at) if replay.at is not None else text("read.no-moment", start.lang)
            output.warn(text("read.standby", start.lang, database=store.name, moment=moment))
        yield store


def make_sealing(settings: "Settings") -> "Sealing":
    """Return what seals and opens with the keys of the settings; without any, what does neither.

    What shall be encrypted is never written in clear for want of a key: to write it then fails.

    Raises:
        SettingsError: there are two sets of keys.
    """
    from pam_receiver.config import SettingsError
    from pam_receiver.store.sealing import InClear

    if settings.keys is not None and settings.key_file is not None:
        raise SettingsError(
            fr="key_file et PAM_RECEIVER_KEYS sont tous deux donnés : gardez l'un des deux.",
            en="Both key_file and PAM_RECEIVER_KEYS are given: keep one of them.",
        )
    if settings.keys is None and settings.key_file is None and not settings.encrypt_journal:
        return InClear()
    from pam_receiver.store.crypt import Keyed

    return Keyed(lambda: load_keys(settings), encrypts=settings.encrypt_journal)


def load_keys(settings: "Settings") -> "KeyRing":
    """Return the keys of the settings.

    Raises:
        NoKey: none is given.
        KeysUnusable: they cannot be read, or are none.
    """
    from pam_receiver.store.keys import NoKey, parse_keys, read_keys

    if settings.key_file is not None:
        return read_keys(settings.key_file)
    if settings.keys is not None:
        return parse_keys(settings.keys.get_secret_value(), named="PAM_RECEIVER_KEYS")
    raise NoKey


def check_keys(settings: "Settings") -> None:
    """Make sure that what shall be encrypted can be: to be called before the first message is taken.

    Raises:
        NoKey, KeysUnusable: as :func:`load_keys`, when keys are given, or the journal is to be encrypted or pruned.
    """
    needs_keys = settings.encrypt_journal or settings.journal_retention is not None
    if needs_keys or settings.key_file is not None or settings.keys is not None:
        load_keys(settings)
