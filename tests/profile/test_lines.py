"""The lines of the profile files, read strictly. What each wrong line is told stands in ``test_load``."""

from pathlib import Path

import pytest

from pam_receiver.finding import ErrorCode, Severity
from pam_receiver.profile.lines import ProfileError, Scope, read_profile, read_tables
from pam_receiver.profile.model import Condition, EventRule, Place, Test, Usage

A28 = EventRule("A28", "ADT_A05", "ITI-30", "S")
A44 = EventRule("A44", "ADT_A43", "ITI-31", "S")


class TestScope:
    @pytest.mark.parametrize(
        ("scope", "covers_a28", "covers_a44"),
        [
            (Scope(), True, True),
            (Scope(("ITI-30",)), True, False),
            (Scope(("A44", "A28")), True, True),
            (Scope(("ITI-31",), ("A44",)), False, False),
            (Scope((), ("ITI-30",)), False, True),
        ],
    )
    def test_names_transactions_and_events(self, scope: Scope, covers_a28: bool, covers_a44: bool) -> None:
        assert scope.covers(A28) is covers_a28
        assert scope.covers(A44) is covers_a44


class TestReading:
    def test_the_files_of_a_folder_are_one_profile(self, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "a.toml").write_text('[[field]]\nat = "PID-8"\nusage = "R"\nspec = "S"\n')
        (tmp_path / "p" / "b.toml").write_text(
            '[profile]\ntitle = "T"\nspec = "S"\n[[rule]]\nid = "r"\nexpect = { at = "PID-8", is = ["M", "F"] }\n'
            'severity = "I"\nfr = "f"\nen = "e"\nspec = "S"\n'
        )
        profile = read_profile("p", tmp_path)
        (field,), (rule,) = profile.fields, profile.rules
        assert (profile.title, profile.extends, profile.segments) == ("T", None, ())
        assert (field.at, field.usage, field.scope) == (Place("PID", 8), Usage.R, Scope())
        assert rule.expect == Condition(Place("PID", 8), Test.IS, frozenset({"M", "F"}))
        assert (rule.rule.code, rule.rule.severity) == (ErrorCode.TABLE_VALUE, Severity.I)

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "a.toml").write_bytes(b'title = "\xe9"')
        with pytest.raises(ProfileError, match=r"p/a\.toml: file: not TOML"):
            read_profile("p", tmp_path)


class TestTables:
    def test_a_table_is_named_by_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "tables").mkdir()
        (tmp_path / "tables" / "X-1.toml").write_text('title = "T"\nspec = "S"\n[values]\nA = "a"\n')
        (table,) = read_tables(tmp_path / "tables").values()
        assert (table.id, table.title, dict(table.values), table.spec) == ("X-1", "T", {"A": "a"}, "S")

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ('title = "T"\nspec = "S"', "values"),
            ('title = "T"\nspec = "S"\n[values]', "values"),
            ('title = "T"\nspec = "S"\n[values]\nA = 1', "values"),
            ('title = "T"\n[values]\nA = "a"', "spec"),
            ('title = "T"\nspec = "S"\nopen = true\n[values]\nA = "a"', "open"),
        ],
    )
    def test_a_table_needs_its_codes_and_their_source(self, tmp_path: Path, text: str, key: str) -> None:
        (tmp_path / "tables").mkdir()
        (tmp_path / "tables" / "T.toml").write_text(text)
        with pytest.raises(ProfileError) as caught:
            read_tables(tmp_path / "tables")
        assert (caught.value.file, caught.value.key) == ("tables/T.toml", key)
