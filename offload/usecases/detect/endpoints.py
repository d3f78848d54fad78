"""The server that a request means, where it is one of a rented machine."""

from contextlib import AbstractContextManager, nullcontext

from offload.drivers.settings import Settings
from offload.places import known
from offload.providers import Endpoint
from offload.providers.ec2 import connection, registry
from offload.usecases.context import Context
from offload.usecases.detect.request import Request


def is_asked(request: Request, configured: Settings) -> bool:
    """Whether the request means a rented machine: it names one, or it wants the remote place, no
    server is named, and there is a machine.
    """
    if request.machine is not None or not known()[request.where].takes("machine"):
        return request.machine is not None
    return not (request.url or configured.url) and bool(registry.names(configured))


def endpoint(request: Request, context: Context) -> AbstractContextManager[Endpoint | None]:
    """The machine that the request means, connected to; None if it means none.

    Raises:
        UsageError: it is not clear which.
        PlaceUnavailable: it does not answer, and why.
    """
    if is_asked(request, context.settings):
        return connection.endpoint(request.machine, context.settings, context.clouds)
    return nullcontext()
