"""Profiling put together: places, images drawn from the folder, the state of this machine."""

import datetime
import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from offload.app.budget import Budget
from offload.app.detect import Job
from offload.app.doubts import Surroundings
from offload.app.pipeline import Stop
from offload.app.profile import Drawn, Measuring, Subject
from offload.detectors.source import Hub
from offload.domain.errors import ImageError, PlaceUnavailable, UsageError
from offload.domain.measurements import Condition, Measurement
from offload.domain.ports import Place, Session
from offload.drivers import imagefiles, machine, pictures
from offload.drivers.settings import Settings
from offload.wiring import machines, places, reaching
from offload.wiring.conditions import condition, local_slots
from offload.wiring.reaching import Via
from offload.wiring.request import Request
from offload.wiring.starting import Starter
from offload.wiring.staying import Staying
from offload.wiring.versions import versions

_DRAWN, _MOST_TRIED = 10, 200


@dataclass(frozen=True, slots=True)
class Folder:
    """The images to measure with in random order, and the first of them that can be opened."""

    root: str
    paths: Sequence[str]
    drawn: Sequence[Drawn]
    bytes: int

    def located(self, drawn: Sequence[Drawn]) -> list[str]:
        """Their absolute paths."""
        return [os.path.join(self.root, each.path) for each in drawn]


@dataclass(frozen=True, slots=True)
class Profiler:
    """Measures places one after another.

    `say` is told what the user should know, `follow` each step, `lost` each place that is not
    there.
    """

    hub: Hub
    configured: Settings
    budget_s: float
    stop: Stop
    say: Callable[[str], None]
    follow: Callable[[str], None]
    lost: Callable[[str, PlaceUnavailable], None]
    rng: random.Random = field(default_factory=random.Random)

    def measurements(self, requests: Sequence[Request]) -> Iterator[Measurement]:
        """Those of each place in turn, as they are made.

        Raises:
            OffloadError: what is asked for cannot be done.
        """
        most = max(local_slots(request, self.configured) for request in requests)
        away = any(request.where == "remote" for request in requests)
        images = folder(requests[0], self.rng, most, self.configured.keep_local if away else ())
        around = Surroundings(
            machine.usable_cores(), machine.load(), machine.burstable(), machine.on_battery()
        )
        for request in requests:  # what cannot be meant is refused before anything is measured
            if reaching.is_asked(request, self.configured):
                machines.connected(self.configured, request.machine)
            else:
                self._place(_as_is(request), None)
        for request in requests:
            if self.stop:
                return
            try:
                with reaching.via(request, self.configured) as via:
                    yield from self._measuring(request, via, images, around).measurements()
            except PlaceUnavailable as error:
                self.lost(request.where, error)

    def _measuring(
        self, request: Request, via: Via | None, images: Folder, around: Surroundings
    ) -> Measuring:
        place = self._place(_as_is(request), via)
        selection = request.selection(place.model)  # asked for or fetched before the time counts

        def of_side(side_px: int | None) -> Request:
            return replace(request, upload_max_side=side_px) if side_px else _as_is(request)

        def session(side_px: int | None) -> AbstractContextManager[Session]:
            there = self._place(of_side(side_px), via) if side_px else place
            return there.open(selection, len(images.paths))

        def made(at: Session, side_px: int | None) -> Condition:
            return condition(at, of_side(side_px), self.configured, via.label if via else None)

        subject = Subject(
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
        )
        budget = Budget(self.budget_s, time.perf_counter)

        def follow(step: str) -> None:
            self.follow(f"{place.name}: {step}")

        return Measuring(subject, budget, self.rng, self.stop, follow)

    def _place(self, request: Request, via: Via | None) -> Place:
        kit = places.kit(request, self.hub, self.configured, lambda _line: None, via)
        return places.place(request.where, kit)

    def _starter(self, request: Request, images: Folder) -> Starter:
        """With an image for every detector that loads; elsewhere with one that is soon sent."""
        drawn, together = images.drawn, 1
        if request.where == "local":
            together = local_slots(request, self.configured)
        else:
            drawn = sorted(drawn, key=lambda each: each.bytes)
        return Starter(_as_is(request), images.located(drawn), together, self.say)


def folder(request: Request, rng: random.Random, wanted: int, stay: Sequence[str] = ()) -> Folder:
    """What the request's sources hold, drawn without replacement; at least `wanted` or ten of them
    are opened. Images that the patterns `stay` name are left out.

    Raises:
        UsageError: they name no image, or none that can be opened.
    """
    try:
        found = imagefiles.find(request.sources, recursive=request.recursive)
    except UsageError as error:
        error.hint = error.hint.replace("offload detect", "offload profile")
        raise
    staying = Staying(found.root, stay)
    paths = [path for path in rng.sample(found.paths, len(found.paths)) if path not in staying]
    if not paths and found.paths:
        raise UsageError(
            "All of the images are to stay here.", hint="To measure this machine: --where local"
        )
    drawn: list[Drawn] = []
    why = "".join(f"{path}: {reason}" for path, reason in found.problems[:1])
    for path in paths[:_MOST_TRIED]:
        try:
            data = imagefiles.read(found.root, path).image.data
            drawn.append(Drawn(path, len(data), pictures.longest_px(data, request.max_pixels)))
        except ImageError as error:
            why = f"{path}: {error}"
        if len(drawn) == max(_DRAWN, wanted):
            break
    if not drawn:
        raise UsageError(f"No image can be opened; {imagefiles.printable(why)}.")
    total_bytes = sum(imagefiles.size_bytes(found.root, path) for path in paths)
    return Folder(found.root, paths, drawn, total_bytes)


def _as_is(request: Request) -> Request:
    """The request without smaller copies."""
    return replace(request, upload_max_side=None, upload_quality=Request(()).upload_quality)


def _job(root: str, paths: Sequence[str]) -> Job:
    return Job(
        paths=paths,
        read=lambda path: imagefiles.read(root, path),
        digest=lambda data: hashlib.sha256(data).hexdigest(),
        printable=imagefiles.printable,
    )


def _facts(around: Surroundings) -> Callable[[], Mapping[str, Any]]:
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
