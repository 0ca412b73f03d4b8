"""TLS: which suites are spoken, which files are taken, and what happens when they change or end."""

import asyncio
import logging
import os
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, Pair
from waiting import until

from pam_receiver.metrics import Metrics
from pam_receiver.tls import (
    CertificateWatch,
    ServerTls,
    TlsError,
    TlsFiles,
    make_client_context,
    make_server_context,
    read_key_password,
    read_subject,
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def files(pair: Pair, **more: Any) -> TlsFiles:
    return TlsFiles(pair.certificate, pair.key, **more)


class Handshake:
    """A client and a server that speak through memory."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(to_client, to_server, server_hostname="localhost")
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        left = [self.client, self.server]
        for _ in range(10):
            for side in left[:]:
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                left.remove(side)
        assert not left

    @property
    def serial(self) -> object:
        """The number of the certificate that the server has shown."""
        shown = self.client.getpeercert()
        return shown and shown["serialNumber"]


class TestSuites:
    def test_tls_1_3_is_preferred(self, authority: Authority) -> None:
        made = Handshake(make_server_context(files(authority.issue("server"))), authority.client())
        assert made.client.version() == "TLSv1.3"

    def test_tls_1_2_has_the_suites_that_are_recommended_alone(self, authority: Authority) -> None:
        server = make_server_context(files(authority.issue("server")))
        made = Handshake(server, authority.client(newest=ssl.TLSVersion.TLSv1_2))
        assert made.client.version() == "TLSv1.2"
        offered = {each["name"] for each in server.get_ciphers() if each["protocol"] == "TLSv1.2"}
        assert offered == {
            f"ECDHE-{key}-{rest}"
            for key in ("ECDSA", "RSA")
            for rest in ("AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305")
        }

    @pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256"])
    def test_another_suite_is_refused(self, suite: str, authority: Authority) -> None:
        client = authority.client(newest=ssl.TLSVersion.TLSv1_2)
        client.set_ciphers(suite)
        with pytest.raises(ssl.SSLError):
            Handshake(make_server_context(files(authority.issue("server"))), client)

    def test_tls_1_1_is_refused(self, authority: Authority) -> None:
        server = make_server_context(files(authority.issue("server")))
        assert server.minimum_version is ssl.TLSVersion.TLSv1_2
        assert make_client_context(ca=authority.ca).minimum_version is ssl.TLSVersion.TLSv1_2

    def test_client_and_server_of_ours_understand_each_other(self, authority: Authority) -> None:
        server = make_server_context(files(authority.issue("server"), client_ca=authority.ca))
        gam = authority.issue("gam", cn="gam.chu.example")
        client = make_client_context(ca=authority.ca, certificate=gam.certificate, key=gam.key)
        made = Handshake(server, client)
        assert read_subject(made.server.getpeercert()) == ("gam.chu.example", "CN=gam.chu.example,O=CHU-LYRE,C=FR")

    def test_mutual_tls_refuses_who_shows_nothing_or_what_another_has_issued(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        server = make_server_context(files(authority.issue("server"), client_ca=authority.ca))
        with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            Handshake(server, authority.client())
        stranger = Authority(tmp_path, "other").issue("stranger")
        with pytest.raises(ssl.SSLCertVerificationError):
            Handshake(server, authority.client(stranger))

    def test_the_client_refuses_a_server_of_another_name_or_authority(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        elsewhere = make_server_context(files(authority.issue("server", hosts=["gam.chu.example"])))
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            Handshake(elsewhere, make_client_context(ca=authority.ca))
        server = make_server_context(files(authority.issue("server")))
        with pytest.raises(ssl.SSLCertVerificationError):
            Handshake(server, make_client_context(ca=Authority(tmp_path, "other").ca))


class TestFiles:
    def test_a_file_that_is_not_there_is_named(self, authority: Authority, tmp_path: Path) -> None:
        pair, missing = authority.issue("server"), tmp_path / "none.pem"
        for wrong in (
            TlsFiles(missing, pair.key),
            TlsFiles(pair.certificate, missing),
            TlsFiles(pair.certificate, pair.key, client_ca=missing),
        ):
            with pytest.raises(TlsError) as failure:
                make_server_context(wrong)
            assert failure.value.text("en") == f"{missing}: No such file or directory"
            assert failure.value.text("fr") == f"{missing} : fichier ou dossier introuvable"

    def test_what_is_no_certificate_is_named(self, authority: Authority, tmp_path: Path) -> None:
        pair, wrong = authority.issue("server"), tmp_path / "wrong.pem"
        wrong.write_text("no PEM\n")
        for each in (
            TlsFiles(wrong, pair.key),
            TlsFiles(pair.certificate, pair.key, client_ca=wrong),
            TlsFiles(pair.certificate, wrong),
        ):
            with pytest.raises(TlsError, match=r"wrong\.pem: no PEM certificate or key can be read there"):
                make_server_context(each)

    def test_a_key_of_another_certificate(self, authority: Authority) -> None:
        one, two = authority.issue("one"), authority.issue("two")
        with pytest.raises(TlsError, match=r"two\.key: the key is not that of the certificate"):
            make_server_context(TlsFiles(one.certificate, two.key))

    @pytest.mark.parametrize("given", [None, "", "wrong"])
    def test_an_encrypted_key_without_its_password_never_asks_at_the_terminal(
        self, given: str | None, authority: Authority
    ) -> None:
        pair = authority.issue("server", password="a secret")
        with pytest.raises(TlsError, match=r"server\.key: the key is encrypted and its password is missing or wrong"):
            make_server_context(files(pair, key_password=given))

    def test_an_encrypted_key_with_its_password(self, authority: Authority, tmp_path: Path) -> None:
        pair = authority.issue("server", password="a secret")
        (tmp_path / "password").write_text("a secret\n")
        sealed = files(pair, key_password=read_key_password(tmp_path / "password"))
        assert Handshake(make_server_context(sealed), authority.client())
        assert "a secret" not in repr(sealed)

    @pytest.mark.parametrize("content", [None, b"\xff"])
    def test_a_password_that_cannot_be_read(self, content: bytes | None, tmp_path: Path) -> None:
        if content is not None:
            (tmp_path / "password").write_bytes(content)
        with pytest.raises(TlsError, match="password: "):
            read_key_password(tmp_path / "password")


class TestReload:
    def test_a_new_certificate_is_for_the_connections_to_come(self, authority: Authority) -> None:
        tls = ServerTls("0.0.0.0:2576", files(authority.issue("server")))
        before = Handshake(tls.context, authority.client()).serial
        assert not tls.has_changed
        authority.issue("server", days=500)
        assert tls.has_changed
        tls.reload()
        after = Handshake(tls.context, authority.client()).serial
        assert after != before
        assert timedelta(days=499) < tls.expiries["certificate"] - datetime.now(UTC) < timedelta(days=501)

    def test_an_authority_that_was_taken_away_is_trusted_no_more(self, authority: Authority, tmp_path: Path) -> None:
        other = Authority(tmp_path, "other")
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(authority.ca.read_bytes() + other.ca.read_bytes())
        tls = ServerTls("0.0.0.0:2576", files(authority.issue("server"), client_ca=trusted))
        client = authority.client(other.issue("gam"))
        assert Handshake(tls.context, client)
        trusted.write_bytes(authority.ca.read_bytes())
        tls.reload()
        with pytest.raises(ssl.SSLCertVerificationError):
            Handshake(tls.context, client)

    def test_a_broken_file_leaves_the_one_before_in_force(self, authority: Authority) -> None:
        pair = authority.issue("server")
        tls = ServerTls("0.0.0.0:2576", files(pair))
        before = Handshake(tls.context, authority.client()).serial
        pair.key.write_text("half a fi")
        with pytest.raises(TlsError):
            tls.reload()
        assert not tls.has_changed  # said once, not every few seconds
        assert Handshake(tls.context, authority.client()).serial == before


@asynccontextmanager
async def watching(metrics: Metrics, *certificates: ServerTls) -> Any:
    watch = CertificateWatch(metrics, poll_s=0.01)
    watch.certificates += certificates
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG, logger="pam_receiver")

    def said(name: str) -> list[Any]:
        return [record for record in caplog.records if record.getMessage() == name]

    return said


class TestWatch:
    def test_files_that_change_are_read_again(self, authority: Authority, lines: Any) -> None:
        async def scenario() -> None:
            tls, metrics = ServerTls("0.0.0.0:2576", files(authority.issue("server"))), Metrics()
            before = tls.context.current
            async with watching(metrics, tls):
                authority.issue("server")
                await until(lambda: tls.context.current is not before, "the new certificate")
                await until(lambda: bool(lines("tls.reloaded")), "the log line")
            shown = metrics.render().decode()
            assert 'pam_receiver_certificate_reloads_total{result="used"}' in shown

        asyncio.run(scenario())

    def test_a_broken_file_is_an_error_in_the_log_once_and_the_next_good_one_is_used(
        self, authority: Authority, lines: Any
    ) -> None:
        async def scenario() -> None:
            pair, metrics = authority.issue("server"), Metrics()
            tls = ServerTls("0.0.0.0:2576", files(pair))
            before = tls.context.current
            async with watching(metrics, tls):
                pair.certificate.write_text("half a fi")
                await until(lambda: bool(lines("tls.reload_failed")), "the error")
                for _ in range(5):
                    await asyncio.sleep(0.02)
                assert tls.context.current is before
                assert len(lines("tls.reload_failed")) == 1
                authority.issue("server")
                await until(lambda: bool(lines("tls.reloaded")), "the good one")
            assert 'pam_receiver_certificate_reloads_total{result="refused"} 1.0' in metrics.render().decode()

        asyncio.run(scenario())
        (line,) = lines("tls.reload_failed")
        assert (line.levelname, line.mllp) == ("ERROR", "0.0.0.0:2576")
        assert line.file.endswith("server.pem")

    def test_a_key_that_vanishes_while_it_is_read_does_not_end_the_watch(
        self, authority: Authority, lines: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever renews a certificate may move its key away between our look at it and OpenSSL's failure."""
        read_bytes = Path.read_bytes

        def read(path: Path) -> bytes:
            if path.suffix == ".key":
                raise FileNotFoundError(path)
            return read_bytes(path)

        async def scenario() -> None:
            pair = authority.issue("server")
            tls = ServerTls("0.0.0.0:2576", files(pair))
            before = tls.context.current
            async with watching(Metrics(), tls):
                monkeypatch.setattr(Path, "read_bytes", read)
                pair.key.write_text("half a fi")
                await until(lambda: bool(lines("tls.reload_failed")), "the error")
                monkeypatch.undo()
                authority.issue("server")
                await until(lambda: tls.context.current is not before, "the new certificate")

        asyncio.run(scenario())

    def test_asked_it_reads_what_has_not_changed_too(self, authority: Authority, lines: Any) -> None:
        async def scenario() -> None:
            tls = ServerTls("0.0.0.0:2576", files(authority.issue("server")))
            async with watching(Metrics(), tls) as watch:
                watch.ask()
                await until(lambda: bool(lines("tls.reloaded")), "the reload")

        asyncio.run(scenario())

    @pytest.mark.parametrize(
        ("days", "event", "level"), [(29, "tls.expires_soon", "WARNING"), (-1, "tls.expired", "ERROR")]
    )
    def test_a_certificate_that_ends_is_said(
        self, days: int, event: str, level: str, authority: Authority, lines: Any
    ) -> None:
        async def scenario() -> None:
            tls = ServerTls("0.0.0.0:2576", files(authority.issue("server", days=days + 0.5)))
            async with watching(Metrics(), tls):
                await until(lambda: bool(lines(event)), "the line")

        asyncio.run(scenario())
        assert [(line.levelname, line.days) for line in lines(event)] == [(level, days)]

    def test_one_that_lasts_is_not_said_and_its_end_is_a_metric(self, authority: Authority, lines: Any) -> None:
        async def scenario() -> None:
            metrics = Metrics()
            tls = ServerTls("0.0.0.0:2576", files(authority.issue("server", days=31), client_ca=authority.ca))
            async with watching(metrics, tls):
                name = 'pam_receiver_certificate_expiry_timestamp_seconds{file="certificate",listener="0.0.0.0:2576"}'
                await until(lambda: name in metrics.render().decode(), "the metric")
                shown = dict(line.rsplit(" ", 1) for line in metrics.render().decode().splitlines() if "expiry" in line)
                assert float(shown[name]) == pytest.approx(tls.expiries["certificate"].timestamp())
                assert any('file="client_ca"' in each for each in shown)
            assert not lines("tls.expires_soon")

        asyncio.run(scenario())


class TestSubject:
    """RFC 4514: the most specific part first, what separates escaped."""

    def test_of_no_certificate_it_is_nothing(self) -> None:
        assert read_subject(None) == read_subject({}) == ("", "")

    def test_a_value_cannot_pass_for_another_part(self) -> None:
        subject = ((("countryName", "FR"),), (("commonName", "gam,O=CHU-LYRE+OU=x"),))
        assert read_subject({"subject": subject}) == (
            "gam,O=CHU-LYRE+OU=x",
            "CN=gam\\,O\\=CHU-LYRE\\+OU\\=x,C=FR",
        )

    def test_an_attribute_without_a_short_name_keeps_its_own(self) -> None:
        subject = ((("organizationIdentifier", "NTRFR-1"),), (("commonName", "a"), ("serialNumber", "7")))
        assert read_subject({"subject": subject})[1] == "CN=a+serialNumber=7,organizationIdentifier=NTRFR-1"


def test_the_mark_of_files_that_are_not_there_does_not_change(tmp_path: Path) -> None:
    wanted = TlsFiles(tmp_path / "a", tmp_path / "b")
    before = wanted.mark()
    assert wanted.mark() == before
    (tmp_path / "a").write_text("x")
    assert wanted.mark() != before
    os.utime(tmp_path / "a", ns=(1, 1))
    assert wanted.mark()[0][1] == 1
