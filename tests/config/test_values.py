"""The values of settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.config import Address, SettingsError, load_settings, parse_address
from pam_receiver.config.values import Refused, read_authority
from pam_receiver.identity.identifiers import AssigningAuthority


class TestAuthority:
    """HL7 v2.5 table 0301: the type ISO goes with an OID. An authority that no message can name is refused."""

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("HOPITAL", ("HOPITAL", "", "")),
            ("HOPITAL & 1.2.250.1.999.77 & ISO", ("HOPITAL", "1.2.250.1.999.77", "ISO")),
            ("&1.2.250.1.999.77&ISO", ("", "1.2.250.1.999.77", "ISO")),
            ("HOPITAL&hopital.example&DNS", ("HOPITAL", "hopital.example", "DNS")),
        ],
    )
    def test_one_that_can_be_met(self, text: str, parts: tuple[str, str, str]) -> None:
        assert read_authority(text) == AssigningAuthority(*parts)

    @pytest.mark.parametrize("text", ["X&abc&ISO", "1.2.250.1.999.77", "X&&ISO", "X&1.2.3&DNS", "X&x.example"])
    def test_one_that_cannot_says_why_in_both_languages(self, text: str) -> None:
        with pytest.raises(Refused) as failure:
            read_authority(text)
        assert failure.value.fr != failure.value.en

    def test_the_general_setting_says_why_too(self) -> None:
        with pytest.raises(SettingsError) as failure:
            load_settings({"default_authority": "X&abc&ISO"})
        assert failure.value.en == (
            "Value 'X&abc&ISO' refused for --default-authority: \"abc\" is not an OID. "
            "Allowed: NAME&OID&ISO, or NAME alone."
        )
        assert failure.value.fr == (
            "Valeur 'X&abc&ISO' refusée pour --default-authority : « abc » n'est pas un OID. "
            "Permis : NOM&OID&ISO, ou NOM seul."
        )


class TestAddress:
    @given(st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True), st.integers(0, 65535))
    def test_what_is_shown_is_read_again(self, host: str, port: int) -> None:
        assert parse_address(str(Address(host, port))) == Address(host, port)
        assert parse_address(f"[fe80::{port:x}]:{port}") == Address(f"fe80::{port:x}", port)

    @given(st.text(max_size=30))
    def test_any_text_is_an_address_or_refused(self, text: str) -> None:
        try:
            address = parse_address(text)
        except ValueError:
            return
        assert address.host
        assert 0 <= address.port <= 65535
