"""profiles: what a person who adapts a feed is told of the profiles and their rules."""

import os
import re
import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pam_receiver.profile.load import list_profiles, load_profiles
from pam_receiver.profile.model import Breach

from .conftest import CHECKOUT, Run

XML = CHECKOUT / "tests" / "profile" / "xml" / "lyre-A28.xml"
GRADES = (
    '[[grade]]\nrule = "evn-required"\nseverity = "ignore"\n\n'
    '[[grade]]\nrule = "ins-without-vali"\nseverity = "E"\n\n'
    '[[field]]\nat = "PID-6"\nusage = "R"\nin = ["A28"]\n'
)


@pytest.fixture
def overlay(tmp_path: Path) -> Callable[[str], Path]:
    """Write an overlay and return its file."""

    def go(lines: str = GRADES) -> Path:
        file = tmp_path / "lyre.toml"
        file.write_text(f'[overlay]\ntitle = "CHU de la Lyre"\n\n{lines}', encoding="utf-8")
        return file

    return go


def cells(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell]


class TestList:
    def test_each_profile_with_what_it_judges(self, run: Run) -> None:
        result = run("profiles", "list")
        assert (result.code, result.err) == (0, "")
        rows = {line.split()[0]: line for line in result.out.splitlines()[1:]}
        assert list(rows) == list(list_profiles())
        assert rows["pam"].endswith("MSH-12.2 is not FRA")
        assert rows["pam_fr/2.11"].endswith("MSH-12.3: 2.11, newer or empty")
        assert rows["pam_fr/2.10"].endswith("MSH-12.3: 2.10")
        assert rows["pam_fr/2.9"].endswith("MSH-12.3: 2.9 or older")

    def test_as_json(self, run: Run) -> None:
        listed: Any = run("profiles", "list", "--json", "--lang", "fr").json
        french = load_profiles().french
        (found,) = [each for each in listed if each["name"] == french.name]
        assert found["extends"] == "pam"
        assert (found["events"], found["rules"]) == (len(french.plans), len(french.rules))
        assert found["judges"] == "MSH-12.3 : 2.11, plus récent ou vide"


class TestShow:
    @pytest.mark.parametrize("name", ["pam_fr/2.11", "2.11"])
    def test_the_events_with_their_segments_in_order(self, name: str, run: Run) -> None:
        result = run("profiles", "show", name)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith("pam_fr/2.11: IHE PAM FR 2.11 (IHE PAM FR 2.11.2)\n")
        (line,) = [line for line in result.out.splitlines() if line.startswith("A40 ")]
        assert cells(line)[1].strip() == "ADT_A39"
        assert "MSH R 1..1" in line
        assert line.index("PID R") < line.index("MRG R")

    def test_one_event_segment_by_segment(self, run: Run) -> None:
        lines = run("profiles", "show", "2.11", "--event", "a28").out.splitlines()
        assert [line.split()[:3] for line in lines if line.startswith(("PID", "PV2"))] == [
            ["PID", "R", "1..1"],
            ["PV2", "X", "0..1"],
        ]

    def test_a_segment_field_by_field(self, run: Run) -> None:
        out = run("profiles", "show", "2.11", "--segment", "pid").out
        lines = {line.split()[0]: line for line in out.splitlines() if line.startswith("PID-")}
        assert "Administrative Sex" in lines["PID-8"]
        assert "0001-FR (F, M, U)" in lines["PID-8"]
        assert "C when PID-24 is Y" in lines["PID-25"]
        assert "1..*" in lines["PID-32"]
        assert lines["PID-32"].endswith("IHE PAM FR 2.11.2 §6.6.15")
        assert "0203-FR-AN (AN)" in lines["PID-18.5"]
        assert "ITI-31 except A44" in out
        assert "--segment CE. Types of this segment: CE, " in out

    def test_the_parts_of_a_data_type_do_not_repeat(self, run: Run) -> None:
        result = run("profiles", "show", "2.11", "--segment", "CX", "--lang", "fr")
        (line,) = [line for line in result.out.splitlines() if line.startswith("CX-4 ")]
        assert [cell.strip() for cell in cells(line)][1:4] == ["Assigning Authority", "HD", "R"]
        assert "0..1" not in result.out
        assert "C quand CX-5 vaut INS-C" in result.out

    def test_under_an_overlay(self, run: Run, overlay: Callable[[str], Path]) -> None:
        lines = '[[field]]\nat = "PID-6"\nusage = "X"\n'
        result = run("profiles", "show", "2.11", "--segment", "PID", "--overlay", overlay(lines), "--json")
        (found,) = [each for each in result.json if each["place"] == "PID-6"]  # type: ignore[attr-defined]
        assert found["usage"] == "X"
        assert found["spec"] == "CHU de la Lyre"
        assert found["rules"] == {"pid-6-forbidden": "W"}

    def test_as_json(self, run: Run) -> None:
        places: Any = run("profiles", "show", "2.11", "--segment", "PID", "--json").json
        found = {each["place"]: each for each in places}
        assert found["PID-25"]["condition"] == "when PID-24 is Y"
        assert found["PID-25"]["usage"] == "C"
        assert found["PID-32"]["cardinality"] == "1..*"
        assert found["PID-32"]["condition"] is None
        assert found["PID-18.5"]["cardinality"] is None
        events: Any = run("profiles", "show", "pam", "--json").json
        assert {each["event"] for each in events} == set(load_profiles().international.plans)
        segments: Any = run("profiles", "show", "pam", "--event", "A28", "--json").json
        assert segments == next(each["segments"] for each in events if each["event"] == "A28")
        assert segments[0]["cardinality"] == "1..1"

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (("2.12",), 2, "No profile 2.12. The profiles: pam, pam_fr/2.11, pam_fr/2.10, pam_fr/2.9.\n"),
            (("pam_fr",), 2, "No profile pam_fr. "),
            (("2.11", "--event", "A08"), 1, "The profile pam_fr/2.11 has no event A08. The events: A28, "),
            (("pam", "--segment", "ZFM"), 1, "The profile pam has no segment or type ZFM. The segments: MSH, "),
        ],
    )
    def test_what_does_not_exist_is_told_with_what_does(
        self, words: tuple[str, ...], code: int, said: str, run: Run
    ) -> None:
        result = run("profiles", "show", *words)
        assert (result.code, result.out) == (code, "")
        assert result.err.startswith(said)

    def test_an_overlay_that_grades_no_rule_is_refused(self, run: Run, overlay: Callable[[str], Path]) -> None:
        lines = '[[grade]]\nrule = "pid-32-requird"\nseverity = "I"\n'
        result = run("profiles", "show", "2.11", "--overlay", overlay(lines))
        assert (result.code, result.out) == (2, "")
        assert "the nearest one is pid-32-required" in result.err


def facts(out: str) -> dict[str, str]:
    """What explain prints before its empty line, by label."""
    lines = out.split("\n\n", maxsplit=1)[0].splitlines()[1:]
    return {cells(line)[0].strip(): "  ".join(cells(line)[1:]).strip() for line in lines}


class TestExplain:
    def test_a_rule_of_a_place(self, run: Run) -> None:
        result = run("profiles", "explain", "PID-32-required")
        assert (result.code, result.err) == (0, "")
        assert facts(result.out) == {
            "Where": "PID-32 Identity Reliability Code (R)",
            "Severity": "W; strict: E",
            "Answer": "AA; strict: AE",
            "Profiles": "pam_fr/2.11 W, pam_fr/2.10 W",
            "Code (table 0357)": "101 Required field missing",
            "Spec": "IHE PAM FR 2.11.2 §6.6.15",
            "English": "Fill PID-32 (Identity Reliability Code): required in a message ‹event›.",
            "French": "Renseigner PID-32 (Identity Reliability Code) : obligatoire dans un message ‹événement›.",
            "Right form": facts(result.out)["Right form"],
        }
        assert facts(result.out)["Right form"].startswith("PID-32 = ")

    @pytest.mark.parametrize("rule", ["evn-required", "pv1-required"])
    def test_every_line_that_makes_a_rule_is_told_with_its_events_and_its_text(self, rule: str, run: Run) -> None:
        out = run("profiles", "explain", rule).out
        told = facts(out)
        name = rule.partition("-")[0].upper()
        assert told["Where"] == f"{name} (R)"
        assert not {"Events", "Spec"} & set(told)
        lines = out.split("\n\n")[1].splitlines()
        assert re.fullmatch(r"Made from [2-9] lines of the profile:", lines[0])
        french = load_profiles().french
        specs: dict[str, set[str]] = {}
        for code, plan in french.plans.items():
            if name in plan.segments and rule in {each.id for each in plan.segments[name].rules.values()}:
                specs.setdefault(plan.segments[name].spec, set()).add(code)
        assert sorted(cells(line)[-1].strip() for line in lines[2:]) == sorted(specs)
        found: Any = run("profiles", "explain", rule, "--json").json
        assert {line["spec"]: set(line["events"]) for line in found["lines"]} == specs
        assert set(found["events"]) == set().union(*specs.values())
        assert {line["severity"] for line in found["lines"]} == {"W"}

    def test_the_lines_say_their_severity_where_it_is_not_one(self, run: Run, overlay: Callable[[str], Path]) -> None:
        lines = '[[field]]\nat = "PID-6"\nusage = "X"\nin = ["A28"]\n'
        lines += '[[field]]\nat = "PID-6"\nusage = "X"\nseverity = "I"\nin = ["A31"]\n'
        out = run("profiles", "explain", "pid-6-forbidden", "--overlay", overlay(lines)).out
        rows = [cells(line) for line in out.split("\n\n")[1].splitlines()[2:]]
        assert [[cell.strip() for cell in row[:2]] for row in rows] == [["A28", "W"], ["A31", "I"]]

    def test_a_rule_that_only_an_overlay_has(self, run: Run, overlay: Callable[[str], Path]) -> None:
        assert run("profiles", "explain", "pid-6-required").code == 1
        result = run("profiles", "explain", "pid-6-required", "--overlay", overlay())
        told = facts(result.out)
        assert (result.code, result.err) == (0, "")
        assert told["Where"] == "PID-6 Mother's Maiden Name (R)"
        assert told["Events"] == "A28"
        assert told["Overlay lyre.toml"] == "W"
        assert told["Severity"] == "W; strict: E"
        assert told["Spec"] == "CHU de la Lyre"
        assert "Profiles" not in told

    def test_a_condition_that_only_an_overlay_has(self, run: Run, overlay: Callable[[str], Path]) -> None:
        rule = '[[rule]]\nid = "lyre-sex"\nin = ["A28"]\nexpect = { at = "PID-8", is = "F" }\nfr = "f"\nen = "e"\n'
        told = facts(run("profiles", "explain", "lyre-sex", "--overlay", overlay(rule), "--lang", "fr").out)
        assert told["Endroit"] == "PID-8 vaut F"
        assert told["Événements"] == "A28"
        assert told["Surcouche lyre.toml"] == "W"

    @pytest.mark.parametrize(("rule", "graded"), [("evn-required", "ignore"), ("ins-without-vali", "E")])
    def test_a_rule_that_an_overlay_grades(
        self, rule: str, graded: str, run: Run, overlay: Callable[[str], Path]
    ) -> None:
        told = facts(run("profiles", "explain", rule, "--overlay", overlay()).out)
        assert told["Overlay lyre.toml"] == graded
        assert "pam_fr/2.11 W" in told["Profiles"]

    def test_the_overlays_of_the_sources_are_looked_into(
        self, run: Run, overlay: Callable[[str], Path], tmp_path: Path
    ) -> None:
        file, other = overlay(), tmp_path / "settings.toml"
        other.write_text(
            f'[[source]]\nname = "lyre"\napplication = "GAM"\noverlay = "{file}"\n\n'
            '[[source]]\nname = "recette"\napplication = "R"\nprofile = "pam_fr/2.11"\nstrictness = "strict"\n\n'
            '[[source]]\nname = "plain"\napplication = "P"\n',
            encoding="utf-8",
        )
        told = facts(run("profiles", "explain", "pid-6-required", "--config", other).out)
        assert told["Where"] == "PID-6 Mother's Maiden Name (R)"
        assert (told["Source lyre"], "Source recette" in told, "Source plain" in told) == ("W", False, False)
        told = facts(run("profiles", "explain", "pid-32-required", "--config", other).out)
        assert told["Source recette"] == "E"
        assert told["Source lyre"] == "pam_fr/2.11+lyre W, pam_fr/2.10+lyre W"
        assert told["Severity"] == "W; strict: E"
        found: Any = run("profiles", "explain", "ins-without-vali", "--config", other, "--json").json
        assert found["sources"]["lyre"]["pam_fr/2.11+lyre"] == "E"
        assert found["sources"]["recette"] == {"pam_fr/2.11": "W"}
        assert found["profiles"]["pam_fr/2.11"] == "W"

    def test_an_overlay_that_cannot_be_followed_is_told(
        self, run: Run, overlay: Callable[[str], Path], tmp_path: Path
    ) -> None:
        bad = overlay('[[grade]]\nrule = "evn-requird"\nseverity = "I"\n')
        result = run("profiles", "explain", "evn-required", "--overlay", bad)
        assert (result.code, result.out) == (2, "")
        assert "the nearest one is evn-required" in result.err
        other = tmp_path / "settings.toml"
        other.write_text(f'[[source]]\nname = "lyre"\napplication = "G"\noverlay = "{bad}"\n', encoding="utf-8")
        result = run("profiles", "explain", "evn-required", "--config", other)
        assert (result.code, result.out) == (2, "")
        assert "overlay ([[source]] lyre" in result.err
        assert result.err.endswith("evn-required.\n")

    @pytest.mark.parametrize(("lang", "said"), [("fr", "‹événement›"), ("en", "‹event›")])
    def test_what_is_not_known_is_named_in_the_language(self, lang: str, said: str, run: Run) -> None:
        found: Any = run("profiles", "explain", "evn-required", "--lang", lang, "--json").json
        assert said in found["text"]

    def test_the_lines_to_copy_are_an_overlay(self, run: Run, overlay: Callable[[str], Path]) -> None:
        out = run("profiles", "explain", "pid-32-required").out
        grade = out[out.index("[[grade]]") :]
        assert tomllib.loads(grade) == {"grade": [{"rule": "pid-32-required", "severity": "ignore"}]}
        assert run("profiles", "show", "2.11", "--event", "A28", "--overlay", overlay(grade)).code == 0

    def test_a_rule_that_only_informs_is_offered_to_be_raised(self, run: Run) -> None:
        assert 'severity = "W"' in run("profiles", "explain", "segment-unexpected").out

    def test_a_condition_says_what_it_asks_and_in_which_events(self, run: Run) -> None:
        told = facts(run("profiles", "explain", "visit-with-class-n", "--lang", "fr").out)
        assert told["Endroit"] == "PV1-2 ne vaut pas N"
        assert told["Événements"] == "ITI-31 sauf A44"
        assert list(told).index("Français") < list(told).index("Anglais")

    def test_a_rule_that_an_older_profile_ignores(self, run: Run) -> None:
        told = facts(run("profiles", "explain", "zfm-3-destination-code").out)
        assert told["Profiles"] == "pam_fr/2.11 W, pam_fr/2.10 ignore, pam_fr/2.9 ignore"
        told = facts(run("profiles", "explain", "billing-nir-is-no-ins").out)
        assert "pam_fr/2.9 ignore" in told["Profiles"]
        assert "pam I" in told["Profiles"]

    @pytest.mark.parametrize(("rule", "answer"), [("pid-missing", "AE"), ("no-header", "AR")])
    def test_an_error_of_the_code_cannot_be_changed(self, rule: str, answer: str, run: Run) -> None:
        out = run("profiles", "explain", rule).out
        assert facts(out)["Answer"] == answer
        assert "can be neither lowered nor ignored" in out
        assert "[[grade]]" not in out

    @pytest.mark.parametrize(
        "rule", ["pid-32-required", "cx-4-required", "zbe-required", "ins-without-vali", "pid-missing"]
    )
    def test_as_json(self, rule: str, run: Run) -> None:
        found: Any = run("profiles", "explain", rule, "--json", "--lang", "fr").json
        assert found["rule"] == rule
        assert found["text"] == found["fr"] != found["en"]
        assert found["can_be_graded"] is (rule != "pid-missing")
        assert found["place"] == {"pid-32-required": "PID-32", "cx-4-required": "CX-4", "zbe-required": "ZBE"}.get(rule)
        assert "{" not in found["fr"]

    def test_each_kind_of_rule_of_a_place_is_told_with_its_place(self, run: Run) -> None:
        rules = load_profiles().french.rules
        one_of_each = {
            breach: next(name for name in rules if name.endswith(f"-{breach}"))
            for breach in Breach
            if breach is not Breach.UNEXPECTED
        }
        for breach, rule in one_of_each.items():
            told = facts(run("profiles", "explain", rule).out)
            place = rule.removesuffix(f"-{breach}").upper().replace("-", " ")
            assert re.sub(r"[-.]", " ", told["Where"]).startswith(place)

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ("pid-32-requird", "No rule pid-32-requird. Did you mean pid-32-required?\n"),
            ("qqqqqqqqqqqq", "No rule qqqqqqqqqqqq.\n"),
        ],
    )
    def test_an_id_that_is_none(self, asked: str, said: str, run: Run) -> None:
        result = run("profiles", "explain", asked)
        assert (result.code, result.out, result.err) == (1, "", said)


class TestDiff:
    def test_two_profiles_grouped_by_segment_and_table(self, run: Run) -> None:
        result = run("profiles", "diff", "2.11", "2.10")
        assert (result.code, result.err) == (0, "")
        lines = result.out.splitlines()
        assert lines[0].startswith("pam_fr/2.11 → pam_fr/2.10: ")
        groups = [above for above, line in pairwise(lines) if line.startswith("  Place ")]
        assert groups.index("EI") < groups.index("ZFA") < groups.index("0001-FR")
        assert "  ZFV-10  RIM-P Code  usage         O       C when PV2-3 is filled" in result.out

    def test_an_overlay_against_the_profile_under_it(self, run: Run, overlay: Callable[[str], Path]) -> None:
        out = run("profiles", "diff", "2.11", overlay()).out
        assert out.startswith("pam_fr/2.11 → pam_fr/2.11+lyre: 3 difference(s)\n")
        rows = [line.split() for line in out.splitlines()]
        assert ["ins-without-vali", "severity", "W", "E"] in rows
        assert ["evn-required", "severity", "W", "ignore"] in rows
        assert ["PID-6", "Mother's", "Maiden", "Name", "usage", "O", "R", "A28"] in rows

    def test_another_base(self, run: Run, overlay: Callable[[str], Path]) -> None:
        result = run("profiles", "diff", "2.9", overlay(), "--base", "2.9", "--lang", "fr")
        assert result.out.startswith("pam_fr/2.9 → pam_fr/2.9+lyre : 3 différence(s)\n")

    def test_nothing_differs(self, run: Run) -> None:
        result = run("profiles", "diff", "2.11", "pam_fr/2.11")
        assert (result.code, result.out) == (0, "pam_fr/2.11 and pam_fr/2.11 judge alike.\n")

    def test_as_json(self, run: Run, overlay: Callable[[str], Path]) -> None:
        changes: Any = run("profiles", "diff", "2.11", overlay(), "--json").json
        assert changes[0] == {
            "group": "",
            "at": "ins-without-vali",
            "name": None,
            "what": "severity",
            "before": "W",
            "after": "E",
            "events": [],
        }
        assert changes[-1]["events"] == ["A28"]
        assert run("profiles", "diff", "pam", "pam", "--json").json == []

    @pytest.mark.parametrize("other", ["2.12", "nowhere.toml"])
    def test_what_is_no_profile_and_no_overlay(self, other: str, run: Run) -> None:
        result = run("profiles", "diff", "2.11", other)
        assert (result.code, result.out) == (2, "")
        assert other in result.err


class TestImport:
    def test_to_standard_output_with_the_notes_beside_it(self, run: Run, tmp_path: Path) -> None:
        result = run("profiles", "import", XML)
        assert result.code == 0
        assert "PID-32" in result.err
        written = tmp_path / "lyre.toml"
        written.write_text(result.out, encoding="utf-8")
        assert "overlay" in tomllib.loads(result.out)
        assert run("profiles", "diff", "2.11", written).code == 0

    def test_the_notes_speak_the_language(self, run: Run) -> None:
        french, english = (run("profiles", "import", XML, "--lang", lang) for lang in ("fr", "en"))
        assert french.out == english.out
        assert french.err != english.err

    def test_to_a_file_that_is_never_replaced_by_accident(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "lyre.toml"
        first = run("profiles", "import", XML, "--output", file, "--base", "2.11")
        assert (first.code, first.out) == (0, "")
        assert first.err.endswith(f"Written: {file}\n")
        file.write_text("mine", encoding="utf-8")
        again = run("profiles", "import", XML, "--output", file)
        assert again.code == 2
        assert f"{file} exists already" in again.err
        assert file.read_text(encoding="utf-8") == "mine"
        assert run("profiles", "import", XML, "--output", file, "--force").code == 0
        assert "overlay" in tomllib.loads(file.read_text(encoding="utf-8"))

    def test_where_it_cannot_be_written_is_told_before_the_file_is_read(self, run: Run, tmp_path: Path) -> None:
        taken = tmp_path / "taken.toml"
        taken.write_text("mine", encoding="utf-8")
        for to, words, said in (
            (taken, (), f"{taken} exists already: choose another name, or add --force.\n"),
            (
                tmp_path / "none" / "x.toml",
                (),
                f"{tmp_path / 'none' / 'x.toml'}: there is no folder {tmp_path / 'none'}.\n",
            ),
            (tmp_path, (), f"{tmp_path} cannot be written: Is a directory.\n"),
            (tmp_path, ("--force",), f"{tmp_path} cannot be written: Is a directory.\n"),
            (taken / "x.toml", (), f"{taken / 'x.toml'} cannot be written: Not a directory.\n"),
        ):
            result = run("profiles", "import", tmp_path / "no-such.xml", "--output", to, *words)
            assert (result.code, result.out, result.err) == (2, "", said)
        french = run("profiles", "import", XML, "--output", tmp_path / "none" / "x.toml", "--lang", "fr")
        assert french.err.endswith(f"x.toml : le dossier {tmp_path / 'none'} n'existe pas.\n")

    def test_a_folder_that_may_not_be_written_into(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # root, who may run this, may write anywhere
        monkeypatch.setattr("os.access", lambda _, mode, **__: mode != os.W_OK)
        result = run("profiles", "import", XML, "--output", tmp_path / "x.toml")
        assert (result.code, result.err) == (2, f"{tmp_path / 'x.toml'} cannot be written: Permission denied.\n")

    def test_what_cannot_be_read_or_written_is_told(self, run: Run, tmp_path: Path) -> None:
        for words in (
            (tmp_path / "none.xml",),
            (CHECKOUT / "README.md",),
            (XML, "--output", tmp_path / "no" / "such" / "folder.toml"),
            (XML, "--base", "2.12"),
        ):
            result = run("profiles", "import", *words)
            assert (result.code, result.out) == (2, "")
            assert "Traceback" not in result.err
            assert result.err.strip()
