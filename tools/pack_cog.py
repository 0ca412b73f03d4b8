"""Pack the communes of INSEE's code officiel géographique (COG) into ``pam_receiver/data/communes.tsv.gz``.

The source is the npm package ``@etalab/decoupage-administratif`` (data: Licence Ouverte). To renew, once a year
when the package has followed the COG of the year (in spring):

1. ``npm pack @etalab/decoupage-administratif`` fetches the newest ``.tgz``; nothing of it is run or unpacked.
2. ``python tools/pack_cog.py etalab-decoupage-administratif-VERSION.tgz`` writes the file and prints what changed.
   A code never leaves: one that is no longer current is kept as former, under the name that it had.
3. Look at INSEE's ``v_pays_et_territoire_depuis_1943.csv`` for countries, and change ``pam_receiver/data/places.tsv``.
4. Write the version, the year and the counts in ``docs/reference/birth-places.md`` and ``pam_receiver/data/NOTICE``
   (tests hold them to the file), and a line in the changelog.

The same package over the same file gives the same bytes.
"""

import argparse
import gzip
import json
import re
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DESTINATION: Final = Path(__file__).resolve().parent.parent / "pam_receiver" / "data" / "communes.tsv.gz"
PACKAGE: Final = "@etalab/decoupage-administratif"
_CURRENT: Final = frozenset({"commune-actuelle", "arrondissement-municipal"})
_FORMER: Final = frozenset({"commune-deleguee", "commune-associee"})
_CODE: Final = re.compile(r"[0-9][0-9AB][0-9]{3}")
_FEWEST: Final = 30_000  # communes: fewer means that the package is not what we think it is


class PackingFailed(Exception):
    """The package does not hold what it should; nothing was written."""


@dataclass(frozen=True, slots=True)
class Communes:
    """The communes of one package: names by code. No code is in both."""

    current: Mapping[str, str]
    former: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """What was packed: version of the package, year of the COG that it follows."""

    version: str
    year: int

    @property
    def header(self) -> str:
        return f"# {PACKAGE} {self.version}, INSEE COG {self.year}, Licence Ouverte 2.0"


def read_package(path: Path) -> tuple[Source, Communes]:
    """Return the communes of an npm package and where they are from.

    Raises:
        PackingFailed: a file is missing, or does not say what it should.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            about = json.loads(_read(archive, "package/package.json"))
            readme = _read(archive, "package/README.md").decode()
            lines = json.loads(_read(archive, "package/data/communes.json"))
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise PackingFailed(f"{path.name} is not a package of communes: {error}") from error
    if about.get("name") != PACKAGE:
        raise PackingFailed(f"{path.name} is not {PACKAGE}")
    return Source(about["version"], _find_year(readme, about["version"])), sort_communes(lines)


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member.read()


def _find_year(readme: str, version: str) -> int:
    """Return the year of the COG that a version follows, as the table of its README says."""
    found = re.search(rf"^\| *(\d{{4}}) *\| *{re.escape(version)} *\|", readme, re.MULTILINE)
    if found is None:
        raise PackingFailed(f"README.md names no year for version {version}")
    return int(found[1])


def sort_communes(lines: Iterable[Mapping[str, Any]]) -> Communes:
    """Return the communes of ``communes.json`` by standing.

    A former code bears the name that the package has for it (communes déléguées and associées), else the name of the
    commune that has its place now.
    """
    current: dict[str, str] = {}
    named: dict[str, str] = {}
    followed: dict[str, str] = {}
    for line in lines:
        if line["type"] in _CURRENT:
            current[line["code"]] = line["nom"]
        elif line["type"] in _FORMER:
            named[line["code"]] = line["nom"]
        else:
            raise PackingFailed(f"a type of commune that is new to us: {line['type']}")
        followed |= dict.fromkeys(line.get("anciensCodes", ()), line["nom"])
    former = {code: name for code, name in {**followed, **named}.items() if code not in current}
    for code, name in (*current.items(), *former.items()):
        if not _CODE.fullmatch(code) or not name.strip() or not name.isprintable():
            raise PackingFailed(f"not a commune: {code!r} {name!r}")
    return Communes(current, former)


def join_communes(before: Communes, now: Communes) -> Communes:
    """Return what ``now`` holds, and as former codes what only ``before`` held.

    A former code keeps the name that it had ``before``: its own while it was current, not that of its successor.
    """
    former = {**now.former, **before.former, **before.current}
    return Communes(now.current, {code: name for code, name in former.items() if code not in now.current})


def pack(source: Source, communes: Communes) -> bytes:
    """Return the data file: gzip of one line a code, ``code TAB name``, and ``TAB former`` for a former one."""
    lines = [f"{code}\t{name}" for code, name in communes.current.items()]
    lines += [f"{code}\t{name}\tformer" for code, name in communes.former.items()]
    text = "\n".join([source.header, *sorted(lines)]) + "\n"
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def unpack(packed: bytes) -> Communes:
    """Return the communes of a data file."""
    current: dict[str, str] = {}
    former: dict[str, str] = {}
    for line in gzip.decompress(packed).decode().splitlines():
        if not line.startswith("#"):
            code, name, *standing = line.split("\t")
            (former if standing else current)[code] = name
    return Communes(current, former)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Pack the communes of the COG into the data file of pam-receiver.")
    parser.add_argument("package", type=Path, help=f"{PACKAGE} as npm pack fetches it (.tgz)")
    parser.add_argument("--to", type=Path, default=DESTINATION, help="the data file, read first when it exists")
    parser.add_argument("--fewest", type=int, default=_FEWEST, help="refuse a package of fewer communes")
    asked = parser.parse_args(arguments)
    try:
        source, now = read_package(asked.package)
        if len(now.current) < asked.fewest:
            raise PackingFailed(f"only {len(now.current)} communes")
    except PackingFailed as failure:
        print(f"Nothing written: {failure}", file=sys.stderr)
        return 1
    before = unpack(asked.to.read_bytes()) if asked.to.exists() else Communes({}, {})
    joined = join_communes(before, now)
    packed = pack(source, joined)
    asked.to.write_bytes(packed)
    gone = [code for code in before.current if code not in joined.current]
    new = [code for code in joined.current if code not in before.current]
    print(f"{source.header.removeprefix('# ')}: {len(packed):,} bytes")
    print(f"{len(joined.current):,} current, {len(new):,} of them new")
    print(f"{len(joined.former):,} former, {len(gone):,} of them current until now")
    return 0


if __name__ == "__main__":
    sys.exit(main())
