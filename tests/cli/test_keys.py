"""keys: create, rotate, list, reencrypt; and the daemon that does not start without the key it needs."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from keyed import key, receive_morning

from pam_receiver.cli.morning import morning
from pam_receiver.cli.opening import open_store
from pam_receiver.config import load_settings
from pam_receiver.store import queries
from pam_receiver.store.keys import KeyRing, read_keys

from .conftest import Daemon, Run


def secret(ring: KeyRing) -> list[str]:
    return [each.line.partition(" ")[2] for each in ring.keys]


@pytest.fixture
def house(run: Run, tmp_path: Path, database_url: str) -> Path:
    """Settings that encrypt, on a database with the morning of the demo."""
    assert run("keys", "create", tmp_path / "house.keys", "--id", "k1").code == 0
    config = tmp_path / "house.toml"
    config.write_text(f'database = "{database_url}"\nkey_file = "house.keys"\nencrypt_journal = true\n')
    with closing(open_store(load_settings(config=config))) as store:
        receive_morning(store)
    return config


class TestCreate:
    def test_a_file_for_its_owner_alone_and_no_key_shown(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "house.keys"
        result = run("keys", "create", file)
        assert result.code == 0
        assert file.stat().st_mode & 0o777 == 0o600
        assert read_keys(file).current.id in result.out
        assert secret(read_keys(file))[0] not in result.out + result.err

    def test_a_file_that_is_there_stays(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "house.keys"
        run("keys", "create", file)
        before = file.read_text()
        result = run("keys", "create", file, "--lang", "fr")
        assert result.code == 2
        assert "existe déjà" in result.err
        assert file.read_text() == before

    @pytest.mark.parametrize("name", ["", "a b", "é", "x" * 41, "a,b", "-a"])
    def test_a_name_that_is_none(self, run: Run, tmp_path: Path, name: str) -> None:
        assert run("keys", "create", tmp_path / "house.keys", f"--id={name}").code == 2
        assert not (tmp_path / "house.keys").exists()


class TestRotate:
    def test_the_new_key_is_first_and_old_messages_are_read(self, run: Run, house: Path) -> None:
        result = run("keys", "rotate", house.parent / "house.keys", "--id", "k2")
        assert result.code == 0
        ring = read_keys(house.parent / "house.keys")
        assert [each.id for each in ring.keys] == ["k2", "k1"]
        assert not any(each in result.out + result.err for each in secret(ring))
        with closing(open_store(load_settings(config=house))) as store:
            assert [entry.raw for page in queries.read_journal(store) for entry in page] == [
                scene.raw for scene in morning()
            ]

    def test_a_name_that_is_taken(self, run: Run, house: Path) -> None:
        result = run("keys", "rotate", house.parent / "house.keys", "--id", "k1")
        assert result.code == 2
        assert [each.id for each in read_keys(house.parent / "house.keys").keys] == ["k1"]


class TestList:
    def test_ids_and_counts_and_no_key(self, run: Run, house: Path) -> None:
        run("keys", "rotate", house.parent / "house.keys", "--id", "k2")
        result = run("keys", "list", "--config", house)
        assert result.code == 0
        lines = [line.split() for line in result.out.splitlines()]
        assert lines[1:] == [["k2", "current", "0", "-"], ["k1", "to", "read", "22", "-"]]
        assert not any(each in result.out for each in secret(read_keys(house.parent / "house.keys")))

    def test_a_key_that_is_missing_is_told(self, run: Run, house: Path) -> None:
        (house.parent / "house.keys").write_text(key("k9").line)
        result = run("keys", "list", "--json", "--config", house)
        assert result.json == [
            {"key": "k9", "use": "current", "messages": 0, "signs_checkpoint": False},
            {"key": "k1", "use": "absent", "messages": 22, "signs_checkpoint": False},
        ]

    def test_without_keys_what_is_in_clear_is_counted(self, run: Run, morning_url: str) -> None:
        result = run("keys", "list", "--database", morning_url, "--json")
        assert result.json == [{"key": None, "use": "clear", "messages": 22, "signs_checkpoint": False}]


class TestReencrypt:
    def test_then_the_old_line_can_go(self, run: Run, house: Path) -> None:
        file = house.parent / "house.keys"
        run("keys", "rotate", file, "--id", "k2")
        result = run("keys", "reencrypt", "--config", house)
        assert (result.code, result.out) == (0, "22 message(s) written again.\n")
        file.write_text(file.read_text().splitlines()[0])
        with closing(open_store(load_settings(config=house))) as store:
            assert sum(bool(entry.raw) for page in queries.read_journal(store) for entry in page) == 22

    def test_without_a_key(self, run: Run, morning_url: str) -> None:
        result = run("keys", "reencrypt", "--database", morning_url)
        assert result.code == 2
        assert "keys create" in result.err


class TestReading:
    def test_a_missing_key_is_a_sentence_and_no_crash(self, run: Run, house: Path, database_url: str) -> None:
        with closing(open_store(load_settings(config=house), read_only=True)) as store:
            last = queries.list_messages(store, limit=1)[0].id
        assert "PID|" in run("message", last, "--config", house).out
        for words in (("message", last), ("check", "--against-journal")):
            result = run(*words, "--database", database_url, "--lang", "fr")
            assert result.code == 3
            assert "Scellé par la clé k1, qui manque" in result.err
        assert run("show", "100", "--database", database_url).code == 0
        assert run("messages", "--database", database_url).code == 0

    def test_who_cannot_read_the_keys_can_still_look_at_identities(self, run: Run, house: Path) -> None:
        (house.parent / "house.keys").unlink()
        assert run("show", "100", "--config", house).code == 0
        assert run("messages", "--config", house).code == 0

    def test_keys_by_the_environment(self, run: Run, house: Path, database_url: str, monkeypatch) -> None:
        monkeypatch.setenv(
            "PAM_RECEIVER_KEYS", f"{key('k7').line},{read_keys(house.parent / 'house.keys').current.line}"
        )
        with closing(open_store(load_settings({"database": database_url}), read_only=True)) as store:
            last = queries.list_messages(store, limit=1)[0].id
        assert "PID|" in run("message", last, "--database", database_url).out
        both = run("message", last, "--config", house)
        assert both.code == 2
        assert "PAM_RECEIVER_KEYS" in both.err

    def test_keys_stand_in_no_settings_file_and_in_no_sentence(self, run: Run, house: Path, monkeypatch) -> None:
        house.write_text(house.read_text() + f'keys = "{key("k1").line}"\n')
        result = run("show", "100", "--config", house)
        assert result.code == 2
        assert key("k1").line.partition(" ")[2] not in result.err
        monkeypatch.setenv("PAM_RECEIVER_KEYS", f"bad,{key('k1').line}")
        settings = load_settings()
        assert key("k1").line.partition(" ")[2] not in f"{settings!r} {settings}"


class TestServe:
    @pytest.mark.parametrize("setting", ["encrypt_journal = true", 'journal_retention = "90d"'])
    def test_it_does_not_start_without_the_key_that_it_needs(self, run: Run, setting: str) -> None:
        Path("house.toml").write_text(f'database = "sqlite:///here.db"\nhttp = "off"\n{setting}\n')
        result = run("serve", "--config", "house.toml", "--mllp", "127.0.0.1:0")
        assert result.code == 2
        assert "keys create" in result.err
        assert not Path("here.db").exists()

    def test_it_does_not_start_with_a_file_that_others_can_read(self, run: Run, house: Path) -> None:
        (house.parent / "house.keys").chmod(0o644)
        result = run("serve", "--config", house, "--mllp", "127.0.0.1:0", "--http", "off")
        assert result.code == 2
        assert "chmod 600" in result.err

    def test_it_starts_with_one_and_takes_sealed_messages(
        self, run: Run, house: Path, serve: Callable[..., Daemon], tmp_path: Path
    ) -> None:
        daemon = serve("--config", str(house), "--http", "off")
        ready = daemon.wait_for("serve.ready")
        file = tmp_path / "one.hl7"
        file.write_bytes(morning()[0].raw.replace(b"MATIN001", b"SEALED1"))
        assert run("send", file, "--to", ready["mllp"]).code == 0
        assert daemon.end() == 0
        listed = run("keys", "list", "--json", "--config", house).json
        assert listed == [{"key": "k1", "use": "current", "messages": 23, "signs_checkpoint": False}]
