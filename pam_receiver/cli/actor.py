"""Who runs a command, for the audit trail."""

import getpass
import os
import socket

from pam_receiver.store.audit import Actor


def actor() -> Actor:
    """Return the user of the operating system; behind sudo, also the one who asked for it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id that has no name, as in a container
        name = f"uid {os.getuid()}"
    asked_by = os.environ.get("SUDO_USER", "")
    if asked_by and asked_by != name:
        name = f"{asked_by} (sudo {name})"
    return Actor(name, "os-user", socket.gethostname())
