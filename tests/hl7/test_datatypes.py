"""HL7 data types."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.hl7.datatypes import (
    CX,
    EI,
    HD,
    XAD,
    XPN,
    Timestamp,
    parse_ts,
    read_cx,
    read_date,
    read_ei,
    read_hd,
    read_moments,
    read_ts,
    read_xad,
    read_xpn,
)
from pam_receiver.hl7.message import Repetition
from pam_receiver.hl7.separators import STANDARD

PARIS = ZoneInfo("Europe/Paris")


def rep(raw: str) -> Repetition:
    return Repetition(raw, 1, STANDARD, "utf-8")


class TestComposites:
    """HL7 v2.5 chapter 2.A: CX, EI, HD, XAD, XPN; the uses are those of IHE PAM FR 2.11.2 §6."""

    def test_cx(self) -> None:
        assert read_cx(rep("100^^^CHU&1.2.250.1.999.77&ISO^PI^^20250101")) == CX(
            "100", HD("CHU", "1.2.250.1.999.77", "ISO"), "PI"
        )

    def test_cx_without_authority_or_type(self) -> None:
        assert read_cx(rep("100")) == CX("100", HD("", "", ""), "")
        assert read_cx(rep("")) == CX("", HD("", "", ""), "")

    def test_null_identifier_stays_null(self) -> None:
        assert read_cx(rep('""^^^&1.2.250.1.213.1.4.8&ISO^INS')).id == '""'

    def test_xpn(self) -> None:
        assert read_xpn(rep("KERGUELEN&de^ANNE^ANNE MARIE^^MME^^L")) == XPN("KERGUELEN", "ANNE", "ANNE MARIE", "L")
        assert read_xpn(rep("KERGUELEN^")) == XPN("KERGUELEN", "", None, "")

    def test_xad(self) -> None:
        assert read_xad(rep("^^NANTES^^44000^FRA^BDL^^44109")) == XAD("", "", "NANTES", "44000", "FRA", "BDL", "44109")
        assert read_xad(rep("12 RUE DU PORT")).county_code is None

    def test_hd_and_ei(self) -> None:
        assert read_hd(rep("GAM^1.2.250.1.999.1^ISO")) == HD("GAM", "1.2.250.1.999.1", "ISO")
        assert read_ei(rep("M1^GAM^1.2.250.1.999.1^ISO")) == EI("M1", "GAM", "1.2.250.1.999.1", "ISO")
        assert read_ei(rep("M1")) == EI("M1", "", "", "")

    def test_ts(self) -> None:
        assert read_ts(rep("19590123^D")) == Timestamp(1959, 1, 23)
        assert read_ts(rep('""')) is None
        assert read_ts(rep("")) is None


class TestTimestamp:
    """HL7 v2.5 chapter 2.A, TS: the precision is that of what was sent."""

    @pytest.mark.parametrize(
        ("text", "stamp"),
        [
            ("1959", Timestamp(1959)),
            ("195901", Timestamp(1959, 1)),
            ("19590123", Timestamp(1959, 1, 23)),
            ("1959012307", Timestamp(1959, 1, 23, 7)),
            ("195901230730", Timestamp(1959, 1, 23, 7, 30)),
            ("19590123073015", Timestamp(1959, 1, 23, 7, 30, 15)),
            ("20151125123110.703+0100", Timestamp(2015, 11, 25, 12, 31, 10, 703_000, 60)),
            ("20150101-0330", Timestamp(2015, 1, 1, offset_minutes=-210)),
            (" 20240229 ", Timestamp(2024, 2, 29)),
        ],
    )
    def test_precision_is_kept(self, text: str, stamp: Timestamp) -> None:
        assert parse_ts(text) == stamp

    @pytest.mark.parametrize(
        "text",
        ["", "19", "19591", "1959-01-23", "19591301", "19590100", "19590000", "20230229", "1959012324", "195901230760",
         "19590123073060", "0000", "20250101+2400", "20250101+01", "20250101.5", "19590123073015.", "１９５９",
         "19590123\n2", '""'],
    )  # fmt: skip
    def test_what_is_no_date_is_none(self, text: str) -> None:
        assert parse_ts(text) is None

    @pytest.mark.parametrize(("text", "iso"), [("1959", "1959"), ("195901", "1959-01"), ("1959012307", "1959-01-23")])
    def test_date_text_keeps_the_precision(self, text: str, iso: str) -> None:
        stamp = parse_ts(text)
        assert stamp is not None
        assert stamp.date_text == iso
        assert stamp.is_complete_date is (len(iso) == 10)

    @pytest.mark.parametrize(
        ("text", "earliest", "latest"),
        [
            ("2024", "2023-12-31T23:00:00", "2024-12-31T22:59:59.999999"),
            ("202402", "2024-01-31T23:00:00", "2024-02-29T22:59:59.999999"),
            ("20240701", "2024-06-30T22:00:00", "2024-07-01T21:59:59.999999"),
            ("2024070110", "2024-07-01T08:00:00", "2024-07-01T08:59:59.999999"),
            ("202407011030", "2024-07-01T08:30:00", "2024-07-01T08:30:59.999999"),
            ("20240701103015", "2024-07-01T08:30:15", "2024-07-01T08:30:15.999999"),
            ("20240701103015.5", "2024-07-01T08:30:15.500000", "2024-07-01T08:30:15.500000"),
            ("20240701103015+0000", "2024-07-01T10:30:15", "2024-07-01T10:30:15.999999"),
            ("20241027023000", "2024-10-27T00:30:00", "2024-10-27T01:30:00.999999"),  # this hour came twice
            ("20240331023000", "2024-03-31T00:30:00", "2024-03-31T01:30:00.999999"),  # this hour never came
        ],
    )
    def test_period_that_is_meant(self, text: str, earliest: str, latest: str) -> None:
        stamp = parse_ts(text)
        assert stamp is not None
        assert stamp.earliest(PARIS) == datetime.fromisoformat(earliest).replace(tzinfo=UTC)
        assert stamp.latest(PARIS) == datetime.fromisoformat(latest).replace(tzinfo=UTC)

    @pytest.mark.parametrize("text", ["0001+2300", "9999-2300", "0001", "9999"])
    def test_ends_of_the_calendar_do_not_overflow(self, text: str) -> None:
        stamp = parse_ts(text)
        assert stamp is not None
        assert stamp.earliest(PARIS) < stamp.latest(PARIS)

    @settings(max_examples=150, deadline=None)
    @given(st.text(alphabet="0123456789+-.", max_size=26))
    def test_any_digits_give_a_period_or_none(self, text: str) -> None:
        stamp = parse_ts(text)
        if stamp is not None:
            earliest = stamp.earliest(PARIS)
            assert earliest <= stamp.latest(PARIS)
            assert earliest.utcoffset() == timedelta(0)


class TestQuickReading:
    """HL7 v2.5 chapter 2.A, TS: what nearly all senders write is read in a shorter way, to the same end."""

    ZONES = (PARIS, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/St_Johns"), UTC, timezone(timedelta(hours=-3)))

    @pytest.mark.parametrize("zone", ZONES, ids=str)
    @pytest.mark.parametrize(
        "text",
        [
            "20260302101112",
            "20260329015959",
            "20260329020000",  # Paris has no such hour
            "20260329023000",
            "20260329030000",
            "20261025015959",
            "20261025020000",  # Paris has it twice
            "20261025023000",
            "20261025030000",
            "20260405014500",  # Lord Howe goes back by half an hour
            "20261004023000",
            "19110310235959",  # Paris gave up its own time
            "19110311000000",
            "00010101000000",
            "99991231235959",
            "20260229101112",
            "20260302240000",
            "20260302101160",
            "00000302101112",
            "2026030210111²",
            " 20260302101112",
            "20260302101112.5",
            "20260302101112+0100",
            "20260302",
            "2026",
            "",
        ],
    )
    def test_moments_are_those_of_the_stamp(self, text: str, zone: tzinfo) -> None:
        stamp = parse_ts(text)
        expected = (stamp.earliest(zone), stamp.latest(zone)) if stamp is not None else None
        assert read_moments(text, zone) == expected

    @given(st.datetimes(), st.sampled_from(ZONES))
    def test_moments_of_any_second_are_those_of_the_stamp(self, moment: datetime, zone: tzinfo) -> None:
        text = f"{moment.year:04d}{moment:%m%d%H%M%S}"
        stamp = parse_ts(text)
        assert stamp is not None
        assert read_moments(text, zone) == (stamp.earliest(zone), stamp.latest(zone))

    @given(
        st.from_regex(r"[0-2][0-9]{3}[01][0-9][0-3][0-9]", fullmatch=True) | st.text("0123456789W-+. ²", max_size=15)
    )
    def test_a_date_is_that_of_the_stamp(self, text: str) -> None:
        stamp = parse_ts(text)
        assert read_date(text) == (stamp.date_text if stamp is not None else None)
