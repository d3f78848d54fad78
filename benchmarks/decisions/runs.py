"""Jobs predicted, run and written down."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from decisions import materials, table
from decisions.bed import Bed
from decisions.grid import COLD, ELSEWHERE, PLACES, REMOTE, RUN, Cell, Grid, Job, cell, part
from decisions.predictions import Knowledge, Prediction, choices
from decisions.table import Choice, Row

Say = Callable[[str], None]
_SHORT_S = 15
_TIMES = 3


class Runner:
    """Runs jobs and adds them to the file `out`, but for what is in it already; what would be
    chosen for them goes to `chosen`.
    """

    def __init__(
        self, bed: Bed, knowledge: Knowledge, photos: Mapping[str, Path], out: Path, chosen: Path,
        say: Say, *, learn: bool,
    ) -> None:  # fmt: skip
        self._bed = bed
        self._knowledge = knowledge
        self._photos = photos
        self._out = out
        self._chosen = chosen
        self._say = say
        self._learn = learn

    def predicted_s(self, grid: Grid) -> dict[Cell, float]:
        """Seconds of every cell of which anything is known."""
        found: dict[Cell, float] = {}
        for job in grid.jobs():
            options = self._predict(job).options
            found |= {cell(job, place): options[place].seconds for place in RUN if place in options}
        return found

    def run(self, job: Job, longest_s: float) -> None:
        """Run a job at every place where it was not yet run, nor is predicted to last longer."""
        done = {row.cell for row in table.read(self._out, Row)}
        prediction = self._predict(job)
        known = [place for place in RUN if place in prediction.options]
        places = [place for place in known if cell(job, place) not in done]
        if all(choice.job != job for choice in table.read(self._chosen, Choice)):
            table.append(self._chosen, choices(job, prediction))
        cold_s = math.nan
        if ELSEWHERE.intersection(places):
            cold_s = self._bed.start_server(job.condition.detector, job.condition.uplink_mbit)
        for place in places:
            row = self._row(job, place, prediction)
            if row.predicted_s <= longest_s:
                row = self._timed(row)
            rows = [row]
            if place == REMOTE:
                cold = self._row(job, COLD, prediction)
                rows.append(
                    replace(
                        cold,
                        actual_s=row.actual_s + cold_s,
                        startup_s=row.startup_s + cold_s,
                        detect_s=row.detect_s,
                    )
                )
            table.append(self._out, rows)

    def again(self, cells: int) -> None:
        """Run some of the short cells that were run until each has been three times."""
        rows = [row for row in table.read(self._out, Row) if row.was_run and row.place in RUN]
        short = [row for row in rows if not row.repeat and row.actual_s <= _SHORT_S]
        in_turn = zip_longest(*([row for row in short if row.place == place] for place in PLACES))
        chosen = [row for row in chain.from_iterable(in_turn) if row is not None][:cells]
        for row in chosen:
            runs = sum(other.cell == row.cell for other in rows)
            if row.uplink_mbit and runs < _TIMES:
                self._bed.start_server(row.detector, row.uplink_mbit)
            for repeat in range(runs, _TIMES):
                table.append(self._out, [self._timed(replace(row, repeat=repeat))])

    def _timed(self, row: Row) -> Row:
        """The row with what the job takes now."""
        of, source = row.cell.part, part(row.condition, row.place)
        data = self._knowledge.data(source) if self._learn else None
        folder = materials.job(self._photos[row.photos], row.images)
        totals: Mapping[str, Any] = self._bed.detect(
            of, folder, data, self._out.with_suffix(".run")
        )
        if self._learn:
            self._knowledge.refresh(source, self._knowledge.profile_s(source))
        startup_s, detect_s = totals["startup_s"], totals["detect_s"]
        actual_s = startup_s + detect_s
        self._say(
            f"{of.name}, {row.images} images: {actual_s:.2f} s, predicted {row.predicted_s:.2f} "
            f"({row.low_s:.2f} to {row.high_s:.2f}), {row.predicted_s / actual_s - 1:+.1%}"
        )
        return replace(row, actual_s=actual_s, startup_s=startup_s, detect_s=detect_s)

    def _row(self, job: Job, place: str, prediction: Prediction) -> Row:
        """The prediction alone."""
        option, of = prediction.options[place], cell(job, place).part
        return Row(
            of.detector, of.photos, of.uplink_mbit, job.images, place, 0, prediction.total_bytes,
            option.seconds, option.low_s, option.high_s, prediction.naive_s(place),
            int(bool(option.lane.assumptions)), option.bottleneck, math.nan, math.nan, math.nan,
            self._knowledge.profile_s(part(job.condition, place)),
        )  # fmt: skip

    def _predict(self, job: Job) -> Prediction:
        folder = materials.job(self._photos[job.condition.photos], job.images)
        return self._knowledge.predict(job, folder)
