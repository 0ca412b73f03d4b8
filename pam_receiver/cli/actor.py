"""Who runs a command, for the audit trail."""

import os
import pwd
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pam_receiver.store.audit import Actor

LOGIN_ID: Final = Path("/proc/self/loginuid")  # proc(5): the user who logged in, whatever su and sudo did since
_NOBODY: Final = (1 << 32) - 1  # who did not log in, such as a daemon, or anyone in a container


def actor() -> Actor:
    """Return the user of the operating system; behind sudo or su, also the one who logged in.

    The user is that of the process, not that of a variable, which anyone may set. The variables of sudo and SSH only
    add to it, where the system itself does not say who logged in.
    """
    name = _name_of(os.getuid())
    asked_by = _logged_in() or os.environ.get("SUDO_USER", "")
    if asked_by and asked_by != name:
        name = f"{asked_by} (sudo {name})"
    return Actor(name, "os-user", _origin(socket.gethostname(), os.environ))


def _name_of(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:  # a user id that has no name, as in a container
        return f"uid {user_id}"


def _logged_in() -> str:
    try:
        user_id = int(LOGIN_ID.read_text(encoding="ascii"))
    except (OSError, ValueError):  # a kernel without it
        return ""
    return _name_of(user_id) if user_id != _NOBODY else ""


def _origin(host: str, environ: Mapping[str, str]) -> str:
    """Return the name of the host, and the address from which an SSH session came. Spec: ssh(1), SSH_CONNECTION."""
    client = environ.get("SSH_CONNECTION", "").split(" ")[0]
    try:
        return f"{host} (ssh {ip_address(client.partition('%')[0])})"
    except ValueError:
        return host
