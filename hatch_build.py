"""Compile the pure core with mypyc when a wheel is built with ``PAM_COMPILE=1``; else do nothing.

The compiled modules lie beside their sources: the same code, quicker. As a command it compiles in place.
"""

import os
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE: Final = "pam_receiver"
# What each message goes through, fully typed. Tables (rules.py) have nothing to gain.
CORE: Final = (
    "errors.py",
    "finding.py",
    "ids.py",
    "parcel.py",
    "receive.py",
    "shifts.py",
    "sources.py",
    "understand.py",
    "adt/*.py",
    "hl7/*.py",
    "identity/*.py",
    "profile/check.py",
    "store/rows.py",
    "store/said.py",
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

    with tempfile.TemporaryDirectory() as scratch, chdir(root):  # by names from here: they stay in what is made
        package = Path(PACKAGE)
        paths = [str(path) for each in CORE for path in sorted(package.glob(each)) if path.name not in _LEFT_OUT]
        flags = ["--config-file=", "--ignore-missing-imports", f"--cache-dir={scratch}/cache"]
        made = mypycify([*flags, *paths], debug_level="0", target_dir=f"{scratch}/c", group_name=f"{PACKAGE}.core")
        command = Distribution({"name": PACKAGE, "ext_modules": made}).get_command_obj("build_ext")
        command.build_lib, command.build_temp, command.parallel = str(into), f"{scratch}/o", os.cpu_count()
        command.ensure_finalized()
        command.run()


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    compile_core(here, here)
