"""The files that ``check`` writes: the page, the totals as JSON, JUnit XML. Each appears whole or not at all."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

from pam_receiver.cli import output
from pam_receiver.cli.options import Start
from pam_receiver.config import SettingsError
from pam_receiver.reasons import say_os_error

if TYPE_CHECKING:
    from pam_receiver.report.junit import JunitWriter
    from pam_receiver.report.summary import Summary

_PAGES: Final = (".html", ".htm")
_ONLY_OWNER: Final = 0o600  # of a file that holds patient data


class Reports:
    """The reports asked for, as a context: what could not be written is known before the first message is read.

    ``paths``: the files to write; ``sinks``: what takes each message while it is checked.

    Raises:
        SettingsError: a form that is none, or a file that cannot be written.
    """

    def __init__(self, reports: Sequence[Path], junit: Path | None, *, is_masked: bool, start: Start) -> None:
        self.is_masked = is_masked
        self.paths = [*reports, *([junit] if junit is not None else [])]
        self.sinks: list[JunitWriter] = []
        self._start = start
        self._junit = junit
        self._stack = ExitStack()
        self._open: list[tuple[Path, TextIO]] = []
        resolved = [path.resolve() for path in self.paths]
        for path in self.paths:
            if resolved.count(path.resolve()) > 1:
                raise SettingsError(fr=f"{path} est nommé deux fois.", en=f"{path} is named twice.")
        for path in reports:
            if path.suffix.lower() not in (*_PAGES, ".json"):
                raise SettingsError(
                    fr=f"--report : {path} doit se terminer par .html ou .json.",
                    en=f"--report: {path} must end in .html or .json.",
                )

    def __enter__(self) -> Self:
        from pam_receiver.report.junit import JunitWriter

        with ExitStack() as stack:
            for path in self.paths:
                out = stack.enter_context(_Written(path, mode=None if self.is_masked else _ONLY_OWNER))
                if path is self._junit:
                    self.sinks.append(stack.enter_context(JunitWriter(out, self._start.lang, is_masked=self.is_masked)))
                else:
                    self._open.append((path, out))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, summary: "Summary", *, subjects: Sequence[str]) -> None:
        """Write what was counted. To be called within the context."""
        from pam_receiver.report.as_json import summary_json
        from pam_receiver.report.page import render_page

        at, lang = datetime.now(UTC), self._start.lang
        for path, out in self._open:
            if path.suffix.lower() in _PAGES:
                local = at.astimezone(self._start.settings.timezone)
                out.write(render_page(summary, subjects=subjects, at=local, lang=lang))
            else:
                out.write(output.write_json(summary_json(summary, lang, at=at)) + "\n")


class _Written:
    """A file under a hidden name beside its own until all of it is written; a pipe or a device is written at once."""

    def __init__(self, path: Path, *, mode: int | None) -> None:
        self._is_special = path.parts[:2] == ("/", "dev") or (path.exists() and not path.is_file())
        self._path = path if self._is_special else path.resolve()  # a link keeps leading to the file
        self._mode = mode
        self._part = self._path if self._is_special else self._path.with_name(f".{self._path.name}.part")
        self._out: TextIO | None = None

    def __enter__(self) -> TextIO:
        try:
            descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, self._mode or 0o666)
        except OSError as error:
            raise SettingsError(
                fr=f"{self._path} ne peut pas être écrit : {say_os_error(error, 'fr')}.",
                en=f"{self._path} cannot be written: {say_os_error(error, 'en')}.",
            ) from None
        self._out = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n")
        return self._out

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._out is not None
        try:
            self._out.close()
            if kind is None and not self._is_special:
                os.replace(self._part, self._path)
        finally:
            if not self._is_special:
                self._part.unlink(missing_ok=True)
