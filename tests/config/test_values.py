"""The values of settings."""

from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.config import Address, parse_address


class TestAddress:
    @given(st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True), st.integers(0, 65535))
    def test_what_is_shown_is_read_again(self, host: str, port: int) -> None:
        assert parse_address(str(Address(host, port))) == Address(host, port)
        assert parse_address(f"[fe80::{port:x}]:{port}") == Address(f"fe80::{port:x}", port)

    @given(st.text(max_size=30))
    def test_any_text_is_an_address_or_refused(self, text: str) -> None:
        try:
            address = parse_address(text)
        except ValueError:
            return
        assert address.host
        assert 0 <= address.port <= 65535
