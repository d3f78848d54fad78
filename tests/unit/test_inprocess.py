import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

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
