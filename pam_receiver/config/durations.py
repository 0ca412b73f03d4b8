"""Durations as an operator writes them: a whole number and its unit, as in 90d."""

import re
from datetime import timedelta
from typing import Final

from pam_receiver.config.values import Refused

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_SHORTEST_RETENTION: Final = timedelta(days=1)
_SHORTEST_SILENCE: Final = timedelta(minutes=1)  # the daemon looks about that often
_LONGEST: Final = timedelta(days=36_500)  # a date that many days ago can still be said


def parse_duration(text: str) -> timedelta:
    """Read a whole number and ``s``, ``m``, ``h``, ``d`` or ``w``.

    Raises:
        ValueError: not of this form, nothing, or more than a hundred years.
    """
    found = _DURATION.fullmatch(text.strip())
    duration = int(found[1]) * _UNITS[found[2]] if found else timedelta()
    if not timedelta() < duration <= _LONGEST:
        raise ValueError("no duration")
    return duration


def read_silence(value: object) -> object:
    """Read a duration of at least a minute."""
    if not isinstance(value, str):
        raise ValueError("no duration")  # noqa: TRY004 - ValueError is what a reader raises
    duration = parse_duration(value)
    if duration < _SHORTEST_SILENCE:
        raise Refused(fr="moins d'une minute", en="less than a minute")
    return duration


def read_retention(value: object) -> object:
    """Read a duration of at least a day, or ``off``: ``None``."""
    if value is None or isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("no duration")  # noqa: TRY004 - ValueError is what a reader raises
    if value.strip().lower() == "off":
        return None
    duration = parse_duration(value)
    if duration < _SHORTEST_RETENTION:
        raise Refused(fr="moins d'un jour", en="less than a day")
    return duration
