"""Who may ask what: over the wire, with the guard's own parts; the clock is set by hand."""

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI

from pam_receiver import tokens
from pam_receiver.metrics import Metrics
from pam_receiver.store import Actor, StoreUnavailable
from pam_receiver.store.errors import Reason
from pam_receiver.tokens import Role
from pam_receiver.web import Exposure, WebServer, create_app, require, serve_web
from pam_receiver.web import auth as auth_module
from pam_receiver.web.auth import OPEN, find_unguarded

from .conftest import NOW, READY, House, Reply, bearer, get, run

REMOTE = Exposure(is_local=False)
STRANGER = "pamr_0123456789ab_" + "a" * 32
Scenario = Callable[[House, WebServer], "object"]


async def get_metrics(server: WebServer, token: str | None = None, **more: str) -> Reply:
    return await get(server, "/metrics", {**(bearer(token) if token else {}), **more})


class TestEveryRoute:
    """Nothing is served without a role asked for, save two pages that tell nothing."""

    def test_each_route_of_the_daemon_asks_for_a_role(self) -> None:
        app = create_app(check_ready=lambda: READY, metrics=Metrics(), guard=House().guard())
        paths = {getattr(route, "path", "") for route in app.routes}
        assert paths == {"/livez", "/readyz", "/metrics"}
        assert find_unguarded(app) == []
        assert {"/livez", "/readyz"} == OPEN

    def test_a_route_without_one_is_found_whatever_its_kind(self) -> None:
        app = FastAPI(openapi_url=None)
        below = FastAPI(openapi_url=None)

        @app.get("/bare")
        async def bare() -> None: ...

        @app.get("/other", dependencies=[Depends(lambda: None)])
        async def other() -> None: ...

        @app.get("/guarded")
        async def guarded(actor: Annotated[Actor, Depends(require(Role.ADMIN))]) -> None: ...

        async def deep(actor: Annotated[Actor, Depends(require(Role.ADMIN))]) -> Actor:
            return actor

        @app.get("/deep")
        async def behind(actor: Annotated[Actor, Depends(deep)]) -> None: ...

        app.mount("/below", below)
        assert find_unguarded(app) == ["/bare", "/other", "/below"]

    def test_the_application_is_not_made_with_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(auth_module, "OPEN", frozenset({"/livez"}))
        with pytest.raises(RuntimeError, match="/readyz"):
            create_app(check_ready=lambda: READY, metrics=Metrics(), guard=House().guard())


class TestMetrics:
    def test_on_this_machine_they_need_no_token(self) -> None:
        async def scenario() -> None:
            async with House().serving() as server:
                assert (await get_metrics(server)).status == 200

        run(scenario)

    @pytest.mark.parametrize(
        "house",
        [
            House(exposure=REMOTE),
            House(opens_locally=False),
            House(exposure=Exposure(is_local=False, proxies=(ip_network("127.0.0.0/8"),))),
        ],
        ids=["off-loopback", "by-setting", "behind-proxy"],
    )
    def test_elsewhere_they_do(self, house: House) -> None:
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                assert (await get_metrics(server)).status == 401
                assert (await get_metrics(server, token)).status == 200
                for path in sorted(OPEN):
                    assert (await get(server, path)).status == 200

        run(scenario)


class TestRefusals:
    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            (None, "missing"),
            ("", "malformed"),
            ("Bearer", "malformed"),
            ("Bearer x", "malformed"),
            ("Basic cmVhZGVyOng=", "malformed"),
            (f"Basic {STRANGER}", "malformed"),
            (f"Bearer {STRANGER}{'a' * 5000}", "malformed"),
            (f"Bearer {STRANGER.upper()}", "malformed"),
            (f"Bearer {STRANGER}", "unknown"),
        ],
    )
    def test_who_is_not_known_gets_401_and_no_reason(self, header: str | None, reason: str) -> None:
        house = House(exposure=REMOTE)

        async def scenario() -> None:
            async with house.serving() as server:
                reply = await get(server, "/metrics", {} if header is None else {"Authorization": header})
            assert reply.status == 401
            assert reply.headers["www-authenticate"] == "Bearer"
            assert reply.headers["cache-control"] == "no-store"
            assert reply.body == b'{"detail":"Unauthorized"}'
            assert house.refused() == {reason: 1}

        run(scenario)

    def test_two_headers_are_one_too_many(self) -> None:
        house = House(exposure=REMOTE)
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                reply = await get(server, "/metrics", {"Authorization": f"Bearer {token}", "authorization": "Bearer x"})
            assert reply.status == 401

        run(scenario)

    def test_the_scheme_is_read_in_any_case(self) -> None:
        house = House(exposure=REMOTE)
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                assert (await get(server, "/metrics", {"Authorization": f"bEARER  {token}"})).status == 200

        run(scenario)

    def test_a_wrong_secret_a_revoked_and_an_expired_token_look_the_same(self) -> None:
        house = House(exposure=REMOTE)
        right, ended = house.add(name="right"), house.add(name="ended")
        late = house.add(name="late", expires_at=NOW - timedelta(seconds=1))
        house.revoke(ended)
        wrong = right[:-1] + ("a" if right[-1] != "a" else "b")

        async def scenario() -> None:
            async with house.serving() as server:
                replies = [await get_metrics(server, each) for each in (wrong, ended, late)]
                assert {(each.status, each.body) for each in replies} == {(401, b'{"detail":"Unauthorized"}')}
            assert house.refused() == {"wrong": 1, "revoked": 1, "expired": 1}
            told = [(each.action, each.outcome, each.actor, each.detail["reason"]) for each in house.trail]
            assert told == [
                ("login", "refused", Actor("unknown", "token", "127.0.0.1"), "wrong"),
                ("login", "refused", Actor("ended", "token", "127.0.0.1"), "revoked"),
                ("login", "refused", Actor("late", "token", "127.0.0.1"), "expired"),
            ]

        run(scenario)

    def test_a_token_that_expires_later_is_good(self) -> None:
        house = House(exposure=REMOTE)
        token = house.add(expires_at=NOW + timedelta(seconds=1))

        async def scenario() -> None:
            async with house.serving() as server:
                assert (await get_metrics(server, token)).status == 200

        run(scenario)

    def test_a_store_that_is_away_lets_nobody_in_and_says_when_to_come_back(self) -> None:
        house = House(exposure=REMOTE, failure=StoreUnavailable("postgresql://x:secret@db/pam", Reason.AWAY))
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                reply = await get_metrics(server, token)
                assert (reply.status, reply.headers["retry-after"]) == (503, "5")
                assert b"secret" not in reply.body
                house.failure = None
                assert (await get_metrics(server, token)).status == 200

        run(scenario)


class TestRoles:
    @pytest.mark.parametrize("needed", list(Role))
    @pytest.mark.parametrize("held", list(Role))
    def test_each_may_what_those_before_it_may(self, needed: Role, held: Role) -> None:
        house = House(exposure=REMOTE)
        token = house.add(held, name="who asks")
        seen: list[Actor] = []
        app = FastAPI(openapi_url=None)
        app.state.guard = guard = house.guard()

        @app.get("/page")
        async def page(actor: Annotated[Actor, Depends(require(needed))]) -> None:
            seen.append(actor)

        async def scenario() -> None:
            server = await serve_web(app, "127.0.0.1", 0)
            reply = await get(server, "/page", bearer(token))
            await server.stop()
            await guard.close()
            if list(Role).index(held) >= list(Role).index(needed):
                assert reply.status == 200
                assert seen == [Actor("who asks", "token", "127.0.0.1")]
                assert house.trail == []
            else:
                assert (reply.status, reply.body) == (403, b'{"detail":"Forbidden"}')
                assert seen == []
                (event,) = house.trail
                assert (event.outcome, event.actor.name, event.detail["reason"]) == ("refused", "who asks", "role")

        run(scenario)

    def test_only_what_says_so_is_open_on_this_machine(self) -> None:
        app = FastAPI(openapi_url=None)
        app.state.guard = House().guard()

        @app.get("/page", dependencies=[Depends(require(Role.READER))])
        async def page() -> None: ...

        async def scenario() -> None:
            server = await serve_web(app, "127.0.0.1", 0)
            assert (await get(server, "/page")).status == 401
            await server.stop()

        run(scenario)


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time that argon2 was asked, with the thread that it ran in."""
    asked: list[str] = []

    def count(kept: str | None, secret: str) -> bool:
        asked.append(threading.current_thread().name)
        return tokens.is_secret_of(kept, secret)

    monkeypatch.setattr(auth_module, "is_secret_of", count)
    return asked


class TestProofs:
    def test_a_token_is_proved_once_in_a_thread_and_again_after_a_while(self, proofs: list[str]) -> None:
        house = House(exposure=REMOTE)
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                for _ in range(5):
                    assert (await get_metrics(server, token)).status == 200
                assert proofs == ["pam-receiver-proof"]
                house.seconds += 601
                assert (await get_metrics(server, token)).status == 200
                assert len(proofs) == 2

        run(scenario)

    def test_an_unknown_id_costs_the_same_work(self, proofs: list[str]) -> None:
        house = House(exposure=REMOTE)

        async def scenario() -> None:
            async with house.serving() as server:
                assert (await get_metrics(server, STRANGER)).status == 401
            assert proofs == ["pam-receiver-proof"]

        run(scenario)

    def test_a_revoked_token_is_out_within_seconds_though_it_was_proved(self) -> None:
        house = House(exposure=REMOTE)
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                assert (await get_metrics(server, token)).status == 200
                house.revoke(token)
                house.seconds += 2.1
                assert (await get_metrics(server, token)).status == 401

        run(scenario)

    def test_a_new_token_is_in_at_once(self) -> None:
        house = House(exposure=REMOTE)
        first = house.add(name="first")

        async def scenario() -> None:
            async with house.serving() as server:
                assert (await get_metrics(server, first)).status == 200
                house.seconds += 0.001
                assert (await get_metrics(server, house.add(name="second"))).status == 200

        run(scenario)

    def test_requests_share_a_read_of_the_tokens(self) -> None:
        house = House(exposure=REMOTE)
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                await asyncio.gather(*(get_metrics(server, token) for _ in range(10)))
                assert house.reads == 1

        run(scenario)

    def test_many_first_requests_at_once_share_one_proof(self, proofs: list[str]) -> None:
        house = House(exposure=REMOTE)
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                replies = await asyncio.gather(*(get_metrics(server, token) for _ in range(25)))
                assert {reply.status for reply in replies} == {200}
                assert len(proofs) == 1

        run(scenario)

    def test_a_proof_is_of_one_hash(self) -> None:
        """Another secret under the same id, as after a restored backup, is not taken for the one that was proved."""
        house = House(exposure=REMOTE)
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                assert (await get_metrics(server, token)).status == 200
                other = house.add()
                house.tokens = [
                    type(kept)(kept.id, kept.name, kept.role, house.tokens[1].hash, kept.created_at, kept.created_by)
                    for kept in house.tokens[:1]
                ]
                assert other
                house.seconds += 3
                assert (await get_metrics(server, token)).status == 401

        run(scenario)


class TestGuessing:
    """Brute force is slowed, and shuts nobody else out."""

    def test_after_some_wrong_ones_an_address_waits_longer_and_longer(self) -> None:
        house = House(exposure=REMOTE)

        async def scenario() -> None:
            async with house.serving() as server:
                for _ in range(5):
                    assert (await get_metrics(server, STRANGER)).status == 401
                waits = []
                for _ in range(8):
                    reply = await get_metrics(server, STRANGER)
                    assert (reply.status, reply.body) == (429, b'{"detail":"Too Many Requests"}')
                    waits.append(int(reply.headers["retry-after"]))
                    house.seconds += waits[-1]
                    assert (await get_metrics(server, STRANGER)).status == 401
                assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
            assert house.refused() == {"unknown": 13, "throttled": 8}

        run(scenario)

    def test_a_right_token_from_the_same_address_is_let_in_all_the_while(self) -> None:
        house = House(exposure=REMOTE)
        known, never_used = house.add(name="known"), house.add(name="never used")

        async def scenario() -> None:
            async with house.serving() as server:
                for _ in range(5):
                    await get_metrics(server, STRANGER)
                assert (await get_metrics(server, STRANGER)).status == 429
                assert (await get_metrics(server, known)).status == 200
                assert (await get_metrics(server, never_used)).status == 200
                assert (await get_metrics(server, STRANGER)).status == 429

        run(scenario)

    def test_guesses_at_one_token_slow_that_token_at_that_address_only(self, proofs: list[str]) -> None:
        house = House(exposure=Exposure(is_local=False, proxies=(ip_network("127.0.0.0/8"),)))
        token, other = house.add(name="aimed at"), house.add(name="other")
        wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
        here, elsewhere = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}

        async def scenario() -> None:
            async with house.serving() as server:
                for _ in range(5):
                    assert (await get_metrics(server, wrong, **here)).status == 401
                count = len(proofs)
                assert (await get_metrics(server, wrong, **here)).status == 429
                assert len(proofs) == count
                assert (await get_metrics(server, other, **here)).status == 200
                assert (await get_metrics(server, token, **elsewhere)).status == 200
                # proved by now: the guesses of the neighbour no longer matter to it
                assert (await get_metrics(server, token, **here)).status == 200

        run(scenario)

    def test_from_many_addresses_together_they_are_paced(self, proofs: list[str]) -> None:
        house = House(exposure=Exposure(is_local=False, proxies=(ip_network("127.0.0.0/8"),)))
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                statuses = [
                    (await get_metrics(server, STRANGER, **{"X-Forwarded-For": f"192.0.2.{n}"})).status
                    for n in range(30)
                ]
                assert statuses == [401] * 20 + [429] * 10
                assert len(proofs) == 20
                assert (await get_metrics(server, token)).status == 200

        run(scenario)

    def test_malformed_ones_are_slowed_too(self) -> None:
        house = House(exposure=REMOTE)

        async def scenario() -> None:
            async with house.serving() as server:
                statuses = [(await get_metrics(server, "x")).status for _ in range(7)]
                assert statuses == [401] * 5 + [429] * 2

        run(scenario)


class TestTold:
    """Refusals are logged and audited without the token, and so many a minute."""

    def test_no_token_in_log_or_trail(self, caplog: pytest.LogCaptureFixture) -> None:
        house = House(exposure=REMOTE)
        token = house.add(name="someone")
        wrong = token[:-1] + ("a" if token[-1] != "a" else "b")

        async def scenario() -> None:
            async with house.serving() as server:
                for each in (wrong, STRANGER, "x" * 50):
                    await get_metrics(server, each)

        with caplog.at_level(logging.DEBUG, logger="pam_receiver"):
            run(scenario)
        lines = [record for record in caplog.records if record.message == "http.refused"]
        assert [record.__dict__["reason"] for record in lines] == ["wrong", "unknown", "malformed"]
        assert lines[0].__dict__["token"] == house.tokens[0].id
        said = " ".join(str(record.__dict__) for record in caplog.records) + str(house.trail)
        assert not any(each[18:] in said for each in (wrong, STRANGER, "x" * 50))
        assert len(house.trail) == 3

    def test_many_are_counted_and_few_are_written(self, caplog: pytest.LogCaptureFixture) -> None:
        house = House(exposure=Exposure(is_local=False, proxies=(ip_network("127.0.0.0/8"),)))

        async def scenario() -> None:
            async with house.serving() as server:
                for n in range(40):
                    await get_metrics(server, "x", **{"X-Forwarded-For": f"192.0.2.{n}"})
                house.seconds += 2
                await get_metrics(server, "x", **{"X-Forwarded-For": "192.0.2.99"})

        run(scenario)
        assert house.refused() == {"malformed": 41}
        assert len(house.trail) == 31
        assert house.trail[-1].detail == {"reason": "malformed", "untold": 10}
        assert sum(record.message == "http.refused" for record in caplog.records) == 31

    def test_who_shows_no_token_is_logged_and_not_audited(self, caplog: pytest.LogCaptureFixture) -> None:
        house = House(exposure=REMOTE)

        async def scenario() -> None:
            async with house.serving() as server:
                await get_metrics(server)

        run(scenario)
        assert house.trail == []
        assert [record.message for record in caplog.records] == ["http.refused"]


class TestBehindProxy:
    """``http_behind_proxy``: the proxy encrypts, and is believed; who comes past it is not served."""

    PROXIES = (ip_network("10.0.0.0/8"),)

    def test_what_comes_past_the_proxy_is_refused_though_the_token_is_right(self) -> None:
        house = House(exposure=Exposure(is_local=False, proxies=self.PROXIES, serves_proxies_only=True))
        token = house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                reply = await get_metrics(server, token, **{"X-Forwarded-For": "10.0.0.1"})
                assert (reply.status, reply.body) == (403, b'{"detail":"Forbidden"}')
                for path in sorted(OPEN):
                    assert (await get(server, path)).status == 200
            assert house.refused() == {"not-by-proxy": 1}
            assert house.reads == 0

        run(scenario)

    @pytest.mark.parametrize(
        ("proxies", "origin"), [((ip_network("127.0.0.0/8"),), "192.0.2.7"), ((ip_network("10.0.0.0/8"),), "127.0.0.1")]
    )
    def test_the_address_of_the_client_is_told_by_a_proxy_that_is_believed_only(
        self, proxies: tuple[object, ...], origin: str
    ) -> None:
        house = House(exposure=Exposure(is_local=False, proxies=proxies))  # type: ignore[arg-type]
        house.add()

        async def scenario() -> None:
            async with house.serving() as server:
                await get_metrics(server, STRANGER, **{"X-Forwarded-For": "198.51.100.1, 192.0.2.7"})
            assert [each.actor.origin for each in house.trail] == [origin]

        run(scenario)
