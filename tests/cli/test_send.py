"""send: messages out byte for byte, each ACK decoded, and a sentence for every way a peer can fail."""

import errno
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority

from pam_receiver.cli import main
from pam_receiver.cli.morning import Scene
from pam_receiver.hl7.mllp import FrameDecoder, encode_frame
from pam_receiver.tls import TlsFiles, make_server_context

from .conftest import PATIENCE_S, Daemon, Run

ACK = "MSH|^~\\&|PAM|DM|GAM|CHU|20260302080000||ACK^A28^ACK|1|P|2.5|||||FRA|8859/1\rMSA|{}|{}\r"


class Peer:
    """An MLLP server that reads whole messages and answers each as it was told; after the last answer it closes."""

    def __init__(self, answers: Sequence[bytes | None], tls: ssl.SSLContext | None = None) -> None:
        self.received: list[bytes] = []
        self._answers = answers
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(PATIENCE_S)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        connection.settimeout(PATIENCE_S)
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:  # the client does not want us
                connection.close()
                return
        with connection:
            decoder = FrameDecoder()
            for answer in self._answers:
                blocks: list[bytes] = []
                while not blocks:
                    data = connection.recv(65536)
                    if not data:
                        return
                    blocks = decoder.feed(data)
                self.received += blocks
                if answer is None:  # keep silent
                    self._over.wait(PATIENCE_S)
                    return
                connection.sendall(answer)

    def close(self) -> None:
        self._over.set()
        self._thread.join(PATIENCE_S)
        self._server.close()


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def start(*answers: bytes | None) -> Peer:
        peers.append(Peer(answers))
        return peers[-1]

    yield start
    for each in peers:
        each.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two messages in 8859/1, with accents."""
    path = tmp_path / "two.hl7"
    header = "MSH|^~\\&|GAM|CHU|PAM|DM|20260302||ADT^A28^ADT_A05|{}|P|2.5^FRA^2.11|||||FRA|8859/1"
    text = "".join(f"{header.format(number)}\r\nPID|||1||KERGUÉLEN^ANAÏS^^^^^L\r\n" for number in (1, 2))
    path.write_bytes(text.encode("iso8859-1"))
    return path


def ack(code: str, control_id: str, err: str = "") -> bytes:
    return encode_frame((ACK.format(code, control_id) + err).encode("iso8859-1"))


class TestSend:
    def test_each_ack_is_shown_and_all_aa_is_0(self, run: Run, file: Path, peer: Callable[..., Peer]) -> None:
        to = peer(ack("AA", "1"), ack("AA", "2"))
        result = run("send", file, "--to", to.address)
        assert result.code == 0
        assert result.out.splitlines() == [
            f"→ {file}, message 1: A28 1",
            "← AA for 1",
            f"→ {file}, message 2: A28 2",
            "← AA for 2",
        ]

    def test_bytes_go_out_as_they_are_with_cr(self, run: Run, file: Path, peer: Callable[..., Peer]) -> None:
        to = peer(ack("AA", "1"), ack("AA", "2"))
        run("send", file, "--to", to.address)
        assert b"".join(to.received) == file.read_bytes().replace(b"\r\n", b"\r")

    def test_one_that_is_not_aa_is_1_and_its_errors_are_decoded(
        self, run: Run, file: Path, peer: Callable[..., Peer]
    ) -> None:
        err = "ERR||PID^1^11^2^9|101^Required field missing^HL70357|E|no-cog|||Lieu de naissance à préciser\r"
        to = peer(ack("AE", "1", err), ack("AA", "2"))
        result = run("send", file, "--to", to.address)
        assert result.code == 1
        assert "    E  101  PID-11[2].9  no-cog  Lieu de naissance à préciser" in result.out.splitlines()
        assert "← AA for 2" in result.out

    def test_an_ack_for_another_message_is_told_and_is_1(self, run: Run, file: Path, peer: Callable[..., Peer]) -> None:
        to = peer(ack("AA", "9"), ack("AA", "2"))
        result = run("send", file, "--to", to.address)
        assert "The ACK is for 9, not for 1." in result.out
        assert result.code == 1

    def test_an_answer_that_is_no_ack_is_1(self, run: Run, file: Path, peer: Callable[..., Peer]) -> None:
        to = peer(encode_frame(b"hello"), ack("AA", "2"))
        result = run("send", file, "--to", to.address)
        assert result.code == 1
        assert "← an answer that is no ACK" in result.out


class TestBlocks:
    """Files of MLLP blocks: nothing is sent of one that is not all messages."""

    @pytest.mark.parametrize(
        ("rest", "said"),
        [
            (encode_frame(b"hello"), "MLLP block 2: no HL7 message"),
            (b"\x0bMSH|^~\\&|GAM\r", "1 MLLP block(s) without an end"),
        ],
        ids=["bare", "unfinished"],
    )
    def test_nothing_is_sent_and_it_is_2(self, rest: bytes, said: str, run: Run, file: Path) -> None:
        file.write_bytes(encode_frame(file.read_bytes().replace(b"\r\n", b"\r")) + rest)
        result = run("send", file, "--to", "nowhere.invalid:2575")
        assert (result.code, result.out) == (2, "")
        assert said in result.err
        assert "No connection" not in result.err


class TestFailures:
    def test_refused_connection(self, run: Run, file: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
        result = run("send", file, "--to", address)
        assert (result.code, result.err) == (1, f"No connection to {address}: connection refused.\n")

    def test_host_that_does_not_exist(self, run: Run, file: Path) -> None:
        result = run("send", file, "--to", "nowhere.invalid:2575", "--lang", "fr")
        assert result.code == 1
        assert result.err.startswith("Pas de connexion à nowhere.invalid:2575 : ")

    def test_no_answer_in_time(self, run: Run, file: Path, peer: Callable[..., Peer]) -> None:
        to = peer(ack("AA", "1"), None)
        result = run("send", file, "--to", to.address, "--timeout", "0.2")
        assert result.code == 1
        assert result.err == (
            f"No ACK from {to.address}: nothing received within 0.2 s. 1 message(s) not sent or not answered.\n"
        )

    def test_connection_closed_without_an_answer(self, run: Run, file: Path, peer: Callable[..., Peer]) -> None:
        result = run("send", file, "--to", peer(b"").address)
        assert result.code == 1
        assert "connection closed without an answer. 2 message(s)" in result.err

    def test_answer_without_a_frame(self, run: Run, file: Path, peer: Callable[..., Peer]) -> None:
        result = run("send", file, "--to", peer(b"hello\x1c\r").address)
        assert result.code == 1
        assert "the answer is no MLLP block" in result.err

    def test_a_reader_that_goes_away_is_no_failure_of_the_connection(
        self, file: Path, peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: str = "") -> None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        monkeypatch.setattr("pam_receiver.cli.output.say", fail)
        warned: list[str] = []
        monkeypatch.setattr("pam_receiver.cli.output.warn", warned.append)
        with pytest.raises(SystemExit) as end:
            main(["send", str(file), "--to", peer(ack("AA", "1")).address])
        assert (end.value.code, warned) == (1, [])

    @pytest.mark.parametrize("content", [None, b"", b"Dear colleague"])
    def test_a_file_that_holds_no_message_stops_before_anything_is_sent(
        self, content: bytes | None, run: Run, file: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.hl7"
        if content is not None:
            other.write_bytes(content)
        result = run("send", file, other, "--to", "127.0.0.1:1")
        assert (result.code, result.out) == (2, "")
        assert str(other) in result.err


class TestTls:
    """By TLS, to a peer whose certificate is asked for and held to its name."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    @pytest.fixture
    def secure_peer(self, authority: Authority) -> Iterator[Callable[..., Peer]]:
        peers: list[Peer] = []

        def start(*answers: bytes | None, is_mutual: bool = False, **certificate: Any) -> Peer:
            pair = authority.issue("server", **certificate)
            files = TlsFiles(pair.certificate, pair.key, authority.ca if is_mutual else None)
            peers.append(Peer(answers, make_server_context(files)))
            return peers[-1]

        yield start
        for each in peers:
            each.close()

    def test_messages_go_out_and_acks_come_back(
        self, run: Run, file: Path, secure_peer: Callable[..., Peer], authority: Authority
    ) -> None:
        to = secure_peer(ack("AA", "1"), ack("AA", "2"))
        result = run("send", file, "--to", to.address, "--tls", "--ca", authority.ca)
        assert (result.code, result.err) == (0, "")
        assert b"".join(to.received) == file.read_bytes().replace(b"\r\n", b"\r")

    def test_mutual_with_an_encrypted_key(
        self, run: Run, file: Path, secure_peer: Callable[..., Peer], authority: Authority, tmp_path: Path
    ) -> None:
        gam = authority.issue("gam", password="a secret")
        (tmp_path / "password").write_text("a secret\n")
        to = secure_peer(ack("AA", "1"), ack("AA", "2"), is_mutual=True)
        shown = ("--certificate", gam.certificate, "--key", gam.key, "--key-password-file", tmp_path / "password")
        assert run("send", file, "--to", to.address, "--tls", "--ca", authority.ca, *shown).code == 0

    def test_a_certificate_of_another_name_is_refused_unless_that_name_is_asked_for(
        self, run: Run, file: Path, secure_peer: Callable[..., Peer], authority: Authority
    ) -> None:
        to = secure_peer(ack("AA", "1"), ack("AA", "2"), hosts=["pam.chu.example"])
        result = run("send", file, "--to", to.address, "--tls", "--ca", authority.ca)
        assert result.code == 1
        assert result.err.startswith(f"No connection to {to.address}: TLS failed (")
        other = secure_peer(ack("AA", "1"), ack("AA", "2"), hosts=["pam.chu.example"])
        words = ("--tls", "--ca", authority.ca, "--server-name", "pam.chu.example")
        assert run("send", file, "--to", other.address, *words).code == 0

    def test_a_certificate_of_an_unknown_authority_is_refused(
        self, run: Run, file: Path, secure_peer: Callable[..., Peer]
    ) -> None:
        to = secure_peer(ack("AA", "1"))
        result = run("send", file, "--to", to.address, "--tls", "--lang", "fr")
        assert result.code == 1
        assert "TLS n'a pas abouti (" in result.err
        assert to.received == []

    def test_a_peer_that_speaks_in_clear(self, run: Run, file: Path, peer: Callable[..., Peer]) -> None:
        result = run("send", file, "--to", peer(b"").address, "--tls", "--timeout", "2")
        assert result.code == 1
        assert result.err.startswith("No connection to ")

    @pytest.mark.parametrize("option", ["--ca", "--certificate", "--key", "--key-password-file", "--server-name"])
    def test_an_option_of_tls_without_tls_sends_nothing_in_clear(self, option: str, run: Run, file: Path) -> None:
        result = run("send", file, "--to", "127.0.0.1:1", option, "x.pem")
        assert result.code == 2
        assert "--tls" in result.err
        assert "No connection" not in result.err

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--ca", "none.pem"), "none.pem: No such file or directory."),
            (("--certificate", "none.pem"), "none.pem: No such file or directory."),
            (("--key", "a.key"), "--key and --key-password-file go with --certificate."),
        ],
    )
    def test_a_file_that_cannot_be_used(self, words: Sequence[str], said: str, run: Run, file: Path) -> None:
        result = run("send", file, "--to", "127.0.0.1:1", "--tls", *words)
        assert result.code == 2
        assert said in result.err


class TestAgainstTheDaemon:
    def test_a_whole_morning(
        self, run: Run, serve: Callable[..., Daemon], scenes: dict[str, Scene], sqlite_url: str, tmp_path: Path
    ) -> None:
        ready = serve("--database", sqlite_url, "--http", "off", "--environment", "test").wait_for("serve.ready")
        file = tmp_path / "morning.hl7"
        file.write_bytes(b"".join(scene.raw for scene in scenes.values()))
        result = run("send", file, "--to", ready["mllp"])
        codes = [line.split()[1] for line in result.out.splitlines() if line.startswith("←")]
        assert codes == [scene.expected for scene in scenes.values()]
        assert result.code == 1
