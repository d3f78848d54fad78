"""What a study runs on, as it is found on the way: machines, links, versions."""

import random
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from offload.domain.results import Json
from offload.drivers.host import machine
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from offload.usecases.profile import probing

_PROBE_S = 10.0


class Environment:
    """The document of what a study runs on; `write` keeps it whenever something is added."""

    def __init__(self, before: Json, write: Callable[[Json], None]) -> None:
        self._write = write
        self._document: Json = {
            "started_at": before.get("started_at") or machine.now(),
            "ended_at": before.get("ended_at"),
            "client": machine.describe(),
            "network": machine.network(),
            "versions": machine.versions(),
            "load": machine.load(),
            "on_battery": machine.on_battery(),
            "places": before.get("places") or {},
        }
        write(self._document)

    def add(self, place: str, facts: Mapping[str, Any], links: Json | None = None) -> None:
        """What was found of a place, unless it is known already; and what crossed its `links`, by
        how they were shaped.
        """
        known = self._document["places"].setdefault(place, {})
        new = {name: value for name, value in facts.items() if name not in known}
        known.update(new)
        for shaped, found in (links or {}).items():
            known.setdefault("links", {}).setdefault(shaped, {}).update(found)
        if new or links:
            self._write(self._document)

    def end(self) -> None:
        """The study has ended, or paused."""
        self._document["ended_at"] = machine.now()
        self._write(self._document)


def probed(
    request: Request, context: Context, environment: Environment, mbit: float | None
) -> float | None:
    """How many bytes per second cross the link to a study's server that is shaped to so many
    Mbit/s, if that can be told; the environment is told, too.

    Raises:
        PlaceUnavailable: the server does not answer.
    """
    with places.endpoint(request, context) as endpoint:
        place = places.made(request, context, endpoint)
        with place.open(request.selection(place.model), 1) as session:
            budget = probing.Budget(_PROBE_S, context.clock)
            luck = random.Random()  # noqa: S311 - what cannot be compressed will do
            probes = probing.link(session, budget, luck, context.stop)
            facts: Json = {"host": dict(session.host)}
    slope = probing.seconds_per_byte(probes, "up")
    trips_s = [probe.seconds for probe in probes if probe.kind == "rtt"]
    found = {"rtt_s": statistics.median(trips_s)} if trips_s else {}
    if slope:
        found["goodput_bytes_per_s"] = 1 / slope
    if endpoint is not None and endpoint.machine is not None:
        facts |= {
            "instance_type": endpoint.machine.instance_type,
            "region": endpoint.machine.region,
            "usd_per_h": endpoint.billing.all_usd_per_h,
            "tunnel": True,
        }
    environment.add(request.where, facts | found, {f"{mbit:g}" if mbit else "as it is": found})
    return found.get("goodput_bytes_per_s")
