"""What is known of past measurements and runs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from offload import places
from offload.domain import profiles
from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Kind
from offload.domain.measurements import Measurement, Outcome
from offload.domain.ports import ModelIdentity
from offload.domain.typed import loads
from offload.drivers.folders.files import why
from offload.drivers.host import machine
from offload.drivers.http import web
from offload.usecases.context import Context


@dataclass(frozen=True, slots=True)
class History:
    """Measurements with one model, and the outcomes of its runs."""

    model: str
    measurements: Sequence[Measurement]
    outcomes: Sequence[Outcome]


def known(file: str | None, model: str | None, url: str | None, context: Context) -> History:
    """What was measured on this machine, or what a `file` of exported measurements holds.

    With the model that is named, else with the one measured last; at the server with this `url`,
    where one is named.

    Raises:
        UsageError: the file cannot be read, or something was measured but not this model.
    """
    if file is None:
        with context.history() as store:
            measurements = [m for _, m in store.measurements()]
            past = store.outcomes()
        everybody_s, measurements = measurements, [m for m in measurements if _is_ours(m)]
        if len(everybody_s) > len(measurements) and not _jobs(measurements):
            context.reporter.warn(
                "All measurements are of another machine and are left out; to answer for that "
                "machine: offload advise --from FILE"
            )
    else:
        measurements, past = read(file)
    measurements, name = _of_one_model(_at(url, measurements), model)
    return History(name, measurements, [o for o in past if o.model == name])


def of_model(model: ModelIdentity, url: str | None, context: Context) -> History:
    """What was measured on this machine with exactly these weights, at this server if at any;
    nothing where the history cannot be read, which is said.
    """
    try:
        with context.history() as store:
            measurements = [m for _, m in store.measurements(model=model.sha256) if _is_ours(m)]
            past = store.outcomes()
    except OffloadError as error:
        context.reporter.warn(f"The measurements cannot be used: {error}")
        return History(model.name, [], [])
    return History(model.name, _at(url, measurements), [o for o in past if o.model == model.name])


def _at(url: str | None, measurements: Sequence[Measurement]) -> list[Measurement]:
    """Those here and at one server, if one is named; and how machines of any kind came up."""
    if url is None:
        return list(measurements)
    urls = {None, shown(url)}
    return [m for m in measurements if m.condition.url in urls or m.is_bring_up]


def _jobs(measurements: Sequence[Measurement]) -> list[Measurement]:
    return [m for m in measurements if not m.is_bring_up]


def read(file: str) -> tuple[list[Measurement], list[Outcome]]:
    """What a file of exported measurements holds.

    Raises:
        UsageError: it cannot be read, or is something else.
    """
    try:
        with open(file, encoding="utf-8") as stream:
            document = loads(stream.read())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The profile {file} cannot be read: {why(error)}.",
            hint="To write one: offload profile export profile.json",
        ) from error
    return profiles.from_document(document, places.known())


def _of_one_model(
    measurements: Sequence[Measurement], asked: str | None
) -> tuple[list[Measurement], str]:
    """Those of the model asked for, or else of the one that was measured last; and its name. What a
    machine was brought up with only counts where nothing was measured.
    """
    newest_first = sorted(measurements, key=lambda m: m.taken_at, reverse=True)
    jobs = _jobs(newest_first)
    telling = jobs or newest_first
    if not telling:
        return [], asked or "unknown"
    names = {asked or telling[0].condition.model.name}
    if asked:
        names.add(os.path.basename(asked).removesuffix(".tflite"))
    model = next((m.condition.model for m in telling if m.condition.model.name in names), None)
    if model is None and jobs:
        others = sorted({m.condition.model.name for m in jobs})
        raise UsageError(
            f"Nothing was measured with the model {asked!r}, only with {', '.join(others)}.",
            hint=f"To measure it: offload profile PHOTOS --model {asked}; to use {others[0]}: "
            f"--model {others[0]}",
        )
    if model is None:
        return [], asked or "unknown"
    named = [m for m in newest_first if m.condition.model.name in names]
    return [m for m in named if m.condition.model.sha256 == model.sha256], model.name


def shown(url: str) -> str:
    """One spelling of an address, without what is secret; of a kind of machine its label."""
    if Kind.of(url):
        return url
    return web.without_secrets(url if "://" in url else f"http://{url}").rstrip("/")


def _is_ours(measurement: Measurement) -> bool:
    """Whether it was taken on this machine, or by hand."""
    here, client = machine.describe(), measurement.condition.client
    return measurement.source == "import" or (
        (client.get("name"), client.get("cpu")) == (here["name"], here["cpu"])
    )
