"""Measuring a place whose clock and link are made up."""

import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

import pytest

from offload.domain.errors import ImageError, PlaceUnavailable, Unanswered
from offload.domain.events import Event, PhaseBegan, Reporter, Stepped, Stop
from offload.domain.measurements import ImageSample, Measurement, Probe, Start
from offload.domain.ports import Session
from offload.domain.timing import Durations
from offload.domain.vision import Box, Detection, Detections, Image, Selection
from offload.drivers.images.image_files import FileImage, ImageList
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from offload.usecases.profile import probing
from offload.usecases.profile.burst import sample_warnings
from offload.usecases.profile.images import SampledFolder, SampledImage
from offload.usecases.profile.measure import Measurer
from offload.usecases.profile.probing import Budget
from offload.usecases.profile.profile import machine_warnings
from tests.contexts import context
from tests.fakes import FakeSession

WORK_S = 0.02
"""What one image takes the fake's only slot."""


class Clock:
    """Stands still but for what it is told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Link(FakeSession):
    """A place with one slot behind a link of so many bytes a second, which knows its own clock."""

    concurrency: int = 1
    slots: int = 1
    clock: Clock = field(default_factory=Clock)
    bytes_per_s: float = 1e6
    trip_s: float = 0.02
    side_px: int | None = None
    most_bytes: int = 10**9
    silent: bool = False
    probed: list[int] = field(default_factory=list)

    def detect(self, image: Image) -> Detections:
        """A dog, and in pictures as they are a cat too."""
        size_bytes = len(image.data) // (10 if self.side_px else 1)
        upload_s = self.trip_s + size_bytes / self.bytes_per_s
        self.clock.now_s += upload_s + WORK_S
        found = super().detect(image)
        cat = Detection("cat", 17, 0.8, Box(0.1, 0.2, 0.3, 0.4))
        return replace(
            found,
            found=found.found if self.side_px else (*found.found, cat),
            durations=Durations(upload_s=upload_s, infer_s=WORK_S),
            sent_bytes=size_bytes,
        )

    def probe(self, payload: bytes) -> float:
        """There."""
        return self._crossed(len(payload))

    def probe_down(self, size_bytes: int) -> float:
        """And back."""
        return self._crossed(size_bytes)

    def _crossed(self, size_bytes: int) -> float:
        if self.silent or size_bytes > self.most_bytes:
            raise Unanswered("413")
        seconds = self.trip_s + size_bytes / self.bytes_per_s
        self.clock.now_s += seconds
        self.probed.append(size_bytes)
        return seconds


@dataclass
class Bench:
    """A place to measure, and what became of it."""

    session: FakeSession
    clock: Clock = field(default_factory=Clock)
    images: int = 50
    image_bytes: int = 100_000
    longest_px: int = 1000
    start_s: float = 1.0
    max_side_px: int | None = None
    warnings: Sequence[str] = ()
    stop: Stop = field(default_factory=Stop)
    bad: frozenset[str] = frozenset()
    steps: list[str] = field(default_factory=list)

    def measure(self, budget_s: float = 10.0) -> list[Measurement]:
        paths = [f"{number}.jpg" for number in range(self.images)]
        drawn = [SampledImage(path, self.image_bytes, self.longest_px) for path in paths[:10]]
        request = Request(
            ("photos",), where="remote", url="http://far:1", upload_max_side=self.max_side_px
        )
        measurer = Benched(
            request,
            context(stop=self.stop, reporter=Reporter(self._hear)),
            None,
            places.made(request, context(), None),
            Selection(),
            SampledFolder(ImageList(""), paths, drawn, self.images * self.image_bytes),
            Budget(budget_s, self.clock),
            random.Random(7),
            warnings=self.warnings,
        )
        measurer.bench = self
        return list(measurer.measurements())

    def _hear(self, event: Event) -> None:
        if isinstance(event, PhaseBegan):
            self.steps.append(event.phase)
        elif isinstance(event, Stepped):
            self.steps.append(event.text)

    def start(self) -> Start:
        self.clock.now_s += self.start_s
        return Start(1, self.start_s / 2, self.start_s / 2)

    @contextmanager
    def open(self, side_px: int | None) -> Iterator[Session]:
        self.steps.append(f"open {side_px}")
        if isinstance(self.session, Link):
            self.session.side_px = side_px
        yield self.session

    def read(self, path: str) -> FileImage:
        if path in self.bad:
            raise ImageError("empty file")
        if not isinstance(self.session, Link):
            self.clock.now_s += WORK_S
        return FileImage(Image(path, bytes(self.image_bytes)), mtime_ns=7)


class Benched(Measurer):
    """Measures what is on a bench."""

    bench: Bench

    def start(self) -> Start:
        return self.bench.start()

    def session(self, side_px: int | None) -> AbstractContextManager[Session]:
        return self.bench.open(side_px)

    def read(self, path: str) -> FileImage:
        return self.bench.read(path)


def linked(budget_s: float = 10.0, *, bytes_per_s: float = 1e6, **rest: object) -> Bench:
    session = Link(bytes_per_s=bytes_per_s)
    return Bench(session, session.clock, **rest)  # type: ignore[arg-type]


def test_a_place_is_started_probed_and_put_to_work() -> None:
    (found,) = linked(bytes_per_s=1e8).measure()
    assert len(found.starts) == 3
    assert {probe.kind for probe in found.probes} == {"rtt", "up", "down"}
    assert len([probe for probe in found.probes if probe.kind == "rtt"]) == 5
    assert [image.number for image in found.images] == list(range(1, len(found.images) + 1))
    assert (found.folder_images, found.folder_bytes, found.in_flight) == (50, 5_000_000, 1)
    assert found.source == "profile"


def test_a_steady_place_is_known_after_two_fifths_of_what_its_budget_leaves() -> None:
    # Hashing more bytes lets the worker run ahead of who looks at the clock that it moves.
    (found,) = linked(bytes_per_s=1e8, images=1000, image_bytes=2000).measure()
    assert 40 < len(found.images) < 120, "forty milliseconds an image, ten seconds in all"


def test_no_more_images_are_done_than_the_folder_holds() -> None:
    (found,) = linked(bytes_per_s=1e8, images=1).measure()
    assert len(found.images) == 1


def test_starts_take_no_more_than_half_the_budget_but_for_the_first() -> None:
    (slow,) = linked(bytes_per_s=1e8, start_s=8.0).measure()
    assert len(slow.starts) == 1
    (medium,) = linked(bytes_per_s=1e8, start_s=2.4).measure()
    assert len(medium.starts) == 2


def test_slow_starts_leave_time_for_the_job() -> None:
    for session in (Link(bytes_per_s=1e8), FakeSession(concurrency=1, slots=1)):
        clock = session.clock if isinstance(session, Link) else Clock()
        (found,) = Bench(session, clock, start_s=60.0).measure()
        assert len(found.starts) == 1
        assert len(found.images) > 20
        assert found.warnings == ()


def test_an_image_that_is_built_once_costs_no_budget() -> None:
    bench = linked(bytes_per_s=1e8)

    def start() -> Start:
        built_s = 100.0 if "built" not in bench.steps else 0.0
        bench.steps.append("built")
        bench.clock.now_s += built_s + 1
        return Start(1, built_s + 0.5, 0.5, phases={"build": built_s} if built_s else {})

    bench.start = start  # type: ignore[method-assign]
    (found,) = bench.measure()
    assert len(found.starts) == 3
    assert found.images


def test_the_burst_ends_with_the_budget() -> None:
    bench = linked(bytes_per_s=2e5, images=1000)
    (found, *_) = bench.measure()
    assert 0 < len(found.images) < 20
    assert bench.clock.now_s - 100 < 12


def test_a_place_in_this_process_has_no_link() -> None:
    session = FakeSession(concurrency=1, slots=1)
    (found,) = Bench(session).measure()
    assert found.probes == ()
    assert found.images


def probes_of(session: Link, budget_s: float = 10.0, seed: int = 1) -> list[tuple[str, int]]:
    budget = Budget(budget_s, session.clock)
    found = probing.link(session, budget, random.Random(seed), Stop())
    return [(probe.kind, probe.bytes) for probe in found]


def test_payloads_come_in_random_order_the_smallest_first() -> None:
    first, second = (probes_of(Link(bytes_per_s=1e9), seed=seed) for seed in (1, 2))
    assert first != second
    for order in (first, second):
        up = [size for kind, size in order if kind == "up"]
        assert up[0] == 16 * 2**10
        assert len(up) >= 6


def test_on_a_slow_link_large_payloads_are_left_out() -> None:
    session = Link(bytes_per_s=20_000)
    order = probes_of(session)
    assert max(size for _, size in order) <= 128 * 2**10
    assert session.clock.now_s - 100 < 0.3 * 10 + 1
    assert {"up", "down"} <= {kind for kind, _ in order}


def test_payloads_a_server_refuses_are_left_out() -> None:
    order = probes_of(Link(bytes_per_s=1e7, most_bytes=100_000))
    assert {size for kind, size in order if kind == "up"} == {16 * 2**10, 64 * 2**10}


def test_a_server_that_answers_no_probe_is_not_there() -> None:
    with pytest.raises(PlaceUnavailable, match="stopped answering"):
        probes_of(Link(silent=True))


def test_what_a_byte_takes_is_found_again() -> None:
    session = Link(bytes_per_s=2e6, trip_s=0.1)
    found = probing.link(session, Budget(60, session.clock), random.Random(1), Stop())
    assert probing.seconds_per_byte(found, "up") == pytest.approx(1 / 2e6)
    assert probing.expected_s(found, "up", 1e6) == pytest.approx(0.6)
    assert probing.seconds_per_byte([], "up") == 0


def test_a_link_that_takes_longer_than_the_budget_for_one_image_is_sent_none() -> None:
    (found,) = linked(bytes_per_s=1e5, image_bytes=5_000_000).measure()
    assert found.images == ()
    (warning,) = found.warnings
    for word in ("no full-size image was sent", "--budget", "--upload-max-side"):
        assert word in warning


def sides(found: Sequence[Measurement]) -> list[int | None]:
    return [each.condition.upload_max_side_px for each in found]


def test_smaller_copies_are_measured_where_the_link_is_the_limit() -> None:
    full, *copies = found = linked(bytes_per_s=5e5).measure(20)
    assert sides(found) == [None, 640, 320], "1280 is no smaller than a picture of 1000"
    for each in copies:
        assert len(each.images) >= 10
        assert {image.sent_bytes for image in each.images} == {10_000}
        assert all(one.matched == 1 and one.only_full == 1 for one in each.agreements)
        assert len(each.agreements) >= 10
        assert each.starts == full.starts
        assert each.probes == full.probes


def test_of_large_pictures_the_two_largest_copies_are_measured() -> None:
    assert sides(linked(bytes_per_s=5e5, longest_px=4000).measure(20)) == [None, 1280, 640]


@pytest.mark.parametrize(
    ("why", "bench"),
    [
        ("the slot is the limit", linked(bytes_per_s=1e8)),
        ("pictures are as small", linked(bytes_per_s=5e5, longest_px=320)),
        ("nothing is moved", Bench(FakeSession(concurrency=1, slots=1))),
    ],
)
def test_smaller_copies_are_not_measured_where_they_promise_nothing(why: str, bench: Bench) -> None:
    assert sides(bench.measure(20)) == [None], why


def test_smaller_copies_that_were_asked_for_are_measured_regardless() -> None:
    found = linked(bytes_per_s=1e8, max_side_px=500).measure()
    assert sides(found) == [None, 500]
    assert found[1].agreements
    slow = linked(bytes_per_s=1e5, image_bytes=5_000_000, max_side_px=500).measure()
    assert sides(slow) == [None, 500]
    assert slow[1].images
    assert not slow[1].agreements, "nothing is known to compare with"


def test_images_that_fail_are_told_and_are_no_samples() -> None:
    bad = frozenset(f"{number}.jpg" for number in range(3))
    (found,) = linked(bytes_per_s=1e8, images=6, bad=bad).measure()
    assert len(found.images) == 3
    assert found.warnings == ("3 of 6 images failed; to see which: -v.",), "names are not kept"


def test_who_stops_keeps_what_is_measured() -> None:
    bench = linked(bytes_per_s=5e5)
    ask = bench.stop.ask

    def start() -> Start:
        return Start(1, 0.5, 0.5)

    def read(path: str) -> FileImage:
        if path == "3.jpg":
            ask()
        return FileImage(Image(path, bytes(1000)), mtime_ns=7)

    bench.start, bench.read = start, read  # type: ignore[method-assign]
    (found,) = bench.measure()
    assert 4 <= len(found.images) <= 6
    assert sides([found]) == [None]


def test_who_stops_before_anything_is_measured_has_nothing() -> None:
    bench = linked()
    bench.stop.ask()
    assert bench.measure() == []


@pytest.mark.parametrize(
    ("load", "burstable", "on_battery", "word"),
    [
        (1.4, None, False, "busy"),
        (0.9, "t3.micro", False, "credits"),
        (None, None, True, "battery"),
    ],
)
def test_what_makes_this_machine_doubtful_is_said_with_advice(
    load: float | None, burstable: str | None, on_battery: bool, word: str
) -> None:
    said = list(machine_warnings(2, load, burstable, on_battery=on_battery))
    (found,) = linked(bytes_per_s=1e8, warnings=said).measure()
    (warning,) = found.warnings
    assert word in warning
    assert ": " in warning, "what to do follows"


def test_a_machine_with_little_to_do_is_not_doubtful() -> None:
    assert list(machine_warnings(2, 0.9)) == []


def images_of(infer_s: Sequence[float]) -> list[ImageSample]:
    return [
        ImageSample(number, number * 0.1, 100, 100, Durations(infer_s=seconds))
        for number, seconds in enumerate(infer_s, 1)
    ]


def test_samples_far_above_the_others_are_told() -> None:
    (warning,) = sample_warnings(images_of([0.02] * 40 + [0.4] + [0.02] * 40), (), 2)
    assert warning.startswith("1 of 79 inferences took far longer")


def test_what_was_slow_while_warming_up_is_no_doubt() -> None:
    assert list(sample_warnings(images_of([0.9, 0.9] + [0.02] * 40), (), 2)) == []


def test_a_place_that_becomes_slower_is_told() -> None:
    (warning,) = sample_warnings(images_of([0.02] * 30 + [0.03] * 30), (), 0)
    assert "50% slower" in warning
    assert list(sample_warnings(images_of([0.02] * 30 + [0.021] * 30), (), 0)) == []


def test_an_unsteady_link_is_told() -> None:
    trips = [Probe("rtt", 0, seconds) for seconds in (0.02, 0.02, 0.021, 0.02, 0.8)]
    (warning,) = sample_warnings((), trips, 0)
    assert "from 20 to 800 ms" in warning


def test_what_differs_by_next_to_nothing_is_no_doubt_however_many_times_it_is() -> None:
    trips = [Probe("rtt", 0, seconds) for seconds in (0.0006, 0.0006, 0.0006, 0.0006, 0.0014)]
    assert list(sample_warnings((), trips, 0)) == [], "said: from 1 to 1 ms, the link is unsteady"
    short = images_of([0.0004] * 30 + [0.0009] + [0.0005] * 30)
    assert list(sample_warnings(short, (), 0)) == []
