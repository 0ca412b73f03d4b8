"""What was understood of messages, packed for another process that has the same sources: the reader and the receiver.

Only for a process that this one has forked: what is unpacked is believed.
"""

import io
import pickle  # between processes of our own  # nosec B403
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, Final

from pam_receiver.finding import Finding
from pam_receiver.hl7.separators import STANDARD, Separators
from pam_receiver.sources import Source, Sources
from pam_receiver.understand import Understood

_MOST_NUMBERED: Final = 1024  # lists of findings, then all are forgotten on both sides

_Reduce = Callable[[Any], tuple[Callable[..., object], tuple[object, ...]]]  # Any: a value of any class of ours
_Packed = tuple[object, int, int, object, object, str, int, bool]


class Packer:
    """Packs for one :class:`Unpacker`, which has to be given all that this one makes, in its order."""

    def __init__(self, sources: Sources) -> None:
        self._sources = {id(source): number for number, source in enumerate(_list_sources(sources))}
        self._numbers: dict[tuple[int, ...], tuple[tuple[Finding, ...], int]] = {}

    def pack(self, understood: Sequence[Understood | None]) -> bytes:
        """Return the bytes of what was understood; ``None`` stands for a message that could not be dealt with."""
        if is_new := len(self._numbers) >= _MOST_NUMBERED:
            self._numbers.clear()
        told: dict[int, tuple[Finding, ...]] = {}
        packed = [None if each is None else self._pack(each, told) for each in understood]
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
        pickler.dispatch_table = _REDUCES
        pickler.dump((is_new, told, packed))
        return buffer.getvalue()

    def _pack(self, one: Understood, told: dict[int, tuple[Finding, ...]]) -> _Packed:
        return (
            one.header,
            self._number(one.findings, told),
            self._sources[id(one.source)],
            one.code,
            one.reading,
            one.encoding,
            -1 if one.profile is None else _place_of(one.profile, one.source),
            one.is_admitted,
        )

    def _number(self, findings: tuple[Finding, ...], told: dict[int, tuple[Finding, ...]]) -> int:
        """Return the number of these findings, which the other side has, or is told now."""
        key = tuple(map(id, findings))
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = (findings, len(self._numbers))
            told[known[1]] = findings
        return known[1]


class Unpacker:
    """Unpacks what one :class:`Packer` has packed. Equal lists of findings come out as the same objects each time."""

    def __init__(self, sources: Sources) -> None:
        self._sources = tuple(_list_sources(sources))
        self._findings: dict[int, tuple[Finding, ...]] = {}

    def unpack(self, data: bytes) -> list[Understood | None]:
        """Return what was given to :meth:`Packer.pack`."""
        is_new, told, packed = pickle.loads(data)  # of a process of our own fork  # nosec B301
        if is_new:
            self._findings.clear()
        self._findings.update(told)
        return [None if each is None else self._unpack(*each) for each in packed]

    def _unpack(
        self,
        header: Any,  # Any: as a pickle gives it
        findings: int,
        source_number: int,
        code: Any,
        reading: Any,
        encoding: str,
        profile: int,
        is_admitted: bool,
    ) -> Understood:
        source = self._sources[source_number]
        held_to = None if profile < 0 else source.profiles.profiles[profile]
        return Understood(header, self._findings[findings], source, code, reading, encoding, held_to, is_admitted)


def _list_sources(sources: Sources) -> Iterator[Source]:
    yield sources.general
    yield from sources.named
    for port in sorted(sources.by_port):
        yield from _list_sources(sources.by_port[port])


def _place_of(profile: object, source: Source) -> int:
    for place, each in enumerate(source.profiles.profiles):
        if each is profile:
            return place
    raise AssertionError  # a source holds its messages to its own profiles


def _make_separators(*signs: str) -> Separators:
    made = Separators(*signs)
    return STANDARD if made == STANDARD else made  # which is asked for by its identity


def _reduce_plainly(value: Any) -> Any:  # Any: as object has it
    return value.__qualname__ if isinstance(value, type) else value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)


class _Reduces(dict[type, _Reduce]):
    """How values are taken apart, by their class: dataclasses into their fields, compiled ones too."""

    def __missing__(self, of: type) -> _Reduce:
        if not is_dataclass(of):  # told as well, for it would be asked again each time
            self[of] = _reduce_plainly
            return _reduce_plainly
        names = [each.name for each in fields(of) if each.init]
        take: Any = attrgetter(*names)  # Any: a tuple, save when there is one name alone
        make = _make_separators if of is Separators else of
        is_one = len(names) == 1

        def reduce(value: Any) -> tuple[Callable[..., object], tuple[object, ...]]:
            parts: Any = take(value)
            return make, (parts,) if is_one else parts

        self[of] = reduce
        return reduce


_REDUCES: Final[Mapping[type, _Reduce]] = _Reduces()
