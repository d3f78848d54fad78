"""A study under way: its cells done in their order, in its folder."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from offload.domain.results import Json
from offload.domain.studies import Cell, CellRun, Design, StudyStatus, lane
from offload.drivers.folders import study_dir
from offload.drivers.host import machine
from offload.places import known
from offload.usecases.advise.predict import Predictor
from offload.usecases.context import Context
from offload.usecases.detect.request import Request
from offload.usecases.experiment.cell_runner import (
    CellRunner,
    LinkShaper,
    at_server,
    stays_up,
    take_down,
)
from offload.usecases.experiment.cells import StudyPlan, runs
from offload.usecases.experiment.environment import Environment, Links
from offload.usecases.experiment.sampling import Subset
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
        hourly = self.predictor.billing.parts_usd_per_h() if any(map(at_server, chosen)) else {}
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
            if any(map(stays_up, self.requests)):
                stack.callback(take_down, kept_as)  # also what a killed one left
            if todo:
                work = stack.enter_context(study.work())
                environment = Environment(study.environment(), study.write_environment)
                stack.callback(environment.end)
                asked = next(filter(_takes_url, self.requests.values()), None)
                runner = CellRunner(
                    requests=self.requests,
                    images=self.images,
                    work=work,
                    kept_as=kept_as,
                    shaper=self.shaper,
                    server=self.server or "",
                    environment=environment,
                    links=Links(asked, self.context, environment) if asked else None,
                    reporter=self.context.reporter,
                )

                def record(run: CellRun) -> None:
                    study.append(run)
                    if run.makespan_s is not None:
                        running.standing.add(lane(run.cell), run.cell.images, run.makespan_s)

                running.runs = runs(todo, self.predictor, runner, record, self.context.stop)
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


def _takes_url(request: Request) -> bool:
    return known()[request.where].takes("url")
