"""The fuzz targets, each for a moment (longer: ``make fuzz``). What they look for, they find when it is there."""

import random
from collections.abc import Iterator

import pytest
from fuzz import targets
from fuzz.mutation import CANARY, Mutator, seeds

from pam_receiver import receive
from pam_receiver.hl7.mllp import FrameDecoder
from pam_receiver.receive import INTERNAL_ERROR
from pam_receiver.store import Store, queries

SEEDS = seeds()
RUNS = 300


def inputs(seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    mutate = Mutator(SEEDS, chance)
    return (mutate(chance.choice(SEEDS)) for _ in range(RUNS))


class TestInvariant:
    """Any bytes give answers or a close; never an exception, never patient data outside."""

    def test_decoder(self) -> None:
        for data in (*SEEDS, *inputs(1)):
            targets.check_decoder(data)

    def test_parser(self) -> None:
        for data in (*SEEDS, *inputs(2)):
            targets.check_parser(data)

    def test_checker(self) -> None:
        check = targets.check_checker()
        for data in (*SEEDS, *inputs(3)):
            check(data)

    def test_receive(self, receiver: targets.CheckReceiver) -> None:
        for data in (*SEEDS, *inputs(4)):
            receiver(data)


@pytest.fixture
def receiver() -> Iterator[targets.CheckReceiver]:
    made = targets.CheckReceiver()
    yield made
    made.close()


class TestTheTargetsAreNotBlind:
    """What the invariant forbids is a find, and the inputs reach deep enough to meet it."""

    def test_the_canary_stands_in_nearly_every_seed(self) -> None:
        assert sum(CANARY.encode() in each for each in SEEDS) > 0.8 * len(SEEDS)

    def test_changed_messages_are_taken_refused_and_rejected(self, receiver: targets.CheckReceiver) -> None:
        for data in inputs(5):
            receiver(data)
        store = receiver.store
        assert isinstance(store, Store)
        codes = [line.ack_code for line in queries.list_messages(store, limit=10_000)]
        assert min(codes.count(code) for code in ("AA", "AE", "AR")) > RUNS // 20

    def test_a_failure_of_ours_is_a_find(
        self, receiver: targets.CheckReceiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise KeyError

        monkeypatch.setattr(receive, "decide", broken)
        with pytest.raises(AssertionError, match=INTERNAL_ERROR.id):
            receiver(SEEDS[0])

    def test_a_decoder_that_depends_on_the_cuts_is_a_find(self, monkeypatch: pytest.MonkeyPatch) -> None:
        feed = FrameDecoder.feed
        monkeypatch.setattr(FrameDecoder, "feed", lambda self, data: feed(self, data[:100]))
        with pytest.raises(AssertionError, match="cut in pieces"):
            targets.check_decoder(SEEDS[0])

    def test_a_name_in_a_log_line_is_a_find(
        self, receiver: targets.CheckReceiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = receive.safe_control_id

        def leaking(control_id: str) -> str:
            receive.log.info("message.kept", extra={"control_id": CANARY})
            return told(control_id)

        monkeypatch.setattr(receive, "safe_control_id", leaking)
        with pytest.raises(AssertionError, match=CANARY):
            receiver(SEEDS[0])
