"""What differs between profiles: every kind of difference is told, at its place, and nothing else is."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from pam_receiver.profile.compare import Change, Facet, compare_profiles
from pam_receiver.profile.load import load_profile, load_profiles
from pam_receiver.profile.model import Profile, Strictness

FRENCH = "pam_fr/2.11"
PROFILES = load_profiles().profiles
PAIRS = list(combinations(PROFILES, 2))
Lay = Callable[[str], tuple[Change, ...]]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Lay an overlay over the French profile, and compare."""

    def go(lines: str) -> tuple[Change, ...]:
        file = tmp_path / "lyre.toml"
        file.write_text(f'[overlay]\ntitle = "CHU de la Lyre"\n{lines}', encoding="utf-8")
        return compare_profiles(load_profile(FRENCH), load_profile(FRENCH, overlay=file))

    return go


def said(change: Change) -> tuple[str, str, str | None, str | None]:
    """A change in English, without its name and events."""
    before, after = (None if side is None else side[1] for side in (change.before, change.after))
    return change.at, change.facet.value, before, after


class TestAlike:
    @pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
    def test_a_profile_does_not_differ_from_itself(self, profile: Profile) -> None:
        assert compare_profiles(profile, load_profile(profile.name)) == ()

    def test_an_overlay_that_says_what_is_said_already_changes_nothing(self, lay: Lay) -> None:
        assert lay('[[field]]\nat = "PID-32"\nusage = "R"\n[[grade]]\nrule = "pid-32-required"\nseverity = "W"\n') == ()


class TestBothWays:
    @pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda profile: profile.name)
    def test_what_differs_one_way_differs_the_other_way(self, one: Profile, other: Profile) -> None:
        there, back = compare_profiles(one, other), compare_profiles(other, one)
        assert there
        # of a place that nobody may fill the usage alone is told
        closed = {change.at for change in (*there, *back) if change.facet is Facet.USAGE and "X" in str(said(change))}
        forth = {(*said(change), change.events) for change in there if change.at not in closed}
        mirrored = {(at, facet, after, before, events) for at, facet, before, after, events in forth}
        assert mirrored == {(*said(change), change.events) for change in back if change.at not in closed}

    @pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda profile: profile.name)
    def test_no_difference_is_told_twice_and_each_has_both_languages(self, one: Profile, other: Profile) -> None:
        changes = compare_profiles(one, other)
        assert len(set(changes)) == len(changes)
        for change in changes:
            assert change.before != change.after
            assert all(side is None or all(side) for side in (change.before, change.after))


class TestVersions:
    """IHE PAM FR: what 2.11 brought, and 2.10."""

    def test_from_2_11_to_2_10(self) -> None:
        changes = compare_profiles(load_profile(FRENCH), load_profile("pam_fr/2.10"))
        told = [said(change) for change in changes]
        assert ("EI-1", "length", "128", "16") in told
        assert ("PV2-3", "usage", "X", "O") in told
        assert ("ZFV-10", "usage", "O", "C when PV2-3 is filled") in told
        assert ("O", "code", None, "other") in told
        assert ("zfm-3-destination-code", "severity", "W", "ignore") in told
        (usage,) = [change for change in changes if said(change)[:2] == ("ZFA", "usage")]
        assert usage.events == ("A14", "A28", "A31")
        assert [change.at for change in changes if change.group == "ZFD-7"] == ["AC", "AV", "DC", "IE"]

    def test_a_rule_of_the_code_has_no_severity_of_its_own_before_it_is_graded(self) -> None:
        changes = compare_profiles(load_profile("pam_fr/2.10"), load_profile("pam_fr/2.9"))
        assert ("billing-nir-is-no-ins", "severity", None, "ignore") in [said(change) for change in changes]
        assert changes[0].group == ""  # what is of no segment comes first, tables last
        assert changes[-1].facet is Facet.CODE

    def test_from_the_international_profile(self) -> None:
        changes = compare_profiles(load_profile("pam"), load_profile(FRENCH))
        told = [said(change) for change in changes]
        assert ("A08", "event", "ADT_A01", None) in told
        assert ("PID-8", "table", "0001", "0001-FR") in told
        new = [change for change in changes if said(change)[:2] == ("ZFM", "segment")]
        assert [said(change)[2:] for change in new] == [(None, "X 0..1"), (None, "O 0..1")]
        assert "A01" in new[1].events
        assert ("visit-with-class-n", "rule", None, "PV1-2 is not N") in told
        assert ("zbe-3-repeated", "severity", "W", "W") not in told


class TestOverlays:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ('[[field]]\nat = "PID-6"\nusage = "R"\n', ("PID-6", "usage", "O", "R")),
            ('[[field]]\nat = "PID-6"\ncard = "0..2"\n', ("PID-6", "card", "0..*", "0..2")),
            ('[[field]]\nat = "PID-23"\nlength = 10\n', ("PID-23", "length", "250", "10")),
            ('[[field]]\nat = "PID-23"\ntype = "TX"\n', ("PID-23", "type", "ST", "TX")),
            ('[[field]]\nat = "PID-8"\ntable = "none"\n', ("PID-8", "table", "0001-FR", "-")),
            ('[[field]]\nat = "PID-3.9"\nusage = "R"\n', ("PID-3.9", "usage", "O", "R")),
            ('[[field]]\nat = "PID-3.4.1"\nusage = "R"\n', ("PID-3.4.1", "usage", "C when HD-2 is empty", "R")),
            ('[[component]]\nat = "CX-9"\nusage = "R"\n', ("CX-9", "usage", "O", "R")),
            ('[[segment]]\nname = "NK1"\ncard = "0..3"\n', ("NK1", "card", "0..*", "0..3")),
            ('[[segment]]\nname = "ZLY"\nafter = "PID"\n', ("ZLY", "segment", None, "O 0..1")),
            ('[[event]]\ncode = "A28"\nusage = "X"\n', ("A28", "event", "ADT_A05", None)),
            ('[[values]]\ntable = "0001-FR"\nadd = { N = "not stated" }\n', ("N", "code", None, "not stated")),
            ('[[values]]\ntable = "0001-FR"\nremove = ["U"]\n', ("U", "code", "unknown", None)),
            ('[[grade]]\nrule = "pid-32-required"\nseverity = "E"\n', ("pid-32-required", "severity", "W", "E")),
            (
                '[[grade]]\nrule = "pid-32-required"\nseverity = "ignore"\n',
                ("pid-32-required", "severity", "W", "ignore"),
            ),
            ('[[grade]]\nrule = "ins-without-vali"\nseverity = "E"\n', ("ins-without-vali", "severity", None, "E")),
            ('[[grade]]\nrule = "visit-with-class-n"\nseverity = "I"\n', ("visit-with-class-n", "severity", "W", "I")),
            ('[[map]]\nfrom = "PID-11.4"\nto = "PID-11.9"\n', ("PID-11.9", "map", None, "PID-11.4")),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_each_line_is_told_and_nothing_else(
        self, lines: str, expected: tuple[str, str, str | None, str | None], lay: Lay
    ) -> None:
        told = [said(change) for change in lay(lines) if change.facet is not Facet.ORDER]
        assert told == [expected]

    def test_a_line_for_some_events_names_them(self, lay: Lay) -> None:
        (change,) = lay('[[field]]\nat = "PID-6"\nusage = "R"\nin = ["A28", "A31"]\n')
        assert (change.group, change.name, change.events) == ("PID", "Mother's Maiden Name", ("A28", "A31"))

    def test_a_condition_rule_of_its_own(self, lay: Lay) -> None:
        rule = (
            '[[rule]]\nid = "lyre-reason"\nin = ["A01"]\nwhen = [{ at = "PV1-2", is = "I" }]\n'
            'expect = { at = "PV2-4", present = true }\nfr = "Remplir PV2-4."\nen = "Fill PV2-4."\n'
        )
        (change,) = lay(rule)
        assert said(change) == ("lyre-reason", "rule", None, "PV2-4 is filled, when PV1-2 is I")
        assert change.after == ("PV2-4 est renseigné, quand PV1-2 vaut I", "PV2-4 is filled, when PV1-2 is I")

    def test_a_condition_rule_that_asks_something_else(self, lay: Lay) -> None:
        rule = (
            '[[rule]]\nid = "visit-with-class-n"\nin = ["ITI-31"]\nexcept = ["A44"]\n'
            'expect = { at = "PV1-2", is_not = ["N", "O"] }\nfr = "Autre classe en PV1-2."\nen = "Another PV1-2."\n'
        )
        (change,) = lay(rule)
        assert said(change) == ("visit-with-class-n", "rule", "PV1-2 is not N", "PV1-2 is not N or O")

    def test_a_place_that_may_no_longer_be_filled_is_told_by_its_usage_alone(self, lay: Lay) -> None:
        assert [said(change) for change in lay('[[field]]\nat = "PID-24"\nusage = "X"\ncard = "0..0"\n')] == [
            ("PID-24", "usage", "O", "X")
        ]

    def test_a_field_beyond_those_of_the_standard(self, lay: Lay) -> None:
        (change,) = lay('[[field]]\nat = "PID-40"\nname = "House number"\ntype = "ST"\nusage = "RE"\n')
        assert said(change) == ("PID-40", "place", None, "ST RE")
        assert change.name == "House number"

    def test_another_place_of_a_segment(self, lay: Lay) -> None:
        told = [said(change) for change in lay('[[event]]\ncode = "A40"\nstructure = "ADT_A05"\n')]
        assert ("A40", "structure", "ADT_A39", "ADT_A05") in told
        assert any(at == "MRG" and facet == "segment" for at, facet, _, _ in told)

    def test_an_event_of_another_transaction(self, lay: Lay) -> None:
        told = [said(change) for change in lay('[[event]]\ncode = "A28"\ntransaction = "HL7"\n')]
        assert told[0] == ("A28", "transaction", "ITI-30", "HL7")

    def test_segments_in_another_order(self, tmp_path: Path) -> None:
        placed = []
        for anchor in ("EVN", "PID"):
            file = tmp_path / f"{anchor}.toml"
            line = f'[[segment]]\nname = "ZLY"\nafter = "{anchor}"\nin = ["A29"]\n'
            file.write_text(f'[overlay]\ntitle = "CHU de la Lyre"\n{line}', encoding="utf-8")
            placed.append(load_profile(FRENCH, overlay=file))
        (change,) = compare_profiles(*placed)
        assert change.facet is Facet.ORDER
        assert change.before is not None
        assert " EVN ZLY PID " in change.before[1]

    def test_strict_is_told_as_the_severities_that_it_raises(self) -> None:
        strict = load_profile(FRENCH, strictness=Strictness.STRICT)
        changes = compare_profiles(load_profile(FRENCH), strict)
        assert {change.facet for change in changes} == {Facet.SEVERITY}
        told = {change.at: said(change)[2:] for change in changes}
        assert told["pid-32-required"] == ("W", "E")
        assert "pid-24-repeated" not in told
