"""``alerts``: listing, acknowledging, closing; who did it is kept, and a step that leads nowhere is refused."""

import asyncio
from collections.abc import Callable
from urllib.request import urlopen

import pytest
from golden import CONVERSATIONS
from waiting import until

from pam_receiver.cli.actor import actor
from pam_receiver.store import Store
from pam_receiver.store.alerts import list_alerts

from .conftest import Daemon, Run, receive

KEYS = {
    "id",
    "at",
    "state",
    "finding",
    "identity_id",
    "message_id",
    "source",
    "changed_at",
    "changed_by",
    "note",
}


PLAYED = ("048-doublon", "049-another-ins-by-a31", "093-delete")
MESSAGES = [raw for each in CONVERSATIONS if each.name in PLAYED for raw in each.messages]


@pytest.fixture
def url(database_url: str) -> str:
    """A database with several alerts."""
    receive(database_url, *MESSAGES)
    return database_url


def numbers(url: str) -> list[int]:
    store = Store.open(url, read_only=True)
    try:
        return sorted(each.id for each in list_alerts(store))
    finally:
        store.close()


class TestList:
    def test_a_table_of_what_is_to_be_done(self, run: Run, url: str) -> None:
        result = run("alerts", "--database", url)
        assert (result.code, result.err) == (0, "")
        head, *lines = result.out.splitlines()
        assert head.split()[0] == "Alert"
        assert [int(line.split()[0]) for line in lines] == numbers(url)[::-1]
        assert any("doublon" in line for line in lines)

    def test_as_json(self, run: Run, url: str) -> None:
        found = run("alerts", "--json", "--database", url).json
        assert [set(each) for each in found] == [KEYS] * len(numbers(url))
        assert {each["state"] for each in found} == {"open"}
        assert all(each["finding"]["rule"] for each in found)

    def test_by_state(self, run: Run, url: str) -> None:
        first, second, *others = numbers(url)
        run("alerts", "close", first, "--note", "seen", "--database", url)
        run("alerts", "acknowledge", second, "--database", url)

        def listed(*options: str) -> list[int]:
            return sorted(each["id"] for each in run("alerts", *options, "--json", "--database", url).json)

        assert listed() == [second, *others]
        assert listed("--state", "open") == others
        assert listed("--state", "acknowledged") == [second]
        assert listed("--state", "closed") == [first]
        assert listed("--state", "all") == [first, second, *others]
        assert listed("--state", "all", "--limit", "1") == [others[-1] if others else second]

    def test_none(self, run: Run, database_url: str) -> None:
        assert run("alerts", "--database", database_url, "--lang", "fr").out == "Aucune alerte.\n"
        assert run("alerts", "--json", "--database", database_url).json == []

    def test_an_unknown_state(self, run: Run, database_url: str) -> None:
        result = run("alerts", "--state", "done", "--database", database_url, "--lang", "fr")
        assert result.code == 2
        assert "acknowledged" in result.err


class TestSteps:
    def test_acknowledged_then_closed(self, run: Run, url: str) -> None:
        first, second, *_ = numbers(url)
        result = run("alerts", "acknowledge", first, second, "--note", "I see to it", "--database", url)
        assert (result.code, result.err) == (0, "")
        assert f"{first}, {second}" in result.out
        (closed,) = run("alerts", "close", first, "--note", "merged", "--json", "--database", url).json
        assert (closed["state"], closed["note"], closed["changed_by"]) == ("closed", "merged", actor().name)
        assert closed["changed_at"] is not None

    def test_closed_is_the_end(self, run: Run, url: str) -> None:
        first, second, *_ = numbers(url)
        run("alerts", "close", first, "--note", "done", "--database", url)
        for words in (["close", second, first, "--note", "x"], ["acknowledge", second, first]):
            result = run("alerts", *words, "--database", url, "--lang", "fr")
            assert (result.code, result.out) == (1, "")
            assert result.err == f"L'alerte {first} est déjà close : rien n'a été changé.\n"
        assert [each["id"] for each in run("alerts", "--state", "closed", "--json", "--database", url).json] == [first]

    @pytest.mark.parametrize("number", [999_999, 1 << 62])
    def test_an_unknown_number(self, run: Run, url: str, number: int) -> None:
        result = run("alerts", "close", numbers(url)[0], number, "--note", "x", "--database", url)
        assert (result.code, result.err) == (1, f"No alert {number}: nothing was changed.\n")

    @pytest.mark.parametrize("word", ["x", "1.5", str(1 << 63), str(10**30)])
    def test_no_number(self, run: Run, url: str, word: str) -> None:
        assert run("alerts", "close", word, "--note", "x", "--database", url).code == 2

    @pytest.mark.parametrize("note", [[], ["--note", ""], ["--note", "  "]])
    def test_closed_only_with_a_note(self, run: Run, url: str, note: list[str]) -> None:
        assert run("alerts", "close", numbers(url)[0], *note, "--database", url).code == 2
        assert run("alerts", "--state", "closed", "--json", "--database", url).json == []

    def test_a_note_of_any_signs(self, run: Run, url: str) -> None:
        note = "vu « là » \udce9 'x\"; --"
        (closed,) = run("alerts", "close", numbers(url)[0], "--note", note, "--json", "--database", url).json
        assert closed["note"].startswith("vu « là »")

    def test_very_many_at_once(self, run: Run, url: str) -> None:
        assert run("alerts", "acknowledge", *range(1, 1002), "--database", url).code == 2

    def test_beside_a_running_daemon(self, run: Run, sqlite_url: str, serve: Callable[..., Daemon]) -> None:
        receive(sqlite_url, *MESSAGES)
        daemon = serve("--database", sqlite_url, "--http", "off")
        daemon.wait_for("serve.ready")
        assert run("alerts", "close", numbers(sqlite_url)[0], "--note", "x", "--database", sqlite_url).code == 0
        assert daemon.end() == 0


class TestWatch:
    """``serve`` looks at alerts and sources beside its messages (what it sees: tests/test_watch.py)."""

    def test_the_daemon_shows_how_many_are_open(self, sqlite_url: str, serve: Callable[..., Daemon]) -> None:
        receive(sqlite_url, *MESSAGES)
        daemon = serve("--database", sqlite_url, "--http", "127.0.0.1:0")
        address = daemon.wait_for("serve.ready")["http"]

        def shown() -> bool:
            with urlopen(f"http://{address}/metrics", timeout=10) as answer:
                return 'pam_receiver_open_alerts{rule="doublon"} 1.0' in answer.read().decode()

        asyncio.run(until(shown, "the number of open alerts"))
        assert daemon.end() == 0
