"""The address of a client: that of the peer, or as proxies tell it that are believed."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.web.clients import UNKNOWN, Exposure, slowed_as

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))
BEHIND = Exposure(is_local=False, proxies=PROXIES)


class TestClientOf:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "client"),
        [
            ("10.0.0.1", [], "10.0.0.1"),
            ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", ["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", ["198.51.100.9", "192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", ["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", ["192.0.2.1:4711"], "192.0.2.1"),
            ("10.0.0.1", ["[2001:db8:2::1]:4711"], "2001:db8:2::1"),
            ("10.0.0.1", ["2001:db8:2::1"], "2001:db8:2::1"),
            ("10.0.0.1", ["::ffff:192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
            ("2001:db8:1::5", ["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", ["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", ["192.0.2.1,"], "10.0.0.1"),
            ("10.0.0.1", ["<script>"], "10.0.0.1"),
            ("192.0.2.5", ["198.51.100.9"], "192.0.2.5"),
            ("", ["192.0.2.1"], UNKNOWN),
        ],
    )
    def test_it_is_read_from_our_end_as_far_as_proxies_are_believed(
        self, peer: str, forwarded: list[str], client: str
    ) -> None:
        assert BEHIND.client_of(peer, forwarded) == client

    def test_without_a_proxy_nobody_is_believed(self) -> None:
        assert Exposure().client_of("127.0.0.1", ["192.0.2.1"]) == "127.0.0.1"

    def test_a_line_of_many_hops_is_read_for_the_last_ones_only(self) -> None:
        assert BEHIND.client_of("10.0.0.1", [", ".join(["192.0.2.1", *["10.0.0.2"] * 100_000])]) == "10.0.0.2"

    @given(st.text(max_size=40), st.lists(st.text(max_size=60), max_size=3))
    def test_whatever_is_sent_is_an_address_or_unknown(self, peer: str, forwarded: list[str]) -> None:
        found = BEHIND.client_of(peer, forwarded)
        assert found == UNKNOWN or ip_network(found)


class TestIsProxy:
    @pytest.mark.parametrize(
        ("peer", "is_one"), [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("192.0.2.1", False), ("", False)]
    )
    def test_by_its_network(self, peer: str, is_one: bool) -> None:
        assert BEHIND.is_proxy(peer) is is_one


class TestSlowedAs:
    @pytest.mark.parametrize(
        ("client", "key"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
            ("2001:db8:0:1::9", "2001:db8:0:1::/64"),
            (UNKNOWN, UNKNOWN),
        ],
    )
    def test_ipv6_by_the_network_that_one_machine_has(self, client: str, key: str) -> None:
        assert slowed_as(client) == key
