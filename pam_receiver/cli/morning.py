"""A hospital's morning in 22 messages, for the demo: every person, number and place of care in it is invented.

Matricules have the order number 000, which is given to nobody, and keys that are right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from stdnum.fr import nir

_AUTHORITY: Final = "CHU-LYRE&1.2.250.1.999.77&ISO"
_NIR: Final = ("ASIP-SANTE-INS-NIR", "1.2.250.1.213.1.4.8")
_NIA: Final = ("ASIP-SANTE-INS-NIA", "1.2.250.1.213.1.4.9")
_NIR_TEST: Final = ("ASIP-SANTE-INS-NIR", "1.2.250.1.213.1.4.10")
_STRUCTURES: Final = {  # HL7 v2.5 §3.3
    "A01": "ADT_A01",
    "A02": "ADT_A02",
    "A03": "ADT_A03",
    "A08": "ADT_A01",
    "A28": "ADT_A05",
    "A31": "ADT_A05",
    "A40": "ADT_A39",
    "A47": "ADT_A30",
    "Z99": "ADT_A01",
}
_DAY: Final = "20260302"


@dataclass(frozen=True, slots=True)
class Scene:
    """One message of the morning: a file name, what happens, the message, the answer it must have."""

    name: str
    fr: str
    en: str
    raw: bytes
    expected: str


@dataclass(frozen=True, slots=True)
class _Person:
    ipp: str
    family: str
    given: str
    birth: str
    sex: str
    commune: str
    cog: str
    declared: str = "PROV"
    ins: tuple[str, ...] = ()
    used: str | None = None
    account: str = ""

    @property
    def first(self) -> str:
        return self.given.partition(" ")[0]


def _with_key(base: str) -> str:
    return base + str(nir.calc_check_digits(base))


def _ins(base: str, kind: tuple[str, str]) -> str:
    return f"{_with_key(base)}^^^{kind[0]}&{kind[1]}&ISO^INS"


def _fields(name: str, values: Mapping[int, str]) -> str:
    return "|".join([name, *(values.get(number, "") for number in range(1, max(values) + 1))])


def _pi(ipp: str) -> str:
    return f"{ipp}^^^{_AUTHORITY}^PI"


def _pid(person: _Person, at: str) -> str:
    names = [f"{person.family}^{person.first}^{person.given}^^^^L"]
    if person.used is not None:
        names.append(person.used)
    places = [f"^^{person.commune}^^^FRA^BDL^^{person.cog}"] if person.cog else []
    account = f"{person.account}^^^{_AUTHORITY}^AN" if person.account else ""
    return _fields(
        "PID",
        {
            1: "1",
            3: "~".join([_pi(person.ipp), *person.ins]),
            5: "~".join(names),
            7: person.birth,
            8: person.sex,
            11: "~".join(places),
            18: account,
            32: person.declared,
            33: at,
        },
    )


def _message(number: int, event: str, clock: str, *segments: str) -> bytes:
    at = f"{_DAY}{clock}"
    header = (
        rf"MSH|^~\&|GAM|CHU-LYRE|PAM-RECEIVER|DMN|{at}||ADT^{event}^{_STRUCTURES[event]}|MATIN{number:03}|P|2.5^FRA^2.11"
        "|||||FRA|UNICODE UTF-8|FR||2.11^IHE_FRANCE-2.11-PAM"
    )
    return "".join(f"{each}\r" for each in (header, f"EVN||{at}||||{at}", *segments)).encode("utf-8")


def _identity(number: int, event: str, clock: str, person: _Person, *after: str) -> bytes:
    last = after or ("PV1|1|N",)
    return _message(number, event, clock, _pid(person, f"{_DAY}{clock}"), *last)


def _movement(number: int, event: str, clock: str, person: _Person, movement: tuple[str, str, str]) -> bytes:
    """``movement``: the action (ZBE-4), the id of the movement, and the event that it corrects or ``""``."""
    action, movement_id, original = movement
    at = f"{_DAY}{clock}"
    unit = "2001" if event == "A02" else "1001"
    visit = _fields(
        "PV1",
        {
            1: "1",
            2: "I",
            3: f"{unit}^12^1^CHU-LYRE",
            19: f"V{person.account}^^^{_AUTHORITY}^VN",
            44: f"{_DAY}093000",
            45: at if event == "A03" else "",
        },
    )
    zbe = _fields(
        "ZBE",
        {
            1: f"{movement_id}^CHU-LYRE^1.2.250.1.999.77^ISO",
            2: at,
            4: action,
            5: "N",
            6: original,
            7: f"UNITE {unit}^^^^^{_AUTHORITY}^UF^^^{unit}",
            8: f"UNITE {unit}^^^^^{_AUTHORITY}^UF^^^{unit}",
            9: "HMS",
        },
    )
    return _message(number, event, clock, _pid(person, at), visit, zbe)


_ANNE: Final = _Person("100", "KERGUELEN", "ANNE SOLENE MARIE", "19590123", "F", "NANTES", "44109")
_MALO: Final = _Person("200", "TANGUY", "MALO", "19870602", "M", "QUIMPER", "29232")
_ELOUAN: Final = _Person("300", "SALAUN", "ELOUAN YVES", "20041130", "F", "VANNES", "56260")
_YANNA: Final = _Person("400", "LE DROFF", "YANNA", "19711009", "F", "", "")

_ANNE_INS: Final = _ins("2590144109000", _NIR_TEST)
_MALO_NIA: Final = _ins("1870629232000", _NIA)
_MALO_NIR: Final = _ins("1870629232000", _NIR)
_ELOUAN_OLD: Final = _ins("2041156260000", _NIR_TEST)
_ELOUAN_NEW: Final = _ins("1041156260000", _NIR_TEST)
_YANNA_INS: Final = _ins("2711035238000", _NIR_TEST)


def _removed(kind: tuple[str, str]) -> str:
    return f'""^^^{kind[0]}&{kind[1]}&ISO^INS'


def _qualification() -> list[Scene]:
    anne, malo = _ANNE, replace(_MALO, declared="VALI")
    qualified = replace(anne, declared="VALI", ins=(_ANNE_INS,))
    return [
        Scene(
            "creation",
            "Anne Kerguelen arrive, IPP 100 : identité provisoire.",
            "Anne Kerguelen arrives, IPP 100: a provisional identity.",
            _identity(1, "A28", "080000", anne),
            "AA",
        ),
        Scene(
            "ins-non-verifie",
            "INSi a rendu son INS, aucune pièce n'est vérifiée (PROV) : message pris sans l'INS, identité récupérée.",
            "INSi returned her INS, no document was checked (PROV): taken without the INS, identity récupérée.",
            _identity(2, "A31", "080500", replace(anne, ins=(_ANNE_INS,))),
            "AA",
        ),
        Scene(
            "qualification",
            "Sa carte d'identité est vérifiée (VALI) : identité qualifiée, INS gardé.",
            "Her identity card is checked (VALI): identity qualifiée, INS kept.",
            _identity(3, "A31", "081000", qualified),
            "AA",
        ),
        Scene(
            "nom-utilise",
            "Elle se fait appeler Marie Le Goff.",
            "She goes by the name of Marie Le Goff.",
            _identity(4, "A31", "081500", replace(qualified, used="LE GOFF^MARIE^^^^^D")),
            "AA",
        ),
        Scene(
            "creation-nia",
            "Malo Tanguy, IPP 200, qualifié avec un NIA.",
            "Malo Tanguy, IPP 200, qualified with a NIA.",
            _identity(5, "A28", "083000", replace(malo, ins=(_MALO_NIA,))),
            "AA",
        ),
        Scene(
            "nia-vers-nir",
            "Son NIR est attribué : il remplace le NIA, gardé comme ancien.",
            "His NIR is given: it replaces the NIA, kept as former.",
            _identity(6, "A31", "084500", replace(malo, ins=(_MALO_NIA, _MALO_NIR))),
            "AA",
        ),
    ]


def _stay() -> list[Scene]:
    anne = replace(_ANNE, declared="VALI", ins=(_ANNE_INS,), account="4700")
    named = replace(anne, used="LE GOFF^MARIE^^^^^D")
    return [
        Scene(
            "admission",
            "Anne Kerguelen est admise : l'identité ne change pas, aucune version de plus.",
            "Anne Kerguelen is admitted: her identity does not change, no version is added.",
            _movement(7, "A01", "093000", named, ("INSERT", "M1", "")),
            "AA",
        ),
        Scene(
            "transfert",
            "Elle change d'unité.",
            "She moves to another unit.",
            _movement(8, "A02", "100000", named, ("INSERT", "M2", "")),
            "AA",
        ),
        Scene(
            "sortie",
            "Elle sort.",
            "She leaves.",
            _movement(9, "A03", "113000", named, ("INSERT", "M3", "")),
            "AA",
        ),
        Scene(
            "correction",
            "L'admission est corrigée (Z99), et le nom utilisé effacé (\"\") : il s'en va.",
            'The admission is corrected (Z99), and the used name erased (""): it goes.',
            _movement(10, "Z99", "114000", replace(anne, used='""^""^^^^^D'), ("UPDATE", "M1", "A01")),
            "AA",
        ),
    ]


def _changes() -> list[Scene]:
    elouan = replace(_ELOUAN, declared="VALI")
    moved = replace(elouan, ipp="301")
    boy = replace(moved, sex="M")
    malo = replace(_MALO, declared="PROV")
    return [
        Scene(
            "creation-validee",
            "Elouan Salaun, IPP 300, pièce vérifiée mais sans INS : identité validée.",
            "Elouan Salaun, IPP 300, document checked but no INS: identity validée.",
            _identity(11, "A28", "114100", elouan),
            "AA",
        ),
        Scene(
            "changement-ipp",
            "Son IPP devient 301 ; 300 reste connu comme ancien.",
            "The IPP becomes 301; 300 stays known as former.",
            _identity(12, "A47", "114200", moved, f"MRG|{_pi('300')}"),
            "AA",
        ),
        Scene(
            "qualification-301",
            "INSi rend son INS : identité qualifiée.",
            "INSi returns the INS: identity qualifiée.",
            _identity(13, "A31", "114300", replace(moved, ins=(_ELOUAN_OLD,))),
            "AA",
        ),
        Scene(
            "ins-remplace",
            "Changement de sexe à l'état civil : un nouvel INS remplace l'ancien.",
            "Change of sex in the civil register: a new INS replaces the old one.",
            _identity(14, "A47", "114400", replace(boy, ins=(_ELOUAN_NEW,)), f"MRG|{_ELOUAN_OLD}"),
            "AA",
        ),
        Scene(
            "ins-supprime",
            "Cet INS était celui d'un autre : tous les INS sont retirés, l'identité redevient validée.",
            "That INS was somebody else's: all INS are removed, the identity is validée again.",
            _identity(15, "A47", "114500", replace(boy, ins=(_removed(_NIR_TEST),)), f"MRG|{_ELOUAN_NEW}"),
            "AA",
        ),
        Scene(
            "declassement",
            "La pièce de Malo Tanguy était fausse : déclassement, INS retirés, identité provisoire.",
            "Malo Tanguy's document was forged: downgraded, INS removed, identity provisoire.",
            _identity(16, "A47", "114600", replace(malo, ins=(_removed(_NIR),)), f"MRG|{_MALO_NIR}"),
            "AA",
        ),
    ]


def _merge() -> list[Scene]:
    double = replace(_ANNE, ipp="101")
    qualified = replace(_ANNE, declared="VALI", ins=(_ANNE_INS,))
    merge = _identity(18, "A40", "121000", qualified, f"MRG|{_pi('101')}")
    return [
        Scene(
            "doublon",
            "Aux urgences, Anne Kerguelen est créée une seconde fois : IPP 101.",
            "At the emergency desk, Anne Kerguelen is created a second time: IPP 101.",
            _identity(17, "A28", "120000", double),
            "AA",
        ),
        Scene(
            "fusion",
            "Les deux dossiers sont fusionnés : 101 disparaît dans 100.",
            "The two records are merged: 101 disappears into 100.",
            merge,
            "AA",
        ),
        Scene(
            "repetition",
            "L'ACK s'est perdu, le même message est renvoyé : même ACK, rien ne change.",
            "The ACK got lost, the same message is sent again: same ACK, nothing changes.",
            merge,
            "AA",
        ),
        Scene(
            "refus-ipp-absorbe",
            "Un message tardif sur l'IPP absorbé : refusé, rien n'est écrasé.",
            "A late message on the absorbed IPP: refused, nothing is overwritten.",
            _identity(20, "A31", "121500", double),
            "AE",
        ),
        Scene(
            "refus-traits",
            "Un INS et VALI sans prénom, sexe ni lieu de naissance : refusé, chaque trait manquant est dit.",
            "An INS and VALI without given name, sex or birth place: refused, each missing trait is told.",
            _identity(21, "A28", "122000", replace(_YANNA, given="", sex="", declared="VALI", ins=(_YANNA_INS,))),
            "AE",
        ),
        Scene(
            "refus-a08",
            "A08 est exclu en France : refusé, A31 ou Z99 attendu.",
            "A08 is excluded in France: refused, A31 or Z99 expected.",
            _movement(22, "A08", "123000", replace(qualified, account="4700"), ("UPDATE", "M1", "A01")),
            "AR",
        ),
    ]


def morning() -> tuple[Scene, ...]:
    """Return the messages of the morning, in order."""
    return (*_qualification(), *_stay(), *_changes(), *_merge())
