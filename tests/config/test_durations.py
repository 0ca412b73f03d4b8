"""Durations: a whole number and its unit."""

from datetime import timedelta

import pytest

from pam_receiver.config import SettingsError, load_settings
from pam_receiver.config.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90d", timedelta(days=90)),
        ("12w", timedelta(weeks=12)),
        ("2h", timedelta(hours=2)),
        ("30m", timedelta(minutes=30)),
        (" 1s ", timedelta(seconds=1)),
        ("36500d", timedelta(days=36500)),
    ],
)
def test_a_duration(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "-1d", "1.5d", "1 d", "90D", "36501d", "١d", "1y"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


class TestRetention:
    @pytest.mark.parametrize(("word", "kept"), [("90d", timedelta(days=90)), ("off", None), ("OFF", None)])
    def test_from_a_setting(self, monkeypatch: pytest.MonkeyPatch, word: str, kept: timedelta | None) -> None:
        monkeypatch.setenv("PAM_RECEIVER_JOURNAL_RETENTION", word)
        assert load_settings().journal_retention == kept

    @pytest.mark.parametrize("word", ["23h", "90", "never"])
    def test_less_than_a_day_or_none_is_refused(self, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
        monkeypatch.setenv("PAM_RECEIVER_JOURNAL_RETENTION", word)
        with pytest.raises(SettingsError, match="PAM_RECEIVER_JOURNAL_RETENTION"):
            load_settings()

    def test_never_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PAM_RECEIVER_JOURNAL_RETENTION", raising=False)
        assert load_settings().journal_retention is None
