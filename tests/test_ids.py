"""Ids of messages and answers, and a control id that may stand in a log."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.ids import MessageIds, ack_control_id, safe_control_id


class TestSafeControlId:
    """A control id may hold anything: only a short and plain one is logged as it is."""

    @pytest.mark.parametrize("plain", ["", "1", "MSG_00001.2-a", "x" * 50])
    def test_plain_ones_stay(self, plain: str) -> None:
        assert safe_control_id(plain) == plain

    @pytest.mark.parametrize("odd", ["x" * 51, "A B", "é", "a\n", "../etc", "A^B", "\ud800"])
    def test_others_become_a_digest(self, odd: str) -> None:
        assert re.fullmatch(r"sha256-[0-9a-f]{16}", safe_control_id(odd))

    @given(st.text())
    def test_any_text_gives_a_safe_one_and_always_the_same(self, control_id: str) -> None:
        safe = safe_control_id(control_id)
        assert re.fullmatch(r"[A-Za-z0-9._-]{0,50}", safe)
        assert safe == safe_control_id(control_id)

    def test_two_odd_ones_are_told_apart(self) -> None:
        assert safe_control_id("A B") != safe_control_id("A C")


class TestMessageIds:
    """RFC 9562, version 7: ids sort by time."""

    def test_each_is_greater_than_the_last_even_when_the_clock_goes_back(self) -> None:
        clock = iter([5_000_000, 9_000_000, 9_000_000, 1_000_000, 1_000_001, 20_000_000])
        new_id = MessageIds(lambda: next(clock))
        made = [new_id() for _ in range(6)]
        assert made == sorted(set(made))

    @pytest.mark.parametrize("back_by_ns", [0, 1, 3_600_000_000_000])
    def test_they_go_on_after_the_last_one_in_use_when_the_clock_went_back(self, back_by_ns: int) -> None:
        now = 1_772_434_800_123_456_789
        last = MessageIds(lambda: now)()
        new_id = MessageIds(lambda: now - back_by_ns, after=last)
        made = [last, new_id(), new_id()]
        assert made == sorted(set(made))

    def test_they_follow_the_clock_when_it_is_ahead_of_the_last_one_in_use(self) -> None:
        last = MessageIds(lambda: 1_000_000_000)()
        assert UUID(MessageIds(lambda: 9_000_000_000, after=last)()).int >> 80 == 9_000

    def test_they_are_uuids_that_hold_their_millisecond(self) -> None:
        made = UUID(MessageIds(lambda: 1_772_434_800_123_456_789)())
        assert (made.version, made.variant) == (7, "specified in RFC 4122")
        assert made.int >> 80 == 1_772_434_800_123

    @given(st.integers(min_value=0, max_value=(1 << 48) * 1_000_000 - 1))
    def test_they_are_written_as_uuids_are(self, now: int) -> None:
        made = MessageIds(lambda: now)()
        assert str(UUID(made)) == made

    def test_two_makers_at_the_same_moment_differ(self) -> None:
        assert MessageIds(lambda: 1)() != MessageIds(lambda: 1)()


class TestAckControlId:
    """HL7 v2.5 §2.15.9.10: MSH-10 has at most 20 signs and is unique."""

    def test_it_has_twenty_plain_signs(self) -> None:
        assert re.fullmatch("[0-9A-Z]{20}", ack_control_id(MessageIds()()))

    @pytest.mark.parametrize(
        ("message_id", "expected"),
        [
            ("00000000-0000-0000-0000-000000000000", "0" * 20),
            ("00000000-0000-0000-0000-000002000000", "0" * 19 + "1"),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", "RB7F16Q855GQWBNQZFNJ"),
        ],
    )
    def test_it_is_the_id_in_base_36_without_its_last_25_bits(self, message_id: str, expected: str) -> None:
        assert ack_control_id(message_id) == expected
        assert int(expected, 36) == UUID(message_id).int >> 25

    def test_the_greatest_id_fits(self) -> None:
        assert re.fullmatch("[0-9A-Z]{20}", ack_control_id(str(UUID(int=(1 << 128) - 1))))

    def test_successive_ids_give_different_ones(self) -> None:
        new_id = MessageIds(lambda: 1_000_000)
        assert len({ack_control_id(new_id()) for _ in range(500)}) == 500
