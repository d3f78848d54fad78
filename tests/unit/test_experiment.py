"""Cells done one by one, by hands of our own making."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.studies import Cell, CellOutcome, CellRun, Design, Prediction
from offload.domain.timing import Durations, Spread
from offload.usecases.experiment import cell_runner
from offload.usecases.experiment.study import StudyPlan
from tests.measured import PLACES as KNOWN
from tests.studies import photo

DESIGN = Design((1, 2), ("local", "remote"), repeats=2, known=KNOWN)


def predicted(seconds: float) -> Prediction:
    return Prediction(seconds, seconds / 2, seconds * 2, seconds + 1, 0.01, assumed=False)


def outcome(images: int, detect_s: float = 2.0) -> CellOutcome:
    image = photo("a.jpg", 1000, 1000, Durations(upload_s=0.5, infer_s=0.1))
    return CellOutcome(0.7, detect_s, Spread(0.1, 0.1, 0.2), 0, 1000 * images, (image,) * images)


@dataclass
class Hands:
    """Does what it is told, and keeps a diary."""

    failing: frozenset[str] = frozenset()
    stop: Stop = field(default_factory=Stop)
    stop_at: str = ""
    broken: bool = False
    diary: list[str] = field(default_factory=list)
    kept: list[CellRun] = field(default_factory=list)

    def predict(self, cell: Cell) -> Prediction:
        self.diary.append(f"predict {cell.number}")
        return predicted(cell.images)

    def prepare(self, cell: Cell) -> float:
        self.diary.append(f"prepare {cell.number}")
        if cell.number in self.failing:
            raise PlaceUnavailable("It is gone.", hint="To see why: offload doctor")
        return 1e6

    def perform(self, cell: Cell) -> CellOutcome:
        self.diary.append(f"perform {cell.number}")
        if cell.number == self.stop_at:
            self.stop.ask()
        if self.broken:
            raise ZeroDivisionError
        return outcome(cell.images)

    def label(self, cell: Cell) -> str:
        return f"at {cell.place}"

    def usd(self, _cell: Cell, seconds: float) -> float:
        return seconds / 100

    def keep(self, run: CellRun) -> None:
        self.diary.append(f"keep {run.cell.number}")
        self.kept.append(run)

    def runs(self, todo: Sequence[Cell]) -> Iterator[CellRun]:
        hands: Any = self
        return cell_runner.runs(todo, hands, hands, self.keep, self.stop)


def test_a_cell_is_predicted_before_it_is_done_and_kept_before_the_next() -> None:
    hands, todo = Hands(), DESIGN.cells()
    runs = hands.runs(todo)
    next(runs)
    first = todo[0].number
    assert hands.diary == [f"{what} {first}" for what in ("predict", "prepare", "perform", "keep")]
    assert [run.cell for run in [hands.kept[0], *runs]] == todo
    assert [run.cell for run in hands.kept] == todo


def test_a_run_has_what_it_took_and_cost_beside_what_was_predicted() -> None:
    (run,) = Hands().runs([Cell("0001", 1, KNOWN["remote"], 2)])
    assert (run.makespan_s, run.usd, run.label) == (2.0, 0.02, "at remote")
    assert run.goodput_bytes_per_s == 1e6
    assert (run.predicted, run.error) == (predicted(2), "")


def test_start_up_counts_where_the_place_was_cold() -> None:
    (run,) = Hands().runs([Cell("0001", 1, KNOWN["local"], 2, cold=True)])
    assert run.makespan_s == pytest.approx(2.7)


def test_a_cell_that_fails_is_kept_with_its_reason_and_the_others_go_on() -> None:
    todo = DESIGN.cells()
    hands = Hands(failing=frozenset({todo[1].number}))
    runs = list(hands.runs(todo))
    assert len(runs) == len(todo)
    assert [run.error for run in runs if run.error] == ["It is gone."]
    assert (runs[1].makespan_s, runs[1].outcome) == (None, None)
    assert runs[1].label == f"at {todo[1].place}"
    assert hands.kept == runs


def test_asked_to_stop_the_cell_in_progress_is_finished_and_kept() -> None:
    todo = DESIGN.cells()
    hands = Hands(stop_at=todo[2].number)
    assert [run.cell for run in hands.runs(todo)] == todo[:3]
    assert len(hands.kept) == 3


def test_what_nobody_explains_is_not_taken_for_a_failed_cell() -> None:
    hands = Hands(broken=True)
    with pytest.raises(ZeroDivisionError):
        list(hands.runs(DESIGN.cells()))
    assert hands.kept == []


def plan(*seconds: float, usd_per_h: float = 0.0) -> StudyPlan:
    expected = [
        (Cell(f"{n:04d}", 1, KNOWN["local"], 1), predicted(s)) for n, s in enumerate(seconds)
    ]
    return StudyPlan(expected, usd_per_h)


def test_a_plan_costs_what_the_machine_does_for_as_long_as_all_of_it_takes() -> None:
    whole = plan(*[359.0] * 20, usd_per_h=0.5)
    assert whole.busy_s == pytest.approx(7200)
    assert whole.usd == pytest.approx(1.0)


def test_the_time_left_is_the_plan_corrected_by_how_it_has_gone() -> None:
    whole = plan(9, 19, 29)
    assert whole.left_s((), 0.0) == 60
    assert whole.left_s({"0000"}, 20.0) == 2 * 50, "the first was to take 10"
    assert whole.left_s({"0000", "0001", "0002"}, 20.0) == 0
