"""The documentation is held to the code: a rule, setting, command, event, metric without its line fails here."""

import ast
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from pam_receiver.adt.events import EVENTS, LINK_EVENTS
from pam_receiver.cli import as_json, main, parts
from pam_receiver.cli.app import build
from pam_receiver.cli.check import entry_json
from pam_receiver.cli.morning import morning
from pam_receiver.config import CONFIG_VARIABLE, LISTENER_KEYS, SETTINGS, SOURCE_KEYS, load_settings
from pam_receiver.finding import Lang, Rule, Severity
from pam_receiver.hl7.er7 import parse_message
from pam_receiver.identity.model import EndReason
from pam_receiver.identity.status import DEDUCTIONS
from pam_receiver.logs import ALLOWED_KEYS
from pam_receiver.metrics import Metrics
from pam_receiver.profile.load import load_profiles
from pam_receiver.profile.model import Breach
from pam_receiver.receive import Incoming, Receiver
from pam_receiver.report.entry import Entry
from pam_receiver.rulebook import RULES, answer_of, fill_in
from pam_receiver.store import Store
from pam_receiver.store.queries import find_history, find_messages, list_identities, list_messages
from pam_receiver.store.schema import metadata
from pam_receiver.understand import check_file_message

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
REFERENCE: Final = DOCS / "reference"
PAGES: Final = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))
TUTORIALS: Final = tuple(sorted((DOCS / "tutorial").glob("*.md")))
_FENCE: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [each for each in os.environ if each.upper().startswith("PAM_RECEIVER_")]:
        monkeypatch.delenv(variable)


def _load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REDRAWN: Final = _load_generator()


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level = heading.split(" ", 1)[0]
    assert text.count(f"\n{heading}\n") == 1, f"not once: {heading}"
    below = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language, without their indent."""
    return [
        "\n".join(line.removeprefix(indent) for line in body.splitlines())
        for indent, found, body in _FENCE.findall(read(page))
        if found == language
    ]


class TestDrawnParts:
    """What docs/make_reference.py draws from the code."""

    @pytest.mark.parametrize("page", [each for each in PAGES if REDRAWN.drawn_blocks(read(each))], ids=name_of)
    def test_each_page_is_as_the_code_has_it(self, page: Path) -> None:
        assert REDRAWN.redraw(read(page)) == read(page), "run: python docs/make_reference.py"

    def test_every_part_stands_on_one_page(self) -> None:
        drawn = [name for page in PAGES for name in REDRAWN.drawn_blocks(read(page))]
        assert sorted(drawn) == sorted(REDRAWN.BLOCKS)


def _plain_words(rule: Rule, lang: Lang) -> str:
    """A sentence as the page has it, without its signs of escape."""
    return fill_in(getattr(rule, lang), lang).replace("\\", "")


def _held_on_page(places: str) -> dict[str, set[str]]:
    """The profiles that the page gives for each rule of a place."""
    held: dict[str, set[str]] = {}
    for line in places.splitlines():
        if line.startswith("| "):
            profiles = set(line.rstrip(" |").rpartition("| ")[2].split(", "))
        else:
            named = re.match(r"[^`]*\(([^)]*)\)[^`]*:", line)
            profiles = set(named[1].split(", ")) if named else {"*"}
        for rule_id in re.findall(r"`([a-z0-9-]+)`", line):
            held.setdefault(rule_id, set()).update(profiles)
    return held


class TestRules:
    """docs/reference/rules.md and rules.fr.md"""

    PAGES: Final = {"en": REFERENCE / "rules.md", "fr": REFERENCE / "rules.fr.md"}
    ANSWERS: Final = {"en": "Answer", "fr": "Réponse"}

    @pytest.mark.parametrize("lang", ["fr", "en"])
    def test_each_rule_has_its_entry_with_answer_code_sentence_and_spec(self, lang: Lang) -> None:
        page = read(self.PAGES[lang])
        for rules in REDRAWN.chapters().values():
            for rule in rules:
                entry = section(page, f"### `{rule.id}`")
                assert f"{self.ANSWERS[lang]} **{answer_of(rule)}**" in entry
                assert f"code **{rule.code.value}**" in entry
                assert rule.spec in entry
                assert _plain_words(rule, lang) in re.sub(r"\\", "", entry)
                assert not rule.example or f"`{rule.example.strip()}`" in entry

    def test_each_rule_of_the_code_and_each_condition_of_a_profile_is_among_them(self) -> None:
        ids = {rule.id for rules in REDRAWN.chapters().values() for rule in rules}
        conditions = {
            name for profile in load_profiles().profiles for name in profile.conditions if name in profile.rules
        }
        assert ids == set(RULES) | conditions
        assert len(conditions) > 40

    @pytest.mark.parametrize("lang", ["fr", "en"])
    def test_each_rule_of_a_place_stands_under_its_segment_or_type_for_each_profile(self, lang: str) -> None:
        """In the table of its segment, with the profile beside it, or among those of HL7 v2.5 below."""
        _, places = read(self.PAGES[lang]).split(f"<!-- drawn: places {lang} -->")
        held = _held_on_page(places)
        for profile in load_profiles().profiles:
            short = profile.name.rpartition("/")[2]
            placed = {name for name in profile.rules if profile.is_general(name)} - set(RULES)
            assert len(placed) > 1000
            assert {name for name in placed if not {short, "*"} & held.get(name, set())} == set()

    @pytest.mark.parametrize("lang", ["fr", "en"])
    def test_each_kind_of_rule_of_a_place_is_explained(self, lang: str) -> None:
        text = read(self.PAGES[lang])
        assert {breach for breach in Breach if text.count(f"\n| `{breach.value}` | ") != 1} == set()

    @pytest.mark.parametrize("lang", ["fr", "en"])
    def test_the_pages_stay_readable_in_a_browser(self, lang: str) -> None:
        assert self.PAGES[lang].stat().st_size < 400_000

    @pytest.mark.parametrize("profile", load_profiles().profiles, ids=lambda profile: profile.name)
    def test_the_counts_are_those_of_the_profiles(self, profile: Any) -> None:
        for lang, heading in (("en", "## Counts"), ("fr", "## Décompte")):
            counts = section(read(self.PAGES[lang]), heading)
            assert f"| `{profile.name}` | {len(profile.plans)} | {len(profile.rules)} | " in counts

    @pytest.mark.parametrize(
        ("raw", "rule"),
        [
            (b"", "empty-block"),
            (b"PID|1\r", "no-header"),
            (b"MSH|^^\\&|A|B|C|D|20260302||ADT^A28^ADT_A05|1|P|2.5\rPID|1\r", "separators-unusable"),
            (b"MSH|^~\\&|A|B|C|D|20260302||ADT^A28^ADT_A05|1|P|2.5||||||BIG-5\rPID|1\r", "charset-unknown"),
            (b"MSH|^~\\&|A|B|C|D|20260302||ADT^A28^ADT_A05|1|P|2.5||||||UNICODE UTF-8\rPID|\xe9\r", "charset-mismatch"),
            (b"MSH|^~\\&|A|B|C|D|20260302||ADT^A28^ADT_A05|1|P|2.5||||||8859/1\rPID|\x01\r", "control-character"),
            (b"MSH|^~\\&|A|B|C|D|20260302||ORU^R01^ORU_R01|1|P|2.5\rPID|1\r", "message-type-not-adt"),
            (b"MSH|^~\\&|A|B|C|D|20260302||ADT^A28^ADT_A05|1|P|2.3\rPID|1\r", "version-not-supported"),
            (b"MSH|^~\\&|A|B|C|D|20260302||ADT^A28^ADT_A05|1|P|2.5\r", "pid-missing"),
        ],
    )
    def test_the_answer_that_is_printed_is_the_one_that_is_given(
        self, raw: bytes, rule: str, receiver: Receiver
    ) -> None:
        (outcome,) = receiver.receive([Incoming(raw, "192.0.2.1:1", datetime(2026, 3, 2, tzinfo=UTC))])
        assert (rule, "E") in outcome.rules
        assert f"Answer **{outcome.ack_code}**" in section(read(self.PAGES["en"]), f"### `{rule}`")

    def test_every_rule_that_refuses_is_in_the_table_of_refusals(self) -> None:
        table = section(read(REFERENCE / "acknowledgements.md"), "## All that is refused")
        refusing = {rule.id for rules in REDRAWN.chapters().values() for rule in rules if rule.severity is Severity.E}
        assert set(re.findall(r"\(rules\.md#([a-z0-9-]+)\)", table)) == refusing


class TestSettings:
    """docs/reference/settings.md"""

    @pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
    def test_each_setting_has_its_line_in_two_languages(self, setting: Any) -> None:
        english, french = read(REFERENCE / "settings.md").split("\n## En français\n")
        row = f"| `{setting.name}` | `{setting.variable}` | "
        assert english.count(row) == 1
        assert french.count(row) == 1
        assert setting.en in english
        assert setting.fr in french

    def test_no_page_names_a_setting_that_is_none(self) -> None:
        names = {setting.name for setting in SETTINGS} | {key.name for key in (*SOURCE_KEYS, *LISTENER_KEYS)}
        variables = {setting.variable for setting in SETTINGS} | {CONFIG_VARIABLE}
        for page in PAGES:
            text = read(page)
            assert set(re.findall(r"\bPAM_RECEIVER_[A-Z_]*[A-Z]\b", text)) <= variables, name_of(page)
            assert set(re.findall(r"`([a-z_]+) = [^`]+`", text)) <= names, name_of(page)

    @pytest.mark.parametrize("page", [each for each in PAGES if blocks(each, "toml")], ids=name_of)
    def test_each_settings_file_and_each_overlay_shown_can_be_used(self, page: Path, tmp_path: Path) -> None:
        for block in blocks(page, "toml"):
            file = tmp_path / "settings.toml"
            file.write_text(block, encoding="utf-8")
            if "[overlay]" in block:
                assert load_profiles(overlay=file)
            else:
                assert load_settings(config=file)

    @pytest.mark.parametrize("key", SOURCE_KEYS, ids=lambda key: key.name)
    def test_each_key_of_a_source_has_its_line_in_two_languages(self, key: Any) -> None:
        english, french = read(REFERENCE / "settings.md").split("\n## En français\n")
        assert f"| `{key.name}` | {key.allowed_en} | {key.en} |" in section(english, "## Sources")
        assert f"| `{key.name}` | {key.allowed_fr} | {key.fr} |" in section(french, "### Les sources")

    @pytest.mark.parametrize("key", LISTENER_KEYS, ids=lambda key: key.name)
    def test_each_key_of_a_listener_has_its_line_in_two_languages(self, key: Any) -> None:
        english, french = read(REFERENCE / "settings.md").split("\n## En français\n")
        assert f"| `{key.name}` | {key.allowed_en} | {key.en} |" in section(english, "## Listeners")
        assert f"| `{key.name}` | {key.allowed_fr} | {key.fr} |" in section(french, "### Les listeners")


def _walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    below = getattr(command, "commands", {})
    if words and (not below or command.invoke_without_command):
        yield words, command
    for name, each in below.items():
        yield from _walk(each, (*words, name))


ROOT_COMMAND: Final = build("en")
COMMANDS: Final = dict(_walk(ROOT_COMMAND))


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts if option.startswith("--")}


class TestCommands:
    """docs/reference/commands.md, and every command that a page names."""

    @pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
    def test_each_command_has_its_section_with_its_options_and_arguments(self, words: tuple[str, ...]) -> None:
        text = section(read(REFERENCE / "commands.md"), f"## `pam-receiver {' '.join(words)}`")
        named = set(re.findall(r"`(--[a-z-]+)", text))
        assert options_of(COMMANDS[words]) <= named
        for parameter in COMMANDS[words].params:
            if parameter.param_type_name == "argument":
                assert f" {parameter.metavar}" in text
        assert "Exit: " in text

    def test_no_section_is_left_of_a_command_that_is_gone(self) -> None:
        named = re.findall(r"^## `pam-receiver ([a-z ]+)`$", read(REFERENCE / "commands.md"), re.MULTILINE)
        assert sorted(named) == sorted(" ".join(words) for words in COMMANDS)

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_each_command_that_a_page_names_exists_with_its_options(self, page: Path) -> None:
        text = read(page)
        shown = [
            line for language in ("sh", "console") for block in blocks(page, language) for line in block.split("\n")
        ]
        inline = re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
        for line in (*shown, *inline):
            for called in re.findall(r"(?:^|[\s/])(?<!-u )pam-receiver (.+)$", line):
                self._check_call(shlex.split(called.replace("\\|", "|"), comments=True), name_of(page))

    def _check_call(self, words: list[str], page: str) -> None:
        if words[0].isupper():  # COMMAND: any of them
            return
        name = tuple(words[:2]) if tuple(words[:2]) in COMMANDS else tuple(words[:1])
        command = ROOT_COMMAND if words[0].startswith("--") else COMMANDS.get(name)
        assert command is not None, f"{page}: no such command: {' '.join(name)}"
        asked = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert asked <= options_of(command) | {"--help"}, f"{page}: {' '.join(words)}"

    def test_each_make_target_that_a_page_names_exists(self) -> None:
        targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE))
        for page in PAGES:
            code = "\n".join([*blocks(page, "sh"), *re.findall(r"`([^`\n]+)`", _FENCE.sub("", read(page)))])
            assert set(re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)) <= targets, name_of(page)


class TestEvents:
    """docs/reference/conformance.md"""

    @pytest.mark.parametrize("event", sorted({*EVENTS, *LINK_EVENTS}))
    def test_each_event_has_its_line(self, event: str) -> None:
        table = section(read(REFERENCE / "conformance.md"), "## Events")
        assert len(re.findall(rf"^\| {event} \|", table, re.MULTILINE)) == 1

    def test_the_deductions_are_all_explained(self) -> None:
        table = section(read(DOCS / "explanation" / "identity-status.md"), "## The table")
        rows = [line for line in table.splitlines() if line.startswith("| ")]
        assert len(rows) == len(DEDUCTIONS) + 2


class TestMetrics:
    """docs/reference/metrics.md"""

    def test_each_metric_has_its_line_and_no_line_is_left_over(self) -> None:
        shown = re.findall(r"^# TYPE (pam_receiver_\w+) (\w+)$", Metrics().render().decode(), re.MULTILINE)
        kept = {(name, kind) for name, kind in shown if not name.endswith("_created")}
        table = re.findall(r"^\| `(pam_receiver_\w+)` \| (\w+) \|", read(REFERENCE / "metrics.md"), re.MULTILINE)
        assert set(table) == kept


def _logged() -> set[str]:
    """Every event name that the code gives to ``log``."""
    names = set()
    for file in (ROOT / "pam_receiver").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log")) | ast.Attribute(attr="reach" | "warn_of")):
                    constants = [each for argument in node.args for each in ast.walk(argument)]
                    values = [each.value for each in constants if isinstance(each, ast.Constant)]
                    names |= {value for value in values if isinstance(value, str) and "." in value}
    return names


class TestLogs:
    """docs/reference/logs.md"""

    def test_each_event_has_its_line_and_no_line_is_left_over(self) -> None:
        table = re.findall(r"^\| `([a-z_.]+)` \| [A-Z]* ?\|", read(REFERENCE / "logs.md"), re.MULTILINE)
        assert set(table) - {"other"} == _logged()

    def test_each_key_has_its_line(self) -> None:
        rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]+ \|$", read(REFERENCE / "logs.md"), re.MULTILINE)
        assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} == ALLOWED_KEYS


class TestDatabase:
    """docs/reference/database.md"""

    @pytest.mark.parametrize("table", sorted(metadata.tables))
    def test_each_table_has_its_section_with_its_columns(self, table: str) -> None:
        text = section(read(REFERENCE / "database.md"), f"## `{table}`")
        rows = "".join(re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE))
        assert set(re.findall(r"`(\w+)`", rows)) == set(metadata.tables[table].columns.keys())


@pytest.fixture
def receiver(sqlite_url: str) -> Iterator[Receiver]:
    settings = load_settings({"environment": "test"})
    with closing(Store.open(sqlite_url)) as store:
        yield Receiver(
            store,
            sources=parts.make_sources(settings),
            answers=parts.make_answer_style(settings),
        )


def _keys(value: object) -> set[str]:
    match value:
        case dict():
            return {str(key) for key in value} | {key for each in value.values() for key in _keys(each)}
        case list():
            return {key for each in value for key in _keys(each)}
        case _:
            return set()


class TestJson:
    """docs/reference/json.md"""

    PAGE: Final = REFERENCE / "json.md"

    @pytest.fixture
    def printed(self, receiver: Receiver, sqlite_url: str) -> dict[str, list[object]]:
        """What each command prints after the morning of the demo."""
        at = datetime(2026, 3, 2, 8, tzinfo=UTC)
        receiver.receive([Incoming(scene.raw, "192.0.2.1:1", at) for scene in morning()])
        with closing(Store.open(sqlite_url, read_only=True)) as store:
            views = list_identities(store)
            lines = list_messages(store)
            histories = [(each.identity.id, find_history(store, each.identity.id)) for each in views]
            whole = [find_messages(store, line.id)[0] for line in lines]
        return {
            "show": [as_json.view_json(view) for view in views],
            "history": [as_json.version_json(one, version) for one, versions in histories for version in versions],
            "messages": [as_json.message_json(line, "en") for line in lines],
            "message": [as_json.full_message_json(each, "en") for each in whole],
        }

    @pytest.mark.parametrize("command", ["show", "history", "messages", "message"])
    def test_each_key_that_is_printed_is_explained(self, command: str, printed: dict[str, list[object]]) -> None:
        keys = _keys(printed[command])
        page = _FENCE.sub("", read(self.PAGE))
        text = section(page, f"## `{command} --json`")
        if command == "message":
            text += section(page, "## `messages --json`")
        if command == "history":  # values of a change have the form that show gives them
            text += section(page, "## `show --json`")
        assert len(keys) > 5
        assert {key for key in keys if not re.search(rf'[`."]{key}[`"]', text)} == set()

    def test_each_key_of_check_is_explained(self) -> None:
        settings = load_settings()
        checked = check_file_message(
            morning()[20].raw,
            sources=parts.make_sources(settings),
            at=datetime(2026, 3, 2, tzinfo=UTC),
        )
        keys = set(entry_json(Entry("x.hl7", "x.hl7", 1, checked), "en"))
        text = section(read(self.PAGE), "## `check --json`")
        assert {key for key in keys if f"`{key}`" not in text} == set()

    @pytest.mark.parametrize(
        ("words", "least"),
        [
            (("list",), 6),
            (("show", "2.11", "--segment", "PID"), 9),
            (("show", "pam"), 8),
            (("explain", "pid-32-required"), 14),
            (("diff", "2.11", "2.9"), 6),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_each_key_of_the_commands_on_profiles_is_explained(
        self, words: tuple[str, ...], least: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            main(["profiles", *words, "--json", "--lang", "en"])
        printed = json.loads(capsys.readouterr().out)
        for each in printed if isinstance(printed, list) else [printed]:
            for one in (each, *each.get("segments", [])):
                one.update({key: None for key in ("rules", "profiles") if key in one})  # their keys are names
        text = section(read(self.PAGE), f"## `profiles {words[0]} --json`")
        assert len(_keys(printed)) >= least
        assert {key for key in _keys(printed) if f"`{key}`" not in text} == set()

    def test_each_change_and_each_reason_is_named(self, printed: dict[str, list[object]]) -> None:
        text = section(read(self.PAGE), "## `history --json`")
        traits = set(json.loads(json.dumps(printed["show"][0]))["traits"])
        changed = {each["what"] for version in printed["history"] for each in version["changes"]}  # type: ignore[index]
        assert len(changed) > 8
        assert {what for what in changed - traits if f"`{what}`" not in text} == set()
        assert {reason for reason in EndReason if f"| `{reason.value}` |" not in text} == set()

    def test_the_example_has_the_keys_that_are_printed(self, printed: dict[str, list[object]]) -> None:
        (example,) = blocks(self.PAGE, "json")
        assert list(json.loads(example)) == list(json.loads(json.dumps(printed["show"][0])))


def _anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", read(page)), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {each.replace(" ", "-") for each in plain}


class TestLinks:
    """No dead link between pages."""

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_each_relative_link_leads_somewhere(self, page: Path) -> None:
        for target in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", read(page))):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            led = (page.parent / path).resolve() if path else page
            assert led.exists(), f"{name_of(page)}: {target}"
            assert ROOT in led.parents, f"{name_of(page)}: {target}"
            if anchor:
                assert anchor in _anchors(led), f"{name_of(page)}: {target}"

    def test_every_page_is_in_the_index(self) -> None:
        listed = {(DOCS / each).resolve() for each in re.findall(r"\]\(([^)#\s]+\.md)\)", read(DOCS / "README.md"))}
        assert listed == {page for page in PAGES if DOCS in page.parents} - {DOCS / "README.md"}

    @pytest.mark.parametrize("page", [each for each in PAGES if each.name.endswith(".fr.md")], ids=name_of)
    def test_a_french_page_and_its_english_one_name_each_other(self, page: Path) -> None:
        twin = page.with_name(page.name.replace(".fr.md", ".md"))
        assert f"({twin.name})" in read(page)
        assert f"({page.name})" in read(twin)
        assert [block.split() for block in blocks(page, "hl7")] == [block.split() for block in blocks(twin, "hl7")]


class TestMessages:
    """The HL7 messages that pages show."""

    @pytest.mark.parametrize("page", [each for each in PAGES if blocks(each, "hl7")], ids=name_of)
    def test_each_message_shown_can_be_read_without_a_word(self, page: Path) -> None:
        for block in blocks(page, "hl7"):
            assert parse_message(block.encode("utf-8")).findings == ()


def _run(words: list[str], folder: Path) -> str:
    """Run the command as a reader who installed it would, and return what it prints."""
    program = folder / "installed" / "pam-receiver"
    program.parent.mkdir(exist_ok=True)
    program.write_text("from pam_receiver.cli import main\n\nmain()\n", encoding="utf-8")
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, program, *words],
        cwd=folder,
        env={**_environment(), "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}


def _lines(text: str) -> list[str]:
    """The lines that say something, ids masked, blanks made one."""
    return [" ".join(_UUID.sub("ID", line).split()) for line in text.splitlines() if line.strip()]


def assert_shows(transcript: str, printed: str) -> None:
    """Make sure that a transcript is what was printed; a line ``…`` stands for any lines, also for none."""
    pattern = "".join("(?:.*\n)*?" if line == "…" else re.escape(line) + "\n" for line in _lines(transcript))
    assert re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(printed))), printed


def transcripts(page: Path) -> list[tuple[list[str], str]]:
    """The words of each command that a page runs, without ``pam-receiver``, and what it says is printed."""
    found = []
    for block in blocks(page, "console"):
        first, _, rest = block.partition("\n")
        assert first.startswith("$ pam-receiver ")
        found.append((shlex.split(first)[2:], rest))
    return found


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[str]:
    """A receiver in ``tmp_path`` as the tutorial starts it, on a free port: gives its MLLP address."""
    words = ["serve", "--environment", "test", "--mllp", "127.0.0.1:0", "--http", "off", "--log-format", "json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pam_receiver", *words], cwd=tmp_path, env=_environment(), stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    limit = threading.Timer(30, process.kill)  # then the log ends, and what follows fails
    limit.start()
    try:
        lines = (json.loads(line) for line in process.stderr)
        yield next(str(line["mllp"]) for line in lines if line["log"] == "serve.ready")
    finally:
        limit.cancel()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


class TestTranscripts:
    """What pages say that a command prints, it prints."""

    @pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "README.fr.md"], ids=name_of)
    def test_the_morning_of_the_readme(self, page: Path, tmp_path: Path) -> None:
        ((words, shown),) = transcripts(page)
        assert_shows(shown, _run(words, tmp_path))

    @pytest.mark.parametrize("page", TUTORIALS, ids=name_of)
    def test_the_tutorial_from_the_first_step_to_the_last(self, page: Path, tmp_path: Path, daemon: str) -> None:
        (message,) = blocks(page, "hl7")
        (tmp_path / "first.hl7").write_text(f"{message}\n", encoding="utf-8")
        (change,) = [block for block in blocks(page, "sh") if block.startswith("sed ")]
        subprocess.run(change, shell=True, cwd=tmp_path, check=True, timeout=10)
        steps = transcripts(page)
        assert [words[0] for words, _ in steps] == ["check", "send", "show", "send"]
        for words, shown in steps:
            called = [word.replace("127.0.0.1:2575", daemon) for word in words]
            assert_shows(shown, _run(called, tmp_path))
        held = json.loads(_run(["show", "100", "--json"], tmp_path))
        assert held["status"] == "recuperee"
        assert held["ins"] is None
