"""What is counted for Prometheus. Labels are bounded: events, rules, named sources; no value that a sender chose."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from pam_receiver import __version__
from pam_receiver.receive import Outcome

EVENTS: Final = frozenset({*(f"A{number:02}" for number in range(1, 63)), "Z99"})
"""The trigger events that get a label of their own: the ADT ones of HL7 v2.5 table 0003, and Z99 of PAM FR."""

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)


class Metrics:
    """The counters of one daemon, in a registry of their own: two daemons in one process do not meet."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._found: dict[tuple[object, ...], Counter] = {}  # as many as there are labels, which are bounded
        ProcessCollector(registry=registry)
        build = Info("pam_receiver_build", "The running version.", registry=registry)
        build.info({"version": __version__})
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
        self._connections = Gauge("pam_receiver_open_connections", "MLLP connections open now.", registry=registry)
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
        for rule, severity in outcome.rules:
            self._one(self._findings, rule, severity).inc()
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
        for metric in self._source_messages.collect():
            for sample in metric.samples:
                if sample.name.endswith("_total"):
                    name = sample.labels["source"]
                    found[name] = found.get(name, 0.0) + sample.value
        return found

    def show_open_alerts(self, by_rule: Mapping[str, int]) -> None:
        """Show how many alerts are open, by rule; a rule of which none is open any more has 0."""
        self._alert_rules |= by_rule.keys()
        for rule in self._alert_rules:
            self._open_alerts.labels(rule).set(by_rule.get(rule, 0))

    def count_batch(self, size: int) -> None:
        self._batch_size.observe(size)

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
        return generate_latest(self._registry)
