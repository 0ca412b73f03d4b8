"""An identity as it is held, the events that change it, and the decision that an event comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Final, Literal

from pam_receiver.finding import Finding, Location
from pam_receiver.identity.identifiers import INS, PI, AssigningAuthority, Ins, PatientIdentifier
from pam_receiver.identity.status import Attribute, IdentityStatus, Reliability, attributes_of
from pam_receiver.identity.traits import NO_TRAITS, StrictTraits, Trait
from pam_receiver.values import value

_LEEWAY: Final = timedelta(days=1)  # by which a source's date may lie ahead


class EndReason(StrEnum):
    """Why an INS was taken away from an identity, as kept in its history."""

    REMOVED = "removed-by-source"  # A47, IHE PAM FR 2.11.2 §4.4.3-4.4.4
    TRAIT_CHANGED = "strict-trait-changed"  # DMN INS 33
    NOT_QUALIFIED = "no-longer-qualified"  # DMN INS 34
    BIRTH_DATE_CORRECTED = "birth-date-corrected"  # IHE PAM FR 2.11.2 §6.6.4
    DELETED = "identity-deleted"  # A29


@dataclass(frozen=True, slots=True)
class EndedIns:
    """An INS that was removed or invalidated at ``at`` (UTC, the message's own date): history, never looked up."""

    ins: Ins
    at: datetime
    reason: EndReason


@value(frozen=True, slots=True)
class Identity:
    """An identity as held. ``merged_into`` is the id of the identity that absorbed it, itself perhaps absorbed.

    ``identifiers`` holds every identifier save the INS in force, the former INS (replaced, type INS) included.
    ``dated_at``: the latest date that the source has given for what is held (UTC); ``None`` when it gave none.
    """

    id: str
    active: bool = True
    merged_into: str | None = None
    version: int = 0
    status: IdentityStatus = IdentityStatus.PROVISOIRE
    reliability_codes: tuple[str, ...] = ()
    ins: Ins | None = None
    traits: StrictTraits = NO_TRAITS
    used_family_name: str | None = None
    used_given_name: str | None = None
    identifiers: tuple[PatientIdentifier, ...] = ()
    ended_ins: tuple[EndedIns, ...] = ()
    dated_at: datetime | None = None

    def dated(self, dated_at: datetime | None, version: int) -> "Identity":
        """Return the same identity under another date and version: every message makes one, and this is quick."""
        return Identity(
            self.id,
            self.active,
            self.merged_into,
            version,
            self.status,
            self.reliability_codes,
            self.ins,
            self.traits,
            self.used_family_name,
            self.used_given_name,
            self.identifiers,
            self.ended_ins,
            dated_at,
        )

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return attributes_of(self.reliability_codes)

    @property
    def former_ins(self) -> tuple[PatientIdentifier, ...]:
        return tuple([each for each in self.identifiers if each.type == INS])

    @property
    def ipps(self) -> tuple[PatientIdentifier, ...]:
        """The IPPs in force."""
        return tuple([each for each in self.identifiers if each.type == PI and each.active])


@dataclass(frozen=True, slots=True)
class MergeLink:
    """``absorbed`` was merged into ``survivor`` (ids) at ``at`` by the message ``control_id``. Kept for ever."""

    absorbed: str
    survivor: str
    at: datetime
    message_id: str
    control_id: str


# --------------------------------------------------------------------------------------------- what a message says


@value(frozen=True, slots=True)
class SentIdentifier:
    """An identifier other than an INS, and where it stands in the message."""

    identifier: PatientIdentifier
    at: Location


@value(frozen=True, slots=True)
class SentIns:
    """A repetition that is an INS by its type and OID. ``matricule`` as sent, ``""`` when it is erased (``""``)."""

    matricule: str
    oid: str
    at: Location


@value(frozen=True, slots=True)
class Interval:
    """When something happened, as precisely as it was said: between ``earliest`` and ``latest`` (UTC)."""

    earliest: datetime
    latest: datetime
    place: Location | None = field(default=None, compare=False)  # where the message says so


@value(frozen=True, slots=True)
class Person:
    """What one PID says of one person.

    ``traits`` and the used names: ``None`` says nothing, ``""`` erases. ``places`` tells where each trait stands or
    should have stood. ``requires_status``: the profile (PAM FR) or an INS in PID-3 asks for PID-32.
    """

    at: Location  # PID-3
    identifiers: tuple[SentIdentifier, ...] = ()
    erased: tuple[tuple[str, AssigningAuthority], ...] = ()  # (type, authority) of repetitions that are ""
    ins: tuple[SentIns, ...] = ()  # those that are "" included
    traits: StrictTraits = NO_TRAITS
    places: Mapping[Trait, Location] = field(default_factory=dict)
    used_family_name: str | None = None
    used_given_name: str | None = None
    reliability: Reliability = field(default_factory=Reliability)
    requires_status: bool = True
    birth_date_corrected: bool = False  # ZFD-4 = Y
    obtained_from_insi: bool = False  # ZFD-5 = INSI

    @property
    def erases_ins(self) -> bool:
        """Whether PID-3 holds `""` with the OID of an INS."""
        return any(not each.matricule for each in self.ins)

    @property
    def ipps(self) -> tuple[SentIdentifier, ...]:
        return tuple([each for each in self.identifiers if each.identifier.type == PI])


class UpdateKind(Enum):
    """What sort of event brings a PID that creates or updates."""

    CREATE = "A28"
    UPDATE = "A31"
    ENCOUNTER = "ITI-31"
    CANCEL = "cancel of ITI-31"
    CHANGE = "A47"


@value(frozen=True, slots=True)
class Update:
    """A28, A31 and the movements of ITI-31."""

    kind: UpdateKind
    person: Person


@dataclass(frozen=True, slots=True)
class Delete:
    """A29: outside PAM, but real."""

    person: Person


@dataclass(frozen=True, slots=True)
class MergeGroup:
    """One PID and its MRG: ``sources`` (MRG-1) disappear into the person of PID-3."""

    person: Person
    sources: tuple[SentIdentifier, ...]
    at: Location  # MRG-1


@dataclass(frozen=True, slots=True)
class Merge:
    """A40: each group absorbs; all or none."""

    groups: tuple[MergeGroup, ...]


@dataclass(frozen=True, slots=True)
class ChangeIdentifier:
    """A47: identifiers of MRG-1 become those of PID-3, or an INS is replaced or removed."""

    person: Person
    old: tuple[SentIdentifier, ...]
    old_ins: tuple[SentIns, ...]
    at: Location  # MRG-1


Event = Update | Delete | Merge | ChangeIdentifier


@value(frozen=True, slots=True)
class Occasion:
    """The message that an event came by. ``at``: when we received it (UTC). ``control_id`` is safe to show.

    ``dated``: when the source says that it made what PID tells (PID-33, else EVN-2), ``None`` when it does not say.
    """

    message_id: str
    control_id: str
    sender: tuple[str, str]
    at: datetime
    dated: Interval | None = None

    @property
    def dated_at(self) -> datetime | None:
        """The source's date, at its earliest; ``None`` when it gives none, or one in the future.

        A day is left for clocks and zones: a date far ahead would make all that follows look late, for ever.
        """
        if self.dated is None or self.dated.earliest > self.at + _LEEWAY:
            return None
        return self.dated.earliest

    @property
    def took_place_at(self) -> datetime:
        """The source's date of the change, or our own: a removal dated far ahead would keep its INS away for ever."""
        return self.dated_at or self.at


Incomplete = Literal["reject", "without_ins", "accept"]
StaleUpdates = Literal["apply", "ignore"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decisions depend on."""

    takes_test_ins: bool = False  # environment = test
    incomplete_qualified_identity: Incomplete = "reject"
    deduce_recuperee: bool = True
    stale_updates: StaleUpdates = "apply"


# ------------------------------------------------------------------------------------------------ what is decided


JsonValue = Mapping[str, object] | Sequence[object] | str | bool | None


@value(frozen=True, slots=True)
class Difference:
    """One thing that changed in an identity. ``before`` and ``after`` are JSON values; ``reason`` only for an INS."""

    what: str
    before: JsonValue
    after: JsonValue
    reason: str | None = None


@value(frozen=True, slots=True)
class Change:
    """One identity, before (``None``: created) and after a message, and what changed.

    ``differences`` is empty of one that was created: ``after`` shows all of it.
    """

    before: Identity | None
    after: Identity
    differences: tuple[Difference, ...] = ()


@value(frozen=True, slots=True)
class Alert:
    """Something that a person should look at, about one identity."""

    identity_id: str | None
    finding: Finding


@value(frozen=True, slots=True)
class Decision:
    """What one event comes to. With an E finding nothing changes (alerts are kept all the same).

    ``confirmed``: identities that the event says are as they are held, with its later date; no version comes of it.
    """

    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    merges: tuple[MergeLink, ...] = ()
    alerts: tuple[Alert, ...] = ()
    confirmed: tuple[Identity, ...] = ()

    @property
    def is_refused(self) -> bool:
        return any(finding.is_error for finding in self.findings)


@value(frozen=True, slots=True)
class SeenAuthority:
    """A sender (MSH-3, MSH-4) has named ``authority``, which has HD-1, alone or with HD-2."""

    sender: tuple[str, str]
    authority: AssigningAuthority


NOTHING: Final = Decision()
