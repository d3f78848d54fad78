"""Studies that are cut off again and again, and come to the same all the same."""

import os
import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.studies import Cell, CellOutcome, CellRun, Design, Prediction
from offload.domain.timing import Durations
from offload.drivers.folders import study_dir
from offload.drivers.folders.study_dir import StudyDir
from offload.usecases.experiment import cell_runner
from tests.measured import PLACES as KNOWN
from tests.studies import photo

DESIGN = Design((1, 3), ("local", "remote"), concurrency=(1, 4), repeats=2, seed=3, known=KNOWN)
FIXED = {"design": DESIGN.to_json()}
TABLES = ("runs.csv", "per_image.csv")


class Killed(BaseException):
    """The process has ended."""


@dataclass
class Sitting:
    """One start of the command. It ends in the `ends`-th cell, or while that is written down: then
    only these shares of what was to be written to either table are. Cells in `failing` fail.
    """

    ends: int = 999
    torn: tuple[float, float] | None = None
    failing: frozenset[int] = frozenset()
    done: int = field(default=0, init=False)

    def predict(self, _cell: Cell) -> Prediction:
        return Prediction(1, 1, 1, 1, 0, assumed=False)

    def prepare(self, _cell: Cell) -> None:
        """Nothing is to be."""

    def label(self, _cell: Cell) -> str:
        return ""

    def usd(self, _cell: Cell, _seconds: float) -> float:
        return 0.0

    def perform(self, cell: Cell) -> CellOutcome:
        self.done += 1
        if self.done - 1 in self.failing:
            raise PlaceUnavailable("It is gone.")
        if self.done > self.ends and self.torn is None:
            raise Killed
        each = Durations(infer_s=0.1 * cell.images)
        photos = tuple(photo(f"{n}.jpg", 1000, 0, each) for n in range(cell.images))
        return CellOutcome(0.5, 0.2 * cell.images, None, 0, 0, photos)

    def keep(self, study: StudyDir, folder: str, run: CellRun) -> None:
        paths = [os.path.join(folder, name) for name in TABLES]
        before = [os.path.getsize(path) for path in paths]
        study.append(replace(run, at="now"))
        if self.done <= self.ends or self.torn is None:
            return
        grown = [os.path.getsize(path) - size for path, size in zip(paths, before, strict=True)]
        if min(grown) >= 0:  # else a line was replaced, which happens at once or not at all
            in_runs, in_images = (int(n * share) for n, share in zip(grown, self.torn, strict=True))
            os.truncate(paths[1], before[1] + in_images)
            os.truncate(paths[0], before[0] + (in_runs if in_images == grown[1] else 0))
        raise Killed

    def sit(self, folder: str) -> None:
        with study_dir.opened(folder, FIXED, {}) as study:
            todo = [cell for cell in DESIGN.cells() if cell.number not in study.done]
            hands: Any = self
            list(cell_runner.runs(todo, hands, hands, partial(self.keep, study, folder), Stop()))


def lines(folder: str) -> list[list[str]]:
    return [sorted(Path(folder, name).read_text().splitlines()) for name in TABLES]


shares = st.floats(0, 1)
sittings = st.builds(
    Sitting,
    ends=st.integers(0, 8),
    torn=st.none() | st.tuples(shares, shares),
    failing=st.frozensets(st.integers(0, 8), max_size=3),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(sittings, max_size=6))
def test_cut_off_at_random_points_and_continued_a_study_has_the_cells_of_one_that_never_was(
    cut_off: list[Sitting],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        broken, whole = os.path.join(folder, "broken"), os.path.join(folder, "whole")
        for sitting in cut_off:
            try:
                sitting.sit(broken)
            except Killed:
                continue
        Sitting().sit(broken)
        Sitting().sit(whole)
        assert lines(broken) == lines(whole)
        cells = DESIGN.cells()
        assert [len(each) - 1 for each in lines(whole)] == [
            len(cells), sum(cell.images for cell in cells)
        ]  # fmt: skip
