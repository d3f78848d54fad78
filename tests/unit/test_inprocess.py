import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from offload.domain.vision import Image, Pixels, RawDetections, Selection
from offload.places.inprocess import InProcess
from tests.drawing import encoded, scene
from tests.fakes import MODEL, FakeDetector


@dataclass
class SlowDetector(FakeDetector):
    """Takes its time, so that pictures gather meanwhile."""

    def detect(self, batch: Sequence[Pixels]) -> list[RawDetections]:
        """As FakeDetector, later."""
        assert batch, "a call without pictures is a wasted call"
        time.sleep(0.02)
        return super().detect(batch)


def test_pictures_that_wait_are_answered_together_and_no_call_is_empty() -> None:
    detectors = [SlowDetector(max_batch=4), SlowDetector(max_batch=4)]
    place = InProcess(MODEL, lambda _images: detectors, 10**6, time.perf_counter)
    image = Image("x", encoded(scene()))
    with place.open(Selection(), 80) as session:
        assert session.concurrency == 8
        threads = [
            threading.Thread(target=lambda: [session.detect(image) for _ in range(10)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sizes = [size for detector in detectors for size in detector.batches]
    assert sum(sizes) == 80
    assert min(sizes) >= 1
    assert np.mean(sizes) > 2, "batches form by themselves under load"


@dataclass
class GatedDetector(FakeDetector):
    """Answers when it is allowed to."""

    gate: threading.Event = field(default_factory=threading.Event)

    def detect(self, batch: Sequence[Pixels]) -> list[RawDetections]:
        """As FakeDetector, once the gate is open."""
        assert self.gate.wait(30)
        return super().detect(batch)


def test_pictures_that_come_alone_get_the_wide_detector_and_those_in_a_crowd_do_not() -> None:
    narrow, wide = [GatedDetector(), GatedDetector()], FakeDetector()
    place = InProcess(
        MODEL, lambda _images: narrow, 10**6, time.perf_counter, load_wide=lambda: wide
    )
    image = Image("x", encoded(scene()))
    with place.open(Selection(), 1) as session:
        narrow[0].gate.set()
        narrow[1].gate.set()
        for _ in range(5):
            session.detect(image)
        assert len(wide.batches) == 4, "all but the first, which has nobody before it"
        held = [GatedDetector(), GatedDetector()]
    place = InProcess(MODEL, lambda _images: held, 10**6, time.perf_counter, load_wide=lambda: wide)
    with place.open(Selection(), 1) as session:
        crowd = [threading.Thread(target=session.detect, args=(image,)) for _ in range(6)]
        for thread in crowd:
            thread.start()
        held[0].gate.set()
        held[1].gate.set()
        for thread in crowd:
            thread.join()
    assert len(wide.batches) == 4, "nobody came alone twice in a row"
    assert sum(len(detector.batches) for detector in held) == 6


def test_without_a_wide_detector_everyone_gets_a_narrow_one() -> None:
    narrow = FakeDetector()
    place = InProcess(MODEL, lambda _images: [narrow], 10**6, time.perf_counter)
    with place.open(Selection(), 1) as session:
        for _ in range(3):
            session.detect(Image("x", encoded(scene())))
    assert len(narrow.batches) == 3
