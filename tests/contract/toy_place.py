"""A place as somebody else might write it: it says nothing of itself but its name."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from offload.domain.places import PlaceTraits
from offload.domain.ports import Model
from offload.domain.timing import Durations
from offload.domain.vision import Box, Detection, Detections, Image, Selection
from offload.providers.config import PlaceConfig

TRAITS = PlaceTraits("toy", title="the toy place")
GIVEN = "TOY_PLACE_GIVEN"
"""The environment variable that names the file of what this place was given, a path a line."""
OPENED = "(opened)"
_BYTES_PER_S = 100e6
_ROUND_TRIP_S, _INFER_S = 0.001, 0.001


def make(config: PlaceConfig) -> "ToyPlace":
    """The place, with the model asked for."""
    return ToyPlace(config.resolve(config.asked))


def _note(line: str) -> None:
    with open(os.environ[GIVEN], "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


class ToyPlace:
    """Answers the same for every image."""

    name = "toy"

    def __init__(self, model: Model) -> None:
        self.model = model

    @contextmanager
    def open(self, selection: Selection, images: int) -> Iterator["ToySession"]:
        """Nothing has to be brought up."""
        del selection, images
        _note(OPENED)
        yield ToySession(self.model)


class ToySession:
    """Waits as if bytes were moved, and then as if a detector were at work."""

    concurrency = slots = 2
    phases: Mapping[str, float] = {}
    labels: Mapping[int, str] = {0: "person"}
    host: Mapping[str, object] = {"name": "toy"}

    def __init__(self, model: Model) -> None:
        self.model = model.identity

    def detect(self, image: Image) -> Detections:
        """One person, wherever one looks."""
        _note(image.path)
        upload_s = self.probe(image.data)
        time.sleep(_INFER_S)
        found = Detection("person", 0, 0.9, Box(0.1, 0.1, 0.9, 0.9))
        spent = Durations(upload_s=upload_s, infer_s=_INFER_S)
        return Detections((found,), 640, 480, spent, len(image.data))

    def probe(self, payload: bytes) -> float:
        """As long as so many bytes take."""
        return self.probe_down(len(payload))

    def probe_down(self, size_bytes: int) -> float:
        """As long as so many bytes take."""
        began_s = time.perf_counter()
        time.sleep(_ROUND_TRIP_S + size_bytes / _BYTES_PER_S)
        return time.perf_counter() - began_s
