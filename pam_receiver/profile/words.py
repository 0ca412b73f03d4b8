"""The words of the rules that are made from the lines of a profile: conditions, forms, codes and examples."""

from collections.abc import Mapping, Sequence
from functools import cache
from string import Formatter
from typing import Final

from pam_receiver.profile.model import CodeTable, Condition, FieldRule, Place, Test

_FORMS: Final[Mapping[str, tuple[str, str]]] = {  # how a value of the type is written, in French and in English
    "DT": ("AAAA[MM[JJ]]", "YYYY[MM[DD]]"),
    "TS": ("AAAA[MM[JJ[HH[MM[SS]]]]][+ZZZZ]", "YYYY[MM[DD[HH[MM[SS]]]]][+ZZZZ]"),
    "DTM": ("AAAA[MM[JJ[HH[MM[SS]]]]][+ZZZZ]", "YYYY[MM[DD[HH[MM[SS]]]]][+ZZZZ]"),
    "TM": ("HH[MM[SS]][+ZZZZ]", "HH[MM[SS]][+ZZZZ]"),
    "NM": ("un nombre en chiffres", "a number in digits"),
    "SI": ("un entier de 0 à 9999", "a whole number from 0 to 9999"),
}
_EXAMPLES: Final[Mapping[str, str]] = {  # a right value of the type; the person and the hospital are invented
    "CE": "CODE^LABEL^TABLE",
    "CNE": "CODE^LABEL^TABLE",
    "CWE": "CODE^LABEL^TABLE",
    "CP": "10",
    "CX": "100^^^HOPITAL&1.2.250.1.999.1&ISO^PI",
    "DDI": "1",
    "DLD": "750000001^20261124",
    "DR": "20261124",
    "DT": "20261124",
    "DTM": "20261124103000",
    "EI": "312^HOPITAL^1.2.250.1.999.2^ISO",
    "FC": "01^20261124",
    "FN": "KERGUELEN",
    "HD": "HOPITAL^1.2.250.1.999.1^ISO",
    "ID": "Y",
    "IS": "CODE",
    "MO": "10",
    "MOP": "AT^10",
    "MSG": "ADT^A31^ADT_A05",
    "NA": "32^01^1959",
    "NM": "1",
    "PL": "6268^101^2^750000001",
    "PT": "P",
    "SI": "1",
    "TM": "1030",
    "TS": "20261124103000",
    "VID": "2.5^FRA^2.11",
    "XAD": "12 RUE DES ILES^^NANTES^^44000^FRA^H",
    "XCN": "10000000001^MARTIN^ODILE^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS",
    "XON": "CARDIOLOGIE^^^^^HOPITAL&1.2.250.1.999.1&ISO^UF^^^6268",
    "XPN": "KERGUELEN^ANNE^ANNE SOLENE^^^^L",
    "XTN": "^PRN^PH^^^^^^^^^0240000001",
}
# What the receiver takes from a message, whatever its profile: a value there is read, be the place of usage X or not.
# Fields, or the components that alone are read; those of a data type are read in some field of that type.
READ: Final = tuple(
    Place.parse(place)
    for place in (
        *("MSH-3", "MSH-4", "MSH-5", "MSH-6", "MSH-7", "MSH-9.1", "MSH-9.2", "MSH-9.3", "MSH-10", "MSH-11", "MSH-12.1"),
        *("MSH-12.2", "MSH-12.3", "MSH-17", "MSH-18", "MSH-19", "MSH-21", "EVN-2"),
        *("PID-3.1", "PID-3.4", "PID-3.5", "PID-5.1.1", "PID-5.2", "PID-5.3", "PID-5.7", "PID-7", "PID-8"),
        *("PID-11.7", "PID-11.9", "PID-32.1", "PID-33", "MRG-1.1", "MRG-1.4", "MRG-1.5"),
        *("ZBE-4", "ZFD-4", "ZFD-5"),
        *("CX-1", "CX-4", "CX-5", "FN-1", "HD-1", "HD-2", "HD-3", "MSG-1", "MSG-2", "MSG-3", "PT-1", "TS-1", "VID-1"),
        *("VID-2", "VID-3", "XAD-7", "XAD-9", "XPN-1.1", "XPN-2", "XPN-3", "XPN-7"),
    )
)
_MOST_CODES: Final = 12  # of a table, named in the sentence itself


@cache
def is_read(at: Place) -> bool:
    """Whether the receiver reads a segment, a field, or a part of one, or anything in it."""
    return any(each.segment == at.segment and (_lies_in(each, at) or _lies_in(at, each)) for each in READ)


def _lies_in(one: Place, other: Place) -> bool:
    pairs = zip(
        (one.segment, one.field, one.component, one.subcomponent),
        (other.segment, other.field, other.component, other.subcomponent),
        strict=True,
    )
    return all(around is None or number == around for number, around in pairs)


def say_fate(at: Place) -> tuple[str, str]:
    """What becomes of a place of usage X that is filled all the same, as the end of a sentence."""
    if is_read(at):
        return "mais le récepteur lit ce qui s'y trouve", "though the receiver reads what stands there"
    return ("la valeur n'est pas lue", "the value is not read") if at.field else ("il n'est pas lu", "it is not read")


def fill(text: str, **values: str | int) -> str:
    """Put ``values`` in the places of ``text`` that are known when a profile is loaded; the others stay places."""
    places = _places_in(text)
    return text.format_map({each: _shielded(values[each]) if each in values else f"{{{each}}}" for each in places})


@cache
def _places_in(text: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in Formatter().parse(text) if name)


def _shielded(value: str | int) -> str:
    return str(value).replace("{", "{{").replace("}", "}}")


def form_of(data_type: str) -> tuple[str, str]:
    """How a value of ``data_type`` is written, in French and in English; its name when there is nothing to say."""
    return _FORMS.get(data_type, (data_type, data_type))


def list_codes(table: CodeTable) -> str:
    """The codes of a short table, as an addition to a sentence: `` (F, M, U)``."""
    return f" ({', '.join(table.values)})" if len(table.values) <= _MOST_CODES else ""


def example_of(asked: FieldRule, *, is_empty: bool, is_part: bool) -> str:
    """Return the right form of a place: that of its line, else a code of its table, else a value of its type."""
    if is_empty:
        return f"{asked.at} = "
    return f"{asked.at} = {asked.example or _value_of(asked, is_part=is_part)}"


def _value_of(asked: FieldRule, *, is_part: bool) -> str:
    if asked.table is not None:
        return next(iter(asked.table.values))
    value = _EXAMPLES.get(asked.type, "TEXT")
    value = value.replace("^", "&") if is_part else value
    return value[: asked.max_length] if asked.max_length is not None else value


def example_of_segment(name: str, *, is_empty: bool) -> str:
    """Return how a segment stands in a message."""
    return "" if is_empty else f"{name}|…"


_SAID: Final[Mapping[Test, tuple[str, str]]] = {
    Test.PRESENT: ("{at} est renseigné", "{at} is filled"),
    Test.ABSENT: ("{at} est vide", "{at} is empty"),
    Test.IS: ("{at} vaut {codes}", "{at} is {codes}"),
    Test.IS_NOT: ("{at} ne vaut pas {codes}", "{at} is not {codes}"),
}


def say_conditions(when: Sequence[Condition]) -> tuple[str, str]:
    """Return conditions as the end of a sentence, in French and in English: ``ZBE-4 vaut UPDATE ou CANCEL``."""
    french = [_SAID[each.test][0].format(at=each.at, codes=" ou ".join(sorted(each.codes))) for each in when]
    english = [_SAID[each.test][1].format(at=each.at, codes=" or ".join(sorted(each.codes))) for each in when]
    return " et ".join(french), " and ".join(english)
