"""Files as people keep them: any ends of line, one or many messages, framed or not."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.cli.files import (
    FileContent,
    Splitter,
    find_files,
    find_problems,
    is_acknowledgement,
    read_content,
    read_messages,
    split_messages,
)
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


class TestMixed:
    def test_lines_count_up_to_the_first_block(self) -> None:
        assert split_messages(ONE + encode_frame(TWO) + ONE).messages == (ONE, TWO)


def cut(data: bytes, places: list[int]) -> Splitter:
    """Feed the bytes cut at these places; the messages are kept in ``messages``."""
    splitter = Splitter()
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(bounds)]
    splitter.messages = [m for piece in pieces for m in splitter.feed(piece)] + splitter.finish()  # type: ignore[attr-defined]
    return splitter


PARTS = st.lists(
    st.sampled_from(
        [
            ONE,
            TWO,
            encode_frame(ONE),
            encode_frame(TWO)[:-1],
            b"\x0b" + TWO,
            b"\x0b\r\n\xef\xbb\xbf" + ONE + b"\x1c\r",
            b"\x0b\x1c\r",
            b"FHS|^~\\&\r\n",
            b"\r",
            b"\n",
            b"\x0b",
            b"\x0b \x0bM",
            b"\xef\xbb\xbf",
            b"note\r\n",
            b"OBX|1\x0bMS|\r",
        ]
    ),
    max_size=6,
)


class TestAnyCut:
    """The same bytes give the same messages however they come."""

    @given(PARTS, st.lists(st.integers(0, 500), max_size=8))
    def test_gives_the_same(self, parts: list[bytes], places: list[int]) -> None:
        data = b"".join(parts)
        whole, pieces = cut(data, []), cut(data, places)
        for name in ("messages", "count", "stray", "bare", "unfinished"):
            assert getattr(pieces, name) == getattr(whole, name), name

    @given(PARTS)
    def test_byte_by_byte_too(self, parts: list[bytes]) -> None:
        data = b"".join(parts)
        assert cut(data, list(range(len(data)))).messages == cut(data, []).messages  # type: ignore[attr-defined]


class TestBound:
    """What has no end is not held in memory."""

    @pytest.mark.parametrize(
        ("data", "count"),
        [
            (ONE + TWO + b"x" * 300, 1),
            (ONE + TWO + b"OBX|1\r" * 60, 1),
            (encode_frame(ONE) + b"\x0b" + TWO + b"OBX|1\r" * 60, 1),
            (b"x" * 300, 0),
        ],
    )
    def test_a_message_without_end_ends_the_reading(self, data: bytes, count: int) -> None:
        splitter = Splitter(most_bytes=200)
        messages = [message for byte in data for message in splitter.feed(bytes([byte]))]
        assert (splitter.is_too_large, splitter.count, len(messages)) == (True, count, count)
        assert splitter.finish() == []
        assert "more than 16 MiB" in find_problems("x", splitter, "en")[0].text

    def test_a_file_is_given_message_by_message(self, tmp_path: Path) -> None:
        file = tmp_path / "many.hl7"
        file.write_bytes(encode_frame(ONE) * 20_000)
        read: list[int] = []
        splitter = Splitter()
        messages = read_messages(file, splitter, on_read=read.append)
        assert next(messages) == ONE
        assert splitter.count < 20_000
        assert sum(1 for _ in messages) == 19_999
        assert sum(read) == file.stat().st_size


class TestFindFiles:
    def test_names_are_those_below_the_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "capture"
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "1.hl7").write_bytes(ONE)
        found = list(find_files([folder, folder / "a" / "1.hl7", Path("none"), Path("-")]))
        assert [name for _, name in found] == ["capture/a/1.hl7", "1.hl7", "none", "-"]

    def test_links_to_folders_are_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "one.hl7").write_bytes(ONE)
        (tmp_path / "round").symlink_to(tmp_path)
        (tmp_path / "link.hl7").symlink_to(tmp_path / "one.hl7")
        (tmp_path / "dead.hl7").symlink_to(tmp_path / "none")
        assert [path.name for path, _ in find_files([tmp_path])] == ["link.hl7", "one.hl7"]

    def test_some_may_be_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "one.hl7").write_bytes(ONE)
        (tmp_path / "report.html").write_bytes(b"")
        without = [(tmp_path / "report.html").resolve()]
        assert [path.name for path, _ in find_files([tmp_path], without=without)] == ["one.hl7"]


class TestAcknowledgement:
    @pytest.mark.parametrize(
        ("msh_9", "is_one"),
        [("ACK", True), ("ACK^A28^ACK", True), ("ADT^A28", False), ("ACKNOWLEDGE", False), ("", False)],
    )
    def test_is_told_by_its_header(self, msh_9: str, is_one: bool) -> None:
        assert is_acknowledgement(f"MSH|^~\\&|A|B|C|D|||{msh_9}|1|P|2.5\rMSA|AA\r".encode()) is is_one

    def test_a_header_cut_short_is_none(self) -> None:
        assert is_acknowledgement(b"MSH|^~\\&|A\r") is False
        assert is_acknowledgement(b"MSH\r") is False


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
