"""Compile the way of a message with mypyc when a wheel is built with ``PAM_COMPILE=1``; else do nothing.

The compiled modules lie beside their sources: the same code, quicker. As a command it compiles in place.
"""

import ast
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE: Final = "pam_receiver"
# What each message goes through, fully typed. Tables (rules.py) have nothing to gain.
CORE: Final = (
    "adt/*.py",
    "errors.py",
    "finding.py",
    "hl7/*.py",
    "identity/*.py",
    "ids.py",
    "intake.py",
    "listener/connection.py",
    "metrics.py",
    "parcel.py",
    "profile/check.py",
    "receive.py",
    "shifts.py",
    "sources.py",
    "store/binary.py",
    "store/memory.py",
    "store/prepared.py",
    "store/records.py",
    "store/rows.py",
    "store/said.py",
    "store/transaction.py",
    "understand.py",
)
_LEFT_OUT: Final = ("__init__.py", "rules.py")


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]  # of no configuration
    """Put the compiled core into the wheel, which is then one of this platform and Python."""

    def dependencies(self) -> list[str]:
        return self.metadata.core.optional_dependencies["compile"] if _is_asked() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or not _is_asked():
            return
        self._made = tempfile.TemporaryDirectory(prefix="pam-receiver-core-")
        made = Path(self._made.name)
        compile_core(Path(self.root), made)
        build_data["force_include"].update({str(each): str(each.relative_to(made)) for each in made.rglob("*.so")})
        build_data.update(pure_python=False, infer_tag=True)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if not build_data["pure_python"]:
            self._made.cleanup()


def _is_asked() -> bool:
    return os.environ.get("PAM_COMPILE", "0") not in ("", "0")


def compile_core(root: Path, into: Path) -> None:
    """Compile the package that lies in ``root``; write the extension modules into ``into``, as they lie there."""
    from mypyc.build import mypycify
    from setuptools import Distribution

    with tempfile.TemporaryDirectory() as scratch, chdir(scratch):  # by names from here: they stay in what is made
        package = Path(PACKAGE)
        shutil.copytree(root / package, package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        sources = [path for each in CORE for path in sorted(package.glob(each)) if path.name not in _LEFT_OUT]
        for path in sources:
            path.write_text(write_out_values(path.read_text("utf-8")), "utf-8")
        paths = [str(path) for path in sources]
        flags = ["--config-file=", "--ignore-missing-imports", f"--cache-dir={scratch}/cache"]
        made = mypycify([*flags, *paths], debug_level="0", target_dir=f"{scratch}/c", group_name=f"{PACKAGE}.core")
        command = Distribution({"name": PACKAGE, "ext_modules": made}).get_command_obj("build_ext")
        command.build_lib, command.build_temp, command.parallel = str(into), f"{scratch}/o", os.cpu_count()
        command.ensure_finalized()
        command.run()


# ------------------------------------------------------------------------------------------------------------- values

_VALUE: Final = "value"
_IMPORT: Final = "from pam_receiver.values import value"


def write_out_values(source: str) -> str:
    """Write out what ``@value`` gives a class: ``__init__``, ``__eq__`` and ``__hash__``, on blank lines of the class.

    A dataclass makes them at run time, out of mypyc's sight: they are interpreted, and set each field by a call. As
    lines of the source they are compiled with the rest. All other lines stay where they are, for tracebacks.

    Raises:
        ValueError: a class has something of a dataclass that this does not know, or too few blank lines.
    """
    lines = [*source.splitlines(), "", ""]
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and any(_is_value(each) for each in node.decorator_list):
            _write_out(node, lines)
    if _IMPORT in lines:
        lines[lines.index(_IMPORT)] += "; from dataclasses import dataclass as _dataclass"
    return "\n".join(lines)


def _is_value(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == _VALUE


def _write_out(node: ast.ClassDef, lines: list[str]) -> None:
    fields = [_Field(each) for each in node.body if isinstance(each, ast.AnnAssign)]
    compared = [each.name for each in fields if each.is_compared]
    own = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    is_plain = len(node.decorator_list) == 1 and not node.bases and bool(compared)
    if own & {"__init__", "__post_init__", "__eq__", "__hash__"} or not is_plain:
        raise ValueError(f"{node.name} is no plain value")
    methods = (
        f"def __init__(self, {', '.join(each.parameter for each in fields)}) -> None: "
        + "; ".join(each.setting for each in fields),
        f"def __eq__(self, other: object) -> bool: return self is other or (isinstance(other, {node.name})"
        + "".join(f" and self.{name} == other.{name}" for name in compared)
        + ")",
        f"def __hash__(self) -> int: return hash(({''.join(f'self.{name}, ' for name in compared)}))",
    )
    blank = _blank_lines(node, lines)
    if len(blank) < len(methods):
        raise ValueError(f"{node.name} has too few blank lines")
    for line, method in zip(blank, methods, strict=False):
        lines[line] = f"    {method}"
    lines[node.lineno - 2] = "@_dataclass(init=False, eq=False)"


def _blank_lines(node: ast.ClassDef, lines: Sequence[str]) -> list[int]:
    """Return the places of the blank lines between what stands in a class, and of the two behind it."""
    taken = {line for each in node.body for line in range(each.lineno - 1, each.end_lineno or 0)}
    last = node.end_lineno or 0
    return [line for line in range(node.lineno, last + 2) if line not in taken and not lines[line].strip()]


class _Field:
    """A field of a value, and what ``__init__`` says of it."""

    def __init__(self, node: ast.AnnAssign) -> None:
        name, of, default = ast.unparse(node.target), ast.unparse(node.annotation), node.value
        given = {"default": default} if default is not None else {}
        if isinstance(default, ast.Call) and ast.unparse(default.func) == "field":
            given = {str(each.arg): each.value for each in default.keywords}
        if set(given) - {"default", "default_factory", "compare", "repr"}:
            raise ValueError(f"{name} is no plain field")
        self.name: Final = name
        self.is_compared: Final = "compare" not in given or ast.unparse(given["compare"]) == "True"
        self.parameter, self.setting = f"{name}: {of}", f"self.{name} = {name}"
        if "default_factory" in given:
            self.parameter += " | None = None"
            self.setting += f" if {name} is not None else {ast.unparse(given['default_factory'])}()"
        elif "default" in given:
            self.parameter += f" = {ast.unparse(given['default'])}"


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    compile_core(here, here)
