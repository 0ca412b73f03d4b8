"""What a sender is told about framing, separators, character set and acknowledgement."""

from typing import Final

from pam_receiver.finding import ErrorCode, Rule, Severity

_CHAPTER_2: Final = "HL7 v2.5 chapter 2"
_CHARSETS: Final = "HL7 v2.5 table 0211; IHE PAM FR 2.11.2 §6.1"

EMPTY_BLOCK: Final = Rule(
    id="empty-block",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.E,
    fr="Le bloc MLLP est vide : envoyer un message HL7 v2 qui commence par MSH.",
    en="The MLLP block is empty: send an HL7 v2 message that begins with MSH.",
    spec=_CHAPTER_2,
    example="<VT>MSH|^~\\&|GAM|CHU-LYRE|…<CR>EVN|…<CR>PID|…<CR><FS><CR>",
)
NO_HEADER: Final = Rule(
    id="no-header",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.E,
    fr="Le message ne commence pas par MSH : envoyer un message HL7 v2 complet, un seul par bloc.",
    en="The message does not begin with MSH: send a whole HL7 v2 message, one in each block.",
    spec=_CHAPTER_2,
    example="<VT>MSH|^~\\&|GAM|CHU-LYRE|…<CR>EVN|…<CR>PID|…<CR><FS><CR>",
)
BLOCK_TOO_LARGE: Final = Rule(
    id="block-too-large",
    code=ErrorCode.INTERNAL_ERROR,
    severity=Severity.E,
    fr="Le bloc dépasse {limit} octets, la limite de ce récepteur : envoyer un message plus court.",
    en="The block is longer than {limit} bytes, the limit of this receiver: send a shorter message.",
    spec="pam-receiver, max_block_bytes",
    example="<VT>MSH|^~\\&|GAM|CHU-LYRE|…<CR>EVN|…<CR>PID|…<CR><FS><CR>",
)
TOO_MANY_SEGMENTS: Final = Rule(
    id="too-many-segments",
    code=ErrorCode.INTERNAL_ERROR,
    severity=Severity.E,
    fr="Le message a {count} lignes ; ce récepteur en lit {limit} : envoyer un seul patient par message, "
    "ou faire relever la limite.",
    en="The message has {count} lines; this receiver reads {limit}: send one patient a message, "
    "or have the limit raised.",
    spec="pam-receiver, max_segments",
    example="<VT>MSH|^~\\&|GAM|CHU-LYRE|…<CR>EVN|…<CR>PID|…<CR><FS><CR>",
)
TOO_MANY_REPETITIONS: Final = Rule(
    id="too-many-repetitions",
    code=ErrorCode.INTERNAL_ERROR,
    severity=Severity.E,
    fr="Le message a {count} séparateurs de répétition ; ce récepteur en lit {limit} : envoyer moins de répétitions, "
    "ou faire relever la limite.",
    en="The message has {count} repetition separators; this receiver reads {limit}: send fewer repetitions, "
    "or have the limit raised.",
    spec="pam-receiver, max_repetitions",
    example="<VT>MSH|^~\\&|GAM|CHU-LYRE|…<CR>EVN|…<CR>PID|…<CR><FS><CR>",
)
SEPARATORS_UNUSABLE: Final = Rule(
    id="separators-unusable",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.E,
    fr="MSH-1 et MSH-2 doivent être des signes visibles, tous différents, ni lettre ni chiffre : "
    "écrire |^~\\& comme d'habitude.",
    en="MSH-1 and MSH-2 must be visible signs, all different, neither letters nor digits: write |^~\\& as usual.",
    spec=f"{_CHAPTER_2}, MSH-1 and MSH-2",
    example="MSH|^~\\&|GAM|CHU-LYRE",
)
CHARSET_UNKNOWN: Final = Rule(
    id="charset-unknown",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.E,
    fr="MSH-18 nomme un jeu de caractères que ce récepteur ne lit pas : "
    "envoyer en 8859/15, 8859/1, UNICODE UTF-8 ou ASCII.",
    en="MSH-18 names a character set that this receiver does not read: send 8859/15, 8859/1, UNICODE UTF-8 or ASCII.",
    spec=_CHARSETS,
    example="MSH-18 = UNICODE UTF-8",
)
CHARSET_MISMATCH: Final = Rule(
    id="charset-mismatch",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.E,
    fr="Le message ne se lit pas en {charset}, annoncé en MSH-18 ou réglé pour cette source (octet {offset}) : "
    "corriger MSH-18 ou l'encodage du message.",
    en="The message cannot be read as {charset}, which MSH-18 announces or which is set for this source (byte {offset}): "
    "correct MSH-18 or the encoding of the message.",
    spec=_CHARSETS,
    example="MSH-18 = UNICODE UTF-8",
)
CHARSET_MISSING: Final = Rule(
    id="charset-missing",
    code=ErrorCode.REQUIRED_FIELD_MISSING,
    severity=Severity.W,
    fr="MSH-18 est vide et le message n'est pas en ASCII : il a été lu en {charset}, annoncez-le en MSH-18.",
    en="MSH-18 is empty and the message is not ASCII: it was read as {charset}, announce it in MSH-18.",
    spec=_CHARSETS,
    example="MSH-18 = UNICODE UTF-8",
)
CHARSET_NOT_ASCII: Final = Rule(
    id="charset-not-ascii",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="MSH-18 annonce ASCII et le message n'est pas en ASCII : il a été lu en {charset}, annoncez-le en MSH-18.",
    en="MSH-18 announces ASCII and the message is not ASCII: it was read as {charset}, announce it in MSH-18.",
    spec=_CHARSETS,
    example="MSH-18 = UNICODE UTF-8",
)
CHARSET_REPEATED: Final = Rule(
    id="charset-repeated",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="MSH-18 est répété : seul le premier jeu de caractères a été retenu, n'en annoncer qu'un.",
    en="MSH-18 is repeated: only the first character set was used, announce one.",
    spec=_CHARSETS,
    example="MSH-18 = UNICODE UTF-8",
)
CHARSET_NICKNAME: Final = Rule(
    id="charset-nickname",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="MSH-18 n'emploie pas les mots de la table 0211 : écrire {charset}.",
    en="MSH-18 does not use the words of table 0211: write {charset}.",
    spec=_CHARSETS,
    example="MSH-18 = UNICODE UTF-8",
)
CHARSET_DOUBTFUL: Final = Rule(
    id="charset-doubtful",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="Le message a été lu en {charset}, mais il a tout d'un texte UTF-8 : s'il l'est, annoncer UNICODE UTF-8.",
    en="The message was read as {charset}, but it looks like UTF-8: if it is, announce UNICODE UTF-8.",
    spec=_CHARSETS,
    example="MSH-18 = UNICODE UTF-8",
)
CHARSET_OF_SOURCE: Final = Rule(
    id="charset-of-source",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="MSH-18 n'annonce pas le jeu de caractères de cette source : le message a été lu en {charset} ; "
    "annoncez-le en MSH-18, ou faites corriger le réglage charset.",
    en="MSH-18 does not announce the character set of this source: the message was read as {charset}; "
    "announce it in MSH-18, or have the setting charset corrected.",
    spec=f"{_CHARSETS}; pam-receiver, [[source]] charset",
    example="MSH-18 = 8859/15",
)
CHARSET_NOT_OF_SOURCE: Final = Rule(
    id="charset-not-of-source",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="Le message n'est pas en {charset}, réglé pour cette source : il a été lu en {read}, annoncé en MSH-18 ; "
    "faites corriger le réglage charset si tout est désormais en {read}.",
    en="The message is not in {charset}, set for this source: it was read as {read}, which MSH-18 announces; "
    "have the setting charset corrected if all is in {read} now.",
    spec=f"{_CHARSETS}; pam-receiver, [[source]] charset",
    example="MSH-18 = UNICODE UTF-8",
)
CONTROL_CHARACTER: Final = Rule(
    id="control-character",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.E,
    fr="Un caractère de contrôle ({sign}) se trouve dans une valeur : retirez-le, "
    "ou convertir le texte dans le jeu de caractères annoncé en MSH-18.",
    en="A control character ({sign}) stands in a value: remove it, "
    "or convert the text to the character set that MSH-18 announces.",
    spec=_CHAPTER_2,
    example="PID-5 = KERGUELEN^ANNE^ANNE SOLENE^^^^L",
)
TAB_IN_VALUE: Final = Rule(
    id="tab-in-value",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Une tabulation se trouve dans une valeur : mettre une espace.",
    en="A tab stands in a value: write a space.",
    spec=_CHAPTER_2,
    example="PID-5 = LE GOFF^ANNE^ANNE SOLENE^^^^L",
)
SEVERAL_MESSAGES: Final = Rule(
    id="several-messages-in-block",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.E,
    fr="Ce bloc contient {count} messages (segments MSH) : envoyer chaque message dans son propre bloc MLLP.",
    en="This block holds {count} messages (MSH segments): send each message in an MLLP block of its own.",
    spec="HL7 MLLP Release 1",
    example="<VT>MSH|…<CR>PID|…<CR><FS><CR><VT>MSH|…<CR>PID|…<CR><FS><CR>",
)
UNREADABLE_SEGMENT: Final = Rule(
    id="unreadable-segment",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.W,
    fr="{count} ligne(s) ne sont pas des segments (la première est la ligne {line}) et sont sans effet : "
    "commencer chaque segment par son nom en trois signes et le séparateur de champs.",
    en="{count} line(s) are no segments (the first is line {line}) and have no effect: "
    "begin each segment with its three-sign name and the field separator.",
    spec=_CHAPTER_2,
    example="PV1||N",
)
FINDINGS_NOT_SHOWN: Final = Rule(
    id="findings-not-shown",
    code=ErrorCode.ACCEPTED,
    severity=Severity.I,
    fr="{count} autre(s) constat(s) ne sont pas montrés ici, dont {errors} erreur(s) : "
    "corriger ceux-ci puis renvoyer le message.",
    en="{count} more finding(s) are not shown here, {errors} of them error(s): correct these and send again.",
    spec="HL7 v2.5 §2.15.5",
    example="MSA|AA|4711",
)

# ------------------------------------------------------------------------------------------ separators and escapes

_SEPARATORS: Final = f"{_CHAPTER_2}, MSH-1 and MSH-2"
_ESCAPES: Final = f"{_CHAPTER_2}, escape sequences"

SEPARATOR_NOT_ASCII: Final = Rule(
    id="separator-not-ascii",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="MSH-1 ou MSH-2 annonce un séparateur qui n'est pas en ASCII (un tilde typographique ?) : il a été suivi, "
    "écrire |^~\\& comme d'habitude.",
    en="MSH-1 or MSH-2 announces a separator that is not ASCII (a typographic tilde?): it was followed, "
    "write |^~\\& as usual.",
    spec=_SEPARATORS,
    example="MSH-2 = ^~\\&",
)
REPETITION_SIGN_ODD: Final = Rule(
    id="repetition-sign-odd",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Ce champ contient {sign}, qui ressemble au séparateur de répétitions et n'en est pas un : "
    "entre deux répétitions, écrire celui que MSH-2 annonce.",
    en="This field holds {sign}, which looks like the repetition separator and is not: "
    "between two repetitions write the one that MSH-2 announces.",
    spec=_SEPARATORS,
    example="PID-11 = 12 RUE HAUTE^^RENNES^^35000^FRA^H~^^NANTES^^^FRA^BDL^^44109",
)
ESCAPE_DOUBLED: Final = Rule(
    id="escape-doubled",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Une séquence d'échappement a ses barres inverses en double (\\\\T\\\\) : la valeur en garde ; écrivez-les une fois.",
    en="An escape sequence has its backslashes doubled (\\\\T\\\\): the value keeps some; write each once.",
    spec=_ESCAPES,
    example="PID-5 = KERGUELEN \\T\\ LE GOFF^ANNE^^^^^L",
)
XML_ENTITY: Final = Rule(
    id="xml-entity-in-value",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Une valeur contient une entité XML ou HTML (amp, quot, #39…), qui n'a pas de sens en HL7 : "
    "écrire le signe lui-même, et l'esperluette par son échappement (T).",
    en="A value holds an XML or HTML entity (amp, quot, #39…), which has no meaning in HL7: "
    "write the sign itself, and the ampersand by its escape sequence (T).",
    spec=_ESCAPES,
    example="PID-5 = KERGUELEN \\T\\ LE GOFF^ANNE^^^^^L",
)
SEPARATORS_ESCAPED: Final = Rule(
    id="separators-escaped",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Des séparateurs sont échappés (\\S\\, \\R\\, \\T\\) là où ils doivent séparer, "
    "et sont pris pour du texte : écrivez-les eux-mêmes.",
    en="Separators are escaped (\\S\\, \\R\\, \\T\\) where they must separate, and are taken for text: "
    "write them as they are.",
    spec=_ESCAPES,
    example="PID-3 = 100^^^HOPITAL&1.2.250.1.999.1&ISO^PI",
)
