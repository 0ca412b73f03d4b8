"""A quick look at a value before a slow one: what it lets pass breaks no line, and nearly everything passes.

For each field of a profile a small function is written, as a programmer would who knew the one data type: split, look
at each part that is there, done. What does not pass is looked at again (``check``), which alone makes findings. The
quick look may refuse what is right (an escape sequence, a blank around a code), and must never let pass what is not. It
knows the usual separators only.
"""

import re
from collections.abc import Callable, Collection, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pam_receiver.hl7.message import Segment
    from pam_receiver.profile.model import Condition, ConditionRule, EventPlan, FieldRule, Place, ValuePlan

Match = Callable[[str], object]
Look = Callable[[list[str]], list[int] | None]
Doubt = Callable[["Mapping[str, list[Segment]]"], list[int | str]]

_SIGN: Final = r"[^^~&\\]"
_NOT_PLAIN: Final = {1: "~&\\", 2: "^~\\"}  # what a value that is split into its parts may hold and a text may not
_IS_VALUED: Final = re.compile(r'[^^~&\\ "]').search  # more than separators, blanks and the demand to erase
_IS_TEXT: Final = re.compile(f"{_SIGN}+").fullmatch
_MOST_KNOWN: Final = 512  # values of one place that are remembered as right
# Types whose values say nothing of a patient and come again and again: those that passed are remembered.
_REMEMBERED: Final = frozenset({"CE", "CNE", "CWE", "HD", "MSG", "PL", "PT", "VID", "XCN", "XON"})
_IS_THERE: Final = "(t[:1].isalnum() or IS_VALUED(t))"
_EXCLUDED: Final = ("X", "CE")  # usages of which what is there may be wrong


def codes_of(rule: "FieldRule") -> set[str]:
    """Return the codes that a simple value may be."""
    if rule.table is None or rule.usage in _EXCLUDED:
        return set()
    return {code for code in rule.table.values if _IS_TEXT(code)}


def takes_any_word(rule: "FieldRule") -> bool:
    """Whether letters and digits, whichever, break no line of a simple value."""
    return rule.usage not in _EXCLUDED and rule.table is None and rule.shape is None and rule.max_length is None


def takes_first_alone(plan: "ValuePlan") -> bool:
    """Whether a value of a type with parts is right when its first part stands alone, whatever text that is."""
    asks_for_it = any(
        condition.codes and _index_beside(condition.at, part.rule) == 0
        for part in plan.parts
        for condition in part.rule.when
    )
    return plan.parts[0].takes_any and not asks_for_it and plan.match is not None and bool(plan.match("A"))


def match_simple(rule: "FieldRule") -> Match | None:
    """Return what matches a simple value as a whole; ``None`` when :func:`codes_of` says all there is to say."""
    if rule.usage in _EXCLUDED or rule.table is not None:
        return None
    if rule.shape is not None:
        within = f"(?={_SIGN}{{1,{rule.max_length}}}\\Z)" if rule.max_length is not None else ""
        return re.compile(f"{within}(?:{rule.shape.pattern})", re.ASCII).fullmatch
    most = "" if rule.max_length is None else rule.max_length
    return re.compile(f"{_SIGN}{{1,{most}}}").fullmatch


def match_parts(rule: "FieldRule", parts: "tuple[ValuePlan, ...]", *, depth: int, known: set[str]) -> Match | None:
    """Return what passes a value of a type with ``parts``: a whole field at ``depth`` 1, a component at 2.

    ``known`` gathers the values that passed, when the type is one that comes again and says nothing of a patient.
    """
    if rule.usage in _EXCLUDED:
        return None
    names: dict[str, object] = {"IS_VALUED": _IS_VALUED, "IS_TEXT": _IS_TEXT, "KNOWN": known}
    lines = ["def one(v):", f"    c = v.split({'^' if depth == 1 else '&'!r})", "    n = len(c)"]
    least = max((index + 1 for index, part in enumerate(parts) if part.rule.usage == "R"), default=0)
    lines.append(f"    if n > {len(parts)} or n < {least}: return False")
    lines.append(f"    plain = {' and '.join(f'{sign!r} not in v' for sign in _NOT_PLAIN[depth])}")
    lines += [f"    {line}" for index, part in enumerate(parts) for line in _guard(index, part.rule, names)]
    for index, part in enumerate(parts):
        lines.append(f"    t = c[{index}]")
        lines.append(f"    if {_fault(index, part, names)}: return False")
        lines.append(f"    if n == {index + 1}: return {_passed(rule, parts)}")
    if depth == 1:
        lines += _REPETITIONS
        names["MOST"] = rule.card.max if rule.card.max is not None else 1 << 30
    made: Match = _make("field" if depth == 1 else "one", lines, names)
    return made


def look_at(fields: "Mapping[int, ValuePlan]", required: Collection[int]) -> Look:
    """Return what names the fields of a segment, given as its cells, that are not surely right.

    It returns ``None`` when the segment ends before a required field: all of them are to be looked at.
    """
    names: dict[str, object] = {"IS_VALUED": _IS_VALUED, "IS_TEXT": _IS_TEXT}
    least = max(required, default=0)
    lines = ["def look(c):", "    n = len(c)", f"    if n <= {least}: return None", "    b = []"]
    for number in sorted(fields):
        is_needed = number in required
        right = _right(number, fields[number], names, is_needed=is_needed)
        lines.append(f"    if n <= {number}: return b")
        lines.append(f"    t = c[{number}]")
        lines.append(f"    if {'' if is_needed else 't and '}not ({right}): b.append({number})")
    lines.append("    return b")
    made: Look = _make("look", lines, names)
    return made


# ------------------------------------------------------------------------------------- conditions between fields


def doubt(plan: "EventPlan") -> Doubt:
    """Return what names the condition rules of an event, by index, that may be broken in a message.

    It is given the cells of each segment by name, ``[]`` for one that is absent and ``None`` for one that stands there
    several times; and it names the segments too of which fields of usage C and CE are to be judged.
    """
    names: dict[str, object] = {}
    lines = ["def find(s):", "    b = []"]
    wanted = {each.at.segment for rule in plan.rules for each in (*rule.when, rule.expect)}
    wanted |= {name for name, segment in plan.fields.items() if segment.conditional}
    wanted |= {
        each.at.segment for segment in plan.fields.values() for rule in segment.conditional for each in rule.when
    }
    for name in sorted(wanted):
        cells = _cells(name)
        lines += [
            f"    {cells} = s.get('{name}', ())",
            f"    if {cells}: {cells} = {cells}[0].cells if len({cells}) == 1 else None",
        ]
    for asks, rules in groupby(enumerate(plan.rules), lambda each: _asks_for(each[1])):
        lines.append(f"    if {_cells(asks)} != ():" if asks else "    if True:")
        for index, rule in rules:
            tests = [_tells_of(each, names, holds=False) for each in rule.when]
            tests.append(_tells_of(rule.expect, names, holds=True))
            lines.append(f"        if not ({' or '.join(tests)}): b.append({index})")
    for name, segment in plan.fields.items():
        if segment.conditional:
            tests = [_settled(rule, names) for rule in segment.conditional]
            cells = _cells(name)
            lines.append(f"    if {cells} is None or ({cells} and not ({' and '.join(tests)})): b.append('{name}')")
    lines.append("    return b")
    found: Doubt = _make("find", lines, names)
    return found


def _asks_for(rule: "ConditionRule") -> str | None:
    """The segment without which a rule cannot be broken: one that a condition wants something of."""
    wanting = [each.at.segment for each in rule.when if each.test in ("present", "is")]
    return wanting[0] if wanting else None


def _cells(segment: str) -> str:
    """The local name for the cells of a segment: no other name begins so, whatever a profile calls its segments."""
    return f"cells_{segment}"


def _settled(rule: "FieldRule", names: dict[str, object]) -> str:
    """An expression that is true only when a field of usage C or CE surely breaks nothing."""
    cells, number = _cells(rule.at.segment), rule.at.field
    if rule.usage == "C":
        never = [_tells_of(each, names, holds=False) for each in rule.when]
        return f"({' or '.join([f'(len({cells}) > {number} and {cells}[{number}][:1].isalnum())', *never])})"
    surely = " and ".join(_tells_of(each, names, holds=True) for each in rule.when)
    return f"(len({cells}) <= {number} or not {cells}[{number}] or ({surely}))"


def _tells_of(condition: "Condition", names: dict[str, object], *, holds: bool) -> str:
    """An expression that is true only when a condition of a message surely holds, or when it surely does not."""
    place, test = condition.at, condition.test
    cells, number = _cells(place.segment), place.field
    if number is None:
        return f"({cells} {'is None or ' + cells if (test == 'present') is holds else 'is not None and not ' + cells})"
    there = f"({cells} and len({cells}) > {number} and {cells}[{number}][:1].isalnum())"
    not_there = f"({cells} is not None and (len({cells}) <= {number} or not {cells}[{number}]))"
    if test in ("present", "absent"):
        whole = place.component is None
        if (test == "present") is holds:
            return there if whole else "False"
        return not_there
    codes = f"C{len(names)}"
    names[codes] = condition.codes
    first = (place.component or 1) == (place.subcomponent or 1) == 1
    is_one = f"({cells} and len({cells}) > {number} and {cells}[{number}] in {codes})" if first else "False"
    is_other = f"({cells} and {cells}[{number}].isalnum() and {cells}[{number}] not in {codes})" if first else "False"
    if condition.marks:
        names[f"M{codes}"], names["LACKS"] = condition.marks, lacks
        is_other = f"({cells} and LACKS({cells}[{number}], M{codes}))"
        names[f"R{codes}"] = _component_that_is(condition).search
        is_one = f"({cells} and len({cells}) > {number} and R{codes}({cells}[{number}]))"
    if (test == "is") is holds:
        return is_one
    return f"({not_there} or {is_other})"


def _component_that_is(condition: "Condition") -> re.Pattern[str]:
    """Find a repetition, in the usual separators, whose component is one of the codes and nothing else."""
    codes = "|".join(map(re.escape, sorted(condition.codes)))
    return re.compile(rf"(?:\A|~)(?:[^~^]*+\^){{{(condition.at.component or 1) - 1}}}(?:{codes})(?:[~^]|\Z)")


def lacks(raw: str, marks: tuple[str, ...]) -> bool:
    """Whether no component of a field, in the usual separators, can be one of the codes that begin as ``marks``."""
    for mark in marks:
        if mark in raw:
            return False
    return "\\" not in raw and "^ " not in raw


def _make(name: str, lines: list[str], names: dict[str, object]) -> Any:  # Any: a function that was just written
    exec("\n".join(lines), names)  # noqa: S102 - of numbers and names of our own; of a file only segment names of the form of Place  # nosec B102
    return names[name]


_REPETITIONS: Final = """\
def field(v):
    if "~" not in v: return one(v)
    r = v.split("~")
    if len(r) > MOST: return False
    for v in r:
        if v and not one(v): return False
    return True""".splitlines()


def is_remembered(rule: "FieldRule", parts: "tuple[ValuePlan, ...]") -> bool:
    """Whether values of a type with ``parts`` come again, say nothing of a patient, and are judged by themselves."""
    return rule.type in _REMEMBERED and all(_stands_alone(part, rule.type) for part in parts)


def _passed(rule: "FieldRule", parts: "tuple[ValuePlan, ...]") -> str:
    if not is_remembered(rule, parts):
        return "True"
    return f"len(KNOWN) > {_MOST_KNOWN} or not IS_VALUED(v) or KNOWN.add(v) is None"  # a known value fills its place


def _stands_alone(part: "ValuePlan", data_type: str) -> bool:
    """Whether a part and those below it are judged by the value of ``data_type`` alone that they are parts of."""
    own = all(condition.at.segment == data_type for condition in part.rule.when)
    return own and all(_stands_alone(inner, part.rule.type) for inner in part.parts)


def _fault(index: int, part: "ValuePlan", names: dict[str, object]) -> str:
    """An expression that is false only when part ``t`` is surely right where it stands."""
    is_needed = part.rule.usage == "R"
    right = _right(index, part, names, is_needed=is_needed, is_part=True)
    if is_needed:
        return f"not ({right})"
    if part.rule.usage == "CE":  # the guard has seen to it that it may be there
        return f"t and not ({_right_apart_from_usage(part)})"
    return f"t and not ({right})"


def _right(index: int, part: "ValuePlan", names: dict[str, object], *, is_needed: bool, is_part: bool = False) -> str:
    """An expression that is true only when what stands in ``t`` is surely right, and is there when it is needed.

    ``is_part``: ``plain`` tells whether a value of which ``t`` is a part holds no sign that would divide it further.
    """
    if part.is_open and part.rule.usage not in _EXCLUDED:
        once = "True" if part.rule.card.max is None else f"t.count('~') < {part.rule.card.max}"
        return f"{_IS_THERE} and {once}" if is_needed else once
    tests = []
    if part.takes_any:
        tests.append("t.isalnum()")
    if part.known or part.parts:
        names[f"K{index}"] = part.known
        tests.append(f"t in K{index}")
    longer = ["IS_TEXT(t)"] if part.takes_any and part.parts else []
    if is_part and _is_text(part):
        most = part.rule.max_length
        longer.insert(0, "plain" if most is None or part.parts else f"plain and len(t) <= {most}")
    if part.match is not None:
        names[f"M{index}"] = part.match
        longer.append(f"M{index}(t)")
    if longer:  # what is not empty may still be blank
        tests.append(f"({_IS_THERE} and ({' or '.join(longer)}))" if is_needed else " or ".join(longer))
    return " or ".join(tests) or "False"


def _is_text(part: "ValuePlan") -> bool:
    """Whether any text that is not too long is right in a place."""
    if part.parts:
        return part.takes_any
    return part.match is not None and part.rule.table is None and part.rule.shape is None


def _right_apart_from_usage(part: "ValuePlan") -> str:
    if part.parts:
        return "False"
    free = part.rule.table is None and part.rule.shape is None and part.rule.max_length is None
    return "IS_TEXT(t)" if free else "False"


def _guard(index: int, rule: "FieldRule", names: dict[str, object]) -> list[str]:
    """Refuse that a part of usage C may be missing, or one of usage CE may be there, against its condition.

    A condition on a place that does not lie beside the part cannot be seen here: it counts as if it went either way.
    """
    if rule.usage == "C":
        never = " or ".join(_tells(each, rule, names, holds=False) for each in rule.when)
        return [f"if (n <= {index} or not c[{index}][:1].isalnum()) and not ({never}): return False"]
    if rule.usage == "CE":
        surely = " and ".join(_tells(each, rule, names, holds=True) for each in rule.when)
        return [f"if n > {index} and c[{index}] and not ({surely}): return False"]
    return []


def _tells(condition: "Condition", rule: "FieldRule", names: dict[str, object], *, holds: bool) -> str:
    """An expression that is true only when a condition surely holds, or when it surely does not."""
    at = _index_beside(condition.at, rule)
    if at is None:
        return "False"
    codes = f"C{len(names)}"
    names[codes] = condition.codes
    is_one = f"(n > {at} and c[{at}] in {codes})"
    is_other = f"(n <= {at} or not c[{at}] or (c[{at}].isalnum() and c[{at}] not in {codes}))"
    is_there, is_not_there = f"(n > {at} and c[{at}][:1].isalnum())", f"(n <= {at} or not c[{at}])"
    match condition.test:
        case "present":
            return is_there if holds else is_not_there
        case "absent":
            return is_not_there if holds else is_there
        case "is":
            return is_one if holds else is_other
        case _:
            return is_other if holds else is_one


def _index_beside(place: "Place", rule: "FieldRule") -> int | None:
    """The index of the part that a condition speaks of, when it lies beside that of ``rule`` in the same data type."""
    own = [number for number in (rule.at.field, rule.at.component, rule.at.subcomponent) if number is not None]
    other = [number for number in (place.field, place.component, place.subcomponent) if number is not None]
    is_beside = place.segment == rule.at.segment and len(own) == len(other) and own[:-1] == other[:-1]
    return other[-1] - 1 if is_beside else None
