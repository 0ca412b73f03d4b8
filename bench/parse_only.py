"""python-hl7's MLLP server as its documentation shows it: parses each message, answers AA, stores nothing."""

import asyncio
import signal

from hl7.mllp import HL7StreamReader, HL7StreamWriter, InvalidBlockError, start_hl7_server


async def answer(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
    try:
        while True:
            message = await reader.readmessage()
            writer.writemessage(message.create_ack())
            await writer.drain()
    except (asyncio.IncompleteReadError, InvalidBlockError, ConnectionError):
        pass  # the sender has gone
    finally:
        writer.close()


async def run() -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server = await start_hl7_server(answer, "127.0.0.1", 0, encoding="utf-8")
    host, port = server.sockets[0].getsockname()
    print(f"ready mllp={host}:{port}", flush=True)
    await stopping.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(run())
