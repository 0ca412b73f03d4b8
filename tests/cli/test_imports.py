"""What a command loads: nothing that it does not run, so that it answers at once."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pam_receiver.cli import app

from .conftest import PATIENCE_S

SERVER = {"fastapi", "starlette", "uvicorn", "prometheus_client", "pam_receiver.listener", "pam_receiver.web"}
MIGRATIONS = {"alembic", "pam_receiver.store.migrate"}
PROFILES = {"hl7apy", "pam_receiver.profile.compile", "pam_receiver.receive"}
STORE = {"sqlalchemy", "psycopg", "pam_receiver.store"}
OTHERS = {"jinja2", "hl7"}
SETTINGS = {"pydantic_settings", "pam_receiver.config"}
_IMPORT = re.compile(r"import time: +\d+ \| +\d+ \| +([\w.]+)")


def loaded(*words: str) -> set[str]:
    """Run a command in a process of its own, end it when it listens; return the modules that it has loaded."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "pam_receiver", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    found = set()
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if name := _IMPORT.match(line):
                found.add(name[1])
            elif "serve.ready" in line:
                process.terminate()
        assert process.wait(PATIENCE_S) == 0, f"{words} failed"
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    return found


def commands() -> Iterator[list[str]]:
    """The words of every command and group of commands."""

    def below(command: Any, *words: str) -> Iterator[list[str]]:
        yield [*words]
        for name, each in getattr(command, "commands", {}).items():
            yield from below(each, *words, name)

    yield from below(app.build("en"))


class TestHelp:
    def test_of_no_command_loads_what_commands_run(self) -> None:
        code = (
            "import json, sys\n"
            "from pam_receiver.cli import main\n"
            "shown = []\n"
            "for words in json.load(sys.stdin):\n"
            "    try:\n"
            "        main([*words, '--help'])\n"
            "    except SystemExit:\n"
            "        shown.append([words, sorted(sys.modules)])\n"
            "json.dump(shown, sys.stderr)\n"
        )
        asked = list(commands())
        done = subprocess.run(
            [sys.executable, "-c", code], input=json.dumps(asked), capture_output=True, text=True, check=True
        )
        heavy = SERVER | MIGRATIONS | PROFILES | STORE | OTHERS | SETTINGS
        shown = json.loads(done.stderr)
        assert ["serve"] in asked
        assert [(words, sorted(heavy & set(modules))) for words, modules in shown] == [(words, []) for words in asked]

    @pytest.mark.parametrize("word", ["--help", "--version"])
    def test_of_the_whole_reads_no_settings(self, word: str) -> None:
        assert loaded(word).isdisjoint({"pydantic", *SETTINGS})


class TestReading:
    @pytest.mark.parametrize(
        "words",
        [["show", "100"], ["history", "100"], ["messages"], ["alerts"], ["token", "list"]],
        ids=" ".join,
    )
    def test_a_file_loads_the_store_alone(self, words: list[str], morning_url: str) -> None:
        found = loaded(*words, "--database", morning_url)
        assert "sqlalchemy" in found
        assert found.isdisjoint(SERVER | MIGRATIONS | PROFILES | OTHERS | {"psycopg", "cryptography"})

    def test_a_profile_loads_no_store(self) -> None:
        found = loaded("profiles", "list")
        assert "pam_receiver.profile.compile" in found
        assert found.isdisjoint(SERVER | MIGRATIONS | STORE | OTHERS)


class TestServing:
    def test_a_file_that_is_up_to_date(self, morning_url: str) -> None:
        found = loaded("serve", "--database", morning_url, "--mllp", "127.0.0.1:0", "--http", "127.0.0.1:0")
        assert {"pam_receiver.receive", "fastapi"} <= found
        assert found.isdisjoint(MIGRATIONS | OTHERS | {"psycopg"})

    def test_a_new_file_asks_for_the_migrations(self) -> None:
        found = loaded("serve", "--database", "sqlite:///new.db", "--mllp", "127.0.0.1:0", "--http", "off")
        assert found >= MIGRATIONS
