"""A study put together: its cells, what they ask for, what is known of them beforehand."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

from offload.app.experiment import Experiment, Plan, Surroundings
from offload.app.pipeline import Stop
from offload.costmodel.dollars import Billing
from offload.detectors.source import Hub
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.results import Json
from offload.domain.studies import Cell, Design, Run, Standing, lane
from offload.drivers import studydir
from offload.drivers.settings import Settings
from offload.version import __version__
from offload.wiring import history, machines, places, reaching, taking_down
from offload.wiring.conditions import local_slots
from offload.wiring.drawing import Drawn
from offload.wiring.history import Known
from offload.wiring.performing import Performer, Shaper
from offload.wiring.predicting import Predictor
from offload.wiring.request import Request
from offload.wiring.surroundings import Environment, Links, now

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Study:
    """A design, and what its cells are done with: a request for each place, images, predictions.

    `link_command` shapes the link. `command` is what was typed.
    """

    design: Design
    requests: Mapping[str, Request]
    images: Drawn
    predictor: Predictor
    hub: Hub
    configured: Settings
    link_command: str | None
    command: Sequence[str]

    @property
    def usd_per_h(self) -> float:
        """What the machine costs that cells run on; 0 if none is rented."""
        if "remote" not in self.requests or self.predictor.kind is None:
            return 0.0
        return sum(self.predictor.billing.parts_usd_per_h().values())

    def plan(self, cells: Sequence[Cell] | None = None) -> Plan:
        """What is expected of these cells; of all, if none are named."""
        chosen = self.design.cells() if cells is None else cells
        return Plan([(cell, self.predictor.predict(cell)) for cell in chosen], self.usd_per_h)

    @contextmanager
    def opened(self, folder: str, stop: Stop, warn: Warn) -> Iterator["Running"]:
        """The study in its folder, begun or continued; containers that it left up go at the end.

        Raises:
            UsageError: the folder holds another study, or something else.
            OffloadError: another command is writing to it.
        """
        with ExitStack() as stack:
            study = stack.enter_context(studydir.opened(folder, self._fixed(), self._about()))
            todo = [cell for cell in self.design.cells() if cell.number not in study.done]
            running = Running(self.plan(todo), len(study.done))
            for each in study.makespans:
                running.standing.add(*each)
            if todo:
                work = stack.enter_context(study.work())
                environment = Environment(study.environment(), study.write_environment)
                stack.callback(environment.end)
                kept_as = hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:16]
                hands = _Hands(self, environment, work, kept_as, stop, warn)
                if "container" in self.requests:
                    stack.callback(hands.take_down)
                made = hands.experiment(study.append).runs(todo)
                running.runs = _standing(made, running.standing)
            yield running

    def _fixed(self) -> Json:
        """What may not change when it is continued."""
        asked = {place: request.as_options() for place, request in self.requests.items()}
        return {
            "design": self.design.to_json(),
            "images": {"root": self.images.root, "drawn": self.images.digest},
            "asked": asked,
        }

    def _about(self) -> Json:
        return {
            "version": __version__,
            "command": list(self.command),
            "seed": self.design.seed,
            "repeats": self.design.repeats,
            "model": self.predictor.known.model,
            "cells": len(self.design.cells()),
            "link_command": self.link_command,
        }


@dataclass(slots=True)
class Running:
    """A study that is under way: the plan of what is left, how many cells were done before, how
    places stand so far, and the runs as they are made.
    """

    plan: Plan
    done: int
    standing: Standing = field(default_factory=Standing)
    runs: Iterator[Run] = field(default_factory=lambda: iter(()))


def _standing(runs: Iterator[Run], standing: Standing) -> Iterator[Run]:
    for run in runs:
        if run.makespan_s is not None:
            standing.add(lane(run.cell), run.cell.images, run.makespan_s)
        yield run


class _Hands:
    """What does the cells of a study; its containers are `kept_as` its own."""

    def __init__(
        self,
        study: Study,
        environment: Environment,
        work: str,
        kept_as: str,
        stop: Stop,
        warn: Warn,
    ) -> None:
        self._study = study
        self._kept_as = kept_as
        self._stop = stop
        self._performer = Performer(
            study.requests, study.images, work, kept_as, warn,
            lambda place, host: environment.add(place, {"host": dict(host)}),
        )  # fmt: skip
        self._shaper = Shaper(study.link_command or "")
        self._links: Links | None = None
        if "remote" in study.requests:
            remote = study.requests["remote"]
            self._links = Links(remote, study.hub, study.configured, environment, stop)

    def experiment(self, record: Callable[[Run], None]) -> Experiment:
        """The use case, handed all it touches."""
        predictor = self._study.predictor
        return Experiment(
            predictor.predict, self._prepare, self._performer.perform, predictor.usd, record, now,
            self._stop,
        )  # fmt: skip

    def take_down(self) -> None:
        """Remove the containers that cells left up for the next ones."""
        with suppress(PlaceUnavailable):  # no engine, no container
            list(taking_down.containers(self._kept_as))

    def _prepare(self, cell: Cell) -> Surroundings:
        if cell.link_mbit is not None:
            self._shaper.shape(cell.link_mbit)
        found = Surroundings()
        if cell.place == "remote" and self._links is not None:
            found = self._links.seen(cell)
        if cell.place == "container" and cell.cold:
            self.take_down()
        if cell.place != "local" and not cell.cold:
            self._performer.warm_up(cell)
        return found


def study(
    design: Design,
    requests: Sequence[Request],
    images: Drawn,
    hub: Hub,
    configured: Settings,
    warn: Warn,
    *,
    link_command: str | None = None,
    price_usd_per_h: float | None = None,
    command: Sequence[str] = (),
) -> Study:
    """A study of `design` with a request for each of its places; the price is that of a server that
    nobody rented through us.

    Raises:
        UsageError: links are to be shaped and nothing says how, or no model can be meant.
    """
    if design.link_mbit and not link_command:
        raise UsageError(
            "--link names rates, and --link-command is not there to shape the link to them.",
            hint="For instance: --link 10,100 --link-command 'my-shaper --rate {mbit}'",
        )
    requests = _with_one_model(requests, hub, configured)
    at = {request.where: request for request in requests}
    billing, kind = _billing(at.get("remote"), configured, price_usd_per_h)
    predictor = Predictor(
        known=_known(at, kind, hub, configured, warn),
        total_bytes=images.total_bytes(),
        billing=billing,
        slots=local_slots(requests[0], configured),
        kind=kind,
    )
    return Study(design, at, images, predictor, hub, configured, link_command, command)


def _with_one_model(requests: Sequence[Request], hub: Hub, configured: Settings) -> list[Request]:
    """The requests with the model named that all of them mean: what is left open may be decided
    otherwise next time.
    """
    if all(request.where == "remote" for request in requests):
        return list(requests)
    asked = requests[0].model or configured.model
    model = places.kit(requests[0], hub, configured, lambda _line: None).resolve(asked)
    return [replace(request, model=asked or model.identity.name) for request in requests]


def _billing(
    remote: Request | None, configured: Settings, price_usd_per_h: float | None
) -> tuple[Billing, str | None]:
    """What the remote machine costs, and its label if it is a rented one.

    Raises:
        UsageError: a price is given where nothing is priced.
    """
    rented = remote is not None and reaching.is_asked(remote, configured)
    if price_usd_per_h is not None and (remote is None or rented):
        raise UsageError("--price is that of a server at --url.", hint="Leave it out here.")
    if remote is None or not rented:
        return Billing(price_usd_per_h or 0.0, "set by hand"), None
    record = machines.connected(configured, remote.machine).record
    return reaching.billing(record), record.label


def _known(
    at: Mapping[str, Request], kind: str | None, hub: Hub, configured: Settings, warn: Warn
) -> Known:
    """What is known of the model at these places."""
    remote = at.get("remote")
    url = kind or (remote.url or configured.url if remote else None)
    here = next((request for place, request in at.items() if place != "remote"), None)
    if here is not None:
        model = places.kit(here, hub, configured, lambda _line: None).resolve(here.model)
        return history.of_model(model.identity, url, configured, warn)
    asked = (remote.model if remote else None) or configured.model
    with suppress(UsageError):  # nothing was measured with it
        return history.known(None, asked, url, configured, warn)
    return Known(asked or "unknown", [], [])
