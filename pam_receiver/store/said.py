"""Findings as the journal keeps them: each sentence once in ``said``, and beside each message where it was said.

A feed breaks the same few rules in every message. In the journal a finding is ``[rule, severity, digest, segment,
sequence, field, repetition, component, subcomponent]``, without the last six when it has no place; up to revision 0001
it was the whole of :func:`pam_receiver.store.rows.finding_json`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, select

from pam_receiver.finding import ErrorCode, Finding, Location, Remembered, Severity
from pam_receiver.store.json_text import JsonText
from pam_receiver.store.rows import Values, finding_from_json
from pam_receiver.store.schema import said

_Kept = list[Any] | dict[str, Any]  # Any: JSON values


@lru_cache(maxsize=4096)  # no finding holds patient data
def _keep(finding: Finding) -> tuple[str, str, Values]:
    """Return what stands beside the message, and the row of ``said`` with its key: SHA-256 of it, 32 signs in hex."""
    words = [finding.rule, int(finding.code), finding.severity.value, finding.fr, finding.en, finding.spec]
    digest = sha256(json.dumps(words).encode()).hexdigest()[:32]
    names = ("rule", "code", "severity", "fr", "en", "spec")
    place = astuple(finding.at) if finding.at is not None else ()
    text = json.dumps([finding.rule, finding.severity.value, digest, *place], separators=(",", ":"))
    return text, digest, {"digest": digest, **dict(zip(names, words, strict=True))}


_KEPT: Final = Remembered[tuple[JsonText, dict[str, Values]]]()


def keep_findings(findings: tuple[Finding, ...], sentences: dict[str, Values]) -> JsonText:
    """Return the findings of a message for its row, and add to ``sentences`` the rows of ``said`` that they name."""
    kept = _KEPT.find(findings)
    if kept is None:
        made = [_keep(finding) for finding in findings]
        text = JsonText(f"[{','.join([text for text, _, _ in made])}]")
        kept = _KEPT.keep((text, {digest: row for _, digest, row in made}), findings)
    sentences.update(kept[1])
    return kept[0]


def rules_of(findings: Iterable[_Kept]) -> Iterator[tuple[str, str]]:
    """Give the rule and the severity of each finding of a row of ``message``."""
    for each in findings:
        yield (each["rule"], each["severity"]) if isinstance(each, dict) else (each[0], each[1])


def read_findings(connection: Connection, rows: Sequence[Iterable[_Kept]]) -> list[tuple[Finding, ...]]:
    """Return the findings of several rows of ``message``, with their sentences."""
    digests = {each[2] for findings in rows for each in findings if isinstance(each, list)}
    found = connection.execute(_SAID.where(said.c.digest.in_(digests))).all() if digests else ()
    sentences = {row.digest: row for row in found}
    return [tuple(_read(each, sentences) for each in findings) for findings in rows]


_SAID: Final = select(said)


def _read(kept: _Kept, sentences: Mapping[str, Any]) -> Finding:
    if isinstance(kept, dict):
        return finding_from_json(kept)
    row = sentences[kept[2]]
    return Finding(
        rule=row.rule,
        code=ErrorCode(row.code),
        severity=Severity(row.severity),
        at=Location(*kept[3:]) if len(kept) > 3 else None,
        fr=row.fr,
        en=row.en,
        spec=row.spec,
    )
