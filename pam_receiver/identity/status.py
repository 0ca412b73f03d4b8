"""The status of an identity: what PID-32 declares, and the table that deduces from it what we keep.

``PID-32`` says one thing (provisional, validated …) and we keep another (VALI is *qualifiée* or *validée* depending on
the INS beside it), so the two are two types on purpose.
"""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from pam_receiver.finding import Finding, Location
from pam_receiver.identity import rules
from pam_receiver.values import value


class IdentityStatus(StrEnum):
    """The four statuses of the RNIV. Spec: RNIV 1, EXI SI 07."""

    PROVISOIRE = "provisoire"
    RECUPEREE = "recuperee"
    VALIDEE = "validee"
    QUALIFIEE = "qualifiee"

    def is_below(self, other: "IdentityStatus") -> bool:
        """Whether this status is trusted less; they are declared in rising order."""
        order = list(IdentityStatus)
        return order.index(self) < order.index(other)


class Attribute(StrEnum):
    """The three attributes that may stand beside a status. Spec: IHE PAM FR 2.11.2 §6.6.15."""

    HOMONYME = "homonyme"
    DOUTEUSE = "douteuse"
    FICTIVE = "fictive"


class Declared(IntEnum):
    """The status that PID-32 declares, in rising order of trust. Spec: IHE PAM FR 2.11.2 §6.6.15."""

    NONE = 0
    VIDE = 1
    PROV = 2
    VALI = 3


_STATUSES: Final = MappingProxyType({each.name: each for each in Declared if each is not Declared.NONE})
ATTRIBUTES: Final = MappingProxyType(
    {  # IHE PAM FR 2.11.2 §6.6.15, table 0445, column of comments
        "HOMA": Attribute.HOMONYME,
        "DOUT": Attribute.DOUTEUSE,
        "FICT": Attribute.FICTIVE,
    }
)
FORCING: Final = frozenset({Attribute.DOUTEUSE, Attribute.FICTIVE})  # RNIV 1, EXI SI 09: provisional, no INS
DEACTIVATING: Final = frozenset({"DESA", "INVA"})  # table 0445: deactivated, invalidated
DUPLICATE: Final = "DOUB"  # table 0445: duplicate or slave record


@value(frozen=True, slots=True)
class Reliability:
    """What the repetitions of PID-32 say: ``codes`` as sent, the status among them, the attributes among them."""

    codes: tuple[str, ...] = ()
    declared: Declared = Declared.NONE
    attributes: frozenset[Attribute] = frozenset()
    at: Location | None = None

    @property
    def forces_provisoire(self) -> bool:
        """Whether an attribute (douteuse, fictive) leaves no other status than provisoire."""
        return not self.attributes.isdisjoint(FORCING)

    @property
    def is_provisional(self) -> bool:
        """Whether the source says that the identity is provisional, in one way or another; silence is not."""
        return self.forces_provisoire or self.declared in (Declared.VIDE, Declared.PROV)

    @property
    def deactivates(self) -> bool:
        return not DEACTIVATING.isdisjoint(self.codes)


def read_reliability(codes: Sequence[str], at: Location | None) -> tuple[Reliability, tuple[Finding, ...]]:
    """Read the codes of PID-32, whatever their order; of two statuses the lower one counts.

    Spec: IHE PAM FR 2.11.2 §6.6.15; combinations of attributes: RNIV 1, EXI ID 24 and EXI SI 09.
    """
    findings: list[Finding] = []
    declared = {_STATUSES[code] for code in codes if code in _STATUSES}
    attributes = frozenset([ATTRIBUTES[code] for code in codes if code in ATTRIBUTES])
    status = min(declared) if declared else Declared.NONE
    if len(declared) > 1:
        findings.append(rules.SEVERAL_STATUSES.at(at, kept=status.name))
    forbidden = (Attribute.FICTIVE in attributes and len(attributes) > 1) or (
        status is Declared.VALI and not attributes.isdisjoint(FORCING)
    )
    if forbidden:
        findings.append(rules.FORBIDDEN_COMBINATION.at(at))
    return Reliability(tuple(codes), status, attributes, at), tuple(findings)


def attributes_of(codes: Sequence[str]) -> tuple[Attribute, ...]:
    """Return the attributes among ``codes``, in a fixed order."""
    held = [ATTRIBUTES[code] for code in codes if code in ATTRIBUTES]
    return tuple([attribute for attribute in Attribute if attribute in held]) if held else ()


DEDUCTIONS: Final = MappingProxyType(
    {  # IHE PAM FR 2.11.2 §6.6.1, §6.6.15; RNIV 1, EXI SI 07
        # (declared in PID-32, INS beside it): (status we keep, INS kept); None: the status held, else provisoire
        (Declared.VALI, True): (IdentityStatus.QUALIFIEE, True),
        (Declared.VALI, False): (IdentityStatus.VALIDEE, False),
        (Declared.PROV, True): (IdentityStatus.RECUPEREE, False),
        (Declared.PROV, False): (IdentityStatus.PROVISOIRE, False),
        (Declared.VIDE, True): (IdentityStatus.PROVISOIRE, False),
        (Declared.VIDE, False): (IdentityStatus.PROVISOIRE, False),
        (Declared.NONE, True): (None, False),
        (Declared.NONE, False): (None, False),
    }
)


@value(frozen=True, slots=True)
class Deduction:
    """What is kept: ``status`` (``None``: the one held, else provisoire) and whether the INS beside it is taken."""

    status: IdentityStatus | None
    takes_ins: bool


def deduce(reliability: Reliability, *, has_ins: bool, obtained_from_insi: bool, deduce_recuperee: bool) -> Deduction:
    """Return what a message's PID-32, and the INS beside it, make of an identity.

    PAM has no word for *récupérée*. It is deduced from a provisional identity that comes with an INS, or whose ZFD-5
    says that INSi returned it, because that is what the RNIV calls so; ``deduce_recuperee`` turns this off.

    We are a consumer: the source's word is followed, never improved on.

    Spec: IHE PAM FR 2.11.2 §6.6.15, §6.18.5; RNIV 1, EXI SI 07 and EXI SI 09.
    """
    if reliability.forces_provisoire:
        return Deduction(IdentityStatus.PROVISOIRE, takes_ins=False)
    has_trace = has_ins or (reliability.declared is Declared.PROV and obtained_from_insi)
    status, takes_ins = DEDUCTIONS[reliability.declared, has_trace]
    if status is IdentityStatus.RECUPEREE and not deduce_recuperee:
        status = IdentityStatus.PROVISOIRE
    return Deduction(status, takes_ins)
