"""Draw the parts of docs/ that come from the code: run it after a change of a rule, a setting, an event or a status.

A page holds them between ``<!-- drawn: NAME -->`` and ``<!-- end -->``. ``tests/test_docs.py`` fails when one is old.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from pam_receiver.adt.events import A08, CANCELLED_BY_ZBE, EVENTS, LINK_EVENTS
from pam_receiver.config import LISTENER_KEYS, SETTINGS, SOURCE_KEYS
from pam_receiver.finding import Lang, Rule, Severity
from pam_receiver.identity.model import ChangeIdentifier, Delete, Merge, UpdateKind
from pam_receiver.identity.status import DEDUCTIONS, IdentityStatus
from pam_receiver.profile.load import load_profiles
from pam_receiver.profile.model import Breach, FieldRule, Profile
from pam_receiver.profile.outline import Asked, Both, outline, say_events, say_usage
from pam_receiver.rulebook import CHAPTERS, RULES, answer_of, fill_in

DOCS: Final = Path(__file__).resolve().parent

# ------------------------------------------------------------------------------------------------------------- rules

_TITLES: Final[Mapping[str, tuple[str, str]]] = {  # chapter: (fr, en)
    "wire": ("Bloc, séparateurs, jeu de caractères", "Framing, separators, character set"),
    "reading": ("En-tête et identifiants", "Header and identifiers"),
    "identity": ("Identité", "Identity"),
    "receiving": ("Identifiant du message et défaillances", "Control id and failures"),
    "profile": ("Structure du message", "Structure of the message"),
    "condition": ("Conditions entre champs", "Conditions between fields"),
}
_HL7: Final = "HL7 v2.5"  # how the spec of a line begins that no profile has touched


def profiles() -> tuple[Profile, ...]:
    """Return every profile, the newest first, the international one last."""
    loaded = load_profiles()
    return (*(french for _, french in loaded.versions), loaded.international)


def condition_rules() -> tuple[Rule, ...]:
    """Return the rules that are written out in ``profiles/``, each id once, as the newest profile has it."""
    held = {name: profile for profile in reversed(profiles()) for name in profile.conditions if name in profile.rules}
    return tuple(held[name].rules[name] for name in sorted(held))


def chapters() -> dict[str, tuple[Rule, ...]]:
    """Return every rule that has an entry of its own, by chapter, in the order of the page."""
    known = {**CHAPTERS, "condition": condition_rules()}
    return {name: known[name] for name in (*_TITLES, *(each for each in known if each not in _TITLES))}


def _refusals() -> str:
    refusing = sorted((answer_of(rule), rule.code, rule.id, rule) for rule in RULES.values() if rule.severity == "E")
    rows = [
        (answer, str(code.value), f"[`{name}`](rules.md#{name})", rule.spec) for answer, code, name, rule in refusing
    ]
    return _table(("answer", "code", "rule", "spec"), rows)


def _counts(lang: Lang) -> str:
    head = ("profile", "events", "rules", "conditions between fields", "of HL7 v2.5 alone")
    if lang == "fr":
        head = ("profil", "événements", "règles", "conditions entre champs", "de HL7 v2.5 seul")
    rows = []
    for profile in profiles():
        ids = set(profile.rules)
        untouched = {rule_id for rule_id, rule in profile.rules.items() if rule.spec.startswith(_HL7)}
        figures = (len(profile.plans), len(ids), len(profile.conditions & ids), len(untouched - profile.conditions))
        rows.append((f"`{profile.name}`", *map(str, figures)))
    every = {**RULES, **{rule_id: rule for profile in profiles() for rule_id, rule in profile.rules.items()}}
    both = sum(bool(rule.fr and rule.en) for rule in every.values())
    said = (
        f"{len(RULES)} rules of the receiver itself hold under every profile. Different ids in all: {len(every)}, "
        f"of which {both} have their sentence in French and in English."
    )
    if lang == "fr":
        said = (
            f"{len(RULES)} règles du récepteur lui-même valent sous tous les profils. Ids différents en tout : "
            f"{len(every)}, dont {both} ont leur phrase en français et en anglais."
        )
    return f"{_table(head, rows)}\n\n{said}"


def _rules(lang: Lang) -> str:
    parts: list[str] = []
    for chapter, rules in chapters().items():
        parts.append(f"## {_of(lang, _TITLES.get(chapter, (chapter, chapter)))}")
        parts += [_entry(rule, lang) for rule in rules]
    return "\n\n".join(parts)


def _entry(rule: Rule, lang: Lang) -> str:
    facts = [
        f"{_of(lang, ('Réponse', 'Answer'))} **{answer_of(rule)}**",
        f"{_of(lang, ('gravité', 'severity'))} **{rule.severity.value}**{_otherwise(rule, lang)}",
        f"code **{rule.code.value}** {rule.code.display}",
        rule.spec,
    ]
    right = f"\n\n{_of(lang, ('Forme juste :', 'Right form:'))} {_code(rule.example)}" if rule.example else ""
    said = _plain(fill_in(rule.fr if lang == "fr" else rule.en, lang))
    return f"### `{rule.id}`\n\n{' · '.join(facts)}\n\n{said}{right}"


def _otherwise(rule: Rule, lang: Lang) -> str:
    """Profiles under which a rule is not as the entry has it."""
    others = []
    for profile in profiles():
        severity: Severity | None = None
        if rule.id in profile.rules:
            severity = profile.rules[rule.id].severity
        elif rule.id in RULES:
            severity = profile.grades.get(rule.id, rule.severity)
        if severity is not rule.severity:
            word = severity.value if severity is not None else _of(lang, ("non", "no"))
            others.append(f"{_short(profile)} {word}")
    return f" ({', '.join(others)})" if others else ""


def _of(lang: Lang, both: Both) -> str:
    return both[0] if lang == "fr" else both[1]


def _short(profile: Profile) -> str:
    return profile.name.rpartition("/")[2]


def _plain(text: str) -> str:
    """Return a sentence with nothing in it that Markdown would read."""
    return re.sub(r"([*_<>|\\])", r"\\\1", text)


def _code(text: str) -> str:
    return f"`{text.strip()}`"


# ------------------------------------------------------------------------------------------------------------ places


def _places(lang: Lang) -> str:
    """Draw the rules that are made from the lines of the profiles: a table for each segment and data type."""
    rows: dict[str, dict[tuple[str, ...], list[str]]] = {}
    untouched: dict[str, dict[str, list[str]]] = {}
    for profile in profiles():
        found = outline(profile)
        lines = [
            *_merged(found.segments),
            *((asked, (asked.rule.spec,)) for each in found.places.values() for asked in each),
        ]
        for asked, specs in lines:
            rules = [rule.id for rule in asked.rules.values()]
            if rules and specs[0].startswith(_HL7):
                for rule_id in rules:
                    held = untouched.setdefault(asked.at.segment, {}).setdefault(rule_id, [])
                    held += [_short(profile)] if _short(profile) not in held else []
            elif rules:
                row = _row(profile, asked, specs, lang)
                rows.setdefault(asked.at.segment, {}).setdefault(row, []).append(_short(profile))
    segments = sorted({str(asked.at) for profile in profiles() for asked in outline(profile).segments})
    types = sorted({*rows, *untouched} - set(segments))
    parts = []
    for title, names in ((("Segments", "Segments"), segments), (("Types de données", "Data types"), types)):
        parts.append(f"## {_of(lang, title)}")
        parts += [_section(name, rows.get(name, {}), untouched.get(name, {}), lang) for name in names]
    return "\n\n".join(parts)


def _merged(segments: Sequence[Asked]) -> list[tuple[Asked, tuple[str, ...]]]:
    """The segments, those of events that differ in their texts or number alone taken together."""
    found: dict[object, tuple[Asked, list[str], dict[str, None]]] = {}
    for asked in segments:
        rules = tuple((rule.id, rule.severity) for rule in asked.rules.values())
        _, events, specs = found.setdefault((asked.at, say_usage(asked.rule), rules), (asked, [], {}))
        events += asked.events
        specs[asked.rule.spec] = None
    return [(replace(asked, events=tuple(events)), tuple(specs)) for asked, events, specs in found.values()]


def _row(profile: Profile, asked: Asked, specs: Sequence[str], lang: Lang) -> tuple[str, ...]:
    rule = asked.rule
    words = [_of(lang, say_usage(rule))]
    name = ""
    if isinstance(rule, FieldRule):
        name = f" {rule.name}" if rule.name != str(rule.at) else ""
        is_field = Breach.REPEATED in rule.rules
        table = rule.table.id if rule.table else ""
        length = _of(lang, (f"{rule.max_length} car.", f"{rule.max_length} chars")) if rule.max_length else ""
        words += [str(rule.card) if is_field else "", rule.type, length, table]
    events = _of(lang, say_events(profile, asked.events))
    words[0] += f" ({events})" if events else ""
    severities = dict.fromkeys(each.severity.value for each in rule.rules.values())
    ids = "<br>".join(_told(asked, breach, lang) for breach in rule.rules)
    rights = dict.fromkeys(
        each.example for each in rule.rules.values() if each.example and not each.example.endswith("= ")
    )
    right = next(iter(rights), "")
    text = "; ".join(specs[:2]) + ("; …" if len(specs) > 2 else "")
    return (
        f"{asked.at}{name}",
        " · ".join(word for word in words if word),
        ids,
        "/".join(severities),
        _code(right) if right else "",
        text,
    )


def _told(asked: Asked, breach: Breach, lang: Lang) -> str:
    """A rule with its sentence, save of the kinds that the page explains once."""
    rule = asked.rules[breach]
    if breach in (Breach.DIVIDED, Breach.REPEATED, Breach.OUT_OF_ORDER):
        return f"`{rule.id}`"
    sentence = fill_in(rule.fr if lang == "fr" else rule.en, lang, place=asked.at)
    return f"`{rule.id}` {_plain(sentence.replace(f' ({_name_of(asked)})', '', 1))}"


def _name_of(asked: Asked) -> str:
    return asked.rule.name if isinstance(asked.rule, FieldRule) else ""


def _section(
    name: str, rows: Mapping[tuple[str, ...], Sequence[str]], untouched: Mapping[str, Sequence[str]], lang: Lang
) -> str:
    head = ("place", "asked", "rules", "severity", "right form", "spec", "profiles")
    if lang == "fr":
        head = ("endroit", "demandé", "règles", "gravité", "forme juste", "texte", "profils")
    parts = [f"### {name}"]
    everywhere = len(profiles())
    if rows:
        lines = sorted(
            rows.items(), key=lambda item: [int(each) for each in re.findall(r"(?<=[-.])\d+", item[0][0].split(" ")[0])]
        )
        parts.append(_table(head, [(*row, ", ".join(held) if len(held) < everywhere else "*") for row, held in lines]))
    by_profiles: dict[tuple[str, ...], list[str]] = {}
    for rule_id, held in untouched.items():
        by_profiles.setdefault(tuple(held), []).append(rule_id)
    for held, ids in by_profiles.items():
        under = "" if len(held) == everywhere else f" ({', '.join(held)})"
        said = _of(lang, (f"De HL7 v2.5 seul{under} :", f"Of HL7 v2.5 alone{under}:"))
        parts.append(f"{said} {', '.join(f'`{rule_id}`' for rule_id in ids)}")
    return "\n\n".join(parts)


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


def _sources(lang: str) -> Callable[[], str]:
    def draw() -> str:
        head = ("clé", "permis", "ce que fait la clé") if lang == "fr" else ("key", "allowed", "what it does")
        rows = [
            (f"`{key.name}`", key.allowed_fr, key.fr) if lang == "fr" else (f"`{key.name}`", key.allowed_en, key.en)
            for key in SOURCE_KEYS
        ]
        return _table(head, rows)

    return draw


def _listeners(lang: str) -> Callable[[], str]:
    def draw() -> str:
        head = ("clé", "permis", "ce que fait la clé") if lang == "fr" else ("key", "allowed", "what it does")
        rows = [
            (f"`{key.name}`", key.allowed_fr, key.fr) if lang == "fr" else (f"`{key.name}`", key.allowed_en, key.en)
            for key in LISTENER_KEYS
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
    return "\n".join("| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in line) + " |" for line in lines)


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "refusals": _refusals,
    "counts en": partial(_counts, "en"),
    "counts fr": partial(_counts, "fr"),
    "rules en": partial(_rules, "en"),
    "rules fr": partial(_rules, "fr"),
    "places en": partial(_places, "en"),
    "places fr": partial(_places, "fr"),
    "settings en": _settings("en"),
    "settings fr": _settings("fr"),
    "sources en": _sources("en"),
    "sources fr": _sources("fr"),
    "listeners en": _listeners("en"),
    "listeners fr": _listeners("fr"),
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
