"""What the tests of the fault suite share; a run in full, or with ``-v``, says its figures at the end."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from faults import scale
from faults.ledger import Effects, effects_without_fault
from faults.traffic import Sent

_FIGURES = "figures"  # a property of a test, which reaches the process that reports also when several run tests


@pytest.fixture
def without_fault(tmp_path: Path, sqlite_template: Path) -> Callable[[Sequence[Sent]], Effects]:
    """What messages do when nothing goes wrong."""

    def give(messages: Sequence[Sent]) -> Effects:
        return effects_without_fault(messages, tmp_path / "without-fault.db", sqlite_template)

    return give


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep a line of figures for the end of the run."""

    def keep(line: str) -> None:
        request.node.user_properties.append((_FIGURES, f"{request.node.name}: {line}"))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = [each for outcome in ("passed", "failed") for each in terminalreporter.getreports(outcome)]
    figures = [line for each in reports for name, line in each.user_properties if name == _FIGURES]
    if figures and (scale.IS_FULL or config.get_verbosity() > 0):
        terminalreporter.section("figures of the fault suite")
        for line in figures:
            terminalreporter.write_line(line)
