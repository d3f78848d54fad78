"""Measure one place: how it comes up, its link, and a stretch of the job itself."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from statistics import fmean, median

from offload.costmodel import statistics
from offload.costmodel.agreement import agreement
from offload.domain.events import PhaseBegan, Stop
from offload.domain.measurements import ImageSample, Measurement, Probe, Start, StartPhase, sample
from offload.domain.ports import Session
from offload.domain.vision import Detection
from offload.places import known
from offload.usecases.context import Context
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Job, detect
from offload.usecases.profile import probing, quality_warnings
from offload.usecases.profile.probing import Budget

_PRECISE = 0.03
"""Half the 95 % interval of the mean gap between completions, over the mean, that is enough."""
_SMALLEST_BLOCK = 5
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
class Burst:
    """What became of the images so far: samples of those that were detected, what was found in
    them, and why others failed. The first `in_flight` samples are warm-up.
    """

    slots: int
    in_flight: int
    samples: list[ImageSample] = field(default_factory=list)
    found: dict[str, tuple[Detection, ...]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def drain_s(self) -> float:
        """What the images in hand will still take."""
        if len(self.samples) < 2:  # noqa: PLR2004 - a rate takes two
            return 0.0
        first, last = self.samples[0].finished_s, self.samples[-1].finished_s
        return self.in_flight * (last - first) / (len(self.samples) - 1)

    @property
    def precise(self) -> bool:
        """Whether more images would hardly tell more; looked at once a block."""
        block = max(self.slots, _SMALLEST_BLOCK)
        if len(self.samples) % block:
            return False
        finished_s = [image.finished_s for image in self.samples]
        between_s = statistics.gaps(finished_s, skip=self.in_flight)
        return statistics.relative_half_width(between_s, block) <= _PRECISE


@dataclass(frozen=True, slots=True)
class SampledImage:
    """An image that can be opened: its path, the file's size and the picture's longest side."""

    path: str
    bytes: int
    longest_px: int


@dataclass(frozen=True, slots=True)
class SampledFolder:
    """The images to measure with in random order, the first of them that can be opened, and what
    all of them take.
    """

    root: str
    paths: Sequence[str]
    drawn: Sequence[SampledImage]
    bytes: int

    @property
    def mean_bytes(self) -> float:
        """What an image takes."""
        return self.bytes / len(self.paths)


@dataclass(frozen=True, slots=True)
class Measurer:
    """The place of a request to be measured, what with, and for how long.

    `start` brings the place up in a process of its own. `session` brings it up in this one; what is
    sent there are the images themselves, or copies of the longest side given; `blank` is the
    measurement of such a session without what was measured. `warnings` are about this machine. The
    context's `stop` ends it early with what there is.
    """

    request: Request
    context: Context
    images: SampledFolder
    start: Callable[[], Start]
    session: Callable[[int | None], AbstractContextManager[Session]]
    blank: Callable[[Session, int | None], Measurement]
    job: Callable[[Sequence[str]], Job]
    budget: Budget
    rng: random.Random
    warnings: Sequence[str] = ()

    def measurements(self) -> Iterator[Measurement]:
        """The place with images as they are, then with smaller copies where they may be worth it.

        Raises:
            PlaceUnavailable: it is not there.
            OffloadError: what is asked for cannot be done.
        """
        starts = self._starts()
        if self.context.stop:
            return
        warnings = list(self.warnings)
        with self.session(None) as session:
            self.budget.see_to(_LEAST_SHARE)
            self._begins("the link")
            probes = probing.link(session, self.budget, self.rng, self.context.stop)
            full = self._full(session, probes, warnings)
            whole = self._measurement(session, None, full, starts, probes)
        sides = self._sides_px(full, probes)
        yield replace(whole, warnings=(*warnings, *whole.warnings))
        while sides and not self.context.stop:
            share_s = self.budget.left_s / len(sides)
            yield self._smaller(sides.pop(0), share_s, full, starts, probes)

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
                f"By its link the place gets one image in {one_s:.1f} s, longer than was left of "
                "the budget: none was sent as it is, nor a smaller copy to compare with it. To "
                f"send some: --budget {longer_s:.0f}s; for copies alone: --upload-max-side 640"
            )
            return Burst(session.slots, session.concurrency)

        def enough(so_far: Burst) -> bool:
            reserve_s = (1 - _FULL_SHARE) * left_s if self._sides_px(so_far, probes) else 0.0
            long_enough = self.budget.left_s < (1 - _LEAST_BURST_SHARE) * left_s
            late = so_far.drain_s > self.budget.left_s - reserve_s
            return late or (so_far.precise and long_enough)

        self._begins("images as they are")
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
        """Longest sides of copies to measure: the one asked for, or some where the link binds."""
        if not known()[self.request.where].takes("upload_max_side"):
            return []
        asked_px = self.request.upload_max_side
        if asked_px:
            return [asked_px] if probes else []
        if not _uplink_binds(done.samples, probes, done.slots):
            return []
        usual_px = median(drawn.longest_px for drawn in self.images.drawn)
        return [side_px for side_px in _SIDES_PX if side_px < usual_px][:_MOST_SIDES]

    def _smaller(
        self,
        side_px: int,
        share_s: float,
        full: Burst,
        starts: Sequence[Start],
        probes: Sequence[Probe],
    ) -> Measurement:
        """Copies of some images that were sent as they are, and how far the answers agree."""
        self._begins(f"copies of {side_px} px")
        until_s = self.budget.spent_s + share_s
        compared = list(full.found)[:_COMPARED]
        others = [path for path in self.images.paths if path not in compared]

        def enough(so_far: Burst) -> bool:
            late = self.budget.spent_s + so_far.drain_s > until_s
            return late or (so_far.precise and len(so_far.samples) >= len(compared))

        with self.session(side_px) as session:
            done = self._burst(session, [*compared, *others], enough)
            measured = self._measurement(session, side_px, done, starts, probes)
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
        those in hand by then are finished and count.
        """
        ours, clock = Stop(), self.budget.clock
        so_far = Burst(session.slots, session.concurrency)
        began_s = clock()
        with closing(detect(self.job(paths), session, "", clock, ours)) as rows:
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
        return replace(
            self.blank(session, side_px),
            starts=tuple(starts),
            images=tuple(done.samples),
            probes=tuple(probes),
            warnings=tuple(quality_warnings.of_samples(done.samples, probes, session.concurrency)),
        )


def _uplink_binds(images: Sequence[ImageSample], probes: Sequence[Probe], slots: int) -> bool:
    """Whether images take longer to send than the place's slots take to decode and infer them."""
    if not images:
        return False
    per_byte_s = probing.seconds_per_byte(probes, "up")
    working_s = fmean(image.durations.decode_s + image.durations.infer_s for image in images)
    return fmean(image.sent_bytes for image in images) * per_byte_s > working_s / slots
