"""Every way to do a job, from what was measured, and where nothing was, from stated priors."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from offload.costmodel import accuracy
from offload.costmodel.candidates import priors
from offload.costmodel.candidates.measured import Fitted, of_jobs
from offload.costmodel.candidates.start_up import Starts, called
from offload.costmodel.terms import DRAWS, Candidate, Draws, given
from offload.domain.machines import Kind
from offload.domain.measurements import Condition, Measurement, Outcome, StartPhase
from offload.domain.places import CALLS, KnownPlaces, PlaceTraits, StartState

_SEED = 20_000
_SHARED = (
    "slots", "clients", "in_flight", "startup_s", "first_s", "goodput", "rtt_s", "service_s",
    "download_s",
)  # fmt: skip
"""What a place is like whatever it is sent."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What somebody set by hand, and what is asked of remote machines.

    `uplink_bytes_per_s`, `rtt_s` and `image_bytes` take the place of measurements. `slots` is how
    many images this machine works on at a time, `remote_slots` a machine that was not measured.
    `state` is the start state of places that have several; None means ready if it was measured,
    else not provisioned, if one `may_rent`. `kind` is that of machines that are rented. Where
    `places` are named, `split` being one, only those may be chosen. `network` is the fingerprint of
    the one this machine is in. A split takes the fastest of `split_with`; of those elsewhere if
    none is named.
    `replicas` is how many servers places have that are several.
    Places that nobody has by chance are left out before they are measured, unless `unmeasured`.
    """

    uplink_bytes_per_s: float | None = None
    rtt_s: float | None = None
    image_bytes: float | None = None
    slots: int = 1
    remote_slots: int = 2
    state: str | None = None
    kind: Kind | None = None
    may_rent: bool = True
    min_agreement: float = 0.97
    places: tuple[str, ...] | None = None
    network: str | None = None
    split_with: tuple[str, ...] = ()
    unmeasured: bool = False
    replicas: int | None = None


def lanes(
    measurements: Sequence[Measurement],
    outcomes: Sequence[Outcome],
    by_hand: Overrides,
    places: KnownPlaces,
) -> list[Candidate]:
    """The ways to do a job: each place that was measured, and those of `places` by assumption.
    Bring-ups of machines measure no place, but how long other start states take; nor do splits.
    """
    jobs = [m for m in measurements if m.is_of_a_place]
    # What is assumed of functions changes no draw of what others have measured.
    rng, calls_rng = (np.random.default_rng(_SEED + number) for number in range(2))

    def rng_of(traits: PlaceTraits) -> np.random.Generator:
        return calls_rng if traits.by_call else rng

    by_chance = [x.name for x in places.values() if by_hand.unmeasured or x.has_prior]
    names = dict.fromkeys([*by_chance, *(m.condition.place for m in jobs)])
    every = sorted((places[name] for name in names), key=lambda t: (t.simplicity, t.name))
    luck = {traits.name: rng_of(traits).standard_normal(DRAWS) for traits in every}
    noise = {t.name: np.exp(accuracy.sigma(outcomes, t) * luck[t.name]) for t in every}

    def lane_of(group: Sequence[Measurement]) -> Candidate:
        traits = places[group[0].condition.place]
        if group[0].totals:
            return of_jobs(group, traits, luck[traits.name], accuracy.sigma(outcomes, traits))
        return Fitted(group, traits, jobs, rng).lane(noise[traits.name])

    measured = [lane_of(group) for group in _groups(jobs, by_hand, places)]
    known = _with_unmeasured(measured, every, rng_of, noise, by_hand)
    found = [_as_given(lane, by_hand) for lane in known]
    here = [lane for lane in found if not lane.traits.leaves_machine]
    container_s = next(
        (sum(lane.phases.values()) for lane in here if StartPhase.CREATE in lane.phases), None
    )
    for traits in every:
        if traits.leaves_machine:
            ups = [m for m in measurements if m.condition.place == traits.name]
            of_place = [lane for lane in found if lane.traits == traits]
            starting = Starts(ups, by_hand.kind, container_s, rng).lane
            if traits.by_call or traits.on_demand:
                starting = partial(called, ups, rng_of(traits))
            here += _in_all_states(of_place, starting, by_hand)
    allowed = by_hand.places
    if allowed is None:
        return here
    return [replace(x, choosable=x.choosable and x.place in allowed) for x in here]


def _in_all_states(
    of_place: Sequence[Candidate],
    starting: Callable[[Candidate, str], Candidate],
    by_hand: Overrides,
) -> list[Candidate]:
    """A place elsewhere in each start state that it has, and with smaller copies. Those of the
    state it is in may be chosen, if measured or yet to be rented; copies if their answers agree.
    `starting` gives its lane in another state than ready.
    """
    ready = next(lane for lane in of_place if lane.upload_max_side_px is None)
    states = ready.traits.start_states
    is_measured = any(lane.key for lane in of_place)
    is_absent = StartState.ABSENT in states and not is_measured and by_hand.may_rent
    usual = StartState.ABSENT if is_absent else StartState.WARM
    if ready.traits.by_call or ready.traits.on_demand:  # what rests for some minutes is cold
        usual = StartState.COLD
    state = by_hand.state if by_hand.state in states else usual
    others = [starting(ready, s) for s in priors.STATES if s in states and s != StartState.WARM]
    if not ready.key:
        ready = replace(ready, name=f"{ready.name}, {priors.STATES[StartState.WARM]}")
    is_warm, least = state == StartState.WARM, by_hand.min_agreement
    smaller = [
        replace(lane, choosable=is_warm and (lane.agreement or 0.0) >= least)
        for lane in of_place
        if lane.upload_max_side_px is not None
    ]
    known = bool(ready.key) or state == StartState.ABSENT
    same = [replace(lane, choosable=known and lane.state == state) for lane in (ready, *others)]
    return [same[0], *smaller, *same[1:]]


def machine(
    measurements: Sequence[Measurement], by_hand: Overrides, places: KnownPlaces
) -> Kind | None:
    """Kind of the rented machine that lanes are made of, if one was measured."""
    groups = _groups([m for m in measurements if m.is_of_a_place], by_hand, places)
    return next((c.machine for group in groups if (c := group[0].condition).url), None)


def _groups(
    measurements: Sequence[Measurement], by_hand: Overrides, places: KnownPlaces
) -> list[list[Measurement]]:
    """Measurements of equal conditions: of each place the latest server, and of each upload there
    the latest condition, but rather one of as many detectors as this process would have now, no
    limit of cores, files as they are, and the network we are in.
    """

    def usual(m: Measurement) -> bool:
        c = m.condition
        if places[c.place].in_process:
            return c.slots == by_hand.slots
        here = c.network == by_hand.network or None in {c.network, by_hand.network}
        return here and c.cpus is None and not c.strip_metadata

    newest = sorted(measurements, key=lambda m: (usual(m), m.taken_at), reverse=True)
    latest: dict[tuple[str, int | None], Condition] = {}
    servers: dict[str, str | None] = {}
    for m in newest:
        c = m.condition
        if servers.setdefault(c.place, c.url) == c.url:
            latest.setdefault((c.place, c.upload_max_side_px), c)
    ordered = sorted(latest.values(), key=lambda c: -(c.upload_max_side_px or math.inf))
    return [[m for m in measurements if m.condition.key == c.key] for c in ordered]


def _with_unmeasured(
    measured: Sequence[Candidate],
    every: Sequence[PlaceTraits],
    rng_of: Callable[[PlaceTraits], np.random.Generator],
    noise: Mapping[str, Draws],
    by_hand: Overrides,
) -> list[Candidate]:
    """The lanes by place, and one for each place that was not measured."""
    known = next((x for x in measured if x.traits.in_process), measured[0] if measured else None)
    linked = next((x for x in measured if x.goodput.origin == "measured"), None)
    found: list[Candidate] = []
    for traits in every:
        lanes = [lane for lane in measured if lane.traits == traits]
        whole = any(lane.upload_max_side_px is None for lane in lanes)
        if not lanes or (traits.leaves_machine and not whole):
            slots = by_hand.remote_slots if traits.leaves_machine else by_hand.slots
            slots = CALLS if traits.by_call else slots
            new = priors.candidate(traits, rng_of(traits), noise[traits.name], slots, known, linked)
            # What is known of a server that was only ever sent smaller copies.
            shared: dict[str, Any] = {name: getattr(lanes[0], name) for name in _SHARED if lanes}
            lanes.append(replace(new, choosable=traits.in_process, **shared))
        found += lanes
    return found


def _as_given(lane: Candidate, by_hand: Overrides) -> Candidate:
    """The lane with what was set by hand."""
    said: dict[str, float | None] = {}
    if lane.traits.uses_link:
        uplink = by_hand.uplink_bytes_per_s
        goodput = None if uplink is None else uplink * lane.traits.image_share
        said = {"goodput": goodput, "rtt_s": by_hand.rtt_s}
    if lane.upload_max_side_px is None:
        said["sent_bytes"] = by_hand.image_bytes
    terms = {name: given(value, "set by hand") for name, value in said.items() if value is not None}
    if by_hand.replicas is not None:
        lane = lane.with_replicas(by_hand.replicas)
    return lane.with_terms(**terms)
