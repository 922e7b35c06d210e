"""What this process did, for Prometheus (text exposition format 0.0.4). Own registry, no labels that a caller chooses."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from secrecon import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class MetricsAccess(StrEnum):
    """Who may read /metrics: nobody (404), everybody, or holders of the token."""

    OFF = "off"
    OPEN = "open"
    HOLDERS = "token"


@dataclass(frozen=True, slots=True)
class MetricsPolicy:
    """How /metrics answers. `token` is compared with `Authorization: Bearer`, only for HOLDERS."""

    access: MetricsAccess = MetricsAccess.OFF
    token: str = ""

    def allows(self, authorization: str) -> bool:
        """True where a request with this Authorization header may read the metrics."""
        if self.access is MetricsAccess.HOLDERS:
            expected = f"Bearer {self.token}".encode()
            return bool(self.token) and hmac.compare_digest(authorization.encode(), expected)
        return self.access is MetricsAccess.OPEN


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "secrecon_http_requests_total",
            "Finished requests by route template",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "secrecon_http_request_seconds",
            "Time until the whole answer was sent",
            ("route",),
            registry=self.registry,
            buckets=(0.005, 0.02, 0.1, 0.5, 2.0, 10.0),
        )
        self._scans = Gauge("secrecon_scans", "Scans by status", ("status",), registry=self.registry)
        info = Gauge("secrecon_build_info", "Version of this process", ("version",), registry=self.registry)
        info.labels(__version__).set(1)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def scans(self, counts: dict[str, int]) -> None:
        """Set how many scans are in each status."""
        for status, count in counts.items():
            self._scans.labels(status).set(count)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)
