"""500 spoilt messages held to hl7apy's strict validation and to ours: what it alone finds is explained or a fault.

The table of the explanations stands in docs/reference/beside-hl7apy.md, and is held to this one.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message
from hl7apy.v2_5.datatypes import DATATYPES_STRUCTS
from hl7apy.v2_5.segments import SEGMENTS
from hl7apy.validation import Validator
from spoilt import BREACHES, Spoilt, read_clean, spoil, without_z

from pam_receiver.cli import parts
from pam_receiver.config import load_settings
from pam_receiver.finding import Location
from pam_receiver.understand import check_file_message

COUNT: Final = 500
SEED: Final = 2500
PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "beside-hl7apy.md"
AT: Final = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
CLEAN: Final = read_clean()

# ------------------------------------------------------------------------------------------------- what hl7apy says


@dataclass(frozen=True, slots=True)
class Complaint:
    """What hl7apy says of a message. ``at``: field or segment, ``""`` when it does not say."""

    text: str
    at: str


def listen(text: str, report: Path) -> frozenset[Complaint]:
    """Return all that hl7apy has against a message: all of the validation, and the strict parser's first word.

    The strict parser stops at the first fault, so what can be parsed at all is validated, and the parser is asked when
    the validation finds no error: forms and lengths of values are its own matter. Z segments are taken away before.
    """
    hl7_text = without_z(text)
    message = parse_message(hl7_text, validation_level=VALIDATION_LEVEL.TOLERANT, force_validation=False)
    with suppress(HL7apyException):  # the first of those in the report
        Validator.validate(message, report_file=str(report))
    lines = re.split(r"\n(?=Error: |Warning: )", report.read_text().rstrip("\n"))
    if not any(line.startswith("Error: ") for line in lines):
        try:
            parse_message(hl7_text, validation_level=VALIDATION_LEVEL.STRICT, force_validation=False)
        except (HL7apyException, ValueError) as error:
            lines.append(f"{type(error).__name__}: {error}")
    return frozenset(Complaint(line, _place(line)) for line in lines if line)


def _place(line: str) -> str:
    if found := re.search(r"\b([A-Z][A-Z0-9]{2})_(\d+)\b", line):
        return f"{found[1]}-{found[2]}"
    if found := re.search(r"(?:<Segment |child \w+\.|exceeded \w+\.)([A-Z][A-Z0-9]{2})\b", line):
        return found[1]
    return ""


def _asks_a_user_table(complaint: Complaint) -> bool:
    """Whether a table is missed that HL7 leaves to the user: that of a field or component of type IS."""
    found = re.search(r"not in table HL7\d{4} in element \w+\.(\w+)_(\d+)$", complaint.text)
    if found is None:
        return False
    entries: Any = DATATYPES_STRUCTS.get(found[1]) or SEGMENTS[found[1]][1]  # Any: hl7apy has no types
    return bool(entries[int(found[2]) - 1][1][2] == "IS")


# ---------------------------------------------------------------------------------------------------- the comparison

# The class of what hl7apy alone finds, and how it is known; the page says why we do not, in the same order.
EXPLAINED: Final[Mapping[str, re.Pattern[str]]] = {
    "the demand to erase": re.compile(r'(?:Value|ValueError:) "" (?:not in table|is not)'),
    "coding systems": re.compile(r"not in table HL70396 "),
    "tables that France extends": re.compile(r"not in table HL7(?:0130|0145|0146|0148|0203) "),
    "events and structures of PAM": re.compile(r"not in table HL7(?:0003|0354) "),
    "lengths of data types": re.compile(r"MaxLengthReached: "),
    "29 February": re.compile(r"ValueError: 20250229 "),
}
USER_TABLES: Final = "user-defined tables"


def explain(complaint: Complaint) -> str:
    """Return the class of a complaint that is hl7apy's alone, ``""`` when it is none that the page explains."""
    for name, pattern in EXPLAINED.items():
        if pattern.search(complaint.text):
            return name
    return USER_TABLES if _asks_a_user_table(complaint) else ""


@dataclass(frozen=True, slots=True)
class Compared:
    """A spoilt message, what hl7apy says of it that it does not say of the clean one, and where we say something."""

    spoilt: Spoilt
    theirs: frozenset[Complaint]
    ours: tuple[Location, ...]

    @property
    def alone(self) -> Iterator[Complaint]:
        """The complaints of which we say nothing: neither at their place, nor of the place that was spoilt.

        That segments are missing, too many or out of order is one matter, which each tells by another segment.
        """
        places = {str(Location(at.segment, 1, at.field)) for at in self.ours}
        if self.spoilt.at not in places:
            is_of_order = any(at.field is None for at in self.ours)
            for each in self.theirs:
                if each.at not in places and not (is_of_order and each.at and "-" not in each.at):
                    yield each


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that hl7apy writes to."""
    return tmp_path_factory.mktemp("hl7apy") / "report"


@pytest.fixture(scope="module")
def said_of_clean(report: Path) -> Mapping[str, frozenset[Complaint]]:
    """What hl7apy has against messages that keep to the profiles."""
    return {name: listen(text, report) for name, text in CLEAN.items()}


@pytest.fixture(scope="module")
def compared(said_of_clean: Mapping[str, frozenset[Complaint]], report: Path) -> tuple[Compared, ...]:
    """The spoilt messages: those of ``intl-`` against the international profile, the others against that of France."""
    settings = load_settings({"environment": "test"})
    international, french = (parts.make_sources(settings, profile=name) for name in ("pam", "pam_fr/2.11"))
    found = []
    for each in spoil(CLEAN, COUNT, seed=SEED):
        theirs = listen(each.text, report) - said_of_clean[each.clean]
        sources = international if each.clean.startswith("intl-") else french
        checked = check_file_message(each.text.encode(), sources=sources, at=AT)
        found.append(Compared(each, theirs, tuple(finding.at for finding in checked.findings if finding.at)))
    return tuple(found)


class TestBesideHl7apy:
    """HL7 v2.5 chapter 2: an independent reader finds no fault of structure that we do not find, or we say why."""

    def test_what_it_has_against_clean_messages_is_explained(
        self, said_of_clean: Mapping[str, frozenset[Complaint]]
    ) -> None:
        said = frozenset[Complaint]().union(*said_of_clean.values())
        assert [each.text for each in said if not explain(each)] == []

    def test_what_it_alone_finds_is_explained(self, compared: tuple[Compared, ...]) -> None:
        alone = [(one.spoilt, each) for one in compared for each in one.alone]
        unexplained = [(spoilt.clean, spoilt.breach, each.text[:120]) for spoilt, each in alone if not explain(each)]
        assert unexplained == []

    def test_each_explanation_is_needed_and_on_the_page(
        self, said_of_clean: Mapping[str, frozenset[Complaint]], compared: tuple[Compared, ...]
    ) -> None:
        alone = [
            *(each for one in compared for each in one.alone),
            *(x for each in said_of_clean.values() for x in each),
        ]
        assert {explain(each) for each in alone} == {*EXPLAINED, USER_TABLES}
        rows = re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE.read_text("utf-8"), re.MULTILINE)
        assert rows == [*EXPLAINED, USER_TABLES]

    def test_every_breach_is_tried_and_most_are_found_by_both(self, compared: tuple[Compared, ...]) -> None:
        assert len(compared) == COUNT
        tried = Counter(each.spoilt.breach for each in compared)
        assert set(tried) == set(BREACHES)
        assert min(tried.values()) >= COUNT // len(BREACHES)
        by_both = sum(bool(each.theirs and each.ours) for each in compared)
        assert by_both > COUNT // 2
