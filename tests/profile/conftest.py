"""Small profiles of one event, written for one test."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from pam_receiver.profile.load import load_profile
from pam_receiver.profile.model import Profile, Strictness

HEAD = '[profile]\ntitle = "T"\nspec = "S"\n'
EVENT = '[[event]]\ncode = "A28"\nstructure = "ADT_A05"\ntransaction = "ITI-30"\nspec = "S"\n'

Write = Callable[[dict[str, str]], Path]
Load = Callable[..., Profile]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write profile files into a new folder: ``write({"p/x.toml": text})``. What is loaded from a folder is kept."""
    numbers = count(1)

    def write(files: dict[str, str]) -> Path:
        folder = tmp_path / str(next(numbers))
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def load(write: Write) -> Load:
    """Load the profile ``p``, which has the event A28 and these lines; ``tables`` are texts of table files by name.

    ``overlay`` is the text of an overlay without its head.
    """

    def load(
        lines: str = "",
        *,
        overlay: str | None = None,
        strictness: Strictness = Strictness.LENIENT,
        tables: dict[str, str] | None = None,
    ) -> Profile:
        files = {"p/profile.toml": HEAD + EVENT + lines}
        files |= {f"tables/{name}.toml": text for name, text in (tables or {}).items()}
        if overlay is not None:
            files["over.toml"] = '[overlay]\ntitle = "the dialect of GAM-LYRE"\n' + overlay
        folder = write(files)
        laid = folder / "over.toml" if overlay is not None else None
        return load_profile("p", folder, overlay=laid, strictness=strictness)

    return load
