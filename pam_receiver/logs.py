"""Log set-up: one stable name and ids a line, in text or JSON, never content. Only ``cli`` calls it."""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, TextIO

# Every key that a line may carry. A key that is not here is dropped: what nobody listed may be patient data.
ALLOWED_KEYS: Final = frozenset(
    {
        "ack",
        "client",
        "code",
        "connections",
        "control_id",
        "copy",
        "core",
        "days",
        "error",
        "event",
        "file",
        "files",
        "findings",
        "http",
        "is_repeat",
        "limit",
        "message_id",
        "messages",
        "mllp",
        "months",
        "peer",
        "pid",
        "place",
        "reason",
        "revision",
        "seconds",
        "signal",
        "skipped",
        "source",
        "times",
        "tls",
        "token",
        "took_ms",
        "trail",
        "unfinished",
        "untold",
        "version",
        "waiting",
        "worker",
        "workers",
    }
)

Form = Literal["text", "json"]

_OURS: Final = "pam_receiver"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(?:[.-][a-z0-9_]+)*")
_TRIGGER: Final = re.compile(r"[A-Z][A-Z0-9]{0,4}|")  # of MSH-9.2, which a sender may fill with anything
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MAX_VALUE: Final = 200  # characters


def set_up(form: Form, level: str, *, stream: TextIO | None = None) -> None:
    """Send every log line to ``stream`` (standard error), from ``level`` up; other libraries from WARNING up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(level.upper())
    # What no line of ours shows need not be asked for each of them: it costs more than the line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False
    logging.raiseExceptions = False  # a full disk behind standard error must not print a traceback of its own


def read_record(record: logging.LogRecord) -> dict[str, object]:
    """Return what may be shown of ``record``, ready for JSON: when, level, name, the allowed keys, and of an
    exception its class and place.

    The text of a record is shown only when it is a bare name such as ``message.kept``; a library's own words are left
    out, because they may quote what they failed on.
    """
    named = record.__dict__
    line: dict[str, object] = {
        "at": f"{_second(int(record.created))}.{int(record.created % 1 * 1000):03d}+00:00",
        "level": record.levelname,
        "logger": record.name,
        "log": _name_of(record),
    }
    for key in _allowed(tuple(named)):
        line[key] = _clean(named[key])
    if "event" in line and not _TRIGGER.fullmatch(str(line["event"])):
        line["event"] = "other"
    if record.exc_info and record.exc_info[1] is not None:
        line["error"], line["place"] = describe(record.exc_info[1])
    elif line["log"] == "other":
        line["place"] = f"{record.filename}:{record.lineno}"
    return line


def describe(error: BaseException) -> tuple[str, str]:
    """Return the class of ``error`` and where it was raised (``file.py:12``), ours if it went through our code.

    Never its text, which may quote a message.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"/{_OURS}/" in frame.filename]
    last = (ours or frames)[-1:]
    place = f"{last[0].filename.rsplit('/', 1)[-1]}:{last[0].lineno}" if last else "?"
    return type(error).__name__, place


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(read_record(record), ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """``at LEVEL name key=value …``, one line."""

    def format(self, record: logging.LogRecord) -> str:
        line = read_record(record)
        head = f"{line.pop('at')} {line.pop('level'):<7} {line.pop('log')}"
        line.pop("logger")
        return " ".join([head, *(f"{key}={_show(value)}" for key, value in line.items())])


@lru_cache(maxsize=4)
def _second(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=256)  # each place of ours that logs has its keys
def _allowed(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(ALLOWED_KEYS.intersection(keys)))


def _name_of(record: logging.LogRecord) -> str:
    message = record.msg
    return _name(record.name, message) if isinstance(message, str) and not record.args else "other"


@lru_cache(maxsize=256)
def _name(logger: str, message: str) -> str:
    is_ours = logger == _OURS or logger.startswith(f"{_OURS}.")
    return message if is_ours and _NAME.fullmatch(message) else "other"


def _clean(value: object) -> object:
    match value:
        case str():
            if value.isprintable() and len(value) <= _MAX_VALUE:
                return value  # nearly always so
            return _CONTROL.sub("?", value)[:_MAX_VALUE]
        case None | bool() | int() | float():
            return value
        case list() | tuple() | set() | frozenset():
            return [_clean(each) for each in value]
        case _:
            return _clean(str(value))


def _show(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
