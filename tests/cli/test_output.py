"""What a person gets: aligned text when piped, tables on a terminal, and nothing a terminal would obey."""

import io
import json
import re
import sys

import pytest

from pam_receiver.cli import output

# What a terminal obeys, C1 too, what turns the order of signs round, what has no width, half a sign, a tag.
UNSAFE = (
    *("\x1b", "\x07", "\x00", "\r", "\x7f", "\x9b", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028"),
    *("\u200b", "\xad", "\ufeff", "\ud800", "\U000e0041"),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestPiped:
    def test_columns_are_aligned(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_table(["IPP", "Name"], [["100", "KERGUELEN"], ["20", "LE DROFF"]], indent=2)
        assert capsys.readouterr().out == "  IPP  Name\n  100  KERGUELEN\n  20   LE DROFF\n"

    def test_a_cell_of_several_lines_stays_on_one(self) -> None:
        assert output.align([["a\nb", "c"]]) == ["a; b  c"]

    def test_combining_accents_take_no_room(self) -> None:
        assert output.align([["e\u0301", "x"], ["ab", "y"]]) == ["e\u0301   x", "ab  y"]

    def test_no_rows(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_table(["IPP"], [])
        assert capsys.readouterr().out == "IPP\n"


class TestTerminal:
    def test_a_table_is_drawn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        output.print_table(["IPP", "Name"], [["100", "[red]KERGUELEN[/red]"]])
        assert "─" in terminal.getvalue()
        assert "[red]KERGUELEN[/red]" in terminal.getvalue()

    def test_a_narrow_one_folds_a_value_and_cuts_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("COLUMNS", "30")
        output.print_table(["Message", "Rule"], [["01a20fe4-04e9-76ca-9df4-c47fd502dff0", "qualified-trait-missing"]])
        assert "…" not in terminal.getvalue()
        columns = [re.split(r" {2,}", line.strip()) for line in terminal.getvalue().splitlines() if line.strip(" ─")]
        assert "".join(line[0] for line in columns[1:]) == "01a20fe4-04e9-76ca-9df4-c47fd502dff0"

    @pytest.mark.parametrize("sign", UNSAFE)
    def test_never_obeys_a_value(self, sign: str, capsys: pytest.CaptureFixture[str]) -> None:
        output.say(f"KER{sign}GUELEN")
        output.print_table([], [[f"KER{sign}GUELEN"]])
        output.print_title(f"KER{sign}GUELEN")
        output.warn(f"KER{sign}GUELEN")
        captured = capsys.readouterr()
        assert captured.out + captured.err == "KER�GUELEN\n" * 4

    @pytest.mark.parametrize("sign", UNSAFE)
    def test_json_holds_it_as_an_escape_and_the_value_is_whole(
        self, sign: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        value = {f"k{sign}": [f"KER{sign}GUELEN", "é"]}
        output.print_json(value)
        with output.JsonList() as printed:
            printed.print(value)
        told = capsys.readouterr().out
        assert sign not in told
        assert "é" in told
        single, listed = told.split("}\n[", 1)
        assert json.loads(single + "}") == value
        assert json.loads("[" + listed) == [value]


class TestCharset:
    def test_a_sign_that_the_terminal_lacks_stops_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = io.BytesIO()
        with io.TextIOWrapper(data, encoding="iso8859-1") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            output.prepare_streams()
            output.say("→ é")
            output.print_json({"name": "ŒUF"})
            stream.flush()
            assert data.getvalue() == '? é\n{\n  "name": "\\u0152UF"\n}\n'.encode("iso8859-1")
            monkeypatch.undo()


class TestClosed:
    """A process may be started without standard output (``>&-``)."""

    def test_what_is_printed_goes_nowhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdout", None)
        output.prepare_streams()
        output.say("KERGUELEN")
        output.print_json({"name": "KERGUELEN"})
        output.print_table(["IPP"], [["100"]])
        assert not output.is_terminal()
