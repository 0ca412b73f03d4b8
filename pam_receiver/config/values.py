"""The values of settings: how each is read from text or TOML, and the error that says which one is wrong."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pam_receiver.errors import PamReceiverError
from pam_receiver.finding import Lang
from pam_receiver.identity.identifiers import INS_OIDS, AssigningAuthority

_DATABASE: Final = re.compile(r"(sqlite(\+pysqlite)?:///.+|(postgres|postgresql|postgresql\+psycopg)://.+)")
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
Network = IPv4Network | IPv6Network
_ADDRESS: Final = re.compile(r"(?:\[([^\[\]\s]+)\]|([^\s:\[\]/]+)):([0-9]{1,5})")


class SettingsError(PamReceiverError):
    """A wrong or unknown setting: ``fr`` and ``en`` say which one, where it came from and what is allowed."""

    def __init__(self, *, fr: str, en: str) -> None:
        super().__init__(en)
        self.fr = fr
        self.en = en

    def text(self, lang: Lang) -> str:
        """The sentence to show."""
        return self.fr if lang == "fr" else self.en


class Refused(ValueError):
    """A value is refused for a reason that what is allowed does not tell: ``fr`` and ``en``, without a point."""

    def __init__(self, *, fr: str, en: str) -> None:
        super().__init__(en)
        self.fr = fr
        self.en = en


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: ``port`` 0 takes any free port."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than localhost may be anything."""
        try:
            return ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read ``HOST:PORT`` (``[::1]:2575`` for IPv6).

    Raises:
        ValueError: not of this form, or no port between 0 and 65535.
    """
    found = _ADDRESS.fullmatch(text.strip())
    if found is None or int(found[3]) > 65535:
        raise ValueError("not HOST:PORT")
    return Address(found[1] or found[2], int(found[3]))


def read_address(value: object) -> object:
    if isinstance(value, Address):
        return value
    return parse_address(value if isinstance(value, str) else "")


def read_http(value: object) -> object:
    is_off = value is None or (isinstance(value, str) and value.strip().lower() == "off")
    return None if is_off else read_address(value)


def read_networks(value: object) -> object:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not items:
        raise ValueError("not a list")
    return tuple(_read_network(each) for each in items)


def _read_network(value: object) -> Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004 - ValueError is what a reader raises
    try:
        return ip_network(value.strip())
    except ValueError:
        _refuse_host_bits(value.strip())
        raise


def _refuse_host_bits(text: str) -> None:
    """Say which network was meant, when ``text`` is an address in it: 10.20.0.7/16."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return
    raise Refused(
        fr=f"{text} est une adresse ; le réseau s'écrit {network}", en=f"{text} is an address; the network is {network}"
    )


def read_database(value: str) -> str:
    if not _DATABASE.fullmatch(value):
        raise ValueError("no database URL")
    return value


def read_server(value: str | None) -> str | None:
    if value is not None and (not _DATABASE.fullmatch(value) or value.startswith("sqlite")):
        raise ValueError("no URL of a server")
    return value


def read_processing_ids(value: object) -> object:
    items = value.split(",") if isinstance(value, str) else value
    ids = frozenset(str(item).strip() for item in items) if isinstance(items, (list, frozenset)) else frozenset()
    if not ids or not ids <= {"P", "T", "D"}:  # HL7 v2.5 table 0103
        raise ValueError("not ids of table 0103")
    return ids


def read_timezone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, OSError) as error:  # OSError: the name of a folder, such as "Europe"
        raise ValueError("no such time zone") from error


def read_authority(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split("&")]
    if not any(parts[:2]) or len(parts) > 3 or not value.isprintable() or any(sign in value for sign in "|^~\\"):
        raise ValueError("not NAME&OID&ISO")
    authority = AssigningAuthority(*parts)
    _check_universal_id(authority)
    return authority


def _check_universal_id(authority: AssigningAuthority) -> None:
    """Refuse what no message can name, or would name as another authority.

    Spec: HL7 v2.5 table 0301 (ISO: an OID).
    """
    name, id_, type_ = authority.namespace_id, authority.universal_id, authority.universal_id_type
    if not id_ and _OID.fullmatch(name):
        raise Refused(fr=f"un OID seul s'écrit &{name}&ISO", en=f"an OID alone is written &{name}&ISO")
    if not id_ and type_:
        raise Refused(
            fr=f"il manque l'OID entre {name} et {type_}", en=f"the OID between {name} and {type_} is missing"
        )
    if type_ == "ISO" and not _OID.fullmatch(id_):
        raise Refused(fr=f"« {id_} » n'est pas un OID", en=f'"{id_}" is not an OID')
    if type_ != "ISO" and _OID.fullmatch(id_):
        raise Refused(
            fr=f"le type d'un OID est ISO : {name}&{id_}&ISO", en=f"the type of an OID is ISO: {name}&{id_}&ISO"
        )
    if id_ and not type_:
        raise Refused(fr=f"il manque le type de « {id_} »", en=f'the type of "{id_}" is missing')
    if id_ in INS_OIDS:
        raise Refused(
            fr=f"{id_} est l'OID de l'INS, qui n'affecte aucun IPP",
            en=f"{id_} is the OID of the INS, which assigns no IPP",
        )


def suggest(name: str, known: Sequence[str]) -> tuple[str, str]:
    """Return the question (French, English) that names the known word nearest to ``name``; ``""`` when none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return (f" Vouliez-vous dire {near[0]} ?", f" Did you mean {near[0]}?") if near else ("", "")
