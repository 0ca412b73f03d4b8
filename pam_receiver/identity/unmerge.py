"""A wrong A40 undone by a person: the absorbed identity is one of its own again, and both say so in their history."""

from dataclasses import replace
from enum import StrEnum
from typing import Final

from pam_receiver.finding import ErrorCode, Rule, Severity
from pam_receiver.identity.draft import find_differences
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import Alert, Change, Decision, Difference

MERGE_UNDONE: Final = Rule(
    id="merge-undone",
    code=ErrorCode.ACCEPTED,
    severity=Severity.W,
    fr="Une fusion a été défaite : vérifier les messages venus depuis, qui étaient peut-être pour l'autre patient.",
    en="A merge was undone: check the messages that came since, which were perhaps about the other patient.",
    spec="pam-receiver, unmerge",
)
UNMERGED: Final = "unmerged"  # what a version of the survivor says


class NotUndone(StrEnum):
    """Why a merge cannot be undone."""

    UNKNOWN = "unknown"
    NOT_MERGED = "not-merged"
    MERGED_SINCE = "merged-since"  # the survivor was itself absorbed: that merge rests on this one


def decide_unmerge(known: Known, *, absorbed: str, survivor: str, was_active: bool) -> Decision | NotUndone:
    """Return what undoing the merge of ``absorbed`` into ``survivor`` (ids) comes to.

    An A40 gives the survivor nothing and takes nothing from the absorbed identity, which keeps what a later message
    took from it: an INS that was removed meanwhile does not come back.
    """
    held = {each.id: each for each in known}
    if absorbed not in held or survivor not in held:
        return NotUndone.UNKNOWN
    one, other = held[absorbed], held[survivor]
    if one.merged_into != other.id:
        return NotUndone.NOT_MERGED
    if other.merged_into is not None:
        return NotUndone.MERGED_SINCE
    freed = replace(one, active=was_active, merged_into=None, version=one.version + 1)
    left = replace(other, version=other.version + 1)
    return Decision(
        changes=(
            Change(one, freed, find_differences(one, freed)),
            Change(other, left, (Difference(UNMERGED, one.id, None),)),
        ),
        alerts=(Alert(other.id, MERGE_UNDONE.at()),),
    )
