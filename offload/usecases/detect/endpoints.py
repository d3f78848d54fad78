"""The server that a request means, where it is one of a rented machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from offload.drivers.settings import Settings
from offload.places import known
from offload.providers.ec2 import connection, registry
from offload.providers.ec2.connection import Endpoint
from offload.usecases.detect.request import Request


def is_asked(request: Request, configured: Settings) -> bool:
    """Whether the request means a rented machine: it names one, or it wants the remote place, no
    server is named, and there is a machine.
    """
    if request.machine is not None or not known()[request.where].takes("machine"):
        return request.machine is not None
    return not (request.url or configured.url) and bool(registry.names(configured))


@contextmanager
def endpoint(request: Request, configured: Settings) -> Iterator[Endpoint | None]:
    """The machine that the request means, connected to; None if it means none.

    Raises:
        UsageError: it is not clear which.
        PlaceUnavailable: it does not answer, and why.
    """
    if not is_asked(request, configured):
        yield None
        return
    with connection.endpoint(request.machine, configured) as found:
        yield found
