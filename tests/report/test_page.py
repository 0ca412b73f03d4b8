"""The page: whole, in two languages, safe to open whatever the messages hold, and fetching nothing."""

import re
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Literal

import pytest

from pam_receiver import __version__
from pam_receiver.report.entry import Entry
from pam_receiver.report.page import render_page
from pam_receiver.report.tally import Tally

from .conftest import AT, Check, adt

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Outline(HTMLParser):
    """The tags of a page with their attributes, its text, and what was closed out of turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.wrong += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data


def page(
    entries: Iterable[Entry],
    *,
    lang: Literal["fr", "en"] = "fr",
    is_masked: bool = True,
    subjects: tuple[str, ...] = ("flux",),
) -> str:
    tally = Tally(is_masked=is_masked)
    for entry in entries:
        tally.add(entry)
    return render_page(tally.summary(), subjects=subjects, at=AT, lang=lang)


class TestForm:
    def test_it_is_well_formed_and_says_its_language(self, morning_entries: Iterable[Entry]) -> None:
        outline = Outline(page(morning_entries))
        assert outline.wrong == []
        assert dict(outline.tags)["html"] == {"lang": "fr"}

    def test_nothing_is_fetched(self, morning_entries: Iterable[Entry]) -> None:
        said = page(morning_entries)
        outline = Outline(said)
        assert {tag for tag, _ in outline.tags} & {"script", "link", "img", "iframe", "object", "a", "form"} == set()
        assert not any({"src", "href", "srcset", "action"} & set(attributes) for _, attributes in outline.tags)
        assert re.search(r"url\(|@import|https?:", said) is None
        assert any(each.get("content") == "default-src 'none'; style-src 'unsafe-inline'" for _, each in outline.tags)

    def test_tables_can_be_read_aloud(self, morning_entries: Iterable[Entry]) -> None:
        tags = Outline(page(morning_entries)).tags
        assert all(attributes.get("scope") in {"col", "row"} for tag, attributes in tags if tag == "th")
        named = {attributes["id"] for tag, attributes in tags if tag == "h2"}
        assert {attributes["aria-labelledby"] for tag, attributes in tags if tag == "section"} == named

    def test_it_prints(self, morning_entries: Iterable[Entry]) -> None:
        said = page(morning_entries)
        assert "@media print" in said
        assert "size: A4" in said


class TestContent:
    def test_of_the_morning(self, morning_entries: Iterable[Entry]) -> None:
        text = Outline(page(morning_entries)).text
        assert "Sur 22 message(s), 2 (9,1\u202f%) seraient refusés (AE ou AR)." in text
        assert "flux – 1 fichier(s), 22 message(s)" in text
        assert f"pam-receiver {__version__}" in text
        assert "02/03/2026" in text
        assert "qualified-trait-missing" in text
        assert text.index("À corriger d'abord") < text.index("Par événement") < text.index("Constats par règle")

    def test_french_signs_are_kept_with_their_words(self, check: Check, morning_entries: Iterable[Entry]) -> None:
        entries = [*morning_entries, check(adt(event="A08", pid32="QUAL")), check(b"MSH|\rPID|1\r")]
        text = Outline(page(entries)).text
        assert text.count("\u00a0:") > 10
        assert re.findall(r".{20} [:;?!»]|« .{20}", text) == []

    def test_the_messages_of_each_source(self, check: Check) -> None:
        entry = check(adt())
        assert entry.checked is not None
        named = replace(entry, checked=replace(entry.checked, source="<gam>"))
        text = Outline(page([named, named, entry])).text
        assert re.search(
            r"Par source des réglages\s+Source\s*Messages\s+<gam>2\s+\(aucune\W: réglages généraux\)1", text
        )
        assert "Par source" not in Outline(page([named])).text

    def test_in_english(self, morning_entries: Iterable[Entry]) -> None:
        text = Outline(page(morning_entries, lang="en")).text
        assert "Of 22 message(s), 2 (9.1%) would be refused (AE or AR)." in text
        assert "Fix first" in text

    @pytest.mark.parametrize(
        ("raws", "said"),
        [
            ([], "Aucun message n'a été lu."),
            ([adt(pid32="VALIDE")], "1 message(s), tous acceptés (AA), dont 1 avec au moins un avertissement."),
            ([adt(event="A08")], "Sur 1 message(s), 1 (100\u202f%) seraient refusés (AE ou AR)."),
        ],
    )
    def test_the_verdict(self, check: Check, raws: list[bytes], said: str) -> None:
        assert said in Outline(page(check(raw) for raw in raws)).text

    def test_what_could_not_be_read(self) -> None:
        text = Outline(page([Entry("x.hl7", "x.hl7", 0, None, problem="x.hl7 : pourquoi.", count=3)])).text
        assert "3 élément(s) n'ont pas pu être lus." in text
        assert "x.hl7 : pourquoi." in text

    def test_a_day_that_is_none_is_shown_as_it_stands(self, check: Check) -> None:
        assert "2026-99-99" in Outline(page([check(adt().replace(b"20260302081500", b"20269999"))])).text


HOSTILE = "<script>alert(1)</script>\"'><img src=x>"


class TestHostile:
    """What a message, a file or a folder holds is text, never markup."""

    @pytest.mark.parametrize("is_masked", [True, False])
    def test_markup_in_a_message(self, check: Check, is_masked: bool) -> None:
        hl7 = HOSTILE.replace("&", "")
        raw = adt(pid32=hl7, pid8=hl7, control_id=hl7).replace(b"|GAM|CHU-LYRE|", f"|{hl7}|CHU-LYRE|".encode())
        said = page([check(raw, name=f"{HOSTILE}.hl7")], is_masked=is_masked, subjects=(HOSTILE,))
        tags = {tag for tag, _ in Outline(said).tags}
        assert not tags & {"script", "img"}
        assert ("<script>" in Outline(said).text) is True

    def test_markup_in_a_sentence(self) -> None:
        said = page([Entry("x", HOSTILE, 0, None, problem=HOSTILE)])
        assert not {tag for tag, _ in Outline(said).tags} & {"script", "img"}


class TestMask:
    def test_nothing_of_the_patient_without_the_word(self, check: Check) -> None:
        raw = adt(pid5="ROPARTZ^ANNE^ANNE^^^^L", pid8="Ropartz", pid32="19590123")
        masked, shown = (Outline(page([check(raw, name="ropartz.hl7")], is_masked=each)).text for each in (True, False))
        assert re.search("ropartz|19590123", masked, re.IGNORECASE) is None
        assert {"Ropartz", "ropartz.hl7", "19590123"} <= set(re.findall(r"[\w.]+", shown))
        assert "Données de patient masquées" in masked
        assert "Ce rapport contient des données de patient" in shown
