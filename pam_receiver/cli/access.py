"""The access trail of the commands: who looked at whom is on disk before anything is shown."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.options import Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

LONGEST_REASON: Final = 500  # signs

Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="option.read-reason")]


class Access:
    """One look of one person at what is kept. Made before the database is opened: a missing reason stops it there."""

    def __init__(self, start: Start, command: str, reason: str | None) -> None:
        self._start = start
        self._command = command
        self._reason = _read_reason(start, reason)

    @property
    def lang(self) -> Lang:
        return self._start.lang

    def search_failed(self) -> None:
        """Keep that nobody was found. What was typed is not kept: it may be a patient's."""
        from pam_receiver.store.audit import SEARCH

        self._keep(SEARCH, [(None, None)], found=0)

    def identities(self, ids: Sequence[str]) -> None:
        """Keep that these identities are about to be shown."""
        from pam_receiver.store.audit import READ

        self._keep(READ, [(each, None) for each in ids])

    def message(self, message_id: str, ids: Sequence[str]) -> None:
        """Keep that a message is about to be shown; ``ids``: the identities that it changed, none if it was refused."""
        from pam_receiver.store.audit import READ

        self._keep(READ, [(each, message_id) for each in ids or (None,)])

    def _keep(self, action: str, pairs: Sequence[tuple[str | None, str | None]], **detail: object) -> None:
        """Write to the trail; when that cannot be done, say so and end the command: nothing is shown.

        ``pairs``: an identity and a message, of each event.
        """
        from pam_receiver.cli.actor import actor
        from pam_receiver.cli.opening import open_store
        from pam_receiver.store import AuditEvent, StoreError
        from pam_receiver.store.trail import record

        who, lang = actor(), self._start.lang
        told = {"command": self._command, **detail}
        events = [AuditEvent(action, who, "success", *pair, self._reason, told) for pair in pairs]
        try:
            with closing(open_store(self._start.settings)) as store:
                record(store, *events, now=lambda: datetime.now(UTC))
        except StoreError as error:
            output.fail(text("access.not-kept", lang, reason=error.text(lang)), 3)


def _read_reason(start: Start, given: str | None) -> str | None:
    reason = options.as_typed(given).strip() if given is not None else ""
    if not reason and start.settings.reason_required:
        output.fail(text("access.no-reason", start.lang), 2)
    if len(reason) > LONGEST_REASON:
        output.fail(text("access.long-reason", start.lang, most=LONGEST_REASON), 2)
    return reason or None
