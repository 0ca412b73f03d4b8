"""What an INSEE code (COG) says of a place of birth: its name, and whether it is a code of today or of another time.

The lists are constants of the house that are too long for a module: they lie in ``data/`` and are read once, when the
first code is looked up. ``tools/pack_cog.py`` makes the long one.
"""

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from pam_receiver.resources import DATA

COMMUNES: Final = DATA / "communes.tsv.gz"
PLACES: Final = DATA / "places.tsv"  # what the first lacks: countries, and overseas communes under older codes
UNKNOWN_PLACE: Final = "99999"

_COG: Final = re.compile(  # Constraints on HL7 data types 1.8.2 §N.6: commune, or country for a birth abroad
    r"(?:0[1-9]|[1-8]\d|9[0-5]|2[AB])\d{3}|97[1-8]\d{2}|98\d{3}|99\d{3}", re.ASCII
)


class PlaceStanding(StrEnum):
    """What is known of a birth place code."""

    CURRENT = "current"
    FORMER = "former"  # right for a birth of its time
    PLAUSIBLE = "plausible"  # the form of a code, in no list: 91nnn-94nnn of Algeria before 1962 among them
    UNKNOWN = "unknown"  # not the form of a code, or 99999


@dataclass(frozen=True, slots=True)
class Place:
    """A birth place code and what it stands for; ``name`` is that of INSEE, ``None`` for a code in no list.

    Where the name of a former commune is not known, it is that of the commune that has its place now.
    """

    code: str
    name: str | None
    standing: PlaceStanding


def is_listed(code: str) -> bool:
    """Whether a birth place code is in the lists, of today or of another time; any text may be asked for."""
    return code in _read_lists()


def find_place(code: str) -> Place:
    """Return what the lists say of a birth place code; any text may be asked for."""
    listed = _read_lists().get(code)
    if listed is not None:
        name, _, former = listed.partition("\t")
        return Place(code, name, PlaceStanding.FORMER if former else PlaceStanding.CURRENT)
    likely = code != UNKNOWN_PLACE and _COG.fullmatch(code)
    return Place(code, None, PlaceStanding.PLAUSIBLE if likely else PlaceStanding.UNKNOWN)


@cache
def _read_lists() -> Mapping[str, str]:
    """Return what stands behind each code in the lists: ``name``, and ``TAB former`` for a former one."""
    texts = (gzip.decompress(COMMUNES.read_bytes()).decode(), PLACES.read_text(encoding="utf-8"))
    lines = (line for text in texts for line in text.splitlines() if not line.startswith("#"))
    return dict(line.split("\t", 1) for line in lines)
