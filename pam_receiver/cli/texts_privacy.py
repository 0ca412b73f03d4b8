"""What the commands that erase and encrypt say, in French and in English."""

from collections.abc import Mapping
from typing import Final

PRIVACY_TEXTS: Final[Mapping[str, tuple[str, str]]] = {  # key: (fr, en)
    "help.prune": (
        "Efface le texte des messages trop anciens ; gardés : verdict, constats, ACK et identités.",
        "Erase the text of messages that are too old; verdict, findings, ACK and identities are kept.",
    ),
    "help.erase": (
        "Efface une personne, sur demande légale. Rien ne la fera revenir.",
        "Erase one person, on legal demand. Nothing brings the person back.",
    ),
    "help.keys": ("Les clés qui chiffrent le journal.", "The keys that encrypt the journal."),
    "help.keys.create": ("Crée un fichier de clés.", "Create a key file."),
    "help.keys.rotate": (
        "Ajoute une nouvelle clé en tête du fichier ; les anciennes servent encore à lire.",
        "Put a new key first in the file; the old ones still serve to read.",
    ),
    "help.keys.list": (
        "Liste les clés, et combien de messages chacune chiffre.",
        "List the keys, and how many messages each one encrypts.",
    ),
    "help.keys.reencrypt": (
        "Récrit les anciens messages avec la clé en cours.",
        "Write old messages again with the current key.",
    ),
    "option.older-than": (
        "L'âge à partir duquel effacer (90d) ; par défaut journal_retention.",
        "The age from which to erase (90d); by default journal_retention.",
    ),
    "option.dry-run": ("Compte seulement, n'efface rien.", "Count only, erase nothing."),
    "option.reason": (
        "Pourquoi, pour la piste d'audit ; sans nom ni numéro de patient.",
        "Why, for the audit trail; no name and no number of a patient.",
    ),
    "option.erase-yes": ("Efface sans demander confirmation.", "Erase without asking to confirm."),
    "option.key-id": (
        "Le nom de la clé ; par défaut la date du jour.",
        "The name of the key; by default today's date.",
    ),
    "argument.erased": (
        "Un IPP, un matricule INS, ou l'id de l'identité.",
        "An IPP, a matricule INS, or the id of the identity.",
    ),
    "argument.key-file": ("Le fichier de clés.", "The key file."),
    # ------------------------------------------------------------------------------------------------ prune
    "prune.no-age": (
        "Depuis quand ? Ajouter --older-than 90d, ou journal_retention aux réglages.",
        "From which age? Add --older-than 90d, or journal_retention to the settings.",
    ),
    "prune.bad-age": (
        "une durée : un nombre entier suivi de d (jours), w (semaines), h ou m",
        "a duration: a whole number followed by d (days), w (weeks), h or m",
    ),
    "prune.would": (
        "{count} message(s) reçu(s) avant le {before} : leur texte serait effacé.",
        "{count} message(s) received before {before}: their text would be erased.",
    ),
    "prune.done": (
        "{count} message(s) reçu(s) avant le {before} : leur texte est effacé.",
        "{count} message(s) received before {before}: their text is erased.",
    ),
    "prune.doing": ("Effacement", "Erasing"),
    "log.not-empty": (
        (
            "Le fichier -wal de la base contient encore d'anciennes pages : un autre programme la lit. Relancer "
            "« pam-receiver prune » quand il aura fini, ou arrêter le récepteur."
        ),
        (
            "The -wal file of the database still holds old pages: another program is reading it. Run "
            '"pam-receiver prune" again once it is done, or stop the receiver.'
        ),
    ),
    # ------------------------------------------------------------------------------------------------ erase
    "erase.searching": ("Recherche dans le journal", "Searching the journal"),
    "erase.several": (
        "{count} personnes portent {value}. Donner --authority, ou l'id de l'une d'elles :",
        "{count} persons hold {value}. Give --authority, or the id of one of them:",
    ),
    "erase.which": ("Laquelle effacer ? Son numéro (0 : aucune)", "Erase which one? Its number (0: none)"),
    "erase.already": (
        "L'identité {id} est déjà effacée, depuis le {at}.",
        "The identity {id} is erased already, since {at}.",
    ),
    "erase.plan": ("Ce qui sera effacé", "What will be erased"),
    "erase.kept": (
        (
            "Restent l'id de chaque identité, le numéro et la date de ses versions, et une pierre tombale (date, "
            "auteur, motif)."
        ),
        (
            "What stays: the id of each identity, the number and date of its versions, and a tombstone (date, author, "
            "reason)."
        ),
    ),
    "erase.identities": ("Identités (fusions comprises)", "Identities (merged ones too)"),
    "erase.versions": ("Versions", "Versions"),
    "erase.messages": ("Messages dont le texte part", "Messages whose text goes"),
    "erase.alerts": ("Alertes", "Alerts"),
    "erase.alike": (
        "Attention : {count} autre(s) identité(s) portent le même INS et ne sont pas effacées : {ids}",
        "Careful: {count} other identity(ies) hold the same INS and are not erased: {ids}",
    ),
    "erase.confirm": ("Effacer définitivement ?", "Erase for good?"),
    "erase.needs-yes": (
        "Rien n'est effacé : ajouter --yes pour le faire sans confirmation.",
        "Nothing is erased: add --yes to do it without being asked.",
    ),
    "erase.cancelled": ("Rien n'est effacé.", "Nothing is erased."),
    "erase.done": (
        "Effacé : {identities} identité(s), {versions} version(s), {messages} message(s), {alerts} alerte(s).",
        "Erased: {identities} identity(ies), {versions} version(s), {messages} message(s), {alerts} alert(s).",
    ),
    "erase.copies": (
        (
            "Les sauvegardes et copies de la base ne sont pas touchées : à effacer à part, comme dans les systèmes qui "
            "envoient."
        ),
        "Backups and copies of the database are not touched: erase there too, and in the systems that send.",
    ),
    "erase.vacuum": (
        "PostgreSQL garde les anciennes lignes jusqu'à VACUUM : voir la documentation.",
        "PostgreSQL keeps the old rows until VACUUM: see the documentation.",
    ),
    "erase.no-reason": ("Un motif est nécessaire : --reason TEXTE.", "A reason is needed: --reason TEXT."),
    "state.erased": ("effacée le {at} par {by} : {reason}", "erased on {at} by {by}: {reason}"),
    "message.erased": ("(texte effacé le {at})", "(text erased on {at})"),
    # ------------------------------------------------------------------------------------------------ keys
    "keys.created": (
        (
            "{file} : clé {id} créée. En garder une copie en lieu sûr : sans elle, ce qu'elle chiffre est perdu. "
            "Réglage : key_file = {file}"
        ),
        (
            "{file}: key {id} created. Keep a copy in a safe place: without it what it encrypts is lost. "
            "Setting: key_file = {file}"
        ),
    ),
    "keys.rotated": (
        (
            "{file} : la clé {id} est en tête. Relancer le récepteur, puis « pam-receiver keys reencrypt » avant "
            "d'enlever une ancienne ligne."
        ),
        (
            '{file}: the key {id} is first now. Restart the receiver, then run "pam-receiver keys reencrypt" before '
            "taking an old line away."
        ),
    ),
    "keys.bad-id": (
        "jusqu'à 40 lettres sans accent, chiffres, points, tirets ou soulignés",
        "up to 40 plain letters, digits, points, dashes or underscores",
    ),
    "keys.taken": ("La clé {id} existe déjà dans {file}.", "There is a key {id} in {file} already."),
    "keys.current": ("en cours", "current"),
    "keys.reads": ("pour lire", "to read"),
    "keys.absent": ("absente", "missing"),
    "keys.clear": ("en clair", "in clear"),
    "keys.signs": ("signe le point de reprise", "signs the checkpoint"),
    "keys.reencrypting": ("Chiffrement", "Encrypting"),
    "keys.done": ("{count} message(s) récrit(s).", "{count} message(s) written again."),
    "column.key": ("Clé", "Key"),
    "column.use": ("Usage", "Use"),
    "column.checkpoint": ("Point de reprise", "Checkpoint"),
}
