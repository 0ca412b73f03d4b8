"""Work that may block, in a thread beside the loop."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def start_aside(call: Callable[[], Result], name: str) -> asyncio.Future[Result]:
    """Run ``call`` in a daemon thread; return the future of its result, or of what it raises.

    Not in the executor of the loop: what hangs, as a database may, must not hold up the end of the process.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def give(result: Result | None, error: Exception | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None only where Result has it

    def run() -> None:
        result: Result | None = None
        failure: Exception | None = None
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - the top of a thread: who asked gets it
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(give, result, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
