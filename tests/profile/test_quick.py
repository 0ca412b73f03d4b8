"""The quick look never lets pass what the slow one finds, and lets pass what feeds send."""

from dataclasses import dataclass, field
from functools import cache
from random import Random

import pytest
from breaches import CLEAN, right
from drafts import Lines, get_cell, read_lines, set_cell, write_lines
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.finding import Finding
from pam_receiver.hl7.er7 import Message, parse_message
from pam_receiver.profile import check as check_module
from pam_receiver.profile.check import check_message
from pam_receiver.profile.load import load_profiles
from pam_receiver.profile.model import Profile, ValuePlan

PROFILES = load_profiles().profiles
SIGNS = "AB1 \"~^&\\'é.-?"
PIECES = [
    "", "A", "1", "F", "L", "Y", "VALI", "ISO", "INS", "INS-C", "NIR", "NET", "PRN", "UPDATE", "AMO", "3141-9", "NM",
    "20250304", "20250304101500", "2025030410150", "1,5", "-1.5", "HOPITAL&1.2.250.1.999.1&ISO", "&1.2.3", "&&ISO",
    '""', " ", " F", "F ", "\\T\\", "\\X41\\", "\\A", "A\\", "é", "A" * 25, "9" * 200, "a b", "O'X",
]  # fmt: skip


def look_slowly(message: Message, profile: Profile) -> tuple[Finding, ...]:
    """What the check says when no separators are usual, so that every place is judged at length."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_module, "STANDARD", None)
        return check_message(message, profile)


def read(lines: Lines) -> Message:
    return parse_message(write_lines(lines), charset="UNICODE UTF-8")


@dataclass(frozen=True)
class Spot:
    profile: Profile = field(repr=False)
    event: str
    segment: str
    number: int
    plan: ValuePlan = field(repr=False)


@cache
def spots() -> list[Spot]:
    """A field for each different plan: those that many events share once only."""
    found: dict[int, Spot] = {}
    for profile in PROFILES:
        for event, plan in profile.plans.items():
            for name, segment in plan.fields.items():
                for number, each in segment.fields.items():
                    found.setdefault(id(each), Spot(profile, event, name, number, each))
    return list(found.values())


def of_type(*types: str) -> list[Spot]:
    return [spot for spot in spots() if spot.plan.rule.type in types]


def passes(plan: ValuePlan, raw: str) -> bool:
    """Whether the quick look lets a value pass."""
    return bool(raw in plan.known or (plan.takes_any and raw.isalnum()) or (plan.match is not None and plan.match(raw)))


def told(spot: Spot, raw: str) -> list[str]:
    """What the slow look finds in the field, the value alone in a segment that stands alone.

    That a required field has a value is not the matter of the value, nor are conditions between fields.
    """
    cells = [spot.segment]
    set_cell(cells, spot.number, raw)
    head = ["MSH", "|", "^~\\&", *[""] * 6, f"ADT^{spot.event}^{spot.profile.events[spot.event].structure}"]
    lines = [head, cells] if spot.segment != "MSH" else [head]
    if spot.segment == "MSH":
        set_cell(head, spot.number, raw)
    findings = look_slowly(read(lines), spot.profile)
    at_field = [each for each in findings if each.at is not None and each.at.segment == spot.segment]
    told = [each.rule for each in at_field if each.at is not None and each.at.field == spot.number]
    others = {*spot.profile.conditions, f"{spot.segment}-{spot.number}-required".lower()}
    return [rule for rule in told if rule not in others]


def is_judged_here(spot: Spot) -> bool:
    """MSH-9 chooses the plan itself; what a whole field of usage C or CE needs, the conditions say."""
    return (spot.segment, spot.number) != ("MSH", 9) and not spot.plan.rule.when


JUDGED = [spot for spot in spots() if is_judged_here(spot)]
COMPOSITE = [spot for spot in JUDGED if spot.plan.parts]
MESSAGES = [
    (profile, read_lines(path.read_bytes()))
    for profile in PROFILES
    for path in sorted(CLEAN.glob("*.hl7"))
    if path.stem.removeprefix("intl-") in profile.plans and (profile.name == "pam" or not path.stem.startswith("intl"))
]


def make_value(random: Random, plan: ValuePlan) -> str:
    """A value with some of the parts of its type, each a code of its table, something usual or anything."""
    value = "~".join(_make_part(random, plan, "^") for _ in range(random.choice([1, 1, 1, 2, 3])))
    if random.random() < 0.6:
        return value
    place = random.randint(0, len(value))
    return value[:place] + random.choice(SIGNS) + value[place + random.randint(0, 2) :]


def _make_part(random: Random, plan: ValuePlan, sign: str) -> str:
    if plan.parts and sign:
        parts = plan.parts[: random.randint(1, 15)]
        return sign.join(_make_part(random, part, "&" if sign == "^" else "") for part in parts)
    chance = random.random()
    if chance < 0.35:
        return ""
    rule = plan.rule
    if chance < 0.85 and rule.usage != "X":
        if rule.table is not None:
            return random.choice(list(rule.table.values))
        return right(plan)
    return random.choice(PIECES) if chance < 0.95 else "".join(random.choices(SIGNS, k=random.randint(1, 5)))


# Usages, conditions and tables at every level, as no shipped profile has them together.
OWN_LINES = "".join(
    f'[[{kind}]]\nat = "{at}"\n{keys}\nspec = "S"\n'
    for kind, at, keys in [
        ("component", "CX-1", 'usage = "R"'),
        ("component", "CX-2", 'usage = "X"'),
        ("component", "CX-3", 'table = "none"\nlength = 2'),
        ("component", "CX-4.1", 'usage = "C"\nwhen = [{ at = "CX-5", is = ["A", "INS"] }]'),
        ("component", "CX-4.3", 'usage = "CE"\nwhen = [{ at = "CX-4.2", is_not = "1" }]\ntable = "none"'),
        ("component", "CX-5", 'table = "none"\nusage = "CE"\nwhen = [{ at = "CX-4.2", present = true }]'),
        ("component", "CX-7", 'usage = "C"\nwhen = [{ at = "CX-5", is = "A" }, { at = "CX-3", present = false }]'),
        ("component", "CX-9", 'usage = "CE"\nwhen = [{ at = "CX-5", is_not = "F" }, { at = "CX-1", is = "A" }]'),
        ("component", "HD-1", 'usage = "C"\nwhen = [{ at = "HD-2", present = false }]'),
        ("component", "HD-3", 'usage = "CE"\nwhen = [{ at = "HD-1", is = "A" }]\ntable = "none"\nlength = 3'),
        ("component", "XAD-6", 'table = "none"\nusage = "C"\nwhen = [{ at = "XAD-9", present = true }]'),
        ("field", "PID-3.6.1", 'usage = "R"'),
        ("field", "PID-3.10", 'usage = "C"\nwhen = [{ at = "PID-3.5", is = "F" }, { at = "PID-8", is = "F" }]'),
        ("field", "PID-11", 'card = "0..2"\ntable = "0136"'),
        ("field", "PID-11.7", 'table = "none"\nusage = "CE"\nwhen = [{ at = "PID-11.9", is = "A" }]'),
        ("field", "PID-18.7", 'name = "N"'),
        ("field", "PID-18.4.1", "length = 1"),
        ("field", "PID-26", 'usage = "C"\nwhen = [{ at = "PID-3.5", is = "A" }]\ntable = "0136"'),
        ("field", "PID-27", 'usage = "CE"\nwhen = [{ at = "PID-11.9", is_not = "A" }, { at = "PV1-2", is = "N" }]'),
        ("field", "PV1-3", 'usage = "C"\nwhen = [{ at = "PID-18.4.2", present = true }]'),
        ("field", "PV1-19", 'usage = "R"'),
        ("field", "OBX-5", 'card = "0..1"\nusage = "R"'),
    ]
)
OWN_RULES = "".join(
    f'[[rule]]\nid = "r{number}"\nwhen = [{when}]\nexpect = {{ {expect} }}\nfr = "f"\nen = "e"\nspec = "S"\n'
    for number, (when, expect) in enumerate(
        [
            ('{ at = "PID-3.5", is = "A" }', 'at = "PID-18", present = true'),
            ('{ at = "PID-3.4.1", is_not = "A" }', 'at = "PID-3.5", is = ["F", "INS"]'),
            ('{ at = "PID-11.9", present = false }', 'at = "PID-11.7", is_not = "A"'),
            ('{ at = "OBX", present = true }, { at = "PV1-2", is_not = "I" }', 'at = "PID-26", present = false'),
            ('{ at = "PID-18", present = false }', 'at = "PV1-3.4.2", is = "1"'),
        ]
    )
)


class TestNeverLetsPassWhatIsWrong:
    """Thousands of values of all the fields of all profiles, right, nearly right and wrong."""

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 1 << 32))
    def test_a_value_that_passes_breaks_no_line(self, seed: int) -> None:
        random = Random(seed)
        for _ in range(400):
            spot = random.choice(JUDGED)
            raw = make_value(random, spot.plan)
            if raw and passes(spot.plan, raw):
                assert told(spot, raw) == [], (spot, raw)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 1 << 32))
    def test_nor_one_that_is_known_because_it_passed_before(self, seed: int) -> None:
        random = Random(seed)
        for _ in range(200):
            spot = random.choice(COMPOSITE)
            for _ in range(5):
                passes(spot.plan, make_value(random, spot.plan))
            for raw in random.sample(sorted(spot.plan.known), min(3, len(spot.plan.known))):
                assert told(spot, raw) == [], (spot, raw)

    def test_every_code_that_is_known_is_right(self) -> None:
        for spot in JUDGED:
            for raw in spot.plan.known:
                assert told(spot, raw) == [], (spot, raw)

    def test_of_lines_that_no_shipped_profile_has(self, load) -> None:
        profile = load(OWN_LINES + OWN_RULES)
        plan = profile.plans["A28"]
        start = read_lines((CLEAN / "A28.hl7").read_bytes())
        rules = set()
        for seed in range(1500):
            random, lines = Random(seed), [list(cells) for cells in start]
            for _ in range(random.choice([1, 2, 3])):
                name, number = random.choice([("PID", n) for n in (3, 3, 11, 18, 26, 27)] + [("PV1", 3), ("PV1", 19)])
                cells = next(each for each in lines if each[0] == name)
                set_cell(cells, number, make_value(random, plan.fields[name].fields[number]))
            if random.random() < 0.2:
                obx = next(cells for cells in lines if cells[0] == "OBX")
                set_cell(obx, 5, random.choice(["", "~", "1~2", "1", '""', "^"]))
            message = read(lines)
            quickly, slowly = check_message(message, profile), look_slowly(message, profile)
            assert sorted(map(str, quickly)) == sorted(map(str, slowly)), write_lines(lines)
            rules |= {finding.rule for finding in slowly}
        assert len(rules & set(profile.rules)) > 40

    def test_nothing_is_said_quickly_of_a_type_that_is_not_known(self, load) -> None:
        plan = load().plans["A28"].fields["OBX"].fields[5]
        assert plan.is_open
        assert (plan.known, plan.takes_any, plan.match) == (set(), False, None)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 1 << 32))
    def test_a_whole_message_is_told_the_same_quickly_and_slowly(self, seed: int) -> None:
        random = Random(seed)
        for _ in range(10):
            profile, lines = random.choice(MESSAGES)
            lines = [list(cells) for cells in lines]
            plan = profile.plans[get_cell(lines[0], 9).split("^")[1]]
            for _ in range(random.choice([1, 1, 2, 5])):
                cells = random.choice(lines[1:])
                fields = plan.fields.get(cells[0])
                if fields is None or random.random() < 0.1:
                    lines.remove(cells) if random.random() < 0.5 and len(lines) > 2 else lines.append(list(cells))
                    continue
                number = random.choice(list(fields.fields))
                set_cell(cells, number, make_value(random, fields.fields[number]))
                if random.random() < 0.2:
                    del cells[random.randint(1, len(cells)) :]
            message = read(lines)
            quickly, slowly = (
                sorted(map(str, each)) for each in (check_message(message, profile), look_slowly(message, profile))
            )
            assert quickly == slowly, write_lines(lines)


class TestLetsPassWhatFeedsSend:
    """Were it to refuse what is right, it would only cost time: so it is asked to pass the usual."""

    @pytest.mark.parametrize("profile", [profile for profile in PROFILES if profile.name in ("pam", "pam_fr/2.11")])
    def test_nearly_every_value_of_the_clean_messages_passes(self, profile: Profile) -> None:
        passed = [
            passes(fields.fields[number], raw)
            for each, lines in MESSAGES
            if each is profile
            for cells in lines
            if (fields := profile.plans[get_cell(lines[0], 9).split("^")[1]].fields.get(cells[0])) is not None
            for number, raw in enumerate(cells)
            if raw and number in fields.fields and not fields.fields[number].is_open
        ]
        assert len(passed) > 1000
        assert sum(passed) / len(passed) > 0.97

    def test_of_a_clean_message_no_field_is_looked_at_slowly(self) -> None:
        profile, doubtful = PROFILES[1], 0
        for _, lines in [each for each in MESSAGES if each[0] is profile]:
            plan = profile.plans[get_cell(lines[0], 9).split("^")[1]]
            for cells in lines[1:]:
                found = plan.fields[cells[0]].look(cells) if cells[0] in plan.fields else []
                doubtful += len(found or [])
        assert doubtful < 30

    def test_a_value_that_passed_is_known_the_next_time(self, load) -> None:
        plan = load().plans["A28"].fields["PID"].fields[26]
        assert plan.match is not None
        assert plan.match("FRA^FRANCE^ISO3166")
        assert "FRA^FRANCE^ISO3166" in plan.known

    def test_but_not_thousands_of_them_nor_those_that_say_something_of_a_patient(self, load) -> None:
        fields = load().plans["A28"].fields["PID"].fields
        for number, most in ((26, 513), (3, 0), (5, 0), (11, 0)):
            match = fields[number].match
            assert match is not None
            for value in range(1000):
                match(f"A{value}^B")
            assert len(fields[number].known) == most
