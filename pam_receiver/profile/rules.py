"""The rules that the lines of a profile are broken by: their words, made for each line when a profile is loaded.

The condition rules of a profile carry their own id and sentences: they are lines of its files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Final

from pam_receiver.finding import ErrorCode, Rule, Severity
from pam_receiver.profile import words
from pam_receiver.profile.model import Breach, FieldRule, Place, SegmentRule, Strictness, Usage

SEGMENT_UNEXPECTED: Final = Rule(
    id="segment-unexpected",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.I,
    fr="Le segment {segment} n'appartient pas à la structure {structure} : il n'est pas lu, ne plus l'envoyer.",
    en="The segment {segment} is not part of the structure {structure}: it is not read, stop sending it.",
    spec="HL7 v2.5 §2.5.2",
    example="A40: MSH EVN PID [PD1] MRG",
)
ODD_STRUCTURE: Final = Rule(
    id="odd-structure",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="Renseigner MSH-9.3 avec la structure {structure}, celle de l'événement {event} ; seul MSH-9.2 a été suivi.",
    en="Fill MSH-9.3 with the structure {structure}, that of the event {event}; MSH-9.2 alone was followed.",
    spec="HL7 v2.5 §2.15.9.9",
    example="ADT^A31^ADT_A05",
)
FIELD_BEYOND_SEGMENT: Final = Rule(
    id="field-beyond-segment",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.I,
    fr="{segment} n'a que {most} champs dans cette version : ce qui suit n'est pas lu, ne plus l'envoyer.",
    en="{segment} has only {most} fields in this version: what follows is not read, stop sending it.",
    spec="HL7 v2.5 §2.5.3",
    example="PID-39",
)
ESCAPE_UNKNOWN: Final = Rule(
    id="escape-unknown",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="{place} contient un {sign} qui ne commence aucune séquence d'échappement : écrire {sign}E{sign} pour ce signe.",
    en="{place} holds a {sign} that begins no escape sequence: write {sign}E{sign} for that sign.",
    spec="HL7 v2.5 §2.7.1",
    example="RESIDENCE A\\E\\B",
)

NOT_CHECKED_TO_THE_END: Final = Rule(
    id="not-checked-to-the-end",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.E,
    fr="Le message s'écarte du profil en plus de {most} endroits et n'a pas été contrôlé jusqu'au bout : rien n'en est "
    "gardé, les réglages de cette source refusant certains écarts ; corriger et renvoyer.",
    en="The message departs from the profile in more than {most} places and was not checked to its end: nothing of it "
    "is kept, since the settings of this source refuse some departures; correct it and send again.",
    spec="pam-receiver, [[source]] strictness, overlay",
    example="MSH|^~\\&|GAM|…",
)

GENERIC: Final = (SEGMENT_UNEXPECTED, ODD_STRUCTURE, FIELD_BEYOND_SEGMENT, ESCAPE_UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Wording:
    code: ErrorCode
    fr: str
    en: str


_FIELDS: Final[Mapping[Breach, _Wording]] = MappingProxyType(
    {
        Breach.REQUIRED: _Wording(
            ErrorCode.REQUIRED_FIELD_MISSING,
            "Renseigner {place} ({name}) : obligatoire dans un message {event}.",
            "Fill {place} ({name}): required in a message {event}.",
        ),
        Breach.MISSING: _Wording(
            ErrorCode.REQUIRED_FIELD_MISSING,
            "Renseigner {place} ({name}) : obligatoire quand {why_fr}.",
            "Fill {place} ({name}): required when {why_en}.",
        ),
        Breach.FORBIDDEN: _Wording(
            ErrorCode.DATA_TYPE,
            "Laisser {place} ({name}) vide : usage X dans ce profil, {fate_fr}.",
            "Leave {place} ({name}) empty: usage X in this profile, {fate_en}.",
        ),
        Breach.UNEXPECTED: _Wording(
            ErrorCode.DATA_TYPE,
            "Laisser {place} ({name}) vide : il n'a de sens que quand {why_fr}.",
            "Leave {place} ({name}) empty: it has a meaning only when {why_en}.",
        ),
        Breach.REPEATED: _Wording(
            ErrorCode.DATA_TYPE,
            "Envoyer au plus {most} répétition(s) de {place} ({name}) ; {count} reçues.",
            "Send at most {most} repetition(s) of {place} ({name}); {count} received.",
        ),
        Breach.NOT_IN_TABLE: _Wording(
            ErrorCode.TABLE_VALUE,
            "Prendre le code de {place} ({name}) dans la table {table}{codes}.",
            "Take the code of {place} ({name}) from the table {table}{codes}.",
        ),
        Breach.ILL_FORMED: _Wording(
            ErrorCode.DATA_TYPE,
            "Écrire {place} ({name}) selon le type {type} : {form_fr}.",
            "Write {place} ({name}) in the data type {type}: {form_en}.",
        ),
        Breach.TOO_LONG: _Wording(
            ErrorCode.DATA_TYPE,
            "Limiter {place} ({name}) à {length} caractères ; {count} reçus.",
            "Keep {place} ({name}) to {length} characters; {count} received.",
        ),
        Breach.DIVIDED: _Wording(
            ErrorCode.DATA_TYPE,
            "{place} ({name}) a plus de parties que son type {type} : échapper les séparateurs qui sont du texte.",
            "{place} ({name}) has more parts than its type {type}: escape the separators that are text.",
        ),
    }
)
_SEGMENTS: Final[Mapping[Breach, _Wording]] = MappingProxyType(
    {
        Breach.REQUIRED: _Wording(
            ErrorCode.SEGMENT_SEQUENCE,
            "Ajouter le segment {segment} : il est obligatoire dans un message {event}.",
            "Add the segment {segment}: it is required in a message {event}.",
        ),
        Breach.MISSING: _Wording(
            ErrorCode.SEGMENT_SEQUENCE,
            "Ajouter le segment {segment} : obligatoire quand {why_fr}.",
            "Add the segment {segment}: required when {why_en}.",
        ),
        Breach.FORBIDDEN: _Wording(
            ErrorCode.SEGMENT_SEQUENCE,
            "Ne pas envoyer le segment {segment} dans un message {event} : usage X, {fate_fr}.",
            "Do not send the segment {segment} in a message {event}: usage X, {fate_en}.",
        ),
        Breach.UNEXPECTED: _Wording(
            ErrorCode.SEGMENT_SEQUENCE,
            "N'envoyer le segment {segment} que quand {why_fr}.",
            "Send the segment {segment} only when {why_en}.",
        ),
        Breach.REPEATED: _Wording(
            ErrorCode.SEGMENT_SEQUENCE,
            "Envoyer au plus {most} segment(s) {segment} dans un message {event} ; {count} reçus.",
            "Send at most {most} segment(s) {segment} in a message {event}; {count} received.",
        ),
        Breach.OUT_OF_ORDER: _Wording(
            ErrorCode.SEGMENT_SEQUENCE,
            "Placer le segment {segment} selon l'ordre de la structure {structure} ; le message est lu malgré tout.",
            "Put the segment {segment} where the structure {structure} has it; the message is read all the same.",
        ),
    }
)
BROKEN_BY: Final = {  # how a usage is broken; the others cannot be
    Usage.R: Breach.REQUIRED,
    Usage.C: Breach.MISSING,
    Usage.CE: Breach.UNEXPECTED,
    Usage.X: Breach.FORBIDDEN,
}
_LONGEST: Final = {"DT": 8, "SI": 4, "TM": 16, "TS": 24, "DTM": 24}  # characters that the form of a type can have
_EMPTYING: Final = (Breach.FORBIDDEN, Breach.UNEXPECTED)  # what is there should not be
# R, X, table and type: what `strict` makes an error. Order, number and length stay warnings.
_STRICT: Final = frozenset(Breach) - {Breach.OUT_OF_ORDER, Breach.REPEATED, Breach.TOO_LONG}


@dataclass(frozen=True, slots=True)
class Grading:
    """How severe the breaches of a profile are: what its overlay says of a rule, else the strictness, else the line.

    ``ignored`` gathers the rules that are taken away.
    """

    strictness: Strictness = Strictness.LENIENT
    grades: Mapping[str, Severity | None] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)

    def grade(self, rule: Rule, *, is_strict: bool) -> Rule | None:
        """Return ``rule`` at the severity in force, or ``None`` when it is ignored."""
        severity: Severity | None = rule.severity
        if is_strict and self.strictness is Strictness.STRICT:
            severity = Severity.E
        severity = self.grades.get(rule.id, severity)
        if severity is None:
            self.ignored.add(rule.id)
            return None
        return rule if severity is rule.severity else replace(rule, severity=severity)


def field_rules(asked: FieldRule, grading: Grading, *, depth: int) -> dict[Breach, Rule]:
    """Return a rule for each way in which ``asked`` can be broken, save those that are ignored.

    ``depth``: 1 for a field, 2 for a component, 3 for a subcomponent.
    """
    codes = tuple(asked.table.values) if asked.table is not None else ()
    return _graded(_rules_of_field(asked, depth, codes), grading)


@cache  # a profile asks the same of many places, and most of it as another one does
def _rules_of_field(asked: FieldRule, depth: int, _codes: tuple[str, ...]) -> Mapping[Breach, Rule]:
    """``_codes``: those of the table, for tables are equal in any order of them, and told in theirs."""
    return {breach: _field_rule(asked, breach, depth) for breach in _field_breaches(asked, depth)}


def _graded(made: Mapping[Breach, Rule], grading: Grading) -> dict[Breach, Rule]:
    """The rules at the severity in force, without those that are ignored."""
    graded = {breach: grading.grade(rule, is_strict=breach in _STRICT) for breach, rule in made.items()}
    return {breach: rule for breach, rule in graded.items() if rule is not None}


def _field_breaches(asked: FieldRule, depth: int) -> list[Breach]:
    if asked.usage is Usage.X:
        return [Breach.FORBIDDEN]
    found = [BROKEN_BY[asked.usage]] if asked.usage in BROKEN_BY else []
    if asked.card.max is not None and depth == 1:
        found.append(Breach.REPEATED)
    if asked.table is not None:
        found.append(Breach.NOT_IN_TABLE)
    elif asked.shape is not None:
        found.append(Breach.ILL_FORMED)
    if _may_be_too_long(asked):
        found.append(Breach.TOO_LONG)
    if depth < 3:
        found.append(Breach.DIVIDED)
    return found


def _may_be_too_long(asked: FieldRule) -> bool:
    """A code of a table has the length it has, and the form of some types is a limit of its own."""
    if asked.max_length is None or asked.table is not None:
        return False
    return asked.type not in _LONGEST or asked.max_length < _LONGEST[asked.type]


def _severity_of(asked: FieldRule | SegmentRule, breach: Breach) -> Severity:
    return asked.severity if breach is BROKEN_BY.get(asked.usage) else asked.other_severity


def _field_rule(asked: FieldRule, breach: Breach, depth: int) -> Rule:
    values: dict[str, str | int] = {
        "name": asked.name,
        "type": asked.type,
        "table": asked.table.id if asked.table else "",
        "codes": words.list_codes(asked.table) if asked.table else "",
        "length": asked.max_length or 0,
        "most": asked.card.max or 0,
    }
    why_fr, why_en = words.say_conditions(asked.when)
    form_fr, form_en = words.form_of(asked.type)
    fate_fr, fate_en = words.say_fate(asked.at)
    said = _FIELDS[breach]
    return Rule(
        id=f"{asked.at.id}-{breach.value}",
        code=said.code,
        severity=_severity_of(asked, breach),
        fr=words.fill(said.fr, why_fr=why_fr, form_fr=form_fr, fate_fr=fate_fr, **values),
        en=words.fill(said.en, why_en=why_en, form_en=form_en, fate_en=fate_en, **values),
        spec=asked.spec,
        example=words.example_of(asked, is_empty=breach in _EMPTYING, is_part=depth > 1),
    )


def segment_rules(asked: SegmentRule, grading: Grading) -> dict[Breach, Rule]:
    """Return a rule for each way in which a segment can be missing, too often or in the wrong place."""
    return _graded(_rules_of_segment(asked), grading)


@cache
def _rules_of_segment(asked: SegmentRule) -> Mapping[Breach, Rule]:
    if asked.usage is Usage.X:  # it is not to be sent, wherever it stands and however often
        breaches = [Breach.FORBIDDEN]
    else:
        breaches = [Breach.OUT_OF_ORDER, *([BROKEN_BY[asked.usage]] if asked.usage in BROKEN_BY else [])]
        breaches += [Breach.REPEATED] if asked.card.max is not None else []
    return {breach: _segment_rule(asked, breach) for breach in breaches}


def _segment_rule(asked: SegmentRule, breach: Breach) -> Rule:
    why_fr, why_en = words.say_conditions(asked.when)
    fate_fr, fate_en = words.say_fate(Place(asked.name))
    said, most = _SEGMENTS[breach], asked.card.max or 0
    return Rule(
        id=f"{Place(asked.name).id}-{breach.value}",
        code=said.code,
        severity=_severity_of(asked, breach),
        fr=words.fill(said.fr, segment=asked.name, most=most, why_fr=why_fr, fate_fr=fate_fr),
        en=words.fill(said.en, segment=asked.name, most=most, why_en=why_en, fate_en=fate_en),
        spec=asked.spec,
        example=words.example_of_segment(asked.name, is_empty=breach in _EMPTYING),
    )
