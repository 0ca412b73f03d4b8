"""Separators and escape sequences."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.hl7.separators import STANDARD, Separators, escape, read_separators, unescape

ODD = Separators("#", "*", "+", "/", "!")


class TestReadSeparators:
    """HL7 v2.5 chapter 2, MSH-1 and MSH-2: the separators are those of the message."""

    def test_usual_separators_are_read(self) -> None:
        assert read_separators("MSH|^~\\&|GAM") == STANDARD

    def test_other_separators_are_taken_as_they_are(self) -> None:
        assert read_separators("MSH#*+/!#GAM") == ODD

    def test_typographic_sign_is_taken_too(self) -> None:
        assert read_separators("MSH|^\u02dc\\&|GAM") == Separators("|", "^", "\u02dc", "\\", "&")

    def test_last_signs_may_be_left_out(self) -> None:
        assert read_separators("MSH|^~|GAM") == Separators("|", "^", "~", "", "")
        assert read_separators("MSH|^") == Separators("|", "^", "", "", "")

    def test_truncation_sign_of_later_versions_is_passed_over(self) -> None:
        assert read_separators("MSH|^~\\&#|GAM") == STANDARD

    @pytest.mark.parametrize(
        "header",
        ["MSH", "MSH|", "MSH||GAM", "MSHA^~\\&A", "MSH|^^\\&|", "MSH|^~\\\\&|", "MSH|^~\\1|", "MSH ^~\\& ",
         'MSH|^~\\"|', "MSH|^~\\\x1c|", "MSH\xa0^~\\&\xa0", "MSH\x0b^~\\&\x0b"],
    )  # fmt: skip
    def test_signs_that_cannot_separate_are_refused(self, header: str) -> None:
        assert read_separators(header) is None


class TestUnescape:
    """HL7 v2.5 chapter 2, escape sequences."""

    @pytest.mark.parametrize(
        ("sent", "meant"),
        [
            ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
            ("\\E\\F\\E\\", "\\F\\"),  # an escaped escape sign does not begin a sequence
            ("\\F\\F\\F\\", "|F|"),
            ("\\X41\\\\X4243\\", "ABC"),
            ("\\XC3A9\\", "é"),
            ("one\\.br\\two", "one two"),
            ("one\\.BR\\two", "one two"),
        ],
    )
    def test_sequence_gives_its_sign(self, sent: str, meant: str) -> None:
        assert unescape(sent, STANDARD) == meant

    @pytest.mark.parametrize(
        "sent",
        ["\\H\\bold\\N\\", "\\.sp9999999999999999\\", "\\.in+5\\", "\\Zxx\\", "\\C2842\\", "\\M241E42\\", "C:\\dir",
         "\\", "\\\\", "\\f\\", "\\X4\\", "\\XZZ\\", "\\X00\\", "\\X410B\\", "\\X1C\\", "\\XFF\\", "\\X85\\",
         "no sign"],
    )  # fmt: skip
    def test_what_has_no_plain_text_stays_as_sent(self, sent: str) -> None:
        assert unescape(sent, STANDARD) == sent

    def test_hexadecimal_is_read_in_the_charset_of_the_message(self) -> None:
        assert unescape("\\XE9\\", STANDARD, "iso8859-15") == "é"
        assert unescape("\\X92\\", STANDARD, "iso8859-1") == "\\X92\\"

    def test_end_of_a_sequence_does_not_begin_another(self) -> None:
        assert unescape("\\H\\T\\N\\", STANDARD) == "\\H\\T\\N\\"

    def test_sequence_of_a_separator_left_out_stays_as_sent(self) -> None:
        assert unescape("\\T\\", Separators("|", "^", "~", "\\", "")) == "\\T\\"

    def test_without_an_escape_sign_nothing_is_escaped(self) -> None:
        bare = Separators("|", "^", "~", "", "")
        assert unescape("\\F\\", bare) == "\\F\\"
        assert escape("a|b", bare) == "a|b"

    @settings(max_examples=150, deadline=None)
    @given(st.text(alphabet=st.sampled_from("\\|^~&FSTREXHZ.br04#*+/!é")), st.sampled_from([STANDARD, ODD]))
    def test_escaped_text_comes_back(self, text: str, separators: Separators) -> None:
        written = escape(text, separators)
        assert not set(written) & {separators.field, separators.component, separators.repetition}
        assert unescape(written, separators) == text

    @settings(max_examples=100, deadline=None)
    @given(st.text(), st.sampled_from([STANDARD, Separators("|", ".", "]", "-", "^")]))
    def test_any_text_can_be_read(self, text: str, separators: Separators) -> None:
        assert isinstance(unescape(text, separators), str)
