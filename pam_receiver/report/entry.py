"""What the report is made from: one message of a file as it was checked, or a piece of it that is no message."""

from dataclasses import dataclass, field
from typing import Final

from pam_receiver.finding import Finding, Severity
from pam_receiver.understand import Checked

_ORDER: Final = (Severity.E, Severity.W, Severity.I)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a file, or something in it that is none.

    ``file`` is the file as it was given, ``name`` how a report names it. ``number`` counts its messages from 1; 0 is no
    message. ``checked`` is ``None`` for what is no message: ``problem`` says why, ``count`` how many it stands for.
    """

    file: str
    name: str
    number: int
    checked: Checked | None
    raw: bytes = field(default=b"", repr=False)
    problem: str = ""
    count: int = 1

    @property
    def is_unreadable(self) -> bool:
        return self.checked is None or self.checked.unreadable

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings as the ACK lists them: errors first, then warnings, then the rest."""
        found = self.checked.findings if self.checked is not None else ()
        return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))
