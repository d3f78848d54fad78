"""What is known beforehand, and what the product makes of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from decisions.bed import Bed, exported
from decisions.grid import (
    COLD,
    CONTAINER,
    COPIES,
    ELSEWHERE,
    LOCAL,
    MENUS,
    REMOTE,
    SLOWED,
    Condition,
    Job,
    Part,
    part,
)
from decisions.table import Choice
from offload import bootstrap
from offload.costmodel import breakeven
from offload.costmodel.advice import Advice
from offload.costmodel.decide import Goal, Option, choose
from offload.costmodel.terms import Candidate
from offload.usecases.advise import advise
from offload.usecases.advise.question import Question

_HERE = (LOCAL, CONTAINER), (SLOWED,)
"""What is together on a machine: one that is slowed has no container."""


@dataclass(frozen=True)
class Prediction:
    """The product's options by place, for a job of so many images and bytes."""

    options: Mapping[str, Option]
    images: int
    total_bytes: int

    def lane(self, place: str) -> Candidate:
        """The lane of a place."""
        lane = self.options[place].lane
        assert isinstance(lane, Candidate)
        return lane

    def naive_s(self, place: str) -> float:
        """Seconds by multiplication: images times bytes / bandwidth + inference."""
        lane = self.lane(place)
        image_bytes = self.total_bytes / self.images
        if place == COPIES:
            image_bytes = min(image_bytes, lane.sent_bytes.median)
        sending_s = image_bytes / lane.goodput.median if place in ELSEWHERE else 0.0
        return self.images * (sending_s + lane.service_s.median)


class Knowledge:
    """Histories in a folder, one for each part, and what profiling them took."""

    def __init__(self, folder: Path, photos: Mapping[str, Path], budget: str) -> None:
        self._folder = folder
        self._photos = photos
        self._budget = budget

    def data(self, of: Part) -> Path:
        """The folder of a part's history."""
        return self._folder / of.name

    def measure(self, condition: Condition, bed: Bed, say: Callable[[str], None]) -> None:
        """Profile what is not yet known under a condition."""
        for each in (part(condition, place) for place in (LOCAL, SLOWED, CONTAINER, REMOTE)):
            if self._file(each).exists():
                continue
            if each.place == REMOTE:
                bed.start_server(condition.detector, condition.uplink_mbit)
            photos = self._photos[condition.photos]
            took_s = bed.profile(each, photos, self._budget, self.data(each))
            say(f"profiled {each.name} in {took_s:.1f} s")
            self.refresh(each, took_s)

    def refresh(self, of: Part, took_s: float) -> None:
        """Read a part's history again."""
        document = json.loads(exported(self.data(of))) | {"profile_s": took_s}
        temporary = self._file(of).with_suffix(".tmp")
        temporary.write_text(json.dumps(document))
        temporary.replace(self._file(of))

    def profile_s(self, of: Part) -> float:
        """What profiling a part took."""
        took_s: float = json.loads(self._file(of).read_text())["profile_s"]
        return took_s

    def predict(self, job: Job, folder: Path) -> Prediction:
        """What is to be expected of a job over the images in `folder`, at every place."""
        options: dict[str, Option] = {}
        for here in _HERE:
            known = [part(job.condition, place) for place in (*here, REMOTE)]
            options |= _by_place(self._advice(known, folder), here[0])
        total_bytes = sum(path.stat().st_size for path in folder.iterdir())
        return Prediction(options, job.images, total_bytes)

    def _advice(self, known: Sequence[Part], folder: Path) -> Advice:
        documents = [json.loads(self._file(each).read_text()) for each in known]
        both = {
            name: [entry for document in documents for entry in document[name]]
            for name in ("measurements", "outcomes")
        }
        file = self._folder / "known.json"
        file.write_text(json.dumps(documents[0] | both))
        question = Question(
            (str(folder),), from_file=str(file), min_agreement=0.0, state="warm", offline=True
        )
        return advise.advice(question, bootstrap.context())

    def _file(self, of: Part) -> Path:
        return self._folder / f"{of.name}.json"


def choices(job: Job, prediction: Prediction) -> list[Choice]:
    """What the product chooses of each menu that it knows all of."""
    known = [menu for menu in MENUS if set(menu) <= set(prediction.options)]
    return [_choice(job, menu, prediction) for menu in known]


def _choice(job: Job, menu: Sequence[str], prediction: Prediction) -> Choice:
    lanes = {place: prediction.lane(place) for place in menu}
    candidates = [
        replace(prediction.options[place], lane=replace(lane, name=place, choosable=True))
        for place, lane in lanes.items()
    ]
    goal = Goal(job.images, float(prediction.total_bytes))
    choice = choose(candidates, goal)
    mean_bytes = prediction.total_bytes / job.images
    number = breakeven.first_crossing(lanes[menu[0]], lanes[menu[-1]], mean_bytes)
    condition = job.condition
    return Choice(
        condition.detector, condition.photos, condition.uplink_mbit, job.images, " | ".join(menu),
        choice.chosen.lane.name, int(choice.too_close), number or 0,
    )  # fmt: skip


def _by_place(advice: Advice, local: str) -> dict[str, Option]:
    """The options that were measured, by our names of places; `local` is what local is called."""
    found = {
        _place(option.lane, local): option
        for option in advice.options
        if isinstance(option.lane, Candidate) and option.lane.key
    }
    return {place: option for place, option in found.items() if place is not None}


def _place(lane: Candidate, local: str) -> str | None:
    if lane.place != "remote":
        return {"local": local, "container": CONTAINER}[lane.place]
    if lane.upload_max_side_px is not None:
        return COPIES if lane.state == "warm" else None
    return {"warm": REMOTE, "cold": COLD}.get(lane.state)
