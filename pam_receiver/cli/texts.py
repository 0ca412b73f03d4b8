"""What the commands say to people, in French and in English."""

from collections.abc import Mapping, Sequence
from typing import Final

from pam_receiver.cli.texts_alerts import ALERT_TEXTS
from pam_receiver.cli.texts_audit import AUDIT_TEXTS
from pam_receiver.cli.texts_privacy import PRIVACY_TEXTS
from pam_receiver.cli.texts_rebuild import REBUILD_TEXTS
from pam_receiver.cli.texts_tls import TLS_TEXTS
from pam_receiver.cli.texts_tokens import TOKEN_TEXTS
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
        "Lit des fichiers HL7, montre ce qui n'y est pas conforme et en fait un rapport. Sans base de données.",
        "Read HL7 files, show what is not right in them and make a report of it. Needs no database.",
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
    "help.profiles": ("Les profils : ce qui est demandé, et pourquoi.", "The profiles: what is asked, and why."),
    "help.profiles.list": (
        "Liste les profils, et les messages que chacun juge.",
        "List the profiles, and which messages each one judges.",
    ),
    "help.profiles.show": (
        "Montre un profil : ses événements et segments, ou un segment champ par champ.",
        "Show a profile: its events and segments, or one segment field by field.",
    ),
    "help.profiles.explain": (
        "Explique une règle : ce qu'elle demande, la forme juste, où c'est écrit, comment la changer.",
        "Explain a rule: what it asks, the right form, where it is written, how to change it.",
    ),
    "help.profiles.diff": (
        "Montre ce qui diffère entre deux profils ou surcouches.",
        "Show what differs between two profiles or overlay files.",
    ),
    "help.profiles.import": (
        "Fait d'un profil de conformité HL7 v2 (XML) une surcouche (TOML).",
        "Make an overlay (TOML) of an HL7 v2 conformance profile (XML).",
    ),
    "option.segment": (
        "Un segment (PID), ou un type de données (CX).",
        "A segment (PID), or a data type (CX).",
    ),
    "option.event": ("Cet événement seulement (A28).", "This event only (A28)."),
    "option.base": ("Le profil sous la surcouche.", "The profile under the overlay."),
    "option.output": ("Écrit dans ce fichier.", "Write to this file."),
    "option.force": ("Remplace un fichier qui existe.", "Replace a file that exists."),
    "option.report": (
        "Écrit le rapport de conformité : une page (.html) ou les totaux (.json) ; peut être répétée.",
        "Write the conformance report: a page (.html) or the totals (.json); may be given again.",
    ),
    "option.junit": ("Écrit les constats en XML JUnit.", "Write the findings as JUnit XML."),
    "option.totals": (
        "Les totaux seulement, sans la liste des messages.",
        "The totals only, without the list of messages.",
    ),
    "option.unmask": (
        "Montre les données de patient dans les exemples du rapport.",
        "Show patient data in the examples of the report.",
    ),
    "option.received-on": (
        "Contrôle comme si les messages arrivaient par ce port des réglages.",
        "Check as if the messages came in by this port of the settings.",
    ),
    "option.profile": ("Le profil à appliquer.", "The profile to hold them to."),
    "option.overlay": (
        "Une surcouche du profil (TOML).",
        "An overlay of the profile (TOML).",
    ),
    "option.against-journal": (
        "Rejoue à blanc les messages déjà reçus, sans rien modifier.",
        "Rehearse the messages already received, without changing anything.",
    ),
    "option.since": (
        "Avec --against-journal : les messages reçus depuis cette date.",
        "With --against-journal: the messages received since this date.",
    ),
    "option.version": ("Montre la version.", "Show the version."),
    "option.database": ("URL de la base.", "URL of the database."),
    "option.database-read": (
        "URL d'un réplica de la base, à lire à sa place.",
        "URL of a standby of the database, to be read in its place.",
    ),
    "read.standby": (
        "Lu sur le réplica {database}, à jour au moins jusqu'à {moment}.",
        "Read from the standby {database}, up to date at least to {moment}.",
    ),
    "read.no-moment": ("un moment avant son démarrage", "some moment before its start"),
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
    "option.workers": (
        "Nombre de processus qui reçoivent (PostgreSQL).",
        "Number of processes that receive (PostgreSQL).",
    ),
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
    "argument.profile": ("Un profil : pam_fr/2.11, ou 2.11.", "A profile: pam_fr/2.11, or 2.11."),
    "argument.rule": ("L'id d'une règle : pid-32-required.", "The id of a rule: pid-32-required."),
    "argument.compared": (
        "Un profil, ou le fichier d'une surcouche (.toml).",
        "A profile, or an overlay file (.toml).",
    ),
    "argument.xml": ("Un profil de conformité HL7 v2 (XML).", "An HL7 v2 conformance profile (XML)."),
    "argument.value": ("Un identifiant : IPP, matricule INS…", "An identifier: IPP, matricule INS…"),
    "argument.message": ("L'id d'un message, ou son début.", "The id of a message, or how it begins."),
    "argument.paths": (
        "Fichiers HL7 ou dossiers ; « - » : l'entrée standard.",
        'HL7 files or folders; "-": standard input.',
    ),
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
    "failure.too-large": (
        "{file} : plus de {most} Mio sans fin de message ; la suite n'est pas lue.",
        "{file}: more than {most} MiB without the end of a message; the rest is not read.",
    ),
    "failure.empty-folder": ("{file} : aucun fichier dans ce dossier.", "{file}: no file in this folder."),
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
    "place.former": ("(ancien code)", "(former code)"),
    "place.plausible": ("(dans aucune liste)", "(in no list)"),
    "place.unknown": ("(lieu inconnu)", "(unknown place)"),
    "identity.used_family_name": ("Nom utilisé", "Used name"),
    "identity.used_given_name": ("Prénom utilisé", "Used given name"),
    "identity.dated_at": ("Date de la source", "Date of the source"),
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
    "column.before": ("Avant", "Before"),
    "column.after": ("Après", "After"),
    "column.messages": ("Messages", "Messages"),
    "column.source": ("Source", "Source"),
    "column.example": ("Exemple", "Example"),
    "column.identity": ("Identité", "Identity"),
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
    "check.all": ("Tous", "All"),
    "check.first": ("À corriger d'abord", "Fix first"),
    "check.more-fixes": (
        "… et {count} autre(s) règle(s) : toutes sont dans le rapport (--report FICHIER.html).",
        "… and {count} more rule(s): all are in the report (--report FILE.html).",
    ),
    "check.reading": ("Lecture", "Reading"),
    "check.stdin": ("entrée standard", "standard input"),
    "check.written": ("Rapport : {file}", "Report: {file}"),
    "check.more-problems": ("… et {count} autre(s) élément(s) illisible(s).", "… and {count} more not readable."),
    "check.acknowledgements": (
        "{count} acquittement(s) (MSH-9 : ACK) parmi les messages, non contrôlé(s).",
        "{count} acknowledgement(s) (MSH-9: ACK) among the messages, not checked.",
    ),
    "check.nothing-given": (
        "Indiquer des fichiers ou des dossiers à contrôler (« - » : l'entrée standard).",
        'Name the files or folders to check ("-": standard input).',
    ),
    "check.not-with-journal": (
        "--against-journal relit le journal : sans fichiers, --report, --junit, --totals, --port ni --unmask.",
        "--against-journal reads the journal: without files, --report, --junit, --totals, --port or --unmask.",
    ),
    "check.unmask-alone": (
        "--unmask ne change que les rapports : ajouter --report ou --junit.",
        "--unmask changes the reports alone: add --report or --junit.",
    ),
    "check.no-such-port": (
        "--port : les réglages n'ont pas de port {port}. Leurs ports : {ports}.",
        "--port: the settings have no port {port}. Their ports: {ports}.",
    ),
    "check.journal-only": (
        "--since, --database et --database-read vont avec --against-journal.",
        "--since, --database and --database-read go with --against-journal.",
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
    # ------------------------------------------------------------------------------------------------ rehearsal
    "rehearse.title": (
        "Essai à blanc sur le journal : {name}, comparé aux réglages en vigueur. Rien n'y est écrit.",
        "Dry run on the journal: {name}, compared with the settings in force. Nothing is written to it.",
    ),
    "rehearse.title-journal": (
        "Essai à blanc sur le journal : réglages en vigueur, comparés à ce qui fut répondu et gardé. Rien n'est écrit.",
        "Dry run on the journal: settings in force, compared with what was answered and kept. Nothing is written.",
    ),
    "rehearse.profile": ("profil {name}", "profile {name}"),
    "rehearse.overlay": ("surcouche {name}", "overlay {name}"),
    "rehearse.progress": ("{count} message(s), jusqu'au {at} (UTC)", "{count} message(s), up to {at} (UTC)"),
    "rehearse.empty": ("Aucun message à comparer.", "No message to compare."),
    "rehearse.span": (
        "{count} message(s), reçu(s) de {begins} à {ends} (UTC).",
        "{count} message(s), received from {begins} to {ends} (UTC).",
    ),
    "rehearse.earlier": (
        "Avant eux, {count} message(s) repris sous les seuls réglages en vigueur.",
        "Before them, {count} message(s) taken under the settings in force only.",
    ),
    "rehearse.answers": ("Réponses (ACK) qui changeraient : {count}", "Answers (ACK) that would change: {count}"),
    "rehearse.findings": (
        "Constats dont le nombre changerait : {count} règle(s)",
        "Findings whose number would change: {count} rule(s)",
    ),
    "rehearse.identities": (
        "Identités qui changeraient : {count} ({before} avant, {after} après)",
        "Identities that would change: {count} ({before} before, {after} after)",
    ),
    "rehearse.gone": ("n'existeraient pas", "would not exist"),
    "rehearse.added": ("existeraient en plus", "would exist besides"),
    "rehearse.held": ("présent", "held"),
    "rehearse.none": ("absent", "none"),
    "rehearse.another": ("autre valeur", "another value"),
    "rehearse.drift": (
        "Réponses du journal que les réglages en vigueur ne donneraient plus : {count}",
        "Answers of the journal that the settings in force would not give any more: {count}",
    ),
    "rehearse.differs": (
        "« pam-receiver message ID » montre un message et les identités qu'il a touchées (données de patients).",
        '"pam-receiver message ID" shows a message and the identities that it changed (patient data).',
    ),
    "rehearse.same": (
        "Aucune réponse et aucune identité ne changerait.",
        "No answer and no identity would change.",
    ),
    # ------------------------------------------------------------------------------------------------ profiles
    "failure.no-profile": (
        "Aucun profil {name}. Les profils : {names}.",
        "No profile {name}. The profiles: {names}.",
    ),
    "failure.no-event": (
        "Le profil {profile} n'a pas d'événement {name}. Les événements : {names}.",
        "The profile {profile} has no event {name}. The events: {names}.",
    ),
    "failure.no-segment": (
        "Le profil {profile} n'a ni segment ni type {name}. Les segments : {segments}. Les types : {types}.",
        "The profile {profile} has no segment or type {name}. The segments: {segments}. The types: {types}.",
    ),
    "failure.no-rule": ("Aucune règle {name}.", "No rule {name}."),
    "failure.no-rule-near": (
        "Aucune règle {name}. Vouliez-vous dire {near} ?",
        "No rule {name}. Did you mean {near}?",
    ),
    "failure.exists": (
        "{file} existe déjà : choisir un autre nom, ou ajouter --force.",
        "{file} exists already: choose another name, or add --force.",
    ),
    "failure.no-folder": ("{file} : le dossier {folder} n'existe pas.", "{file}: there is no folder {folder}."),
    "failure.write": ("{file} ne peut pas être écrit : {reason}.", "{file} cannot be written: {reason}."),
    "profiles.heading": ("{name} : {title} ({spec})", "{name}: {title} ({spec})"),
    "profiles.title": ("Titre", "Title"),
    "profiles.for.international": ("MSH-12.2 n'est pas FRA", "MSH-12.2 is not FRA"),
    "profiles.for.newest": ("MSH-12.3 : {version}, plus récent ou vide", "MSH-12.3: {version}, newer or empty"),
    "profiles.for.between": ("MSH-12.3 : {version}", "MSH-12.3: {version}"),
    "profiles.for.oldest": ("MSH-12.3 : {version} ou plus ancien", "MSH-12.3: {version} or older"),
    "profiles.parts": (
        "Les composants d'un type : --segment {type}. Types de ce segment : {types}.",
        "The components of a type: --segment {type}. Types of this segment: {types}.",
    ),
    "profiles.imported": ("Écrit : {file}", "Written: {file}"),
    "profiles.name": ("Profil", "Profile"),
    "profiles.extends": ("Posé sur", "Extends"),
    "profiles.events": ("Événements", "Events"),
    "profiles.rules": ("Règles", "Rules"),
    "profiles.judges": ("Messages jugés", "Messages judged"),
    "column.events": ("Événements", "Events"),
    "column.structure": ("Structure", "Structure"),
    "column.transaction": ("Transaction", "Transaction"),
    "column.segments": ("Segments", "Segments"),
    "column.segment": ("Segment", "Segment"),
    "column.place": ("Endroit", "Place"),
    "column.label": ("Nom", "Name"),
    "column.type": ("Type", "Type"),
    "column.usage": ("Usage", "Usage"),
    "column.card": ("Card.", "Card."),
    "column.length": ("Long.", "Length"),
    "column.table": ("Table", "Table"),
    "column.facet": ("Ce qui diffère", "What differs"),
    "facet.event": ("événement", "event"),
    "facet.structure": ("structure", "structure"),
    "facet.transaction": ("transaction", "transaction"),
    "facet.order": ("ordre des segments", "order of segments"),
    "facet.segment": ("segment", "segment"),
    "facet.place": ("champ", "field"),
    "facet.usage": ("usage", "usage"),
    "facet.card": ("cardinalité", "cardinality"),
    "facet.type": ("type", "type"),
    "facet.length": ("longueur", "length"),
    "facet.table": ("table", "table"),
    "facet.code": ("code", "code"),
    "facet.rule": ("règle", "rule"),
    "facet.severity": ("gravité", "severity"),
    "facet.map": ("lu aussi en", "also read in"),
    "diff.title": ("{before} → {after} : {count} différence(s)", "{before} → {after}: {count} difference(s)"),
    "diff.none": ("{before} et {after} jugent de même.", "{before} and {after} judge alike."),
    "diff.general": ("Le profil entier", "The whole profile"),
    "explain.where": ("Endroit", "Where"),
    "explain.events": ("Événements", "Events"),
    "explain.severity": ("Gravité", "Severity"),
    "explain.answer": ("Réponse", "Answer"),
    "explain.profiles": ("Profils", "Profiles"),
    "explain.source": ("Source {name}", "Source {name}"),
    "explain.overlay": ("Surcouche {name}", "Overlay {name}"),
    "explain.lines": ("Tirée de {count} lignes du profil :", "Made from {count} lines of the profile:"),
    "explain.code": ("Code (table 0357)", "Code (table 0357)"),
    "explain.spec": ("Texte", "Spec"),
    "explain.fr": ("Français", "French"),
    "explain.en": ("Anglais", "English"),
    "explain.example": ("Forme juste", "Right form"),
    "explain.strict": ("{lenient} ; strict : {strict}", "{lenient}; strict: {strict}"),
    "explain.fixed": (
        "Cette erreur ne peut être ni abaissée ni ignorée : rien d'un tel message ne peut être gardé.",
        "This error can be neither lowered nor ignored: nothing of such a message can be kept.",
    ),
    "explain.change": (
        "Pour changer sa gravité chez une source (E, W, I ou ignore), dans sa surcouche :",
        "To change its severity for one source (E, W, I or ignore), in its overlay:",
    ),
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
    **AUDIT_TEXTS,
    **TLS_TEXTS,
    **TOKEN_TEXTS,
    **PRIVACY_TEXTS,
    **ALERT_TEXTS,
    **REBUILD_TEXTS,
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
