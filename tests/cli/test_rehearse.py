"""check --against-journal: what would differ under another profile, and that no value of a patient is printed."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from golden import adt

from pam_receiver import rehearsal
from pam_receiver.cli.morning import Scene
from pam_receiver.rehearsal import Rehearsal
from pam_receiver.store import Reason, Store, StoreUnavailable, queries

from .conftest import CHECKOUT, Run, receive

WITHOUT_VALI = '[[grade]]\nrule = "ins-without-vali"\nseverity = "E"\n'
ONLY_INFORMED = '[[grade]]\nrule = "ins-without-vali"\nseverity = "I"\n'
OVERLAY = '[overlay]\ntitle = "Essai"\nspec = "CHU-LYRE"\n\n'


@pytest.fixture
def rehearse(run: Run, morning_url: str) -> Run:
    """Rehearse the morning of the demo, which was received in a test environment."""

    def go(*words: object, **options: Any) -> Any:
        return run("check", "--against-journal", "--database", morning_url, "--environment", "test", *words, **options)

    return go


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write an overlay and return its file."""

    def go(lines: str) -> Path:
        file = tmp_path / "overlay.toml"
        file.write_text(OVERLAY + lines)
        return file

    return go


def message_of(url: str, control_id: str) -> str:
    with closing(Store.open(url, read_only=True)) as store:
        return next(line.id for line in queries.list_messages(store) if line.control_id == control_id)


class TestExitCode:
    def test_0_when_no_answer_and_no_identity_would_differ(self, rehearse: Run) -> None:
        result = rehearse()
        assert (result.code, result.err) == (0, "")
        assert "Answers (ACK) that would change: 0" in result.out
        assert result.out.endswith("No answer and no identity would change.\n")

    def test_0_when_only_findings_would_differ(self, rehearse: Run, write: Callable[[str], Path]) -> None:
        result = rehearse("--overlay", write(ONLY_INFORMED))
        assert result.code == 0
        assert re.search(r"W +ins-without-vali +1 +0 +1 ", result.out)

    def test_1_when_an_answer_would_differ(self, rehearse: Run, write: Callable[[str], Path], morning_url: str) -> None:
        result = rehearse("--overlay", write(WITHOUT_VALI))
        assert result.code == 1
        assert "AA → AE  1  ins-without-vali (1)" in result.out
        assert message_of(morning_url, "MATIN002") in result.out

    def test_1_when_an_identity_would_differ(self, run: Run, morning_url: str) -> None:
        result = run("check", "--against-journal", "--database", morning_url)  # in production test INS are not taken
        assert result.code == 1
        assert "would exist besides" in result.out
        assert "Status: qualifiée → validée; Matricule INS: held → none" in result.out
        assert "Sex: another value" in result.out

    def test_2_for_a_profile_that_is_none(self, rehearse: Run) -> None:
        result = rehearse("--profile", "pam_fr/1.0")
        assert (result.code, result.out) == (2, "")
        assert "pam_fr/1.0" in result.err

    def test_2_for_an_overlay_that_cannot_be_read(self, rehearse: Run) -> None:
        result = rehearse("--overlay", "absent.toml")
        assert (result.code, result.out) == (2, "")
        assert "absent.toml" in result.err

    def test_3_without_a_database(self, run: Run) -> None:
        result = run("check", "--against-journal", "--database", "sqlite:///absent.db")
        assert (result.code, result.out) == (3, "")
        assert "absent.db" in result.err
        assert not Path("absent.db").exists()

    def test_3_when_the_scratch_folder_is_full(self, rehearse: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object, **__: object) -> Rehearsal:
            raise StoreUnavailable("sqlite:///scratch.db", Reason.FULL)

        monkeypatch.setattr(rehearsal, "rehearse", full)
        result = rehearse()
        assert (result.code, result.out) == (3, "")


class TestSince:
    def test_only_later_messages_are_compared(self, rehearse: Run, write: Callable[[str], Path]) -> None:
        overlay = write(WITHOUT_VALI)
        assert rehearse("--overlay", overlay, "--since", "2020-01-01").code == 1
        result = rehearse("--overlay", overlay, "--since", "2999-01-01")
        assert (result.code, result.err) == (0, "")
        assert "No message to compare." in result.out

    def test_how_many_were_taken_before_is_said(self, rehearse: Run, morning_url: str) -> None:
        with closing(Store.open(morning_url, read_only=True)) as store:
            newest = queries.list_messages(store, limit=2)
        result = rehearse("--profile", "pam_fr/2.11", "--since", newest[1].received_at.isoformat())
        assert "\n2 message(s), received from " in result.out
        assert "Before them, 20 message(s) taken under the settings in force only." in result.out


class TestPrint:
    def test_in_french(self, rehearse: Run, write: Callable[[str], Path]) -> None:
        result = rehearse("--overlay", write(WITHOUT_VALI), "--lang", "fr")
        assert result.code == 1
        assert "Essai à blanc sur le journal : surcouche" in result.out
        assert "Réponses (ACK) qui changeraient : 1" in result.out
        assert "Identités qui changeraient : 0 (4 avant, 4 après)" in result.out

    def test_what_was_compared_is_named(self, rehearse: Run, write: Callable[[str], Path]) -> None:
        overlay = write("")
        title = rehearse("--profile", "pam_fr/2.11", "--overlay", overlay).out.splitlines()[0]
        assert f"profile pam_fr/2.11, overlay {overlay}, compared with the settings in force" in title

    def test_what_the_settings_in_force_answer_otherwise_than_the_journal(
        self, run: Run, write: Callable[[str], Path], morning_url: str
    ) -> None:
        result = run("check", "--against-journal", "--database", morning_url, "--overlay", write(""))  # in production
        assert result.code == 0
        assert "Answers of the journal that the settings in force would not give any more: 1" in result.out
        assert "AE → AA  1  qualified-trait-missing (1)" in result.out

    def test_no_value_of_a_patient(self, run: Run, morning_url: str, scenes: dict[str, Scene]) -> None:
        words = set()
        for scene in scenes.values():
            for segment in scene.raw.decode().split("\r"):
                if segment.startswith(("PID", "MRG")):
                    words |= set(re.findall(r"[A-Z]{4,}|[0-9]{3,}", segment))
        words -= {"ASIP", "SANTE", "PROV", "VALI", "DOUB", "VIDE", "NANTES"} | {"2026", "250", "999"}
        for form in ((), ("--json",)):
            result = run("check", "--against-journal", "--database", morning_url, *form)
            plain = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|MATIN[0-9]{3}|20\d\d-\S+Z", "", result.out)
            assert [word for word in words if re.search(rf"\b{word}\b", plain)] == []

    def test_a_source_known_by_its_port_takes_what_came_in_by_it(
        self, run: Run, sqlite_url: str, tmp_path: Path
    ) -> None:
        receive(sqlite_url, adt("100", "1"), port=2576)
        receive(sqlite_url, adt("200", "2"), port=2575)
        settings = tmp_path / "settings.toml"
        settings.write_text('[[source]]\nname = "labo"\nport = 2576\nprocessing_ids = ["T"]\n')
        words = ("check", "--against-journal", "--database", sqlite_url)
        result = run(*words, "--config", settings)
        assert (result.code, result.err) == (1, "")
        assert "AA → AR  1  processing-id-not-accepted (1)" in result.out
        assert message_of(sqlite_url, "1") in result.out
        assert run(*words).code == 0

    def test_messages_without_their_text_are_said(self, run: Run, sqlite_url: str) -> None:
        receive(sqlite_url, adt("100", "1"), adt("200", "2"))
        with closing(Store.open(sqlite_url)) as store, store.begin() as tx:
            one = "(SELECT id FROM message WHERE control_id = '2')"
            tx.connection.exec_driver_sql(f"DELETE FROM message_text WHERE message_id = {one}")
        assert "1 message(s) whose text was erased" in run("check", "--against-journal", "--database", sqlite_url).out


class TestJson:
    def test_what_would_differ(self, rehearse: Run, write: Callable[[str], Path], morning_url: str) -> None:
        overlay = write(WITHOUT_VALI)
        result = rehearse("--overlay", overlay, "--json")
        found: Any = result.json
        assert (found["profile"], found["overlay"], found["differs"]) == (None, str(overlay), True)
        assert (found["messages"], found["rehearsed"], found["drift"]) == (22, 22, [])
        example = {
            "message_id": message_of(morning_url, "MATIN002"),
            "control_id": "MATIN002",
            "event": "A31",
            "rules": ["ins-without-vali"],
        }
        assert found["answers"] == [
            {
                "before": "AA",
                "after": "AE",
                "count": 1,
                "rules": [{"rule": "ins-without-vali", "messages": 1}],
                "examples": [example],
            }
        ]
        assert found["findings"][0] == {
            "rule": "ins-without-vali",
            "severity": "E",
            "before": 0,
            "after": 1,
            "messages": 1,
            "examples": [example],
        }
        assert found["identities"]["before"] == found["identities"]["after"] == 4

    def test_identities_are_those_that_the_other_commands_show(self, run: Run, morning_url: str) -> None:
        found: Any = run("check", "--against-journal", "--database", morning_url, "--json").json
        changed = {example["identity_id"] for group in found["identities"]["changed"] for example in group["examples"]}
        with closing(Store.open(morning_url, read_only=True)) as store:
            assert changed
            assert changed <= {view.identity.id for view in queries.list_identities(store)}
        (example,) = found["identities"]["added"]["examples"]
        assert example == {"identity_id": None, "message_id": message_of(morning_url, "MATIN021")}

    def test_an_empty_journal(self, run: Run, sqlite_url: str) -> None:
        found: Any = run("check", "--against-journal", "--database", sqlite_url, "--json").json
        assert (found["messages"], found["begins_at"], found["identities"]) == (0, None, None)

    def test_each_key_is_explained(self, run: Run, morning_url: str) -> None:
        page = (CHECKOUT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
        part = page.split("\n## `check --against-journal --json`\n")[1].split("\n## ")[0]
        found: Any = run("check", "--against-journal", "--database", morning_url, "--json").json
        keys = set(_keys(found))
        assert {"differs", "rules", "identity_id", "what"} <= keys
        assert [key for key in keys if not re.search(rf'[`."]{key}[`"]', part)] == []


def _keys(value: object) -> Iterator[str]:
    match value:
        case dict():
            for key, below in value.items():
                yield key
                yield from _keys(below)
        case list():
            for each in value:
                yield from _keys(each)


class TestScratch:
    """The scratch databases hold patient data: they go, however the command ends."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        made = tmp_path / "scratch"
        made.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(made))
        return made

    def interrupt(self, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> list[str]:
        """Interrupt the rehearsal once its databases are there; return the files that were."""
        seen: list[str] = []
        real = rehearsal.rehearse

        def interrupted(*words: Any, folder: Path, **options: Any) -> Rehearsal:
            def stop(*_: object) -> None:
                seen.extend(each.name for each in folder.iterdir())
                assert folder.stat().st_mode & 0o077 == 0
                os.kill(os.getpid(), number)

            return real(*words, folder=folder, **{**options, "tell": stop})

        monkeypatch.setattr(rehearsal, "rehearse", interrupted)
        return seen

    def test_it_is_empty_at_the_end(self, rehearse: Run, folder: Path) -> None:
        assert rehearse("--profile", "pam_fr/2.11").code == 0
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("lang", ["fr", "en"])
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_it_is_empty_after_a_signal(
        self, rehearse: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, lang: str
    ) -> None:
        before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        seen = self.interrupt(monkeypatch, number)
        result = rehearse("--profile", "pam_fr/2.11", "--lang", lang)
        assert result.code not in (0, 70)
        assert {"present.db", "other.db"} <= set(seen)
        assert list(folder.iterdir()) == []
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


class TestProgress:
    def test_one_line_of_a_terminal_which_is_gone_at_the_end(
        self, rehearse: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        result = rehearse()
        assert "22 message(s), up to 20" in result.err
        assert "\n" not in result.err
        assert result.err.endswith("\r\x1b[K")
