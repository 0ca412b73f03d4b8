"""What a profile asks, taken back from its plans: nothing is lost, nothing stands in the wrong place."""

from pathlib import Path

import pytest

from pam_receiver.profile.load import load_profile, load_profiles
from pam_receiver.profile.model import Breach, FieldRule, Profile, SegmentRule, Usage
from pam_receiver.profile.outline import Asked, Outline, outline, say_condition, say_events, say_table, say_usage

PROFILES = load_profiles().profiles
FRENCH = load_profiles().french
MOVEMENTS = ("A01", "A02", "A03", "A04", "A05", "A06", "A07")


def lines_of(found: Outline) -> list[Asked]:
    return [*found.segments, *(asked for places in found.places.values() for asked in places)]


def at(found: Outline, place: str) -> list[Asked]:
    return [asked for asked in lines_of(found) if str(asked.at) == place]


def field(asked: Asked) -> FieldRule:
    assert isinstance(asked.rule, FieldRule)
    return asked.rule


class TestWhole:
    @pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
    def test_each_rule_made_from_a_line_is_found_at_its_place(self, profile: Profile) -> None:
        general = {name for name in profile.rules if profile.is_general(name)}
        found = {rule.id: asked for asked in lines_of(outline(profile)) for rule in asked.rules.values()}
        of_no_line = {"segment-unexpected", "odd-structure", "field-beyond-segment", "escape-unknown"}
        assert set(found) == general - of_no_line
        strays = [name for name, asked in found.items() if not name.startswith(f"{asked.at.id}-")]
        assert strays == []

    def test_a_rule_is_found_by_its_id(self) -> None:
        found = outline(FRENCH)
        for rule_id, place in (("zbe-required", "ZBE"), ("pid-32-required", "PID-32"), ("cx-4-required", "CX-4")):
            assert {str(asked.at) for asked in found.find(rule_id)} == {place}

    def test_every_line_that_makes_a_rule_is_found(self) -> None:
        found = {asked.rule.spec: asked.events for asked in outline(FRENCH).find("evn-required")}
        assert set(found) == {FRENCH.plans[code].segments["EVN"].spec for code in FRENCH.plans}
        assert len(found) > 1
        assert sorted(code for events in found.values() for code in events) == sorted(FRENCH.plans)

    @pytest.mark.parametrize("rule_id", ["visit-with-class-n", "pid-missing", "no-such-rule"])
    def test_a_rule_of_no_line_is_not(self, rule_id: str) -> None:
        assert outline(FRENCH).find(rule_id) == ()


class TestSegments:
    def test_they_stand_in_the_order_of_the_message(self) -> None:
        names = [str(asked.at) for asked in outline(FRENCH, ["A28"]).segments]
        assert names[:4] == ["MSH", "SFT", "EVN", "PID"]
        assert names.index("ZFA") < names.index("ZFD") < names.index("OBX")

    def test_one_that_is_asked_otherwise_in_some_events_stands_with_them(self) -> None:
        lines = at(outline(FRENCH), "PV2")
        assert {asked.rule.usage for asked in lines} >= {Usage.X, Usage.O}
        assert all(asked.events for asked in lines)
        assert len({code for asked in lines for code in asked.events}) == sum(len(asked.events) for asked in lines)

    def test_one_that_all_events_ask_alike_names_none(self) -> None:
        (asked,) = at(outline(FRENCH, ["A01"]), "PV2")
        assert isinstance(asked.rule, SegmentRule)
        assert asked.events == ()

    def test_an_event_that_is_none_of_the_profile_has_nothing(self) -> None:
        assert lines_of(outline(FRENCH, ["A99"])) == []


class TestPlaces:
    def test_fields_come_by_number_with_their_own_parts_behind_them(self) -> None:
        places = [str(asked.at) for asked in outline(FRENCH, ["A28"]).places["PID"]]
        assert places[:3] == ["PID-1", "PID-2", "PID-3"]
        assert places.index("PID-18.5") == places.index("PID-18") + 1
        assert places.index("PID-9") < places.index("PID-10")

    def test_a_field_with_two_usages_stands_twice_with_its_events(self) -> None:
        usages = {asked.rule.usage: asked.events for asked in at(outline(FRENCH), "PID-18")}
        assert "A01" in usages[Usage.R]
        assert "A28" in usages[Usage.O]

    def test_a_place_of_a_data_type_stands_once_with_all_its_rules(self) -> None:
        (asked,) = at(outline(FRENCH), "HD-2")  # a component of PL, a subcomponent of CX
        assert asked.events == ()
        assert Breach.DIVIDED in asked.rules

    def test_the_table_of_a_coded_value_is_not_taken_for_that_of_its_first_part(self) -> None:
        (whole,) = at(outline(FRENCH), "PID-16")
        (first,) = at(outline(FRENCH), "CE-1")
        assert field(whole).table is not None
        assert field(first).table is None
        assert Breach.NOT_IN_TABLE not in first.rules


class TestWords:
    def test_usage_with_its_condition(self) -> None:
        (asked,) = at(outline(FRENCH), "PID-25")
        assert say_usage(asked.rule) == ("C quand PID-24 vaut Y", "C when PID-24 is Y")

    def test_a_usage_that_only_a_condition_allows(self, tmp_path: Path) -> None:
        file = tmp_path / "lyre.toml"
        line = 'at = "PID-25"\nusage = "CE"\nwhen = [{ at = "PID-24", is = "Y" }]\n'
        file.write_text(f'[overlay]\ntitle = "CHU de la Lyre"\n[[field]]\n{line}', encoding="utf-8")
        (asked,) = at(outline(load_profile("pam_fr/2.11", overlay=file)), "PID-25")
        assert say_usage(asked.rule) == ("CE seulement quand PID-24 vaut Y", "CE only when PID-24 is Y")

    def test_usage_without_a_condition(self) -> None:
        (asked,) = at(outline(FRENCH), "PID-32")
        assert say_usage(asked.rule) == ("R", "R")

    def test_a_short_table_with_its_codes_a_long_one_without(self) -> None:
        found = outline(FRENCH)
        said = {place: say_table(field(at(found, place)[0])) for place in ("PID-8", "PID-32", "PID-7")}
        assert said == {"PID-8": "0001-FR (F, M, U)", "PID-32": "0445-FR", "PID-7": ""}

    def test_a_condition_rule(self) -> None:
        rules = {each.rule.id: each for plan in FRENCH.plans.values() for each in plan.rules}
        assert say_condition(rules["visit-with-class-n"]) == ("PV1-2 ne vaut pas N", "PV1-2 is not N")
        fr, en = say_condition(rules["zfa-beside-other-correction"])
        assert ", quand ZFA est renseigné et " in fr
        assert ", when ZFA is filled and " in en

    def test_events_by_transaction(self) -> None:
        plans = load_profile("pam_fr/2.11").plans
        visits = [code for code, plan in plans.items() if plan.event.transaction == "ITI-31"]
        assert say_events(FRENCH, visits) == ("ITI-31", "ITI-31")
        without = [code for code in visits if code != "A44"]
        assert say_events(FRENCH, [*without, "A28"]) == ("A28, ITI-31 sauf A44", "A28, ITI-31 except A44")
        without = [code for code in visits if code not in ("A44", "Z99")]
        assert say_events(FRENCH, without) == ("ITI-31 sauf A44 et Z99", "ITI-31 except A44 and Z99")
        without.remove("A01")
        assert say_events(FRENCH, without)[0] == "ITI-31 sauf A01, A44 et Z99"
        assert say_events(FRENCH, MOVEMENTS) == (", ".join(MOVEMENTS), ", ".join(MOVEMENTS))
        assert say_events(FRENCH, []) == ("", "")
