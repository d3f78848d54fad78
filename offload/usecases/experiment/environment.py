"""What a study runs on, as it is found on the way: machines, links, versions."""

import random
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from offload.costmodel.dollars import Billing
from offload.domain.machines import Kind
from offload.domain.results import Json
from offload.drivers.host import machine
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from offload.usecases.history.versions import versions
from offload.usecases.profile import probing
from offload.usecases.profile.probing import Budget

_PROBE_S = 10.0
_NONE: Mapping[str, Json] = {}


class Environment:
    """The document of what a study runs on; `write` keeps it whenever something is added."""

    def __init__(self, before: Json, write: Callable[[Json], None]) -> None:
        self._write = write
        self._document: Json = {
            "started_at": before.get("started_at") or machine.now(),
            "ended_at": before.get("ended_at"),
            "client": machine.describe(),
            "network": machine.network(),
            "versions": versions(),
            "load": machine.load(),
            "on_battery": machine.on_battery(),
            "places": before.get("places") or {},
        }
        write(self._document)

    def add(self, place: str, facts: Mapping[str, Any], links: Mapping[str, Json] = _NONE) -> None:
        """What was found of a place, unless it is known already; and what crossed its `links`, by
        how they were shaped.
        """
        known = self._document["places"].setdefault(place, {})
        new = {name: value for name, value in facts.items() if name not in known}
        known.update(new)
        for shaped, found in links.items():
            known.setdefault("links", {}).setdefault(shaped, {}).update(found)
        if new or links:
            self._write(self._document)

    def end(self) -> None:
        """The study has ended, or paused."""
        self._document["ended_at"] = machine.now()
        self._write(self._document)


class Links:
    """The way to a study's server, measured before its first cell, and when it was shaped."""

    def __init__(self, request: Request, context: Context, environment: Environment) -> None:
        self._request = request
        self._context = context
        self._environment = environment
        self._found: dict[float | None, float | None] = {}

    def goodput_bytes_per_s(self, mbit: float | None) -> float | None:
        """What crosses the link that is shaped so, if that can be told.

        Raises:
            PlaceUnavailable: the server does not answer.
        """
        if mbit not in self._found:
            self._found[mbit] = self._looked(mbit)
        return self._found[mbit]

    def _looked(self, mbit: float | None) -> float | None:
        request, context = self._request, self._context
        with places.endpoint(request, context) as via:
            place = places.made(request, context, via)
            with place.open(request.selection(place.model), 1) as session:
                budget = Budget(_PROBE_S, context.clock)
                luck = random.Random()  # noqa: S311 - what cannot be compressed will do
                probes = probing.link(session, budget, luck, context.stop)
                facts: Json = {"host": dict(session.host)}
        slope = probing.seconds_per_byte(probes, "up")
        trips_s = [probe.seconds for probe in probes if probe.kind == "rtt"]
        found = {"rtt_s": statistics.median(trips_s)} if trips_s else {}
        if slope:
            found["goodput_bytes_per_s"] = 1 / slope
        if via is not None:
            facts |= _rented(via.machine, via.billing)
        self._environment.add(
            request.where, facts | found, {f"{mbit:g}" if mbit else "as it is": found}
        )
        return found.get("goodput_bytes_per_s")


def _rented(kind: Kind | None, billing: Billing) -> Json:
    if kind is None:
        return {}
    return {
        "instance_type": kind.instance_type,
        "region": kind.region,
        "usd_per_h": sum(billing.parts_usd_per_h().values()),
        "tunnel": True,
    }
