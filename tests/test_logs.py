"""Logs: what a line holds, and what can never get into one."""

import ast
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import pam_receiver
from pam_receiver.cli.texts import text
from pam_receiver.logs import ALLOWED_KEYS, JsonFormatter, TextFormatter, describe, set_up

SECRET = "KERGUELEN"
log = logging.getLogger("pam_receiver.intake")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, in JSON; what the logging module was before comes back after."""
    root, ours = logging.getLogger(), logging.getLogger("pam_receiver")
    before = (root.handlers[:], root.level, ours.level, logging.raiseExceptions)
    stream = io.StringIO()
    set_up("json", "info", stream=stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.raiseExceptions = before[3]


def read(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def record(message: str = "message.kept", name: str = "pam_receiver.intake", **extra: object) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, "/srv/pam_receiver/intake.py", 12, message, None, None)
    made.__dict__.update(extra)
    return made


class TestSetUp:
    def test_one_line_a_record_with_its_name_and_ids(self, lines: io.StringIO) -> None:
        log.info("message.answered", extra={"message_id": "0190", "event": "A28", "ack": "AA", "took_ms": 1.5})
        (line,) = read(lines)
        assert line.pop("at")
        assert line == {
            "level": "INFO",
            "logger": "pam_receiver.intake",
            "log": "message.answered",
            "message_id": "0190",
            "event": "A28",
            "ack": "AA",
            "took_ms": 1.5,
        }

    def test_level_is_ours_and_other_libraries_speak_from_warning_up(self, lines: io.StringIO) -> None:
        log.debug("message.read")
        logging.getLogger("alembic.runtime.migration").info("Running upgrade")
        logging.getLogger("asyncio").warning("slow")
        assert [line["logger"] for line in read(lines)] == ["asyncio"]

    def test_twice_writes_each_line_once(self, lines: io.StringIO) -> None:
        set_up("json", "info", stream=lines)
        log.info("message.kept")
        assert len(read(lines)) == 1


class TestNothingOfAMessage:
    def test_a_key_that_nobody_listed_is_dropped(self, lines: io.StringIO) -> None:
        log.info("message.kept", extra={"family_name": SECRET, "ack": "AA"})
        assert SECRET not in lines.getvalue()

    def test_an_exception_gives_its_class_and_place_only(self, lines: io.StringIO) -> None:
        try:
            raise ValueError(SECRET)
        except ValueError:
            log.exception("batch.failed")
        (line,) = read(lines)
        assert line["error"] == "ValueError"
        assert str(line["place"]).startswith("test_logs.py:")
        assert SECRET not in lines.getvalue()

    def test_words_of_a_library_are_left_out(self, lines: io.StringIO) -> None:
        logging.getLogger("asyncio").error("Exception in %s", SECRET)
        logging.getLogger("asyncio").error("exception.%s", SECRET)
        assert [line["log"] for line in read(lines)] == ["other", "other"]
        assert SECRET not in lines.getvalue()

    @pytest.mark.parametrize("message", [f"kept {SECRET}", SECRET, "", "message.kept\nfoo"])
    def test_a_text_that_is_no_name_is_left_out(self, message: str) -> None:
        assert json.loads(JsonFormatter().format(record(message)))["log"] == "other"

    def test_an_event_that_is_no_trigger_event_is_left_out(self) -> None:
        line = json.loads(JsonFormatter().format(record(event=f"A28^{SECRET}")))
        assert line["event"] == "other"
        assert json.loads(JsonFormatter().format(record(event="")))["event"] == ""

    def test_a_value_cannot_begin_a_line_of_its_own(self) -> None:
        for formatter in (TextFormatter(), JsonFormatter()):
            line = formatter.format(record(peer="192.0.2.1\n2026 ERROR forged\x1b[2J\u2028" + "x" * 500))
            assert len(line.splitlines()) == 1
            assert "\x1b" not in line
            assert len(line) < 500

    def test_every_key_in_use_is_listed_and_every_listed_key_is_in_use(self) -> None:
        package = Path(pam_receiver.__file__).parent
        used = {key for file in package.rglob("*.py") for key in keys_of(ast.parse(file.read_text("utf-8")))}
        assert used == ALLOWED_KEYS


def keys_of(tree: ast.AST) -> set[str]:
    """The keys of every ``extra={…}`` and ``extra = {…}`` in a module."""
    given = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "extra"]
    given += [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "extra"
    ]
    dicts = [value for value in given if isinstance(value, ast.Dict)]
    return {key.value for found in dicts for key in found.keys if isinstance(key, ast.Constant)}


class TestTextForm:
    def test_name_then_pairs(self) -> None:
        line = TextFormatter().format(record(ack="AA", peer="", copy="a b", connections=3))
        assert line.split(" ", 1)[1] == 'INFO    message.kept ack=AA connections=3 copy="a b" peer=""'


class TestDescribe:
    def test_names_our_own_frame_when_the_failure_is_deeper(self) -> None:
        with pytest.raises(KeyError) as failure:
            text("no such key", "fr")
        assert describe(failure.value)[0] == "KeyError"
        assert describe(failure.value)[1].startswith("texts.py:")

    def test_of_an_exception_that_was_never_raised(self) -> None:
        assert describe(ValueError(SECRET)) == ("ValueError", "?")
