"""rebuild: the identities beside their journal, in two languages and in JSON; and put in their place."""

import os
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from golden import adt

from pam_receiver import __version__
from pam_receiver.cli import parts
from pam_receiver.config import Settings
from pam_receiver.in_force import make_in_force
from pam_receiver.receive import Incoming, Receiver
from pam_receiver.store import Store, queries
from pam_receiver.store import backup as backups

from .conftest import CHECKOUT, Daemon, Run, receive


@pytest.fixture
def url(morning_file: Path, tmp_path: Path) -> str:
    """The morning of the demo, in a file that may be damaged."""
    file = tmp_path / "damaged.db"
    shutil.copyfile(morning_file, file)
    return f"sqlite:///{file}"


@pytest.fixture
def rebuild(run: Run, url: str) -> Run:
    def go(*words: object, **options: Any) -> Any:
        return run("rebuild", "--database", url, "--environment", "test", *words, **options)

    return go


def damage(url: str, statement: str = "UPDATE identity SET sex = 'U'") -> None:
    with closing(Store.open(url)) as store, store.begin() as tx:
        tx.connection.exec_driver_sql(statement)


def sexes(url: str) -> set[str | None]:
    with closing(Store.open(url, read_only=True)) as store:
        return {view.identity.traits.sex for view in queries.list_identities(store)}


class TestVerify:
    def test_0_when_all_is_as_the_journal_says(self, rebuild: Run) -> None:
        for words in ((), ("--verify",)):
            result = rebuild(*words)
            assert (result.code, result.err) == (0, "")
            assert "18 accepted message(s) taken again" in result.out
            assert result.out.endswith("The 4 identities stored are those that the journal makes.\n")

    def test_1_and_what_differs(self, rebuild: Run, url: str) -> None:
        damage(url)
        result = rebuild()
        assert result.code == 1
        assert "Identities that differ: 4" in result.out
        assert re.search(r"^ +[0-9a-f-]{36} +- +- +Sex$", result.out, re.MULTILINE)
        assert "rebuild --apply" in result.out

    def test_in_french(self, rebuild: Run, url: str) -> None:
        damage(url)
        result = rebuild("--lang", "fr")
        assert "Identités différentes : 4" in result.out
        assert "Sexe" in result.out

    def test_nothing_is_written(self, rebuild: Run, url: str) -> None:
        damage(url)
        before = Path(url.removeprefix("sqlite:///")).read_bytes()
        rebuild()
        assert Path(url.removeprefix("sqlite:///")).read_bytes() == before

    def test_messages_of_before_are_said(self, rebuild: Run) -> None:
        assert "18 message(s) of before revision 0002" in rebuild().out

    def test_an_empty_journal(self, run: Run, sqlite_url: str) -> None:
        result = run("rebuild", "--database", sqlite_url)
        assert (result.code, "The journal holds nothing to take again." in result.out) == (0, True)

    def test_1_when_texts_are_gone(self, rebuild: Run, url: str) -> None:
        damage(url, "DELETE FROM message_text")
        result = rebuild()
        assert (result.code, result.out) == (1, "")
        assert "18 accepted message(s) have no text any more" in result.err

    def test_1_when_what_was_in_force_is_not_whole(self, rebuild: Run, url: str) -> None:
        content = """'{"program": "1", "profiles": {"pam/profile.toml": "gone"}, "sources": {}}'"""
        damage(url, f"INSERT INTO in_force VALUES ('0123456789abcdef', '2026-03-02', {content})")
        damage(url, "UPDATE message SET in_force = '0123456789abcdef'")
        result = rebuild()
        assert (result.code, "0123456789ab" in result.err) == (1, True)

    def test_what_was_in_force_is_read_from_the_journal(self, run: Run, sqlite_url: str) -> None:
        settings = Settings(incomplete_qualified_identity="accept")
        sources = parts.make_sources(settings)
        raw = adt("200", "2", sex="").replace(
            b"^PI||", b"^PI~259014410903303^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS||"
        )
        with closing(Store.open(sqlite_url)) as store:
            receiver = Receiver(store, sources=sources, in_force=make_in_force(sources, program="0.0.1"))
            moment = datetime.now(UTC)
            (taken,) = receiver.receive([Incoming(raw.replace(b"|PROV|", b"|VALI|"), "192.0.2.1:1", moment)])
        assert taken.ack_code == "AA"
        result = run("rebuild", "--database", sqlite_url)  # under the default, which refuses the same message
        assert (result.code, "0.0.1" in result.out) == (0, True), result.out
        result = run("rebuild", "--database", sqlite_url, "--with-current-settings")
        assert (result.code, f"{taken.message_id}  AE" in result.out) == (1, True)
        assert "--apply --with-current-settings" in result.out

    def test_a_daemon_keeps_what_is_in_force(
        self, run: Run, sqlite_url: str, serve: Callable[..., Daemon], tmp_path: Path
    ) -> None:
        file = tmp_path / "one.hl7"
        file.write_bytes(adt("100", "1"))
        daemon = serve("--database", sqlite_url, "--http", "off")
        mllp = daemon.wait_for("serve.ready")["mllp"]
        assert run("send", file, "--to", mllp).code == 0
        found: Any = run("rebuild", "--database", sqlite_url, "--json").json  # beside the daemon
        (kept,) = found["in_force"]
        assert (found["differs"], found["folded"], found["before_settings_were_kept"]) == (False, 1, 0)
        assert (kept["program"], kept["messages"]) == (__version__, 1)
        assert re.fullmatch("[0-9a-f]{64}", kept["id"])

    def test_2_for_both(self, rebuild: Run) -> None:
        assert rebuild("--verify", "--apply").code == 2

    def test_3_without_a_database(self, run: Run) -> None:
        assert run("rebuild", "--database", "sqlite:///absent.db").code == 3
        assert not Path("absent.db").exists()

    def test_no_value_of_a_patient(self, rebuild: Run, url: str) -> None:
        damage(url, "UPDATE identity SET sex = 'U', birth_family_name = 'X', birth_date = NULL, ins_matricule = NULL")
        for form in ((), ("--json",)):
            out = rebuild(*form).out
            assert [word for word in ("KERGUELEN", "ANNE", "1959-01-23", "19590123", "2590144109") if word in out] == []


class TestJson:
    def test_what_differs(self, rebuild: Run, url: str) -> None:
        damage(url)
        result = rebuild("--json")
        found: Any = result.json
        assert (result.code, found["differs"], found["differing"]["count"]) == (1, True, 4)
        assert found["differing"]["examples"][0]["what"] == ["sex"]
        assert (found["messages"], found["folded"], found["identities"], found["replaced"]) == (22, 18, 4, None)

    def test_each_key_is_explained(self, rebuild: Run, url: str) -> None:
        page = (CHECKOUT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
        part = page.split("\n## `rebuild --json`\n")[1].split("\n## ")[0]
        damage(url)
        found: Any = rebuild("--apply", "--json").json
        keys = {*found, *found["replaced"], *found["differing"], *found["differing"]["examples"][0]}
        assert {"undecided", "what", "backup"} <= keys
        assert [key for key in keys if not re.search(rf'[`."]{key}[`"]', part)] == []


class TestApply:
    def test_a_verified_backup_then_the_identities(self, rebuild: Run, url: str, tmp_path: Path) -> None:
        before = sexes(url)
        damage(url)
        copy = tmp_path / "copy.db"
        result = rebuild("--apply", "--backup", copy, "--reason", "essai")
        assert (result.code, str(copy) in result.out) == (0, True), result.err
        assert "Replaced: 4 identities" in result.out
        assert sexes(url) == before
        assert rebuild().code == 0
        assert backups.verify(copy).rows["identity"] == 4
        assert sexes(f"sqlite:///{copy}") == {"U"}

    def test_without_a_name_it_lies_beside_the_database(self, rebuild: Run, url: str, tmp_path: Path) -> None:
        damage(url)
        assert rebuild("--apply").code == 0
        assert len(list(tmp_path.glob("damaged.db.before-rebuild-*Z"))) == 1

    def test_nothing_to_do_makes_no_backup(self, rebuild: Run, tmp_path: Path) -> None:
        result = rebuild("--apply")
        assert (result.code, "Nothing to replace" in result.out) == (0, True)
        assert list(tmp_path.glob("*before-rebuild*")) == []

    def test_a_backup_that_cannot_be_made_stops_it(self, rebuild: Run, url: str, tmp_path: Path) -> None:
        damage(url)
        taken = tmp_path / "taken.db"
        taken.write_bytes(b"")
        result = rebuild("--apply", "--backup", taken)
        assert (result.code, sexes(url)) == (2, {"U"})

    def test_accepted_messages_are_not_lost_without_a_word(self, run: Run, rebuild: Run, url: str) -> None:
        words = ("rebuild", "--database", url, "--apply", "--with-current-settings")
        spoilt = "CAST(replace(raw, '|P|2.5', '|P|9.9') AS BLOB)"
        one = "(SELECT id FROM message WHERE control_id = 'MATIN011')"
        damage(url, f"UPDATE message_text SET raw = {spoilt} WHERE message_id = {one}")
        damage(url)
        result = run(*words)
        assert (result.code, "--yes" in result.err, sexes(url)) == (1, True, {"U"})
        assert run(*words, "--yes").code == 0
        assert sexes(url) != {"U"}
        assert rebuild().code == 0  # a later look takes them under the same

    def test_3_while_a_daemon_serves_the_file(self, rebuild: Run, url: str, serve: Callable[..., Daemon]) -> None:
        damage(url)
        daemon = serve("--database", url, "--http", "off")
        daemon.wait_for("serve.ready")
        result = rebuild("--apply")
        assert (result.code, "serve" in result.err, sexes(url)) == (3, True, {"U"})
        assert rebuild().code == 1  # to look is allowed


class TestOnAServer:
    @pytest.fixture
    def damaged(self, postgres_url: str) -> str:
        receive(postgres_url, adt("100", "1"))
        with psycopg.connect(postgres_url) as connection:
            connection.execute("UPDATE identity SET sex = 'U'")
        return postgres_url

    def test_it_asks_for_the_backup_of_the_operator(self, run: Run, damaged: str, tmp_path: Path) -> None:
        result = run("rebuild", "--database", damaged, "--apply")
        assert (result.code, "pg_dump" in result.err) == (2, True)
        file = tmp_path / "other.txt"
        file.write_bytes(b"not a dump")
        result = run("rebuild", "--database", damaged, "--apply", "--backup-done", file)
        assert (result.code, str(file) in result.err, sexes(damaged)) == (2, True, {"U"})

    def test_one_of_before_the_last_message_will_not_do(self, run: Run, damaged: str, tmp_path: Path) -> None:
        file = tmp_path / "old.dump"
        file.write_bytes(b"PGDMP...")
        os.utime(file, (1, 1))
        assert run("rebuild", "--database", damaged, "--apply", "--backup-done", file).code == 2

    def test_then_it_replaces(self, run: Run, damaged: str, tmp_path: Path) -> None:
        file = tmp_path / "good.dump"
        file.write_bytes(b"PGDMP...")
        result = run("rebuild", "--database", damaged, "--apply", "--backup-done", file)
        assert (result.code, sexes(damaged)) == (0, {"F"}), result.err
        assert run("rebuild", "--database", damaged).code == 0
