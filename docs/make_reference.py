"""Draw the parts of docs/ that come from the code: run it after a change of a rule, a setting, an event or a status.

A page holds them between ``<!-- drawn: NAME -->`` and ``<!-- end -->``. ``tests/test_docs.py`` fails when one is old.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pam_receiver.adt.events import A08, CANCELLED_BY_ZBE, EVENTS, LINK_EVENTS
from pam_receiver.config import SETTINGS
from pam_receiver.finding import ErrorCode, Rule, Severity
from pam_receiver.hl7.rules import CONTROL_CHARACTER
from pam_receiver.identity.model import ChangeIdentifier, Delete, Merge, UpdateKind
from pam_receiver.identity.status import DEDUCTIONS, IdentityStatus
from pam_receiver.profile.load import load_profiles
from pam_receiver.profile.rules import GENERIC
from pam_receiver.rulebook import CHAPTERS

DOCS: Final = Path(__file__).resolve().parent

# ------------------------------------------------------------------------------------------------------------- rules

_TITLES: Final[Mapping[str, str]] = {
    "wire": "Framing, separators, character set",
    "profile": "Structure, usage, types, tables",
    "condition": "Conditions between fields",
    "reading": "Header and identifiers",
    "identity": "Identity",
    "receiving": "Control id and failures",
}
_GENERIC_IDS: Final = frozenset(rule.id for rule in GENERIC)
_AR_CODES: Final = frozenset(
    {
        ErrorCode.UNSUPPORTED_MESSAGE_TYPE,
        ErrorCode.UNSUPPORTED_EVENT,
        ErrorCode.UNSUPPORTED_PROCESSING_ID,
        ErrorCode.UNSUPPORTED_VERSION,
        ErrorCode.INTERNAL_ERROR,
    }
)


def condition_rules() -> tuple[Rule, ...]:
    """Return the rules that are lines of ``profiles/``, each id once."""
    return tuple({each.rule.id: each.rule for profile in load_profiles().profiles for each in profile.rules}.values())


def chapters() -> dict[str, tuple[Rule, ...]]:
    """Return every rule by which a message can be judged, by chapter, in the order of the page."""
    known = {**CHAPTERS, "condition": condition_rules()}
    return {name: known[name] for name in (*_TITLES, *(each for each in known if each not in _TITLES))}


def answer_of(rule: Rule, chapter: str) -> str:
    """Return the acknowledgement code that a finding of this rule brings: AA for a warning or an information."""
    if rule.severity is not Severity.E:
        return "AA"
    if chapter == "wire":
        return "AE" if rule == CONTROL_CHARACTER else "AR"
    return "AR" if rule.code in _AR_CODES else "AE"


def _refusals() -> str:
    lines = ["| answer | code | rule | spec |", "|---|---|---|---|"]
    refusing = [
        (answer_of(rule, chapter), rule.code, rule)
        for chapter, rules in chapters().items()
        for rule in rules
        if rule.severity is Severity.E
    ]
    for answer, code, rule in sorted(refusing, key=lambda each: each[:2]):
        lines.append(f"| {answer} | {code.value} | [`{rule.id}`](#{rule.id}) | {rule.spec} |")
    return "\n".join(lines)


def _rules() -> str:
    parts: list[str] = []
    for chapter, rules in chapters().items():
        parts.append(f"## {_TITLES.get(chapter, chapter.capitalize())}")
        parts += [_entry(rule, chapter) for rule in rules]
    return "\n\n".join(parts)


def _entry(rule: Rule, chapter: str) -> str:
    severity = "W or I, as the line of the profile says" if rule.id in _GENERIC_IDS else rule.severity.value
    spec = "that of the line of the profile" if rule.id in _GENERIC_IDS else rule.spec
    facts = (
        f"Answer **{answer_of(rule, chapter)}** · severity **{severity}** · code **{rule.code.value}** "
        f"{rule.code.display} · {spec}"
    )
    return f"### `{rule.id}`\n\n{facts}\n\n- {_sentence(rule.en)}\n- *{_sentence(rule.fr)}*"


def _sentence(text: str) -> str:
    """Return a sentence with ``{name}`` shown as a place to be filled, and nothing that Markdown would read."""
    shown = re.sub(r"\{(\w+)\}", r"‹\1›", text)
    return re.sub(r"([*_<>|\\])", r"\\\1", shown)


# ---------------------------------------------------------------------------------------------------------- settings


def _settings(lang: str) -> Callable[[], str]:
    def draw() -> str:
        head = ("option", "environment", "default", "allowed", "what it does")
        if lang == "fr":
            head = ("option", "environnement", "défaut", "permis", "ce que fait le réglage")
        rows = [
            (
                f"`{each.name}`",
                f"`{each.variable}`",
                f"`{each.default}`" if each.default else "-",
                each.allowed_fr if lang == "fr" else each.allowed_en,
                each.fr if lang == "fr" else each.en,
            )
            for each in SETTINGS
        ]
        return _table(head, rows)

    return draw


# ------------------------------------------------------------------------------------------------------------ events

_EFFECTS: Final[Mapping[object, str]] = {
    UpdateKind.CREATE: "creates the identity; updates it, with a W, when the IPP is known",
    UpdateKind.UPDATE: "updates the identity; creates it when the IPP is unknown",
    UpdateKind.ENCOUNTER: "as A31 for the identity of PID; the encounter stays in the journal",
    UpdateKind.CANCEL: "as A31 for a known identity; never creates one",
    Merge: "merges: MRG-1 disappears into PID-3",
    ChangeIdentifier: "changes an identifier; replaces or removes an INS",
    Delete: "makes the identity inactive and ends its INS; erases nothing",
}


def _events() -> str:
    return _table(("event", "structure", "transaction", "PAM FR", "international PAM", "effect"), _event_rows())


def _event_rows() -> Iterator[Sequence[str]]:
    french, international = load_profiles().french, load_profiles().international
    for code in sorted({*EVENTS, *LINK_EVENTS}):
        line = international.events.get(code)
        structure, transaction = (line.structure, line.transaction) if line else (f"ADT_{code}", "ITI-30")
        takes = ["taken" if profile.accepts(code) else "AR 201" for profile in (french, international)]
        if code == A08:
            takes[1] = "taken, W"
        effect = _EFFECTS[EVENTS[code]] if code in EVENTS else "none: the optional Link/Unlink is not offered"
        if code in CANCELLED_BY_ZBE:
            effect += "; a cancel when ZBE-4 is CANCEL"
        yield (code, structure, transaction, *takes, effect)


# -------------------------------------------------------------------------------------------------------- deductions


def _deductions() -> str:
    rows = []
    for (declared, has_ins), (status, keeps_ins) in DEDUCTIONS.items():
        kept = "the one held; provisoire for a new identity" if status is None else _label(status)
        is_there, is_kept = ("yes" if fact else "no" for fact in (has_ins, keeps_ins))
        rows.append(("(none)" if declared.name == "NONE" else declared.name, is_there, kept, is_kept))
    return _table(("status in PID-32", "INS beside it", "status kept", "INS taken"), rows)


def _label(status: IdentityStatus) -> str:
    accented = {IdentityStatus.RECUPEREE: "récupérée", IdentityStatus.VALIDEE: "validée"}
    return f"**{accented.get(status, 'qualifiée' if status is IdentityStatus.QUALIFIEE else status.value)}**"


# -------------------------------------------------------------------------------------------------------------- pages


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "refusals": _refusals,
    "rules": _rules,
    "settings en": _settings("en"),
    "settings fr": _settings("fr"),
    "events": _events,
    "deductions": _deductions,
}
_BLOCK: Final = re.compile(r"(<!-- drawn: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def drawn_blocks(text: str) -> tuple[str, ...]:
    """Return the names of the drawn parts of a page."""
    return tuple(found[2] for found in _BLOCK.finditer(text))


def redraw(text: str) -> str:
    """Return a page with its drawn parts as the code has them now. KeyError for a part that nothing draws."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n\n{found[3]}", text)


def main() -> None:
    """Redraw every page of ``docs/``."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if drawn_blocks(text):
            page.write_text(redraw(text), encoding="utf-8")


if __name__ == "__main__":
    main()
