"""HTTP servers on a free port, asked with bytes of our own: what goes over the wire is what is tested."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pam_receiver.metrics import Metrics
from pam_receiver.store import AuditEvent
from pam_receiver.store.tokens import Token
from pam_receiver.tokens import Role, hash_secret, new_credential
from pam_receiver.web import Exposure, Guard, ReadyState, WebServer, create_app, serve_web

PATIENCE_S = 5.0
READY = ReadyState(database="ok", schema="current")
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


async def get(
    server: WebServer, path: str, headers: Mapping[str, str] | None = None, *, tls: ssl.SSLContext | None = None
) -> Reply:
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return await ask(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n", tls=tls)


async def ask(server: WebServer, request: str, *, tls: ssl.SSLContext | None = None) -> Reply:
    async with asyncio.timeout(PATIENCE_S):
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(*server.address, ssl=tls, server_hostname=name)
        writer.write(request.encode())
        head, body = (await reader.read()).split(b"\r\n\r\n", 1)
        writer.close()
        await writer.wait_closed()
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Reply(int(status.split()[1]), headers, body)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(4 * PATIENCE_S):
            await scenario()

    asyncio.run(bounded())


@dataclass
class House:
    """What a guard is made of here: tokens in a list, a trail in another, a clock that is set by hand."""

    exposure: Exposure = field(default_factory=Exposure)
    opens_locally: bool = True
    tokens: list[Token] = field(default_factory=list)
    trail: list[AuditEvent] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    seconds: float = 1000.0
    reads: int = 0
    failure: Exception | None = None

    def add(self, role: Role = Role.READER, name: str = "someone", expires_at: datetime | None = None) -> str:
        """Make a token; return it as a client has it."""
        credential = new_credential(secrets.token_bytes)
        kept = Token(credential.id, name, role, hash_secret(credential.secret), NOW, "x", expires_at=expires_at)
        self.tokens.append(kept)
        return credential.reveal()

    def revoke(self, token: str) -> None:
        self.tokens = [replace(each, revoked_at=NOW) if each.id in token else each for each in self.tokens]

    def read(self) -> list[Token]:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        return list(self.tokens)

    def write(self, event: AuditEvent, at: datetime) -> None:
        self.trail.append(event)

    def guard(self) -> Guard:
        return Guard(
            self.read,
            self.write,
            metrics=self.metrics,
            exposure=self.exposure,
            opens_locally=self.opens_locally,
            clock=lambda: self.seconds,
            now=lambda: NOW,
        )

    def refused(self) -> dict[str, int]:
        """How many requests were refused, by reason, as /metrics tells it."""
        start = 'pam_receiver_http_refused_total{reason="'
        lines = [line.removeprefix(start) for line in self.metrics.render().decode().splitlines() if start in line]
        return {reason: int(float(count)) for reason, count in (line.split('"} ') for line in lines)}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[WebServer]:
        self.metrics.show_listening(True)
        guard = self.guard()
        app = create_app(check_ready=lambda: READY, metrics=self.metrics, guard=guard)
        server = await serve_web(app, "127.0.0.1", 0)
        try:
            yield server
        finally:
            await server.stop()
            await guard.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
