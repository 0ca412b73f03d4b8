"""show, history, messages, message: what is kept, and the JSON that is a contract."""

import sqlite3
from pathlib import Path

import pytest

from pam_receiver.cli import options
from pam_receiver.cli.morning import Scene
from pam_receiver.store import migrate

from .conftest import Run, receive

ANNE_INS = "259014410900036"


class TestShow:
    def test_an_identity_is_found_by_its_id(self, run: Run, morning_url: str) -> None:
        by_ipp = run("show", "100", "--json", "--database", morning_url).json
        assert isinstance(by_ipp, dict)
        assert run("show", by_ipp["id"], "--json", "--database", morning_url).json == by_ipp
        assert run("show", by_ipp["id"], "--authority", "CHU-LYRE", "--database", morning_url).code == 1

    def test_json_is_the_contract(self, run: Run, morning_url: str) -> None:
        result = run("show", "100", "--json", "--database", morning_url)
        shown = result.json
        assert isinstance(shown, dict)
        assert result.code == 0
        assert shown.pop("id")
        assert shown == {
            "active": True,
            "merged_into": None,
            "version": 5,
            "status": "qualifiee",
            "attributes": [],
            "reliability_codes": ["VALI"],
            "ins": {"matricule": ANNE_INS, "oid": "1.2.250.1.213.1.4.10", "nature": "NIR"},
            "traits": {
                "birth_family_name": "KERGUELEN",
                "first_birth_given_name": "ANNE",
                "birth_given_names": "ANNE SOLENE MARIE",
                "birth_date": "1959-01-23",
                "sex": "F",
                "birth_place_code": "44109",
            },
            "used_family_name": None,
            "used_given_name": None,
            "identifiers": [
                {
                    "value": "100",
                    "type": "PI",
                    "authority": {
                        "namespace_id": "CHU-LYRE",
                        "universal_id": "1.2.250.1.999.77",
                        "universal_id_type": "ISO",
                    },
                    "active": True,
                }
            ],
            "absorbed": [run("show", "101", "--json", "--database", morning_url).json["id"]],  # type: ignore[index]
            "birth_place": {"code": "44109", "name": "Nantes", "standing": "current"},
            "dated_at": "2026-03-02T10:40:00.000Z",
            "erased": None,
        }
        assert list(shown) == [
            *("active", "merged_into", "version", "status", "attributes", "reliability_codes", "ins", "traits"),
            *("used_family_name", "used_given_name", "identifiers", "absorbed", "birth_place"),
            *("dated_at", "erased"),
        ]

    def test_an_ins_finds_its_identity(self, run: Run, morning_url: str) -> None:
        by_ipp = run("show", "100", "--json", "--database", morning_url)
        assert run("show", ANNE_INS, "--json", "--database", morning_url).out == by_ipp.out

    def test_an_absorbed_identity_answers_with_its_survivor(self, run: Run, morning_url: str) -> None:
        survivor = run("show", "100", "--json", "--database", morning_url).json
        absorbed = run("show", "101", "--json", "--database", morning_url).json
        assert isinstance(survivor, dict)
        assert isinstance(absorbed, dict)
        assert (absorbed["merged_into"], absorbed["active"]) == (survivor["id"], False)

    def test_a_former_ipp_is_found_and_marked(self, run: Run, morning_url: str) -> None:
        result = run("show", "300", "--database", morning_url)
        assert "PI  300  CHU-LYRE 1.2.250.1.999.77  former" in result.out

    def test_a_removed_ins_finds_nobody(self, run: Run, morning_url: str) -> None:
        result = run("show", "204115626000074", "--database", morning_url)
        assert (result.code, result.out) == (1, "")
        assert result.err == "No identity holds 204115626000074.\n"

    def test_for_people_in_both_languages(self, run: Run, morning_url: str) -> None:
        french = run("show", "100", "--lang", "fr", "--database", morning_url).out
        english = run("show", "100", "--lang", "en", "--database", morning_url).out
        assert "Nom de naissance         KERGUELEN" in french
        assert "Birth name              KERGUELEN" in english
        assert f"{ANNE_INS} (NIR, 1.2.250.1.213.1.4.10)" in french

    def test_a_birth_place_has_its_name(self, run: Run, morning_url: str) -> None:
        assert "Birth place (COG)       44109 Nantes\n" in run("show", "100", "--database", morning_url).out

    @pytest.mark.parametrize(
        ("code", "french", "english", "standing"),
        [
            ("75050", "75050 Nanterre (ancien code)", "75050 Nanterre (former code)", "former"),
            ("91352", "91352 (dans aucune liste)", "91352 (in no list)", "plausible"),
            ("99999", "99999 (lieu inconnu)", "99999 (unknown place)", "unknown"),
        ],
    )
    def test_a_birth_place_code_that_is_not_of_today_says_so_in_show_and_history(
        self, code: str, french: str, english: str, standing: str, run: Run, tmp_path: Path, scenes: dict[str, Scene]
    ) -> None:
        url = f"sqlite:///{tmp_path / 'places.db'}"
        migrate.upgrade(url)
        changed = scenes["doublon"].raw.replace(b"ADT^A28", b"ADT^A31").replace(b"44109", code.encode())
        receive(url, scenes["creation"].raw, changed.replace(b"||101^^^", b"||100^^^"))
        assert f"Lieu de naissance (COG)  {french}\n" in run("show", "100", "--lang", "fr", "--database", url).out
        assert f"Birth place (COG)       {english}\n" in run("show", "100", "--lang", "en", "--database", url).out
        assert f"Birth place (COG): 44109 Nantes → {english}" in run("history", "100", "--database", url).out
        shown = run("show", "100", "--json", "--database", url).json
        assert isinstance(shown, dict)
        assert (shown["birth_place"]["code"], shown["birth_place"]["standing"]) == (code, standing)

    def test_no_birth_place_is_null(self, run: Run, tmp_path: Path, scenes: dict[str, Scene]) -> None:
        url = f"sqlite:///{tmp_path / 'places.db'}"
        migrate.upgrade(url)
        receive(url, scenes["creation"].raw.replace(b"^^NANTES^^^FRA^BDL^^44109", b""))
        assert "Birth place (COG)       -\n" in run("show", "100", "--lang", "en", "--database", url).out
        shown = run("show", "100", "--json", "--database", url).json
        assert isinstance(shown, dict)
        assert shown["birth_place"] is None

    def test_an_authority_picks_by_universal_id_or_namespace(self, run: Run, morning_url: str) -> None:
        for name in ("1.2.250.1.999.77", "CHU-LYRE"):
            assert run("show", "100", "--authority", name, "--database", morning_url).code == 0
        other = run("show", "100", "--authority", "CHU-X", "--database", morning_url)
        assert other.code == 1
        assert other.err == "No identity holds 100 under the authority CHU-X.\n"


class TestOddWords:
    """A terminal whose locale cannot say a word hands its bytes over as halves of surrogates."""

    @pytest.mark.parametrize("words", [["show", "\udc80"], ["history", "\udc80"], ["message", "\udc80"]])
    def test_that_are_no_text_find_nothing(self, words: list[str], run: Run, morning_url: str) -> None:
        assert run(*words, "--database", morning_url).code == 1

    def test_nor_as_an_authority(self, run: Run, morning_url: str) -> None:
        assert run("show", "100", "--authority", "\udc80", "--database", morning_url).code == 1

    def test_are_read_as_utf_8(self) -> None:
        assert options.as_typed("\udcc3\udca9") == "é"
        assert options.as_typed("é") == "é"


class TestSeveralIdentities:
    """One value under two authorities."""

    @pytest.fixture
    def url(self, morning_file: Path, tmp_path: Path, scenes: dict[str, Scene]) -> str:
        copy = tmp_path / "two.db"
        copy.write_bytes(morning_file.read_bytes())
        other = scenes["creation-nia"].raw.replace(b"|GAM|CHU-LYRE|", b"|GAM|CHU-X|").replace(b"200^^^", b"100^^^")
        receive(f"sqlite:///{copy}", other.replace(b"CHU-LYRE&1.2.250.1.999.77", b"CHU-X&1.2.250.1.999.78"))
        return f"sqlite:///{copy}"

    def test_are_all_listed_with_exit_code_0(self, run: Run, url: str) -> None:
        result = run("show", "100", "--json", "--database", url)
        assert result.code == 0
        assert isinstance(result.json, list)
        assert len(result.json) == 2

    def test_are_told_apart_by_authority(self, run: Run, url: str) -> None:
        result = run("show", "100", "--database", url)
        assert "--authority picks one: 1.2.250.1.999.77, 1.2.250.1.999.78" in result.err
        picked = run("show", "100", "--authority", "CHU-X", "--json", "--database", url).json
        assert isinstance(picked, dict)
        assert picked["traits"]["birth_family_name"] == "TANGUY"

    def test_histories_name_their_identity(self, run: Run, url: str) -> None:
        versions = run("history", "100", "--json", "--database", url).json
        assert isinstance(versions, list)
        assert len({version["identity_id"] for version in versions}) == 2


class TestHistory:
    def test_json_is_the_contract_oldest_first(self, run: Run, morning_url: str) -> None:
        versions = run("history", "301", "--json", "--database", morning_url).json
        assert isinstance(versions, list)
        assert [version["version"] for version in versions] == [1, 2, 3, 4, 5]
        assert [version["event"] for version in versions] == ["A28", "A47", "A31", "A47", "A47"]
        assert [version["status"] for version in versions] == [
            *("validee", "validee", "qualifiee", "qualifiee", "validee"),
        ]
        keys = ["version", "at", "status", "changes", "message_id", "event", "control_id"]
        assert list(versions[0])[: len(keys)] == keys
        assert versions[0]["control_id"] == "MATIN011"
        assert versions[0]["at"].endswith("Z")
        removed = next(change for change in versions[4]["changes"] if change["what"] == "ins")
        assert (removed["after"], removed["reason"]) == (None, "removed-by-source")

    def test_for_people_tells_what_changed(self, run: Run, morning_url: str) -> None:
        out = run("history", "301", "--lang", "fr", "--database", morning_url).out
        assert "créée" in out
        assert "Identifiants : PI 300 → PI 300 (ancien), PI 301" in out
        assert "Matricule INS : 104115626000027 → - (supprimé par la source)" in out

    def test_of_nobody(self, run: Run, morning_url: str) -> None:
        assert run("history", "999", "--database", morning_url).code == 1


class TestMessages:
    def test_newest_first_with_verdict_and_findings(self, run: Run, morning_url: str) -> None:
        lines = run("messages", "--json", "--limit", "3", "--database", morning_url).json
        assert isinstance(lines, list)
        assert [line["control_id"] for line in lines] == ["MATIN022", "MATIN021", "MATIN020"]
        assert [line["ack"] for line in lines] == ["AR", "AE", "AE"]
        assert [finding["location"] for finding in lines[1]["findings"]] == ["PID-5.2", "PID-8", "PID-11"]

    def test_by_answer(self, run: Run, morning_url: str) -> None:
        out = run("messages", "--ack", "AR", "--database", morning_url).out
        assert "MATIN022" in out
        assert "MATIN021" not in out

    def test_an_empty_journal(self, run: Run, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'empty.db'}"
        migrate.upgrade(url)
        result = run("messages", "--database", url)
        assert (result.code, result.out) == (0, "No message.\n")


class TestMessage:
    def find(self, run: Run, url: str, control_id: str) -> list[str]:
        lines = run("messages", "--json", "--limit", "100", "--database", url).json
        assert isinstance(lines, list)
        return [line["id"] for line in lines if line["control_id"] == control_id]

    def test_raw_text_findings_and_ack(self, run: Run, morning_url: str) -> None:
        (found,) = self.find(run, morning_url, "MATIN021")
        result = run("message", found, "--lang", "fr", "--database", morning_url)
        assert "PID|1||400^^^" in result.out
        assert "MSA|AE|MATIN021" in result.out
        assert "qualified-trait-missing" in result.out
        full = run("message", found, "--json", "--database", morning_url).json
        assert isinstance(full, dict)
        assert full["raw"].startswith("MSH|")
        assert full["ack_raw"].startswith("MSH|")
        assert full["identities"] == []

    def test_a_repeat_names_what_it_repeats(self, run: Run, morning_url: str) -> None:
        repeat, first = self.find(run, morning_url, "MATIN018")
        assert f"Repeat of {first}" in run("message", repeat, "--database", morning_url).out
        assert "Identities changed: " in run("message", first, "--database", morning_url).out

    def test_the_beginning_of_an_id_is_enough_when_only_one_has_it(self, run: Run, morning_url: str) -> None:
        (found,) = self.find(run, morning_url, "MATIN001")
        assert run("message", found[:-1], "--database", morning_url).code == 0
        assert run("message", found[:4], "--database", morning_url).err == f"Several messages begin with {found[:4]}.\n"

    @pytest.mark.parametrize("value", ["zzz", "", "%"])
    def test_that_is_not_there(self, value: str, run: Run, morning_url: str) -> None:
        result = run("message", value, "--database", morning_url)
        assert (result.code, result.err) == (1, f"No message {value}.\n")


class TestDatabaseTrouble:
    """A database absent, locked or at another revision is exit code 3: never mistaken for "no such patient"."""

    COMMANDS = (["show", "100"], ["history", "100"], ["messages"], ["message", "01"])

    @pytest.mark.parametrize("words", COMMANDS)
    def test_absent_and_not_created(self, words: list[str], run: Run) -> None:
        result = run(*words, "--database", "sqlite:///none.db")
        assert (result.code, result.out) == (3, "")
        assert "does not exist" in result.err
        assert not Path("none.db").exists()

    @pytest.mark.parametrize("words", COMMANDS)
    def test_without_our_tables(self, words: list[str], run: Run) -> None:
        sqlite3.connect("empty.db").close()
        Path("empty.db").touch()
        result = run(*words, "--database", "sqlite:///empty.db")
        assert result.code == 3
        assert "db upgrade" in result.err

    @pytest.mark.parametrize("words", COMMANDS)
    def test_no_database_at_all(self, words: list[str], run: Run) -> None:
        Path("text.db").write_text("hello, this is no database, only a text that is long enough")
        result = run(*words, "--database", "sqlite:///text.db")
        assert result.code == 3
        assert "is not a database of pam-receiver" in result.err

    def test_of_a_newer_program(self, run: Run, tmp_path: Path, morning_file: Path) -> None:
        newer = tmp_path / "newer.db"
        newer.write_bytes(morning_file.read_bytes())
        connection = sqlite3.connect(newer)
        with connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        result = run("show", "100", "--database", f"sqlite:///{newer}", "--lang", "fr")
        assert result.code == 3
        assert "plus récente que ce pam-receiver" in result.err
