"""Turn an HL7 v2 conformance profile in its XML form into an overlay: bytes → TOML. Pure.

The overlay has a line for each place where the file differs from the profile below it, for the event of the file alone.
Whatever an overlay cannot carry stands there as a comment, and is told in a note: nothing is dropped in silence.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pam_receiver.profile import base as hl7
from pam_receiver.profile.lines import SEGMENT_NAME
from pam_receiver.profile.model import FieldRule, Place, Profile, Usage, ValuePlan
from pam_receiver.profile.source import ProfileError
from pam_receiver.profile.xml_keys import (
    MANY,
    Keys,
    Overlay,
    card_keys,
    most_of,
    quote,
    remark_words,
    usage_keys,
)
from pam_receiver.profile.xml_notes import Kind, say_notes
from pam_receiver.profile.xml_profile import Definition, Node, XmlProfile, one_line, read_xml_profile

_LENGTH_TYPES: Final = hl7.SIMPLE_TYPES | {"TS"}
_MOST_NAME: Final = 60  # characters of the name of a new field: it stands in the sentences of findings
_MOST_FIELDS: Final = 99  # the numbers of a place have two digits
_DEFAULT_LENGTH: Final = 3  # of a component whose length nobody filled in, in files of message workbenches
_CHARSET: Final = Place("MSH", 18)  # judged when the message is read
_SEPARATORS: Final = (Place("MSH", 1), Place("MSH", 2))  # without them no message is read
_LENGTH: Final = re.compile(r"(?:\d+ ?(?:\.\.|-) ?)?(\d{1,9})", re.ASCII)  # HL7 v2.7 writes 1..20


@dataclass(frozen=True, slots=True)
class Imported:
    """An overlay as TOML, and what whoever asked for it should know, in French and in English."""

    toml: str
    notes_fr: tuple[str, ...]
    notes_en: tuple[str, ...]


def import_profile(data: bytes, *, name: str, base: Profile) -> Imported:
    """Return the overlay that makes ``base`` ask what the conformance profile ``data`` asks.

    ``name`` is that of the file, for errors and for the head of the overlay. A profile of another version of HL7 v2 is
    taken, with a note; messages of another type than ADT are left out.

    Raises:
        ProfileError: no conformance profile, none of ADT, or of an event that ``base`` does not accept.
    """
    file = read_xml_profile(data, name)
    made = Overlay()
    for definition in _choose(file, name, base, made):
        _Import(definition, base, made).run()
    if not made.has_lines:
        made.remark(Kind.SAME, "")
    notes = say_notes(made.remarks, base.name)
    french, english = tuple(fr for fr, _ in notes), tuple(en for _, en in notes)
    head = _head(file, one_line(name), base, {"fr": french, "en": english})
    return Imported("\n".join([*head, *made.text, ""]), french, english)


def _choose(file: XmlProfile, name: str, base: Profile, made: Overlay) -> list[Definition]:
    """The messages of the file that can be imported."""
    if not file.hl7_version.startswith("2.5"):
        made.remark(Kind.VERSION, file.hl7_version or "?")
    chosen: dict[str, Definition] = {}
    for each in file.definitions:
        message = f"{each.message_type}^{each.event}"
        key = f"HL7v2xStaticDef {message}"
        if each.message_type != "ADT":
            made.remark(Kind.OTHER, message)
        elif each.event not in base.plans:
            raise ProfileError(
                name,
                key,
                f"{base.name} does not accept this event: take another profile as base",
                f"{base.name} n'accepte pas cet événement : prendre un autre profil comme base",
            )
        elif each.event in chosen:
            raise ProfileError(name, key, "the same event is described twice", "le même événement est décrit deux fois")
        elif not each.nodes:
            raise ProfileError(name, key, "has no segment", "n'a pas de segment")
        else:
            chosen[each.event] = each
    if not chosen:
        raise ProfileError(
            name,
            "HL7v2xStaticDef MsgType",
            "no ADT message is described: only these can be imported",
            "aucun message ADT n'est décrit : seuls ceux-ci peuvent être importés",
        )
    return list(chosen.values())


def _head(file: XmlProfile, name: str, base: Profile, notes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"# {name}, HL7 {file.hl7_version or '?'} → {base.name}"
    for language, said in notes.items():
        yield "#"
        yield from (f"# {language}: {note}" for note in said)
    yield ""
    yield "[overlay]"
    yield f"title = {quote(file.title or name or 'HL7v2xConformanceProfile')}"


@dataclass(frozen=True, slots=True)
class _Occurrence:
    """A segment where it stands in the file, in ``groups`` from the outermost."""

    node: Node
    groups: tuple[Node, ...]

    @property
    def is_sure(self) -> bool:
        """Whether every message has the groups around it."""
        return all(group.usage == "R" for group in self.groups)

    @property
    def is_out(self) -> bool:
        return any(each.usage == "X" or each.most == "0" for each in (*self.groups, self.node))


class _Import:
    """Lives as long as the import of one message."""

    def __init__(self, definition: Definition, base: Profile, made: Overlay) -> None:
        self._definition = definition
        self._event = definition.event
        self._plan = base.plans[definition.event]
        self._made = made
        self._tables = _tables(base)
        self._structure = hl7.read_structure(self._plan.event.structure) or ()
        self._required_in_groups = frozenset(_required_in_groups(self._structure))

    def run(self) -> None:
        definition, structure = self._definition, self._plan.event.structure
        if definition.structure not in ("", structure):
            self._made.remark(Kind.STRUCTURE, f"{definition.structure} ≠ {structure}")
        self._remark_groups(definition.nodes)
        found: dict[str, list[_Occurrence]] = {}
        anchors: dict[str, str] = {}
        places = _anchors(self._structure)
        anchor = ""
        for occurrence in _occurrences(definition.nodes):
            name = occurrence.node.name
            found.setdefault(name, []).append(occurrence)
            anchors.setdefault(name, "" if occurrence.groups else anchor)
            anchor = places.get((name, bool(occurrence.groups)), anchor)
        self._made.segments |= self._plan.grammar.names | {name for name, after in anchors.items() if after}
        for name, occurrences in found.items():
            self._import_segment(name, occurrences, anchors[name])
        self._remark_order(definition.nodes)
        for rule in self._plan.segments.values():
            if rule.usage is Usage.R and rule.name not in found:
                self._made.remark(Kind.ABSENT, rule.name)

    # ---------------------------------------------------------------------------------------------- the segments

    def _import_segment(self, name: str, occurrences: list[_Occurrence], anchor: str) -> None:
        made, node, below = self._made, occurrences[0].node, self._plan.segments.get(name)
        usage = self._segment_usage(name, occurrences)
        if below is None and usage == "X":
            return  # it has no place in the structure: nothing to forbid
        if below is None and (not anchor or not SEGMENT_NAME.fullmatch(name)):
            made.remark(Kind.NO_PLACE, name or "?", f"Usage={quote(node.usage)}")
            made.flush()
            return
        head = {"name": quote(name)}
        if below is None:
            head["after"] = quote(anchor)
            made.remark(Kind.PLACED, f"{name} ({anchor} → {name})")
        keys = usage_keys(made, name, usage, node, below)
        keys |= card_keys(made, name, self._segment_most(occurrences), below, is_required=usage == "R")
        if below is None and not keys:
            keys = {"usage": quote("O")}
        remark_words(made, name, node)
        made.write("segment", head, keys, self._event)
        if usage != "X":
            self._import_fields(name, node, is_new=below is None)
        if any(each.node.nodes != node.nodes for each in occurrences[1:]):
            made.remark(Kind.TWICE, name)

    def _segment_usage(self, name: str, occurrences: list[_Occurrence]) -> str:
        """The usage of a segment in the whole message, wherever the file has it."""
        usages = [self._usage_of(name, each) for each in occurrences]
        if len(set(usages)) == 1:
            return usages[0]
        return next((usage for usage in ("R", "RE") if usage in usages), "O")

    def _usage_of(self, name: str, occurrence: _Occurrence) -> str:
        if occurrence.is_out:
            return "X"
        if occurrence.node.usage != "R" or occurrence.is_sure:
            return occurrence.node.usage
        if name not in self._required_in_groups:  # else that profile below does not check it either
            self._made.remark(Kind.GROUPED, name, 'Usage="R"')
        return "O"

    def _segment_most(self, occurrences: list[_Occurrence]) -> int | None:
        """How often a segment may stand in a message: the bounds of its groups count too."""
        total = 0
        for each in occurrences:
            if each.is_out:
                continue
            product = 1
            for node in (*each.groups, each.node):
                most = most_of(self._made, node.name, node)
                if most is None:
                    return None
                product = min(product * most, MANY)
            total += product
        return min(total, MANY)

    def _remark_groups(self, nodes: Sequence[Node]) -> None:
        """Say what a group asks beyond being there or not."""
        for node in nodes:
            if node.is_group:
                if node.usage not in ("R", "RE", "O", "X"):
                    said = f"Usage={quote(node.usage)} {node.predicate}".rstrip()
                    self._made.remark(Kind.GROUP, node.name, said)
                remark_words(self._made, node.name, node)
                self._made.flush()
                self._remark_groups(node.nodes)

    def _remark_order(self, nodes: Sequence[Node]) -> None:
        """Walk the segments of the file through the order of the profile below; new ones stand behind its own."""
        grammar, state, is_behind_new = self._plan.grammar, 0, False
        standard = set(_names(self._structure))
        for name in _sequence(nodes):
            if name not in grammar.names:
                is_behind_new = True
                continue
            step = grammar.steps[state].get(name)
            if step is None or (is_behind_new and name not in standard):
                self._made.remark(Kind.ORDER, name)
            state = state if step is None else step
            is_behind_new = False

    # ------------------------------------------------------------------------------------------------ the fields

    def _import_fields(self, segment: str, node: Node, *, is_new: bool) -> None:
        plan = None if is_new else self._plan.fields[segment]
        standard = hl7.read_fields(segment) or {}
        for number, each in enumerate(node.nodes, 1):
            at = Place(segment, number)
            if number > _MOST_FIELDS:
                self._made.remark(Kind.NO_PLACE, str(at))
            elif at not in _SEPARATORS:
                self._import_value(at, each, plan.fields.get(number) if plan else None, standard.get(number))
        if plan is not None and node.nodes:
            for number, value in plan.fields.items():
                if value.rule.usage is Usage.R and number > len(node.nodes):
                    self._made.remark(Kind.ABSENT, str(Place(segment, number)))

    def _import_value(self, at: Place, node: Node, below: ValuePlan | None, standard: FieldRule | None) -> None:
        """Write the line of a field or a part of one, then those of its own parts.

        ``below`` is what the profile asks there, ``None`` when that is not known: then all is written. ``standard`` is
        what HL7 v2.5 asks, ``None`` when the place is new.
        """
        made, rule = self._made, below.rule if below else None
        data_type, keys = self._type(at, node, below, standard)
        asked = rule or standard
        if asked is None and data_type is None:
            made.flush()
            return
        if asked is None:
            keys["name"] = quote(node.name[:_MOST_NAME].strip() or str(at))
        said = usage_keys(made, str(at), "X" if node.most == "0" else node.usage, node, rule)
        is_out = said.get("usage", quote(rule.usage) if rule else "") == quote("X")
        if is_out and asked is not None:
            keys.clear()
        keys |= said
        if not is_out:
            keys |= self._bounds(at, node, rule, data_type or (asked.type if asked else ""))
        remark_words(made, str(at), node)
        made.write("field", {"at": quote(str(at))}, keys, self._event)
        if not is_out and data_type is not None:
            self._import_parts(at, node, below, data_type)

    def _import_parts(self, at: Place, node: Node, below: ValuePlan | None, data_type: str) -> None:
        if data_type == "TS":
            return  # judged as a whole: the first part is the time, the second one is of older versions
        standard = hl7.read_parts(data_type)
        known = below.parts if below is not None and below.rule.type == data_type else ()
        for number, each in enumerate(node.nodes, 1):
            place = Place(at.segment, at.field, at.component or number, number if at.component else None)
            if number > len(standard):
                self._made.remark(Kind.NO_PLACE, str(place), f"Usage={quote(each.usage)}")
                self._made.flush()
            else:
                self._import_value(place, each, known[number - 1] if known else None, standard[number - 1])

    def _type(
        self, at: Place, node: Node, below: ValuePlan | None, standard: FieldRule | None
    ) -> tuple[str | None, Keys]:
        """Return the data type by which the parts can be read, ``None`` when it cannot be carried, and its key."""
        asked = below.rule if below else standard
        have = asked.type if asked else None
        if have is not None and node.data_type in ("", have):
            return have, {}
        if node.data_type in hl7.TYPES and (have is None or (have in hl7.TYPES and _takes_lines(node.data_type, have))):
            return node.data_type, {"type": quote(node.data_type)}
        self._made.remark(Kind.TYPE, str(at), f"Datatype={quote(node.data_type)}")
        return None, {}

    def _bounds(self, at: Place, node: Node, rule: FieldRule | None, data_type: str) -> Keys:
        """What a value that may be there is held to."""
        keys: Keys = {}
        if at.component is None:
            most = most_of(self._made, str(at), node)
            keys |= card_keys(self._made, str(at), most, rule, is_required=node.usage == "R")
        keys |= self._length(at, node, rule, data_type)
        keys |= self._table(at, node, rule)
        if node.constant:
            self._made.remark(Kind.CONSTANT, str(at), f"ConstantValue={quote(node.constant)}")
        return keys

    def _length(self, at: Place, node: Node, below: FieldRule | None, data_type: str) -> Keys:
        if node.length.strip("0") == "":
            return {}
        found, said = _LENGTH.fullmatch(node.length), f"Length={quote(node.length)}"
        length = int(found[1]) if found else 0
        before = below and below.max_length
        if not length:
            self._made.remark(Kind.NUMBER, str(at), said)
        elif length == before:
            pass
        elif at.component is not None and length == _DEFAULT_LENGTH:
            self._made.remark(Kind.DEFAULT_LENGTH, str(at), said)
        elif data_type not in _LENGTH_TYPES:
            self._made.remark(Kind.LENGTH, str(at), f"{said} ({data_type})")
        else:
            if before and length > before:
                self._made.compare(str(at), before, length)
            return {"length": str(length)}
        return {}

    def _table(self, at: Place, node: Node, below: FieldRule | None) -> Keys:
        """A table is carried when the receiver has its codes: those of HL7 that are user-defined are not such."""
        name = node.table.upper().removeprefix("HL7")
        table = name.zfill(4) if name.isdecimal() else node.table
        have = below.table.id if below and below.table else ""
        if not table or have == table or have.startswith(f"{table}-"):  # 0203-FR is 0203 as France has it
            return {}
        if table in self._tables and at != _CHARSET:
            return {"table": quote(table)}
        self._made.remark(Kind.TABLE, str(at), f"Table={quote(node.table)}")
        return {}


def _tables(base: Profile) -> frozenset[str]:
    """The tables by which ``base`` judges something: closed lists of codes."""
    fields = (value for plan in base.plans.values() for each in plan.fields.values() for value in each.fields.values())
    return frozenset(each.rule.table.id for field in fields for each in field.walk() if each.rule.table is not None)


def _takes_lines(new: str, old: str) -> bool:
    """Whether a line for any part of the data type ``old`` finds that part in ``new`` too.

    Profiles have such lines, and an overlay is laid over several of them: a line without a place would stop the start.
    """
    parts = hl7.read_parts(new)
    below = hl7.read_parts(old)
    return len(parts) >= len(below) and all(
        _takes_lines(one.type, two.type) for one, two in zip(parts, below, strict=False)
    )


def _occurrences(nodes: Sequence[Node], groups: tuple[Node, ...] = ()) -> Iterator[_Occurrence]:
    for node in nodes:
        if node.is_group:
            yield from _occurrences(node.nodes, (*groups, node))
        else:
            yield _Occurrence(node, groups)


def _sequence(nodes: Sequence[Node]) -> Iterator[str]:
    """The segments in their order; those of a group that repeats twice."""
    for node in nodes:
        if node.usage == "X":
            continue
        if node.is_group:
            for _ in range(1 if node.most in ("", "1") else 2):
                yield from _sequence(node.nodes)
        else:
            yield node.name


def _required_in_groups(items: Sequence[hl7.Item], *, is_inside: bool = False) -> Iterator[str]:
    for item in items:
        if item.items:
            yield from _required_in_groups(item.items, is_inside=True)
        elif is_inside and item.card.min:
            yield item.name


def _anchors(items: Sequence[hl7.Item]) -> dict[tuple[str, bool], str]:
    """Where a new segment can be put: (segment, in a group) → the item at the top of the structure that it belongs to.

    Segments of the profile itself are no anchors: a new one comes behind them, and not every profile has them.
    """
    at_top = {(item.name, False): item.name for item in items if not item.items}
    return at_top | {(name, True): item.name for item in items for name in _names(item.items)}


def _names(items: Sequence[hl7.Item]) -> Iterator[str]:
    for item in items:
        if item.items:
            yield from _names(item.items)
        else:
            yield item.name
