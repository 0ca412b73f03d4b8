"""Profiles laid over one another and over HL7 v2.5; the shipped ones."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pam_receiver.finding import Severity
from pam_receiver.hl7.header import Header
from pam_receiver.profile.lines import MAX_SENTENCE_LENGTH
from pam_receiver.profile.load import ProfileError, load_profile, load_profiles
from pam_receiver.profile.model import Profile, Test, Usage
from pam_receiver.resources import PROFILES

HEAD = """
[profile]
title = "T"
spec = "S"
"""
EVENT = """
[[event]]
code = "A28"
structure = "ADT_A05"
transaction = "ITI-30"
spec = "S"
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write profile files into a folder of their own: ``write({"p/x.toml": text})``."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def load(write: Write, lines: str, **tables: str) -> Profile:
    files = {"p/profile.toml": HEAD + EVENT + lines}
    files |= {f"tables/{name}.toml": text for name, text in tables.items()}
    return load_profile("p", write(files))


def refusal(write: Write, lines: str) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        load(write, lines)
    assert caught.value.file == "p/profile.toml"
    return caught.value


class TestRefusals:
    """A line that would not be checked stops the start, and says which file and which key."""

    @pytest.mark.parametrize(
        ("lines", "key", "problem"),
        [
            ('[[fild]]\nat = "PID-3"', "fild", "unknown key"),
            ('[[field]]\nat = "PID-3"\nusge = "R"\nspec = "S"', "field PID-3 usge", "unknown key"),
            ('[[field]]\nat = "PID-3"', "field PID-3 spec", "missing"),
            ('[[field]]\nat = "PID-3"\nspec = " "', "field PID-3 spec", "must be a text"),
            ('[[field]]\nusage = "R"\nspec = "S"', "field at", "missing"),
            ('[[field]]\nat = "PID"\nspec = "S"', "field PID at", "field or a component"),
            ('[[field]]\nat = "PID3"\nspec = "S"', "field PID3 at", "must be a place"),
            ('[[field]]\nat = "PID-3"\nusage = "CE"\nspec = "S"', "field PID-3 usage", "unknown usage"),
            ('[[field]]\nat = "PID-3"\nusage = "C"\nspec = "S"', "field PID-3 when", "usage C needs a condition"),
            (
                '[[field]]\nat = "PID-3"\nusage = "R"\nwhen = [{ at = "PID-8", present = true }]\nspec = "S"',
                "field PID-3 when",
                "no other usage has one",
            ),
            ('[[field]]\nat = "PID-3"\ncard = "1"\nspec = "S"', "field PID-3 card", "must be a cardinality"),
            ('[[field]]\nat = "PID-3"\nseverity = "E"\nspec = "S"', "field PID-3 severity", "W or I"),
            ('[[field]]\nat = "PID-3"\ntype = "XX"\nspec = "S"', "field PID-3 type", "unknown data type"),
            ('[[field]]\nat = "PID-8"\nlength = 0\nspec = "S"', "field PID-8 length", "number of characters"),
            ('[[field]]\nat = "PID-8"\nlength = true\nspec = "S"', "field PID-8 length", "number of characters"),
            ('[[field]]\nat = "PID-3"\nlength = 9\nspec = "S"', "field PID-3 length", "no length of its own"),
            ('[[field]]\nat = "PID-8"\ntable = "none"\nspec = "S"', "field PID-8 table", "no such table"),
            ('[[field]]\nat = "ZZZ-1"\nspec = "S"', "field ZZZ-1", "no segment of HL7 v2.5"),
            ('[[field]]\nat = "PID-99"\nspec = "S"', "field PID-99", "needs a name and a type"),
            (
                '[[field]]\nat = "PID-3"\nin = ["A99"]\nspec = "S"',
                "field PID-3 in",
                "no such transaction or event: A99",
            ),
            ('[[field]]\nat = "PID-3"\nexcept = "A99"\nspec = "S"', "field PID-3 except", "no such transaction"),
            ('[[field]]\nat = "PID-3"\nin = [1]\nspec = "S"', "field PID-3 in", "list of texts"),
            ('[[field]]\nat = "PID-3"\nspec = "S"\n' * 2, "field PID-3", "said twice"),
            ('[[segment]]\nname = "PV1"\nusage = "X"\nspec = "S"', "segment PV1 usage", "unknown usage"),
            ('[[segment]]\nname = "ZZZ"\nspec = "S"', "segment ZZZ", "no segment of HL7 v2.5"),
            (
                '[[segment]]\nname = "ZBE"\nafter = "MRG"\nusage = "R"\nspec = "S"',
                "segment ZBE",
                "no place in ADT_A05 of A28",
            ),
            ('[[segment]]\nname = "PV1"\nspec = "S"\n' * 2, "segment PV1", "said twice"),
            ('[[event]]\ncode = "A31"\nspec = "S"', "event A31", "needs a structure and a transaction"),
            (EVENT, "event A28", "said twice"),
            ('[[event]]\ncode = "A31"\nusage = "O"\nspec = "S"', "event A31 usage", "unknown usage"),
            ('[[rule]]\nid = "r"\nfr = "f"\nen = "e"\nspec = "S"', "rule r expect", "must be a condition"),
            (
                '[[rule]]\nid = "r"\nexpect = { at = "PID-8" }\nfr = "f"\nen = "e"\nspec = "S"',
                "rule r expect",
                "exactly one",
            ),
            (
                '[[rule]]\nid = "r"\nexpect = { at = "PID-8", like = "M" }\nfr = "f"\nen = "e"\nspec = "S"',
                "rule r expect like",
                "unknown key",
            ),
            (
                '[[rule]]\nid = "r"\nexpect = { at = "PID-8", present = "yes" }\nfr = "f"\nen = "e"\nspec = "S"',
                "rule r expect present",
                "true or false",
            ),
            (
                '[[rule]]\nid = "r"\nexpect = { at = "PID", is = "M" }\nfr = "f"\nen = "e"\nspec = "S"',
                "rule r expect is",
                "needs codes",
            ),
            (
                '[[rule]]\nid = "r"\nwhen = ["x"]\nexpect = { at = "PID-8", is = "M" }\nfr = "f"\nen = "e"\nspec = "S"',
                "rule r when",
                "list of tables",
            ),
            (
                '[[rule]]\nid = "r"\nexpect = { at = "ZZZ-8", is = "M" }\nfr = "f"\nen = "e"\nspec = "S"',
                "rule r",
                "no segment",
            ),
            (
                '[[rule]]\nid = "r"\nexpect = { at = "PID-8", is = "M" }\nfr = "f"\nspec = "S"',
                "rule r en",
                "missing",
            ),
            (
                f'[[rule]]\nid = "r"\nexpect = {{ at = "PID-8", is = "M" }}\nfr = "{"f" * 251}"\nen = "e"\nspec = "S"',
                "rule r fr",
                "longer than 250",
            ),
            (
                '[[rule]]\nid = "r"\nexpect = { at = "PID-8", is = "M" }\nfr = "f"\nen = "e"\nspec = "S"\n' * 2,
                "rule r",
                "said twice",
            ),
            ("= 1", "file", "not TOML"),
        ],
    )
    def test_names_the_file_and_the_key(self, write: Write, lines: str, key: str, problem: str) -> None:
        error = refusal(write, lines)
        assert error.key == key
        assert problem in error.problem
        assert str(error) == f"p/profile.toml: {error.key}: {error.problem}"

    def test_an_event_needs_a_structure_of_hl7(self, write: Write) -> None:
        files = {"p/profile.toml": HEAD + EVENT.replace("ADT_A05", "ADT_Z80")}
        with pytest.raises(ProfileError, match="event A28 structure: not a structure of HL7"):
            load_profile("p", write(files))

    def test_a_profile_has_one_head(self, write: Write) -> None:
        with pytest.raises(ProfileError, match="exactly one file"):
            load_profile("p", write({"p/a.toml": HEAD, "p/b.toml": HEAD}))

    def test_a_profile_that_is_not_there(self, write: Write) -> None:
        with pytest.raises(ProfileError, match="no such profile"):
            load_profile("p", write({"q/a.toml": HEAD}))

    def test_profiles_cannot_extend_each_other(self, write: Write) -> None:
        one, two = HEAD + 'extends = "q"', HEAD + 'extends = "p"'
        with pytest.raises(ProfileError, match="circle"):
            load_profile("p", write({"p/a.toml": one, "q/a.toml": two}))


class TestOverlays:
    """Each profile says only what it changes in the one that it extends."""

    TABLE = 'title = "T"\nspec = "S"\n[values]\nA = "a"'

    def test_a_line_changes_only_what_it_says(self, write: Write) -> None:
        profile = load(write, '[[field]]\nat = "PID-8"\ntable = "T"\nspec = "mine"', T=self.TABLE)
        rule = profile.plans["A28"].fields["PID"].fields[8].whole
        assert rule is not None
        assert rule.table is not None
        assert (rule.type, rule.card.max, rule.table.id, rule.spec) == ("IS", 1, "T", "mine")

    def test_a_line_for_some_events_is_laid_over_the_line_for_all(self, write: Write) -> None:
        lines = EVENT.replace("A28", "A31")
        lines += '[[field]]\nat = "PID-8"\nusage = "R"\nin = ["A31"]\nspec = "narrow"\n'
        lines += '[[field]]\nat = "PID-8"\nusage = "X"\nspec = "wide"\n'
        profile = load(write, lines)
        assert "PID-8" in [str(rule.at) for rule in profile.plans["A31"].fields["PID"].required]
        whole = profile.plans["A28"].fields["PID"].fields[8].whole
        assert whole is not None
        assert whole.usage is Usage.X

    def test_events_with_the_same_lines_share_their_plans(self, write: Write) -> None:
        profile = load(write, EVENT.replace("A28", "A31"))
        assert profile.plans["A28"].fields["PID"] is profile.plans["A31"].fields["PID"]
        assert profile.plans["A28"].grammar is profile.plans["A31"].grammar

    def test_a_later_usage_drops_the_condition_of_the_first(self, write: Write) -> None:
        wide = '[[field]]\nat = "PID-8"\nusage = "C"\nwhen = [{ at = "PID-7", present = false }]\nspec = "S"\n'
        narrow = '[[field]]\nat = "PID-8"\nusage = "R"\nin = "A28"\nspec = "S"\n'
        required = load(write, wide + narrow).plans["A28"].fields["PID"].required
        assert [rule.when for rule in required if rule.at.field == 8] == [()]

    def test_a_condition_may_ask_for_absence(self, write: Write) -> None:
        line = '[[field]]\nat = "PID-8"\nusage = "C"\nwhen = [{ at = "PID-7", present = false }]\nspec = "S"\n'
        required = load(write, line).plans["A28"].fields["PID"].required
        assert [rule.when[0].test for rule in required if rule.at.field == 8] == [Test.ABSENT]

    def test_an_overlay_replaces_a_rule_of_the_same_id_and_drops_events(self, write: Write) -> None:
        rule = '[[rule]]\nid = "r"\nexpect = { at = "PID-8", is = "M" }\nfr = "f"\nen = "e"\nspec = "S"\n'
        files = {
            "p/a.toml": HEAD + EVENT + EVENT.replace("A28", "A31") + rule,
            "q/a.toml": HEAD.replace("T", "Q")
            + 'extends = "p"\n[[event]]\ncode = "A31"\nusage = "X"\nspec = "S"\n'
            + rule.replace('"e"', '"other"'),
        }
        profile = load_profile("q", write(files))
        assert [each.rule.en for each in profile.rules] == ["other"]
        assert profile.accepts("A28")
        assert not profile.accepts("A31")
        assert profile.events["A31"].usage is Usage.X

    def test_a_segment_is_placed_once_and_keeps_the_order_of_the_file(self, write: Write) -> None:
        lines = "".join(
            f'[[segment]]\nname = "{name}"\nafter = "PV2"\n{scope}spec = "S"\n'
            for name, scope in [("ZFA", ""), ("ZFP", 'in = "A28"\n'), ("ZFD", ""), ("ZFD", 'in = "A28"\n')]
        )
        grammar = load(write, lines).plans["A28"].grammar
        state = 0
        for name in ("MSH", "PV1", "ZFA", "ZFP", "ZFD", "ROL"):
            state = grammar.steps[state][name]
        assert "ZFA" not in grammar.steps[state]


class TestShippedProfiles:
    """The files of ``profiles/``."""

    def test_are_loaded_once(self) -> None:
        assert load_profiles() is load_profiles()

    def test_french_when_the_header_says_so_whatever_version_it_announces(self) -> None:
        profiles = load_profiles()
        assert profiles.select(Header(country="FRA")).name == "pam_fr/2.11"
        assert profiles.select(Header(profile_ids="2.11^IHE_FRANCE-2.11-PAM")) is profiles.french
        assert profiles.select(Header(country_code="FRA")) is profiles.international

    def test_france_excludes_a08(self) -> None:
        profiles = load_profiles()
        assert profiles.international.accepts("A08")
        assert not profiles.french.accepts("A08")
        assert set(profiles.international.plans) == set(profiles.french.plans) | {"A08"}

    def test_every_event_of_the_receiver_has_a_plan(self) -> None:
        wanted = "A01 A02 A03 A04 A05 A06 A07 A11 A12 A13 A14 A15 A16 A21 A22 A25 A26 A27 A28 A29 A31 A38 A40 A44 A47"
        wanted += " A52 A53 A54 A55 Z99"
        assert set(wanted.split()) == set(load_profiles().french.plans)

    def test_no_line_makes_a_message_refused(self) -> None:
        for profile in load_profiles().profiles:
            for plan in profile.plans.values():
                lines = [
                    rule for each in plan.fields.values() for entry in each.fields.values() for rule in entry.components
                ]
                lines += [rule for each in plan.fields.values() for rule in each.required]
                assert Severity.E not in {rule.severity for rule in lines}
                assert Severity.E not in {rule.severity for rule in plan.segments.values()}
            assert Severity.E not in {rule.rule.severity for rule in profile.rules}

    def test_every_condition_rule_speaks_two_languages_and_fits_an_err(self) -> None:
        rules = {each.rule for profile in load_profiles().profiles for each in profile.rules}
        assert len({rule.id for rule in rules}) == len(rules)
        for rule in rules:
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
            assert rule.fr != rule.en
            assert max(len(rule.fr), len(rule.en)) <= MAX_SENTENCE_LENGTH

    def test_every_table_of_the_folder_is_used(self) -> None:
        named = set()
        for path in PROFILES.glob("pam*/**/*.toml"):
            named |= set(re.findall(r'^table = "(.+)"$', path.read_text(encoding="utf-8"), re.MULTILINE))
        assert {path.stem for path in (PROFILES / "tables").glob("*.toml")} <= named
