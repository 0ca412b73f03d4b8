"""The lines of the profile files, read strictly: a key or a value that would not be checked stops the start."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pam_receiver.finding import ErrorCode, Rule, Severity
from pam_receiver.profile.base import TYPES
from pam_receiver.profile.model import Cardinality, CodeTable, Condition, EventRule, Place, Test, Usage
from pam_receiver.profile.source import ProfileError, Source
from pam_receiver.reasons import say_os_error, say_toml_error

SEGMENT_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
MAX_SENTENCE_LENGTH: Final = 250  # characters, ERR-8: HL7 v2.5 §2.15.5.8


@dataclass(frozen=True, slots=True)
class Scope:
    """The events a line is for: transactions and event codes; empty ``within`` means all of them."""

    within: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def covers(self, event: EventRule) -> bool:
        if event.code in self.without or event.transaction in self.without:
            return False
        return not self.within or event.code in self.within or event.transaction in self.within


EVERYWHERE: Final = Scope()


@dataclass(frozen=True, slots=True)
class EventLine:
    source: Source
    code: str
    structure: str | None
    transaction: str | None
    usage: Usage | None
    spec: str


@dataclass(frozen=True, slots=True)
class SegmentLine:
    source: Source
    name: str
    after: str | None
    usage: Usage | None
    card: Cardinality | None
    when: tuple[Condition, ...]
    severity: Severity | None
    scope: Scope
    spec: str


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A line for a field, a component or a subcomponent; with ``is_of_type``, for those of a data type anywhere."""

    source: Source
    at: Place
    name: str | None
    usage: Usage | None
    card: Cardinality | None
    type: str | None
    max_length: int | None
    table: str | None
    when: tuple[Condition, ...]
    severity: Severity | None
    example: str | None
    scope: Scope
    spec: str
    is_of_type: bool = False


@dataclass(frozen=True, slots=True)
class RuleLine:
    source: Source
    rule: Rule
    when: tuple[Condition, ...]
    expect: Condition
    scope: Scope


@dataclass(frozen=True, slots=True)
class ValuesLine:
    """Codes that a profile adds to a table, and codes it takes from it."""

    source: Source
    table: str
    add: Mapping[str, str]
    remove: tuple[str, ...]
    spec: str


@dataclass(frozen=True, slots=True)
class GradeLine:
    """How severe a rule is here, whoever judges by it; ``None``: it is ignored."""

    source: Source
    rule: str
    severity: Severity | None


@dataclass(frozen=True, slots=True)
class MapLine:
    """A place of this sender's dialect, read as another one."""

    source: Source
    origin: Place
    to: Place


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """All the files of one profile taken together, or the one file of an overlay."""

    name: str
    title: str
    spec: str
    extends: str | None
    events: tuple[EventLine, ...]
    segments: tuple[SegmentLine, ...]
    fields: tuple[FieldLine, ...]
    components: tuple[FieldLine, ...]
    rules: tuple[RuleLine, ...]
    values: tuple[ValuesLine, ...]
    grades: tuple[GradeLine, ...]
    maps: tuple[MapLine, ...]


_KINDS: Final = ("event", "segment", "field", "component", "rule", "values", "grade", "map")
_CONDITIONAL: Final = (Usage.C, Usage.CE)
_USAGES: Final = frozenset(Usage)
_EVENT_USAGES: Final = frozenset({Usage.R, Usage.X})
_SEVERITIES: Final = frozenset({Severity.W, Severity.I})  # an error is made by strictness or by an overlay's grade
_GRADES: Final[Mapping[str, Severity | None]] = {"ignore": None, "I": Severity.I, "W": Severity.W, "E": Severity.E}


def read_profile(name: str, folder: Path) -> ProfileFile:
    """Read all the files of the profile ``name`` (``pam_fr/2.11``), a folder of ``folder``.

    Raises:
        ProfileError: a file that cannot be trusted, naming it and the key.
    """
    paths = sorted((folder / name).glob("*.toml"))
    if not paths:
        raise ProfileError(name, "profile", "no such profile", "profil inconnu")
    heads: list[Source] = []
    lines: dict[str, list[Source]] = {kind: [] for kind in _KINDS}
    for path in paths:
        whole = _read_file(path, path.relative_to(folder).as_posix())
        whole.allow("profile", *lines)
        if isinstance(head := whole.data.get("profile"), dict):
            heads.append(Source(whole.file, "profile", head))
        _sort_lines(whole, lines)
    if len(heads) != 1:
        raise ProfileError(
            name,
            "profile",
            "exactly one file must have the table [profile]",
            "un fichier, et un seul, doit avoir la table [profile]",
        )
    heads[0].allow("title", "extends", "spec")
    return _read_lines(name, heads[0], lines)


def read_overlay(path: Path) -> ProfileFile:
    """Read an overlay: one file of the same lines, which need no ``spec`` of their own.

    Raises:
        ProfileError: the file cannot be read or trusted, naming it and the key.
    """
    whole = _read_file(path, path.name)
    whole.allow("overlay", *_KINDS)
    head = whole.data.get("overlay")
    if not isinstance(head, dict):
        whole.fail(
            "[overlay]",
            "missing; the file must begin with two lines: [overlay] and "
            'title = "name of the hospital and its software"',
            "manque ; le fichier doit commencer par deux lignes : [overlay] et "
            'title = "nom de l\'établissement et de son logiciel"',
        )
    source = Source(whole.file, "overlay", head)
    source.allow("title", "spec")
    spec = source.optional_text("spec") or source.text("title")
    lines: dict[str, list[Source]] = {kind: [] for kind in _KINDS}
    _sort_lines(Source(whole.file, "", whole.data, spec), lines)
    return _read_lines(path.stem, Source(source.file, source.label, source.data, spec), lines)


def _sort_lines(whole: Source, lines: dict[str, list[Source]]) -> None:
    for kind, found in lines.items():
        found.extend(Source(whole.file, kind, each, whole.spec) for each in whole.tables(kind))


def _read_lines(name: str, head: Source, lines: Mapping[str, list[Source]]) -> ProfileFile:
    return ProfileFile(
        name=name,
        title=head.text("title"),
        spec=head.spec_text(),
        extends=head.optional_text("extends"),
        events=tuple(_read_event(each) for each in lines["event"]),
        segments=tuple(_read_segment(each) for each in lines["segment"]),
        fields=tuple(_read_field(each) for each in lines["field"]),
        components=tuple(_read_component(each) for each in lines["component"]),
        rules=tuple(_read_rule(each) for each in lines["rule"]),
        values=tuple(_read_values(each) for each in lines["values"]),
        grades=tuple(_read_grade(each) for each in lines["grade"]),
        maps=tuple(_read_map(each) for each in lines["map"]),
    )


def read_tables(folder: Path) -> dict[str, CodeTable]:
    """Read the code tables of ``folder``, by name; ``[values]`` holds code → meaning.

    Raises:
        ProfileError: a file that cannot be trusted, naming it and the key.
    """
    paths = sorted(folder.glob("*.toml"))
    return {path.stem: _read_table(_read_file(path, f"{folder.name}/{path.name}"), path.stem) for path in paths}


def _read_table(source: Source, name: str) -> CodeTable:
    source.allow("title", "spec", "values")
    values = _codes(source, "values")
    if not values:
        source.fail("values", "must be a table of codes", "doit être une table de codes")
    return CodeTable(name, source.text("title"), values, source.text("spec"))


def _codes(source: Source, key: str) -> Mapping[str, str]:
    values = source.data.get(key, {})
    if not isinstance(values, dict) or not all(isinstance(meaning, str) for meaning in values.values()):
        source.fail(key, "each code needs its meaning, a text", "chaque code a besoin de son sens, un texte")
    return values


def _read_file(path: Path, name: str) -> Source:
    try:
        return Source(name, "", tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ProfileError(
            name,
            "file",
            f"cannot be read: {say_os_error(error, 'en')}",
            f"ne peut pas être lu : {say_os_error(error, 'fr')}",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        en, fr = (say_toml_error(error, lang) for lang in ("en", "fr"))
        raise ProfileError(name, "file", f"not TOML: {en}", f"n'est pas du TOML : {fr}") from error


def _named(source: Source, key: str) -> Source:
    """The same source, labelled by what it is about, so that an error says ``field PID-32 usage``."""
    return Source(source.file, f"{source.label} {source.text(key)}", source.data, source.spec)


def _read_event(source: Source) -> EventLine:
    source = _named(source, "code")
    source.allow("code", "structure", "transaction", "usage", "spec")
    return EventLine(
        source=source,
        code=source.text("code"),
        structure=source.optional_text("structure"),
        transaction=source.optional_text("transaction"),
        usage=_usage(source, _EVENT_USAGES),
        spec=source.spec_text(),
    )


def _read_segment(source: Source) -> SegmentLine:
    source = _named(source, "name")
    source.allow("name", "after", "usage", "card", "when", "severity", "in", "except", "spec")
    if not SEGMENT_NAME.fullmatch(name := source.text("name")):
        source.fail(
            "name",
            "must be three capitals or digits, the first one a capital, such as ZFX or NK1",
            "doit être fait de trois majuscules ou chiffres, dont une majuscule en tête, comme ZFX ou NK1",
        )
    usage = _usage(source, _USAGES)
    return SegmentLine(
        source=source,
        name=name,
        after=source.optional_text("after"),
        usage=usage,
        card=_cardinality(source),
        when=_predicate(source, usage),
        severity=_severity(source),
        scope=_scope(source),
        spec=source.spec_text(),
    )


_VALUE_KEYS: Final = ("at", "name", "usage", "type", "length", "table", "when", "severity", "example", "spec")


def _read_field(source: Source) -> FieldLine:
    source = _named(source, "at")
    source.allow(*_VALUE_KEYS, "card", "in", "except")
    at = _place(source, "at")
    if at.field is None:
        source.fail("at", "must name a field or a component", "doit nommer un champ ou un composant")
    card = _cardinality(source)
    if card is not None and at.component is not None:
        source.fail("card", "only a field repeats", "seul un champ se répète")
    return _read_value(source, at, card, _scope(source))


def _read_component(source: Source) -> FieldLine:
    source = _named(source, "at")
    source.allow(*_VALUE_KEYS)
    at = _place(source, "at")
    if at.segment not in TYPES or at.field is None or at.subcomponent is not None:
        source.fail(
            "at",
            "must name a component of a data type, such as CX-4 or CX-4.2",
            "doit nommer un composant d'un type, comme CX-4 ou CX-4.2",
        )
    return _read_value(source, at, None, EVERYWHERE, is_of_type=True)


def _read_value(
    source: Source, at: Place, card: Cardinality | None, scope: Scope, *, is_of_type: bool = False
) -> FieldLine:
    length = source.data.get("length")
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        source.fail("length", "must be a number of characters", "doit être un nombre de caractères")
    usage = _usage(source, _USAGES)
    return FieldLine(
        source=source,
        at=at,
        name=source.optional_text("name"),
        usage=usage,
        card=card,
        type=source.choice("type", TYPES, "unknown data type", "type de données inconnu"),
        max_length=length if isinstance(length, int) else None,
        table=source.optional_text("table"),
        when=_predicate(source, usage),
        severity=_severity(source),
        example=source.optional_text("example"),
        scope=scope,
        spec=source.spec_text(),
        is_of_type=is_of_type,
    )


def _predicate(source: Source, usage: Usage | None) -> tuple[Condition, ...]:
    when = _conditions(source, "when")
    if (usage in _CONDITIONAL) != bool(when):
        source.fail(
            "when",
            "usages C and CE need a condition, and no other usage has one",
            "les usages C et CE veulent une condition, et aucun autre",
        )
    return when


_CODES: Final = {  # what a broken expectation is in table 0357, when the line does not say it
    Test.PRESENT: ErrorCode.REQUIRED_FIELD_MISSING,
    Test.ABSENT: ErrorCode.DATA_TYPE,
    Test.IS: ErrorCode.TABLE_VALUE,
    Test.IS_NOT: ErrorCode.TABLE_VALUE,
}


def _read_rule(source: Source) -> RuleLine:
    source = _named(source, "id")
    source.allow("id", "when", "expect", "severity", "in", "except", "fr", "en", "example", "spec")
    expect = source.data.get("expect")
    if not isinstance(expect, dict):
        source.fail("expect", "must be a condition", "doit être une condition")
    expected = _condition(Source(source.file, f"{source.label} expect", expect))
    rule = Rule(
        id=source.text("id"),
        code=_CODES[expected.test],
        severity=_severity(source) or Severity.W,
        fr=_sentence(source, "fr"),
        en=_sentence(source, "en"),
        spec=source.spec_text(),
        example=_example(expected, source.optional_text("example")),
    )
    return RuleLine(source, rule, _conditions(source, "when"), expected, _scope(source))


def _example(expected: Condition, given: str | None) -> str:
    """The right form: as the line gives it, a whole segment or ``PLACE = VALUE``, or the value alone."""
    if given is not None:
        return given if "|" in given or " = " in given else f"{expected.at.whole} = {given}"
    match expected.test:
        case Test.IS:
            return f"{expected.at} = {min(expected.codes)}"
        case Test.PRESENT:
            return f"{expected.at} = …"
        case _:
            return f"{expected.at} = "


def _sentence(source: Source, key: str) -> str:
    text = source.text(key)
    if len(text) > MAX_SENTENCE_LENGTH:
        source.fail(key, f"longer than {MAX_SENTENCE_LENGTH} characters", f"plus de {MAX_SENTENCE_LENGTH} caractères")
    return text


def _read_values(source: Source) -> ValuesLine:
    source = _named(source, "table")
    source.allow("table", "add", "remove", "spec")
    add, remove = _codes(source, "add"), source.texts("remove")
    if not add and not remove:
        source.fail("", "must add or remove codes", "doit ajouter (add) ou retirer (remove) des codes")
    return ValuesLine(source, source.text("table"), add, remove, source.spec_text())


def _read_grade(source: Source) -> GradeLine:
    source = _named(source, "rule")
    source.allow("rule", "severity", "spec")
    severity = source.choice("severity", _GRADES, "must be ignore, I, W or E", "doit être ignore, I, W ou E")
    if severity is None:
        source.fail("severity", "missing", "manque")
    return GradeLine(source, source.text("rule"), _GRADES[severity])


_COG: Final = Place("PID", 11, 9)
_COG_DIALECTS: Final = (Place("PID", 11, 4), Place("PID", 11, 8))


def _read_map(source: Source) -> MapLine:
    source = _named(source, "from")
    source.allow("from", "to", "spec")
    line = MapLine(source, _place(source, "from"), _place(source, "to"))
    if line.origin not in _COG_DIALECTS or line.to != _COG:
        source.fail(
            "to",
            "only the COG can be mapped: from PID-11.4 or PID-11.8 to PID-11.9",
            "seul le COG peut être déplacé : de PID-11.4 ou PID-11.8 vers PID-11.9",
        )
    return line


def _conditions(source: Source, key: str) -> tuple[Condition, ...]:
    return tuple(_condition(Source(source.file, f"{source.label} {key}", each)) for each in source.tables(key))


def _condition(source: Source) -> Condition:
    source.allow("at", "present", "is", "is_not")
    at = _place(source, "at")
    asked = [key for key in source.data if key != "at"]
    if len(asked) != 1:
        source.fail(
            "", "must ask exactly one of present, is, is_not", "doit demander present, is ou is_not, et un seul"
        )
    if asked == ["present"]:
        present = source.data["present"]
        if not isinstance(present, bool):
            source.fail("present", "must be true or false", "doit être true ou false")
        return Condition(at, Test.PRESENT if present else Test.ABSENT)
    codes = source.texts(asked[0])
    if not codes or at.field is None:
        source.fail(asked[0], "needs codes, and a field to stand in", "veut des codes, et un champ où ils se trouvent")
    marks = tuple(f"^{code}" for code in codes) if (at.component or 1) > 1 and (at.subcomponent or 1) == 1 else ()
    return Condition(at, Test(asked[0]), frozenset(codes), marks)


def _place(source: Source, key: str) -> Place:
    try:
        return Place.parse(source.text(key))
    except ValueError:
        source.fail(
            key,
            "must be a place such as ZBE, PID-32, PID-5.7 or PID-3.4.2",
            "doit être une place comme ZBE, PID-32, PID-5.7 ou PID-3.4.2",
        )


def _cardinality(source: Source) -> Cardinality | None:
    text = source.optional_text("card")
    try:
        return None if text is None else Cardinality.parse(text)
    except ValueError:
        source.fail(
            "card", "must be a cardinality such as 0..1 or 1..*", "doit être une cardinalité comme 0..1 ou 1..*"
        )


def _usage(source: Source, choices: Iterable[str]) -> Usage | None:
    text = source.choice(
        "usage",
        choices,
        "unknown usage, or one that would not be checked",
        "usage inconnu, ou qui ne serait pas contrôlé",
    )
    return None if text is None else Usage(text)


def _severity(source: Source) -> Severity | None:
    text = source.choice("severity", _SEVERITIES, "must be W or I", "doit être W ou I")
    return None if text is None else Severity(text)


def _scope(source: Source) -> Scope:
    return Scope(source.texts("in"), source.texts("except"))


def refuse_twice(sources: Sequence[tuple[Source, object]]) -> None:
    """Refuse two lines of one profile about the same thing; the second one is named.

    Raises:
        ProfileError: the thing is there twice.
    """
    seen: set[object] = set()
    for source, thing in sources:
        if thing in seen:
            source.fail("", "said twice in this profile", "dit deux fois dans ce profil")
        seen.add(thing)
