"""The bar on the terminal: only for a person, only when it takes long."""

import io
import sys
from pathlib import Path

import pytest

from pam_receiver.cli import progress as module
from pam_receiver.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "in.hl7"
    file.write_bytes(b"x" * 1000)
    return file


def shown(paths: list[Path], err: io.StringIO, monkeypatch: pytest.MonkeyPatch, *, patience_s: float) -> str:
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(module, "_PATIENCE_S", patience_s)
    monkeypatch.setenv("TERM", "xterm")
    with Progress("fr") as bar:
        bar.measure(paths)
        for _ in range(2):
            bar.advance(500)
    return err.getvalue()


class TestBar:
    def test_a_long_run_shows_how_much_was_read(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        said = shown([file, file.parent], Terminal(), monkeypatch, patience_s=0)
        assert "Lecture" in said
        assert "1.0/2.0 kB" in said

    def test_a_short_run_shows_nothing(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert shown([file], Terminal(), monkeypatch, patience_s=3600) == ""

    def test_nothing_when_nobody_looks(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert shown([file], io.StringIO(), monkeypatch, patience_s=0) == ""

    def test_what_flows_in_has_no_end_that_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = shown([Path("-")], Terminal(), monkeypatch, patience_s=0)
        assert "Lecture" in said
        assert "/?" in said

    def test_a_file_that_is_missing_is_told_by_who_reads_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "Lecture" in shown([Path("none.hl7")], Terminal(), monkeypatch, patience_s=0)
