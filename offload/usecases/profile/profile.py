"""Profiling put together: places, images drawn from the folder, the state of this machine."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import failed
from offload.domain.measurements import Measurement
from offload.drivers.host import machine
from offload.providers.ec2 import registry
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.places import local_slots
from offload.usecases.detect.request import Request
from offload.usecases.profile import quality_warnings
from offload.usecases.profile.images import folder
from offload.usecases.profile.measure import Measurer
from offload.usecases.profile.probing import Budget


@dataclass(frozen=True, slots=True)
class Profiler:
    """Measures places one after another. `lost` are those that are not there, which is said."""

    context: Context
    budget_s: float
    rng: random.Random = field(default_factory=random.Random)
    lost: list[str] = field(default_factory=list)

    def measurements(self, requests: Sequence[Request]) -> Iterator[Measurement]:
        """Those of each place in turn, as they are made.

        Raises:
            OffloadError: what is asked for cannot be done.
        """
        configured = self.context.settings
        most = max(local_slots(request, configured) for request in requests)
        away = any(request.leaves_machine for request in requests)
        images = folder(requests[0], self.rng, most, configured.keep_local if away else ())
        cores, load, kind = machine.usable_cores(), machine.load(), machine.burstable()
        on_battery = machine.on_battery()
        doubts = list(quality_warnings.of_machine(cores, load, kind, on_battery=on_battery))
        for request in requests:  # what cannot be meant is refused before anything is measured
            if places.means_rented(request, configured):
                registry.connected(configured, request.machine)
            else:
                places.made(request.as_is, self.context, None)
        for request in requests:
            if self.context.stop:
                return
            try:
                with places.endpoint(request, self.context) as via:
                    place = places.made(request.as_is, self.context, via)
                    measurer = Measurer(
                        request=request,
                        context=self.context,
                        via=via,
                        place=place,
                        selection=request.selection(place.model),
                        images=images,
                        # From now on: the model may have to be asked for or fetched.
                        budget=Budget(self.budget_s, self.context.clock),
                        rng=self.rng,
                        load=load,
                        warnings=doubts,
                    )
                    yield from measurer.measurements()
            except PlaceUnavailable as error:
                self.lost.append(request.where)
                self.context.reporter.emit(failed(error, request.where))
