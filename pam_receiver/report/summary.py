"""What a conformance report says, whatever its form: frozen values that the tally gives and the renderers show."""

from dataclasses import dataclass, field

from pam_receiver.finding import Lang, Severity


@dataclass(frozen=True, slots=True)
class Example:
    """One message in which a finding was made. ``value``: what stood there, ``None`` when nothing did."""

    file: str
    number: int
    control_id: str
    at: str
    value: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one rule at one place, repetition and number of the segment apart.

    ``messages``: in how many messages; ``count``: how many findings; ``right_form``: how it should stand, or ``""``.
    """

    rule: str
    at: str
    severity: Severity
    code: int
    fr: str
    en: str
    spec: str
    right_form: str
    count: int
    messages: int
    examples: tuple[Example, ...]

    def text(self, lang: Lang) -> str:
        """The sentence that tells the sender what to change."""
        return self.fr if lang == "fr" else self.en


@dataclass(frozen=True, slots=True)
class Fix:
    """One thing to fix: a rule with all its places, the most frequent first. ``messages``: that have it anywhere."""

    rule: str
    refuses: bool
    messages: int
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class EventCount:
    """The messages of one event (MSH-9.2; ``""``: none that an event can be) by the ACK they would be given."""

    event: str
    accepted: int = 0  # AA without a warning
    warned: int = 0  # AA with one
    in_error: int = 0  # AE
    rejected: int = 0  # AR

    @property
    def messages(self) -> int:
        return self.accepted + self.warned + self.in_error + self.rejected


@dataclass(frozen=True, slots=True)
class Trouble:
    """A piece of a file that is no message: the sentence, and how many messages it stands for."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """All that was found. ``unreadable`` counts the pieces that are no message and the messages that cannot be read.

    ``sources`` are those of the settings, ``""`` for messages of none. ``first_sent`` and ``last_sent``: the days of
    MSH-7, ``YYYY-MM-DD`` or ``""``. ``troubles`` are the first ones, ``more_troubles`` how many are not among them;
    ``more_groups`` likewise counts findings.
    """

    files: int
    messages: int
    unreadable: int
    errors: int
    warnings: int
    events: tuple[EventCount, ...]
    profiles: tuple[tuple[str, int], ...]
    senders: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, int], ...]
    first_sent: str
    last_sent: str
    groups: tuple[Group, ...]
    fixes: tuple[Fix, ...]
    troubles: tuple[Trouble, ...]
    more_troubles: int
    more_groups: int
    is_masked: bool

    @property
    def total(self) -> EventCount:
        """All messages by ACK."""
        return EventCount(
            "",
            sum(each.accepted for each in self.events),
            sum(each.warned for each in self.events),
            sum(each.in_error for each in self.events),
            sum(each.rejected for each in self.events),
        )
