"""Places put together, the servers that requests mean, and what measurements there depend on."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from offload import detectors, places
from offload.detectors import source
from offload.detectors.catalogue import NAMED
from offload.domain.errors import UsageError
from offload.domain.measurements import Condition
from offload.domain.ports import Model, ModelIdentity, Place, Session
from offload.drivers.host import machine
from offload.drivers.settings import Settings
from offload.providers.config import KEPT, ContainerOptions, Endpoint, PlaceConfig
from offload.providers.ec2 import connection, registry
from offload.service.client.greeting import Address
from offload.service.client.session import Upload
from offload.usecases.context import Context
from offload.usecases.detect.request import Request
from offload.usecases.history.query import of_model, shown

_SAME_MODEL = "Give --model the server's model file."


def config(request: Request, context: Context, endpoint: Endpoint | None = None) -> PlaceConfig:
    """What the request and the settings give a place to be made of; `endpoint` is a rented
    machine that is up, where one is meant.
    """
    hub, configured = context.hub, context.settings
    asked, url = request.model or configured.model, request.url or configured.url or ""
    labels = request.labels or source.usual_labels(asked, configured.labels)
    return PlaceConfig(
        asked=asked,
        labels=labels,
        resolve=lambda name: source.chosen(name, hub, labels),
        here=lambda: source.resolve_here(asked, hub) if asked else None,
        cache=hub.cache.folder,
        load=detectors.load,
        max_pixels=request.max_pixels,
        clock=context.clock,
        cores=machine.usable_cores(),
        workers=request.workers or configured.workers,
        threads=request.threads or configured.threads,
        link=Address(
            url=url,
            token=request.token or _token_for(url, configured),
            concurrency=request.concurrency,
            timeout_s=request.timeout_s,
            max_retries=request.max_retries,
        ),
        upload=Upload(
            request.upload_max_side,
            request.upload_quality,
            request.strip_metadata,
            request.max_pixels,
        ),
        container=ContainerOptions(
            request.container_image,
            request.cpus,
            request.memory and request.memory.lower(),
            request.keep_as or (KEPT if request.keep else None),
            request.replicas,
        ),
        endpoint=endpoint,
        function=configured.function,
        deployment=configured.deployment,
        fleet=configured.fleet,
        deadline_s=request.deadline_s,
        max_cost_usd=request.max_cost_usd,
        measured=lambda model, place: [
            m
            for m in of_model(model, None, context).measurements
            if m.condition.place == place and m.is_of_a_place
        ],
        reporter=context.reporter,
    )


def _token_for(url: str, configured: Settings) -> str | None:
    """The token that is set, unless it was given for another address."""
    given_for = configured.token_url
    return configured.token if given_for is None or shown(given_for) == shown(url) else None


def made(request: Request, context: Context, endpoint: Endpoint | None) -> Place:
    """The place of a request.

    Raises:
        UsageError: there is no such place, or the request cannot be meant.
    """
    return places.make(request.where, config(request, context, endpoint))


def means_rented(request: Request, configured: Settings) -> bool:
    """Whether the request means a rented machine: it names one, or it wants the remote place, no
    server is named, and there is a machine.
    """
    if request.machine is not None or not places.known()[request.where].takes("machine"):
        return request.machine is not None
    return not (request.url or configured.url) and bool(registry.names(configured))


def endpoint(request: Request, context: Context) -> AbstractContextManager[Endpoint | None]:
    """The machine that the request means, connected to; None if it means none.

    Raises:
        UsageError: it is not clear which.
        PlaceUnavailable: it does not answer, and why.
    """
    if means_rented(request, context.settings):
        return connection.endpoint(request.machine, context.settings, context.clouds)
    return nullcontext()


def fallback(name: str, of: PlaceConfig, model: Model) -> Place:
    """The place for images that get no answer, which must have the same model.

    Raises:
        UsageError: it has another, or none that we know.
    """
    # A server may call its model what it likes; only names of our own table are fetched by them.
    known = model.identity.name if model.identity.name in NAMED else None
    asked = of.asked or known
    if asked is None:
        raise UsageError(f"--fallback {name} has no model to detect with.", hint=_SAME_MODEL)
    try:
        other = places.make(name, replace(of, asked=asked, endpoint=None))
        ours, theirs = other.model.identity, model.identity
    except UsageError as error:
        raise UsageError(f"--fallback {name} has no model: {error}", hint=_SAME_MODEL) from error
    check_alike(f"--fallback {name} would answer with", ours, theirs)
    return other


def check_alike(who: str, has: ModelIdentity, should: ModelIdentity) -> None:
    """Raise UsageError where one place `has` another model than it `should`."""
    if has.sha256 != should.sha256:
        raise UsageError(
            f"{who} another model: {has.name} (SHA-256 {has.sha256[:12]}…) instead of "
            f"{should.name} ({should.sha256[:12]}…).",
            hint=_SAME_MODEL,
        )


def condition(
    session: Session, request: Request, configured: Settings, endpoint: Endpoint | None = None
) -> Condition:
    """The condition of what `session` is asked for on behalf of `request`; `endpoint` is the
    machine where it is a rented one.
    """
    client, host = machine.describe(), dict(session.host)
    place = places.known()[request.where]
    if not place.leaves_machine:
        host["name"] = client["name"]  # a container calls itself something else every time
    slots = session.slots
    if place.in_process:  # fewer images take fewer detectors at what is the same place
        slots = max(slots, local_slots(request, configured))
    return Condition(
        model=session.model,
        place=request.where,
        client=client,
        host=host,
        slots=slots,
        url=(endpoint and endpoint.label)
        or (shown(request.url or configured.url or "") if place.takes("url") else None),
        network=machine.network() if place.uses_link else None,
        upload_max_side_px=request.upload_max_side,
        upload_quality=request.upload_quality,
        strip_metadata=request.strip_metadata,
        cpus=request.cpus,
        machine=endpoint.machine if endpoint else None,
    )


def local_slots(request: Request, configured: Settings) -> int:
    """How many images this process works on at a time if there are as many."""
    return request.workers or configured.workers or machine.usable_cores()
