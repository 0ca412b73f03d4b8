"""Golden conversations: whole messages in, whole acknowledgements and stored identities out, on both databases.

``PAM_UPDATE_GOLDEN=1`` writes ``ack.hl7`` anew where it differs, and fails: what was written is to be read first.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import hl7
import pytest
from golden import CONVERSATIONS, Conversation, all_messages, describe, join, make_receiver, told, told_by
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message as parse_with_hl7apy

from pam_receiver.adt import EVENTS
from pam_receiver.cli import parts
from pam_receiver.hl7.ack import decode_ack
from pam_receiver.hl7.er7 import Message, Unreadable, encode_message, parse_message
from pam_receiver.parcel import Packer, Unpacker
from pam_receiver.receive import Outcome, Receiver
from pam_receiver.rulebook import RULES
from pam_receiver.store import Store, queries
from pam_receiver.store.alerts import list_alerts
from pam_receiver.understand import take_in

UPDATES: Final = os.environ.get("PAM_UPDATE_GOLDEN") == "1"
NAMES: Final = [each.name for each in CONVERSATIONS]


def one_by_one(receiver: Receiver, conversation: Conversation) -> list[Outcome]:
    return [receiver.receive([each])[0] for each in conversation.incoming]


def in_one_batch(receiver: Receiver, conversation: Conversation) -> list[Outcome]:
    return list(receiver.receive(conversation.incoming))


def read_elsewhere(receiver: Receiver, conversation: Conversation) -> list[Outcome]:
    """As a reader does it, in another process with the same sources."""
    sources = parts.make_sources(conversation.settings)
    packer, unpacker = Packer(sources), Unpacker(sources)
    outcomes: list[Outcome] = []
    for each in conversation.incoming:
        understood = take_in(each.raw, each.port, sources, is_known=each.is_known)
        (arrived,) = unpacker.unpack(packer.pack([understood]))
        outcomes += receiver.keep([receiver.read(each, arrived)])
    return outcomes


@pytest.fixture(params=[one_by_one, in_one_batch, read_elsewhere])
def play(request: pytest.FixtureRequest) -> Callable[[Receiver, Conversation], list[Outcome]]:
    """How a conversation comes in: the way must change nothing."""
    play: Callable[[Receiver, Conversation], list[Outcome]] = request.param
    return play


def check_state(store: Store, conversation: Conversation) -> None:
    for value in conversation.nobody:
        assert queries.find_identities(store, value) == (), "an identity answers to a value that nobody may hold"
    for expected in conversation.expected:
        check_identity(store, expected)
    assert [each.finding.rule for each in reversed(list_alerts(store))] == list(conversation.alerts)
    statistics = queries.read_statistics(store)
    assert statistics.messages == len(conversation.messages)
    if conversation.identities is not None:
        assert statistics.identities == conversation.identities


def check_identity(store: Store, expected: Mapping[str, object]) -> None:
    wanted = dict(expected)
    found = queries.find_identities(store, str(wanted.pop("value")), wanted.pop("among", None))  # type: ignore[arg-type]
    found = [each for each in found if each.identity.active] or list(found)
    assert len(found) == 1
    described = describe(store, found[0])
    assert {key: described[key] for key in wanted} == wanted


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=NAMES)
class TestConversations:
    """Each folder names its own section in ``case.toml``."""

    def test_answers_and_identities(
        self, conversation: Conversation, store: Store, play: Callable[[Receiver, Conversation], list[Outcome]]
    ) -> None:
        outcomes = play(make_receiver(store, conversation.settings), conversation)
        fresh = [
            (told(each), answer)
            for each, answer in zip(outcomes, conversation.answers, strict=True)
            if not each.is_repeat
        ]
        assert [said for said, _ in fresh] == [answer for _, answer in fresh]
        acks = tuple(each.ack for each in outcomes)
        if UPDATES and (not (conversation.folder / "ack.hl7").exists() or acks != conversation.golden_acks):
            (conversation.folder / "ack.hl7").write_bytes(join(acks))
            pytest.fail("ack.hl7 was written anew: read it, then run again without PAM_UPDATE_GOLDEN")
        assert acks == conversation.golden_acks
        check_state(store, conversation)

    def test_the_answer_says_what_the_outcome_says(self, conversation: Conversation) -> None:
        acks = conversation.golden_acks
        assert len(acks) == len(conversation.messages)
        for ack, answer in zip(acks, conversation.answers, strict=True):
            said, kept = set(told_by(ack).split()), set(answer.split())
            if conversation.settings.ack_findings == "errors":
                kept = {word for word in kept if word not in RULES or RULES[word].severity == "E"}
            assert said - {"findings-not-shown"} == kept
            assert {error.text for error in decode_ack(ack).errors if len(error.text) > 250} == set()


class TestFolders:
    """What the conversations are as a whole."""

    def test_every_event_is_played(self) -> None:
        played = {event for event in EVENTS if any(f"^{event}".encode() in raw for _, raw in all_messages())}
        assert played == set(EVENTS)

    def test_every_case_names_its_section(self) -> None:
        assert [each.name for each in CONVERSATIONS if not re.search(r"§|chapter|DMN|RNIV|Appendix", each.spec)] == []
        assert all(re.fullmatch(r"\d{3}-[a-z0-9-]+", name) for name in NAMES)


# ------------------------------------------------------------------------------------------- independent readers


def readable() -> Iterator[tuple[str, Message]]:
    """The golden messages and answers that our own parser reads."""
    for name, raw in all_messages():
        try:
            yield name, parse_message(raw)
        except Unreadable:
            continue


READABLE: Final = tuple(readable())
HL7APY_LIMITS: Final = {
    "022-nh-is-no-ins message 3": "writes no subcomponent separators behind the last value of a field",
    "100-processing-id-and-version message 2": "knows fields by their version, and PID-32 came after 2.3",
    "117-escapes message 1": "takes the escape of a hexadecimal code for a plain sign",
}


def rewritten(message: Message) -> str:
    """The message as text with CR ends, as the other readers want it."""
    return encode_message(message).decode(message.encoding)


def values_of(segment: Any, number: int) -> str:  # Any: hl7apy has no types
    field = getattr(segment, f"{segment.name.lower()}_{number}")
    return str(segment.encoding_chars["REPETITION"].join(each.to_er7() for each in field))


class TestOtherReaders:
    """HL7 v2.5 chapter 2: independent readers see the same fields in every golden message and answer."""

    @pytest.mark.parametrize("message", [pytest.param(message, id=name) for name, message in READABLE])
    def test_python_hl7_reads_the_same(self, message: Message) -> None:
        header, *others = hl7.parse(rewritten(message))
        assert [str(each[0]) for each in others] == [segment.name for segment in message.segments[1:]]
        for number in range(3, 22):
            assert (str(header[number]) if len(header) > number else "") == (
                message.segments[0].field(number).raw or ""
            )
        for segment, theirs in zip(message.segments[1:], others, strict=True):
            ours = [segment.field(number).raw or "" for number in range(1, segment.field_count + 1)]
            assert [str(theirs[number]) for number in range(1, segment.field_count + 1)] == ours

    @pytest.mark.parametrize(
        "message",
        [
            pytest.param(
                message,
                id=name,
                marks=[pytest.mark.xfail(reason=f"hl7apy {HL7APY_LIMITS[name]}")] if name in HL7APY_LIMITS else [],
            )
            for name, message in READABLE
        ],
    )
    def test_hl7apy_reads_the_same(self, message: Message) -> None:
        other = parse_with_hl7apy(
            rewritten(message), validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False, force_validation=False
        )
        for name, number in (("MSH", 4), ("MSH", 10), ("PID", 3), ("PID", 5), ("PID", 32), ("MSA", 1), ("MSA", 2)):
            ours = [segment.field(number).raw or "" for segment in message.named(name)]
            assert [values_of(each, number) for each in other.children.get(name.lower())] == ours
