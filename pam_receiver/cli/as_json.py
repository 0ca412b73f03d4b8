"""The JSON that the commands print. The names are a contract: more keys may be added, none goes or changes."""

from datetime import UTC, datetime

from pam_receiver.cli.findings import finding_json
from pam_receiver.finding import Lang
from pam_receiver.identity.as_json import Json, difference_json, identity_json
from pam_receiver.identity.birth_place import find_place
from pam_receiver.store.queries import FullMessageView, IdentityView, MessageView, Tombstone, VersionView


def moment_json(at: datetime) -> str:
    """Return ``at`` in UTC, ISO 8601, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def view_json(view: IdentityView) -> Json:
    """Return what ``show --json`` gives of one identity; ``merged_into`` is the last survivor."""
    return {
        **identity_json(view.identity),
        "merged_into": view.merged_into,
        "absorbed": list(view.absorbed),
        "birth_place": place_json(view.identity.traits.birth_place_code),
        "dated_at": moment_json(view.identity.dated_at) if view.identity.dated_at is not None else None,
        "erased": _tombstone_json(view.erased),
    }


def _tombstone_json(erased: Tombstone | None) -> Json | None:
    if erased is None:
        return None
    return {"at": moment_json(erased.at), "by": erased.by, "reason": erased.reason}


def place_json(code: str | None) -> Json | None:
    """Return what a birth place code stands for: its name (null in no list), and what is known of it."""
    if not code:
        return None
    place = find_place(code)
    return {"code": place.code, "name": place.name, "standing": place.standing.value}


def version_json(identity_id: str, version: VersionView) -> Json:
    """Return what ``history --json`` gives of one version."""
    return {
        "version": version.version,
        "at": moment_json(version.at),
        "status": version.status.value,
        "changes": [difference_json(each) for each in version.changes],
        "message_id": version.message_id,
        "event": version.event,
        "control_id": version.control_id,
        "identity_id": identity_id,
    }


def message_json(line: MessageView, lang: Lang) -> Json:
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


def full_message_json(message: FullMessageView, lang: Lang) -> Json:
    """Return what ``message --json`` gives: the line of the journal, the text received, the text answered."""
    return {
        **message_json(message.line, lang),
        "identities": [{"id": each.identity_id, "version": each.version} for each in message.identities],
        "raw": readable(message.raw, message.encoding),
        "ack_raw": readable(message.ack, message.encoding),
        "erased_at": moment_json(message.erased_at) if message.erased_at is not None else None,
    }


def readable(raw: bytes, encoding: str) -> str:
    """Return the text of a message in the codec it was read with, else as UTF-8, else as 8859/15; never fails."""
    for codec in (encoding or "utf-8", "utf-8"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return raw.decode("iso8859-15")
