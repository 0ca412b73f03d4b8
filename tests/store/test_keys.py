"""The key file: its form, who may read it, a new key before the others; no key is ever shown."""

import os
from base64 import b64encode
from datetime import date
from pathlib import Path

import pytest
from keyed import key

from pam_receiver.store.keys import (
    KeyMissing,
    KeysUnusable,
    NoKey,
    SealBroken,
    add_first,
    create_file,
    is_key_id,
    new_key_id,
    parse_keys,
    read_keys,
)

SECRET = b64encode(bytes(range(32))).decode()


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


class TestForm:
    def test_the_first_line_is_the_current_key(self) -> None:
        ring = parse_keys(f"# ours\n\n{key('b').line}\n{key('a').line}\n", named="here")
        assert ring.current == key("b")
        assert ring.find("a") == key("a")

    def test_a_comma_ends_a_line_in_a_variable(self) -> None:
        ring = parse_keys(f"{key('b').line},{key('a').line}", named="PAM_RECEIVER_KEYS")
        assert [each.id for each in ring.keys] == ["b", "a"]

    @pytest.mark.parametrize(
        "line",
        [
            "k1",
            f"k1{SECRET}",
            "k1 c2hvcnQ=",
            f"k1 {SECRET}AAAA",
            f"k1 {SECRET[:-1]}",
            f"é {SECRET}",
            f"{'k' * 41} {SECRET}",
            f"k1 {SECRET[:5]}*{SECRET[6:]}",
            f".k {SECRET}",
        ],
    )
    def test_a_line_that_is_no_key_is_named_by_its_number_alone(self, line: str) -> None:
        with pytest.raises(KeysUnusable) as refused:
            parse_keys(f"{key('a').line}\n{line}\n", named="house.keys")
        for lang in ("fr", "en"):
            assert "house.keys" in refused.value.text(lang)
            assert " 2 :" in refused.value.text("fr")
            assert "line 2:" in refused.value.text("en")
            assert SECRET[:5] not in refused.value.text(lang)
            assert "c2hvcnQ" not in f"{refused.value!r} {refused.value}"

    @pytest.mark.parametrize("text", ["", "\n# nothing\n"])
    def test_no_key_at_all_is_refused(self, text: str) -> None:
        with pytest.raises(KeysUnusable, match="holds no key"):
            parse_keys(text, named="house.keys")

    def test_an_id_stands_once(self) -> None:
        with pytest.raises(KeysUnusable, match="the id a is there already"):
            parse_keys(f"{key('a').line}\n{key('a').line}\n", named="house.keys")

    def test_a_key_that_is_not_there(self) -> None:
        with pytest.raises(KeyMissing) as missing:
            parse_keys(key("a").line, named="here").find("b")
        assert missing.value.key_id == "b"

    def test_no_repr_shows_a_key(self) -> None:
        made = parse_keys(key("a").line, named="here")
        shown = f"{made!r} {made.current!r}"
        assert key("a").line.partition(" ")[2] not in shown
        assert repr(key("a").secret) not in shown


class TestFile:
    def test_it_is_made_for_its_owner_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "house.keys"
        create_file(file, key("a"))
        assert file.stat().st_mode & 0o777 == 0o600
        assert read_keys(file).keys == (key("a"),)

    def test_one_that_is_there_is_not_overwritten(self, tmp_path: Path) -> None:
        file = write(tmp_path / "house.keys", "precious")
        with pytest.raises(KeysUnusable):
            create_file(file, key("a"))
        assert file.read_text() == "precious"

    @pytest.mark.parametrize("mode", [0o604, 0o620, 0o602, 0o666, 0o644])
    def test_one_that_others_can_open_is_refused(self, tmp_path: Path, mode: int) -> None:
        file = write(tmp_path / "house.keys", key("a").line, mode)
        with pytest.raises(KeysUnusable, match="chmod 600"):
            read_keys(file)

    @pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
    def test_its_group_may_read_it(self, tmp_path: Path, mode: int) -> None:
        assert read_keys(write(tmp_path / "house.keys", key("a").line, mode)).keys == (key("a"),)

    def test_one_that_is_missing_or_no_text(self, tmp_path: Path) -> None:
        with pytest.raises(KeysUnusable, match="cannot be read"):
            read_keys(tmp_path / "none")
        binary = tmp_path / "binary"
        binary.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(KeysUnusable, match="no text"):
            read_keys(binary)


class TestRotation:
    def test_the_new_key_stands_first_and_nothing_else_changes(self, tmp_path: Path) -> None:
        file = write(tmp_path / "house.keys", f"# ours\n{key('a').line}\n", 0o640)
        add_first(file, key("b"))
        assert file.read_text() == f"{key('b').line}\n# ours\n{key('a').line}\n"
        assert file.stat().st_mode & 0o777 == 0o640
        assert os.listdir(tmp_path) == ["house.keys"]

    def test_through_a_link_the_file_itself_changes(self, tmp_path: Path) -> None:
        file = write(tmp_path / "real.keys", f"{key('a').line}\n")
        link = tmp_path / "house.keys"
        link.symlink_to(file)
        add_first(link, key("b"))
        assert link.is_symlink()
        assert read_keys(file).current == key("b")

    def test_a_file_that_is_none_stays_as_it_is(self, tmp_path: Path) -> None:
        file = write(tmp_path / "house.keys", "not a key\n")
        with pytest.raises(KeysUnusable):
            add_first(file, key("b"))
        assert file.read_text() == "not a key\n"
        assert os.listdir(tmp_path) == ["house.keys"]

    @pytest.mark.parametrize(
        ("taken", "made"),
        [
            ((), "2026-03-02"),
            (("2026-03-02",), "2026-03-02.2"),
            (("2026-03-02", "2026-03-02.2", "x"), "2026-03-02.3"),
        ],
    )
    def test_the_id_says_the_day(self, taken: tuple[str, ...], made: str) -> None:
        assert new_key_id(date(2026, 3, 2), taken) == made
        assert is_key_id(made)


@pytest.mark.parametrize("error", [KeyMissing("k9"), SealBroken("k9"), NoKey()])
def test_each_error_has_a_sentence_in_both_languages(error: KeyMissing | SealBroken | NoKey) -> None:
    assert error.text("fr") != error.text("en")
    assert str(error) == error.text("en")
    assert isinstance(error, NoKey) or "k9" in error.text("fr")
