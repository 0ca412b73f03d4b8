"""audit list, export, verify: what the commands print and write, and the codes that they end with."""

import json
import socket
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from lxml import etree
from tampering import tamper

from pam_receiver.store import Store
from pam_receiver.store.trail import Head, find_head, read_imports, read_trail

from .conftest import PATIENCE_S, Run

Rows = list[dict[str, Any]]


@pytest.fixture
def url(morning_file: Path, tmp_path: Path) -> str:
    """A morning of its own, in which two looks were taken: two rows at the end of its trail."""
    copy = tmp_path / "morning.db"
    with closing(sqlite3.connect(morning_file)) as source, closing(sqlite3.connect(copy)) as sink:
        source.backup(sink)
    return f"sqlite:///{copy}"


@pytest.fixture
def looked(url: str, run: Run) -> str:
    tamper(url, "DELETE FROM audit_event")  # other tests look at the morning too
    assert run("show", "100", "--reason", "demande", "--database", url).code == 0
    assert run("show", "nobody", "--database", url).code == 1
    return url


def head(url: str) -> Head:
    with closing(Store.open(url, read_only=True)) as store:
        found = find_head(store)
    assert found is not None
    return found


def count_imports(url: str) -> int:
    with closing(Store.open(url, read_only=True)) as store:
        return len(list(read_imports(store)))


def lines_of(text: str) -> Rows:
    return [json.loads(line) for line in text.splitlines()]


class TestList:
    def test_for_people_in_both_languages(self, run: Run, looked: str) -> None:
        english = run("audit", "list", "--database", looked)
        assert english.code == 0
        assert [line.split()[0] for line in english.out.splitlines()] == ["number", "2", "1"]
        assert "demande" in english.out
        assert "qui" in run("audit", "list", "--lang", "fr", "--database", looked).out

    def test_as_json_with_every_column(self, run: Run, looked: str) -> None:
        rows = run("audit", "list", "--json", "--database", looked).json
        assert isinstance(rows, list)
        assert [row["action"] for row in rows] == ["search", "read"]
        assert rows[1]["reason"] == "demande"
        assert set(rows[0]) == {
            *("type", "id", "number", "at", "action", "outcome", "actor", "actor_kind", "origin"),
            *("identity_id", "message_id", "reason", "detail", "previous", "hash"),
        }

    def test_by_identity_actor_time_and_number(self, run: Run, looked: str) -> None:
        def numbers(*words: str) -> list[int]:
            rows = run("audit", "list", *words, "--json", "--database", looked).json
            assert isinstance(rows, list)
            return [row["number"] for row in rows]

        (row,) = [each for each in run("audit", "list", "--json", "--database", looked).json if each["identity_id"]]  # type: ignore[attr-defined]
        assert numbers("--identity", row["identity_id"]) == [1]
        assert numbers("--identity", "nobody") == []
        assert numbers("--actor", row["actor"]) == [2, 1]
        assert numbers("--since", "2020-01-01") == [2, 1]
        assert numbers("--until", "2020-01-01") == []
        assert numbers("--limit", "1") == [2]

    def test_it_leaves_no_row_and_needs_no_right_to_write(self, run: Run, looked: str) -> None:
        before = head(looked)
        run("audit", "list", "--database", looked)
        run("audit", "verify", "--database", looked)
        assert head(looked) == before

    def test_of_nothing(self, run: Run, sqlite_url: str) -> None:
        assert run("audit", "list", "--database", sqlite_url).out == "Nothing in the trail.\n"
        assert run("audit", "verify", "--database", sqlite_url).code == 0

    def test_an_absent_database_is_3(self, run: Run) -> None:
        for words in (["list"], ["verify"], ["export"]):
            assert run("audit", *words, "--database", "sqlite:///none.db").code == 3


class TestVerify:
    def test_a_chain_that_holds_says_its_head(self, run: Run, looked: str) -> None:
        result = run("audit", "verify", "--database", looked)
        assert result.code == 0
        assert result.out.startswith(f"The chain holds: 2 row(s), head {head(looked)}.\n")
        assert "Without --expect" in result.out
        anchored = run("audit", "verify", "--expect", str(head(looked)), "--database", looked)
        assert anchored.out == f"The chain holds: 2 row(s), head {head(looked)}.\n"

    def test_a_changed_row_is_1_and_named(self, run: Run, looked: str) -> None:
        tamper(looked, "UPDATE audit_event SET actor = 'x' WHERE number = 1")
        result = run("audit", "verify", "--database", looked)
        assert result.code == 1
        assert "the first fault is at row 1" in result.out
        assert "1 row(s) were changed" in result.out
        told = run("audit", "verify", "--json", "--database", looked)
        assert (told.code, told.json["holds"], told.json["first"], told.json["unfit"]) == (1, False, 1, [1])  # type: ignore[index]

    def test_a_gap_is_named(self, run: Run, looked: str) -> None:
        for _ in range(3):
            run("show", "100", "--database", looked)
        tamper(looked, "DELETE FROM audit_event WHERE number IN (2, 3)")
        result = run("audit", "verify", "--lang", "fr", "--database", looked)
        assert result.code == 1
        assert "1 trou(s) : 2-3" in result.out

    def test_an_end_that_is_cut_off_is_1(self, run: Run, looked: str) -> None:
        noted = head(looked)
        tamper(looked, "DELETE FROM audit_event WHERE number = 2")
        assert run("audit", "verify", "--database", looked).code == 0
        result = run("audit", "verify", "--expect", str(noted), "--database", looked)
        assert result.code == 1
        assert "The row 2 that was noted down elsewhere is not there" in result.out

    @pytest.mark.parametrize("word", ["2", "2:", "0:" + "a" * 64, "2:" + "g" * 64, ":" + "a" * 64])
    def test_a_head_that_is_none_is_2(self, word: str, run: Run, looked: str) -> None:
        assert run("audit", "verify", "--expect", word, "--database", looked).code == 2


class TestExport:
    def test_json_lines_of_the_trail_and_of_what_came_in_in_order_of_time(self, run: Run, looked: str) -> None:
        result = run("audit", "export", "--database", looked)
        rows = lines_of(result.out)
        assert result.code == 0
        assert [row["at"][:19] for row in rows] == sorted(row["at"][:19] for row in rows)
        imports = [row for row in rows if row["type"] == "import"]
        assert len(imports) == count_imports(looked)
        assert {row["action"] for row in imports} == {"C", "U", "D"}
        assert [row["id"] for row in rows if row["type"] == "trail"] == ["trail/1", "trail/2"]
        assert len({row["id"] for row in rows}) == len(rows)

    def test_no_value_of_a_patient_is_in_it(self, run: Run, looked: str) -> None:
        out = run("audit", "export", "--database", looked).out
        for value in ("KERGUELEN", "ANNE", "259014410900036", "1959-01-23", "19590123"):
            assert value not in out

    def test_in_syslog_an_ipp_and_no_more(self, run: Run, looked: str, tmp_path: Path) -> None:
        file = tmp_path / "out.log"
        assert run("audit", "export", "--format", "syslog", "--output", file, "--database", looked).code == 0
        text = file.read_text(encoding="utf-8")
        assert "100^^^CHU-LYRE&amp;1.2.250.1.999.77&amp;ISO^PI" in text
        for value in ("KERGUELEN", "ANNE", "259014410900036", "1959-01-23", "19590123"):
            assert value not in text
        assert file.stat().st_mode & 0o777 == 0o600
        bare = run("audit", "export", "--format", "syslog", "--without-ipp", "--database", looked).out
        assert "CHU-LYRE&amp;" not in bare
        assert "^^^pam-receiver" in bare

    def test_each_syslog_line_holds_a_message_of_the_schema(self, run: Run, looked: str) -> None:
        schema = etree.RelaxNG(etree.parse(str(Path(__file__).parents[1] / "atna" / "audit_message.rng")))
        out = run("audit", "export", "--format", "syslog", "--database", looked).out
        lines = out.splitlines()
        assert len(lines) == count_imports(looked) + 2
        for line in lines:
            assert line.startswith("<85>1 20")
            schema.assertValid(etree.fromstring(line.split(" - \ufeff", 1)[1].encode()))

    def test_it_is_in_the_trail_before_it_goes_out_and_says_the_head(self, run: Run, looked: str) -> None:
        before = head(looked)
        result = run("audit", "export", "--only", "trail", "--reason", "mensuel", "--database", looked)
        assert result.err == (
            f"2 row(s) of the trail and 0 import(s) exported. Head of the trail, to be noted down elsewhere: {before}\n"
        )
        with closing(Store.open(looked, read_only=True)) as store:
            *_, row = read_trail(store)
        assert (row.action, row.reason, row.detail["to"], row.detail["head"]) == ("export", "mensuel", "-", str(before))

    def test_nothing_goes_out_when_the_trail_cannot_be_written(self, run: Run, looked: str, tmp_path: Path) -> None:
        holder = sqlite3.connect(looked.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        file = tmp_path / "out.jsonl"
        result = run("audit", "export", "--output", file, "--database", looked)
        holder.close()
        assert (result.code, result.out, file.exists()) == (3, "", False)

    def test_after_a_number_only_the_rows_that_follow(self, run: Run, looked: str) -> None:
        assert [
            row["number"] for row in lines_of(run("audit", "export", "--after", "1", "--database", looked).out)
        ] == [2]

    def test_by_time(self, run: Run, looked: str) -> None:
        assert run("audit", "export", "--since", "2100-01-01", "--database", looked).out == ""
        assert run("audit", "export", "--until", "2020-01-01", "--database", looked).out == ""

    def test_imports_alone(self, run: Run, looked: str) -> None:
        rows = lines_of(run("audit", "export", "--only", "imports", "--database", looked).out)
        assert {row["type"] for row in rows} == {"import"}

    def test_a_file_that_exists_is_not_replaced(self, run: Run, looked: str, tmp_path: Path) -> None:
        file = tmp_path / "out.jsonl"
        file.write_text("mine")
        result = run("audit", "export", "--output", file, "--database", looked)
        assert (result.code, file.read_text()) == (2, "mine")
        assert list(tmp_path.glob(".out*")) == []

    @pytest.mark.parametrize(
        "words",
        [
            ["--format", "csv"],
            ["--only", "x"],
            ["--since", "x"],
            ["--to", "127.0.0.1:1"],
            ["--to", "x", "--format", "syslog"],
            ["--to", "127.0.0.1:1", "--format", "syslog", "--output", "x"],
            ["--to", "127.0.0.1:1", "--format", "syslog", "--plain", "--ca", "x"],
            ["--to", "127.0.0.1:1", "--format", "syslog", "--ca", "none.pem"],
            ["--plain"],
            ["--ca", "x"],
            ["--after", "1", "--cursor", "x"],
            ["--after", "1", "--only", "imports"],
            ["--cursor", "x", "--until", "2026-01-01"],
        ],
    )
    def test_options_that_do_not_go_together_are_2_and_leave_no_row(
        self, words: list[str], run: Run, looked: str
    ) -> None:
        before = head(looked)
        assert run("audit", "export", *words, "--database", looked).code == 2
        assert head(looked) == before


class TestCursor:
    """An export that goes on where the last one ended: each row and each import once."""

    def export(self, run: Run, url: str, *words: object) -> Rows:
        result = run("audit", "export", "--cursor", "cursor.json", *words, "--database", url)
        assert result.code == 0, result.err
        return lines_of(result.out)

    @pytest.fixture(autouse=True)
    def settled_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pam_receiver.cli.export.SETTLED_AFTER", timedelta())

    def test_each_once(self, run: Run, looked: str) -> None:
        first = self.export(run, looked)
        assert len(first) == count_imports(looked) + 2
        second = self.export(run, looked)
        assert [row["action"] for row in second] == ["export"]
        run("show", "100", "--database", looked)
        assert [row["action"] for row in self.export(run, looked)] == ["export", "read"]
        assert Path("cursor.json").stat().st_mode & 0o777 == 0o600

    def test_the_first_one_may_begin_at_a_date_and_no_later_one(self, run: Run, looked: str) -> None:
        assert self.export(run, looked, "--since", "2100-01-01") == []
        result = run("audit", "export", "--cursor", "cursor.json", "--since", "2026-01-01", "--database", looked)
        assert result.code == 2

    def test_what_is_not_settled_waits_for_the_next_one(
        self, run: Run, looked: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("pam_receiver.cli.export.SETTLED_AFTER", timedelta(days=10_000))
            assert {row["type"] for row in self.export(run, looked)} == {"trail"}
        assert len([row for row in self.export(run, looked) if row["type"] == "import"]) == count_imports(looked)

    def test_a_trail_that_was_cut_short_since_is_told_and_not_exported(self, run: Run, looked: str) -> None:
        self.export(run, looked)
        tamper(looked, "DELETE FROM audit_event WHERE number >= 2")
        run("show", "100", "--database", looked)
        before = Path("cursor.json").read_text()
        result = run("audit", "export", "--cursor", "cursor.json", "--database", looked)
        assert (result.code, result.out) == (1, "")
        assert "Row 2 of the trail is no longer the one that was exported" in result.err
        assert Path("cursor.json").read_text() == before

    @pytest.mark.parametrize("content", ["", "{}", "[]", '{"number": "x", "hash": "", "imported": []}', "\xff"])
    def test_a_file_that_is_no_cursor_is_2(self, content: str, run: Run, looked: str) -> None:
        Path("cursor.json").write_text(content, encoding="latin-1")
        assert run("audit", "export", "--cursor", "cursor.json", "--database", looked).code == 2

    def test_a_folder_is_2(self, run: Run, looked: str) -> None:
        Path("cursor.json").mkdir()
        assert run("audit", "export", "--cursor", "cursor.json", "--database", looked).code == 2


class SyslogServer:
    """Takes one connection to its end, and keeps what came; ``taken``: octets after which it resets the connection."""

    def __init__(self, context: ssl.SSLContext | None = None, *, taken: int | None = None) -> None:
        self._context = context
        self._taken = taken
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(PATIENCE_S)
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.received = b""
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):  # of a client that refuses us, or went away
            connection, _ = self._listening.accept()
            with connection:
                connection.settimeout(PATIENCE_S)
                if self._taken is not None:
                    connection.recv(self._taken)
                    linger = (1).to_bytes(4, "little") + bytes(4)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # closes by a reset
                    return
                self._read(self._context.wrap_socket(connection, server_side=True) if self._context else connection)

    def _read(self, connection: socket.socket) -> None:
        with connection:
            while part := connection.recv(65536):
                self.received += part

    def close(self) -> None:
        self._listening.close()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def messages(self) -> list[bytes]:
        """What came, cut by the counts of octets. Spec: RFC 6587."""
        self.close()
        rest, found = self.received, []
        while rest:
            count, rest = rest.split(b" ", 1)
            found.append(rest[: int(count)])
            assert len(found[-1]) == int(count)
            rest = rest[int(count) :]
        return found


@pytest.fixture
def collector() -> Iterator[Callable[..., SyslogServer]]:
    made: list[SyslogServer] = []

    def make(*words: Any, **more: Any) -> SyslogServer:
        made.append(SyslogServer(*words, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


class TestCollector:
    def send(self, run: Run, url: str, server: SyslogServer, *words: object) -> Any:
        return run("audit", "export", "--format", "syslog", "--to", server.address, *words, "--database", url)

    @pytest.fixture
    def secured(self, tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
        authority = Authority(tmp_path)
        pair = authority.issue("collector")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        return context, authority.ca

    def test_all_of_it_arrives_over_tls(
        self, run: Run, looked: str, collector: Callable[..., SyslogServer], secured: tuple[ssl.SSLContext, Path]
    ) -> None:
        context, ca = secured
        server = collector(context)
        result = self.send(run, looked, server, "--ca", ca)
        assert result.code == 0, result.err
        messages = server.messages()
        assert len(messages) == count_imports(looked) + 2
        assert all(each.startswith(b"<85>1 ") for each in messages)
        with closing(Store.open(looked, read_only=True)) as store:
            *_, row = read_trail(store)
        assert row.detail["to"] == server.address

    def test_and_in_clear_when_that_is_said(
        self, run: Run, looked: str, collector: Callable[..., SyslogServer]
    ) -> None:
        server = collector()
        assert self.send(run, looked, server, "--plain").code == 0
        assert len(server.messages()) == count_imports(looked) + 2

    def test_a_certificate_of_an_unknown_authority_gets_nothing(
        self, run: Run, looked: str, collector: Callable[..., SyslogServer], secured: tuple[ssl.SSLContext, Path]
    ) -> None:
        server = collector(secured[0])
        result = self.send(run, looked, server)
        assert (result.code, result.out) == (1, "")
        assert "did not take all of it" in result.err
        assert server.messages() == []

    def test_one_that_speaks_in_clear_gets_nothing_by_default(
        self, run: Run, looked: str, collector: Callable[..., SyslogServer]
    ) -> None:
        server = collector(taken=1)
        assert self.send(run, looked, server).code == 1

    def test_one_that_is_not_there_is_1_and_the_cursor_stays(self, run: Run, looked: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            address = f"127.0.0.1:{gone.getsockname()[1]}"
        words = ("--format", "syslog", "--to", address, "--plain", "--cursor", "cursor.json")
        result = run("audit", "export", *words, "--lang", "fr", "--database", looked)
        assert result.code == 1
        assert "n'a pas tout pris" in result.err
        assert not Path("cursor.json").exists()

    def test_one_that_resets_the_connection_is_1(
        self, run: Run, looked: str, collector: Callable[..., SyslogServer]
    ) -> None:
        server = collector(taken=10)
        assert self.send(run, looked, server, "--plain").code == 1
