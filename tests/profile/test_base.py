"""HL7 v2.5 as hl7apy describes it."""

import pytest

from pam_receiver.profile import base
from pam_receiver.profile.model import Cardinality, Place, Usage


class TestStructures:
    """HL7 v2.5 chapter 3: the abstract messages."""

    def test_a_structure_has_its_segments_in_order(self) -> None:
        items = base.read_structure("ADT_A30")
        assert items is not None
        assert [item.name for item in items] == ["MSH", "SFT", "EVN", "PID", "PD1", "MRG"]
        assert items[1].card == Cardinality(0, None)

    def test_a_group_holds_its_segments(self) -> None:
        items = base.read_structure("ADT_A39")
        assert items is not None
        assert [item.name for item in items[-1].items] == ["PID", "PD1", "MRG", "PV1"]

    def test_an_unknown_structure_is_none(self) -> None:
        assert base.read_structure("ADT_A99") is None


class TestFields:
    """HL7 v2.5 §3.4.2 and others: the fields of a segment."""

    def test_a_field_has_its_usage_type_and_place_in_the_standard(self) -> None:
        fields = base.read_fields("PID")
        assert fields is not None
        assert len(fields) == 39
        name = fields[5]
        assert (name.at, name.usage, name.type) == (Place("PID", 5), Usage.R, "XPN")
        assert name.card.max is None
        assert name.spec == "HL7 v2.5 §3.4.2"
        assert fields[24].table is not None

    def test_the_separators_and_the_charset_are_judged_when_the_message_is_read(self) -> None:
        fields = base.read_fields("MSH")
        assert fields is not None
        assert not {1, 2} & set(fields)
        assert fields[18].table is None

    def test_a_user_defined_table_is_left_to_profiles(self) -> None:
        fields = base.read_fields("PID")
        assert fields is not None
        assert fields[8].table is None

    def test_an_unknown_segment_is_none(self) -> None:
        assert base.read_fields("ZBE") is None

    def test_a_segment_of_another_chapter_names_the_chapter(self) -> None:
        assert base.segment_spec("IN1") == "HL7 v2.5 ch. 6"


class TestParts:
    """HL7 v2.5 chapter 2A: the components of the data types."""

    def test_stand_in_their_order_with_type_and_table(self) -> None:
        parts = base.read_parts("CX")
        assert [part.type for part in parts] == ["ST", "ST", "ID", "HD", "ID", "HD", "DT", "DT", "CWE", "CWE"]
        assert [str(part.at) for part in parts[:2]] == ["CX-1", "CX-2"]
        assert parts[4].table is not None
        assert parts[0].usage is Usage.O
        assert parts[6].shape is base.SHAPES["DT"]

    @pytest.mark.parametrize("data_type", ["ST", "TS", "DTM", "varies"])
    def test_a_simple_type_has_none_nor_has_a_time_stamp(self, data_type: str) -> None:
        assert base.read_parts(data_type) == ()

    def test_tables_that_anybody_may_add_to_are_no_tables(self) -> None:
        assert base.read_parts("MSG")[1].table is None  # 0003: Z events
        assert base.read_parts("CE")[2].table is None  # 0396: coding systems of one's own


class TestTables:
    """HL7 v2.5 appendix A: the tables."""

    def test_a_table_has_its_codes(self) -> None:
        table = base.read_table("0136")
        assert table is not None
        assert set(table.values) == {"Y", "N"}

    @pytest.mark.parametrize("number", ["0445-FR", "9999", ""])
    def test_an_unknown_table_is_none(self, number: str) -> None:
        assert base.read_table(number) is None


class TestShapes:
    """HL7 v2.5 chapter 2A: the forms of the simple data types."""

    @pytest.mark.parametrize(
        ("data_type", "value"),
        [
            ("TS", "1959"),
            ("TS", "195901"),
            ("TS", "19590123"),
            ("TS", "1959012309"),
            ("TS", "195901230915"),
            ("TS", "20151125123110.703+0100"),
            ("TS", "2015-0500"),
            ("DT", "19590123"),
            ("DT", "1959"),
            ("TM", "0915"),
            ("NM", "-1.5"),
            ("NM", ".5"),
            ("NM", "12"),
            ("SI", "1"),
        ],
    )
    def test_what_the_type_allows(self, data_type: str, value: str) -> None:
        assert base.SHAPES[data_type].fullmatch(value)

    @pytest.mark.parametrize(
        ("data_type", "value"),
        [
            ("TS", "23/01/1959"),
            ("TS", "1959-01-23"),
            ("TS", "19591323"),
            ("TS", "19590132"),
            ("TS", "1959012324"),
            ("TS", "59"),
            ("TS", "19590123+25"),
            ("TS", "١٩٥٩"),
            ("DT", "195901230915"),
            ("TM", "24"),
            ("NM", "1,5"),
            ("NM", ""),
            ("SI", "-1"),
            ("SI", "12345"),
        ],
    )
    def test_what_it_does_not(self, data_type: str, value: str) -> None:
        assert base.SHAPES[data_type].fullmatch(value) is None
