"""``docs/explanation/promises.md`` names, for each promise, the test that fails without it: each of them is there."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "explanation" / "promises.md"
_TEST: Final = re.compile(r"`(tests/[\w/]+\.py)((?:::\w+)+)`")
_ROW: Final = re.compile(r"^\| (?!-|Promise)(.+?) \| (.+?) \|$", re.MULTILINE)


def rows() -> list[tuple[str, str]]:
    """The promises, each with what stands in the column of its tests."""
    return _ROW.findall(PAGE.read_text(encoding="utf-8"))


def named() -> list[tuple[str, str]]:
    """Every (file, ::Class::test) that the page names."""
    return sorted(set(_TEST.findall(PAGE.read_text(encoding="utf-8"))))


def names_in(file: str) -> set[str]:
    """The tests of a file, and its classes, as pytest names them."""
    found: set[str] = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            found.add(f"::{node.name}")
        elif isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            inner = {f"::{node.name}::{each.name}" for each in methods if each.name.startswith("test")}
            found |= inner | ({f"::{node.name}"} if inner else set())
    return found


def test_every_promise_names_its_test() -> None:
    assert len(rows()) > 20
    assert [promise for promise, tests in rows() if not _TEST.search(tests)] == []


@pytest.mark.parametrize(("file", "name"), named())
def test_the_test_is_there(file: str, name: str) -> None:
    assert name in names_in(file)
