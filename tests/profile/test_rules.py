"""The rules that hold for every profile."""

import re

import pytest

from pam_receiver.finding import Location, Rule, Severity
from pam_receiver.profile import rules


@pytest.mark.parametrize("rule", rules.GENERIC, ids=lambda rule: rule.id)
def test_a_rule_is_complete_in_both_languages_and_never_an_error(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert set(re.findall(r"\{(\w+?)(?:_fr)?\}", rule.fr)) == set(re.findall(r"\{(\w+?)(?:_en)?\}", rule.en))
    assert rule.fr != rule.en
    assert rule.spec
    assert rule.severity is not Severity.E


def test_ids_are_unique_and_all_constants_are_listed() -> None:
    constants = [value for value in vars(rules).values() if isinstance(value, Rule)]
    assert list(rules.GENERIC) == constants
    assert len({rule.id for rule in constants}) == len(constants)


def test_a_finding_speaks_for_the_line_that_was_broken() -> None:
    finding = rules.make_finding(
        rules.FIELD_NOT_SUPPORTED,
        Location("PID", 1, 19),
        spec="of the line",
        severity=Severity.I,
        field="PID-19",
        name="N",
    )
    assert (finding.spec, finding.severity) == ("of the line", Severity.I)
    assert finding.en.startswith("Leave PID-19 (N) empty")
