"""Waiting for what must come soon: bounded, and a failure when it does not."""

import asyncio
from collections.abc import Callable

import pytest

PATIENCE_S = 5.0


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for ``condition``; fail when it does not come."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)
    except TimeoutError:
        pytest.fail(f"waited {PATIENCE_S} s in vain for: {what}")
