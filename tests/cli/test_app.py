"""The table of commands: help, version, languages, and what becomes of a failure."""

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pam_receiver import __version__
from pam_receiver.cli import app
from pam_receiver.cli.texts import TEXTS
from pam_receiver.finding import Lang
from pam_receiver.profile.lines import ProfileError

from .conftest import Run

COMMANDS = ("serve", "show", "history", "messages", "message", "check", "send", "db", "demo")


class TestHelp:
    def test_names_every_command(self, run: Run) -> None:
        result = run("--help")
        assert result.code == 0
        assert all(f"  {command} " in result.out for command in COMMANDS)

    @pytest.mark.parametrize("words", [[command] for command in COMMANDS] + [["db", "upgrade"], ["db", "downgrade"]])
    @pytest.mark.parametrize("lang", ["fr", "en"])
    def test_of_each_command_is_in_the_language(
        self, words: list[str], lang: str, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LANG", lang)
        result = run(*words, "--help")
        said = " ".join(result.out.split())
        assert result.code == 0
        assert TEXTS[".".join(["help", *words])][lang == "en"] in said
        assert not any(key in said for key in TEXTS if key.startswith(("option.", "argument.", "help.")))

    def test_version(self, run: Run) -> None:
        assert run("--version").out == f"pam-receiver {__version__}\n"

    def test_version_says_that_the_core_is_compiled(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pam_receiver.cli.app.IS_COMPILED", True)
        assert run("--version").out == f"pam-receiver {__version__} (mypyc)\n"


class TestUsage:
    @pytest.mark.parametrize(
        "words",
        [
            ["play"],
            ["show"],
            ["show", "100", "--colour"],
            ["messages", "--ack", "CA"],
            ["messages", "--limit", "0"],
            ["send", "x.hl7"],
            ["send", "x.hl7", "--to", "nowhere"],
            ["db", "downgrade"],
            ["--database", "sqlite:///x.db", "show", "100"],
        ],
    )
    def test_a_wrong_command_line_ends_with_2(self, words: list[str], run: Run) -> None:
        result = run(*words)
        assert (result.code, result.out) == (2, "")
        assert result.err


class TestSettings:
    @pytest.mark.parametrize("words", [["serve"], ["show", "1"], ["check", "x"], ["db", "current"], ["demo"]])
    def test_an_unknown_one_ends_every_command_with_2_and_a_sentence(
        self, words: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PAM_RECEIVER_DATABSE", "x")
        result = run(*words)
        assert result.code == 2
        assert result.err == (
            "Unknown environment variable: PAM_RECEIVER_DATABSE. Did you mean PAM_RECEIVER_DATABASE?\n"
        )

    def test_the_sentence_is_in_the_language_asked_for(self, run: Run) -> None:
        assert run("serve", "--environment", "prod", "--lang", "fr").err == (
            "Valeur 'prod' refusée pour --environment. Permis : production, test.\n"
        )

    def test_a_url_that_names_no_database(self, run: Run) -> None:
        result = run("show", "100", "--database", "sqlite:///:memory:")
        assert result.code == 2
        assert "names no database" in result.err

    def test_the_language_may_stand_in_the_file(self, run: Run, tmp_path: Path, morning_url: str) -> None:
        config = tmp_path / "house.toml"
        config.write_text(f'lang = "fr"\ndatabase = "{morning_url}"\n')
        assert run("show", "none", "--config", config).err == "Aucune identité ne porte none.\n"


class TestExplain:
    def test_a_profile_that_cannot_be_trusted(self) -> None:
        sentence, code = app.explain(
            ProfileError("pam_fr/2.11/x.toml", "field.usage", "unknown usage Q", "usage Q inconnu"), "en"
        )
        assert (sentence, code) == ("A profile cannot be read: pam_fr/2.11/x.toml: field.usage: unknown usage Q", 2)

    def test_an_unforeseen_failure_tells_class_and_place_never_its_text(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("KERGUELEN")

        monkeypatch.setattr("pam_receiver.store.queries.list_messages", fail)
        result = run("messages", "--database", "sqlite:///none.db")
        assert result.code == 70
        assert result.err.startswith("Unforeseen error (RuntimeError, ")
        assert "KERGUELEN" not in result.err

    @pytest.mark.parametrize(
        ("lang", "said"),
        [("fr", "Erreur de cette machine : disque plein."), ("en", "A failure of this machine: No space left ")],
    )
    def test_a_failure_of_the_machine_is_no_fault_of_ours(self, lang: Lang, said: str) -> None:
        reason = os.strerror(errno.ENOSPC)
        sentence, code = app.explain(OSError(errno.ENOSPC, reason, "/home/KERGUELEN"), lang)
        assert code == 70
        assert sentence.startswith(said)
        assert "KERGUELEN" not in sentence


class TestStreams:
    """Whatever stands at the other end of standard output, a person gets no traceback."""

    @pytest.mark.parametrize("words", [["--help"], ["messages"], ["messages", "--json"], ["show", "100"]])
    def test_closed(self, words: list[str], morning_url: str) -> None:
        more = [] if words == ["--help"] else ["--database", morning_url]
        command = shlex.join([sys.executable, "-m", "pam_receiver", *words, *more])
        done = subprocess.run(["sh", "-c", f"{command} >&-"], check=False, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (0, "")

    def test_full(self, morning_url: str) -> None:
        with Path("/dev/full").open("w") as full:
            command = [sys.executable, "-m", "pam_receiver", "messages", "--database", morning_url]
            done = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.stderr.startswith("A failure of this machine: ")


class TestModule:
    def test_python_m_is_the_same_command(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "pam_receiver", "--version"], capture_output=True, text=True, check=True
        )
        assert done.stdout == f"pam-receiver {__version__}\n"
