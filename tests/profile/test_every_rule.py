"""Each rule of each profile: a message that breaks it alone, and the same message before the breach, which is clean.

The messages are made from those of ``clean/`` (``breaches``). What cannot be broken, or not alone, stands in a table
here with its reason: no rule is passed over.
"""

from collections.abc import Iterator
from functools import cache

import pytest
from breaches import CLEAN, Breaker, Found, Spot, right
from drafts import check, copy, get_cell, index_of, read_lines, set_cell, set_part

from pam_receiver.finding import Severity
from pam_receiver.profile.lines import MAX_SENTENCE_LENGTH
from pam_receiver.profile.load import load_profiles
from pam_receiver.profile.model import Breach, Profile, Usage
from pam_receiver.profile.rules import GENERIC

PROFILES = {profile.name: profile for profile in load_profiles().profiles}
KINDS = ("condition", *(breach.value for breach in Breach), "any")

# Rules that a message cannot break without breaking these too.
FOLLOW = {
    # HD is filled by its type alone: the identifier that the type is of is missing too.
    "hd-1-missing": {"hd-2-missing"},
    # A second MSH is one too many wherever it stands.
    "msh-out-of-order": {"msh-repeated"},
}
# Where the breach takes more than one change: (place, right value, broken value) in an A28.
BY_HAND = {
    "hd-1-missing": ("EVN", 7, "HOPITAL", "^^ISO"),
}
# Rules whose example is not right in every message: several lines, for other events or other uses, share the id.
EXAMPLES_OF_ANOTHER_LINE = {
    "msg-3-divided",  # the structure goes with the event
    "pid-18-repeated", "pid-18-divided",  # outside ITI-31 HL7's line stands, without the type of a file
    "pv1-19-repeated", "pv1-19-divided",  # as PID-18, the type of a visit
    "pv1-10-repeated", "pv1-10-divided",  # the table is for ITI-31 alone
    "pid-26-divided",  # the type is CE, the code a country
    "cne-1-divided",  # the table is that of the field
}  # fmt: skip
# Rules that no message can break.
UNBREAKABLE = {
    "pda-out-of-order": "PDA is the last segment of every structure that has it: it may follow all the others",
}


@cache
def breaker(name: str) -> Breaker:
    """A profile of France is tried on French messages, the international one on those and on its own."""
    return Breaker(PROFILES[name], ("intl-", "") if name == "pam" else ("",))


def kind_of(profile: Profile, rule_id: str) -> str:
    if rule_id in profile.conditions:
        return "condition"
    return next((breach.value for breach in Breach if rule_id.endswith(f"-{breach.value}")), "any")


def find(name: str, rule_id: str, companions: frozenset[str]) -> Found:
    if rule_id not in BY_HAND:
        return breaker(name).find(rule_id, companions)
    segment, number, kept, broken = BY_HAND[rule_id]
    lines = breaker(name).clean["A28"][0]
    index = index_of(lines, segment)
    assert index is not None
    before, after = copy(lines), copy(lines)
    set_cell(before[index], number, kept)
    set_cell(after[index], number, broken)
    return Found(before, after, check(after, PROFILES[name]))


def rules_of(profile: Profile, kind: str) -> list[str]:
    return [rule_id for rule_id in profile.rules if kind_of(profile, rule_id) == kind]


def faults(profile: Profile, rule_id: str, found: Found) -> Iterator[str]:
    """What is wrong with a message that was found for a rule."""
    if found.before is None or found.after is None:
        yield f"{rule_id}: no message breaks it alone; the nearest breaks {', '.join(found.nearest) or 'nothing'}"
        return
    if before := check(found.before, profile):
        yield f"{rule_id}: before the breach {before[0].rule} is broken"
    if {finding.rule for finding in found.said} - FOLLOW.get(rule_id, set()) != {rule_id}:
        yield f"{rule_id}: broken are {[finding.rule for finding in found.said]}"
    for finding in found.said:
        if finding.rule == rule_id and finding.code is not profile.rules[rule_id].code:
            yield f"{rule_id}: the finding has code {finding.code}"
        for text in (finding.fr, finding.en):
            if "{" in text or len(text) > MAX_SENTENCE_LENGTH:
                yield f"{rule_id}: {text}"


class TestCleanMessages:
    """IHE PAM FR 2.11.2 §5.2, §6; IHE ITI TF-2 §3.30, §3.31: messages as full as the texts allow."""

    @pytest.mark.parametrize("event", sorted(PROFILES["pam_fr/2.11"].plans))
    def test_of_france_are_clean(self, event: str) -> None:
        assert check(read_lines((CLEAN / f"{event}.hl7").read_bytes()), PROFILES["pam_fr/2.11"]) == ()

    @pytest.mark.parametrize("name", ["pam_fr/2.10", "pam_fr/2.9"])
    def test_of_france_have_nothing_but_what_an_older_version_does_not_know(self, name: str) -> None:
        profile = PROFILES[name]
        for event in profile.plans:
            for finding in check(read_lines((CLEAN / f"{event}.hl7").read_bytes()), profile):
                assert finding.rule.endswith("-forbidden")
                assert finding.severity is Severity.I

    @pytest.mark.parametrize("path", sorted(CLEAN.glob("intl-*.hl7")), ids=lambda path: path.stem)
    def test_international_ones_are_clean(self, path) -> None:  # type: ignore[no-untyped-def]
        assert check(read_lines(path.read_bytes()), PROFILES["pam"]) == ()


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_rule_is_broken_alone_and_kept_without_the_breach(name: str, kind: str) -> None:
    profile, told = PROFILES[name], []
    for rule_id in rules_of(profile, kind):
        if rule_id not in UNBREAKABLE:
            found = find(name, rule_id, frozenset(FOLLOW.get(rule_id, ())))
            told += faults(profile, rule_id, found)
    assert told == []


@pytest.mark.parametrize("name", PROFILES)
def test_every_rule_is_of_a_kind_that_is_tried(name: str) -> None:
    profile = PROFILES[name]
    tried = [rule_id for kind in KINDS for rule_id in rules_of(profile, kind)]
    assert sorted(tried) == sorted(profile.rules)
    broken_by_a_line = breaker(name).spots.keys() | breaker(name).conditions.keys() | breaker(name).segments.keys()
    assert set(profile.rules) - broken_by_a_line == {rule.id for rule in GENERIC}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("rule_id", [*FOLLOW, *UNBREAKABLE])
def test_the_exceptions_are_none_too_many(name: str, rule_id: str) -> None:
    found = breaker(name).find(rule_id)
    assert rule_id in PROFILES[name].rules
    assert found.after is None
    assert bool(found.nearest) is (rule_id in FOLLOW)


@pytest.mark.parametrize("name", PROFILES)
def test_what_cannot_be_broken_is_the_last_of_every_structure(name: str) -> None:
    for plan in PROFILES[name].plans.values():
        if "PDA" in plan.grammar.names:
            assert all("PDA" in step for step in plan.grammar.steps)
            assert plan.segments["PDA"].usage is not Usage.X


@pytest.mark.parametrize("name", PROFILES)
def test_the_example_of_a_rule_breaks_no_rule_of_its_place(name: str) -> None:
    """The right form that a sender is shown must be right by the profile itself."""
    profile, tries, wrong = PROFILES[name], breaker(name), []
    for rule_id, spots in tries.spots.items():
        value = profile.rules[rule_id].example.partition(" = ")[2]
        if value and rule_id not in EXAMPLES_OF_ANOTHER_LINE:
            told = [set(_told_of_example(tries, profile, spot, value)) for spot, _ in spots[:3]]
            if told and all(told):
                wrong.append(f"{rule_id}: {value} breaks {', '.join(sorted(told[0]))}")
    assert wrong == []


def _told_of_example(tries: Breaker, profile: Profile, spot: Spot, value: str) -> Iterator[str]:
    for start in tries.holding(spot.event, spot.segment)[:1]:
        lines = copy(start)
        index = index_of(lines, spot.segment)
        assert index is not None
        field = get_cell(lines[index], spot.number).split("~")[0] or right(spot.field)
        set_cell(lines[index], spot.number, set_part(field if spot.path else "", spot.path, value))
        for finding in check(lines, profile):
            if finding.at is not None and (finding.at.segment, finding.at.field) == (spot.segment, spot.number):
                yield finding.rule
