"""How far a long act is: one line of a terminal, gone at the end; nothing for a file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

_ERASE = "\r\x1b[K"


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Give what shows the number done so far, on standard error."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _count: None
        return

    def tell(count: int) -> None:
        typer.echo(f"{_ERASE}{what} {count}", nl=False, err=True)

    try:
        yield tell
    finally:
        typer.echo(_ERASE, nl=False, err=True)
