"""From a row of the trail, or what came in of an identity, to the audit message that tells of it.

A patient is named by an IPP, as CX, or by the id that we gave; never by the INS, nor by a name.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from pam_receiver.atna import codes
from pam_receiver.atna.message import Action, AuditMessage, Outcome, Participant, Subject
from pam_receiver.hl7.header import read_header_loosely
from pam_receiver.hl7.separators import escape
from pam_receiver.identity.identifiers import PatientIdentifier
from pam_receiver.store.trail import Import, TrailRow

_SSH: Final = re.compile(r"(?P<host>.*) \(ssh (?P<address>[^ ()]+)\)")
_OUTCOMES: Final[Mapping[str, Outcome]] = {"success": 0, "refused": 4, "failed": 8}
_PERSON, _SYSTEM = 1, 2  # ParticipantObjectTypeCode
_PATIENT, _RESOURCE, _JOB, _QUERY = 1, 13, 20, 24  # ParticipantObjectTypeCodeRole
_NAME: Final = "pam-receiver"


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who tells: the name of this host, and the id of this process."""

    host: str
    process_id: int


def tell_row(row: TrailRow, ipp: PatientIdentifier | None, *, by: Reporter) -> AuditMessage:
    """Return the audit message of one row. ``ipp``: of the identity it speaks of; ``None``: it is named by our id."""
    kind = codes.kind_of(row.action)
    return AuditMessage(
        event=kind.event,
        types=kind.types,
        action=kind.action,
        at=row.at,
        outcome=_OUTCOMES.get(row.outcome, 4),
        participants=_participants(row, kind, by),
        source=by.host,
        subjects=_subjects(row, kind, ipp),
    )


def tell_import(made: Import, ipp: PatientIdentifier | None, *, by: Reporter) -> AuditMessage:
    """Return the audit message of what a message made of one identity.

    Source and destination are named as MSH names them, application and facility with ``|`` between.
    """
    answer = read_header_loosely(made.ack)
    ours = (answer.sending_application, answer.sending_facility) if answer is not None else ("", "")
    sender = Participant(
        _joined(made.sending_application, made.sending_facility),
        True,
        codes.SOURCE,
        *_access_point(_host_of(made.peer)),
    )
    receiver = Participant(_joined(*ours), False, codes.DESTINATION, by.host, alternative_id=str(by.process_id))
    details = (
        ("MSH-10", made.control_id),
        ("message", made.message_id),
        ("identity", made.identity_id),
        ("version", str(made.version)),
        ("id", import_id(made)),
    )
    return AuditMessage(
        event=codes.PATIENT_RECORD,
        types=(codes.transaction_of(made.event),),
        action=action_of(made),
        at=made.at,
        outcome=0,
        participants=(sender, receiver),
        source=by.host,
        subjects=(_patient(made.identity_id, ipp, details),),
    )


def row_id(row: TrailRow) -> str:
    """Return the id of a row: the same in every export."""
    return f"trail/{row.number}"


def import_id(made: Import) -> str:
    """Return the id of what came in: the same in every export."""
    return f"import/{made.id}"


def action_of(made: Import) -> Action:
    """Return what a message did with an identity: created, updated, or took out of use (a merge, a deletion)."""
    if made.version == 1:
        return "C"
    is_ended = any(change.what == "active" and change.after is False for change in made.changes)
    return "D" if is_ended else "U"


def to_cx(ipp: PatientIdentifier) -> str:
    """Return an identifier as CX: ``value^^^namespace&universal id&type^code``."""
    authority = ipp.authority
    parts = (authority.namespace_id, authority.universal_id, authority.universal_id_type)
    return f"{escape(ipp.value)}^^^{'&'.join(map(escape, parts))}^{escape(ipp.type)}"


# ------------------------------------------------------------------------------------------------------ participants


def _participants(row: TrailRow, kind: codes.Kind, by: Reporter) -> tuple[Participant, ...]:
    where, is_address = _access_point(row.origin)
    ours = Participant(_NAME, False, codes.APPLICATION, by.host, alternative_id=str(by.process_id))
    if kind.event == codes.QUERY:
        asked = Participant(row.actor, True, codes.SOURCE, where, is_address)
        return (asked, Participant(_NAME, False, codes.DESTINATION, by.host, alternative_id=str(by.process_id)))
    if kind.event == codes.EXPORT:
        partner = Participant(str(row.detail.get("partner", "")), False, codes.DESTINATION)
        return (Participant(row.actor, True, codes.SOURCE, where, is_address), partner)
    return (Participant(row.actor, True, None, where, is_address), ours)


def _access_point(origin: str) -> tuple[str | None, bool]:
    """Return the address, else the name of the host, that ``origin`` holds; and whether it is an address."""
    came = _SSH.fullmatch(origin)
    place = came["address"] if came else origin
    try:
        return str(ip_address(place)), True
    except ValueError:
        return place or None, False


def _host_of(peer: str) -> str:
    """Return ``192.0.2.1`` of ``192.0.2.1:40000``, ``2001:db8::1`` of ``[2001:db8::1]:40000``."""
    return peer.rpartition(":")[0].strip("[]")


def _joined(application: str, facility: str) -> str:
    return f"{application}|{facility}"


# ---------------------------------------------------------------------------------------------------------- subjects


def _subjects(row: TrailRow, kind: codes.Kind, ipp: PatientIdentifier | None) -> tuple[Subject, ...]:
    details = _details(row)
    if row.identity_id is not None:
        return (_patient(row.identity_id, ipp, details),)
    if kind.event == codes.QUERY:  # what was asked is not kept
        return (Subject(row_id(row), codes.SEARCH_CRITERIA, _SYSTEM, _QUERY, query=b"", details=details),)
    if kind.event == codes.AUDIT_LOG_USED:
        return (_thing("urn:pam-receiver:audit-trail", _RESOURCE, "Security Audit Log", details),)
    if row.message_id is not None:
        return (_thing(f"urn:uuid:{row.message_id}", _RESOURCE, "HL7 message", details),)
    return (_thing(f"urn:pam-receiver:{row_id(row)}", _JOB, row.action, details),)


def _thing(uri: str, role: int, name: str, details: tuple[tuple[str, str], ...]) -> Subject:
    return Subject(uri, codes.URI, _SYSTEM, role, name=name, details=details)


def _patient(identity_id: str, ipp: PatientIdentifier | None, details: tuple[tuple[str, str], ...]) -> Subject:
    """A patient. The schema asks for a name, or a query: the id by which we know them stands for it."""
    number = to_cx(ipp) if ipp is not None else f"{identity_id}^^^{_NAME}"
    return Subject(number, codes.PATIENT_NUMBER, _PERSON, _PATIENT, name=identity_id, details=details)


def _details(row: TrailRow) -> tuple[tuple[str, str], ...]:
    told = {
        "action": row.action,
        "actor-kind": row.actor_kind,
        "origin": row.origin,
        "identity": row.identity_id,
        "message": row.message_id,
        "reason": row.reason,
        "detail": json.dumps(dict(row.detail), sort_keys=True, ensure_ascii=False) if row.detail else None,
        "id": row_id(row),
        "hash": row.hash,
    }
    return tuple((name, value) for name, value in told.items() if value)
