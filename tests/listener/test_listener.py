"""The listener on real sockets: every way in which bytes come in, break off and end."""

import asyncio
import errno
import socket
from typing import Any

import hl7
import hl7.mllp
import pytest

from pam_receiver.hl7.mllp import encode_frame
from pam_receiver.listener import Listener, shut_down

PATIENCE_S = 5.0
SOON = 0.2  # a time-out that a test can wait for


class TestBytesIn:
    """HL7 MLLP Release 1: blocks, however the network cuts them and whatever stands between."""

    def test_split_at_every_byte(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                client = await house.connect()
                for number in (1, 2):
                    for byte in encode_frame(wire.message(number)):
                        client.send(bytes([byte]))
                        await client.writer.drain()
                    assert await client.read_ack() == ("AA", str(number))
                assert house.receiver.kept == [wire.message(1), wire.message(2)]

        wire.run(scenario)

    def test_many_messages_in_one_write_are_answered_in_order(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                client = await house.connect()
                client.send_messages(*range(500))
                assert await client.read_acks(500) == [str(number) for number in range(500)]
                assert house.receiver.kept_ids == [str(number) for number in range(500)]

        wire.run(scenario)

    @pytest.mark.parametrize(
        ("between", "skipped"),
        [(b"", 0), (b"\n", 0), (b"\r\n\x00\x00", 0), (b"junk", 4), (b"\x1c\r\x1c", 2), (b"MSH|^~\\&|unframed\r", 17)],
    )
    def test_what_stands_between_blocks_is_skipped_and_counted(self, wire: Any, between: bytes, skipped: int) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                client = await house.connect()
                client.send(between + between.join(encode_frame(wire.message(number)) for number in (1, 2)) + between)
                assert await client.read_acks(2) == ["1", "2"]
                client.send_messages(3)
                assert await client.read_acks(1) == ["3"]
                assert house.counted(f"pam_receiver_skipped_bytes_total {3.0 * skipped}")

        wire.run(scenario)

    def test_an_empty_block_is_answered(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                client = await house.connect()
                client.send(b"\x0b\x1c\r" + encode_frame(wire.message(1)))
                assert await client.read_ack() == ("AR", "")
                assert await client.read_ack() == ("AA", "1")

        wire.run(scenario)

    def test_a_new_block_inside_an_unfinished_one(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                client = await house.connect()
                client.send(b"\x0b" + wire.message(1)[:60] + encode_frame(wire.message(2)))
                assert await client.read_acks(1) == ["2"]
                assert house.counted("pam_receiver_unfinished_blocks_total 1.0")

        wire.run(scenario)
        assert len(wire.logged("block.unfinished")) == 1

    def test_an_independent_client_understands_the_answers(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                host, port = house.listener.address
                async with asyncio.timeout(PATIENCE_S):
                    reader, writer = await hl7.mllp.open_hl7_connection(host, port, encoding="utf-8")
                    for number in (1, 2):
                        writer.writemessage(hl7.parse(wire.message(number).decode()))
                        await writer.drain()
                        ack = await reader.readmessage()
                        assert str(ack.segment("MSA")) == f"MSA|AA|{number}|"
                    writer.close()
                    await writer.wait_closed()

        wire.run(scenario)


class TestEnds:
    """How a connection ends is nobody's loss."""

    def test_a_half_closed_connection_still_gets_its_answers(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                house.receiver.gate.clear()
                client = await house.connect()
                client.send_messages(1, 2)
                client.send(b"\x0b" + wire.message(3)[:-1] + b"\x1c")  # neither the last CR nor the one of the frame
                client.writer.write_eof()
                await wire.until(lambda: house.receiver.tries > 0, "the first batch")
                house.receiver.gate.set()
                assert await client.read_acks(3) == ["1", "2", "3"]
                assert await client.read_end() == b""

        wire.run(scenario)
        (closed,) = wire.logged("connection.closed")
        assert (closed.messages, closed.unfinished, closed.waiting) == (3, 0, 0)

    def test_half_a_block_then_the_end_is_counted(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                client = await house.connect()
                client.send(b"\x0b" + wire.message(1)[:50])
                client.writer.write_eof()
                assert await client.read_end() == b""
                assert house.receiver.kept == []

        wire.run(scenario)
        (closed,) = wire.logged("connection.closed")
        assert (closed.messages, closed.unfinished) == (0, 1)

    def test_a_link_lost_before_the_ack_loses_no_message(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                house.receiver.gate.clear()
                client = await house.connect()
                client.send_messages(1)
                await wire.until(lambda: house.receiver.tries == 1, "the first batch")
                client.send_messages(2, 3)
                await client.writer.drain()
                await wire.until(lambda: house.intake.waiting == 3, "all to be read")
                client.reset()
                await wire.until(lambda: bool(wire.logged("connection.lost")), "the loss to be noticed")
                house.receiver.gate.set()
                await wire.until(lambda: house.receiver.kept_ids == ["1", "2", "3"], "all to be kept")
                other = await house.connect()
                other.send_messages(1)
                assert await other.read_acks(1) == ["1"]

        wire.run(scenario)
        assert [record.message_id for record in wire.logged("message.link_lost")] == ["m1", "m2", "m3"]
        assert wire.levels <= {"DEBUG", "INFO"}

    @pytest.mark.parametrize("is_reset", [False, True])
    def test_a_connection_without_a_byte_is_a_probe(self, wire: Any, *, is_reset: bool) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                client = await house.connect()
                if is_reset:
                    client.reset()
                else:
                    await client.close()
                await wire.until(lambda: house.counted("pam_receiver_probes_total 1.0"), "the probe to be counted")
                assert house.counted("pam_receiver_open_connections 0.0")

        wire.run(scenario)
        assert wire.levels <= {"DEBUG"}

    def test_one_line_per_message_and_per_connection(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                client = await house.connect()
                client.send_messages(7, 8)
                assert await client.read_acks(2) == ["7", "8"]

        wire.run(scenario)
        lines = wire.caplog.records
        assert [line.getMessage() for line in lines] == ["message.answered", "message.answered", "connection.closed"]
        assert [line.levelname for line in lines] == ["DEBUG", "DEBUG", "INFO"]
        assert (lines[0].message_id, lines[0].control_id, lines[0].event, lines[0].ack) == ("m7", "7", "A28", "AA")
        assert lines[0].took_ms >= 0
        assert lines[0].peer.startswith("127.0.0.1:")
        assert (lines[2].messages, lines[2].skipped, lines[2].unfinished) == (2, 0, 0)


class TestShutdown:
    """Stop accepting, answer what was read, close; in time, whatever the database does."""

    def test_a_message_in_the_store_is_answered(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                house.receiver.gate.clear()
                address = house.listener.address
                busy, idle, cut = await house.connect(), await house.connect(), await house.connect()
                busy.send_messages(1)
                cut.send(b"\x0b" + wire.message(9)[:30])
                await wire.until(lambda: house.receiver.tries == 1, "the message in the store")
                busy.send_messages(2)
                await wire.until(lambda: house.intake.waiting == 2, "the second to be read")
                closing = asyncio.create_task(shut_down(house.listener, house.intake, within_s=PATIENCE_S))
                assert await idle.read_end() == b""
                assert await cut.read_end() == b""
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection(*address)
                busy.send_messages(3)  # too late: neither read nor answered
                house.receiver.gate.set()
                assert await busy.read_acks(2) == ["1", "2"]
                assert await busy.read_end() == b""
                await busy.close()
                await closing
                assert house.receiver.kept_ids == ["1", "2"]

        wire.run(scenario)

    @pytest.mark.parametrize("is_hanging", [False, True])
    def test_with_the_store_away_it_ends_in_time_and_without_an_answer(self, wire: Any, *, is_hanging: bool) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                house.receiver.is_away = True
                if is_hanging:
                    house.receiver.gate.clear()
                client = await house.connect()
                client.send_messages(1, 2)
                await wire.until(lambda: house.receiver.tries >= 1, "a try")
                loop = asyncio.get_running_loop()
                started = loop.time()
                closing = asyncio.create_task(shut_down(house.listener, house.intake, within_s=1.5 + SOON))
                assert await client.read_end() == b""
                await client.close()
                await closing
                assert loop.time() - started < 1.5 + 2 * SOON
                assert house.receiver.kept == []

        wire.run(scenario)

    def test_a_sender_that_does_not_close_is_cut(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                house.receiver.gate.clear()
                client = await house.connect()
                client.send_messages(1)
                await wire.until(lambda: house.receiver.tries == 1, "the message in the store")
                await house.listener.close(SOON)
                assert await client.read_end() == b""

        wire.run(scenario)
        assert [line.connections for line in wire.logged("listener.cut")] == [1]

    def test_with_nothing_open_it_ends_at_once(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                await shut_down(house.listener, house.intake)

        wire.run(scenario)

    def test_a_port_that_is_taken_stops_the_start(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                host, port = house.listener.address
                second = Listener(house.intake, host, port, metrics=house.metrics)
                with pytest.raises(OSError, match="Address already in use"):
                    await second.start()
                second.stop_accepting()

        wire.run(scenario)


class TestSeveralPorts:
    """One listener on the ports of all sources."""

    def test_it_takes_messages_on_several_ports_and_says_by_which(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(max_connections=2) as house:
                await house.listener.start(0)
                first, second = house.listener.addresses
                assert house.listener.address == first
                assert first != second
                for number, address in enumerate((first, second, first), 1):
                    client = await house.connect(address=address)
                    client.send_messages(number)
                    if number < 3:
                        assert await client.read_acks(1) == [str(number)]
                assert await client.read_end() == b""  # the limit counts all together
                assert house.receiver.ports == [first[1], second[1]]
                house.listener.stop_accepting()
                for address in (first, second):
                    with pytest.raises(OSError, match="Connect call failed"):
                        await house.connect(address=address)

        wire.run(scenario)

    def test_the_port_is_known_of_a_link_that_does_not_tell_its_own(
        self, wire: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who may send is asked by port: a link that was lost, of which some systems tell none, must not pass by."""
        name_of = socket.socket.getsockname

        def getsockname(sock: socket.socket) -> Any:
            if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise OSError(errno.EINVAL, "not connected")
            return name_of(sock)

        async def scenario() -> None:
            async with wire.running() as house:
                monkeypatch.setattr(socket.socket, "getsockname", getsockname)
                client = await house.connect()
                client.send_messages(1)
                assert await client.read_acks(1) == ["1"]
                monkeypatch.undo()
                assert house.receiver.ports == [house.listener.address[1]]

        wire.run(scenario)

    def test_the_end_waits_for_the_answers_of_every_port(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                await house.listener.start(0)
                house.receiver.gate.clear()
                clients = [await house.connect(address=address) for address in house.listener.addresses]
                for number, client in enumerate(clients, 1):
                    client.send_messages(number)
                await wire.until(lambda: house.intake.waiting == 2, "both messages read")
                ending = asyncio.create_task(shut_down(house.listener, house.intake))
                await asyncio.sleep(0)
                house.receiver.gate.set()
                assert [await client.read_acks(1) for client in clients] == [["1"], ["2"]]
                await ending

        wire.run(scenario)


class TestAddress:
    def test_a_name_is_listened_on_at_each_address_that_this_machine_has_of_it(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                named = Listener(house.intake, "localhost", 0, metrics=house.metrics)
                await named.start()
                client = await house.connect(address=named.address)
                client.send_messages(1)
                assert await client.read_acks(1) == ["1"]
                await client.close()
                await named.close(1.0)

        wire.run(scenario)

    @pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
    def test_one_that_is_not_of_this_machine_stops_the_start(self, host: str, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                with pytest.raises(OSError, match=r"Cannot assign requested address|Name or service|Temporary failure"):
                    await Listener(house.intake, host, 0, metrics=house.metrics).start()

        wire.run(scenario)
