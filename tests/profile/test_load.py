"""Profiles laid over one another and over HL7 v2.5; overlays, strictness and grades; the shipped profiles."""

import re
from pathlib import Path

import pytest
from breaches import CLEAN
from drafts import check, read_lines

from pam_receiver.finding import ErrorCode, Finding, Severity
from pam_receiver.hl7.header import Header
from pam_receiver.profile.lines import MAX_SENTENCE_LENGTH
from pam_receiver.profile.load import (
    ProfileError,
    ProfileSet,
    list_profiles,
    load_profile,
    load_profiles,
)
from pam_receiver.profile.model import FieldRule, Profile, Strictness, Test, Usage, ValuePlan
from pam_receiver.resources import PROFILES

HEAD = '[profile]\ntitle = "T"\nspec = "S"\n'
EVENT = '[[event]]\ncode = "A28"\nstructure = "ADT_A05"\ntransaction = "ITI-30"\nspec = "S"\n'
A31 = EVENT.replace("A28", "A31")
TABLE = 'title = "T"\nspec = "S"\n[values]\nA = "a"'
RULE = '[[rule]]\nid = "r"\nexpect = { at = "PID-8", is = "M" }\nfr = "f"\nen = "e"\nspec = "S"\n'
STRICT = Strictness.STRICT


def field(at: str, keys: str = "", spec: str = "S") -> str:
    return f'[[field]]\nat = "{at}"\n{keys}\nspec = "{spec}"\n'


def plan_of(profile: Profile, segment: str, number: int, *path: int, event: str = "A28") -> ValuePlan:
    plan = profile.plans[event].fields[segment].fields[number]
    for part in path:
        plan = plan.parts[part - 1]
    return plan


def rule_at(profile: Profile, segment: str, number: int, *path: int, event: str = "A28") -> FieldRule:
    return plan_of(profile, segment, number, *path, event=event).rule


def codes_at(profile: Profile, segment: str, number: int, *path: int) -> set[str]:
    table = rule_at(profile, segment, number, *path).table
    return set(table.values) if table is not None else set()


class TestLayers:
    """Each profile says only what it changes in the one that it extends."""

    def test_a_line_changes_only_what_it_says(self, load) -> None:
        profile = load(field("PID-8", 'table = "T"', "mine"), tables={"T": TABLE})
        rule = rule_at(profile, "PID", 8)
        assert rule.table is not None
        assert (rule.type, rule.card.max, rule.table.id, rule.spec) == ("IS", 1, "T", "mine")

    def test_a_line_for_some_events_is_laid_over_the_line_for_all(self, load) -> None:
        lines = A31 + field("PID-8", 'usage = "R"\nin = ["A31"]') + field("PID-8", 'usage = "X"')
        profile = load(lines)
        assert rule_at(profile, "PID", 8, event="A31").usage is Usage.R
        assert rule_at(profile, "PID", 8).usage is Usage.X

    def test_events_with_the_same_lines_share_their_plans(self, load) -> None:
        profile = load(A31)
        assert profile.plans["A28"].fields["PID"] is profile.plans["A31"].fields["PID"]
        assert profile.plans["A28"].grammar is profile.plans["A31"].grammar

    def test_a_later_usage_drops_the_condition_of_the_first(self, load) -> None:
        wide = field("PID-8", 'usage = "C"\nwhen = [{ at = "PID-7", present = false }]')
        assert rule_at(load(wide), "PID", 8).when[0].test is Test.ABSENT
        assert rule_at(load(wide + field("PID-8", 'usage = "R"\nin = "A28"')), "PID", 8).when == ()
        assert rule_at(load(wide + field("PID-8", 'length = 2\nin = "A28"')), "PID", 8).when != ()

    def test_a_line_of_a_field_lies_over_those_of_its_data_type(self, load) -> None:
        lines = '[[component]]\nat = "CX-5"\nusage = "R"\nlength = 5\nspec = "type"\n'
        profile = load(lines + field("PID-3.5", "length = 3"))
        own, other = rule_at(profile, "PID", 3, 5), rule_at(profile, "PID", 18, 5)
        assert (str(own.at), own.usage, own.max_length) == ("PID-3.5", Usage.R, 3)
        assert (str(other.at), other.usage, other.max_length, other.spec) == ("CX-5", Usage.R, 5, "type")

    def test_a_type_inside_a_type_may_be_told_apart(self, load) -> None:
        lines = '[[component]]\nat = "HD-1"\nlength = 20\nspec = "S"\n'
        lines += '[[component]]\nat = "CX-4.1"\nlength = 9\nspec = "S"\n'
        profile = load(lines)
        assert rule_at(profile, "PID", 3, 4, 1).max_length == 9
        assert rule_at(profile, "PID", 34, 1).max_length == 20

    def test_a_table_may_be_taken_away(self, load) -> None:
        assert codes_at(load(), "PID", 24) == {"Y", "N"}
        assert codes_at(load(field("PID-24", 'table = "none"')), "PID", 24) == set()

    def test_another_table_or_type_does_not_keep_the_example_of_the_first(self, load) -> None:
        lines = '[[component]]\nat = "CX-5"\nexample = "PI"\nspec = "S"\n'
        profile = load(lines + field("PID-3.5", 'table = "T"\nusage = "R"'), tables={"T": TABLE})
        assert profile.rules["pid-3-5-required"].example == "PID-3.5 = A"
        assert load(lines + field("PID-3.5", 'usage = "R"')).rules["pid-3-5-required"].example == "PID-3.5 = PI"

    def test_another_type_brings_its_own_parts(self, load) -> None:
        profile = load(field("PID-8", 'type = "CWE"'))
        assert len(plan_of(profile, "PID", 8).parts) == 9
        assert "pid-8-divided" in profile.rules

    def test_a_field_that_is_new_needs_no_more_than_name_and_type(self, load) -> None:
        profile = load(field("PID-40", 'name = "N"\ntype = "DT"'))
        rule = rule_at(profile, "PID", 40)
        assert (rule.name, rule.usage, str(rule.card)) == ("N", Usage.O, "0..1")
        assert profile.plans["A28"].fields["PID"].most == 40

    def test_an_extending_profile_replaces_a_rule_of_the_same_id_and_drops_events(self, write) -> None:
        files = {
            "p/a.toml": HEAD + EVENT + A31 + RULE,
            "q/a.toml": HEAD.replace("T", "Q")
            + 'extends = "p"\n[[event]]\ncode = "A31"\nusage = "X"\nspec = "S"\n'
            + RULE.replace('"e"', '"other"'),
        }
        profile = load_profile("q", write(files))
        assert (profile.name, profile.title) == ("q", "Q")
        assert [each.rule.en for each in profile.plans["A28"].rules] == ["other"]
        assert profile.accepts("A28")
        assert not profile.accepts("A31")
        assert profile.events["A31"].usage is Usage.X

    def test_an_event_keeps_what_is_not_said_of_it_again(self, write) -> None:
        again = '[[event]]\ncode = "A28"\nspec = "mine"\n'
        event = load_profile("q", write({"p/a.toml": HEAD + EVENT, "q/a.toml": f'{HEAD}extends = "p"\n{again}'})).events
        assert (event["A28"].structure, event["A28"].transaction, event["A28"].spec) == ("ADT_A05", "ITI-30", "mine")

    def test_a_segment_is_placed_once_and_keeps_the_order_of_the_file(self, load) -> None:
        lines = "".join(
            f'[[segment]]\nname = "{name}"\nafter = "PV2"\n{scope}spec = "S"\n'
            for name, scope in [("ZFA", ""), ("ZFP", 'in = "A28"\n'), ("ZFD", ""), ("ZFD", 'in = "A28"\n')]
        )
        grammar = load(lines).plans["A28"].grammar
        state = 0
        for name in ("MSH", "PV1", "ZFA", "ZFP", "ZFD", "ROL"):
            state = grammar.steps[state][name]
        assert "ZFA" not in grammar.steps[state]

    def test_a_line_for_a_segment_without_a_place_in_an_event_says_nothing_there(self, load) -> None:
        profile = load('[[segment]]\nname = "MRG"\nusage = "X"\nspec = "S"\n' + field("MRG-1", 'usage = "X"'))
        assert "MRG" not in profile.plans["A28"].segments


class TestRulesThatCanBeBroken:
    """A rule that no message can break is none: nobody has to read of it."""

    def test_a_code_of_a_table_is_as_long_as_it_is(self, load) -> None:
        assert "pid-24-too-long" not in load(field("PID-24", "length = 1")).rules
        assert "pid-8-too-long" in load(field("PID-8", "length = 1")).rules

    @pytest.mark.parametrize(("at", "most"), [("PID-1", 4), ("PID-7", 24), ("NK1-8", 8)])
    def test_the_form_of_a_type_is_a_limit_of_its_own(self, load, at: str, most: int) -> None:
        name = at.lower() + "-too-long"
        assert name not in load(field(at, f"length = {most}")).rules
        assert name in load(field(at, f"length = {most - 1}")).rules

    def test_what_others_judge_as_errors_is_not_said_a_second_time(self, load) -> None:
        rules = load(field("PID-3", 'usage = "R"') + field("MSH-9", 'usage = "R"')).rules
        assert not {"msh-required", "pid-required", "pid-3-required", "msh-9-required"} & set(rules)
        assert {"evn-required", "msh-10-required"} <= set(rules)


class TestValues:
    """[[values]]: codes that a profile adds to a table or takes away, for itself and those that extend it."""

    LINE = '[[values]]\ntable = "{}"\nadd = {{ Q = "q" }}\nremove = ["{}"]\nspec = "mine"\n'

    def test_of_a_table_of_the_files(self, load) -> None:
        profile = load(field("PID-8", 'table = "T"') + self.LINE.format("T", "A"), tables={"T": TABLE + '\nB = "b"\n'})
        assert codes_at(profile, "PID", 8) == {"B", "Q"}
        table = rule_at(profile, "PID", 8).table
        assert table is not None
        assert table.spec == "mine"

    def test_of_a_table_of_hl7_wherever_it_is_used_with_or_without_a_line(self, load) -> None:
        profile = load(
            self.LINE.format("0136", "N") + field("PID-24", 'usage = "R"') + field("PID-8", 'table = "0136"')
        )
        assert codes_at(profile, "PID", 24) == codes_at(profile, "PID", 8) == {"Y", "Q"}
        assert codes_at(profile, "PID", 30) == codes_at(profile, "PV2", 22) == {"Y", "Q"}
        assert {"Y", "N"} == codes_at(load(), "PID", 30)

    def test_of_a_component(self, load) -> None:
        profile = load(self.LINE.format("0301", "ISO"))
        assert "Q" in codes_at(profile, "PID", 34, 3)
        assert "ISO" not in codes_at(profile, "PID", 3, 4, 3)

    def test_in_an_overlay(self, load) -> None:
        profile = load(overlay='[[values]]\ntable = "0136"\nadd = { O = "oui" }\n')
        assert codes_at(profile, "PID", 24) == {"Y", "N", "O"}

    def test_one_after_the_other(self, write) -> None:
        more = '[[values]]\ntable = "0136"\nadd = {{ {0} = "x" }}\nspec = "S"\n'
        files = {"p/a.toml": HEAD + EVENT + more.format("O"), "q/a.toml": f'{HEAD}extends = "p"\n' + more.format("Q")}
        assert codes_at(load_profile("q", write(files)), "PID", 24) == {"Y", "N", "O", "Q"}


LINES = (
    field("PID-8", 'usage = "R"')
    + field("PID-9", 'usage = "X"\nseverity = "I"')
    + field("PID-25", "length = 2")
    + field("PID-35", 'usage = "C"\nwhen = [{ at = "PID-8", present = true }]')
    + field("PID-36", 'usage = "CE"\nwhen = [{ at = "PID-8", present = true }]')
    + '[[segment]]\nname = "EVN"\nusage = "R"\ncard = "1..1"\nspec = "S"\n'
    + '[[segment]]\nname = "PV2"\nusage = "X"\nspec = "S"\n'
    + RULE
)


class TestStrictness:
    """``strict`` makes an error of each breach of R, X, table and type; order, number and length stay what they are."""

    def test_lenient_leaves_every_line_its_severity(self, load) -> None:
        severities = {rule_id: rule.severity for rule_id, rule in load(LINES).rules.items()}
        assert severities["pid-8-required"] is Severity.W
        assert severities["pid-9-forbidden"] is Severity.I
        assert Severity.E not in severities.values()

    @pytest.mark.parametrize(
        "rule_id",
        [
            "pid-8-required", "pid-9-forbidden", "pid-24-not-in-table", "pid-7-ill-formed", "pid-8-divided",
            "pid-35-missing", "pid-36-unexpected", "evn-required", "pv2-forbidden", "r",
        ],
    )  # fmt: skip
    def test_strict_makes_errors(self, load, rule_id: str) -> None:
        assert load(LINES, strictness=STRICT).rules[rule_id].severity is Severity.E

    @pytest.mark.parametrize(
        "rule_id",
        [
            "pid-8-repeated", "pid-25-too-long", "evn-repeated", "evn-out-of-order", "segment-unexpected",
            "odd-structure", "field-beyond-segment", "escape-unknown",
        ],
    )  # fmt: skip
    def test_but_not_of_order_number_and_length(self, load, rule_id: str) -> None:
        strict, lenient = load(LINES, strictness=STRICT), load(LINES)
        assert strict.rules[rule_id].severity is lenient.rules[rule_id].severity is not Severity.E

    def test_the_findings_are_graded_so(self) -> None:
        strict = load_profiles(strictness=STRICT).french
        lines = read_lines((CLEAN / "A28.hl7").read_bytes())
        assert check(lines, strict) == ()
        lines[2][8], lines[2][24] = "QQ", "Y~Y"
        assert [(each.rule, each.severity) for each in check(lines, strict)] == [
            ("pid-8-not-in-table", Severity.E),
            ("pid-24-repeated", Severity.W),
        ]


class TestSeverity:
    """``severity`` of a line: of the usage that the line names when it can be broken, else of the whole place."""

    WHEN = 'when = [{ at = "PID-24", present = true }]\n'

    @pytest.mark.parametrize(
        ("keys", "informing"),
        [
            (f'usage = "C"\n{WHEN}table = "0136"', {"pid-8-missing"}),
            (f'usage = "CE"\n{WHEN}table = "0136"', {"pid-8-unexpected"}),
            ('usage = "R"\ntable = "0136"', {"pid-8-required"}),
            ('usage = "X"', {"pid-8-forbidden"}),
            ('usage = "RE"\ntable = "0136"', {"pid-8-repeated", "pid-8-not-in-table", "pid-8-divided"}),
            ('table = "0136"', {"pid-8-repeated", "pid-8-not-in-table", "pid-8-divided"}),
        ],
    )
    def test_of_a_field(self, load, keys: str, informing: set[str]) -> None:
        rules = load(field("PID-8", f'{keys}\nseverity = "I"')).rules
        told = {name for name, rule in rules.items() if name.startswith("pid-8-") and rule.severity is Severity.I}
        assert told == informing

    def test_of_a_segment(self, load) -> None:
        line = '[[segment]]\nname = "PV2"\nusage = "{}"\nseverity = "I"\nspec = "S"\n{}'
        of = {name: rule.severity for name, rule in load(line.format("C", self.WHEN)).rules.items()}
        assert of["pv2-missing"] is Severity.I
        assert of["pv2-out-of-order"] is of["pv2-repeated"] is Severity.W
        assert load(line.format("O", "")).rules["pv2-out-of-order"].severity is Severity.I

    def test_goes_with_the_usage_that_it_is_for(self, load) -> None:
        lines = field("PID-8", 'usage = "X"\nseverity = "I"')
        required = '[[field]]\nat = "PID-8"\nusage = "R"\n'
        assert load(lines, overlay=required).rules["pid-8-required"].severity is Severity.W
        kept = '[[field]]\nat = "PID-8"\nusage = "X"\n'
        assert load(lines, overlay=kept).rules["pid-8-forbidden"].severity is Severity.I

    def test_of_a_whole_place_stays_under_another_usage(self, load) -> None:
        lines = field("PID-8", 'usage = "RE"\nseverity = "I"')
        assert (
            load(lines, overlay='[[field]]\nat = "PID-8"\nusage = "R"\n').rules["pid-8-required"].severity is Severity.I
        )


GRADES = [("ignore", None), ("I", Severity.I), ("W", Severity.W), ("E", Severity.E)]


class TestGrades:
    """[[grade]]: what an overlay says of a rule counts more than the line and the strictness."""

    @pytest.mark.parametrize("strictness", list(Strictness))
    @pytest.mark.parametrize(("word", "severity"), GRADES)
    @pytest.mark.parametrize("rule_id", ["pid-8-required", "pid-9-forbidden", "evn-required", "evn-out-of-order", "r"])
    def test_over_any_rule(
        self, load, rule_id: str, word: str, severity: Severity | None, strictness: Strictness
    ) -> None:
        overlay = f'[[grade]]\nrule = "{rule_id}"\nseverity = "{word}"\n'
        profile = load(LINES, overlay=overlay, strictness=strictness)
        rule = profile.rules.get(rule_id)
        assert (rule.severity if rule is not None else None) is severity
        assert (rule_id in profile.ignored) is (severity is None)
        assert profile.grades == {rule_id: severity}

    @pytest.mark.parametrize(
        "rule_id",
        ["segment-unexpected", "odd-structure", "field-beyond-segment", "escape-unknown", "pid-8-required", "r"],
    )
    def test_what_is_ignored_is_not_said(self, load, rule_id: str) -> None:
        lines = read_lines((CLEAN / "A28.hl7").read_bytes())
        lines[0][9] = "ADT^A28^ADT_A01"
        lines[2][8:10] = ["", "x"]
        lines[2][23] = "A\\B"
        lines[2] += [""] * 10 + ["x"]
        lines.append(["MRG", "1"])
        told = {each.rule for each in check(lines, load(LINES))}
        overlay = f'[[grade]]\nrule = "{rule_id}"\nseverity = "ignore"\n'
        assert told - {each.rule for each in check(lines, load(LINES, overlay=overlay))} == {rule_id}

    def test_a_later_layer_may_take_back_what_an_earlier_one_ignores(self, write) -> None:
        grade = '[[grade]]\nrule = "r"\nseverity = "{}"\n'
        files = {
            "p/a.toml": HEAD + EVENT + RULE + grade.format("ignore"),
            "q/a.toml": f'{HEAD}extends = "p"\n' + grade.format("E"),
        }
        folder = write(files)
        assert load_profile("p", folder).ignored == {"r"}
        assert load_profile("q", folder).rules["r"].severity is Severity.E
        assert load_profile("q", folder).conditions == {"r"}

    @pytest.mark.parametrize(("word", "severity"), GRADES)
    def test_over_a_rule_of_the_code(self, load, word: str, severity: Severity | None) -> None:
        profile = load(overlay=f'[[grade]]\nrule = "of-the-code"\nseverity = "{word}"\n')
        told = [
            Finding("of-the-code", ErrorCode.DATA_TYPE, given, None, "f", "e", "S")
            for given in (Severity.W, Severity.E)
        ]
        warned = [] if severity is None else [severity]
        assert [each.severity for each in profile.graded(tuple(told))] == [*warned, Severity.E]

    def test_an_error_of_the_code_stays_one_and_other_rules_stay_as_they_are(self, load) -> None:
        other = (Finding("other", ErrorCode.DATA_TYPE, Severity.W, None, "f", "e", "S"),)
        assert load().graded(other) is other
        assert load(overlay='[[grade]]\nrule = "of-the-code"\nseverity = "I"\n').graded(other) == other


class TestRuleKinds:
    def test_what_says_that_a_line_is_not_kept_is_general(self, load) -> None:
        profile = load(LINES)
        assert profile.is_general("pid-8-required")
        assert not profile.is_general("r")
        assert not profile.is_general("of-the-code")


class TestMaps:
    """[[map]]: the COG of a sender who writes it elsewhere in the address."""

    MAP = '[[map]]\nfrom = "PID-11.{}"\nto = "PID-11.9"\n'

    def test_are_the_other_components_of_the_birth_place(self, load) -> None:
        assert load().birth_place_components == ()
        assert load(overlay=self.MAP.format(8) + self.MAP.format(4)).birth_place_components == (4, 8)

    def test_hold_for_every_profile_of_a_set(self, tmp_path: Path) -> None:
        path = tmp_path / "lyre.toml"
        path.write_text('[overlay]\ntitle = "T"\n' + self.MAP.format(4))
        profiles = load_profiles(overlay=path)
        assert profiles.maps == (4,)
        assert {profile.birth_place_components for profile in profiles.profiles} == {(4,)}


OVERLAY = (
    '[overlay]\ntitle = "the dialect of GAM-LYRE"\n'
    '[[field]]\nat = "PID-8"\nusage = "R"\n'
    '[[field]]\nat = "ZFD-3"\nusage = "R"\n'
    '[[segment]]\nname = "ZFD"\nusage = "R"\nin = "A28"\n'
    '[[field]]\nat = "PID-23"\nusage = "C"\nwhen = [{ at = "ZFD-3", is = "Y" }]\n'
    '[[rule]]\nid = "of-france"\nwhen = [{ at = "ZFA-1", present = true }]\n'
    'expect = { at = "PID-8", present = true }\nfr = "f"\nen = "e"\n'
    '[[rule]]\nid = "of-all"\nexpect = { at = "PID-7", present = true }\nfr = "f"\nen = "e"\n'
)


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all: what was loaded with it is kept."""
    path = tmp_path_factory.mktemp("overlay") / "lyre.toml"
    path.write_text(OVERLAY)
    return path


class TestOverlaysOverTheShippedProfiles:
    """One overlay is laid over all the versions of France and over the international profile."""

    def test_changes_all_of_them(self, overlay: Path) -> None:
        profiles = load_profiles(overlay=overlay)
        assert [profile.name for profile in profiles.profiles] == [
            "pam+lyre", "pam_fr/2.11+lyre", "pam_fr/2.10+lyre", "pam_fr/2.9+lyre",
        ]  # fmt: skip
        for profile in profiles.profiles:
            assert {"pid-8-required", "of-all"} <= set(profile.rules)
            assert rule_at(profile, "PID", 8).spec == "the dialect of GAM-LYRE"

    def test_leaves_what_is_of_france_out_of_the_international_one(self, overlay: Path) -> None:
        profiles = load_profiles(overlay=overlay)
        assert {"zfd-3-required", "zfd-required", "pid-23-missing", "of-france"} <= set(profiles.french.rules)
        international = set(profiles.international.rules)
        assert not {"zfd-3-required", "zfd-required", "pid-23-missing", "of-france"} & international

    def test_but_not_when_the_source_names_that_profile_itself(self, overlay: Path) -> None:
        with pytest.raises(ProfileError, match=r"lyre\.toml: .*ZF[AD] is no segment"):
            load_profiles(overlay=overlay, only="pam")
        assert load_profiles(overlay=overlay, only="pam_fr/2.9").french.name == "pam_fr/2.9+lyre"

    def test_a_segment_of_its_own_is_known_everywhere(self, tmp_path: Path) -> None:
        path = tmp_path / "lyre.toml"
        path.write_text(
            '[overlay]\ntitle = "T"\n[[segment]]\nname = "ZLY"\nafter = "PV2"\nusage = "R"\nin = "A28"\n'
            '[[field]]\nat = "ZLY-1"\nname = "N"\ntype = "ST"\nusage = "R"\n'
        )
        for profile in load_profiles(overlay=path).profiles:
            assert {"zly-required", "zly-1-required"} <= set(profile.rules)

    def test_a_rule_cannot_take_the_id_of_one_that_a_line_makes(self, tmp_path: Path) -> None:
        path = tmp_path / "lyre.toml"
        rule = 'id = "pid-8-not-in-table"\nexpect = { at = "PID-8", present = true }\nfr = "Non."\nen = "No."\n'
        path.write_text(f'[overlay]\ntitle = "x"\n[[rule]]\n{rule}', encoding="utf-8")
        with pytest.raises(ProfileError) as failure:
            load_profiles(overlay=path)
        assert (failure.value.file, failure.value.key) == ("lyre.toml", "rule pid-8-not-in-table id")
        assert failure.value.text("fr") == f"lyre.toml : {failure.value.key} : {failure.value.fr}"

    def test_what_is_wrong_in_it_is_told_of_it(self, tmp_path: Path) -> None:
        path = tmp_path / "lyre.toml"
        path.write_text('[overlay]\ntitle = "T"\n[[values]]\ntable = "9999"\nadd = { A = "a" }\n')
        with pytest.raises(ProfileError, match=r"lyre\.toml: values 9999 table: no such table"):
            load_profiles(overlay=path)


class TestSelection:
    """IHE PAM FR 2.11.2 §6.5: MSH-12 says the version, MSH-21 the profile."""

    @pytest.mark.parametrize(
        ("version", "name"),
        [
            ("2.11", "pam_fr/2.11"),
            ("2.11.2", "pam_fr/2.11"),
            ("2.12", "pam_fr/2.11"),
            ("3.0", "pam_fr/2.11"),
            ("2.10", "pam_fr/2.10"),
            ("2.10.5", "pam_fr/2.10"),
            ("2.9", "pam_fr/2.9"),
            ("2.4", "pam_fr/2.9"),
            ("1.0", "pam_fr/2.9"),
            ("", "pam_fr/2.11"),
            ("FR", "pam_fr/2.11"),
            ("2", "pam_fr/2.11"),
        ],
    )
    def test_by_the_version_that_is_announced(self, version: str, name: str) -> None:
        assert load_profiles().select(Header(country="FRA", extension_version=version)).name == name

    def test_by_the_declaration_of_conformance(self) -> None:
        profiles = load_profiles()
        assert profiles.select(Header(profile_ids="2.11^IHE_FRANCE-2.11-PAM")) is profiles.french
        assert profiles.select(Header(country_code="FRA")) is profiles.international

    def test_the_profile_that_a_source_names_is_the_one_for_every_message(self) -> None:
        profiles = load_profiles(only="pam_fr/2.9")
        for header in (Header(), Header(country="FRA", extension_version="2.11")):
            assert profiles.select(header) is profiles.only is profiles.french
        assert profiles.profiles == (profiles.only,)
        assert profiles.maps == ()

    def test_the_set_has_the_newest_first(self) -> None:
        profiles = load_profiles()
        assert [version for version, _ in profiles.versions] == [(2, 11), (2, 10), (2, 9)]
        assert isinstance(profiles, ProfileSet)
        assert profiles.only is None


class TestShippedProfiles:
    """The files of ``profiles/``."""

    def test_are_loaded_once(self) -> None:
        assert load_profiles() is load_profiles()
        assert load_profile("pam") is load_profile("pam")

    def test_are_listed_the_international_one_first_then_the_newest(self) -> None:
        assert list_profiles() == ("pam", "pam_fr/2.11", "pam_fr/2.10", "pam_fr/2.9")

    def test_one_that_is_not_there_is_said_so(self) -> None:
        with pytest.raises(ProfileError, match="pam_fr/9: profile: no such profile; the profiles: pam, ") as refused:
            load_profile("pam_fr/9")
        assert "profil inconnu ; les profils : pam, pam_fr/2.11, pam_fr/2.10, pam_fr/2.9" in refused.value.text("fr")

    def test_france_excludes_a08(self) -> None:
        profiles = load_profiles()
        assert profiles.international.accepts("A08")
        assert not profiles.french.accepts("A08")
        assert set(profiles.international.plans) == set(profiles.french.plans) | {"A08"}

    def test_every_event_of_the_receiver_has_a_plan(self) -> None:
        wanted = "A01 A02 A03 A04 A05 A06 A07 A11 A12 A13 A14 A15 A16 A21 A22 A25 A26 A27 A28 A29 A31 A38 A40 A44 A47"
        wanted += " A52 A53 A54 A55 Z99"
        for _, profile in load_profiles().versions:
            assert set(wanted.split()) == set(profile.plans)

    def test_no_line_makes_a_message_refused(self) -> None:
        for profile in load_profiles().profiles:
            assert Severity.E not in {rule.severity for rule in profile.rules.values()}

    def test_every_rule_speaks_two_languages_and_fits_an_err(self) -> None:
        for profile in load_profiles().profiles:
            for rule_id, rule in profile.rules.items():
                assert rule.id == rule_id
                assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule_id)
                assert rule.spec
                assert rule.fr != rule.en
                assert max(len(rule.fr), len(rule.en)) <= MAX_SENTENCE_LENGTH, rule_id

    def test_every_table_of_the_folder_is_used(self) -> None:
        named = set()
        for path in PROFILES.glob("pam*/**/*.toml"):
            named |= set(re.findall(r'^table = "(.+)"$', path.read_text(encoding="utf-8"), re.MULTILINE))
        assert {path.stem for path in (PROFILES / "tables").glob("*.toml")} <= named
