"""What a process and its children take of the processor and of memory, as Linux tells it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """``cpu_s``: since each began; ``peak_rss_mb``: the most of each one, summed, what they share counted once."""

    cpu_s: float
    peak_rss_mb: float


def read_usage(pid: int) -> Usage | None:
    """Return what the process and all that descend from it have taken up to now; ``None`` where there is no /proc."""
    times: dict[int, tuple[int, float]] = {}
    for entry in _PROC.glob("[0-9]*"):
        try:
            # After the name, which may hold anything: state, parent, … user and system time, those of dead children.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        times[int(entry.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / _TICKS_PER_S)
    family = {pid} & times.keys()
    while more := {child for child, (parent, _) in times.items() if parent in family} - family:
        family |= more
    if not family:
        return None
    return Usage(sum(times[each][1] for each in family), sum(map(_peak_mb, family)))


def _peak_mb(pid: int) -> float:
    """Return the most that a process had, without what it shares with others now: of that its part alone."""
    try:
        peak = _read_kb(pid, "status", "VmHWM:")
        shared = _read_kb(pid, "smaps_rollup", "Rss:") - _read_kb(pid, "smaps_rollup", "Pss:")
    except OSError:
        return 0.0
    return (peak - shared) / 1024


def _read_kb(pid: int, file: str, name: str) -> int:
    lines = (_PROC / str(pid) / file).read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
