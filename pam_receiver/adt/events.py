"""Which messages are taken: type, trigger event, processing id and version. Routing is by MSH-9.2 alone."""

from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from pam_receiver.adt import rules
from pam_receiver.finding import Finding, Location, Rule
from pam_receiver.hl7.header import Header
from pam_receiver.identity.model import ChangeIdentifier, Delete, Merge, UpdateKind

A08: Final = "A08"
LINK_EVENTS: Final = frozenset({"A24", "A37"})  # IHE PAM FR 2.11.2 §2.1: option Link/Unlink
VERSIONS: Final = frozenset({"2.5", "2.5.1"})

EVENTS: Final = MappingProxyType(
    {
        # ITI-30, IHE PAM FR 2.11.2 §2.1
        "A28": UpdateKind.CREATE,
        "A31": UpdateKind.UPDATE,
        "A40": Merge,
        "A47": ChangeIdentifier,
        # outside PAM, but real: HL7 v2.5 §3.3.29; taken in international PAM only: §3.3.8
        "A29": Delete,
        A08: UpdateKind.UPDATE,
        # ITI-31, IHE PAM FR 2.11.2 §2.2, §5.3.2: insert and Z99
        **dict.fromkeys(
            ("A01", "A02", "A03", "A04", "A05", "A06", "A07", "A14", "A15", "A16", "A21", "A22", "A44", "A54", "Z99"),
            UpdateKind.ENCOUNTER,
        ),
        # ITI-31: cancel
        **dict.fromkeys(
            ("A11", "A12", "A13", "A25", "A26", "A27", "A38", "A52", "A53", "A55"),
            UpdateKind.CANCEL,
        ),
    }
)
CANCELLED_BY_ZBE: Final = frozenset({"A06", "A07"})  # IHE PAM FR 2.11.2 §5.3.5: each cancels the other by ZBE-4
_KNOWN_EVENTS: Final = EVENTS.keys() | LINK_EVENTS


def check_header(header: Header, *, accepts_processing_ids: Collection[str]) -> tuple[Finding, ...]:
    """Return why a message is not taken at all (AR); empty when it is.

    An empty MSH-11 claims nothing that is refused here; it is left to the profile to say that it is missing.

    Spec: ITI TF-2 Appendix C.2.3; HL7 v2.5 §2.9.2.2.
    """
    if header.message_code != "ADT":
        return (rules.TYPE_NOT_ADT.at(Location("MSH", 1, 9, 1, 1)),)
    findings = []
    if (rule := _refusal_of(header)) is not None:
        findings.append(rule.at(Location("MSH", 1, 9, 1, 2)))
    if header.processing_id and header.processing_id not in accepts_processing_ids:
        accepted = ", ".join(sorted(accepts_processing_ids))
        findings.append(rules.PROCESSING_ID.at(Location("MSH", 1, 11), accepted=accepted))
    if header.version not in VERSIONS:
        findings.append(rules.VERSION.at(Location("MSH", 1, 12)))
    return tuple(findings)


def _refusal_of(header: Header) -> Rule | None:
    event = header.trigger_event
    if event in LINK_EVENTS:
        return rules.LINK_NOT_SUPPORTED
    if event == A08 and header.is_french:
        return rules.A08_EXCLUDED
    if event in EVENTS:
        return None
    return rules.EVENT_IN_STRUCTURE if header.structure in _KNOWN_EVENTS else rules.EVENT_UNKNOWN
