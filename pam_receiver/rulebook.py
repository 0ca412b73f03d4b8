"""Every rule by which the receiver can judge a message, gathered for those who explain them."""

import difflib
from types import ModuleType
from typing import Final

from pam_receiver import receive, understand
from pam_receiver.adt import rules as reading
from pam_receiver.finding import ErrorCode, Lang, Rule, Severity
from pam_receiver.hl7 import rules as wire
from pam_receiver.hl7.ack import AckCode
from pam_receiver.identity import rules as identity
from pam_receiver.profile import rules as profile
from pam_receiver.profile.load import ProfileSet, load_profiles
from pam_receiver.profile.source import ProfileError


def _rules_of(module: ModuleType) -> tuple[Rule, ...]:
    return tuple(each for each in vars(module).values() if isinstance(each, Rule))


CHAPTERS: Final[dict[str, tuple[Rule, ...]]] = {
    "wire": _rules_of(wire),
    "profile": _rules_of(profile),
    "reading": _rules_of(reading),
    "identity": _rules_of(identity),
    "receiving": (*_rules_of(understand), *_rules_of(receive)),
}
_OF_THE_OUTCOME: Final = frozenset({understand.RAISED_BY_SOURCE.id, wire.FINDINGS_NOT_SHOWN.id})
RULES: Final[dict[str, Rule]] = {rule.id: rule for chapter in CHAPTERS.values() for rule in chapter}
_AR_CODES: Final = frozenset(
    {
        ErrorCode.UNSUPPORTED_MESSAGE_TYPE,
        ErrorCode.UNSUPPORTED_EVENT,
        ErrorCode.UNSUPPORTED_PROCESSING_ID,
        ErrorCode.UNSUPPORTED_VERSION,
        ErrorCode.INTERNAL_ERROR,
    }
)


def find_rule(rule_id: str, profiles: ProfileSet | None = None) -> Rule | None:
    """Return the rule of this id: one of the code, or of the newest of ``profiles`` (those shipped) that has it."""
    if rule_id in RULES:
        return RULES[rule_id]
    found = profiles or load_profiles()
    for each in (*(french for _, french in found.versions), found.international):
        if rule_id in each.rules:
            return each.rules[rule_id]
    return None


NAMES_FR: Final[dict[str, str]] = {  # what stands in a place of a sentence, as it is named in French
    "accepted": "admis",
    "characters": "caractères",
    "charset": "jeu",
    "control_id": "MSH-10",
    "count": "nombre",
    "date": "date",
    "effect": "effet",
    "errors": "erreurs",
    "event": "événement",
    "expected": "attendu",
    "kept": "gardé",
    "limit": "limite",
    "line": "ligne",
    "most": "maximum",
    "number": "nombre",
    "octets": "octets",
    "offset": "octet",
    "place": "endroit",
    "profile": "profil",
    "read": "jeu lu",
    "rule": "règle",
    "segment": "segment",
    "sign": "signe",
    "structure": "structure",
    "trait": "trait",
    "traits": "traits",
    "what": "ce qui diffère",
}


class _Shown(dict[str, object]):
    """Names, in its language, what is not given. ``trait_fr`` is the trait in French: the sentence is so too."""

    def __init__(self, values: dict[str, object], lang: Lang) -> None:
        super().__init__(values)
        self._lang = lang

    def __missing__(self, name: str) -> str:
        known = name.removesuffix(f"_{self._lang}")
        return f"‹{NAMES_FR.get(known, known) if self._lang == 'fr' else known}›"


def fill_in(sentence: str, lang: Lang, **values: object) -> str:
    """Return the sentence of a rule with ``values`` in their places, and ``‹name›`` where none is given."""
    return sentence.format_map(_Shown(values, lang))


def answer_of(rule: Rule) -> AckCode:
    """Return the acknowledgement that a finding of this rule brings at the severity it has."""
    if rule.severity is not Severity.E:
        return AckCode.AA
    if rule in CHAPTERS["wire"]:  # the message cannot be read, save for one sign in it
        return AckCode.AE if rule.id == wire.CONTROL_CHARACTER.id else AckCode.AR
    return AckCode.AR if rule.code in _AR_CODES else AckCode.AE


def check_grades(profiles: ProfileSet, file: str) -> None:
    """Refuse an overlay that grades a rule which does not exist, or would let an error pass.

    An error of the code means that nothing can be kept: its message names no patient, or two, or cannot be read.

    Raises:
        ProfileError: such a grade, in the overlay ``file``.
    """
    known = {rule_id for each in profiles.profiles for rule_id in (*each.rules, *each.ignored)}
    for rule_id in dict.fromkeys(rule_id for each in profiles.profiles for rule_id in each.grades):
        rule = RULES.get(rule_id)
        if rule is None and rule_id not in known:
            near = difflib.get_close_matches(rule_id, [*RULES, *known], n=1)
            problem = f"no such rule; the nearest one is {near[0]}" if near else "no such rule"
            fr = f"règle inconnue ; la plus proche est {near[0]}" if near else "règle inconnue"
            raise ProfileError(file, f"grade {rule_id}", problem, fr)
        if rule_id in _OF_THE_OUTCOME:
            problem = "says what became of the other findings: it cannot be graded"
            fr = "dit ce que sont devenus les autres constats : sa gravité ne se règle pas"
            raise ProfileError(file, f"grade {rule_id}", problem, fr)
        if rule is not None and rule.severity == "E":
            problem = "an error because nothing of such a message can be kept: it cannot be graded"
            fr = "une erreur, car rien d'un tel message ne peut être gardé : sa gravité ne se règle pas"
            raise ProfileError(file, f"grade {rule_id}", problem, fr)
