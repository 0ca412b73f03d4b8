"""serve: a real daemon, from its first log line to its exit code."""

import asyncio
import json
import os
import resource
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from hl7.mllp import open_hl7_connection

from pam_receiver.cli.morning import Scene
from pam_receiver.store import Store, migrate
from pam_receiver.store.said import rules_of

from .conftest import PATIENCE_S, Daemon, Run

Serve = Callable[..., Daemon]


def split_address(text: object) -> tuple[str, int]:
    host, _, port = str(text).rpartition(":")
    return host, int(port)


async def exchange(address: tuple[str, int], *messages: bytes, tls: ssl.SSLContext | None = None) -> list[str]:
    """Send with python-hl7, read each answer with python-hl7; return MSA-1 of each."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await open_hl7_connection(*address, encoding="utf-8", ssl=tls)
        codes = []
        for raw in messages:
            writer.writeblock(raw)
            await writer.drain()
            answer = await reader.readmessage()
            codes.append(str(answer.segment("MSA")[1]))
        writer.close()
        await writer.wait_closed()
    return codes


def get(address: object, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE_S) as answer:
        return answer.status, answer.read().decode()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class TestServe:
    def test_creates_its_file_keeps_what_it_acknowledges_and_ends_with_0(
        self, serve: Serve, run: Run, scenes: dict[str, Scene], tmp_path: Path
    ) -> None:
        url = f"sqlite:///{tmp_path / 'new.db'}"
        daemon = serve("--database", url, "--http", "127.0.0.1:0", "--environment", "test")
        ready = daemon.wait_for("serve.ready")
        sent = [scenes["creation"].raw, scenes["qualification"].raw, scenes["refus-a08"].raw]
        assert asyncio.run(exchange(split_address(ready["mllp"]), *sent)) == ["AA", "AA", "AR"]
        assert get(ready["http"], "/livez") == (200, '{"status":"ok"}')
        assert get(ready["http"], "/readyz")[0] == 200
        assert 'pam_receiver_messages_total{ack="AA",event="A28"} 1.0' in get(ready["http"], "/metrics")[1]
        shown = run("show", "100", "--json", "--database", url).json
        assert isinstance(shown, dict)
        assert shown["status"] == "qualifiee"
        assert daemon.end() == 0
        said = [entry["log"] for entry in daemon.entries]
        assert daemon.entries[0]["core"] == "plain"
        assert said[:5] == [
            "serve.starting",
            "database.upgraded",
            "serve.files",
            "listener.listening",
            "serve.ready",
        ]

    def test_works_on_each_database(self, serve: Serve, scenes: dict[str, Scene], database_url: str) -> None:
        daemon = serve("--database", database_url, "--http", "off")
        ready = daemon.wait_for("serve.ready")
        assert ready["http"] == "off"
        assert asyncio.run(exchange(split_address(ready["mllp"]), scenes["creation"].raw)) == ["AA"]
        assert daemon.end() == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_even_with_a_connection_open(
        self, number: signal.Signals, serve: Serve, sqlite_url: str
    ) -> None:
        daemon = serve("--database", sqlite_url, "--http", "off")
        address = split_address(daemon.wait_for("serve.ready")["mllp"])
        with socket.create_connection(address, PATIENCE_S) as open_connection:
            open_connection.sendall(b"\x0bMSH|^~")
            assert daemon.end(number) == 0
        daemon.wait_for("serve.stopped")
        assert {"SIGTERM", "SIGINT"} & {str(entry.get("signal")) for entry in daemon.entries} == {number.name}

    def test_settings_reach_the_receiver(
        self, serve: Serve, scenes: dict[str, Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = tmp_path / "house.toml"
        config.write_text('processing_ids = "T"\nhttp = "off"\ndatabase = "sqlite:///house.db"\n')
        monkeypatch.setenv("PAM_RECEIVER_CONFIG", str(config))
        ready = serve().wait_for("serve.ready")
        assert asyncio.run(exchange(split_address(ready["mllp"]), scenes["creation"].raw)) == ["AR"]
        assert (tmp_path / "house.db").exists()

    def test_a_source_has_its_port_its_rules_and_its_name(
        self, serve: Serve, scenes: dict[str, Scene], tmp_path: Path
    ) -> None:
        port = free_port()
        config = tmp_path / "house.toml"
        config.write_text(
            'environment = "test"\nhttp = "127.0.0.1:0"\ndatabase = "sqlite:///house.db"\n'
            f'[[source]]\nname = "recette"\nport = {port}\nprocessing_ids = "D"\n'
        )
        daemon = serve("--config", str(config), "--log-level", "debug")
        assert daemon.wait_for("source.listening")["source"] == "recette"
        ready = daemon.wait_for("serve.ready")
        assert asyncio.run(exchange(split_address(ready["mllp"]), scenes["creation"].raw)) == ["AA"]
        assert "source" not in daemon.wait_for("message.answered")
        assert asyncio.run(exchange(("127.0.0.1", port), scenes["qualification"].raw)) == ["AR"]
        assert daemon.wait_for("message.answered")["source"] == "recette"
        metrics = get(ready["http"], "/metrics")[1]
        assert 'pam_receiver_source_messages_total{ack="AR",source="recette"} 1.0' in metrics
        assert daemon.end() == 0

    def test_warns_when_names_would_cross_a_network_in_clear(
        self, serve: Serve, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PAM_RECEIVER_MLLP_PLAIN", "true")
        daemon = serve("--database", sqlite_url, "--http", "off", "--mllp", "0.0.0.0:0")
        assert daemon.wait_for("listener.listening")["tls"] == "no"
        assert daemon.wait_for("mllp.without_tls")["level"] == "WARNING"


class TestFiles:
    """It may open as many files as the system lets it, and takes no more connections than there are files for."""

    @staticmethod
    def start(url: str, soft: int, hard: int) -> list[dict[str, object]]:
        """Start with these limits of open files; return the log up to the end."""
        asked = ("--mllp", "127.0.0.1:0", "--http", "off", "--log-format", "json", "--database", url)
        limited = subprocess.Popen(
            [sys.executable, "-m", "pam_receiver", "serve", *asked],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),  # noqa: PLW1509
        )
        lines = []
        assert limited.stderr is not None
        with limited:
            for line in limited.stderr:
                lines.append(json.loads(line))
                if lines[-1]["log"] == "serve.ready":
                    limited.send_signal(signal.SIGTERM)
        assert limited.returncode == 0
        return lines

    def test_the_soft_limit_is_raised_to_the_hard_one_and_said(self, sqlite_url: str) -> None:
        said = [line for line in self.start(sqlite_url, 64, 5000) if line["log"] == "serve.files"]
        assert [(line["level"], line["files"], line["connections"]) for line in said] == [("INFO", 5000, 4000)]

    def test_with_too_few_the_connections_are_fewer_and_that_is_said(self, sqlite_url: str) -> None:
        said = [line for line in self.start(sqlite_url, 64, 1000) if line["log"] == "serve.too_few_files"]
        assert [(line["level"], line["files"], line["connections"], line["limit"]) for line in said] == [
            ("WARNING", 1000, 700, 4000)
        ]


class TestListeners:
    """Several listeners in one daemon, each with its own certificates, senders, source and environment."""

    @pytest.fixture
    def house(self, tmp_path: Path) -> "House":
        return House(tmp_path)

    def test_each_has_its_environment_its_source_and_its_senders(
        self, serve: Serve, scenes: dict[str, Scene], house: "House"
    ) -> None:
        qualified = scenes["qualification"].raw.replace(b"|P|2.5", b"|T|2.5")
        production, test, other, far = free_port(), free_port(), free_port(), free_port()
        daemon = serve(
            "--config",
            house.write(
                f'[[listener]]\naddress = "127.0.0.1:{production}"\n'
                f'[[listener]]\naddress = "127.0.0.1:{test}"\nenvironment = "test"\nsource = "recette"\n'
                f'[[listener]]\naddress = "127.0.0.1:{other}"\napplications = ["LABO"]\n'
                f'[[listener]]\naddress = "127.0.0.1:{far}"\nallowed_networks = ["10.20.0.0/16"]\n'
                '[[source]]\nname = "recette"\n'
            ),
            "--log-level",
            "debug",
            mllp=None,
        )
        ready = daemon.wait_for("serve.ready")
        assert ready["mllp"] == f"127.0.0.1:{production}"
        sent = {port: asyncio.run(exchange(("127.0.0.1", port), qualified)) for port in (production, test, other, far)}
        answers = [daemon.wait_for("message.answered") for _ in range(4)]
        assert sent == {production: ["AA"], test: ["AA"], other: ["AR"], far: ["AR"]}
        assert [each.get("source") for each in answers] == [None, "recette", None, None]
        assert daemon.end() == 0
        rules = [set(each) for each in house.findings()]
        assert "test-ins-in-production" in rules[0]
        assert "test-ins-in-production" not in rules[1]
        assert rules[2] == rules[3] == {"source-not-allowed"}

    def test_mutual_tls_with_a_reload_by_signal(
        self, serve: Serve, scenes: dict[str, Scene], house: "House", tmp_path: Path
    ) -> None:
        authority, port = Authority(tmp_path), free_port()
        authority.issue("server", days=20)
        gam, labo = authority.issue("gam", cn="gam.chu.example"), authority.issue("labo", cn="labo.chu.example")
        daemon = serve(
            "--config",
            house.write(
                'http = "127.0.0.1:0"\n'
                f'[[listener]]\naddress = "127.0.0.1:{port}"\nclient_subjects = ["gam.*"]\n'
                'tls = { certificate = "server.pem", key = "server.key", client_ca = "ca.pem" }\n'
            ),
            mllp=None,
        )
        assert daemon.wait_for("tls.expires_soon")["days"] == 19
        assert daemon.wait_for("listener.listening")["tls"] == "mutual"
        ready = daemon.wait_for("serve.ready")
        raw = scenes["creation"].raw
        assert asyncio.run(exchange(("127.0.0.1", port), raw, tls=authority.client(gam))) == ["AA"]
        assert asyncio.run(exchange(("127.0.0.1", port), raw, tls=authority.client(labo))) == ["AR"]
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            asyncio.run(exchange(("127.0.0.1", port), raw, tls=authority.client()))
        daemon.wait_for("connection.tls_failed")
        metrics = get(ready["http"], "/metrics")[1]
        assert "pam_receiver_certificate_expiry_timestamp_seconds{" in metrics
        assert 'pam_receiver_connections_not_admitted_total{reason="tls"} 1.0' in metrics
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("tls.reloaded")
        assert asyncio.run(exchange(("127.0.0.1", port), raw, tls=authority.client(gam))) == ["AA"]
        assert daemon.end() == 0
        assert house.findings()[1] == ["source-not-allowed"]
        assert house.raws()[1] == b""

    def test_sighup_without_a_certificate_ends_nothing(
        self, serve: Serve, scenes: dict[str, Scene], sqlite_url: str
    ) -> None:
        daemon = serve("--database", sqlite_url, "--http", "off")
        ready = daemon.wait_for("serve.ready")
        daemon.process.send_signal(signal.SIGHUP)
        assert asyncio.run(exchange(split_address(ready["mllp"]), scenes["creation"].raw)) == ["AA"]
        assert daemon.end() == 0

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ('address = "0.0.0.0:2576"', "this address can be seen from the network"),
            (
                'address = "0.0.0.0:2576"\ntls = { certificate = "none.pem", key = "none.key" }',
                "none.key: No such file or directory.",
            ),
        ],
    )
    def test_what_is_not_safe_or_cannot_be_read_stops_the_start(
        self, lines: str, said: str, run: Run, house: "House"
    ) -> None:
        result = run("serve", "--config", house.write(f"[[listener]]\n{lines}\n"))
        assert result.code == 2
        assert said in result.err
        assert not house.database.exists()

    def test_mllp_off_this_machine_in_clear_stops_the_start(self, run: Run, sqlite_url: str) -> None:
        result = run("serve", "--database", sqlite_url, "--mllp", "0.0.0.0:2575", "--http", "off")
        assert result.code == 2
        assert "mllp 0.0.0.0:2575 can be seen from the network and messages would cross it in clear" in result.err


class House:
    """A folder with a settings file and its database."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "house.db"
        self._file = folder / "house.toml"

    def write(self, text: str) -> str:
        http = "" if "http" in text else 'http = "off"\n'
        self._file.write_text(f'database = "sqlite:///house.db"\n{http}{text}')
        return str(self._file)

    def findings(self) -> list[list[str]]:
        """The rules of each message, in the order they came."""
        return [[rule for rule, _ in rules_of(json.loads(row or "[]"))] for row in self._column("findings")]

    def raws(self) -> list[bytes]:
        """The text of each message, empty where none is kept."""
        return [bytes(row or b"") for row in self._column("raw")]

    def _column(self, name: str) -> list[Any]:
        joined = (
            "message LEFT JOIN message_text ON message_id = id LEFT JOIN said_together t ON t.digest = said_together"
        )
        with closing(sqlite3.connect(self.database)) as connection:
            return [row[0] for row in connection.execute(f"SELECT {name} FROM {joined} ORDER BY id")]


class TestRefusesToStart:
    def test_a_second_one_on_the_same_file(self, serve: Serve, run: Run, sqlite_url: str) -> None:
        serve("--database", sqlite_url, "--http", "off").wait_for("serve.ready")
        result = run("serve", "--database", sqlite_url, "--mllp", "127.0.0.1:0", "--http", "off")
        assert result.code == 3
        assert "Another `pam-receiver serve` already uses" in result.err

    def test_after_the_first_was_killed_the_next_one_starts(self, serve: Serve, sqlite_url: str) -> None:
        first = serve("--database", sqlite_url, "--http", "off")
        first.wait_for("serve.ready")
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
        assert serve("--database", sqlite_url, "--http", "off").wait_for("serve.ready")

    @pytest.mark.parametrize("option", ["--mllp", "--http"])
    def test_an_address_that_is_taken(self, option: str, run: Run, sqlite_url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            words = {"--mllp": "127.0.0.1:0", "--http": "off", option: address}
            result = run("serve", "--database", sqlite_url, *(word for pair in words.items() for word in pair))
        assert result.code == 2
        assert result.err.endswith(
            f"Cannot listen on {address}: Address already in use. Choose another address ({option}).\n"
        )

    def test_a_port_of_a_source_that_is_taken(self, run: Run, sqlite_url: str, tmp_path: Path) -> None:
        config = tmp_path / "house.toml"
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            config.write_text(f'[[source]]\nname = "chu-x"\nport = {port}\n')
            words = ("--config", config, "--database", sqlite_url, "--mllp", "127.0.0.1:0", "--http", "off")
            result = run("serve", *words)
        assert result.code == 2
        assert result.err.endswith(
            f"Cannot listen on 127.0.0.1:{port}: Address already in use. "
            "Choose another address (port, [[source]] chu-x).\n"
        )

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ('profile = "pam_fr/0.1"', "profile ([[source]] chu-x, file {}): pam_fr/0.1: "),
            ('overlay = "none.toml"', "overlay ([[source]] chu-x, file {}): none.toml: "),
            ('charset = "EBCDIC"', "Value 'EBCDIC' refused for charset ([[source]] chu-x, file {})."),
        ],
    )
    def test_a_source_that_cannot_be_followed_before_anything_is_done(
        self, line: str, said: str, run: Run, tmp_path: Path
    ) -> None:
        config = tmp_path / "house.toml"
        config.write_text(f'database = "sqlite:///house.db"\n[[source]]\nname = "chu-x"\nport = 1\n{line}\n')
        result = run("serve", "--config", config)
        assert result.code == 2
        assert said.format(config) in result.err
        assert not (tmp_path / "house.db").exists()

    def test_a_schema_newer_than_the_code(self, run: Run, sqlite_url: str) -> None:
        connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
        with connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        result = run("serve", "--database", sqlite_url)
        assert result.code == 3
        assert "newer than this pam-receiver" in result.err

    def test_a_server_that_is_behind_names_the_command(self, run: Run, bare_postgres_url: str) -> None:
        result = run("serve", "--database", bare_postgres_url)
        assert result.code == 3
        assert "pam-receiver db upgrade" in result.err
        assert migrate.current(bare_postgres_url) is None

    def test_a_file_that_cannot_be_written(self, run: Run, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        patient = Store.open
        monkeypatch.setattr(Store, "open", lambda url, **given: patient(url, **{**given, "lock_timeout_s": 0.1}))
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            result = run("serve", "--database", sqlite_url, "--mllp", "127.0.0.1:0", "--http", "off")
        assert result.code == 3
        assert "is locked by another process" in result.err
        assert "serve.ready" not in result.err

    def test_a_folder_that_is_not_there(self, run: Run) -> None:
        result = run("serve", "--database", "sqlite:///no/such/folder/pam.db")
        assert result.code == 3
        assert not os.path.exists("no")


class TestLog:
    def test_each_line_is_json_and_none_tells_who_a_patient_is(
        self, serve: Serve, scenes: dict[str, Scene], sqlite_url: str
    ) -> None:
        daemon = serve("--database", sqlite_url, "--http", "off", "--environment", "test", "--log-level", "debug")
        ready = daemon.wait_for("serve.ready")
        asyncio.run(exchange(split_address(ready["mllp"]), *(scene.raw for scene in scenes.values())))
        assert daemon.end() == 0
        daemon.wait_for("serve.stopped")
        said = json.dumps(daemon.entries)
        assert sum(entry["log"] == "message.answered" for entry in daemon.entries) == len(scenes)
        for trait in ("KERGUELEN", "ANNE", "TANGUY", "19590123", "1959-01-23", "2590144109000", "PID|"):
            assert trait not in said
