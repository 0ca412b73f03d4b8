"""Between the values of the domain and the rows and JSON values that the store keeps of them."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from pam_receiver.finding import ErrorCode, Finding, Location, Severity
from pam_receiver.identity.as_json import difference_json, identity_json, ins_json
from pam_receiver.identity.draft import find_differences
from pam_receiver.identity.identifiers import AssigningAuthority, Ins, PatientIdentifier
from pam_receiver.identity.model import (
    Alert,
    Change,
    Difference,
    EndedIns,
    EndReason,
    Identity,
    MergeLink,
    SeenAuthority,
)
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.identity.traits import TRAIT_NAMES, StrictTraits

Json = dict[str, Any]  # Any: a JSON value; what is wrong in it raises when it is read
Values = dict[str, object]  # the columns of one row to write
AnyRow = Any  # a row of SQLAlchemy, or one of prepared.py: to mypyc Row is a tuple, and the first of them is none


_PLACE: Final = tuple(each.name for each in fields(Location))
_NO_NUL: Final = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}"})


def storable(text: str) -> str:
    """Return ``text`` as both databases can hold it: PostgreSQL has no NUL, and no half of a surrogate pair.

    For what the journal shows of a message that was refused for it; the raw bytes beside it stay as they came.
    """
    if text.isascii() and "\0" not in text:
        return text
    return text.translate(_NO_NUL).encode("utf-8", "replace").decode("utf-8")


# --------------------------------------------------------------------------------------------------------- identity


def identity_values(identity: Identity) -> Values:
    """Return the row of ``identity``; identifiers and ended INS have their own tables."""
    traits = identity.traits
    return {
        "id": identity.id,
        "active": identity.active,
        "merged_into": identity.merged_into,
        "version": identity.version,
        "status": identity.status.value,
        "reliability_codes": list(identity.reliability_codes),
        "ins_matricule": identity.ins.matricule if identity.ins else None,
        "ins_oid": identity.ins.oid if identity.ins else None,
        **{name: getattr(traits, name) for name in TRAIT_NAMES},
        "used_family_name": identity.used_family_name,
        "used_given_name": identity.used_given_name,
        "dated_at": identity.dated_at,
    }


def read_identity(row: AnyRow, identifiers: Sequence[AnyRow], ended: Sequence[AnyRow]) -> Identity:
    """Return the identity of a row and of its rows of ``identifier`` and ``ended_ins``, in order of position."""
    return Identity(
        id=row.id,
        active=row.active,
        merged_into=row.merged_into,
        version=row.version,
        status=IdentityStatus(row.status),
        reliability_codes=tuple(row.reliability_codes),
        ins=Ins(row.ins_matricule, row.ins_oid) if row.ins_matricule is not None else None,
        traits=StrictTraits(**{name: getattr(row, name) for name in TRAIT_NAMES}),
        used_family_name=row.used_family_name,
        used_given_name=row.used_given_name,
        identifiers=tuple(_read_identifier(each) for each in identifiers),
        ended_ins=tuple(EndedIns(Ins(each.matricule, each.oid), each.at, EndReason(each.reason)) for each in ended),
        dated_at=row.dated_at,
    )


def identifier_values(identity_id: str, position: int, identifier: PatientIdentifier) -> Values:
    authority = identifier.authority
    return {
        "identity_id": identity_id,
        "position": position,
        "value": identifier.value,
        "type": identifier.type,
        "authority_key": authority.key,
        "namespace_id": authority.namespace_id,
        "universal_id": authority.universal_id,
        "universal_id_type": authority.universal_id_type,
        "active": identifier.active,
    }


def _read_identifier(row: AnyRow) -> PatientIdentifier:
    return PatientIdentifier(row.value, row.type, read_authority(row), row.active)


def read_authority(row: AnyRow) -> AssigningAuthority:
    return AssigningAuthority(row.namespace_id, row.universal_id, row.universal_id_type)


def ended_ins_values(identity_id: str, position: int, ended: EndedIns) -> Values:
    return {
        "identity_id": identity_id,
        "position": position,
        "matricule": ended.ins.matricule,
        "oid": ended.ins.oid,
        "at": ended.at,
        "reason": ended.reason.value,
    }


def merge_values(link: MergeLink) -> Values:
    return {
        "absorbed": link.absorbed,
        "survivor": link.survivor,
        "at": link.at,
        "message_id": link.message_id,
        "control_id": link.control_id,
    }


def read_merge(row: AnyRow) -> MergeLink:
    return MergeLink(row.absorbed, row.survivor, row.at, row.message_id, row.control_id)


# --------------------------------------------------------------------------------------------------------- snapshot


def snapshot_json(identity: Identity) -> Json:
    """Return the whole identity as a JSON value, to be kept as what it was after one message."""
    ended = [
        {"ins": ins_json(each.ins), "at": each.at.isoformat(), "reason": each.reason} for each in identity.ended_ins
    ]
    dated_at = identity.dated_at.isoformat() if identity.dated_at is not None else None
    return {**identity_json(identity), "ended_ins": ended, "dated_at": dated_at}


def identity_from_json(found: Json) -> Identity:
    """Return the identity that :func:`snapshot_json` made a JSON value of."""
    dated_at = found.get("dated_at")  # not in those of revision 0001
    return Identity(
        id=found["id"],
        active=found["active"],
        merged_into=found["merged_into"],
        version=found["version"],
        status=IdentityStatus(found["status"]),
        reliability_codes=tuple(found["reliability_codes"]),
        ins=_ins_from_json(found["ins"]) if found["ins"] else None,
        traits=StrictTraits(**found["traits"]),
        used_family_name=found["used_family_name"],
        used_given_name=found["used_given_name"],
        identifiers=tuple(_identifier_from_json(each) for each in found["identifiers"]),
        ended_ins=tuple(
            EndedIns(_ins_from_json(each["ins"]), datetime.fromisoformat(each["at"]), EndReason(each["reason"]))
            for each in found["ended_ins"]
        ),
        dated_at=datetime.fromisoformat(dated_at) if dated_at else None,
    )


def _ins_from_json(found: Json) -> Ins:
    return Ins(found["matricule"], found["oid"])


def _identifier_from_json(found: Json) -> PatientIdentifier:
    authority = AssigningAuthority(**{part: text or "" for part, text in found["authority"].items()})
    return PatientIdentifier(found["value"], found["type"], authority, found["active"])


def changes_json(change: Change) -> list[Json] | None:
    """Return what changed as a JSON value; ``None`` of a new identity, which its snapshot shows whole."""
    if change.before is None:
        return None
    return [difference_json(difference) for difference in change.differences]


def read_changes(found: Sequence[Json] | None, snapshot: Json) -> tuple[Difference, ...]:
    """Return what :func:`changes_json` made a JSON value of; ``snapshot``: the identity after it."""
    if found is None or [each["what"] for each in found] == ["created"]:  # the second: of a step back to revision 0001
        return find_differences(None, identity_from_json(snapshot))
    return tuple(_difference_from_json(each) for each in found)


def _difference_from_json(found: Json) -> Difference:
    return Difference(found["what"], found["before"], found["after"], found.get("reason"))


def version_values(message_id: str, change: Change, at: datetime) -> Values:
    return {
        "identity_id": change.after.id,
        "number": change.after.version,
        "at": at,
        "message_id": message_id,
        "status": change.after.status.value,
        "changes": changes_json(change),
        "snapshot": snapshot_json(change.after),
    }


# ---------------------------------------------------------------------------------------------------------- finding


def finding_json(finding: Finding) -> Json:
    """Return a finding as a JSON value: its place in numbers, its sentence in both languages."""
    return {
        "rule": finding.rule,
        "code": int(finding.code),
        "severity": finding.severity.value,
        "at": _location_json(finding.at) if finding.at is not None else None,
        "fr": finding.fr,
        "en": finding.en,
        "spec": finding.spec,
    }


def alert_values(message_id: str, made: Alert, at: datetime) -> Values:
    return {
        "at": at,
        "message_id": message_id,
        "identity_id": made.identity_id,
        "rule": made.finding.rule,
        "finding": finding_json(made.finding),
        "state": "open",
    }


def _location_json(place: Location) -> Json:
    return {name: getattr(place, name) for name in _PLACE}


def finding_from_json(found: Json) -> Finding:
    return Finding(
        rule=found["rule"],
        code=ErrorCode(found["code"]),
        severity=Severity(found["severity"]),
        at=Location(**found["at"]) if found["at"] is not None else None,
        fr=found["fr"],
        en=found["en"],
        spec=found["spec"],
    )


# ------------------------------------------------------------------------------------------------- sender, authority


def sender_key(sender: tuple[str, str]) -> str:
    """Return the digest by which a sender (MSH-3, MSH-4) is looked up, whatever its length."""
    return _digest(*sender)


def seen_values(seen: SeenAuthority) -> Values:
    authority = seen.authority
    return {
        "key": _digest(*seen.sender, authority.namespace_id, authority.key),
        "sender_key": sender_key(seen.sender),
        "sending_application": seen.sender[0],
        "sending_facility": seen.sender[1],
        "namespace_id": authority.namespace_id,
        "universal_id": authority.universal_id,
        "universal_id_type": authority.universal_id_type,
    }


@lru_cache(maxsize=1024)  # every batch of a sender reads the same few again
def read_seen(
    application: str, facility: str, namespace_id: str, universal_id: str, universal_id_type: str
) -> SeenAuthority:
    """Return what a row of ``sender_authority`` says, without its two keys."""
    return SeenAuthority((application, facility), AssigningAuthority(namespace_id, universal_id, universal_id_type))


def _digest(*parts: str) -> str:
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def group(rows: Sequence[AnyRow]) -> Mapping[str, list[AnyRow]]:
    """Return rows by their ``identity_id``, each list in the order that the rows came in."""
    found: dict[str, list[AnyRow]] = {}
    for row in rows:
        found.setdefault(row.identity_id, []).append(row)
    return found
