"""The working copy of one decision: what was said, what changed so far, and the decision at the end."""

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Final

from pam_receiver.finding import Finding, Rule
from pam_receiver.identity import rules
from pam_receiver.identity.as_json import identifier_json, ins_json
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import (
    Alert,
    Change,
    Decision,
    Difference,
    Identity,
    MergeLink,
    Occasion,
    Policy,
)
from pam_receiver.identity.traits import TRAIT_NAMES

_BLANK: Final = Identity(id="")  # what a new identity is compared with
_CREATED: Final = Difference("created", None, True)
_TIME_ENDS: Final = 18  # of an id of a message: what sorts it, and its version
REPLACED: Final = "replaced"


class Draft:
    """Gathers findings, alerts and new states of identities; nothing outside it changes.

    ``has_steps``: the event is decided in several steps (A40), of which each finds what the last one left.
    ``may_be_late``: the date of the event does not count. A merge says who is one person, not what that person is like:
    late it is as true, and kept back it would leave two identities of one patient.
    """

    def __init__(
        self, known: Known, occasion: Occasion, policy: Policy, *, has_steps: bool = False, may_be_late: bool = False
    ) -> None:
        self._may_be_late = may_be_late
        self._steps = known.copy() if has_steps else None
        self.known = self._steps or known
        self.occasion = occasion
        self.policy = policy
        self._findings: list[Finding] = []
        self._is_refused = False  # kept, not looked up: asked after each of what may be thousands of identifiers
        self._alerts: list[Alert] = []
        self._merges: list[MergeLink] = []
        self._before: dict[str, Identity | None] = {}
        self._after: dict[str, Identity] = {}
        self._unchanged: dict[str, Identity] = {}
        self._stale: dict[str, Identity] = {}  # those held that a late message would change
        self._created = 0

    def is_refused(self) -> bool:
        """Whether an error was found: then nothing changes."""
        return self._is_refused

    def add(self, *findings: Finding) -> None:
        """Say something about the message."""
        for finding in findings:
            self._findings.append(finding)
            if finding.is_error:
                self._is_refused = True

    def alert(self, identity: Identity | None, finding: Finding) -> None:
        """Say something about the message, and keep it as an alert about ``identity``."""
        self.add(finding)
        self._alerts.append(Alert(identity.id if identity else None, finding))

    def new_identity(self) -> Identity:
        """Return an empty identity; its id follows from the message's, so that a decision taken twice is the same."""
        new_id = identity_id(self.occasion.message_id, self._created)
        self._created += 1
        return Identity(id=new_id, version=1, dated_at=self.occasion.dated_at)

    def is_stale(self, held: Identity) -> bool:
        """Whether the source dates this message surely before what is held of an identity."""
        dated = self.occasion.dated
        if self._may_be_late or dated is None or held.dated_at is None:
            return False
        return dated.latest < held.dated_at

    def hold_back(self, held: Identity) -> None:
        """Remember that a late message would have changed this identity, and may not."""
        self._stale.setdefault(held.id, held)

    def confirm(self, held: Identity) -> None:
        """Remember that the message speaks of this identity: unless it changes, the date of the message is its own."""
        self._unchanged[held.id] = held

    def put(self, before: Identity | None, after: Identity) -> None:
        """Take the new state of an identity, which later groups of the same message then find."""
        if after == before:
            self.confirm(after)
            return
        if before is not None and self.is_stale(before):
            self.hold_back(before)
        self._before.setdefault(after.id, before)
        self._after[after.id] = after
        if self._steps is not None:
            self._steps.apply(Decision(changes=(Change(before, after),)))

    def link(self, absorbed: Identity, survivor: Identity) -> None:
        """Record that one identity was merged into another."""
        made = MergeLink(absorbed.id, survivor.id, self.occasion.at, self.occasion.message_id, self.occasion.control_id)
        self._merges.append(made)
        if self._steps is not None:
            self._steps.apply(Decision(merges=(made,)))

    def decide(self) -> Decision:
        """Return the decision. Refused: nothing changes, and only what forbids it is said."""
        if self.is_refused():
            return Decision(
                findings=tuple(each for each in self._findings if each.is_error),
                alerts=tuple(each for each in self._alerts if each.finding.is_error),
            )
        if self._stale and self.policy.stale_updates == "ignore":
            return self._say_late(rules.STALE_IGNORED, Decision())
        changes = [self._change(self._before[each], after) for each, after in self._after.items()]
        made = Decision(
            findings=tuple(self._findings),
            changes=tuple([change for change in changes if change.before is None or change.differences]),
            merges=tuple(self._merges),
            alerts=tuple(self._alerts),
            confirmed=self._confirm() if self._unchanged else (),
        )
        return self._say_late(rules.STALE_APPLIED, made) if self._stale else made

    def _say_late(self, rule: Rule, made: Decision) -> Decision:
        """Add to a decision that the message comes late, an alert for each identity that it would have changed."""
        dated = self.occasion.dated
        finding = rule.at(dated.place if dated is not None else None)
        alerts = (Alert(each, finding) for each in self._stale)
        return replace(made, findings=(*made.findings, finding), alerts=(*made.alerts, *alerts))

    def _change(self, before: Identity | None, after: Identity) -> Change:
        dated_at = self._later_date(before.dated_at if before else None)
        version = (before.version if before else 0) + 1
        if after.version != version or after.dated_at != dated_at:
            after = after.dated(dated_at, version)
        return Change(before, after, find_differences(before, after) if before is not None else ())

    def _confirm(self) -> tuple[Identity, ...]:
        """Return the identities that stay as they are, those of which the source's date has moved on.

        Without it a message between that date and the last change would not be known for late, and could raise what a
        later one had left low.
        """
        moved = []
        for identity_id, held in self._unchanged.items():
            dated_at = self._later_date(held.dated_at)
            if identity_id not in self._after and dated_at != held.dated_at:
                moved.append(held.dated(dated_at, held.version))
        return tuple(moved)

    def _later_date(self, held: datetime | None) -> datetime | None:
        said = self.occasion.dated_at
        if said is None or (held is not None and held >= said):
            return held
        return said


def identity_id(message_id: str, number: int) -> str:
    """Return the id of an identity that a message makes, the ``number``-th from 0: a UUID that sorts by time.

    It begins as the id of the message does, so that what is new stands together in every index, however many are held;
    the rest is a digest of both.

    Spec: RFC 9562 §5.7.
    """
    made = hashlib.sha1(f"{message_id} {number}".encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(made[0], 16) & 3]
    return f"{message_id[:_TIME_ENDS]}-{variant}{made[1:4]}-{made[4:16]}"


def find_differences(before: Identity | None, after: Identity) -> tuple[Difference, ...]:
    """Return what a message changed in an identity, as JSON values; empty when nothing did."""
    old, found = (before, []) if before is not None else (_BLANK, [_CREATED])
    if old.active != after.active:
        found.append(Difference("active", old.active, after.active))
    if old.merged_into != after.merged_into:
        found.append(Difference("merged_into", old.merged_into, after.merged_into))
    if before is None or before.status != after.status:
        found.append(Difference("status", before.status.value if before is not None else None, after.status.value))
    if old.reliability_codes != after.reliability_codes:
        found.append(Difference("reliability_codes", list(old.reliability_codes), list(after.reliability_codes)))
    if old.ins != after.ins:
        found.append(Difference("ins", ins_json(old.ins), ins_json(after.ins), _reason(old, after)))
    if old.traits != after.traits:
        values = zip(TRAIT_NAMES, old.traits.values, after.traits.values, strict=True)
        found += [Difference(what, was, now) for what, was, now in values if was != now]
    if old.used_family_name != after.used_family_name:
        found.append(Difference("used_family_name", old.used_family_name, after.used_family_name))
    if old.used_given_name != after.used_given_name:
        found.append(Difference("used_given_name", old.used_given_name, after.used_given_name))
    if old.identifiers != after.identifiers:
        former_reason = _reason(old, after) if len(after.ended_ins) > len(old.ended_ins) else None
        were, are = ([identifier_json(each) for each in identity.identifiers] for identity in (old, after))
        found.append(Difference("identifiers", were, are, former_reason))
    return tuple(found)


def _reason(old: Identity, after: Identity) -> str | None:
    if len(after.ended_ins) > len(old.ended_ins):
        return after.ended_ins[-1].reason.value
    return REPLACED if old.ins is not None and old.ins != after.ins else None
