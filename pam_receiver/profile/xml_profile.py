"""Read an HL7 v2 conformance profile in its standard XML form: bytes → values. A hostile file ends in a sentence.

The form is that of ``HL7v2xConformanceProfile``: an ``HL7v2xStaticDef`` for each message, with ``SegGroup``,
``Segment``, ``Field``, ``Component`` and ``SubComponent`` in each other. Spec: HL7 v2.5 §2.12 and its profile schema.
"""

from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from pam_receiver.profile.source import ProfileError
from pam_receiver.reasons import say_xml_error

MAX_BYTES: Final = 8 << 20  # a whole profile of ADT^A01 with all its parts takes some 500 kB
MAX_ELEMENTS: Final = 200_000
MAX_DEPTH: Final = 32
_MOST_CHARACTERS: Final = 200  # of a text or an attribute; what is longer is cut
_ROOT: Final = "HL7v2xConformanceProfile"
_DEFINITION: Final = "HL7v2xStaticDef"
_CHILDREN: Final = {
    _DEFINITION: ("SegGroup", "Segment"),
    "SegGroup": ("SegGroup", "Segment"),
    "Segment": ("Field",),
    "Field": ("Component",),
    "Component": ("SubComponent",),
    "SubComponent": (),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A group, segment, field, component or subcomponent as the file states it.

    All are texts of one line, as they stand there; empty when the file does not say them. ``note`` is its ``ImpNote``.
    """

    tag: str
    name: str
    usage: str
    least: str
    most: str
    data_type: str
    length: str
    table: str
    constant: str
    predicate: str
    note: str
    nodes: tuple["Node", ...]

    @property
    def is_group(self) -> bool:
        return self.tag == "SegGroup"


@dataclass(frozen=True, slots=True)
class Definition:
    """One message: its type, event and structure (MSH-9), its groups and segments in their order."""

    message_type: str
    event: str
    structure: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class XmlProfile:
    """A whole conformance profile; ``title`` may be empty."""

    title: str
    hl7_version: str
    definitions: tuple[Definition, ...]


class _Builder(ET.TreeBuilder):
    """Builds the tree within bounds. A DOCTYPE is met before the entities that it could declare."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = file
        self._depth = 0
        self._count = 0

    def doctype(self, *_: object) -> None:
        raise ProfileError(
            self._file,
            "DOCTYPE",
            "not accepted, nor are entities: take this line out of the file",
            "refusé, comme les entités : retirer cette ligne du fichier",
        )

    def start(self, tag: str, attrs: dict[str, str], /) -> ET.Element:
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH or self._count > MAX_ELEMENTS:
            en = f"larger than a conformance profile can be ({MAX_ELEMENTS} elements, {MAX_DEPTH} deep)"
            fr = f"plus grand qu'un profil de conformité ne peut l'être ({MAX_ELEMENTS} éléments, {MAX_DEPTH} niveaux)"
            raise ProfileError(self._file, "XML", en, fr)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ET.Element:
        self._depth -= 1
        return super().end(tag)


def read_xml_profile(data: bytes, file: str) -> XmlProfile:
    """Read ``data``, in the encoding that it declares; ``file`` names it in errors. Namespaces are not looked at.

    Raises:
        ProfileError: no XML, too large, with a DOCTYPE, or another document than a conformance profile.
    """
    root = _parse(data, file)
    if _local(root) != _ROOT:
        raise ProfileError(
            file,
            "XML",
            f"its root must be {_ROOT}: this is no conformance profile of that form",
            f"sa racine doit être {_ROOT} : ce n'est pas un profil de conformité de cette forme",
        )
    definitions = [child for child in root if _local(child) == _DEFINITION]
    if not definitions:
        raise ProfileError(file, _ROOT, f"has no {_DEFINITION}", f"n'a pas de {_DEFINITION}")
    return XmlProfile(
        title=_title(root) or _title(definitions[0]),
        hl7_version=_attribute(root, "HL7Version"),
        definitions=tuple(_read_definition(each) for each in definitions),
    )


def one_line(text: str) -> str:
    """Return ``text`` on one line, without what cannot be shown, and cut when it is long."""
    plain = "".join(each for each in " ".join(text.split()) if each.isprintable())
    return plain if len(plain) <= _MOST_CHARACTERS else plain[: _MOST_CHARACTERS - 1] + "…"


def _parse(data: bytes, file: str) -> ET.Element:
    if len(data) > MAX_BYTES:
        raise ProfileError(file, "XML", f"larger than {MAX_BYTES >> 20} MiB", f"plus de {MAX_BYTES >> 20} Mio")
    parser = ET.XMLParser(target=_Builder(file))  # without a DOCTYPE there is no entity to expand  # nosec B314
    try:
        parser.feed(data)
        root: ET.Element = parser.close()
    except (ET.ParseError, LookupError, ValueError) as error:  # the last two: an encoding that Python cannot read
        fr = f"ne peut pas être lu : {say_xml_error(error, 'fr')}"
        raise ProfileError(file, "XML", f"cannot be read: {error}", fr) from error
    return root


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _attribute(element: ET.Element, name: str) -> str:
    return one_line(element.get(name, ""))


def _text(element: ET.Element, name: str) -> str:
    """The text of the first child ``name``; spaces stand for the marks that may be in it."""
    for child in element:
        if _local(child) == name:
            return one_line(" ".join(child.itertext()))
    return ""


def _title(element: ET.Element) -> str:
    for child in element:
        if _local(child) == "MetaData":
            return f"{_attribute(child, 'Name')} {_attribute(child, 'Version')}".strip()
    return ""


def _read_definition(element: ET.Element) -> Definition:
    return Definition(
        message_type=_attribute(element, "MsgType").upper(),
        event=_attribute(element, "EventType").upper(),
        structure=_attribute(element, "MsgStructID").upper(),
        nodes=_children(element),
    )


def _children(element: ET.Element) -> tuple[Node, ...]:
    wanted = _CHILDREN[_local(element)]
    return tuple(_read_node(child) for child in element if _local(child) in wanted)


def _read_node(element: ET.Element) -> Node:
    tag = _local(element)
    return Node(
        tag=tag,
        name=_attribute(element, "Name").upper() if tag == "Segment" else _attribute(element, "Name"),
        usage=_attribute(element, "Usage").upper(),
        least=_attribute(element, "Min"),
        most=_attribute(element, "Max"),
        data_type=_attribute(element, "Datatype").upper(),
        length=_attribute(element, "Length"),
        table=_attribute(element, "Table"),
        constant=_attribute(element, "ConstantValue"),
        predicate=_text(element, "Predicate"),
        note=_text(element, "ImpNote"),
        nodes=_children(element),
    )
