"""check --report and --junit: what is written, where, and what becomes of it when something goes wrong."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from golden import adt

from pam_receiver.cli.morning import Scene

from .conftest import Run


@pytest.fixture
def folder(tmp_path: Path, scenes: dict[str, Scene]) -> Path:
    """A capture of the morning: a file for each message, in folders."""
    capture = tmp_path / "capture"
    for number, scene in enumerate(scenes.values()):
        file = capture / f"{number % 3}" / f"{number:03}.hl7"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(scene.raw)
    return capture


class TestForms:
    def test_all_at_once(self, run: Run, folder: Path) -> None:
        words = ["--report", "r.html", "--report", "r.json", "--junit", "r.xml"]
        result = run("check", folder, *words, "--environment", "test", "--lang", "fr")
        assert result.code == 1
        assert result.err == "Rapport : r.html\nRapport : r.json\nRapport : r.xml\n"
        assert "\n22 message(s), " in result.out
        assert "message 1" not in result.out
        page = Path("r.html").read_text(encoding="utf-8")
        assert page.startswith("<!DOCTYPE html>")
        assert "capture/0/" in page
        assert str(folder) not in page
        totals = json.loads(Path("r.json").read_text(encoding="utf-8"))
        assert (totals["files"], totals["messages"]) == (22, 22)
        suites = ElementTree.parse("r.xml").getroot().findall("testsuite")
        assert len(suites) == 22
        assert sum(int(each.attrib["failures"]) for each in suites) == 2

    def test_the_list_as_json_may_come_with_them(self, run: Run, folder: Path) -> None:
        result = run("check", folder, "--report", "r.json", "--json")
        assert len(result.json) == json.loads(Path("r.json").read_text())["messages"] == 22  # type: ignore[arg-type]

    def test_the_totals_alone(self, run: Run, folder: Path) -> None:
        result = run("check", folder, "--totals", "--environment", "test")
        assert result.code == 1
        assert "Fix first" in result.out
        assert "qualified-trait-missing" in result.out
        assert list(Path().iterdir()) == []

    def test_what_the_totals_leave_out_is_told(self, run: Run, tmp_path: Path) -> None:
        """Ten things to fix first; of the others how many, and where they are."""
        file = tmp_path / "many.hl7"
        address = "^^^^^^BDL^^440~^^NANTES^^44000^100^H"
        pid = f"PID|1||1^^^H&1.2.250.1.999.1&ISO^PI||A^B^C^^^Mme^^L|X^Y^^^^^M|23/01/1959|O|||{address}|||||Q|||||"
        file.write_text(f"MSH|^~\\&|GAM||||2026||ADT^A28|1|P|2.5^FRA^2.11|||AL\rEVN|A28\r{pid}\rZBE|1\rPV1|9|K\r")
        result = run("check", file, "--report", "r.json", "--totals", "--lang", "fr")
        fixes = json.loads(Path("r.json").read_text())["fix_first"]
        assert len(fixes) > 10
        assert (
            f"\n… et {len(fixes) - 10} autre(s) règle(s) : toutes sont dans le rapport (--report FICHIER.html).\n"
            in result.out
        )
        assert sum(each["rule"] in result.out for each in fixes) == 10

    def test_nothing_more_is_told_when_all_is_shown(self, run: Run, folder: Path) -> None:
        result = run("check", folder / "0", "--totals", "--environment", "test")
        assert "more rule(s)" not in result.out

    def test_the_messages_of_each_source(self, run: Run, folder: Path, tmp_path: Path) -> None:
        config = tmp_path / "house.toml"
        config.write_text('environment = "test"\n[[source]]\nname = "gam"\napplication = "GAM"\n')
        other = folder / "other.hl7"
        other.write_bytes(adt("7000101", "1").replace(b"|GAM|", b"|OTHER|"))
        result = run("check", folder, "--config", config, "--report", "r.json", "--report", "r.html", "--lang", "fr")
        totals = json.loads(Path("r.json").read_text())["sources"]
        assert totals == [{"source": "gam", "messages": 22}, {"source": None, "messages": 1}]
        assert re.search(r"^Source +Messages\ngam +22\n\(aucune\W: réglages généraux\) +1\n", result.out, re.MULTILINE)
        assert "Par source des réglages" in Path("r.html").read_text(encoding="utf-8")
        result = run("check", folder, "--environment", "test", "--report", "one.html", "--lang", "fr")
        assert "Source" not in result.out
        assert "Par source" not in Path("one.html").read_text(encoding="utf-8")

    def test_another_form_is_refused(self, run: Run, folder: Path) -> None:
        result = run("check", folder, "--report", "r.pdf")
        assert (result.code, result.err) == (2, "--report: r.pdf must end in .html or .json.\n")

    def test_two_of_one_file_are_refused(self, run: Run, folder: Path) -> None:
        result = run("check", folder, "--report", "r.html", "--report", "./r.html")
        assert (result.code, result.err) == (2, "r.html is named twice.\n")


class TestWhere:
    def test_a_report_in_the_folder_is_no_message_of_it(self, run: Run, folder: Path) -> None:
        for _ in range(2):
            run("check", folder, "--report", folder / "r.html", "--report", folder / "r.json")
            said = json.loads((folder / "r.json").read_text())
            assert (said["files"], said["unreadable"]) == (22, 0)

    def test_what_cannot_be_written_is_told_before_anything_is_read(self, run: Run, folder: Path) -> None:
        result = run("check", folder, "--report", "none/r.html")
        assert result.code == 2
        assert result.err.endswith("none/r.html cannot be written: No such file or directory.\n")
        assert result.out == ""
        result = run("check", folder, "--report", "none/r.html", "--lang", "fr")
        assert result.err.endswith("none/r.html ne peut pas être écrit : fichier ou dossier introuvable.\n")

    def test_a_run_that_breaks_off_leaves_the_last_report(
        self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path("r.html").write_text("the last one")

        def broken(*_: object, **__: object) -> str:
            raise ValueError

        monkeypatch.setattr("pam_receiver.report.page.render_page", broken)
        assert run("check", folder, "--report", "r.html", "--junit", "r.xml").code == 70
        assert Path("r.html").read_text() == "the last one"
        assert [each.name for each in Path().iterdir()] == ["r.html"]

    def test_a_link_keeps_leading_to_the_report(self, run: Run, folder: Path, tmp_path: Path) -> None:
        Path("r.html").symlink_to(tmp_path / "elsewhere.html")
        run("check", folder, "--report", "r.html")
        assert Path("r.html").is_symlink()
        assert (tmp_path / "elsewhere.html").read_text().startswith("<!DOCTYPE html>")

    def test_a_pipe_is_written_as_it_is(self, run: Run, folder: Path) -> None:
        os.mkfifo("r.json")
        reader = os.open("r.json", os.O_RDONLY | os.O_NONBLOCK)
        run("check", next(folder.rglob("*.hl7")), "--report", "r.json")
        said = os.read(reader, 1 << 16)
        os.close(reader)
        assert json.loads(said)["messages"] == 1
        assert stat.S_ISFIFO(Path("r.json").stat().st_mode)

    def test_so_is_standard_output(self, folder: Path) -> None:
        words = ["check", next(folder.rglob("*.hl7")), "--junit", "/dev/stdout"]
        done = subprocess.run(
            [sys.executable, "-m", "pam_receiver", *words], capture_output=True, timeout=60, check=True
        )
        assert done.stdout.count(b"<testcase ") == 1


class TestMask:
    @pytest.mark.parametrize("words", [[], ["--json"], ["--totals"]])
    def test_nothing_to_unmask_is_refused(self, run: Run, folder: Path, words: list[str]) -> None:
        """Neither the list nor the totals show a value: whoever asks for values has forgotten the report."""
        result = run("check", folder, "--unmask", *words)
        assert (result.code, result.out) == (2, "")
        assert result.err == "--unmask changes the reports alone: add --report or --junit.\n"

    def test_patient_data_only_when_asked_for_and_then_for_the_owner_alone(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "a.hl7"
        file.write_bytes(
            b"MSH|^~\\&|GAM|CHU-LYRE|R|D|20260302||ADT^A28^ADT_A05|1|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8\r"
            b"PID|1||100^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI||ROPARTZ^ANNE^ANNE^^^^L||19590123|ROPARTZ\r"
        )
        run("check", file, "--report", "masked.html", "--report", "masked.json")
        run("check", file, "--report", "shown.html", "--report", "shown.json", "--unmask")
        for form in ("html", "json"):
            masked, shown = Path(f"masked.{form}"), Path(f"shown.{form}")
            assert "ROPARTZ" not in masked.read_text()
            assert "ROPARTZ" in shown.read_text()
            assert stat.S_IMODE(shown.stat().st_mode) == 0o600

    def test_a_file_named_after_its_patient_is_not_named(self, run: Run, tmp_path: Path) -> None:
        """A capture is often named after its patient: neither page, totals nor JUnit may tell it."""
        file = tmp_path / "KERGUELEN Anne.hl7"
        file.write_bytes(
            adt("7000101", "1") + adt("7000202", "2").replace(b"KERGUELEN^ANNE^ANNE SOLENE", b"TANGUY^MALO^MALO")
        )
        page, totals, junit = tmp_path / "out.html", tmp_path / "out.json", tmp_path / "out.xml"
        run("check", file, "--report", page, "--report", totals, "--junit", junit)
        for written in (page, totals, junit):
            assert "kerguelen" not in written.read_text(encoding="utf-8").lower()
        run("check", file, "--report", page, "--junit", junit, "--unmask")
        assert "KERGUELEN Anne.hl7" in page.read_text(encoding="utf-8")
        assert "KERGUELEN Anne.hl7" in junit.read_text(encoding="utf-8")
