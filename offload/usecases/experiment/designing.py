"""A study put together: what its cells ask for, what is known of them beforehand."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from offload.costmodel.dollars import Billing
from offload.detectors.source import ModelSource
from offload.domain.errors import UsageError
from offload.domain.studies import Design
from offload.drivers.settings import Settings
from offload.places import known
from offload.providers import url
from offload.providers.ec2 import connection, registry
from offload.usecases.advise.predict import Predictor
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.conditions import local_slots
from offload.usecases.detect.request import Request
from offload.usecases.experiment.cell_runner import LinkShaper
from offload.usecases.experiment.run import StudySetup
from offload.usecases.experiment.sampling import Subset
from offload.usecases.history import query
from offload.usecases.history.query import History, shown


def study(
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
    shaper = LinkShaper.of(link_command, design.link_mbit)
    configured, model = context.settings, _model(requests, context)
    if model is not None:  # what is left open may be decided otherwise next time
        named = requests[0].model or configured.model or model.identity.name
        requests = [replace(request, model=named) for request in requests]
    at = {request.where: request for request in requests}
    at_server = next((each for each in requests if known()[each.where].takes("url")), None)
    billing, kind = _billing(at_server, configured, price_usd_per_h)
    server = kind or _address(at_server, context)
    predictor = Predictor(
        known=_known(model, requests[0].model or configured.model, server, context),
        total_bytes=images.total_bytes(),
        billing=billing,
        slots=local_slots(requests[0], configured),
        kind=kind,
    )
    sha256 = model.identity.sha256 if model else None
    return StudySetup(
        design, at, images, predictor, shaper, context, sha256, server, command
    )  # fmt: skip


def _model(requests: Sequence[Request], context: Context) -> ModelSource | None:
    """The model of the places here, fetched if need be; None if the server alone decides."""
    here = next((request for request in requests if not known()[request.where].has_own_model), None)
    if here is None:
        return None
    return places.kit(here, context).resolve(here.model or context.settings.model)


def _billing(
    remote: Request | None, configured: Settings, price_usd_per_h: float | None
) -> tuple[Billing, str | None]:
    """What the remote machine costs, and its label if it is a rented one.

    Raises:
        UsageError: a price is given where nothing is priced.
    """
    rented = remote is not None and places.means_rented(remote, configured)
    if price_usd_per_h is not None and (remote is None or rented):
        raise UsageError("--price is that of a server at --url.", hint="Leave it out here.")
    if remote is None or not rented:
        return Billing(price_usd_per_h or 0.0, "set by hand"), None
    record = registry.connected(configured, remote.machine).record
    return connection.billing(record), record.label


def _address(remote: Request | None, context: Context) -> str | None:
    """The address of the server that nobody rented through us; None if no server is meant.

    Raises:
        UsageError: nothing says which, or it is none.
    """
    if remote is None:
        return None
    return shown(url.checked(remote.url or context.settings.url))


def _known(
    model: ModelSource | None,
    asked: str | None,
    server: str | None,
    context: Context,
) -> History:
    """What is known of the model at the places here, and at the server."""
    if model is not None:
        return query.of_model(model.identity, server, context)
    with suppress(UsageError):  # nothing was measured with it
        return query.known(None, asked, server, context)
    return History(asked or "unknown", [], [])
