"""Profiling put together: places, images drawn from the folder, the state of this machine."""

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, UsageError
from offload.domain.events import failed
from offload.domain.measurements import Measurement, Start
from offload.domain.ports import Session
from offload.drivers.host import machine
from offload.drivers.images import image_files, pictures
from offload.places import known
from offload.providers import Endpoint
from offload.providers.ec2 import registry
from offload.usecases.context import Context
from offload.usecases.detect import places, subprocess_run
from offload.usecases.detect.places import condition, local_slots
from offload.usecases.detect.privacy import KeepLocalRules
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Job
from offload.usecases.history.versions import versions
from offload.usecases.profile import quality_warnings
from offload.usecases.profile.measure import Measurer, SampledFolder, SampledImage
from offload.usecases.profile.probing import Budget

_DRAWN, _MOST_TRIED = 10, 200


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
        load = machine.load()
        doubts = list(
            quality_warnings.of_machine(
                machine.usable_cores(), load, machine.burstable(), on_battery=machine.on_battery()
            )
        )
        for request in requests:  # what cannot be meant is refused before anything is measured
            if places.means_rented(request, configured):
                registry.connected(configured, request.machine)
            else:
                places.made(_as_is(request), self.context, None)
        for request in requests:
            if self.context.stop:
                return
            try:
                with places.endpoint(request, self.context) as via:
                    yield from self._measurer(request, via, images, load, doubts).measurements()
            except PlaceUnavailable as error:
                self.lost.append(request.where)
                self.context.reporter.emit(failed(error, request.where))

    def _measurer(
        self,
        request: Request,
        via: Endpoint | None,
        images: SampledFolder,
        load: float | None,
        warnings: Sequence[str],
    ) -> Measurer:
        context, as_is = self.context, _as_is(request)
        place = places.made(as_is, context, via)
        selection = request.selection(place.model)  # asked for or fetched before the time counts
        taken_at = machine.now()
        facts = _facts(load)

        def of_side(side_px: int | None) -> Request:
            return replace(request, upload_max_side=side_px) if side_px else as_is

        def session(side_px: int | None) -> AbstractContextManager[Session]:
            there = places.made(of_side(side_px), context, via) if side_px else place
            return there.open(selection, len(images.paths))

        def blank(at: Session, side_px: int | None) -> Measurement:
            label = via.label if via else None
            return Measurement(
                taken_at=taken_at,
                source="profile",
                condition=condition(at, of_side(side_px), context.settings, label),
                in_flight=at.concurrency,
                folder_images=len(images.paths),
                folder_bytes=images.bytes,
                facts=facts(),
            )

        return Measurer(
            request=request,
            context=context,
            images=images,
            start=self._starter(as_is, images),
            session=session,
            blank=blank,
            job=lambda paths: Job(paths, partial(image_files.read, images.root)),
            budget=Budget(self.budget_s, context.clock),
            rng=self.rng,
            warnings=warnings,
        )

    def _starter(self, request: Request, images: SampledFolder) -> Callable[[], Start]:
        """Starts with an image for every detector that loads; elsewhere with one that is soon sent.
        Files that cannot be used are left out from then on.
        """
        drawn, together = images.drawn, 1
        if known()[request.where].in_process:
            together = local_slots(request, self.context.settings)
        else:
            drawn = sorted(drawn, key=lambda each: each.bytes)
        left = [os.path.join(images.root, each.path) for each in drawn]

        def start() -> Start:
            reason = ""
            while left:
                files = left[:together]
                with subprocess_run.detect(files, request, self.context.reporter) as detected:
                    totals, reason = detected.totals, detected.reason
                if totals["failed"] < totals["images"]:
                    return Start(
                        images=len(files),
                        startup_s=totals["startup_s"],
                        first_s=totals["detect_s"],
                        sent_bytes=totals["sent_bytes"],
                        phases=totals["phases"],
                    )
                del left[:together]
            raise OffloadError(f"None of the images drawn can be used; {reason}.")

        return start


def folder(
    request: Request, rng: random.Random, wanted: int, stay: Sequence[str] = ()
) -> SampledFolder:
    """What the request's sources hold, drawn without replacement; at least `wanted` or ten of them
    are opened. Images that the patterns `stay` name are left out.

    Raises:
        UsageError: they name no image, or none that can be opened.
    """
    found = image_files.find(request.sources, recursive=request.recursive, command="profile")
    staying = KeepLocalRules(found.root, stay)
    paths = [path for path in rng.sample(found.paths, len(found.paths)) if path not in staying]
    if not paths and found.paths:
        raise UsageError(
            "All of the images are to stay here.", hint="To measure this machine: --where local"
        )
    drawn: list[SampledImage] = []
    why = "".join(f"{path}: {reason}" for path, reason in found.problems[:1])
    for path in paths[:_MOST_TRIED]:
        try:
            data = image_files.read(found.root, path).image.data
            side_px = pictures.longest_px(data, request.max_pixels)
            drawn.append(SampledImage(path, len(data), side_px))
        except ImageError as error:
            why = f"{path}: {error}"
        if len(drawn) == max(_DRAWN, wanted):
            break
    if not drawn:
        raise UsageError(f"No image can be opened; {image_files.printable(why)}.")
    total_bytes = sum(image_files.size_bytes(found.root, path) for path in paths)
    return SampledFolder(found.root, paths, drawn, total_bytes)


def _as_is(request: Request) -> Request:
    """The request without smaller copies."""
    return replace(request, upload_max_side=None, upload_quality=Request(()).upload_quality)


def _facts(load: float | None) -> Callable[[], Mapping[str, Any]]:
    """What explains a number later, from now on until it is asked for."""
    before = machine.cpu_s()

    def facts() -> Mapping[str, Any]:
        after, share = machine.cpu_s(), None
        if before and after and after[1] > before[1]:
            share = round((after[0] - before[0]) / (after[1] - before[1]), 3)
        return {
            "versions": versions(),
            "load_before": load,
            "load_after": machine.load(),
            "cpu_busy_share": share,
        }

    return facts
