"""``[[listener]]`` of the settings file: where messages arrive, by TLS or in clear, and from whom they are taken."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from pam_receiver.config.sources import SourceSettings, read_pattern
from pam_receiver.config.values import Address, Network, Refused, SettingsError, parse_address, read_networks, suggest

LISTENER: Final = "listener"  # the name of the tables in the file
_LONGEST: Final = 300  # signs of a subject or a path
_TLS_REQUIRED: Final = ("certificate", "key")
_TLS_PATHS: Final = (*_TLS_REQUIRED, "client_ca", "key_password_file")


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The PEM files of a listener. ``client_ca``: whose client certificates are asked for and taken."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    key_password_file: Path | None = None


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """One ``[[listener]]``. ``None``, of a limit or of the environment: the general setting decides."""

    file: Path
    address: Address
    tls: TlsSettings | None = None
    plain: bool = False
    allowed_networks: tuple[Network, ...] = ()  # none: any address
    client_subjects: tuple[str, ...] = ()  # none: any subject
    source: str | None = None
    environment: Literal["production", "test"] | None = None
    applications: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()
    receiving_applications: tuple[str, ...] = ()
    receiving_facilities: tuple[str, ...] = ()
    max_connections: int | None = None
    max_connections_per_address: int | None = None
    max_block_bytes: int | None = None
    max_segments: int | None = None
    max_repetitions: int | None = None
    block_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    write_timeout_s: float | None = None

    @property
    def port(self) -> int:
        return self.address.port

    def error(self, key: str, *, fr: str, en: str) -> SettingsError:
        """Return the error that ``key`` of this listener is wrong, to be raised."""
        return _error(self.file, str(self.address), key, fr=fr, en=en)


# ------------------------------------------------------------------------------------------------------------- keys


def _read_address(value: object) -> Address:
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004 - ValueError is what a reader raises
    address = parse_address(value)
    if address.port == 0:
        raise Refused(
            fr="le journal distingue les listeners par leur port, qui doit donc être fixe",
            en="the journal tells listeners apart by their port, which must be a fixed one",
        )
    return address


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > _LONGEST:
        raise ValueError("not a text")
    return value


def _read_tls(value: object) -> dict[str, Path]:
    if not isinstance(value, dict):
        raise ValueError("not a table")  # noqa: TRY004
    for key in value:
        if key not in _TLS_PATHS:
            fr, en = suggest(key, _TLS_PATHS)
            raise Refused(fr=f"clé inconnue {key}.{fr}".rstrip("."), en=f"unknown key {key}.{en}".rstrip("."))
    for key in _TLS_REQUIRED:
        if key not in value:
            raise Refused(fr=f"{key} manque", en=f"{key} is missing")
    return {key: Path(_read_text(each)) for key, each in value.items()}


def _read_list(read: Callable[[object], str]) -> Callable[[object], object]:
    def read_all(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise ValueError("not a list")
        return tuple(read(each) for each in value)

    return read_all


def _read_flag(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004
    return value


def _read_environment(value: object) -> object:
    if value not in ("production", "test"):
        raise ValueError("neither of them")
    return value


def _whole(least: int, most: int) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError("not such a number")
        return value

    return read


def _seconds(least: float, most: float) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError("not such a number")
        return float(value)

    return read


@dataclass(frozen=True, slots=True)
class ListenerKey:
    """A line of the table of the keys of ``[[listener]]``. ``read`` gives the value, or raises ValueError."""

    name: str
    fr: str
    en: str
    allowed_fr: str
    allowed_en: str
    read: Callable[[object], object] = field(repr=False, compare=False)


_PATTERNS: Final = (
    "une liste de motifs, comme application de [[source]]",
    "a list of patterns, as application of [[source]]",
)

LISTENER_KEYS: Final = (
    ListenerKey(
        "address",
        "Où ce listener écoute ; obligatoire, d'un port à lui seul.",
        "Where this listener listens; required, with a port of its own.",
        "HÔTE:PORT",
        "HOST:PORT",
        _read_address,
    ),
    ListenerKey(
        "tls",
        "Les fichiers PEM de TLS ; client_ca demande aux émetteurs un certificat de ces autorités (TLS mutuel).",
        "The PEM files of TLS; client_ca asks senders for a certificate of these authorities (mutual TLS).",
        "{ certificate, key, client_ca, key_password_file } : des chemins, depuis le dossier du fichier ; "
        "les deux derniers sont facultatifs",
        "{ certificate, key, client_ca, key_password_file }: paths, from the folder of the file; "
        "the last two are optional",
        _read_tls,
    ),
    ListenerKey(
        "plain",
        "Recevoir en clair du réseau, sans TLS : à n'admettre que dans un VPN ; sur cette machine, inutile.",
        "Receive in clear from the network, without TLS: for a VPN only; not needed on this machine itself.",
        "true, false",
        "true, false",
        _read_flag,
    ),
    ListenerKey(
        "allowed_networks",
        "Les réseaux d'où l'on peut envoyer ; les messages d'ailleurs sont refusés (AR). Sans elle : tous.",
        "The networks that may send; messages from elsewhere are refused (AR). Without it: all.",
        "une liste de réseaux, comme 10.20.0.0/16",
        "a list of networks, such as 10.20.0.0/16",
        read_networks,
    ),
    ListenerKey(
        "client_subjects",
        "Les sujets des certificats admis (avec client_ca) : leur CN, ou leur DN si le motif contient un =.",
        "The subjects of the certificates that are taken (with client_ca): their CN, or their DN if an = is in the "
        "pattern.",
        "une liste de motifs, comme gam.*.fr ou CN=gam*,O=CHU-LYRE,C=FR",
        "a list of patterns, such as gam.*.fr or CN=gam*,O=CHU-LYRE,C=FR",
        _read_list(_read_text),
    ),
    ListenerKey(
        "source",
        "La source à laquelle tous les messages arrivés ici appartiennent, quels que soient MSH-3 et MSH-4.",
        "The source that all messages that come in here belong to, whatever MSH-3 and MSH-4.",
        "le nom d'une [[source]]",
        "the name of a [[source]]",
        _read_text,
    ),
    ListenerKey(
        "environment",
        "Comme le réglage général environment, pour ce listener.",
        "As the general setting environment, for this listener.",
        "production, test",
        "production, test",
        _read_environment,
    ),
    *(
        ListenerKey(
            name,
            f"Ce que {at} doit être : l'un de ces motifs ; sinon AR 207, et rien du contenu n'est gardé.",
            f"What {at} must be: one of these patterns; else AR 207, and nothing of the content is kept.",
            *_PATTERNS,
            _read_list(read_pattern),
        )
        for name, at in (
            ("applications", "MSH-3.1"),
            ("facilities", "MSH-4.1"),
            ("receiving_applications", "MSH-5.1"),
            ("receiving_facilities", "MSH-6.1"),
        )
    ),
    *(
        ListenerKey(
            name,
            f"Comme le réglage général {name}, pour ce listener.",
            f"As the general setting {name}, for this listener.",
            f"comme {name}",
            f"as {name}",
            read,
        )
        for name, read in (
            ("max_connections", _whole(1, 65535)),
            ("max_connections_per_address", _whole(0, 65535)),
            ("max_block_bytes", _whole(1024, 1 << 28)),
            ("max_segments", _whole(10, 1_000_000)),
            ("max_repetitions", _whole(10, 1_000_000)),
            ("block_timeout_s", _seconds(1, 3600)),
            ("idle_timeout_s", _seconds(0, 86400)),
            ("write_timeout_s", _seconds(1, 3600)),
        )
    ),
)
"""The keys of ``[[listener]]``, in the order of the documentation."""

_BY_NAME: Final = {key.name: key for key in LISTENER_KEYS}

# ----------------------------------------------------------------------------------------------------------- reading


def read_listeners(tables: object, file: Path) -> tuple[ListenerSettings, ...]:
    """Read the ``[[listener]]`` tables of ``file``.

    Raises:
        SettingsError: an unknown key or a refused value, a port given twice, or keys that do not go together.
    """
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise SettingsError(
            fr=f"Dans {file}, {LISTENER} doit être une suite de tables [[{LISTENER}]].",
            en=f"In {file}, {LISTENER} must be tables [[{LISTENER}]].",
        )
    listeners: list[ListenerSettings] = []
    for number, table in enumerate(tables, 1):
        listener = _read_listener(table, number, file)
        for other in listeners:
            if other.port == listener.port:
                raise _refuse_port(listener, f"[[{LISTENER}]] {other.address}")
        listeners.append(listener)
    return tuple(listeners)


def _read_listener(table: Mapping[str, object], number: int, file: Path) -> ListenerSettings:
    label = str(table.get("address") or number)[:80]
    for key in table:
        if key not in _BY_NAME:
            fr, en = suggest(key, list(_BY_NAME))
            raise SettingsError(
                fr=f"Clé inconnue : {key} ([[{LISTENER}]] {label}, fichier {file}).{fr}",
                en=f"Unknown key: {key} ([[{LISTENER}]] {label}, file {file}).{en}",
            )
    if "address" not in table:
        raise _error(file, label, "address", fr="il manque", en="it is missing")
    values: dict[str, Any] = {key: _read_value(key, value, label, file) for key, value in table.items()}
    if "tls" in values:
        folder = file.resolve().parent
        values["tls"] = TlsSettings(**{key: folder / path for key, path in values["tls"].items()})
    listener = ListenerSettings(file=file, **values)
    _check_keys(listener)
    return listener


def _read_value(key: str, value: object, label: str, file: Path) -> object:
    why_fr = why_en = ""
    try:
        return _BY_NAME[key].read(value)
    except Refused as error:
        why_fr, why_en = f" : {error.fr}", f": {error.en}"
    except ValueError:
        pass
    shown, line = str(value)[:80], _BY_NAME[key]
    fr, en = f"{key} ([[{LISTENER}]] {label}, fichier {file})", f"{key} ([[{LISTENER}]] {label}, file {file})"
    raise SettingsError(
        fr=f"Valeur {shown!r} refusée pour {fr}{why_fr}. Permis : {line.allowed_fr}.",
        en=f"Value {shown!r} refused for {en}{why_en}. Allowed: {line.allowed_en}.",
    )


def _error(file: Path, label: str, key: str, *, fr: str, en: str) -> SettingsError:
    return SettingsError(
        fr=f"{key} ([[{LISTENER}]] {label}, fichier {file}) : {_ended(fr)}",
        en=f"{key} ([[{LISTENER}]] {label}, file {file}): {_ended(en)}",
    )


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(("?", ".")) else f"{sentence}."


def _refuse_port(listener: ListenerSettings, other: str) -> SettingsError:
    return listener.error(
        "address",
        fr=f"le port {listener.port} est déjà celui de {other}",
        en=f"the port {listener.port} is already that of {other}",
    )


def _check_keys(listener: ListenerSettings) -> None:
    """Refuse keys that contradict each other, and what a network would read in clear without anybody's word for it."""
    if listener.tls is not None and listener.plain:
        raise listener.error("plain", fr="tls est donné aussi ; garder l'un des deux", en="tls is given too; keep one")
    if listener.client_subjects and (listener.tls is None or listener.tls.client_ca is None):
        raise listener.error(
            "client_subjects",
            fr="sans client_ca dans tls, aucun certificat n'est demandé",
            en="without client_ca in tls no certificate is asked for",
        )
    if listener.tls is None and not listener.plain and not listener.address.is_loopback:
        raise listener.error(
            "tls",
            fr="cette adresse se voit du réseau et les messages y passeraient en clair ; donner tls, ou plain = true "
            "si un VPN les protège",
            en="this address can be seen from the network and messages would cross it in clear; give tls, or "
            "plain = true if a VPN protects them",
        )


# ------------------------------------------------------------------------------------------- beside the other settings


def check_listening(
    listeners: Sequence[ListenerSettings],
    sources: Sequence[SourceSettings],
    *,
    mllp: Address,
    is_mllp_given: bool,
    is_plain_allowed: bool,
    others: Mapping[str, Address | None],
) -> None:
    """Refuse what cannot stand together: ``mllp``, the listeners, the sources, and the ``others`` that listen.

    Raises:
        SettingsError: with what to change.
    """
    if not listeners:
        _check_mllp(mllp, is_plain_allowed)
        return
    if is_mllp_given:
        raise SettingsError(
            fr=f"mllp et [[{LISTENER}]] sont donnés tous les deux : écrire l'adresse de mllp comme [[{LISTENER}]].",
            en=f"mllp and [[{LISTENER}]] are given both: write the address of mllp as a [[{LISTENER}]].",
        )
    names = [source.name for source in sources]
    for listener in listeners:
        if listener.source is not None and listener.source not in names:
            fr, en = suggest(listener.source, names)
            raise listener.error(
                "source",
                fr=f"aucune [[source]] ne s'appelle {listener.source}.{fr}",
                en=f"no [[source]] is called {listener.source}.{en}",
            )
        for name, address in others.items():
            if address is not None and address.port == listener.port:
                raise _refuse_port(listener, name)
    ports = {listener.port for listener in listeners}
    for source in sources:
        if source.port is not None and source.port not in ports:
            raise source.error(
                "port",
                fr=f"aucun [[{LISTENER}]] n'a le port {source.port}",
                en=f"no [[{LISTENER}]] has the port {source.port}",
            )


def _check_mllp(mllp: Address, is_plain_allowed: bool) -> None:
    if not is_plain_allowed and not mllp.is_loopback:
        raise SettingsError(
            fr=f"mllp {mllp} se voit du réseau et les messages y passeraient en clair : donner un [[{LISTENER}]] avec "
            "tls, ou mllp_plain = true si un VPN les protège.",
            en=f"mllp {mllp} can be seen from the network and messages would cross it in clear: give a [[{LISTENER}]] "
            "with tls, or mllp_plain = true if a VPN protects them.",
        )
