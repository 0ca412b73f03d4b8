"""Every act that the code writes to the trail has its audit event, and its line in the documentation."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

import pam_receiver
from pam_receiver.adt.events import EVENTS, LINK_EVENTS
from pam_receiver.atna.codes import ITI_30, ITI_31, KINDS, RESTRICTED_FUNCTION, kind_of, transaction_of

PACKAGE: Final = Path(pam_receiver.__file__).parent
PAGE: Final = PACKAGE.parent / "docs" / "reference" / "audit-trail.md"
NAMED: Final = {"read", "search", "disclose", "export", "unmerge", "alert-close", "alert-acknowledge"}  # by a constant


def written() -> set[str]:
    """The words that stand in a call of AuditEvent."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "AuditEvent" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


class TestKinds:
    def test_each_act_that_is_written_has_one(self) -> None:
        assert {"erase", "prune", "backup", "restore", "login", "token-create"} <= written()
        assert written() | NAMED == set(KINDS)

    def test_each_has_its_line_on_the_page(self) -> None:
        rows = re.findall(
            r"^\| `([a-z-]+)` \| .* \| (1101[0-9]{2}) .*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert dict(rows) == {action: kind.event.code for action, kind in KINDS.items()}

    def test_one_that_nobody_listed_is_the_use_of_a_restricted_function(self) -> None:
        assert kind_of("something-new").types == (RESTRICTED_FUNCTION,)


class TestTransactions:
    @pytest.mark.parametrize("event", sorted({*EVENTS, *LINK_EVENTS, ""}))
    def test_each_event_belongs_to_one(self, event: str) -> None:
        identity = {"A28", "A29", "A31", "A40", "A47", "A08", "A24", "A37", ""}
        assert transaction_of(event) == (ITI_30 if event in identity else ITI_31)
