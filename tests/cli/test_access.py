"""Who looked at whom is in the trail before anything is shown; when it cannot be, nothing is."""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from pam_receiver.cli.morning import Scene
from pam_receiver.store import Store
from pam_receiver.store.trail import TrailRow, read_trail, verify_trail

from .conftest import Daemon, Run, receive

NAMES = ("KERGUELEN", "259014410900036")


@pytest.fixture
def url(morning_file: Path, tmp_path: Path) -> str:
    """A morning of its own: what is shown of it leaves a row there."""
    copy = tmp_path / "morning.db"
    with closing(sqlite3.connect(morning_file)) as source, closing(sqlite3.connect(copy)) as sink:
        source.backup(sink)
        of_trigger = "SELECT sql FROM sqlite_master WHERE name = 'audit_event_no_delete'"
        (made,) = sink.execute(of_trigger).fetchone()
        with sink:
            sink.execute("DROP TRIGGER audit_event_no_delete")
            sink.execute("DELETE FROM audit_event")
            sink.execute(made)
    return f"sqlite:///{copy}"


def trail(url: str) -> list[TrailRow]:
    with closing(Store.open(url, read_only=True)) as store:
        assert verify_trail(store).first is None
        return list(read_trail(store))


def id_of(run: Run, url: str, value: str) -> str:
    shown = run("show", value, "--json", "--database", url).json
    assert isinstance(shown, dict)
    return str(shown["id"])


def message_of(run: Run, url: str, control_id: str) -> str:
    lines = run("messages", "--json", "--limit", "100", "--database", url).json
    assert isinstance(lines, list)
    return str(next(line["id"] for line in lines if line["control_id"] == control_id))


class TestWhatIsKept:
    @pytest.mark.parametrize("command", ["show", "history"])
    @pytest.mark.parametrize("form", [[], ["--json"]])
    def test_of_whoever_sees_an_identity(self, command: str, form: list[str], run: Run, url: str) -> None:
        result = run(command, "100", *form, "--reason", "  demande du patient ", "--database", url)
        assert result.code == 0
        (row,) = trail(url)
        assert (row.action, row.outcome, row.reason) == ("read", "success", "demande du patient")
        assert row.identity_id is not None
        assert row.identity_id in result.out
        assert row.detail == {"command": command}
        assert row.actor
        assert row.actor_kind == "os-user"
        assert row.origin

    def test_of_each_identity_that_a_message_changed(self, run: Run, url: str) -> None:
        found = message_of(run, url, "MATIN003")
        shown = run("message", found, "--json", "--database", url).json
        assert isinstance(shown, dict)
        rows = trail(url)
        assert [row.identity_id for row in rows] == [each["id"] for each in shown["identities"]]
        assert {row.message_id for row in rows} == {found}
        assert {row.action for row in rows} == {"read"}

    def test_of_a_refused_message_which_names_a_patient_too(self, run: Run, url: str) -> None:
        found = message_of(run, url, "MATIN021")
        assert "PID|1||400^^^" in run("message", found, "--database", url).out
        (row,) = trail(url)
        assert (row.action, row.identity_id, row.message_id) == ("read", None, found)

    @pytest.mark.parametrize("command", ["show", "history"])
    def test_a_search_that_finds_nobody_without_what_was_typed(self, command: str, run: Run, url: str) -> None:
        assert run(command, "204115626000074", "--authority", "CHU-X", "--database", url).code == 1
        (row,) = trail(url)
        assert (row.action, row.identity_id, row.detail) == ("search", None, {"command": command, "found": 0})
        assert "204115626000074" not in json.dumps(row.to_json())
        assert "CHU-X" not in json.dumps(row.to_json())

    def test_nothing_of_the_list_of_messages_which_shows_no_patient(self, run: Run, url: str) -> None:
        out = run("messages", "--limit", "100", "--database", url).out
        assert not any(name in out for name in NAMES)
        assert trail(url) == []

    def test_nothing_of_a_message_that_is_not_found(self, run: Run, url: str) -> None:
        assert run("message", "zzz", "--database", url).code == 1
        assert trail(url) == []


class TestNothingIsShown:
    """When the trail cannot be written: exit code 3, a sentence that says so, and no patient."""

    COMMANDS = (["show", "100"], ["history", "100"], ["show", "100", "--json"], ["show", "999"])

    def check(self, run: Run, words: list[str], url: str, lang: str = "en") -> str:
        result = run(*words, "--lang", lang, "--database", url)
        assert (result.code, result.out) == (3, "")
        assert not any(name in result.err for name in NAMES)
        return result.err

    @pytest.mark.parametrize("words", COMMANDS)
    def test_while_another_process_holds_the_file(
        self, words: list[str], run: Run, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        said = self.check(run, words, url)
        holder.execute("ROLLBACK")
        holder.close()
        assert said.startswith("Nothing is shown: the access cannot be written to the audit trail. ")
        assert "is locked by another process" in said
        assert trail(url) == []

    @pytest.mark.parametrize("words", COMMANDS)
    def test_when_the_disk_takes_no_row(self, words: list[str], run: Run, url: str) -> None:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.execute(
                "CREATE TRIGGER refused BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'KERGUELEN'); END"
            )
            file.commit()
        said = self.check(run, words, url, "fr")
        assert said.startswith("Rien n'est montré : la consultation ne peut pas être inscrite dans la piste d'audit. ")

    def test_nor_a_message(self, run: Run, url: str) -> None:
        found = message_of(run, url, "MATIN021")
        holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        self.check(run, ["message", found], url)
        holder.close()

    @pytest.fixture
    def role(self, postgres_url: str) -> Iterator[str]:
        """A role that may read everything and write nothing."""
        name = f"pam_test_{secrets.token_hex(4)}"
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute(f"CREATE ROLE {name}".encode())
            server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}".encode())
            yield name
            server.execute(f"DROP OWNED BY {name}".encode())
            server.execute(f"DROP ROLE {name}".encode())

    def test_to_a_user_of_a_server_who_may_not_write_to_the_trail(
        self, run: Run, postgres_url: str, role: str, scenes: dict[str, Scene]
    ) -> None:
        receive(postgres_url, scenes["creation"].raw)
        limited = f"{postgres_url}?options=-c%20role%3D{role}"
        assert run("messages", "--database", limited).code == 0
        said = self.check(run, ["show", "100"], limited)
        assert "denies access" in said
        with psycopg.connect(postgres_url) as server:
            server.execute(f"GRANT INSERT ON audit_event TO {role}".encode())
        assert NAMES[0] in run("show", "100", "--database", limited).out
        assert [row.action for row in trail(postgres_url)] == ["read"]


class TestReasonRequired:
    @pytest.fixture(autouse=True)
    def required(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PAM_RECEIVER_REASON_REQUIRED", "true")

    @pytest.mark.parametrize("words", [["show", "100"], ["history", "100"], ["message", "01"]])
    @pytest.mark.parametrize("reason", [[], ["--reason", "  "]])
    def test_without_one_nothing_is_looked_up(self, words: list[str], reason: list[str], run: Run, url: str) -> None:
        result = run(*words, *reason, "--database", url)
        assert (result.code, result.out) == (2, "")
        assert result.err == "A reason is required (reason_required): --reason TEXT.\n"
        assert trail(url) == []

    def test_with_one_all_is_shown(self, run: Run, url: str) -> None:
        assert run("show", "100", "--reason", "why", "--database", url).code == 0
        assert run("messages", "--database", url).code == 0

    def test_one_that_is_too_long_is_refused(self, run: Run, url: str) -> None:
        assert run("show", "100", "--reason", "x" * 501, "--database", url).code == 2
        assert run("show", "100", "--reason", "x" * 500, "--database", url).code == 0


class TestBesideTheDaemon:
    def test_a_look_is_kept_while_a_daemon_serves_the_file(
        self, run: Run, url: str, serve: Callable[..., Daemon]
    ) -> None:
        daemon = serve("--database", url, "--http", "off")
        daemon.wait_for("serve.ready")
        assert run("show", "100", "--database", url).code == 0
        assert [row.action for row in trail(url)] == ["read"]
        assert daemon.end() == 0

    def test_a_daemon_says_the_head_of_the_trail_at_its_start(
        self, run: Run, url: str, serve: Callable[..., Daemon]
    ) -> None:
        run("show", "100", "--database", url)
        (row,) = trail(url)
        daemon = serve("--database", url, "--http", "off")
        assert daemon.wait_for("audit.head")["trail"] == f"1:{row.hash}"
        assert daemon.end() == 0


class TestErase:
    """The plan of an erasure shows names too: to look at it is an access, also when nothing is erased then."""

    @pytest.fixture
    def keyed(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "keys"
        assert run("keys", "create", file).code == 0
        monkeypatch.setenv("PAM_RECEIVER_KEY_FILE", str(file))

    @pytest.mark.usefixtures("keyed")
    def test_a_look_without_an_act(self, run: Run, url: str) -> None:
        assert run("erase", "100", "--reason", "demande", "--database", url).code == 2  # without --yes
        rows = trail(url)
        assert {row.action for row in rows} == {"read"}
        assert {row.detail["command"] for row in rows} == {"erase"}
        assert id_of(run, url, "100") in {row.identity_id for row in rows}
