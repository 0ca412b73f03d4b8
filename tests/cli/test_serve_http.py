"""serve, the HTTP side: off this machine with TLS or behind a proxy, and with a token; secrets told to nobody."""

import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import make_url, select

from pam_receiver.cli import app
from pam_receiver.store import Store
from pam_receiver.store.schema import audit_event

from .conftest import PATIENCE_S, Daemon, Run

Serve = Callable[..., Daemon]


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of localhost that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365))
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    certificate_file, key_file = folder / "server.pem", folder / "server.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(key.private_bytes(*form))
    return certificate_file, key_file


def get(url: str, token: str | None = None, tls: ssl.SSLContext | None = None, **headers: str) -> tuple[int, str]:
    """Ask; return the status, of a refusal too, and the body."""
    more = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers={**headers, **more})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S, context=tls) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def port_of(address: object) -> int:
    return int(str(address).rpartition(":")[2])


def write_config(folder: Path, **values: object) -> str:
    file = folder / "house.toml"
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return str(file)


class TestTls:
    def test_off_this_machine_it_serves_with_tls_and_asks_for_a_token(
        self, serve: Serve, run: Run, sqlite_url: str, tmp_path: Path
    ) -> None:
        certificate, key = make_certificate(tmp_path)
        config = write_config(
            tmp_path, database=sqlite_url, http="0.0.0.0:0", http_certificate=certificate.name, http_key=key.name
        )
        token = run("token", "create", "sonde", "--role", "reader", "--config", config).out.strip()
        daemon = serve("--config", config)
        base = f"https://localhost:{port_of(daemon.wait_for('serve.ready')['http'])}"
        tls = ssl.create_default_context(cafile=str(certificate))
        assert get(f"{base}/livez", tls=tls)[0] == get(f"{base}/readyz", tls=tls)[0] == 200
        assert get(f"{base}/metrics", tls=tls)[0] == 401
        status, body = get(f"{base}/metrics", token, tls=tls)
        assert status == 200
        assert 'pam_receiver_http_refused_total{reason="missing"} 1.0' in body
        with pytest.raises(OSError, match=r"Remote end closed|reset by peer|Connection"):
            get(base.replace("https", "http") + "/livez")
        old = ssl.create_default_context(cafile=str(certificate))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.set_ciphers("AES128-SHA256:@SECLEVEL=0")
        with pytest.raises(urllib.error.URLError):
            get(f"{base}/livez", tls=old)
        assert daemon.end() == 0

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda certificate, key: key.write_text("x"), "http_"),
            (lambda certificate, key: key.unlink(), "http_key: "),
            (lambda certificate, key: certificate.unlink(), "http_certificate: "),
        ],
    )
    def test_a_certificate_that_cannot_be_used_stops_the_start_before_anything_is_done(
        self, spoil: Callable[[Path, Path], None], said: str, run: Run, tmp_path: Path
    ) -> None:
        certificate, key = make_certificate(tmp_path)
        spoil(certificate, key)
        database = tmp_path / "new.db"
        config = write_config(
            tmp_path,
            database=f"sqlite:///{database}",
            http="0.0.0.0:0",
            http_certificate=str(certificate),
            http_key=str(key),
        )
        result = run("serve", "--config", config, "--mllp", "127.0.0.1:0")
        assert result.code == 2
        assert said in result.err.splitlines()[-1]
        assert not database.exists()

    def test_without_tls_or_proxy_it_does_not_start(self, run: Run, sqlite_url: str) -> None:
        result = run("serve", "--database", sqlite_url, "--mllp", "127.0.0.1:0", "--http", "0.0.0.0:0", "--lang", "fr")
        assert result.code == 2
        assert "se voit du réseau : donnez http_certificate et http_key (TLS)" in result.err


class TestTokens:
    def test_one_that_is_revoked_is_out_within_seconds(
        self, serve: Serve, run: Run, database_url: str, tmp_path: Path
    ) -> None:
        config = write_config(tmp_path, database=database_url, http="127.0.0.1:0", metrics_without_token=False)
        daemon = serve("--config", config)
        url = f"http://{daemon.wait_for('serve.ready')['http']}/metrics"
        token = run("token", "create", "sonde", "--role", "reader", "--config", config).out.strip()
        assert get(url, token)[0] == 200
        assert run("token", "revoke", token[5:17], "--config", config).code == 0
        ended = datetime.now(UTC)
        while get(url, token)[0] != 401:
            assert datetime.now(UTC) - ended < timedelta(seconds=PATIENCE_S)
        assert datetime.now(UTC) - ended < timedelta(seconds=10)
        assert daemon.wait_for("http.refused")["token"] == token[5:17]
        assert daemon.end() == 0
        daemon.wait_for("serve.stopped")
        assert token[18:] not in json.dumps(daemon.entries)
        with closing(Store.open(database_url, read_only=True)) as store, store.read() as connection:
            rows = connection.execute(select(audit_event).order_by(audit_event.c.number)).all()
        told = [(row.action, row.outcome) for row in rows]
        assert told[:3] == [("token-create", "success"), ("token-revoke", "success"), ("login", "refused")]
        assert (rows[2].actor, rows[2].actor_kind, rows[2].origin) == ("sonde", "token", "127.0.0.1")
        assert token[18:] not in str(rows)

    def test_on_this_machine_metrics_are_open_by_default(self, serve: Serve, sqlite_url: str) -> None:
        daemon = serve("--database", sqlite_url, "--http", "127.0.0.1:0")
        assert get(f"http://{daemon.wait_for('serve.ready')['http']}/metrics")[0] == 200


class TestBehindProxy:
    def test_the_client_is_told_by_the_proxy_and_who_comes_past_it_is_refused(
        self, serve: Serve, run: Run, sqlite_url: str, tmp_path: Path
    ) -> None:
        config = write_config(
            tmp_path, database=sqlite_url, http="0.0.0.0:0", http_behind_proxy=True, http_proxies=["127.0.0.1/32"]
        )
        daemon = serve("--config", config)
        port = port_of(daemon.wait_for("serve.ready")["http"])
        forwarded = {"X-Forwarded-For": "192.0.2.7"}
        assert get(f"http://127.0.0.1:{port}/metrics", **forwarded)[0] == 401
        assert daemon.wait_for("http.refused")["client"] == "192.0.2.7"
        assert get(f"http://127.0.0.2:{port}/livez")[0] == 200
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S, source_address=("127.0.0.3", 0)) as past:
            past.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert past.makefile("rb").readline() == b"HTTP/1.1 403 Forbidden\r\n"
        assert daemon.wait_for("http.refused")["reason"] == "not-by-proxy"
        assert daemon.end() == 0


class TestMetricsAlone:
    def test_on_an_address_of_their_own_they_need_no_token_and_are_nowhere_else(
        self, serve: Serve, sqlite_url: str, tmp_path: Path
    ) -> None:
        config = write_config(tmp_path, database=sqlite_url, http="127.0.0.1:0", metrics_http="127.0.0.1:0")
        daemon = serve("--config", config)
        alone = daemon.wait_for("metrics.listening")["http"]
        http = daemon.wait_for("serve.ready")["http"]
        assert get(f"http://{alone}/metrics")[0] == 200
        assert get(f"http://{alone}/livez")[0] == get(f"http://{http}/metrics")[0] == 404
        assert daemon.end() == 0

    def test_they_stay_when_http_is_off(self, serve: Serve, sqlite_url: str, tmp_path: Path) -> None:
        config = write_config(tmp_path, database=sqlite_url, http="off", metrics_http="127.0.0.1:0")
        daemon = serve("--config", config)
        alone = daemon.wait_for("metrics.listening")["http"]
        daemon.wait_for("serve.ready")
        assert get(f"http://{alone}/metrics")[0] == 200
        assert daemon.end() == 0

    def test_an_address_that_is_taken_is_named_by_its_setting(self, run: Run, sqlite_url: str, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            config = write_config(tmp_path, database=sqlite_url, http="off", metrics_http=address)
            result = run("serve", "--config", config, "--mllp", "127.0.0.1:0")
        assert result.code == 2
        assert f"Cannot listen on {address}" in result.err
        assert "(metrics_http)" in result.err


def options(command: object) -> set[str]:
    """Every option and argument of ``command`` and of those below it."""
    names = {parameter.name for parameter in getattr(command, "params", ())}
    return names.union(*map(options, getattr(command, "commands", {}).values()))


class TestSecrets:
    """By environment or file, never on the command line or in a log."""

    def test_no_command_takes_one(self) -> None:
        names = options(app.build("en"))
        assert {"database", "config", "token_id"} <= names
        found = {name for name in names for word in ("password", "secret", "token", "passphrase") if word in name}
        # the id of a token is no secret, and a file that holds one is where it belongs
        assert {name for name in found if not name.endswith("_file")} == {"token_id"}

    @pytest.mark.parametrize(
        "url", ["postgresql://pam:s3cr3t@127.0.0.1:1/pam", "postgresql://127.0.0.1:1/pam?user=x&password=s3cr3t"]
    )
    @pytest.mark.parametrize(("lang", "word"), [("fr", "Le mot de passe"), ("en", "The password")])
    def test_a_password_in_a_url_of_the_command_line_is_refused_and_not_repeated(
        self, url: str, lang: str, word: str, run: Run
    ) -> None:
        result = run("messages", "--database", url, "--lang", lang)
        assert (result.code, result.err.startswith(word)) == (2, True)
        assert "database_password_file" in result.err
        assert "s3cr3t" not in result.out + result.err

    def test_by_variable_or_file_it_is_not(self, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("s3cr3t\n")
        config = write_config(tmp_path, database="postgresql://pam@127.0.0.1:1/pam", database_password_file="password")
        result = run("messages", "--config", config)
        assert result.err.startswith("The database postgresql://pam@127.0.0.1:1/pam does not answer")
        monkeypatch.setenv("PAM_RECEIVER_DATABASE", "postgresql://pam:s3cr3t@127.0.0.1:1/pam")
        assert run("messages").err == result.err

    def test_the_daemon_says_no_password_at_any_level(self, serve: Serve, postgres_url: str, tmp_path: Path) -> None:
        given = make_url(postgres_url)
        password = given.password or "s3cr3t"
        (tmp_path / "password").write_text(f"{password}\n")
        bare = given.set(password=None).render_as_string()
        config = write_config(tmp_path, database=bare, database_password_file="password", http="127.0.0.1:0")
        daemon = serve("--config", config, "--log-level", "debug")
        ready = daemon.wait_for("serve.ready")
        assert get(f"http://{ready['http']}/readyz")[0] == 200
        command = Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes()
        assert daemon.end() == 0
        daemon.wait_for("serve.stopped")
        assert password not in json.dumps(daemon.entries)
        assert password.encode() not in command
