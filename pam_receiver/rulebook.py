"""Every rule by which the receiver can judge a message, gathered for those who explain them."""

from types import ModuleType
from typing import Final

from pam_receiver import receive
from pam_receiver.adt import rules as reading
from pam_receiver.finding import Rule
from pam_receiver.hl7 import rules as wire
from pam_receiver.identity import rules as identity
from pam_receiver.profile import rules as profile


def _rules_of(module: ModuleType) -> tuple[Rule, ...]:
    return tuple(each for each in vars(module).values() if isinstance(each, Rule))


CHAPTERS: Final[dict[str, tuple[Rule, ...]]] = {
    "wire": _rules_of(wire),
    "profile": _rules_of(profile),
    "reading": _rules_of(reading),
    "identity": _rules_of(identity),
    "receiving": _rules_of(receive),
}
RULES: Final[dict[str, Rule]] = {rule.id: rule for chapter in CHAPTERS.values() for rule in chapter}
