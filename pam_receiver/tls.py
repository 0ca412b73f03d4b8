"""TLS of the edges: contexts of server and client, certificates read again when they change, their last day.

Only suites that ANSSI recommends are offered: ECDHE with AES-GCM or ChaCha20-Poly1305; TLS 1.3 is preferred, 1.2 is the
oldest.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from cryptography.x509 import InvalidVersion, load_pem_x509_certificates

from pam_receiver.errors import PamReceiverError
from pam_receiver.finding import Lang
from pam_receiver.reasons import say_os_error

log = logging.getLogger(__name__)

_SUITES: Final = ":".join(  # of TLS 1.2; those of 1.3 are AES-GCM and ChaCha20-Poly1305 in any case
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
WARN_BEFORE: Final = timedelta(days=30)
_WARN_EVERY_S: Final = 86_400.0
_POLL_S: Final = 10.0

_REASONS: Final = {  # of OpenSSL: (fr, en)
    "KEY_VALUES_MISMATCH": ("la clé n'est pas celle du certificat", "the key is not that of the certificate"),
    "EE_KEY_TOO_SMALL": ("la clé du certificat est trop courte", "the key of the certificate is too short"),
    "CA_MD_TOO_WEAK": ("la signature du certificat est trop faible", "the signature of the certificate is too weak"),
}
_OF_CERTIFICATE: Final = frozenset({"EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"})
_PASSWORD: Final = (
    "la clé est chiffrée et son mot de passe manque ou est faux",
    "the key is encrypted and its password is missing or wrong",
)
_NO_PEM: Final = ("aucun certificat ou clé PEM n'y est lisible", "no PEM certificate or key can be read there")


class TlsError(PamReceiverError):
    """A certificate or a key that cannot be used: ``file``, and why in ``fr`` and ``en``, without a point."""

    def __init__(self, file: Path, *, fr: str, en: str) -> None:
        super().__init__(f"{file}: {en}")
        self.file = file
        self.fr = fr
        self.en = en

    def text(self, lang: Lang) -> str:
        """The sentence to show, without a point."""
        return f"{self.file} : {self.fr}" if lang == "fr" else f"{self.file}: {self.en}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: a certificate with its chain, its key, and the authorities whose client certificates are taken.

    ``client_ca``: ``None`` asks clients for no certificate. ``key_password``: of an encrypted key.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    def mark(self) -> tuple[tuple[int, int, int], ...]:
        """Return what changes when a file is replaced or rewritten; a file that is not there has a mark too."""
        marks = []
        for path in (self.certificate, self.key, self.client_ca):
            try:
                found = os.stat(path) if path is not None else None
            except OSError:
                found = None
            marks.append((found.st_ino, found.st_mtime_ns, found.st_size) if found is not None else (0, 0, 0))
        return tuple(marks)


class ServerContext(ssl.SSLContext):
    """The context of a server whose certificates may be exchanged while it serves: each connection is made by
    ``current``, the context of the files as they were last read.
    """

    current: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return self.current.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class ServerTls:
    """The certificates of one listener. ``name`` is its address, for logs and metrics.

    Raises:
        TlsError: they cannot be used.
    """

    def __init__(self, name: str, files: TlsFiles) -> None:
        self.name = name
        self.files = files
        self.context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
        self.expiries: dict[str, datetime] = {}
        self._mark: object = None
        self.reload()

    @property
    def is_mutual(self) -> bool:
        return self.files.client_ca is not None

    @property
    def has_changed(self) -> bool:
        """Whether a file is another one than when it was last read, or tried."""
        return self.files.mark() != self._mark

    def reload(self) -> None:
        """Read the files again, for the connections to come. When they cannot be used, those before stay in force.

        Raises:
            TlsError: they cannot be used.
        """
        self._mark = self.files.mark()
        context = make_server_context(self.files)
        expiries = {"certificate": _first_expiry(self.files.certificate)}
        if self.files.client_ca is not None:
            expiries["client_ca"] = _first_expiry(self.files.client_ca)
        self.context.current = context
        self.expiries = expiries


# --------------------------------------------------------------------------------------------------------- contexts


def make_server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a context that serves with these files.

    Raises:
        TlsError: they cannot be used.
    """
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_TICKET
    context.num_tickets = 0  # a connection lasts for days, and each new one shows its certificate again
    _load_chain(context, files.certificate, files.key, files.key_password)
    if files.client_ca is not None:
        _load_authorities(context, files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def make_client_context(
    *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None, key_password: str | None = None
) -> ssl.SSLContext:
    """Return a context that asks the server for a certificate of its name, by ``ca`` (``None``: those of the system).

    ``key``: ``None`` when it stands in the file of the certificate.

    Raises:
        TlsError: a file cannot be used.
    """
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    if ca is None:
        context.load_default_certs()
    else:
        _load_authorities(context, ca)
    if certificate is not None:
        _load_chain(context, certificate, key or certificate, key_password)
    return context


def read_key_password(path: Path) -> str:
    """Return the password that a file holds, alone on its first line.

    Raises:
        TlsError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").split("\n", 1)[0]
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError:
        raise TlsError(path, fr="ce n'est pas du texte en UTF-8", en="it is no text in UTF-8") from None


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _load_chain(context: ssl.SSLContext, certificate: Path, key: Path, password: str | None) -> None:
    _check_readable(key)
    _first_expiry(certificate)  # what is no certificate is named as such: OpenSSL does not say which file it means
    try:
        # Without a password of ours, OpenSSL would ask for it at the terminal, and wait.
        context.load_cert_chain(certificate, key, password=password or "")
    except ssl.SSLError as error:
        fr, en = _REASONS.get(error.reason or "", _NO_PEM)
        if (fr, en) == _NO_PEM and b"ENCRYPTED" in key.read_bytes():
            fr, en = _PASSWORD
        raise TlsError(certificate if (error.reason or "") in _OF_CERTIFICATE else key, fr=fr, en=en) from None
    except OSError as error:
        raise _unreadable(certificate, error) from None


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    _check_readable(path)
    try:
        context.load_verify_locations(path)
    except OSError:  # ssl.SSLError is one
        raise TlsError(path, fr=_NO_PEM[0], en=_NO_PEM[1]) from None


def _check_readable(path: Path) -> None:
    """OpenSSL does not say which of two files it could not open."""
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> TlsError:
    return TlsError(path, fr=say_os_error(error, "fr"), en=say_os_error(error, "en"))


def _first_expiry(path: Path) -> datetime:
    """Return when the first certificate of a file ends, of all that it holds."""
    try:
        return min(each.not_valid_after_utc for each in load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ValueError, InvalidVersion):
        raise TlsError(path, fr=_NO_PEM[0], en=_NO_PEM[1]) from None


# --------------------------------------------------------------------------------------------------------- watching


class Meter(Protocol):
    """What the watch counts. :class:`pam_receiver.metrics.Metrics` is one."""

    def set_certificate_expiry(self, listener: str, file: str, at: datetime) -> None: ...
    def count_certificate_reload(self, *, is_good: bool) -> None: ...


class CertificateWatch:
    """Read certificates again when their files change or :meth:`ask` is called, and warn before they end.

    A file that cannot be used leaves the one before in force, with an error in the log. Add to ``certificates`` before
    :meth:`run` begins.
    """

    def __init__(self, meter: Meter, *, poll_s: float = _POLL_S) -> None:
        self.certificates: list[ServerTls] = []
        self._meter = meter
        self._poll_s = poll_s
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have all of them read again at once: what SIGHUP does."""
        self._asked.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        self._warn(self.certificates)
        warned_at = loop.time()
        while True:
            is_asked = await self._wait()
            changed = [each for each in self.certificates if is_asked or each.has_changed]
            self._warn([each for each in changed if self._reload(each)])
            if loop.time() - warned_at >= _WARN_EVERY_S:
                self._warn(self.certificates)
                warned_at = loop.time()

    async def _wait(self) -> bool:
        """Wait for the next look; return whether it was asked for."""
        try:
            async with asyncio.timeout(self._poll_s):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    def _reload(self, tls: ServerTls) -> bool:
        try:
            tls.reload()
        except TlsError as error:
            self._meter.count_certificate_reload(is_good=False)
            log.error("tls.reload_failed", extra={"mllp": tls.name, "file": str(error.file), "reason": error.en})
            return False
        except Exception as error:  # noqa: BLE001 - in a long-running loop: a file may vanish while it is read
            self._meter.count_certificate_reload(is_good=False)
            said = {"mllp": tls.name, "file": str(tls.files.certificate), "reason": type(error).__name__}
            log.error("tls.reload_failed", extra=said)
            return False
        self._meter.count_certificate_reload(is_good=True)
        log.info("tls.reloaded", extra={"mllp": tls.name, "days": _days_left(min(tls.expiries.values()))})
        return True

    def _warn(self, certificates: Sequence[ServerTls]) -> None:
        for tls in certificates:
            for name, at in tls.expiries.items():
                self._meter.set_certificate_expiry(tls.name, name, at)
                days = _days_left(at)
                path = tls.files.certificate if name == "certificate" else tls.files.client_ca
                said = {"mllp": tls.name, "file": str(path), "days": days}
                if days < 0:
                    log.error("tls.expired", extra=said)
                elif days < WARN_BEFORE.days:
                    log.warning("tls.expires_soon", extra=said)


def _days_left(at: datetime) -> int:
    """Whole days until ``at``; below 0 when it has passed."""
    return (at - datetime.now(UTC)) // timedelta(days=1)


# ---------------------------------------------------------------------------------------------------------- subjects

_SHORT: Final = {  # the short names of RFC 4514, and two more that the certificates of hospitals have
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
    "serialNumber": "serialNumber",
    "emailAddress": "emailAddress",
}
_ESCAPED: Final = str.maketrans({sign: f"\\{sign}" for sign in ',+"\\<>;='})


def read_subject(certificate: object) -> tuple[str, str]:
    """Return CN and DN of the subject of a certificate, as ``getpeercert()`` gives it; ``""`` when there is none.

    DN: in the form of RFC 4514, the most specific part first, ``CN=gam.chu.example,O=CHU,C=FR``; signs that separate
    are escaped in values, so that no value can pass for another part.
    """
    names = certificate.get("subject", ()) if isinstance(certificate, dict) else ()
    parts, cn = [], ""
    for rdn in names:
        parts.append("+".join(f"{_SHORT.get(key, key)}={value.translate(_ESCAPED)}" for key, value in rdn))
        cn = next((value for key, value in rdn if key == "commonName"), cn)
    return cn, ",".join(reversed(parts))
