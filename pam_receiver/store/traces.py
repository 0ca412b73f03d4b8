"""What a person is known by, and whether a text of the journal names that person. Nothing read here is kept.

Every field of every segment is looked at: a message about a newborn names the mother too.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pam_receiver.hl7.datatypes import CX, read_cx, read_xpn
from pam_receiver.hl7.er7 import Unreadable, parse_message
from pam_receiver.hl7.message import Repetition, Segment
from pam_receiver.identity.identifiers import INS, PI, AssigningAuthority
from pam_receiver.identity.model import Identity
from pam_receiver.identity.traits import StrictTraits, rniv_form

_OF_PATIENTS: Final = {"PID": (2, 3, 4, 21), "MRG": (1, 2, 4)}  # where an id without authority is a patient's
_WITHOUT_KEY: Final = 13  # signs of a matricule sent without its key
_LONG: Final = 5  # signs: an id that long in a text without form is no chance
_WORD: Final = re.compile(r"[0-9A-Za-z]+")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

Who = tuple[str, str, str]  # birth family name, first birth given name (both in RNIV form), birth date (digits)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a text says of a person. ``ids``: when it names the person by traits alone, the IPPs that it gives."""

    is_named: bool
    ids: frozenset[str] = frozenset()


_NOBODY: Final = Sight(is_named=False)
_NAMED: Final = Sight(is_named=True)


class Traces:
    """All that a person was ever known by here."""

    def __init__(self, identities: Iterable[Identity]) -> None:
        self._authorities: dict[str, set[AssigningAuthority]] = {}  # by the value of an identifier
        self._matricules: set[str] = set()
        self._people: set[Who] = set()
        for each in identities:
            self._add(each)
        needles = {word for value in self._authorities for word in _longest_word(value)}
        needles |= {matricule[:_WITHOUT_KEY] for matricule in self._matricules} | {date for _, _, date in self._people}
        self._needles = tuple(sorted(needle.encode() for needle in needles))

    def _add(self, one: Identity) -> None:
        held = [one.ins, *(each.ins for each in one.ended_ins)]
        self._matricules |= {ins.matricule for ins in held if ins is not None and ins.matricule}
        for each in one.identifiers:
            if each.type == INS:
                self._matricules.add(each.value)
            else:
                self._authorities.setdefault(each.value, set()).add(each.authority)
        self._people |= set(_person(one.traits))

    @property
    def matricules(self) -> frozenset[str]:
        """The matricules of every INS, in force or not."""
        return frozenset(self._matricules)

    def look(self, raw: bytes) -> Sight:
        """Return whether a message, or any other text, names the person."""
        bare = raw.replace(b" ", b"")  # a matricule may be written with blanks
        if not any(needle in bare for needle in self._needles):
            return _NOBODY  # nearly always so
        try:
            message = parse_message(raw)
        except Unreadable:
            return self._look_in_words(raw)
        if any(map(self._is_in, message.segments)):
            return _NAMED
        told = [segment for segment in message.named("PID") if not self._people.isdisjoint(_people_of(segment))]
        return Sight(bool(told), frozenset(value for segment in told for value in _ipps_of(segment)))

    def _is_in(self, segment: Segment) -> bool:
        if not segment.name:
            return not self._matricules.isdisjoint(_WORD.findall(segment.text))
        for number in range(1, segment.field_count + 1):
            raw = segment.raw(number)
            if not raw:
                continue
            for repetition in segment.repetitions(number):
                if self._has_matricule(repetition) or self._has_id(repetition, segment.name, number):
                    return True
        return False

    def _has_matricule(self, repetition: Repetition) -> bool:
        if not self._matricules:
            return False
        for component in range(1, repetition.component_count + 1):
            for part in repetition.subcomponents(component):
                bare = "".join(part.split())
                if any(bare in (each, each[:_WITHOUT_KEY]) for each in self._matricules):
                    return True
        return False

    def _has_id(self, repetition: Repetition, segment: str, field: int) -> bool:
        value = (repetition.component(1) or "").strip()
        if value not in self._authorities:
            return False
        cx = read_cx(repetition)
        named = cx.assigning_authority
        said = AssigningAuthority(named.namespace_id, named.universal_id, named.universal_id_type)
        if not said.key:  # nobody's in particular: a patient's where ids of patients stand
            return field in _OF_PATIENTS.get(segment, ()) and _may_be_of_patient(cx)
        return any(_may_be_same(said, each) for each in self._authorities[value])

    def _look_in_words(self, raw: bytes) -> Sight:
        """Look for the person in bytes that have no form: what was refused may be anything."""
        words: set[str] = set()
        for codec in ("utf-8", "iso8859-15"):
            words |= set(_WORD.findall(rniv_form(raw.decode(codec, "replace"))))
        if any(each in words or each[:_WITHOUT_KEY] in words for each in self._matricules):
            return _NAMED
        said = [(_words(family), _words(given), date) for family, given, date in self._people]
        by_name = any(family <= words for family, _, _ in said)
        ids = {rniv_form(value) for value in self._authorities}
        if any(_words(value) <= words and (len(value) >= _LONG or by_name) for value in ids):
            return _NAMED
        is_told = any(family <= words and given <= words and date in words for family, given, date in said)
        return _NAMED if is_told else _NOBODY


def _longest_word(value: str) -> list[str]:
    """Return the part of an identifier that stands in a message letter by letter, escaped or not."""
    return sorted(_WORD.findall(value), key=len)[-1:]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text))


def _person(traits: StrictTraits) -> Iterator[Who]:
    family, given, date = traits.birth_family_name, traits.first_birth_given_name, traits.birth_date
    if family and given and date and _DAY.fullmatch(date):
        yield rniv_form(family), rniv_form(given), date.replace("-", "")


def _people_of(segment: Segment) -> set[Who]:
    date = (segment.value(7) or "")[:8]
    names = (read_xpn(each) for each in segment.repetitions(5))
    return {(rniv_form(each.family), rniv_form(each.given), date) for each in names if each.family and each.given}


def _ipps_of(segment: Segment) -> Iterator[str]:
    for each in segment.repetitions(3):
        cx = read_cx(each)
        if cx.id and _may_be_of_patient(cx):
            yield cx.id.strip()


def _may_be_of_patient(cx: CX) -> bool:
    return cx.identifier_type in ("", PI)


def _may_be_same(said: AssigningAuthority, held: AssigningAuthority) -> bool:
    """Whether two names may be of one authority: a bare HD-1 stands for the whole."""
    if said.key == held.key:
        return True
    is_bare = said.is_local or held.is_local or not held.key
    return is_bare and (said.namespace_id == held.namespace_id or not held.key)
