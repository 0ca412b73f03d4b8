"""replay: refused messages taken again, shown without a value of a patient, and kept when asked."""

import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pam_receiver.store import Store, queries

from .conftest import CHECKOUT, Daemon, Run

SINCE = ("--since", "2020-01-01")


@pytest.fixture
def url(morning_file: Path, tmp_path: Path) -> str:
    """The morning of the demo, received in a test environment, with three refusals."""
    file = tmp_path / "replayed.db"
    shutil.copyfile(morning_file, file)
    return f"sqlite:///{file}"


@pytest.fixture
def replay(run: Run, url: str) -> Run:
    """Replay in production: what lacked traits beside a test INS is then taken without that INS."""

    def go(*words: object, **options: Any) -> Any:
        return run("replay", "--database", url, *words, **options)

    return go


def count(url: str) -> int:
    with closing(Store.open(url, read_only=True)) as store:
        return queries.read_statistics(store).messages


class TestDryRun:
    def test_what_would_be_accepted(self, replay: Run, url: str) -> None:
        result = replay(*SINCE)
        assert (result.code, result.err) == (0, "")
        assert "3 refused message(s), 0 of them accepted since." in result.out
        assert "Would be accepted: 1" in result.out
        assert "MATIN021" in result.out
        assert "--apply" in result.out
        assert count(url) == 22

    def test_in_french(self, replay: Run) -> None:
        out = replay(*SINCE, "--lang", "fr").out
        assert "Seraient acceptés : 1" in out
        assert "Encore refusés : 2" in out

    def test_choices(self, replay: Run) -> None:
        assert "1 refused message(s)" in replay(*SINCE, "--only", "AR").out
        assert "2 refused message(s)" in replay(*SINCE, "--only", "ae").out
        assert "3 refused message(s)" in replay(*SINCE, "--only", "AE,AR").out
        assert "1 refused message(s)" in replay(*SINCE, "--rule", "qualified-trait-missing").out
        assert "No refused message matches." in replay("--since", "2999-01-01").out
        assert "No refused message matches." in replay(*SINCE, "--until", "2020-01-02").out

    @pytest.mark.parametrize(
        "words",
        [
            ("--since", "yesterday"),
            (*SINCE, "--until", "tomorrow"),
            (*SINCE, "--only", "AA"),
            (*SINCE, "--rule", "no-such-rule"),
            (),
        ],
    )
    def test_2_for_what_means_nothing(self, replay: Run, words: tuple[str, ...]) -> None:
        result = replay(*words)
        assert (result.code, result.out) == (2, "")
        assert result.err

    def test_3_without_a_database(self, run: Run) -> None:
        assert run("replay", "--database", "sqlite:///absent.db", *SINCE).code == 3

    def test_no_value_of_a_patient(self, replay: Run) -> None:
        for form in ((), ("--json",)):
            out = replay(*SINCE, *form).out
            assert [word for word in ("KERGUELEN", "ANNE", "1959-01-23", "19590123", "2590144109") if word in out] == []


class TestApply:
    def test_what_is_accepted_is_kept_and_twice_does_nothing(self, replay: Run, url: str) -> None:
        result = replay(*SINCE, "--apply", "--reason", "rule mended")
        assert (result.code, "Accepted and kept: 1" in result.out) == (0, True)
        assert count(url) == 23
        with closing(Store.open(url, read_only=True)) as store:
            newest = queries.list_messages(store, limit=1)[0]
            with store.read() as connection:
                trail = connection.exec_driver_sql("SELECT action, reason, message_id FROM audit_event").all()
        assert (newest.control_id, newest.ack_code, newest.id in result.out) == ("MATIN021", "AA", True)
        assert [tuple(row) for row in trail] == [("replay", "rule mended", newest.id)]
        again = replay(*SINCE, "--apply")
        assert "1 of them accepted since" in again.out
        assert count(url) == 23

    def test_1_when_a_message_is_left_alone(self, run: Run, replay: Run, url: str) -> None:
        replay(*SINCE, "--apply")
        with closing(Store.open(url)) as store, store.begin() as tx:
            tx.connection.exec_driver_sql("UPDATE message SET replay_of = NULL, digest = x'00', repeat_key = NULL")
        result = replay(*SINCE)
        assert result.code == 1
        assert "W  Left alone, an identity that they name has changed or was confirmed since: 1" in result.out

    def test_beside_a_daemon(self, replay: Run, url: str, serve: Callable[..., Daemon]) -> None:
        daemon = serve("--database", url, "--http", "off")
        daemon.wait_for("serve.ready")
        result = replay(*SINCE, "--apply")
        assert (result.code, count(url)) == (0, 23), result.err


class TestJson:
    def test_each_key_is_explained(self, replay: Run) -> None:
        page = (CHECKOUT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
        part = page.split("\n## `replay --json`\n")[1].split("\n## ")[0]
        found: Any = replay(*SINCE, "--json").json
        (example,) = found["accepted"]["examples"]
        assert (example["control_id"], example["before"], example["after"]) == ("MATIN021", "AE", "AA")
        keys = {*found, *found["accepted"], *example}
        assert [key for key in keys if not re.search(rf'[`."]{key}[`"]', part)] == []
