"""What the compile step makes of values: the classes that they are, written out."""

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

SAMPLE = '''"""A module."""

from dataclasses import field
from pam_receiver.values import value


@value(frozen=True, slots=True)
class Inner:
    """With a default."""

    name: str
    number: int = 3

    @property
    def shown(self) -> str:
        return f"{self.name} {self.number}"


@value(frozen=True, slots=True)
class Outer:
    """With fields that are not compared, or not shown."""

    inner: Inner
    place: str = field(default="", compare=False)
    parts: dict[str, int] = field(default_factory=dict)
    raw: bytes = field(default=b"", repr=False)


AFTER = Outer(Inner("a"))'''


WriteOut = Callable[[str], str]
Names = dict[str, Any]


@pytest.fixture
def write_out(monkeypatch: pytest.MonkeyPatch) -> WriteOut:
    pytest.importorskip("hatchling", reason="hatchling is not installed: what calls it cannot be read")
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("hatch_build").write_out_values


def run(source: str) -> Names:
    names: Names = {"__name__": "sample"}
    exec(compile(source, "sample.py", "exec"), names)  # noqa: S102 - of this file
    return names


@pytest.fixture(params=["as it is", "written out"])
def sample(request: pytest.FixtureRequest, write_out: WriteOut) -> Names:
    return run(SAMPLE if request.param == "as it is" else write_out(SAMPLE))


class TestWriteOutValues:
    def test_fields_and_defaults(self, sample: Names) -> None:
        outer = sample["Outer"](sample["Inner"]("a", number=4), parts={"x": 1})
        assert (outer.inner.name, outer.inner.number, outer.place, outer.parts) == ("a", 4, "", {"x": 1})
        assert outer.inner.shown == "a 4"
        first, second = sample["Outer"](None), sample["Outer"](None)
        assert first.parts == {}
        assert first.parts is not second.parts
        with pytest.raises(TypeError):
            sample["Inner"]()

    def test_equal_by_the_fields_that_are_compared(self, sample: Names) -> None:
        inner, outer = sample["Inner"], sample["Outer"]
        assert inner("a") == inner("a", 3)
        assert inner("a") != inner("b")
        assert inner("a") != inner("a", 4)
        assert inner("a") != ("a", 3)
        assert outer(inner("a"), place="x") == outer(inner("a"), place="y")
        assert outer(inner("a"), raw=b"x") != outer(inner("a"))
        assert hash(inner("a")) == hash(inner("a", 3)) == hash(("a", 3))
        assert len({inner("a"), inner("a"), inner("b")}) == 2

    def test_shown_without_what_is_not_to_be(self, sample: Names) -> None:
        assert repr(sample["Outer"](sample["Inner"]("a"), raw=b"secret")) == (
            "Outer(inner=Inner(name='a', number=3), place='', parts={})"
        )

    def test_all_other_lines_stay_where_they_are(self, write_out: WriteOut) -> None:
        before, after = SAMPLE.splitlines(), write_out(SAMPLE).splitlines()
        assert all(old == new for old, new in zip(before, after, strict=False) if old.strip() and "value" not in old)
        assert after.index('AFTER = Outer(Inner("a"))') == before.index('AFTER = Outer(Inner("a"))')

    def test_written_out_it_is_no_call_at_run_time(self, write_out: WriteOut) -> None:
        made = run(write_out(SAMPLE))
        assert made["Inner"].__init__.__code__.co_filename == "sample.py"

    @pytest.mark.parametrize(
        "line",
        [
            "    def __post_init__(self) -> None: ...\n",
            "    other: int = field(init=False)\n",
            "    other: int = field(default=1, kw_only=True)\n",
        ],
    )
    def test_what_it_does_not_know_is_refused(self, write_out: WriteOut, line: str) -> None:
        with pytest.raises(ValueError, match="plain"):
            write_out(SAMPLE.replace("    name: str\n", f"    name: str\n{line}"))

    def test_a_second_decorator_is_refused(self, write_out: WriteOut) -> None:
        with pytest.raises(ValueError, match="plain"):
            write_out(
                SAMPLE.replace(
                    "@value(frozen=True, slots=True)\nclass Inner",
                    "@final\n@value(frozen=True, slots=True)\nclass Inner",
                )
            )

    def test_what_is_said_to_be_compared_is(self, write_out: WriteOut) -> None:
        outer = run(write_out(SAMPLE.replace("compare=False", "compare=True")))["Outer"]
        assert outer(None, place="x") != outer(None, place="y")

    def test_each_value_of_the_core(self, write_out: WriteOut) -> None:
        patterns = importlib.import_module("hatch_build").CORE
        paths = [path for each in patterns for path in (ROOT / "pam_receiver").glob(each)]
        sources = [path.read_text("utf-8") for path in paths]
        values = sum(source.count("\n@value(") for source in sources)
        made = [write_out(source) for source in sources]
        assert values > 20
        assert sum(source.count("\n@_dataclass(init=False, eq=False)\n") for source in made) == values
        for before, after in zip(sources, made, strict=True):
            places = [(node.name, node.lineno) for node in ast.parse(before).body if isinstance(node, ast.FunctionDef)]
            assert places == [(n.name, n.lineno) for n in ast.parse(after).body if isinstance(n, ast.FunctionDef)]
