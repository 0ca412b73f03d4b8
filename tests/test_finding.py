"""What is remembered of findings: by the objects that they are, and never of others."""

from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.finding import ErrorCode, Finding, Location, Remembered, Rule, Severity

RULE = Rule("a-rule", ErrorCode.DATA_TYPE, Severity.W, "Corriger {place}.", "Correct {place}.", "§1")


def test_finds_what_was_made_of_the_same_findings() -> None:
    made = Remembered[str]()
    said = (RULE.at(Location("PID"), place="PID"), RULE.at(Location("PV1"), place="PV1"))

    assert made.find(said) is None
    assert made.keep("text", said) == "text"
    assert made.find((said[0], said[1])) == "text"
    assert made.find((said[1], said[0])) is None
    assert made.find(said[:1]) is None


def test_asks_for_whatever_else_it_depends_on() -> None:
    made = Remembered[str]()
    said = (RULE.at(place="PID"),)
    made.keep("texte", said, "fr")

    assert made.find(said, "en") is None
    assert made.find(said, "fr") == "texte"


@given(st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=3000))
def test_findings_that_are_gone_are_never_taken_for_new_ones(batches: list[list[int]]) -> None:
    made = Remembered[tuple[int | None, ...]]()
    for numbers in batches:  # of each a finding of its own, which nothing else holds
        said = tuple(Finding("r", ErrorCode.ACCEPTED, Severity.I, Location("PID", 1, n), "", "", "") for n in numbers)
        places = tuple(each.at.field if each.at else None for each in said)
        assert (made.find(said) or made.keep(places, said)) == places
