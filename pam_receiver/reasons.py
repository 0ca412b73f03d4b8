"""Why the machine or a parser refused, as a person reads it: their own words are English, and stay in brackets."""

import errno
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pam_receiver.finding import Lang

if TYPE_CHECKING:  # every command needs the words, few of them the parsers
    from tomllib import TOMLDecodeError
    from xml.etree.ElementTree import ParseError

_FRENCH: Final[Mapping[int, str]] = {
    errno.EPERM: "opération interdite",
    errno.ENOENT: "fichier ou dossier introuvable",
    errno.EIO: "le disque ou le périphérique ne répond pas",
    errno.EBADF: "entrée ou sortie fermée",
    errno.EACCES: "accès refusé",
    errno.EEXIST: "ce fichier existe déjà",
    errno.ENOTDIR: "le chemin passe par un fichier, qui n'est pas un dossier",
    errno.EISDIR: "c'est un dossier",
    errno.EMFILE: "trop de fichiers ouverts",
    errno.ENOSPC: "disque plein",
    errno.EROFS: "système de fichiers en lecture seule",
    errno.EPIPE: "le programme qui lisait s'est arrêté",
    errno.ENAMETOOLONG: "nom de fichier trop long",
    errno.ELOOP: "trop de liens symboliques l'un derrière l'autre",
    errno.EDQUOT: "quota de disque dépassé",
    errno.EADDRINUSE: "adresse déjà prise par un autre programme",
    errno.EADDRNOTAVAIL: "cette adresse n'est pas celle de cette machine",
    errno.ENETUNREACH: "réseau inaccessible",
    errno.EHOSTUNREACH: "machine inaccessible",
    errno.ECONNREFUSED: "connexion refusée",
    errno.ECONNRESET: "connexion coupée par l'autre côté",
    errno.ETIMEDOUT: "délai dépassé",
    -2: "nom de machine inconnu",  # EAI_NONAME and EAI_AGAIN of getaddrinfo, which has numbers of its own
    -3: "le serveur de noms (DNS) ne répond pas",
}
_TOML_PLACE: Final = re.compile(r"(?P<why>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")
_XML_PLACE: Final = re.compile(r": line \d+, column \d+$")


def say_os_error(error: OSError, lang: Lang) -> str:
    """Return why the system refused, without a point; what has no French words yet is quoted."""
    number = error.errno or 0
    english = os.strerror(number) if number > 0 else error.strerror or type(error).__name__
    return english if lang == "en" else _FRENCH.get(number, f"« {english} »")


def say_toml_error(error: "TOMLDecodeError | UnicodeDecodeError", lang: Lang) -> str:
    """Return where a text stops being TOML and why, without a point; a text that is not in UTF-8 is none."""
    if isinstance(error, UnicodeDecodeError):
        at = error.start + 1
        return f"l'octet {at} n'est pas de l'UTF-8" if lang == "fr" else f"byte {at} is not UTF-8"
    found = _TOML_PLACE.fullmatch(str(error))
    if lang == "en" or found is None:
        return str(error)
    line, column = found["line"], found["column"]
    place = f"ligne {line}, colonne {column}" if line else "à la fin du fichier"
    return f"{place} ({found['why']})"


def say_xml_error(error: "ParseError | LookupError | ValueError", lang: Lang) -> str:
    """Return where a text stops being XML and why, without a point; LookupError, ValueError: its encoding."""
    if lang == "en":
        return str(error)
    if isinstance(error, LookupError | ValueError):
        return f"encodage non pris en charge ({error})"
    line, column = error.position
    return f"ligne {line}, colonne {column} ({_XML_PLACE.sub('', str(error))})"
