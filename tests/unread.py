"""What the receiver makes of a message before it keeps it, for tests that have a receiver of their own."""

from datetime import UTC
from typing import Final

from pam_receiver.adt import ReadingRules
from pam_receiver.profile.load import load_profiles
from pam_receiver.receive import Incoming, Read
from pam_receiver.sources import Source
from pam_receiver.understand import Understood

_NOTHING: Final = Understood(None, (), Source("", load_profiles(), ReadingRules(frozenset(), UTC)))


def unread(incoming: Incoming) -> Read:
    """Return a message of which nothing is understood."""
    return Read(incoming, "m", _NOTHING, b"", b"")
