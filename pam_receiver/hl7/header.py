"""MSH: what a message says of itself, read from a whole message or from whatever of it can be read."""

from typing import Final

from pam_receiver.hl7.charset import find_codec
from pam_receiver.hl7.message import Message, Repetition, Segment
from pam_receiver.hl7.separators import STANDARD, Separators, is_separator, read_separators, unescape
from pam_receiver.values import value

_BOM: Final = b"\xef\xbb\xbf"
_BLANKS: Final = b" \t\r\n\x00"
_LONGEST: Final = 1 << 16  # bytes of a header worth reading when the message itself cannot be read
_FRENCH_PROFILE: Final = "IHE_FRANCE"  # IHE PAM FR 2.11.2 §6.5, MSH-21: 2.11^IHE_FRANCE-2.11-PAM


@value(frozen=True, slots=True)
class Header:
    """MSH, as sent: ``""`` stands for what is not there.

    MSH-3 to 6, ``control_id`` and the ``…_field`` attributes are raw ER7 text of the whole field, to be echoed; the
    rest is unescaped. ``encoding`` is the Python codec that an answer should use.
    """

    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    sent_at: str = ""
    message_code: str = ""
    trigger_event: str = ""
    structure: str = ""
    control_id: str = ""
    processing_id: str = ""
    processing_id_field: str = ""
    version: str = ""
    version_field: str = ""
    country: str = ""
    extension_version: str = ""
    country_code: str = ""
    charset: str = ""
    language: str = ""
    profile_ids: str = ""
    separators: Separators = STANDARD
    encoding: str = "ascii"

    @property
    def is_french(self) -> bool:
        """Whether the message follows PAM FR: MSH-12.2 is FRA, or MSH-21 names a French profile.

        MSH-17 alone says where the sender stands, not what it follows.
        """
        return self.country.strip().upper() == "FRA" or _FRENCH_PROFILE in self.profile_ids.upper()

    @property
    def sender(self) -> tuple[str, str]:
        """MSH-3 and MSH-4 as sent."""
        return (self.sending_application, self.sending_facility)


def read_header(message: Message) -> Header:
    """Read the header of a message."""
    return _read(message.segments[0])


def strip_start(raw: bytes) -> bytes:
    """Drop what may stand before MSH and means nothing: blanks, empty lines, a byte order mark."""
    if raw.startswith(b"MSH"):
        return raw
    return raw.lstrip(_BLANKS).removeprefix(_BOM).lstrip(_BLANKS)


def read_first_line(body: bytes) -> str:
    """Return what stands before the first CR or LF, before its charset is known: UTF-8 if it reads so, else 8859/1.

    Good for what is ASCII, and for separators that are not.
    """
    end = body.find(b"\r")
    line = (body if end < 0 else body[:end]).split(b"\n", 1)[0]
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("iso8859-1")


def read_header_loosely(raw: bytes) -> Header | None:
    """Read what can be read of a header, to answer a message that cannot be read; never raises.

    ``None`` when there is no MSH, or no sign after it that could separate fields.
    """
    text = read_first_line(strip_start(raw[:_LONGEST]))
    separators = read_separators(text) or _guess_separators(text)
    if separators is None or not text.startswith("MSH"):
        return None
    encoding = find_codec(_first(_segment(text, separators, "utf-8"), 18)) or "ascii"
    return _read(_segment(text, separators, encoding))


def read_sender_loosely(raw: bytes) -> tuple[str, str]:
    """Read MSH-3.1 and MSH-4.1 without the rest, ``""`` for what is not there, blanks around dropped; never raises."""
    return read_parties_loosely(raw)[:2]


def read_parties_loosely(raw: bytes) -> tuple[str, str, str, str]:
    """Read MSH-3.1 to MSH-6.1, who sends and who is meant to receive, as :func:`read_sender_loosely` does."""
    text = read_first_line(strip_start(raw[:_LONGEST]))
    separators = read_separators(text) or _guess_separators(text)
    if separators is None or not text.startswith("MSH"):
        return ("", "", "", "")
    cells = [*text.split(separators.field, 6)[2:6], "", "", "", ""]
    one, two, three, four = (_first_component(cell, separators) for cell in cells[:4])
    return (one, two, three, four)


def _first_component(raw: str, separators: Separators) -> str:
    first = raw.split(separators.component, 1)[0] if separators.component else raw
    return unescape(first, separators).strip()


def _guess_separators(text: str) -> Separators | None:
    """MSH-1 with the usual signs of MSH-2, or alone when it is one of them."""
    field = text[3:4]
    if not field or not is_separator(field):
        return None
    return Separators(field, "", "", "", "") if field in "^~\\&" else Separators(field)


def _segment(text: str, separators: Separators, encoding: str) -> Segment:
    return Segment(text, "MSH", sequence=1, index=0, separators=separators, encoding=encoding)


def _first(msh: Segment, number: int) -> str:
    """The first repetition of a field, raw."""
    repetitions = msh.repetitions(number)
    return repetitions[0].raw if repetitions else ""


def _components(msh: Segment, number: int) -> tuple[str, str, str]:
    """The first three components of the first repetition of a field, unescaped."""
    raw, separators = msh.raw(number) or "", msh.separators
    if separators is STANDARD and not ("~" in raw or "&" in raw or "\\" in raw):  # nearly always so
        one, two, three, *_ = *raw.split("^", 3), "", ""
        return (one, two, three)
    if separators.repetition and separators.repetition in raw:
        raw = raw.split(separators.repetition, 1)[0]
    first = Repetition(raw, 1, separators, msh.encoding)
    return (first.component(1) or "", first.component(2) or "", first.component(3) or "")


def _read(msh: Segment) -> Header:
    cells = msh.cells
    if len(cells) < 22:  # up to MSH-21
        cells = cells + [""] * (22 - len(cells))
    message_code, trigger_event, structure = _components(msh, 9)
    version, country, extension_version = _components(msh, 12)
    return Header(
        cells[3],
        cells[4],
        cells[5],
        cells[6],
        msh.value(7) or "",
        message_code,
        trigger_event,
        structure,
        cells[10],
        msh.value(11) or "",
        cells[11],
        version,
        cells[12],
        country,
        extension_version,
        cells[17],
        cells[18],
        msh.value(19) or "",
        cells[21],
        msh.separators,
        msh.encoding,
    )
