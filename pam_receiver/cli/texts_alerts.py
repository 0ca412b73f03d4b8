"""What the commands of alerts, backup and restore say, in French and in English. Part of ``texts``."""

from collections.abc import Mapping
from typing import Final

ALERT_TEXTS: Final[Mapping[str, tuple[str, str]]] = {  # key: (fr, en)
    "help.alerts": (
        "Montre les alertes à traiter, les plus récentes d'abord ; les prend en charge, les clôt.",
        "Show the alerts to be worked through, newest first; acknowledge them, close them.",
    ),
    "help.alerts.acknowledge": (
        "Prend des alertes en charge : quelqu'un s'en occupe.",
        "Acknowledge alerts: somebody sees to them.",
    ),
    "help.alerts.close": ("Clôt des alertes : c'est réglé.", "Close alerts: it is settled."),
    "argument.alerts": (
        "Les numéros des alertes, montrés par alerts.",
        "The numbers of the alerts, as alerts shows them.",
    ),
    "option.state": (
        "Les alertes dans cet état ; par défaut celles qui ne sont pas closes.",
        "The alerts in this state; by default those that are not closed.",
    ),
    "option.limit-alerts": ("Le nombre d'alertes, au plus.", "How many alerts at most."),
    "option.note": (
        "Ce qui a été constaté ou fait ; sans nom ni matricule de patient.",
        "What was found or done; without a patient's name or matricule.",
    ),
    "alerts.none": ("Aucune alerte.", "No alert."),
    "alerts.bad-state": ("open, acknowledged, closed ou all.", "open, acknowledged, closed or all."),
    "alerts.empty-note": (
        "Dire en quelques mots ce qui a été constaté ou fait.",
        "Say in a few words what was found or done.",
    ),
    "alerts.too-many": ("{most} alertes au plus à la fois.", "At most {most} alerts at once."),
    "alerts.no-number": ("Ce n'est pas le numéro d'une alerte.", "This is no number of an alert."),
    "alerts.acknowledged": ("{count} alerte(s) prise(s) en charge : {ids}.", "{count} alert(s) acknowledged: {ids}."),
    "alerts.closed": ("{count} alerte(s) close(s) : {ids}.", "{count} alert(s) closed: {ids}."),
    "alert-state.open": ("ouverte", "open"),
    "alert-state.acknowledged": ("prise en charge", "acknowledged"),
    "alert-state.closed": ("close", "closed"),
    "column.alert": ("Alerte", "Alert"),
    "column.alert-state": ("État", "State"),
    "column.alert-message": ("Message", "Message"),
    "column.note": ("Note", "Note"),
    "help.backup": (
        "Copie la base SQLite dans un fichier neuf et vérifie la copie ; le démon peut tourner.",
        "Copy the SQLite database into a new file and verify the copy; the daemon may run.",
    ),
    "help.restore": (
        "Remet une sauvegarde à la place de la base SQLite, qui est gardée à côté. Démon arrêté.",
        "Put a backup in the place of the SQLite database, which is kept beside. The daemon must be stopped.",
    ),
    "argument.backup-target": ("Le fichier à créer ; rien n'est remplacé.", "The file to make; nothing is replaced."),
    "argument.backup": ("Un fichier fait par backup.", "A file that backup made."),
    "option.yes-restore": (
        "Confirme : les messages reçus depuis la sauvegarde ne seront plus dans la base.",
        "Confirm: messages received since the backup will not be in the database any more.",
    ),
    "backup.done": (
        "Sauvegarde vérifiée : {file} ({messages} message(s), {identities} identité(s), {size} octets).",
        "Verified backup: {file} ({messages} message(s), {identities} identities, {size} bytes).",
    ),
    "backup.digest": ("Empreinte des lignes (SHA-256) : {digest}", "Digest of the rows (SHA-256): {digest}"),
    "restore.needs-yes": (
        "Les messages reçus depuis la sauvegarde ne seront plus dans la base ; confirmer par --yes.",
        "Messages received since the backup will not be in the database any more; confirm by --yes.",
    ),
    "restore.done": (
        "Base restaurée et vérifiée : {file} ({messages} message(s), {identities} identité(s)).",
        "Database restored and verified: {file} ({messages} message(s), {identities} identities).",
    ),
    "restore.kept": ("L'ancienne base est gardée : {kept}", "The old database is kept: {kept}"),
    "restore.next": (
        "Demander aux sources de renvoyer ce qu'elles ont envoyé depuis ; ce qui est déjà pris est reconnu.",
        "Ask the sources to send again what they have sent since the backup; what is known already is recognised.",
    ),
}
