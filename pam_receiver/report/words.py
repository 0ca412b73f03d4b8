"""What the report says to people, in French and in English."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from pam_receiver.finding import Lang

WORDS: Final[Mapping[str, tuple[str, str]]] = {  # key: (fr, en)
    "title": ("Rapport de conformité du flux d'identités", "Conformance report of an identity feed"),
    "subject": ("Messages contrôlés", "What was checked"),
    "made": ("Établi le", "Made on"),
    "by": ("Par", "By"),
    "held-to": ("Profil", "Profile"),
    "sent": ("Messages datés (MSH-7)", "Messages dated (MSH-7)"),
    "sent-range": ("du {first} au {last}", "{first} to {last}"),
    "senders": ("Émetteur (MSH-3 / MSH-4)", "Sender (MSH-3 / MSH-4)"),
    "nobody": ("non lisible", "not readable"),
    "files": ("{files} fichier(s), {messages} message(s)", "{files} file(s), {messages} message(s)"),
    "masked": (
        "Données de patient masquées : dans les exemples, X et x remplacent les lettres, 9 les chiffres.",
        "Patient data is masked: in the examples, X and x stand for letters, 9 for digits.",
    ),
    "unmasked": (
        "Ce rapport contient des données de patient : ne pas le transmettre tel quel.",
        "This report holds patient data: do not pass it on as it is.",
    ),
    # ------------------------------------------------------------------------------------------------ in brief
    "brief": ("En bref", "In brief"),
    "verdict.none": ("Aucun message n'a été lu.", "No message was read."),
    "verdict.clean": (
        "{messages} message(s), tous acceptés (AA) sans avertissement.",
        "{messages} message(s), all accepted (AA) without a warning.",
    ),
    "verdict.warned": (
        "{messages} message(s), tous acceptés (AA), dont {warned} avec au moins un avertissement.",
        "{messages} message(s), all accepted (AA), {warned} of them with a warning.",
    ),
    "verdict.refused": (
        "Sur {messages} message(s), {refused} ({share}) seraient refusés (AE ou AR).",
        "Of {messages} message(s), {refused} ({share}) would be refused (AE or AR).",
    ),
    "verdict.unreadable": (
        "{unreadable} élément(s) n'ont pas pu être lus.",
        "{unreadable} piece(s) could not be read.",
    ),
    "ack.accepted": ("AA, sans avertissement", "AA, no warning"),
    "ack.warned": ("AA, avec avertissement", "AA, with a warning"),
    "ack.in_error": ("AE : contenu à corriger", "AE: content to correct"),
    "ack.rejected": ("AR : message non pris", "AR: message not taken"),
    "short.accepted": ("AA", "AA"),
    "short.warned": ("AA + W", "AA + W"),
    "short.in_error": ("AE", "AE"),
    "short.rejected": ("AR", "AR"),
    "chart": ("Messages selon l'acquittement qu'ils auraient", "Messages by the acknowledgement they would get"),
    "answer": ("Acquittement", "Acknowledgement"),
    # ------------------------------------------------------------------------------------------------ to fix
    "first": ("À corriger d'abord", "Fix first"),
    "first.lead": (
        "Ce qui fait refuser des messages vient en tête, puis ce qui touche le plus de messages.",
        "What has messages refused comes first, then what most messages have.",
    ),
    "first.nothing": ("Rien à corriger.", "Nothing to fix."),
    "first.more": (
        "{count} autre(s) règle(s) : voir les constats plus bas.",
        "{count} more rule(s): see the findings below.",
    ),
    "refuses": ("refus", "refused"),
    "warns": ("avertissement", "warning"),
    "touched": ("{messages} message(s), {share}", "{messages} message(s), {share}"),
    "places": ("Endroits", "Where"),
    "received": ("Reçu", "Received"),
    "nothing-there": ("(vide)", "(empty)"),
    "right-form": ("Attendu", "Right form"),
    "spec": ("Référence", "Reference"),
    "rule": ("Règle", "Rule"),
    # ------------------------------------------------------------------------------------------------ tables
    "by-event": ("Par événement", "By event"),
    "event": ("Événement", "Event"),
    "event.none": ("(aucun ou illisible)", "(none or unreadable)"),
    "messages": ("Messages", "Messages"),
    "share": ("Part", "Share"),
    "all": ("Tous", "All"),
    "by-profile": ("Par profil", "By profile"),
    "no-profile": ("aucun : refusé avant", "none: refused before"),
    "by-sender": ("Par émetteur", "By sender"),
    "by-source": ("Par source des réglages", "By source of the settings"),
    "source": ("Source", "Source"),
    "no-source": ("(aucune : réglages généraux)", "(none: general settings)"),
    "findings": ("Constats par règle et par champ", "Findings by rule and field"),
    "findings.none": ("Aucun constat.", "No finding."),
    "findings.lead": (
        "{errors} erreur(s), {warnings} avertissement(s). Un message peut avoir plusieurs constats.",
        "{errors} error(s), {warnings} warning(s). A message may have several findings.",
    ),
    "findings.more": (
        "{count} constat(s) de plus, à d'autres endroits, ne sont pas détaillés.",
        "{count} more finding(s), at other places, are not listed.",
    ),
    "severity": ("Gravité", "Severity"),
    "place": ("Endroit", "Where"),
    "count": ("Constats", "Findings"),
    "what": ("À changer", "What to change"),
    "examples": ("Premiers exemples", "First examples"),
    "example": ("{file}, message {number}", "{file}, message {number}"),
    "severity.E": ("E, erreur", "E, error"),
    "severity.W": ("W, avertissement", "W, warning"),
    "severity.I": ("I, information", "I, information"),
    "troubles": ("Ce qui n'a pas pu être lu", "What could not be read"),
    "troubles.more": ("… et {count} autre(s).", "… and {count} more."),
    # ------------------------------------------------------------------------------------------------ how to read it
    "how": ("Comment lire ce rapport", "How to read this report"),
    "how.ack": (
        (
            "AA : le message serait pris. AE : rien n'en serait gardé, son contenu doit changer. "
            "AR : il n'est pas pour ce récepteur, ou ne peut pas être lu."
        ),
        (
            "AA: the message would be taken. AE: nothing of it would be kept, its content must change. "
            "AR: it is not for this receiver, or cannot be read."
        ),
    ),
    "how.severity": (
        (
            "E refuse le message. W le laisse passer, mais une donnée est perdue, douteuse ou mal placée. "
            "I informe seulement."
        ),
        "E refuses the message. W lets it pass, but something is lost, doubtful or misplaced. I only informs.",
    ),
    "how.place": (
        (
            "PID-11.9 est le composant 9 du champ 11 du segment PID ; PID-11[2].9, le même dans la 2e répétition ; "
            "MRG(2)-1, le champ 1 du 2e segment MRG."
        ),
        (
            "PID-11.9 is component 9 of field 11 of the segment PID; PID-11[2].9 the same in the 2nd repetition; "
            "MRG(2)-1 is field 1 of the 2nd segment MRG."
        ),
    ),
    "how.find": (
        "Chaque exemple nomme le fichier, le rang du message et son MSH-10 : l'émetteur le retrouve par MSH-10.",
        "Each example names the file, the number of the message and its MSH-10: the sender finds it by MSH-10.",
    ),
    "how.limits": (
        (
            "Les messages ont été contrôlés un par un, sans base d'identités : ce que seul l'historique montre "
            "(IPP déjà fusionné, INS porté par une autre identité) n'est pas dit ici."
        ),
        (
            "The messages were checked one by one, without a base of identities: what only the history shows "
            "(an IPP already merged, an INS that another identity holds) is not said here."
        ),
    ),
    "how.examples": (
        "Les personnes des formes attendues sont inventées.",
        "The persons in the right forms are invented.",
    ),
    # ------------------------------------------------------------------------------------------------ events
    "event.A01": ("admission", "admission"),
    "event.A02": ("mutation", "transfer"),
    "event.A03": ("sortie", "discharge"),
    "event.A04": ("consultation ou urgence", "outpatient registration"),
    "event.A05": ("préadmission", "pre-admission"),
    "event.A06": ("externe vers hospitalisé", "outpatient to inpatient"),
    "event.A07": ("hospitalisé vers externe", "inpatient to outpatient"),
    "event.A08": ("mise à jour (exclu en France)", "update (excluded in France)"),
    "event.A11": ("annulation d'admission", "cancel admission"),
    "event.A12": ("annulation de mutation", "cancel transfer"),
    "event.A13": ("annulation de sortie", "cancel discharge"),
    "event.A14": ("préadmission à confirmer", "pending admission"),
    "event.A15": ("mutation prévue", "pending transfer"),
    "event.A16": ("sortie prévue", "pending discharge"),
    "event.A21": ("départ en permission", "leave of absence"),
    "event.A22": ("retour de permission", "return from leave"),
    "event.A24": ("lien entre identités", "link identities"),
    "event.A25": ("annulation de sortie prévue", "cancel pending discharge"),
    "event.A26": ("annulation de mutation prévue", "cancel pending transfer"),
    "event.A27": ("annulation de préadmission à confirmer", "cancel pending admission"),
    "event.A28": ("création d'identité", "new identity"),
    "event.A29": ("suppression d'identité", "delete identity"),
    "event.A31": ("mise à jour d'identité", "update identity"),
    "event.A37": ("suppression d'un lien", "unlink identities"),
    "event.A38": ("annulation de préadmission", "cancel pre-admission"),
    "event.A40": ("fusion d'identités", "merge identities"),
    "event.A44": ("dossier changé d'identité", "move account"),
    "event.A47": ("changement d'identifiant", "change identifier"),
    "event.A52": ("annulation de permission", "cancel leave"),
    "event.A53": ("annulation de retour", "cancel return"),
    "event.A54": ("changement de médecin", "change attending doctor"),
    "event.A55": ("annulation de changement de médecin", "cancel change of doctor"),
    "event.Z99": ("correction d'un mouvement", "correct a movement"),
}


_WIDE: Final = re.compile("(«) | ([:»])")
_THIN: Final = re.compile(" ([;?!])")


def word(key: str, lang: Lang, /, **values: object) -> str:
    """Return the words ``key`` in ``lang``, with ``values`` filled in. KeyError for a key that does not exist."""
    sentence = typeset(WORDS[key][0 if lang == "fr" else 1], lang)
    return sentence.format(**values) if values else sentence


def typeset(sentence: str, lang: Lang) -> str:
    """Return a sentence in which no line of French begins with one of ``: ; ? ! »`` or ends with ``«``.

    The sentences stand in the code with common spaces, which a terminal can show and a script can look for.
    """
    if lang == "en":
        return sentence
    return _THIN.sub("\u202f\\1", _WIDE.sub("\\1\u00a0\\2", sentence))


def number(value: int, lang: Lang) -> str:
    """Return a number with its thousands apart: ``100 000`` (U+202F between) or ``100,000``."""
    return f"{value:,}".replace(",", "\u202f" if lang == "fr" else ",")


def share(part: int, whole: int, lang: Lang) -> str:
    """Return a share in percent; never 0 for something nor 100 for less than all."""
    if not whole:
        return ""
    sign, point = ("\u202f%", ",") if lang == "fr" else ("%", ".")
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return f"<\u202f0{point}1{sign}"
    if 99.9 < percent < 100:
        return f">\u202f99{point}9{sign}"
    shown = f"{percent:.0f}" if percent in {0, 100} else f"{percent:.1f}"
    return shown.replace(".", point) + sign


def day(value: date, lang: Lang) -> str:
    """Return a day as people write it: ``24/11/2026`` or ``2026-11-24``."""
    return f"{value:%d/%m/%Y}" if lang == "fr" else f"{value:%Y-%m-%d}"


def moment(value: datetime, lang: Lang) -> str:
    """Return a moment as people write it, with its zone."""
    return f"{day(value, lang)} {value:%H:%M} ({value.tzname()})"
