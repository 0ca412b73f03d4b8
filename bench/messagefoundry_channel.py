"""A channel of MessageFoundry, read by it: takes ADT by MLLP, keeps each message, runs one handler, sends nothing on.

Its AA leaves when the message is stored (``ack_after="ingest"``, its default). The port comes from the environment.
"""

import os

from messagefoundry import MLLP, handler, inbound, router

inbound("IB_BENCH_ADT", MLLP(port=int(os.environ["BENCH_MLLP_PORT"])), router="bench_router")


@router("bench_router")
def route(_message: object) -> list[str]:
    return ["bench_handler"]


@handler("bench_handler")
def keep(_message: object) -> None:
    return None
