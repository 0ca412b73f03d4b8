"""A hospital's messages in a journal, as the daemon would have kept them, and two ways of taking them again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from golden import BEGINS_AT, PEER, make_receiver, message_ids
from sqlalchemy import text

from pam_receiver.config import load_settings
from pam_receiver.rebuild.unmerge import Unmerge, plan_unmerge, unmerge
from pam_receiver.receive import Incoming, Outcome
from pam_receiver.rehearsal import MakeReceiver, Rehearsal, rehearse
from pam_receiver.store import Actor, Store, queries


def maker(config: Path | None = None, **settings: object) -> MakeReceiver:
    """Make receivers under these settings, of a file too."""
    loaded = load_settings(settings, config=config)

    def make(store: Store, new_message_id: Callable[[], str], now: Callable[[], datetime]) -> Any:
        return make_receiver(store, loaded, new_message_id=new_message_id, now=now)

    return make


def at(minute: int) -> datetime:
    """When the message of this number, from 0, was received."""
    return BEGINS_AT + timedelta(minutes=minute)


class Hospital:
    """A store that receives messages, one a minute, and is rehearsed."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder
        self._ids = message_ids()
        self._count = 0
        self._rehearsals = 0

    def receive(
        self, *messages: bytes, batch: int = 1, port: int | None = None, config: Path | None = None, **settings: object
    ) -> list[Outcome]:
        """Give messages to a receiver under ``settings`` (of ``config``), ``batch`` at a time, by ``port``."""
        outcomes: list[Outcome] = []
        with closing(Store.open(self.url)) as store:
            receiver = make_receiver(store, load_settings(settings, config=config), new_message_id=self._ids)
            for incoming in self._batches(messages, batch, port):
                outcomes += receiver.receive(incoming)
        return outcomes

    def refuse_oversize(self, head: bytes) -> Outcome:
        with closing(Store.open(self.url)) as store:
            receiver = make_receiver(store, load_settings({}), new_message_id=self._ids)
            ((incoming,),) = self._batches([head], 1)
            return receiver.receive_oversize(incoming)

    def open(self) -> Store:
        return Store.open(self.url)

    def unmerge(self, ipp: str) -> None:
        """Do what the command does."""
        with closing(Store.open(self.url)) as store:
            (view,) = queries.find_identities(store, ipp)
            plan = plan_unmerge(store, view.identity.id)
            assert isinstance(plan, Unmerge)
            actor = Actor("operator", "os-user", "machine")
            unmerge(store, plan, actor=actor, reason="why", new_id=self._ids(), at=at(self._count))
            self._count += 1

    def execute(self, statement: str, **values: object) -> None:
        """Do to the store what no program of ours does."""
        with closing(Store.open(self.url)) as store, store.begin() as tx:
            tx.connection.execute(text(statement), values)

    def _batches(self, messages: Sequence[bytes], size: int, port: int | None = None) -> Iterator[list[Incoming]]:
        for start in range(0, len(messages), size):
            batch = messages[start : start + size]
            yield [Incoming(raw, PEER, at(self._count + n), port) for n, raw in enumerate(batch)]
            self._count += len(batch)

    def rehearse(self, present: MakeReceiver, other: MakeReceiver | None = None, **options: Any) -> Rehearsal:
        self._rehearsals += 1
        folder = self._folder / f"{self._rehearsals}"
        folder.mkdir()
        with closing(Store.open(self.url, read_only=True)) as store:
            return rehearse(store, present=present, other=other, folder=folder, **options)


@pytest.fixture
def hospital(database_url: str, tmp_path: Path) -> Hospital:
    """A hospital whose journal is empty: the test runs once on each kind of database."""
    return Hospital(database_url, tmp_path)


@pytest.fixture
def sqlite_hospital(sqlite_url: str, tmp_path: Path) -> Hospital:
    return Hospital(sqlite_url, tmp_path)
