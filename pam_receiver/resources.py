"""Where the files that travel with the package lie: ``profiles/`` and ``migrations/``, and the lists in ``data/``.

In a checkout the first two stand beside the package; in an installed wheel they lie inside it (see ``pyproject.toml``).
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


def _locate(name: str) -> Path:
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name


PROFILES: Final = _locate("profiles")
MIGRATIONS: Final = _locate("migrations")
DATA: Final = _PACKAGE / "data"
IS_COMPILED: Final = find_spec("pam_receiver.core__mypyc") is not None  # see hatch_build.py
