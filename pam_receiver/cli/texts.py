"""What the commands say to people, in French and in English."""

from collections.abc import Mapping, Sequence
from typing import Final

from pam_receiver.finding import Lang

TEXTS: Final[Mapping[str, tuple[str, str]]] = {  # key: (fr, en)
    # ------------------------------------------------------------------------------------------------ help
    "help": (
        "Reçoit les identités d'un hôpital (IHE PAM FR, HL7 v2.5 sur MLLP), les garde et répond exactement.",
        "Receives a hospital's identities (IHE PAM FR, HL7 v2.5 over MLLP), keeps them and answers exactly.",
    ),
    "help.serve": ("Lance le récepteur.", "Run the receiver."),
    "help.show": (
        "Montre l'identité qui porte cet identifiant (IPP, matricule INS…).",
        "Show the identity that holds this identifier (IPP, matricule INS…).",
    ),
    "help.history": (
        "Montre les versions d'une identité, de la plus ancienne à la dernière.",
        "Show the versions of an identity, oldest first.",
    ),
    "help.messages": (
        "Montre le journal des messages, du plus récent au plus ancien.",
        "Show the journal of messages, newest first.",
    ),
    "help.message": (
        "Montre un message : texte brut, constats et ACK.",
        "Show one message: raw text, findings and ACK.",
    ),
    "help.check": (
        "Lit des fichiers HL7 et montre ce qui n'y est pas conforme. Sans base de données.",
        "Read HL7 files and show what is not right in them. Needs no database.",
    ),
    "help.send": ("Envoie des fichiers HL7 en MLLP et montre les ACK.", "Send HL7 files over MLLP and show the ACKs."),
    "help.db": ("Le schéma de la base.", "The schema of the database."),
    "help.db.upgrade": ("Met la base au schéma de ce programme.", "Bring the database to this program's schema."),
    "help.db.current": ("Montre le schéma de la base et celui du programme.", "Show the schema of the database."),
    "help.db.downgrade": (
        "Ramène la base à un schéma plus ancien. Des données peuvent être perdues.",
        "Take the database back to an older schema. Data may be lost.",
    ),
    "help.demo": (
        "Joue la matinée d'un hôpital devant un vrai récepteur, et montre ce qui est gardé.",
        "Play a hospital's morning to a real receiver, and show what is kept.",
    ),
    "option.version": ("Montre la version.", "Show the version."),
    "option.database": ("URL de la base.", "URL of the database."),
    "option.config": ("Fichier de réglages (TOML).", "Settings file (TOML)."),
    "option.lang": ("Langue de ce qui est affiché.", "Language of what is shown."),
    "option.json": ("En JSON.", "As JSON."),
    "option.mllp": ("Adresse où arrivent les messages.", "Where messages arrive."),
    "option.http": (
        "Adresse HTTP (/livez, /readyz, /metrics) ; « off » : aucune.",
        'HTTP address (/livez, /readyz, /metrics); "off": none.',
    ),
    "option.environment": (
        "« test » prend aussi les INS de test et de démonstration.",
        '"test" takes test and demonstration INS too.',
    ),
    "option.log-format": ("Forme du journal.", "Form of the log."),
    "option.log-level": ("Niveau du journal.", "Level of the log."),
    "option.authority": (
        "Autorité d'affectation : identifiant universel ou nom.",
        "Assigning authority: universal id or namespace.",
    ),
    "option.ack": ("Seulement les messages qui ont eu cette réponse.", "Only messages that had this answer."),
    "option.limit": ("Combien de messages au plus.", "How many messages at most."),
    "option.to": ("Où envoyer.", "Where to send."),
    "option.timeout": ("Secondes d'attente de chaque ACK.", "Seconds to wait for each ACK."),
    "option.yes": ("Le faire sans demander.", "Do it without asking."),
    "option.keep": (
        "Garde le récepteur en marche et ses fichiers dans ./demo.",
        "Leave the receiver running and its files in ./demo.",
    ),
    "argument.value": ("Un identifiant : IPP, matricule INS…", "An identifier: IPP, matricule INS…"),
    "argument.message": ("L'id d'un message, ou son début.", "The id of a message, or how it begins."),
    "argument.files": ("Fichiers HL7 ; « - » : l'entrée standard.", 'HL7 files; "-": standard input.'),
    "argument.revision": (
        "La révision voulue ; sans elle, un pas en arrière.",
        "The revision wanted; without it, one step back.",
    ),
    # ------------------------------------------------------------------------------------------------ failures
    "failure.unforeseen": (
        "Erreur imprévue ({error}, {place}). Merci de la signaler.",
        "Unforeseen error ({error}, {place}). Please report it.",
    ),
    "failure.machine": ("Erreur de cette machine : {reason}.", "A failure of this machine: {reason}."),
    "failure.bind": (
        "Impossible d'écouter sur {address} : {reason}. Choisissez une autre adresse ({option}).",
        "Cannot listen on {address}: {reason}. Choose another address ({option}).",
    ),
    "failure.profile": ("Un profil ne peut pas être lu : {reason}", "A profile cannot be read: {reason}"),
    "failure.no-identity": ("Aucune identité ne porte {value}.", "No identity holds {value}."),
    "failure.no-identity-there": (
        "Aucune identité ne porte {value} sous l'autorité {authority}.",
        "No identity holds {value} under the authority {authority}.",
    ),
    "failure.no-message": ("Aucun message {value}.", "No message {value}."),
    "failure.several-messages": ("Plusieurs messages commencent par {value}.", "Several messages begin with {value}."),
    "failure.ack": ("AA, AE ou AR", "AA, AE or AR"),
    "failure.to": ("HÔTE:PORT", "HOST:PORT"),
    "failure.file": ("{file} ne peut pas être lu : {reason}.", "{file} cannot be read: {reason}."),
    "failure.no-hl7": (
        "{file} : aucun message HL7 (aucune ligne ne commence par MSH).",
        "{file}: no HL7 message (no line begins with MSH).",
    ),
    "failure.no-hl7-in-block": (
        "{file}, bloc MLLP {number} : aucun message HL7 (aucune ligne ne commence par MSH).",
        "{file}, MLLP block {number}: no HL7 message (no line begins with MSH).",
    ),
    "failure.unfinished-blocks": (
        "{file} : {count} bloc(s) MLLP sans fin (FS), non lu(s) ; le fichier est-il entier ?",
        "{file}: {count} MLLP block(s) without an end (FS), not read; is the file whole?",
    ),
    "failure.needs-yes": (
        "Revenir à un schéma plus ancien peut perdre des données. Faites une copie, puis ajoutez --yes.",
        "Going back to an older schema may lose data. Make a copy, then add --yes.",
    ),
    # ------------------------------------------------------------------------------------------------ usage
    "usage.help": ("Montre cette aide.", "Show this message and exit."),
    "usage.usage": ("Usage : {usage}", "Usage: {usage}"),
    "usage.try": ("« {command} --help » montre l'aide.", '"{command} --help" shows the help.'),
    "usage.error": ("Erreur : {sentence}", "Error: {sentence}"),
    "usage.missing-argument": ("Il manque l'argument {name}.", "Missing argument {name}."),
    "usage.missing-option": ("Il manque l'option {name}.", "Missing option {name}."),
    "usage.missing-command": ("Il manque une commande.", "Missing command."),
    "usage.no-such-option": ("Option inconnue : {name}.", "No such option: {name}."),
    "usage.no-such-command": ("Commande inconnue : {name}.", "No such command: {name}."),
    "usage.did-you-mean": ("Vouliez-vous dire {names} ?", "Did you mean {names}?"),
    "usage.no-value": ("L'option {name} ne prend pas de valeur.", "The option {name} takes no value."),
    "usage.needs-value": ("L'option {name} attend une valeur.", "The option {name} needs a value."),
    "usage.extra": ("Argument(s) en trop : {words}.", "Too many arguments: {words}."),
    "usage.invalid": ("Valeur refusée pour {name}. Attendu : {expected}.", "Invalid value for {name}: {expected}."),
    "usage.range": ("un nombre de {least} à {most}", "a number from {least} to {most}"),
    "usage.least": ("au moins {least}", "at least {least}"),
    "usage.most": ("au plus {most}", "at most {most}"),
    "usage.whole-number": ("un nombre entier", "a whole number"),
    "usage.number": ("un nombre", "a number"),
    "usage.other": ("Ligne de commande refusée ({reason})", "Command line refused ({reason})"),
    # ------------------------------------------------------------------------------------------------ serve
    "serve.ready": (
        "Prêt. MLLP : {mllp} ; HTTP : {http}. Ctrl-C pour arrêter.",
        "Ready. MLLP: {mllp}; HTTP: {http}. Ctrl-C to stop.",
    ),
    "serve.no-http": ("aucun", "none"),
    # ------------------------------------------------------------------------------------------------ identities
    "identity.title": ("Identité {id}", "Identity {id}"),
    "identity.status": ("Statut", "Status"),
    "identity.attributes": ("Attributs", "Attributes"),
    "identity.state": ("État", "State"),
    "identity.active": ("Active", "Active"),
    "state.active": ("active", "active"),
    "state.inactive": ("inactive", "inactive"),
    "state.merged": ("fusionnée dans {id}", "merged into {id}"),
    "identity.version": ("Version", "Version"),
    "identity.ins": ("Matricule INS", "Matricule INS"),
    "identity.birth_family_name": ("Nom de naissance", "Birth name"),
    "identity.first_birth_given_name": ("1er prénom de naissance", "First birth given name"),
    "identity.birth_given_names": ("Prénoms de naissance", "Birth given names"),
    "identity.birth_date": ("Date de naissance", "Birth date"),
    "identity.sex": ("Sexe", "Sex"),
    "identity.birth_place_code": ("Lieu de naissance (COG)", "Birth place (COG)"),
    "identity.used_family_name": ("Nom utilisé", "Used name"),
    "identity.used_given_name": ("Prénom utilisé", "Used given name"),
    "identity.identifiers": ("Identifiants", "Identifiers"),
    "identity.former": ("ancien", "former"),
    "identity.created": ("créée", "created"),
    "identity.merged_into": ("Fusionnée dans", "Merged into"),
    "identity.reliability_codes": ("PID-32", "PID-32"),
    "yes": ("oui", "yes"),
    "no": ("non", "no"),
    "reason.replaced": ("remplacé", "replaced"),
    "reason.removed-by-source": ("supprimé par la source", "removed by the source"),
    "reason.strict-trait-changed": ("trait strict modifié", "strict trait changed"),
    "reason.no-longer-qualified": ("identité déclassée", "identity no longer qualified"),
    "reason.birth-date-corrected": ("date de naissance corrigée", "birth date corrected"),
    "reason.identity-deleted": ("identité supprimée", "identity deleted"),
    "identity.several": (
        "{count} identités portent {value} ; --authority en choisit une : {authorities}.",
        "{count} identities hold {value}; --authority picks one: {authorities}.",
    ),
    "status.provisoire": ("provisoire", "provisoire"),
    "status.recuperee": ("récupérée", "récupérée"),
    "status.validee": ("validée", "validée"),
    "status.qualifiee": ("qualifiée", "qualifiée"),
    # ------------------------------------------------------------------------------------------------ tables
    "column.version": ("Version", "Version"),
    "column.at": ("Quand (UTC)", "When (UTC)"),
    "column.status": ("Statut", "Status"),
    "column.changes": ("Ce qui a changé", "What changed"),
    "column.message": ("Message", "Message"),
    "column.event": ("Événement", "Event"),
    "column.control": ("MSH-10", "MSH-10"),
    "column.ack": ("ACK", "ACK"),
    "column.peer": ("De", "From"),
    "column.sender": ("Émetteur", "Sender"),
    "column.findings": ("Constats", "Findings"),
    "column.severity": ("Grav.", "Sev."),
    "column.code": ("Code", "Code"),
    "column.location": ("Endroit", "Where"),
    "column.rule": ("Règle", "Rule"),
    "column.text": ("Constat", "Finding"),
    "column.spec": ("Texte", "Spec"),
    "column.ipp": ("IPP", "IPP"),
    "column.name": ("Nom de naissance, prénom", "Birth name, given name"),
    "column.ins": ("INS", "INS"),
    "column.state": ("État", "State"),
    "column.history": ("Versions", "Versions"),
    "messages.none": ("Aucun message.", "No message."),
    "message.title": ("Message {id}", "Message {id}"),
    "message.received": ("Reçu le {at} de {peer}", "Received {at} from {peer}"),
    "message.repeat": (
        "Répétition de {id} : le même ACK a été renvoyé, rien n'a changé.",
        "Repeat of {id}: the same ACK was sent again, nothing changed.",
    ),
    "message.raw": ("Message reçu", "Message received"),
    "message.answer": ("ACK envoyé", "ACK sent"),
    "message.touched": ("Identités modifiées : {ids}", "Identities changed: {ids}"),
    # ------------------------------------------------------------------------------------------------ check, send
    "check.message": (
        "{file}, message {number} : {event} {control_id}",
        "{file}, message {number}: {event} {control_id}",
    ),
    "check.clean": ("conforme", "nothing to say"),
    "check.stray": (
        "{file} : {count} ligne(s) hors de tout message, ignorée(s).",
        "{file}: {count} line(s) outside any message, skipped.",
    ),
    "check.total": (
        "{messages} message(s), {errors} erreur(s), {warnings} avertissement(s), {unreadable} illisible(s).",
        "{messages} message(s), {errors} error(s), {warnings} warning(s), {unreadable} unreadable.",
    ),
    "send.sent": (
        "→ {file}, message {number} : {event} {control_id}",
        "→ {file}, message {number}: {event} {control_id}",
    ),
    "send.ack": ("← {code} pour {control_id}", "← {code} for {control_id}"),
    "send.wrong-ack": (
        "L'ACK porte sur {got}, pas sur {wanted}.",
        "The ACK is for {got}, not for {wanted}.",
    ),
    "send.unreadable-ack": ("← une réponse qui n'est pas un ACK", "← an answer that is no ACK"),
    "send.no-connection": ("Pas de connexion à {address} : {reason}.", "No connection to {address}: {reason}."),
    "send.no-answer": (
        "Pas d'ACK de {address} : {reason}. {left} message(s) non envoyé(s) ou sans réponse.",
        "No ACK from {address}: {reason}. {left} message(s) not sent or not answered.",
    ),
    "send.reason.timeout": ("rien reçu en {seconds} s", "nothing received within {seconds} s"),
    "send.reason.closed": ("connexion fermée sans réponse", "connection closed without an answer"),
    "send.reason.refused": ("connexion refusée", "connection refused"),
    "send.reason.block": ("la réponse n'est pas un bloc MLLP", "the answer is no MLLP block"),
    # ------------------------------------------------------------------------------------------------ db, demo
    "db.copied": ("Copie de la base : {copy}.", "Copy of the database: {copy}."),
    "db.upgraded": ("Base au schéma {revision}.", "Database at schema {revision}."),
    "db.current": ("Base : {current} ; programme : {head}.", "Database: {current}; program: {head}."),
    "db.none": ("aucun", "none"),
    "demo.starting": ("Un récepteur démarre (SQLite, environnement de test)…", "A receiver starts (SQLite, test)…"),
    "demo.ready": ("Récepteur prêt : MLLP {mllp}, HTTP {http}.", "Receiver ready: MLLP {mllp}, HTTP {http}."),
    "demo.not-ready": ("Le récepteur n'a pas démarré.", "The receiver did not start."),
    "demo.answer": ("ACK {code}", "ACK {code}"),
    "demo.identities": ("Ce qui est gardé", "What is kept"),
    "demo.keep": (
        "Le récepteur reste en marche (Ctrl-C l'arrête). Dans un autre terminal :",
        "The receiver keeps running (Ctrl-C stops it). In another terminal:",
    ),
    "demo.again": (
        "« {program} demo --keep » le laisse en marche, pour lui envoyer vos messages.",
        '"{program} demo --keep" leaves it running, to send it your own messages.',
    ),
    "demo.unexpected": (
        "Inattendu : {number} messages n'ont pas eu la réponse prévue.",
        "Unexpected: {number} messages did not get the expected answer.",
    ),
}


def text(key: str, lang: Lang, /, **values: object) -> str:
    """Return the sentence ``key`` in ``lang``, with ``values`` filled in. KeyError for a key that does not exist."""
    sentence = TEXTS[key][0 if lang == "fr" else 1]
    return sentence.format(**values) if values else sentence


def lang_of_locale(environ: Mapping[str, str]) -> Lang:
    """Return the language of the machine: French when its locale begins with ``fr``, else English. Spec: POSIX §8.2."""
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "fr" if locale.lower().startswith("fr") else "en"


def guess_lang(arguments: Sequence[str], environ: Mapping[str, str]) -> Lang:
    """Return the language for help and for failures met before the settings are read: option, variable, locale."""
    said = environ.get("PAM_RECEIVER_LANG", "")
    for index, argument in enumerate(arguments):
        if argument == "--lang" and index + 1 < len(arguments):
            said = arguments[index + 1]
        elif argument.startswith("--lang="):
            said = argument.removeprefix("--lang=")
    if said == "fr":
        return "fr"
    return "en" if said == "en" else lang_of_locale(environ)
