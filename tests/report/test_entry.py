"""One message of a file as it was checked."""

from pam_receiver.finding import ErrorCode, Rule, Severity
from pam_receiver.report.entry import Entry
from pam_receiver.understand import Checked


class TestOrder:
    def test_findings_stand_as_in_the_ack(self) -> None:
        severities = (Severity.I, Severity.W, Severity.E, Severity.W, Severity.E)
        found = tuple(
            Rule(f"rule-{number}", ErrorCode.TABLE_VALUE, severity, "fr", "en", "HL7 v2.5").at(None)
            for number, severity in enumerate(severities)
        )
        entry = Entry("x.hl7", "x.hl7", 1, Checked(findings=found, event="A28", control_id="1", unreadable=False))
        assert [finding.rule for finding in entry.findings] == ["rule-2", "rule-4", "rule-1", "rule-3", "rule-0"]


class TestUnreadable:
    def test_a_piece_that_is_no_message(self) -> None:
        entry = Entry("x.hl7", "x.hl7", 0, None, problem="why")
        assert entry.is_unreadable
        assert entry.findings == ()

    def test_no_content_is_shown(self) -> None:
        assert "KERGUELEN" not in repr(Entry("x.hl7", "x.hl7", 1, None, b"PID|1||||KERGUELEN"))
