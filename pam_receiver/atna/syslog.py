"""An audit message as a syslog message, and as a frame of a stream.

Spec: RFC 5424 (the message), RFC 5425 and RFC 6587 (a frame: its length in octets, a blank, the message); ITI TF-2
§3.20 (PRI, MSGID).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pam_receiver.atna.message import moment

_PRI: Final = 10 * 8 + 5  # facility 10, security and authorization; severity 5, notice
_VERSION: Final = 1
_APP_NAME: Final = "pam-receiver"
_MSGID: Final = "IHE+RFC-3881"
_BOM: Final = b"\xef\xbb\xbf"  # says that what follows is UTF-8
_NOT_PRINTABLE: Final = re.compile(r"[^\x21-\x7e]")
_LONGEST_HOST: Final = 255
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'


@dataclass(frozen=True, slots=True)
class Syslog:
    """Who writes: the name of the host and the id of the process, as they stand in each header."""

    host: str
    process_id: int

    def message(self, xml: str, at: datetime) -> bytes:
        """Return one syslog message. ``at``: when what it tells of happened."""
        host = _NOT_PRINTABLE.sub("", self.host)[:_LONGEST_HOST] or "-"
        header = f"<{_PRI}>{_VERSION} {moment(at)} {host} {_APP_NAME} {self.process_id} {_MSGID} -"
        return header.encode("ascii") + b" " + _BOM + f"{_DECLARATION}{xml}".encode()


def frame(message: bytes) -> bytes:
    """Return a message as a stream carries it: octets counted, so that it may hold anything."""
    return b"%d %s" % (len(message), message)
