"""What commands need that take the journal again: a scratch folder, receivers on it, a line of progress."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.config import Settings
    from pam_receiver.rehearsal import MakeReceiver
    from pam_receiver.sources import Sources

_STOPS: Final = (signal.SIGTERM, signal.SIGHUP)


def make_maker(settings: "Settings", sources: "Sources") -> "MakeReceiver":
    """Return what makes receivers by these sources, on scratch stores."""
    from pam_receiver.cli import parts
    from pam_receiver.receive import Receiver
    from pam_receiver.store import Store

    def make(store: Store, new_message_id: Callable[[], str], now: Callable[[], datetime]) -> Receiver:
        return Receiver(
            store,
            sources=sources,
            answers=parts.make_answer_style(settings),
            new_message_id=new_message_id,
            now=now,
            max_block_bytes=settings.max_block_bytes,
        )

    return make


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder that only its owner can read; it is removed at the end, also when the process is told to stop."""

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, stop) for number in _STOPS}  # SIGINT raises by itself
    try:
        with TemporaryDirectory(prefix="pam-receiver-") as folder:
            yield Path(folder)
    finally:
        for number, action in before.items():
            signal.signal(number, action)


@contextmanager
def progress(lang: Lang) -> Iterator[Callable[[int, datetime], None]]:
    """Show how far it is on one line of a terminal, which is gone at the end; say nothing to a file."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _count, _at: None
        return
    erase = "\r\x1b[K"

    def tell(count: int, at: datetime) -> None:
        said = text("rehearse.progress", lang, count=count, at=f"{at:%Y-%m-%d %H:%M}")
        typer.echo(f"{erase}{said}", nl=False, err=True)

    try:
        yield tell
    finally:
        typer.echo(erase, nl=False, err=True)
