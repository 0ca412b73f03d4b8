"""What an audit message says: who, from where, whom, by which message; never an INS, never a name."""

from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from pam_receiver.atna import Reporter, tell_import, tell_row, to_xml
from pam_receiver.atna.codes import KINDS
from pam_receiver.atna.telling import action_of, to_cx
from pam_receiver.identity.identifiers import AssigningAuthority, PatientIdentifier
from pam_receiver.identity.model import Difference

from .conftest import IMPORT, IPP, ROW, check, imported, row

BY = Reporter("receiver-1", 4711)


def details(found: Any) -> dict[str, str]:
    return {each.get("type"): b64decode(each.get("value")).decode() for each in found.iter("ParticipantObjectDetail")}


class TestRows:
    @pytest.mark.parametrize("action", [*KINDS, "unknown-act"])
    @pytest.mark.parametrize("identity", [None, ROW.identity_id])
    @pytest.mark.parametrize("outcome", ["success", "refused", "failed"])
    def test_every_act_obeys_the_schema(
        self, schema: etree.RelaxNG, action: str, identity: str | None, outcome: str
    ) -> None:
        for ipp in (None, IPP):
            for message in (None, IMPORT.message_id):
                told = row(action=action, identity_id=identity, outcome=outcome, message_id=message)
                found = check(schema, to_xml(tell_row(told, ipp, by=BY)))
                event = found.find("EventIdentification")
                assert event.get("EventOutcomeIndicator") == {"success": "0", "refused": "4", "failed": "8"}[outcome]
                assert details(found)["id"] == "trail/42"

    def test_a_look_is_a_patient_record_that_was_read(self, schema: etree.RelaxNG) -> None:
        found = check(schema, to_xml(tell_row(ROW, IPP, by=BY)))
        event = found.find("EventIdentification")
        assert (event.get("EventActionCode"), event.find("EventID").get("csd-code")) == ("R", "110110")
        assert event.get("EventDateTime") == "2026-03-02T07:00:00.123456Z"
        who, ours = found.findall("ActiveParticipant")
        assert (who.get("UserID"), who.get("UserIsRequestor")) == ("mireille", "true")
        assert (who.get("NetworkAccessPointID"), who.get("NetworkAccessPointTypeCode")) == ("station-7", "1")
        assert (ours.get("UserID"), ours.get("AlternativeUserID")) == ("pam-receiver", "4711")
        patient = found.find("ParticipantObjectIdentification")
        assert patient.get("ParticipantObjectID") == "100^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI"
        assert (patient.get("ParticipantObjectTypeCode"), patient.get("ParticipantObjectTypeCodeRole")) == ("1", "1")
        assert details(found)["reason"] == "demande du patient"

    @pytest.mark.parametrize(
        ("origin", "place", "kind"),
        [
            ("station-7", "station-7", "1"),
            ("station-7 (ssh 192.0.2.9)", "192.0.2.9", "2"),
            ("2001:db8::1", "2001:db8::1", "2"),
            ("", None, None),
        ],
    )
    def test_from_where(self, schema: etree.RelaxNG, origin: str, place: str | None, kind: str | None) -> None:
        found = check(schema, to_xml(tell_row(row(origin=origin), None, by=BY)))
        who = found.find("ActiveParticipant")
        shown = (who.get("NetworkAccessPointID"), who.get("NetworkAccessPointTypeCode"))
        assert shown == (place, kind)

    def test_without_an_ipp_a_patient_has_our_id(self, schema: etree.RelaxNG) -> None:
        found = check(schema, to_xml(tell_row(ROW, None, by=BY)))
        patient = found.find("ParticipantObjectIdentification")
        assert patient.get("ParticipantObjectID") == f"{ROW.identity_id}^^^pam-receiver"

    def test_a_search_is_a_query_without_what_was_typed(self, schema: etree.RelaxNG) -> None:
        told = row(action="search", identity_id=None, detail={"command": "show", "found": 0})
        found = check(schema, to_xml(tell_row(told, None, by=BY)))
        assert found.find(".//EventID").get("csd-code") == "110112"
        roles = [each.find("RoleIDCode").get("csd-code") for each in found.findall("ActiveParticipant")]
        assert roles == ["110153", "110152"]
        assert found.findtext(".//ParticipantObjectQuery") in ("", None)

    def test_a_disclosure_names_the_partner_as_destination(self, schema: etree.RelaxNG) -> None:
        told = row(action="disclose", detail={"partner": "laboratory", "ins": True})
        found = check(schema, to_xml(tell_row(told, IPP, by=BY)))
        partner = found.findall("ActiveParticipant")[1]
        assert (partner.get("UserID"), partner.find("RoleIDCode").get("csd-code")) == ("laboratory", "110152")

    def test_an_export_of_the_trail_is_the_audit_log_used(self, schema: etree.RelaxNG) -> None:
        found = check(schema, to_xml(tell_row(row(action="export", identity_id=None), None, by=BY)))
        assert found.find(".//EventID").get("csd-code") == "110101"
        assert found.findtext(".//ParticipantObjectName") == "Security Audit Log"


class TestImports:
    def test_what_came_in_is_a_patient_record_of_the_transaction(self, schema: etree.RelaxNG) -> None:
        found = check(schema, to_xml(tell_import(IMPORT, IPP, by=BY)))
        event = found.find("EventIdentification")
        assert (event.get("EventActionCode"), event.find("EventID").get("csd-code")) == ("C", "110110")
        assert event.find("EventTypeCode").get("csd-code") == "ITI-30"
        source, destination = found.findall("ActiveParticipant")
        assert (source.get("UserID"), source.get("NetworkAccessPointID")) == ("GAM|CHU-LYRE", "192.0.2.1")
        assert (destination.get("UserID"), destination.get("NetworkAccessPointID")) == (
            "PAM-RECEIVER|DMN",
            "receiver-1",
        )
        roles = [each.find("RoleIDCode").get("csd-code") for each in (source, destination)]
        assert roles == ["110153", "110152"]
        told = details(found)
        assert told["MSH-10"] == "MATIN001"
        assert told["id"] == f"import/{IMPORT.message_id}/{IMPORT.identity_id}/1"

    @pytest.mark.parametrize(
        ("peer", "place"), [("[2001:db8::1]:40000", "2001:db8::1"), ("2001:db8::1:40000", "2001:db8::1"), ("x", None)]
    )
    def test_the_address_of_the_sender(self, schema: etree.RelaxNG, peer: str, place: str | None) -> None:
        found = check(schema, to_xml(tell_import(imported(peer=peer), None, by=BY)))
        assert found.find("ActiveParticipant").get("NetworkAccessPointID") == place

    def test_an_answer_that_cannot_be_read_leaves_our_name_empty(self, schema: etree.RelaxNG) -> None:
        found = check(schema, to_xml(tell_import(imported(ack=b""), None, by=BY)))
        assert found.findall("ActiveParticipant")[1].get("UserID") == "|"

    @pytest.mark.parametrize(
        ("version", "changes", "action"),
        [
            (1, (), "C"),
            (2, (), "U"),
            (2, (Difference("sex", "M", "F"),), "U"),
            (3, (Difference("active", True, False), Difference("merged_into", None, "x")), "D"),
            (4, (Difference("active", False, True),), "U"),
        ],
    )
    def test_created_updated_or_taken_out_of_use(
        self, version: int, changes: tuple[Difference, ...], action: str
    ) -> None:
        assert action_of(imported(version=version, changes=changes)) == action


class TestCx:
    def test_separators_are_escaped(self) -> None:
        odd = PatientIdentifier("1^2&3", "PI", AssigningAuthority("A&B", "1.2", "ISO"))
        assert to_cx(odd) == r"1\S\2\T\3^^^A\T\B&1.2&ISO^PI"

    def test_parts_that_were_not_sent_are_empty(self) -> None:
        assert to_cx(replace(IPP, authority=AssigningAuthority("CHU-LYRE"))) == "100^^^CHU-LYRE&&^PI"
