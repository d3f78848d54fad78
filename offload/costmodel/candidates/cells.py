"""The lane of a study's cell: that of its place, with what the cell sets."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from offload.costmodel.candidates import priors
from offload.costmodel.terms import Candidate, assumed, given
from offload.domain.places import StartState
from offload.domain.studies import Cell

PAYLOAD_SHARE = 1448 / 1514
"""Of a link's rate, what headers leave: a full segment over its Ethernet frame, IPv4 and TCP with
timestamps.
"""
_READY = {priors.HERE, StartState.WARM}
_COPY_BYTES_PER_PX2 = (0.08, 0.4)
"""What a JPEG weighs over the square of its longest side: 1 to 4 bits a pixel, 4:3 to 3:2."""


def lane_of(cell: Cell, known: Sequence[Candidate], cores: int, *, limited: bool) -> Candidate:
    """The lane of a cell, out of those of `known` that are ready; its start-up is left out unless
    the cell is cold.

    `cores` are this machine's. `limited` says that containers in `known` were measured under the
    cell's limit of cores.
    """
    lane = _sending(cell, known)
    if not lane.traits.leaves_machine and not lane.traits.in_process:
        lane = _boxed(cell, lane, cores, limited)
    if cell.replicas is not None:
        lane = lane.with_replicas(cell.replicas)
    if cell.concurrency is not None:
        clients = min(cell.concurrency, lane.clients)
        lane = replace(lane, in_flight=cell.concurrency, clients=clients)
    if cell.link_mbit is not None:
        rate = PAYLOAD_SHARE * lane.traits.image_share * cell.link_mbit
        goodput = given(rate * 1e6 / 8, "the link's rate")
        lane = lane.with_terms(goodput=goodput)
    return lane if cell.cold else lane.with_terms(startup_s=given(0.0, "left out"))


def _sending(cell: Cell, known: Sequence[Candidate]) -> Candidate:
    """The lane of what the cell sends: measured, or with an assumption of what copies weigh."""
    ready = [each for each in known if each.place == cell.place and each.state in _READY]
    side_px = cell.upload_max_side_px
    same = next((each for each in ready if each.upload_max_side_px == side_px), None)
    if same is not None:
        return same
    whole = next(each for each in ready if each.upload_max_side_px is None)
    assert side_px is not None
    low, high = (share * side_px**2 for share in _COPY_BYTES_PER_PX2)
    copies = assumed(low, high, np.random.default_rng(side_px), "prior of copies")
    lighter = np.minimum(copies.draws, whole.sent_bytes.draws)
    return replace(
        whole, sent_bytes=replace(copies, draws=lighter), upload_max_side_px=side_px, bytes_cv=0.0
    )


def _boxed(cell: Cell, lane: Candidate, cores: int, limited: bool) -> Candidate:
    """Replicas with their share of the cores; none gets more than there are."""
    slots, share, replicas = lane.slots, 1.0, cell.replicas or 1
    if cell.cpus is not None:
        slots = slots if limited else max(1, min(int(cell.cpus), slots))
        share = min(1.0, cell.cpus / slots)
    alone, together = (max(1.0, number * slots * share / cores) for number in (1, replicas))
    slower = together / alone if limited or cell.cpus is None else together / share
    in_flight = max(1, lane.in_flight - lane.slots + slots)
    service_s = lane.service_s
    if slower != 1:
        how = "scaled to its share of the cores"
        service_s = replace(service_s, draws=service_s.draws * slower, origin="assumed", how=how)
    return replace(
        lane, slots=replicas * slots, in_flight=replicas * in_flight, service_s=service_s
    )


def busy_s(lane: Candidate, seconds: float, *, cold: bool) -> float:
    """Seconds that doing a cell takes in all, of which `seconds` are reported: its process starts,
    and where a server is there already, another one has sent it an image before.
    """
    if cold:
        return seconds
    up_s = max(0.0, lane.startup_s.median - sum(lane.phases.values()))
    if lane.traits.in_process:
        return seconds + up_s
    upload_s = lane.sent_bytes.median / lane.goodput.median
    one_s = lane.prepare_s.median + upload_s + lane.rtt_s.median + lane.service_s.median
    return seconds + up_s + (up_s + lane.first_s.median + one_s)
