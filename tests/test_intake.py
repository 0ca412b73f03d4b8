"""The intake: batches, order, deadlines, and an end that always comes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from compiled import PUTS_A_STEP_ELSEWHERE
from faults.ledger import read_journal
from faults.traffic import family
from golden import PEER, make_receiver
from hypothesis import given, settings
from hypothesis import strategies as st
from unread import unread
from waiting import PATIENCE_S, until

from pam_receiver.config import load_settings
from pam_receiver.hl7.ack import decode_ack
from pam_receiver.intake import Intake, Line
from pam_receiver.metrics import Metrics
from pam_receiver.receive import Incoming, Outcome, Read
from pam_receiver.store import Store, Transaction
from pam_receiver.store.errors import Reason, StoreConflict, StoreUnavailable

SOON = 0.15  # an ACK deadline that a test can wait for


def away() -> StoreUnavailable:
    return StoreUnavailable("sqlite:///test.db", Reason.AWAY)


class ScriptedReceiver:
    """Stands for the receiver: answers each message with its own bytes, or fails as the script says, call by call."""

    def __init__(self, *script: Exception | None) -> None:
        self.script = list(script)
        self.fate: Exception | None = None  # once the script is over
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[bytes]] = []
        self.peers: list[str] = []
        self.kept: list[bytes] = []

    def read(self, incoming: Incoming, understood: object = None) -> Read:
        return unread(incoming)

    def read_oversize(self, incoming: Incoming) -> Read:
        return self.read(replace(incoming, raw=b"oversize:" + incoming.raw))

    def renumber(self, read: Read) -> Read:
        return read

    def prepare(self, reads: Sequence[Read]) -> Callable[[], tuple[Outcome, ...]]:
        return partial(self.keep, [read.incoming for read in reads])

    def keep(self, batch: Sequence[Incoming]) -> tuple[Outcome, ...]:
        self._enter([incoming.raw for incoming in batch])
        self.peers += [incoming.peer for incoming in batch]
        self.kept += [incoming.raw for incoming in batch]
        return tuple(self._accept(incoming) for incoming in batch)

    def _enter(self, raws: list[bytes]) -> None:
        self.batches.append(raws)
        assert self.gate.wait(2 * PATIENCE_S)
        fate = self.script.pop(0) if self.script else self.fate
        if fate is not None:
            raise fate

    @staticmethod
    def _accept(incoming: Incoming) -> Outcome:
        return Outcome(
            ack=b"ack:" + incoming.raw,
            ack_code="AA",
            event="A28",
            control_id=incoming.raw.decode(),
            message_id="m",
            rules=(("pid-32-missing", "W"),),
            is_repeat=False,
        )


@asynccontextmanager
async def running(
    receiver: ScriptedReceiver, metrics: Metrics | None = None, **settings_: float
) -> AsyncIterator[Intake]:
    intake = Intake(receiver, meter=metrics or Metrics(), **settings_)
    try:
        yield intake
    finally:
        receiver.gate.set()
        await intake.close(PATIENCE_S)


async def answers(*futures: "asyncio.Future[Outcome | None]") -> list[bytes | None]:
    async with asyncio.timeout(PATIENCE_S):
        outcomes = await asyncio.gather(*futures)
    return [outcome.ack if outcome else None for outcome in outcomes]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(4 * PATIENCE_S):
            await scenario()

    asyncio.run(bounded())


class TestBatches:
    """What is ready goes together; nothing waits for company."""

    def test_a_lone_message_goes_alone_and_at_once(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            async with running(receiver) as intake:
                assert await answers(intake.submit(b"1", Line("a"))) == [b"ack:1"]
                assert await answers(intake.submit(b"2", Line("b"))) == [b"ack:2"]
            assert receiver.batches == [[b"1"], [b"2"]]
            assert receiver.peers == ["a", "b"]

        run(scenario)

    def test_what_is_read_in_one_turn_of_the_loop_goes_in_one_batch(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            async with running(receiver) as intake:
                futures = [intake.submit(b"%d" % number, Line(str(number))) for number in range(5)]
                assert await answers(*futures) == [b"ack:%d" % number for number in range(5)]
            assert receiver.batches == [[b"0", b"1", b"2", b"3", b"4"]]

        run(scenario)

    def test_the_next_batch_is_gathered_while_the_worker_commits(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            receiver.gate.clear()
            async with running(receiver) as intake:
                first = intake.submit(b"1", Line("a"))
                await until(lambda: receiver.batches == [[b"1"]], "the first batch")
                later = [intake.submit(raw, Line("b")) for raw in (b"2", b"3", b"4")]
                receiver.gate.set()
                assert await answers(first, *later) == [b"ack:1", b"ack:2", b"ack:3", b"ack:4"]
            assert receiver.batches == [[b"1"], [b"2", b"3", b"4"]]

        run(scenario)

    @pytest.mark.parametrize("limit", [{"max_batch": 2}, {"max_batch_bytes": 20}])
    def test_a_batch_has_an_upper_bound(self, limit: dict[str, int]) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            async with running(receiver, **limit) as intake:
                line = Line("a")
                raws = [b"%010d" % number for number in range(5)]
                assert None not in await answers(*[intake.submit(raw, line) for raw in raws])
            assert [len(batch) for batch in receiver.batches] == [2, 2, 1]
            assert receiver.kept == raws

        run(scenario)

    def test_a_message_larger_than_a_batch_goes_alone(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            async with running(receiver, max_batch_bytes=2) as intake:
                assert await answers(intake.submit(b"long", Line("a"))) == [b"ack:long"]

        run(scenario)

    def test_a_block_over_the_limit_goes_in_its_turn(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            async with running(receiver) as intake:
                line = Line("a")
                futures = [
                    intake.submit(b"1", line),
                    intake.submit(b"MSH|", line, is_oversize=True),
                    intake.submit(b"2", Line("b")),
                ]
                assert await answers(*futures) == [b"ack:1", b"ack:oversize:MSH|", b"ack:2"]
            assert receiver.batches == [[b"1", b"oversize:MSH|", b"2"]]

        run(scenario)

    def test_everything_is_counted(self) -> None:
        async def scenario() -> None:
            metrics = Metrics()
            async with running(ScriptedReceiver(), metrics) as intake:
                await answers(intake.submit(b"1", Line("a")), intake.submit(b"2", Line("a")))
            text = metrics.render().decode()
            assert 'pam_receiver_messages_total{ack="AA",event="A28"} 2.0' in text
            assert 'pam_receiver_findings_total{rule="pid-32-missing",severity="W"} 2.0' in text
            assert 'pam_receiver_batch_size_bucket{le="1.0"} 0.0' in text
            assert 'pam_receiver_batch_size_bucket{le="2.0"} 1.0' in text
            assert "pam_receiver_answer_seconds_count 2.0" in text

        run(scenario)


class TestStoreAway:
    """Database away: held and tried again until the ACK deadline, then no answer at all."""

    def test_back_within_the_deadline_everything_is_answered_once(self, caplog: pytest.LogCaptureFixture) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver(away(), StoreConflict("sqlite:///test.db"), away())
            metrics = Metrics()
            async with running(receiver, metrics) as intake:
                line = Line("a")
                first = intake.submit(b"1", line)
                await until(lambda: len(receiver.batches) == 1, "the first try")
                second = intake.submit(b"2", line)
                assert await answers(first, second) == [b"ack:1", b"ack:2"]
                assert await answers(intake.submit(b"3", line)) == [b"ack:3"]
            assert receiver.batches == [[b"1"], [b"1", b"2"], [b"1", b"2"], [b"1", b"2"], [b"3"]]
            assert receiver.kept == [b"1", b"2", b"3"]
            assert "pam_receiver_store_retries_total 3.0" in metrics.render().decode()

        run(scenario)
        assert [record.message for record in caplog.records] == ["store.unavailable", "store.back"]

    def test_past_the_deadline_there_is_no_answer(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            receiver.fate = away()
            metrics = Metrics()
            async with running(receiver, metrics, ack_deadline_s=SOON) as intake:
                started = asyncio.get_running_loop().time()
                assert await answers(intake.submit(b"1", Line("a"))) == [None]
                assert asyncio.get_running_loop().time() - started >= SOON
            assert receiver.kept == []
            assert "pam_receiver_given_up_total 1.0" in metrics.render().decode()

        run(scenario)

    def test_a_message_given_up_takes_the_later_ones_of_its_line_with_it_and_no_other(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            receiver.fate = away()
            async with running(receiver, ack_deadline_s=8 * SOON) as intake:
                line, other = Line("a"), Line("b")
                first = intake.submit(b"1", line)
                await until(lambda: len(receiver.batches) >= 5, "some tries")
                second, elsewhere = intake.submit(b"2", line), intake.submit(b"3", other)
                assert await answers(first, second) == [None, None]
                assert not elsewhere.done()
                receiver.fate = None
                assert await answers(elsewhere) == [b"ack:3"]
                assert await answers(intake.submit(b"4", line)) == [None]
                assert await answers(intake.submit(b"5", other)) == [b"ack:5"]
            assert receiver.kept == [b"3", b"5"]

        run(scenario)

    def test_a_database_that_hangs_holds_nobody_past_the_deadline(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            receiver.gate.clear()
            metrics = Metrics()
            async with running(receiver, metrics, ack_deadline_s=SOON) as intake:
                stuck = intake.submit(b"1", Line("a"))
                await until(lambda: receiver.batches == [[b"1"]], "the batch in work")
                behind = [intake.submit(b"2", Line("b")), intake.submit(b"3", Line("c"))]
                assert await answers(stuck, *behind) == [None, None, None]
                await until(lambda: not intake._queue, "the queue to be let go")
                receiver.gate.set()
                assert await answers(intake.submit(b"4", Line("d"))) == [b"ack:4"]
            assert receiver.batches == [[b"1"], [b"4"]]
            # It was kept after all: counted, and the sender's repeat will get the stored answer.
            assert 'pam_receiver_messages_total{ack="AA",event="A28"} 2.0' in metrics.render().decode()

        run(scenario)

    def test_the_deadline_of_an_answered_message_harms_no_later_one(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            async with running(receiver, ack_deadline_s=SOON) as intake:
                line = Line("a")
                loop = asyncio.get_running_loop()
                ends_at = loop.time() + 3 * SOON
                while loop.time() < ends_at:
                    assert await answers(intake.submit(b"1", line)) == [b"ack:1"]

        run(scenario)


@PUTS_A_STEP_ELSEWHERE
class TestInDoubt:
    """A commit that was done, and that nobody answered."""

    def test_what_it_kept_is_known_as_a_repeat_and_the_ids_stay_in_the_order_of_arrival(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commit, failures = Transaction.commit, [away()]

        def done_and_not_answered(tx: Transaction) -> None:
            commit(tx)
            if failures:
                raise failures.pop()

        monkeypatch.setattr(Transaction, "commit", done_and_not_answered)
        messages = family(980) + family(981)

        async def scenario() -> None:
            receiver = make_receiver(store, load_settings({}), new_message_id=None)
            intake = Intake(receiver, meter=Metrics(), max_batch=10)  # the second ten wait behind those that are held
            line = Line(PEER)
            acks = await answers(*[intake.submit(each.raw, line) for each in messages])
            await intake.close(PATIENCE_S)
            assert [decode_ack(ack).code for ack in acks if ack] == [each.answer for each in messages]

        run(scenario)
        with store.read() as connection:
            journal = read_journal(connection)
        accepted = [each.control_id for each in journal if each.code == "AA" and each.repeat_of is None]
        assert accepted == [each.control_id for each in messages if each.answer == "AA"]
        assert len(journal) == 30


class TestUnforeseen:
    """Whatever the receiver does, the intake goes on."""

    def test_a_batch_that_fails_is_given_up_and_the_next_one_served(self, caplog: pytest.LogCaptureFixture) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver(KeyError("a name"))
            async with running(receiver) as intake:
                assert await answers(intake.submit(b"1", Line("a")), intake.submit(b"2", Line("b"))) == [None, None]
                assert await answers(intake.submit(b"3", Line("c"))) == [b"ack:3"]

        run(scenario)
        failed = [record for record in caplog.records if record.message == "batch.failed"]
        assert [record.levelname for record in failed] == ["ERROR"]

    def test_fewer_outcomes_than_messages_are_no_outcomes(self) -> None:
        class Forgetful(ScriptedReceiver):
            def keep(self, batch: Sequence[Incoming]) -> tuple[Outcome, ...]:
                return super().keep(batch)[:-1]

        async def scenario() -> None:
            async with running(Forgetful()) as intake:
                assert await answers(intake.submit(b"1", Line("a")), intake.submit(b"2", Line("b"))) == [None, None]

        run(scenario)

    @settings(max_examples=25, deadline=None)
    @given(
        lines=st.lists(st.integers(0, 2), min_size=1, max_size=12),
        script=st.lists(st.sampled_from(["kept", "away", "broken"]), max_size=4),
    )
    def test_a_line_is_answered_in_order_up_to_some_message_and_never_after(
        self, lines: list[int], script: list[str]
    ) -> None:
        fates = {"kept": None, "away": away(), "broken": ValueError()}

        async def scenario() -> None:
            receiver = ScriptedReceiver(*[fates[word] for word in script])
            async with running(receiver, max_batch=3) as intake:
                known = [Line(str(number)) for number in range(3)]
                futures = [intake.submit(b"%d" % number, known[line]) for number, line in enumerate(lines)]
                given_ = await answers(*futures)
            for line in range(3):
                mine = [(number, given_[number]) for number, of in enumerate(lines) if of == line]
                answered = [number for number, ack in mine if ack is not None]
                assert answered == [number for number, _ in mine][: len(answered)]
                assert all(ack in (None, b"ack:%d" % number) for number, ack in mine)
            assert receiver.kept == [b"%d" % number for number, ack in enumerate(given_) if ack is not None]

        run(scenario)


class TestClose:
    """The end comes in time, whatever the database does."""

    def test_what_was_read_is_answered_and_nothing_more_is_taken(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            receiver.gate.clear()
            metrics = Metrics()
            intake = Intake(receiver, meter=metrics)
            line = Line("a")
            first = intake.submit(b"1", line)
            await until(lambda: receiver.batches == [[b"1"]], "the batch in work")
            second = intake.submit(b"2", line)
            closing = asyncio.create_task(intake.close(PATIENCE_S))
            await asyncio.sleep(0)
            assert await answers(intake.submit(b"3", line)) == [None]
            receiver.gate.set()
            assert await answers(first, second) == [b"ack:1", b"ack:2"]
            await closing
            assert receiver.kept == [b"1", b"2"]
            assert "pam_receiver_given_up_total 1.0" in metrics.render().decode()

        run(scenario)
        assert "pam-receiver-store" not in {thread.name for thread in threading.enumerate()}

    def test_with_the_store_away_the_rest_is_given_up(self) -> None:
        async def scenario() -> None:
            receiver = ScriptedReceiver()
            receiver.fate = away()
            intake = Intake(receiver, meter=Metrics())
            waiting = intake.submit(b"1", Line("a"))
            await until(lambda: len(receiver.batches) >= 2, "some tries")
            await intake.close(SOON)
            assert await answers(waiting) == [None]

        run(scenario)

    def test_with_a_database_that_hangs_too_and_the_process_can_end(self) -> None:
        receiver = ScriptedReceiver()
        receiver.gate.clear()

        async def scenario() -> None:
            intake = Intake(receiver, meter=Metrics())
            waiting = intake.submit(b"1", Line("a"))
            await until(lambda: receiver.batches == [[b"1"]], "the batch in work")
            await intake.close(SOON)
            assert await answers(waiting) == [None]

        run(scenario)
        worker = next(thread for thread in threading.enumerate() if thread.name == "pam-receiver-store")
        assert worker.daemon
        receiver.gate.set()  # the loop is closed by now: the worker has nobody to tell, and ends
        worker.join(PATIENCE_S)
        assert not worker.is_alive()
