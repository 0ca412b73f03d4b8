"""HTTP off this machine asks for TLS or a proxy; networks, paths, and the password in a file."""

import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import make_url

from pam_receiver.config import PREFIX, Address, SettingsError, holds_password, load_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)


class TestOffLoopback:
    @pytest.mark.parametrize("http", ["127.0.0.1:8080", "127.1.2.3:0", "[::1]:8080", "localhost:8080", "off"])
    def test_this_machine_needs_nothing_more(self, http: str) -> None:
        load_settings({"http": http})

    @pytest.mark.parametrize("http", ["0.0.0.0:8080", "10.0.0.1:0", "[::]:8080", "pam.chu.example:80", "[fe80::1%e]:1"])
    @pytest.mark.parametrize(
        ("more", "is_good"),
        [
            ({}, False),
            ({"http_proxies": "10.0.0.0/8"}, False),
            ({"metrics_without_token": False}, False),
            ({"http_behind_proxy": True}, True),
            ({"http_certificate": "a.pem", "http_key": "a.key"}, True),
        ],
    )
    def test_a_network_needs_tls_or_a_proxy(self, http: str, more: dict[str, object], is_good: bool) -> None:
        if is_good:
            load_settings({"http": http, **more})
            return
        with pytest.raises(SettingsError) as caught:
            load_settings({"http": http, **more})
        assert caught.value.text("fr").startswith(
            f"http {http} se voit du réseau : donnez http_certificate et http_key"
        )
        assert "http_behind_proxy = true" in caught.value.text("en")

    @pytest.mark.parametrize("given", ["http_certificate", "http_key"])
    def test_half_of_a_certificate_is_refused(self, given: str) -> None:
        with pytest.raises(SettingsError, match=f"{given} is given without"):
            load_settings({given: "x.pem"})

    def test_metrics_have_an_address_of_their_own_or_none(self) -> None:
        with pytest.raises(SettingsError, match="are the same address"):
            load_settings({"http": "127.0.0.1:8080", "metrics_http": "127.0.0.1:8080"})
        assert load_settings({"metrics_http": "127.0.0.1:9464"}).metrics_http == Address("127.0.0.1", 9464)
        load_settings({"http": "127.0.0.1:0", "metrics_http": "127.0.0.1:0"})


class TestValues:
    @pytest.mark.parametrize("value", ["10.0.0.0/8, 2001:db8::/32", ["10.0.0.0/8", "2001:db8::/32"]])
    def test_networks_are_a_list_or_a_text(self, value: object) -> None:
        assert load_settings({"http_proxies": value}).http_proxies == (
            ip_network("10.0.0.0/8"),
            ip_network("2001:db8::/32"),
        )

    @pytest.mark.parametrize("value", ["", "x", "10.0.0.0/33", [], [10], ["10.0.0.0/8", ""], 7])
    def test_others_are_refused(self, value: object) -> None:
        with pytest.raises(SettingsError, match="http-proxies"):
            load_settings({"http_proxies": value})

    def test_an_address_in_a_network_is_told_from_the_network(self) -> None:
        with pytest.raises(SettingsError, match=r"10\.20\.0\.7/16 is an address; the network is 10\.20\.0\.0/16"):
            load_settings({"http_proxies": "10.20.0.7/16"})

    def test_paths_of_a_file_begin_at_its_folder(self, tmp_path: Path) -> None:
        file = tmp_path / "house.toml"
        file.write_text('http_certificate = "tls/a.pem"\nhttp_key = "/etc/a.key"\n')
        settings = load_settings(config=file)
        assert settings.http_certificate == tmp_path / "tls" / "a.pem"
        assert settings.http_key == Path("/etc/a.key")


class TestPasswordFile:
    URL = "postgresql://pam@db/pam"

    @pytest.mark.parametrize("password", ["secret", "p@ss:w/ord?#%", "mot de passe é", "a\\b'c\"d"])
    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    def test_its_password_is_that_of_the_url(self, password: str, end: str, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_bytes(f"{password}{end}".encode())
        settings = load_settings({"database": self.URL, "database_password_file": file})
        url = make_url(settings.database)
        assert (url.username, url.password, url.host, url.database) == ("pam", password, "db", "pam")
        assert password not in repr(settings)

    def test_the_standby_has_a_file_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("secret\n")
        (tmp_path / "other").write_text("otherwise\n")
        file = tmp_path / "house.toml"
        file.write_text(
            f'database = "{self.URL}"\ndatabase_password_file = "password"\n'
            'database_read = "postgresql://reader@db2/pam"\ndatabase_read_password_file = "other"\n'
        )
        settings = load_settings(config=file)
        assert make_url(settings.database).password == "secret"
        assert make_url(settings.database_read or "").password == "otherwise"
        assert "otherwise" not in repr(settings)

    def test_a_password_of_a_standby_that_is_not_named_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "other").write_text("otherwise\n")
        with pytest.raises(SettingsError, match="database_read_password_file needs database_read"):
            load_settings({"database_read_password_file": tmp_path / "other"})

    def test_several_hosts_take_it_too(self, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("secret\n")
        url = "postgresql://pam@db1:5432,db2:5433/pam"
        settings = load_settings({"database": url, "database_password_file": tmp_path / "password"})
        assert settings.database == "postgresql://pam:secret@db1:5432,db2:5433/pam"

    def test_a_path_in_a_file_begins_at_its_folder(self, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("secret\n")
        file = tmp_path / "house.toml"
        file.write_text(f'database = "{self.URL}"\ndatabase_password_file = "password"\n')
        assert make_url(load_settings(config=file).database).password == "secret"

    @pytest.mark.parametrize(
        "url",
        ["sqlite:///x.db", "postgresql://db/pam", "postgresql://pam:x@db/pam", "postgresql://pam@db/pam?password=x"],
    )
    def test_a_url_without_a_place_for_it_is_refused(self, url: str, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_text("secret")
        with pytest.raises(SettingsError, match="database_password_file needs database"):
            load_settings({"database": url, "database_password_file": file})

    @pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe", b"x" * 5000])
    def test_a_file_without_one_is_refused_and_not_quoted(self, content: bytes, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_bytes(content)
        with pytest.raises(SettingsError, match="must hold the password, alone") as caught:
            load_settings({"database": self.URL, "database_password_file": file})
        assert "two" not in caught.value.text("fr")

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="none cannot be read: No such file"):
            load_settings({"database": self.URL, "database_password_file": tmp_path / "none"})


class TestHoldsPassword:
    @pytest.mark.parametrize(
        ("url", "is_there"),
        [
            ("postgresql://pam:secret@db/pam", True),
            ("postgresql://pam@db1:5432,db2:5432/pam", False),
            ("postgresql://pam:secret@db1,db2/pam", True),
            ("postgresql://pam:p@ss@db/pam", True),
            ("postgresql+psycopg://pam:pa/ss@db/pam", True),
            ("postgresql://db/pam?user=x&password=secret", True),
            ("postgresql://db/pam?sslpassword=secret", True),
            ("postgresql://pam@db:5432/pam", False),
            ("postgresql://pam@/pam?host=/run/pg", False),
            ("sqlite:///x.db", False),
            ("sqlite:////home/a:b@c/x.db", False),
        ],
    )
    def test_in_each_place(self, url: str, is_there: bool) -> None:
        assert holds_password(url) is is_there
