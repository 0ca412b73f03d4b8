"""A hospital whose journal is folded again: what it received, under which settings, and what is done to its store."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from golden import BEGINS_AT, PEER, make_receiver, message_ids
from sqlalchemy import text

from pam_receiver.cli import parts
from pam_receiver.config import load_settings
from pam_receiver.in_force import make_in_force
from pam_receiver.rebuild.apply import apply
from pam_receiver.rebuild.compare import compare
from pam_receiver.rebuild.journal import Folded, InForceThen, fold_journal
from pam_receiver.rebuild.model import Verification
from pam_receiver.rebuild.replay import Replay, replay
from pam_receiver.rebuild.unmerge import Unmerge, plan_unmerge, unmerge
from pam_receiver.receive import Incoming, Outcome, Receiver
from pam_receiver.store import Actor, AuditEvent, Store, queries
from pam_receiver.store.acts import UnmergeAct
from pam_receiver.store.crypt import Keyed
from pam_receiver.store.keys import parse_keys
from pam_receiver.store.replacing import Replaced
from pam_receiver.store.sealing import Sealing

WHO = Actor("operator", "os-user", "machine")
LATER = BEGINS_AT + timedelta(days=1)
INS = b"~259014410903303^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS"


def keyed(*, encrypts: bool) -> Sealing:
    return Keyed(lambda: parse_keys(f"k1 {b64encode(bytes(range(32))).decode()}", named="test"), encrypts=encrypts)


KEYS = keyed(encrypts=False)


def at(minute: int) -> datetime:
    """When the message of this number, from 0, was received."""
    return BEGINS_AT + timedelta(minutes=minute)


def a40(survivor: str, absorbed: str, control_id: str) -> bytes:
    """An A40 by which ``absorbed`` disappears into ``survivor``."""
    stamp = "20260302080000"
    return (
        f"MSH|^~\\&|GAM|CHU-LYRE|PAM-RECEIVER|DMN|{stamp}||ADT^A40^ADT_A39|{control_id}|P|2.5^FRA^2.11"
        f"|||||FRA|UNICODE UTF-8|FR||2.11^IHE_FRANCE-2.11-PAM\r"
        f"EVN||{stamp}||||{stamp}\r"
        f"PID|1||{survivor}^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI||KERGUELEN^ANNE^ANNE SOLENE^^^^L||19590123|F"
        f"|||^^NANTES^^^FRA^BDL^^44109|||||||||||||||||||||PROV|{stamp}\r"
        f"MRG|{absorbed}^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI\r"
    ).encode()


def qualified(raw: bytes) -> bytes:
    """The message with an INS and VALI."""
    return raw.replace(b"^PI||", b"^PI" + INS + b"||").replace(b"|PROV|", b"|VALI|")


class Hospital:
    """A store that receives messages, one a minute, each of which names what was in force."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder
        self._ids = message_ids()
        self._folders = 0
        self._settings: dict[str, dict[str, Any]] = {}
        self.sealing: Sealing = KEYS
        self.count = 0

    def open(self, *, read_only: bool = False) -> Store:
        return Store.open(self.url, read_only=read_only, lock_timeout_s=1.0, sealing=self.sealing)

    def receive(
        self,
        *messages: bytes,
        batch: int = 1,
        kept: bool = True,
        new_message_id: Callable[[], str] | None = None,
        port: int | None = None,
        **settings: Any,
    ) -> list[Outcome]:
        """Give messages to a receiver under ``settings``. ``kept``: with what was in force, as of revision 0002."""
        with closing(self.open()) as store:
            receiver = self._receiver(store, new_message_id or self._ids, settings, kept=kept)
            outcomes: list[Outcome] = []
            for start in range(0, len(messages), batch):
                taken = messages[start : start + batch]
                outcomes += receiver.receive(self._incoming(taken, port))
            return outcomes

    def _incoming(self, messages: Sequence[bytes], port: int | None) -> list[Incoming]:
        first, self.count = self.count, self.count + len(messages)
        return [Incoming(raw, PEER, at(first + number), port) for number, raw in enumerate(messages)]

    def _receiver(
        self, store: Store, ids: Callable[[], str], settings: dict[str, Any], *, kept: bool = True, **options: Any
    ) -> Receiver:
        loaded = load_settings(settings)
        in_force = make_in_force(parts.make_sources(loaded), program="1.2.3") if kept else None
        if in_force is not None:
            self._settings[in_force.id] = settings
        return make_receiver(store, loaded, new_message_id=ids, in_force=in_force, **options)

    def find(self, **now: Any) -> Callable[[str | None], InForceThen]:
        """What gives what was in force then, by the settings themselves; ``now``: those of today."""

        def find(in_force: str | None) -> InForceThen:
            settings = load_settings(now if in_force is None else self._settings[in_force])

            def make(store: Store, ids: Callable[[], str], moment: Callable[[], datetime]) -> Receiver:
                return make_receiver(store, settings, new_message_id=ids, now=moment)

            return InForceThen("1.2.3", make)

        return find

    def new_folder(self) -> Path:
        self._folders += 1
        folder = self._folder / f"{self._folders}"
        folder.mkdir()
        return folder

    @contextmanager
    def folded(self, store: Store, **options: Any) -> Iterator[Folded]:
        now = options.pop("now", {})
        with fold_journal(store, self.find(**now), folder=self.new_folder(), **options) as folded:
            yield folded

    def verify(self, **options: Any) -> Verification:
        with closing(self.open(read_only=True)) as store, self.folded(store, **options) as folded:
            return compare(store, folded)

    def rebuild(self, **options: Any) -> Replaced:
        under = None
        if options.get("with_current_settings"):
            settings = options.get("now", {})
            under = make_in_force(parts.make_sources(load_settings(settings)), program="1.2.3")
            self._settings[under.id] = settings
        with closing(self.open()) as store, self.folded(store, **options) as folded:
            return apply(store, folded, actor=WHO, reason="why", at=LATER, detail={"backup": "file"}, under=under)

    def unmerge(self, ipp: str) -> UnmergeAct:
        with closing(self.open()) as store:
            plan = plan_unmerge(store, self.identity(ipp).id)
            assert isinstance(plan, Unmerge), plan
            minute, self.count = self.count, self.count + 1
            done = unmerge(store, plan, actor=WHO, reason="a homonym", new_id=self._ids(), at=at(minute))
            assert isinstance(done, UnmergeAct), done
            return done

    def replay(self, *, is_for_good: bool = False, since: datetime = BEGINS_AT, **options: Any) -> Replay:
        settings = options.pop("settings", {})

        def audit(outcome: Outcome) -> AuditEvent:
            return AuditEvent("replay", WHO, message_id=outcome.message_id, detail={"of": outcome.replay_of})

        def make(store: Store, ids: Callable[[], str], now: Callable[[], datetime], *, is_for_good: bool) -> Receiver:
            extra: dict[str, Any] = {"audit": audit} if is_for_good else {}
            return self._receiver(store, ids, settings, kept=is_for_good, now=now, **extra)

        def now() -> datetime:
            return at(self.count)

        with closing(self.open(read_only=not is_for_good)) as store:
            return replay(
                store,
                make,
                folder=self.new_folder(),
                new_message_id=self._ids,
                now=now,
                since=since,
                is_for_good=is_for_good,
                **options,
            )

    def identity(self, ipp: str) -> Any:
        with closing(self.open(read_only=True)) as store:
            (view,) = queries.find_identities(store, ipp)
        return view.identity

    def histories(self) -> dict[str, Any]:
        """All identities with their histories, their times too."""
        with closing(self.open(read_only=True)) as store:
            ones = [one for page in queries.read_all_identities(store) for one in page]
            return {one.id: (one, queries.find_history(store, one.id)) for one in ones}

    def execute(self, statement: str, **values: Any) -> list[Any]:
        """Do to the store what no program of ours does."""
        with closing(self.open()) as store, store.begin() as tx:
            done = tx.connection.execute(text(statement), values)
            return list(done) if done.returns_rows else []


@pytest.fixture
def hospital(database_url: str, tmp_path: Path) -> Hospital:
    """A hospital whose journal is empty: the test runs once on each kind of database."""
    return Hospital(database_url, tmp_path)


@pytest.fixture
def sqlite_hospital(sqlite_url: str, tmp_path: Path) -> Hospital:
    return Hospital(sqlite_url, tmp_path)
