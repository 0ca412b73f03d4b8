"""What an event comes to, given what is known. Pure: the same event on the same state gives the same decision."""

from typing import assert_never

from pam_receiver.identity.change import decide_change
from pam_receiver.identity.draft import Draft
from pam_receiver.identity.known import Known
from pam_receiver.identity.merge import decide_merge
from pam_receiver.identity.model import ChangeIdentifier, Decision, Delete, Event, Merge, Occasion, Policy, Update
from pam_receiver.identity.update import decide_delete, decide_update


def decide(event: Event, known: Known, occasion: Occasion, policy: Policy) -> Decision:
    """Return what ``event`` makes of the identities that ``known`` holds. ``known`` itself is not changed.

    Link and unlink (A24, A37) would be two more events here; until then they are refused by their trigger event.

    Spec: IHE PAM FR 2.11.2 §2.1, §4.1, §4.4; ITI TF-2 §3.30.6.
    """
    match event:
        case Update():
            draft = Draft(known, occasion, policy)
            decide_update(draft, event)
        case Delete():
            draft = Draft(known, occasion, policy)
            decide_delete(draft, event)
        case Merge():
            draft = Draft(known, occasion, policy, has_steps=True, may_be_late=True)
            decide_merge(draft, event)
        case ChangeIdentifier():
            draft = Draft(known, occasion, policy, has_steps=True)
            decide_change(draft, event)
        case _:
            assert_never(event)
    return draft.decide()
