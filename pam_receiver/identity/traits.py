"""The five strict traits of an identity, their RNIV form, and what a qualified identity must hold of them.

Completeness of the traits is judged here and nowhere else.
"""

import datetime
import re
import unicodedata
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal, assert_never

from pam_receiver.finding import Finding, Location
from pam_receiver.identity import rules
from pam_receiver.identity.birth_place import UNKNOWN_PLACE, PlaceStanding, find_place, is_listed
from pam_receiver.identity.identifiers import Ins, InsNature
from pam_receiver.values import value


class Trait(StrEnum):
    """The parts of the five strict traits; a birth name has one part, given names have two."""

    BIRTH_FAMILY_NAME = "birth_family_name"
    FIRST_BIRTH_GIVEN_NAME = "first_birth_given_name"
    BIRTH_GIVEN_NAMES = "birth_given_names"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    BIRTH_PLACE_CODE = "birth_place_code"


TRAIT_NAMES: Final = tuple(trait.value for trait in Trait)  # the fields of StrictTraits, keys of JSON, columns


@value(frozen=True, slots=True)
class StrictTraits:
    """The five strict traits, as sent.

    ``birth_given_names`` is the whole list, the first one included, separated by spaces. ``birth_date`` is
    ``YYYY[-MM[-DD]]``. ``birth_place_code`` is the INSEE code (COG) of the commune, or of the country for a birth
    abroad.

    In an identity ``None`` means "not known". In what a message says, ``None`` means "says nothing" and ``""``
    means "erase it" (HL7 v2.5 §2.5.3).

    Spec: IHE PAM FR 2.11.2 §6.6.2, §6.6.4, §6.6.5, §6.6.6.
    """

    birth_family_name: str | None = None
    first_birth_given_name: str | None = None
    birth_given_names: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    birth_place_code: str | None = None

    def get(self, trait: Trait) -> str | None:
        value: str | None = getattr(self, trait)
        return value

    @property
    def values(self) -> tuple[str | None, ...]:
        """The traits in the order of :class:`Trait`."""
        return (
            self.birth_family_name,
            self.first_birth_given_name,
            self.birth_given_names,
            self.birth_date,
            self.sex,
            self.birth_place_code,
        )

    def items(self) -> Iterator[tuple[Trait, str | None]]:
        """Each trait and its value, in the order of :class:`Trait`."""
        return zip(Trait, self.values, strict=True)

    def follow(self, said: "StrictTraits") -> "StrictTraits":
        """Return these traits after a message: what it says replaces, what it erases goes, the rest stays."""
        news = said.values
        if all(news):
            return said  # nearly always so: it says all
        pairs = zip(self.values, news, strict=True)
        return StrictTraits(*[mine if new is None else new or None for mine, new in pairs])

    def changed_by(self, said: "StrictTraits") -> tuple[Trait, ...]:
        """Return the traits held here that ``said`` changes or erases, compared in RNIV form.

        Filling a trait that was empty is no change, nor is one that the message does not mention.
        """
        held = ((trait, self.get(trait), said.get(trait)) for trait in Trait)
        return tuple(t for t, mine, new in held if mine and new is not None and rniv_form(mine) != rniv_form(new))


NO_TRAITS: Final = StrictTraits()

_LIGATURES: Final = str.maketrans({"Œ": "OE", "œ": "OE", "Æ": "AE", "æ": "AE", "ß": "SS", "Ø": "O", "ø": "O"})
_NOT_A_LETTER: Final = re.compile(r"[\s'’‘`´‐‑‒–—-]+")


def rniv_form(text: str) -> str:
    """Return ``text`` as the RNIV compares names: capitals, no accents, hyphen and apostrophe as one space."""
    if not text.isascii():
        bare = unicodedata.normalize("NFD", text.translate(_LIGATURES))
        text = "".join(sign for sign in bare if not unicodedata.combining(sign))
    return _NOT_A_LETTER.sub(" ", text).strip().upper()


# ------------------------------------------------------------------------------------------------ completeness

_WORDS: Final[Mapping[Trait, tuple[str, str]]] = {
    Trait.BIRTH_FAMILY_NAME: ("nom de naissance (type L)", "birth family name (type L)"),
    Trait.FIRST_BIRTH_GIVEN_NAME: ("premier prénom de naissance (type L)", "first birth given name (type L)"),
    Trait.BIRTH_GIVEN_NAMES: ("liste des prénoms de naissance", "list of birth given names"),
    Trait.BIRTH_DATE: ("date de naissance complète et valide", "complete and valid birth date"),
    Trait.SEX: ("sexe (M, F ou U)", "sex (M, F or U)"),
    Trait.BIRTH_PLACE_CODE: ("code INSEE du lieu de naissance (BDL)", "INSEE code of the birth place (BDL)"),
}
_WORDS_AT_BEGINNING: Final[Mapping[Trait, tuple[str, str]]] = {
    trait: (french[0].upper() + french[1:], english[0].upper() + english[1:])
    for trait, (french, english) in _WORDS.items()
}
_USUAL_PLACES: Final[Mapping[Trait, str]] = {
    Trait.BIRTH_FAMILY_NAME: "PID-5, XPN-1",
    Trait.FIRST_BIRTH_GIVEN_NAME: "PID-5, XPN-2",
    Trait.BIRTH_GIVEN_NAMES: "PID-5, XPN-3",
    Trait.BIRTH_DATE: "PID-7",
    Trait.SEX: "PID-8",
    Trait.BIRTH_PLACE_CODE: "PID-11, XAD-9",
}
_SEXES: Final = frozenset("MFU")  # IHE PAM FR 2.11.2 §6.6.5


def words_for(trait: Trait) -> dict[str, str]:
    """The names of a trait in French and English and its usual place, for the words of a rule."""
    french, english = _WORDS[trait]
    return {"trait_fr": french, "trait_en": english, "place": _USUAL_PLACES[trait]}


_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def is_complete_date(date: str) -> bool:
    """Whether ``date`` is a whole and real calendar day, ``YYYY-MM-DD``."""
    if not _DAY.fullmatch(date):
        return False
    try:
        datetime.date.fromisoformat(date)
    except ValueError:
        return False
    return True


def missing_traits(said: StrictTraits) -> tuple[Trait, ...]:
    """Return the traits that a message misses to name a qualified identity; all of them, in their order.

    A date that is not a whole day and a sex that is none of M, F, U are missing. The list of given names may be the
    first name alone, so it is never missing by itself.

    Spec: IHE PAM FR 2.11.2 §6.6.2, §6.6.4, §6.6.5, §6.6.6.
    """
    has_day = bool(said.birth_date) and is_complete_date(said.birth_date or "")
    has_sex = said.sex in _SEXES
    if said.birth_family_name and said.first_birth_given_name and has_day and has_sex and said.birth_place_code:
        return ()
    usable: dict[Trait, object] = {  # as §N.6 and §N.10 of the Constraints on HL7 data types 1.8.2 say too
        Trait.BIRTH_FAMILY_NAME: said.birth_family_name,
        Trait.FIRST_BIRTH_GIVEN_NAME: said.first_birth_given_name,
        Trait.BIRTH_DATE: has_day,
        Trait.SEX: has_sex,
        Trait.BIRTH_PLACE_CODE: said.birth_place_code,
    }
    return tuple([trait for trait, value in usable.items() if not value])


# ------------------------------------------------------------------------------------------------------- form

# What INSi gives back: capitals, space, apostrophe, hyphen; double hyphen in a family name only. RNIV 1; DMN INS 1.2
_FAMILY_NAME: Final = re.compile(r"[A-Z'](?:[A-Z]|[ ](?![ '])|'(?!['])|-)*")
_GIVEN_NAME: Final = re.compile(r"[A-Z'](?:[A-Z]|[ ](?![ '])|'(?!['])|-(?!-))*(?<![-'])")

_NAME_FORMS: Final = {  # of the first traits, in their order
    Trait.BIRTH_FAMILY_NAME: _FAMILY_NAME,
    Trait.FIRST_BIRTH_GIVEN_NAME: _GIVEN_NAME,
    Trait.BIRTH_GIVEN_NAMES: _GIVEN_NAME,
}


def check_birth_place(said: StrictTraits, places: Mapping[Trait, Location]) -> tuple[Finding, ...]:
    """Check that the birth place code is one of INSEE's, of today or of the time of birth, whatever the status.

    Spec: IHE France, Constraints on HL7 data types 1.8.2 §N.6.
    """
    code = said.birth_place_code
    if not code or code == UNKNOWN_PLACE or is_listed(code):
        return ()
    match find_place(code).standing:
        case PlaceStanding.CURRENT | PlaceStanding.FORMER:
            return ()
        case PlaceStanding.PLAUSIBLE:
            rule = rules.BIRTH_PLACE_NOT_LISTED
        case PlaceStanding.UNKNOWN:
            rule = rules.BIRTH_PLACE_ILL_FORMED
        case never:
            assert_never(never)
    return (rule.at(places.get(Trait.BIRTH_PLACE_CODE)),)


def check_qualified_form(said: StrictTraits, places: Mapping[Trait, Location]) -> tuple[Finding, ...]:
    """Check that the traits beside an INS look as INSi returns them. Warnings only: what is there is taken as sent.

    Spec: IHE PAM FR 2.11.2 §6.6.2, §6.6.5; RNIV 1 EXI ID 10.
    """
    findings: list[Finding] = []
    for (trait, form), name in zip(_NAME_FORMS.items(), said.values[:3], strict=True):
        if name and not (name.isascii() and name.isalpha() and name.isupper()) and not form.fullmatch(name):
            findings.append(_say_charset(trait, places.get(trait)))
    first, names = said.first_birth_given_name, said.birth_given_names
    if first and names and not is_head_of(first, names):
        findings.append(rules.FIRST_NAME_NOT_HEAD.at(places.get(Trait.FIRST_BIRTH_GIVEN_NAME)))
    if said.sex == "U":
        findings.append(rules.SEX_NOT_FROM_INSI.at(places.get(Trait.SEX)))
    if said.birth_place_code == UNKNOWN_PLACE:
        findings.append(rules.BIRTH_PLACE_UNKNOWN.at(places.get(Trait.BIRTH_PLACE_CODE)))
    return tuple(findings)


@lru_cache(maxsize=256)
def _say_charset(trait: Trait, at: Location | None) -> Finding:
    french, english = _WORDS_AT_BEGINNING[trait]
    return rules.NAME_CHARSET.at(at, trait_fr=french, trait_en=english)


def is_head_of(first: str, names: str) -> bool:
    """Whether the list ``names`` begins with the whole given name ``first``; hyphen and space are equal."""
    if first.isalpha() and (names == first or names.startswith(f"{first} ")):
        return True  # nearly always so: no need of another form
    head, whole = rniv_form(first), rniv_form(names)
    return whole == head or whole.startswith(head + " ")


Disagreement = Literal["sex", "date", "place"]


def find_disagreements(ins: Ins, traits: StrictTraits) -> tuple[Disagreement, ...]:
    """Return what of the traits a NIR does not agree with. For information only: a changed civil status, old
    department codes, births before an independence and the samples of the ANS all break it.

    A NIA is never judged.
    """
    if ins.nature is InsNature.NIA:
        return ()
    number = ins.matricule
    found: list[Disagreement] = []
    if traits.sex in ("M", "F") and number[0] in "12" and (number[0] == "1") != (traits.sex == "M"):
        found.append("sex")
    if traits.birth_date and not _agrees_with_date(number[1:3], number[3:5], traits.birth_date):
        found.append("date")
    if traits.birth_place_code and _old_corsica(number[5:10]) != _old_corsica(traits.birth_place_code):
        found.append("place")
    return tuple(found)


def _agrees_with_date(year: str, month: str, date: str) -> bool:
    if date[2:4] != year:
        return False
    said = date[5:7]
    return not said or not 1 <= int(month) <= 12 or said == month


def _old_corsica(code: str) -> str:
    """Corsica was department 20 until 1976, and its NIRs say so."""
    return "20" + code[2:] if code[:2] in ("2A", "2B") else code
