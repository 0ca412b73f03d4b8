"""What a sender is told about framing, separators, character set and acknowledgement."""

from typing import Final

from pam_receiver.finding import ErrorCode, Rule, Severity

_CHAPTER_2: Final = "HL7 v2.5 chapter 2"
_CHARSETS: Final = "HL7 v2.5 table 0211; IHE PAM FR 2.11.2 §6.1"

EMPTY_BLOCK: Final = Rule(
    id="empty-block",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.E,
    fr="Le bloc MLLP est vide : envoyez un message HL7 v2 qui commence par MSH.",
    en="The MLLP block is empty: send an HL7 v2 message that begins with MSH.",
    spec=_CHAPTER_2,
)
NO_HEADER: Final = Rule(
    id="no-header",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.E,
    fr="Le message ne commence pas par MSH : envoyez un message HL7 v2 complet, un seul par bloc.",
    en="The message does not begin with MSH: send a whole HL7 v2 message, one in each block.",
    spec=_CHAPTER_2,
)
BLOCK_TOO_LARGE: Final = Rule(
    id="block-too-large",
    code=ErrorCode.INTERNAL_ERROR,
    severity=Severity.E,
    fr="Le bloc dépasse {limit} octets, la limite de ce récepteur : envoyez un message plus court.",
    en="The block is longer than {limit} bytes, the limit of this receiver: send a shorter message.",
    spec="pam-receiver, setting max_block_bytes",
)
SEPARATORS_UNUSABLE: Final = Rule(
    id="separators-unusable",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.E,
    fr="MSH-1 et MSH-2 doivent être des signes visibles, tous différents, ni lettre ni chiffre : "
    "écrivez |^~\\& comme d'habitude.",
    en="MSH-1 and MSH-2 must be visible signs, all different, neither letters nor digits: write |^~\\& as usual.",
    spec=f"{_CHAPTER_2}, MSH-1 and MSH-2",
)
CHARSET_UNKNOWN: Final = Rule(
    id="charset-unknown",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.E,
    fr="MSH-18 nomme un jeu de caractères que ce récepteur ne lit pas : "
    "envoyez en 8859/15, 8859/1, UNICODE UTF-8 ou ASCII.",
    en="MSH-18 names a character set that this receiver does not read: send 8859/15, 8859/1, UNICODE UTF-8 or ASCII.",
    spec=_CHARSETS,
)
CHARSET_MISMATCH: Final = Rule(
    id="charset-mismatch",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.E,
    fr="Le message ne se lit pas en {charset}, annoncé en MSH-18 (octet {offset}) : "
    "corrigez MSH-18 ou l'encodage du message.",
    en="The message cannot be read as {charset}, which MSH-18 announces (byte {offset}): "
    "correct MSH-18 or the encoding of the message.",
    spec=_CHARSETS,
)
CHARSET_MISSING: Final = Rule(
    id="charset-missing",
    code=ErrorCode.REQUIRED_FIELD_MISSING,
    severity=Severity.W,
    fr="MSH-18 est vide et le message n'est pas en ASCII : il a été lu en {charset}, annoncez-le en MSH-18.",
    en="MSH-18 is empty and the message is not ASCII: it was read as {charset}, announce it in MSH-18.",
    spec=_CHARSETS,
)
CHARSET_NOT_ASCII: Final = Rule(
    id="charset-not-ascii",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="MSH-18 annonce ASCII et le message n'est pas en ASCII : il a été lu en {charset}, annoncez-le en MSH-18.",
    en="MSH-18 announces ASCII and the message is not ASCII: it was read as {charset}, announce it in MSH-18.",
    spec=_CHARSETS,
)
CHARSET_REPEATED: Final = Rule(
    id="charset-repeated",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="MSH-18 est répété : seul le premier jeu de caractères a été retenu, n'en annoncez qu'un.",
    en="MSH-18 is repeated: only the first character set was used, announce one.",
    spec=_CHARSETS,
)
CHARSET_NICKNAME: Final = Rule(
    id="charset-nickname",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="MSH-18 n'emploie pas les mots de la table 0211 : écrivez {charset}.",
    en="MSH-18 does not use the words of table 0211: write {charset}.",
    spec=_CHARSETS,
)
CHARSET_DOUBTFUL: Final = Rule(
    id="charset-doubtful",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="MSH-18 annonce {charset}, mais le message a tout d'un texte UTF-8 : s'il l'est, annoncez UNICODE UTF-8.",
    en="MSH-18 announces {charset}, but the message looks like UTF-8: if it is, announce UNICODE UTF-8.",
    spec=_CHARSETS,
)
CONTROL_CHARACTER: Final = Rule(
    id="control-character",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.E,
    fr="Un caractère de contrôle ({sign}) se trouve dans une valeur : retirez-le, "
    "ou convertissez le texte dans le jeu de caractères annoncé en MSH-18.",
    en="A control character ({sign}) stands in a value: remove it, "
    "or convert the text to the character set that MSH-18 announces.",
    spec=_CHAPTER_2,
)
TAB_IN_VALUE: Final = Rule(
    id="tab-in-value",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Une tabulation se trouve dans une valeur : mettez une espace.",
    en="A tab stands in a value: write a space.",
    spec=_CHAPTER_2,
)
SEVERAL_MESSAGES: Final = Rule(
    id="several-messages-in-block",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.E,
    fr="Ce bloc contient {count} messages (segments MSH) : envoyez chaque message dans son propre bloc MLLP.",
    en="This block holds {count} messages (MSH segments): send each message in an MLLP block of its own.",
    spec="HL7 MLLP Release 1",
)
UNREADABLE_SEGMENT: Final = Rule(
    id="unreadable-segment",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.W,
    fr="{count} ligne(s) ne sont pas des segments (la première est la ligne {line}) et sont sans effet : "
    "commencez chaque segment par son nom en trois signes et le séparateur de champs.",
    en="{count} line(s) are no segments (the first is line {line}) and have no effect: "
    "begin each segment with its three-sign name and the field separator.",
    spec=_CHAPTER_2,
)
FINDINGS_NOT_SHOWN: Final = Rule(
    id="findings-not-shown",
    code=ErrorCode.ACCEPTED,
    severity=Severity.I,
    fr="{count} autre(s) constat(s) ne sont pas montrés ici, dont {errors} erreur(s) : "
    "corrigez ceux-ci puis renvoyez le message.",
    en="{count} more finding(s) are not shown here, {errors} of them error(s): correct these and send again.",
    spec="HL7 v2.5 §2.15.5",
)
