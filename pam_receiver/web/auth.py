"""Who may ask what: every route says the role that it needs by :func:`require`, and nothing else lets anyone in.

A token that was proved a moment ago passes at once, whatever else comes from its address. A wrong one is slowed by the
address it comes from when nobody knows its id, by the id and the address when it is one of ours: whoever guesses cannot
lock out another client behind the same proxy.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from pam_receiver.metrics import Metrics
from pam_receiver.store import Actor, AuditEvent, StoreError
from pam_receiver.store.tokens import Token
from pam_receiver.tokens import Credential, Role, is_secret_of, parse_token
from pam_receiver.web.aside import start_aside
from pam_receiver.web.clients import Exposure, slowed_as
from pam_receiver.web.throttle import Pace, Throttle
from pam_receiver.web.trail import Refusal, Trail, Write

OPEN: Final = frozenset({"/livez", "/readyz"})
"""The paths that answer whoever asks: they tell nothing of patients, nor of anything that came in."""

_KNOWN_FOR_S: Final = 2.0  # how long the list of tokens is trusted: a revoked one is out after that
_PROVED_FOR_S: Final = 600.0  # how long a token needs no second proof
_MOST_PROVED: Final = 256
_READ_WITHIN_S: Final = 5.0
_GUESSES_PER_S: Final = 10.0  # each costs 20 ms of one thread
_GUESSES_AT_ONCE: Final = 20
_MOST_WAITING: Final = 32  # for their turn to be proved


class Refused(Exception):
    """A request is not let in. ``reason``: a word for metrics, log and trail, which the client is not told."""

    def __init__(self, reason: str, status: int, *, token: Token | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.token = token
        self.retry_after_s = retry_after_s

    def answer(self) -> HTTPException:
        headers = {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 §3; no error attribute: the reason is ours
        if self.retry_after_s:
            headers["Retry-After"] = str(math.ceil(self.retry_after_s))
        return HTTPException(self.status, headers=headers or None)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a route asks of a request. As a dependency it gives the :class:`Actor`, for the audit trail."""

    role: Role
    is_open_locally: bool = False

    async def __call__(self, request: Request) -> Actor:
        guard: Guard = request.app.state.guard
        try:
            return await guard.admit(request, self)
        except Refused as refused:
            raise refused.answer() from None


def require(role: Role, *, is_open_locally: bool = False) -> Requirement:
    """Return the dependency that lets in who has ``role``: ``actor: Annotated[Actor, Depends(require(Role.READER))]``.

    ``is_open_locally``: also who has no token, where only this machine can ask and the settings allow it. Only for
    what tells nothing of patients.
    """
    return Requirement(role, is_open_locally)


def find_unguarded(app: FastAPI) -> list[str]:
    """Return the paths of the routes that neither :func:`require` anything nor are of those open to all."""
    unguarded = []
    for route in app.routes:
        path = getattr(route, "path", repr(route))
        calls = list(_calls(route.dependant)) if isinstance(route, APIRoute) else []
        if path not in OPEN and not any(isinstance(call, Requirement) for call in calls):
            unguarded.append(path)
    return unguarded


def _calls(dependant: Dependant) -> Iterator[object]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


# ------------------------------------------------------------------------------------------------------------ tokens


class _Roll:
    """The list of tokens, read again as soon as it is older than who asks allows; one read at a time."""

    def __init__(self, read: Callable[[], Sequence[Token]], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._tokens: Mapping[str, Token] = {}
        self._as_of = -math.inf  # when the read began
        self._reading: asyncio.Task[None] | None = None

    async def as_of(self, moment: float) -> Mapping[str, Token]:
        """Return the tokens by id, as they are at ``moment`` or later.

        Raises:
            StoreError, TimeoutError: the store cannot be asked.
        """
        while self._as_of < moment:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read_anew(), name="pam-receiver-tokens")
            await asyncio.shield(self._reading)
        return self._tokens

    async def _read_anew(self) -> None:
        began = self._clock()
        found = await asyncio.wait_for(start_aside(self._read, "pam-receiver-tokens"), _READ_WITHIN_S)
        self._tokens = {token.id: token for token in found}
        self._as_of = began


@dataclass(slots=True)
class _Proofs:
    """Which tokens were proved: by their SHA-256, the hash that they matched and when. The last ``_MOST_PROVED``."""

    _proofs: OrderedDict[bytes, tuple[str, float]] = field(default_factory=OrderedDict)

    def holds(self, digest: bytes, token: Token, now: float) -> bool:
        kept, at = self._proofs.get(digest, ("", -math.inf))
        return kept == token.hash and now - at <= _PROVED_FOR_S

    def keep(self, digest: bytes, token: Token, now: float) -> None:
        self._proofs.pop(digest, None)
        self._proofs[digest] = (token.hash, now)
        while len(self._proofs) > _MOST_PROVED:
            self._proofs.popitem(last=False)


class Guard:
    """Decides who a request comes from, and whether it may; tells of those that may not.

    ``read_tokens`` and ``write`` (to the audit trail) may block, and are called in threads.
    """

    def __init__(
        self,
        read_tokens: Callable[[], Sequence[Token]],
        write: Write,
        *,
        metrics: Metrics,
        exposure: Exposure,
        opens_locally: bool = True,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._exposure = exposure
        self._opens_locally = opens_locally and exposure.is_local
        self._metrics = metrics
        self._clock = clock
        self._now = now
        self._roll = _Roll(read_tokens, clock)
        self._trail = Trail(write, clock=clock)
        self._proofs = _Proofs()
        self._throttle = Throttle()
        # Of ours and of strangers apart: a flood of made-up tokens shall not use up the turns of real ones.
        self._paces = {known: Pace(burst=_GUESSES_AT_ONCE, per_s=_GUESSES_PER_S) for known in (True, False)}
        self._turn = asyncio.Semaphore(1)  # one proof at a time: 19 MiB and a core
        self._waiting = 0

    async def admit(self, request: Request, requirement: Requirement) -> Actor:
        """Return who asks.

        Raises:
            Refused: it may not; this has been counted and told.
        """
        peer = request.client.host if request.client else ""
        client = self._exposure.client_of(peer, request.headers.getlist("x-forwarded-for"))
        try:
            if self._exposure.serves_proxies_only and not self._exposure.is_proxy(peer):
                raise Refused("not-by-proxy", 403)
            if requirement.is_open_locally and self._opens_locally:
                return Actor("local", "system", client)
            token = await self._identify(request.headers.getlist("authorization"), client)
            if not token.role.includes(requirement.role):
                raise Refused("role", 403, token=token)
        except Refused as refused:
            self._tell(refused, client)
            raise
        return Actor(token.name, "token", client)

    async def close(self) -> None:
        """Write what is left to be told."""
        await self._trail.close()

    async def _identify(self, headers: Sequence[str], client: str) -> Token:
        if not headers:
            raise Refused("missing", 401)
        credential, now = _read_bearer(headers), self._clock()
        stranger = f"stranger {slowed_as(client)}"
        try:
            roll = await self._roll.as_of(now - _KNOWN_FOR_S)
            token = roll.get(credential.id) if credential else None
            if credential and token is None and not self._throttle.wait_s(stranger, now):
                token = (await self._roll.as_of(now)).get(credential.id)  # it may have been made just now
        except (StoreError, TimeoutError):
            raise Refused("unavailable", 503, retry_after_s=5) from None
        key = f"{token.id} {slowed_as(client)}" if token else stranger
        if credential is None:
            self._slow(key)
            self._throttle.fail(key, self._clock())
            raise Refused("malformed", 401)
        await self._prove(credential, token, key)
        if token is None:
            raise Refused("unknown", 401)
        if token.revoked_at is not None:
            raise Refused("revoked", 401, token=token)
        if token.is_expired(self._now()):
            raise Refused("expired", 401, token=token)
        return token

    async def _prove(self, credential: Credential, token: Token | None, key: str) -> None:
        """Make sure that the secret is that of ``token``; without a token do the same work.

        Raises:
            Refused: it is not, or too many are tried.
        """
        digest = hashlib.sha256(credential.reveal().encode()).digest()
        if token is not None and self._proofs.holds(digest, token, self._clock()):
            return
        self._slow(key)
        if self._waiting >= _MOST_WAITING:
            raise Refused("throttled", 429, retry_after_s=1)
        self._waiting += 1
        try:
            async with self._turn:
                if token is not None and self._proofs.holds(digest, token, self._clock()):
                    return  # by another request, while this one waited
                is_right = await self._ask_argon2(credential, token)
                if token is not None and is_right:
                    self._proofs.keep(digest, token, self._clock())
        finally:
            self._waiting -= 1
        if token is None or not is_right:
            self._throttle.fail(key, self._clock())
            raise Refused("wrong" if token else "unknown", 401, token=token)
        self._throttle.clear(key)

    async def _ask_argon2(self, credential: Credential, token: Token | None) -> bool:
        if not self._paces[token is not None].take(self._clock()):
            raise Refused("throttled", 429, retry_after_s=1)
        kept = token.hash if token else None
        return await start_aside(lambda: is_secret_of(kept, credential.secret), "pam-receiver-proof")

    def _slow(self, key: str) -> None:
        if wait_s := self._throttle.wait_s(key, self._clock()):
            raise Refused("throttled", 429, retry_after_s=wait_s)

    def _tell(self, refused: Refused, client: str) -> None:
        """Count, log and audit a refusal.

        Who presents no token claims nothing, and whoever is slowed has been told of: these are not audited.
        """
        self._metrics.count_http_refused(refused.reason)
        if refused.reason == "throttled":
            return
        token = refused.token
        event = None
        if refused.reason not in ("missing", "not-by-proxy", "unavailable"):
            # A wrong secret does not prove that it is the owner of the token who asks.
            name = token.name if token and refused.reason != "wrong" else "unknown"
            detail = {"reason": refused.reason, **({"token": token.id} if token else {})}
            event = AuditEvent("login", Actor(name, "token", client), "refused", detail=detail)
        self._trail.tell(Refusal(refused.reason, client, token.id if token else None, self._now()), event)


def _read_bearer(headers: Sequence[str]) -> Credential | None:
    """Return the token of ``Authorization: Bearer``; ``None`` for anything else. Spec: RFC 6750 §2.1."""
    scheme, _, text = headers[0].partition(" ")
    return parse_token(text.strip(" ")) if len(headers) == 1 and scheme.lower() == "bearer" else None
