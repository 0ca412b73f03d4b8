"""The JSON that the commands print. The names are a contract: more keys may be added, none goes or changes."""

from dataclasses import asdict
from datetime import UTC, datetime

from pam_receiver.cli.findings import finding_json
from pam_receiver.finding import Lang
from pam_receiver.identity.draft import identifier_json
from pam_receiver.identity.identifiers import Ins
from pam_receiver.identity.model import Difference
from pam_receiver.store.queries import FullMessageView, IdentityView, MessageView, VersionView


def moment_json(at: datetime) -> str:
    """Return ``at`` in UTC, ISO 8601, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def nature_of(ins: Ins) -> str:
    """Return NIR or NIA: a test NIR is a NIR, its OID tells the rest. Spec: DMN référentiel, INS 2 (NIR or NIA)."""
    return ins.nature.value.partition("-")[0]


def identity_json(view: IdentityView) -> dict[str, object]:
    """Return what ``show --json`` gives of one identity."""
    one = view.identity
    ins = one.ins
    return {
        "id": one.id,
        "active": one.active,
        "merged_into": view.merged_into,
        "version": one.version,
        "status": one.status.value,
        "attributes": [attribute.value for attribute in one.attributes],
        "reliability_codes": list(one.reliability_codes),
        "ins": None if ins is None else {"matricule": ins.matricule, "oid": ins.oid, "nature": nature_of(ins)},
        "traits": asdict(one.traits),
        "used_family_name": one.used_family_name,
        "used_given_name": one.used_given_name,
        "identifiers": [identifier_json(each) for each in one.identifiers],
        "absorbed": list(view.absorbed),
    }


def version_json(identity_id: str, version: VersionView) -> dict[str, object]:
    """Return what ``history --json`` gives of one version."""
    return {
        "version": version.version,
        "at": moment_json(version.at),
        "status": version.status.value,
        "changes": [_difference_json(each) for each in version.changes],
        "message_id": version.message_id,
        "event": version.event,
        "control_id": version.control_id,
        "identity_id": identity_id,
    }


def _difference_json(difference: Difference) -> dict[str, object]:
    reason = {"reason": difference.reason} if difference.reason else {}
    return {"what": difference.what, "before": difference.before, "after": difference.after, **reason}


def message_json(line: MessageView, lang: Lang) -> dict[str, object]:
    """Return what ``messages --json`` gives of one message."""
    return {
        "id": line.id,
        "received_at": moment_json(line.received_at),
        "peer": line.peer,
        "sending_application": line.sending_application,
        "sending_facility": line.sending_facility,
        "control_id": line.control_id,
        "event": line.event,
        "ack": line.ack_code,
        "repeat_of": line.repeat_of,
        "findings": [finding_json(finding, lang) for finding in line.findings],
    }


def full_message_json(message: FullMessageView, lang: Lang) -> dict[str, object]:
    """Return what ``message --json`` gives: the line of the journal, the text received, the text answered."""
    return {
        **message_json(message.line, lang),
        "identities": [{"id": each.identity_id, "version": each.version} for each in message.identities],
        "raw": readable(message.raw, message.encoding),
        "ack_raw": readable(message.ack, message.encoding),
    }


def readable(raw: bytes, encoding: str) -> str:
    """Return the text of a message in the codec it was read with, else as UTF-8, else as 8859/15; never fails."""
    for codec in (encoding or "utf-8", "utf-8"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return raw.decode("iso8859-15")
