"""MLLP over TLS: the same promises as in clear, and what TLS adds or takes away."""

import asyncio
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from compiled import PUTS_A_STEP_ELSEWHERE
from waiting import PATIENCE_S

from pam_receiver.intake import Line
from pam_receiver.listener import Callers, Listener, shut_down
from pam_receiver.metrics import Metrics
from pam_receiver.receive import Outcome
from pam_receiver.tls import ServerTls, TlsFiles

SOON = 0.2


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def server(authority: Authority, *, is_mutual: bool = False) -> ServerTls:
    pair = authority.issue("server")
    return ServerTls("127.0.0.1:0", TlsFiles(pair.certificate, pair.key, authority.ca if is_mutual else None))


async def ask(house: Any, tls: ssl.SSLContext) -> None:
    client = await house.connect(tls=tls)
    client.send_messages(1)
    await client.read_ack()


class TestServed:
    @pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_messages_are_answered_in_order(self, newest: ssl.TLSVersion, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context) as house:
                client = await house.connect(tls=authority.client(newest=newest))
                client.send_messages(*range(300))
                assert await client.read_acks(300) == [str(number) for number in range(300)]
                assert house.receiver.ports == [house.listener.address[1]] * 300
                assert house.counted("pam_receiver_open_connections 1.0")
                await client.close()
                await wire.until(lambda: house.counted("pam_receiver_open_connections 0.0"), "the end")

        wire.run(scenario)
        assert wire.levels <= {"DEBUG", "INFO"}

    def test_bytes_in_clear_are_refused_counted_and_said(self, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context) as house:
                client = await house.connect()
                client.send_messages(1)
                with pytest.raises((ConnectionError, AssertionError, asyncio.IncompleteReadError)):
                    await client.read_ack()
                name = 'pam_receiver_connections_not_admitted_total{reason="tls"} 1.0'
                await wire.until(lambda: house.counted(name), "the refusal")
                assert house.receiver.tries == 0
                other = await house.connect(tls=authority.client())
                other.send_messages(2)
                assert await other.read_acks(1) == ["2"]

        wire.run(scenario)
        assert [line.levelname for line in wire.logged("connection.tls_failed")] == ["WARNING"]

    def test_a_handshake_that_does_not_go_on_is_cut(self, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context, handshake_timeout_s=SOON) as house:
                client = await house.connect()
                client.send(b"\x16\x03\x01")
                with suppress(ConnectionError):
                    assert await client.read_end() == b""
                name = 'pam_receiver_connections_not_admitted_total{reason="tls"} 1.0'
                await wire.until(lambda: house.counted(name), "the count")

        wire.run(scenario)

    def test_handshakes_under_way_count_as_connections(self, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context, max_connections=2) as house:
                first, second = await house.connect(), await house.connect()
                await wire.until(lambda: house.listener._places == 2, "both taken")
                third = await house.connect()
                assert await third.read_end() == b""
                assert house.counted("pam_receiver_connections_refused_total 1.0")
                await first.close()
                await second.close()
                await wire.until(lambda: house.listener._places == 0, "the places free again")

        wire.run(scenario)

    def test_a_new_certificate_serves_the_next_connection_and_leaves_the_open_ones(
        self, wire: Any, authority: Authority
    ) -> None:
        async def scenario() -> None:
            tls = server(authority)
            async with wire.running(tls=tls.context) as house:
                before = await house.connect(tls=authority.client())
                authority.issue("server")
                tls.reload()
                after = await house.connect(tls=authority.client())
                for number, client in enumerate((before, after)):
                    client.send_messages(number)
                    assert await client.read_acks(1) == [str(number)]
                serials = {each.writer.get_extra_info("peercert")["serialNumber"] for each in (before, after)}
                assert len(serials) == 2

        wire.run(scenario)


class TestMutual:
    def test_without_a_certificate_of_the_authority_nothing_is_read(
        self, wire: Any, authority: Authority, tmp_path: Path
    ) -> None:
        stranger = Authority(tmp_path, "other").issue("stranger")

        async def scenario() -> None:
            async with wire.running(tls=server(authority, is_mutual=True).context) as house:
                for number, pair in enumerate((None, stranger), 1):
                    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                        await ask(house, authority.client(pair))
                    name = f'pam_receiver_connections_not_admitted_total{{reason="tls"}} {number}.0'
                    await wire.until(lambda name=name: house.counted(name), "the refusal")
                assert house.receiver.tries == 0

        wire.run(scenario)
        assert {line.reason for line in wire.logged("connection.tls_failed")} == {
            "PEER_DID_NOT_RETURN_A_CERTIFICATE",
            "CERTIFICATE_VERIFY_FAILED",
        }

    @pytest.mark.parametrize(("cn", "is_known"), [("gam.chu.example", True), ("labo.chu.example", False)])
    def test_the_subject_says_whether_the_sender_is_known(
        self, cn: str, is_known: bool, wire: Any, authority: Authority
    ) -> None:
        async def scenario() -> None:
            tls = server(authority, is_mutual=True).context
            async with wire.running(tls=tls, callers=Callers(subjects=("gam.*",))) as house:
                client = await house.connect(tls=authority.client(authority.issue("client", cn=cn)))
                client.send_messages(1)
                assert await client.read_acks(1) == ["1"]  # what is answered is for the receiver to say
                assert house.receiver.known == [is_known]

        wire.run(scenario)


class TestEnds:
    """Under TLS nothing is half closed: who ends its side gets no more."""

    def test_a_sender_that_closes_without_waiting_is_kept_and_said_to_be_unanswered(
        self, wire: Any, authority: Authority
    ) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context) as house:
                house.receiver.gate.clear()
                client = await house.connect(tls=authority.client())
                client.send_messages(1, 2)
                await wire.until(lambda: house.intake.waiting == 2, "both messages read")
                client.writer.close()
                await wire.until(lambda: bool(wire.logged("connection.closed")), "the end of the connection")
                house.receiver.gate.set()
                await wire.until(lambda: len(wire.logged("message.link_lost")) == 2, "both to be kept")
                await wire.until(lambda: house.listener._places == 0, "the place to be free")
                assert house.receiver.kept_ids == ["1", "2"]
                assert not wire.logged("message.answered")

        wire.run(scenario)
        assert not [record for record in wire.caplog.records if record.name == "asyncio"]

    @PUTS_A_STEP_ELSEWHERE
    def test_an_answer_that_is_ready_as_the_sender_ends_its_side_is_not_said_to_have_left(
        self, wire: Any, authority: Authority
    ) -> None:
        class Intake:
            """Stands for the intake: the test says when the one message has its outcome."""

            outcome: asyncio.Future[Outcome | None] | None = None

            def submit(self, raw: bytes, line: Line, *, is_oversize: bool = False) -> asyncio.Future[Outcome | None]:
                self.outcome = asyncio.get_running_loop().create_future()
                return self.outcome

        async def scenario() -> None:
            intake: Any = Intake()
            listener = Listener(intake, "127.0.0.1", 0, metrics=Metrics(), tls=server(authority).context)
            await listener.start()
            _, writer = await asyncio.open_connection(*listener.address, ssl=authority.client())
            writer.write(wire.frame(1))
            await wire.until(lambda: intake.outcome is not None, "the message read")
            (connection,) = listener._connections
            meant = connection.eof_received

            def end() -> bool:
                intake.outcome.set_result(Outcome(b"ACK", "AA", "A28", "1", "m1"))
                return meant()

            connection.eof_received = end  # type: ignore[method-assign]
            writer.close()
            await wire.until(lambda: bool(wire.logged("message.link_lost")), "the answer to be given up")
            assert not wire.logged("message.answered")
            await listener.close(1.0)

        wire.run(scenario)

    def test_what_was_read_is_answered_before_the_end(self, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context) as house:
                house.receiver.gate.clear()
                client = await house.connect(tls=authority.client())
                client.send_messages(1, 2)
                await wire.until(lambda: house.intake.waiting == 2, "both messages read")
                closing = asyncio.create_task(shut_down(house.listener, house.intake, within_s=PATIENCE_S))
                await asyncio.sleep(0)
                house.receiver.gate.set()
                assert await client.read_acks(2) == ["1", "2"]
                assert await client.read_end() == b""
                await closing

        wire.run(scenario)
        assert not wire.logged("listener.cut")

    def test_shutdown_ends_handshakes_and_idle_connections_at_once(self, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context) as house:
                idle = await house.connect(tls=authority.client())
                idle.send_messages(1)
                assert await idle.read_acks(1) == ["1"]
                await house.connect()  # never shakes hands
                await wire.until(lambda: house.listener._places == 2, "both taken")
                await shut_down(house.listener, house.intake, within_s=PATIENCE_S)
                assert await idle.read_end() == b""

        wire.run(scenario)
        assert not wire.logged("listener.cut")

    def test_a_block_over_the_limit_is_refused_after_what_came_before(self, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context, max_block_bytes=2000) as house:
                client = await house.connect(tls=authority.client())
                client.send_messages(1)
                client.send(b"\x0b" + wire.message(2, padding=2_000_000))  # still coming in when the answer leaves
                assert await client.read_acks(1) == ["1"]
                assert await client.read_ack() == ("AR", "2")
                assert await client.read_end() == b""

        wire.run(scenario)

    def test_a_sender_that_drips_is_cut(self, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context, block_timeout_s=SOON) as house:
                client = await house.connect(tls=authority.client())
                client.send(b"\x0bMSH|")
                assert await client.read_end() == b""

        wire.run(scenario)
        assert len(wire.logged("block.timed_out")) == 1


class TestUnread:
    def test_a_sender_that_does_not_read_its_acks_is_cut(self, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context, write_timeout_s=SOON) as house:
                house.receiver.padding = 1 << 20
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, house.listener.address)
                reader, writer = await asyncio.open_connection(
                    sock=sock, ssl=authority.client(), server_hostname="localhost"
                )
                writer.transport.pause_reading()
                for number in range(50):
                    writer.write(wire.frame(number))
                await wire.until(lambda: bool(wire.logged("connection.acks_unread")), "the sender to be cut")
                await wire.until(lambda: house.listener._places == 0, "its place to be free")
                writer.transport.abort()
                del reader
                await asyncio.sleep(0)  # one turn of the loop, in which the transport says goodbye

        wire.run(scenario)

    def test_a_sender_that_reads_late_gets_all_its_acks(self, wire: Any, authority: Authority) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context) as house:
                house.receiver.padding = 1 << 18
                client = await house.connect(tls=authority.client())
                client.reader._limit = 1 << 20
                client.writer.transport.pause_reading()
                client.send_messages(*range(50))
                await wire.until(lambda: len(house.receiver.kept) == 50, "all to be kept")
                client.writer.transport.resume_reading()
                assert await client.read_acks(50) == [str(number) for number in range(50)]

        wire.run(scenario)

    @pytest.mark.parametrize("limit", [{"max_pending": 5}, {"max_pending_bytes": 50_000}])
    def test_reading_pauses_while_too_much_is_owed(
        self, limit: dict[str, int], wire: Any, authority: Authority
    ) -> None:
        async def scenario() -> None:
            async with wire.running(tls=server(authority).context, **limit) as house:
                house.receiver.gate.clear()
                client = await house.connect(tls=authority.client())
                for number in range(2000):
                    client.send(wire.frame(number, padding=10_000))
                await wire.until(lambda: any(each._is_paused for each in house.listener._connections), "a pause")
                with pytest.raises(TimeoutError):  # nothing comes, and nothing more is read
                    await asyncio.wait_for(client.reader.read(1), SOON)
                assert house.intake.waiting <= 5 + 2 * (256 << 10) // 10_000
                house.receiver.gate.set()
                assert await client.read_acks(2000) == [str(number) for number in range(2000)]

        wire.run(scenario)
