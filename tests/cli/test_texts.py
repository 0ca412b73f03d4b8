"""What the commands say: both languages are whole, and the right one is chosen."""

import string

import pytest

from pam_receiver.cli.texts import TEXTS, guess_lang, lang_of_locale, text
from pam_receiver.identity.model import EndReason, Identity
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.identity.traits import StrictTraits


def names_in(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


class TestCatalogue:
    def test_both_languages_name_the_same_values(self) -> None:
        assert [key for key, (fr, en) in TEXTS.items() if names_in(fr) != names_in(en)] == []

    def test_nothing_is_empty(self) -> None:
        assert all(fr and en for fr, en in TEXTS.values())

    def test_every_status_trait_and_reason_has_its_words(self) -> None:
        keys = [f"status.{status.value}" for status in IdentityStatus]
        keys += [f"reason.{reason.value}" for reason in EndReason]
        keys += [f"identity.{name}" for name in StrictTraits.__dataclass_fields__]
        keys += [f"identity.{name}" for name in Identity.__dataclass_fields__ if name not in _NEVER_SAID]
        assert [key for key in keys if key not in TEXTS] == []

    def test_values_are_filled_in(self) -> None:
        assert text("failure.no-identity", "en", value="100") == "No identity holds 100."
        assert text("failure.no-identity", "fr", value="{100}") == "Aucune identité ne porte {100}."


_NEVER_SAID = {"id", "traits", "ended_ins"}


class TestLanguage:
    @pytest.mark.parametrize(
        ("environ", "lang"),
        [
            ({}, "en"),
            ({"LANG": "fr_FR.UTF-8"}, "fr"),
            ({"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "C"}, "en"),
            ({"LANG": "C", "LC_MESSAGES": "fr_CA"}, "fr"),
            ({"LANG": "C", "LC_MESSAGES": "C", "LC_ALL": "fr"}, "fr"),
            ({"LANG": "fr_FR", "LC_ALL": ""}, "fr"),
        ],
    )
    def test_of_the_machine(self, environ: dict[str, str], lang: str) -> None:
        assert lang_of_locale(environ) == lang

    @pytest.mark.parametrize(
        ("arguments", "variable", "lang"),
        [
            (["show", "1"], "", "en"),
            (["show", "1"], "fr", "fr"),
            (["show", "1", "--lang", "en"], "fr", "en"),
            (["--lang=fr"], "en", "fr"),
            (["--lang"], "fr", "fr"),
            (["--lang", "de"], "fr", "en"),
        ],
    )
    def test_option_before_variable_before_locale(self, arguments: list[str], variable: str, lang: str) -> None:
        assert guess_lang(arguments, {"PAM_RECEIVER_LANG": variable}) == lang
