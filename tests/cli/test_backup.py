"""``backup`` and ``restore``: beside a daemon, back again, and on PostgreSQL by its own tools."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from pam_receiver.store import migrate

from .conftest import Daemon, Run, Scene, receive

TOOLS = ("pg_dump", "pg_restore")


@pytest.fixture
def url(sqlite_url: str, scenes: dict[str, Scene]) -> str:
    receive(sqlite_url, *(scene.raw for scene in scenes.values()))
    return sqlite_url


def told(run: Run, url: str) -> object:
    """What the database says of messages, identities and alerts."""
    return [
        run("messages", "--limit", "1000", "--json", "--database", url).json,
        run("alerts", "--state", "all", "--json", "--database", url).json,
        run("show", "8100101", "--json", "--database", url).out,
    ]


class TestBackup:
    def test_there_and_back(self, run: Run, url: str, scenes: dict[str, Scene], tmp_path: Path) -> None:
        before = told(run, url)
        made = run("backup", tmp_path / "copy.db", "--json", "--database", url).json
        assert set(made) == {"file", "revision", "rows", "sha256_of_rows", "size"}
        assert made["rows"]["message"] == len(scenes)
        receive(url, next(iter(scenes.values())).raw)
        assert told(run, url) != before
        result = run("restore", tmp_path / "copy.db", "--yes", "--json", "--database", url)
        assert (result.code, result.err) == (0, "")
        assert result.json["sha256_of_rows"] == made["sha256_of_rows"]
        assert Path(result.json["kept"]).exists()
        assert told(run, url) == before

    def test_in_words(self, run: Run, url: str, tmp_path: Path) -> None:
        made = run("backup", tmp_path / "copy.db", "--database", url, "--lang", "fr")
        assert made.out.startswith(f"Sauvegarde vérifiée : {tmp_path / 'copy.db'} (")
        back = run("restore", tmp_path / "copy.db", "--yes", "--database", url, "--lang", "fr")
        assert "L'ancienne base est gardée" in back.out
        assert "renvoyer" in back.out

    def test_beside_a_running_daemon_which_goes_on(
        self, run: Run, url: str, tmp_path: Path, serve: Callable[..., Daemon]
    ) -> None:
        daemon = serve("--database", url, "--http", "off")
        daemon.wait_for("serve.ready")
        assert run("backup", tmp_path / "copy.db", "--database", url).code == 0
        refused = run("restore", tmp_path / "copy.db", "--yes", "--database", url)
        assert refused.code == 3
        assert "stop it first" in refused.err
        assert daemon.end() == 0
        assert run("restore", tmp_path / "copy.db", "--yes", "--database", url).code == 0
        again = serve("--database", url, "--http", "off")
        again.wait_for("serve.ready")
        assert again.end() == 0

    def test_it_replaces_no_file(self, run: Run, url: str, tmp_path: Path) -> None:
        (tmp_path / "copy.db").write_text("x")
        result = run("backup", tmp_path / "copy.db", "--database", url)
        assert result.code == 2
        assert "exists already" in result.err

    def test_no_database(self, run: Run, tmp_path: Path) -> None:
        assert run("backup", tmp_path / "copy.db", "--database", f"sqlite:///{tmp_path / 'none.db'}").code == 3

    def test_restore_wants_a_yes(self, run: Run, url: str, tmp_path: Path) -> None:
        run("backup", tmp_path / "copy.db", "--database", url)
        result = run("restore", tmp_path / "copy.db", "--database", url)
        assert result.code == 2
        assert "--yes" in result.err

    def test_a_damaged_backup_is_refused(self, run: Run, url: str, tmp_path: Path) -> None:
        run("backup", tmp_path / "copy.db", "--database", url)
        data = (tmp_path / "copy.db").read_bytes()
        (tmp_path / "copy.db").write_bytes(data[: len(data) // 2])
        before = told(run, url)
        result = run("restore", tmp_path / "copy.db", "--yes", "--database", url)
        assert result.code == 3
        assert told(run, url) == before

    def test_an_older_backup_is_upgraded_by_the_daemon(
        self, run: Run, tmp_path: Path, serve: Callable[..., Daemon]
    ) -> None:
        old, new = (f"sqlite:///{tmp_path / name}" for name in ("old.db", "new.db"))
        migrate.upgrade(old, "0001")
        assert run("backup", tmp_path / "copy.db", "--database", old).code == 0
        assert run("restore", tmp_path / "copy.db", "--yes", "--database", new).code == 0
        daemon = serve("--database", new, "--http", "off")
        daemon.wait_for("database.upgraded")
        daemon.wait_for("serve.ready")
        assert daemon.end() == 0


class TestPostgres:
    """The way that docs/how-to/back-up-and-restore.md gives, with the tools of the server."""

    def test_the_command_says_how(self, run: Run, postgres_url: str, tmp_path: Path) -> None:
        for words in (["backup", tmp_path / "x"], ["restore", tmp_path / "x", "--yes"]):
            result = run(*words, "--database", postgres_url, "--lang", "fr")
            assert result.code == 2
            assert "pg_dump" in result.err

    def test_there_and_back(self, run: Run, postgres_url: str, scenes: dict[str, Scene], tmp_path: Path) -> None:
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if missing:
            pytest.skip(f"not found: {', '.join(missing)} (Debian: apt install postgresql-client)")
        receive(postgres_url, *(scene.raw for scene in scenes.values()))
        before = told(run, postgres_url)
        copy = tmp_path / "pam.dump"
        subprocess.run(
            ["pg_dump", "--format=custom", "--no-owner", f"--file={copy}", postgres_url], check=True, timeout=120
        )
        url = make_url(postgres_url)
        other = url.set(database=f"{url.database}_restored")
        name = sql.Identifier(str(other.database))
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
            try:
                restored = other.render_as_string(hide_password=False)
                subprocess.run(
                    [
                        "pg_restore",
                        "--exit-on-error",
                        "--single-transaction",
                        "--no-owner",
                        f"--dbname={restored}",
                        copy,
                    ],
                    check=True,
                    timeout=120,
                )
                assert told(run, restored) == before
                receive(restored, next(iter(scenes.values())).raw)  # a repeat is still one
                lines = run("messages", "--limit", "1", "--json", "--database", restored).json
                assert lines[0]["repeat_of"] is not None
            finally:
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
