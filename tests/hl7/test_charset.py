"""Character sets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.hl7.charset import find_codec, fold, is_nickname, table_name


class TestTable0211:
    """HL7 v2.5 table 0211; IHE PAM FR 2.11.2 §6.1."""

    @pytest.mark.parametrize(
        ("declared", "codec"),
        [
            ("8859/1", "iso8859-1"),
            ("8859/15", "iso8859-15"),
            ("UNICODE UTF-8", "utf-8"),
            ("ASCII", "ascii"),
            ("unicode  utf-8 ", "utf-8"),
            ("UTF-8", "utf-8"),
            ("8859/2", None),
            ("UNICODE", None),
            ("", None),
        ],
    )
    def test_names_give_a_codec(self, declared: str, codec: str | None) -> None:
        assert find_codec(declared) == codec

    def test_nickname_is_told_from_the_name_of_the_table(self) -> None:
        assert is_nickname("utf-8")
        assert not is_nickname("UNICODE UTF-8")
        assert table_name("utf-8") == "UNICODE UTF-8"


class TestFold:
    """A text goes into any charset, without a question mark in place of what it lacks."""

    @pytest.mark.parametrize(
        ("text", "encoding", "folded"),
        [
            ("répété : « œuvre » d’ici…", "ascii", 'repete : " oeuvre " d\'ici...'),
            ("cœur « été »", "iso8859-1", "coeur « été »"),
            ("cœur à 3 €", "iso8859-15", "cœur à 3 €"),
            ("人 été", "iso8859-1", " été"),
            ("\ud800x", "utf-8", "x"),
            ("été", "utf-8", "été"),
        ],
    )
    def test_signs_that_are_lacking_are_written_plainly(self, text: str, encoding: str, folded: str) -> None:
        assert fold(text, encoding) == folded

    @settings(max_examples=100, deadline=None)
    @given(st.text(), st.sampled_from(["ascii", "iso8859-1", "iso8859-15", "utf-8"]))
    def test_result_always_fits(self, text: str, encoding: str) -> None:
        assert fold(text, encoding).encode(encoding).decode(encoding) == fold(text, encoding)
