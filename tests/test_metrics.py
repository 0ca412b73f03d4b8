"""The counters: bounded labels, and no registry shared between two daemons."""

from dataclasses import replace

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
