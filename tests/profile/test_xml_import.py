"""A conformance profile in XML becomes an overlay, and nothing of it is dropped in silence."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.hl7.er7 import parse_message
from pam_receiver.profile.check import check_message
from pam_receiver.profile.load import load_profile, load_profiles
from pam_receiver.profile.model import Profile, Usage
from pam_receiver.profile.source import ProfileError
from pam_receiver.profile.xml_import import Imported, import_profile
from pam_receiver.profile.xml_notes import NOTES, Kind

HERE = Path(__file__).parent
LYRE = (HERE / "xml" / "lyre-A28.xml").read_bytes()
CLEAN = (HERE / "clean" / "A28.hl7").read_bytes()
BASE = "pam_fr/2.11"

Lay = Callable[[Imported], Profile]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Lay what was imported over the profile."""

    def lay(imported: Imported) -> Profile:
        path = tmp_path / "imported.toml"
        path.write_text(imported.toml, encoding="utf-8")
        return load_profile(BASE, overlay=path)

    return lay


def wrap(inner: str, *, message: str = "ADT^A28^ADT_A05", version: str = "2.5", root: str = "") -> str:
    kind, event, structure = message.split("^")
    return f"""<HL7v2xConformanceProfile HL7Version="{version}" {root}><MetaData Name="Lyre" Version=""/>
        <HL7v2xStaticDef MsgType="{kind}" EventType="{event}" MsgStructID="{structure}">{inner}</HL7v2xStaticDef>
        </HL7v2xConformanceProfile>"""


def segment(name: str, *fields: str, usage: str = "R", least: str = "1", most: str = "1", words: str = "") -> str:
    bounds = f'Min="{least}" Max="{most}"'
    return f'<Segment Name="{name}" Usage="{usage}" {bounds}>{words}{"".join(fields)}</Segment>'


def group(*inner: str, usage: str = "R", least: str = "1", most: str = "1", words: str = "") -> str:
    return f'<SegGroup Name="G" Usage="{usage}" Min="{least}" Max="{most}">{words}{"".join(inner)}</SegGroup>'


def element(tag: str, *inner: str, **attributes: str) -> str:
    given = "".join(f' {key}="{value}"' for key, value in ({"Name": "x"} | attributes).items())
    return f"<{tag}{given}>{''.join(inner)}</{tag}>"


def fields(number: int, *inner: str, **attributes: str) -> list[str]:
    """Fields that say nothing, and the last one, ``number``, that says ``attributes``."""
    return [*["<Field/>"] * (number - 1), element("Field", *inner, **attributes)]


def imported(text: str, base: str = BASE) -> Imported:
    return import_profile(text.encode(), name="f.xml", base=load_profile(base))


def pid(number: int, *inner: str, **attributes: str) -> Imported:
    """The import of a profile that speaks of one field of PID."""
    return imported(wrap(segment("PID", *fields(number, *inner, **attributes))))


def lines(got: Imported) -> list[tuple[str, dict[str, object]]]:
    """The lines of the overlay, without the scope, which is checked here."""
    read = tomllib.loads(got.toml)
    found = []
    for kind in ("segment", "field"):
        for line in read.pop(kind, []):
            assert line.pop("in") == ["A28"]
            found.append((kind, line))
    assert set(read) == {"overlay"}
    return found


def field_line(got: Imported) -> dict[str, object]:
    ((kind, line),) = lines(got)
    assert kind == "field"
    return line


def note(got: Imported, kind: Kind) -> str | None:
    """What the note of ``kind`` says in English of its places; it must be there in French too."""
    for french, english in zip(got.notes_fr, got.notes_en, strict=True):
        fr, en = (text.format(places="\0", base=BASE).split("\0") for text in NOTES[kind])
        if english.startswith(en[0]) and english.endswith(en[-1]):
            assert french.startswith(fr[0])
            return english[len(en[0]) : len(english) - len(en[-1])] if len(en) > 1 else ""
    return None


def refusal(data: bytes) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        import_profile(data, name="f.xml", base=load_profile(BASE))
    assert caught.value.file == "f.xml"
    return caught.value


def rules_broken(message: bytes, profile: Profile) -> set[str]:
    return {finding.rule for finding in check_message(parse_message(message), profile)}


class TestWholeProfile:
    """A profile as a message workbench writes it, laid over the French one."""

    def test_it_loads_and_judges_as_the_file_asks(self, lay: Lay) -> None:
        profile = lay(import_profile(LYRE, name="lyre-A28.xml", base=load_profile(BASE)))
        assert rules_broken(CLEAN, profile) == {
            "pid-3-repeated",
            "pid-3-1-too-long",
            "pid-3-4-1-too-long",
            "zly-required",
        }
        bad = CLEAN.replace(b"PV1||N\r", b"PV1||N\rZLY|1234567|Z~Y~N~Y\r").replace(b"|19590123|", b"|1959012312|")
        bad = bad.replace(b"TREVOUX^YVONNE^^^^^L", b"")
        assert rules_broken(bad, profile) - rules_broken(CLEAN, profile) == {
            "pid-6-required",
            "pid-7-too-long",
            "zly-1-too-long",
            "zly-2-repeated",
            "zly-2-not-in-table",
        }

    def test_it_can_be_laid_over_all_profiles_too(self, tmp_path: Path) -> None:
        """For a source that names no profile."""
        path = tmp_path / "lyre.toml"
        path.write_text(import_profile(LYRE, name="x", base=load_profile(BASE)).toml, encoding="utf-8")
        for profile in load_profiles(overlay=path).profiles:
            assert profile.plans["A28"].segments["ZLY"].usage is Usage.R

    def test_a_formal_predicate_is_checked(self, lay: Lay) -> None:
        profile = lay(import_profile(LYRE, name="lyre-A28.xml", base=load_profile(BASE)))
        alone = b"\r".join(line for line in CLEAN.split(b"\r") if not line.startswith(b"NK1"))
        assert "nk1-missing" in rules_broken(alone, profile)
        assert "nk1-missing" not in rules_broken(alone.replace(b"|NANTES|Y|2|", b"|NANTES|N||"), profile)

    def test_the_group_that_is_forbidden_forbids_its_segments(self, lay: Lay) -> None:
        profile = lay(import_profile(LYRE, name="lyre-A28.xml", base=load_profile(BASE)))
        assert "in1-forbidden" in rules_broken(CLEAN + b"IN1|1|AMO\r", profile)

    def test_other_events_are_left_alone(self, lay: Lay) -> None:
        profile = lay(import_profile(LYRE, name="lyre-A28.xml", base=load_profile(BASE)))
        message = (HERE / "clean" / "A31.hl7").read_bytes()
        assert rules_broken(message, profile) == rules_broken(message, load_profile(BASE))

    def test_what_is_not_carried_is_told_and_stands_as_a_comment(self) -> None:
        got = import_profile(LYRE, name="lyre-A28.xml", base=load_profile(BASE))
        assert 'title = "CHU de la Lyre, identités 1.2"' in got.toml
        told = {kind: note(got, kind) for kind in Kind if note(got, kind) is not None}
        assert told == {
            Kind.ABSENT: "PID-32",
            Kind.PLACED: "ZLY (PV1 → ZLY)",
            Kind.TYPE: "ZLY-3",
            Kind.TABLE: "PID-3.4.1",
            Kind.LENGTH: "PID-3, PID-5, PID-6, PID-3.4",
            Kind.DEFAULT_LENGTH: "PID-3.4.3",
            Kind.WORDS: "PID-3",
        }
        for comment in ("PID-3 ImpNote: L'IPP vient en premier.", 'PID-3.4.1 Table="0300"', 'ZLY-3 Datatype="QQ"'):
            assert f"# {comment}\n" in got.toml
        for sentence in (*got.notes_fr, *got.notes_en):
            assert sentence in got.toml

    @pytest.mark.parametrize("base", ["pam", "pam_fr/2.9", BASE])
    def test_imported_over_its_own_overlay_it_says_nothing_more(self, base: str, tmp_path: Path) -> None:
        path = tmp_path / "once.toml"
        path.write_text(import_profile(LYRE, name="x", base=load_profile(base)).toml, encoding="utf-8")
        again = import_profile(LYRE, name="x", base=load_profile(base, overlay=path))
        assert lines(again) == []
        assert note(again, Kind.SAME) is None  # its name has the overlay in it
        assert "the overlay is empty" in again.notes_en[0]

    def test_two_messages_of_a_file_become_one_overlay(self, lay: Lay) -> None:
        one = wrap(segment("PID", *fields(6, Usage="R"))).replace("</HL7v2xConformanceProfile>", "")
        two = wrap(segment("PID", *fields(6, Usage="X")), message="ADT^A31^ADT_A05")
        text = one + two[two.index("<HL7v2xStaticDef") :]
        profile = lay(imported(text))
        assert profile.plans["A28"].fields["PID"].fields[6].rule.usage is Usage.R
        assert profile.plans["A31"].fields["PID"].fields[6].rule.usage is Usage.X


class TestUsage:
    """HL7 v2.5 §2.12: usage codes."""

    @pytest.mark.parametrize("usage", ["R", "X"])
    def test_a_usage_that_is_checked_is_carried(self, usage: str) -> None:
        assert field_line(pid(6, Usage=usage)) == {"at": "PID-6", "usage": usage}

    def test_what_is_forbidden_though_the_profile_requires_it_is_the_first_note(self) -> None:
        got = imported(
            wrap(
                segment("MSH", *fields(12, element("Component"), element("Component", Usage="X"), Usage="R"))
                + segment("PID", *[element("Field", Usage="X" if n in (3, 32) else "O") for n in range(1, 33)])
                + segment("EVN", usage="X")
            )
        )
        assert note(got, Kind.FORBIDDEN) == "PID-3, PID-32, EVN, MSH-12.2"
        head = [line for line in got.toml.splitlines() if line.startswith("# fr:")]
        assert head[0].startswith("# fr: À trancher d'abord : le fichier interdit (X), et pam_fr/2.11 exige (R)")
        assert got.notes_en[0].startswith("To be settled first: ")
        assert "# PID-32 (R → X)\n[[field]]\n" in got.toml

    def test_what_the_profile_does_not_require_may_be_forbidden_without_a_word(self) -> None:
        assert note(pid(9, Usage="X"), Kind.FORBIDDEN) is None

    def test_every_place_is_named_however_many(self) -> None:
        plans = load_profile(BASE).plans["A01"].fields
        segments, asked = [], set()
        for name, numbers in (("MSH", (9, 12)), ("EVN", ()), ("PID", ()), ("PV1", ()), ("ZBE", ())):
            made = []
            for number in range(1, max(plans[name].fields) + 1):
                value = plans[name].fields.get(number)
                if value is None:  # the separators
                    made.append(element("Field"))
                    continue
                is_required = value.rule.usage is Usage.R
                if number in numbers:  # their parts are forbidden instead
                    asked |= {
                        f"{name}-{number}.{n}" for n, part in enumerate(value.parts, 1) if part.rule.usage is Usage.R
                    }
                    made.append(element("Field", *[element("Component", Usage="X")] * len(value.parts), Usage="R"))
                else:
                    asked |= {f"{name}-{number}"} if is_required else set()
                    made.append(element("Field", Usage="X" if is_required else "O"))
            segments.append(segment(name, *made))
        assert len(asked) > 12
        got = imported(wrap("".join(segments), message="ADT^A01^ADT_A01"))
        assert set((note(got, Kind.FORBIDDEN) or "").split(", ")) == asked

    def test_the_usage_of_the_profile_is_not_said_again(self) -> None:
        got = pid(3, Usage="R")
        assert lines(got) == []
        assert note(got, Kind.SAME) == ""

    @pytest.mark.parametrize(("usage", "target"), [("C", "RE"), ("CE", "O"), ("C(R/X)", "RE")])
    def test_a_condition_in_words_is_a_comment(self, usage: str, target: str) -> None:
        got = pid(3, "<Predicate>When the patient\n is known</Predicate>", Usage=usage)
        assert field_line(got) == {"at": "PID-3", "usage": target}
        assert f'# PID-3 Usage="{usage}" When the patient is known\n' in got.toml
        assert note(got, Kind.CONDITION) == "PID-3"
        assert note(got, Kind.LAXER) == f"PID-3 (R → {target})"
        assert note(got, Kind.WORDS) is None

    def test_the_condition_of_the_profile_is_kept_when_the_usage_is_the_same(self) -> None:
        plan = load_profile(BASE).plans["A28"].fields["PID"]
        number = next(number for number, each in plan.fields.items() if each.rule.usage is Usage.C)
        got = pid(number, Usage="C")
        assert lines(got) == []
        assert note(got, Kind.CONDITION_KEPT) == f"PID-{number}"

    def test_a_formal_condition_is_carried_once(self, lay: Lay, tmp_path: Path) -> None:
        text = wrap(segment("PID", *fields(6, "<Predicate>PID-24 is not valued</Predicate>", Usage="CE")))
        got = imported(text)
        assert field_line(got) == {"at": "PID-6", "usage": "CE", "when": [{"at": "PID-24", "present": False}]}
        lay(got)
        again = import_profile(text.encode(), name="x", base=load_profile(BASE, overlay=tmp_path / "imported.toml"))
        assert lines(again) == []

    def test_backward_compatible_is_optional(self) -> None:
        got = pid(3, Usage="B")
        assert field_line(got) == {"at": "PID-3", "usage": "O"}
        assert note(got, Kind.BACKWARD) == "PID-3"

    @pytest.mark.parametrize("usage", ["W", "NA"])
    def test_an_unknown_usage_leaves_that_of_the_profile(self, usage: str) -> None:
        got = pid(3, Usage=usage)
        assert lines(got) == []
        assert note(got, Kind.USAGE) == "PID-3"

    def test_a_predicate_of_another_usage_is_a_remark(self) -> None:
        got = pid(6, "<Predicate>If known</Predicate>", Usage="RE")
        assert "# PID-6 Predicate: If known\n" in got.toml
        assert note(got, Kind.WORDS) == "PID-6"


class TestCardinality:
    """HL7 v2.5 §2.12: Min and Max."""

    def test_the_minimum_follows_the_usage(self) -> None:
        assert field_line(pid(6, Usage="RE", Min="1", Max="2"))["card"] == "0..2"
        assert field_line(pid(6, Usage="R", Min="0", Max="2"))["card"] == "1..2"

    def test_a_larger_one_is_told(self) -> None:
        got = pid(8, Max="*")
        assert field_line(got) == {"at": "PID-8", "card": "0..*"}
        assert (note(got, Kind.LAXER) or "").startswith("PID-8 (")

    def test_zero_is_usage_x(self) -> None:
        assert field_line(pid(6, Usage="O", Min="0", Max="0")) == {"at": "PID-6", "usage": "X"}

    @pytest.mark.parametrize(("least", "most"), [("2", "2"), ("0", "many"), ("3", "2"), ("x", "1"), ("0", "12345")])
    def test_what_is_not_checked_is_told(self, least: str, most: str) -> None:
        got = pid(6, Min=least, Max=most)
        assert note(got, Kind.NUMBER) == "PID-6"
        assert [line.get("card") for _, line in lines(got)] == (["0..2"] if most == "2" and least == "2" else [])


class TestTypesAndParts:
    def test_a_type_is_carried_when_it_takes_what_profiles_say_of_the_parts(self, lay: Lay) -> None:
        got = pid(23, Datatype="NM")
        assert field_line(got) == {"at": "PID-23", "type": "NM"}
        assert lay(got).plans["A28"].fields["PID"].fields[23].rule.type == "NM"

    @pytest.mark.parametrize("data_type", ["CM", "ST", "HD"])
    def test_another_one_leaves_the_field_as_it_is(self, data_type: str, lay: Lay) -> None:
        got = pid(3, element("Component", Usage="R"), element("Component", Usage="R"), Datatype=data_type)
        assert lines(got) == []
        assert note(got, Kind.TYPE) == "PID-3"
        lay(got)

    def test_of_a_new_type_all_parts_are_said(self) -> None:
        got = pid(23, element("Component", Usage="O", Length="5"), element("Component", Usage="O"), Datatype="CWE")
        assert [line for _, line in lines(got)] == [
            {"at": "PID-23", "type": "CWE"},
            {"at": "PID-23.1", "usage": "O", "length": 5},
            {"at": "PID-23.2", "usage": "O"},
        ]

    def test_parts_that_the_type_does_not_have_are_told(self, lay: Lay) -> None:
        sub = element("SubComponent", Usage="R")
        many = [element("Component", sub, Usage="R")] * 5
        got = pid(26, *["<Component/>"] * 5, *many)
        assert note(got, Kind.NO_PLACE) == "PID-26.6.1, PID-26.7, PID-26.8, PID-26.9, PID-26.10"
        lay(got)

    def test_the_parts_of_a_time_are_judged_with_it(self) -> None:
        assert lines(pid(7, element("Component", Usage="R", Datatype="NM", Length="26"), Datatype="TS")) == []

    def test_a_forbidden_field_says_nothing_more(self) -> None:
        part = element("Component", Usage="R", Length="5")
        got = pid(6, part, Usage="X", Max="*", Length="9", Table="0001", ConstantValue="x", Datatype="XPN")
        assert field_line(got) == {"at": "PID-6", "usage": "X"}

    @pytest.mark.parametrize("usage", ["X", ""])
    def test_nor_does_one_that_the_profile_forbids(self, usage: str) -> None:
        part = element("Component", Usage="R")
        assert lines(pid(10, part, Usage=usage, Datatype="CX")) == []

    def test_a_field_behind_the_last_one_is_new(self, lay: Lay) -> None:
        got = imported(wrap(segment("PID", *fields(41, Name="Badge\t of\x7f the house", Usage="R", Datatype="ST"))))
        line = field_line(got)
        assert line == {"at": "PID-41", "type": "ST", "name": "Badge of the house", "usage": "R"}
        assert "pid-41-required" in rules_broken(CLEAN, lay(got))

    def test_a_new_field_without_a_name_is_called_by_its_place(self) -> None:
        assert field_line(pid(41, Name="", Usage="R", Datatype="ST"))["name"] == "PID-41"

    def test_a_new_field_of_no_type_is_told(self) -> None:
        got = pid(40, Usage="R")
        assert lines(got) == []
        assert note(got, Kind.TYPE) == "PID-40"

    def test_more_fields_than_a_place_can_name_are_told(self) -> None:
        assert note(pid(100, Usage="R"), Kind.NO_PLACE) == "PID-100"

    def test_the_separators_are_not_spoken_of(self) -> None:
        text = wrap(segment("MSH", *fields(2, Usage="R", Datatype="ST", Length="4", ConstantValue="^~\\&amp;")))
        got = imported(text)
        assert lines(got) == []
        assert note(got, Kind.CONSTANT) is None


class TestLength:
    @pytest.mark.parametrize(("length", "carried"), [("30", 30), ("1..30", 30), ("1-30", 30), ("030", 30)])
    def test_of_a_simple_type_it_is_carried(self, length: str, carried: int) -> None:
        assert field_line(pid(23, Length=length)) == {"at": "PID-23", "length": carried}

    def test_a_larger_one_is_told(self) -> None:
        got = imported(wrap(segment("MSH", *fields(10, Length="199"))))
        assert field_line(got) == {"at": "MSH-10", "length": 199}
        assert note(got, Kind.LAXER) == "MSH-10 (20 → 199)"

    @pytest.mark.parametrize("length", ["", "0"])
    def test_none_is_none(self, length: str) -> None:
        assert lines(pid(23, Length=length)) == []

    @pytest.mark.parametrize("length", ["long", "-1", "1..0", "1234567890"])
    def test_what_is_no_length_is_told(self, length: str) -> None:
        got = pid(23, Length=length)
        assert lines(got) == []
        assert note(got, Kind.NUMBER) == "PID-23"

    def test_of_a_composite_type_it_is_told(self) -> None:
        got = pid(3, Length="250")
        assert lines(got) == []
        assert note(got, Kind.LENGTH) == "PID-3"

    def test_the_default_of_workbenches_is_told(self) -> None:
        got = pid(3, element("Component", Length="3"))
        assert lines(got) == []
        assert note(got, Kind.DEFAULT_LENGTH) == "PID-3.1"


class TestTable:
    @pytest.mark.parametrize("table", ["0136", "136", "HL70136"])
    def test_one_of_closed_codes_is_carried(self, table: str, lay: Lay) -> None:
        got = pid(23, Table=table)
        assert field_line(got) == {"at": "PID-23", "table": "0136"}
        assert "pid-23-not-in-table" in rules_broken(CLEAN, lay(got))

    @pytest.mark.parametrize("table", ["0001", "0001-FR"])
    def test_that_of_the_profile_stays_as_france_has_it(self, table: str) -> None:
        got = pid(8, Table=table)
        assert lines(got) == []
        assert note(got, Kind.TABLE) is None

    @pytest.mark.parametrize("table", ["0300", "LYRE-1", "0003"])
    def test_another_one_is_told(self, table: str) -> None:
        got = pid(23, Table=table)
        assert lines(got) == []
        assert note(got, Kind.TABLE) == "PID-23"

    def test_the_character_set_is_judged_when_the_message_is_read(self) -> None:
        got = imported(wrap(segment("MSH", *fields(18, Table="0136"))))
        assert lines(got) == []
        assert note(got, Kind.TABLE) == "MSH-18"

    def test_a_constant_is_told(self) -> None:
        got = pid(23, ConstantValue="NANTES")
        assert lines(got) == []
        assert note(got, Kind.CONSTANT) == "PID-23"
        assert '# PID-23 ConstantValue="NANTES"\n' in got.toml


class TestSegments:
    """HL7 v2.5 §2.12: the segments and groups of a static definition."""

    def test_a_usage_and_a_cardinality_that_differ_are_carried(self, lay: Lay) -> None:
        got = imported(wrap(segment("PD1", usage="R") + segment("OBX", most="1", least="0", usage="O")))
        assert lines(got) == [
            ("segment", {"name": "PD1", "usage": "R"}),
            ("segment", {"name": "OBX", "card": "0..1"}),
        ]
        assert {"pd1-required", "obx-repeated"} <= rules_broken(CLEAN.replace(b"PD1|", b"ZZ9|"), lay(got))

    def test_a_segment_said_like_the_profile_says_nothing(self) -> None:
        assert lines(imported(wrap(segment("PID")))) == []

    def test_a_new_segment_stands_behind_the_one_before_it(self, lay: Lay) -> None:
        new = segment("ZLY", usage="O") + segment("ZLZ", usage="", most="", least="")
        got = imported(wrap(segment("PV1") + new + segment("PV2", usage="O")))
        assert [line for kind, line in lines(got) if kind == "segment" and "after" in line] == [
            {"name": "ZLY", "after": "PV1", "usage": "O", "card": "0..1"},
            {"name": "ZLZ", "after": "PV1", "usage": "O"},
        ]
        profile = lay(got)
        right = CLEAN.replace(b"PV1||N\r", b"PV1||N\rZLY|1\rZLZ|1\r")
        assert rules_broken(right, profile) == set()
        wrong = CLEAN.replace(b"PV1||N\r", b"ZLY|1\rPV1||N\r")
        assert rules_broken(wrong, profile) == {"pv1-out-of-order"}

    def test_a_new_segment_may_stand_behind_a_group(self, lay: Lay) -> None:
        insurance = group(segment("IN1"), usage="O", least="0", most="*")
        got = imported(wrap(insurance + segment("ZLY", *fields(1, Usage="R", Datatype="ST"))))
        profile = lay(got)
        assert ("segment", {"name": "ZLY", "after": "ADT_A05_INSURANCE", "usage": "R", "card": "1..1"}) in lines(got)
        assert rules_broken(CLEAN + b"ZLY|1\r", profile) == set()
        assert rules_broken(CLEAN + b"ZLY||1\r", profile) == {"zly-1-required", "field-beyond-segment"}

    def test_a_segment_of_hl7_that_the_structure_does_not_have_is_judged_by_hl7(self, lay: Lay) -> None:
        got = imported(wrap(segment("PV1") + segment("MRG", *fields(1, Usage="R", Max="1"), usage="O")))
        assert ("field", {"at": "MRG-1", "usage": "R", "card": "1..1"}) in lines(got)
        assert "mrg-1-repeated" in rules_broken(CLEAN.replace(b"PV1||N\r", b"PV1||N\rMRG|1~2\r"), lay(got))

    @pytest.mark.parametrize(
        "text",
        [
            segment("ZLY") + segment("PID"),  # nothing before it
            segment("PID") + group(segment("ZLY")),
            segment("PID") + segment("ZLYX"),
            segment("PID") + segment(""),
        ],
    )
    def test_a_segment_without_a_place_is_told(self, text: str, lay: Lay) -> None:
        got = imported(wrap(text))
        assert lines(got) == []
        assert note(got, Kind.NO_PLACE) in ("ZLY", "ZLYX", "?")
        lay(got)

    def test_a_new_segment_that_is_forbidden_needs_no_line(self) -> None:
        got = imported(wrap(segment("PID") + segment("ZLY", usage="X")))
        assert lines(got) == []
        assert note(got, Kind.NO_PLACE) is None

    def test_the_bounds_of_groups_count(self) -> None:
        got = imported(wrap(group(segment("OBX", usage="O", most="3"), usage="O", least="0", most="2")))
        assert lines(got) == [("segment", {"name": "OBX", "card": "0..6"})]
        got = imported(wrap(group(segment("OBX", usage="O", most="300"), usage="O", least="0", most="300")))
        assert lines(got) == []  # as good as no bound, which is what the profile says

    def test_a_bound_that_is_not_said_leaves_that_of_the_profile(self) -> None:
        assert lines(imported(wrap(group(segment("OBX", usage="O"), usage="O", least="0", most="")))) == []

    def test_required_in_a_group_that_is_not_is_told(self) -> None:
        got = imported(wrap(group(segment("OBX", most="*"), usage="RE", least="0", most="*")))
        assert lines(got) == []
        assert note(got, Kind.GROUPED) == "OBX"

    def test_so_has_hl7_its_insurances(self) -> None:
        got = imported(wrap(group(segment("IN1"), usage="O", least="0", most="*")))
        assert note(got, Kind.GROUPED) is None

    def test_the_condition_of_a_group_is_told(self) -> None:
        words = "<Predicate>If insured</Predicate><ImpNote>see page 3</ImpNote>"
        got = imported(wrap(group(segment("IN1"), usage="C", least="0", most="*", words=words)))
        assert note(got, Kind.GROUP) == "G"
        assert '# G Usage="C" If insured\n' in got.toml
        assert "# G ImpNote: see page 3\n" in got.toml

    @pytest.mark.parametrize(
        ("first", "second", "usage"), [("O", "R", "R"), ("X", "RE", "RE"), ("X", "O", None), ("X", "X", "X")]
    )
    def test_a_segment_in_two_places_has_one_usage(self, first: str, second: str, usage: str | None) -> None:
        got = imported(wrap(segment("DB1", usage=first) + segment("PV2", usage="O") + segment("DB1", usage=second)))
        assert [line.get("usage") for _, line in lines(got) if line.get("name") == "DB1"] == [usage]

    def test_a_segment_described_twice_is_told(self) -> None:
        one, two = segment("OBX", *fields(5, Usage="X"), usage="O"), segment("OBX", *fields(5, Usage="R"), usage="O")
        got = imported(wrap(one + two))
        assert note(got, Kind.TWICE) == "OBX"
        assert ("field", {"at": "OBX-5", "usage": "X"}) in lines(got)
        assert note(imported(wrap(one + one)), Kind.TWICE) is None

    def test_another_order_is_told(self) -> None:
        assert note(imported(wrap(segment("PV1") + segment("PID") + segment("PD1"))), Kind.ORDER) == "PID, PD1"
        assert note(imported(wrap(segment("PV1") + segment("PID", usage="X"))), Kind.ORDER) is None

    def test_a_group_that_repeats_where_the_profile_has_none_is_told(self) -> None:
        got = imported(wrap(group(segment("EVN"), segment("PID"), most="*")))
        assert note(got, Kind.ORDER) == "EVN"

    def test_a_new_segment_before_those_of_the_profile_is_told(self) -> None:
        got = imported(wrap(segment("PV1") + segment("ZLY") + segment("ZFD", usage="O")))
        assert note(got, Kind.ORDER) == "ZFD"

    def test_what_the_profile_requires_and_the_file_does_not_name_is_told(self) -> None:
        got = imported(wrap(segment("MSH", *fields(3)) + segment("PID")))
        told = (note(got, Kind.ABSENT) or "").split(", ")
        assert {"EVN", "MSH-7"} <= set(told)
        assert not {"PID", "PID-3", "MSH-3"} & set(told)

    def test_a_long_list_of_places_is_cut_in_the_note(self) -> None:
        parts = [element("Component", Length="3")] * 8
        one = element("Field", *parts)
        got = imported(wrap(segment("PID", *fields(3, *parts), "<Field/>", one, one)))
        told = note(got, Kind.DEFAULT_LENGTH) or ""
        commented = got.toml.count('Length="3"\n')
        assert commented > 12
        assert told.endswith(f" … (+{commented - 12})")
        assert told.count(",") == 11


class TestFile:
    """What is taken, and what is refused with a sentence."""

    @pytest.mark.parametrize("version", ["2.5", "2.5.1"])
    def test_a_profile_of_this_version_is_taken_without_a_word(self, version: str) -> None:
        assert note(imported(wrap(segment("PID"), version=version)), Kind.VERSION) is None

    @pytest.mark.parametrize(("version", "said"), [("2.4", "2.4"), ("", "?")])
    def test_one_of_another_version_is_taken_with_a_note(self, version: str, said: str) -> None:
        assert note(imported(wrap(segment("PID"), version=version)), Kind.VERSION) == said

    def test_another_structure_is_told(self) -> None:
        got = imported(wrap(segment("PID"), message="ADT^A28^ADT_A01"))
        assert note(got, Kind.STRUCTURE) == "ADT_A01 ≠ ADT_A05"
        assert note(imported(wrap(segment("PID"), message="ADT^A28^")), Kind.STRUCTURE) is None

    def test_messages_of_another_type_are_left_out_and_told(self) -> None:
        text = wrap(segment("PID")).replace("<MetaData", '<HL7v2xStaticDef MsgType="ACK" EventType="A28"/><MetaData')
        assert note(imported(text), Kind.OTHER) == "ACK^A28"

    def test_the_title_is_that_of_the_file_or_its_name(self) -> None:
        assert 'title = "Lyre"\n' in imported(wrap(segment("PID"))).toml
        bare = wrap(segment("PID")).replace('<MetaData Name="Lyre" Version=""/>', "")
        assert 'title = "f.xml"\n' in imported(bare).toml
        inner = bare.replace("<Segment", '<Reference/><MetaData Name="Inner" Version="3"/><Segment')
        assert 'title = "Inner 3"\n' in imported(inner).toml
        nameless = import_profile(bare.encode(), name="\n", base=load_profile(BASE))
        assert 'title = "HL7v2xConformanceProfile"\n' in nameless.toml

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ("<HL7v2xConformanceProfile/>", "HL7v2xConformanceProfile"),
            (wrap(segment("PID"), message="ACK^A01^ACK"), "HL7v2xStaticDef MsgType"),
            (wrap(segment("PID"), message="ADT^A08^ADT_A01"), "HL7v2xStaticDef ADT^A08"),
            (wrap(segment("PID"), message="ADT^^"), "HL7v2xStaticDef ADT^"),
            (wrap(""), "HL7v2xStaticDef ADT^A28"),
            (
                wrap(
                    segment("PID")
                    + "</HL7v2xStaticDef>"
                    + wrap(segment("PID")).partition("/>")[2].partition("</HL7v2xS")[0]
                ),
                "HL7v2xStaticDef ADT^A28",
            ),
        ],
    )
    def test_what_cannot_be_imported_is_refused(self, text: str, key: str) -> None:
        assert refusal(text.encode()).key == key


ANY = st.text(max_size=5)
CHOICES = {
    "Name": ANY,
    "Usage": st.sampled_from(["R", "RE", "O", "X", "C", "CE", "B", "W"]),
    "Min": st.sampled_from(["0", "1", "2", "?"]),
    "Max": st.sampled_from(["0", "1", "5", "*", "?"]),
    "Datatype": st.sampled_from(["ST", "ID", "NM", "TS", "CX", "HD", "CWE", "XPN", "CM"]),
    "Length": st.sampled_from(["1", "3", "250", "1..9", "?"]),
    "Table": st.sampled_from(["0136", "0203", "0001", "LYRE"]),
    "ConstantValue": ANY,
}


def escaped(text: str) -> str:
    """``text`` in an attribute: what XML cannot hold at all is left out."""
    kept = "".join(each for each in text if each in "\t\n\r" or (each >= " " and each not in "\ufffe\uffff"))
    return "".join(each if each.isalnum() else f"&#{ord(each)};" for each in kept)


def elements(tag: str, inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda given, below: element(tag, *below, **{key: escaped(value) for key, value in given.items()}),
        st.fixed_dictionaries({}, optional=CHOICES),
        inner,
    )


COMPONENTS = elements("Component", st.lists(elements("SubComponent", st.just([])), max_size=2))
FIELDS = elements("Field", st.lists(COMPONENTS, max_size=2))
SEGMENTS = st.builds(
    lambda name, usage, most, skipped, inner: segment(name, *["<Field/>"] * skipped, *inner, usage=usage, most=most),
    st.sampled_from(["MSH", "EVN", "PID", "PV1", "IN1", "ROL", "MRG", "ZBE", "ZFD", "ZLY", "zly", "Q", ""]),
    st.sampled_from(["R", "RE", "O", "X", "C", "B", ""]),
    st.sampled_from(["0", "1", "5", "*", ""]),
    st.integers(0, 40),
    st.lists(FIELDS, max_size=3),
)
GROUPS = st.lists(SEGMENTS, max_size=2).map(lambda inner: group(*inner))
ITEMS = st.lists(st.one_of(SEGMENTS, GROUPS), min_size=1, max_size=4)


class TestAnyFile:
    @settings(deadline=None, max_examples=10)  # each loads a profile
    @given(items=ITEMS, title=st.text(max_size=5))
    def test_any_profile_becomes_an_overlay_that_loads(
        self, items: list[str], title: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        text = wrap("".join(items)).replace('"Lyre"', f'"{escaped(title)}"')
        got = import_profile(text.encode(), name=title, base=load_profile(BASE))
        path = tmp_path_factory.mktemp("any") / "any.toml"
        path.write_text(got.toml, encoding="utf-8")
        over = load_profile(BASE, overlay=path)
        check_message(parse_message(CLEAN), over)
        assert len(got.notes_fr) == len(got.notes_en)
        again = import_profile(text.encode(), name=title, base=over)
        assert [kind for kind, _ in lines(again)] == []
