"""What was unusual about a measurement, and what to do about it."""

from collections.abc import Iterator, Sequence

from offload.costmodel import statistics
from offload.domain.measurements import ImageSample, Probe

_DRIFT = 0.1
_BUSY = 0.5


def of_machine(
    cores: int, load: float | None = None, burstable: str | None = None, *, on_battery: bool = False
) -> Iterator[str]:
    """A sentence with advice for each thing about this machine that makes its numbers doubtful:
    `load` is how many programs wanted one of its `cores` before a measurement, `burstable` its kind
    if its full speed lasts only as long as its credits.
    """
    if load is not None and load / cores > _BUSY:
        yield (
            f"This machine was busy before we began (load {load:.1f} on {cores} "
            "cores): close what else is running and profile again."
        )
    if burstable:
        yield (
            f"A {burstable} keeps its full speed only as long as its CPU credits last: "
            "profile with a --budget as long as the job, or measure on another kind."
        )
    if on_battery:
        yield "This machine runs on battery, which slows it down: plug it in and profile again."


def of_samples(
    images: Sequence[ImageSample], probes: Sequence[Probe], in_flight: int
) -> Iterator[str]:
    """The same for what was measured; the first `in_flight` images are warm-up."""
    infer_s = [image.durations.infer_s for image in images[in_flight:]]
    if slow := statistics.outliers(infer_s):
        yield (
            f"{slow} of {len(infer_s)} inferences took far longer than the others: something else "
            "may have been running there; close it and profile again."
        )
    drift = statistics.drift(infer_s)
    if abs(drift) > _DRIFT:
        word = "slower" if drift > 0 else "faster"
        yield (
            f"Inference became {abs(drift):.0%} {word} while it was measured: the processor may "
            "have been warming up or slowing down; profile again with a longer --budget."
        )
    trips_s = [probe.seconds for probe in probes if probe.kind == "rtt"]
    if statistics.outliers(trips_s):
        yield (
            f"Round trips took from {min(trips_s) * 1000:.0f} to {max(trips_s) * 1000:.0f} ms: the "
            "link is unsteady; profile again, or over a cable."
        )
