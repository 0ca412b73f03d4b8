"""Settings: which source wins, and what is said of a wrong or unknown one."""

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pam_receiver.config import PREFIX, SETTINGS, Address, Settings, SettingsError, load_settings
from pam_receiver.identity.identifiers import AssigningAuthority


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    path = folder / "house.toml"
    path.write_text(text, encoding="utf-8")
    return path


class TestDefaults:
    def test_are_those_of_the_documentation(self) -> None:
        settings = load_settings()
        assert settings.database == "sqlite:///pam-receiver.db"
        assert (str(settings.mllp), str(settings.http)) == ("127.0.0.1:2575", "127.0.0.1:8080")
        assert settings.environment == "production"
        assert settings.incomplete_qualified_identity == "reject"
        assert settings.processing_ids == {"P", "T", "D"}
        assert settings.timezone == ZoneInfo("Europe/Paris")
        assert (settings.lang, settings.ack_lang, settings.default_authority) == (None, "fr", None)

    def test_each_written_default_is_accepted_and_means_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for setting in SETTINGS:
            if setting.default:
                monkeypatch.setenv(setting.variable, setting.default)
        assert load_settings().model_dump() == Settings().model_dump()

    def test_settings_cannot_be_changed_afterwards(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            load_settings().database = "sqlite:///other.db"  # type: ignore[misc]


class TestTable:
    def test_every_setting_is_described_in_both_languages(self) -> None:
        assert {setting.name for setting in SETTINGS} == set(Settings.model_fields) - {"listeners", "sources"}
        for setting in SETTINGS:
            assert setting.variable == PREFIX + setting.name.upper()
            assert all([setting.fr, setting.en, setting.allowed_fr, setting.allowed_en])
            assert setting.fr.endswith(".")
            assert setting.en.endswith(".")


class TestOrderOfSources:
    def test_option_before_environment_before_file_before_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = write(tmp_path, 'log_level = "error"\nenvironment = "test"\nack_findings = "errors"\n')
        monkeypatch.setenv("PAM_RECEIVER_LOG_LEVEL", "warning")
        monkeypatch.setenv("PAM_RECEIVER_ENVIRONMENT", "production")
        settings = load_settings({"log_level": "debug", "environment": None}, config=config)
        assert settings.log_level == "debug"
        assert settings.environment == "production"
        assert settings.ack_findings == "errors"
        assert settings.max_connections == 4000

    def test_the_file_may_be_named_by_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PAM_RECEIVER_CONFIG", str(write(tmp_path, 'http = "off"\n')))
        assert load_settings().http is None

    def test_an_empty_variable_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PAM_RECEIVER_MLLP", "")
        assert load_settings().mllp == Address("127.0.0.1", 2575)

    def test_values_of_a_file_keep_their_types(self, tmp_path: Path) -> None:
        text = (
            'processing_ids = ["P", "T"]\ndeduce_recuperee = false\nmax_block_bytes = 4096\nack_deadline_s = 2.5\n'
            'timezone = "Indian/Reunion"\ndefault_authority = "CHU-LYRE&1.2.250.1.999.77&ISO"\nmllp = "[::1]:0"\n'
        )
        settings = load_settings(config=write(tmp_path, text))
        assert settings.processing_ids == {"P", "T"}
        assert settings.deduce_recuperee is False
        assert (settings.max_block_bytes, settings.ack_deadline_s) == (4096, 2.5)
        assert settings.timezone == ZoneInfo("Indian/Reunion")
        assert settings.default_authority == AssigningAuthority("CHU-LYRE", "1.2.250.1.999.77", "ISO")
        assert settings.mllp == Address("::1", 0)


class TestDatabasePath:
    @pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite"])
    def test_relative_to_the_file_that_names_it(self, tmp_path: Path, scheme: str) -> None:
        settings = load_settings(config=write(tmp_path, f'database = "{scheme}:///data/pam.db"\n'))
        assert settings.database == f"{scheme}:///{tmp_path}/data/pam.db"

    @pytest.mark.parametrize("url", ["sqlite:////var/lib/pam.db", "postgresql://pam@db/pam"])
    def test_others_stay_as_written(self, tmp_path: Path, url: str) -> None:
        assert load_settings(config=write(tmp_path, f'database = "{url}"\n')).database == url

    def test_relative_to_the_folder_when_an_option_names_it(self, tmp_path: Path) -> None:
        settings = load_settings({"database": "sqlite:///pam.db"}, config=write(tmp_path, 'http = "off"\n'))
        assert settings.database == "sqlite:///pam.db"


class TestWrongValues:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("environment", "prod"),
            ("environment", "TEST"),
            ("mllp", "2575"),
            ("mllp", "host:99999"),
            ("mllp", "::1:2575"),
            ("http", "on"),
            ("lang", "de"),
            ("processing_ids", "P,X"),
            ("processing_ids", ","),
            ("timezone", "Europe"),
            ("timezone", "Mars/Olympus"),
            ("timezone", "../etc/passwd"),
            ("default_authority", "A&B&C&D"),
            ("default_authority", "&&ISO"),
            ("default_authority", "A^B"),
            ("default_authority", "A\x07"),
            ("max_block_bytes", "12"),
            ("max_block_bytes", "many"),
            ("ack_deadline_s", "0"),
            ("ack_deadline_s", "nan"),
            ("idle_timeout_s", "-1"),
            ("max_connections", "0"),
            ("deduce_recuperee", "perhaps"),
            ("incomplete_qualified_identity", "drop"),
        ],
    )
    def test_sentence_names_setting_source_value_and_what_is_allowed(
        self, name: str, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        variable = PREFIX + name.upper()
        monkeypatch.setenv(variable, value)
        with pytest.raises(SettingsError) as failure:
            load_settings()
        allowed = next(setting for setting in SETTINGS if setting.name == name)
        assert failure.value.text("en") == f"Value {value!r} refused for {variable}. Allowed: {allowed.allowed_en}."
        assert failure.value.text("fr") == f"Valeur {value!r} refusée pour {variable}. Permis : {allowed.allowed_fr}."

    def test_of_an_option(self) -> None:
        with pytest.raises(SettingsError, match=r"^Value 'xml' refused for --log-format\. Allowed: text, json\.$"):
            load_settings({"log_format": "xml"})

    def test_of_a_file(self, tmp_path: Path) -> None:
        config = write(tmp_path, "environment = 3\n")
        with pytest.raises(SettingsError) as failure:
            load_settings(config=config)
        assert str(failure.value) == f"Value '3' refused for environment (file {config}). Allowed: production, test."

    def test_a_table_is_no_address(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="HOST:PORT"):
            load_settings(config=write(tmp_path, '[mllp]\nhost = "127.0.0.1"\nport = 99999\n'))

    def test_the_value_of_a_database_is_never_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PAM_RECEIVER_DATABASE", "mysql://user:hush@db/pam")
        with pytest.raises(SettingsError) as failure:
            load_settings()
        assert "hush" not in failure.value.fr + failure.value.en
        assert "sqlite:///FILE" in failure.value.en


class TestUnknownSettings:
    def test_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PAM_RECEIVER_DATABSE", "sqlite:///pam.db")
        with pytest.raises(SettingsError) as failure:
            load_settings()
        assert failure.value.en == (
            "Unknown environment variable: PAM_RECEIVER_DATABSE. Did you mean PAM_RECEIVER_DATABASE?"
        )

    def test_key_of_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"Unknown setting in .*house\.toml: bind\.$"):
            load_settings(config=write(tmp_path, 'bind = "127.0.0.1:2575"\n'))

    def test_option(self) -> None:
        with pytest.raises(SettingsError, match="Unknown setting: color"):
            load_settings({"color": "red"})


class TestFile:
    def test_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="cannot be read: No such file"):
            load_settings(config=tmp_path / "none.toml")

    @pytest.mark.parametrize("content", [b"mllp = ", b"mllp = '\xe9'"])
    def test_that_is_no_toml(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "house.toml"
        path.write_bytes(content)
        with pytest.raises(SettingsError, match="is no TOML"):
            load_settings(config=path)
