"""The report as JSON, for a script. The names are a contract: more keys may be added, none goes or changes."""

from datetime import UTC, datetime

from pam_receiver import __version__
from pam_receiver.finding import Lang
from pam_receiver.report.summary import EventCount, Example, Fix, Group, Summary


def summary_json(summary: Summary, lang: Lang, *, at: datetime) -> dict[str, object]:
    """Return what ``--report FILE.json`` writes."""
    return {
        "made_at": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "version": __version__,
        "masked": summary.is_masked,
        "files": summary.files,
        "messages": summary.messages,
        "unreadable": summary.unreadable,
        "errors": summary.errors,
        "warnings": summary.warnings,
        "first_sent": summary.first_sent or None,
        "last_sent": summary.last_sent or None,
        "acks": _acks_json(summary.total),
        "events": [
            {"event": each.event, "messages": each.messages, "acks": _acks_json(each)} for each in summary.events
        ],
        "profiles": [{"profile": name, "messages": count} for name, count in summary.profiles],
        "senders": [{"sender": name, "messages": count} for name, count in summary.senders],
        "sources": [{"source": name or None, "messages": count} for name, count in summary.sources],
        "fix_first": [_fix_json(fix) for fix in summary.fixes],
        "findings": [_group_json(group, lang) for group in summary.groups],
        "findings_not_listed": summary.more_groups,
        "problems": [{"text": each.text, "count": each.count} for each in summary.troubles],
        "problems_not_listed": summary.more_troubles,
    }


def _acks_json(count: EventCount) -> dict[str, int]:
    return {
        "AA": count.accepted + count.warned,
        "AA_with_warnings": count.warned,
        "AE": count.in_error,
        "AR": count.rejected,
    }


def _fix_json(fix: Fix) -> dict[str, object]:
    return {"rule": fix.rule, "refuses": fix.refuses, "messages": fix.messages}


def _group_json(group: Group, lang: Lang) -> dict[str, object]:
    return {
        "rule": group.rule,
        "location": group.at or None,
        "severity": group.severity.value,
        "code": group.code,
        "count": group.count,
        "messages": group.messages,
        "text": group.text(lang),
        "spec": group.spec,
        "right_form": group.right_form or None,
        "examples": [_example_json(each) for each in group.examples],
    }


def _example_json(example: Example) -> dict[str, object]:
    return {
        "file": example.file,
        "message": example.number,
        "control_id": example.control_id,
        "location": example.at or None,
        "value": example.value,
    }
