"""The limits of the listener: nothing grows without bound, and nobody waits for ever."""

import asyncio
import socket
from typing import Any

import pytest
from waiting import until

from pam_receiver.hl7.mllp import encode_frame
from pam_receiver.listener import shut_down

SOON = 0.2  # a time-out that a test can wait for


class TestLimits:
    """Nothing grows without bound, and nobody waits for ever."""

    def test_a_block_over_the_limit_is_refused_after_what_came_before(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(max_block_bytes=2000) as house:
                client = await house.connect()
                client.send_messages(1, 2)
                client.send(b"\x0b" + wire.message(3, padding=5_000_000))  # still coming in when the answer leaves
                assert await client.read_acks(2) == ["1", "2"]
                assert await client.read_ack() == ("AR", "3")
                assert await client.read_end() == b""
                assert house.receiver.kept_ids == ["1", "2"]
                assert len(house.receiver.heads) == 1
                other = await house.connect()
                other.send_messages(4)
                assert await other.read_acks(1) == ["4"]

        wire.run(scenario)
        assert len(wire.logged("block.too_large")) == 1

    def test_a_block_over_the_limit_without_a_header_has_no_answer(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(max_block_bytes=2000) as house:
                client = await house.connect()
                client.send(b"\x0b" + b"x" * 3000 + b"\x1c\r" + encode_frame(wire.message(1)))
                assert await client.read_end() == b""
                assert house.receiver.tries == 0

        wire.run(scenario)

    def test_a_connection_too_many_is_closed_at_once(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(max_connections=2) as house:
                first, second = await house.connect(), await house.connect()
                for client in (first, second):
                    client.send_messages(1)
                    assert await client.read_acks(1) == ["1"]
                third = await house.connect()
                assert await third.read_end() == b""
                assert house.counted("pam_receiver_connections_refused_total 1.0")
                assert house.counted("pam_receiver_open_connections 2.0")
                await first.close()
                await wire.until(lambda: house.counted("pam_receiver_open_connections 1.0"), "the place to be free")
                fourth = await house.connect()
                fourth.send_messages(2)
                assert await fourth.read_acks(1) == ["2"]

        wire.run(scenario)
        assert [record.levelname for record in wire.logged("connection.refused")] == ["WARNING"]

    def test_two_hundred_idle_connections_harm_nobody(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                idle = [await house.connect() for _ in range(200)]
                client = await house.connect()
                client.send_messages(*range(20))
                assert await client.read_acks(20) == [str(number) for number in range(20)]
                idle[100].send_messages(21)
                assert await idle[100].read_acks(1) == ["21"]
                assert house.counted("pam_receiver_open_connections 201.0")

        wire.run(scenario)

    @pytest.mark.parametrize("limit", [{"max_pending": 5}, {"max_pending_bytes": 50_000}])
    def test_reading_pauses_while_too_much_is_owed(self, wire: Any, limit: dict[str, int]) -> None:
        async def scenario() -> None:
            async with wire.running(**limit) as house:
                house.receiver.gate.clear()
                client = await house.connect()
                for number in range(2000):
                    client.send(encode_frame(wire.message(number, padding=10_000)))
                with pytest.raises(TimeoutError):  # 20 MB are more than all the buffers of the system hold
                    await asyncio.wait_for(client.writer.drain(), SOON)
                assert 0 < house.intake.waiting <= 5
                house.receiver.gate.set()
                assert await client.read_acks(2000) == [str(number) for number in range(2000)]

        wire.run(scenario)

    def test_thousands_of_tiny_messages_in_one_read_do_not_hold_up_another_sender(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(max_pending=5) as house:
                house.receiver.gate.clear()
                flood, sender = await house.connect(), await house.connect()
                flood.send(b"\x0b\x1c\r" * 20_000)
                await until(lambda: house.intake.waiting == 5, "the flood to be read")
                sender.send_messages(1)
                await until(lambda: house.intake.waiting == 6, "the other message to be read")
                house.receiver.gate.set()
                assert await sender.read_acks(1) == ["1"]
                assert house.receiver.kept.index(wire.message(1)) <= 10

        wire.run(scenario)

    def test_what_was_read_of_a_link_that_is_lost_is_kept_to_the_last(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(max_pending=2) as house:
                house.receiver.gate.clear()
                client = await house.connect()
                client.send_messages(*range(30))
                await until(lambda: house.intake.waiting == 2, "the messages to be read")
                client.reset()
                house.receiver.gate.set()
                await until(lambda: len(house.receiver.kept) == 30, "all of them to be kept")

        wire.run(scenario)

    def test_what_was_read_when_the_house_closes_is_answered_to_the_last(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(max_pending=2) as house:
                house.receiver.gate.clear()
                client = await house.connect()
                client.send_messages(*range(30))
                await until(lambda: house.intake.waiting == 2, "the messages to be read")
                closing = asyncio.create_task(shut_down(house.listener, house.intake))
                await until(lambda: house.intake.waiting == 30, "all of them to be given to the intake")
                house.receiver.gate.set()
                assert await client.read_acks(30) == [str(number) for number in range(30)]
                await closing

        wire.run(scenario)

    def test_half_a_block_then_silence_is_cut(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(block_timeout_s=SOON) as house:
                client = await house.connect()
                client.send_messages(1)
                assert await client.read_acks(1) == ["1"]
                client.send(b"\x0b" + wire.message(2)[:40])
                assert await client.read_end() == b""

        wire.run(scenario)
        (line,) = wire.logged("block.timed_out")
        assert line.levelname == "WARNING"
        assert line.seconds >= SOON

    def test_a_sender_that_drips_is_cut_though_it_is_never_silent(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(block_timeout_s=SOON) as house:
                client = await house.connect()
                frame = encode_frame(wire.message(1))
                for sign in frame:
                    client.send(bytes([sign]))
                    try:
                        assert await asyncio.wait_for(client.reader.read(1), SOON / 5) == b""
                        break
                    except TimeoutError:
                        continue
                else:
                    pytest.fail("the whole message came in")
                assert house.receiver.tries == 0
                assert house.counted('pam_receiver_limits_reached_total{limit="block_timeout_s"} 1.0')

        wire.run(scenario)
        assert SOON <= wire.logged("block.timed_out")[0].seconds < 5 * SOON

    def test_a_sender_that_begins_again_and_again_is_cut(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(block_timeout_s=SOON) as house:
                client = await house.connect()
                for _ in range(100):
                    client.send(b"\x0bMSH|^~")  # a new block begins inside the last one
                    try:
                        assert await asyncio.wait_for(client.reader.read(1), SOON / 5) == b""
                        break
                    except TimeoutError:
                        continue
                else:
                    pytest.fail("it was let go on")

        wire.run(scenario)

    def test_each_message_has_its_own_time(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(block_timeout_s=3 * SOON) as house:
                client = await house.connect()
                for number in range(1, 5):  # together they last longer than one may
                    begun = b"\x0bMSH" if number > 1 else b""  # by the last turn
                    client.send(encode_frame(wire.message(number)).removeprefix(begun) + b"\x0bMSH")
                    assert await client.read_acks(1) == [str(number)]
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(client.reader.read(1), 1.5 * SOON)

        wire.run(scenario)

    def test_the_time_that_our_reading_is_paused_does_not_count(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(block_timeout_s=SOON, max_pending=1) as house:
                house.receiver.gate.clear()
                client = await house.connect()
                frame = encode_frame(wire.message(2))
                client.send(encode_frame(wire.message(1)) + frame[:20])
                await wire.until(lambda: house.intake.waiting == 1, "the first message")
                with pytest.raises(TimeoutError):  # twice as long as a block may last: the fault is ours
                    await asyncio.wait_for(client.reader.read(1), 2 * SOON)
                house.receiver.gate.set()
                assert await client.read_acks(1) == ["1"]
                with pytest.raises(TimeoutError):  # neither cut nor answered: the rest may come yet
                    await asyncio.wait_for(client.reader.read(1), SOON / 4)
                client.send(frame[20:])
                assert await client.read_acks(1) == ["2"]

        wire.run(scenario)

    def test_silence_is_fine_without_an_idle_limit_and_ends_the_connection_with_one(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(block_timeout_s=SOON / 2) as house:
                client = await house.connect()
                client.send_messages(1)
                assert await client.read_acks(1) == ["1"]
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.reader.read(1), SOON)
            async with wire.running(idle_timeout_s=SOON) as house:
                silent, client = await house.connect(), await house.connect()
                client.send_messages(1)
                assert await client.read_acks(1) == ["1"]
                assert await client.read_end() == b""
                assert await silent.read_end() == b""

        wire.run(scenario)
        assert [line.levelname for line in wire.logged("connection.idle")] == ["INFO", "INFO"]

    def test_waiting_for_our_answer_is_not_idling(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(idle_timeout_s=SOON) as house:
                house.receiver.gate.clear()
                client = await house.connect()
                client.send_messages(1)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.reader.read(1), 2 * SOON)
                house.receiver.gate.set()
                assert await client.read_acks(1) == ["1"]
                assert await client.read_end() == b""

        wire.run(scenario)

    def test_a_sender_that_does_not_read_its_acks_is_cut(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(write_timeout_s=SOON) as house:
                house.receiver.padding = 1 << 20
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                deaf = await house.connect(sock)
                deaf.writer.transport.pause_reading()
                deaf.send_messages(*range(50))
                await wire.until(lambda: bool(wire.logged("connection.acks_unread")), "the sender to be cut")
                await wire.until(lambda: house.counted("pam_receiver_open_connections 0.0"), "its place to be free")
                house.receiver.padding = 0
                other = await house.connect()
                other.send_messages(99)
                assert await other.read_acks(1) == ["99"]

        wire.run(scenario)

    def test_a_sender_that_reads_late_gets_all_its_acks(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                house.receiver.padding = 1 << 18
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client = await house.connect(sock)
                client.reader._limit = 1 << 20
                client.writer.transport.pause_reading()
                client.send_messages(*range(50))
                client.writer.write_eof()
                await wire.until(lambda: len(house.receiver.kept) == 50, "all to be kept")
                client.writer.transport.resume_reading()
                assert await client.read_acks(50) == [str(number) for number in range(50)]
                assert await client.read_end() == b""

        wire.run(scenario)
