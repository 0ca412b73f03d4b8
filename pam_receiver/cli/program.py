"""How this program was called, so that the commands it names can be typed as they are printed."""

import os
import shlex
import shutil
from pathlib import Path
from typing import Final

NAME: Final = "pam-receiver"


def called_as(script: str, interpreter: str) -> str:
    """Return the words that run this program again from the current folder.

    ``script`` is ``sys.argv[0]``, ``interpreter`` is ``sys.executable``. A program found on PATH keeps its bare name,
    one below the current folder its relative path; ``python -m pam_receiver`` names its Python likewise.
    """
    match Path(script).name:
        case "__main__.py":
            return f"{_as_typed(interpreter)} -m pam_receiver"
        case name if name == NAME:
            return _as_typed(script)
        case _:  # another program that calls ours
            return NAME


def _as_typed(program: str) -> str:
    path = Path(os.path.abspath(program))  # resolve() would follow the links that make a venv
    found = shutil.which(path.name)
    if found is not None and os.path.abspath(found) == str(path):
        return shlex.quote(path.name)
    try:
        below = path.relative_to(Path.cwd())
    except ValueError:
        return shlex.quote(str(path))
    return shlex.quote(str(below) if len(below.parts) > 1 else f"./{below}")
