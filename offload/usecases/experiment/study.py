"""A study put together, and under way: its cells done in their order, in its folder."""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial

from offload.costmodel.dollars import Billing
from offload.detectors import load
from offload.detectors.source import ModelSource
from offload.domain.errors import ImageError, UsageError
from offload.domain.machines import Kind
from offload.domain.results import Json, printable
from offload.domain.studies import Cell, CellRun, Design, Prediction, StudyStatus, lane
from offload.drivers.folders import study_dir
from offload.drivers.host import machine
from offload.drivers.images import pictures
from offload.drivers.settings import Settings
from offload.findings.study import Study, of_tables
from offload.places import known
from offload.providers import url
from offload.providers.ec2 import connection, registry
from offload.usecases.advise import prices
from offload.usecases.advise.predict import Predictor
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from offload.usecases.experiment import cell_runner
from offload.usecases.experiment.cell_runner import CellRunner, LinkShaper, runs
from offload.usecases.experiment.environment import Environment, probed
from offload.usecases.experiment.sampling import Subset
from offload.usecases.history import query
from offload.version import __version__


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

    def left_s(self, done: Collection[str], spent_s: float) -> float:
        """Seconds until the last cell is done, where those with the numbers `done` took `spent_s`:
        as predicted, by as much more or less as these took more or less than that.
        """
        left_s = sum(predicted.busy_s for cell, predicted in self.cells if cell.number not in done)
        done_s = self.busy_s - left_s
        return left_s * spent_s / done_s if done_s else left_s


@dataclass(frozen=True, slots=True)
class StudySetup:
    """A design, and what its cells are done with: a request for each place, images, predictions.

    `model` is that at places here, None without one. `remote` is the request at a server, if the
    study has one; `server` its address, or the label of the machine that is rented. `command` is
    what was typed.
    """

    design: Design
    requests: Mapping[str, Request]
    images: Subset
    predictor: Predictor
    shaper: LinkShaper
    context: Context
    model: ModelSource | None
    remote: Request | None
    server: str | None
    command: Sequence[str]

    @property
    def rents(self) -> bool:
        """Whether a rented machine is used."""
        return self.predictor.kind is not None

    def plan(self, cells: Sequence[Cell] | None = None) -> StudyPlan:
        """What is expected of these cells; of all, if none are named."""
        chosen = self.design.cells() if cells is None else cells
        is_billed = any(map(cell_runner.at_server, chosen))
        expected = [(cell, self.predictor.predict(cell)) for cell in chosen]
        return StudyPlan(expected, self.predictor.billing.all_usd_per_h if is_billed else 0.0)

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
            if any(map(cell_runner.stays_up, self.requests)):
                stack.callback(cell_runner.take_down, kept_as)  # also what a killed one left
            if todo:
                work = stack.enter_context(study.work())
                environment = Environment(study.environment, study.write_environment)
                stack.callback(environment.end)
                runner = CellRunner(
                    requests=self.requests,
                    images=self.images,
                    work=work,
                    kept_as=kept_as,
                    shaper=self.shaper,
                    server=self.server or "",
                    environment=environment,
                    link=cache(partial(probed, self.remote, self.context, environment))
                    if self.remote
                    else None,
                    reporter=self.context.reporter,
                    keep_picture=None if study.has_picture else study.write_picture,
                )

                def record(run: CellRun) -> None:
                    study.append(run)
                    if run.makespan_s is not None:
                        running.standing.add(
                            lane(run.cell.place, run.cell.varied), run.cell.images, run.makespan_s
                        )

                running.runs = runs(todo, self.predictor, runner, record, self.context.stop)
            yield running

    def _fixed(self) -> Json:
        """What may not change when it is continued."""
        here = machine.describe()
        return {
            "design": self.design.to_json(),
            "images": {
                "root": printable(self.images.root),
                "drawn": self.images.digest,
                "bytes": self.predictor.total_bytes[max(self.design.images)],
            },
            "asked": {place: request.as_options() for place, request in self.requests.items()},
            "model": {"sha256": self.model.identity.sha256 if self.model else None},
            "remote": {"server": self.server},
            "computer": {"cpu": here["cpu"], "cores": here["usable_cores"]},
        }

    def _about(self) -> Json:
        return {
            "version": __version__,
            "command": list(map(printable, self.command)),
            "seed": self.design.seed,
            "repeats": self.design.repeats,
            "model": self.predictor.known.model,
            "input_px": self._input_px(),
            "cells": len(self.design.cells()),
            "link_command": self.shaper.command,
        }

    def _input_px(self) -> list[int] | None:
        """Width and height of what the model takes."""
        if self.model is None:
            return None
        takes = self.model.input or load(self.model, 1, 1)[0].input
        return [takes.width, takes.height]


@dataclass(slots=True)
class RunningStudy:
    """A study that is under way: the plan of what is left, how many cells were done before, how
    places stand so far, and the runs as they are made.
    """

    plan: StudyPlan
    done: int
    standing: StudyStatus = field(default_factory=StudyStatus)
    runs: Iterator[CellRun] = field(default_factory=lambda: iter(()))


def designed(
    design: Design,
    requests: Sequence[Request],
    images: Subset,
    context: Context,
    *,
    link_command: str | None = None,
    price_usd_per_h: float | None = None,
    command: Sequence[str] = (),
) -> StudySetup:
    """A study of `design` with a request for each of its places; the price is that of a server that
    nobody rented through us.

    Raises:
        UsageError: something cannot be meant: links, the model, the server, or its price.
    """
    shaper = LinkShaper(link_command, design.link_mbit)
    configured, model = context.settings, None
    here = next((each for each in requests if not known()[each.where].has_own_model), None)
    if here is not None:  # else the server alone decides
        model = places.config(here, context).resolve(here.model or configured.model)
        # What is left open may be decided otherwise next time.
        named = requests[0].model or configured.model or model.identity.name
        requests = [replace(request, model=named) for request in requests]
    at = {request.where: request for request in requests}
    remote = next((each for each in requests if known()[each.where].takes("url")), None)
    billing, kind = _billing(remote, configured, price_usd_per_h)
    server = kind.label if kind else None
    if remote and not kind:
        server = query.shown(url.checked(remote.url or configured.url))
    history = _known(model, requests[0].model or configured.model, server, context)
    calls = prices.of_known_calls(history.measurements, context, offline=True)
    billing = replace(billing, calls=calls)
    predictor = Predictor(
        known=history,
        total_bytes=images.total_bytes(),
        billing=billing,
        slots=places.local_slots(requests[0], configured),
        kind=kind,
    )
    return StudySetup(
        design, at, images, predictor, shaper, context, model, remote, server, command
    )


def recorded(folder: str) -> Study:
    """The study in a folder, for a report.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    files = study_dir.read(folder)
    found = of_tables(files.runs, files.images, files.design, files.environment, known())
    with suppress(ImageError):
        pictures.as_png(files.picture)  # none that is damaged
        return replace(found, picture=files.picture)
    return found


def _billing(
    remote: Request | None, configured: Settings, price_usd_per_h: float | None
) -> tuple[Billing, Kind | None]:
    """What the remote machine costs, and its kind if it is a rented one."""
    rented = remote is not None and places.means_rented(remote, configured)
    if price_usd_per_h is not None and (remote is None or rented):
        raise UsageError("--price is for a server at --url.", hint="Leave it out here.")
    if remote is None or not rented:
        return Billing(price_usd_per_h or 0.0, "set by hand"), None
    record = registry.connected(configured, remote.machine).record
    return connection.billing(record), record.kind


def _known(
    model: ModelSource | None, asked: str | None, server: str | None, context: Context
) -> query.History:
    """What is known of the model at the places here, and at the server."""
    if model is not None:
        return query.of_model(model.identity, server, context)
    with suppress(UsageError):  # nothing was measured with it
        return query.known(None, asked, server, context)
    return query.History(asked or "unknown", [], [])
