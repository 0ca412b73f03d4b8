"""Invented persons for the tests of identity and of reading: what a message says of them, and a house of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Final
from uuid import UUID

from pam_receiver.finding import Location
from pam_receiver.hl7.er7 import Message, parse_message
from pam_receiver.identity.decide import decide
from pam_receiver.identity.identifiers import INS, PI, AssigningAuthority, Ins, PatientIdentifier
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import (
    ChangeIdentifier,
    Decision,
    Delete,
    Event,
    Identity,
    Interval,
    Merge,
    MergeGroup,
    Occasion,
    Person,
    Policy,
    SeenAuthority,
    SentIdentifier,
    SentIns,
    Update,
    UpdateKind,
)
from pam_receiver.identity.status import read_reliability
from pam_receiver.identity.traits import StrictTraits, Trait

AT: Final = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
SENDER: Final = ("GAM", "CHU-LYRE")
OTHER_SENDER: Final = ("LABO", "CHU-LYRE")

HOSPITAL: Final = AssigningAuthority("CHU-LYRE", "1.2.250.1.999.77", "ISO")
CLINIC: Final = AssigningAuthority("CLINIQUE", "1.2.250.1.999.88", "ISO")

NIR_OID: Final = "1.2.250.1.213.1.4.8"
NIA_OID: Final = "1.2.250.1.213.1.4.9"
TEST_OID: Final = "1.2.250.1.213.1.4.10"
DEMO_OID: Final = "1.2.250.1.213.1.4.11"

ANNE: Final = StrictTraits("KERGUELEN", "ANNE", "ANNE SOLENE MARIE", "1959-01-23", "F", "44109")
NIR: Final = Ins("259014410903303", NIR_OID)  # agrees with ANNE
NIA: Final = Ins("859014410903391", NIA_OID)
NEW_NIR: Final = Ins("259014410903402", NIR_OID)  # agrees with ANNE too
TEST_INS: Final = Ins(NIR.matricule, TEST_OID)
DEMO_INS: Final = Ins(NIR.matricule, DEMO_OID)

PLACES: Final = {
    Trait.BIRTH_FAMILY_NAME: Location("PID", 1, 5, 1, 1),
    Trait.FIRST_BIRTH_GIVEN_NAME: Location("PID", 1, 5, 1, 2),
    Trait.BIRTH_GIVEN_NAMES: Location("PID", 1, 5, 1, 3),
    Trait.BIRTH_DATE: Location("PID", 1, 7),
    Trait.SEX: Location("PID", 1, 8),
    Trait.BIRTH_PLACE_CODE: Location("PID", 1, 11, 1, 9),
}

ERASED_INS: Final = Ins("", NIR_OID)  # a repetition "" under the OID of an INS


# ---------------------------------------------------------------------------------------------- what a message says


def ipp(value: str, authority: AssigningAuthority = HOSPITAL, *, active: bool = True) -> PatientIdentifier:
    return PatientIdentifier(value, PI, authority, active)


def sent(*identifiers: PatientIdentifier | str, segment: str = "PID") -> tuple[SentIdentifier, ...]:
    """Identifiers as they stand in PID-3, or in MRG-1; a text is an IPP of HOSPITAL."""
    field = 3 if segment == "PID" else 1
    return tuple(
        SentIdentifier(ipp(each) if isinstance(each, str) else each, Location(segment, 1, field, number, 1))
        for number, each in enumerate(identifiers, 1)
    )


def sent_ins(*ins: Ins, segment: str = "PID") -> tuple[SentIns, ...]:
    field = 3 if segment == "PID" else 1
    return tuple(
        SentIns(each.matricule, each.oid, Location(segment, 1, field, number, 1)) for number, each in enumerate(ins, 9)
    )


def who(
    *identifiers: PatientIdentifier | str,
    ins: Sequence[Ins] = (),
    codes: Sequence[str] = ("VALI",),
    traits: StrictTraits = ANNE,
    **more: object,
) -> Person:
    """What one PID says: identifiers and INS of PID-3, the codes of PID-32, the traits."""
    defaults: dict[str, object] = {
        "at": Location("PID", 1, 3),
        "identifiers": sent(*identifiers),
        "ins": sent_ins(*ins),
        "traits": traits,
        "places": PLACES,
        "reliability": read_reliability(codes, Location("PID", 1, 32))[0],
    }
    return Person(**{**defaults, **more})  # type: ignore[arg-type]


def a28(person: Person) -> Update:
    return Update(UpdateKind.CREATE, person)


def a31(person: Person) -> Update:
    return Update(UpdateKind.UPDATE, person)


def movement(person: Person) -> Update:
    return Update(UpdateKind.ENCOUNTER, person)


def cancel(person: Person) -> Update:
    return Update(UpdateKind.CANCEL, person)


def a29(person: Person) -> Delete:
    return Delete(person)


def group(person: Person, *sources: PatientIdentifier | str) -> MergeGroup:
    return MergeGroup(person, sent(*sources, segment="MRG"), Location("MRG", 1, 1))


def a40(person: Person, *sources: PatientIdentifier | str) -> Merge:
    """An A40 of one group: ``sources`` (MRG-1) disappear into ``person``."""
    return Merge((group(person, *sources),))


def a47(person: Person, *old: PatientIdentifier | str, old_ins: Sequence[Ins] = ()) -> ChangeIdentifier:
    """An A47: ``old`` and ``old_ins`` stand in MRG-1."""
    made = sent(*old, segment="MRG")
    return ChangeIdentifier(person, made, sent_ins(*old_ins, segment="MRG"), Location("MRG", 1, 1))


def moment(at: datetime) -> Interval:
    return Interval(at, at)


# --------------------------------------------------------------------------------------------------------- a house


class House:
    """Takes events one after the other, each on what the last one left, as the receiver does."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.known = Known()
        self.policy = policy or Policy()
        self._numbers = count(1)

    def occasion(
        self, *, dated: datetime | Interval | None = None, sender: tuple[str, str] = SENDER, at: datetime = AT
    ) -> Occasion:
        number = next(self._numbers)
        when = moment(dated) if isinstance(dated, datetime) else dated
        return Occasion(str(UUID(int=number)), f"MSG{number}", sender, at, when)

    def decide(self, event: Event, **occasion: object) -> Decision:
        return decide(event, self.known, self.occasion(**occasion), self.policy)  # type: ignore[arg-type]

    def take(self, event: Event, **occasion: object) -> Decision:
        """Decide an event and keep what it changed."""
        decision = self.decide(event, **occasion)
        self.known.apply(decision)
        return decision

    def accept(self, event: Event, **occasion: object) -> Decision:
        """Decide an event that must not be refused, and keep what it changed."""
        decision = self.take(event, **occasion)
        assert not decision.is_refused, rules_of(decision)
        return decision

    def see(self, authority: AssigningAuthority, sender: tuple[str, str] = SENDER) -> None:
        self.known.see(SeenAuthority(sender, authority))

    def holder(self, value: str, authority: AssigningAuthority = HOSPITAL) -> Identity | None:
        return self.known.find_by_ipp(ipp(value, authority), SENDER)

    def of(self, value: str, authority: AssigningAuthority = HOSPITAL) -> Identity:
        """The identity that holds this IPP, which there must be."""
        found = self.holder(value, authority)
        assert found is not None
        return found

    @property
    def identities(self) -> dict[str, Identity]:
        return {each.id: each for each in self.known}


def house(*people: Person, policy: Policy | None = None) -> House:
    """Return a house that holds these people, each created by an A28 that nothing forbids."""
    made = House(policy)
    for person in people:
        made.accept(a28(person))
    return made


def qualified(*ipps: str, ins: Ins = NIR, **more: object) -> Person:
    return who(*ipps, ins=[ins], **more)  # type: ignore[arg-type]


def rules_of(decision: Decision, *severities: str) -> list[str]:
    """The ids of the rules not kept, of these severities (none: of all)."""
    return [each.rule for each in decision.findings if not severities or each.severity in severities]


def graded(decision: Decision) -> list[tuple[str, str]]:
    """Each rule not kept, with its severity."""
    return [(each.rule, each.severity.value) for each in decision.findings]


def alerts_of(decision: Decision) -> list[str]:
    return [each.finding.rule for each in decision.alerts]


def reasons_of(identity: Identity) -> list[tuple[Ins, str]]:
    return [(each.ins, each.reason.value) for each in identity.ended_ins]


def former(identity: Identity) -> list[tuple[str, str]]:
    """(matricule, OID) of the former INS."""
    return [(each.value, each.authority.universal_id) for each in identity.former_ins]


def held_ipps(identity: Identity) -> dict[str, bool]:
    """The IPPs that an identity holds, and whether each is in force."""
    return {each.value: each.active for each in identity.identifiers if each.type == PI}


def with_traits(**changes: str | None) -> StrictTraits:
    return replace(ANNE, **changes)  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------------------- messages

_AUTHORITY: Final = "CHU-LYRE&1.2.250.1.999.77&ISO"
IPP: Final = f"100^^^{_AUTHORITY}^PI"
OLD_IPP: Final = f"200^^^{_AUTHORITY}^PI"


def ins_cx(ins: Ins = NIR, name: str = "ASIP-SANTE-INS-NIR") -> str:
    return f"{ins.matricule}^^^{name}&{ins.oid}&ISO^{INS}"


BIRTH_NAME: Final = "KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L"
BIRTH_PLACE: Final = "^^NANTES^^44000^FRA^BDL^^44109"


def pid(
    *,
    pid3: Iterable[str] = (IPP,),
    names: Iterable[str] = (BIRTH_NAME,),
    birth_date: str = "19590123",
    sex: str = "F",
    addresses: Iterable[str] = (BIRTH_PLACE,),
    codes: Iterable[str] = ("VALI",),
    changed_at: str = "",
) -> str:
    """One PID segment; every argument is raw ER7 text."""
    fields = {
        1: "1",
        3: "~".join(pid3),
        5: "~".join(names),
        7: birth_date,
        8: sex,
        11: "~".join(addresses),
        32: "~".join(codes),
        33: changed_at,
    }
    return "|".join(["PID", *(fields.get(number, "") for number in range(1, 34))])


def adt(
    event: str = "A31",
    *segments: str,
    version: str = "2.5^FRA^2.11",
    evn: str | None = "EVN||20250304060000",
    msh: dict[int, str] | None = None,
) -> Message:
    """An ADT message: MSH and EVN, then ``segments`` (one PID when there are none)."""
    structure = {"A40": "ADT_A39", "A47": "ADT_A30", "A31": "ADT_A05", "A28": "ADT_A05"}.get(event, "ADT_A01")
    fields = {
        2: "^~\\&",
        3: "GAM",
        4: "CHU-LYRE",
        7: "20250304060607",
        9: f"ADT^{event}^{structure}",
        10: "MSG1",
        11: "P",
        12: version,
        18: "UNICODE UTF-8",
        **(msh or {}),
    }
    header = "|".join(["MSH", *(fields.get(number, "") for number in range(2, 22))])
    lines = [header, *([evn] if evn else []), *(segments or (pid(),))]
    return parse_message("".join(f"{line}\r" for line in lines).encode())
