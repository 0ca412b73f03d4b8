"""What no log line, answer, metric or exception may hold: every personal value of the golden messages."""

import re
from collections.abc import Iterator
from typing import Final

from golden import CONVERSATIONS

from pam_receiver.hl7.er7 import Message, Unreadable, parse_message

NO_SECRET: Final = frozenset({"99999", "LIEU", "INCONNU"})  # a COG that rules speak of, and places that are no places
_PLACES: Final = {  # field of PID: the components that tell who somebody is
    3: (1,),
    5: (1, 2, 3),
    6: (1,),
    7: (1,),
    11: (1, 3, 5, 9),
    13: (1, 4, 12),
    18: (1,),
    19: (1,),
}
_SHORTEST: Final = 4  # signs; anything shorter stands in every text


def personal_values() -> frozenset[str]:
    """Every name, date, number and address of the golden messages, whole and word by word."""
    found: set[str] = set()
    for conversation in CONVERSATIONS:
        for raw in conversation.messages:
            try:
                message = parse_message(raw)
            except Unreadable:
                continue
            found |= values_in(message)
    words = {word for value in found for word in value.split()}
    dates = {f"{each[:4]}-{each[4:6]}-{each[6:8]}" for each in found if re.fullmatch(r"(19|20)\d{6}", each)}
    return frozenset(each for each in found | words | dates if len(each) >= _SHORTEST) - NO_SECRET


def values_in(message: Message) -> Iterator[str] | set[str]:
    values: set[str] = set()
    for segment in message.segments:
        places = {1: (1,)} if segment.name == "MRG" else _PLACES if segment.name == "PID" else {}
        for number, components in places.items():
            for repetition in segment.field(number).repetitions:
                values |= {repetition.component(each) or "" for each in components}
    return values


SECRETS: Final = personal_values()
_LEAK: Final = re.compile(
    "|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in sorted(SECRETS, key=len, reverse=True))
)


_PORT: Final = re.compile(r"(?<=127\.0\.0\.1:)\d+")  # the system picks the port, which may be a COG by chance


def leaks(text: str) -> list[str]:
    """The personal values that stand in ``text``."""
    return _LEAK.findall(text)


def without_port(text: str) -> str:
    return _PORT.sub("port", text)


SHIFTED: Final = (  # MSH is out of step: names stand where the event and the control id are looked for
    b"MSH|^~\\&|GAM|CHU-LYRE|PAM-RECEIVER|DMN|20260302||ADT^KERGUELEN ANNE^ADT_A05|KERGUELEN ANNE|P|2.5\r"
    b"PID|1||259014410900036^^^^INS||KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L||19590123|F\r"
)
