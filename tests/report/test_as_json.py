"""The totals for a script."""

import json
from collections.abc import Iterable

from pam_receiver import __version__
from pam_receiver.report.as_json import summary_json
from pam_receiver.report.entry import Entry
from pam_receiver.report.tally import Tally

from .conftest import AT, Check, adt


class TestSummary:
    def test_of_the_morning(self, morning_entries: Iterable[Entry]) -> None:
        tally = Tally()
        for entry in morning_entries:
            tally.add(entry)
        said = json.loads(json.dumps(summary_json(tally.summary(), "en", at=AT)))
        assert said["made_at"] == "2026-03-02T08:00:00.000Z"
        assert (said["version"], said["masked"]) == (__version__, True)
        assert (said["files"], said["messages"], said["unreadable"]) == (1, 22, 0)
        assert said["acks"]["AA"] + said["acks"]["AE"] + said["acks"]["AR"] == 22
        assert sum(each["messages"] for each in said["events"]) == 22
        assert said["sources"] == [{"source": None, "messages": 22}]
        assert said["fix_first"][0]["refuses"] is True
        assert said["findings"][0]["severity"] == "E"
        assert {"file", "message", "control_id", "location", "value"} == set(said["findings"][0]["examples"][0])

    def test_the_language_is_that_of_the_sentences(self, check: Check) -> None:
        tally = Tally()
        tally.add(check(adt(event="A08")))
        texts = [summary_json(tally.summary(), lang, at=AT)["findings"][0]["text"] for lang in ("fr", "en")]  # type: ignore[index]
        assert texts[0] != texts[1]

    def test_nothing_is_null(self) -> None:
        said = summary_json(Tally().summary(), "en", at=AT)
        assert (said["messages"], said["first_sent"], said["findings"]) == (0, None, [])
