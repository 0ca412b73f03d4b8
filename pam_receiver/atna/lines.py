"""The trail and what came in as JSON values, one a line. The names are a contract: more may be added, none goes."""

from pam_receiver.atna.message import moment
from pam_receiver.atna.telling import action_of, import_id, row_id
from pam_receiver.identity.as_json import Json
from pam_receiver.store.trail import Import, TrailRow


def row_json(row: TrailRow) -> Json:
    """Return a row of the trail: every column, from which its hash can be computed anew, with ``type`` and ``id``."""
    return {"type": "trail", "id": row_id(row), **row.to_json()}


def imported_json(made: Import) -> Json:
    """Return what a message made of an identity; ``action``: C, U or D. Ids only, no value of a patient."""
    return {
        "type": "import",
        "id": import_id(made),
        "at": moment(made.at),
        "action": action_of(made),
        "identity_id": made.identity_id,
        "version": made.version,
        "message_id": made.message_id,
        "control_id": made.control_id,
        "event": made.event,
        "sending_application": made.sending_application,
        "sending_facility": made.sending_facility,
        "peer": made.peer,
    }
