"""Sources: which sender a message comes from, and how messages of that sender are taken."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pam_receiver.adt import ReadingRules
from pam_receiver.hl7.header import read_sender_loosely
from pam_receiver.identity.model import Policy
from pam_receiver.profile.load import ProfileSet


@dataclass(frozen=True, slots=True)
class Source:
    """How messages are taken from the senders that fulfil all of ``application``, ``facility`` and ``port``.

    ``application`` and ``facility`` are shell patterns of MSH-3.1 and MSH-4.1, in which case counts; ``port`` is ours,
    by which the message came in; ``None`` asks for nothing. ``charset``: the set of HL7 v2.5 table 0211 that the sender
    really writes in; ``None`` follows MSH-18. ``name`` is ``""`` for the general settings.
    """

    name: str
    profiles: ProfileSet
    reading: ReadingRules
    charset: str | None = None
    application: str | None = None
    facility: str | None = None
    port: int | None = None
    policy: Policy = field(default_factory=Policy)

    def takes(self, sender: tuple[str, str]) -> bool:
        """Whether MSH-3.1 and MSH-4.1 follow the patterns."""
        patterns = (self.application, self.facility)
        return all(
            pattern is None or fnmatchcase(value, pattern) for value, pattern in zip(sender, patterns, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of the settings: the first of ``named`` that takes a message, else ``general``.

    Those that name a port stand before those that do not: the port says more than what a message says of itself.
    """

    general: Source
    named: tuple[Source, ...] = ()

    def find(self, raw: bytes, port: int | None) -> Source:
        """Return the source that a message belongs to, whatever its bytes; ``port``: ours, ``None`` if unknown."""
        sender: tuple[str, str] | None = None
        for source in self.named:
            if source.port is not None and source.port != port:
                continue
            if source.application is None and source.facility is None:
                return source
            if sender is None:
                sender = read_sender_loosely(raw)
            if source.takes(sender):
                return source
        return self.general
