"""MLLP framing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.hl7.mllp import BlockTooLarge, FrameDecoder, encode_frame

A28 = b"MSH|^~\\&|GAM|CHU|||20250102||ADT^A28^ADT_A05|1|P|2.5\rPID|1\r"
A31 = A28.replace(b"A28", b"A31")
BARE = A28.rstrip(b"\r")


def decode(*chunks: bytes, limit: int = 1 << 20) -> tuple[list[bytes], FrameDecoder]:
    decoder = FrameDecoder(max_block_bytes=limit)
    return [message for chunk in chunks for message in decoder.feed(chunk)], decoder


def outcome(stream: bytes, step: int, limit: int) -> tuple[list[bytes], bytes | None, int, int, bool]:
    """Everything that can be seen of a stream fed ``step`` bytes at a time."""
    decoder = FrameDecoder(max_block_bytes=limit)
    messages: list[bytes] = []
    try:
        for start in range(0, len(stream), step):
            messages += decoder.feed(stream[start : start + step])
    except BlockTooLarge as error:
        return messages + error.complete, b"", decoder.skipped, decoder.unfinished, True
    messages += decoder.finish()
    return messages, None, decoder.skipped, decoder.unfinished, decoder.in_block


class TestBlocks:
    """HL7 MLLP Release 1: <VT> message <FS><CR>."""

    def test_one_block_in_one_read(self) -> None:
        messages, decoder = decode(encode_frame(A28))
        assert messages == [A28]
        assert (decoder.skipped, decoder.unfinished, decoder.in_block) == (0, 0, False)

    def test_one_byte_at_a_time(self) -> None:
        frame = encode_frame(A28)
        assert decode(*(frame[i : i + 1] for i in range(len(frame))))[0] == [A28]

    def test_many_blocks_in_one_read(self) -> None:
        assert decode(encode_frame(A28) + encode_frame(A31) + encode_frame(A28)[:9])[0] == [A28, A31]

    def test_second_block_may_begin_in_the_same_read_as_the_first_ends(self) -> None:
        stream = encode_frame(A28) + encode_frame(A31)
        assert decode(stream[:90], stream[90:])[0] == [A28, A31]

    def test_block_that_has_begun_is_seen(self) -> None:
        assert decode(b"\x0bMSH")[1].in_block
        assert not decode(b"MSH")[1].in_block

    def test_empty_block_is_an_empty_message(self) -> None:
        assert decode(b"\x0b\x1c\r" + encode_frame(A28))[0] == [b"", A28]


class TestBetweenBlocks:
    """HL7 MLLP Release 1: bytes outside blocks are ignored; CR, LF and NUL are not even counted."""

    @pytest.mark.parametrize("between", [b"", b"\r", b"\n", b"\r\n", b"\x00", b"\r\n\r\n\x00"])
    @pytest.mark.parametrize("message", [A28, BARE])
    def test_line_ends_and_nul_are_silent(self, between: bytes, message: bytes) -> None:
        stream = b"\x0b" + message + b"\x1c" + between + encode_frame(A31)
        messages, decoder = decode(stream)
        assert messages == [message, A31]
        assert decoder.skipped == 0

    def test_rubbish_is_thrown_away_and_counted(self) -> None:
        messages, decoder = decode(b"GET / HTTP/1.1\r\n", encode_frame(A28), b"\x1c\x1c\r", encode_frame(A31))
        assert messages == [A28, A31]
        assert decoder.skipped == 16

    def test_unframed_message_is_rubbish(self) -> None:
        messages, decoder = decode(A28)
        assert messages == []
        assert decoder.skipped == len(A28) - A28.count(b"\r")


class TestEndOfBlock:
    """HL7 MLLP Release 1: FS CR ends a block; a sender's forgotten CR does not hold its message back."""

    def test_fs_behind_a_whole_message_needs_nothing_more(self) -> None:
        assert decode(b"\x0b" + A28 + b"\x1c")[0] == [A28]
        assert decode(b"\x0b" + BARE + b"\n\x1c")[0] == [BARE + b"\n"]

    def test_fs_behind_an_open_segment_waits_for_the_next_byte(self) -> None:
        messages, decoder = decode(b"\x0b" + BARE + b"\x1c")
        assert messages == []
        assert decoder.in_block
        assert decoder.feed(b"\r") == [BARE]

    def test_end_of_stream_ends_it_too(self) -> None:
        decoder = decode(b"\x0b" + BARE + b"\x1c")[1]
        assert decoder.finish() == [BARE]
        assert not decoder.in_block
        assert decoder.finish() == []

    def test_half_a_block_is_no_message(self) -> None:
        decoder = decode(b"\x0b" + BARE)[1]
        assert decoder.finish() == []
        assert decoder.in_block

    def test_fs_inside_a_segment_is_data(self) -> None:
        broken = A28.replace(b"GAM", b"G\x1cM")
        assert decode(encode_frame(broken))[0] == [broken]


class TestBeginOfBlock:
    """HL7 MLLP Release 1: VT begins a block, even when the one before never ended."""

    def test_vt_and_msh_inside_a_block_begin_a_new_one(self) -> None:
        messages, decoder = decode(b"\x0b" + BARE, encode_frame(A31))
        assert messages == [A31]
        assert decoder.unfinished == 1

    def test_vt_inside_a_segment_is_data(self) -> None:
        broken = A28.replace(b"GAM", b"G\x0bMS")
        messages, decoder = decode(encode_frame(broken))
        assert messages == [broken]
        assert decoder.unfinished == 0

    @pytest.mark.parametrize("step", [1 << 20, 1000])
    def test_run_of_vt_is_thrown_away_without_holding_memory(self, step: int) -> None:
        decoder = FrameDecoder()
        for _ in range((1 << 20) // step):
            assert decoder.feed(b"\x0b" * step) == []
            assert len(decoder._buffer) <= 1
        assert decoder.feed(A28 + b"\x1c\r") == [A28]
        assert decoder.skipped == (1 << 20) // step * step - 1

    def test_many_broken_blocks_are_counted(self) -> None:
        messages, decoder = decode(b"\x0bMSH" * 5000 + b"\r\x1c\r")
        assert messages == [b"MSH\r"]
        assert decoder.unfinished == 4999


class TestLimit:
    """A block without end must not fill the memory."""

    def test_block_of_just_the_limit_is_taken(self) -> None:
        assert decode(encode_frame(A28), limit=len(A28))[0] == [A28]

    @pytest.mark.parametrize("step", [1, 7, 1 << 20])
    def test_longer_block_is_refused_whatever_the_cuts(self, step: int) -> None:
        stream = encode_frame(A28)
        with pytest.raises(BlockTooLarge) as caught:
            decode(*(stream[i : i + step] for i in range(0, len(stream), step)), limit=len(A28) - 1)
        assert A28.startswith(caught.value.head)
        assert caught.value.limit == len(A28) - 1

    def test_messages_before_it_are_not_lost(self) -> None:
        decoder = FrameDecoder(max_block_bytes=len(A28))
        with pytest.raises(BlockTooLarge) as caught:
            decoder.feed(encode_frame(A28) + b"\x0b" + A31 + b"x" * 100)
        assert caught.value.complete == [A28]
        assert caught.value.head.startswith(A31)

    def test_head_is_bounded_and_the_rest_let_go(self) -> None:
        decoder = FrameDecoder()
        with pytest.raises(BlockTooLarge) as caught:
            decoder.feed(b"\x0b" + A28 + b"x" * (2 << 20))
        assert len(caught.value.head) == 1 << 16
        assert len(decoder._buffer) == 0

    def test_decoder_stays_shut_afterwards(self) -> None:
        decoder = FrameDecoder(max_block_bytes=4)
        with pytest.raises(BlockTooLarge):
            decoder.feed(b"\x0bMSH|^")
        with pytest.raises(BlockTooLarge) as again:
            decoder.feed(encode_frame(b"MSH\r"))
        assert (again.value.complete, decoder.finish()) == ([], [])

    def test_new_block_beyond_the_limit_does_not_save_the_one_before(self) -> None:
        with pytest.raises(BlockTooLarge):
            decode(b"\x0b" + b"x" * 11 + encode_frame(A28), limit=10)
        assert decode(b"\x0b" + b"x" * 10 + encode_frame(b"MSH"), limit=10)[0] == [b"MSH"]


WIRE = st.lists(
    st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"\x00", b"M", b"S", b"H", b"MSH", b"x", b"\x0bMSH", b"\x1c\r"])
).map(b"".join)


class TestCuts:
    """HL7 MLLP Release 1: a byte stream has no packets."""

    @settings(max_examples=200, deadline=None)
    @given(WIRE, st.integers(1, 9), st.sampled_from([3, 8, 1 << 20]))
    def test_any_cut_gives_the_same_messages(self, stream: bytes, step: int, limit: int) -> None:
        whole, cut = outcome(stream, max(1, len(stream)), limit), outcome(stream, step, limit)
        assert cut == whole

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.binary(max_size=60)), st.integers(1, 40))
    def test_any_bytes_give_messages_or_the_declared_error(self, chunks: list[bytes], limit: int) -> None:
        decoder = FrameDecoder(max_block_bytes=limit)
        for chunk in chunks:
            try:
                messages = decoder.feed(chunk)
            except BlockTooLarge as error:
                messages = error.complete
            assert all(len(message) <= limit for message in messages)
            assert len(decoder._buffer) <= limit + 4

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.binary(max_size=30).map(lambda data: data.translate(None, b"\x0b\x1c") + b"\r")))
    def test_framed_messages_come_back(self, messages: list[bytes]) -> None:
        assert decode(b"".join(map(encode_frame, messages)))[0] == messages
