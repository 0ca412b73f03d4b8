"""What the audit trail and the journal say, as others read it: JSON lines, and ATNA audit messages in syslog.

Pure: values in, text out. Nothing here reads a store, opens a socket or knows what time it is.
"""

from pam_receiver.atna.lines import imported_json, row_json
from pam_receiver.atna.message import AuditMessage, to_xml
from pam_receiver.atna.syslog import Syslog, frame
from pam_receiver.atna.telling import Reporter, tell_import, tell_row

__all__ = [
    "AuditMessage",
    "Reporter",
    "Syslog",
    "frame",
    "imported_json",
    "row_json",
    "tell_import",
    "tell_row",
    "to_xml",
]
