"""Rehearsal: what another profile would have answered and kept, had the journal come in under it."""

from pam_receiver.rehearsal.fold import Fold, MakeReceiver
from pam_receiver.rehearsal.model import (
    AnswerChange,
    FieldChange,
    FindingChange,
    IdentityChanges,
    IdentityExample,
    IdentityGroup,
    MessageExample,
    Rehearsal,
)
from pam_receiver.rehearsal.replay import has_text, rehearse

__all__ = [
    "AnswerChange",
    "FieldChange",
    "FindingChange",
    "Fold",
    "IdentityChanges",
    "IdentityExample",
    "IdentityGroup",
    "MakeReceiver",
    "MessageExample",
    "Rehearsal",
    "has_text",
    "rehearse",
]
