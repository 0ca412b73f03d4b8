"""A bar on the terminal while many files are read: on standard error, so that what is printed stays clean."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_PATIENCE_S: Final = 1.0  # a run that is done by then needs no bar


class Progress:
    """Shows how much of the bytes was read, once the run is long; nothing when standard error is no terminal."""

    def __init__(self, lang: Lang) -> None:
        self._lang = lang
        self._is_wanted = sys.stderr is not None and sys.stderr.isatty()
        self._began = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._total: int | None = None
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def measure(self, paths: Sequence[Path]) -> None:
        """Note how many bytes there are to read; not known when one is a pipe."""
        from pam_receiver.cli.files import STDIN, find_files

        if not self._is_wanted:
            return
        total = 0
        for path, _ in find_files(paths):
            if path == STDIN or (path.exists() and not (path.is_file() or path.is_dir())):
                return
            total += path.stat().st_size if path.is_file() else 0
        self._total = total

    def advance(self, size: int) -> None:
        """Say that so many bytes more were read."""
        self._done += size
        if not self._is_wanted or (self._bar is None and time.monotonic() - self._began < _PATIENCE_S):
            return
        if self._bar is None:
            self._bar = self._start()
        if self._task is not None:
            self._bar.update(self._task, completed=self._done)

    def _start(self) -> "Bar":
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = bar.add_task(text("check.reading", self._lang), total=self._total)
        bar.start()
        return bar
