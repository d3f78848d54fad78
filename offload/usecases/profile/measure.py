"""Measure one place: how it comes up, its link, and a stretch of the job itself."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import Any

from offload.domain.errors import OffloadError
from offload.domain.events import PhaseBegan, Stop
from offload.domain.measurements import (
    ImageSample,
    Measurement,
    Probe,
    Start,
    StartPhase,
    agreement,
    sample,
)
from offload.domain.ports import Coolable, Place, Session
from offload.domain.results import printable
from offload.domain.vision import Selection
from offload.drivers.host import machine
from offload.drivers.images.image_files import FileImage
from offload.places import known
from offload.providers.config import Endpoint
from offload.usecases.context import Context
from offload.usecases.detect import places, subprocess_run
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Job, detect
from offload.usecases.profile import probing
from offload.usecases.profile.burst import Burst, sample_warnings
from offload.usecases.profile.images import SampledFolder

_MOST_STARTS, _STARTS_SHARE = 3, 0.5
_LEAST_SHARE = 0.4
"""Of the budget: what slow starts leave of it at least, or all that was known would be starts."""
_SIDES_PX = (1280, 640, 320)
"""Longest sides of copies; no detector we know takes less than 300 pixels."""
_MOST_SIDES = 2
_FEWEST, _COMPARED = 3, 10
"""Images to send as they are at least, and to send as smaller copies at most."""
_LEAST_BURST_SHARE = 0.4
"""Of the budget left, for images as they are however alike they are: machines have moods that last
longer than a few images.
"""
_FULL_SHARE = 0.6
"""Of the budget left, for images as they are where smaller copies come after them."""


@dataclass(slots=True)
class Measurer:
    """Measures the place of a request with a folder's images, as long as the budget lasts or until
    the context's `stop` is asked. `endpoint` is the machine that is meant, if it is a rented
    one; `load` and `warnings` are of this machine.
    """

    request: Request
    context: Context
    endpoint: Endpoint | None
    place: Place
    selection: Selection
    images: SampledFolder
    budget: probing.Budget
    rng: random.Random
    load: float | None = None
    warnings: Sequence[str] = ()
    taken_at: str = field(default_factory=machine.now)
    _cpu_s: tuple[float, float] | None = field(default_factory=machine.cpu_s)
    _unusable: int = 0

    def start(self) -> Start:
        """Bring the place up in a process of its own, with an image for every detector that loads;
        elsewhere with one that is soon sent. Those that cannot be used are left out from then on.

        Raises:
            PlaceUnavailable: the place is not there.
            OffloadError: the command fails, or no image can be used.
        """
        drawn, together, reason = self.images.drawn, 1, ""
        if known()[self.request.where].in_process:
            together = places.local_slots(self.request, self.context.settings)
        else:
            drawn = sorted(drawn, key=lambda each: each.bytes)
        located = [self.images.found.located(each.path) for each in drawn]
        while files := located[self._unusable :][:together]:
            request, reporter = self.request.as_is, self.context.reporter
            with subprocess_run.detect(files, request, reporter) as detected:
                totals, reason = detected.totals, detected.reason
            if totals["failed"] < totals["images"]:
                return Start(
                    images=len(files),
                    startup_s=totals["startup_s"],
                    first_s=totals["detect_s"],
                    sent_bytes=totals["sent_bytes"],
                    phases=totals["phases"],
                )
            self._unusable += together
        raise OffloadError(f"None of the images drawn can be used; {reason}.")

    def session(self, side_px: int | None) -> AbstractContextManager[Session]:
        """Bring it up in this process, to be sent the images themselves or smaller copies."""
        place = self.place
        if side_px:
            place = places.made(self._request(side_px), self.context, self.endpoint)
        return place.open(self.selection, len(self.images.paths))

    def read(self, path: str) -> FileImage:
        """An image of the folder."""
        return self.images.found.read(path)

    def measurements(self) -> Iterator[Measurement]:
        """The place with images as they are, then with smaller copies where they may be worth it.

        Raises:
            PlaceUnavailable: it is not there.
            OffloadError: what is asked for cannot be done.
        """
        if isinstance(self.place, Coolable):
            self.place.cool()
        starts = self._starts()
        if self.context.stop:
            return
        warnings = list(self.warnings)
        with self.session(None) as session:
            self.budget.forgive(max(0.0, _LEAST_SHARE * self.budget.whole_s - self.budget.left_s))
            self._begins("the link")
            probes = probing.link(session, self.budget, self.rng, self.context.stop)
            full = self._full(session, probes, warnings)
            whole = self._measurement(session, None, full, starts, probes)
        sides = self._sides_px(full, probes)
        yield replace(whole, warnings=(*warnings, *whole.warnings))
        while sides and not self.context.stop:
            share_s = self.budget.left_s / len(sides)
            yield self._smaller(sides.pop(0), share_s, full, whole)

    def _begins(self, phase: str) -> None:
        self.context.reporter.emit(PhaseBegan(phase, self.request.where))

    def _starts(self) -> list[Start]:
        starts: list[Start] = []
        took_s = 0.0
        while len(starts) < _MOST_STARTS and not self.context.stop:
            if starts and self.budget.spent_s + took_s > _STARTS_SHARE * self.budget.whole_s:
                break
            self._begins(f"start {len(starts) + 1}")
            began_s = self.budget.clock()
            start = self.start()
            built_s = start.phases.get(StartPhase.BUILD, 0.0)  # once and never again
            self.budget.forgive(built_s)
            took_s = self.budget.clock() - began_s - built_s
            starts.append(start)
        return starts

    def _full(self, session: Session, probes: Sequence[Probe], warnings: list[str]) -> Burst:
        """Images as they are, until their speed is known or the budget is spent."""
        left_s = self.budget.left_s
        one_s = probing.expected_s(probes, "up", self.images.mean_bytes)
        if probes and one_s > left_s:
            longer_s = 2 * (one_s + self.budget.spent_s)
            warnings.append(
                f"Sending one image takes {one_s:.1f} s, longer than what was left of the budget: "
                "no full-size image was sent, and no smaller copy compared with it. To send some: "
                f"--budget {longer_s:.0f}s; for copies only: --upload-max-side 640"
            )
            return Burst(session.slots, session.concurrency)

        def enough(so_far: Burst) -> bool:
            reserve_s = (1 - _FULL_SHARE) * left_s if self._sides_px(so_far, probes) else 0.0
            long_enough = self.budget.left_s < (1 - _LEAST_BURST_SHARE) * left_s
            late = so_far.drain_s > self.budget.left_s - reserve_s
            return late or (so_far.precise and long_enough)

        self._begins("full-size images")
        done = self._burst(session, self.images.paths[: self._most(probes)], enough)
        if done.failures:
            path, reason = next(iter(done.failures.items()))
            # Warnings are kept, and names of images are not.
            self.context.reporter.step(f"{self.request.where}: {path}: {reason}")
            tried = len(done.failures) + len(done.samples)
            warnings.append(f"{len(done.failures)} of {tried} images failed; to see which: -v.")
        return done

    def _most(self, probes: Sequence[Probe]) -> int:
        """How many images the link carries in time: those in flight all want to arrive."""
        one_s = probing.seconds_per_byte(probes, "up") * self.images.mean_bytes
        if not one_s:
            return len(self.images.paths)
        return max(_FEWEST, int(_FULL_SHARE * self.budget.left_s / one_s))

    def _sides_px(self, done: Burst, probes: Sequence[Probe]) -> list[int]:
        """Longest sides of copies to measure: the one asked for, or some if the link is slow."""
        if not known()[self.request.where].takes("upload_max_side"):
            return []
        asked_px = self.request.upload_max_side
        if asked_px:
            return [asked_px] if probes else []
        if not _is_uplink_bound(done.samples, probes, done.slots):
            return []
        usual_px = median(drawn.longest_px for drawn in self.images.drawn)
        return [side_px for side_px in _SIDES_PX if side_px < usual_px][:_MOST_SIDES]

    def _smaller(
        self, side_px: int, share_s: float, full: Burst, whole: Measurement
    ) -> Measurement:
        """Copies of some images that were sent as they are, and how far the answers agree."""
        self._begins(f"copies of {side_px} px")
        until_s = self.budget.spent_s + share_s
        paths = self.images.paths
        compared = [path for path in paths if printable(path) in full.found]
        compared = compared[:_COMPARED]
        others = [path for path in paths if path not in compared]

        def enough(so_far: Burst) -> bool:
            late = self.budget.spent_s + so_far.drain_s > until_s
            return late or (so_far.precise and len(so_far.samples) >= len(compared))

        with self.session(side_px) as session:
            done = self._burst(session, [*compared, *others], enough)
            measured = self._measurement(session, side_px, done, whole.starts, whole.probes)
        agreements = tuple(
            agreement(full.found[path], found)
            for path, found in done.found.items()
            if path in full.found
        )
        return replace(measured, agreements=agreements)

    def _burst(
        self, session: Session, paths: Sequence[str], enough: Callable[[Burst], bool]
    ) -> Burst:
        """Do the images until there are no more, `enough` of them are done, or `stop` is asked;
        those in progress by then are finished and count.
        """
        ours, clock = Stop(), self.budget.clock
        so_far = Burst(session.slots, session.concurrency)
        began_s = clock()
        with closing(detect(Job(paths, self.read), session, "", clock, ours)) as rows:
            for row in rows:
                finished_s = clock() - began_s
                if row.error is not None:
                    so_far.failures[row.path] = row.error
                else:
                    so_far.samples.append(sample(row, len(so_far.samples) + 1, finished_s))
                    so_far.found[row.path] = row.detections
                if self.context.stop or enough(so_far):
                    ours.ask()
        return so_far

    def _measurement(
        self,
        session: Session,
        side_px: int | None,
        done: Burst,
        starts: Sequence[Start],
        probes: Sequence[Probe],
    ) -> Measurement:
        under = places.condition(
            session, self._request(side_px), self.context.settings, self.endpoint
        )
        return Measurement(
            taken_at=self.taken_at,
            source="profile",
            condition=under,
            in_flight=session.concurrency,
            folder_images=len(self.images.paths),
            folder_bytes=self.images.bytes,
            starts=tuple(starts),
            images=tuple(done.samples),
            probes=tuple(probes),
            facts=self._facts(),
            warnings=tuple(sample_warnings(done.samples, probes, session.concurrency)),
        )

    def _request(self, side_px: int | None) -> Request:
        return replace(self.request, upload_max_side=side_px) if side_px else self.request.as_is

    def _facts(self) -> Mapping[str, Any]:
        """What explains a number later."""
        before, after, share = self._cpu_s, machine.cpu_s(), None
        if before and after and after[1] > before[1]:
            share = round((after[0] - before[0]) / (after[1] - before[1]), 3)
        return {
            "versions": machine.versions(),
            "load_before": self.load,
            "load_after": machine.load(),
            "cpu_busy_share": share,
        }


def _is_uplink_bound(images: Sequence[ImageSample], probes: Sequence[Probe], slots: int) -> bool:
    """Whether images take longer to send than the place's slots take to decode and infer them."""
    if not images:
        return False
    per_byte_s = probing.seconds_per_byte(probes, "up")
    working_s = fmean(image.durations.decode_s + image.durations.infer_s for image in images)
    return fmean(image.sent_bytes for image in images) * per_byte_s > working_s / slots
