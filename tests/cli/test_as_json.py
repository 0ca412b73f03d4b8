"""The JSON of the commands: what it shows of bytes, dates and matricules."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.cli.as_json import moment_json, readable


class TestReadable:
    @pytest.mark.parametrize(
        ("raw", "encoding", "text"),
        [
            ("É €".encode(), "utf-8", "É €"),
            ("É €".encode("iso8859-15"), "iso8859-15", "É €"),
            ("É €".encode("iso8859-15"), "", "É €"),
            ("É €".encode(), "", "É €"),
            ("É €".encode("iso8859-15"), "ascii", "É €"),
        ],
    )
    def test_takes_the_codec_it_was_read_with_else_one_that_fits(self, raw: bytes, encoding: str, text: str) -> None:
        assert readable(raw, encoding) == text

    @given(st.binary(max_size=50), st.sampled_from(["", "ascii", "utf-8", "iso8859-1"]))
    def test_any_bytes_can_be_shown(self, raw: bytes, encoding: str) -> None:
        assert len(readable(raw, encoding)) <= len(raw)


class TestValues:
    def test_moments_are_utc_to_the_millisecond(self) -> None:
        at = datetime(2026, 3, 2, 8, 0, 0, 123456, timezone(timedelta(hours=1)))
        assert moment_json(at) == "2026-03-02T07:00:00.123Z"
