"""RFC 5424: the header to the letter; RFC 5425, RFC 6587: frames that count their octets."""

import json
from base64 import b64decode

import pytest
from lxml import etree

from pam_receiver.atna import Reporter, Syslog, frame, imported_json, row_json, tell_row, to_xml
from pam_receiver.store.audit import hash_of

from .conftest import AT, IMPORT, IPP, ROW, row


class TestMessage:
    def test_the_header_is_exact(self) -> None:
        made = Syslog("receiver-1.chu.example", 4711).message("<AuditMessage/>", AT)
        assert made == (
            b"<85>1 2026-03-02T07:00:00.123456Z receiver-1.chu.example pam-receiver 4711 IHE+RFC-3881 - "
            b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?><AuditMessage/>'
        )

    @pytest.mark.parametrize(
        ("host", "shown"), [("", "-"), ("a b\nc", "abc"), ("hôte", "hte"), ("x" * 300, "x" * 255), ("\x1b[0m", "[0m")]
    )
    def test_a_host_name_is_printable_ascii_of_bounded_length(self, host: str, shown: str) -> None:
        assert Syslog(host, 1).message("", AT).split(b" ")[2] == shown.encode()

    def test_it_is_one_line_whatever_stands_in_it(self) -> None:
        told = row(actor="a\nb", reason="c\r\nd", origin="e\nf")
        made = Syslog("h\n", 1).message(to_xml(tell_row(told, IPP, by=Reporter("h\n", 1))), AT)
        assert b"\n" not in made
        assert b"\r" not in made
        body = made.split(b" - ", 1)[1]
        assert etree.fromstring(body.removeprefix(b"\xef\xbb\xbf")).find("ActiveParticipant").get("UserID") == "a\nb"


class TestFrame:
    @pytest.mark.parametrize("content", [b"", b"abc", "é".encode(), b"x" * 100_000])
    def test_octets_are_counted(self, content: bytes) -> None:
        assert frame(content) == str(len(content)).encode() + b" " + content


class TestLines:
    """The other form: JSON."""

    def test_the_hash_can_be_computed_anew_from_a_line(self) -> None:
        values = {name: getattr(ROW, name) for name in ROW.__slots__ if name != "hash"}
        line = json.loads(json.dumps(row_json(row(hash=hash_of(values)))))
        kept = line.pop("hash")
        assert (line.pop("type"), line.pop("id")) == ("trail", "trail/42")
        assert hash_of(line) == kept

    def test_an_import_has_ids_and_no_identifier_of_the_patient(self) -> None:
        told = imported_json(IMPORT)
        assert list(told) == [
            *("type", "id", "at", "action", "identity_id", "version", "message_id", "control_id", "event"),
            *("sending_application", "sending_facility", "peer"),
        ]
        assert "100" not in told.values()
        assert told["id"] == f"import/{IMPORT.message_id}/{IMPORT.identity_id}/1"


def test_the_reason_travels_encoded() -> None:
    """A reason is free text: it can neither end the message nor be taken for its markup."""
    xml = to_xml(tell_row(row(reason="</AuditMessage>"), None, by=Reporter("h", 1)))
    assert xml.count("</AuditMessage>") == 1
    details = etree.fromstring(xml).iter("ParticipantObjectDetail")
    assert "</AuditMessage>" in [b64decode(each.get("value")).decode() for each in details]
