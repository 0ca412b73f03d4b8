"""demo: the daemon, the morning and the table, run as a user runs them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import PATIENCE_S, Run


class TestDemo:
    def test_plays_the_morning_and_shows_what_is_kept(self, run: Run) -> None:
        result = run("demo", "--lang", "fr")
        assert result.code == 0
        lines = result.out.splitlines()
        assert [line for line in lines if line.startswith(" 1. A28")]
        assert sum("ACK A" in line for line in lines) == 22
        assert sum("qualified-trait-missing" in line for line in lines) == 3
        table = lines[lines.index("Ce qui est gardé") + 1 :]
        assert [line.split() for line in table[1:5]] == [
            ["100", "KERGUELEN", "ANNE", "qualifiée", "259014410900036", "(NIR)", "active", "5"],
            ["200", "TANGUY", "MALO", "provisoire", "-", "active", "3"],
            ["301,", "300", "(ancien)", "SALAUN", "ELOUAN", "validée", "-", "active", "5"],
            ["101", "KERGUELEN", "ANNE", "provisoire", "-", "fusionnée", "dans", "100", "2"],
        ]
        assert list(Path().iterdir()) == []

    def test_ends_with_the_program_as_it_was_called(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.argv", [".venv/bin/pam-receiver", "demo"])
        assert run("demo").out.splitlines()[-1].startswith('".venv/bin/pam-receiver demo --keep" leaves it running')

    def test_english_on_an_english_machine(self, run: Run) -> None:
        assert "What is kept" in run("demo").out

    def test_settings_of_the_machine_do_not_reach_its_daemon(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PAM_RECEIVER_ENVIRONMENT", "production")
        assert run("demo").code == 0

    def test_a_daemon_that_does_not_start_is_told(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.executable", "/bin/false")
        result = run("demo")
        assert result.code == 1
        assert result.err.endswith("The receiver did not start.\n")


class TestKeep:
    @pytest.fixture
    def kept(self) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-u", "-m", "pam_receiver", "demo", "--keep"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()

    def read_commands(self, process: subprocess.Popen[str]) -> list[str]:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("The receiver keeps running"):
                lines = [process.stdout.readline().strip() for _ in range(6)]
                assert all(" -m pam_receiver " in line for line in lines[:5])
                return [line.rpartition(" pam_receiver ")[2] for line in lines]
        raise AssertionError("the demo ended")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_the_commands_it_names_work_and_a_signal_ends_it_all(
        self, number: signal.Signals, run: Run, kept: subprocess.Popen[str]
    ) -> None:
        send, show, history, messages, check, _ = self.read_commands(kept)
        assert "← AA" in run(*send.split()).out
        assert "KERGUELEN" in run(*show.split()).out
        assert run(*history.split()).code == 0
        assert run(*messages.split()).code == 0
        files = sorted(Path("demo/messages").glob("*.hl7"))
        assert len(files) == 22
        assert run("check", *files, *check.split()[2:]).code == 1
        kept.send_signal(number)
        assert kept.wait(PATIENCE_S) == 0
        assert '"serve.stopped"' in Path("demo/serve.log").read_text()

    def test_a_folder_that_exists_is_left_alone(self, run: Run, kept: subprocess.Popen[str]) -> None:
        self.read_commands(kept)
        (Path("demo") / "mine").touch()
        os.kill(kept.pid, signal.SIGTERM)
        assert kept.wait(PATIENCE_S) == 0
        assert (Path("demo") / "mine").exists()
