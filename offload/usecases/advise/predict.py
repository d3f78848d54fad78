"""What the cost model says of a study's cells beforehand, from what is known of past runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from offload.costmodel import accuracy
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.candidates.cells import busy_s, lane_of
from offload.costmodel.decide import Goal, options
from offload.costmodel.dollars import Billing, cost_usd
from offload.costmodel.terms import Candidate
from offload.domain.machines import Kind
from offload.domain.measurements import Measurement
from offload.domain.studies import Cell, Prediction
from offload.drivers.host import machine
from offload.places import known as known_places
from offload.usecases.history.query import History


@dataclass(frozen=True, slots=True)
class Predictor:
    """Predicts cells from measurements with one model.

    `total_bytes` are what the first so many images weigh, by their number. `slots` is how many
    images this process works on at a time, `kind` that of the rented machine, if it is one
    that `billing` is about.
    """

    known: History
    total_bytes: Sequence[int]
    billing: Billing
    slots: int
    kind: Kind | None = None
    _lanes: dict[float | None, list[Candidate]] = field(default_factory=dict)

    def predict(self, cell: Cell) -> Prediction:
        """What is thought of the cell."""
        lane = self._lane(cell)
        ready = next(each for each in self._known(cell.cpus) if each.place == cell.place)
        past = {cell.place: accuracy.residuals(self.known.outcomes, cell.place)}
        goal = Goal(cell.images, float(self.total_bytes[cell.images]))
        [option] = options([lane], goal, self.billing, past)
        return Prediction(
            seconds=option.seconds,
            low_s=option.low_s,
            high_s=option.high_s,
            busy_s=busy_s(ready, option.seconds, cold=cell.cold),
            usd=option.usd,
            assumed=bool(lane.assumptions),
        )

    def usd(self, cell: Cell, seconds: float) -> float:
        """What a cell that took so long cost."""
        [usd] = cost_usd(self._lane(cell), np.array([seconds]), cell.images, self.billing)
        return float(usd)

    def _lane(self, cell: Cell) -> Candidate:
        limited = self._is_measured(cell.cpus)
        return lane_of(cell, self._known(cell.cpus), machine.usable_cores(), limited=limited)

    def _known(self, cpus: float | None) -> list[Candidate]:
        """The lanes, containers under this limit of cores if any was measured."""
        if cpus not in self._lanes:
            fitting = self.known.measurements
            if self._is_measured(cpus):
                fitting = [m for m in fitting if not _is_limited(m) or m.condition.cpus == cpus]
            given = Overrides(
                slots=self.slots, network=machine.network(), kind=self.kind, unmeasured=True
            )
            self._lanes[cpus] = lanes(fitting, self.known.outcomes, given, known_places())
        return self._lanes[cpus]

    def _is_measured(self, cpus: float | None) -> bool:
        limited = filter(_is_limited, self.known.measurements)
        return cpus is not None and any(each.condition.cpus == cpus for each in limited)


def _is_limited(measurement: Measurement) -> bool:
    """Whether it is of a place whose share of this computer's cores can be limited."""
    return known_places()[measurement.condition.place].takes("cpus")
