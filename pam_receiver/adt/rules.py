"""The rules of reading: which messages are taken, and which places of them can be used. No patient data in them."""

from typing import Final

from pam_receiver.finding import ErrorCode, Rule, Severity

_E, _W, _I = Severity.E, Severity.W, Severity.I

TYPE_NOT_ADT: Final = Rule(
    "message-type-not-adt",
    ErrorCode.UNSUPPORTED_MESSAGE_TYPE,
    _E,
    "MSH-9.1 : seuls les messages ADT sont pris ici.",
    "MSH-9.1: only ADT messages are taken here.",
    "ITI TF-2 Appendix C.2.3",
)
EVENT_UNKNOWN: Final = Rule(
    "event-not-supported",
    ErrorCode.UNSUPPORTED_EVENT,
    _E,
    "MSH-9.2 : événement non pris en charge ; événements attendus : ITI-30 (A28, A31, A40, A47) et ITI-31.",
    "MSH-9.2: event not supported; expected events: ITI-30 (A28, A31, A40, A47) and ITI-31.",
    "IHE PAM FR 2.11.2 §2.1, §5.3.2; ITI TF-2 Appendix C.2.3",
)
LINK_NOT_SUPPORTED: Final = Rule(
    "link-option-not-supported",
    ErrorCode.UNSUPPORTED_EVENT,
    _E,
    "A24 et A37 (option Link/Unlink, facultative) ne sont pas pris en charge ; fusionner par A40.",
    "A24 and A37 (the optional Link/Unlink option) are not supported; merge by A40.",
    "IHE PAM FR 2.11.2 §2.1",
)
A08_EXCLUDED: Final = Rule(
    "a08-excluded-in-france",
    ErrorCode.UNSUPPORTED_EVENT,
    _E,
    "A08 est exclu par IHE PAM FR : A31 ou Z99 attendu (A31 pour l'identité, Z99 pour un mouvement).",
    "A08 is excluded by IHE PAM FR: A31 or Z99 expected (A31 for the identity, Z99 for a movement).",
    "IHE PAM FR 2.11.2 §2.2",
)
A08_TAKEN: Final = Rule(
    "a08-taken-as-update",
    ErrorCode.ACCEPTED,
    _W,
    "A08 est pris comme une mise à jour d'identité ; préférer A31.",
    "A08 is taken as an update of the identity; A31 is preferred.",
    "ITI TF-2 §3.30.4",
)
PROCESSING_ID: Final = Rule(
    "processing-id-not-accepted",
    ErrorCode.UNSUPPORTED_PROCESSING_ID,
    _E,
    "MSH-11 : mode de traitement non accepté ici (acceptés : {accepted}).",
    "MSH-11: processing id not accepted here (accepted: {accepted}).",
    "HL7 v2.5 §2.15.9.11",
)
VERSION: Final = Rule(
    "version-not-supported",
    ErrorCode.UNSUPPORTED_VERSION,
    _E,
    "MSH-12.1 : version HL7 2.5 (ou 2.5.1) attendue.",
    "MSH-12.1: HL7 version 2.5 (or 2.5.1) expected.",
    "IHE PAM FR 2.11.2 §6.5",
)
PID_MISSING: Final = Rule(
    "pid-missing",
    ErrorCode.SEGMENT_SEQUENCE,
    _E,
    "Segment PID absent : il porte l'identité et doit être envoyé.",
    "Segment PID missing: it holds the identity and must be sent.",
    "IHE PAM FR 2.11.2 §5.2, §6.6",
)
MRG_MISSING: Final = Rule(
    "mrg-missing",
    ErrorCode.SEGMENT_SEQUENCE,
    _E,
    "Segment MRG absent après PID : A40 et A47 y portent l'ancien identifiant.",
    "Segment MRG missing after PID: A40 and A47 hold the former identifier in it.",
    "ITI TF-2 §3.30.4; IHE PAM FR 2.11.2 §4.1",
)
MRG_1_MISSING: Final = Rule(
    "mrg-1-unusable",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _E,
    "MRG-1 sans identifiant utilisable : envoyer l'ancien identifiant (CX-1), son autorité (CX-4) et son type (CX-5).",
    "MRG-1 without a usable identifier: send the former identifier (CX-1), its authority (CX-4) and its type (CX-5).",
    "ITI TF-2 §3.30.4; IHE PAM FR 2.11.2 §4.1",
)
IDENTIFIER_WITHOUT_TYPE: Final = Rule(
    "identifier-without-type",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "Identifiant sans type (CX-5) : pris pour un IPP ; envoyer PI.",
    "Identifier without a type (CX-5): taken for an IPP; send PI.",
    "IHE PAM FR 2.11.2 §6.6.1",
)
IPP_UNDER_INS_OID: Final = Rule(
    "ipp-under-ins-oid",
    ErrorCode.TABLE_VALUE,
    _W,
    "Identifiant de type PI ou sans type (CX-5) sous l'OID d'un INS (CX-4.2) : laissé de côté ; un INS porte le type INS.",
    "Identifier of type PI or without a type (CX-5) under the OID of an INS (CX-4.2): left out; an INS has the type INS.",
    "IHE PAM FR 2.11.2 §6.6.1; IHE France, Constraints on HL7 data types 1.8.2 §N.1",
)
IDENTIFIER_WITHOUT_AUTHORITY: Final = Rule(
    "identifier-without-authority",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "Identifiant sans autorité d'affectation (CX-4) : laissé de côté ; l'envoyer.",
    "Identifier without an assigning authority (CX-4): left out; send it.",
    "IHE PAM FR 2.11.2 §6.6.1",
)
AUTHORITY_ASSUMED: Final = Rule(
    "identifier-authority-assumed",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "Identifiant sans autorité d'affectation (CX-4) : celle prévue pour cette source est retenue ; l'envoyer.",
    "Identifier without an assigning authority (CX-4): the one set for this source is taken; send it.",
    "IHE PAM FR 2.11.2 §6.6.1",
)
IDENTIFIER_WITHOUT_VALUE: Final = Rule(
    "identifier-without-value",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "Répétition sans identifiant (CX-1) : ignorée ; la remplir ou ne pas l'envoyer.",
    "Repetition without an identifier (CX-1): ignored; fill it in or do not send it.",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.1",
)
IDENTIFIER_TOO_LONG: Final = Rule(
    "identifier-too-long",
    ErrorCode.DATA_TYPE,
    _E,
    "Identifiant, type ou autorité de plus de {characters} caractères ou {octets} octets : ne peut être enregistré.",
    "Identifier, type or authority of more than {characters} characters or {octets} bytes: it cannot be stored.",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.1",
)
INS_WITHOUT_OID: Final = Rule(
    "ins-without-known-oid",
    ErrorCode.TABLE_VALUE,
    _W,
    "Identifiant de type INS sans OID d'INS (1.2.250.1.213.1.4.8, .9, .10 ou .11) en CX-4.2 : laissé de côté.",
    "Identifier of type INS without an INS OID (1.2.250.1.213.1.4.8, .9, .10 or .11) in CX-4.2: left out.",
    "IHE PAM FR 2.11.2 §6.6.1; IHE France, Constraints on HL7 data types 1.8.2 §N.1",
)
NAME_WITHOUT_TYPE: Final = Rule(
    "name-without-type",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "PID-5 sans type de nom (XPN-7) : la première répétition est prise pour le nom de naissance ; envoyer L.",
    "PID-5 without a name type (XPN-7): the first repetition is taken for the birth name; send L.",
    "IHE PAM FR 2.11.2 §6.6.2; HL7 v2.5 §3.4.2.5",
)
BIRTH_DATE_ILL_FORMED: Final = Rule(
    "birth-date-ill-formed",
    ErrorCode.DATA_TYPE,
    _W,
    "PID-7 n'est pas une date réelle de la forme AAAA[MM[JJ]] : date laissée de côté.",
    "PID-7 is not a real date of the form YYYY[MM[DD]]: date left out.",
    "IHE PAM FR 2.11.2 §6.6.4",
)
GIVEN_NAMES_JOINED: Final = Rule(
    "given-names-list-joined",
    ErrorCode.ACCEPTED,
    _I,
    "Version annoncée 2.9 ou antérieure : la liste des prénoms est composée de XPN-2 puis XPN-3.",
    "Announced version 2.9 or earlier: the list of given names is made of XPN-2, then XPN-3.",
    "IHE PAM FR 2.11.2 §8.5.10; IHE France, Constraints on HL7 data types 1.6",
)

ORIGINAL_MODE: Final = Rule(
    "original-mode-used",
    ErrorCode.ACCEPTED,
    _I,
    "MSH-15 ou MSH-16 est rempli : l'acquittement est rendu en mode original (AA, AE, AR).",
    "MSH-15 or MSH-16 is filled: the acknowledgement is given in original mode (AA, AE, AR).",
    "HL7 v2.5 §2.9; ITI TF-2 Appendix C.2.3",
)
