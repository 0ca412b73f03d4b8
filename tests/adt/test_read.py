"""From a message to an event of identity."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from people import ANNE, HOSPITAL, IPP, NEW_NIR, NIR, OLD_IPP, SENDER, adt, ins_cx, ipp, pid, sent

from pam_receiver.adt import persons_of
from pam_receiver.adt.read import Reading, read_event
from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.hl7.er7 import Message
from pam_receiver.hl7.header import read_header
from pam_receiver.identity.identifiers import AssigningAuthority
from pam_receiver.identity.model import ChangeIdentifier, Delete, Interval, Merge, Update, UpdateKind

ASKED = ReadingRules(frozenset("PTD"), ZoneInfo("Europe/Paris"))
ERASED = f'""^^^ASIP-SANTE-INS-NIR&{NIR.oid}&ISO^INS'


def read(message: Message, asked: ReadingRules = ASKED) -> Reading:
    return read_event(message, read_header(message), asked)


def rules(reading: Reading) -> list[tuple[str, str, int, str]]:
    return [(each.rule, each.severity.value, each.code, str(each.at)) for each in reading.findings]


class TestUpdates:
    """ITI TF-2 §3.30.4, §3.31.5: A28, A31 and the movements tell a person; only the identity is read."""

    @pytest.mark.parametrize(
        ("event", "kind"),
        [
            ("A28", UpdateKind.CREATE),
            ("A31", UpdateKind.UPDATE),
            ("A01", UpdateKind.ENCOUNTER),
            ("Z99", UpdateKind.ENCOUNTER),
            ("A44", UpdateKind.ENCOUNTER),
            ("A11", UpdateKind.CANCEL),
        ],
    )
    def test_kind(self, event: str, kind: UpdateKind) -> None:
        reading = read(adt(event))
        assert isinstance(reading.event, Update)
        assert (reading.event.kind, reading.event.person.traits, reading.findings) == (kind, ANNE, ())
        assert not reading.is_rejected
        assert persons_of(reading.event) == (reading.event.person,)

    @pytest.mark.parametrize("event", ["A06", "A07"])
    @pytest.mark.parametrize(
        ("zbe", "kind"),
        [
            ("ZBE|1|20250304||CANCEL", UpdateKind.CANCEL),
            ("ZBE|1|20250304||INSERT", UpdateKind.ENCOUNTER),
            ("ZBE|1", UpdateKind.ENCOUNTER),
            ("PV1||I", UpdateKind.ENCOUNTER),
        ],
    )
    def test_a06_and_a07_cancel_each_other_by_zbe_4(self, event: str, zbe: str, kind: UpdateKind) -> None:
        reading = read(adt(event, pid(), zbe))
        assert isinstance(reading.event, Update)
        assert reading.event.kind is kind

    def test_another_event_with_zbe_4_cancel_is_what_its_trigger_says(self) -> None:
        reading = read(adt("A01", pid(), "ZBE|1|20250304||CANCEL"))
        assert isinstance(reading.event, Update)
        assert reading.event.kind is UpdateKind.ENCOUNTER

    def test_a44_never_merges(self) -> None:
        reading = read(adt("A44", pid(), f"MRG|{OLD_IPP}"))
        assert isinstance(reading.event, Update)
        assert reading.event.person.identifiers == sent("100")

    def test_a29_deletes(self) -> None:
        reading = read(adt("A29"))
        assert isinstance(reading.event, Delete)

    def test_segments_are_found_by_name(self) -> None:
        reading = read(adt("A31", "PV1||N", "ZFD||||Y|INSI", "ZZZ|1", pid()))
        assert isinstance(reading.event, Update)
        assert reading.event.person.birth_date_corrected

    def test_default_authority_of_the_source(self) -> None:
        authority = AssigningAuthority("GAM")
        asked = ReadingRules(frozenset("P"), ZoneInfo("Europe/Paris"), authority)
        reading = read(adt("A31", pid(pid3=["100^^^^PI"])), asked)
        assert isinstance(reading.event, Update)
        assert [each.identifier for each in reading.event.person.identifiers] == [ipp("100", authority)]

    def test_sender_is_msh_3_and_4(self) -> None:
        assert read_header(adt()).sender == SENDER


class TestA08:
    """IHE PAM FR 2.11.2 §2.2: A08 is excluded in France, and elsewhere an update with a warning."""

    def test_taken_with_a_warning(self) -> None:
        reading = read(adt("A08", version="2.5"))
        assert isinstance(reading.event, Update)
        assert reading.event.kind is UpdateKind.UPDATE
        assert rules(reading) == [("a08-taken-as-update", "W", 0, "MSH-9.2")]

    def test_rejected_in_pam_fr(self) -> None:
        reading = read(adt("A08"))
        assert (reading.event, reading.is_rejected) == (None, True)


class TestErrors:
    """HL7 v2.5 §2.9.2.2: AR for what is not taken at all, AE for what cannot be used."""

    def test_rejected(self) -> None:
        reading = read(adt("A24"))
        assert (reading.event, reading.is_rejected) == (None, True)
        assert rules(reading) == [("link-option-not-supported", "E", 201, "MSH-9.2")]

    @pytest.mark.parametrize("event", ["A31", "A01", "A29", "A40", "A47"])
    def test_no_pid(self, event: str) -> None:
        reading = read(adt(event, f"MRG|{OLD_IPP}"))
        assert (reading.event, reading.is_rejected) == (None, False)
        assert rules(reading) == [("pid-missing", "E", 100, "PID")]

    def test_a_value_that_no_column_can_hold(self) -> None:
        reading = read(adt("A31", pid(pid3=[f"{'9' * 251}^^^CHU^PI"])))
        assert reading.event is None
        assert [(rule, severity, code) for rule, severity, code, _ in rules(reading)] == [
            ("identifier-too-long", "E", 102)
        ]

    def test_warnings_leave_the_event(self) -> None:
        reading = read(adt("A31", pid(pid3=["100^^^CHU"], birth_date="19590230")))
        assert reading.event is not None
        assert [severity for _, severity, _, _ in rules(reading)] == ["W", "W"]


class TestSettings:
    """The settings of a source reach PID and MRG, in each event."""

    ASKED = ReadingRules(
        frozenset("P"),
        ZoneInfo("Europe/Paris"),
        accepted_authorities=frozenset({HOSPITAL}),
        birth_place_components=(4,),
    )
    STRANGER = "300^^^CLINIQUE&1.2.250.1.999.88&ISO^PI"

    @pytest.mark.parametrize("event", ["A31", "A01"])
    def test_ipp_not_accepted(self, event: str) -> None:
        reading = read(adt(event, pid(pid3=[self.STRANGER, IPP])), self.ASKED)
        assert reading.event is not None
        assert persons_of(reading.event)[0].identifiers[0].identifier.value == "100"
        assert rules(reading) == [("authority-not-accepted", "W", 103, "PID-3.4")]

    @pytest.mark.parametrize("event", ["A40", "A47"])
    def test_in_mrg_1_it_is_no_usable_identifier(self, event: str) -> None:
        reading = read(adt(event, pid(), f"MRG|{self.STRANGER}"), self.ASKED)
        assert reading.event is None
        assert [(rule, at) for rule, _, _, at in rules(reading)] == [
            ("authority-not-accepted", "MRG-1.4"),
            ("mrg-1-unusable", "MRG-1"),
        ]

    @pytest.mark.parametrize("event", ["A31", "A40", "A47"])
    def test_birth_place_mapped(self, event: str) -> None:
        reading = read(adt(event, pid(addresses=["^^NANTES^44109^^FRA^BDL"]), f"MRG|{OLD_IPP}"), self.ASKED)
        assert reading.event is not None
        assert persons_of(reading.event)[0].traits.birth_place_code == "44109"
        assert rules(reading) == [("birth-place-mapped", "I", 0, "PID-11.4")]


class TestWriting:
    """HL7 v2.5 chapter 2: how a message is written is told with what it says."""

    def test_comes_along(self) -> None:
        reading = read(adt("A31", pid(names=["KERGUELEN &amp; LE GOFF^ANNE^^^^^L"])))
        assert reading.event is not None
        assert rules(reading) == [("xml-entity-in-value", "W", 102, "PID-5.1")]

    def test_not_of_a_message_that_is_not_taken(self) -> None:
        assert len(rules(read(adt("A24", pid(names=["KERGUELEN &amp; LE GOFF^ANNE^^^^^L"]))))) == 1


class TestOriginalMode:
    """HL7 v2.5 §2.9: enhanced mode asked for in MSH-15 or MSH-16 is answered in original mode, and said."""

    @pytest.mark.parametrize(
        ("msh", "at"), [({15: "AL"}, "MSH-15"), ({16: "NE"}, "MSH-16"), ({15: "AL", 16: "NE"}, "MSH-15")]
    )
    def test_said_once(self, msh: dict[int, str], at: str) -> None:
        assert rules(read(adt(msh=msh))) == [("original-mode-used", "I", 0, at)]


class TestDate:
    """ITI TF-2 §3.30.5.2, §3.30.5.3: when the source made what PID says: PID-33, else EVN-2; EVN-6 may lie far back."""

    @pytest.mark.parametrize(
        ("changed_at", "evn", "hour"),
        [
            ("20250304070000", "EVN||20250304050000||||20250304060000", 7),
            ("", "EVN||20250304050000||||20250304060000", 5),
            ("", "EVN||20250304050000", 5),
            ("not a date", "EVN||20250304050000||||x", 5),
            ('""', "EVN||20250304050000", 5),
        ],
    )
    def test_in_this_order(self, changed_at: str, evn: str, hour: int) -> None:
        dated = read(adt("A31", pid(changed_at=changed_at), evn=evn)).dated
        assert dated is not None
        assert dated.earliest == datetime(2025, 3, 4, hour - 1, tzinfo=UTC)  # Paris is an hour ahead in March

    @pytest.mark.parametrize("evn", [None, "EVN|"])
    def test_not_dated(self, evn: str | None) -> None:
        assert read(adt("A31", evn=evn)).dated is None

    def test_as_precise_as_it_was_said(self) -> None:
        dated = read(adt("A31", pid(changed_at="20250304"))).dated
        assert dated == Interval(
            datetime(2025, 3, 3, 23, tzinfo=UTC), datetime(2025, 3, 4, 22, 59, 59, 999_999, tzinfo=UTC)
        )

    def test_an_offset_that_was_sent_counts(self) -> None:
        dated = read(adt("A31", pid(changed_at="20250304070000+0000"))).dated
        assert dated is not None
        assert dated.earliest == datetime(2025, 3, 4, 7, tzinfo=UTC)


class TestMerge:
    """HL7 v2.5 §3.3.40: A40 is one or more groups of PID and MRG."""

    def test_one_group(self) -> None:
        reading = read(adt("A40", pid(), f"MRG|{OLD_IPP}"))
        assert isinstance(reading.event, Merge)
        (group,) = reading.event.groups
        assert group.person.identifiers == sent("100")
        assert group.sources == sent("200", segment="MRG")
        assert str(group.at) == "MRG-1"
        assert persons_of(reading.event) == (group.person,)
        assert reading.findings == ()

    def test_several_groups_with_other_segments_between(self) -> None:
        third = "300^^^CHU^PI"
        reading = read(
            adt("A40", pid(), "PD1|", f"MRG|{OLD_IPP}", "PV1||N", pid(pid3=[third]), "MRG|400^^^CHU^PI", "PV1||N")
        )
        assert isinstance(reading.event, Merge)
        assert [
            (group.person.identifiers[0].identifier.value, group.sources[0].identifier.value)
            for group in reading.event.groups
        ] == [("100", "200"), ("300", "400")]
        assert [str(group.at) for group in reading.event.groups] == ["MRG-1", "MRG(2)-1"]

    def test_every_mrg_of_a_pid_counts(self) -> None:
        reading = read(adt("A40", pid(), f"MRG|{OLD_IPP}", "MRG|300^^^CHU^PI"))
        assert isinstance(reading.event, Merge)
        assert [group.sources[0].identifier.value for group in reading.event.groups] == ["200", "300"]

    def test_the_only_mrg_may_stand_before_the_only_pid(self) -> None:
        reading = read(adt("A40", f"MRG|{OLD_IPP}", pid()))
        assert isinstance(reading.event, Merge)
        assert reading.event.groups[0].sources == sent("200", segment="MRG")

    def test_no_mrg(self) -> None:
        reading = read(adt("A40", pid()))
        assert reading.event is None
        assert rules(reading) == [("mrg-missing", "E", 100, "MRG")]

    def test_no_mrg_in_one_group_forbids_all(self) -> None:
        reading = read(adt("A40", f"MRG|{OLD_IPP}", pid(), pid(), f"MRG|{OLD_IPP}"))
        assert reading.event is None
        assert rules(reading) == [("mrg-missing", "E", 100, "MRG")]

    @pytest.mark.parametrize("mrg", ["MRG|", "MRG|^^^CHU^PI", "MRG|200^^^^PI", f"MRG|{ins_cx()}"])
    def test_mrg_1_unusable(self, mrg: str) -> None:
        reading = read(adt("A40", pid(), mrg))
        assert reading.event is None
        assert ("mrg-1-unusable", "E", 101, "MRG-1") in rules(reading)

    def test_zfd_tells_nothing_of_whom(self) -> None:
        reading = read(adt("A40", pid(), f"MRG|{OLD_IPP}", "ZFD||||Y|INSI"))
        assert isinstance(reading.event, Merge)
        assert not reading.event.groups[0].person.birth_date_corrected


class TestChange:
    """IHE PAM FR 2.11.2 §4.1, §4.4: A47 names what was in MRG-1 and what is in PID-3."""

    def test_ipp(self) -> None:
        reading = read(adt("A47", pid(), f"MRG|{OLD_IPP}"))
        assert isinstance(reading.event, ChangeIdentifier)
        assert reading.event.old == sent("200", segment="MRG")
        assert reading.event.old_ins == ()
        assert str(reading.event.at) == "MRG-1"

    def test_ins(self) -> None:
        reading = read(adt("A47", pid(pid3=[IPP, ins_cx(NEW_NIR)]), f"MRG|{ins_cx(NIR)}"))
        assert isinstance(reading.event, ChangeIdentifier)
        assert [(each.matricule, each.oid) for each in reading.event.old_ins] == [(NIR.matricule, NIR.oid)]
        assert [each.matricule for each in reading.event.person.ins] == [NEW_NIR.matricule]

    def test_ins_erased(self) -> None:
        reading = read(adt("A47", pid(pid3=[IPP, ERASED]), f"MRG|{ins_cx(NIR)}"))
        assert isinstance(reading.event, ChangeIdentifier)
        assert reading.event.person.erases_ins

    def test_no_mrg(self) -> None:
        reading = read(adt("A47", pid()))
        assert reading.event is None
        assert rules(reading) == [("mrg-missing", "E", 100, "MRG")]

    @pytest.mark.parametrize("mrg", ["MRG|", "MRG|^^^CHU^PI", f"MRG|{ERASED}"])
    def test_mrg_1_unusable(self, mrg: str) -> None:
        reading = read(adt("A47", pid(), mrg))
        assert reading.event is None
        assert ("mrg-1-unusable", "E", 101, "MRG-1") in rules(reading)
