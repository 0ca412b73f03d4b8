"""What a rebuild finds: ids, codes, rules and names of fields, never a value of a patient."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pam_receiver.errors import PamReceiverError
from pam_receiver.finding import Lang

MOST_EXAMPLES: Final = 20  # of each kind: the first ones


class JournalIncomplete(PamReceiverError):
    """The journal cannot be folded: messages that were accepted have no text any more, and no checkpoint has them."""

    def __init__(self, count: int, first: str) -> None:
        super().__init__(count, first)
        self.count = count
        self.first = first

    def text(self, lang: Lang) -> str:
        """The sentence for a person."""
        if lang == "fr":
            return (
                f"{self.count} message(s) accepté(s) n'ont plus leur texte et aucun point de reprise ne les contient "
                f"(le premier : {self.first}) : les identités ne peuvent pas être reconstruites du journal."
            )
        return (
            f"{self.count} accepted message(s) have no text any more and no checkpoint holds them "
            f"(the first: {self.first}): the identities cannot be rebuilt from the journal."
        )


@dataclass(frozen=True, slots=True)
class Run:
    """Messages one after the other that were taken under the same. ``in_force``: its id, ``None``: not known.

    ``program``: the version of ours that took them, ``""`` when not known.
    """

    in_force: str | None
    program: str
    messages: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """A message that was accepted and would not be now; or, with ``reason``, an act that cannot be done again.

    ``ack_code``: what it would be answered; ``rules``: the errors that make it so.
    """

    message_id: str
    ack_code: str
    rules: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """An identity that is not as the journal says. ``what``: the names of the fields; ``version``: of which version,
    ``None``: of what is held now. ``message_id``: the message with which it begins, where it can be told.
    """

    identity_id: str
    what: tuple[str, ...]
    version: int | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Discrepancies of one kind: how many, and the first ones."""

    count: int
    examples: tuple[Discrepancy, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a fold of the journal found. ``messages``: lines of the journal; ``folded``: those that were taken again.

    ``checkpoint``: the last message of the checkpoint that it started from. ``before_settings_were_kept``: messages
    of the time before that, taken under the settings now. ``missing``: identities that the journal makes and the store
    has not; ``surplus``: the other way round; ``differing``: not the same. ``versions``: those that are not the same.
    ``merges``: those that only one of the two has.
    """

    messages: int
    folded: int
    acts: int
    begins_at: datetime | None
    ends_at: datetime | None
    checkpoint: str | None
    runs: tuple[Run, ...]
    before_settings_were_kept: int
    undecided: tuple[Undecided, ...]
    undecided_count: int
    identities: int
    missing: Group
    surplus: Group
    differing: Group
    versions: Group
    merges: Group

    @property
    def differs(self) -> bool:
        """Whether anything stored is not as the journal says."""
        groups = (self.missing, self.surplus, self.differing, self.versions, self.merges)
        return bool(self.undecided_count) or any(each.count for each in groups)
