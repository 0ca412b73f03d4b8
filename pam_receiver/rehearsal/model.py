"""What a rehearsal finds: ids, codes, rules and names of fields, never a value of a patient."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

MOST_EXAMPLES: Final = 20  # of each group: the first ones


@dataclass(frozen=True, slots=True)
class MessageExample:
    """A message of the journal, safe to show. ``rules``: those that make the difference."""

    message_id: str
    control_id: str
    event: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """Messages that were answered ``before`` (AA, AE, AR) and would be ``after``; ``rules`` with their messages."""

    before: str
    after: str
    count: int
    rules: tuple[tuple[str, int], ...]
    examples: tuple[MessageExample, ...]


@dataclass(frozen=True, slots=True)
class FindingChange:
    """How often a rule is found broken, under each receiver; ``messages``: how many would have it more or less."""

    rule: str
    severity: str
    before: int
    after: int
    messages: int
    examples: tuple[MessageExample, ...]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One thing of an identity that would differ, without its value.

    ``before`` and ``after``: codes for the status, ``yes`` or ``no`` for active; else ``held`` or ``none``.
    """

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class IdentityExample:
    """An identity that would differ, and the message it begins with.

    ``identity_id``: ``None`` when the store of the journal has no such identity.
    """

    identity_id: str | None
    message_id: str


@dataclass(frozen=True, slots=True)
class IdentityGroup:
    """Identities that would differ in the same way: in ``changes``, or by being there or not."""

    count: int
    examples: tuple[IdentityExample, ...]
    changes: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class IdentityChanges:
    """How many identities there are under each receiver; those only there before, only after, or not the same."""

    before: int
    after: int
    gone: IdentityGroup
    added: IdentityGroup
    changed: tuple[IdentityGroup, ...]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would differ. ``messages``: of the journal; ``rehearsed``: those of them that were compared.

    ``drift``: messages that the journal says were answered ``before``, and the settings in force answer ``after``;
    empty when that itself is what was compared. ``without_text``: messages that could not be taken again, their text
    being pruned or erased.
    """

    messages: int
    rehearsed: int
    begins_at: datetime | None
    ends_at: datetime | None
    answers: tuple[AnswerChange, ...]
    findings: tuple[FindingChange, ...]
    identities: IdentityChanges | None
    drift: tuple[AnswerChange, ...]
    without_text: int = 0

    @property
    def differs(self) -> bool:
        """Whether an answer or an identity would be another one."""
        found = self.identities
        return bool(self.answers) or (
            found is not None and bool(found.gone.count or found.added.count or found.changed)
        )
