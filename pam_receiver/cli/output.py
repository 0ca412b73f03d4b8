"""How the commands print: tables on a terminal, aligned text when piped, JSON, sentences, failures."""

import io
import json
import re
import sys
import unicodedata
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NoReturn, Self

import typer

# What a terminal would obey, or would show in another order or not at all: values come from messages that anyone may
# have sent. Controls; marks without width; marks and overrides of direction; halves of a sign; tags.
_UNSAFE: Final = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def prepare_streams() -> None:
    """Never fail on a sign that the terminal's charset lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def is_terminal() -> bool:
    """Whether a person sees standard output; a process may have been started without one."""
    return sys.stdout is not None and sys.stdout.isatty()


def clean(text: str) -> str:
    """Return ``text`` without what a terminal would obey; line ends stay."""
    return _UNSAFE.sub("�", text)


def say(text: str = "") -> None:
    """Print one line, or several, to standard output."""
    typer.echo(clean(text))


def warn(text: str) -> None:
    """Print a sentence to standard error."""
    typer.echo(clean(text), err=True)


def fail(text: str, code: int) -> NoReturn:
    """Print why the command fails to standard error and end it with this exit code."""
    warn(text)
    raise typer.Exit(code)


def print_json(value: object) -> None:
    """Print ``value`` as JSON, accents as they are where standard output can hold them."""
    typer.echo(write_json(value, is_ascii=_holds_ascii_only()))


def write_json(value: object, *, is_ascii: bool = False) -> str:
    """Return ``value`` as JSON; what a terminal would obey stands in it as its escape, so that no value is changed."""
    return _UNSAFE.sub(lambda sign: json.dumps(sign[0])[1:-1], json.dumps(value, ensure_ascii=is_ascii, indent=2))


def _holds_ascii_only() -> bool:
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    return encoding != "utf8"


class JsonList:
    """Prints a JSON array value by value, as :func:`print_json` would the whole of it; used as a context."""

    def __init__(self) -> None:
        self._is_ascii = _holds_ascii_only()
        self._is_empty = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            typer.echo("[]" if self._is_empty else "\n]")

    def print(self, value: object) -> None:
        """Print the next value."""
        lines = write_json(value, is_ascii=self._is_ascii).replace("\n", "\n  ")
        typer.echo(("[\n  " if self._is_empty else ",\n  ") + lines, nl=False)
        self._is_empty = False


def print_title(text: str) -> None:
    """Print a title, in bold on a terminal."""
    typer.secho(clean(text), bold=True)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, indent: int = 0) -> None:
    """Print a table: drawn by rich on a terminal, else columns aligned with two spaces between.

    ``headers`` may be empty: then no line of headers is printed.
    """
    lines = [[clean(cell) for cell in row] for row in rows]
    if is_terminal():
        _print_rich(headers, lines, indent=indent)
        return
    for line in align([headers, *lines] if headers else lines):
        typer.echo(" " * indent + line)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return each row as one line of aligned columns; a cell of several lines is joined by a semicolon."""
    flat = [["; ".join(cell.splitlines()) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*flat, strict=True)]
    pairs = (zip(row, widths, strict=True) for row in flat)
    return ["  ".join(cell + " " * (width - _width(cell)) for cell, width in pair).rstrip() for pair in pairs]


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(sign) else 1 for sign in text)


def _print_rich(headers: Sequence[str], rows: Sequence[Sequence[str]], *, indent: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    frame = box.SIMPLE_HEAD if headers else None
    table = Table(*headers, show_header=bool(headers), box=frame, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))  # an id that is cut is of no use
    Console().print(Padding(table, (0, 0, 0, indent)))
