"""Delays that double, and a pace; memory that is bounded."""

import pytest

from pam_receiver.web.throttle import Pace, Throttle


class TestThrottle:
    def test_five_are_free_then_each_wait_is_twice_the_last_up_to_a_minute(self) -> None:
        throttle, now, waits = Throttle(), 100.0, []
        for _ in range(13):
            throttle.fail("x", now)
            waits.append(throttle.wait_s("x", now))
            now += waits[-1]
        assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]

    def test_the_wait_runs_out(self) -> None:
        throttle = Throttle()
        for _ in range(6):
            throttle.fail("x", 100.0)
        assert throttle.wait_s("x", 101.5) == pytest.approx(0.5)
        assert throttle.wait_s("x", 102.0) == 0

    def test_keys_do_not_meet(self) -> None:
        throttle = Throttle()
        for _ in range(9):
            throttle.fail("x", 100.0)
        assert throttle.wait_s("y", 100.0) == 0

    def test_the_right_token_clears(self) -> None:
        throttle = Throttle()
        for _ in range(9):
            throttle.fail("x", 100.0)
        throttle.clear("x")
        assert throttle.wait_s("x", 100.0) == 0

    def test_after_a_quarter_of_an_hour_all_is_forgotten(self) -> None:
        throttle = Throttle()
        for _ in range(20):
            throttle.fail("x", 100.0)
        throttle.fail("x", 1001.0)
        assert throttle.wait_s("x", 1001.0) == 0

    def test_it_remembers_no_more_than_it_may_those_that_failed_last(self) -> None:
        throttle = Throttle(most=100)
        for n in range(10_000):
            throttle.fail("again", float(n))
            throttle.fail(str(n), float(n))
            assert len(throttle) <= 100
        assert throttle.wait_s("again", 9999.0) == 60

    def test_a_great_many_do_not_overflow(self) -> None:
        throttle = Throttle()
        for _ in range(5000):
            throttle.fail("x", 100.0)
        assert throttle.wait_s("x", 100.0) == 60


class TestPace:
    def test_a_burst_then_so_many_a_second(self) -> None:
        pace = Pace(burst=3, per_s=2.0)
        assert [pace.take(10.0) for _ in range(4)] == [True, True, True, False]
        assert [pace.take(10.5), pace.take(10.5)] == [True, False]
        assert [pace.take(100.0) for _ in range(4)] == [True, True, True, False]

    def test_a_clock_that_stands_gives_nothing(self) -> None:
        pace = Pace(burst=1, per_s=1.0)
        assert [pace.take(5.0) for _ in range(3)] == [True, False, False]
