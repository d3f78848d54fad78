"""Measure one place: how it comes up, its link, and a stretch of the job itself."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from offload.domain.events import PhaseBegan, Reporter
from offload.domain.measurements import Condition, Measurement, Probe, Start, StartPhase, agreement
from offload.domain.ports import Session
from offload.usecases.detect.pipeline import Stop
from offload.usecases.detect.rows import Job
from offload.usecases.profile import copies, probing, quality_warnings
from offload.usecases.profile.budget import Budget
from offload.usecases.profile.burst import Burst, burst
from offload.usecases.profile.quality_warnings import HostState

_MOST_STARTS, _STARTS_SHARE = 3, 0.5
_LEAST_SHARE = 0.4
"""Of the budget: what slow starts leave of it at least, or all that was known would be starts."""
_FEWEST, _COMPARED = 3, 10
"""Images to send as they are at least, and to send as smaller copies at most."""
_LEAST_BURST_SHARE = 0.4
"""Of the budget left, for images as they are however alike they are: machines have moods that last
longer than a few images.
"""
_FULL_SHARE = 0.6
"""Of the budget left, for images as they are where smaller copies come after them."""


@dataclass(frozen=True, slots=True)
class SampledImage:
    """An image that can be opened: its path, the file's size and the picture's longest side."""

    path: str
    bytes: int
    longest_px: int


@dataclass(frozen=True, slots=True)
class Subject:
    """A place to measure, and what with.

    `paths` are the folder's images in the order they were drawn, `drawn` some of them that can be
    opened, `folder_bytes` what all of them take. `start` brings the place up in a process of its
    own. `session` brings it up in this one; what is sent there are the images themselves, or copies
    of the longest side given. `max_side_px` is such a side that was asked for; `takes_copies` says
    whether the place may be sent any.
    """

    place: str
    paths: Sequence[str]
    drawn: Sequence[SampledImage]
    folder_bytes: int
    start: Callable[[], Start]
    session: Callable[[int | None], AbstractContextManager[Session]]
    condition: Callable[[Session, int | None], Condition]
    job: Callable[[Sequence[str]], Job]
    facts: Callable[[], Mapping[str, Any]]
    taken_at: str
    surroundings: HostState
    max_side_px: int | None = None
    takes_copies: bool = True


@dataclass(frozen=True, slots=True)
class Measurer:
    """A measurement to be made.

    `stop` ends it early with what there is.
    """

    subject: Subject
    budget: Budget
    rng: random.Random
    stop: Stop
    reporter: Reporter

    def measurements(self) -> Iterator[Measurement]:
        """The place with images as they are, then with smaller copies where they may be worth it.

        Raises:
            PlaceUnavailable: it is not there.
            OffloadError: what is asked for cannot be done.
        """
        starts = self._starts()
        if self.stop:
            return
        warnings = list(quality_warnings.of_machine(self.subject.surroundings))
        with self.subject.session(None) as session:
            self.budget.see_to(_LEAST_SHARE)
            self._begins("the link")
            probes = probing.link(session, self.budget, self.rng, self.stop)
            done = self._full(session, probes, warnings)
            whole = self._measurement(session, None, done, starts, probes)
        sides = self._sides_px(done, probes)
        yield replace(whole, warnings=(*warnings, *whole.warnings))
        while sides and not self.stop:
            share_s = self.budget.left_s / len(sides)
            yield self._smaller(sides.pop(0), share_s, done, starts, probes)

    def _begins(self, phase: str) -> None:
        self.reporter.emit(PhaseBegan(phase, self.subject.place))

    def _starts(self) -> list[Start]:
        starts: list[Start] = []
        took_s = 0.0
        while len(starts) < _MOST_STARTS and not self.stop:
            if starts and self.budget.spent_s + took_s > _STARTS_SHARE * self.budget.whole_s:
                break
            self._begins(f"start {len(starts) + 1}")
            began_s = self.budget.clock()
            start = self.subject.start()
            built_s = start.phases.get(StartPhase.BUILD, 0.0)  # once and never again
            self.budget.forgive(built_s)
            took_s = self.budget.clock() - began_s - built_s
            starts.append(start)
        return starts

    def _full(self, session: Session, probes: Sequence[Probe], warnings: list[str]) -> Burst:
        """Images as they are, until their speed is known or the budget is spent."""
        subject, left_s = self.subject, self.budget.left_s
        one_s = probing.expected_s(probes, "up", subject.folder_bytes / len(subject.paths))
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
        done = self._burst(session, subject.paths[: self._most(probes)], enough)
        if done.failures:
            path, reason = next(iter(done.failures.items()))
            self.reporter.step(
                f"{subject.place}: {path}: {reason}"
            )  # warnings are kept, and names of images are not
            tried = len(done.failures) + len(done.samples)
            warnings.append(f"{len(done.failures)} of {tried} images failed; to see which: -v.")
        return done

    def _most(self, probes: Sequence[Probe]) -> int:
        """How many images the link carries in time: those in flight all want to arrive."""
        subject = self.subject
        one_s = probing.seconds_per_byte(probes, "up") * subject.folder_bytes / len(subject.paths)
        if not one_s:
            return len(subject.paths)
        return max(_FEWEST, int(_FULL_SHARE * self.budget.left_s / one_s))

    def _sides_px(self, done: Burst, probes: Sequence[Probe]) -> list[int]:
        """Longest sides of copies to measure: the one asked for, or some where the link binds."""
        if not self.subject.takes_copies:
            return []
        asked_px = self.subject.max_side_px
        if asked_px:
            return [asked_px] if probes else []
        binds = copies.uplink_binds(done.samples, probes, done.slots)
        return copies.sides_px([drawn.longest_px for drawn in self.subject.drawn]) if binds else []

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
        others = [path for path in self.subject.paths if path not in compared]

        def enough(so_far: Burst) -> bool:
            late = self.budget.spent_s + so_far.drain_s > until_s
            return late or (so_far.precise and len(so_far.samples) >= len(compared))

        with self.subject.session(side_px) as session:
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
        return burst(self.subject.job(paths), session, self.budget.clock, self.stop, enough)

    def _measurement(
        self,
        session: Session,
        side_px: int | None,
        done: Burst,
        starts: Sequence[Start],
        probes: Sequence[Probe],
    ) -> Measurement:
        subject = self.subject
        return Measurement(
            taken_at=subject.taken_at,
            source="profile",
            condition=subject.condition(session, side_px),
            in_flight=session.concurrency,
            folder_images=len(subject.paths),
            folder_bytes=subject.folder_bytes,
            starts=tuple(starts),
            images=tuple(done.samples),
            probes=tuple(probes),
            facts=subject.facts(),
            warnings=tuple(quality_warnings.of_samples(done.samples, probes, session.concurrency)),
        )
