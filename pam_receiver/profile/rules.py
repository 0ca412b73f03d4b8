"""The rules that hold for every profile; a finding takes its ``spec`` from the line of the profile that was broken.

The condition rules of a profile carry their own id and sentences: they are lines of its files.
"""

from functools import lru_cache
from typing import Final

from pam_receiver.finding import ErrorCode, Finding, Location, Rule, Severity

REQUIRED_SEGMENT_MISSING: Final = Rule(
    id="required-segment-missing",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.W,
    fr="Ajoutez le segment {segment} : il est obligatoire dans un message {event}.",
    en="Add the segment {segment}: it is required in a message {event}.",
    spec="HL7 v2.5 §2.5.2",
)
SEGMENT_OUT_OF_ORDER: Final = Rule(
    id="segment-out-of-order",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.W,
    fr="Placez le segment {segment} selon l'ordre de la structure {structure} ; le message est lu malgré tout.",
    en="Put the segment {segment} where the structure {structure} has it; the message is read all the same.",
    spec="HL7 v2.5 §2.5.2",
)
SEGMENT_UNEXPECTED: Final = Rule(
    id="segment-unexpected",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.I,
    fr="Le segment {segment} n'appartient pas à la structure {structure} : il n'est pas lu, ne l'envoyez plus.",
    en="The segment {segment} is not part of the structure {structure}: it is not read, stop sending it.",
    spec="HL7 v2.5 §2.5.2",
)
TOO_MANY_SEGMENTS: Final = Rule(
    id="too-many-segments",
    code=ErrorCode.SEGMENT_SEQUENCE,
    severity=Severity.W,
    fr="Envoyez au plus {most} segment(s) {segment} dans un message {event} ; {count} reçus.",
    en="Send at most {most} segment(s) {segment} in a message {event}; {count} received.",
    spec="HL7 v2.5 §2.5.2",
)
ODD_STRUCTURE: Final = Rule(
    id="odd-structure",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="Renseignez MSH-9.3 avec la structure {structure}, celle de l'événement {event} ; seul MSH-9.2 a été suivi.",
    en="Fill MSH-9.3 with the structure {structure}, that of the event {event}; MSH-9.2 alone was followed.",
    spec="HL7 v2.5 §2.15.9.9",
)
REQUIRED_FIELD_MISSING: Final = Rule(
    id="required-field-missing",
    code=ErrorCode.REQUIRED_FIELD_MISSING,
    severity=Severity.W,
    fr="Renseignez {field} ({name}) : obligatoire dans un message {event}.",
    en="Fill {field} ({name}): required in a message {event}.",
    spec="HL7 v2.5 §2.5.3",
)
FIELD_NOT_SUPPORTED: Final = Rule(
    id="field-not-supported",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Laissez {field} ({name}) vide : usage X dans ce profil, la valeur n'est pas lue.",
    en="Leave {field} ({name}) empty: usage X in this profile, the value is not read.",
    spec="HL7 v2.5 §2.12",
)
TOO_MANY_REPETITIONS: Final = Rule(
    id="too-many-repetitions",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Envoyez au plus {most} répétition(s) de {field} ({name}) ; {count} reçues.",
    en="Send at most {most} repetition(s) of {field} ({name}); {count} received.",
    spec="HL7 v2.5 §2.5.3.5",
)
VALUE_NOT_IN_TABLE: Final = Rule(
    id="value-not-in-table",
    code=ErrorCode.TABLE_VALUE,
    severity=Severity.W,
    fr="Prenez le code de {field} ({name}) dans la table {table}.",
    en="Take the code of {field} ({name}) from the table {table}.",
    spec="HL7 v2.5 §2.5.3.6",
)
VALUE_ILL_FORMED: Final = Rule(
    id="value-ill-formed",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Écrivez {field} ({name}) selon le type {type} : {form_fr}.",
    en="Write {field} ({name}) in the data type {type}: {form_en}.",
    spec="HL7 v2.5 ch. 2A",
)
VALUE_TOO_LONG: Final = Rule(
    id="value-too-long",
    code=ErrorCode.DATA_TYPE,
    severity=Severity.W,
    fr="Limitez {field} ({name}) à {most} caractères ; {count} reçus.",
    en="Keep {field} ({name}) to {most} characters; {count} received.",
    spec="HL7 v2.5 §2.5.3.2",
)

GENERIC: Final = (
    REQUIRED_SEGMENT_MISSING,
    SEGMENT_OUT_OF_ORDER,
    SEGMENT_UNEXPECTED,
    TOO_MANY_SEGMENTS,
    ODD_STRUCTURE,
    REQUIRED_FIELD_MISSING,
    FIELD_NOT_SUPPORTED,
    TOO_MANY_REPETITIONS,
    VALUE_NOT_IN_TABLE,
    VALUE_ILL_FORMED,
    VALUE_TOO_LONG,
)


@lru_cache(maxsize=1024)  # a feed breaks the same few rules at the same places; no finding holds patient data
def make_finding(rule: Rule, at: Location, *, spec: str, severity: Severity, **values: str | int) -> Finding:
    """Return the finding that ``rule`` is not kept at ``at``, as said by the line that asks for it."""
    return Finding(
        rule=rule.id,
        code=rule.code,
        severity=severity,
        at=at,
        fr=rule.fr.format(**values),
        en=rule.en.format(**values),
        spec=spec,
    )
