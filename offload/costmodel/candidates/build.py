"""Every way to do a job, from what was measured, and where nothing was, from stated priors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from offload.costmodel import accuracy
from offload.costmodel.candidates import imported, priors
from offload.costmodel.candidates.measured import Fitted
from offload.costmodel.candidates.start_up import Starts
from offload.costmodel.terms import DRAWS, Candidate, Draws, Term, given
from offload.domain.measurements import Condition, Measurement, Outcome

_SEED = 20_000


@dataclass(frozen=True, slots=True)
class Overrides:
    """What somebody set by hand, and what is asked of remote machines.

    `uplink_bytes_per_s`, `rtt_s` and `image_bytes` take the place of measurements. `slots` is how
    many images this machine works on at a time, `remote_slots` a machine that was not measured.
    `state` is the start state of the remote place; None means ready if it was measured, else not
    provisioned. `kind` is the label of machines that are rented. Where `places` are named, `split`
    being one, only those may be chosen. `network` is the fingerprint of the one this machine is in.
    """

    uplink_bytes_per_s: float | None = None
    rtt_s: float | None = None
    image_bytes: float | None = None
    slots: int = 1
    remote_slots: int = 2
    state: str | None = None
    kind: str | None = None
    min_agreement: float = 0.97
    places: tuple[str, ...] | None = None
    network: str | None = None


def lanes(
    measurements: Sequence[Measurement], outcomes: Sequence[Outcome], by_hand: Overrides
) -> list[Candidate]:
    """The ways to do a job: each place that was measured, and the others by assumption.

    Bring-ups of machines measure no place; they tell how long other start states take. Nor do jobs
    that were split.
    """
    jobs = [m for m in measurements if m.is_of_a_place]
    rng = np.random.default_rng(_SEED)
    luck = {place: rng.standard_normal(DRAWS) for place in priors.NOISE}
    noise = {place: np.exp(accuracy.sigma(outcomes, place) * luck[place]) for place in luck}
    groups = _groups(jobs, by_hand)

    def lane_of(group: Sequence[Measurement]) -> Candidate:
        place = group[0].condition.place
        if group[0].totals:
            return imported.lane(group, luck[place], accuracy.sigma(outcomes, place))
        return Fitted(group, jobs, rng).lane(noise[place])

    found = [lane_of(group) for group in groups]
    found = [_as_given(lane, by_hand) for lane in _with_strangers(found, rng, noise, by_hand)]
    here = [lane for lane in found if lane.place != "remote"]
    elsewhere = [lane for lane in found if lane.place == "remote"]
    container_s = next(
        (sum(lane.phases.values()) for lane in here if "create" in lane.phases), None
    )
    starts = Starts(measurements, by_hand.kind, container_s, rng)
    there = _in_all_states(elsewhere, starts, by_hand)
    return [_if_allowed(lane, by_hand) for lane in here + there]


def _if_allowed(lane: Candidate, by_hand: Overrides) -> Candidate:
    allowed = by_hand.places is None or lane.place in by_hand.places
    return lane if allowed else replace(lane, choosable=False)


def _in_all_states(
    elsewhere: Sequence[Candidate], starts: Starts, by_hand: Overrides
) -> list[Candidate]:
    """The remote place in each start state, and with smaller copies.

    Those of the state it is in may be chosen, if they were measured or are yet to be rented; copies
    only if their answers agree.
    """
    ready = next(lane for lane in elsewhere if lane.upload_max_side_px is None)
    state = by_hand.state or ("warm" if any(lane.key for lane in elsewhere) else "new")
    others = [starts.lane(ready, other) for other in priors.STATES if other != "warm"]
    if not ready.key:
        ready = replace(ready, name=f"remote, {priors.STATES['warm']}")
    smaller = [
        replace(lane, choosable=state == "warm" and agrees(lane, by_hand.min_agreement))
        for lane in elsewhere
        if lane.upload_max_side_px is not None
    ]
    known = bool(ready.key) or state == "new"
    same = [replace(lane, choosable=known and lane.state == state) for lane in (ready, *others)]
    return [same[0], *smaller, *same[1:]]


def server(measurements: Sequence[Measurement], by_hand: Overrides) -> str | None:
    """The address, or the label, of the remote place that lanes are made of; None if none was
    measured.
    """
    groups = _groups([m for m in measurements if m.is_of_a_place], by_hand)
    found = (group[0].condition for group in groups)
    return next((c.url for c in found if c.place == "remote"), None)


def agrees(lane: Candidate, least: float) -> bool:
    """Whether what is sent is found to be answered as the images themselves are."""
    return (lane.agreement or 0.0) >= least


def _groups(measurements: Sequence[Measurement], by_hand: Overrides) -> list[list[Measurement]]:
    """Measurements of equal conditions: of one server, the latest; of each place and upload the
    latest condition, but rather one without unusual options: as many detectors as this process
    would have now, no limit of a container's cores, files as they are, and the network we are in.
    """

    def usual(m: Measurement) -> bool:
        c = m.condition
        if c.place == "local":
            return c.slots == by_hand.slots
        here = c.network == by_hand.network or None in {c.network, by_hand.network}
        return here and c.cpus is None and not c.strip_metadata

    newest = sorted(measurements, key=lambda m: (usual(m), m.taken_at), reverse=True)
    latest: dict[tuple[str, int | None], Condition] = {}
    urls = [m.condition.url for m in newest if m.condition.place == "remote"]
    for m in newest:
        c = m.condition
        if c.place != "remote" or c.url == urls[0]:
            latest.setdefault((c.place, c.upload_max_side_px), c)
    groups = [[m for m in measurements if m.condition.key == c.key] for c in latest.values()]
    return sorted(groups, key=lambda group: _order(group[0].condition))


def _order(condition: Condition) -> tuple[int, float]:
    side_px = condition.upload_max_side_px
    return list(priors.NOISE).index(condition.place), -side_px if side_px else -math.inf


def _with_strangers(
    found: list[Candidate], rng: np.random.Generator, noise: Mapping[str, Draws], by_hand: Overrides
) -> list[Candidate]:
    """The lanes, and one for each place that was not measured."""
    places = {lane.place for lane in found}
    known = next((lane for lane in found if lane.place == "local"), found[0] if found else None)
    if "local" not in places:
        local = priors.local(rng, noise["local"], by_hand.slots)
        if known is not None:
            local = local.with_terms(service_s=priors.service_elsewhere(known, rng))
        found = [local, *found]
    if "container" not in places:
        container = priors.container(rng, noise["container"], by_hand.slots, known)
        found = [*found, replace(container, choosable=False)]
    elsewhere = [lane for lane in found if lane.place == "remote"]
    if not any(lane.upload_max_side_px is None for lane in elsewhere):
        whole = priors.remote(rng, noise["remote"], by_hand.remote_slots, known)
        found = [*found, replace(whole, **_link_of(elsewhere[0])) if elsewhere else whole]
    order = list(priors.NOISE)
    return sorted(found, key=lambda lane: order.index(lane.place))


def _link_of(copies: Candidate) -> dict[str, Any]:
    """What is known of a server that was only ever sent smaller copies."""
    shared = ("slots", "clients", "in_flight", "startup_s", "first_s", "goodput", "rtt_s")
    return {name: getattr(copies, name) for name in (*shared, "service_s", "download_s")}


def _as_given(lane: Candidate, by_hand: Overrides) -> Candidate:
    """The lane with what was set by hand."""
    terms: dict[str, Term] = {}
    if lane.uses_link and by_hand.uplink_bytes_per_s is not None:
        terms["goodput"] = given(by_hand.uplink_bytes_per_s, "set by hand")
    if lane.uses_link and by_hand.rtt_s is not None:
        terms["rtt_s"] = given(by_hand.rtt_s, "set by hand")
    if by_hand.image_bytes is not None and lane.upload_max_side_px is None:
        terms["sent_bytes"] = given(by_hand.image_bytes, "set by hand")
    return lane.with_terms(**terms) if terms else lane
