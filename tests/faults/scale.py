"""How much the fault suite does: small with ``make test``, in full with ``make soak``. The one place that reads it."""

import os
from typing import Final

IS_FULL: Final = os.environ.get("PAM_TEST_SOAK", "") == "full"
KILLS: Final = 20 if IS_FULL else 3
"""Rounds of load and SIGKILL, on each database."""
FAMILIES_PER_KILL: Final = 100 if IS_FULL else 40
"""Families of messages that each of these rounds has to send."""
SOAK_MESSAGES: Final = 200_000 if IS_FULL else 20_000
STOPS: Final = 5 if IS_FULL else 1
"""How often PostgreSQL is stopped under load, in each way."""
FAILOVERS: Final = 5 if IS_FULL else 1
"""How often a standby is promoted under load, in each way in which its primary is lost."""
WITHOUT_STANDBY_S: Final = 12.0 if IS_FULL else 0.5
"""How long a synchronous standby is away; in full longer than a statement may take."""
CONFLICTS: Final = 20_000 if IS_FULL else 2_000
"""Messages about a few identities that several workers are sent at once."""
