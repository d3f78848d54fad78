"""What is to be expected of a cell: both places profiled, and the closed form of them."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from decisions.bed import exported

from offload import bootstrap
from offload.costmodel.decide import Goal, Option
from offload.costmodel.makespan import per_image_s
from offload.costmodel.split import Shares, SplitCandidate
from offload.costmodel.terms import Candidate, Draws
from offload.domain.results import Json
from offload.usecases.advise import advise
from offload.usecases.advise.question import Question
from splits.cells import LOCAL, REMOTE, SPLIT, Cell, Task
from splits.places import Places

_URL = "http://bed:8080"
"""Of any host that is rented; each has another address."""


@dataclass(frozen=True)
class Outlook:
    """What `offload advise` says of a job: its seconds at either place, and the split. That is
    `advised` before any, and `closed` knowing by how much both places held each other up in the
    splits that were run since.
    """

    single_s: Mapping[str, float]
    advised: SplitCandidate
    closed: SplitCandidate
    images: int
    total_bytes: float

    @property
    def advised_s(self) -> float:
        """Seconds of the split, as advised."""
        return _median(self._shares(self.advised, self.images).seconds)

    @property
    def there(self) -> int:
        """Images for the remote place, as advised."""
        return self._shares(self.advised, self.images).counts[1].images

    @property
    def rates(self) -> float:
        """The faster place's rate over the slower one's."""
        each_s = [_median(self._each_s(lane)) for lane in (self.closed.local, self.closed.remote)]
        return max(each_s) / min(each_s)

    def closed_s(self, images: int, ready_s: float = 0.0) -> float:
        """Seconds of the split of so many images by the closed form, the remote place being there
        `ready_s` after the beginning.
        """
        remote = self.closed.remote
        startup_s = np.maximum(remote.startup_s.draws, ready_s)
        late = remote.with_terms(startup_s=replace(remote.startup_s, draws=startup_s))
        return _median(self._shares(replace(self.closed, remote=late), images).seconds)

    def after_s(self, left: int, uplink: float) -> float:
        """Seconds for `left` images with both places at work, once the uplink is so many times as
        fast as it was; 0 is without the remote place.
        """
        way = self.closed
        if not uplink:
            return _median(left * self._each_s(way.local))
        goodput = replace(way.remote.goodput, draws=way.remote.goodput.draws * uplink)
        here_s = self._each_s(way.local) * (1 + way.contention.local.draws)
        there_s = self._each_s(way.remote.with_terms(goodput=goodput))
        there_s *= 1 + way.contention.remote.draws
        return _median(left / (1 / here_s + 1 / there_s))

    def _shares(self, way: SplitCandidate, images: int) -> Shares:
        return way.shares(images, images / self.images * self.total_bytes)

    def _each_s(self, lane: Candidate) -> Draws:
        return per_image_s(lane, self.total_bytes / self.images)


def _median(draws: Draws) -> float:
    return float(np.median(draws))


class Outlooks:
    """Profiles in a folder, and what the product makes of them for a job over `photos`."""

    def __init__(self, folder: Path, photos: Path, budget: str) -> None:
        self.photos = photos
        self._folder = folder
        self._budget = budget
        self._known: dict[Cell, Outlook] = {}

    def measure(self, cells: Sequence[Cell], places: Places, say: Callable[[str], None]) -> None:
        """Profile what is not yet known."""
        for cell, place in itertools.product(sorted(cells), (LOCAL, REMOTE)):
            file = self._file(cell, place)
            if not file.exists():
                file.write_text(places.profile(cell, place, self._budget, file.with_suffix("")))
                say(f"profiled {file.stem}")

    def predicted_s(self, task: Task) -> float:
        """Seconds of a task, as advised; whatever happens on the way."""
        outlook = self.of(task.cell)
        return outlook.single_s.get(task.way, outlook.advised_s)

    def of(self, cell: Cell) -> Outlook:
        """What was to be expected when it was asked for first."""
        if cell not in self._known:
            self._known[cell] = self._outlook(cell)
        return self._known[cell]

    def history(self, cell: Cell) -> Path:
        """Where splits in a cell are remembered."""
        return self._file(cell, SPLIT).with_suffix("")

    def _outlook(self, cell: Cell) -> Outlook:
        documents = [json.loads(self._file(cell, place).read_text()) for place in (LOCAL, REMOTE)]
        advised, goal = self._advised(documents)
        singles_s = {place: advised[place].seconds for place in (LOCAL, REMOTE)}
        history = self.history(cell)
        splits = [json.loads(exported(history))] if history.exists() else []
        closed, _ = self._advised([*documents, *splits])
        ways = [found[SPLIT].lane for found in (advised, closed)]
        before, since = (way for way in ways if isinstance(way, SplitCandidate))
        return Outlook(singles_s, before, since, goal.images, goal.total_bytes or 0.0)

    def _advised(self, documents: Sequence[Json]) -> tuple[Mapping[str, Option], Goal]:
        """The options that are there by place, and the job, from what all documents know."""
        both = [m for document in documents for m in document["measurements"]]
        for measurement in both:
            if measurement["condition"]["place"] == REMOTE:
                measurement["condition"]["url"] = _URL
        whole = [m for m in both if m["condition"]["upload_max_side_px"] is None]
        file = self._folder / "known.json"
        file.write_text(json.dumps(documents[0] | {"measurements": whole}))
        question = Question((str(self.photos),), from_file=str(file), state="warm", offline=True)
        advice = advise.advice(question, bootstrap.context())
        ready = (option for option in advice.options if option.lane.state in {"here", "warm"})
        return {option.lane.place: option for option in ready}, advice.goal

    def _file(self, cell: Cell, place: str) -> Path:
        """A local place has no link."""
        link = "" if place == LOCAL else f"-{cell.uplink_mbit}"
        return self._folder / f"{cell.detector}-{place}-{cell.cores:g}{link}.json"
