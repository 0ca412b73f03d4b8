"""Values that somebody might send to be executed, to break a page or a terminal, or to pass for another line."""

from dataclasses import dataclass
from typing import Final

from pam_receiver.hl7.separators import escape

# Whatever a terminal obeys or shows in another order, or not at all. A line end is looked for apart.
UNSAFE: Final = (
    *map(chr, range(0x0A)),
    *map(chr, range(0x0B, 0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\xad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068",
    *"\u2069\ufeff\U000e0041",
)


@dataclass(frozen=True, slots=True)
class Hostile:
    """A value as it stands in a field, and what the receiver must answer and keep.

    ``sent``: the raw text of a component, escaped as HL7 asks; ``ack``: MSA-1; ``kept``: the value that is stored, when
    the message is taken.
    """

    name: str
    sent: str
    ack: str
    kept: str = ""


def taken(name: str, value: str) -> Hostile:
    """A value without a fault of form: it is text like another, and is kept to the sign."""
    return Hostile(name, escape(value), "AA", value)


def left_as_sent(name: str, sent: str) -> Hostile:
    """An escape sequence that gives no plain text: it is kept as it was sent."""
    return Hostile(name, sent, "AA", sent)


def refused(name: str, sent: str) -> Hostile:
    """A value with a control character in it."""
    return Hostile(name, sent, "AE")


VALUES: Final = (
    taken("sql-drop", "Robert'); DROP TABLE identity;--"),
    taken("sql-or", "x' OR '1'='1"),
    taken("sql-like", "100%_"),
    taken("script", "<script>alert(1)</script>"),
    taken("image", '"><img src=x onerror=alert(1)>'),
    taken("entity", "&lt;b&gt; &#x1b;[2J"),
    taken("template", "{{ 7*7 }}{% include '/etc/passwd' %}"),
    taken("format", "{0.__class__} %s%n%x {rule}"),
    taken("terminal-markup", "[bold red]ROUGE[/][link=http://127.0.0.1]ici[/link]"),
    taken("path", "../../../../etc/passwd"),
    taken("shell", "$(touch hostile-was-here); `touch hostile-was-here`"),
    taken("lookup", "${jndi:ldap://127.0.0.1/x}"),
    taken("formula", "=cmd|' /C calc'!A0"),
    taken("formula-at", "@SUM(1+1)*cmd|' /C calc'!A0"),
    taken("hl7", "X|Y^Z~\\F\\&"),
    taken("bidi-override", "ENNA\u202e NELEUGREK"),
    taken("bidi-isolate", "ANNE\u2066\u2067X\u2069"),
    taken("bidi-mark", "ANNE\u200f1\u061c"),
    taken("no-width", "AN\u200bNE\ufeff"),
    taken("tags", "ANNE\U000e0041\U000e0042"),
    taken("combining", "A" + "\u0301" * 100),
    taken("other-line", "ANNE\u20282026-03-02 ERROR daemon.lost\u2029x"),
    left_as_sent("hex-escape", "ANNE\\X1B\\[2J"),
    left_as_sent("hex-line", "ANNE\\X0A\\ok"),
    left_as_sent("hex-nul", "ANNE\\X00\\"),
    left_as_sent("hex-frame", "ANNE\\X1C\\\\X0D\\\\X0B\\MSH"),
    left_as_sent("local-escape", "ANNE\\Zrm -rf\\"),
    refused("ansi", "ANNE\x1b[31m\x1b]0;TITRE\x07"),
    refused("c1", "ANNE\x9b31m"),
    refused("nul", "AN\x00NE"),
    refused("frame-end", "AN\x1cNE"),
    refused("frame-begin", "AN\x0bNE"),
    refused("delete", "AN\x7fNE\x08\x08"),
)


def message(number: int, hostile: Hostile) -> bytes:
    """An A28 of a new person who lives at, bears and is called by this value; MSH-3, MSH-4 and MSH-10 hold it too.

    The family name is plain, so that a search has something to begin with.
    """
    value = hostile.sent
    at = "20260302080000"
    return (
        f"MSH|^~\\&|GAM {value}|CHU {value}|PAM-RECEIVER|DMN|{at}||ADT^A28^ADT_A05|{number} {value}|P|2.5^FRA^2.11"
        f"|||||FRA|UNICODE UTF-8|FR||2.11^IHE_FRANCE-2.11-PAM\r"
        f"EVN||{at}||||{at}\r"
        f"PID|1||{ipp(number)}^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI"
        f"~{value}^^^CHU-LYRE&1.2.250.1.999.77&ISO^AN||KERGUELEN^{value}^{value}^^^^L||19590123|F"
        f"|||{value}^^NANTES^^^FRA^BDL^^44109|||||||||||||||||||||PROV|{at}\r"
        "PV1|1|N\r"
    ).encode()


def ipp(number: int) -> str:
    """The IPP of the person of message ``number``."""
    return f"HOST{number:03}"
