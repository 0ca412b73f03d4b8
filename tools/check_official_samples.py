"""Say what each official sample earns: the answer, and every finding with the section it is judged by.

``python tools/check_official_samples.py FOLDER…``: HL7 files, or folders of them, that you have fetched yourself;
nothing is fetched and nothing is kept. They are checked as ``pam-receiver check --environment test`` does, each by the
profile that its MSH-12 names. What each finding is judged to be stands in ``docs/reference/official-samples.md``: one
that is not there yet belongs there, or it is a false alarm.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pam_receiver.adt.rules import TYPE_NOT_ADT
from pam_receiver.cli import parts
from pam_receiver.cli.files import Splitter, is_acknowledgement, read_messages
from pam_receiver.config import load_settings
from pam_receiver.understand import Checked, check_file_message

SUFFIXES: Final = frozenset({".er7", ".hl7"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One message of a file, and what is said of it."""

    file: str
    number: int
    checked: Checked


def check_samples(paths: Iterable[Path]) -> Iterator[Sample]:
    """Check every message of the files and folders, in the order of their names; acknowledgements are left out."""
    settings = load_settings({"environment": "test"})
    sources = parts.make_sources(settings)
    for path in _find(paths):
        for number, raw in enumerate(read_messages(path, Splitter()), 1):
            if not is_acknowledgement(raw):
                checked = check_file_message(raw, sources=sources, at=datetime.now(UTC))
                yield Sample(path.name, number, checked)


def _find(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES)
        else:
            yield path


def describe(sample: Sample) -> str:
    """Return what is shown of a sample: a line, and one more for each finding."""
    checked = sample.checked
    head = f"{sample.file} ({sample.number}): {checked.event} {checked.ack_code.value} {checked.profile}"
    said = [f"  {each.severity.value} {each.at or '-'} {each.rule} [{each.spec}]" for each in checked.findings]
    return "\n".join([head.rstrip(), *said])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", metavar="FOLDER", type=Path, nargs="+")
    asked = parser.parse_args()
    missing = [each for each in asked.paths if not each.exists()]
    if missing:
        parser.error(f"there is no {missing[0]}")
    count = others = 0
    for sample in check_samples(asked.paths):
        if any(each.rule == TYPE_NOT_ADT.id for each in sample.checked.findings):
            others += 1
            continue
        count += 1
        print(describe(sample))
    print(f"{count} ADT message(s), {others} of other types left out")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main())
