"""Profiling put together: places, images drawn from the folder, the state of this machine."""

import random
from collections.abc import Iterator, Sequence

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import failed
from offload.domain.measurements import Measurement, StartPhase
from offload.domain.units import show_usd
from offload.drivers.host import machine
from offload.providers.ec2 import registry
from offload.usecases.advise import prices
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from offload.usecases.profile.images import folder
from offload.usecases.profile.measure import Measurer
from offload.usecases.profile.probing import Budget

_BUSY = 0.5


def measurements(
    requests: Sequence[Request], context: Context, budget_s: float, lost: list[str]
) -> Iterator[Measurement]:
    """Those of each place in turn, as they are made. A place that is not there is said to be, and
    added to `lost`.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    configured, rng = context.settings, random.Random()  # noqa: S311 - no secret hangs on it
    most = max(places.local_slots(request, configured) for request in requests)
    away = any(request.leaves_machine for request in requests)
    images = folder(requests[0], rng, most, configured.keep_local if away else ())
    cores, load, kind = machine.usable_cores(), machine.load(), machine.burstable()
    on_battery = machine.on_battery()
    doubts = list(machine_warnings(cores, load, kind, on_battery=on_battery))
    for request in requests:  # what cannot be meant is refused before anything is measured
        if places.means_rented(request, configured):
            registry.connected(configured, request.machine)
        else:
            places.made(request.as_is, context, None)
    for request in requests:
        if context.stop:
            return
        try:
            with places.endpoint(request, context) as endpoint:
                place = places.made(request.as_is, context, endpoint)
                measurer = Measurer(
                    request=request,
                    context=context,
                    endpoint=endpoint,
                    place=place,
                    selection=request.selection(place.model),
                    images=images,
                    # From now on: the model may have to be asked for or fetched.
                    budget=Budget(budget_s, context.clock),
                    rng=rng,
                    load=load,
                    warnings=doubts,
                )
                cost_usd = 0.0
                for measured in measurer.measurements():
                    cost_usd += calls_usd(measured, context)
                    yield measured
                if cost_usd:
                    said = f"Measuring {request.where} cost about {show_usd(cost_usd)}."
                    context.reporter.note(said)
        except PlaceUnavailable as error:
            lost.append(request.where)
            context.reporter.emit(failed(error, request.where))


def calls_usd(measured: Measurement, context: Context) -> float:
    """What the calls of a measurement cost; 0 where calls are not billed."""
    price = prices.of_calls(measured.condition.host, context)
    if price is None:
        return 0.0
    starts, images = measured.starts, [image.durations.there_s for image in measured.images]
    calls = sum(1 + start.images for start in starts) + len(images) + len(measured.probes)
    busy_s = sum(start.phases.get(StartPhase.INIT, 0.0) for start in starts) + sum(images)
    return price.usd(calls, busy_s)


def machine_warnings(
    cores: int, load: float | None = None, burstable: str | None = None, *, on_battery: bool = False
) -> Iterator[str]:
    """A sentence with advice for each thing about this machine that makes its numbers doubtful:
    `load` is how many programs wanted one of its `cores` before a measurement, `burstable` its kind
    if its full speed lasts only as long as its credits.
    """
    if load is not None and load / cores > _BUSY:
        yield (
            f"This machine was busy before we began (load {load:.1f} on {cores} "
            "cores): close other programs and profile again."
        )
    if burstable:
        yield (
            f"A {burstable} keeps its full speed only as long as its CPU credits last: "
            "profile with a --budget as long as the job, or measure on another kind."
        )
    if on_battery:
        yield "This machine runs on battery, which slows it down: plug it in and profile again."
