"""Senders: one that a test holds by the hand, and many at once that repeat what was not answered, as a GAM does."""

import random
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from faults.daemon import PATIENCE_S
from faults.traffic import Sent

from pam_receiver.hl7.ack import decode_ack
from pam_receiver.hl7.mllp import FrameDecoder, encode_frame

_RESET: Final = struct.pack("ii", 1, 0)


class Client:
    """A sender that keeps one connection, and pipelines."""

    def __init__(self, address: tuple[str, int], *, receive_buffer: int | None = None) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(PATIENCE_S)
        if receive_buffer is not None:  # before the connection: it sets the window
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._decoder = FrameDecoder()
        self.acks: list[bytes] = []
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, messages: Sequence[bytes]) -> None:
        self.send_bytes(b"".join(encode_frame(raw) for raw in messages))

    def send_bytes(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_what_is_taken(self, data: bytes, patience_s: float) -> None:
        """Send without reading until the other side takes nothing more for ``patience_s``."""
        self._socket.settimeout(patience_s)
        view = memoryview(data)
        try:
            while view:
                view = view[self._socket.send(view) :]
        except TimeoutError:
            return

    def read(self, most_bytes: int = 1 << 16) -> bool:
        """Take what comes next; return whether the other side is still there."""
        try:
            data = self._socket.recv(most_bytes)
        except ConnectionError:
            return False
        self.acks += self._decoder.feed(data)
        return bool(data)

    def read_acks(self, count: int) -> list[bytes]:
        """Wait until ``count`` answers have come in all."""
        while len(self.acks) < count:
            assert self.read(), f"closed after {len(self.acks)} of {count} answers"
        return self.acks

    def read_end(self) -> list[bytes]:
        """Take all that comes until the other side is gone."""
        while self.read():
            pass
        return self.acks

    def is_silent_for(self, seconds: float) -> bool:
        return select.select([self._socket], [], [], seconds)[0] == []

    def reset(self) -> None:
        """Break the link off: the other side gets RST, not FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._socket.close()


def accepted(acks: Sequence[bytes]) -> list[str]:
    """The control ids that were answered AA."""
    decoded = [decode_ack(ack) for ack in acks]
    return [each.control_id for each in decoded if each.is_accepted]


class Stream:
    """What one connection has to send, and what came back, over all the connections that it needs."""

    def __init__(self, messages: Sequence[Sent]) -> None:
        self.messages = messages
        self.done = 0  # answered, from the first on
        self.answered: dict[str, bytes] = {}
        self.repeats = 0  # sent again although answered, and answered the same

    @property
    def is_done(self) -> bool:
        return self.done == len(self.messages)

    def take(self, at: int, ack: bytes) -> None:
        """Take the answer to message number ``at``: the right one, and the same as before if it is a repeat."""
        sent, answer = self.messages[at], decode_ack(ack)
        assert (answer.control_id, answer.code) == (sent.control_id, sent.answer)
        if sent.answer == "AA" and sent.control_id in self.answered:
            assert self.answered[sent.control_id] == ack
            self.repeats += 1
        self.answered[sent.control_id] = ack
        self.done = max(self.done, at + 1)


class Load:
    """Senders at work, a thread for each stream: each keeps a few messages ahead of its answers.

    ``again``: how many messages before the first unanswered one each sender repeats when it connects. The senders stop
    when all is answered, or when their link is lost; :meth:`join` fails if one of them found a wrong answer.
    """

    def __init__(
        self, address: tuple[str, int], streams: Sequence[Stream], chance: random.Random, *, again: int = 5
    ) -> None:
        self._address = address
        self._again = again
        self._news = threading.Condition()
        self._answers = 0
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(stream, chance.randrange(1, 24)), daemon=True)
            for stream in streams
            if not stream.is_done
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, stream: Stream, ahead: int) -> None:
        try:
            with Client(self._address) as client:
                self._talk(client, stream, ahead)
        except ConnectionError:
            pass  # the daemon is gone: what was answered until then is noted
        except BaseException as failure:  # noqa: BLE001 - shown by join(), where the test sees it
            self._failures.append(failure)
        finally:
            with self._news:
                self._news.notify_all()

    def _talk(self, client: Client, stream: Stream, ahead: int) -> None:
        begin = sent = max(0, stream.done - self._again)
        taken = 0
        while begin + taken < len(stream.messages):
            upto = min(begin + taken + ahead, len(stream.messages))
            if sent < upto:
                client.send([each.raw for each in stream.messages[sent:upto]])
                sent = upto
            is_there = client.read()
            came = client.acks[taken:]
            for ack in came:
                stream.take(begin + taken, ack)
                taken += 1
            with self._news:
                self._answers += len(came)
                self._news.notify_all()
            if not is_there:
                return

    def wait_for_answers(self, count: int) -> None:
        """Wait until ``count`` answers have come, or every sender has ended."""
        with self._news:
            is_there = self._news.wait_for(
                lambda: self._answers >= count or not any(each.is_alive() for each in self._threads), PATIENCE_S
            )
        assert is_there, f"no {count} answers within {PATIENCE_S} s"

    @property
    def answers(self) -> int:
        with self._news:
            return self._answers

    def join(self) -> None:
        for thread in self._threads:
            thread.join(2 * PATIENCE_S)
            assert not thread.is_alive(), "a sender waits for an answer that does not come"
        if self._failures:
            raise self._failures[0]


def run_all(address: tuple[str, int], streams: Sequence[Stream], chance: random.Random) -> None:
    """Send all that the streams have left; every message is answered at the end."""
    Load(address, streams, chance).join()
    assert all(stream.is_done for stream in streams), "closed before all was answered"


def all_answered(streams: Sequence[Stream]) -> Mapping[str, bytes]:
    """Every answer that came, by the control id."""
    answered: dict[str, bytes] = {}
    for stream in streams:
        answered |= stream.answered
    assert len(answered) == Counter({id(stream): len(stream.answered) for stream in streams}).total()
    return answered
