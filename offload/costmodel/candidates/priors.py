"""What is assumed where nothing was measured: 90 % intervals, log-normal between their ends."""

import numpy as np

from offload.costmodel.terms import Candidate, Draws, Term, assumed, given, nothing

UPLINK_BYTES_PER_S = (2e6 / 8, 100e6 / 8)
DOWNLINK_S = (0.0005, 0.02)
RTT_S = (0.01, 0.15)
IMAGE_BYTES = (50e3, 4e6)
SERVICE_S = (0.005, 0.5)
OTHER_MACHINE = (0.5, 2.0)
"""Seconds of inference on another machine, over those on a measured one."""
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

NOISE = {"local": 0.05, "container": 0.05, "remote": 0.1}
"""Standard deviation of the logarithm of one run over the next, until runs tell."""

Rng = np.random.Generator


def term(name: str, interval: tuple[float, float], rng: Rng) -> Term:
    """A prior as a term."""
    low, high = interval
    return assumed(low, high, rng, f"prior of {name}")


def service_elsewhere(known: Candidate | None, rng: Rng) -> Term:
    """Seconds of inference at a place that was not measured, from one that was."""
    if known is None:
        return term("inference", SERVICE_S, rng)
    factor = assumed(*OTHER_MACHINE, rng, "")
    return Term(
        known.service_s.draws * factor.draws, "assumed", how=f"half to twice that of {known.name}"
    )


def local(rng: Rng, noise: Draws, slots: int) -> Candidate:
    """This machine, nothing known of it."""
    return Candidate(
        name="local", place="local", state="here", slots=slots, clients=slots, in_flight=slots,
        startup_s=term("start-up", LOCAL_STARTUP_S, rng), first_s=term("first", FIRST_S, rng),
        prepare_s=nothing(), sent_bytes=nothing(), goodput=_free(), rtt_s=nothing(),
        service_s=term("inference", SERVICE_S, rng), download_s=nothing(),
        efficiency=term("efficiency", EFFICIENCY, rng), noise=noise, uses_link=False,
    )  # fmt: skip


def container(rng: Rng, noise: Draws, slots: int, known: Candidate | None) -> Candidate:
    """A container on this machine, nothing known of it but how fast the machine is."""
    service = term("inference", SERVICE_S, rng)
    if known is not None:
        like = assumed(0.95, 1.3, rng, "")
        service = Term(known.service_s.draws * like.draws, "assumed", how="about as in-process")
    return Candidate(
        name="container", place="container", state="here", slots=slots, clients=slots,
        in_flight=2 * slots, startup_s=term("start-up", CONTAINER_STARTUP_S, rng),
        first_s=term("first", FIRST_S, rng), prepare_s=term("preparing", PREPARE_S, rng),
        sent_bytes=nothing(), goodput=_free(), rtt_s=nothing(), service_s=service,
        download_s=nothing(), efficiency=term("efficiency", EFFICIENCY, rng), noise=noise,
        uses_link=False,
    )  # fmt: skip


def remote(rng: Rng, noise: Draws, slots: int, known: Candidate | None) -> Candidate:
    """A server somewhere, nothing known of it or the link to it."""
    sent = term("bytes", IMAGE_BYTES, rng)
    if known is not None and known.sent_bytes.median > 0:
        sent = known.sent_bytes
    return Candidate(
        name="remote", place="remote", state="warm", slots=slots, clients=2,
        in_flight=2 * slots + 2, startup_s=term("start-up", CLIENT_STARTUP_S, rng),
        first_s=term("first", FIRST_S, rng), prepare_s=term("preparing", PREPARE_S, rng),
        sent_bytes=sent, goodput=term("uplink", UPLINK_BYTES_PER_S, rng),
        rtt_s=term("round trip", RTT_S, rng), service_s=service_elsewhere(known, rng),
        download_s=term("answer", DOWNLINK_S, rng),
        efficiency=term("efficiency", EFFICIENCY, rng), noise=noise,
    )  # fmt: skip


def _free() -> Term:
    return given(float("inf"), "nothing crosses a link")


STATES = {
    "warm": "ready",
    "cold": "running but cold",
    "stopped": "stopped",
    "new": "not provisioned",
}
"""The states a remote machine may be in before a job, and what people call them."""


def cold(container_s: float | None, rng: Rng) -> Term:
    """Starting a container on a machine that runs; `container_s` is what it takes here, if that was
    measured.
    """
    if container_s is None:
        return assumed(*COLD_S, rng, "prior of a container's start")
    low, high = OTHER_START
    how = "a container's start here, 0.7 to 2 times"
    return assumed(low * container_s, high * container_s, rng, how)
