"""The database's password from a file, so that it stands on no command line and in no settings file."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pam_receiver.config.values import SettingsError
from pam_receiver.reasons import say_os_error

_USER_ALONE: Final = re.compile(r"(postgres(?:ql)?(?:\+psycopg)?://)([^:/?#@]+)(@.*)", re.DOTALL)
_IN_URL: Final = re.compile(r"postgres[^:]*://(?:[^/?#@:]*:[^@]*@|.*[?&](?:ssl)?password=)")
_LONGEST: Final = 4096  # bytes; a file that is longer was named by mistake


def holds_password(url: str) -> bool:
    """Whether a database URL says a password."""
    return _IN_URL.search(url) is not None


def with_password(url: str, file: Path, *, of: str) -> str:
    """Return a PostgreSQL URL with the password that ``file`` holds; a line end after it is not part of it.

    ``of``: the setting that holds the URL.

    Raises:
        SettingsError: the file cannot be read or holds no password, or the URL has no place for one.
    """
    parts = _USER_ALONE.fullmatch(url)
    if parts is None or holds_password(url):
        raise SettingsError(
            fr=f"{of}_password_file demande {of} = postgresql://UTILISATEUR@HÔTE/BASE, sans mot de passe.",
            en=f"{of}_password_file needs {of} = postgresql://USER@HOST/DATABASE, without a password.",
        )
    scheme, user, rest = parts.groups()
    return f"{scheme}{user}:{quote(_read(file, of), safe='')}{rest}"


def _read(file: Path, of: str) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LONGEST + 1)
    except OSError as error:
        raise SettingsError(
            fr=f"{of}_password_file {file} ne peut pas être lu : {say_os_error(error, 'fr')}.",
            en=f"{of}_password_file {file} cannot be read: {say_os_error(error, 'en')}.",
        ) from None
    try:
        password = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        password = ""  # refused below  # nosec B105
    if not password or not password.isprintable() or len(content) > _LONGEST:
        raise SettingsError(
            fr=f"{of}_password_file {file} doit contenir le mot de passe, seul, sur une ligne.",
            en=f"{of}_password_file {file} must hold the password, alone, on one line.",
        )
    return password
