"""Messages of the tests as lists of cells, to be changed place by place."""

from pam_receiver.finding import Finding
from pam_receiver.hl7.er7 import parse_message
from pam_receiver.profile.check import check_message
from pam_receiver.profile.model import Condition, Place, Profile, Test

Cells = list[str]  # by field number; cell 0 is the name of the segment
Lines = list[Cells]
Parts = tuple[int, ...]  # component, or component and subcomponent


def read_lines(raw: bytes) -> Lines:
    lines = [line.split("|") for line in raw.decode().split("\r") if line]
    lines[0].insert(1, "|")
    return lines


def write_lines(lines: Lines) -> bytes:
    texts = ["|".join(cells).replace("MSH|||", "MSH|", 1) for cells in lines]
    return "".join(f"{text}\r" for text in texts).encode()


def check(lines: Lines, profile: Profile) -> tuple[Finding, ...]:
    return check_message(parse_message(write_lines(lines), charset="UNICODE UTF-8"), profile)


def copy(lines: Lines) -> Lines:
    return [list(cells) for cells in lines]


def index_of(lines: Lines, segment: str) -> int | None:
    return next((index for index, cells in enumerate(lines) if cells[0] == segment), None)


def get_part(value: str, path: Parts) -> str:
    for sign, number in zip("^&", path, strict=False):
        parts = value.split(sign)
        value = parts[number - 1] if number <= len(parts) else ""
    return value


def set_part(value: str, path: Parts, text: str, signs: str = "^&") -> str:
    if not path:
        return text
    parts = value.split(signs[0])
    parts += [""] * (path[0] - len(parts))
    parts[path[0] - 1] = set_part(parts[path[0] - 1], path[1:], text, signs[1:])
    return signs[0].join(parts)


def get_cell(cells: Cells, number: int) -> str:
    return cells[number] if number < len(cells) else ""


def set_cell(cells: Cells, number: int, value: str) -> None:
    cells += [""] * (number + 1 - len(cells))
    cells[number] = value


def holds(lines: Lines, condition: Condition) -> bool:
    """Whether a message fulfils a condition, told in the simplest way: the check has the last word."""
    at, index = condition.at, index_of(lines, condition.at.segment)
    if at.field is None:
        return (index is not None) is (condition.test is Test.PRESENT)
    path = path_of(at) or ((1,) if condition.codes else ())
    field = get_cell(lines[index], at.field) if index is not None else ""
    values = {get_part(each, path) for each in field.split("~")} - {""}
    if condition.codes:
        return bool(values & condition.codes) is (condition.test is Test.IS)
    return bool(values) is (condition.test is Test.PRESENT)


def path_of(place: Place) -> Parts:
    return tuple(number for number in (place.component, place.subcomponent) if number is not None)


_OPPOSITES = {Test.PRESENT: Test.ABSENT, Test.ABSENT: Test.PRESENT, Test.IS: Test.IS_NOT, Test.IS_NOT: Test.IS}


def opposite(condition: Condition) -> Condition:
    return Condition(condition.at, _OPPOSITES[condition.test], condition.codes)


def write(lines: Lines, condition: Condition, text: str | None) -> None:
    at = condition.at
    index = index_of(lines, at.segment)
    if text is None or index is None or at.field is None:
        return
    first = get_cell(lines[index], at.field).split("~")[0]
    set_cell(lines[index], at.field, set_part(first, path_of(at), text))
