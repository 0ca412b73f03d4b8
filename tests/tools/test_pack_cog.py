"""tools/pack_cog.py: a package of communes becomes the data file, the same every time; a code never leaves."""

import gzip
import importlib.util
import io
import json
import re
import sys
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "pam_receiver" / "data"


def _load_packer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pack_cog", ROOT / "tools" / "pack_cog.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pack_cog"] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


PACKER: Any = _load_packer()

COMMUNES: list[dict[str, Any]] = [  # invented, but for their form
    {"code": "01002", "nom": "Bourg-Neuf", "type": "commune-actuelle", "anciensCodes": ["01003", "01004"]},
    {"code": "01001", "nom": "L'Île", "type": "commune-actuelle"},
    {"code": "2A001", "nom": "Porto", "type": "commune-actuelle", "anciensCodes": ["20001"]},
    {"code": "75101", "nom": "Ville 1er Arrondissement", "type": "arrondissement-municipal"},
    {"code": "01003", "nom": "Vieux-Bourg", "type": "commune-deleguee"},
    {"code": "01002", "nom": "Bourg", "type": "commune-deleguee"},
    {"code": "01005", "nom": "Hameau", "type": "commune-associee"},
]
PACKED = """\
# @etalab/decoupage-administratif 9.1.0, INSEE COG 2031, Licence Ouverte 2.0
01001\tL'Île
01002\tBourg-Neuf
01003\tVieux-Bourg\tformer
01004\tBourg-Neuf\tformer
01005\tHameau\tformer
20001\tPorto\tformer
2A001\tPorto
75101\tVille 1er Arrondissement
"""


def make_package(path: Path, communes: object = COMMUNES, **about: str) -> Path:
    """Write a package as npm pack makes it."""
    package = {"name": "@etalab/decoupage-administratif", "version": "9.1.0", **about}
    files = {
        "package/package.json": json.dumps(package),
        "package/README.md": "| Année | Version |\n|---|---|\n| 2031 | 9.1.0 | x |\n| 2030  | 8.0.0  | x |\n",
        "package/data/communes.json": json.dumps(communes),
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def run(package: Path, to: Path) -> int:
    code: int = PACKER.main([str(package), "--to", str(to), "--fewest", "3"])
    return code


def text_of(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path / "package.tgz")


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "communes.tsv.gz"


class TestPacking:
    def test_each_code_has_its_line_with_name_and_standing(self, package: Path, to: Path) -> None:
        assert run(package, to) == 0
        assert text_of(to) == PACKED

    def test_again_over_its_own_file_gives_the_same_bytes(self, package: Path, to: Path) -> None:
        run(package, to)
        first = to.read_bytes()
        run(package, to)
        assert to.read_bytes() == first

    def test_the_order_of_the_package_does_not_matter(self, package: Path, to: Path, tmp_path: Path) -> None:
        run(package, to)
        other = tmp_path / "other.tsv.gz"
        run(make_package(tmp_path / "turned.tgz", COMMUNES[::-1]), other)
        assert other.read_bytes() == to.read_bytes()

    def test_it_tells_what_changed(self, package: Path, to: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run(package, to)
        assert "4 current, 4 of them new\n4 former, 0 of them current until now" in capsys.readouterr().out


class TestRenewing:
    """A year later, over the file of the year before."""

    def test_a_commune_that_is_gone_stays_as_former_under_its_own_name(
        self, package: Path, to: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        merged = [
            {"code": "01002", "nom": "Grand-Bourg", "type": "commune-actuelle", "anciensCodes": ["01001", "01004"]},
            *COMMUNES[2:],
        ]
        later = make_package(tmp_path / "later.tgz", merged)
        run(package, to)
        run(later, to)
        run(later, to)
        lines = text_of(to).splitlines()
        assert "01001\tL'Île\tformer" in lines
        assert "01002\tGrand-Bourg" in lines
        assert "01003\tVieux-Bourg\tformer" in lines
        assert "1 of them current until now" in capsys.readouterr().out

    def test_a_code_that_the_package_forgets_stays(self, package: Path, to: Path, tmp_path: Path) -> None:
        run(package, to)
        run(make_package(tmp_path / "later.tgz", COMMUNES[1:5]), to)
        assert "01004\tBourg-Neuf\tformer" in text_of(to).splitlines()

    def test_a_commune_that_comes_back_is_current_again(self, package: Path, to: Path, tmp_path: Path) -> None:
        run(package, to)
        back = [*COMMUNES[:4], {"code": "01003", "nom": "Vieux-Bourg", "type": "commune-actuelle"}]
        run(make_package(tmp_path / "later.tgz", back), to)
        assert [line for line in text_of(to).splitlines() if line.startswith("01003")] == ["01003\tVieux-Bourg"]


class TestRefusing:
    """Whatever is not the package leaves the file as it was."""

    @pytest.mark.parametrize(
        ("communes", "about"),
        [
            (COMMUNES, {"name": "another"}),
            (COMMUNES, {"version": "9.2.0"}),  # of which the README tells no year
            (COMMUNES[:2], {}),  # too few
            ([*COMMUNES, {"code": "01009", "nom": "X", "type": "commune-nouvelle"}], {}),
            ([*COMMUNES, {"code": "1009", "nom": "X", "type": "commune-actuelle"}], {}),
            ([*COMMUNES, {"code": "01009", "nom": "X\tY", "type": "commune-actuelle"}], {}),
            ([*COMMUNES, {"code": "01009", "nom": " ", "type": "commune-actuelle"}], {}),
        ],
    )
    def test_a_package_that_is_not_as_it_should_be(
        self, communes: object, about: dict[str, str], to: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        to.write_bytes(b"kept")
        assert run(make_package(tmp_path / "odd.tgz", communes, **about), to) == 1
        assert to.read_bytes() == b"kept"
        assert capsys.readouterr().err.startswith("Nothing written: ")

    @pytest.mark.parametrize("content", [None, b"", b"no archive", gzip.compress(b"no archive", mtime=0)])
    def test_a_file_that_is_no_package(self, content: bytes | None, to: Path, tmp_path: Path) -> None:
        odd = tmp_path / "odd.tgz"
        if content is not None:
            odd.write_bytes(content)
        assert run(odd, to) == 1
        assert not to.exists()

    def test_a_package_without_its_communes(self, to: Path, tmp_path: Path) -> None:
        odd = tmp_path / "odd.tgz"
        with tarfile.open(odd, "w:gz") as archive:
            archive.addfile(tarfile.TarInfo("package/package.json"), io.BytesIO())
        assert run(odd, to) == 1
        assert not to.exists()


class TestShippedFile:
    """communes.tsv.gz as it travels, and what is said of it."""

    def test_it_is_what_the_packer_would_write(self) -> None:
        shipped = (DATA / "communes.tsv.gz").read_bytes()
        text = gzip.decompress(shipped).decode()
        head = re.fullmatch(r"# \S+ (\S+), INSEE COG (\d{4}), Licence Ouverte 2.0", text.splitlines()[0])
        assert head is not None
        again = PACKER.pack(PACKER.Source(head[1], int(head[2])), PACKER.unpack(shipped))
        assert gzip.decompress(again).decode() == text

    def test_documentation_and_notice_name_its_version_year_and_counts(self) -> None:
        shipped = (DATA / "communes.tsv.gz").read_bytes()
        package, version, _, cog, year, *_ = gzip.decompress(shipped).decode().replace(",", "").split()[1:]
        communes = PACKER.unpack(shipped)
        notice = (DATA / "NOTICE").read_text(encoding="utf-8")
        page = (ROOT / "docs" / "reference" / "birth-places.md").read_text(encoding="utf-8")
        assert f"{package} {version}" in notice
        assert f"{package} {version}" in page
        assert f"({cog}) {year}" in notice
        assert f"INSEE {cog} {year}" in page
        assert f"{len(communes.current):,} current codes" in page
        assert f"{len(communes.former):,} former ones" in page

    def test_documentation_names_the_counts_of_the_list_kept_by_hand(self) -> None:
        lines = (DATA / "places.tsv").read_text(encoding="utf-8").splitlines()
        former = sum(line.endswith("\tformer") for line in lines)
        current = sum(not line.startswith("#") for line in lines) - former
        page = (ROOT / "docs" / "reference" / "birth-places.md").read_text(encoding="utf-8")
        assert f"{current} current and {former} former codes" in page
