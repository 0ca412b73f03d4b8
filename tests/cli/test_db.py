"""db: upgrade, current, downgrade."""

from pathlib import Path

from pam_receiver.resources import MIGRATIONS
from pam_receiver.store import migrate

from .conftest import Run


class TestUpgrade:
    def test_makes_the_tables(self, run: Run, bare_url: str) -> None:
        result = run("db", "upgrade", "--database", bare_url)
        assert (result.code, result.out) == (0, f"Database at schema {migrate.head()}.\n")
        assert run("messages", "--database", bare_url).code == 0

    def test_twice_changes_nothing(self, run: Run, database_url: str) -> None:
        assert run("db", "upgrade", "--database", database_url).code == 0

    def test_the_database_may_come_from_the_settings(self, run: Run, tmp_path: Path) -> None:
        config = tmp_path / "house.toml"
        config.write_text('database = "sqlite:///here.db"\n')
        assert run("db", "upgrade", "--config", config).code == 0
        assert (tmp_path / "here.db").exists()


class TestCurrent:
    def test_names_both_revisions(self, run: Run, database_url: str) -> None:
        result = run("db", "current", "--database", database_url, "--lang", "fr")
        assert (result.code, result.out) == (0, f"Base : {migrate.head()} ; programme : {migrate.head()}.\n")

    def test_of_a_database_without_tables(self, run: Run, bare_postgres_url: str) -> None:
        assert run("db", "current", "--database", bare_postgres_url).out.startswith("Database: none;")

    def test_of_a_file_that_is_missing(self, run: Run) -> None:
        assert run("db", "current", "--database", "sqlite:///none.db").code == 3
        assert not Path("none.db").exists()


class TestDowngrade:
    def test_asks_for_yes(self, run: Run, database_url: str) -> None:
        result = run("db", "downgrade", "base", "--database", database_url)
        assert result.code == 2
        assert "add --yes" in result.err
        assert migrate.current(database_url) == migrate.head()

    def test_takes_the_tables_away_and_copies_a_file_before(self, run: Run, sqlite_url: str, tmp_path: Path) -> None:
        result = run("db", "downgrade", "base", "--yes", "--database", sqlite_url)
        assert result.code == 0
        assert result.out.endswith("Database at schema none.\n")
        copy = result.out.splitlines()[0].removeprefix("Copy of the database: ").removesuffix(".")
        assert migrate.current(f"sqlite:///{copy}") == migrate.head()

    def test_without_a_revision_is_one_step_back(self, run: Run, sqlite_url: str) -> None:
        before = sorted(each.stem[:4] for each in MIGRATIONS.glob("versions/[0-9]*.py"))
        assert run("db", "downgrade", "--database", sqlite_url).code == 2
        assert migrate.current(sqlite_url) == migrate.head()
        assert run("db", "downgrade", "--yes", "--database", sqlite_url).code == 0
        assert migrate.current(sqlite_url) == (before[-2] if len(before) > 1 else None)

    def test_to_a_revision_that_does_not_exist(self, run: Run, sqlite_url: str) -> None:
        result = run("db", "downgrade", "nowhere", "--yes", "--database", sqlite_url)
        assert result.code == 2
        assert "nowhere" in result.err
