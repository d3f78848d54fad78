"""A study done cell by cell, each on record before the next begins."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from offload.domain.errors import OffloadError
from offload.domain.events import Stop
from offload.domain.studies import Cell, CellRun, Prediction
from offload.domain.timing import Clock
from offload.drivers.host import machine
from offload.usecases.advise.predict import Predictor
from offload.usecases.experiment.cell_runner import CellRunner


def runs(
    cells: Sequence[Cell],
    predictor: Predictor,
    runner: CellRunner,
    record: Callable[[CellRun], None],
    stop: Stop,
) -> Iterator[CellRun]:
    """The runs of `cells`, each handed to `record` before it is given, until `stop` is asked."""
    for cell in cells:
        if stop:
            return
        run = _run(cell, predictor, runner)
        record(run)
        yield run


def _run(cell: Cell, predictor: Predictor, runner: CellRunner) -> CellRun:
    predicted, at, label = predictor.predict(cell), machine.now(), runner.label(cell)
    try:
        goodput = runner.prepare(cell)
        outcome = runner.perform(cell)
    except OffloadError as error:
        return CellRun(cell, at, predicted, label=label, error=str(error))
    run = CellRun(cell, at, predicted, outcome, label, goodput_bytes_per_s=goodput)
    return replace(run, usd=predictor.usd(cell, run.makespan_s or 0.0))


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """Cells that are to be done, with what is expected of each; `usd_per_h` is what the machine
    costs that some of them run on, 0 if nobody bills it.
    """

    cells: Sequence[tuple[Cell, Prediction]]
    usd_per_h: float = 0.0

    @property
    def busy_s(self) -> float:
        """What doing all of it takes."""
        return sum(predicted.busy_s for _, predicted in self.cells)

    @property
    def usd(self) -> float:
        """What the machine costs for so long."""
        return self.busy_s / 3600 * self.usd_per_h

    @property
    def assumed(self) -> list[str]:
        """The places of which something was never measured."""
        return sorted({cell.place for cell, predicted in self.cells if predicted.assumed})


class StudyProgress:
    """How long the rest of a plan takes: as predicted, by as much more or less as what is done took
    more or less than that.
    """

    def __init__(self, plan: StudyPlan, clock: Clock) -> None:
        self._expected_s = {cell.number: predicted.busy_s for cell, predicted in plan.cells}
        self._clock = clock
        self._began_s = clock()
        self._done_s = 0.0

    def done(self, cell: Cell) -> None:
        """One cell less."""
        self._done_s += self._expected_s.pop(cell.number, 0.0)

    @property
    def left_s(self) -> float:
        """Seconds until the last cell is done."""
        left_s = sum(self._expected_s.values())
        spent_s = self._clock() - self._began_s
        return left_s * spent_s / self._done_s if self._done_s else left_s
