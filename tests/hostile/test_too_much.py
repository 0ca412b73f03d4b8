"""Too much of everything, sent to a real daemon: it is answered or closed, memory is bounded, others are served."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from faults.daemon import Daemon
from faults.sender import Client
from golden import adt

from pam_receiver.hl7.ack import DecodedAck, decode_ack
from pam_receiver.hl7.mllp import encode_frame

# What a daemon may hold of memory at most beyond what it holds when it has answered its first message. Written in
# docs/explanation/hostile-input.md; a block is held once as bytes, once as text, and once cut into segments.
MOST_MORE_BYTES: Final = 128 << 20
GOOD: Final = adt("7000101", "GOOD")


@pytest.fixture(scope="module")
def daemon(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all: that it is none the worse for one test is what the next one shows."""
    file = tmp_path_factory.mktemp("hostile") / "pam-receiver.db"
    file.write_bytes(sqlite_template.read_bytes())
    with Daemon(f"sqlite:///{file}", environment="test", log_level="debug") as started:
        yield started
        assert started.stop() == 0


@pytest.fixture(autouse=True)
def _others_are_served_and_memory_is_bounded(daemon: Daemon) -> Iterator[None]:
    """Whatever a test sends: memory has stayed within its bound at its peak, and a good sender is answered after it."""
    assert ask(daemon, GOOD) == ["AA"]
    before = status_bytes(daemon, "VmRSS")
    Path(f"/proc/{daemon.process.pid}/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    yield
    assert ask(daemon, GOOD) == ["AA"]
    assert status_bytes(daemon, "VmHWM") - before < MOST_MORE_BYTES
    assert daemon.logged("message.failed") == []


def status_bytes(daemon: Daemon, name: str) -> int:
    """What the process holds of the machine's memory (``VmRSS``), or has held at most (``VmHWM``)."""
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def ask(daemon: Daemon, *messages: bytes) -> list[str]:
    return [each.code for each in answers(daemon, *messages)]


def answers(daemon: Daemon, *messages: bytes) -> list[DecodedAck]:
    with Client(daemon.address) as client:
        client.send(messages)
        return [decode_ack(ack) for ack in client.read_acks(len(messages))]


def rules(answer: DecodedAck) -> set[str]:
    return {each.rule for each in answer.errors}


class TestOneMessage:
    """A message that is within the limit of bytes is judged within bounded time and memory."""

    @pytest.mark.parametrize("place", ["PID|1||", "KERGUELEN^ANNE^ANNE SOLENE^^^^L"], ids=["pid-3", "pid-5"])
    def test_20_000_repetitions(self, daemon: Daemon, place: str) -> None:
        raw = adt("7000103", "REPEATED").decode()
        repeated = "7000103^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI" if place.startswith("PID") else place
        more = "~".join([repeated[:40]] * 20_000)
        raw = raw.replace(place, f"{place}{more}~" if place.startswith("PID") else f"{place}~{more}")
        (answer,) = answers(daemon, raw.encode())
        assert (answer.code, answer.control_id) == ("AR", "REPEATED")
        assert rules(answer) == {"too-many-repetitions"}

    def test_50_000_segments(self, daemon: Daemon) -> None:
        (answer,) = answers(daemon, adt("7000104", "LONG") + b"ZZZ|1|x\r" * 50_000)
        assert (answer.code, answer.control_id) == ("AR", "LONG")
        assert rules(answer) == {"too-many-segments"}

    @pytest.mark.parametrize(
        ("sign", "code"), [("|", "AA"), ("^", "AA"), ("&", "AA"), ("\\", "AA"), ("\\T\\", "AA"), ("\x00", "AE")]
    )
    def test_as_many_separators_as_a_block_holds(self, daemon: Daemon, sign: str, code: str) -> None:
        most = (900 << 10) // len(sign)
        raw = adt("7000105", "SEPARATORS") + b"ZZZ|1|" + sign.encode() * most + b"\r"
        (answer,) = answers(daemon, raw)
        assert (answer.code, answer.control_id) == (code, "SEPARATORS")

    def test_a_control_id_of_10_kb_is_cut_in_the_answer(self, daemon: Daemon) -> None:
        (answer,) = answers(daemon, adt("7000106", "X" * 10_000))
        assert (answer.code, answer.control_id) == ("AA", "X" * 199)
        assert "msh-10-too-long" in rules(answer)
        line = daemon.logged("message.answered")[-1]
        assert len(str(line["control_id"])) < 50

    @pytest.mark.parametrize(("length", "code"), [(199, "AA"), (60_000, "AA")])
    def test_long_names(self, daemon: Daemon, length: int, code: str) -> None:
        raw = adt("7000107", "NAMES").replace(b"^ANNE^ANNE SOLENE^", b"^" + b"A" * length + b"^" + b"A" * length + b"^")
        (answer,) = answers(daemon, raw)
        assert (answer.code, answer.control_id) == (code, "NAMES")

    def test_a_thousand_faults_give_an_answer_of_bounded_size(self, daemon: Daemon) -> None:
        raw = adt("7000108", "FAULTS").replace(b"\rPV1", b"|\x07" * 2_000 + b"\rPV1")
        with Client(daemon.address) as client:
            client.send([raw])
            (ack,) = client.read_acks(1)
        assert decode_ack(ack).code == "AE"
        assert len(ack) < 64 << 10


class TestOneBlock:
    """A block beyond the limit ends its connection, whatever its size; the rest of it is never held."""

    def test_40_mb_are_refused_as_soon_as_the_limit_is_passed(self, daemon: Daemon) -> None:
        block = b"\x0b" + adt("7000109", "HUGE") + b"ZZZ|1|" + b"KERGUELEN" * ((40 << 20) // 9)
        with Client(daemon.address) as client:
            with suppress(ConnectionError):  # closed while we still wrote
                client.send_bytes(block)
            acks = client.read_end()
        assert [decode_ack(ack).code for ack in acks] in ([], ["AR"])  # the reset may overtake the answer
        assert daemon.wait_for_line("block.too_large")

    def test_40_mb_of_rubbish_before_a_message_cost_nothing(self, daemon: Daemon) -> None:
        with Client(daemon.address) as client:
            client.send_bytes(b"KERGUELEN" * ((40 << 20) // 9) + encode_frame(adt("7000110", "AFTER")))
            (ack,) = client.read_acks(1)
        assert (decode_ack(ack).code, decode_ack(ack).control_id) == ("AA", "AFTER")

    def test_forty_blocks_of_a_megabyte_at_once_are_all_answered(self, daemon: Daemon) -> None:
        raw = [adt(f"80001{n:02}", f"BIG-{n}") + b"ZZZ|1|" + b"x" * (1_000_000) + b"\r" for n in range(40)]
        assert ask(daemon, *raw) == ["AA"] * 40

    def test_a_hundred_thousand_empty_blocks_hold_nobody_up(self, daemon: Daemon) -> None:
        with Client(daemon.address) as client:
            client.send_what_is_taken(b"\x0b\x1c\r" * 100_000, 1.0)
        assert ask(daemon, adt("7000111", "AFTER")) == ["AA"]


class TestNoMessage:
    """Bytes that are no HL7 give AR or nothing: the connection ends or goes on, the daemon always goes on."""

    @pytest.mark.parametrize(
        ("change", "rule"),
        [
            ((b"ANNE SOLENE", b"ANNE \xff\xfe"), "charset-mismatch"),
            ((b"ANNE SOLENE", b"ANNE \xed\xa0\x80"), "charset-mismatch"),  # half a sign, as UTF-8 would write it
            ((b"ANNE SOLENE", b"ANNE \xc0\xaf"), "charset-mismatch"),  # a longer form than UTF-8 allows
            ((b"UNICODE UTF-8", b"../../etc/passwd"), "charset-unknown"),
            ((b"UNICODE UTF-8", b"UTF-7"), "charset-unknown"),
            ((b"UNICODE UTF-8", b"rot13"), "charset-unknown"),
            ((b"|^~\\&|", b"|^^^^|"), "separators-unusable"),
            ((b"MSH|", b"MSHA"), "separators-unusable"),
        ],
    )
    def test_what_cannot_be_read_is_refused_with_the_reason(
        self, daemon: Daemon, change: tuple[bytes, bytes], rule: str
    ) -> None:
        (answer,) = answers(daemon, adt("7000112", "UNREAD").replace(*change))
        assert answer.code == "AR"
        assert rules(answer) == {rule}

    @pytest.mark.parametrize(
        "rubbish",
        [b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 4096],
        ids=["http", "tls", "nul"],
    )
    def test_another_protocol_gets_no_answer(self, daemon: Daemon, rubbish: bytes) -> None:
        with socket.create_connection(daemon.address, 10) as other:
            other.sendall(rubbish)
            other.shutdown(socket.SHUT_WR)
            assert other.recv(1) == b""
