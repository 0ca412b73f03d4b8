"""serve --workers: what stops the start, and with which sentence and code."""

import socket
import subprocess
import sys

import pytest

from .conftest import PATIENCE_S, Run


class TestRefused:
    @pytest.mark.parametrize(
        ("lang", "sentence"),
        [
            ("en", "workers: an SQLite database serves one process only; keep workers = 1, or take PostgreSQL."),
            ("fr", "workers : une base SQLite ne sert qu'un processus ; gardez workers = 1, ou passez à PostgreSQL."),
        ],
    )
    def test_several_on_sqlite(self, run: Run, sqlite_url: str, lang: str, sentence: str) -> None:
        done = run("serve", "--workers", "2", "--database", sqlite_url, "--lang", lang)
        assert (done.code, done.err.strip()) == (2, sentence)

    def test_none_at_all(self, run: Run, sqlite_url: str) -> None:
        done = run("serve", "--workers", "0", "--database", sqlite_url, "--lang", "en")
        assert (done.code, done.err.strip()) == (
            2,
            "Value '0' refused for --workers. Allowed: a whole number from 1 to 64.",
        )


class TestAddressTaken:
    """Another program listens there: found out by the supervisor for what is shared, by the monitor for HTTP."""

    @pytest.mark.parametrize("option", ["--mllp", "--http"])
    def test_it_is_told_once_and_ends_all(self, postgres_url: str, option: str) -> None:
        command = [sys.executable, "-m", "pam_receiver", "serve", "--workers", "2", "--database", postgres_url]
        command += ["--lang", "en", "--mllp", "127.0.0.1:0", "--http", "off"]
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            done = subprocess.run(
                [*command, option, address], capture_output=True, text=True, check=False, timeout=PATIENCE_S
            )
        assert done.returncode == 2, done.stderr
        told = [line for line in done.stderr.splitlines() if not line.startswith("20")]  # all but the log
        assert told == [f"Cannot listen on {address}: Address already in use. Choose another address ({option})."]
