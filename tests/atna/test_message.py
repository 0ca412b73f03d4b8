"""DICOM PS3.15 §A.5.1: whatever stands in an event, the message is XML, and obeys the schema."""

from base64 import b64decode
from datetime import timedelta, timezone
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pam_receiver.atna.message import AuditMessage, Code, Participant, Subject, moment, to_xml

from .conftest import AT, check

CODE: Final = Code("110110", "DCM", "Patient Record")
ANY: Final = st.text(st.characters(exclude_categories=()))  # controls and halves of surrogates too
DETAILS: Final = st.lists(st.tuples(ANY, ANY), max_size=3).map(tuple)


def message(text: str = "x", *, details: tuple[tuple[str, str], ...] = (), query: bytes | None = None) -> AuditMessage:
    who = Participant(text, True, CODE, access_point=text, is_address=False, alternative_id=text)
    subject = Subject(text, CODE, 1, 1, name=text, query=query, details=details)
    return AuditMessage(CODE, (CODE,), "R", AT, 0, (who,), text, (subject,))


class TestAnyText:
    @settings(max_examples=300, deadline=None)
    @given(text=ANY, details=DETAILS)
    def test_gives_a_valid_message_on_one_line(
        self, schema: etree.RelaxNG, text: str, details: tuple[tuple[str, str], ...]
    ) -> None:
        xml = to_xml(message(text, details=details))
        check(schema, xml)

    @settings(max_examples=100, deadline=None)
    @given(text=st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")))
    def test_comes_back_as_it_went_in(self, schema: etree.RelaxNG, text: str) -> None:
        found = check(schema, to_xml(message(text, details=(("reason", text),))))
        assert found.find("ActiveParticipant").get("UserID") == text
        assert b64decode(found.find(".//ParticipantObjectDetail").get("value")).decode() == text

    @pytest.mark.parametrize("text", ['"/><AuditMessage x="', "]]>", "&lt;", "<!DOCTYPE x>", "a\nb\tc\rd"])
    def test_markup_stays_text(self, schema: etree.RelaxNG, text: str) -> None:
        found = check(schema, to_xml(message(text)))
        assert [each.tag for each in found] == [
            *("EventIdentification", "ActiveParticipant", "AuditSourceIdentification"),
            "ParticipantObjectIdentification",
        ]
        assert found.find("ActiveParticipant").get("UserID") == text

    @pytest.mark.parametrize("sign", ["\0", "\x1b", "\x0b", "\ud800", "\ufffe"])
    def test_what_xml_cannot_hold_is_replaced(self, schema: etree.RelaxNG, sign: str) -> None:
        found = check(schema, to_xml(message(f"a{sign}b")))
        assert found.find("ActiveParticipant").get("UserID") == "a\ufffdb"


class TestForm:
    def test_a_query_stands_in_the_place_of_a_name(self, schema: etree.RelaxNG) -> None:
        found = check(schema, to_xml(message(query=b"asked")))
        assert b64decode(found.findtext(".//ParticipantObjectQuery") or "") == b"asked"
        assert found.find(".//ParticipantObjectName") is None

    def test_times_are_utc(self) -> None:
        assert moment(AT.astimezone(timezone(timedelta(hours=2)))) == "2026-03-02T07:00:00.123456Z"

    def test_the_schema_refuses_what_is_none(self, schema: etree.RelaxNG) -> None:
        xml = to_xml(message())
        for old, new in (
            ('EventOutcomeIndicator="0"', 'EventOutcomeIndicator="1"'),
            ('csd-code="110110" codeSystemName="DCM"', 'csd-code="110110"'),
            ("AuditSourceIdentification", "AuditSource"),
            (' UserIsRequestor="true"', ""),
        ):
            assert old in xml
            assert not schema.validate(etree.fromstring(xml.replace(old, new).encode()))
