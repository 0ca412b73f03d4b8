"""The counters: bounded labels, and no registry shared between two daemons."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pam_receiver import __version__
from pam_receiver.metrics import CONTENT_TYPE, Metrics
from pam_receiver.receive import Outcome


def outcome(event: str, *, is_repeat: bool = False) -> Outcome:
    return Outcome(ack=b"", ack_code="AE", event=event, control_id="1", message_id="m", rules=(), is_repeat=is_repeat)


@pytest.mark.parametrize(
    ("event", "label"), [("A28", "A28"), ("Z99", "Z99"), ("", "other"), ("KERGUELEN", "other"), ("A63", "other")]
)
def test_an_event_has_a_label_only_when_the_standard_knows_it(event: str, label: str) -> None:
    metrics = Metrics()
    metrics.count_outcome(outcome(event), 0.01)
    text = metrics.render().decode()
    assert f'pam_receiver_messages_total{{ack="AE",event="{label}"}} 1.0' in text
    assert "KERGUELEN" not in text


def test_repeats_and_time_are_counted() -> None:
    metrics = Metrics()
    metrics.count_outcome(outcome("A31", is_repeat=True), 0.3)
    metrics.count_outcome(outcome("A31"), 0.003)
    text = metrics.render().decode()
    assert "pam_receiver_repeats_total 1.0" in text
    assert 'pam_receiver_answer_seconds_bucket{le="0.005"} 1.0' in text
    assert "pam_receiver_answer_seconds_count 2.0" in text


def test_messages_of_a_named_source_are_counted_by_its_name() -> None:
    metrics = Metrics()
    metrics.count_outcome(replace(outcome("A28"), source="chu-x"), 0.01)
    metrics.count_outcome(outcome("A28"), 0.01)
    lines = metrics.render().decode().splitlines()
    assert 'pam_receiver_source_messages_total{ack="AE",source="chu-x"} 1.0' in lines
    assert 'pam_receiver_messages_total{ack="AE",event="A28"} 2.0' in lines
    assert sum(line.startswith("pam_receiver_source_messages_total{") for line in lines) == 1


def test_connections_open_and_taken_are_two_figures() -> None:
    metrics = Metrics()
    metrics.count_connection()
    metrics.count_connection()
    metrics.count_closed(is_probe=True)
    metrics.count_refused()
    metrics.count_skipped(7)
    metrics.count_unfinished(2)
    lines = metrics.render().decode().splitlines()
    assert {
        "pam_receiver_open_connections 1.0",
        "pam_receiver_connections_total 2.0",
        "pam_receiver_probes_total 1.0",
        "pam_receiver_connections_refused_total 1.0",
        "pam_receiver_skipped_bytes_total 7.0",
        "pam_receiver_unfinished_blocks_total 2.0",
    } <= set(lines)


def test_two_daemons_in_one_process_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.count_store_retry()
    assert "pam_receiver_store_retries_total 1.0" in one.render().decode()
    assert "pam_receiver_store_retries_total 0.0" in other.render().decode()


def test_the_running_version_is_said_in_the_format_of_prometheus() -> None:
    assert f'pam_receiver_build_info{{version="{__version__}"}} 1.0' in Metrics().render().decode()
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


COUNTING = """
import sys
from pathlib import Path
from pam_receiver.metrics import Metrics, share
from pam_receiver.receive import Outcome
folder, name, source, kept = Path(sys.argv[1]), *sys.argv[2:]
share(folder, name)
metrics = Metrics(folder)
metrics.show_listening(True)
metrics.count_connection()
for _ in range(int(kept)):
    metrics.count_outcome(Outcome(b"", "AA", "A28", "1", "m", source=source), 0.003)
"""
SHOWING = """
import sys
from pathlib import Path
from pam_receiver.metrics import Metrics, forget, share
folder, gone = Path(sys.argv[1]), sys.argv[2:]
share(folder, "monitor")
for each in gone:
    forget(folder, each)
metrics = Metrics(folder)
print(metrics.listening, metrics.messages_by_source())
sys.stdout.flush()
sys.stdout.buffer.write(metrics.render())
"""


class TestSeveral:
    """Several processes count in one folder, and one of them shows the sum."""

    def go(self, script: str, folder: Path, *words: str) -> list[str]:
        command = [sys.executable, "-c", script, str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    def test_the_sum_of_all(self, tmp_path: Path) -> None:
        self.go(COUNTING, tmp_path, "1", "gam", "2")
        self.go(COUNTING, tmp_path, "2", "gam", "3")
        (tmp_path / "counter_3.db").touch()  # of one that has just begun
        said = self.go(SHOWING, tmp_path)
        assert said[0] == "2 {'gam': 5.0}"
        assert 'pam_receiver_messages_total{ack="AA",event="A28"} 5.0' in said
        assert 'pam_receiver_answer_seconds_bucket{le="0.005"} 5.0' in said
        assert "pam_receiver_open_connections 2.0" in said
        assert f'pam_receiver_build_info{{version="{__version__}"}} 1.0' in said
        assert any(line.startswith("process_resident_memory_bytes ") for line in said)
        assert "# HELP pam_receiver_repeats_total Messages answered again with their stored ACK." in said

    def test_one_that_ended_is_counted_on_and_no_longer_listens(self, tmp_path: Path) -> None:
        self.go(COUNTING, tmp_path, "1", "gam", "2")
        assert self.go(SHOWING, tmp_path, "1")[0] == "0 {'gam': 2.0}"
        self.go(COUNTING, tmp_path, "1", "gam", "3")
        said = self.go(SHOWING, tmp_path)
        assert said[0] == "1 {'gam': 5.0}"
        assert "pam_receiver_open_connections 1.0" in said
