"""Messages that were checked as ``check`` does, ready to be counted."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from pam_receiver.cli import parts
from pam_receiver.cli.morning import morning
from pam_receiver.config import Settings
from pam_receiver.report.entry import Entry
from pam_receiver.understand import check_file_message

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
Check = Callable[..., Entry]


@pytest.fixture(scope="session")
def check() -> Check:
    """Check one message of a file, under the settings of a test environment."""
    settings = Settings(environment="test")
    sources = parts.make_sources(settings)

    def go(raw: bytes, *, file: str = "flux/in.hl7", name: str = "in.hl7", number: int = 1) -> Entry:
        checked = check_file_message(raw, sources=sources, at=AT)
        return Entry(file, name, number, checked, raw)

    return go


@pytest.fixture(scope="session")
def scenes() -> dict[str, bytes]:
    """The messages of the demo, by name."""
    return {scene.name: scene.raw for scene in morning()}


@pytest.fixture
def morning_entries(check: Check, scenes: dict[str, bytes]) -> Iterator[Entry]:
    """The morning of the demo, as one file."""
    return (check(raw, number=number) for number, raw in enumerate(scenes.values(), 1))


def adt(
    *,
    event: str = "A28",
    control_id: str = "7",
    pid5: str = "KERGUELEN^ANNE^ANNE SOLENE MARIE^^^^L",
    pid8: str = "F",
    pid32: str = "PROV",
) -> bytes:
    """A message of an invented person, with what a test changes in it."""
    header = f"MSH|^~\\&|GAM|CHU-LYRE|PAM-RECEIVER|DMN|20260302081500+0100||ADT^{event}^ADT_A05|{control_id}|P"
    lines = (
        f"{header}|2.5^FRA^2.11|||||FRA|UNICODE UTF-8",
        "EVN||20260302081500+0100",
        f"PID|1||100^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI||{pid5}||19590123|{pid8}|||^^^^^^BDL^^44109{'|' * 21}{pid32}",
        "PV1|1|N",
    )
    return "".join(f"{line}\r" for line in lines).encode()
