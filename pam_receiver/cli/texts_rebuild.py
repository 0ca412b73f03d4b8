"""What the commands that take the journal again say to people, in French and in English."""

from collections.abc import Mapping
from typing import Final

REBUILD_TEXTS: Final[Mapping[str, tuple[str, str]]] = {  # key: (fr, en)
    "rehearse.without-text": (
        "{count} message(s) dont le texte a été effacé (conservation, demande légale) sont laissés de côté.",
        "{count} message(s) whose text was erased (retention, legal demand) are left out.",
    ),
    # -------------------------------------------------------------------------------------------------- rebuild
    "help.rebuild": (
        "Refait les identités à partir du journal, sous ce qui était en vigueur, et les compare à la base.",
        "Make the identities anew from the journal, under what was in force, and compare them with the database.",
    ),
    "option.verify": ("Comparer sans rien changer (par défaut).", "Compare and change nothing (the default)."),
    "option.rebuild-apply": (
        "Remplacer les identités de la base par celles du journal, après une sauvegarde vérifiée.",
        "Replace the identities of the database by those of the journal, after a verified backup.",
    ),
    "option.with-current-settings": (
        "Prendre chaque message accepté sous les réglages d'aujourd'hui.",
        "Take each accepted message under the settings of today.",
    ),
    "option.backup": (
        "SQLite : le fichier de la sauvegarde faite avant ; par défaut à côté de la base.",
        "SQLite: the file of the backup made before; by default beside the database.",
    ),
    "option.backup-done": (
        "PostgreSQL : la sauvegarde déjà faite par pg_dump --format=custom, démons arrêtés.",
        "PostgreSQL: the backup already made by pg_dump --format=custom, daemons stopped.",
    ),
    "option.why": ("La raison, gardée dans la piste d'audit.", "The reason, kept in the audit trail."),
    "option.rebuild-yes": (
        "Continuer même si des messages acceptés ne seraient plus pris.",
        "Go on even if accepted messages would not be taken any more.",
    ),
    "rebuild.title": (
        "Identités refaites à partir du journal, comparées à la base",
        "Identities made anew from the journal, compared with the database",
    ),
    "rebuild.empty": ("Le journal ne contient rien à reprendre.", "The journal holds nothing to take again."),
    "rebuild.span": (
        (
            "{messages} ligne(s) du journal, du {begins} au {ends} (UTC) : {folded} message(s) accepté(s) repris, "
            "{acts} acte(s) d'opérateur."
        ),
        (
            "{messages} line(s) of the journal, from {begins} to {ends} (UTC): {folded} accepted message(s) taken "
            "again, {acts} act(s) of operators."
        ),
    ),
    "rebuild.checkpoint": (
        "Départ : le point de reprise qui contient tout jusqu'au message {id}.",
        "Start: the checkpoint that holds everything up to the message {id}.",
    ),
    "rebuild.runs": ("En vigueur", "In force"),
    "column.program": ("Version", "Version"),
    "column.since": ("Depuis le message", "Since the message"),
    "rebuild.before": (
        (
            "{count} message(s) d'avant la révision 0002 : ce qui était en vigueur n'était pas gardé, les réglages "
            "d'aujourd'hui les ont repris."
        ),
        (
            "{count} message(s) of before revision 0002: what was in force was not kept, they were taken under the "
            "settings of today."
        ),
    ),
    "rebuild.other-program": (
        (
            "Une autre version de pam-receiver ({programs}) a pris des messages : une différence peut venir d'une "
            "correction du programme."
        ),
        (
            "Messages were taken by another version of pam-receiver ({programs}): a difference may come of a "
            "correction of the program."
        ),
    ),
    "rebuild.undecided": (
        "Messages acceptés alors, qui ne le seraient plus : {count}",
        "Messages accepted then that would not be now: {count}",
    ),
    "rebuild.missing": ("Identités du journal absentes de la base", "Identities of the journal that are not stored"),
    "rebuild.surplus": (
        "Identités de la base que le journal ne fait pas",
        "Stored identities that the journal does not make",
    ),
    "rebuild.differing": ("Identités différentes", "Identities that differ"),
    "rebuild.versions": ("Historiques différents", "Histories that differ"),
    "rebuild.merges": ("Fusions différentes", "Merges that differ"),
    "rebuild.same": (
        "Les {count} identité(s) de la base sont celles que fait le journal.",
        "The {count} identities stored are those that the journal makes.",
    ),
    "rebuild.differs": (
        "La base ne dit pas ce que dit le journal ; « pam-receiver rebuild --apply » la refait.",
        'The database does not say what the journal says; "pam-receiver rebuild --apply" makes it anew.',
    ),
    "rebuild.differs-now": (
        (
            "Sous les réglages d'aujourd'hui, les identités seraient autres ; "
            "« pam-receiver rebuild --apply --with-current-settings » les remplace."
        ),
        (
            "Under the settings of today the identities would be others; "
            '"pam-receiver rebuild --apply --with-current-settings" replaces them.'
        ),
    ),
    "rebuild.nothing": (
        "Rien à remplacer : la base n'a pas été touchée.",
        "Nothing to replace: the database was not touched.",
    ),
    "rebuild.one-of-both": ("--verify et --apply s'excluent.", "--verify and --apply exclude each other."),
    "rebuild.lost": (
        (
            "{count} message(s) accepté(s) ne seraient plus pris : rien n'est changé. Avec --yes, ce qu'ils ont "
            "apporté disparaît."
        ),
        (
            "{count} accepted message(s) would not be taken any more: nothing was changed. With --yes, what they "
            "brought goes."
        ),
    ),
    "rebuild.backup-needed": (
        "Base PostgreSQL : arrêtez les démons, sauvegardez par pg_dump --format=custom, puis --backup-done FICHIER.",
        "A PostgreSQL database: stop the daemons, back it up by pg_dump --format=custom, then --backup-done FILE.",
    ),
    "rebuild.backup-unfit": (
        "{file} n'est pas une sauvegarde pg_dump --format=custom faite après le dernier message du journal.",
        "{file} is no backup by pg_dump --format=custom made after the last message of the journal.",
    ),
    "rebuild.backed-up": ("Sauvegarde vérifiée : {file}", "Verified backup: {file}"),
    "rebuild.done": (
        "Remplacé : {identities} identité(s), {versions} version(s), {merges} fusion(s) ; {gone} identité(s) ôtée(s).",
        "Replaced: {identities} identities, {versions} versions, {merges} merges; {gone} identities taken away.",
    ),
    "rebuild.still-differs": (
        "Après le remplacement, la base diffère encore du journal : restaurez la sauvegarde et signalez-le.",
        "After the replacement the database still differs from the journal: restore the backup and report it.",
    ),
    "rebuild.reason.unknown": ("une des identités n'existe pas", "one of the identities does not exist"),
    "rebuild.reason.not-merged": ("il n'y a pas de fusion à défaire", "there is no merge to undo"),
    "rebuild.reason.merged-since": ("le survivant est fusionné", "the survivor is merged"),
    "rebuild.reason.repeat": ("pris pour un renvoi", "taken for a repeat"),
    # --------------------------------------------------------------------------------------------------- replay
    "help.replay": (
        "Reprend des messages refusés, sous les réglages d'aujourd'hui. Sans --apply, rien n'est écrit.",
        "Take refused messages again, under the settings of today. Without --apply nothing is written.",
    ),
    "option.replay-since": (
        "Les messages reçus depuis cette date (2026-11-24, ou 2026-11-24T08:00).",
        "Messages received since that date (2026-11-24, or 2026-11-24T08:00).",
    ),
    "option.until": ("Les messages reçus avant cette date.", "Messages received before that date."),
    "option.only": ("Seuls ceux qui ont eu cette réponse.", "Only those that were answered so."),
    "option.replay-rule": (
        "Seuls ceux que cette règle a refusés, par exemple qualified-trait-missing.",
        "Only those that this rule refused, qualified-trait-missing for instance.",
    ),
    "option.replay-apply": (
        "Garder ce qui est accepté : de nouvelles lignes du journal, et les identités.",
        "Keep what is accepted: new lines of the journal, and the identities.",
    ),
    "replay.title": (
        "Messages refusés repris sous les réglages d'aujourd'hui (essai à blanc)",
        "Refused messages taken again under the settings of today (dry run)",
    ),
    "replay.title-apply": (
        "Messages refusés repris sous les réglages d'aujourd'hui",
        "Refused messages taken again under the settings of today",
    ),
    "replay.none": ("Aucun message refusé ne correspond.", "No refused message matches."),
    "replay.counts": (
        "{messages} message(s) refusé(s), dont {taken} accepté(s) depuis.",
        "{messages} refused message(s), {taken} of them accepted since.",
    ),
    "replay.would": ("Seraient acceptés : {count}", "Would be accepted: {count}"),
    "replay.accepted": ("Acceptés et gardés : {count}", "Accepted and kept: {count}"),
    "replay.changed": (
        "W  Laissés de côté, une identité qu'ils nomment a changé ou été confirmée depuis : {count}",
        "W  Left alone, an identity that they name has changed or was confirmed since: {count}",
    ),
    "replay.refused": ("Encore refusés : {count}", "Still refused: {count}"),
    "replay.apply": (
        "Rien n'a été écrit ; la même commande avec --apply garde ceux qui seraient acceptés.",
        "Nothing was written; the same command with --apply keeps those that would be accepted.",
    ),
    "replay.only": ("--only : AE, AR ou AE,AR.", "--only: AE, AR or AE,AR."),
    "replay.no-rule": ("Aucune règle ne s'appelle {rule}.", "No rule has the name {rule}."),
    "column.new": ("Nouveau message", "New message"),
    # -------------------------------------------------------------------------------------------------- unmerge
    "help.unmerge": (
        "Défait une fusion (A40) faite à tort : l'identité absorbée redevient une identité à part.",
        "Undo a merge (A40) made by mistake: the absorbed identity becomes one of its own again.",
    ),
    "argument.absorbed": (
        "Un identifiant de l'identité absorbée (son IPP), ou son id.",
        "An identifier of the absorbed identity (its IPP), or its id.",
    ),
    "option.unmerge-yes": ("Le faire sans demander.", "Do it without asking."),
    "unmerge.no-reason": ("--reason : dites pourquoi, ce sera gardé.", "--reason: say why, it will be kept."),
    "unmerge.several": (
        "{count} identités absorbées portent {value} : précisez --authority, ou donnez l'id ({ids}).",
        "{count} absorbed identities hold {value}: give --authority, or the id ({ids}).",
    ),
    "unmerge.not-merged": (
        "L'identité {id} n'est pas fusionnée dans une autre : il n'y a rien à défaire.",
        "The identity {id} is not merged into another: there is nothing to undo.",
    ),
    "unmerge.merged-since": (
        (
            "Le survivant de cette fusion a été lui-même fusionné depuis : on ne peut pas savoir lequel des deux "
            "patients cette fusion visait. Défaites-la d'abord, puis celle-ci."
        ),
        (
            "The survivor of this merge was itself merged since: which of the two patients that merge was about cannot "
            "be told. Undo that one first, then this one."
        ),
    ),
    "unmerge.unknown": (
        "L'une des deux identités n'existe plus : cette fusion ne peut pas être défaite.",
        "One of the two identities is not there any more: this merge cannot be undone.",
    ),
    "unmerge.erased": (
        "L'identité {id} a été effacée sur demande légale : sa fusion ne peut pas être défaite.",
        "The identity {id} was erased by legal demand: its merge cannot be undone.",
    ),
    "unmerge.plan": ("Fusion à défaire", "Merge to be undone"),
    "unmerge.absorbed": ("Identité absorbée", "Absorbed identity"),
    "unmerge.survivor": ("Survivant", "Survivor"),
    "unmerge.merge": ("Message de la fusion", "Message of the merge"),
    "unmerge.after": ("L'identité redeviendra", "The identity will again be"),
    "unmerge.touched": (
        "À vérifier : messages qui ont changé le survivant depuis en nommant cet IPP, ou dont le texte a été effacé",
        "To be checked: messages that have changed the survivor since and name this IPP, or whose text was erased",
    ),
    "unmerge.refused": (
        "Refusés depuis parce que cet IPP était absorbé ; « pam-receiver replay » peut les reprendre",
        'Refused since because this IPP was absorbed; "pam-receiver replay" can take them again',
    ),
    "unmerge.none": ("aucun", "none"),
    "unmerge.needs-yes": (
        "Personne pour confirmer : relancez avec --yes. Rien n'a été changé.",
        "Nobody to confirm: run it again with --yes. Nothing was changed.",
    ),
    "unmerge.confirm": ("Défaire cette fusion ?", "Undo this merge?"),
    "unmerge.cancelled": ("Abandonné : rien n'a été changé.", "Cancelled: nothing was changed."),
    "unmerge.done": (
        "Fusion défaite (acte {id}). Une alerte est ouverte sur le survivant {survivor}.",
        "Merge undone (act {id}). An alert is open about the survivor {survivor}.",
    ),
    "identity.unmerged": ("Fusion défaite", "Merge undone"),
    "identity.ended_ins": ("INS terminés", "Ended INS"),
    "identity.number": ("Numéro", "Number"),
    "identity.message_id": ("Message", "Message"),
}
