"""Which messages are taken."""

import pytest
from people import adt

from pam_receiver.adt.events import EVENTS, check_header
from pam_receiver.hl7.header import Header, read_header
from pam_receiver.identity.model import ChangeIdentifier, Delete, Merge, UpdateKind

ACCEPTED = frozenset("PTD")


def header(event: str = "A31", version: str = "2.5^FRA^2.11", **fields: str) -> Header:
    return read_header(adt(event, version=version, msh={int(name[1:]): text for name, text in fields.items()}))


def refusals(made: Header, accepted: frozenset[str] = ACCEPTED) -> list[tuple[str, int, str]]:
    findings = check_header(made, accepts_processing_ids=accepted)
    assert all(each.severity == "E" for each in findings)
    return [(each.rule, each.code, str(each.at)) for each in findings]


class TestEvents:
    """IHE PAM FR 2.11.2 §2.1, §2.2, §5.3.2: the events of ITI-30 and ITI-31."""

    @pytest.mark.parametrize(
        ("events", "meaning"),
        [
            (["A28"], UpdateKind.CREATE),
            (["A31"], UpdateKind.UPDATE),
            (["A40"], Merge),
            (["A47"], ChangeIdentifier),
            (["A29"], Delete),
            (
                ["A01", "A02", "A03", "A04", "A05", "A06", "A07", "A21", "A22", "A44", "A54", "Z99"],
                UpdateKind.ENCOUNTER,
            ),
            (["A14", "A15", "A16"], UpdateKind.ENCOUNTER),
            (["A11", "A12", "A13", "A38", "A52", "A53", "A55"], UpdateKind.CANCEL),
            (["A25", "A26", "A27"], UpdateKind.CANCEL),
        ],
    )
    def test_taken(self, events: list[str], meaning: object) -> None:
        for event in events:
            assert refusals(header(event)) == []
            assert EVENTS[event] is meaning

    @pytest.mark.parametrize("event", ["A09", "A10", "A18", "A34", "A39", "A43", "A49", "A60", "Z98", "", "a31"])
    def test_any_other_is_refused(self, event: str) -> None:
        assert refusals(header(event)) == [("event-not-supported", 201, "MSH-9.2")]

    @pytest.mark.parametrize("event", ["A24", "A37"])
    def test_link_and_unlink_are_refused_by_a_rule_of_their_own(self, event: str) -> None:
        assert refusals(header(event)) == [("link-option-not-supported", 201, "MSH-9.2")]

    @pytest.mark.parametrize("msh_9", ["ADT^ADT^A28", "ADT^ADT_A05^A28", "ADT^^A40", "ADT^ADT^A24"])
    def test_an_event_in_msh_9_3_has_words_of_its_own(self, msh_9: str) -> None:
        assert refusals(header(f9=msh_9)) == [("event-in-msh-9-3", 201, "MSH-9.2")]

    @pytest.mark.parametrize("structure", ["", "^", "^ADT_A99", "^ADT_A01"])
    def test_routing_is_by_the_trigger_event_alone(self, structure: str) -> None:
        assert refusals(header(f9=f"ADT^A31{structure}")) == []


class TestA08:
    """IHE PAM FR 2.11.2 §2.2: A08 is excluded in France."""

    def test_refused_in_pam_fr(self) -> None:
        assert refusals(header("A08")) == [("a08-excluded-in-france", 201, "MSH-9.2")]

    def test_the_answer_names_what_is_expected(self) -> None:
        (finding,) = check_header(header("A08"), accepts_processing_ids=ACCEPTED)
        assert "A31 ou Z99 attendu" in finding.fr
        assert "A31 or Z99 expected" in finding.en

    def test_refused_when_a_french_profile_is_named(self) -> None:
        assert len(refusals(header("A08", "2.5", f21="2.11^IHE_FRANCE-2.11-PAM"))) == 1

    @pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.5^DEU"])
    def test_taken_in_international_pam(self, version: str) -> None:
        assert refusals(header("A08", version)) == []

    def test_taken_when_only_the_country_of_the_sender_is_france(self) -> None:
        assert refusals(header("A08", "2.5", f17="FRA")) == []


class TestRefused:
    """ITI TF-2 Appendix C.2.3: type, processing id and version that are not taken are rejected."""

    @pytest.mark.parametrize("type_", ["ORU^R01", "MDM^T02", "ACK^A31", "", "adt^A31"])
    def test_type(self, type_: str) -> None:
        assert refusals(header(f9=type_)) == [("message-type-not-adt", 200, "MSH-9.1")]

    @pytest.mark.parametrize("processing_id", ["P", "T", "D", "P^T", ""])
    def test_processing_id_accepted(self, processing_id: str) -> None:
        assert refusals(header(f11=processing_id)) == []

    def test_processing_id_refused_tells_which_are_accepted(self) -> None:
        assert refusals(header(f11="X")) == [("processing-id-not-accepted", 202, "MSH-11")]
        (finding,) = check_header(header(f11="X"), accepts_processing_ids=ACCEPTED)
        assert "D, P, T" in finding.en

    def test_processing_ids_are_a_setting(self) -> None:
        assert refusals(header(f11="T"), frozenset("P")) == [("processing-id-not-accepted", 202, "MSH-11")]

    @pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.5^FRA^2.11", "2.5.1^FRA"])
    def test_version_accepted(self, version: str) -> None:
        assert refusals(header(version=version)) == []

    @pytest.mark.parametrize("version", ["2.3", "2.4^FRA", "2.6", "2.5.2", "", "^FRA"])
    def test_version_refused(self, version: str) -> None:
        assert refusals(header(version=version)) == [("version-not-supported", 203, "MSH-12")]

    def test_everything_is_said_at_once(self) -> None:
        made = header("A24", "2.3", f11="X")
        assert [code for _, code, _ in refusals(made)] == [201, 202, 203]
