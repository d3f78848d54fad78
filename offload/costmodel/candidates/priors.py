"""What is assumed where nothing was measured: 90 % intervals, log-normal between their ends."""

from collections.abc import Mapping

import numpy as np

from offload.costmodel.terms import Candidate, Draws, Term, assumed, given
from offload.domain.places import PlaceTraits, StartState

UPLINK_BYTES_PER_S = (2e6 / 8, 100e6 / 8)
DOWNLINK_S = (0.0005, 0.02)
RTT_S = (0.01, 0.15)
IMAGE_BYTES = (50e3, 4e6)
SERVICE_S = (0.005, 0.5)
OTHER_MACHINE = (0.5, 2.0)
"""Seconds of inference on another machine, over those on a measured one."""
SAME_MACHINE = (0.95, 1.3)
"""The same in another process of the same machine."""
CLIENT_STARTUP_S = (0.3, 1.0)
LOCAL_STARTUP_S = (0.4, 6.0)
CONTAINER_STARTUP_S = (0.8, 5.0)
FIRST_S = (0.005, 0.3)
PREPARE_S = (0.0002, 0.005)
EFFICIENCY = (1.0, 1.15)

COLD_S = (1.0, 8.0)
"""A container on a machine that runs: create, start, load, warm up."""
OTHER_START = (0.7, 2.0)
"""The same on another machine, over that on this one."""
BOOT_S = (20.0, 35.0)
"""EC2 from the API call to a machine that answers; samples of 25.8 and 29.3 s are published."""
STOPPED_S = (15.0, 45.0)
"""The same of a machine that was stopped."""
INSTALL_S = (15.0, 90.0)
"""Our image got to a new machine."""

INIT_S = (0.8, 6.0)
"""A function's environment: its image is got, its program starts and loads its model."""

MACHINES_S = (60.0, 180.0)
"""A fleet's first machine: EC2, the engine, our image, the model."""

NO_LINK = given(float("inf"), "no link is used")
"""The uplink of a place that needs none."""
_NOTHING = given(0.0, "not done here")

Rng = np.random.Generator


def term(name: str, interval: tuple[float, float], rng: Rng) -> Term:
    """A prior as a term."""
    return assumed(*interval, rng, f"prior of {name}")


def candidate(
    traits: PlaceTraits,
    rng: Rng,
    noise: Draws,
    slots: int,
    known: Candidate | None,
    linked: Candidate | None,
) -> Candidate:
    """A place that was not measured; `known` is one that was, if there is any, and `linked` one
    whose uplink was.
    """
    link, here = traits.uses_link, not traits.leaves_machine
    startup_s = LOCAL_STARTUP_S if traits.in_process else CONTAINER_STARTUP_S
    waiting = 0 if traits.in_process or traits.by_call else slots if here else slots + 2
    sent_bytes = known.sent_bytes if known and known.sent_bytes.median > 0 else None
    return Candidate(
        name=traits.name,
        traits=traits,
        state=state_in_use(traits),
        slots=slots,
        clients=slots if here else 2,
        in_flight=slots + waiting,
        startup_s=term("start-up", startup_s if here else CLIENT_STARTUP_S, rng),
        first_s=term("first", FIRST_S, rng),
        prepare_s=_NOTHING if traits.in_process else term("preparing", PREPARE_S, rng),
        sent_bytes=(sent_bytes or term("bytes", IMAGE_BYTES, rng)) if link else _NOTHING,
        goodput=_uplink(traits, linked, rng) if link else NO_LINK,
        rtt_s=term("round trip", RTT_S, rng) if link else _NOTHING,
        service_s=_service(traits, known, rng),
        download_s=term("answer", DOWNLINK_S, rng) if link else _NOTHING,
        efficiency=term("efficiency", EFFICIENCY, rng),
        noise=noise,
    )


def _uplink(traits: PlaceTraits, linked: Candidate | None, rng: Rng) -> Term:
    """What carries images to a place that was not measured: this computer's uplink, if known."""
    if linked is None:
        low, high = (traits.image_share * rate for rate in UPLINK_BYTES_PER_S)
        return term("uplink", (low, high), rng)
    share = traits.image_share / linked.traits.image_share
    return Term(share * linked.goodput.draws, "assumed", how=f"as that of {linked.name}")


def _service(traits: PlaceTraits, known: Candidate | None, rng: Rng) -> Term:
    """Seconds of inference at a place that was not measured, from one that was."""
    if known is None:
        return term("inference", SERVICE_S, rng)
    if traits.leaves_machine or traits.in_process:
        factor, how = OTHER_MACHINE, f"half to twice that of {known.name}"
    else:
        factor, how = SAME_MACHINE, "about as in-process"
    return Term(known.service_s.draws * assumed(*factor, rng, "").draws, "assumed", how=how)


def state_in_use(traits: PlaceTraits) -> str:
    """The state in which a place was measured."""
    return StartState.WARM if traits.leaves_machine else HERE


HERE = "here"
"""The state of places on this machine, which are brought up by the job itself."""
STATES: Mapping[str, str] = {
    StartState.WARM: "ready",
    StartState.COLD: "running but cold",
    StartState.STOPPED: "stopped",
    StartState.ABSENT: "not provisioned",
}
"""The states a machine elsewhere may be in before a job, and what people call them."""


def cold(container_s: float | None, rng: Rng) -> Term:
    """Starting a container on a machine that runs; it takes `container_s` here, if measured."""
    if container_s is None:
        return assumed(*COLD_S, rng, "prior of a container's start")
    low, high = OTHER_START
    how = "a container's start here, 0.7 to 2 times"
    return assumed(low * container_s, high * container_s, rng, how)
