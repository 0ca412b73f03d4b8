"""What an imported conformance profile says that an overlay cannot carry, or that its reader should know.

Each kind is told once, in French and in English, with the places that it is about.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

_MOST_PLACES: Final = 12  # named in a note; the overlay names them all, at their places


class Kind(StrEnum):
    """Why a note is made, in the order in which notes are told."""

    FORBIDDEN = "forbidden"
    SAME = "same"
    VERSION = "version"
    OTHER = "other"
    STRUCTURE = "structure"
    LAXER = "laxer"
    ABSENT = "absent"
    PLACED = "placed"
    NO_PLACE = "no-place"
    ORDER = "order"
    GROUP = "group"
    GROUPED = "grouped"
    TWICE = "twice"
    CONDITION = "condition"
    CONDITION_KEPT = "condition-kept"
    BACKWARD = "backward"
    USAGE = "usage"
    TYPE = "type"
    TABLE = "table"
    CONSTANT = "constant"
    LENGTH = "length"
    DEFAULT_LENGTH = "default-length"
    NUMBER = "number"
    WORDS = "words"


NOTES: Final[Mapping[Kind, tuple[str, str]]] = MappingProxyType(
    {
        Kind.FORBIDDEN: (
            "À trancher d'abord : le fichier interdit (X), et {base} exige (R) ; l'envoyer fera un constat : {places}.",
            "To be settled first: the file forbids (X) and {base} requires (R); to send it makes a finding: {places}.",
        ),
        Kind.SAME: (
            "Le fichier ne dit rien d'autre que {base} : la surcouche est vide.",
            "The file says nothing else than {base}: the overlay is empty.",
        ),
        Kind.VERSION: (
            "Le fichier est écrit pour HL7 {places}, le récepteur juge selon HL7 v2.5 : relire types et champs.",
            "The file is written for HL7 {places}, the receiver judges by HL7 v2.5: read types and fields again.",
        ),
        Kind.OTHER: (
            "Message d'un autre type que ADT, laissé de côté : {places}.",
            "Message of another type than ADT, left out: {places}.",
        ),
        Kind.STRUCTURE: (
            "Le fichier annonce une autre structure de message que {base} ; celle de {base} est gardée : {places}.",
            "The file names another message structure than {base}; that of {base} is kept: {places}.",
        ),
        Kind.LAXER: (
            "Le fichier est moins exigeant que {base}, ce qui n'y sera plus contrôlé : {places}.",
            "The file asks less than {base}, which will no longer be checked there: {places}.",
        ),
        Kind.ABSENT: (
            "{base} l'exige et le fichier n'en parle pas ; l'exigence reste : {places}.",
            "{base} requires it and the file does not speak of it; the requirement stays: {places}.",
        ),
        Kind.PLACED: (
            "Segment que {base} n'a pas, ajouté : {places}.",
            "Segment that {base} does not have, added: {places}.",
        ),
        Kind.NO_PLACE: (
            "Sans place dans les segments et les types de {base}, laissé de côté : {places}.",
            "No place for it in the segments and types of {base}, left out: {places}.",
        ),
        Kind.ORDER: (
            "L'ordre ou la répétition du fichier n'est pas celui de {base}, qui est gardé : {places}.",
            "Order or repetition in the file is not that of {base}, which is kept: {places}.",
        ),
        Kind.GROUP: (
            "Groupe à usage conditionnel ou inconnu, non contrôlé : {places}.",
            "Group of a conditional or unknown usage, not checked: {places}.",
        ),
        Kind.GROUPED: (
            "Obligatoire dans un groupe facultatif, ce qui ne peut pas être contrôlé, pris comme O : {places}.",
            "Required in a group that is not, which cannot be checked, taken as O: {places}.",
        ),
        Kind.TWICE: (
            "Décrit plusieurs fois et autrement ; la première description de chaque champ compte : {places}.",
            "Described several times and differently; the first description of each field counts: {places}.",
        ),
        Kind.CONDITION: (
            "Condition écrite en mots, non contrôlée ; C est pris comme RE, CE comme O : {places}.",
            "Condition written in words, not checked; C is taken as RE, CE as O: {places}.",
        ),
        Kind.CONDITION_KEPT: (
            "Même usage conditionnel que {base}, dont la condition est gardée ; comparer : {places}.",
            "Same conditional usage as {base}, whose condition is kept; compare: {places}.",
        ),
        Kind.BACKWARD: (
            "Usage B (compatibilité avec l'ancien), pris comme O : {places}.",
            "Usage B (backward compatible), taken as O: {places}.",
        ),
        Kind.USAGE: (
            "Usage qui ne se contrôle pas ; celui de {base} est gardé : {places}.",
            "Usage that cannot be checked; that of {base} is kept: {places}.",
        ),
        Kind.TYPE: (
            "Type que HL7 v2.5 ou {base} ne permet pas ici ; celui de {base} est gardé, sans ses parties : {places}.",
            "Type that HL7 v2.5 or {base} does not allow here; that of {base} is kept, without its parts: {places}.",
        ),
        Kind.TABLE: (
            "Table dont le récepteur n'a pas la liste fermée des codes, non contrôlée : {places}.",
            "Table of which the receiver has no closed list of codes, not checked: {places}.",
        ),
        Kind.CONSTANT: (
            "Valeur constante, non contrôlée : {places}.",
            "Constant value, not checked: {places}.",
        ),
        Kind.LENGTH: (
            "Longueur d'un type composé, non contrôlée : {places}.",
            "Length of a composite type, not checked: {places}.",
        ),
        Kind.DEFAULT_LENGTH: (
            "Longueur 3, que les ateliers de messages écrivent partout par défaut, laissée de côté : {places}.",
            "Length 3, which message workbenches write everywhere by default, left out: {places}.",
        ),
        Kind.NUMBER: (
            "Min, Max ou longueur qui ne peut pas être contrôlé ; ce que dit {base} est gardé : {places}.",
            "Min, Max or length that cannot be checked; what {base} says is kept: {places}.",
        ),
        Kind.WORDS: (
            "Remarque en mots, reprise en commentaire : {places}.",
            "Remark in words, kept as a comment: {places}.",
        ),
    }
)


def say_notes(found: Mapping[Kind, Sequence[str]], base: str) -> tuple[tuple[str, str], ...]:
    """Return the notes of ``found`` (kind → places), French and English, in the order of the kinds."""
    return tuple(
        (
            NOTES[kind][0].format(places=_list(kind, found[kind]), base=base),
            NOTES[kind][1].format(places=_list(kind, found[kind]), base=base),
        )
        for kind in Kind
        if kind in found
    )


def _list(kind: Kind, places: Sequence[str]) -> str:
    named = sorted(dict.fromkeys(places), key=lambda place: "." in place.partition(" ")[0])  # parts last
    if kind is Kind.FORBIDDEN:
        return ", ".join(named)  # each of them has to be looked at
    rest = len(named) - _MOST_PLACES
    return ", ".join(named[:_MOST_PLACES]) + (f" … (+{rest})" if rest > 0 else "")
