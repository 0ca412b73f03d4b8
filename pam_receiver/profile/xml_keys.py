"""What a line of an imported overlay may say: usage, cardinality; and the overlay while it is being written."""

import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Final

from pam_receiver.profile import base as hl7
from pam_receiver.profile.model import Cardinality, Condition, FieldRule, Place, SegmentRule, Test, Usage
from pam_receiver.profile.xml_notes import Kind
from pam_receiver.profile.xml_profile import Node

MANY: Final = 10_000  # stands for ``*``: a cardinality of an overlay has four digits
_COUNT: Final = re.compile(r"\d{1,4}", re.ASCII)
# The only predicates that are read: one place, and what is asked of it; "If PID-24 is valued 'Y'", "PV1-3 is empty".
_PREDICATE: Final = re.compile(
    r"""(?:required\ |only\ )?(?:if\ |when\ )?(?:the\ value\ of\ )?
        (?P<at>[A-Z][A-Z0-9]{2}-\d{1,2}(?:\.\d{1,2}){0,2})\ ?(?:\([^()]*\)\ )?
        (?:is\ )?(?P<not>not\ )?
        (?:(?P<valued>valued|present|populated)|(?P<empty>empty|absent)
         |(?:=\ ?|equal\ to\ |valued\ (?:as\ )?)?(?P<mark>["'])(?P<code>[^"']+)(?P=mark))\ ?\.?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_PLAIN: Final[Mapping[str, Usage]] = {"R": Usage.R, "RE": Usage.RE, "O": Usage.O, "X": Usage.X}
_IN_WORDS: Final[Mapping[str, Usage]] = {"C": Usage.RE, "CE": Usage.O}  # the nearest that needs no formal condition
_CHECKED: Final = (Usage.R, Usage.X, Usage.C, Usage.CE)

Below = SegmentRule | FieldRule | None
Keys = dict[str, str]  # key → value, in TOML


def quote(text: str) -> str:
    """Return ``text`` as a basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(slots=True)
class Overlay:
    """What has been written so far: lines of TOML, and by kind the places of the notes.

    ``segments`` are those beside the segments of HL7 v2.5 that a condition may name.
    """

    segments: set[str] = field(default_factory=set)
    text: list[str] = field(default_factory=list)
    remarks: dict[Kind, list[str]] = field(default_factory=dict)
    has_lines: bool = False
    _comments: list[str] = field(default_factory=list)

    def remark(self, kind: Kind, place: str, comment: str = "") -> None:
        """Note ``place``; ``comment`` is what the file says there, in its own words."""
        self.remarks.setdefault(kind, []).append(place)
        if comment:
            self._comments.append(f"# {place} {comment}")

    def compare(self, place: str, before: object, now: object) -> None:
        """Note that the file asks less at ``place`` than the profile below it."""
        said = f"({before} → {now})"
        self.remark(Kind.LAXER, f"{place} {said}")
        self._comments.append(f"# {place} {said}")

    def contradict(self, place: str, before: object, now: object) -> None:
        """Note that the file forbids what the profile below it requires at ``place``."""
        self.remark(Kind.FORBIDDEN, place, f"({before} → {now})")

    def write(self, table: str, head: Keys, keys: Keys, event: str) -> None:
        """Write a line of ``table`` when ``keys`` say anything, under the comments made since the line before."""
        if self._comments or keys:
            self.text += ["", *dict.fromkeys(self._comments)]
        self._comments.clear()
        if keys:
            values = head | keys | {"in": f"[{quote(event)}]"}
            self.text += [f"[[{table}]]", *(f"{key} = {value}" for key, value in values.items())]
            self.has_lines = True

    def flush(self) -> None:
        """Write the comments alone, where no line follows."""
        self.write("", {}, {}, "")


def usage_keys(made: Overlay, at: str, usage: str, node: Node, below: Below) -> Keys:
    """Return the keys for the usage of ``at``, none when it is that of ``below``.

    C and CE need a condition that can be checked: that of the file when it is formal, else that of ``below`` when the
    usage is the same; a condition in words is not kept.
    """
    letter = usage.partition("(")[0]  # HL7 v2.7 writes C(R/X)
    if letter in _IN_WORDS and (condition := read_predicate(node.predicate, made.segments)) is not None:
        target = Usage(letter)
        if below is not None and below.usage is target and below.when == (condition,):
            return {}
        _remark_usage(made, at, target, below)
        return {"usage": quote(letter), "when": f"[{_show(condition)}]"}
    if letter in _IN_WORDS:
        said = f"Usage={quote(usage)} {node.predicate}".rstrip()
        if below is not None and below.usage == letter:
            made.remark(Kind.CONDITION_KEPT, at, said)
            return {}
        made.remark(Kind.CONDITION, at, said)
        target = _IN_WORDS[letter]
    elif letter == "B":
        made.remark(Kind.BACKWARD, at, 'Usage="B"')
        target = Usage.O
    elif letter in _PLAIN:
        target = _PLAIN[letter]
    else:
        if usage:
            made.remark(Kind.USAGE, at, f"Usage={quote(usage)}")
        return {}
    if below is not None and below.usage is target:
        return {}
    _remark_usage(made, at, target, below)
    return {"usage": quote(target.value)}


def _remark_usage(made: Overlay, at: str, target: Usage, below: Below) -> None:
    if below is not None and below.usage is Usage.R and target is Usage.X:
        made.contradict(at, below.usage, target)
    if below is not None and below.usage in _CHECKED and target not in (Usage.R, Usage.X):
        made.compare(at, below.usage, target)


def read_predicate(text: str, segments: Set[str] = frozenset()) -> Condition | None:
    """Return the condition that ``text`` is, or ``None`` when it is in words that only people understand.

    ``segments`` may be named beside those of HL7 v2.5.
    """
    found = _PREDICATE.fullmatch(text)
    if found is None:
        return None
    try:
        at = Place.parse(found["at"].upper())
    except ValueError:
        return None
    if at.segment not in segments and hl7.read_fields(at.segment) is None:
        return None
    is_negated = found["not"] is not None
    if found["code"] is not None:
        return Condition(at, Test.IS_NOT if is_negated else Test.IS, frozenset({found["code"]}))
    is_present = (found["valued"] is not None) != is_negated
    return Condition(at, Test.PRESENT if is_present else Test.ABSENT)


def _show(condition: Condition) -> str:
    if condition.codes:
        asked = f"{condition.test} = {quote(min(condition.codes))}"
    else:
        asked = f"present = {'true' if condition.test is Test.PRESENT else 'false'}"
    return f"{{ at = {quote(str(condition.at))}, {asked} }}"


def most_of(made: Overlay, at: str, node: Node) -> int | None:
    """Return how often the file lets ``node`` stand there, :data:`MANY` for ``*``, ``None`` when it does not say it."""
    least = _count(node.least or "0")
    most = MANY if node.most == "*" else _count(node.most)
    if node.most and (least is None or most is None or least > max(most, 1)):
        made.remark(Kind.NUMBER, at, f"Min={quote(node.least)} Max={quote(node.most)}")
        return None
    if least is not None and least > 1:
        made.remark(Kind.NUMBER, at, f"Min={quote(node.least)}")  # a minimum is checked by usage R alone
    return most


def _count(text: str) -> int | None:
    return int(text) if _COUNT.fullmatch(text) else None


def card_keys(made: Overlay, at: str, most: int | None, below: Below, *, is_required: bool) -> Keys:
    """Return the keys for the cardinality of ``at``, none when it is that of ``below``. ``most``: see :func:`most_of`.

    The minimum follows the usage, which is what is checked.
    """
    if not most:  # not said, or 0: usage X says it
        return {}
    card = Cardinality(int(is_required), None if most >= MANY else most)
    if below is not None:
        before = below.card.max
        if before == card.max:
            return {}
        if before is not None and (card.max is None or card.max > before):
            made.compare(at, below.card, card)
    return {"card": quote(str(card))}


def remark_words(made: Overlay, at: str, node: Node) -> None:
    """Keep the remarks of people, and a predicate that belongs to no conditional usage, as comments."""
    if node.note:
        made.remark(Kind.WORDS, at, f"ImpNote: {node.note}")
    if node.predicate and node.usage.partition("(")[0] not in _IN_WORDS:
        made.remark(Kind.WORDS, at, f"Predicate: {node.predicate}")
