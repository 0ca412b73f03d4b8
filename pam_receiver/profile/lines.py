"""The lines of the profile files, read strictly: a key or a value that would not be checked stops the start."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

from pam_receiver.errors import PamReceiverError
from pam_receiver.finding import ErrorCode, Rule, Severity
from pam_receiver.profile.base import TYPES
from pam_receiver.profile.model import Cardinality, CodeTable, Condition, EventRule, Place, Test, Usage

MAX_SENTENCE_LENGTH: Final = 250  # characters, ERR-8: HL7 v2.5 §2.15.5.8


class ProfileError(PamReceiverError):
    """A profile file that cannot be trusted: which ``file``, which ``key`` in it, and what is wrong there."""

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(f"{file}: {key}: {problem}")
        self.file = file
        self.key = key
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Source:
    """One table of a TOML file, and how to name it to whoever must mend it."""

    file: str
    label: str
    data: Mapping[str, object]

    def fail(self, key: str, problem: str) -> Never:
        raise ProfileError(self.file, f"{self.label} {key}".strip(), problem)

    def allow(self, *keys: str) -> None:
        """Refuse every key that is not among ``keys``."""
        for key in self.data:
            if key not in keys:
                self.fail(key, "unknown key")

    def text(self, key: str) -> str:
        """Return the text of ``key``, which must be there and not be blank."""
        value = self.data.get(key)
        if value is None:
            self.fail(key, "missing")
        if not isinstance(value, str) or not value.strip():
            self.fail(key, "must be a text")
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self.data else None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of ``key``, one or a list of them; ``()`` when it is not there."""
        value = self.data.get(key, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            self.fail(key, "must be a text or a list of texts")
        return tuple(listed)

    def choice(self, key: str, choices: Iterable[str], problem: str) -> str | None:
        """Return the text of ``key``, which must be one of ``choices``; ``None`` when it is not there."""
        value = self.optional_text(key)
        if value is not None and value not in choices:
            self.fail(key, problem)
        return value

    def tables(self, key: str) -> tuple[Mapping[str, object], ...]:
        """Return the list of tables at ``key``; ``()`` when it is not there."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.fail(key, "must be a list of tables")
        return tuple(value)


@dataclass(frozen=True, slots=True)
class Scope:
    """The events a line is for: transactions and event codes; empty ``within`` means all of them."""

    within: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def covers(self, event: EventRule) -> bool:
        names = (event.code, event.transaction)
        if any(name in self.without for name in names):
            return False
        return not self.within or any(name in self.within for name in names)


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
    severity: Severity | None
    scope: Scope
    spec: str


@dataclass(frozen=True, slots=True)
class FieldLine:
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
    scope: Scope
    spec: str


@dataclass(frozen=True, slots=True)
class RuleLine:
    source: Source
    rule: Rule
    when: tuple[Condition, ...]
    expect: Condition
    scope: Scope


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """All the files of one profile taken together."""

    name: str
    title: str
    spec: str
    extends: str | None
    events: tuple[EventLine, ...]
    segments: tuple[SegmentLine, ...]
    fields: tuple[FieldLine, ...]
    rules: tuple[RuleLine, ...]


_USAGES: Final = frozenset(Usage)
_SEGMENT_USAGES: Final = frozenset({Usage.R, Usage.RE, Usage.O})
_EVENT_USAGES: Final = frozenset({Usage.R, Usage.X})
_SEVERITIES: Final = frozenset({Severity.W, Severity.I})  # no breach of a profile makes a message refused


def read_profile(name: str, folder: Path) -> ProfileFile:
    """Read all the files of the profile ``name`` (``pam_fr/2.11``), a folder of ``folder``.

    Raises:
        ProfileError: a file that cannot be trusted, naming it and the key.
    """
    paths = sorted((folder / name).glob("*.toml"))
    if not paths:
        raise ProfileError(name, "profile", "no such profile")
    heads: list[Source] = []
    lines: dict[str, list[Source]] = {"event": [], "segment": [], "field": [], "rule": []}
    for path in paths:
        whole = _read_file(path, folder)
        whole.allow("profile", *lines)
        if isinstance(head := whole.data.get("profile"), dict):
            heads.append(Source(whole.file, "profile", head))
        for kind, found in lines.items():
            found.extend(Source(whole.file, kind, each) for each in whole.tables(kind))
    if len(heads) != 1:
        raise ProfileError(name, "profile", "exactly one file must have the table [profile]")
    head_source = heads[0]
    head_source.allow("title", "extends", "spec")
    return ProfileFile(
        name=name,
        title=head_source.text("title"),
        spec=head_source.text("spec"),
        extends=head_source.optional_text("extends"),
        events=tuple(_read_event(each) for each in lines["event"]),
        segments=tuple(_read_segment(each) for each in lines["segment"]),
        fields=tuple(_read_field(each) for each in lines["field"]),
        rules=tuple(_read_rule(each) for each in lines["rule"]),
    )


def read_tables(folder: Path) -> dict[str, CodeTable]:
    """Read the code tables of ``folder``, by name; ``[values]`` holds code → meaning.

    Raises:
        ProfileError: a file that cannot be trusted, naming it and the key.
    """
    return {
        path.stem: _read_table(_read_file(path, folder.parent), path.stem) for path in sorted(folder.glob("*.toml"))
    }


def _read_table(source: Source, name: str) -> CodeTable:
    source.allow("title", "spec", "values")
    values = source.data.get("values")
    if not isinstance(values, dict) or not values:
        source.fail("values", "must be a table of codes")
    if not all(isinstance(meaning, str) for meaning in values.values()):
        source.fail("values", "each code needs its meaning, a text")
    return CodeTable(name, source.text("title"), values, source.text("spec"))


def _read_file(path: Path, folder: Path) -> Source:
    name = path.relative_to(folder).as_posix()
    try:
        return Source(name, "", tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(name, "file", f"not TOML: {error}") from error


def _named(source: Source, key: str) -> Source:
    """The same source, labelled by what it is about, so that an error says ``field PID-32 usage``."""
    return Source(source.file, f"{source.label} {source.text(key)}", source.data)


def _read_event(source: Source) -> EventLine:
    source = _named(source, "code")
    source.allow("code", "structure", "transaction", "usage", "spec")
    return EventLine(
        source=source,
        code=source.text("code"),
        structure=source.optional_text("structure"),
        transaction=source.optional_text("transaction"),
        usage=_usage(source, _EVENT_USAGES),
        spec=source.text("spec"),
    )


def _read_segment(source: Source) -> SegmentLine:
    source = _named(source, "name")
    source.allow("name", "after", "usage", "card", "severity", "in", "except", "spec")
    return SegmentLine(
        source=source,
        name=source.text("name"),
        after=source.optional_text("after"),
        usage=_usage(source, _SEGMENT_USAGES),
        card=_cardinality(source),
        severity=_severity(source),
        scope=_scope(source),
        spec=source.text("spec"),
    )


def _read_field(source: Source) -> FieldLine:
    source = _named(source, "at")
    source.allow(
        "at", "name", "usage", "card", "type", "length", "table", "when", "severity", "in", "except", "spec"
    )  # fmt: skip
    at = _place(source, "at")
    if at.field is None:
        source.fail("at", "must name a field or a component")
    length = source.data.get("length")
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        source.fail("length", "must be a number of characters")
    usage = _usage(source, _USAGES)
    when = _conditions(source, "when")
    if (usage is Usage.C) != bool(when):
        source.fail("when", "usage C needs a condition, and no other usage has one")
    return FieldLine(
        source=source,
        at=at,
        name=source.optional_text("name"),
        usage=usage,
        card=_cardinality(source),
        type=source.choice("type", TYPES, "unknown data type"),
        max_length=length if isinstance(length, int) else None,
        table=source.optional_text("table"),
        when=when,
        severity=_severity(source),
        scope=_scope(source),
        spec=source.text("spec"),
    )


_CODES: Final = {  # what a broken expectation is in table 0357, when the line does not say it
    Test.PRESENT: ErrorCode.REQUIRED_FIELD_MISSING,
    Test.ABSENT: ErrorCode.DATA_TYPE,
    Test.IS: ErrorCode.TABLE_VALUE,
    Test.IS_NOT: ErrorCode.TABLE_VALUE,
}


def _read_rule(source: Source) -> RuleLine:
    source = _named(source, "id")
    source.allow("id", "when", "expect", "severity", "in", "except", "fr", "en", "spec")
    expect = source.data.get("expect")
    if not isinstance(expect, dict):
        source.fail("expect", "must be a condition")
    expected = _condition(Source(source.file, f"{source.label} expect", expect))
    rule = Rule(
        id=source.text("id"),
        code=_CODES[expected.test],
        severity=_severity(source) or Severity.W,
        fr=_sentence(source, "fr"),
        en=_sentence(source, "en"),
        spec=source.text("spec"),
    )
    return RuleLine(source, rule, _conditions(source, "when"), expected, _scope(source))


def _sentence(source: Source, key: str) -> str:
    text = source.text(key)
    if len(text) > MAX_SENTENCE_LENGTH:
        source.fail(key, f"longer than {MAX_SENTENCE_LENGTH} characters")
    return text


def _conditions(source: Source, key: str) -> tuple[Condition, ...]:
    return tuple(_condition(Source(source.file, f"{source.label} {key}", each)) for each in source.tables(key))


def _condition(source: Source) -> Condition:
    source.allow("at", "present", "is", "is_not")
    at = _place(source, "at")
    asked = [key for key in source.data if key != "at"]
    if len(asked) != 1:
        source.fail("", "must ask exactly one of present, is, is_not")
    if asked == ["present"]:
        present = source.data["present"]
        if not isinstance(present, bool):
            source.fail("present", "must be true or false")
        return Condition(at, Test.PRESENT if present else Test.ABSENT)
    codes = source.texts(asked[0])
    if not codes or at.field is None:
        source.fail(asked[0], "needs codes, and a field to stand in")
    return Condition(at, Test(asked[0]), frozenset(codes))


def _place(source: Source, key: str) -> Place:
    try:
        return Place.parse(source.text(key))
    except ValueError:
        source.fail(key, "must be a place such as ZBE, PID-32 or PID-5.7")


def _cardinality(source: Source) -> Cardinality | None:
    text = source.optional_text("card")
    try:
        return None if text is None else Cardinality.parse(text)
    except ValueError:
        source.fail("card", "must be a cardinality such as 0..1 or 1..*")


def _usage(source: Source, choices: Iterable[str]) -> Usage | None:
    text = source.choice("usage", choices, "unknown usage, or one that would not be checked")
    return None if text is None else Usage(text)


def _severity(source: Source) -> Severity | None:
    text = source.choice("severity", _SEVERITIES, "must be W or I")
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
            source.fail("", "said twice in this profile")
        seen.add(thing)
