"""Hostile values, from the socket through a real daemon to what people and programs see of them."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from hostile_values import UNSAFE, VALUES, Hostile, ipp, message

from pam_receiver.hl7.ack import decode_ack
from pam_receiver.hl7.separators import CONTROL
from pam_receiver.store import Store, queries

from .conftest import Run, Taken

NUMBERED: Final = tuple(enumerate(VALUES))
TAKEN: Final = [each for each in NUMBERED if each[1].ack == "AA"]
each_value = pytest.mark.parametrize(("number", "hostile"), NUMBERED, ids=[each.name for each in VALUES])
each_taken = pytest.mark.parametrize(("number", "hostile"), TAKEN, ids=[each.name for _, each in TAKEN])


def unsafe_in(text: str) -> list[str]:
    """What a terminal would obey, by its number."""
    return [f"U+{ord(sign):04X}" for sign in sorted(set(text) & set(UNSAFE))]


def strings_in(value: object) -> set[str]:
    match value:
        case str():
            return {value}
        case list():
            return {text for each in value for text in strings_in(each)}
        case dict():
            return {text for key, each in value.items() for text in (key, *strings_in(each))}
        case _:
            return set()


class TestAnswer:
    """Any value is answered, under the sender's own MSH-10, and none of it makes an answer of another form."""

    @each_value
    def test_the_code_and_the_id_are_right(self, taken: Taken, number: int, hostile: Hostile) -> None:
        answered = decode_ack(taken.acks[number])
        assert answered.code == hostile.ack
        sent = f"{number} {hostile.sent}"
        assert answered.control_id == CONTROL.sub("", sent)[:199]
        assert {each.rule for each in answered.errors if each.severity == "E"} == (
            set() if hostile.ack == "AA" else {"control-character"}
        )

    @each_value
    def test_it_is_an_acknowledgement_and_nothing_else(self, taken: Taken, number: int, hostile: Hostile) -> None:
        text = taken.acks[number].decode("utf-8")
        assert text.endswith("\r")
        segments = text.removesuffix("\r").split("\r")
        assert [each[:4] for each in segments] == ["MSH|", "MSA|", *["ERR|"] * (len(segments) - 2)]
        assert CONTROL.search("".join(segments)) is None

    @each_value
    def test_what_is_said_of_it_repeats_nothing_of_it(self, taken: Taken, number: int, hostile: Hostile) -> None:
        errors = [each for each in taken.acks[number].decode("utf-8").split("\r") if each.startswith("ERR|")]
        words = {each for each in re.findall(r"\w{4,}", hostile.sent) if each not in ("rule", "class", "value", "MSH")}
        assert [word for word in words if re.search(rf"\b{word}\b", " ".join(errors))] == []


class TestKept:
    """A value is text: what is taken is kept to the sign, what is not leaves nothing but its line in the journal."""

    @each_value
    def test_what_is_taken_is_kept_to_the_sign_and_runs_nothing(
        self, taken: Taken, number: int, hostile: Hostile
    ) -> None:
        store = Store.open(taken.url)
        try:
            views = queries.find_identities(store, ipp(number), None)
            if hostile.ack != "AA":
                assert views == ()
                return
            (view,) = views
            assert view.identity.traits.first_birth_given_name == hostile.kept
            assert hostile.kept in {each.value for each in view.identity.identifiers}
            assert queries.find_identities(store, hostile.kept, None) == (view,)
            assert view.identity.version == 1
        finally:
            store.close()

    def test_every_message_is_in_the_journal_and_no_file_was_made(self, taken: Taken) -> None:
        store = Store.open(taken.url)
        try:
            assert len(queries.list_messages(store, limit=1000)) == len(VALUES)
        finally:
            store.close()
        assert {each.name.split(".")[0] for each in taken.folder.iterdir()} <= {"pam-receiver"}


class TestTerminal:
    """What the commands print can be shown: no sign of a value reaches a terminal that obeys it, no line is forged."""

    @each_taken
    @pytest.mark.parametrize("command", ["show", "history"])
    def test_of_an_identity(self, taken: Taken, run: Run, command: str, number: int, hostile: Hostile) -> None:
        told = run(command, ipp(number), "--database", taken.url)
        assert (told.code, told.err) == (0, "")
        assert unsafe_in(told.out) == []
        plain = run(command, ipp(TAKEN[0][0]), "--database", taken.url)
        assert len(told.out.split("\n")) == len(plain.out.split("\n"))

    @each_taken
    def test_a_value_is_found_by_itself(self, taken: Taken, run: Run, number: int, hostile: Hostile) -> None:
        told = run("show", "--json", "--database", taken.url, "--", hostile.kept)
        assert (told.code, told.err) == (0, "")
        assert unsafe_in(told.out) == []
        assert hostile.kept in strings_in(json.loads(told.out))

    @each_value
    def test_a_value_that_nobody_has_is_not_obeyed_either(
        self, taken: Taken, run: Run, number: int, hostile: Hostile
    ) -> None:
        word = hostile.sent.replace("\0", "") + " of nobody"  # no word of a command line holds NUL
        told = run("show", "--database", taken.url, "--", word)
        assert told.code == 1
        assert unsafe_in(told.out + told.err) == []

    def test_of_the_journal(self, taken: Taken, run: Run) -> None:
        told = run("messages", "--limit", 1000, "--database", taken.url)
        assert told.code == 0
        assert unsafe_in(told.out) == []
        assert len(told.out.splitlines()) == len(VALUES) + 1
        listed = run("messages", "--limit", 1000, "--json", "--database", taken.url)
        assert unsafe_in(listed.out) == []
        assert len(json.loads(listed.out)) == len(VALUES)

    def test_of_a_message(self, taken: Taken, run: Run) -> None:
        listed = json.loads(run("messages", "--limit", 1000, "--json", "--database", taken.url).out)
        assert len(listed) == len(VALUES)
        for each in listed:
            for form in ((), ("--json",)):
                told = run("message", each["id"], *form, "--database", taken.url)
                assert told.code == 0
                assert unsafe_in(told.out + told.err) == []

    def test_of_the_trail_and_its_exports(self, taken: Taken, run: Run) -> None:
        reason = "\x1b[2J\u202e<script>=1+1"
        assert run("show", ipp(0), "--reason", reason, "--database", taken.url).code == 0
        for words in (("list",), ("list", "--json"), ("export", "--format", "jsonl")):
            told = run("audit", *words, "--database", taken.url)
            assert told.code == 0
            assert unsafe_in(told.out + told.err) == []
        lines = run("audit", "export", "--format", "jsonl", "--database", taken.url).out.splitlines()
        assert len([json.loads(line) for line in lines]) == len(lines) > len(TAKEN)

    def test_of_an_export_to_syslog(self, taken: Taken, run: Run) -> None:
        """RFC 5424 §6.4: the text is UTF-8 behind its mark, for a collector and no terminal; no line is forged."""
        told = run("audit", "export", "--format", "syslog", "--database", taken.url)
        assert told.code == 0
        assert CONTROL.findall(told.out.replace("\n", "")) == []
        lines = told.out.removesuffix("\n").split("\n")
        assert len(lines) > len(TAKEN)
        for line in lines:
            assert ET.fromstring(line.split("\ufeff", 1)[1]).tag == "AuditMessage"

    def test_of_the_alerts(self, taken: Taken, run: Run) -> None:
        for form in ((), ("--json",)):
            told = run("alerts", *form, "--database", taken.url)
            assert unsafe_in(told.out + told.err) == []


# ------------------------------------------------------------------------------------------------------------ reports


class Page(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """A file with every hostile value, in PID-8 too, where it is a fault; first those that an example would show."""
    file = tmp_path / "feed <img src=x onerror=alert(2)>.hl7"
    first = sorted(NUMBERED, key=lambda each: unsafe_in(each[1].kept) == [])
    raw = [message(number, each).replace(b"|F|", f"|{each.sent}|".encode()) for number, each in first]
    file.write_bytes(b"".join(b"\x0b" + each + b"\x1c\r" for each in raw))
    return file


class TestReports:
    """What ``check`` prints and writes is safe to look at, masked or not."""

    @pytest.mark.parametrize("form", [(), ("--totals",), ("--json",)], ids=["list", "totals", "json"])
    def test_printed(self, run: Run, feed: Path, form: tuple[str, ...]) -> None:
        told = run("check", feed, *form)
        assert told.code == 1
        assert unsafe_in(told.out + told.err) == []
        if form == ("--json",):
            assert len(json.loads(told.out)) >= len(VALUES)

    @pytest.mark.parametrize("unmask", [(), ("--unmask",)], ids=["masked", "unmasked"])
    def test_written(self, run: Run, feed: Path, tmp_path: Path, unmask: tuple[str, ...]) -> None:
        page, totals, junit = (tmp_path / name for name in ("report.html", "report.json", "report.xml"))
        told = run("check", feed, "--report", page, "--report", totals, "--junit", junit, *unmask)
        assert told.code == 1, told.err
        shown = Page(page.read_text(encoding="utf-8"))
        assert shown.tags & {"script", "img", "b", "link", "iframe", "object", "a"} == set()
        assert not any(name.startswith("on") or name in ("src", "href") for name in shown.attributes)
        assert "alert(2)" in shown.text  # the name of the file, as text
        assert unsafe_in(shown.text) == []
        assert "ENNA\ufffd NELEUGREK" in shown.text  # of MSH-3: an override of direction stood in it
        assert unsafe_in(totals.read_text(encoding="utf-8")) == []
        assert json.loads(totals.read_text(encoding="utf-8"))
        assert len(ET.parse(junit).getroot().findall(".//testcase")) >= len(VALUES)
