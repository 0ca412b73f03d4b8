"""Files as people keep them: any ends of line, one or many messages, framed or not."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.cli.files import FileContent, read_content, split_messages
from pam_receiver.hl7.mllp import encode_frame

ONE = b"MSH|^~\\&|GAM\rEVN||2026\rPID|1\r"
TWO = b"MSH|^~\\&|GAM\rPID|2\r"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
class TestEndsOfLine:
    def test_segments_come_out_ended_by_cr(self, end: bytes) -> None:
        assert split_messages(ONE.replace(b"\r", end)) == FileContent((ONE,), 0)

    def test_a_line_that_begins_with_msh_begins_a_message(self, end: bytes) -> None:
        data = (ONE + b"\r\r" + TWO).replace(b"\r", end)
        assert split_messages(data).messages == (ONE, TWO)

    def test_the_last_line_may_have_no_end(self, end: bytes) -> None:
        assert split_messages(ONE.replace(b"\r", end).removesuffix(end)).messages == (ONE,)

    def test_envelopes_of_a_batch_are_no_part_of_a_message(self, end: bytes) -> None:
        data = b"FHS|^~\\&\rBHS|^~\\&\r" + ONE + TWO + b"BTS|2\rFTS|1\r"
        assert split_messages(data.replace(b"\r", end)) == FileContent((ONE, TWO), 0)


class TestFramed:
    def test_each_block_is_a_message(self) -> None:
        assert split_messages(encode_frame(ONE) + encode_frame(TWO)) == FileContent((ONE, TWO), 0)

    def test_blocks_may_stand_on_lines_of_their_own(self) -> None:
        data = b"\n" + encode_frame(ONE.replace(b"\r", b"\r\n")) + b"\n\n" + encode_frame(TWO)
        assert split_messages(data).messages == (ONE, TWO)

    def test_the_last_byte_may_be_lost(self) -> None:
        assert split_messages(encode_frame(TWO) + encode_frame(ONE)[:-1]) == FileContent((TWO, ONE), 0)

    @pytest.mark.parametrize("lost", [2, 10])
    def test_a_block_without_its_end_is_counted_and_not_read(self, lost: int) -> None:
        data = encode_frame(TWO) + encode_frame(ONE)[:-lost]
        assert split_messages(data) == FileContent((TWO,), 0, unfinished=1)

    def test_a_block_that_another_one_cuts_is_counted_too(self) -> None:
        assert split_messages(b"\x0b" + ONE + encode_frame(TWO)) == FileContent((TWO,), 0, unfinished=1)

    @pytest.mark.parametrize("block", [b"", b"PID|1\r", b"hello"])
    def test_a_block_without_a_header_is_told_by_its_number(self, block: bytes) -> None:
        data = encode_frame(ONE) + encode_frame(block) + encode_frame(TWO)
        assert split_messages(data) == FileContent((ONE, TWO), 0, bare=(2,))

    def test_rubbish_between_blocks_is_counted(self) -> None:
        assert split_messages(encode_frame(ONE) + b"rubbish" + encode_frame(TWO)) == FileContent((ONE, TWO), 7)

    def test_a_vt_inside_a_value_makes_no_frame(self) -> None:
        data = b"MSH|^~\\&|G\x0bM\rPID|1\r"
        assert split_messages(data).messages == (data,)

    def test_a_run_of_vts_is_passed_over_at_once(self) -> None:
        began = time.monotonic()
        assert split_messages(b"\x0b" * 1_000_000).messages == ()
        assert split_messages(b"\x0b" * 1_000_000 + ONE + b"\x1c\r").messages == (ONE,)
        assert time.monotonic() - began < 5  # one VT after the other, it took minutes


class TestOthers:
    def test_byte_order_mark_and_indent_before_the_header(self) -> None:
        assert split_messages(b"\xef\xbb\xbf  " + ONE).messages == (ONE,)

    def test_lines_before_the_first_header_are_counted(self) -> None:
        assert split_messages(b"sent on Monday\n\n# note\n" + ONE) == FileContent((ONE,), 2)

    @pytest.mark.parametrize("data", [b"", b"\r\n", b"\x1a", b"hello", "MSH|^~\\&".encode("utf-16")])
    def test_no_hl7_at_all(self, data: bytes) -> None:
        assert split_messages(data).messages == ()

    @given(st.binary(max_size=200))
    def test_any_bytes_give_messages_that_begin_with_msh(self, data: bytes) -> None:
        assert all(message.startswith(b"MSH") for message in split_messages(data).messages)

    @given(st.lists(st.sampled_from([ONE, TWO]), max_size=5), st.booleans())
    def test_framed_or_not_gives_the_same_messages(self, messages: list[bytes], framed: bool) -> None:
        data = b"".join(encode_frame(each) if framed else each for each in messages)
        assert split_messages(data).messages == tuple(messages)

    def test_standard_input_that_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", None)
        with pytest.raises(OSError, match="descriptor"):
            read_content(Path("-"))

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_content(tmp_path / "none.hl7")
