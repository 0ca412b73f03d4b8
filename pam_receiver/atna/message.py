"""An audit message, and its XML. Spec: DICOM PS3.15 §A.5.1, the schema of audit messages."""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from xml.etree import ElementTree

# the signs that no XML 1.0 document may hold, not even escaped
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Action = Literal["C", "R", "U", "D", "E"]  # create, read, update, delete, execute
Outcome = Literal[0, 4, 8, 12]  # success, minor, serious, major failure


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value: the code, the system that it is of, and what it means there."""

    code: str
    system: str
    text: str


@dataclass(frozen=True, slots=True)
class Participant:
    """Who or what took part. ``access_point``: an address or the name of a host."""

    user_id: str
    is_requestor: bool
    role: Code | None = None
    access_point: str | None = None
    is_address: bool = False
    alternative_id: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What the event was about. ``kind``: 1 a person, 2 a thing of the system; ``role``: 1 a patient, and so on.

    ``query``: in the place of a name, what was asked; ``details``: (type, value).
    """

    id: str
    id_type: Code
    kind: int
    role: int
    name: str = ""
    query: bytes | None = None
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AuditMessage:
    """One event as it is told. ``source``: the name of the system that tells of it; ``at``: aware."""

    event: Code
    types: tuple[Code, ...]
    action: Action
    at: datetime
    outcome: Outcome
    participants: tuple[Participant, ...]
    source: str
    subjects: tuple[Subject, ...] = ()


def to_xml(message: AuditMessage) -> str:
    """Return the XML, on one line; what XML cannot hold stands as U+FFFD."""
    root = ElementTree.Element("AuditMessage")
    event = ElementTree.SubElement(root, "EventIdentification")
    event.set("EventActionCode", message.action)
    event.set("EventDateTime", moment(message.at))
    event.set("EventOutcomeIndicator", str(message.outcome))
    _add_code(event, "EventID", message.event)
    for each in message.types:
        _add_code(event, "EventTypeCode", each)
    for participant in message.participants:
        _add_participant(root, participant)
    source = ElementTree.SubElement(root, "AuditSourceIdentification", {"AuditSourceID": _clean(message.source)})
    ElementTree.SubElement(source, "AuditSourceTypeCode", {"csd-code": "4"})  # an application server
    for subject in message.subjects:
        _add_subject(root, subject)
    return ElementTree.tostring(root, encoding="unicode")


def moment(at: datetime) -> str:
    """Return ``at`` in UTC, to the microsecond: as XML Schema and RFC 5424 both take it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _add_code(parent: ElementTree.Element, name: str, code: Code) -> None:
    values = {"csd-code": code.code, "codeSystemName": code.system, "originalText": code.text}
    ElementTree.SubElement(parent, name, values)


def _add_participant(root: ElementTree.Element, participant: Participant) -> None:
    element = ElementTree.SubElement(root, "ActiveParticipant", {"UserID": _clean(participant.user_id)})
    if participant.alternative_id is not None:
        element.set("AlternativeUserID", _clean(participant.alternative_id))
    element.set("UserIsRequestor", "true" if participant.is_requestor else "false")
    if participant.access_point is not None:
        element.set("NetworkAccessPointID", _clean(participant.access_point))
        element.set("NetworkAccessPointTypeCode", "2" if participant.is_address else "1")
    if participant.role is not None:
        _add_code(element, "RoleIDCode", participant.role)


def _add_subject(root: ElementTree.Element, subject: Subject) -> None:
    element = ElementTree.SubElement(root, "ParticipantObjectIdentification")
    element.set("ParticipantObjectID", _clean(subject.id))
    element.set("ParticipantObjectTypeCode", str(subject.kind))
    element.set("ParticipantObjectTypeCodeRole", str(subject.role))
    _add_code(element, "ParticipantObjectIDTypeCode", subject.id_type)
    if subject.query is not None:
        ElementTree.SubElement(element, "ParticipantObjectQuery").text = _base64(subject.query)
    else:
        ElementTree.SubElement(element, "ParticipantObjectName").text = _clean(subject.name)
    _add_details(element, subject.details)


def _add_details(element: ElementTree.Element, details: Sequence[tuple[str, str]]) -> None:
    for name, value in details:
        encoded = _base64(value.encode("utf-8", "replace"))
        ElementTree.SubElement(element, "ParticipantObjectDetail", {"type": _clean(name), "value": encoded})


def _base64(content: bytes) -> str:
    return b64encode(content).decode("ascii")
