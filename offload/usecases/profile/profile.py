"""Profiling put together: places, images drawn from the folder, the state of this machine."""

import datetime
import hashlib
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from offload.domain.errors import ImageError, PlaceUnavailable, UsageError
from offload.domain.events import failed
from offload.domain.measurements import Condition, Measurement
from offload.domain.ports import Place, Session
from offload.drivers.host import machine
from offload.drivers.images import image_files, pictures
from offload.places import known
from offload.providers import Endpoint
from offload.providers.ec2 import registry
from offload.usecases.context import Context
from offload.usecases.detect import endpoints, places
from offload.usecases.detect.conditions import condition, local_slots
from offload.usecases.detect.privacy import KeepLocalRules
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Job
from offload.usecases.history.versions import versions
from offload.usecases.profile.budget import Budget
from offload.usecases.profile.measure import Measurer, SampledImage, Subject
from offload.usecases.profile.quality_warnings import HostState
from offload.usecases.profile.starts import Starter

_DRAWN, _MOST_TRIED = 10, 200


@dataclass(frozen=True, slots=True)
class SampledFolder:
    """The images to measure with in random order, and the first of them that can be opened."""

    root: str
    paths: Sequence[str]
    drawn: Sequence[SampledImage]
    bytes: int

    def located(self, drawn: Sequence[SampledImage]) -> list[str]:
        """Their absolute paths."""
        return [os.path.join(self.root, each.path) for each in drawn]


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
        around = HostState(
            machine.usable_cores(), machine.load(), machine.burstable(), machine.on_battery()
        )
        for request in requests:  # what cannot be meant is refused before anything is measured
            if endpoints.is_asked(request, configured):
                registry.connected(configured, request.machine)
            else:
                self._place(_as_is(request), None)
        for request in requests:
            if self.context.stop:
                return
            try:
                with endpoints.endpoint(request, self.context) as via:
                    yield from self._measuring(request, via, images, around).measurements()
            except PlaceUnavailable as error:
                self.lost.append(request.where)
                self.context.reporter.emit(failed(error, request.where))

    def _measuring(
        self, request: Request, via: Endpoint | None, images: SampledFolder, around: HostState
    ) -> Measurer:
        place = self._place(_as_is(request), via)
        selection = request.selection(place.model)  # asked for or fetched before the time counts

        def of_side(side_px: int | None) -> Request:
            return replace(request, upload_max_side=side_px) if side_px else _as_is(request)

        def session(side_px: int | None) -> AbstractContextManager[Session]:
            there = self._place(of_side(side_px), via) if side_px else place
            return there.open(selection, len(images.paths))

        def made(at: Session, side_px: int | None) -> Condition:
            return condition(at, of_side(side_px), self.context.settings, via)

        subject = Subject(
            place=place.name,
            paths=images.paths,
            drawn=images.drawn,
            folder_bytes=images.bytes,
            start=self._starter(request, images),
            session=session,
            condition=made,
            job=lambda paths: _job(images.root, paths),
            facts=_facts(around),
            taken_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            surroundings=around,
            max_side_px=request.upload_max_side,
            takes_copies=known()[request.where].takes("upload_max_side"),
        )
        budget = Budget(self.budget_s, self.context.clock)
        return Measurer(subject, budget, self.rng, self.context.stop, self.context.reporter)

    def _place(self, request: Request, via: Endpoint | None) -> Place:
        return places.place(request.where, places.kit(request, self.context, via))

    def _starter(self, request: Request, images: SampledFolder) -> Starter:
        """With an image for every detector that loads; elsewhere with one that is soon sent."""
        drawn, together = images.drawn, 1
        if known()[request.where].in_process:
            together = local_slots(request, self.context.settings)
        else:
            drawn = sorted(drawn, key=lambda each: each.bytes)
        return Starter(_as_is(request), images.located(drawn), together, self.context.reporter)


def folder(
    request: Request, rng: random.Random, wanted: int, stay: Sequence[str] = ()
) -> SampledFolder:
    """What the request's sources hold, drawn without replacement; at least `wanted` or ten of them
    are opened. Images that the patterns `stay` name are left out.

    Raises:
        UsageError: they name no image, or none that can be opened.
    """
    try:
        found = image_files.find(request.sources, recursive=request.recursive)
    except UsageError as error:
        error.hint = error.hint.replace("offload detect", "offload profile")
        raise
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
            drawn.append(
                SampledImage(path, len(data), pictures.longest_px(data, request.max_pixels))
            )
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


def _job(root: str, paths: Sequence[str]) -> Job:
    return Job(
        paths=paths,
        read=lambda path: image_files.read(root, path),
        digest=lambda data: hashlib.sha256(data).hexdigest(),
        printable=image_files.printable,
    )


def _facts(around: HostState) -> Callable[[], Mapping[str, Any]]:
    """What explains a number later, from now on until it is asked for."""
    before = machine.cpu_s()

    def facts() -> Mapping[str, Any]:
        after, share = machine.cpu_s(), None
        if before and after and after[1] > before[1]:
            share = round((after[0] - before[0]) / (after[1] - before[1]), 3)
        return {
            "versions": versions(),
            "load_before": around.load,
            "load_after": machine.load(),
            "cpu_busy_share": share,
        }

    return facts
