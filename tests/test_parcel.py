"""What was understood in one process is the same in another: every value, and findings as the same objects again."""

from collections.abc import Iterator

import pytest
from golden import CONVERSATIONS, Conversation, adt, all_messages
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver import parcel
from pam_receiver.cli import parts
from pam_receiver.config import load_settings
from pam_receiver.hl7.separators import STANDARD
from pam_receiver.parcel import Packer, Unpacker
from pam_receiver.sources import Sources
from pam_receiver.understand import Understood, take_in

MESSAGES = [raw for _, raw in all_messages()]


@pytest.fixture(scope="module")
def sources() -> Sources:
    return parts.make_sources(load_settings({"environment": "test"}))


def carried(sources: Sources, *understood: Understood | None) -> list[Understood | None]:
    return Unpacker(sources).unpack(Packer(sources).pack(understood))


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=[each.name for each in CONVERSATIONS])
def test_every_golden_message_arrives_as_it_was_understood(conversation: Conversation) -> None:
    sources = parts.make_sources(conversation.settings)
    understood = [take_in(each.raw, each.port, sources, is_known=each.is_known) for each in conversation.incoming]
    assert carried(sources, *understood) == understood


def test_what_is_asked_for_by_its_identity_is_the_same_object(sources: Sources) -> None:
    (arrived,) = carried(sources, take_in(adt("7000001", "1"), None, sources))
    assert arrived is not None
    assert arrived.header is not None
    assert arrived.header.separators is STANDARD
    assert arrived.source is sources.general
    assert arrived.profile in sources.general.profiles.profiles


def test_what_could_not_be_dealt_with_is_told_in_its_place(sources: Sources) -> None:
    understood = take_in(adt("7000001", "1"), None, sources)
    assert carried(sources, None, understood, None) == [None, understood, None]


def test_equal_findings_arrive_as_the_same_objects(sources: Sources) -> None:
    packer, unpacker = Packer(sources), Unpacker(sources)
    is_told = [one for one in (take_in(raw, None, sources) for raw in MESSAGES) if len(one.findings) > 1]
    assert len(is_told) > 5
    for understood in is_told:
        first, second = (unpacker.unpack(packer.pack([understood]))[0] for _ in range(2))
        assert first is not None
        assert second is not None
        assert first.findings is second.findings


@settings(max_examples=60)
@given(st.data())
def test_whatever_the_bytes_and_however_few_findings_are_remembered(sources: Sources, data: st.DataObject) -> None:
    def spoilt() -> Iterator[bytes]:
        for raw in data.draw(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=12)):
            at = data.draw(st.integers(0, len(raw)))
            yield raw[:at] + data.draw(st.sampled_from([b"", b"~", b"^^", b"\r", b"\xff", b"A"])) + raw[at:]

    packer, unpacker = Packer(sources), Unpacker(sources)
    with pytest.MonkeyPatch.context() as few:
        few.setattr(parcel, "_MOST_NUMBERED", 2)
        for _ in range(3):
            understood = [take_in(raw, None, sources) for raw in spoilt()]
            assert unpacker.unpack(packer.pack(understood)) == understood
