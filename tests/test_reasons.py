"""What the system and the parsers say, as a person reads it."""

import errno
import os
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pam_receiver.reasons import say_os_error, say_toml_error, say_xml_error


def toml_error(text: str) -> tomllib.TOMLDecodeError:
    with pytest.raises(tomllib.TOMLDecodeError) as failure:
        tomllib.loads(text)
    return failure.value


class TestOsErrors:
    @pytest.mark.parametrize(
        ("number", "fr"),
        [
            (errno.ENOENT, "fichier ou dossier introuvable"),
            (errno.EACCES, "accès refusé"),
            (errno.EISDIR, "c'est un dossier"),
            (errno.ENOSPC, "disque plein"),
            (errno.ENOTDIR, "le chemin passe par un fichier, qui n'est pas un dossier"),
            (errno.EEXIST, "ce fichier existe déjà"),
            (errno.EADDRINUSE, "adresse déjà prise par un autre programme"),
        ],
    )
    def test_the_usual_ones_have_french_words(self, number: int, fr: str) -> None:
        error = OSError(number, os.strerror(number))
        assert say_os_error(error, "fr") == fr
        assert say_os_error(error, "en") == os.strerror(number)

    def test_of_a_real_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as failure:
            (tmp_path / "none").read_bytes()
        assert say_os_error(failure.value, "fr") == "fichier ou dossier introuvable"
        assert say_os_error(failure.value, "en") == "No such file or directory"

    def test_the_words_of_a_library_give_way_to_those_of_the_system(self) -> None:
        error = OSError(errno.EADDRINUSE, "error while attempting to bind on address ('127.0.0.1', 1)")
        assert say_os_error(error, "en") == os.strerror(errno.EADDRINUSE)

    def test_any_other_is_quoted(self) -> None:
        assert say_os_error(OSError(errno.ENOTTY, "x"), "fr") == f"« {os.strerror(errno.ENOTTY)} »"

    def test_one_without_a_number(self) -> None:
        assert [say_os_error(TimeoutError(), lang) for lang in ("fr", "en")] == ["« TimeoutError »", "TimeoutError"]
        assert say_os_error(OSError(-2, "Name or service not known"), "en") == "Name or service not known"
        assert say_os_error(OSError(-2, "Name or service not known"), "fr") == "nom de machine inconnu"


class TestToml:
    def test_the_place_is_told_in_french_and_the_word_of_the_parser_in_brackets(self) -> None:
        error = toml_error('a = 1\nb "x"\n')
        assert say_toml_error(error, "en") == str(error)
        said = say_toml_error(error, "fr")
        assert said.startswith("ligne 2, colonne 3 (")
        assert "at line" not in said

    def test_at_the_end(self) -> None:
        said = say_toml_error(toml_error("a = "), "fr")
        assert said.startswith(("à la fin du fichier (", "ligne 1, colonne 5 ("))
        assert say_toml_error(tomllib.TOMLDecodeError("Invalid value (at end of document)"), "fr") == (
            "à la fin du fichier (Invalid value)"
        )

    def test_one_of_another_form_stays_as_it_is(self) -> None:
        assert say_toml_error(tomllib.TOMLDecodeError("what"), "fr") == "what"

    def test_bytes_that_are_no_utf_8(self) -> None:
        with pytest.raises(UnicodeDecodeError) as failure:
            b"a = \xe9".decode()
        assert say_toml_error(failure.value, "fr") == "l'octet 5 n'est pas de l'UTF-8"
        assert say_toml_error(failure.value, "en") == "byte 5 is not UTF-8"


class TestXml:
    def test_the_place_is_told_in_french(self) -> None:
        with pytest.raises(ElementTree.ParseError) as failure:
            ElementTree.fromstring("<a>\n<b></a>")
        assert say_xml_error(failure.value, "fr") == "ligne 2, colonne 5 (mismatched tag)"
        assert say_xml_error(failure.value, "en") == "mismatched tag: line 2, column 5"

    def test_an_encoding_that_cannot_be_read(self) -> None:
        assert say_xml_error(LookupError("unknown encoding: x"), "fr") == (
            "encodage non pris en charge (unknown encoding: x)"
        )
