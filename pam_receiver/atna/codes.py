"""Which audit event each act of the trail is. Codes: DICOM PS3.16 (DCM), RFC 3881, transactions of IHE."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pam_receiver.adt.events import EVENTS
from pam_receiver.atna.message import Action, Code
from pam_receiver.identity.model import UpdateKind

_DCM: Final = "DCM"
AUDIT_LOG_USED: Final = Code("110101", _DCM, "Audit Log Used")
EXPORT: Final = Code("110106", _DCM, "Export")
PATIENT_RECORD: Final = Code("110110", _DCM, "Patient Record")
QUERY: Final = Code("110112", _DCM, "Query")
SECURITY_ALERT: Final = Code("110113", _DCM, "Security Alert")
USER_AUTHENTICATION: Final = Code("110114", _DCM, "User Authentication")

LOGIN: Final = Code("110122", _DCM, "Login")
RESTRICTED_FUNCTION: Final = Code("110132", _DCM, "Use of Restricted Function")
USER_ATTRIBUTES_CHANGED: Final = Code("110137", _DCM, "User security Attributes Changed")

APPLICATION: Final = Code("110150", _DCM, "Application")
DESTINATION: Final = Code("110152", _DCM, "Destination Role ID")
SOURCE: Final = Code("110153", _DCM, "Source Role ID")

PATIENT_NUMBER: Final = Code("2", "RFC-3881", "Patient Number")
SEARCH_CRITERIA: Final = Code("10", "RFC-3881", "Search Criteria")
URI: Final = Code("12", "RFC-3881", "URI")

_IHE: Final = "IHE Transactions"
ITI_30: Final = Code("ITI-30", _IHE, "Patient Identity Management")
ITI_31: Final = Code("ITI-31", _IHE, "Patient Encounter Management")
_ENCOUNTER: Final = frozenset({UpdateKind.ENCOUNTER, UpdateKind.CANCEL})


@dataclass(frozen=True, slots=True)
class Kind:
    """The audit event that an act of the trail is."""

    event: Code
    action: Action
    types: tuple[Code, ...] = ()


_RESTRICTED: Final = Kind(SECURITY_ALERT, "E", (RESTRICTED_FUNCTION,))
_OF_TOKENS: Final = Kind(SECURITY_ALERT, "E", (USER_ATTRIBUTES_CHANGED,))

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "read": Kind(PATIENT_RECORD, "R"),
        "search": Kind(QUERY, "E"),
        "disclose": Kind(EXPORT, "R"),
        "export": Kind(AUDIT_LOG_USED, "R"),
        "erase": Kind(PATIENT_RECORD, "D"),
        "unmerge": Kind(PATIENT_RECORD, "U"),
        "login": Kind(USER_AUTHENTICATION, "E", (LOGIN,)),
        "token-create": _OF_TOKENS,
        "token-revoke": _OF_TOKENS,
        **dict.fromkeys(
            (
                "alert-acknowledge",
                "alert-close",
                "backup",
                "keys-reencrypt",
                "prune",
                "rebuild",
                "replay",
                "restore",
            ),
            _RESTRICTED,
        ),
    }
)
"""The act by its word in the trail; an act that is not among them is the use of a restricted function."""


def kind_of(action: str) -> Kind:
    """Return the audit event that an act is."""
    return KINDS.get(action, _RESTRICTED)


def transaction_of(event: str) -> Code:
    """Return the IHE transaction that a trigger event (MSH-9.2) belongs to."""
    return ITI_31 if EVENTS.get(event) in _ENCOUNTER else ITI_30
