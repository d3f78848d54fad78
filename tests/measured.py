"""Measurements of places with known numbers, and advice from them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from offload.costmodel.advice import Advice, advise
from offload.costmodel.candidates.build import Overrides
from offload.costmodel.decide import Goal
from offload.costmodel.dollars import Billing
from offload.domain.machines import Kind
from offload.domain.measurements import (
    Agreement,
    Condition,
    ImageSample,
    Measurement,
    Outcome,
    Probe,
    Start,
)
from offload.domain.ports import ModelIdentity
from offload.domain.timing import Durations
from offload.places import known

PLACES = known()
MODEL = ModelIdentity("builtin", "tflite", "0" * 64)
HERE = {"name": "here", "cpu": "small", "usable_cores": 2}
THERE = {"name": "there", "cpu": "large", "usable_cores": 8}
TAKEN_AT = "2026-11-21T09:00:00+00:00"
URL = "http://there:8080"
KIND = Kind("c7i.large", "us-east-1")
LABEL = KIND.label
PROBED_BYTES = (16_000, 64_000, 128_000, 256_000, 1_000_000)


def local(**known: Any) -> Measurement:
    """This machine; what `measurement` takes can be said."""
    return measurement("local", **known)


def container(**known: Any) -> Measurement:
    """A container on this machine."""
    return measurement("container", **{"startup_s": 1.2, "first_s": 0.1} | known)


def remote(**known: Any) -> Measurement:
    """A server of eight cores behind 20 Mbit/s and 20 ms."""
    usual = {"slots": 8, "in_flight": 18, "bytes_per_s": 2.5e6, "rtt_s": 0.02, "first_s": 0.15}
    return measurement("remote", **usual | known)


def measurement(
    place: str,
    *,
    images: int = 100,
    service_s: float = 0.02,
    slots: int = 2,
    in_flight: int = 2,
    startup_s: float = 0.5,
    first_s: float = 0.03,
    image_bytes: int = 170_000,
    bytes_per_s: float = 0.0,
    rtt_s: float = 0.0,
    jitter: float = 0.1,
    max_side_px: int | None = None,
    agreements: Sequence[Agreement] = (),
    taken_at: str = TAKEN_AT,
) -> Measurement:
    """A profile of a place whose slowest stage alone sets the pace; single numbers vary evenly by
    at most `jitter`. Without `bytes_per_s` there is no link.
    """
    elsewhere = place == "remote"
    lucky = random.Random(f"{place} {taken_at}")

    def about(value: float) -> float:
        return value * lucky.uniform(1 - jitter, 1 + jitter)

    upload_s = image_bytes / bytes_per_s if bytes_per_s else 0.0
    gap_s = max(service_s / slots, upload_s, (service_s + upload_s + rtt_s) / in_flight)
    finished_s = 0.0
    samples = []
    for number in range(images):
        finished_s += about(gap_s)
        seconds = Durations(upload_wait_s=upload_s, upload_s=upload_s, infer_s=about(service_s))
        sent_bytes = image_bytes if elsewhere else 0
        samples.append(ImageSample(number + 1, finished_s, image_bytes, sent_bytes, seconds))
    return Measurement(
        taken_at=taken_at,
        source="profile",
        condition=Condition(
            MODEL, place, HERE, THERE if elsewhere else HERE, slots,
            url=URL if elsewhere else None, upload_max_side_px=max_side_px,
        ),
        in_flight=in_flight,
        folder_images=100,
        folder_bytes=100 * image_bytes,
        starts=tuple(Start(1, about(startup_s), first_s + upload_s, image_bytes) for _ in range(3)),
        images=tuple(samples),
        probes=tuple(_probes(bytes_per_s, rtt_s, about)) if bytes_per_s else (),
        agreements=tuple(agreements),
    )  # fmt: skip


def bring_up(
    came_from: str = "new",
    machine_s: float = 27.0,
    image_s: float = 45.0,
    container_s: float = 4.0,
    *,
    image: str = "streamed",
    url: str = LABEL,
    taken_at: str = TAKEN_AT,
) -> Measurement:
    """A rented machine that came up: what it takes for its engine to answer, for our image to be
    there and for the server to answer.
    """
    first = {"new": {"api": 2.0, "pending": 4.0}, "stopped": {"start": 1.0, "pending": 5.0}}
    before = first.get(came_from, {})
    phases = before | {
        "boot": machine_s - sum(before.values()),
        "image": image_s,
        "container": container_s / 2,
        "load": container_s / 4,
        "warm-up": container_s / 4,
    }
    total_s = machine_s + image_s + container_s
    return Measurement(
        taken_at=taken_at,
        source="provision",
        condition=Condition(MODEL, "remote", HERE, THERE, 8, url=url),
        in_flight=1,
        starts=(Start(0, total_s, 0.0, phases=phases),),
        facts={"from": came_from, "image": image},
    )


def _probes(bytes_per_s: float, rtt_s: float, about: Any) -> Iterator[Probe]:
    yield from (Probe("rtt", 0, about(rtt_s)) for _ in range(5))
    yield from (Probe("up", b, rtt_s + about(b / bytes_per_s)) for b in PROBED_BYTES * 2)


def advised(
    *measurements: Measurement,
    images: int = 200,
    by_hand: Overrides | None = None,
    billing: Billing | None = None,
    outcomes: Sequence[Outcome] = (),
    stale: Sequence[str] = (),
    split: bool = False,
    **goal: Any,
) -> Advice:
    """The answer for a job of `images`, over two places only if `split` says so; `goal` are other
    fields of `Goal`.
    """
    overrides = by_hand or Overrides(slots=2)
    if not split and overrides.places is None:
        overrides = replace(overrides, places=tuple(PLACES))
    return advise(
        measurements,
        outcomes,
        Goal(images, **goal),
        overrides,
        billing or Billing(0.0893, "shipped table", "2026-11-01", 1200),
        "builtin",
        PLACES,
        stale,
    )
