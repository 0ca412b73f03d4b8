"""One table of settings: command line, environment, TOML file, defaults, in this order. Only ``cli`` reads it."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from pam_receiver.config.durations import read_retention
from pam_receiver.config.http import check_http
from pam_receiver.config.listeners import LISTENER, ListenerSettings, check_listening, read_listeners
from pam_receiver.config.passwords import with_password
from pam_receiver.config.sources import SOURCE, SourceSettings, check_ports, read_sources
from pam_receiver.config.values import (
    Address,
    Network,
    Refused,
    SettingsError,
    read_address,
    read_authority,
    read_database,
    read_http,
    read_networks,
    read_processing_ids,
    read_server,
    read_timezone,
    suggest,
)
from pam_receiver.finding import Lang
from pam_receiver.identity.identifiers import AssigningAuthority
from pam_receiver.identity.model import Incomplete, StaleUpdates
from pam_receiver.reasons import say_os_error, say_toml_error

PREFIX: Final = "PAM_RECEIVER_"
CONFIG_VARIABLE: Final = "PAM_RECEIVER_CONFIG"  # names the TOML file: the one variable that is no setting
_SQLITE: Final = re.compile(r"(sqlite(?:\+pysqlite)?:///)(?!/)(?!:memory:)(?!file:)(.+)")
_PATHS: Final = (  # in a file: from its folder
    "http_certificate",
    "http_key",
    "database_password_file",
    "database_read_password_file",
    "key_file",
)
_LOOPBACK: Final = read_networks("127.0.0.0/8,::1/128")
_SECRET: Final = frozenset({"database", "database_read", "keys"})  # a URL may hold a password: its value is never shown


def _setting(default: object, *, fr: str, en: str, allowed_fr: str, allowed_en: str = "", **limits: Any) -> Any:
    words: dict[str, Any] = {"fr": fr, "allowed_fr": allowed_fr, "allowed_en": allowed_en or allowed_fr}
    return Field(default, description=en, json_schema_extra=words, **limits)


class Settings(BaseSettings):
    """What an operator may set. Each field is an option name; its description and allowed values stand beside it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    database: Annotated[str, AfterValidator(read_database)] = _setting(
        "sqlite:///pam-receiver.db",
        fr="La base où sont gardés messages et identités.",
        en="The database that keeps messages and identities.",
        allowed_fr="sqlite:///FICHIER ou postgresql://UTILISATEUR@HÔTE/BASE",
        allowed_en="sqlite:///FILE or postgresql://USER@HOST/DATABASE",
        repr=False,  # it may hold a password
    )
    mllp: Annotated[Address, NoDecode, BeforeValidator(read_address)] = _setting(
        Address("127.0.0.1", 2575),
        fr="L'adresse où arrivent les messages (MLLP) ; le port 0 prend un port libre.",
        en="Where messages arrive (MLLP); port 0 takes a free port.",
        allowed_fr="HÔTE:PORT",
        allowed_en="HOST:PORT",
    )
    http: Annotated[Address | None, NoDecode, BeforeValidator(read_http)] = _setting(
        Address("127.0.0.1", 8080),
        fr="L'adresse HTTP de /livez, /readyz et /metrics ; « off » pour aucune.",
        en='The HTTP address of /livez, /readyz and /metrics; "off" for none.',
        allowed_fr="HÔTE:PORT ou off",
        allowed_en="HOST:PORT or off",
    )
    environment: Literal["production", "test"] = _setting(
        "production",
        fr="« production » ne prend que les INS de production (OID .8 et .9) ; « test » prend aussi .10 et .11.",
        en='"production" takes INS of production only (OID .8 and .9); "test" takes .10 and .11 too.',
        allowed_fr="production, test",
    )
    lang: Lang | None = _setting(
        None,
        fr="La langue de ce que la commande affiche ; par défaut celle de la machine (LC_ALL, LC_MESSAGES, LANG).",
        en="The language that commands speak; by default the machine's (LC_ALL, LC_MESSAGES, LANG).",
        allowed_fr="fr, en",
    )
    ack_lang: Lang = _setting(
        "fr",
        fr="La langue des phrases des ACK (ERR-8) ; un émetteur dont MSH-19 dit EN les a toujours en anglais.",
        en="The language of the sentences in ACKs (ERR-8); a sender whose MSH-19 says EN always has them in English.",
        allowed_fr="fr, en",
    )
    log_format: Literal["text", "json"] = _setting(
        "text",
        fr="La forme du journal, écrit sur la sortie d'erreur.",
        en="The form of the log, which goes to standard error.",
        allowed_fr="text, json",
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info",
        fr="Le niveau à partir duquel le journal écrit.",
        en="The level from which the log writes.",
        allowed_fr="debug, info, warning, error",
    )
    incomplete_qualified_identity: Incomplete = _setting(
        "reject",
        fr="Que faire d'un INS avec VALI auquel il manque un trait strict : refuser, prendre sans l'INS, accepter.",
        en="What to do with an INS and VALI that lacks a strict trait: refuse, take without the INS, accept.",
        allowed_fr="reject, without_ins, accept",
    )
    deduce_recuperee: bool = _setting(
        True,
        fr="Déduire « récupérée » d'une identité provisoire accompagnée d'un INS ; sinon « provisoire ».",
        en='Deduce "récupérée" from a provisional identity that comes with an INS; else "provisoire".',
        allowed_fr="true, false",
    )
    ack_findings: Literal["all", "errors"] = _setting(
        "all",
        fr="Les constats écrits dans les ACK : tous, ou les erreurs seules.",
        en="The findings written in ACKs: all, or errors only.",
        allowed_fr="all, errors",
    )
    processing_ids: Annotated[frozenset[str], NoDecode, BeforeValidator(read_processing_ids)] = _setting(
        frozenset({"P", "T", "D"}),
        fr="Les valeurs de MSH-11 acceptées ici ; les autres ont AR 202.",
        en="The values of MSH-11 that are accepted here; others get AR 202.",
        allowed_fr="une liste parmi P,T,D",
        allowed_en="a list among P,T,D",
    )
    timezone: Annotated[ZoneInfo, BeforeValidator(read_timezone)] = _setting(
        ZoneInfo("Europe/Paris"),
        fr="Le fuseau des dates reçues sans décalage ; tout est gardé en UTC.",
        en="The time zone of stamps received without an offset; everything is kept in UTC.",
        allowed_fr="un nom de fuseau, comme Europe/Paris",
        allowed_en="a zone name such as Europe/Paris",
    )
    default_authority: Annotated[AssigningAuthority | None, NoDecode, BeforeValidator(read_authority)] = _setting(
        None,
        fr="L'autorité d'affectation des IPP reçus sans CX-4 ; sans elle, ils sont laissés de côté.",
        en="The assigning authority of IPPs received without CX-4; without it they are left out.",
        allowed_fr="NOM&OID&ISO, ou NOM seul",
        allowed_en="NAME&OID&ISO, or NAME alone",
    )
    max_block_bytes: int = _setting(
        1 << 20,
        fr="La plus grande taille d'un message, en octets ; au-delà : AR et fin de la connexion.",
        en="The largest message, in bytes; beyond it: AR and the connection ends.",
        allowed_fr="un entier de 1024 à 268435456",
        allowed_en="a whole number from 1024 to 268435456",
        ge=1024,
        le=1 << 28,
    )
    ack_deadline_s: float = _setting(
        25.0,
        fr="Base indisponible : secondes pendant lesquelles un message attend, avant fermeture sans réponse.",
        en="Database away: seconds that a message is held before its connection is closed without an answer.",
        allowed_fr="un nombre de 1 à 600",
        allowed_en="a number from 1 to 600",
        ge=1,
        le=600,
    )
    idle_timeout_s: float = _setting(
        0.0,
        fr="Secondes de silence entre deux messages avant fermeture de la connexion ; 0 : jamais.",
        en="Seconds of silence between two messages before a connection is closed; 0: never.",
        allowed_fr="un nombre de 0 à 86400",
        allowed_en="a number from 0 to 86400",
        ge=0,
        le=86400,
    )
    block_timeout_s: float = _setting(
        30.0,
        fr="Secondes pour recevoir un message, de son premier octet au dernier, avant fermeture de la connexion.",
        en="Seconds for a message to come in, from its first byte to its last, before its connection is closed.",
        allowed_fr="un nombre de 1 à 3600",
        allowed_en="a number from 1 to 3600",
        ge=1,
        le=3600,
    )
    max_connections: int = _setting(
        4000,
        fr="Le nombre de connexions MLLP à la fois ; les suivantes sont fermées aussitôt.",
        en="The number of MLLP connections at once; further ones are closed at once.",
        allowed_fr="un entier de 1 à 65535",
        allowed_en="a whole number from 1 to 65535",
        ge=1,
        le=65535,
    )
    http_certificate: Path | None = _setting(
        None,
        fr="Le certificat TLS de HTTP, et ceux de la chaîne (PEM) ; relu quand il change.",
        en="The TLS certificate of HTTP, with those of its chain (PEM); read again when it changes.",
        allowed_fr="un chemin",
        allowed_en="a path",
    )
    http_key: Path | None = _setting(
        None,
        fr="La clé privée de http_certificate (PEM).",
        en="The private key of http_certificate (PEM).",
        allowed_fr="un chemin",
        allowed_en="a path",
    )
    http_behind_proxy: bool = _setting(
        False,
        fr="Un mandataire (reverse proxy) chiffre devant HTTP et dit l'adresse du client (X-Forwarded-For).",
        en="A reverse proxy in front of HTTP encrypts, and tells the address of the client (X-Forwarded-For).",
        allowed_fr="true, false",
    )
    http_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(read_networks)] = _setting(
        _LOOPBACK,
        fr="Les réseaux des mandataires : eux seuls sont crus, et sans TLS ici eux seuls sont servis.",
        en="The networks of the proxies: they alone are believed, and without TLS here they alone are served.",
        allowed_fr="une liste de réseaux, comme 10.20.0.0/24",
        allowed_en="a list of networks, such as 10.20.0.0/24",
    )
    metrics_http: Annotated[Address | None, NoDecode, BeforeValidator(read_http)] = _setting(
        None,
        fr="Une adresse pour /metrics seul, sans jeton ; http ne les donne alors plus.",
        en="An address for /metrics alone, without a token; http then gives them no more.",
        allowed_fr="HÔTE:PORT ou off",
        allowed_en="HOST:PORT or off",
    )
    metrics_without_token: bool = _setting(
        True,
        fr="Sur une adresse de cette machine, sans mandataire, /metrics répond sans jeton ; false : jamais.",
        en="On an address of this machine, without a proxy, /metrics answers without a token; false: never.",
        allowed_fr="true, false",
    )
    database_password_file: Path | None = _setting(
        None,
        fr="Le fichier qui contient le mot de passe de la base PostgreSQL, seul.",
        en="The file that holds the password of the PostgreSQL database, alone.",
        allowed_fr="un chemin",
        allowed_en="a path",
    )
    database_read: Annotated[str | None, AfterValidator(read_server)] = _setting(
        None,
        fr="Un réplica PostgreSQL de la base, que lisent les commandes qui montrent ou comparent.",
        en="A PostgreSQL standby of the database, from which commands read that show or compare.",
        allowed_fr="postgresql://UTILISATEUR@HÔTE/BASE",
        allowed_en="postgresql://USER@HOST/DATABASE",
        repr=False,  # as database
    )
    database_read_password_file: Path | None = _setting(
        None,
        fr="Le fichier qui contient le mot de passe de database_read, seul.",
        en="The file that holds the password of database_read, alone.",
        allowed_fr="un chemin",
        allowed_en="a path",
    )
    key_file: Path | None = _setting(
        None,
        fr="Le fichier de clés (« pam-receiver keys create ») : chiffre le journal, signe les points de reprise.",
        en='The key file ("pam-receiver keys create"): to encrypt the journal and to sign checkpoints.',
        allowed_fr="un chemin",
        allowed_en="a path",
    )
    keys: SecretStr | None = _setting(
        None,
        fr="Les clés elles-mêmes, au lieu de key_file ; par l'environnement seulement, une virgule entre deux lignes.",
        en="The keys themselves, instead of key_file; by the environment only, a comma between two lines.",
        allowed_fr="ID BASE64, une ou plusieurs fois",
        allowed_en="ID BASE64, once or more",
    )
    encrypt_journal: bool = _setting(
        False,
        fr="Chiffrer le texte des messages gardés (AES-256-GCM) avec la première des clés.",
        en="Encrypt the text of the messages that are kept (AES-256-GCM) with the first of the keys.",
        allowed_fr="true, false",
    )
    journal_retention: Annotated[timedelta | None, NoDecode, BeforeValidator(read_retention)] = _setting(
        None,
        fr="L'âge à partir duquel le texte d'un message est effacé, une fois par jour ; « off » : jamais.",
        en='The age from which the text of a message is erased, once a day; "off": never.',
        allowed_fr="un nombre entier et d ou w, comme 90d ; off",
        allowed_en="a whole number and d or w, such as 90d; off",
    )
    mllp_plain: bool = _setting(
        False,
        fr="Recevoir en clair du réseau à l'adresse mllp, sans TLS : à n'admettre que dans un VPN.",
        en="Receive in clear from the network at the address mllp, without TLS: for a VPN only.",
        allowed_fr="true, false",
    )
    max_connections_per_address: int = _setting(
        0,
        fr="Le nombre de connexions MLLP à la fois d'une même adresse ; 0 : autant qu'en tout.",
        en="The number of MLLP connections at once of one address; 0: as many as in all.",
        allowed_fr="un entier de 0 à 65535",
        allowed_en="a whole number from 0 to 65535",
        ge=0,
        le=65535,
    )
    max_segments: int = _setting(
        2000,
        fr="Le plus grand nombre de segments d'un message ; au-delà : AR.",
        en="The largest number of segments of a message; beyond it: AR.",
        allowed_fr="un entier de 10 à 1000000",
        allowed_en="a whole number from 10 to 1000000",
        ge=10,
        le=1_000_000,
    )
    max_repetitions: int = _setting(
        2000,
        fr="Le plus grand nombre de répétitions de champs d'un message, en tout ; au-delà : AR.",
        en="The largest number of repetitions of fields of a message, in all; beyond it: AR.",
        allowed_fr="un entier de 10 à 1000000",
        allowed_en="a whole number from 10 to 1000000",
        ge=10,
        le=1_000_000,
    )
    write_timeout_s: float = _setting(
        30.0,
        fr="Secondes pendant lesquelles un émetteur peut ne pas lire ses ACK, avant fermeture de la connexion.",
        en="Seconds that a sender may leave its ACKs unread before its connection is closed.",
        allowed_fr="un nombre de 1 à 3600",
        allowed_en="a number from 1 to 3600",
        ge=1,
        le=3600,
    )
    stale_updates: StaleUpdates = _setting(
        "apply",
        fr="Que faire d'un message plus ancien (PID-33, sinon EVN-2) que ce qui est connu : le reprendre sans relever "
        "statut ni INS, ou le garder au seul journal ; une alerte dans les deux cas.",
        en="What to do with a message older (PID-33, else EVN-2) than what is known: take it without raising status or "
        "INS, or keep it in the journal alone; an alert in both cases.",
        allowed_fr="apply, ignore",
    )
    reason_required: bool = _setting(
        False,
        fr="Exiger un motif (--reason) pour montrer une identité ou un message (show, history, message).",
        en="Ask for a reason (--reason) before an identity or a message is shown (show, history, message).",
        allowed_fr="true, false",
    )
    workers: int = _setting(
        1,
        fr="Le nombre de processus qui reçoivent, aux mêmes adresses ; plusieurs : sur PostgreSQL seulement.",
        en="The number of processes that receive, at the same addresses; several: on PostgreSQL only.",
        allowed_fr="un entier de 1 à 64",
        allowed_en="a whole number from 1 to 64",
        ge=1,
        le=64,
    )
    reader: Literal["auto", "on", "off"] = _setting(
        "auto",
        fr="Lire et contrôler les messages dans un second processus pendant que le premier décide et enregistre ; "
        "auto : sous Linux, s'il y a plus d'un processeur. Sans effet avec plusieurs workers.",
        en="Read and check messages in a second process while the first one decides and writes; auto: on Linux, if "
        "there is more than one processor. Of no effect with several workers.",
        allowed_fr="auto, on, off",
    )
    listeners: Annotated[tuple[ListenerSettings, ...], NoDecode] = ()
    """The tables ``[[listener]]`` of the file. No option and no variable holds them."""
    sources: Annotated[tuple[SourceSettings, ...], NoDecode] = ()
    """The tables ``[[source]]`` of the file. No option and no variable holds them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of the table of settings. ``default`` as it would be written; ``""`` when there is none."""

    name: str
    variable: str
    default: str
    fr: str
    en: str
    allowed_fr: str
    allowed_en: str


def _show(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case frozenset():
            return ",".join(sorted(value, key="PTD".index))
        case tuple():
            return ",".join(map(str, value))
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _list_settings() -> tuple[Setting, ...]:
    lines = []
    for name, info in Settings.model_fields.items():
        if name in ("listeners", "sources"):
            continue
        extra = info.json_schema_extra
        words: dict[str, str] = {k: str(v) for k, v in extra.items()} if isinstance(extra, dict) else {}
        variable = PREFIX + name.upper()
        lines.append(Setting(name, variable, _show(info.default), en=info.description or "", **words))
    return tuple(lines)


SETTINGS: Final = _list_settings()
_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class _File:
    path: Path | None
    values: Mapping[str, Any]
    sources: tuple[SourceSettings, ...] = ()
    listeners: tuple[ListenerSettings, ...] = ()


def load_settings(options: Mapping[str, object] | None = None, *, config: Path | None = None) -> Settings:
    """Return the settings: ``options`` of the command line, else environment, else TOML file, else default.

    ``config`` names the TOML file; ``None`` takes the one of ``PAM_RECEIVER_CONFIG``, if any. Options whose value is
    ``None`` were not given. A database that an option names has no standby, unless another option names that too.

    Raises:
        SettingsError: a wrong or unknown setting, wherever it came from, or a file that cannot be read.
    """
    given: dict[str, Any] = {name: value for name, value in (options or {}).items() if value is not None}
    if "database" in given and "database_read" not in given:
        given |= dict.fromkeys(("database_read", "database_read_password_file"))
    _refuse_unknown_variables()
    file = _read_file(config or _config_of_environment())

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, dict(file.values))

    try:
        settings = Layered(**given, sources=file.sources, listeners=file.listeners)
    except ValidationError as error:
        raise _explain(error, given, file) from None
    others = {"http": settings.http, "metrics_http": settings.metrics_http}
    check_ports(file.sources, others if file.listeners else {"mllp": settings.mllp, **others})
    check_listening(
        file.listeners,
        file.sources,
        mllp=settings.mllp,
        is_mllp_given="mllp" in settings.model_fields_set,
        is_plain_allowed=settings.mllp_plain,
        others=others,
    )
    check_http(
        settings.http,
        certificate=settings.http_certificate,
        key=settings.http_key,
        is_behind_proxy=settings.http_behind_proxy,
        metrics=settings.metrics_http,
    )
    return _with_passwords(settings)


def _with_passwords(settings: Settings) -> Settings:
    if settings.database_read is not None and settings.database.startswith("sqlite"):
        raise SettingsError(
            fr="database_read demande une base PostgreSQL dans database : SQLite n'a pas de réplica.",
            en="database_read needs a PostgreSQL database in database: SQLite has no standby.",
        )
    urls = {}
    for name in ("database", "database_read"):
        file = getattr(settings, f"{name}_password_file")
        if file is not None:
            urls[name] = with_password(getattr(settings, name) or "", file, of=name)
    return settings.model_copy(update=urls) if urls else settings


def _config_of_environment() -> Path | None:
    text = os.environ.get(CONFIG_VARIABLE, "")
    return Path(text) if text else None


def _refuse_unknown_variables() -> None:
    known = [*(setting.variable for setting in SETTINGS), CONFIG_VARIABLE]
    for variable in sorted(os.environ):
        if variable.upper().startswith(PREFIX) and variable.upper() not in known:
            fr, en = suggest(variable.upper(), known)
            raise SettingsError(
                fr=f"Variable d'environnement inconnue : {variable}.{fr}",
                en=f"Unknown environment variable: {variable}.{en}",
            )


def _read_file(path: Path | None) -> _File:
    if path is None:
        return _File(None, {})
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            fr=f"Le fichier de réglages {path} ne peut pas être lu : {say_os_error(error, 'fr')}.",
            en=f"The settings file {path} cannot be read: {say_os_error(error, 'en')}.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            fr=f"Le fichier de réglages {path} n'est pas du TOML : {say_toml_error(error, 'fr')}.",
            en=f"The settings file {path} is no TOML: {say_toml_error(error, 'en')}.",
        ) from None
    tables, listener_tables = values.pop(SOURCE, []), values.pop(LISTENER, [])
    for key in values:
        if key not in _BY_NAME:
            fr, en = suggest(key, [*_BY_NAME, SOURCE, LISTENER])
            raise SettingsError(
                fr=f"Réglage inconnu dans {path} : {key}.{fr}", en=f"Unknown setting in {path}: {key}.{en}"
            )
    if "keys" in values:
        raise SettingsError(
            fr=f"{path} : keys ne se donne que par {PREFIX}KEYS ; dans un fichier, les clés vont à part (key_file).",
            en=f"{path}: keys is given by {PREFIX}KEYS only; in a file, keys stand apart (key_file).",
        )
    if isinstance(values.get("database"), str):
        values["database"] = resolve_database(values["database"], path.resolve().parent)
    for name in _PATHS:
        if isinstance(values.get(name), str):
            values[name] = path.resolve().parent / values[name]
    listeners = read_listeners(listener_tables, path)
    reached = {each.source for each in listeners if each.source is not None}
    return _File(path, values, read_sources(tables, path, reached), listeners)


def resolve_database(url: str, folder: Path) -> str:
    """Return ``url`` with the path of a SQLite file, when relative, taken from ``folder``."""
    relative = _SQLITE.fullmatch(url)
    return f"{relative[1]}{folder / relative[2]}" if relative else url


def _explain(error: ValidationError, given: Mapping[str, object], file: _File) -> SettingsError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    setting = _BY_NAME.get(name)
    if setting is None:  # an option that is no setting: a fault of ours, said all the same
        return SettingsError(fr=f"Réglage inconnu : {name}.", en=f"Unknown setting: {name}.")
    if name in given:
        fr = en = f"--{name.replace('_', '-')}"
        value = given[name]
    elif os.environ.get(setting.variable):
        fr = en = setting.variable
        value = os.environ[setting.variable]
    else:
        fr, en = f"{name} (fichier {file.path})", f"{name} (file {file.path})"
        value = file.values.get(name)
    shown = "" if name in _SECRET else f" {str(value)[:80]!r}"
    cause = first.get("ctx", {}).get("error")
    why_fr, why_en = (f" : {cause.fr}", f": {cause.en}") if isinstance(cause, Refused) else ("", "")
    return SettingsError(
        fr=f"Valeur{shown} refusée pour {fr}{why_fr}. Permis : {setting.allowed_fr}.",
        en=f"Value{shown} refused for {en}{why_en}. Allowed: {setting.allowed_en}.",
    )
