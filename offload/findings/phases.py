"""Where the time of an image goes, and what a job waits for most."""

from collections.abc import Mapping

from offload.findings.study import Group

PHASES: Mapping[str, tuple[str, ...]] = {
    "reading and preparing": ("read_s", "prepare_s"),
    "waiting for the uplink": ("upload_wait_s",),
    "transfer": ("upload_s", "download_s"),
    "waiting for a detector": ("init_s", "queue_s"),
    "decoding": ("decode_s",),
    "inference": ("infer_s",),
}
"""A phase -> the columns that it is the sum of, in the order of an image's way."""

STAGES: Mapping[str, tuple[str, ...]] = {
    "client": ("reading and preparing",),
    "link": ("waiting for the uplink", "transfer"),
    "detector": ("waiting for a detector", "decoding", "inference"),
}
"""What may be the bottleneck -> the phases that images spend at it or waiting for it. In a pipeline
they queue in front of the slowest stage, so the largest share tells which one that is.
"""


def of(group: Group) -> dict[str, float]:
    """Mean seconds of an image in each phase, the median of the runs; empty where none is known."""
    known = {
        phase: [value for name in names if (value := group.median(name)) is not None]
        for phase, names in PHASES.items()
    }
    found = {phase: sum(values) for phase, values in known.items() if values}
    return found if sum(found.values()) > 0 else {}


def bottleneck(group: Group) -> tuple[str, float] | None:
    """What most of an image's time is spent at or waiting for, and the share of it; `start-up`
    where that is most of the job. None where the phases are not known.
    """
    startup_s, makespan_s = group.median("startup_s"), group.median("makespan_s")
    if group.lane.cold and startup_s and makespan_s and startup_s > makespan_s / 2:
        return "start-up", startup_s / makespan_s
    spent = of(group)
    if not spent:
        return None
    total = sum(spent.values())
    shares = {s: sum(spent.get(p, 0.0) for p in phases) / total for s, phases in STAGES.items()}
    stage = max(shares, key=lambda name: shares[name])
    return stage, shares[stage]
