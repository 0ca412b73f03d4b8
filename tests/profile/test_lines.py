"""The lines of the profile files, read strictly: a line that would not be checked stops the start."""

from pathlib import Path

import pytest

from pam_receiver.finding import ErrorCode, Severity
from pam_receiver.profile.lines import ProfileError, Scope, read_overlay, read_profile, read_tables
from pam_receiver.profile.load import load_profile
from pam_receiver.profile.model import Condition, EventRule, Place, Test, Usage

HEAD = '[profile]\ntitle = "T"\nspec = "S"\n'
EVENT = '[[event]]\ncode = "A28"\nstructure = "ADT_A05"\ntransaction = "ITI-30"\nspec = "S"\n'

A28 = EventRule("A28", "ADT_A05", "ITI-30", "S")
A44 = EventRule("A44", "ADT_A43", "ITI-31", "S")

WHEN = 'when = [{ at = "PID-8", present = true }]\n'


def field(at: str, keys: str) -> str:
    return f'[[field]]\nat = "{at}"\n{keys}\nspec = "S"\n'


def component(at: str, keys: str) -> str:
    return f'[[component]]\nat = "{at}"\n{keys}\nspec = "S"\n'


def segment(name: str, keys: str) -> str:
    return f'[[segment]]\nname = "{name}"\n{keys}\nspec = "S"\n'


def rule(keys: str, *, fr: str = 'fr = "f"', en: str = 'en = "e"') -> str:
    return f'[[rule]]\nid = "r"\n{keys}\n{fr}\n{en}\nspec = "S"\n'


FIELDS = [
    ('[[field]]\nat = "PID-3"', "field PID-3 spec", "missing"),
    ('[[field]]\nat = "PID-3"\nspec = " "', "field PID-3 spec", "must be a text"),
    ('[[field]]\nusage = "R"\nspec = "S"', "field at", "missing"),
    (field("PID-3", 'usge = "R"'), "field PID-3 usge", "unknown key"),
    (field("PID", ""), "field PID at", "field or a component"),
    (field("PID3", ""), "field PID3 at", "must be a place"),
    (field("PID-3.4.2.1", ""), "field PID-3.4.2.1 at", "must be a place"),
    (field("PID-3", 'usage = "B"'), "field PID-3 usage", "unknown usage"),
    (field("PID-3", 'usage = "C"'), "field PID-3 when", "usages C and CE need a condition"),
    (field("PID-3", 'usage = "CE"'), "field PID-3 when", "usages C and CE need a condition"),
    (field("PID-3", f'usage = "R"\n{WHEN}'), "field PID-3 when", "no other usage has one"),
    (field("PID-3", f'usage = "X"\n{WHEN}'), "field PID-3 when", "no other usage has one"),
    (field("PID-3", WHEN), "field PID-3 when", "no other usage has one"),
    (field("PID-3", 'card = "1"'), "field PID-3 card", "must be a cardinality"),
    (field("PID-3", "card = 1"), "field PID-3 card", "must be a text"),
    (field("PID-3.5", 'card = "0..1"'), "field PID-3.5 card", "only a field repeats"),
    (field("PID-3", 'severity = "E"'), "field PID-3 severity", "W or I"),
    (field("PID-3", 'type = "XX"'), "field PID-3 type", "unknown data type"),
    (field("PID-8", "length = 0"), "field PID-8 length", "number of characters"),
    (field("PID-8", "length = true"), "field PID-8 length", "number of characters"),
    (field("PID-8", 'length = "2"'), "field PID-8 length", "number of characters"),
    (field("PID-3", "length = 9"), "field PID-3 length", "no length of its own"),
    (field("PID-3.4", "length = 9"), "field PID-3.4 length", "no length of its own"),
    (field("PID-8", 'table = "9999"'), "field PID-8 table", "no such table"),
    (field("PID-8", "example = 1"), "field PID-8 example", "must be a text"),
    (field("ZZZ-1", ""), "field ZZZ-1", "no segment of HL7 v2.5"),
    (field("PID-99", ""), "field PID-99", "needs a name and a type"),
    (field("PID-99", 'name = "N"'), "field PID-99", "needs a name and a type"),
    (field("PID-99.1", ""), "field PID-99.1 at", "nothing describes"),
    (field("PID-3.99", ""), "field PID-3.99 at", "has only"),
    (field("PID-3.4.9", ""), "field PID-3.4.9 at", "has only"),
    (field("PID-8.2", ""), "field PID-8.2 at", "has only 0 parts"),
    (field("PID-7.2", ""), "field PID-7.2 at", "has only 0 parts"),
    (field("OBX-5.1", ""), "field OBX-5.1 at", "no parts"),
    (field("OBX-5", 'table = "0136"'), "field OBX-5 table", "a varies is not judged"),
    (field("OBX-5", "length = 9"), "field OBX-5 length", "no length of its own"),
    (field("PID-3.5.1", ""), "field PID-3.5.1 at", "has only 0 parts"),
    (field("PID-3", 'in = ["A99"]'), "field PID-3 in", "no such transaction or event: A99"),
    (field("PID-3", 'except = "A99"'), "field PID-3 except", "no such transaction"),
    (field("PID-3", "in = [1]"), "field PID-3 in", "list of texts"),
    (field("PID-3", 'usage = "C"\nwhen = [{ at = "ZZZ-1", present = true }]'), "field PID-3", "ZZZ is no segment"),
    (field("PID-3", "") * 2, "field PID-3", "said twice"),
]
COMPONENTS = [
    (component("CX", ""), "component CX at", "component of a data type"),
    (component("PID-3", ""), "component PID-3 at", "component of a data type"),
    (component("CX-4.2.1", ""), "component CX-4.2.1 at", "component of a data type"),
    (component("CX-4", 'card = "0..1"'), "component CX-4 card", "unknown key"),
    (component("CX-4", 'in = "A28"'), "component CX-4 in", "unknown key"),
    (component("CX-4", 'except = "A28"'), "component CX-4 except", "unknown key"),
    (component("CX-11", ""), "component CX-11 at", "has only 10 parts"),
    (component("ST-1", ""), "component ST-1 at", "has only 0 parts"),
    (component("TS-1", ""), "component TS-1 at", "has only 0 parts"),
    (component("CX-4.4", ""), "component CX-4.4 at", "has only 3 parts"),
    (component("CX-4", "length = 9"), "component CX-4 length", "no length of its own"),
    (component("CX-5", 'usage = "C"'), "component CX-5 when", "need a condition"),
    (
        component("CX-5", 'usage = "C"\nwhen = [{ at = "XPN-7", present = true }]'),
        "component CX-5 when",
        "XPN-7 is no place of CX",
    ),
    (
        component("CX-5", 'usage = "CE"\nwhen = [{ at = "PID-8", present = true }]'),
        "component CX-5 when",
        "PID-8 is no place of CX",
    ),
    (component("CX-5", "") * 2, "component CX-5", "said twice"),
]
SEGMENTS = [
    (segment("PV1", 'usage = "B"'), "segment PV1 usage", "unknown usage"),
    (segment("PV1", 'usage = "C"'), "segment PV1 when", "need a condition"),
    (segment("PV1", f'usage = "O"\n{WHEN}'), "segment PV1 when", "no other usage"),
    (segment("PV1", 'length = "9"'), "segment PV1 length", "unknown key"),
    (segment("PV1", 'card = "2..1"'), "segment PV1 card", "must be a cardinality"),
    *((segment(name, ""), f"segment {name} name", "three capitals or digits") for name in ("pid", "PI", "1PI", "PIDX")),
    (segment("ZZZ", ""), "segment ZZZ", "no segment of HL7 v2.5"),
    (segment("ZBE", 'after = "MRG"\nusage = "R"'), "segment ZBE", "no place in ADT_A05 of A28"),
    (segment("PV1", 'in = "ITI-99"'), "segment PV1 in", "no such transaction"),
    (segment("PV1", "") * 2, "segment PV1", "said twice"),
]
EVENTS = [
    ('[[event]]\ncode = "A31"\nspec = "S"', "event A31", "needs a structure and a transaction"),
    (EVENT, "event A28", "said twice"),
    ('[[event]]\ncode = "A31"\nusage = "O"\nspec = "S"', "event A31 usage", "unknown usage"),
    ('[[event]]\ncode = "A31"\nstrcture = "ADT_A05"\nspec = "S"', "event A31 strcture", "unknown key"),
]
RULES = [
    (rule(""), "rule r expect", "must be a condition"),
    (rule('expect = { at = "PID-8" }'), "rule r expect", "exactly one"),
    (rule('expect = { at = "PID-8", is = "M", present = true }'), "rule r expect", "exactly one"),
    (rule('expect = { at = "PID-8", like = "M" }'), "rule r expect like", "unknown key"),
    (rule('expect = { at = "PID-8", present = "yes" }'), "rule r expect present", "true or false"),
    (rule('expect = { at = "PID", is = "M" }'), "rule r expect is", "needs codes"),
    (rule('expect = { at = "PID-8", is = [] }'), "rule r expect is", "needs codes"),
    (rule('when = ["x"]\nexpect = { at = "PID-8", is = "M" }'), "rule r when", "list of tables"),
    (rule('expect = { at = "ZZZ-8", is = "M" }'), "rule r", "no segment"),
    (rule('expect = { at = "PID-8", is = "M" }', en=""), "rule r en", "missing"),
    (rule('expect = { at = "PID-8", is = "M" }', fr=f'fr = "{"f" * 251}"'), "rule r fr", "longer than 250"),
    (rule('expect = { at = "PID-8", is = "M" }\nseverity = "E"'), "rule r severity", "W or I"),
    (rule('expect = { at = "PID-8", is = "M" }') * 2, "rule r", "said twice"),
]
OTHERS = [
    ('[[fild]]\nat = "PID-3"', "fild", "unknown key"),
    ('[field]\nat = "PID-3"', "field", "list of tables"),
    ("= 1", "file", "not TOML"),
    ('[[values]]\ntable = "0136"\nspec = "S"', "values 0136", "add or remove"),
    ('[[values]]\ntable = "9999"\nadd = { A = "a" }\nspec = "S"', "values 9999 table", "no such table"),
    ('[[values]]\ntable = "0136"\nremove = ["Q"]\nspec = "S"', "values 0136 remove", "Q is not in the table"),
    ('[[values]]\ntable = "0136"\nadd = { Q = 1 }\nspec = "S"', "values 0136 add", "a text"),
    ('[[values]]\ntable = "0136"\nadd = ["Q"]\nspec = "S"', "values 0136 add", "a text"),
    ('[[values]]\ntable = "0136"\ncodes = "Q"\nspec = "S"', "values 0136 codes", "unknown key"),
    ('[[grade]]\nrule = "pid-8-required"', "grade pid-8-required severity", "missing"),
    ('[[grade]]\nrule = "pid-8-required"\nseverity = "F"', "grade pid-8-required severity", "ignore, I, W or E"),
    ('[[grade]]\nseverity = "E"', "grade rule", "missing"),
    ('[[grade]]\nrule = "r"\nseverity = "I"\nin = "A28"', "grade r in", "unknown key"),
    ('[[grade]]\nrule = "r"\nseverity = "I"\n' * 2, "grade r", "said twice"),
    ('[[map]]\nfrom = "PID-11.4"\nto = "PID-11.7"', "map PID-11.4 to", "only the COG"),
    ('[[map]]\nfrom = "PID-3.5"\nto = "PID-11.9"', "map PID-3.5 to", "only the COG"),
    ('[[map]]\nfrom = "PID-11.4"', "map PID-11.4 to", "missing"),
    ('[[map]]\nfrom = "there"\nto = "PID-11.9"', "map there from", "must be a place"),
]


class TestRefusals:
    """Each says which file, which key and what is wrong with it, in both languages."""

    @pytest.mark.parametrize(("lines", "key", "problem"), [*FIELDS, *COMPONENTS, *SEGMENTS, *EVENTS, *RULES, *OTHERS])
    def test_name_the_file_and_the_key(self, tmp_path: Path, lines: str, key: str, problem: str) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "profile.toml").write_text(HEAD + EVENT + lines, encoding="utf-8")
        with pytest.raises(ProfileError) as caught:
            load_profile("p", tmp_path)
        error = caught.value
        assert (error.file, error.key) == ("p/profile.toml", key)
        assert problem in error.problem
        assert str(error) == error.text("en") == f"p/profile.toml: {key}: {error.problem}"
        assert error.text("fr") == f"p/profile.toml : {key} : {error.fr}"
        assert error.fr

    def test_an_event_needs_a_structure_of_hl7(self, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "a.toml").write_text(HEAD + EVENT.replace("ADT_A05", "ADT_Z80"))
        with pytest.raises(ProfileError, match="event A28 structure: not a structure of HL7"):
            load_profile("p", tmp_path)

    @pytest.mark.parametrize(
        ("head", "problem"),
        [
            ("", "exactly one file"),
            ('[profile]\ntitle = "T"\nspec = "S"\nversion = "1"', "profile version: unknown key"),
            ('[profile]\nspec = "S"', "profile title: missing"),
            ('[profile]\ntitle = "T"', "profile spec: missing"),
            ('[profile]\ntitle = "T"\nspec = "S"\nextends = "q"', "no such profile"),
            ('profile = "p"', "exactly one file"),
        ],
    )
    def test_a_profile_has_one_head(self, tmp_path: Path, head: str, problem: str) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "a.toml").write_text(head)
        with pytest.raises(ProfileError, match=problem):
            load_profile("p", tmp_path)

    def test_and_no_second_one(self, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()
        for name in ("a", "b"):
            (tmp_path / "p" / f"{name}.toml").write_text(HEAD)
        with pytest.raises(ProfileError, match="exactly one file"):
            load_profile("p", tmp_path)

    @pytest.mark.parametrize("parent", ["p", "q"])
    def test_profiles_cannot_extend_each_other(self, tmp_path: Path, parent: str) -> None:
        for name, extends in (("p", parent), ("q", "p")):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.toml").write_text(HEAD + f'extends = "{extends}"')
        with pytest.raises(ProfileError, match="circle"):
            load_profile("p", tmp_path)

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "a.toml").write_bytes(b'title = "\xe9"')
        with pytest.raises(ProfileError, match=r"p/a\.toml: file: not TOML"):
            read_profile("p", tmp_path)


class TestOverlays:
    """An overlay is one file; its lines need no source of their own, the overlay is it."""

    @pytest.mark.parametrize(
        ("text", "key", "problem"),
        [
            ("", "[overlay]", "missing"),
            ("overlay = 1", "[overlay]", "must begin with two lines"),
            ("[overlay]", "overlay title", "missing"),
            ('[profile]\ntitle = "T"', "profile", "unknown key"),
            ('[overlay]\ntitle = "T"\nextends = "pam"', "overlay extends", "unknown key"),
            ('[overlay]\ntitle = "T"\n[[fields]]\nat = "PID-8"', "fields", "unknown key"),
            ('[overlay]\ntitle = "T"\n[[field]]\nat = "PID-8"\nspec = ""', "field PID-8 spec", "must be a text"),
            ("overlay", "file", "not TOML"),
        ],
    )
    def test_are_refused_as_strictly(self, tmp_path: Path, text: str, key: str, problem: str) -> None:
        path = tmp_path / "lyre.toml"
        path.write_text(text)
        with pytest.raises(ProfileError) as caught:
            read_overlay(path)
        assert (caught.value.file, caught.value.key) == ("lyre.toml", key)
        assert problem in caught.value.problem

    def test_that_are_not_there_are_said_so(self, tmp_path: Path) -> None:
        with pytest.raises(ProfileError, match=r"lyre\.toml: file: cannot be read: No such file"):
            read_overlay(tmp_path / "lyre.toml")

    def test_give_their_title_or_spec_to_their_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "lyre.toml"
        lines = '[[field]]\nat = "PID-8"\n[[field]]\nat = "PID-9"\nspec = "mine"\n'
        path.write_text(f'[overlay]\ntitle = "T"\n{lines}')
        assert [line.spec for line in read_overlay(path).fields] == ["T", "mine"]
        path.write_text(f'[overlay]\ntitle = "T"\nspec = "contract §3"\n{lines}')
        assert (read_overlay(path).name, read_overlay(path).spec) == ("lyre", "contract §3")
        assert [line.spec for line in read_overlay(path).fields] == ["contract §3", "mine"]


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
        (tmp_path / "p" / "a.toml").write_text(field("PID-8", 'usage = "R"'))
        (tmp_path / "p" / "b.toml").write_text(
            HEAD + rule('expect = { at = "PID-8", is = ["M", "F"] }\nseverity = "I"')
        )
        profile = read_profile("p", tmp_path)
        (line,), (found,) = profile.fields, profile.rules
        assert (profile.title, profile.extends, profile.segments) == ("T", None, ())
        assert (line.at, line.usage, line.scope) == (Place("PID", 8), Usage.R, Scope())
        assert found.expect == Condition(Place("PID", 8), Test.IS, frozenset({"M", "F"}))
        assert (found.rule.code, found.rule.severity) == (ErrorCode.TABLE_VALUE, Severity.I)

    @pytest.mark.parametrize(
        ("expect", "code", "example"),
        [
            ('is = ["M", "F"]', ErrorCode.TABLE_VALUE, "PID-8 = F"),
            ('is_not = "M"', ErrorCode.TABLE_VALUE, "PID-8 = "),
            ("present = true", ErrorCode.REQUIRED_FIELD_MISSING, "PID-8 = …"),
            ("present = false", ErrorCode.DATA_TYPE, "PID-8 = "),
        ],
    )
    def test_what_is_expected_gives_a_rule_its_code_and_its_example(
        self, tmp_path: Path, expect: str, code: ErrorCode, example: str
    ) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "a.toml").write_text(HEAD + rule(f'expect = {{ at = "PID-8", {expect} }}'))
        (line,) = read_profile("p", tmp_path).rules
        assert (line.rule.code, line.rule.example, line.rule.severity) == (code, example, Severity.W)

    def test_a_rule_may_give_its_own_example(self, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "a.toml").write_text(HEAD + rule('expect = { at = "PID-8", is = "M" }\nexample = "PID|…|M"'))
        assert read_profile("p", tmp_path).rules[0].rule.example == "PID|…|M"


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
