"""What slows down who guesses at tokens: delays that double, and a pace for all guesses together. No clock here."""

from collections import OrderedDict
from typing import Final

_FREE: Final = 5  # wrong attempts without a delay: people mistype
_LONGEST_S: Final = 60.0
_FORGOTTEN_AFTER_S: Final = 900.0


class Throttle:
    """Counts wrong attempts by key, and says how long a key must wait: 1 s after the fifth, then twice as long each.

    It remembers at most ``most`` keys, those that failed last; ``now`` is seconds of a clock that never goes back.
    """

    def __init__(self, *, most: int = 4096) -> None:
        self._most = most
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # key: how many, when the last one was

    def wait_s(self, key: str, now: float) -> float:
        """Return the seconds that ``key`` has yet to wait; 0 when it may try."""
        count, last = self._failures.get(key, (0, 0.0))
        if count < _FREE or now - last > _FORGOTTEN_AFTER_S:
            return 0.0
        delay = min(2.0 ** min(count - _FREE, 16), _LONGEST_S)
        return max(0.0, last + delay - now)

    def fail(self, key: str, now: float) -> None:
        """Remember a wrong attempt."""
        count, last = self._failures.pop(key, (0, now))
        self._failures[key] = (1 if now - last > _FORGOTTEN_AFTER_S else count + 1, now)
        while len(self._failures) > self._most:
            self._failures.popitem(last=False)

    def clear(self, key: str) -> None:
        """Forget the wrong attempts of ``key``: the right token came."""
        self._failures.pop(key, None)

    def __len__(self) -> int:
        return len(self._failures)


class Pace:
    """Lets ``burst`` things through at once, and ``per_s`` a second after that."""

    def __init__(self, *, burst: int, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more may pass."""
        if self._at is not None:
            self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
