"""Seconds that a job takes: start-up, the first image's way, then whatever is slowest.

The pipeline formula (fill + bottleneck + drain) for N images through stages with room to wait
between them, of which the slowest sets the pace:

    T(N) = a + f + Z + max(R(m, p), (N - 1) s/B, R(k, t), (N - 1) d, R(c, Z)) e
    R(n, x) = floor((N - 1)/n) x + ((N - 1) mod n) min(max(s/B, d), x/n)

a start-up, f what only the first image pays, p preparing an image on m client threads, s/B sending
it, t detecting it on k slots, d receiving the answer, Z = p + s/B + rtt + t + d one image's way
unhindered, c images in flight, R(n, x) rounds of n images that each take x, those of the last one
as far apart as the link brings them, and e the measured time per image of a whole job over that of
its slowest stage.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from offload.costmodel import batch
from offload.costmodel.terms import DRAWS, Candidate, Draws

_STAGES = ("client", "uplink", "server", "downlink", "latency")


def makespan_s(lane: Candidate, images: int, total_bytes: float | None = None) -> Draws:
    """Seconds from the command's first line to the last result, one number per draw.

    `total_bytes` is what the images weigh together as files; without it they are taken to be as
    those that were measured.
    """
    if images <= 0:
        return lane.startup_s.draws * lane.noise
    return job_s(lane, images, None if total_bytes is None else total_bytes / images)


def job_s(lane: Candidate, images: int | Draws, image_bytes: float | None = None) -> Draws:
    """The same of images of `image_bytes` each: at least one, and where their number is drawn too,
    one number of them per draw.
    """
    stages = _stages_s(lane, images, image_bytes)
    total_s = stages["start-up"] + stages["one image"]
    total_s = total_s + _together(lane, [stages[name] for name in _STAGES])
    if lane.shards is not None:
        mean = int(np.median(images))
        total_s = total_s + batch.straggle_s(mean, lane.shards, lane.service_s.draws)
    return total_s * lane.noise


def binding(lane: Candidate, images: int, total_bytes: float | None = None) -> str:
    """What most of the makespan is: start-up, or a stage with what it holds everything up by."""
    images = max(images, 1)
    mean_bytes = total_bytes / images if total_bytes is not None else None
    stages = {
        name: float(np.median(draws)) for name, draws in _stages_s(lane, images, mean_bytes).items()
    }
    parts = {
        "client": lane.prepare_s.median,
        "uplink": float(np.median(_scaled_bytes(lane, mean_bytes))) / lane.goodput.median,
        "server": lane.service_s.median,
        "downlink": lane.download_s.median,
        "latency": lane.rtt_s.median,
    }
    slowest = max(_STAGES, key=lambda name: stages[name])
    for name in _STAGES if lane.serial else (slowest,):
        parts[name] += stages[name]
    most = max(parts, key=lambda name: parts[name])
    if stages["start-up"] > sum(parts.values()):
        return "start-up"
    return most if lane.traits.uses_link or most == "downlink" else "inference"


def per_image_s(lane: Candidate, image_bytes: float | None = None) -> Draws:
    """Seconds that one more image costs once the pipeline is full."""
    sent_bytes = _scaled_bytes(lane, image_bytes)
    latency_s = way_s(lane, sent_bytes)
    stages = [
        lane.prepare_s.draws / lane.clients,
        sent_bytes / lane.goodput.draws,
        lane.service_s.draws / lane.slots,
        lane.download_s.draws,
        0 * latency_s if lane.serial else latency_s / lane.in_flight,
    ]
    return _together(lane, stages) * lane.efficiency.draws * lane.noise


def one_image_s(lane: Candidate, image_bytes: float | None = None) -> Draws:
    """Seconds from an image being taken to its answer, while as many are under way as may be: its
    way unhindered, or its place among the others (Little 1961).
    """
    unhindered_s = way_s(lane, _scaled_bytes(lane, image_bytes))
    return np.maximum(unhindered_s, lane.in_flight * per_image_s(lane, image_bytes))


def _together(lane: Candidate, stages: Sequence[Draws]) -> Draws:
    """The slowest of stages that overlap, the sum of those that do not."""
    total: Draws = np.sum(stages, axis=0) if lane.serial else np.maximum.reduce(stages)
    return total


def _stages_s(lane: Candidate, images: int | Draws, image_bytes: float | None) -> dict[str, Draws]:
    """Seconds of each part of the formula, one number per draw."""
    sent_bytes = _scaled_bytes(lane, image_bytes)
    bytes_cv = lane.bytes_cv if image_bytes is None else 0.0
    latency_s = way_s(lane, sent_bytes, first=True)
    link_s = np.maximum(sent_bytes / lane.goodput.draws, lane.download_s.draws)
    each_s = np.maximum(lane.service_s.draws, 1e-12) / lane.slots
    rounds_s = _rounds_s(images, lane.slots, lane.service_s.draws, link_s)
    e = lane.efficiency.draws
    return {
        "start-up": lane.startup_s.draws + lane.first_s.draws,
        "one image": latency_s,
        "client": _rounds_s(images, lane.clients, lane.prepare_s.draws, link_s) * e,
        "uplink": _sum_of(images - 1, bytes_cv, 1) * sent_bytes / lane.goodput.draws * e,
        "server": _sum_of(rounds_s / each_s, lane.service_cv, 2) * each_s * e,
        "downlink": (images - 1) * lane.download_s.draws * e,
        "latency": _rounds_s(images, lane.in_flight, way_s(lane, sent_bytes), link_s)
        * e
        * (not lane.serial),
    }


def _rounds_s(images: int | Draws, room: int, each_s: Draws, link_s: Draws) -> Draws:
    """Seconds from the first of `images` to the last, where `room` at a time take `each_s`."""
    whole, rest = (images - 1) // room, (images - 1) % room
    return whole * each_s + rest * np.minimum(link_s, each_s / room)


def way_s(lane: Candidate, sent_bytes: Draws, *, first: bool = False) -> Draws:
    """One image's way through all stages, unhindered; the `first` one has luck of its own."""
    service_s, upload_s = lane.service_s.draws, sent_bytes / lane.goodput.draws
    if first:
        service_s = service_s * _sum_of(1, lane.service_cv, 3)
        upload_s = upload_s * _sum_of(1, lane.bytes_cv, 4)
    return lane.prepare_s.draws + upload_s + lane.rtt_s.draws + service_s + lane.download_s.draws


def _scaled_bytes(lane: Candidate, image_bytes: float | None) -> Draws:
    """What is sent of an image of `image_bytes`: itself, or a copy, if that is smaller."""
    if image_bytes is None or not lane.traits.uses_link:
        return lane.sent_bytes.draws
    if lane.upload_max_side_px is None:
        return np.full_like(lane.sent_bytes.draws, image_bytes)
    return np.minimum(lane.sent_bytes.draws, image_bytes)


def _sum_of(images: float | Draws, cv: float, which: int) -> Draws:
    """The sum of `images` values of mean 1 that differ by `cv`, one number per draw. Each keeps its
    luck whatever their number, and none is so lucky that one more makes the sum smaller.
    """
    total: Draws = images + np.sqrt(images) * cv * _luck(which)
    return np.maximum(total, 0.05 * np.asarray(images))


@cache
def _luck(which: int) -> Draws:
    return np.random.default_rng(which).standard_normal(DRAWS)
