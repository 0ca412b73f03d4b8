"""Which source a message belongs to."""

from zoneinfo import ZoneInfo

import pytest
from golden import adt
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver import sources as module
from pam_receiver.adt import ReadingRules
from pam_receiver.profile.load import load_profiles
from pam_receiver.sources import Source, Sources

READING = ReadingRules(accepts_processing_ids=frozenset("PTD"), timezone=ZoneInfo("Europe/Paris"))


def source(
    name: str, *, application: str | None = None, facility: str | None = None, port: int | None = None
) -> Source:
    return Source(name, load_profiles(), READING, application=application, facility=facility, port=port)


GENERAL = source("")


def found(*named: Source, raw: bytes = adt("7000101", "1"), port: int | None = None) -> str:
    return Sources(GENERAL, named).find(raw, port).name


class TestFind:
    """HL7 v2.5 §2.15.9.3, §2.15.9.4: MSH-3 and MSH-4 name the sender; here GAM of CHU-LYRE."""

    @pytest.mark.parametrize(
        ("application", "facility"),
        [("GAM", None), ("G*", None), ("?AM", None), (None, "CHU-*"), ("[FG]AM", "CHU-LYRE"), ("*", "*")],
    )
    def test_a_pattern_that_fits(self, application: str | None, facility: str | None) -> None:
        assert found(source("a", application=application, facility=facility)) == "a"

    @pytest.mark.parametrize(
        ("application", "facility"), [("gam", None), ("GA", None), (None, "LYRE"), ("GAM", "X*"), ("X", "CHU-LYRE")]
    )
    def test_a_pattern_that_does_not(self, application: str | None, facility: str | None) -> None:
        assert found(source("a", application=application, facility=facility)) == ""

    def test_the_first_that_fits_counts(self) -> None:
        assert found(source("a", application="X"), source("b", application="G*"), source("c", application="GAM")) == "b"

    @pytest.mark.parametrize(("port", "name"), [(2576, "a"), (2577, "b"), (2578, ""), (None, "")])
    def test_the_port(self, port: int | None, name: str) -> None:
        assert found(source("a", port=2576), source("b", port=2577), port=port) == name

    def test_all_that_a_source_names_must_fit(self) -> None:
        both = source("a", application="GAM", port=2576)
        assert found(both, port=2576) == "a"
        assert found(both, port=2575) == ""
        assert found(both, raw=b"MSH|^~\\&|LABO|CHU-LYRE|", port=2576) == ""

    def test_bytes_that_are_no_message_have_no_sender(self) -> None:
        assert found(source("a", application="GAM*"), raw=b"rubbish") == ""
        assert found(source("a", application="*"), raw=b"rubbish") == "a"
        assert found(source("a", port=2576), raw=b"", port=2576) == "a"

    def test_without_patterns_no_header_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(module, "read_sender_loosely")
        assert found() == ""
        assert found(source("a", port=2576), port=2576) == "a"
        assert found(source("a", application="GAM", port=2576), port=2575) == ""

    @given(st.binary(max_size=80), st.integers(0, 65535))
    def test_any_bytes_have_a_source(self, raw: bytes, port: int) -> None:
        assert found(source("a", application="GAM*", facility="*"), raw=b"MSH|^~\\&|" + raw, port=port) in ("", "a")
