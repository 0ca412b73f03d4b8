"""The answers to the same messages, before and after, counted; what is held does not grow with the journal."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pam_receiver.finding import Severity
from pam_receiver.receive import Outcome
from pam_receiver.rehearsal.model import (
    MOST_EXAMPLES,
    AnswerChange,
    FindingChange,
    IdentityChanges,
    MessageExample,
    Rehearsal,
)
from pam_receiver.store import JournalEntry

_ORDER: Final = tuple(each.value for each in (Severity.E, Severity.W, Severity.I))
_Answered = Outcome | JournalEntry  # both tell the code of an answer, and its (rule, severity) pairs
_Groups = dict[tuple[str, str], "_Answers"]  # by the codes before and after


@dataclass(slots=True)
class _Answers:
    """Messages whose answer goes from one code to another."""

    count: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    examples: list[MessageExample] = field(default_factory=list)


@dataclass(slots=True)
class _Findings:
    """What one rule, at one severity, comes to before and after."""

    before: int = 0
    after: int = 0
    messages: int = 0
    examples: list[MessageExample] = field(default_factory=list)


class Tally:
    """Counts messages and how their answers differ, and keeps the first examples of each kind."""

    def __init__(self) -> None:
        self.messages = 0
        self.rehearsed = 0
        self.without_text = 0
        self._begins_at: datetime | None = None
        self._ends_at: datetime | None = None
        self._answers: _Groups = {}
        self._drift: _Groups = {}
        self._findings: dict[tuple[str, str], _Findings] = {}

    def add_drift(self, entries: Sequence[JournalEntry], now: Sequence[Outcome]) -> None:
        """Compare what the journal says with what the settings in force answer."""
        for entry, outcome in zip(entries, now, strict=True):
            _put(self._drift, entry, outcome)

    def add(self, entries: Sequence[JournalEntry], before: Sequence[_Answered], after: Sequence[Outcome]) -> None:
        """Compare the answers to messages of the journal before and after."""
        for was, now in zip(before, after, strict=True):
            _put(self._answers, was, now)
            self._put_findings(was, now)
        self.rehearsed += len(entries)
        self._begins_at = self._begins_at or entries[0].received_at
        self._ends_at = entries[-1].received_at

    def _put_findings(self, was: _Answered, now: Outcome) -> None:
        old, new = Counter(was.rules), Counter(now.rules)
        for key in old.keys() | new.keys():
            found = self._findings.setdefault(key, _Findings())
            found.before += old[key]
            found.after += new[key]
            if old[key] != new[key]:
                found.messages += 1
                _keep(found.examples, now, [key[0]])

    def result(self, identities: IdentityChanges | None) -> Rehearsal:
        """Return the counts, the most frequent first."""
        findings = [
            FindingChange(rule, severity, each.before, each.after, each.messages, tuple(each.examples))
            for (rule, severity), each in self._findings.items()
            if each.messages
        ]
        findings.sort(key=lambda each: (_ORDER.index(each.severity), -each.messages, each.rule))
        return Rehearsal(
            messages=self.messages,
            rehearsed=self.rehearsed,
            begins_at=self._begins_at,
            ends_at=self._ends_at,
            answers=_answer_changes(self._answers),
            findings=tuple(findings),
            identities=identities,
            drift=_answer_changes(self._drift),
            without_text=self.without_text,
        )


def _put(groups: _Groups, was: _Answered, now: Outcome) -> None:
    """Count a message whose answer differs, with the errors that only one of the answers has: they make it so."""
    if was.ack_code == now.ack_code:
        return
    causes = sorted(_errors(was) ^ _errors(now))
    group = groups.setdefault((was.ack_code, now.ack_code), _Answers())
    group.count += 1
    group.rules.update(causes)
    _keep(group.examples, now, causes)


def _errors(answered: _Answered) -> set[str]:
    return {rule for rule, severity in answered.rules if severity == Severity.E}


def _keep(examples: list[MessageExample], outcome: Outcome, rules: Iterable[str]) -> None:
    if len(examples) < MOST_EXAMPLES:
        examples.append(MessageExample(outcome.message_id, outcome.control_id, outcome.event, tuple(rules)))


def _answer_changes(groups: _Groups) -> tuple[AnswerChange, ...]:
    found = [
        AnswerChange(before, after, each.count, tuple(each.rules.most_common()), tuple(each.examples))
        for (before, after), each in groups.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.count, each.before, each.after)))
