"""erase: who is meant, what will go, the question before it, and beside a daemon that serves the file."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from keyed import key, receive, receive_morning
from people import adt, pid

from pam_receiver.cli.morning import morning
from pam_receiver.cli.opening import open_store
from pam_receiver.config import load_settings
from pam_receiver.store import queries

from .conftest import Daemon, Run

WHY = ("--reason", "on demand")
NAMES = ("KERGUELEN", "SOLENE", "259014410900036", "1959-01-23")


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Path:
    """Settings with a key, on a database with the morning of the demo."""
    keys = tmp_path / "house.keys"
    keys.write_text(key("k1").line)
    keys.chmod(0o600)
    config = tmp_path / "house.toml"
    config.write_text(f'database = "{database_url}"\nkey_file = "house.keys"\nenvironment = "test"\n')
    with closing(open_store(load_settings(config=config))) as store:
        receive_morning(store)
    return config


def id_of(config: Path, value: str) -> str | None:
    with closing(open_store(load_settings(config=config), read_only=True)) as store:
        found = queries.find_identities(store, value)
    return found[0].identity.id if found else None


class Terminal:
    """Standard input of somebody who types."""

    def __init__(self, *lines: str) -> None:
        self._lines = [f"{line}\n" for line in lines]

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._lines.pop(0)


class TestErase:
    @pytest.mark.parametrize("value", ["100", "101", "259014410900036"])
    def test_by_any_identifier(self, run: Run, house: Path, value: str) -> None:
        result = run("erase", value, *WHY, "--yes", "--config", house)
        assert result.code == 0
        assert "Erased: 2 identity(ies), 7 version(s)" in result.out
        assert "Backups" in result.out
        assert run("show", value, "--config", house).code == 1

    def test_by_its_id_which_then_says_when_by_whom_and_why(self, run: Run, house: Path) -> None:
        one = id_of(house, "100")
        assert run("erase", one, *WHY, "--yes", "--config", house).code == 0
        shown = run("show", one, "--config", house)
        assert shown.code == 0
        assert "erased on 2" in shown.out
        assert "on demand" in shown.out
        assert not any(name in shown.out for name in NAMES)
        as_json = run("show", one, "--json", "--config", house).json
        assert isinstance(as_json, dict)
        assert as_json["erased"]["reason"] == "on demand"
        history = run("history", one, "--config", house)
        assert history.code == 0
        assert not any(name in history.out for name in NAMES)
        again = run("erase", one, *WHY, "--yes", "--config", house)
        assert again.code == 1
        assert "erased already" in again.err

    def test_it_says_in_french_what_goes_and_what_stays(self, run: Run, house: Path, database_url: str) -> None:
        result = run("erase", "100", *WHY, "--yes", "--config", house, "--lang", "fr")
        for words in (
            "Ce qui sera effacé",
            "KERGUELEN ANNE",
            "Messages dont le texte part",
            "pierre tombale",
            "Effacé :",
        ):
            assert words in result.out
        assert ("VACUUM" in result.err) is database_url.startswith("postgres")

    def test_nobody_of_this_identifier(self, run: Run, house: Path) -> None:
        assert run("erase", "4711", *WHY, "--yes", "--config", house).code == 1
        assert run("erase", "100", "--authority", "CLINIQUE", *WHY, "--yes", "--config", house).code == 1
        assert id_of(house, "100") is not None

    def test_a_reason_is_asked_for(self, run: Run, house: Path) -> None:
        assert run("erase", "100", "--yes", "--config", house).code == 2
        assert run("erase", "100", "--reason", "  ", "--yes", "--config", house).code == 2
        assert id_of(house, "100") is not None

    def test_without_a_key_it_says_what_to_do(self, run: Run, house: Path, database_url: str) -> None:
        result = run("erase", "100", *WHY, "--yes", "--database", database_url)
        assert result.code == 2
        assert "keys create" in result.err
        assert id_of(house, "100") is not None


class TestConfirmation:
    def test_where_nobody_can_answer_yes_is_needed(self, run: Run, house: Path) -> None:
        result = run("erase", "100", *WHY, "--config", house, stdin=b"y\n")
        assert result.code == 2
        assert "--yes" in result.err
        assert id_of(house, "100") is not None

    @pytest.mark.parametrize(("answer", "is_erased"), [("y", True), ("n", False), ("", False)])
    def test_somebody_is_asked(
        self, run: Run, house: Path, monkeypatch: pytest.MonkeyPatch, answer: str, is_erased: bool
    ) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        result = run("erase", "100", *WHY, "--config", house)
        assert result.code == (0 if is_erased else 1)
        assert (id_of(house, "100") is None) is is_erased


@pytest.fixture
def doubled(house: Path) -> Path:
    """The IPP 100 of another authority is another person's."""
    with closing(open_store(load_settings(config=house))) as store:
        cx = "100^^^CLINIQUE&1.2.250.1.999.88&ISO^PI"
        other = pid(pid3=[cx], names=["LE GALL^MALO^MALO^^^^L"], birth_date="20010203", codes=["PROV"])
        assert receive(store, adt("A28", other, msh={10: "TWIN"}).raw)[0].ack_code == "AA"
    return house


class TestSeveral:
    def test_it_is_refused_and_all_are_shown(self, run: Run, doubled: Path) -> None:
        result = run("erase", "100", *WHY, "--yes", "--config", doubled)
        assert result.code == 2
        assert "2 persons hold 100" in result.err
        assert "CLINIQUE" in result.out
        assert "CHU-LYRE" in result.out
        assert len(run("show", "100", "--json", "--config", doubled).json) == 2  # type: ignore[arg-type]

    def test_an_authority_picks_one(self, run: Run, doubled: Path) -> None:
        assert run("erase", "100", "--authority", "CLINIQUE", *WHY, "--yes", "--config", doubled).code == 0
        left = run("show", "100", "--json", "--config", doubled).json
        assert isinstance(left, dict)
        assert left["traits"]["birth_family_name"] == "KERGUELEN"

    @pytest.mark.parametrize(("number", "left"), [(1, 1), (2, 1), (0, 2), (3, 2)])
    def test_somebody_is_asked_which(
        self, run: Run, doubled: Path, monkeypatch: pytest.MonkeyPatch, number: int, left: int
    ) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal(str(number)))
        result = run("erase", "100", *WHY, "--yes", "--config", doubled)
        assert result.code == (0 if left == 1 else 1)
        shown = run("show", "100", "--json", "--config", doubled).json
        assert (1 if isinstance(shown, dict) else len(shown)) == left  # type: ignore[arg-type]


def test_beside_a_daemon_that_serves_the_same_file(
    run: Run, house: Path, serve: Callable[..., Daemon], tmp_path: Path, sqlite_url: str
) -> None:
    config = tmp_path / "served.toml"
    config.write_text(f'database = "{sqlite_url}"\nkey_file = "house.keys"\nenvironment = "test"\n')
    daemon = serve("--config", str(config), "--http", "off")
    mllp = daemon.wait_for("serve.ready")["mllp"]
    for number, scene in enumerate(morning()[:3]):
        (tmp_path / f"{number}.hl7").write_bytes(scene.raw.replace(b"MATIN", b"DAEMON"))
        assert run("send", tmp_path / f"{number}.hl7", "--to", mllp).code == 0
    assert run("erase", "100", *WHY, "--yes", "--config", config).code == 0
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    content = b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    assert [name for name in NAMES[:3] if name.encode() in content] == []
    again = adt("A28", pid(pid3=["100^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI"], codes=["PROV"]), msh={10: "AGAIN"}).raw
    (tmp_path / "again.hl7").write_bytes(again)
    assert run("send", tmp_path / "again.hl7", "--to", mllp).code == 0
    assert id_of(config, "100") is not None
    assert daemon.end() == 0
