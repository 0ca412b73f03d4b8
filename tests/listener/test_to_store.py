"""From the socket to the database: when it is away, and with the real one."""

import asyncio
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from pam_receiver.cli import parts
from pam_receiver.config import Settings
from pam_receiver.hl7.mllp import encode_frame
from pam_receiver.receive import Receiver
from pam_receiver.store import Store

PATIENCE_S = 5.0
SOON = 0.2  # a time-out that a test can wait for
SECRET = "KERGUELEN"


class TestStoreAway:
    """Our own outage is never told as a fault of the message: answered within the deadline, or not at all."""

    def test_back_within_the_deadline_each_message_is_answered_once(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                house.receiver.is_away = True
                client, other = await house.connect(), await house.connect()
                client.send_messages(1, 2)
                await wire.until(lambda: house.receiver.tries >= 2, "some tries")
                other.send_messages(3)
                house.receiver.is_away = False
                assert await client.read_acks(2) == ["1", "2"]
                assert await other.read_acks(1) == ["3"]
                assert sorted(house.receiver.kept_ids) == ["1", "2", "3"]

        wire.run(scenario)

    def test_past_the_deadline_the_connection_closes_without_an_answer(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(ack_deadline_s=3 * SOON) as house:
                client = await house.connect()
                client.send_messages(1)
                assert await client.read_acks(1) == ["1"]
                house.receiver.is_away = True
                client.send_messages(2)
                await wire.until(lambda: house.receiver.tries >= 3, "some tries")
                client.send_messages(3)
                assert await client.read_end() == b""
                house.receiver.is_away = False
                other = await house.connect()
                other.send_messages(2, 3)
                assert await other.read_acks(2) == ["2", "3"]
                assert house.receiver.kept_ids == ["1", "2", "3"]
                assert house.counted("pam_receiver_given_up_total 2.0")

        wire.run(scenario)
        assert [line.messages for line in wire.logged("messages.given_up")] == [2]

    def test_a_database_that_hangs_holds_no_connection_past_the_deadline(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(ack_deadline_s=SOON) as house:
                house.receiver.gate.clear()
                client, other = await house.connect(), await house.connect()
                client.send_messages(1)
                other.send_messages(2)
                assert await client.read_end() == b""
                assert await other.read_end() == b""

        wire.run(scenario)

    def test_mixed_fates_on_one_connection_keep_the_order(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                house.receiver.broken_by = "4"
                house.receiver.gate.clear()
                client = await house.connect()
                client.send_messages(1)
                await wire.until(lambda: house.receiver.tries == 1, "the first batch")
                client.send(encode_frame(wire.message(2)) + b"\x0b\x1c\r")
                await wire.until(lambda: house.intake.waiting == 3, "three to be read")
                house.receiver.gate.set()
                assert await client.read_acks(2) == ["1", "2"]
                assert await client.read_ack() == ("AR", "")
                client.send_messages(3)
                assert await client.read_acks(1) == ["3"]
                client.send_messages(4, 5)
                assert await client.read_end() == b""
                other = await house.connect()
                other.send_messages(5)
                assert await other.read_acks(1) == ["5"]

        wire.run(scenario)


def creation(number: int, *, structure: str = "ADT^A28^ADT_A05") -> bytes:
    """A whole PAM FR message that creates an identity with IPP ``number``."""
    return (
        f"MSH|^~\\&|GAM|CHU-LYRE|PAM|DM|20240611080000||{structure}|C{number}|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8\r"
        f"EVN||20240611080000||||20240611080000\r"
        f"PID|||{number}^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI||{SECRET}^ANNE^ANNE^^^^L||19590123|F|||"
        "^^^^^^BDL^^44109||||||||||||||||||||PROV\r"
        "PV1||N\r"
    ).encode()


def opened(url: str) -> Iterator[Receiver]:
    store = Store.open(url, lock_timeout_s=0.1)
    yield Receiver(store, sources=parts.make_sources(Settings()))
    store.close()


@pytest.fixture
def receiver(database_url: str) -> Iterator[Receiver]:
    yield from opened(database_url)


@pytest.fixture
def on_sqlite(sqlite_url: str) -> Iterator[Receiver]:
    yield from opened(sqlite_url)


class TestRealReceiver:
    """From the socket to the database and back, with nothing standing in."""

    def test_each_message_has_its_answer_and_a_repeat_the_same(self, wire: Any, receiver: Receiver) -> None:
        async def read_frames(client: Any, count: int) -> list[bytes]:
            async with asyncio.timeout(PATIENCE_S):
                return [await client.reader.readuntil(b"\x1c\r") for _ in range(count)]

        async def scenario() -> None:
            async with wire.running(receiver, max_block_bytes=5000) as house:
                client = await house.connect()
                sent = [creation(1), creation(2), creation(3, structure="ORU^R01^ORU_R01"), b"", b"rubbish\r"]
                client.send(b"".join(map(encode_frame, sent)))
                acks = await read_frames(client, 5)
                codes = [next(line for line in ack.split(b"\r") if line.startswith(b"MSA")) for ack in acks]
                assert [line.split(b"|")[1:3] for line in codes[:3]] == [
                    [b"AA", b"C1"],
                    [b"AA", b"C2"],
                    [b"AR", b"C3"],
                ]
                assert [line.split(b"|")[1] for line in codes[3:]] == [b"AR", b"AR"]
                client.send(encode_frame(creation(1)) + b"\x0b" + creation(4) + b"NTE|1||" + b"x" * 10_000)
                repeat, refusal = await read_frames(client, 2)
                assert repeat == acks[0]
                assert b"\rMSA|AR|C4" in refusal
                assert await client.read_end() == b""
                assert house.counted("pam_receiver_repeats_total 1.0")
                assert house.counted('pam_receiver_messages_total{ack="AA",event="A28"} 3.0')

        wire.run(scenario)

    def test_a_locked_database_is_waited_for(self, wire: Any, sqlite_url: str, on_sqlite: Receiver) -> None:
        async def scenario(receiver: Receiver) -> None:
            locker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
            try:
                locker.execute("BEGIN IMMEDIATE")
                async with wire.running(receiver) as house:
                    client = await house.connect()
                    client.send(encode_frame(creation(1)))
                    await wire.until(lambda: bool(wire.logged("store.unavailable")), "the lock to be noticed")
                    client.send(encode_frame(creation(2)))
                    locker.execute("ROLLBACK")
                    assert await client.read_acks(2) == ["C1", "C2"]
                    assert not house.counted("pam_receiver_store_retries_total 0.0")
            finally:
                locker.close()

        wire.run(lambda: scenario(on_sqlite))
