"""unmerge: shown first, done after a yes, and refused by a sentence when it is not clear what is meant."""

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from golden import adt

from pam_receiver.store import Store, queries

from .conftest import Run, receive

ABSORBED = "101"  # of the morning of the demo
WHY = ("--reason", "homonym")


@pytest.fixture
def url(morning_file: Path, tmp_path: Path) -> str:
    file = tmp_path / "merged.db"
    shutil.copyfile(morning_file, file)
    return f"sqlite:///{file}"


@pytest.fixture
def undo(run: Run, url: str) -> Run:
    def go(*words: object, **options: Any) -> Any:
        return run("unmerge", *words, "--database", url, **options)

    return go


def identity(url: str, ipp: str) -> Any:
    with closing(Store.open(url, read_only=True)) as store:
        (view,) = queries.find_identities(store, ipp)
    return view.identity


def trail(url: str) -> list[tuple[str, str, str | None]]:
    """What the trail holds, of each command in the order of the identities."""
    with closing(Store.open(url, read_only=True)) as store, store.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT action, reason, identity_id FROM audit_event ORDER BY (number - 1) / 2, identity_id"
        ).all()
    return [(row[0], row[1], row[2]) for row in rows]


class TestPlan:
    def test_it_is_shown_and_nothing_is_done_without_a_yes(self, undo: Run, url: str) -> None:
        result = undo(ABSORBED, *WHY, stdin=b"")
        assert (result.code, "--yes" in result.err) == (2, True)
        one = identity(url, ABSORBED)
        assert one.merged_into in result.out
        assert one.id in result.out
        assert "MATIN020" in result.out  # refused because it named the absorbed IPP

    def test_in_french(self, undo: Run) -> None:
        result = undo(ABSORBED, *WHY, "--lang", "fr", stdin=b"")
        assert "Fusion à défaire" in result.out
        assert "Rien n'a été changé" in result.err


class TestDone:
    def test_after_a_yes(self, run: Run, undo: Run, url: str) -> None:
        before = identity(url, ABSORBED)
        result = undo(ABSORBED, *WHY, "--yes")
        assert (result.code, result.err) == (0, "")
        after = identity(url, ABSORBED)
        assert (after.active, after.merged_into, after.version) == (True, None, before.version + 1)
        assert before.merged_into in result.out.splitlines()[-1]
        assert run("rebuild", "--database", url, "--environment", "test").code == 0

    def test_somebody_may_be_asked(self, undo: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for answer, code in ((False, 1), (True, 0)):
            monkeypatch.setattr("pam_receiver.cli.unmerge.sys.stdin.isatty", lambda: True)
            monkeypatch.setattr("typer.confirm", lambda *_, answer=answer, **__: answer)
            assert undo(ABSORBED, *WHY).code == code
            assert identity(url, ABSORBED).active is answer

    def test_by_its_id(self, undo: Run, url: str) -> None:
        assert undo(identity(url, ABSORBED).id, *WHY, "--yes").code == 0

    def test_history_tells_it_in_words(self, run: Run, undo: Run, url: str) -> None:
        survivor = identity(url, ABSORBED).merged_into
        undo(ABSORBED, *WHY, "--yes")
        assert "Merge undone" in run("history", survivor, "--database", url).out
        assert "Fusion défaite" in run("history", survivor, "--database", url, "--lang", "fr").out

    def test_who_and_why_is_kept(self, undo: Run, url: str) -> None:
        pair = {identity(url, ABSORBED).id, identity(url, ABSORBED).merged_into}
        undo(ABSORBED, *WHY, stdin=b"")
        assert trail(url) == [("read", "homonym", each) for each in sorted(pair)]  # to look is an act of its own
        undo(ABSORBED, *WHY, "--yes")
        assert trail(url)[4:] == [("unmerge", "homonym", each) for each in sorted(pair)]

    def test_a_search_that_finds_nobody_is_kept_too(self, undo: Run, url: str) -> None:
        undo("999999", *WHY, "--yes")
        assert trail(url) == [("search", "homonym", None)]


class TestRefused:
    def test_1_for_one_that_is_not_merged(self, undo: Run, url: str) -> None:
        result = undo("100", *WHY, "--yes")
        assert (result.code, "not merged" in result.err) == (1, True)

    def test_1_for_one_that_is_not_there(self, undo: Run) -> None:
        assert undo("999999", *WHY, "--yes").code == 1
        assert undo(ABSORBED, *WHY, "--authority", "nobody", "--yes").code == 1

    def test_2_without_a_reason(self, undo: Run) -> None:
        assert undo(ABSORBED).code == 2
        assert undo(ABSORBED, "--reason", " ").code == 2

    def test_2_when_several_are_meant(self, undo: Run, url: str) -> None:
        clinic = b"CLINIQUE&1.2.250.1.999.88&ISO"
        other = adt("101", "K1").replace(b"CHU-LYRE&1.2.250.1.999.77&ISO", clinic)
        receive(url, other)
        with closing(Store.open(url)) as store, store.begin() as tx:
            tx.connection.exec_driver_sql(
                "UPDATE identity SET merged_into = (SELECT merged_into FROM identity "
                "WHERE merged_into IS NOT NULL) WHERE id IN (SELECT identity_id FROM identifier WHERE value = '101')"
            )
        result = undo(ABSORBED, *WHY, "--yes")
        assert (result.code, "--authority" in result.err) == (2, True)
        assert undo(ABSORBED, *WHY, "--authority", "CHU-LYRE", stdin=b"").code == 2  # clear now, and not confirmed

    def test_1_for_one_that_was_erased(self, undo: Run, url: str) -> None:
        one = identity(url, ABSORBED).id
        with closing(Store.open(url)) as store, store.begin() as tx:
            for statement in (
                f"DELETE FROM identifier WHERE identity_id = '{one}'",
                f"UPDATE identity SET erased_at = '2026-03-02T00:00:00.000000+00:00' WHERE id = '{one}'",
                f"INSERT INTO tombstone VALUES ('{one}', '2026-03-02T00:00:00.000000+00:00', 'x', 'y', 1, 1)",
            ):
                tx.connection.exec_driver_sql(statement)
        result = undo(one, *WHY, "--yes")
        assert (result.code, "erased" in result.err) == (1, True)

    def test_3_without_a_database(self, run: Run) -> None:
        assert run("unmerge", "1", *WHY, "--database", "sqlite:///absent.db").code == 3
