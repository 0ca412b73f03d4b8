"""``[[source]]`` of the settings file: senders whose messages are taken in a way of their own."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

from pam_receiver.config.durations import read_silence
from pam_receiver.config.values import Address, Refused, SettingsError, read_authority, read_processing_ids, suggest
from pam_receiver.hl7.charset import table_name
from pam_receiver.identity.identifiers import AssigningAuthority

SOURCE: Final = "source"  # the name of the tables in the file
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_PROFILE: Final = re.compile(r"[a-z0-9_]+(?:/[a-z0-9_.]+)?")
_LONGEST_PATTERN: Final = 200  # characters; MSH-3.1 has 20
_ONE_OF: Final = re.compile(r"\[!?+\]?+[^\]]*\]")  # as fnmatch reads it: a ] at once stands for itself
_ANY_SIGN: Final = frozenset(map(chr, range(0x20, 0x7F)))


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One ``[[source]]``. A message belongs to the first, in the order of ``file``, of which it fulfils all that is
    given among ``application``, ``facility`` and ``port``. ``None`` elsewhere: the general setting, or MSH, decides.
    """

    file: Path
    name: str
    application: str | None = None
    facility: str | None = None
    port: int | None = None
    profile: str | None = None
    overlay: Path | None = None
    strictness: Literal["lenient", "strict"] = "lenient"
    authorities: tuple[AssigningAuthority, ...] = ()  # none: all
    default_authority: AssigningAuthority | None = None
    charset: str | None = None  # a name of HL7 v2.5 table 0211
    processing_ids: frozenset[str] | None = None
    silent_after: timedelta | None = None

    def error(self, key: str, *, fr: str, en: str) -> SettingsError:
        """Return the error that ``key`` of this source is wrong, to be raised."""
        return _error(self.file, self.name, key, fr=fr, en=en)


# ------------------------------------------------------------------------------------------------------------- keys


def _read_matching(pattern: re.Pattern[str]) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError("not of this form")
        return value

    return read


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > _LONGEST_PATTERN:
        raise ValueError("not a text")
    return value


def read_pattern(value: object) -> str:
    """Refuse what fnmatch takes and no sender can have: MSH-3.1 is compared without its neighbours and blanks."""
    pattern = _read_text(value)
    if "[" in _ONE_OF.sub("", pattern):
        raise Refused(
            fr="un crochet [ n'est pas fermé par ] ; le signe lui-même s'écrit [[]",
            en="a bracket [ is not closed by ]; the sign itself is written [[]",
        )
    for part in _ONE_OF.findall(pattern):
        if not any(fnmatchcase(sign, part) for sign in _ANY_SIGN | set(part)):
            raise Refused(fr=f"{part} ne prend aucun signe", en=f"{part} takes no sign")
    if pattern != pattern.strip():
        raise Refused(
            fr="aucune valeur ne commence ni ne finit par un blanc", en="no value begins or ends with a blank"
        )
    if found := set(pattern) & {"|", "^"}:
        raise Refused(
            fr=f"seul le premier composant est comparé, sans {min(found)}",
            en=f"the first component alone is compared, without {min(found)}",
        )
    return pattern


def _read_port(value: object) -> object:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
        raise ValueError("not a port")
    return value


def _read_strictness(value: object) -> object:
    if value not in ("lenient", "strict"):
        raise ValueError("neither of them")
    return value


def _read_authorities(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError("not a list")  # noqa: TRY004 - ValueError is what a reader raises
    return tuple(read_authority(_read_text(each)) for each in value)


def _read_charset(value: object) -> object:
    name = table_name(value) if isinstance(value, str) else None
    if name is None or name == "ASCII":  # a source that writes ASCII is read rightly whatever it says
        raise ValueError("not such a set")
    return name


@dataclass(frozen=True, slots=True)
class SourceKey:
    """A line of the table of the keys of ``[[source]]``. ``read`` gives the value, or raises ValueError."""

    name: str
    fr: str
    en: str
    allowed_fr: str
    allowed_en: str
    read: Callable[[object], object] = field(repr=False, compare=False)


SOURCE_KEYS: Final = (
    SourceKey(
        "name",
        "Le nom de la source, dit dans le journal, les métriques et les contrôles ; obligatoire, unique.",
        "The name of the source, said in logs, metrics and checks; required, unique.",
        "a-z, 0-9 et -, 40 signes au plus",
        "a-z, 0-9 and -, at most 40 signs",
        _read_matching(_NAME),
    ),
    SourceKey(
        "application",
        "Le motif que suit MSH-3.1 des messages de cette source.",
        "The pattern that MSH-3.1 of the messages of this source follows.",
        "un motif : * pour tout, ? pour un signe, [AB] pour l'un d'eux ; majuscules et minuscules comptent",
        "a pattern: * for anything, ? for one sign, [AB] for one of these; upper and lower case count",
        read_pattern,
    ),
    SourceKey(
        "facility",
        "Le motif que suit MSH-4.1.",
        "The pattern that MSH-4.1 follows.",
        "un motif, comme application",
        "a pattern, as application",
        read_pattern,
    ),
    SourceKey(
        "port",
        "Le port d'un [[listener]], ou un port de plus, sur l'hôte de mllp ; seuls les messages arrivés par lui sont "
        "de cette source.",
        "The port of a [[listener]], or one more port, on the host of mllp; only messages that come in by it belong to "
        "this source.",
        "un entier de 1 à 65535, qui ne sert à rien d'autre",
        "a whole number from 1 to 65535 that serves nothing else",
        _read_port,
    ),
    SourceKey(
        "profile",
        "Le profil auquel les messages sont tenus ; sinon celui que MSH-12 et MSH-21 annoncent.",
        "The profile that messages are held to; else the one that MSH-12 and MSH-21 announce.",
        "un nom de profil, comme pam_fr/2.11",
        "the name of a profile, such as pam_fr/2.11",
        _read_matching(_PROFILE),
    ),
    SourceKey(
        "overlay",
        "Le fichier qui adapte le profil à cette source ; un chemin relatif part du dossier du fichier de réglages.",
        "The file that adapts the profile to this source; a relative path begins at the folder of the settings file.",
        "un chemin",
        "a path",
        _read_text,
    ),
    SourceKey(
        "strictness",
        "« strict » refuse (AE) ce qui enfreint usage, type ou table du profil ; « lenient » avertit seulement.",
        '"strict" refuses (AE) what breaks usage, type or table of the profile; "lenient" only warns.',
        "lenient, strict",
        "lenient, strict",
        _read_strictness,
    ),
    SourceKey(
        "authorities",
        "Les autorités d'affectation dont les IPP sont acceptés ; vide : toutes.",
        "The assigning authorities whose IPPs are accepted; empty: all.",
        "une liste de NOM&OID&ISO, ou de NOM seuls",
        "a list of NAME&OID&ISO, or of NAME alone",
        _read_authorities,
    ),
    SourceKey(
        "default_authority",
        "L'autorité d'affectation des IPP reçus sans CX-4 de cette source ; sinon le réglage général.",
        "The assigning authority of IPPs received without CX-4 from this source; else the general setting.",
        "NOM&OID&ISO, ou NOM seul",
        "NAME&OID&ISO, or NAME alone",
        lambda value: read_authority(_read_text(value)),
    ),
    SourceKey(
        "charset",
        "Le jeu de caractères dans lequel cette source écrit, quoi que dise MSH-18 ; sinon MSH-18 est suivi.",
        "The character set that this source writes in, whatever MSH-18 says; else MSH-18 is followed.",
        "8859/1, 8859/15, UNICODE UTF-8",
        "8859/1, 8859/15, UNICODE UTF-8",
        _read_charset,
    ),
    SourceKey(
        "processing_ids",
        "Les valeurs de MSH-11 acceptées de cette source ; sinon le réglage général.",
        "The values of MSH-11 that are accepted from this source; else the general setting.",
        "une liste parmi P,T,D",
        "a list among P,T,D",
        read_processing_ids,
    ),
    SourceKey(
        "silent_after",
        "La durée sans aucun message de cette source après laquelle une alerte est ouverte ; sans elle, jamais.",
        "How long no message may come from this source before an alert is opened; without it, never.",
        "un nombre entier et m, h ou d, comme 2h",
        "a whole number and m, h or d, such as 2h",
        read_silence,
    ),
)
"""The keys of ``[[source]]``, in the order of the documentation."""

_BY_NAME: Final = {key.name: key for key in SOURCE_KEYS}

# ----------------------------------------------------------------------------------------------------------- reading


def read_sources(tables: object, file: Path, reached: Collection[str] = ()) -> tuple[SourceSettings, ...]:
    """Read the ``[[source]]`` tables of ``file``; ``reached``: the names of those that a ``[[listener]]`` names.

    Raises:
        SettingsError: an unknown key or a refused value, a name or a port given twice, or a source that no message can
            reach.
    """
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise SettingsError(
            fr=f"Dans {file}, {SOURCE} doit être une suite de tables [[{SOURCE}]].",
            en=f"In {file}, {SOURCE} must be tables [[{SOURCE}]].",
        )
    sources: list[SourceSettings] = []
    for number, table in enumerate(tables, 1):
        source = _read_source(table, number, file)
        if source.name not in reached:
            _check_asks(source)
        _compare(source, sources, reached)
        sources.append(source)
    return tuple(sources)


def _read_source(table: Mapping[str, object], number: int, file: Path) -> SourceSettings:
    label = str(table.get("name") or number)[:40]
    for key in table:
        if key not in _BY_NAME:
            fr, en = suggest(key, list(_BY_NAME))
            raise SettingsError(
                fr=f"Clé inconnue : {key} ([[{SOURCE}]] {label}, fichier {file}).{fr}",
                en=f"Unknown key: {key} ([[{SOURCE}]] {label}, file {file}).{en}",
            )
    if "name" not in table:
        raise _error(file, label, "name", fr="il manque", en="it is missing")
    values: dict[str, Any] = {key: _read_value(key, value, label, file) for key, value in table.items()}
    if "overlay" in values:
        values["overlay"] = file.resolve().parent / values["overlay"]
    return SourceSettings(file=file, **values)


def _check_asks(source: SourceSettings) -> None:
    if (source.application, source.facility, source.port) == (None, None, None):
        raise source.error(
            "application",
            fr="donner au moins un de application, facility, port, sans quoi aucun message n'appartient à la source",
            en="give at least one of application, facility, port, or no message belongs to the source",
        )


def _read_value(key: str, value: object, label: str, file: Path) -> object:
    why_fr = why_en = ""
    try:
        return _BY_NAME[key].read(value)
    except Refused as error:
        why_fr, why_en = f" : {error.fr}", f": {error.en}"
    except ValueError:
        pass
    shown, line = str(value)[:80], _BY_NAME[key]
    fr, en = f"{key} ([[{SOURCE}]] {label}, fichier {file})", f"{key} ([[{SOURCE}]] {label}, file {file})"
    raise SettingsError(
        fr=f"Valeur {shown!r} refusée pour {fr}{why_fr}. Permis : {line.allowed_fr}.",
        en=f"Value {shown!r} refused for {en}{why_en}. Allowed: {line.allowed_en}.",
    )


def _error(file: Path, label: str, key: str, *, fr: str, en: str) -> SettingsError:
    return SettingsError(
        fr=f"{key} ([[{SOURCE}]] {label}, fichier {file}) : {fr}.",
        en=f"{key} ([[{SOURCE}]] {label}, file {file}): {en}.",
    )


def _compare(source: SourceSettings, earlier: Sequence[SourceSettings], reached: Collection[str]) -> None:
    """Refuse a source that an earlier one of the file contradicts or hides."""
    for other in earlier:
        if other.name == source.name:
            raise source.error("name", fr="ce nom sert déjà", en="this name is taken")
        if source.port is not None and other.port == source.port:
            raise _refuse_port(source, f"[[{SOURCE}]] {other.name}")
        if source.name not in reached and _hides(other, source):
            raise source.error(
                "application",
                fr=f"aucun message n'atteint cette source : [[{SOURCE}]] {other.name}, avant elle, les prend tous",
                en=f"no message reaches this source: [[{SOURCE}]] {other.name}, before it, takes them all",
            )


def _refuse_port(source: SourceSettings, other: str) -> SettingsError:
    return source.error(
        "port",
        fr=f"le port {source.port} est déjà celui de {other}",
        en=f"the port {source.port} is already that of {other}",
    )


def check_ports(sources: Sequence[SourceSettings], addresses: Mapping[str, Address | None]) -> None:
    """Refuse a source whose port is that of an address of the general settings.

    Raises:
        SettingsError: as :func:`read_sources`.
    """
    for source in sources:
        for name, address in addresses.items():
            if address is not None and source.port == address.port:
                raise _refuse_port(source, name)


# ------------------------------------------------------------------------------------------------- hidden by another


def _hides(earlier: SourceSettings, later: SourceSettings) -> bool:
    """Whether every message of ``later`` fulfils ``earlier``, as far as can be told: two ports are never the same."""
    return (
        (earlier.application, earlier.facility, earlier.port) != (None, None, None)  # such a one takes from listeners
        and earlier.port is None
        and _covers(earlier.application, later.application)
        and _covers(earlier.facility, later.facility)
    )


def _covers(wide: str | None, narrow: str | None) -> bool:
    """Whether each text that ``narrow`` takes is taken by ``wide`` too; ``None`` takes everything.

    A star of ``narrow`` may stand for any text, so it is tried as none and as more signs than ``wide`` could count,
    none of which it can name.
    """
    if wide is None or not wide.strip("*"):
        return True
    if narrow is None:
        return False
    if not set("*?[") & set(narrow):
        return fnmatchcase(narrow, wide)
    if "[" in wide + narrow:
        return wide == narrow
    anything = "\N{REPLACEMENT CHARACTER}"
    return all(
        fnmatchcase(narrow.replace("?", anything).replace("*", anything * count), wide)
        for count in range(len(wide) + 2)
    )
