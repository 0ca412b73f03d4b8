"""What is counted for Prometheus. Labels are bounded: events, rules, named sources; no value that a sender chose."""

import os
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    generate_latest,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from pam_receiver import __version__
from pam_receiver.receive import Outcome

EVENTS: Final = frozenset({*(f"A{number:02}" for number in range(1, 63)), "Z99"})
"""The trigger events that get a label of their own: the ADT ones of HL7 v2.5 table 0003, and Z99 of PAM FR."""

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_BATCH_SIZES: Final[Sequence[float]] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS: Final[Sequence[float]] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)


def share(folder: Path, name: str) -> None:
    """Keep what this process counts in files of ``folder``, from now on; to be called before its first counter is made.

    ``name``: of no other process that runs. One of the same name goes on where it ended, so that no count ever falls.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]


def forget(folder: Path, name: str) -> None:
    """Let go of what is true of a running process alone, now that the one of this name has ended: not of its counts."""
    mark_process_dead(name, str(folder))  # type: ignore[no-untyped-call]


class Metrics:
    """The counters of one daemon, in a registry of their own: two daemons in one process do not meet.

    ``shared``: the folder in which several processes count (see :func:`share`); what is shown is the sum of all.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._registry = registry = CollectorRegistry()
        self._new_findings: Tally[tuple[str, str]] = Tally()  # of a batch: the messages of a feed break the same rules
        self._found: dict[tuple[object, ...], Counter] = {}  # as many as there are labels, which are bounded
        self._shown = registry
        if shared is None:
            ProcessCollector(registry=registry)
        else:
            self._shown = CollectorRegistry()
            self._shown.register(_Shared(shared))
            self._shown.register(_Processes())
        build = Info("pam_receiver_build", "The running version.", registry=self._shown)
        build.info({"version": __version__})
        self._listening = Gauge(
            "pam_receiver_workers",
            "Processes that take MLLP connections.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._count_messages(registry)
        self._count_connections(registry)
        self._count_certificates(registry)
        self._http_refused = Counter(
            "pam_receiver_http_refused_total",
            "HTTP requests that were not let in, by reason.",
            ("reason",),
            registry=registry,
        )

    def _count_messages(self, registry: CollectorRegistry) -> None:
        self._messages = Counter(
            "pam_receiver_messages_total",
            "Messages kept in the journal, by trigger event and acknowledgement code.",
            ("event", "ack"),
            registry=registry,
        )
        self._source_messages = Counter(
            "pam_receiver_source_messages_total",
            "Messages kept in the journal that belong to a [[source]], by its name and acknowledgement code.",
            ("source", "ack"),
            registry=registry,
        )
        self._findings = Counter(
            "pam_receiver_findings_total", "Findings, by rule and severity.", ("rule", "severity"), registry=registry
        )
        self._alert_rules: set[str] = set()
        self._open_alerts = Gauge(
            "pam_receiver_open_alerts",
            "Alerts that are open, by rule; read once a minute.",
            ("rule",),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._repeats = Counter(
            "pam_receiver_repeats_total", "Messages answered again with their stored ACK.", registry=registry
        )
        self._given_up = Counter(
            "pam_receiver_given_up_total", "Messages read and left without an answer.", registry=registry
        )
        self._store_retries = Counter(
            "pam_receiver_store_retries_total", "Batches that found the store away.", registry=registry
        )
        self._batch_size = Histogram(
            "pam_receiver_batch_size", "Messages in one transaction.", buckets=_BATCH_SIZES, registry=registry
        )
        self._answer_seconds = Histogram(
            "pam_receiver_answer_seconds",
            "Seconds from a message read whole to its outcome committed.",
            buckets=_SECONDS,
            registry=registry,
        )

    def _count_connections(self, registry: CollectorRegistry) -> None:
        self._connections = Gauge(
            "pam_receiver_open_connections",
            "MLLP connections open now.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._connections_total = Counter(
            "pam_receiver_connections_total", "MLLP connections taken, probes included.", registry=registry
        )
        self._probes = Counter(
            "pam_receiver_probes_total", "MLLP connections closed without a byte.", registry=registry
        )
        self._refused = Counter(
            "pam_receiver_connections_refused_total", "MLLP connections over the limit, closed.", registry=registry
        )
        self._not_admitted = Counter(
            "pam_receiver_connections_not_admitted_total",
            "MLLP connections that may not send, by reason: the address (network) or the TLS handshake (tls).",
            ("reason",),
            registry=registry,
        )
        self._limits = Counter(
            "pam_receiver_limits_reached_total",
            "Times that a limit of an MLLP listener was reached, by limit.",
            ("limit",),
            registry=registry,
        )
        self._skipped = Counter(
            "pam_receiver_skipped_bytes_total", "Bytes outside MLLP blocks, thrown away.", registry=registry
        )
        self._unfinished = Counter(
            "pam_receiver_unfinished_blocks_total", "MLLP blocks begun and never ended.", registry=registry
        )

    def _count_certificates(self, registry: CollectorRegistry) -> None:
        self._expiry = Gauge(
            "pam_receiver_certificate_expiry_timestamp_seconds",
            "When a certificate ends (Unix time), by address listened on and file.",
            ("listener", "file"),
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._reloads = Counter(
            "pam_receiver_certificate_reloads_total",
            "Times that certificates were read again; result: used, or refused and those before kept.",
            ("result",),
            registry=registry,
        )

    def count_outcome(self, outcome: Outcome, took_s: float) -> None:
        """Count a message that is in the journal, with its findings; ``took_s``: seconds since it was read."""
        event = outcome.event if outcome.event in EVENTS else "other"
        self._one(self._messages, event, outcome.ack_code).inc()
        if outcome.source:
            self._one(self._source_messages, outcome.source, outcome.ack_code).inc()
        self._new_findings.update(outcome.rules)
        if outcome.is_repeat:
            self._repeats.inc()
        self._answer_seconds.observe(took_s)

    def _one(self, counter: Counter, *labels: str) -> Counter:
        """Return the counter with these labels, which the library takes longer to find than to count."""
        key = (counter, *labels)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = counter.labels(*labels)
        return found

    def messages_by_source(self) -> dict[str, float]:
        """Return how many messages of each named source are in the journal, since this daemon began."""
        found: dict[str, float] = {}
        for labels, value in self._read("pam_receiver_source_messages_total"):
            found[labels["source"]] = found.get(labels["source"], 0.0) + value
        return found

    def _read(self, name: str) -> Iterable[tuple[Mapping[str, str], float]]:
        """Return the labels and the value of each sample of this name, of all processes."""
        for metric in self._shown.collect():
            for sample in metric.samples:
                if sample.name == name:
                    yield sample.labels, sample.value

    def show_listening(self, is_listening: bool) -> None:
        """Show whether this process takes MLLP connections."""
        self._listening.set(is_listening)

    @property
    def listening(self) -> int:
        """How many processes take MLLP connections."""
        return int(sum(value for _, value in self._read("pam_receiver_workers")))

    def show_open_alerts(self, by_rule: Mapping[str, int]) -> None:
        """Show how many alerts are open, by rule; a rule of which none is open any more has 0."""
        self._alert_rules |= by_rule.keys()
        for rule in self._alert_rules:
            self._open_alerts.labels(rule).set(by_rule.get(rule, 0))

    def count_batch(self, size: int) -> None:
        """Count a batch of which every outcome has been counted."""
        self._batch_size.observe(size)
        self._count_findings()

    def _count_findings(self) -> None:
        for (rule, severity), count in self._new_findings.items():
            self._one(self._findings, rule, severity).inc(count)
        self._new_findings.clear()

    def count_store_retry(self) -> None:
        self._store_retries.inc()

    def count_given_up(self) -> None:
        self._given_up.inc()

    def count_connection(self) -> None:
        """Count a connection taken; it is open until :meth:`count_closed`."""
        self._connections.inc()
        self._connections_total.inc()

    def count_closed(self, *, is_probe: bool) -> None:
        """Count the end of a connection; ``is_probe``: not a byte came in."""
        self._connections.dec()
        if is_probe:
            self._probes.inc()

    def count_refused(self) -> None:
        self._refused.inc()

    def count_http_refused(self, reason: str) -> None:
        """Count an HTTP request that was not let in; ``reason``: one of the words of ``web/auth.py``."""
        self._http_refused.labels(reason).inc()

    def count_not_admitted(self, reason: Literal["network", "tls"]) -> None:
        """Count a connection that was closed before anything of it was read."""
        self._not_admitted.labels(reason).inc()

    def count_limit(self, limit: str) -> None:
        """Count that a limit was reached; ``limit``: its setting, or ``files`` for those of the system."""
        self._limits.labels(limit).inc()

    def set_certificate_expiry(self, listener: str, file: str, at: datetime) -> None:
        """Say when a certificate ends; ``file``: which of those of the listener."""
        self._expiry.labels(listener, file).set(at.timestamp())

    def count_certificate_reload(self, *, is_good: bool) -> None:
        self._reloads.labels("used" if is_good else "refused").inc()

    def count_skipped(self, size: int) -> None:
        self._skipped.inc(size)

    def count_unfinished(self, blocks: int) -> None:
        self._unfinished.inc(blocks)

    def render(self) -> bytes:
        """Write all counters in the text format of Prometheus (:data:`CONTENT_TYPE`)."""
        self._count_findings()
        return generate_latest(self._shown)


class _Shared(Collector):
    """The counts of all processes that share a folder, added up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        # A file that is being made is empty for a moment, and holds no count yet; one that is gone is passed over.
        files = [str(each) for each in self._folder.glob("*.db") if _size(each)]
        found: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return found


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


class _Processes(Collector):
    """The ``process_`` metrics, of the supervisor and all processes that it has started, added up."""

    def collect(self) -> Iterable[Metric]:
        added: dict[str, Metric] = {}
        totals: dict[str, float] = {}
        for pid in _family(os.getppid()):
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                added.setdefault(metric.name, metric)
                for sample in metric.samples:
                    before = totals.get(sample.name)
                    if before is None:
                        totals[sample.name] = sample.value
                    elif sample.name == "process_start_time_seconds":
                        totals[sample.name] = min(before, sample.value)
                    else:
                        totals[sample.name] = before + sample.value
        for metric in added.values():
            metric.samples = [sample._replace(value=totals[sample.name]) for sample in metric.samples]
            yield metric


def _family(parent: int) -> list[int]:
    """Return a process and its children; at least this one."""
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    except OSError:  # a system without it
        return [os.getpid()]
    return [parent, *map(int, children.split())]
