"""Sources: which sender a message comes from, and how messages of that sender are taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pam_receiver.adt import ReadingRules
from pam_receiver.hl7.header import read_parties_loosely, read_sender_loosely
from pam_receiver.identity.model import Policy
from pam_receiver.profile.load import ProfileSet


@dataclass(frozen=True, slots=True)
class Admission:
    """What a message must be to be read at all, by where it came in.

    The first four are shell patterns of MSH-3.1 to MSH-6.1, in which case counts: one of them must fit, and without any
    everything fits. The others are how much a message may hold; ``None``: any number. ``most_bytes`` is for the
    sentence that refuses a block over the limit, which the listener has found; ``None``: the general limit.
    """

    applications: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()
    receiving_applications: tuple[str, ...] = ()
    receiving_facilities: tuple[str, ...] = ()
    most_segments: int | None = None
    most_repetitions: int | None = None
    most_bytes: int | None = None

    def refused_field(self, raw: bytes) -> int | None:
        """Return the number of the first field of MSH that is not as asked, whatever the bytes; ``None``: all are."""
        asked = (self.applications, self.facilities, self.receiving_applications, self.receiving_facilities)
        if not any(asked):
            return None
        for number, (value, patterns) in enumerate(zip(read_parties_loosely(raw), asked, strict=True), 3):
            if patterns and not any(fnmatchcase(value, pattern) for pattern in patterns):
                return number
        return None


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
    admission: Admission = Admission()

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
    ``by_port``: the sources of those ports of ours that have some of their own, in the place of all the others.
    """

    general: Source
    named: tuple[Source, ...] = ()
    by_port: Mapping[int, "Sources"] = field(default_factory=dict)

    def find(self, raw: bytes, port: int | None) -> Source:
        """Return the source that a message belongs to, whatever its bytes; ``port``: ours, ``None`` if unknown."""
        if port is not None and port in self.by_port:
            return self.by_port[port].find(raw, port)
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
