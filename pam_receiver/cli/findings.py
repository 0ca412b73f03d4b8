"""How findings are shown: as JSON, and as rows of a table."""

from collections.abc import Sequence

from pam_receiver.cli.texts import text
from pam_receiver.finding import Finding, Lang


def finding_json(finding: Finding, lang: Lang) -> dict[str, object]:
    """Return one finding."""
    return {
        "severity": finding.severity.value,
        "code": int(finding.code),
        "location": str(finding.at) if finding.at else None,
        "rule": finding.rule,
        "text": finding.text(lang),
        "spec": finding.spec,
    }


def finding_headers(lang: Lang) -> list[str]:
    """Return the headers over :func:`finding_rows`."""
    return [text(f"column.{key}", lang) for key in ("severity", "code", "location", "rule", "text", "spec")]


def finding_rows(findings: Sequence[Finding], lang: Lang) -> list[list[str]]:
    """Return one row of a table for each finding, in the order of the message."""
    return [
        [f.severity.value, str(int(f.code)), str(f.at) if f.at else "", f.rule, f.text(lang), f.spec] for f in findings
    ]
