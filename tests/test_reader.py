"""The reader, a process beside: what it reads comes back in order, and it is done without when it has gone."""

import asyncio
import errno
import logging
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from faults.ledger import effects_without_fault, read_effects, read_journal
from faults.traffic import Sent, family
from golden import PEER
from waiting import PATIENCE_S, until

from pam_receiver.cli import parts
from pam_receiver.config import Settings, load_settings
from pam_receiver.hl7.ack import decode_ack
from pam_receiver.intake import Intake, Line
from pam_receiver.metrics import Metrics
from pam_receiver.reader import Reader, forked_reader
from pam_receiver.receive import Incoming, Read, Receiver
from pam_receiver.sources import Sources
from pam_receiver.store import Store
from pam_receiver.understand import Understood, take_in

FAMILIES: tuple[tuple[Sent, ...], ...] = tuple(family(number, prefix="R") for number in range(900, 908))
ALL_SENT = [each for of_one in zip(*FAMILIES, strict=True) for each in of_one]  # far more than are read at home


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings({})


@pytest.fixture(scope="module")
def sources(settings: Settings) -> Sources:
    return parts.make_sources(settings)


class Gathering:
    """Takes what comes back; all of it, and that the reader has gone."""

    def __init__(self) -> None:
        self.read: list[Understood | None] = []
        self.is_missing = False

    def take_read(self, understood: Sequence[Understood | None]) -> None:
        self.read += understood

    def miss_reader(self) -> None:
        self.is_missing = True


class Watched:
    """A receiver that counts what it was given understood."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.aside = 0

    def read(self, incoming: Incoming, understood: Understood | None = None) -> Read:
        self.aside += understood is not None
        return self._receiver.read(incoming, understood)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._receiver, name)


@asynccontextmanager
async def working(receiver: Watched, reader: Reader) -> AsyncIterator[Intake]:
    intake = Intake(receiver, meter=Metrics(), reader=reader)
    await reader.connect(intake)
    try:
        yield intake
    finally:
        await intake.close(PATIENCE_S)
        reader.disconnect()


async def codes(futures: Sequence["asyncio.Future[object]"]) -> list[str]:
    async with asyncio.timeout(4 * PATIENCE_S):
        outcomes = await asyncio.gather(*futures)
    return [decode_ack(each.ack).code for each in outcomes]  # type: ignore[attr-defined]


def make_watched(store: Store, settings: Settings, sources: Sources) -> Watched:
    return Watched(Receiver(store, sources=sources, answers=parts.make_answer_style(settings), renumbers=True))


def is_running(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def test_gives_back_what_it_understood_in_the_order_of_the_questions(sources: Sources) -> None:
    gathering = Gathering()

    async def scenario() -> None:
        await reader.connect(gathering)
        for each in ALL_SENT:
            reader.give(each.raw, None, is_known=True)
        reader.give(b"no message", None, is_known=True)
        reader.give(ALL_SENT[0].raw, None, is_known=False)
        await until(lambda: len(gathering.read) == len(ALL_SENT) + 2, "all that was given")
        reader.disconnect()

    with forked_reader(sources) as reader:
        asyncio.run(scenario())
    raws = [*(each.raw for each in ALL_SENT), b"no message"]
    assert gathering.read[:-1] == [take_in(raw, None, sources) for raw in raws]
    assert gathering.read[-1] == take_in(ALL_SENT[0].raw, None, sources, is_known=False)
    assert not gathering.is_missing


def test_a_message_that_it_cannot_deal_with_is_given_back(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    gathering = Gathering()

    async def scenario() -> None:
        await reader.connect(gathering)
        for each in ALL_SENT[:2]:
            reader.give(each.raw, None, is_known=True)
        await until(lambda: len(gathering.read) == 2, "both")
        reader.disconnect()

    def broken(*_: object, **__: object) -> Understood:
        raise ValueError

    monkeypatch.setattr("pam_receiver.reader.take_in", broken)
    with forked_reader(sources) as reader:
        asyncio.run(scenario())
    assert gathering.read == [None, None]


def test_ends_with_its_parent_alone(sources: Sources) -> None:
    with forked_reader(sources) as reader:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # a service manager sends them to all
            os.kill(reader.pid, number)
        gathering = Gathering()

        async def scenario() -> None:
            await reader.connect(gathering)
            reader.give(ALL_SENT[0].raw, None, is_known=True)
            await until(lambda: len(gathering.read) == 1, "an answer after the signals")
            reader.disconnect()

        asyncio.run(scenario())
    assert not is_running(reader.pid)


def test_where_no_process_may_be_forked_there_is_none(
    sources: Sources, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "no more")

    monkeypatch.setattr("os.fork", fork)
    held, files = signal.pthread_sigmask(signal.SIG_BLOCK, ()), os.listdir("/dev/fd")
    with forked_reader(sources) as reader:
        assert reader is None
    assert [(record.getMessage(), vars(record)["error"]) for record in caplog.records] == [
        ("reader.not_started", "EAGAIN")
    ]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == held
    assert os.listdir("/dev/fd") == files


def has_ended(pid: int) -> bool:
    """Whether a child has ended, also when nobody has waited for it yet."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class TestAtWork:
    """Under load, with a real store: all is as if one process had done it."""

    def test_answers_effects_and_ids_are_those_of_one_process(
        self, store: Store, settings: Settings, sources: Sources, sqlite_template: Path, tmp_path: Path
    ) -> None:
        receiver = make_watched(store, settings, sources)
        lines = [Line(PEER) for _ in FAMILIES]

        async def scenario() -> None:
            async with working(receiver, reader) as intake:
                sent = [intake.submit(each.raw, lines[n % len(lines)]) for n, each in enumerate(ALL_SENT)]
                assert await codes(sent) == [each.answer for each in ALL_SENT]

        with forked_reader(sources) as reader:
            asyncio.run(scenario())
        assert receiver.aside > len(ALL_SENT) // 2
        with store.read() as connection:
            journal = read_journal(connection)
            assert [each.control_id for each in journal] == [each.control_id for each in ALL_SENT]
            without = effects_without_fault(ALL_SENT, tmp_path / "alone.db", sqlite_template)
            assert read_effects(connection, journal) == without

    def test_an_oversize_block_keeps_its_place_in_the_journal(
        self, store: Store, settings: Settings, sources: Sources
    ) -> None:
        receiver, line = make_watched(store, settings, sources), Line(PEER)

        async def scenario() -> None:
            async with working(receiver, reader) as intake:
                sent = [intake.submit(each.raw, line, is_oversize=n == 40) for n, each in enumerate(ALL_SENT[:50])]
                assert [n for n, code in enumerate(await codes(sent)) if code == "AR"] == [40]

        with forked_reader(sources) as reader:
            asyncio.run(scenario())
        with store.read() as connection:
            assert [each.control_id for each in read_journal(connection)] == [each.control_id for each in ALL_SENT[:50]]

    def test_when_it_hangs_it_is_given_up_and_every_message_answered(
        self,
        store: Store,
        settings: Settings,
        sources: Sources,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("pam_receiver.intake._READER_WITHIN_S", 0.2)
        receiver, line = make_watched(store, settings, sources), Line(PEER)

        async def scenario() -> None:
            async with working(receiver, reader) as intake:
                os.kill(reader.pid, signal.SIGSTOP)
                sent = [intake.submit(each.raw, line) for each in ALL_SENT]
                assert await codes(sent) == [each.answer for each in ALL_SENT]
                assert not reader.is_there
                await until(lambda: has_ended(reader.pid), "its end, long before ours")

        with caplog.at_level(logging.WARNING), forked_reader(sources) as reader:
            asyncio.run(scenario())
        assert not is_running(reader.pid)
        assert [record.getMessage() for record in caplog.records] == ["reader.lost"]
        with store.read() as connection:
            assert [each.control_id for each in read_journal(connection)] == [each.control_id for each in ALL_SENT]

    def test_when_it_is_killed_every_message_is_answered_all_the_same(
        self, store: Store, settings: Settings, sources: Sources, caplog: pytest.LogCaptureFixture
    ) -> None:
        receiver, line = make_watched(store, settings, sources), Line(PEER)

        async def scenario() -> None:
            async with working(receiver, reader) as intake:
                first = [intake.submit(each.raw, line) for each in ALL_SENT[:60]]
                os.kill(reader.pid, signal.SIGKILL)
                assert await codes(first) == [each.answer for each in ALL_SENT[:60]]
                await until(lambda: not reader.is_there, "the end of the reader, noticed")
                rest = [intake.submit(each.raw, line) for each in ALL_SENT[60:]]
                assert await codes(rest) == [each.answer for each in ALL_SENT[60:]]

        with caplog.at_level(logging.WARNING), forked_reader(sources) as reader:
            asyncio.run(scenario())
        assert [record.getMessage() for record in caplog.records] == ["reader.lost"]
        with store.read() as connection:
            assert [each.control_id for each in read_journal(connection)] == [each.control_id for each in ALL_SENT]
