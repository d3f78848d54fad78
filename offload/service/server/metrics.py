"""What a monitor reads, in Prometheus' text format."""

from dataclasses import astuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from offload.service import wire

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one server."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        kept = self._registry = CollectorRegistry()
        self._answers = Counter(
            "offload_responses", "Answers by status.", ["status"], registry=kept
        )
        self._images = Counter("offload_images", "Images detected.", registry=kept)
        seconds = Histogram(
            "offload_image_seconds",
            "Where an image's seconds went.",
            ["phase"],
            buckets=_BUCKETS_S,
            registry=kept,
        )
        self._phases = [seconds.labels(name) for name in wire.TIMINGS]
        self.in_hand = Gauge("offload_requests_in_hand", "Waiting or at work.", registry=kept)
        self.held_bytes = Gauge("offload_held_bytes", "Bodies in memory.", registry=kept)

    def answered(self, status: int) -> None:
        """Count a response."""
        self._answers.labels(str(status)).inc()

    def detected(self, durations: wire.ServerDurations) -> None:
        """Count an image and its durations."""
        self._images.inc()
        for phase, seconds in zip(self._phases, astuple(durations), strict=True):
            phase.observe(seconds)

    def text(self) -> bytes:
        """All of them, for a monitor."""
        return generate_latest(self._registry)
