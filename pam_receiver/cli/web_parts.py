"""The parts of the HTTP side of ``serve``, made from the settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from pam_receiver.cli.opening import open_store
from pam_receiver.config import Settings, SettingsError
from pam_receiver.metrics import Metrics
from pam_receiver.store import AuditEvent, Store
from pam_receiver.store.tokens import list_tokens
from pam_receiver.tls import ServerTls, TlsError, TlsFiles
from pam_receiver.web import Exposure, Guard


def make_exposure(settings: Settings) -> Exposure:
    """Return from where HTTP can be reached."""
    is_loopback = settings.http is None or settings.http.is_loopback
    if not settings.http_behind_proxy:
        return Exposure(is_local=is_loopback)
    return Exposure(
        is_local=False,
        proxies=settings.http_proxies,
        serves_proxies_only=not is_loopback and settings.http_certificate is None,
    )


@contextmanager
def guarding(settings: Settings, store: Store, metrics: Metrics) -> Iterator[Guard]:
    """Give the guard of HTTP. It reads tokens from ``store``, and adds to the trail by a connection of its own."""
    writer = open_store(settings)  # a store is written to by one thread: that one is for messages

    def write(event: AuditEvent, at: datetime) -> None:
        with writer.begin() as tx:
            tx.audit(event, at=at)

    try:
        yield Guard(
            lambda: list_tokens(store),
            write,
            metrics=metrics,
            exposure=make_exposure(settings),
            opens_locally=settings.metrics_without_token,
        )
    finally:
        writer.close()


def make_tls(settings: Settings) -> ServerTls | None:
    """Return the certificate of HTTP; ``None`` when it is served in clear.

    Raises:
        SettingsError: the certificate or its key cannot be used.
    """
    if settings.http_certificate is None or settings.http_key is None:
        return None
    try:
        return ServerTls(str(settings.http), TlsFiles(settings.http_certificate, settings.http_key))
    except TlsError as error:
        name = "http_key" if error.file == settings.http_key else "http_certificate"
        raise SettingsError(fr=f"{name} : {error.text('fr')}.", en=f"{name}: {error.text('en')}.") from None
