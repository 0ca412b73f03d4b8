"""The rules that identities are held to, with the words that tell a sender what to change. No patient data in them."""

from typing import Final

from pam_receiver.finding import ErrorCode, Rule, Severity

_E, _W, _I = Severity.E, Severity.W, Severity.I
_101, _102, _103 = ErrorCode.REQUIRED_FIELD_MISSING, ErrorCode.DATA_TYPE, ErrorCode.TABLE_VALUE
_204, _205, _0 = ErrorCode.UNKNOWN_KEY, ErrorCode.DUPLICATE_KEY, ErrorCode.ACCEPTED

# Right forms that several rules ask for; the persons and the numbers are invented
_IPP: Final = "PID-3 = 100^^^HOPITAL&1.2.250.1.999.1&ISO^PI"
_OLD_IPP: Final = "MRG-1 = 200^^^HOPITAL&1.2.250.1.999.1&ISO^PI"
_INS: Final = "PID-3 = 259014410900036^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
_OLD_INS: Final = "MRG-1 = 259014410900036^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
_NEW_INS: Final = "PID-3 = 259014410900135^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
_INS_REMOVED: Final = 'PID-3 = ""^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS'
_A28: Final = "MSH-9 = ADT^A28^ADT_A05"
_A31: Final = "MSH-9 = ADT^A31^ADT_A05"
_A40: Final = "MSH-9 = ADT^A40^ADT_A39"
_A47: Final = "MSH-9 = ADT^A47^ADT_A30"
_TRAITS: Final = (
    "PID-5 = KERGUELEN^ANNE^ANNE SOLENE^^^^L; PID-7 = 19590123; PID-8 = F; PID-11 = ^^NANTES^^44000^FRA^BDL^^44109"
)

# ------------------------------------------------------------------------------------------------- PID-32, status

STATUS_MISSING: Final = Rule(
    "status-missing",
    _101,
    _W,
    "PID-32 ne porte aucun statut d'identité : envoyer VIDE, PROV ou VALI.",
    "PID-32 holds no identity status: send VIDE, PROV or VALI.",
    "IHE PAM FR 2.11.2 §6.6.15",
    example="PID-32 = PROV",
)
SEVERAL_STATUSES: Final = Rule(
    "several-statuses",
    _103,
    _W,
    "PID-32 porte plusieurs statuts, le plus bas ({kept}) est retenu : n'en envoyer qu'un.",
    "PID-32 holds several statuses, the lowest ({kept}) is kept: send one only.",
    "IHE PAM FR 2.11.2 §6.6.15",
    example="PID-32 = VALI",
)
FORBIDDEN_COMBINATION: Final = Rule(
    "forbidden-attribute-combination",
    _103,
    _W,
    "PID-32 : combinaison interdite par le RNIV (DOUT et FICT seulement avec PROV, FICT avec aucun autre attribut) ; l'identité est tenue pour provisoire.",
    "PID-32: combination forbidden by the RNIV (DOUT and FICT with PROV only, FICT with no other attribute); the identity is held as provisional.",
    "IHE PAM FR 2.11.2 §6.6.15; RNIV 1 EXI ID 24, EXI SI 09",
    example="PID-32 = PROV~DOUT",
)
DEACTIVATED: Final = Rule(
    "identity-deactivated",
    _0,
    _W,
    "PID-32 DESA ou INVA : l'identité devient inactive jusqu'à un A28 ou A31 sans ce code.",
    "PID-32 DESA or INVA: the identity becomes inactive until an A28 or A31 without that code.",
    "IHE PAM FR 2.11.2 §6.6.15",
    example=f"{_A31}; PID-32 = VALI",
)
DUPLICATE_RECORD: Final = Rule(
    "duplicate-record",
    _0,
    _W,
    "PID-32 DOUB : la source tient cette identité pour un doublon ; envoyer A40 pour la fusionner.",
    "PID-32 DOUB: the source holds this identity for a duplicate; send A40 to merge it.",
    "IHE PAM FR 2.11.2 §6.6.15",
    example=f"{_A40}; {_IPP}; {_OLD_IPP}",
)
INACTIVE_UPDATED: Final = Rule(
    "inactive-identity",
    _0,
    _W,
    "L'identité est inactive et le reste : seul un A28 ou A31 sans DESA ni INVA la réactive.",
    "The identity is inactive and stays so: only an A28 or A31 without DESA or INVA makes it active again.",
    "IHE PAM FR 2.11.2 §6.6.15",
    example=f"{_A31}; PID-32 = VALI",
)
REACTIVATED: Final = Rule(
    "identity-reactivated",
    _0,
    _I,
    "L'identité était inactive : ce message la réactive.",
    "The identity was inactive: this message makes it active again.",
    "IHE PAM FR 2.11.2 §6.6.15",
    example=f"{_A31}; PID-32 = VALI",
)

# ------------------------------------------------------------------------------------------------------------ INS

INS_WITHOUT_VALI: Final = Rule(
    "ins-without-vali",
    _103,
    _W,
    "INS reçu sans PID-32 = VALI : message intégré sans l'INS ; n'envoyer l'INS que pour une identité qualifiée (VALI).",
    "INS received without PID-32 = VALI: message taken without the INS; send the INS for a qualified identity (VALI) only.",
    "IHE PAM FR 2.11.2 §6.6.15",
    example=f"{_INS}; PID-32 = VALI",
)
INS_OF_DOUBTFUL: Final = Rule(
    "ins-with-doubtful-or-fictitious",
    _103,
    _W,
    "INS reçu avec l'attribut DOUT ou FICT : l'INS est refusé ; retirer l'INS ou l'attribut.",
    "INS received with the attribute DOUT or FICT: the INS is refused; remove the INS or the attribute.",
    "RNIV 1 EXI SI 09; IHE PAM FR 2.11.2 §6.6.15",
    example=f"{_INS}; PID-32 = VALI",
)
INS_ILL_FORMED: Final = Rule(
    "ins-ill-formed",
    _102,
    _W,
    "Le matricule INS doit avoir 15 caractères, clé comprise (chiffres, 2A ou 2B pour la Corse) : INS laissé de côté.",
    "The INS matricule must have 15 characters, key included (digits, 2A or 2B for Corsica): INS left out.",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_INS,
)
INS_WITHOUT_KEY: Final = Rule(
    "ins-without-key",
    _102,
    _W,
    "Le matricule INS n'a que 13 caractères, sa clé a été perdue : INS laissé de côté ; ajouter la clé (15 caractères en tout).",
    "The INS matricule has 13 characters only, its key was lost: INS left out; add the key (15 characters in all).",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_INS,
)
INS_KEY_WRONG: Final = Rule(
    "ins-key-wrong",
    _102,
    _W,
    "La clé du matricule INS ne correspond pas à ses 13 premiers caractères : vérifier le matricule.",
    "The key of the INS matricule does not match its first 13 characters: check the matricule.",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_INS,
)
INS_DISAGREES: Final = Rule(
    "ins-disagrees-with-traits",
    _102,
    _I,
    "Le matricule INS ne concorde pas avec : {what_fr}. À vérifier dans la source (simple information).",
    "The INS matricule disagrees with: {what_en}. To be checked at the source (information only).",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=f"{_INS}; {_TRAITS}",
)
TEST_INS_LEFT_OUT: Final = Rule(
    "test-ins-in-production",
    _103,
    _W,
    "INS de test ou de démonstration (OID .10 ou .11) en environnement de production : INS laissé de côté.",
    "Test or demonstration INS (OID .10 or .11) in a production environment: INS left out.",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.1",
    example="PID-3 = 259014410900036^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS",
)
NIA_AND_NIR: Final = Rule(
    "nia-beside-nir",
    _0,
    _I,
    "NIR et NIA reçus ensemble : le NIR est retenu, le NIA gardé comme ancien INS.",
    "NIR and NIA received together: the NIR is kept, the NIA held as a former INS.",
    "IHE PAM FR 2.11.2 §4.4.1",
    example=_INS,
)
SEVERAL_INS: Final = Rule(
    "several-ins",
    _205,
    _W,
    "Plusieurs INS différents de même nature : aucun nouveau n'est retenu ; n'envoyer que le dernier obtenu.",
    "Several different INS of the same nature: no new one is taken; send only the last one obtained.",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_INS,
)
INS_REPLACED: Final = Rule(
    "ins-replaced",
    _205,
    _W,
    "Un autre INS remplace celui de cette identité, l'ancien est gardé comme tel : vérifier, et annoncer un changement d'INS par A47.",
    "Another INS replaces the one of this identity, the old one is kept as former: check it, and announce a change of INS by A47.",
    "IHE PAM FR 2.11.2 §4.4.2",
    example=f"{_A47}; {_OLD_INS}; {_NEW_INS}",
)
NIA_TO_NIR: Final = Rule(
    "nia-to-nir",
    _0,
    _I,
    "Le NIR remplace le NIA de cette identité, gardé comme ancien INS.",
    "The NIR replaces the NIA of this identity, kept as a former INS.",
    "IHE PAM FR 2.11.2 §4.4.1",
    example=f"{_A31}; {_INS}",
)
INS_KEPT: Final = Rule(
    "ins-not-listed-kept",
    _0,
    _I,
    "Le message ne cite plus l'INS connu et les traits stricts sont inchangés : l'INS est conservé (suppression par A47).",
    "The message no longer lists the INS held and the strict traits are unchanged: the INS stays (it is removed by A47).",
    "IHE PAM FR 2.11.2 §4.4.3",
    example=f"{_A31}; {_INS}; PID-32 = VALI",
)
STRICT_TRAIT_CHANGED: Final = Rule(
    "strict-trait-changed",
    _0,
    _W,
    "Trait strict modifié sans rappel de l'INS ({traits}) : l'INS connu est invalidé, l'identité n'est plus qualifiée ; renvoyer l'INS une fois l'identité requalifiée.",
    "Strict trait changed without naming the INS ({traits}): the INS held is invalidated, the identity is qualified no more; send the INS again once requalified.",
    "DMN INS 33; RNIV 1",
    example=f"{_A31}; {_INS}; PID-32 = VALI",
)
INS_INVALIDATED: Final = Rule(
    "ins-invalidated",
    _0,
    _W,
    "L'identité n'est plus qualifiée (PID-32) : l'INS connu est invalidé.",
    "The identity is no longer qualified (PID-32): the INS held is invalidated.",
    "IHE PAM FR 2.11.2 §6.6.15; DMN INS 34",
    example=f"{_A31}; {_INS}; PID-32 = VALI",
)
INS_OUTDATED: Final = Rule(
    "ins-removed-since",
    _204,
    _W,
    "Cet INS a été retiré après la date de ce message : il n'est pas repris ; vérifier l'ordre d'envoi.",
    "This INS was removed after the date of this message: it is not taken again; check the order of sending.",
    "IHE PAM FR 2.11.2 §4.4.3",
    example="PID-33 = 20260302080000",
)
INS_ERASED: Final = Rule(
    "ins-erased-outside-a47",
    _0,
    _W,
    "INS vidé par \"\" : l'INS connu est retiré ; la suppression d'un INS s'annonce par A47.",
    'INS emptied by "": the INS held is removed; the removal of an INS is announced by A47.',
    "IHE PAM FR 2.11.2 §4.4.3",
    example=f"{_A47}; {_OLD_INS}; {_INS_REMOVED}",
)
BIRTH_DATE_CORRECTED: Final = Rule(
    "ins-with-corrected-birth-date",
    _103,
    _W,
    "ZFD-4 = Y (date de naissance corrigée) exclut l'INS : INS laissé de côté ; retirer l'INS ou corriger ZFD-4.",
    "ZFD-4 = Y (birth date corrected) excludes the INS: INS left out; remove the INS or correct ZFD-4.",
    "IHE PAM FR 2.11.2 §6.6.4",
    example=f"{_INS}; ZFD-4 = N",
)
DOUBLON: Final = Rule(
    "doublon",
    _205,
    _W,
    "Une autre identité active de la même autorité porte déjà cet INS : doublon probable, à fusionner par A40.",
    "Another active identity of the same authority already holds this INS: a probable duplicate, to be merged by A40.",
    "RNIV 1; IHE PAM FR 2.11.2 §6.6.1",
    example=f"{_A40}; {_IPP}; {_OLD_IPP}",
)

# --------------------------------------------------------------------------------------------- the strict traits

TRAIT_MISSING: Final = Rule(
    "qualified-trait-missing",
    _101,
    _E,
    "Identité qualifiée (INS et VALI) sans {trait_fr} : le renseigner en {place}.",
    "Qualified identity (INS and VALI) without {trait_en}: fill it in at {place}.",
    "IHE PAM FR 2.11.2 §6.6.2, §6.6.4, §6.6.5; IHE France, Constraints on HL7 data types 1.8.2 §N.6, §N.10",
    example=_TRAITS,
)
TRAIT_HELD: Final = Rule(
    "qualified-trait-held",
    _101,
    _W,
    "Identité qualifiée : {trait_fr} absent de ce message, la valeur connue est gardée ; le renseigner en {place}.",
    "Qualified identity: {trait_en} absent from this message, the value held is kept; fill it in at {place}.",
    "IHE PAM FR 2.11.2 §6.6.2, §6.6.4, §6.6.5",
    example=_TRAITS,
)
LIST_IS_FIRST_NAME: Final = Rule(
    "given-names-list-missing",
    _101,
    _I,
    "PID-5 type L sans XPN-3 : la liste des prénoms de naissance est réduite au premier ; envoyer la liste entière.",
    "PID-5 type L without XPN-3: the list of birth given names is the first one alone; send the whole list.",
    "IHE PAM FR 2.11.2 §6.6.2; IHE France, Constraints on HL7 data types 1.8.2 §N.10",
    example="PID-5 = KERGUELEN^ANNE^ANNE SOLENE^^^^L",
)
NAME_CHARSET: Final = Rule(
    "qualified-name-charset",
    _102,
    _W,
    "{trait_fr} : une identité qualifiée s'écrit en capitales sans accent (A-Z, espace, apostrophe, tiret), comme INSi l'a rendue.",
    "{trait_en}: a qualified identity is written in plain capitals (A-Z, space, apostrophe, hyphen), as INSi returned it.",
    "DMN INS 1.2; RNIV 1",
    example="PID-5 = KERGUELEN-LE GOFF^ANNE^ANNE SOLENE^^^^L",
)
FIRST_NAME_NOT_HEAD: Final = Rule(
    "first-name-not-head-of-list",
    _102,
    _W,
    "Le premier prénom (XPN-2) doit être le début de la liste des prénoms de naissance (XPN-3).",
    "The first given name (XPN-2) must be the head of the list of birth given names (XPN-3).",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.10; RNIV 1 EXI ID 10",
    example="PID-5 = KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L",
)
SEX_NOT_FROM_INSI: Final = Rule(
    "qualified-sex-undetermined",
    _103,
    _W,
    "PID-8 d'une identité qualifiée : INSi ne rend que M ou F.",
    "PID-8 of a qualified identity: INSi returns M or F only.",
    "IHE PAM FR 2.11.2 §6.6.5",
    example="PID-8 = F",
)
BIRTH_PLACE_ILL_FORMED: Final = Rule(
    "birth-place-code-ill-formed",
    _102,
    _W,
    "PID-11 BDL, XAD-9 : code INSEE (COG) attendu sur 5 caractères (commune, 2A/2B, 97x, 98x, ou 99xxx pour un pays), pas un code postal.",
    "PID-11 BDL, XAD-9: an INSEE code (COG) of 5 characters is expected (commune, 2A/2B, 97x, 98x, or 99xxx for a country), not a postal code.",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.6",
    example="PID-11 = ^^NANTES^^44000^FRA^BDL^^44109",
)
BIRTH_PLACE_NOT_LISTED: Final = Rule(
    "birth-place-code-not-listed",
    _103,
    _I,
    "PID-11 BDL, XAD-9 : code de bonne forme mais absent des listes de communes et de pays de l'INSEE, actuels et anciens ; vérifier que c'est un code INSEE (COG), pas un code postal.",
    "PID-11 BDL, XAD-9: well-formed code that is in none of INSEE's lists of communes and countries, current and former; check that it is an INSEE code (COG), not a postal code.",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.6",
    example="PID-11 = ^^NANTES^^44000^FRA^BDL^^44109",
)
BIRTH_PLACE_UNKNOWN: Final = Rule(
    "qualified-birth-place-unknown",
    _103,
    _W,
    "PID-11 BDL, XAD-9 = 99999 (lieu inconnu) ne peut venir d'INSi : vérifier la qualification.",
    "PID-11 BDL, XAD-9 = 99999 (unknown place) cannot come from INSi: check the qualification.",
    "IHE France, Constraints on HL7 data types 1.8.2 §N.6; RNIV 1",
    example="PID-11 = ^^NANTES^^44000^FRA^BDL^^44109",
)

# ------------------------------------------------------------------------------------- identifiers of the patient

NO_IPP: Final = Rule(
    "no-usable-ipp",
    _101,
    _E,
    "PID-3 sans IPP utilisable : envoyer l'IPP (CX-1) avec son autorité d'affectation (CX-4) et le type PI (CX-5).",
    "PID-3 without a usable IPP: send the IPP (CX-1) with its assigning authority (CX-4) and the type PI (CX-5).",
    "IHE PAM FR 2.11.2 §6.6.1",
    example=_IPP,
)
IPPS_OF_TWO: Final = Rule(
    "ipps-of-two-identities",
    _205,
    _E,
    "PID-3 cite les IPP de deux identités différentes : rien n'est changé ; fusionner par A40 ou corriger les IPP.",
    "PID-3 names the IPPs of two different identities: nothing is changed; merge them by A40 or correct the IPPs.",
    "IHE PAM FR 2.11.2 §4.1",
    example=f"{_A40}; {_IPP}; {_OLD_IPP}",
)
IPP_OF_ANOTHER: Final = Rule(
    "ipp-of-another-identity",
    _205,
    _W,
    "PID-3 cite aussi l'IPP d'une identité inactive ou absorbée : il reste à celle-ci ; n'envoyer que les IPP du patient en vigueur.",
    "PID-3 also names the IPP of an inactive or absorbed identity: it stays there; send the IPPs in force of the patient only.",
    "IHE PAM FR 2.11.2 §4.1; ITI TF-2 §3.30.6.4",
    example=_IPP,
)
ABSORBED: Final = Rule(
    "ipp-of-absorbed-identity",
    _204,
    _E,
    "Cet IPP a été absorbé par fusion le {date} (message {control_id}) : envoyer l'IPP conservé.",
    "This IPP was absorbed by a merge on {date} (message {control_id}): send the surviving IPP.",
    "ITI TF-2 §3.30.6.4",
    example=_IPP,
)
RENUMBERED: Final = Rule(
    "ipp-renumbered",
    _204,
    _E,
    "Cet IPP a été remplacé par un autre (A47 ou A40) : envoyer l'IPP en vigueur.",
    "This IPP was replaced by another one (A47 or A40): send the IPP in force.",
    "IHE PAM FR 2.11.2 §4.1",
    example=_IPP,
)
KNOWN_ON_CREATE: Final = Rule(
    "create-of-known-identity",
    _0,
    _W,
    "A28 pour un IPP déjà connu : l'identité est mise à jour ; envoyer A31 pour une modification.",
    "A28 for an IPP already known: the identity is updated; send A31 for a change.",
    "ITI TF-2 §3.30.6.2, §3.30.6.3; IHE PAM FR 2.11.2 §4.1",
    example=_A31,
)
CANCEL_OF_UNKNOWN: Final = Rule(
    "cancel-of-unknown-identity",
    _0,
    _I,
    "Annulation pour un IPP inconnu : rien à faire.",
    "Cancel for an unknown IPP: nothing to do.",
    "ITI TF-2 §3.31.7",
    example="MSH-9 = ADT^A01^ADT_A01",
)
DELETED: Final = Rule(
    "identity-deleted",
    _0,
    _W,
    "A29 n'est pas prévu par IHE PAM : l'identité devient inactive et son INS est invalidé, rien n'est effacé.",
    "A29 is not part of IHE PAM: the identity becomes inactive and its INS is invalidated, nothing is erased.",
    "HL7 v2.5 §3.3.29",
    example=f"{_A31}; PID-32 = DESA",
)
DELETE_OF_UNKNOWN: Final = Rule(
    "delete-of-unknown-identity",
    _0,
    _I,
    "A29 pour un IPP inconnu : rien à faire.",
    "A29 for an unknown IPP: nothing to do.",
    "HL7 v2.5 §3.3.29",
    example=f"{_A31}; PID-32 = DESA",
)

# ---------------------------------------------------------------------------------------------------- late messages

STALE_APPLIED: Final = Rule(
    "stale-update-applied",
    _0,
    _W,
    "Message plus ancien (PID-33, sinon EVN-2) que ce qui est connu de cette identité : repris, mais le statut n'est pas relevé, aucun INS n'est changé ou rendu, l'identité n'est pas réactivée ; vérifier l'ordre d'envoi.",
    "Message older (PID-33, else EVN-2) than what is known of this identity: taken, but the status is not raised, no INS is changed or given back, the identity is not made active again; check the order of sending.",
    "IHE PAM FR 2.11.2 §6.6",
    example="PID-33 = 20260302080000",
)
STALE_IGNORED: Final = Rule(
    "stale-update-ignored",
    _0,
    _W,
    "Message plus ancien (PID-33, sinon EVN-2) que ce qui est connu de cette identité : gardé au journal, rien n'est changé ; vérifier l'ordre d'envoi, et renvoyer l'identité à jour par A31.",
    "Message older (PID-33, else EVN-2) than what is known of this identity: kept in the journal, nothing is changed; check the order of sending, and send the identity as it is now by A31.",
    "IHE PAM FR 2.11.2 §6.6",
    example="PID-33 = 20260302080000",
)

# ------------------------------------------------------------------------------------------------------------ A40

MERGE_INTO_ITSELF: Final = Rule(
    "merge-into-itself",
    _205,
    _E,
    "MRG-1 et PID-3 désignent la même identité, ou la fusion tournerait en rond : corriger MRG-1.",
    "MRG-1 and PID-3 name the same identity, or the merge would be circular: correct MRG-1.",
    "ITI TF-2 §3.30.6.4",
    example=f"{_A40}; {_IPP}; {_OLD_IPP}",
)
MERGE_SOURCE_UNUSABLE: Final = Rule(
    "merge-without-ipp",
    _101,
    _E,
    "MRG-1 sans IPP utilisable : envoyer l'IPP absorbé (CX-1, CX-4, CX-5 = PI).",
    "MRG-1 without a usable IPP: send the absorbed IPP (CX-1, CX-4, CX-5 = PI).",
    "ITI TF-2 §3.30.6.4",
    example=_OLD_IPP,
)
MERGE_SOURCE_UNKNOWN: Final = Rule(
    "merge-of-unknown-identity",
    _0,
    _I,
    "L'IPP de MRG-1 est inconnu : rien à fusionner.",
    "The IPP of MRG-1 is unknown: nothing to merge.",
    "ITI TF-2 §3.30.6.4",
    example=f"{_A40}; {_IPP}; {_OLD_IPP}",
)
MERGE_SOURCE_ABSORBED: Final = Rule(
    "merge-of-absorbed-identity",
    _204,
    _E,
    "L'IPP de MRG-1 a déjà été absorbé par une autre identité le {date} (message {control_id}) : fusionner l'IPP conservé.",
    "The IPP of MRG-1 was already absorbed by another identity on {date} (message {control_id}): merge the surviving IPP.",
    "ITI TF-2 §3.30.6.4",
    example=f"{_A40}; {_IPP}; {_OLD_IPP}",
)
MERGE_AS_RENUMBER: Final = Rule(
    "merge-taken-as-renumbering",
    _0,
    _I,
    "L'IPP de PID-3 est inconnu et celui de MRG-1 connu : pris comme un changement d'identifiant.",
    "The IPP of PID-3 is unknown and that of MRG-1 known: taken as a change of identifier.",
    "ITI TF-2 §3.30.6.4",
    example=f"{_A40}; {_IPP}; {_OLD_IPP}",
)
MERGE_REPEATED: Final = Rule(
    "merge-already-done",
    _0,
    _I,
    "Cette fusion est déjà faite : sans effet.",
    "This merge is already done: no effect.",
    "ITI TF-2 §3.30.6.4",
    example=f"{_A40}; {_IPP}; {_OLD_IPP}",
)
MERGE_DIFFERS: Final = Rule(
    "merge-differs-from-survivor",
    _0,
    _W,
    "A40 ne porte pas la démographie : {what_fr} de PID ne sont pas repris ; les envoyer par A31.",
    "A40 carries no demographics: {what_en} of PID are not taken; send them by A31.",
    "ITI TF-2 §3.30.6.4",
    example=_A31,
)
MERGE_OF_TWO_INS: Final = Rule(
    "merge-of-two-ins",
    _205,
    _W,
    "Les deux identités fusionnées portent des INS différents : celui de l'identité conservée reste ; à vérifier.",
    "The two merged identities hold different INS: that of the survivor stays; to be checked.",
    "RNIV 1",
    example=f"{_A31}; {_INS}; PID-32 = VALI",
)

# ------------------------------------------------------------------------------------------------------------ A47

CHANGE_OF_NOTHING: Final = Rule(
    "change-of-unknown-identifier",
    _0,
    _I,
    "L'identifiant de MRG-1 n'est pas connu : aucun identifiant à changer.",
    "The identifier of MRG-1 is not known: no identifier to change.",
    "ITI TF-2 §3.30.6.5; IHE PAM FR 2.11.2 §4.4.3",
    example=f"{_A47}; {_IPP}; {_OLD_IPP}",
)
CHANGE_DONE: Final = Rule(
    "change-already-done",
    _0,
    _I,
    "Ce changement d'identifiant est déjà fait : sans effet.",
    "This change of identifier is already done: no effect.",
    "ITI TF-2 §3.30.6.5",
    example=f"{_A47}; {_IPP}; {_OLD_IPP}",
)
CHANGE_WITHOUT_NEW: Final = Rule(
    "change-without-new-identifier",
    _101,
    _W,
    "PID-3 ne porte pas de nouvel identifiant de même type et même autorité que MRG-1 : identifiant inchangé.",
    "PID-3 holds no new identifier of the type and authority of MRG-1: identifier unchanged.",
    "IHE PAM FR 2.11.2 §4.1",
    example=f"{_A47}; {_IPP}; {_OLD_IPP}",
)
NEW_IDENTIFIER_HELD: Final = Rule(
    "new-identifier-already-held",
    _205,
    _E,
    "Le nouvel identifiant appartient déjà à une autre identité : rien n'est changé ; fusionner par A40 ou corriger.",
    "The new identifier already belongs to another identity: nothing is changed; merge by A40 or correct it.",
    "ITI TF-2 §3.30.6.5",
    example=f"{_A40}; {_IPP}; {_OLD_IPP}",
)
INS_OF_ANOTHER: Final = Rule(
    "ins-held-by-another-identity",
    _204,
    _E,
    "L'INS de MRG-1 est porté par une autre identité que celle de l'IPP : rien n'est changé ; vérifier IPP et INS.",
    "The INS of MRG-1 is held by another identity than that of the IPP: nothing is changed; check IPP and INS.",
    "IHE PAM FR 2.11.2 §4.4.3",
    example=f"{_A47}; {_OLD_INS}; {_INS_REMOVED}",
)
NEW_INS_UNUSABLE: Final = Rule(
    "new-ins-unusable",
    _0,
    _W,
    "Le nouvel INS de PID-3 ne peut être retenu : l'ancien, annoncé obsolète, est retiré ; renvoyer le nouvel INS par A31 une fois corrigé.",
    "The new INS of PID-3 cannot be taken: the old one, announced as obsolete, is removed; send the new INS by A31 once corrected.",
    "IHE PAM FR 2.11.2 §4.4.2",
    example=f"{_A31}; {_NEW_INS}; PID-32 = VALI",
)
INS_NOT_THE_ONE_HELD: Final = Rule(
    "ins-is-not-the-one-held",
    _204,
    _W,
    "L'INS de MRG-1 n'est pas celui de cette identité : {effect_fr}",
    "The INS of MRG-1 is not the one of this identity: {effect_en}",
    "IHE PAM FR 2.11.2 §4.4.3",
    example=f"{_A47}; {_OLD_INS}; {_NEW_INS}",
)
