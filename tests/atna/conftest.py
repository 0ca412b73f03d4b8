"""Rows and imports that never were, and the schema that every audit message must obey."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from lxml import etree

from pam_receiver.identity.identifiers import AssigningAuthority, PatientIdentifier
from pam_receiver.store.trail import Import, TrailRow

AT: Final = datetime(2026, 3, 2, 7, 0, 0, 123456, tzinfo=UTC)
HOSPITAL: Final = AssigningAuthority("CHU-LYRE", "1.2.250.1.999.77", "ISO")
IPP: Final = PatientIdentifier("100", "PI", HOSPITAL)
ROW: Final = TrailRow(
    number=42,
    at=AT,
    action="read",
    outcome="success",
    actor="mireille",
    actor_kind="os-user",
    origin="station-7",
    identity_id="0a83c23e-1eef-55d5-80c0-d385c02fe7b9",
    message_id=None,
    reason="demande du patient",
    detail={"command": "show"},
    previous="0" * 64,
    hash="1" * 64,
)
IMPORT: Final = Import(
    identity_id="0a83c23e-1eef-55d5-80c0-d385c02fe7b9",
    version=1,
    at=AT,
    message_id="0199a000-0000-7000-8000-000000000001",
    control_id="MATIN001",
    event="A28",
    sending_application="GAM",
    sending_facility="CHU-LYRE",
    peer="192.0.2.1:40000",
    changes=(),
    ipp=IPP,
    ack=b"MSH|^~\\&|PAM-RECEIVER|DMN|GAM|CHU-LYRE|20260302||ACK^A28^ACK|1|P|2.5\rMSA|AA|MATIN001\r",
)


def row(**values: Any) -> TrailRow:
    return replace(ROW, **values)


def imported(**values: Any) -> Import:
    return replace(IMPORT, **values)


@pytest.fixture(scope="session")
def schema() -> etree.RelaxNG:
    """DICOM PS3.15 §A.5.1, in our own words."""
    return etree.RelaxNG(etree.parse(str(Path(__file__).parent / "audit_message.rng")))


def check(schema: etree.RelaxNG, xml: str) -> etree._Element:
    """Return the message, once sure that it obeys the schema."""
    found = etree.fromstring(xml.encode())
    schema.assertValid(found)
    return found
