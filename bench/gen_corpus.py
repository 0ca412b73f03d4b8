"""A file of MLLP-framed ADT messages in the French PAM style. Every patient in it is invented from a seed.

Each patient has an internal number (IPP), an INS with a right NIR key, and one in three a second domain's number; each
message has its own control id, save the repeats of the mixed corpus. The same arguments write the same file.
"""

import argparse
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

SURNAMES: Final = """MARTIN BERNARD DUBOIS THOMAS ROBERT RICHARD PETIT DURAND LEROY MOREAU SIMON LAURENT LEFÈVRE MICHEL
GARCIA DAVID BERTRAND ROUX VINCENT FOURNIER MOREL GIRARD ANDRÉ LEFEBVRE MERCIER DUPONT LAMBERT BONNET FRANÇOIS MARTÍNEZ
LEGRAND GARNIER FAURE ROUSSEAU BLANC GUÉRIN MÜLLER HENRY ROUSSEL NICOLAS PERRIN MORIN MATHIEU CLÉMENT GAUTHIER DUMONT
LÓPEZ FONTAINE CHEVALIER ROBIN MASSON SÁNCHEZ GÉRARD NGUYEN BOYER DENIS LEMAIRE DUVAL JOLY GAUTIER ROGER ROCHE ROY NOËL
MEYER LUCAS MEUNIER JEAN PÉREZ MARCHAND DUFOUR BLANCHARD MARIE BARBIER BRUN DUMAS BRUNET SCHMITT LEROUX COLAS FERRÉ
D'ALMEIDA L'HÉNAFF SAINT-MARTIN HAÜY""".split()  # noqa: SIM905 - a list would take a line for each name
GIVEN_F: Final = """MARIE JEANNE FRANÇOISE MONIQUE CATHERINE NATHALIE ISABELLE SYLVIE ANNE CÉLINE HÉLÈNE LÉA CHLOÉ INÈS
ZOÉ MAËLYS AGNÈS THÉRÈSE BÉNÉDICTE ANNE-SOPHIE""".split()  # noqa: SIM905 - as above
GIVEN_M: Final = """JEAN PIERRE MICHEL ANDRÉ PHILIPPE RENÉ LOUIS ALAIN JACQUES BERNARD MARCEL DANIEL ROGER FRANÇOIS
GÉRARD JÉRÔME LOÏC THÉO NOËL JEAN-BAPTISTE""".split()  # noqa: SIM905 - as above
STREETS: Final = (
    "rue de la République",
    "avenue du Général-de-Gaulle",
    "boulevard Saint-Michel",
    "allée des Tilleuls",
    "impasse du Moulin",
    "place de l'Église",
    "chemin des Écoliers",
    "rue Émile-Zola",
    "quai du Maréchal-Joffre",
    "route de Bâle",
)
TOWNS: Final = (  # name, postcode, COG
    ("PARIS", "75011", "75111"),
    ("LYON", "69003", "69383"),
    ("MARSEILLE", "13008", "13208"),
    ("SAINT-ÉTIENNE", "42000", "42218"),
    ("ORLÉANS", "45000", "45234"),
    ("NÎMES", "30000", "30189"),
    ("BESANÇON", "25000", "25056"),
    ("CHÂLONS-EN-CHAMPAGNE", "51000", "51108"),
    ("BÉZIERS", "34500", "34032"),
    ("LA ROCHE-SUR-YON", "85000", "85191"),
)
HOSPITAL: Final = "CHU-X&000897406&N"
FACILITY: Final = "CHU-X^000897406^N"
DIALECT_FACILITY: Final = "CHU-X^000897406^FINEG"
INS: Final = "ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO"
RPPS: Final = "ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO"
CHARSETS: Final = {"utf-8": "UNICODE UTF-8", "iso8859-1": "8859/1"}
LAG: Final = 500  # messages between the first message of a patient and the next one that speaks of it


@dataclass(frozen=True, slots=True)
class Spec:
    """What one message says: of which patient, by which event, and which of the patient's states."""

    patient: int
    event: str
    control_id: str
    state: int = 0


@dataclass(frozen=True, slots=True)
class Corpus:
    """The arguments that a file is made from. ``is_mixed``: creations, updates and repeats, else creations alone.

    ``is_dialect``: with seven habits of a GAM against PAM FR (HD.3, XON, PID-24, PID-28, PV1-19), none of which refuses
    the message: each has some ten findings, where those that keep to the profile have two or three.
    """

    count: int
    start: int = 0
    encoding: str = "utf-8"
    version: str = "2.5^FRA^2.11"
    seed: int = 1
    is_mixed: bool = False
    is_dialect: bool = False

    @property
    def facility(self) -> str:
        return DIALECT_FACILITY if self.is_dialect else FACILITY

    def messages(self) -> Iterator[bytes]:
        """Give each message, not framed."""
        for spec in _mixed(self) if self.is_mixed else _fresh(self):
            yield self.message(spec)

    def message(self, spec: Spec) -> bytes:
        """Return one message, not framed: the same one for the same ``spec``, whatever the others are."""
        return write_message(spec, self).encode(self.encoding)


def write_file(path: Path, corpus: Corpus) -> list[int]:
    """Write the corpus as MLLP blocks; return the sizes of its messages in bytes, in order of size."""
    return write_blocks(path, corpus.messages())


def write_blocks(path: Path, messages: Iterable[bytes]) -> list[int]:
    """Write messages as MLLP blocks; return their sizes in bytes, in order of size."""
    sizes = []
    with path.open("wb") as out:
        for data in messages:
            sizes.append(len(data))
            out.write(b"\x0b" + data + b"\x1c\r")
    return sorted(sizes)


def _fresh(corpus: Corpus) -> Iterator[Spec]:
    for i in range(corpus.start, corpus.start + corpus.count):
        yield creation(i)


def creation(patient: int) -> Spec:
    """Return what the first message of a patient says, where each one has but one."""
    return Spec(patient, "A28", f"CHUX-{patient:010d}")


def _mixed(corpus: Corpus) -> Iterator[Spec]:
    """Of four messages: a creation, an update that changes something, one that changes nothing, an exact repeat."""
    made: list[Spec] = []
    for i in range(corpus.start, corpus.start + corpus.count):
        control_id = f"CHUX-{i:010d}"
        earlier = made[-LAG] if len(made) >= LAG else None
        turn = i % 4 if earlier is not None else 0
        if earlier is None or turn == 0:
            spec = Spec(i, "A28", control_id)
        elif turn == 1:
            spec = Spec(earlier.patient, "A31", control_id, earlier.state + 1)
        elif turn == 2:
            spec = replace(earlier, event="A31", control_id=control_id)
        else:
            spec = earlier
        made.append(spec)
        yield spec


def write_message(spec: Spec, corpus: Corpus) -> str:
    """Write one message, each segment ended by CR."""
    i = spec.patient
    rnd = random.Random(corpus.seed << 32 | i)
    at = f"20261124{i // 3600 % 24:02d}{i // 60 % 60:02d}{i % 60:02d}"
    doctor, doctor_given = rnd.choice(SURNAMES), rnd.choice(GIVEN_F + GIVEN_M)
    rpps, practice = f"810{rnd.randrange(10**8):08d}", f"{rnd.randint(1, 99)} {rnd.choice(STREETS)}"
    town, postcode, _ = rnd.choice(TOWNS)
    msh = (
        f"MSH|^~\\&|GAM|{corpus.facility}|IDENTITES|{corpus.facility}|{at}||ADT^{spec.event}^ADT_A05|{spec.control_id}|P"
        f"|{corpus.version}|||||FRA|{CHARSETS[corpus.encoding]}|FR||2.11^IHE_FRANCE-2.11-PAM"
    )
    rol = (
        f"ROL|{i}^GAM|UC|ODRP|{rpps}^{doctor}^{doctor_given.title()}^^^DR^^^{RPPS}^L^^^RPPS|20260101"
        f"|||||MG^Médecine générale|{practice}^Cabinet médical^{town}^^{postcode}^FRA^O"
        f"|^WPN^PH^^^^^^^^^{_phone(rnd, 1, 5)}"
    )
    pd1_3 = f"CHU-X^^^^^{HOSPITAL}^FINEG^^^000897406"
    pv1_rest = ""
    if corpus.is_dialect:
        pd1_3 = "CHU-X^D^000897406^^^FINEG&000897406&N^FINEG"
        pv1_rest = f"{'|' * 17}{7000000 + i}^^^{HOSPITAL}^VN"
    segments = [
        msh,
        f"EVN||{at}|||4021^LEFÈVRE^Zoé^^^^^^{HOSPITAL}^L^^^EI|{at}|{HOSPITAL.replace('&', '^')}",
        _pid(spec, corpus, at, rnd),
        f"PD1|||{pd1_3}|||||||||N|||20261124",
        rol,
        f"PV1|1|N{pv1_rest}",
        f"ZFD|||{'Y' if i % 2 else 'N'}|N|INSI|20261124|",
    ]
    return "\r".join(segments) + "\r"


def _phone(rnd: random.Random, least: int, most: int) -> str:
    return f"0{rnd.randint(least, most)}{rnd.randrange(10**8):08d}"


def _pid(spec: Spec, corpus: Corpus, at: str, rnd: random.Random) -> str:
    i = spec.patient
    female = rnd.random() < 0.52
    year, month, day = rnd.randint(1930, 2023), rnd.randint(1, 12), rnd.randint(1, 28)
    town, postcode, cog = rnd.choice(TOWNS)
    address = f"{rnd.randint(1, 180)} {rnd.choice(STREETS)}^Bâtiment {chr(65 + i % 6)}^{town}^^{postcode}^FRA^H"
    ids = [f"{8000000 + i}^^^{HOSPITAL}^PI", f"{_nir(i, female, year, month)}^^^{INS}^INS"]
    if i % 3 == 0:
        ids.append(f"L{i:07d}^^^LABO-Y&1.2.250.1.999.7.{i % 40 + 1}&ISO^PI")
    phones = [f"^PRN^PH^^^^^^^^^{_phone(rnd, 1, 5)}", f"^PRN^CP^^^^^^^^^{_phone(rnd, 6, 6)}"]
    if i % 4 == 0:
        phones.append(f"^NET^Internet^patient.{i}@exemple.fr")
    names = "~".join(_names(spec, rnd, female=female))
    nation = "FRA^Française^ISO 3166 alpha-3"
    work_phone = f"^WPN^PH^^^^^^^^^{_phone(rnd, 1, 5)}|fr^français^ISO 639-1"
    birth_order, nations = "Y|1" if i % 50 == 0 else "|", f"{nation}||"
    if corpus.is_dialect:
        work_phone, birth_order, nations = "|", "|1" if i % 50 == 0 else "|", "||FRA^Française^ISO3166"
    return (
        f"PID|1||{'~'.join(ids)}||{names}||{year}{month:02d}{day:02d}"
        f"|{'F' if female else 'M'}|||{address}~^^{town}^^{postcode}^FRA^BDL^^{cog}||{'~'.join(phones)}"
        f"|{work_phone}|{'MSU'[i % 3]}"
        f"||{7000000 + i}^^^{HOSPITAL}^AN|||||{town}|{birth_order}"
        f"|{nations}||N||VALI|{at}|{corpus.facility}"
    )


def _nir(i: int, female: bool, year: int, month: int) -> str:
    """Return a NIR whose order number and commune come from ``i``, so that no two patients share one."""
    digits = f"{2 if female else 1}{year % 100:02d}{month:02d}"
    digits += f"{i // 1000 % 89 + 1:02d}{i // 89000 + 1:03d}{i % 1000:03d}"
    return f"{digits}{97 - int(digits) % 97:02d}"


def _names(spec: Spec, rnd: random.Random, *, female: bool) -> list[str]:
    """A later state of a patient has another used name."""
    i = spec.patient
    birth, used = rnd.choice(SURNAMES), rnd.choice(SURNAMES)
    given = rnd.sample(GIVEN_F if female else GIVEN_M, 3)
    names = [f"{birth}^{given[0]}^{' '.join(given)}^^{'MME' if female else 'M'}^^L"]
    if spec.state:
        used = SURNAMES[(SURNAMES.index(used) + spec.state) % len(SURNAMES)]
    if i % 2 == 0 or spec.state:
        names.append(f"{used}^{given[0]}^^^^^D")
    if i % 5 == 0:
        names.append(f"{used}^{given[1]}^^^^^S")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("-n", "--count", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0, help="first patient and control id (0)")
    parser.add_argument("--encoding", choices=sorted(CHARSETS), default="utf-8")
    parser.add_argument("--version", default="2.5^FRA^2.11", help="MSH-12 (2.5^FRA^2.11)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mixed", action="store_true", help="creations, updates and repeats")
    parser.add_argument("--dialect", action="store_true", help="with a GAM's habits: some ten findings a message")
    asked = parser.parse_args()
    corpus = Corpus(asked.count, asked.start, asked.encoding, asked.version, asked.seed, asked.mixed, asked.dialect)
    sizes = write_file(asked.out, corpus)
    print(f"{len(sizes)} messages, {sizes[0]} to {sizes[-1]} bytes, median {sizes[len(sizes) // 2]}")


if __name__ == "__main__":
    main()
