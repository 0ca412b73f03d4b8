"""Identifiers of a patient: assigning authority, IPP, INS and its matricule."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from stdnum.fr import nir

from pam_receiver.values import value

PI: Final = "PI"  # the IPP, HL7 v2.5 table 0203
INS: Final = "INS"  # CX-5 of an INS, IHE France, Constraints on HL7 data types 1.8.2 §N.1

MAX_IDENTIFIER_LENGTH: Final = 250  # characters of each part; the annex gives CX-1 128
MAX_IDENTIFIER_BYTES: Final = 500  # of each part in UTF-8: value and authority together fill one index entry


@value(frozen=True, slots=True)
class AssigningAuthority:
    """Who gave an identifier: an HD. Each part is ``""`` when not sent.

    Two authorities are the same when their ``key`` is: HD-2 and HD-3 whenever HD-2 is filled, else HD-1.

    Spec: HL7 v2.5 §2.A.33; IHE France, Constraints on HL7 data types 1.8.2 §N.1.
    """

    namespace_id: str = ""
    universal_id: str = ""
    universal_id_type: str = ""

    @property
    def key(self) -> str:
        """The text to compare and to index by; ``""`` when nothing names the authority.

        A number sign stands before a universal id, so that no namespace can be taken for one.
        """
        if self.universal_id:
            return f"#{self.universal_id_type}#{self.universal_id}"
        return self.namespace_id

    @property
    def is_local(self) -> bool:
        """Named by HD-1 alone."""
        return bool(self.namespace_id) and not self.universal_id

    def answers_to(self, name: str) -> bool:
        """Whether ``name`` (a universal id or a namespace) names this authority."""
        return bool(name) and name in (self.universal_id, self.namespace_id)


@value(frozen=True, slots=True)
class PatientIdentifier:
    """One identifier of a patient other than the INS in force: value (CX-1), type (CX-5), authority (CX-4)."""

    value: str
    type: str
    authority: AssigningAuthority
    active: bool = True

    @property
    def key(self) -> tuple[str, str, str]:
        """(type, authority key, value): equal keys are one identifier."""
        return (self.type, self.authority.key, self.value)


def distinct(identifiers: Iterable[PatientIdentifier]) -> tuple[PatientIdentifier, ...]:
    """Return each identifier once, in force if any of its copies is.

    One that was known by HD-1 alone becomes a copy when its authority is completed.
    """
    found: dict[tuple[str, str, str], PatientIdentifier] = {}
    for each in identifiers:
        if each.key not in found or (each.active and not found[each.key].active):
            found[each.key] = each
    return tuple(found.values())


class InsNature(StrEnum):
    """What kind of matricule an INS is. Spec: IHE France, Constraints on HL7 data types 1.8.2 §N.1."""

    NIR = "NIR"
    NIA = "NIA"


INS_OIDS: Final[dict[str, InsNature]] = {  # IHE France, Constraints on HL7 data types 1.8.2 §N.1
    "1.2.250.1.213.1.4.8": InsNature.NIR,
    "1.2.250.1.213.1.4.9": InsNature.NIA,
    "1.2.250.1.213.1.4.10": InsNature.NIR,  # of test
    "1.2.250.1.213.1.4.11": InsNature.NIR,  # of demonstration
}
PRODUCTION_OIDS: Final = frozenset({"1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"})

_MATRICULE: Final = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{8}")
_WITHOUT_KEY: Final = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6}")


@value(frozen=True, slots=True)
class Ins:
    """A national health identity: matricule (15 characters: 13 and a key of 2) and OID, one of ``INS_OIDS``."""

    matricule: str
    oid: str

    @property
    def nature(self) -> InsNature:
        return INS_OIDS[self.oid]

    @property
    def is_production(self) -> bool:
        return self.oid in PRODUCTION_OIDS

    def as_former(self) -> PatientIdentifier:
        """The identifier under which this INS stays known once another has replaced it."""
        authority = AssigningAuthority(f"ASIP-SANTE-INS-{self.nature}", self.oid, "ISO")
        return PatientIdentifier(self.matricule, INS, authority, active=False)


def is_well_formed(matricule: str) -> bool:
    """Whether ``matricule`` has the shape of an INS: 15 characters, digits save for Corsica's 2A and 2B."""
    return _MATRICULE.fullmatch(matricule) is not None


def lacks_key(matricule: str) -> bool:
    """Whether ``matricule`` has the shape of the first 13 characters of an INS, its key left out."""
    return _WITHOUT_KEY.fullmatch(matricule) is not None


def looks_like_nir(text: str) -> bool:
    """Whether ``text``, blanks aside, has the shape of a NIR, with or without its key."""
    bare = "".join(text.split())
    return is_well_formed(bare) or lacks_key(bare)


def has_right_key(matricule: str) -> bool:
    """Whether the key (the last two digits) of a well-formed ``matricule`` is right, Corsica included."""
    if matricule.isdecimal():
        return 97 - int(matricule[:13]) % 97 == int(matricule[13:])
    return bool(nir.calc_check_digits(matricule) == matricule[13:])
