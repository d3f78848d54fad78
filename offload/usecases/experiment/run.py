"""A study under way: its cells done in their order, in its folder."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from offload.domain.errors import PlaceUnavailable
from offload.domain.results import Json
from offload.domain.studies import Cell, CellRun, Design, StudyStatus, lane
from offload.drivers.folders import study_dir
from offload.drivers.host import machine
from offload.places import known
from offload.usecases.advise.predict import Predictor
from offload.usecases.context import Context
from offload.usecases.detect.request import Request
from offload.usecases.experiment.cell_runner import CellRunner, LinkShaper
from offload.usecases.experiment.cells import Experiment, StudyPlan
from offload.usecases.experiment.environment import Environment, Links, now
from offload.usecases.experiment.sampling import Subset
from offload.usecases.provision.teardown import containers
from offload.version import __version__


@dataclass(frozen=True, slots=True)
class StudySetup:
    """A design, and what its cells are done with: a request for each place, images, predictions.

    `model_sha256` is that of the model at places here, `server` the address of the remote one or
    the label of the machine that is rented. `command` is what was typed.
    """

    design: Design
    requests: Mapping[str, Request]
    images: Subset
    predictor: Predictor
    shaper: LinkShaper
    context: Context
    model_sha256: str | None
    server: str | None
    command: Sequence[str]

    @property
    def rents(self) -> bool:
        """Whether a rented machine is used."""
        return self.predictor.kind is not None

    def plan(self, cells: Sequence[Cell] | None = None) -> StudyPlan:
        """What is expected of these cells; of all, if none are named."""
        chosen = self.design.cells() if cells is None else cells
        hourly = self.predictor.billing.parts_usd_per_h() if any(map(_at_server, chosen)) else {}
        expected = [(cell, self.predictor.predict(cell)) for cell in chosen]
        return StudyPlan(expected, sum(hourly.values()))

    @contextmanager
    def opened(self, folder: str) -> Iterator["RunningStudy"]:
        """The study in its folder, begun or continued; containers that it left up go at the end.

        Raises:
            UsageError: the folder holds another study, or something else.
            OffloadError: another command is writing to it.
        """
        with ExitStack() as stack:
            study = stack.enter_context(study_dir.opened(folder, self._fixed(), self._about()))
            todo = [cell for cell in self.design.cells() if cell.number not in study.done]
            running = RunningStudy(self.plan(todo), len(study.done))
            for each in study.makespans:
                running.standing.add(*each)
            kept_as = hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:16]
            if any(_stays_up(place) for place in self.requests):
                stack.callback(_take_down, kept_as)  # also what a killed one left
            if todo:
                work = stack.enter_context(study.work())
                environment = Environment(study.environment, study.write_environment)
                stack.callback(environment.end)
                hands = _Hands(self, environment, work, kept_as)
                made = hands.experiment(study.append).runs(todo)
                running.runs = _standing(made, running.standing)
            yield running

    def _fixed(self) -> Json:
        """What may not change when it is continued."""
        here = machine.describe()
        return {
            "design": self.design.to_json(),
            "images": {
                "root": self.images.root,
                "drawn": self.images.digest,
                "bytes": self.predictor.total_bytes[max(self.design.images)],
            },
            "asked": {place: request.as_options() for place, request in self.requests.items()},
            "model": {"sha256": self.model_sha256},
            "remote": {"server": self.server},
            "computer": {"cpu": here.cpu, "cores": here.usable_cores},
        }

    def _about(self) -> Json:
        return {
            "version": __version__,
            "command": list(self.command),
            "seed": self.design.seed,
            "repeats": self.design.repeats,
            "model": self.predictor.known.model,
            "cells": len(self.design.cells()),
            "link_command": self.shaper.command,
        }


@dataclass(slots=True)
class RunningStudy:
    """A study that is under way: the plan of what is left, how many cells were done before, how
    places stand so far, and the runs as they are made.
    """

    plan: StudyPlan
    done: int
    standing: StudyStatus = field(default_factory=StudyStatus)
    runs: Iterator[CellRun] = field(default_factory=lambda: iter(()))


def _standing(runs: Iterator[CellRun], standing: StudyStatus) -> Iterator[CellRun]:
    for run in runs:
        if run.makespan_s is not None:
            standing.add(lane(run.cell.place, run.cell.varied), run.cell.images, run.makespan_s)
        yield run


class _Hands:
    """What does the cells of a study; its containers are `kept_as` its own."""

    def __init__(
        self, study: StudySetup, environment: Environment, work: str, kept_as: str
    ) -> None:
        self._study = study
        self._kept_as = kept_as
        self._built = False
        self._performer = CellRunner(
            study.requests, study.images, work, kept_as, study.context.reporter,
            lambda place, host: environment.add(place, {"host": dict(host)}),
        )  # fmt: skip
        self._links: Links | None = None
        for place, request in study.requests.items():
            if known()[place].takes("url"):
                self._links = Links(request, study.context, environment)

    def experiment(self, record: Callable[[CellRun], None]) -> Experiment:
        """The use case, handed all it touches."""
        predictor = self._study.predictor
        return Experiment(
            predictor.predict, self._prepare, self._performer.perform, self._label, predictor.usd,
            record, now, self._study.context.stop,
        )  # fmt: skip

    def _label(self, cell: Cell) -> str:
        return (self._study.server or "") if _at_server(cell) else ""

    def _prepare(self, cell: Cell) -> float | None:
        goodput = None
        if cell.link_mbit is not None:
            self._study.shaper.shape(cell.link_mbit)
        if self._links is not None and _at_server(cell):
            goodput = self._links.goodput_bytes_per_s(cell.link_mbit)
        stays_up = _stays_up(cell.place)
        if (stays_up or known()[cell.place].leaves_machine) and not cell.cold:
            self._performer.warm_up(cell)
        elif stays_up:
            if not self._built:  # the image may have to be, which is no part of any start
                self._performer.warm_up(cell)
                self._built = True
            _take_down(self._kept_as)
        return goodput


def _take_down(kept_as: str) -> None:
    """Remove the containers that cells left up for the next ones, whatever Ctrl-C says."""
    try:
        with suppress(PlaceUnavailable):  # no engine, no container
            list(containers(kept_as))
    except KeyboardInterrupt:
        _take_down(kept_as)
        raise


def _at_server(cell: Cell) -> bool:
    """Whether a cell is done at the server of the study."""
    return known()[cell.place].takes("url")


def _stays_up(place: str) -> bool:
    """Whether what cells bring up there stays for the next ones."""
    return known()[place].takes("keep_as")
