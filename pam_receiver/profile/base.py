"""HL7 v2.5 as hl7apy describes it: structures, segments, data types, tables. Read when profiles are loaded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from hl7apy.v2_5.datatypes import DATATYPES_STRUCTS
from hl7apy.v2_5.messages import MESSAGES
from hl7apy.v2_5.segments import SEGMENTS
from hl7apy.v2_5.tables import TABLES

from pam_receiver.profile.model import Cardinality, CodeTable, FieldRule, Place, Usage

# Forms of the simple data types, HL7 v2.5 ch. 2A.
_DATE: Final = r"\d{4}(?!023[01]|(?:0[469]|11)31)(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])"
_OFFSET: Final = r"(?:[+-](?:0\d|1[0-4])[0-5]\d)?"
_TIME: Final = r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,4})?)?)?"
SHAPES: Final = {
    "DT": re.compile(_DATE + ")?)?", re.ASCII),
    "DTM": re.compile(_DATE + f"(?:{_TIME})?)?)?" + _OFFSET, re.ASCII),
    "TM": re.compile(_TIME + _OFFSET, re.ASCII),
    "NM": re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII),
    "SI": re.compile(r"\d{1,4}", re.ASCII),
}

SHAPES["TS"] = SHAPES["DTM"]  # judged by its first component; the second one, the precision, is of older versions

_CHARSET: Final = Place("MSH", 18)

SIMPLE_TYPES: Final = frozenset(SHAPES) | {"FT", "GTS", "ID", "IS", "ST", "TX"}
# Every data type that a line of a profile may name.
TYPES: Final = SIMPLE_TYPES | frozenset(DATATYPES_STRUCTS)

_SECTIONS: Final = {  # HL7 v2.5: where each segment is defined
    "MSH": "§2.15.9",
    "SFT": "§2.15.12",
    "EVN": "§3.4.1",
    "PID": "§3.4.2",
    "PV1": "§3.4.3",
    "PV2": "§3.4.4",
    "NK1": "§3.4.5",
    "AL1": "§3.4.6",
    "MRG": "§3.4.9",
    "PD1": "§3.4.10",
    "DB1": "§3.4.11",
    "PDA": "§3.4.12",
    "OBX": "§7.4.2",
    "ROL": "ch. 15",
}


@dataclass(frozen=True, slots=True)
class Item:
    """A segment of a message structure, or, when it has ``items``, a group of them."""

    name: str
    card: Cardinality
    items: tuple["Item", ...] = ()


def read_structure(name: str) -> tuple[Item, ...] | None:
    """Return the message structure ``name`` (``ADT_A05``), or ``None`` when HL7 v2.5 has none of that name."""
    return _read_items(MESSAGES[name]) if name in MESSAGES else None


def _read_items(reference: Any) -> tuple[Item, ...]:  # Any: hl7apy's tables are nested tuples without types
    return tuple(
        Item(name, _card(bounds), _read_items(inner) if kind == "GRP" else ())
        for name, inner, bounds, kind in reference[1]
    )


# Tables of HL7 v2.5 that list no closed set: Z events and structures, coding systems of one's own ("99zzz").
_OPEN_TABLES: Final = frozenset({"0003", "0076", "0354", "0396"})
_TYPE_SPEC: Final = "HL7 v2.5 ch. 2A"


@cache
def read_parts(data_type: str) -> tuple[FieldRule, ...]:
    """Return the components of ``data_type`` in their order; none for a simple type, and TS is read as one."""
    entries = () if data_type in SIMPLE_TYPES else DATATYPES_STRUCTS.get(data_type, ())
    return tuple(_read_part(Place(data_type, number), entry[1]) for number, entry in enumerate(entries, 1))


def _read_part(at: Place, entry: Any) -> FieldRule:
    _, _, data_type, name, table, _ = entry
    return FieldRule(
        at=at,
        name=_title(name),
        usage=Usage.O,  # hl7apy knows no usage of components
        card=Cardinality(0, 1),
        type=data_type,
        spec=_TYPE_SPEC,
        table=_read_id_table(data_type, table),
        shape=SHAPES.get(data_type),
    )


def _title(name: str) -> str:
    return name.replace("_", " ").title()


def _read_id_table(data_type: str, table: str | None) -> CodeTable | None:
    """IS tables are the user's own: only a profile can say which codes are right."""
    number = (table or "").removeprefix("HL7")
    return read_table(number) if data_type == "ID" and number and number not in _OPEN_TABLES else None


@cache
def read_fields(segment: str) -> Mapping[int, FieldRule] | None:
    """Return the fields of ``segment`` by number, or ``None`` when HL7 v2.5 has no such segment."""
    if segment not in SEGMENTS:
        return None
    spec = segment_spec(segment)
    return {
        number: _read_field(Place(segment, number), entry, spec)
        for number, entry in enumerate(SEGMENTS[segment][1], 1)
        if segment != "MSH" or number > 2  # MSH-1 and MSH-2 are the separators: without them nothing can be read
    }


def _read_field(at: Place, entry: Any, spec: str) -> FieldRule:
    (_, _, data_type, name, table, _), bounds = entry[1], entry[2]
    card = _card(bounds)
    return FieldRule(
        at=at,
        name=_title(name),
        usage=Usage.R if card.min else Usage.O,
        card=card,
        type=data_type,
        spec=spec,
        table=_read_id_table(data_type, table) if at != _CHARSET else None,  # MSH-18 is judged when it is read
        shape=SHAPES.get(data_type),
    )


def read_table(number: str) -> CodeTable | None:
    """Return the HL7 table ``number`` (``0136``), or ``None`` when it is not known or has no codes of its own."""
    title, codes = TABLES.get(f"HL7{number}", ("", ()))
    if not codes:
        return None
    return CodeTable(number, title, dict.fromkeys(codes, ""), f"HL7 v2.5 table {number}")


def segment_spec(segment: str) -> str:
    """Return where HL7 v2.5 defines ``segment``; the financial ones all stand in chapter 6."""
    return f"HL7 v2.5 {_SECTIONS.get(segment, 'ch. 6')}"


def _card(bounds: tuple[int, int]) -> Cardinality:
    least, most = bounds
    return Cardinality(least, None if most < 0 else most)
