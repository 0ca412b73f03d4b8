"""The HTTP server: it binds or says why, ends in time, leaves signals alone, and is not held by who is slow."""

import asyncio
import errno
import signal
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from certificates import Authority
from waiting import until

from pam_receiver.metrics import Metrics
from pam_receiver.tls import TlsFiles, make_server_context
from pam_receiver.web import create_metrics_app, serve_web
from pam_receiver.web import door as door_module
from pam_receiver.web import server as server_module

from .conftest import PATIENCE_S, House, ask, get, run


class TestServer:
    def test_a_port_that_is_taken_stops_the_start_and_not_the_process(self) -> None:
        async def scenario() -> None:
            async with House().serving() as server:
                app = create_metrics_app(Metrics())
                with pytest.raises(OSError, match="Address already in use"):
                    await serve_web(app, *server.address)
                assert (await get(server, "/livez")).status == 200

        run(scenario)

    def test_it_stops_with_a_client_that_keeps_its_connection(self) -> None:
        async def scenario() -> None:
            async with House().serving() as server:
                reader, writer = await asyncio.open_connection(*server.address)
                writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert await reader.readuntil(b"}")
                await server.stop()
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
                with pytest.raises(OSError, match="Connect"):
                    await asyncio.open_connection(*server.address)

        run(scenario)

    def test_signals_stay_with_the_daemon(self) -> None:
        async def scenario() -> None:
            before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
            async with House().serving():
                assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before

        run(scenario)


class TestSlowClients:
    """Who takes its time over a request does not keep its connection."""

    @pytest.mark.parametrize(
        "sent", [b"", b"GET /livez HTTP/1.1\r\nHost: loc", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET"]
    )
    def test_a_request_that_does_not_come_ends_the_connection(
        self, sent: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server_module, "_REQUEST_WITHIN_S", 0.05)

        async def scenario() -> None:
            async with House().serving() as server:
                reader, writer = await asyncio.open_connection(*server.address)
                writer.write(sent)
                with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                    async with asyncio.timeout(PATIENCE_S):
                        await reader.readuntil(b"never")
                writer.close()
                assert (await get(server, "/livez")).status == 200

        run(scenario)

    def test_an_answer_that_takes_longer_is_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The limit is on the request, not on our own work."""
        monkeypatch.setattr(server_module, "_REQUEST_WITHIN_S", 0.05)
        app = create_metrics_app(Metrics())

        @app.get("/late")
        async def late() -> str:
            await asyncio.sleep(0.2)  # longer than the limit: what is tested is that time passes
            return "here"

        async def scenario() -> None:
            server = await serve_web(app, "127.0.0.1", 0)
            assert (await get(server, "/late")).body == b'"here"'
            await server.stop()

        run(scenario)

    def test_a_head_that_never_ends_is_refused(self) -> None:
        async def scenario() -> None:
            async with House().serving() as server:
                reply = await ask(server, f"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {'x' * 20_000}")
                assert reply.status == 400
                assert (await get(server, "/livez")).status == 200

        run(scenario)

    def test_answers_that_are_not_read_end_the_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server_module, "_TAKEN_WITHIN_S", 0.05)
        requests = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 500

        async def scenario() -> None:
            async with House().serving() as server:
                with socket.socket() as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                    client.setblocking(False)
                    await asyncio.get_running_loop().sock_connect(client, server.address)
                    with pytest.raises(ConnectionError):
                        await send_without_end(client, requests)
                assert (await get(server, "/livez")).status == 200

        run(scenario)


class TestManyClients:
    """Who opens connections without end holds few of them: they hold memory and files that messages need."""

    def test_connections_over_the_limit_are_closed_at_once(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(server_module, "_MOST_CONNECTIONS", 3)

        async def scenario() -> None:
            async with House().serving() as server:
                held = [await asyncio.open_connection(*server.address) for _ in range(3)]
                for _ in range(20):
                    assert await ended(*await asyncio.open_connection(*server.address))
                held[0][1].write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert b"200 OK" in await held[0][0].read()
                assert await ended(*held[0])
                assert (await get(server, "/livez")).status == 200
                for _, writer in held[1:]:
                    writer.close()
                    await writer.wait_closed()

        run(scenario)
        assert [each.message for each in caplog.records].count("http.too_many_connections") == 5

    def test_a_handshake_that_does_not_end_counts_and_is_cut(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(server_module, "_MOST_CONNECTIONS", 2)
        monkeypatch.setattr(server_module, "_HANDSHAKE_WITHIN_S", 0.5)
        authority = Authority(tmp_path)
        pair = authority.issue("server")
        tls = make_server_context(TlsFiles(pair.certificate, pair.key))

        async def scenario() -> None:
            server = await serve_web(create_metrics_app(Metrics()), "127.0.0.1", 0, tls=tls)
            held = [await asyncio.open_connection(*server.address) for _ in range(2)]
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await get(server, "/metrics", tls=authority.client())
            for each in held:
                assert await ended(*each)
            assert (await get(server, "/metrics", tls=authority.client())).status == 200
            await server.stop()

        run(scenario)

    def test_without_a_file_left_it_takes_connections_again_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(door_module, "_RETRY_S", 0.05)
        tried: list[object] = []

        def accept(sock: socket.socket) -> None:
            tried.append(sock)
            raise OSError(errno.EMFILE, "no file left")

        async def scenario() -> None:
            async with House().serving() as server:
                monkeypatch.setattr(socket.socket, "accept", accept)
                reader, writer = await asyncio.open_connection(*server.address)
                await until(lambda: len(tried) >= 2, "it tries again")
                monkeypatch.undo()
                writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                async with asyncio.timeout(PATIENCE_S):
                    assert b"200 OK" in await reader.read()
                assert await ended(reader, writer)

        run(scenario)


async def ended(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the other side ends the connection, in time and without a word."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            rest = await reader.read()
        except ConnectionResetError:
            rest = b""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return rest == b""


async def send_without_end(client: socket.socket, data: bytes) -> None:
    async with asyncio.timeout(3 * PATIENCE_S):
        while True:
            await asyncio.get_running_loop().sock_sendall(client, data)
