"""Profiling put together: places, images drawn from the folder, the state of this machine."""

import random
from collections.abc import Iterator, Sequence

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import failed
from offload.domain.measurements import Measurement
from offload.drivers.host import machine
from offload.providers.ec2 import registry
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from offload.usecases.profile import quality_warnings
from offload.usecases.profile.images import folder
from offload.usecases.profile.measure import Measurer
from offload.usecases.profile.probing import Budget


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
    doubts = list(quality_warnings.of_machine(cores, load, kind, on_battery=on_battery))
    for request in requests:  # what cannot be meant is refused before anything is measured
        if places.means_rented(request, configured):
            registry.connected(configured, request.machine)
        else:
            places.made(request.as_is, context, None)
    for request in requests:
        if context.stop:
            return
        try:
            with places.endpoint(request, context) as via:
                place = places.made(request.as_is, context, via)
                measurer = Measurer(
                    request=request,
                    context=context,
                    via=via,
                    place=place,
                    selection=request.selection(place.model),
                    images=images,
                    # From now on: the model may have to be asked for or fetched.
                    budget=Budget(budget_s, context.clock),
                    rng=rng,
                    load=load,
                    warnings=doubts,
                )
                yield from measurer.measurements()
        except PlaceUnavailable as error:
            lost.append(request.where)
            context.reporter.emit(failed(error, request.where))
