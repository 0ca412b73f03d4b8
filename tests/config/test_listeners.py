"""``[[listener]]``: where messages arrive, and what is said of a table that cannot be followed."""

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from pam_receiver.config import (
    LISTENER_KEYS,
    PREFIX,
    Address,
    ListenerSettings,
    Settings,
    SettingsError,
    TlsSettings,
    load_settings,
)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)


class House:
    """A folder with a settings file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "house.toml"

    def load(self, text: str, **options: object) -> Settings:
        self.file.write_text(text, encoding="utf-8")
        return load_settings(options, config=self.file)

    def refuse(self, text: str, **options: object) -> SettingsError:
        with pytest.raises(SettingsError) as failure:
            self.load(text, **options)
        return failure.value


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


WHOLE = """
[[listener]]
address = "0.0.0.0:2576"
tls = { certificate = "tls/server.pem", key = "tls/server.key", client_ca = "ca.pem", key_password_file = "secret" }
allowed_networks = ["10.20.0.0/16", "2001:db8::/32"]
client_subjects = ["gam.*", "CN=gam*,O=CHU-LYRE,C=FR"]
source = "chu-x"
environment = "test"
applications = ["GAM*"]
facilities = ["CHU-X", "CHU-Y"]
receiving_applications = ["PAM"]
receiving_facilities = ["DM"]
max_connections = 50
max_connections_per_address = 4
max_block_bytes = 4096
max_segments = 100
max_repetitions = 200
block_timeout_s = 10
idle_timeout_s = 600
write_timeout_s = 20.5

[[listener]]
address = "[::1]:2577"

[[source]]
name = "chu-x"
"""


class TestReading:
    def test_every_key(self, house: House) -> None:
        whole, bare = house.load(WHOLE).listeners
        folder = house.file.parent
        assert whole == ListenerSettings(
            file=house.file,
            address=Address("0.0.0.0", 2576),
            tls=TlsSettings(
                folder / "tls" / "server.pem", folder / "tls" / "server.key", folder / "ca.pem", folder / "secret"
            ),
            allowed_networks=(ip_network("10.20.0.0/16"), ip_network("2001:db8::/32")),
            client_subjects=("gam.*", "CN=gam*,O=CHU-LYRE,C=FR"),
            source="chu-x",
            environment="test",
            applications=("GAM*",),
            facilities=("CHU-X", "CHU-Y"),
            receiving_applications=("PAM",),
            receiving_facilities=("DM",),
            max_connections=50,
            max_connections_per_address=4,
            max_block_bytes=4096,
            max_segments=100,
            max_repetitions=200,
            block_timeout_s=10.0,
            idle_timeout_s=600.0,
            write_timeout_s=20.5,
        )
        assert bare == ListenerSettings(file=house.file, address=Address("::1", 2577))
        assert {key.name for key in LISTENER_KEYS} == set(ListenerSettings.__dataclass_fields__) - {"file"}

    def test_the_limits_of_a_house_without_any_table(self) -> None:
        settings = load_settings()
        assert settings.listeners == ()
        assert (settings.max_connections, settings.max_connections_per_address) == (4000, 0)
        assert (settings.block_timeout_s, settings.idle_timeout_s) == (30.0, 0.0)


LOCAL = '[[listener]]\naddress = "127.0.0.1:2576"\n'
TLS = 'tls = { certificate = "a.pem", key = "a.key" }\n'
OPEN = '[[listener]]\naddress = "0.0.0.0:2576"\n'


class TestWrong:
    @pytest.mark.parametrize(
        "line",
        [
            'adress = "127.0.0.1:2576"',
            'tls = "a.pem"',
            'tls = { certificate = "a.pem" }',
            'tls = { certificate = "a.pem", key = "a.key", ca = "b.pem" }',
            'tls = { certificate = 7, key = "a.key" }',
            "plain = 1",
            'allowed_networks = ["10.20.0.0/33"]',
            'allowed_networks = ["10.20.0.7/16"]',
            "allowed_networks = []",
            'client_subjects = "gam"',
            "client_subjects = []",
            'client_subjects = [""]',
            "source = 7",
            'environment = "prod"',
            'applications = "GAM"',
            'applications = ["[AB"]',
            "facilities = []",
            'receiving_applications = ["A^B"]',
            'receiving_facilities = ["A|B"]',
            "max_connections = 0",
            "max_connections = true",
            "max_connections_per_address = -1",
            "max_block_bytes = 1023",
            "max_segments = 9",
            "max_repetitions = 1.5",
            "block_timeout_s = 0",
            "idle_timeout_s = -1",
            'write_timeout_s = "30"',
        ],
    )
    def test_a_key_that_cannot_be_followed_is_named_with_its_listener(self, line: str, house: House) -> None:
        error = house.refuse(f"{LOCAL}{line}\n")
        for sentence in (error.fr, error.en):
            assert line.split(" ", maxsplit=1)[0] in sentence
            assert "[[listener]] 127.0.0.1:2576" in sentence
            assert str(house.file) in sentence

    @pytest.mark.parametrize("value", ["7", '"127.0.0.1"', '"127.0.0.1:0"', '"127.0.0.1:99999"'])
    def test_an_address_that_is_none_or_has_no_port_of_its_own(self, value: str, house: House) -> None:
        assert "refused for address" in house.refuse(f"[[listener]]\naddress = {value}\n").en

    def test_no_address(self, house: House) -> None:
        assert house.refuse("[[listener]]\nplain = true\n").en == (
            f"address ([[listener]] 1, file {house.file}): it is missing."
        )

    def test_a_table_that_is_a_value(self, house: House) -> None:
        assert "must be tables [[listener]]" in house.refuse('listener = "0.0.0.0:2576"\n').en

    def test_a_wrong_key_of_tls_says_what_was_meant(self, house: House) -> None:
        error = house.refuse(f'{LOCAL}tls = {{ certificat = "a.pem", key = "a.key" }}\n')
        assert "unknown key certificat. Did you mean certificate?" in error.en

    @pytest.mark.parametrize(
        "other",
        ['[[listener]]\naddress = "127.0.0.2:2576"\n', 'http = "127.0.0.1:2576"\n', 'metrics_http = "[::1]:2576"\n'],
    )
    def test_a_port_that_serves_twice(self, other: str, house: House) -> None:
        text = other + LOCAL if other.startswith(("http", "metrics")) else LOCAL + other
        assert "the port 2576 is already that of" in house.refuse(text).en

    def test_subjects_without_certificates(self, house: House) -> None:
        error = house.refuse(f'{LOCAL}{TLS}client_subjects = ["gam"]\n')
        assert "without client_ca in tls no certificate is asked for" in error.en

    def test_a_source_that_is_none(self, house: House) -> None:
        error = house.refuse(f'{LOCAL}source = "chu-y"\n[[source]]\nname = "chu-x"\napplication = "GAM"\n')
        assert error.en.endswith("no [[source]] is called chu-y. Did you mean chu-x?")
        assert error.fr.endswith("aucune [[source]] ne s'appelle chu-y. Vouliez-vous dire chu-x ?")

    def test_the_port_of_a_source_that_no_listener_has(self, house: House) -> None:
        error = house.refuse(f'{LOCAL}[[source]]\nname = "chu-x"\nport = 2580\n')
        assert "no [[listener]] has the port 2580" in error.en

    def test_mllp_beside_it(self, house: House) -> None:
        assert "given both" in house.refuse(f'mllp = "127.0.0.1:2575"\n{LOCAL}').en
        assert "given both" in house.refuse(LOCAL, mllp="127.0.0.1:2575").en


class TestInClear:
    """Names and matricules cross a network in clear only when somebody has said so."""

    def test_a_listener_that_a_network_can_see_needs_tls_or_a_word(self, house: House) -> None:
        error = house.refuse(OPEN)
        assert "messages would cross it in clear; give tls, or plain = true" in error.en
        assert house.load(f"{OPEN}plain = true\n").listeners[0].plain
        assert house.load(f"{OPEN}{TLS}").listeners[0].tls is not None

    def test_both_is_a_mistake(self, house: House) -> None:
        assert "tls is given too" in house.refuse(f"{OPEN}{TLS}plain = true\n").en

    @pytest.mark.parametrize("address", ["0.0.0.0:2575", "10.20.0.1:2575", "[::]:2575", "pam.chu.example:2575"])
    def test_mllp_that_a_network_can_see_needs_a_word(self, address: str, house: House) -> None:
        error = house.refuse("", mllp=address)
        assert error.en.startswith(f"mllp {address} can be seen from the network")
        assert "mllp_plain = true" in error.fr
        assert house.load("mllp_plain = true\n", mllp=address).mllp_plain

    @pytest.mark.parametrize("address", ["127.0.0.1:2575", "127.1.2.3:0", "[::1]:2575", "localhost:2575"])
    def test_this_machine_needs_none(self, address: str, house: House) -> None:
        assert str(house.load("", mllp=address).mllp) == address


class TestSources:
    def test_a_source_that_a_listener_names_need_ask_for_nothing(self, house: House) -> None:
        text = f'{LOCAL}source = "chu-x"\n[[source]]\nname = "chu-x"\n[[source]]\nname = "rest"\napplication = "*"\n'
        assert [each.name for each in house.load(text).sources] == ["chu-x", "rest"]
        assert "give at least one of" in house.refuse(f'{LOCAL}[[source]]\nname = "chu-x"\n').en

    def test_it_is_hidden_by_no_other(self, house: House) -> None:
        rest = '[[source]]\nname = "rest"\napplication = "*"\n'
        named = '[[source]]\nname = "chu-x"\napplication = "GAM"\n'
        assert "no message reaches this source" in house.refuse(LOCAL + rest + named).en
        assert house.load(f'{LOCAL}source = "chu-x"\n{rest}{named}')

    def test_a_source_may_have_the_port_of_a_listener(self, house: House) -> None:
        assert house.load(f'{LOCAL}[[source]]\nname = "chu-x"\nport = 2576\n').sources[0].port == 2576
