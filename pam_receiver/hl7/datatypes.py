"""HL7 data types read from one repetition of a field: HD, EI, CX, XPN, XAD, TS.

Codes and authorities are ``""`` when not sent; values are ``None`` when the repetition ends before them, ``""`` when
they are empty and ``'""'`` as sent, because a receiver acts on the difference (HL7 v2.5 §2.5.3).
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

from pam_receiver.hl7.message import Repetition

CX_COMPONENTS: Final = 10  # HL7 v2.5 chapter 2.A: how many components the type has
XPN_COMPONENTS: Final = 14
XAD_COMPONENTS: Final = 14

_DAY_DIGITS: Final = 8  # YYYYMMDD
_SECOND_DIGITS: Final = 14  # YYYYMMDDHHMMSS
_REST_OF_SECOND: Final = timedelta(microseconds=999_999)
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HD:
    """Hierarchic designator."""

    namespace_id: str
    universal_id: str
    universal_id_type: str


@dataclass(frozen=True, slots=True)
class EI:
    """Entity identifier."""

    entity_identifier: str | None
    namespace_id: str
    universal_id: str
    universal_id_type: str


@dataclass(frozen=True, slots=True)
class CX:
    """Extended composite id: ``id`` is CX-1, ``assigning_authority`` CX-4, ``identifier_type`` CX-5."""

    id: str | None
    assigning_authority: HD
    identifier_type: str


@dataclass(frozen=True, slots=True)
class XPN:
    """Extended person name: XPN-1.1, XPN-2, XPN-3 and XPN-7."""

    family: str | None
    given: str | None
    further_given: str | None
    name_type: str


@dataclass(frozen=True, slots=True)
class XAD:
    """Extended address: XAD-1.1, 2, 3, 5, 6, 7 and 9 (``county_code``: the COG of a birth place)."""

    street: str | None
    other_designation: str | None
    city: str | None
    postal_code: str | None
    country: str | None
    address_type: str
    county_code: str | None


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A moment with the precision it was sent with: ``None`` from the first part that was not said.

    ``offset_minutes`` is east of Greenwich; ``None`` when the sender gave no offset.
    """

    year: int
    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    microsecond: int | None = None
    offset_minutes: int | None = None

    @property
    def is_complete_date(self) -> bool:
        return self.day is not None

    @property
    def date_text(self) -> str:
        """The date in ISO form at its precision: ``1959``, ``1959-01`` or ``1959-01-23``."""
        parts = [f"{self.year:04d}"] + [f"{part:02d}" for part in (self.month, self.day) if part is not None]
        return "-".join(parts)

    def earliest(self, tz: tzinfo) -> datetime:
        """Return the first moment (UTC) that this may mean; ``tz`` serves when no offset was sent."""
        parts = (self.year, self.month or 1, self.day or 1, self.hour or 0, self.minute or 0, self.second or 0)
        return min(self._moments(parts, self.microsecond or 0, tz))

    def latest(self, tz: tzinfo) -> datetime:
        """Return the last moment (UTC) that this may mean: the end of the year, month, day … that was named."""
        month = self.month or 12
        day = self.day or monthrange(self.year, month)[1]
        parts = (self.year, month, day, _or(self.hour, 23), _or(self.minute, 59), _or(self.second, 59))
        return max(self._moments(parts, _or(self.microsecond, 999_999), tz))

    def _moments(
        self, parts: tuple[int, int, int, int, int, int], microsecond: int, tz: tzinfo
    ) -> tuple[datetime, datetime]:
        """The two moments (UTC) that a time may mean in the hour that clocks run through twice; else they are one."""
        zone = tz if self.offset_minutes is None else timezone(timedelta(minutes=self.offset_minutes))
        first = datetime(*parts, microsecond, tzinfo=zone)
        second = datetime(*parts, microsecond, tzinfo=zone, fold=1)
        return _to_utc(first), _to_utc(second)


def _or(part: int | None, otherwise: int) -> int:
    return otherwise if part is None else part


def _to_utc(moment: datetime) -> datetime:
    """The moment in UTC; the first or last that can be said when the offset leads out of the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _FIRST if moment.year == 1 else _LAST


_TS: Final = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?",
    re.ASCII,
)


def parse_ts(text: str) -> Timestamp | None:
    """Read ``YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+/-ZZZZ]``; ``None`` when it is not one, or no such day or hour exists.

    Spec: HL7 v2.5 chapter 2.A, TS and DTM.
    """
    match = _TS.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    stamp = Timestamp(
        year=int(year),
        month=int(month) if month else None,
        day=int(day) if day else None,
        hour=int(hour) if hour else None,
        minute=int(minute) if minute else None,
        second=int(second) if second else None,
        microsecond=int(fraction.ljust(6, "0")) if fraction else None,
        offset_minutes=_minutes(offset) if offset else None,
    )
    return stamp if _exists(stamp) else None


def read_date(text: str) -> str | None:
    """Return the date of a TS in ISO form at its precision; ``None`` when it is none. See :class:`Timestamp`."""
    if len(text) == _DAY_DIGITS and text.isascii() and text.isdecimal():  # nearly always so
        try:
            date.fromisoformat(text)
        except ValueError:
            return None
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    stamp = parse_ts(text)
    return stamp.date_text if stamp is not None else None


def read_moments(text: str, tz: tzinfo) -> tuple[datetime, datetime] | None:
    """Return the first and the last moment (UTC) that a TS may mean; ``None`` when it is none."""
    if len(text) == _SECOND_DIGITS and text.isascii() and text.isdecimal():  # nearly always so
        offset = _find_steady_offset(text[:10], tz)
        if offset is not None:
            try:
                first = datetime.fromisoformat(f"{text[:8]}T{text[8:]}Z") - offset
            except ValueError:
                return None
            return first, first + _REST_OF_SECOND
    stamp = parse_ts(text)
    return (stamp.earliest(tz), stamp.latest(tz)) if stamp is not None else None


@lru_cache(maxsize=1024)  # a feed tells of the same few hours
def _find_steady_offset(hour: str, tz: tzinfo) -> timedelta | None:
    """Return the offset of ``tz`` in an hour, ``YYYYMMDDHH``; ``None`` if clocks change, or it does not exist."""
    try:
        begin = datetime(int(hour[:4]), int(hour[4:6]), int(hour[6:8]), int(hour[8:]), tzinfo=tz)
    except ValueError:
        return None
    end = begin.replace(minute=59, second=59)
    offsets = {each.utcoffset() for moment in (begin, end) for each in (moment, moment.replace(fold=1))}
    at_the_edge = begin.year in (_FIRST.year, _LAST.year)  # in UTC it may lie outside the calendar
    return offsets.pop() if len(offsets) == 1 and not at_the_edge else None


def _minutes(offset: str) -> int:
    minutes = int(offset[1:3]) * 60 + int(offset[3:5])
    return -minutes if offset[0] == "-" else minutes


def _exists(stamp: Timestamp) -> bool:
    if abs(stamp.offset_minutes or 0) >= 24 * 60:
        return False
    month, day = _or(stamp.month, 1), _or(stamp.day, 1)
    try:
        datetime(stamp.year, month, day, stamp.hour or 0, stamp.minute or 0, stamp.second or 0, tzinfo=UTC)
    except ValueError:
        return False
    return True


def _code(rep: Repetition, component: int) -> str:
    return rep.component(component) or ""


def read_hd(rep: Repetition) -> HD:
    """Read an HD that is a whole field (MSH-3, MSH-4 …)."""
    return HD(_code(rep, 1), _code(rep, 2), _code(rep, 3))


def read_ei(rep: Repetition) -> EI:
    """Read an EI (ZBE-1 …)."""
    return EI(rep.component(1), _code(rep, 2), _code(rep, 3), _code(rep, 4))


def read_cx(rep: Repetition) -> CX:
    """Read a CX (PID-3, PID-18, MRG-1 …)."""
    parts = rep.subcomponents(4)
    if len(parts) < 3:
        parts = [*parts, "", "", ""]
    return CX(rep.component(1), HD(parts[0], parts[1], parts[2]), rep.component(5) or "")


def read_xpn(rep: Repetition) -> XPN:
    """Read an XPN (PID-5, PID-6 …)."""
    return XPN(rep.component(1), rep.component(2), rep.component(3), _code(rep, 7))


def read_xad(rep: Repetition) -> XAD:
    """Read an XAD (PID-11)."""
    return XAD(
        street=rep.component(1),
        other_designation=rep.component(2),
        city=rep.component(3),
        postal_code=rep.component(5),
        country=rep.component(6),
        address_type=_code(rep, 7),
        county_code=rep.component(9),
    )


def read_ts(rep: Repetition) -> Timestamp | None:
    """Read a TS; ``None`` when TS-1 is no date or moment (nothing, ``""``, or ill-formed: the raw text tells)."""
    return parse_ts(rep.component(1) or "")
