"""Reading the XML form of a conformance profile: what it says, and files that mean harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.profile.source import ProfileError
from pam_receiver.profile.xml_profile import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    Node,
    XmlProfile,
    one_line,
    read_xml_profile,
)

WHOLE = """<HL7v2xConformanceProfile HL7Version="2.5" {root}><MetaData Name="{title}" Version="2"/>
    <HL7v2xStaticDef MsgType="adt" EventType="a28" MsgStructID="ADT_A05"><ImpNote>not kept</ImpNote>
        <SegGroup Name="Group" Usage="O" Min="0" Max="*"><Segment Name="pid" Usage="r" Min="1" Max="1">
            <Field Name="Set ID" Usage="C" Min="0" Max="1" Datatype="si" Length="4" Table="0001" ConstantValue=" 1 ">
                <ImpNote>One <b>for</b>
                    each.</ImpNote><Predicate>If known</Predicate><Reference>3.4.2.1</Reference>
            </Field>
        </Segment></SegGroup>
        <Field Name="stray"/>
    </HL7v2xStaticDef></HL7v2xConformanceProfile>"""


def whole(root: str = "", title: str = "Lyre") -> str:
    return WHOLE.format(root=root, title=title)


def read(text: str) -> XmlProfile:
    return read_xml_profile(text.encode(), "f.xml")


def refusal(data: bytes) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        read_xml_profile(data, "f.xml")
    assert caught.value.file == "f.xml"
    return caught.value


class TestContent:
    """HL7 v2.5 §2.12: the static definition."""

    def test_each_element_is_read_with_what_it_says(self) -> None:
        profile = read(whole())
        (definition,) = profile.definitions
        assert (profile.title, profile.hl7_version) == ("Lyre 2", "2.5")
        assert (definition.message_type, definition.event, definition.structure) == ("ADT", "A28", "ADT_A05")
        field = Node(
            tag="Field",
            name="Set ID",
            usage="C",
            least="0",
            most="1",
            data_type="SI",
            length="4",
            table="0001",
            constant="1",
            predicate="If known",
            note="One for each.",
            nodes=(),
        )
        (group,) = definition.nodes
        (segment,) = group.nodes
        assert (group.tag, group.name, group.is_group, group.most) == ("SegGroup", "Group", True, "*")
        assert (segment.tag, segment.name, segment.usage, segment.is_group) == ("Segment", "PID", "R", False)
        assert segment.nodes == (field,)

    @pytest.mark.parametrize("root", ['xmlns="http://example.org/profile"', 'xmlns:x="http://example.org/x" x:a="1"'])
    def test_namespaces_do_not_matter(self, root: str) -> None:
        assert read(whole(root)) == read(whole())

    def test_comments_do_not_matter(self) -> None:
        assert read('<?xml version="1.0"?>\n<!-- <!DOCTYPE x> -->\n<?x y?>' + whole()) == read(whole())

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "iso-8859-15", "windows-1252"])
    def test_the_file_is_read_in_its_encoding(self, encoding: str) -> None:
        head = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
        data = (head + whole(title="Hôpital")).encode(encoding)
        assert read_xml_profile(data, "f.xml").title == "Hôpital 2"

    @given(text=st.text(max_size=400))
    def test_a_text_becomes_one_line_that_can_be_shown(self, text: str) -> None:
        line = one_line(text)
        assert len(line) <= 200
        assert line.isprintable()
        assert one_line(line) == line or " " in line

    def test_a_long_text_is_cut(self) -> None:
        assert one_line("a" * 201) == "a" * 199 + "…"
        assert one_line("a" * 200) == "a" * 200


class TestRefusals:
    @pytest.mark.parametrize(
        "doctype",
        [
            '<!DOCTYPE HL7v2xConformanceProfile SYSTEM "message_profile.dtd">',
            '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>',
            '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>',
        ],
    )
    def test_a_doctype_is_refused(self, doctype: str) -> None:
        error = refusal((doctype + whole()).encode())
        assert error.key == "DOCTYPE"
        assert "take this line out" in error.problem

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"", "cannot be read"),
            (b"MSH|^~", "cannot be read"),
            (b"<a>", "cannot be read"),
            (b"<a>&undefined;</a>", "cannot be read"),
            (b'<?xml version="1.0" encoding="nothing"?><a/>', "cannot be read"),
            (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "cannot be read"),
            (b"<Specification/>", "its root must be"),
            (b'<ConformanceProfile HL7Version="2.5.1"/>', "its root must be"),
            (b" " * (MAX_BYTES + 1), "larger than"),
            (b"<a>" * (MAX_DEPTH + 1), "larger than"),
            (b"<a>" + b"<b/>" * MAX_ELEMENTS, "larger than"),
        ],
        ids=range(11),
    )
    def test_what_is_no_such_profile_is_refused(self, data: bytes, problem: str) -> None:
        error = refusal(data)
        assert error.key == "XML"
        assert problem in error.problem

    def test_a_profile_without_a_message_is_refused(self) -> None:
        assert refusal(b"<HL7v2xConformanceProfile/>").key == "HL7v2xConformanceProfile"

    @given(data=st.binary(max_size=60))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        refusal(data)
        refusal(b"<a>" + data + b"</a>")
