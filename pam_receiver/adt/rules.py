"""The rules of reading: which messages are taken, and which places of them can be used. No patient data in them."""

from typing import Final

from pam_receiver.finding import ErrorCode, Rule, Severity

_E, _W, _I = Severity.E, Severity.W, Severity.I

# Right forms that several rules ask for; the persons and the numbers are invented
_IPP: Final = "PID-3 = 100^^^HOPITAL&1.2.250.1.999.1&ISO^PI"
_INS: Final = "PID-3 = 259014410900036^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
_NAME: Final = "PID-5 = KERGUELEN^ANNE^ANNE SOLENE^^^^L"
_TWO_NAMES: Final = f"{_NAME}~LE GOFF^ANNE^^^^^D"
_BDL: Final = "PID-11 = ^^NANTES^^44000^FRA^BDL^^44109"

TYPE_NOT_ADT: Final = Rule(
    "message-type-not-adt",
    ErrorCode.UNSUPPORTED_MESSAGE_TYPE,
    _E,
    "MSH-9.1 : seuls les messages ADT sont pris ici.",
    "MSH-9.1: only ADT messages are taken here.",
    "ITI TF-2 Appendix C.2.3",
    example="MSH-9 = ADT^A31^ADT_A05",
)
EVENT_UNKNOWN: Final = Rule(
    "event-not-supported",
    ErrorCode.UNSUPPORTED_EVENT,
    _E,
    "MSH-9.2 : événement non pris en charge ; événements attendus : ITI-30 (A28, A31, A40, A47) et ITI-31.",
    "MSH-9.2: event not supported; expected events: ITI-30 (A28, A31, A40, A47) and ITI-31.",
    "IHE PAM FR 2.11.2 §2.1, §5.3.2; ITI TF-2 Appendix C.2.3",
    example="MSH-9 = ADT^A31^ADT_A05",
)
LINK_NOT_SUPPORTED: Final = Rule(
    "link-option-not-supported",
    ErrorCode.UNSUPPORTED_EVENT,
    _E,
    "A24 et A37 (option Link/Unlink, facultative) ne sont pas pris en charge ; fusionner par A40.",
    "A24 and A37 (the optional Link/Unlink option) are not supported; merge by A40.",
    "IHE PAM FR 2.11.2 §2.1",
    example="MSH-9 = ADT^A40^ADT_A39; MRG-1 = 200^^^HOPITAL&1.2.250.1.999.1&ISO^PI",
)
A08_EXCLUDED: Final = Rule(
    "a08-excluded-in-france",
    ErrorCode.UNSUPPORTED_EVENT,
    _E,
    "A08 est exclu par IHE PAM FR : A31 ou Z99 attendu (A31 pour l'identité, Z99 pour un mouvement).",
    "A08 is excluded by IHE PAM FR: A31 or Z99 expected (A31 for the identity, Z99 for a movement).",
    "IHE PAM FR 2.11.2 §2.2",
    example="MSH-9 = ADT^A31^ADT_A05",
)
A08_TAKEN: Final = Rule(
    "a08-taken-as-update",
    ErrorCode.ACCEPTED,
    _W,
    "A08 est pris comme une mise à jour d'identité ; préférer A31.",
    "A08 is taken as an update of the identity; A31 is preferred.",
    "ITI TF-2 §3.31.7.6",
    example="MSH-9 = ADT^A31^ADT_A05",
)
PROCESSING_ID: Final = Rule(
    "processing-id-not-accepted",
    ErrorCode.UNSUPPORTED_PROCESSING_ID,
    _E,
    "MSH-11 : mode de traitement non accepté ici (acceptés : {accepted}).",
    "MSH-11: processing id not accepted here (accepted: {accepted}).",
    "HL7 v2.5 §2.15.9.11",
    example="MSH-11 = P",
)
VERSION: Final = Rule(
    "version-not-supported",
    ErrorCode.UNSUPPORTED_VERSION,
    _E,
    "MSH-12.1 : version HL7 2.5 (ou 2.5.1) attendue.",
    "MSH-12.1: HL7 version 2.5 (or 2.5.1) expected.",
    "IHE PAM FR 2.11.2 §6.5",
    example="MSH-12 = 2.5^FRA^2.11",
)
PID_MISSING: Final = Rule(
    "pid-missing",
    ErrorCode.SEGMENT_SEQUENCE,
    _E,
    "Segment PID absent : il porte l'identité et doit être envoyé.",
    "Segment PID missing: it holds the identity and must be sent.",
    "IHE PAM FR 2.11.2 §5.2, §6.6",
    example="PID|||100^^^HOPITAL&1.2.250.1.999.1&ISO^PI||KERGUELEN^ANNE^ANNE SOLENE^^^^L",
)
MRG_MISSING: Final = Rule(
    "mrg-missing",
    ErrorCode.SEGMENT_SEQUENCE,
    _E,
    "Segment MRG absent après PID : A40 et A47 y portent l'ancien identifiant.",
    "Segment MRG missing after PID: A40 and A47 hold the former identifier in it.",
    "ITI TF-2 §3.30.6.4, §3.30.6.5; IHE PAM FR 2.11.2 §4.1",
    example="MRG|200^^^HOPITAL&1.2.250.1.999.1&ISO^PI",
)
MRG_1_MISSING: Final = Rule(
    "mrg-1-unusable",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _E,
    "MRG-1 sans identifiant utilisable : envoyer l'ancien identifiant (CX-1), son autorité (CX-4) et son type (CX-5).",
    "MRG-1 without a usable identifier: send the former identifier (CX-1), its authority (CX-4) and its type (CX-5).",
    "ITI TF-2 §3.30.5.5; IHE PAM FR 2.11.2 §4.1",
    example="MRG-1 = 200^^^HOPITAL&1.2.250.1.999.1&ISO^PI",
)
IDENTIFIER_WITHOUT_TYPE: Final = Rule(
    "identifier-without-type",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "Identifiant sans type (CX-5) : pris pour un IPP ; envoyer PI.",
    "Identifier without a type (CX-5): taken for an IPP; send PI.",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_IPP,
)
IPP_UNDER_INS_OID: Final = Rule(
    "ipp-under-ins-oid",
    ErrorCode.TABLE_VALUE,
    _W,
    "Identifiant de type PI ou sans type (CX-5) sous l'OID d'un INS (CX-4.2) : laissé de côté ; un INS porte le type INS.",
    "Identifier of type PI or without a type (CX-5) under the OID of an INS (CX-4.2): left out; an INS has the type INS.",
    "IHE PAM FR 2.11.2 §6.6.1; IHE France, Constraints on HL7 data types 1.8.2 §N.1",
    example=_INS,
)
IDENTIFIER_WITHOUT_AUTHORITY: Final = Rule(
    "identifier-without-authority",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "Identifiant sans autorité d'affectation (CX-4) : laissé de côté ; l'envoyer.",
    "Identifier without an assigning authority (CX-4): left out; send it.",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_IPP,
)
AUTHORITY_ASSUMED: Final = Rule(
    "identifier-authority-assumed",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "Identifiant sans autorité d'affectation (CX-4) : celle prévue pour cette source est retenue ; l'envoyer.",
    "Identifier without an assigning authority (CX-4): the one set for this source is taken; send it.",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_IPP,
)
IDENTIFIER_WITHOUT_VALUE: Final = Rule(
    "identifier-without-value",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "Répétition sans identifiant (CX-1) : ignorée ; la remplir ou ne pas l'envoyer.",
    "Repetition without an identifier (CX-1): ignored; fill it in or do not send it.",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.1",
    example=_IPP,
)
IDENTIFIER_TOO_LONG: Final = Rule(
    "identifier-too-long",
    ErrorCode.DATA_TYPE,
    _E,
    "Identifiant, type ou autorité de plus de {characters} caractères ou {octets} octets : ne peut être enregistré.",
    "Identifier, type or authority of more than {characters} characters or {octets} bytes: it cannot be stored.",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.1",
    example=_IPP,
)
INS_WITHOUT_OID: Final = Rule(
    "ins-without-known-oid",
    ErrorCode.TABLE_VALUE,
    _W,
    "Identifiant de type INS sans OID d'INS (1.2.250.1.213.1.4.8, .9, .10 ou .11) en CX-4.2 : laissé de côté.",
    "Identifier of type INS without an INS OID (1.2.250.1.213.1.4.8, .9, .10 or .11) in CX-4.2: left out.",
    "IHE PAM FR 2.11.2 §6.6.1; IHE France, Constraints on HL7 data types 1.8.2 §N.1",
    example=_INS,
)
NAME_WITHOUT_TYPE: Final = Rule(
    "name-without-type",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "PID-5 sans type de nom (XPN-7) : la première répétition est prise pour le nom de naissance ; envoyer L.",
    "PID-5 without a name type (XPN-7): the first repetition is taken for the birth name; send L.",
    "IHE PAM FR 2.11.2 §6.6.2; HL7 v2.5 §3.4.2.5",
    example=_NAME,
)
BIRTH_DATE_ILL_FORMED: Final = Rule(
    "birth-date-ill-formed",
    ErrorCode.DATA_TYPE,
    _W,
    "PID-7 n'est pas une date réelle de la forme AAAA[MM[JJ]] : date laissée de côté.",
    "PID-7 is not a real date of the form YYYY[MM[DD]]: date left out.",
    "IHE PAM FR 2.11.2 §6.6.4",
    example="PID-7 = 19590123",
)
GIVEN_NAMES_JOINED: Final = Rule(
    "given-names-list-joined",
    ErrorCode.ACCEPTED,
    _I,
    "Version annoncée 2.9 ou antérieure : la liste des prénoms est composée de XPN-2 puis XPN-3.",
    "Announced version 2.9 or earlier: the list of given names is made of XPN-2, then XPN-3.",
    "IHE PAM FR 2.11.2 §8.5.10; IHE France, Constraints on HL7 data types 1.6",
    example="MSH-12 = 2.5^FRA^2.11; PID-5 = KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L",
)

ORIGINAL_MODE: Final = Rule(
    "original-mode-used",
    ErrorCode.ACCEPTED,
    _I,
    "MSH-15 ou MSH-16 est rempli : l'acquittement est rendu en mode original (AA, AE, AR).",
    "MSH-15 or MSH-16 is filled: the acknowledgement is given in original mode (AA, AE, AR).",
    "HL7 v2.5 §2.9; ITI TF-2 Appendix C.2.3",
    example="MSH-15 = ; MSH-16 = ",
)

# ------------------------------------------------------------------------------- what senders often get wrong: MSH

EVENT_IN_STRUCTURE: Final = Rule(
    "event-in-msh-9-3",
    ErrorCode.UNSUPPORTED_EVENT,
    _E,
    "MSH-9.2 doit porter l'événement, qui se trouve en MSH-9.3 : écrire ADT, l'événement, puis la structure.",
    "MSH-9.2 must hold the event, which stands in MSH-9.3: write ADT, the event, then the structure.",
    "HL7 v2.5 §2.15.9.9; ITI TF-2 Appendix C.2.3",
    example="MSH-9 = ADT^A28^ADT_A05",
)

# ----------------------------------------------------------------------------- what senders often get wrong: PID-3

_CX: Final = "IHE PAM FR 2.11.2 §6.6.1; IHE France, Constraints on HL7 data types 1.8.2 §N.1"

AUTHORITY_NOT_ACCEPTED: Final = Rule(
    "authority-not-accepted",
    ErrorCode.TABLE_VALUE,
    _W,
    "IPP d'une autorité d'affectation (CX-4) qui n'est pas admise pour cette source : laissé de côté ; envoyer l'IPP d'une autorité admise.",
    "IPP of an assigning authority (CX-4) that is not accepted from this source: left out; send the IPP of an accepted one.",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_IPP,
)
INS_NAME_DISAGREES: Final = Rule(
    "ins-name-disagrees-with-oid",
    ErrorCode.TABLE_VALUE,
    _W,
    "Le nom de l'autorité (CX-4.1) de l'INS contredit son OID (CX-4.2), qui fait foi : écrire {expected} ou corriger l'OID.",
    "The name of the authority (CX-4.1) of the INS contradicts its OID (CX-4.2), which decides: write {expected} or correct the OID.",
    _CX,
    example=_INS,
)
INS_WITH_DATES: Final = Rule(
    "ins-with-dates",
    ErrorCode.DATA_TYPE,
    _I,
    "CX-{number} est rempli à côté d'un INS : le laisser vide, INSi ne rend pas de date ; elle n'est pas lue.",
    "CX-{number} is filled beside an INS: leave it empty, INSi returns no date; it is not read.",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_INS,
)
INS_TYPE_OF_FHIR: Final = Rule(
    "ins-type-of-fhir",
    ErrorCode.TABLE_VALUE,
    _W,
    "CX-5 porte un type de FHIR (INS-NIR, INS-NIA) : n'est pas pris pour un INS ; écrire INS, l'OID (CX-4.2) dit NIR ou NIA.",
    "CX-5 holds a type of FHIR (INS-NIR, INS-NIA): not taken for an INS; write INS, the OID (CX-4.2) tells NIR from NIA.",
    _CX,
    example=_INS,
)
INS_TYPED_NH: Final = Rule(
    "ins-typed-nh",
    ErrorCode.TABLE_VALUE,
    _W,
    "CX-4 nomme un INS et CX-5 = NH un NIR de facturation : n'est pas pris pour un INS ; si c'en est un, écrire CX-5 = INS.",
    "CX-4 names an INS and CX-5 = NH a billing NIR: not taken for an INS; if it is one, write CX-5 = INS.",
    _CX,
    example=_INS,
)
BILLING_NIR: Final = Rule(
    "billing-nir-is-no-ins",
    ErrorCode.ACCEPTED,
    _I,
    "Identité VALI sans INS, avec un NIR de facturation (CX-5 = NH) : ce n'est pas un INS ; pour une identité qualifiée, envoyer aussi l'INS (CX-5 = INS).",
    "Identity VALI without an INS, with a billing NIR (CX-5 = NH): it is no INS; for a qualified identity, send the INS too (CX-5 = INS).",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_INS,
)
INS_C: Final = Rule(
    "ins-c-is-no-ins",
    ErrorCode.TABLE_VALUE,
    _I,
    "INS-C (ou INS-A), abandonné : gardé comme un autre identifiant, jamais comme INS ; envoyer l'INS rendu par INSi (CX-5 = INS).",
    "INS-C (or INS-A), abandoned: kept as another identifier, never as an INS; send the INS that INSi returned (CX-5 = INS).",
    _CX,
    example=_INS,
)
NIR_IN_PID_19: Final = Rule(
    "nir-in-pid-19",
    ErrorCode.DATA_TYPE,
    _W,
    "PID-19 porte un NIR : champ interdit en France, il n'est pas lu ; un NIR de facturation va en PID-3 (CX-5 = NH), un INS en PID-3 (CX-5 = INS).",
    "PID-19 holds a NIR: the field is forbidden in France and is not read; a billing NIR goes to PID-3 (CX-5 = NH), an INS to PID-3 (CX-5 = INS).",
    "IHE PAM FR 2.11.2 §6.6.1, §6.6.10",
    example="PID-19 = ; PID-3 = 259014410900036^^^ASIP-SANTE-NIR&1.2.250.1.213.1.4.8&ISO^NH",
)
REPETITIONS_GLUED: Final = Rule(
    "repetitions-glued",
    ErrorCode.DATA_TYPE,
    _W,
    "Cette répétition a plus de {most} composants, le nombre de son type : il manque sans doute le séparateur de répétitions entre deux d'entre elles ; l'écrire.",
    "This repetition has more than {most} components, the number of its type: the repetition separator between two of them is probably missing; write it.",
    "HL7 v2.5 §2.5.3.5; HL7 v2.5 chapter 2.A",
    example="PID-11 = 12 RUE HAUTE^^RENNES^^35000^FRA^H~^^NANTES^^^FRA^BDL^^44109",
)

# -------------------------------------------------------------------- what senders often get wrong: PID-5 to PID-8

_XPN: Final = "IHE PAM FR 2.11.2 §6.6.2; IHE France, Constraints on HL7 data types 1.8.2 §N.10"

NAME_SHIFTED: Final = Rule(
    "name-shifted-by-one",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "PID-5 décalé d'un rang : le type de nom est en XPN-8 ; ôter un séparateur de composants pour qu'il tombe en XPN-7, et la civilité en XPN-5.",
    "PID-5 shifted by one: the name type stands in XPN-8; remove one component separator so that it falls into XPN-7, and the prefix into XPN-5.",
    _XPN,
    example="PID-5 = KERGUELEN^ANNE^ANNE SOLENE^^Mme^^L",
)
NAME_TYPED_MAIDEN: Final = Rule(
    "name-typed-maiden",
    ErrorCode.TABLE_VALUE,
    _W,
    "PID-5 de type M (nom de jeune fille) : type exclu en France, non lu ; le nom de naissance se type L, le nom utilisé D.",
    "PID-5 of type M (maiden name): excluded in France, not read; the birth name is typed L, the used name D.",
    _XPN,
    example=_TWO_NAMES,
)
NAME_TYPE_FORBIDDEN: Final = Rule(
    "name-type-excluded",
    ErrorCode.TABLE_VALUE,
    _W,
    "PID-5 sans nom de type L, et un type exclu en France (XPN-7 : A, B, C, I, N, P, R, T), non lu : typer L le nom de naissance, D le nom utilisé.",
    "PID-5 without a name of type L, and a type excluded in France (XPN-7: A, B, C, I, N, P, R, T), not read: type the birth name L, the used name D.",
    _XPN,
    example=_TWO_NAMES,
)
GIVEN_NAMES_WITH_COMMAS: Final = Rule(
    "given-names-with-commas",
    ErrorCode.DATA_TYPE,
    _W,
    "XPN-3 sépare les prénoms par des virgules, comme jusqu'à la version 2.9 : écrire la liste entière, le premier compris, séparée par des espaces.",
    "XPN-3 separates given names by commas, as up to version 2.9: write the whole list, the first one included, separated by spaces.",
    "IHE PAM FR 2.11.2 §6.6.2, §8.5.10; IHE France, Constraints on HL7 data types 1.8.2 §N.10",
    example="PID-5 = KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L",
)
BIRTH_NAME_IN_PID_6: Final = Rule(
    "birth-name-in-pid-6",
    ErrorCode.TABLE_VALUE,
    _W,
    "PID-6 (nom de la mère) porte un nom de type L ou M et PID-5 n'a pas de nom de naissance : envoyer celui du patient en PID-5, type L.",
    "PID-6 (the mother's name) holds a name of type L or M and PID-5 has no birth name: send that of the patient in PID-5, type L.",
    "IHE PAM FR 2.11.2 §6.6.2, §6.6.3",
    example="PID-5 = KERGUELEN^ANNE^ANNE SOLENE^^^^L; PID-6 = ",
)
BIRTH_DATE_WITH_ZEROS: Final = Rule(
    "birth-date-with-zeros",
    ErrorCode.DATA_TYPE,
    _W,
    "PID-7 porte un mois ou un jour 00 : date laissée de côté ; s'arrêter à ce qui est connu (AAAA ou AAAAMM) ou envoyer la date fixée selon le guide INS.",
    "PID-7 holds a month or day 00: date left out; stop at what is known (YYYY or YYYYMM) or send the date set by the INS guide.",
    "IHE PAM FR 2.11.2 §6.6.4",
    example="PID-7 = 195901",
)
SEX_OTHER: Final = Rule(
    "sex-other-with-ins",
    ErrorCode.TABLE_VALUE,
    _W,
    "PID-8 = O à côté d'un INS : cette valeur est retirée depuis la 2.11 et INSi ne rend que M ou F ; envoyer M ou F.",
    "PID-8 = O beside an INS: this value was removed in 2.11 and INSi returns M or F only; send M or F.",
    "IHE PAM FR 2.11.2 §6.6.5, §8.5.12",
    example="PID-8 = F",
)
SEX_BY_RNIV: Final = Rule(
    "sex-undetermined-as-i",
    ErrorCode.TABLE_VALUE,
    _W,
    "PID-8 = I (indéterminé) est le mot du RNIV, pas celui de la table 0001 : envoyer U.",
    "PID-8 = I (undetermined) is the word of the RNIV, not that of table 0001: send U.",
    "IHE PAM FR 2.11.2 §6.6.5",
    example="PID-8 = U",
)

# ---------------------------------------------------------------------------- what senders often get wrong: PID-11

_XAD: Final = "IHE PAM FR 2.11.2 §6.6.6; IHE France, Constraints on HL7 data types 1.8.2 §N.6"

BIRTH_PLACE_IS_ZIP: Final = Rule(
    "birth-place-code-is-postal-code",
    ErrorCode.DATA_TYPE,
    _W,
    "PID-11 BDL : XAD-9 répète le code postal de XAD-5 ; y mettre le code INSEE (COG) de la commune, qui en diffère presque toujours.",
    "PID-11 BDL: XAD-9 repeats the postal code of XAD-5; put the INSEE code (COG) of the commune there, which nearly always differs.",
    _XAD,
    example=_BDL,
)
ZIP_FOR_BIRTH_PLACE: Final = Rule(
    "postal-code-for-birth-place",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "PID-11 BDL : un code postal (XAD-5) sans code INSEE (XAD-9), alors que lui seul dit le lieu de naissance ; envoyer le COG en XAD-9.",
    "PID-11 BDL: a postal code (XAD-5) without an INSEE code (XAD-9), which alone tells the birth place; send the COG in XAD-9.",
    _XAD,
    example=_BDL,
)
BIRTH_PLACE_MISPLACED: Final = Rule(
    "birth-place-code-misplaced",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _W,
    "PID-11 BDL : le code INSEE (COG) semble être en {place}, où il n'est pas lu ; l'envoyer en XAD-9.",
    "PID-11 BDL: the INSEE code (COG) seems to stand in {place}, where it is not read; send it in XAD-9.",
    _XAD,
    example=_BDL,
)
BIRTH_PLACE_WITHOUT_CODE: Final = Rule(
    "birth-place-without-code",
    ErrorCode.REQUIRED_FIELD_MISSING,
    _I,
    "PID-11 BDL sans code INSEE (XAD-9) : le lieu de naissance reste inconnu ; envoyer le COG de la commune, ou du pays (99xxx).",
    "PID-11 BDL without an INSEE code (XAD-9): the birth place stays unknown; send the COG of the commune, or of the country (99xxx).",
    _XAD,
    example=_BDL,
)
BIRTH_PLACE_TYPED_BR: Final = Rule(
    "birth-place-typed-br",
    ErrorCode.TABLE_VALUE,
    _I,
    "PID-11 a une adresse BR (domicile à la naissance) et pas de BDL : le lieu de naissance n'est lu que dans une adresse de type BDL.",
    "PID-11 has an address BR (residence at birth) and no BDL: the birth place is read in an address of type BDL only.",
    _XAD,
    example=_BDL,
)
BIRTH_PLACE_MAPPED: Final = Rule(
    "birth-place-mapped",
    ErrorCode.ACCEPTED,
    _I,
    "PID-11 BDL : code INSEE lu en {place}, comme il est réglé pour cette source ; sa place est XAD-9.",
    "PID-11 BDL: INSEE code read in {place}, as set for this source; its place is XAD-9.",
    _XAD,
    example=_BDL,
)
COUNTRY_BY_NUMBER: Final = Rule(
    "country-by-number",
    ErrorCode.TABLE_VALUE,
    _W,
    "PID-11 BDL : pays (XAD-6) donné par un numéro ; écrire le code ISO 3166-1 à trois lettres (FRA pour la France).",
    "PID-11 BDL: country (XAD-6) given by a number; write the three-letter code of ISO 3166-1 (FRA for France).",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.6",
    example=_BDL,
)

# ---------------------------------------------------------------------------- what senders often get wrong: PID-32

STATUS_NEVER_SENT: Final = Rule(
    "status-never-sent",
    ErrorCode.TABLE_VALUE,
    _W,
    "PID-32 = RECUP ou QUAL ne voyage pas dans PAM : envoyer PROV pour une identité récupérée, VALI avec l'INS pour une identité qualifiée.",
    "PID-32 = RECUP or QUAL does not travel in PAM: send PROV for a retrieved identity, VALI with the INS for a qualified one.",
    "IHE PAM FR 2.11.2 §6.6.1, §6.6.15",
    example="PID-32 = VALI",
)
