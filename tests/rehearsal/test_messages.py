"""Answers and findings before and after, counted."""

from datetime import timedelta

from golden import BEGINS_AT, PEER
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.receive import Outcome
from pam_receiver.rehearsal import Rehearsal
from pam_receiver.rehearsal.messages import Tally
from pam_receiver.store import JournalEntry

Rules = tuple[tuple[str, str], ...]
Answer = tuple[str, Rules]


def outcome(number: int, answer: Answer) -> Outcome:
    return Outcome(b"", answer[0], "A28", f"C{number}", f"m{number}", answer[1])


def entry(number: int, answer: Answer) -> JournalEntry:
    return JournalEntry(f"m{number}", BEGINS_AT + timedelta(minutes=number), PEER, b"", *answer)


def tally(*pairs: tuple[Answer, Answer]) -> Rehearsal:
    counted = Tally()
    entries = [entry(n, was) for n, (was, _) in enumerate(pairs)]
    before = [outcome(n, was) for n, (was, _) in enumerate(pairs)]
    after = [outcome(n, now) for n, (_, now) in enumerate(pairs)]
    counted.add(entries, before, after)
    return counted.result(None)


class TestAnswers:
    def test_errors_that_only_one_answer_has_are_the_cause(self) -> None:
        was = ("AE", (("a", "E"), ("b", "E"), ("c", "W")))
        now = ("AR", (("b", "E"), ("c", "E"), ("d", "W")))
        (change,) = tally((was, now)).answers
        assert (change.before, change.after, change.rules) == ("AE", "AR", (("a", 1), ("c", 1)))
        assert change.examples[0].rules == ("a", "c")

    def test_a_rule_counts_once_for_a_message(self) -> None:
        (change,) = tally((("AA", ()), ("AE", (("a", "E"), ("a", "E"))))).answers
        assert change.rules == (("a", 1),)

    def test_the_most_frequent_change_and_rule_first(self) -> None:
        a, b = ("AE", (("a", "E"),)), ("AE", (("b", "E"),))
        taken: Answer = ("AA", ())
        found = tally((a, taken), (taken, a), (taken, b), (taken, b))
        assert [(each.before, each.after, each.count) for each in found.answers] == [("AA", "AE", 3), ("AE", "AA", 1)]
        assert found.answers[0].rules == (("b", 2), ("a", 1))

    def test_the_times_are_those_of_the_first_and_the_last(self) -> None:
        taken: Answer = ("AA", ())
        found = tally((taken, taken), (taken, taken), (taken, taken))
        assert (found.begins_at, found.ends_at) == (BEGINS_AT, BEGINS_AT + timedelta(minutes=2))
        assert (found.rehearsed, found.differs) == (3, False)


class TestFindings:
    def test_findings_are_counted_and_messages_where_their_number_differs(self) -> None:
        two, one, none = (("AA", (("a", "W"),) * n) for n in (2, 1, 0))
        (change,) = tally((two, one), (one, one), (none, one)).findings
        assert (change.rule, change.severity, change.before, change.after, change.messages) == ("a", "W", 3, 3, 2)
        assert [each.message_id for each in change.examples] == ["m0", "m2"]

    def test_errors_first_then_warnings(self) -> None:
        was: Answer = ("AA", (("a", "I"), ("b", "W")))
        found = tally((was, ("AE", (("c", "E"),))))
        assert [(each.severity, each.rule) for each in found.findings] == [("E", "c"), ("W", "b"), ("I", "a")]

    def test_a_change_of_findings_alone_is_no_change_of_an_answer(self) -> None:
        found = tally((("AA", ()), ("AA", (("a", "W"),))))
        assert (found.answers, found.differs, len(found.findings)) == ((), False, 1)


_ANSWERS = st.tuples(
    st.sampled_from(["AA", "AE", "AR"]),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("EWI")), max_size=3).map(tuple),
)


class TestAnyAnswers:
    @given(st.lists(st.tuples(_ANSWERS, _ANSWERS), min_size=1, max_size=30))
    def test_each_difference_is_counted_once_and_the_other_way_round_the_same(
        self, pairs: list[tuple[Answer, Answer]]
    ) -> None:
        found = tally(*pairs)
        back = tally(*((now, was) for was, now in pairs))
        assert sum(each.count for each in found.answers) == sum(was[0] != now[0] for was, now in pairs)
        turned = {(each.after, each.before, each.count, frozenset(each.rules)) for each in back.answers}
        assert {(each.before, each.after, each.count, frozenset(each.rules)) for each in found.answers} == turned
        assert {(each.rule, each.severity, each.before, each.after, each.messages) for each in found.findings} == {
            (each.rule, each.severity, each.after, each.before, each.messages) for each in back.findings
        }
