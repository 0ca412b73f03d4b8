"""What no single module can keep alone: nothing of a patient in logs, ERR and exceptions; rules, sizes, words."""

import ast
import asyncio
import io
import logging
import re
import string
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from golden import BEGINS_AT, CONVERSATIONS, FOLDER, PEER, Conversation, adt, make_receiver
from personal import SECRETS, SHIFTED, leaks, without_port

import pam_receiver
from pam_receiver import receive
from pam_receiver.finding import Rule
from pam_receiver.hl7.er7 import Unreadable, parse_message
from pam_receiver.hl7.header import read_header_loosely
from pam_receiver.hl7.mllp import encode_frame
from pam_receiver.identity.status import Declared
from pam_receiver.identity.traits import Trait, words_for
from pam_receiver.intake import Intake
from pam_receiver.listener import Limits, Listener, shut_down
from pam_receiver.logs import JsonFormatter, TextFormatter
from pam_receiver.metrics import Metrics
from pam_receiver.profile.load import load_profiles
from pam_receiver.receive import Incoming
from pam_receiver.rulebook import RULES
from pam_receiver.store import Store, StoreError, StoreUnavailable

PACKAGE: Final = Path(pam_receiver.__file__).parent
ROOT: Final = PACKAGE.parent
PATIENCE_S: Final = 10.0

# ---------------------------------------------------------------------------------------------------- the whole run


@dataclass(slots=True)
class Run:
    """What the conversations left behind: logs in both forms, and every answer."""

    logs: dict[str, str] = field(default_factory=dict)
    acks: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def run(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every conversation, over MLLP to a database file, with all logs from DEBUG up."""
    done = Run()
    streams = {"json": io.StringIO(), "text": io.StringIO()}
    handlers = [logging.StreamHandler(stream) for stream in streams.values()]
    for handler, formatter in zip(handlers, (JsonFormatter(), TextFormatter()), strict=True):
        handler.setFormatter(formatter)
    ours = logging.getLogger("pam_receiver")
    level = ours.level
    ours.setLevel(logging.DEBUG)
    for handler in handlers:
        ours.addHandler(handler)
    try:
        for conversation in CONVERSATIONS:
            file = tmp_path_factory.mktemp("run") / "pam-receiver.db"
            file.write_bytes(sqlite_template.read_bytes())
            done.acks += asyncio.run(play(conversation, f"sqlite:///{file}"))
    finally:
        for handler in handlers:
            ours.removeHandler(handler)
        ours.setLevel(level)
    done.logs = {form: stream.getvalue() for form, stream in streams.items()}
    return done


async def play(conversation: Conversation, url: str) -> list[str]:
    """Send a conversation, then a message out of step and a block over the limit."""
    store = Store.open(url)
    intake = Intake(make_receiver(store, conversation.settings), meter=Metrics())
    listener = Listener(intake, "127.0.0.1", 0, metrics=Metrics(), limits=Limits(max_block_bytes=1 << 16))
    acks = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            await listener.start()
            reader, writer = await asyncio.open_connection(*listener.address)
            for raw in (*conversation.messages, SHIFTED):
                writer.write(encode_frame(raw))
                acks.append(await reader.readuntil(b"\x1c\r"))
            writer.write(b"\x0b" + adt("7000101", "1") + b"KERGUELEN" * 10_000)
            acks.append(await reader.read())
            writer.close()
            await writer.wait_closed()
    finally:
        await shut_down(listener, intake, within_s=2.0)
        store.close()
    return [ack.strip(b"\x0b\x1c\r").decode("utf-8", "replace") for ack in acks]


class TestNothingOfThePatient:
    """No name, date, number or address in any log line, ERR or exception of the whole run."""

    def test_there_is_something_to_look_for(self) -> None:
        assert {"KERGUELEN", "SOLENE", "19590123", "1959-01-23", "44109", "259014410900036", "7000101"} <= SECRETS
        assert {"12 VENELLE DES GOELANDS", "0298000000", "ROPARTZ", "LE BŒUF"} <= SECRETS
        assert leaks("nom=KERGUELEN, né le 1959-01-23") == ["KERGUELEN", "1959-01-23"]

    @pytest.mark.parametrize("form", ["json", "text"])
    def test_logs(self, run: Run, form: str) -> None:
        lines = without_port(run.logs[form]).splitlines()
        assert len(lines) > sum(len(each.messages) for each in CONVERSATIONS)
        assert [line for line in lines if leaks(line)] == []

    def test_answers(self, run: Run) -> None:
        """MSH-9 and MSA-2 echo what was sent as event and control id, and nothing else is said of it."""
        assert len(run.acks) == sum(len(each.messages) + 2 for each in CONVERSATIONS)
        for ack in run.acks:
            header, msa, *errors = ack.split("\r")
            assert [line for line in errors if leaks(line)] == []
            assert leaks(" ".join(header.split("|")[9:])) == []
            assert len(msa.split("|")) == 3

    def test_golden_answers(self) -> None:
        for conversation in CONVERSATIONS:
            for ack in conversation.golden_acks:
                assert leaks(ack.decode("utf-8", "replace")) == [], conversation.name

    def test_names_of_the_golden_files(self) -> None:
        assert [path for path in FOLDER.iterdir() if leaks(path.name.upper())] == []

    def test_exceptions_of_the_parser(self) -> None:
        texts = []
        for conversation in CONVERSATIONS:
            for raw in conversation.messages:
                try:
                    parse_message(raw)
                except Unreadable as error:
                    texts.append(f"{error} {error!r} {error.findings}")
        assert len(texts) >= 4
        assert [text for text in texts if leaks(text)] == []

    def test_exceptions_of_the_store_and_what_breaks_inside(
        self, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(event: object, *_: object) -> None:
            raise ValueError(event)

        store = Store.open(sqlite_url, lock_timeout_s=0.1)
        receiver = make_receiver(store, CONVERSATIONS[0].settings)
        batch = [Incoming(adt(f"70001{n:02}", str(n)), PEER, BEGINS_AT) for n in range(3)]
        with monkeypatch.context() as patched:
            patched.setattr(receive, "decide", broken)
            assert {each.ack_code for each in receiver.receive(batch)} == {"AR"}
        store.close()
        Path(sqlite_url.removeprefix("sqlite:///")).write_bytes(b"not a database at all" * 100)
        with pytest.raises(StoreError) as caught:
            receiver.receive(batch)
        assert not isinstance(caught.value, StoreUnavailable)
        assert leaks(f"{caught.value} {caught.value!r} {caught.value.__context__!r}") == []
        shown = [
            formatter.format(record) for record in caplog.records for formatter in (JsonFormatter(), TextFormatter())
        ]
        assert len(shown) >= 6
        assert [line for line in shown if leaks(line)] == []

    @pytest.mark.parametrize("thing", [Incoming(adt("7000101", "1"), PEER, BEGINS_AT)], ids=["incoming"])
    def test_what_prints_a_message_shows_no_content(self, thing: object) -> None:
        assert leaks(repr(thing)) == []


# ------------------------------------------------------------------------------------------------------------ rules

PLACED: Final = {rule.id: rule for profile in load_profiles().profiles for rule in profile.rules.values()}
CONDITIONS: Final = [rule for rule in PLACED.values() if any(rule.id in p.conditions for p in load_profiles().profiles)]
_LONGEST: Final = {  # the longest value that each placeholder of a sentence is given
    "accepted": "D, P, T",
    "charset": "UNICODE UTF-8",
    "control_id": "x" * 50,
    "date": "2026-03-02 08:00 UTC",
    "effect_en": "all its INS are removed; check it.",
    "effect_fr": "rien n'est changé ; vérifier MRG-1.",
    "event": "A28",
    "field": "PID-11.10.2",
    "expected": "ASIP-SANTE-INS-NIR",
    "profile": "pam_fr/2.11+" + "x" * 20,
    "number": "CX-7",
    "kept": max((each.name for each in Declared), key=len),
    "name": "x" * 40,
    "place": max((words_for(trait)["place"] for trait in Trait), key=len),
    "read": "UNICODE UTF-8",
    "rule": "x" * 40,
    "segment": "PID",
    "sign": "0x1C",
    "structure": "ADT_A05",
    "table": "HL70445-FR",
    "trait_en": max((words_for(trait)["trait_en"] for trait in Trait), key=len),
    "trait_fr": max((words_for(trait)["trait_fr"] for trait in Trait), key=len),
    "traits": ", ".join(Trait),
    "type": "CWE",
    "what_en": "sex, birth date, birth place",
    "what_fr": "le sexe, la date de naissance, le lieu de naissance",
    **dict.fromkeys(("characters", "count", "errors", "limit", "line", "most", "octets", "offset"), 999_999_999),
}


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def check_rule(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert len(rule.id) <= 50
    assert rule.spec.strip()
    assert rule.fr != rule.en
    for sentence in (rule.fr, rule.en):
        assert sentence == sentence.strip()
        assert re.fullmatch(r"[A-ZÀ-Ý{].*[.}]", sentence)
        assert len(sentence.format(**_LONGEST) if placeholders(sentence) else sentence) <= 250
    french = {name.removesuffix("_fr") for name in placeholders(rule.fr)}
    assert french == {name.removesuffix("_en") for name in placeholders(rule.en)}


class TestRules:
    """HL7 v2.5 §2.15.5: what ERR says of each rule is complete, fits, and is the same in both languages."""

    @pytest.mark.parametrize("rule", [*RULES.values(), *CONDITIONS], ids=lambda rule: rule.id)
    def test_those_that_are_written_out(self, rule: Rule) -> None:
        check_rule(rule)

    def test_those_that_are_made_from_the_lines_of_the_profiles(self) -> None:
        assert len(PLACED) > 2000
        for rule in PLACED.values():
            check_rule(rule)
            assert rule.example.strip() or rule.id.endswith(("-forbidden", "-unexpected")), rule.id


# ------------------------------------------------------------------------------------------------------------- code

MODULES: Final = sorted(PACKAGE.rglob("*.py"))
_TREES: Final = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=named)
class TestModules:
    """Sizes and words of the style guide."""

    def test_it_is_below_600_lines_and_says_what_it_is(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 600
        assert ast.get_docstring(_TREES[path])

    def test_its_functions_are_below_60_lines(self, path: Path) -> None:
        functions = [
            each for each in ast.walk(_TREES[path]) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        assert [each.name for each in functions if (each.end_lineno or 0) - each.lineno >= 60] == []

    def test_nothing_is_left_for_later(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b", text) == []
        handlers = [each for each in ast.walk(_TREES[path]) if isinstance(each, ast.ExceptHandler)]
        assert [each.lineno for each in handlers if each.type is None] == []

    def test_only_the_commands_import_inside_functions(self, path: Path) -> None:
        if path.parent.name == "cli":
            return
        functions = [
            each for each in ast.walk(_TREES[path]) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        inner = [each for function in functions for each in ast.walk(function)]
        assert [each.lineno for each in inner if isinstance(each, ast.Import | ast.ImportFrom)] == []


class TestHouse:
    """What the architecture asks for as a whole."""

    def test_the_import_contract_names_every_module(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
        named_there = {name.strip() for layer in layers for name in layer.split("|")}
        there = {path.stem for path in PACKAGE.glob("*.py")} | {
            path.parent.name for path in PACKAGE.glob("*/__init__.py")
        }
        assert there - {"__init__", "__main__"} == named_there

    def test_a_wide_net_is_cast_only_at_the_top_of_what_runs_long(self) -> None:
        wide = {
            path.relative_to(PACKAGE).as_posix()
            for path, tree in _TREES.items()
            for each in ast.walk(tree)
            if isinstance(each, ast.ExceptHandler) and isinstance(each.type, ast.Name) and each.type.id == "Exception"
        }
        messages, loops = {"receive.py", "reader.py"}, {"intake.py", "watch.py", "tls.py", "cli/daily.py"}
        assert wide <= messages | loops | {"cli/app.py", "web/app.py", "web/aside.py"}

    def test_a_header_that_cannot_be_read_is_no_exception(self) -> None:
        assert read_header_loosely(b"\xff") is None
