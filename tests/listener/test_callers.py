"""Who may connect, and what happens when too many do: closed, counted and said, and nobody else harmed."""

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from waiting import until

from pam_receiver.hl7.mllp import encode_frame
from pam_receiver.listener import Callers
from pam_receiver.listener.limits import Noise

SOON = 0.2
ELSEWHERE = Callers(networks=(ip_network("10.20.0.0/16"), ip_network("2001:db8::/32")))


class TestNetworks:
    def test_a_message_from_an_address_of_no_network_is_known_as_one(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(callers=ELSEWHERE) as house:
                client = await house.connect()
                client.send_messages(1)
                await client.read_acks(1)
                assert house.receiver.known == [False]
                assert house.counted('pam_receiver_connections_not_admitted_total{reason="network"} 1.0')

        wire.run(scenario)
        (line,) = wire.logged("connection.not_admitted")
        assert (line.levelname, line.times) == ("WARNING", 1)

    def test_only_a_few_from_outside_are_let_in_at_once(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(callers=ELSEWHERE) as house:
                clients = [await house.connect() for _ in range(20)]
                assert await (await house.connect()).read_end() == b""
                clients[0].writer.close()
                await until(lambda: house.counted("pam_receiver_open_connections 19.0"), "one to go")
                one_more = await house.connect()
                one_more.send_messages(1)
                await one_more.read_acks(1)

        wire.run(scenario)

    def test_nor_may_they_stay(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(callers=ELSEWHERE, block_timeout_s=0.2) as house:
                client = await house.connect()
                client.send_messages(1)
                await client.read_acks(1)
                assert await client.read_end() == b""

        wire.run(scenario)

    def test_an_address_of_one_is_served(self, wire: Any) -> None:
        async def scenario() -> None:
            callers = Callers(networks=(*ELSEWHERE.networks, ip_network("127.0.0.0/8")))
            async with wire.running(callers=callers) as house:
                client = await house.connect()
                client.send_messages(1)
                assert await client.read_acks(1) == ["1"]

        wire.run(scenario)

    @pytest.mark.parametrize(
        ("host", "may"),
        [
            ("10.20.255.1", True),
            ("10.21.0.1", False),
            ("2001:db8::7", True),
            ("2001:db9::7", False),
            ("::ffff:10.20.0.1", True),
            ("::ffff:10.21.0.1", False),
            ("fe80::1%eth0", False),
        ],
    )
    def test_addresses_of_both_families(self, host: str, may: bool) -> None:
        assert ELSEWHERE.may_send(host) is may
        assert Callers().may_send(host)


class TestSubjects:
    SUBJECT = ((("countryName", "FR"),), (("organizationName", "CHU-LYRE"),), (("commonName", "gam1.chu.example"),))

    @pytest.mark.parametrize(
        ("pattern", "is_known"),
        [
            ("gam1.chu.example", True),
            ("gam?.chu.example", True),
            ("*.chu.example", True),
            ("GAM1.chu.example", False),
            ("gam1", False),
            ("CN=gam*,O=CHU-LYRE,C=FR", True),
            ("*,O=CHU-LYRE,C=FR", True),
            ("CN=gam1.chu.example", False),
            ("CN=gam*,O=CHU,C=FR", False),
        ],
    )
    def test_a_pattern_is_of_the_cn_or_with_an_equals_sign_of_the_dn(self, pattern: str, is_known: bool) -> None:
        assert Callers(subjects=("other", pattern)).knows({"subject": self.SUBJECT}) is is_known

    def test_who_shows_no_certificate_is_nobody(self) -> None:
        assert not Callers(subjects=("gam*",)).knows(None)
        assert Callers().knows(None)


class TestPerAddress:
    def test_one_address_takes_no_more_than_its_share(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(max_connections_per_address=2, max_connections=10) as house:
                first, _ = await house.connect(), await house.connect()
                third = await house.connect()
                assert await third.read_end() == b""
                other = socket.socket()
                other.bind(("127.0.0.2", 0))
                neighbour = await house.connect(other)
                neighbour.send_messages(1)
                assert await neighbour.read_acks(1) == ["1"]
                await first.close()
                await wire.until(lambda: house.counted("pam_receiver_open_connections 2.0"), "the place to be free")
                fourth = await house.connect()
                fourth.send_messages(2)
                assert await fourth.read_acks(1) == ["2"]
                assert house.counted('pam_receiver_limits_reached_total{limit="max_connections_per_address"} 1.0')

        wire.run(scenario)
        assert [line.limit for line in wire.logged("connection.too_many_of_address")] == [2]


@contextmanager
def few_files(spare: int) -> Iterator[None]:
    """Let this process open ``spare`` more files, then no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    taken = len(os.listdir("/proc/self/fd")) - 1
    spares = [os.dup(0) for _ in range(highest + 1 - taken)]  # no gap below the limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in spares:
            os.close(each)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
class TestFiles:
    def test_without_files_for_more_it_waits_and_goes_on(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running() as house:
                sockets = [socket.socket() for _ in range(12)]
                before = await house.connect()
                with few_files(2):
                    for sock in sockets:
                        sock.setblocking(False)
                        await asyncio.get_running_loop().sock_connect(sock, house.listener.address)
                    name = 'pam_receiver_limits_reached_total{limit="files"} 1.0'
                    await wire.until(lambda: house.counted(name), "the lack of files")
                    before.send_messages(1)
                    assert await before.read_acks(1) == ["1"]
                for number, sock in enumerate(sockets, 2):
                    sock.send(encode_frame(wire.message(number)))
                await wire.until(lambda: len(house.receiver.kept) == 13, "all of them served")
                for sock in sockets:
                    sock.close()

        wire.run(scenario)
        assert [line.levelname for line in wire.logged("listener.out_of_files")] == ["WARNING"]


class TestNoise:
    """Few lines of one event, and none forgotten in the count."""

    class Clock:
        now = 0.0

        def time(self) -> float:
            return self.now

    def test_the_lines_of_an_attack_are_few_and_count_it_all(self) -> None:
        clock: Any = self.Clock()
        noise = Noise(clock)
        said = [noise.count("a") for _ in range(1000)]
        assert [each for each in said if each is not None] == [1] * 5
        assert noise.count("b") == 1
        clock.now = 10.0
        assert noise.count("a") == 996
        assert noise.count("a") == 1

    def test_a_flood_of_refused_connections_does_not_flood_the_log(self, wire: Any) -> None:
        async def scenario() -> None:
            async with wire.running(callers=ELSEWHERE) as house:
                for _ in range(50):
                    await house.connect()
                counted = 'pam_receiver_connections_not_admitted_total{reason="network"} 50.0'
                await until(lambda: house.counted(counted), "all of them to be counted")

        wire.run(scenario)
        assert len(wire.logged("connection.not_admitted")) == 5


class TestCrowd:
    def test_1000_idle_and_100_slow_connections_leave_a_good_sender_in_peace(self, wire: Any) -> None:
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2600:
            pytest.skip("this machine lets a process open fewer than 2,600 files")

        async def scenario() -> None:
            async with wire.running(block_timeout_s=1.0) as house:
                await asyncio.gather(*(house.connect() for _ in range(1000)))
                slow = await asyncio.gather(*(house.connect() for _ in range(100)))
                for client in slow:
                    client.send(b"\x0bMSH|^~")
                good = await house.connect()
                good.send_messages(*range(100))
                assert await good.read_acks(100) == [str(number) for number in range(100)]
                assert [await client.read_end() for client in slow] == [b""] * 100
                assert house.counted('pam_receiver_limits_reached_total{limit="block_timeout_s"} 100.0')
                good.send_messages(100)
                assert await good.read_acks(1) == ["100"]
                await wire.until(lambda: house.counted("pam_receiver_open_connections 1001.0"), "the slow ones gone")

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2600), hard))
        try:
            wire.run(scenario)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert len(wire.logged("block.timed_out")) == 5
