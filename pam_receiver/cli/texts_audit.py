"""What the commands say of the audit trail, in French and in English."""

from collections.abc import Mapping
from typing import Final

AUDIT_TEXTS: Final[Mapping[str, tuple[str, str]]] = {  # key: (fr, en)
    "help.audit": (
        "La piste d'audit : qui a fait quoi, qui a vu qui.",
        "The audit trail: who did what, who looked at whom.",
    ),
    "help.audit.list": (
        "Liste les dernières lignes de la piste, de la plus récente à la plus ancienne.",
        "List the last rows of the trail, newest first.",
    ),
    "help.audit.export": (
        "Exporte la piste et les réceptions : JSON, ou syslog avec des messages d'audit ATNA (DICOM).",
        "Export the trail and what was received: JSON, or syslog with audit messages of ATNA (DICOM).",
    ),
    "help.audit.verify": (
        "Vérifie la chaîne de la piste : rien de changé, rien d'enlevé.",
        "Verify the chain of the trail: nothing changed, nothing taken away.",
    ),
    "option.read-reason": (
        "Pourquoi cette consultation, pour la piste d'audit ; sans nom ni numéro de patient.",
        "Why you look, for the audit trail; no name and no number of a patient.",
    ),
    "option.audit-identity": ("Seulement l'identité de cet id.", "Only the identity of this id."),
    "option.audit-actor": ("Seulement ce que cette personne ou ce jeton a fait.", "Only what this user or token did."),
    "option.audit-since": ("Depuis cette date (2026-11-24).", "Since this date (2026-11-24)."),
    "option.audit-until": ("Avant cette date.", "Before this date."),
    "option.limit-audit": ("Le nombre de lignes.", "How many rows."),
    "option.audit-format": (
        "jsonl : un objet JSON par ligne ; syslog : RFC 5424 et messages d'audit DICOM.",
        "jsonl: one JSON object a line; syslog: RFC 5424 and DICOM audit messages.",
    ),
    "option.audit-output": ("Écrit dans ce fichier, lisible de son seul propriétaire.", "Write to this file."),
    "option.audit-to": (
        "Envoie à ce collecteur syslog, en TLS (RFC 5425).",
        "Send to this syslog collector, over TLS (RFC 5425).",
    ),
    "option.audit-plain": (
        "Envoie en clair (TCP, RFC 6587) ; ailleurs que sur cette machine, dans un VPN seulement.",
        "Send in clear (TCP, RFC 6587); beyond this machine, within a VPN only.",
    ),
    "option.audit-after": (
        "Reprend après la ligne de ce numéro ; les réceptions ne sont pas exportées.",
        "Go on after the row of this number; what was received is not exported.",
    ),
    "option.audit-cursor": (
        "Reprend où ce fichier dit que l'export précédent s'est arrêté, et le met à jour.",
        "Go on where this file says that the last export ended, and bring it up to date.",
    ),
    "option.audit-only": (
        "La piste seule (trail), ou les réceptions seules (imports).",
        "The trail alone, or what was received alone (imports).",
    ),
    "option.audit-without-ipp": (
        "En syslog, nomme les patients par l'id d'ici et non par leur IPP.",
        "In syslog, name patients by the id of this receiver, not by their IPP.",
    ),
    "option.audit-expect": (
        "Une tête de chaîne notée ailleurs, NUMÉRO:HASH ; peut être répétée.",
        "A head of the chain noted down elsewhere, NUMBER:HASH; may be given again.",
    ),
    # ------------------------------------------------------------------------------------------------ access
    "access.not-kept": (
        "Rien n'est montré : la consultation ne peut pas être inscrite dans la piste d'audit. {reason}",
        "Nothing is shown: the access cannot be written to the audit trail. {reason}",
    ),
    "access.no-reason": (
        "Un motif est exigé (reason_required) : --reason TEXTE.",
        "A reason is required (reason_required): --reason TEXT.",
    ),
    "access.long-reason": (
        "Le motif est trop long : {most} signes au plus.",
        "The reason is too long: at most {most} signs.",
    ),
    # ------------------------------------------------------------------------------------------------ audit
    "audit.none": ("Rien dans la piste.", "Nothing in the trail."),
    "column.number": ("n°", "number"),
    "column.actor": ("qui", "who"),
    "column.action": ("quoi", "what"),
    "column.outcome": ("issue", "outcome"),
    "column.origin": ("d'où", "from"),
    "column.reason": ("motif", "reason"),
    "column.subject": ("identité / message", "identity / message"),
    "audit.bad-format": ("--format : jsonl ou syslog.", "--format: jsonl or syslog."),
    "audit.bad-only": ("--only : trail ou imports.", "--only: trail or imports."),
    "audit.bad-head": (
        "--expect : NUMÉRO:HASH, comme l'affiche « audit export » (le hash a 64 signes).",
        '--expect: NUMBER:HASH, as "audit export" shows it (the hash has 64 signs).',
    ),
    "audit.to-or-output": ("--output et --to ne vont pas ensemble.", "--output and --to do not go together."),
    "audit.to-is-syslog": ("--to demande --format syslog.", "--to asks for --format syslog."),
    "audit.tls-alone": (
        "--plain, --ca, --certificate, --key, --key-password-file et --server-name vont avec --to.",
        "--plain, --ca, --certificate, --key, --key-password-file and --server-name go with --to.",
    ),
    "audit.plain-or-tls": (
        "--plain et un certificat ne vont pas ensemble.",
        "--plain and a certificate do not go together.",
    ),
    "audit.after-or-cursor": (
        (
            "--cursor ne va ni avec --after ni avec --until, ni avec --since une fois commencé ; --after ne va pas "
            "avec --only imports."
        ),
        (
            "--cursor goes with neither --after nor --until, nor with --since once begun; --after does not go with "
            "--only imports."
        ),
    ),
    "audit.bad-cursor": (
        "{file} n'est pas un fichier de reprise de « audit export ».",
        '{file} is no cursor file of "audit export".',
    ),
    "audit.cursor-unfit": (
        (
            "La ligne {number} de la piste n'est plus celle qui a été exportée. Rien n'est exporté : lancer "
            "« pam-receiver audit verify »."
        ),
        (
            "Row {number} of the trail is no longer the one that was exported. Nothing is exported: run "
            '"pam-receiver audit verify".'
        ),
    ),
    "audit.not-written": ("{file} ne peut pas être écrit : {reason}.", "{file} cannot be written: {reason}."),
    "audit.not-sent": (
        (
            "{address} n'a pas tout pris : {reason}. Le fichier de reprise n'a pas bougé : un nouvel export renverra "
            "les mêmes lignes, sous les mêmes ids."
        ),
        (
            "{address} did not take all of it: {reason}. The cursor file has not moved: another export sends the same "
            "rows again, with the same ids."
        ),
    ),
    "audit.exported": (
        (
            "{trail} ligne(s) de la piste et {imports} réception(s) exportées. Tête de la piste, à noter ailleurs : "
            "{head}"
        ),
        (
            "{trail} row(s) of the trail and {imports} import(s) exported. Head of the trail, to be noted down "
            "elsewhere: {head}"
        ),
    ),
    "audit.no-head": ("aucune", "none"),
    "audit.whole": (
        "La chaîne tient : {count} ligne(s), tête {head}.",
        "The chain holds: {count} row(s), head {head}.",
    ),
    "audit.broken": (
        "La chaîne ne tient pas : la première faute est à la ligne {first}. {count} ligne(s) lues.",
        "The chain does not hold: the first fault is at row {first}. {count} row(s) read.",
    ),
    "audit.unfit": (
        "{count} ligne(s) ont été changées, ou suivent une ligne qui l'a été : {numbers}",
        "{count} row(s) were changed, or follow one that was: {numbers}",
    ),
    "audit.gaps": ("{count} trou(s) : {numbers}", "{count} gap(s): {numbers}"),
    "audit.missing": (
        "La ligne {number} notée ailleurs n'est pas là, ou n'est plus la même.",
        "The row {number} that was noted down elsewhere is not there, or is no longer the same.",
    ),
    "audit.not-anchored": (
        "Sans --expect, rien ne dit si la fin de la piste a été enlevée.",
        "Without --expect, nothing tells whether the end of the trail was taken away.",
    ),
}
