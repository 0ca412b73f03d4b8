"""The listeners of ``serve``, planned from the settings: addresses, limits, callers, certificates, open files."""

import logging
import resource
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from pam_receiver.config import Address, ListenerSettings, Settings
from pam_receiver.listener import Callers, Limits
from pam_receiver.tls import ServerTls, TlsError, TlsFiles, read_key_password

log = logging.getLogger(__name__)

_OTHER_FILES: Final = 300  # of the database, the log, HTTP and its metrics: 100 connections each
_UNLIMITED: Final = 1 << 20  # files that are asked for where the system sets no limit
_LEAST: Final = 1024  # what systems usually let a process open


@dataclass(frozen=True, slots=True)
class Planned:
    """A listener before it listens. ``option``: what names it when its address cannot be bound."""

    address: Address
    option: str
    limits: Limits
    callers: Callers = field(default_factory=Callers)
    tls: ServerTls | None = None

    @property
    def security(self) -> str:
        """How it stands with TLS: ``no``, ``server`` or ``mutual``."""
        if self.tls is None:
            return "no"
        return "mutual" if self.tls.is_mutual else "server"

    @property
    def is_in_clear(self) -> bool:
        """Whether names and matricules cross a network unprotected by us."""
        return self.tls is None and not self.address.is_loopback


def plan(settings: Settings) -> tuple[Planned, ...]:
    """Return the listeners that the settings ask for, their certificates read.

    Raises:
        SettingsError: a certificate, a key or a password that cannot be used.
    """
    if not settings.listeners:
        return (Planned(settings.mllp, "--mllp", _limits(settings)),)
    return tuple(_plan(settings, each) for each in settings.listeners)


def _plan(settings: Settings, listener: ListenerSettings) -> Planned:
    return Planned(
        listener.address,
        "address, [[listener]]",
        _limits(settings, listener),
        Callers(listener.allowed_networks, listener.client_subjects),
        _read_tls(listener),
    )


_Value = TypeVar("_Value", int, float)


def _limits(settings: Settings, listener: ListenerSettings | None = None) -> Limits:
    if listener is None:
        return Limits(
            max_block_bytes=settings.max_block_bytes,
            max_connections=settings.max_connections,
            max_connections_per_address=settings.max_connections_per_address,
            idle_timeout_s=settings.idle_timeout_s,
            block_timeout_s=settings.block_timeout_s,
            write_timeout_s=settings.write_timeout_s,
        )
    per_address = _either(listener.max_connections_per_address, settings.max_connections_per_address)
    return Limits(
        max_block_bytes=_either(listener.max_block_bytes, settings.max_block_bytes),
        max_connections=_either(listener.max_connections, settings.max_connections),
        max_connections_per_address=per_address,
        idle_timeout_s=_either(listener.idle_timeout_s, settings.idle_timeout_s),
        block_timeout_s=_either(listener.block_timeout_s, settings.block_timeout_s),
        write_timeout_s=_either(listener.write_timeout_s, settings.write_timeout_s),
    )


def _either(own: _Value | None, general: _Value) -> _Value:
    return general if own is None else own


def _read_tls(listener: ListenerSettings) -> ServerTls | None:
    tls = listener.tls
    if tls is None:
        return None
    try:
        password = read_key_password(tls.key_password_file) if tls.key_password_file is not None else None
        files = TlsFiles(tls.certificate, tls.key, tls.client_ca, password)
        return ServerTls(str(listener.address), files)
    except TlsError as error:
        raise listener.error("tls", fr=error.text("fr"), en=error.text("en")) from None


# ------------------------------------------------------------------------------------------------------------- files


def raise_file_limit() -> int:
    """Raise the number of files that this process may open to what the system lets it; return it."""
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except OSError:  # a sandbox that does not let it ask
        return _LEAST
    wanted = _UNLIMITED if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # some systems promise more than they let a process take
            return soft
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


def fit_to_files(planned: Sequence[Planned], files: int) -> tuple[Planned, ...]:
    """Return the listeners with no more connections than there are files for, and say how many there are."""
    wanted = sum(each.limits.max_connections for each in planned)
    room = max(files - _OTHER_FILES, len(planned))
    if wanted <= room:
        log.info("serve.files", extra={"files": files, "connections": wanted})
        return tuple(planned)
    fitted = tuple(
        replace(each, limits=replace(each.limits, max_connections=max(each.limits.max_connections * room // wanted, 1)))
        for each in planned
    )
    total = sum(each.limits.max_connections for each in fitted)
    log.warning("serve.too_few_files", extra={"files": files, "connections": total, "limit": wanted})
    return fitted
