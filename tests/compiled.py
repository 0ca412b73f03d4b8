"""What the compiled core does not let a test do."""

from typing import Final

import pytest

from pam_receiver.resources import IS_COMPILED

PUTS_A_STEP_ELSEWHERE: Final = pytest.mark.skipif(IS_COMPILED, reason="compiled code calls its own steps alone")
