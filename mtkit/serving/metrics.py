"""Counters of the server, in the text format of Prometheus. They hold no text and no keys."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metric(NamedTuple):
    """A value without labels."""

    name: str
    kind: str
    """counter or gauge."""
    help: str
    value: float


class RequestMetrics:
    """Number and duration of requests, by endpoint and status."""

    def __init__(self) -> None:
        self.n_running = 0
        self.n_characters = 0
        self._statuses: Counter[tuple[str, int]] = Counter()
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def add(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            endpoint: Path of the route, not that of the request.
            status: Status of the answer; 499 if the client went away.
            seconds: Time until the answer was sent.
        """
        self._statuses[endpoint, status] += 1
        self._counts[endpoint] += 1
        self._seconds[endpoint] += seconds  # type: ignore[assignment]
        for bound in _BUCKETS_S:
            if seconds <= bound:
                self._buckets[endpoint, bound] += 1

    def to_text(self, metrics: Iterable[Metric]) -> str:
        """Return all metrics in the text format.

        Args:
            metrics: Metrics of other parts of the server.
        """
        lines = _header("mtkit_requests_total", "counter", "Requests by endpoint and status.")
        for (endpoint, status), n in sorted(self._statuses.items()):
            lines.append(f'mtkit_requests_total{{endpoint="{endpoint}",status="{status}"}} {n}')
        name = "mtkit_request_seconds"
        lines += _header(name, "histogram", "Time until a request was answered.")
        for endpoint, n in sorted(self._counts.items()):
            for bound in _BUCKETS_S:
                count = self._buckets[endpoint, bound]
                lines.append(f'{name}_bucket{{endpoint="{endpoint}",le="{bound:g}"}} {count}')
            lines.append(f'{name}_bucket{{endpoint="{endpoint}",le="+Inf"}} {n}')
            lines.append(f'{name}_sum{{endpoint="{endpoint}"}} {self._seconds[endpoint]:.6f}')
            lines.append(f'{name}_count{{endpoint="{endpoint}"}} {n}')
        own = (
            Metric("requests_running", "gauge", "Requests being processed.", self.n_running),
            Metric("characters_total", "counter", "Characters of source.", self.n_characters),
        )
        for metric in (*own, *metrics):
            lines += _header(f"mtkit_{metric.name}", metric.kind, metric.help)
            lines.append(f"mtkit_{metric.name} {metric.value:g}")
        return "\n".join(lines) + "\n"


def _header(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
