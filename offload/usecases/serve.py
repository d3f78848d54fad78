"""A server put together: model, detectors, limits, the socket it listens on."""

import ipaddress
import math
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from offload import detectors
from offload.detectors import source
from offload.domain.vision import Selection
from offload.drivers.host import machine
from offload.drivers.images import pictures
from offload.places.inprocess import InProcess, wide
from offload.service.server.browsers import is_loopback
from offload.service.server.core import Service
from offload.service.server.run import listen, serve
from offload.service.wire import Info, Startup
from offload.usecases.context import Context
from offload.version import __version__


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `offload serve`; None where the model or the machine decides."""

    host: str = "127.0.0.1"
    port: int = 8080
    model: str | None = None
    labels: str | None = None
    workers: int | None = None
    threads: int | None = None
    queue: int = 256
    max_bytes: int = 32 * 2**20
    max_pixels: int = pictures.MAX_PIXELS
    token: str | None = field(default=None, repr=False)
    access_log: bool = False
    max_requests_per_connection: int | None = None


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that is ready, and the address that clients know it by. `is_private` where only this
    computer can connect; `new_token` is one that was made for it, as nobody gave one.
    """

    info: Info
    url: str
    is_private: bool
    new_token: str | None = field(repr=False)


def run(options: Options, context: Context, announce: Callable[[Serving], None]) -> None:
    """Serve until told to stop; `announce` is told once the model is warm.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    configured, clock = context.settings, context.clock
    given = options.token or configured.token
    is_private = is_loopback(options.host)
    made = None if given or is_private else secrets.token_hex(16)
    listener = listen(options.host, options.port)
    asked = options.model or configured.model
    labels = options.labels or source.usual_labels(asked, configured.labels)
    model = source.chosen(asked, context.hub, labels)
    cores = machine.usable_cores()
    workers = options.workers or configured.workers or cores
    threads = options.threads or configured.threads or max(1, cores // workers)

    place = InProcess(
        model,
        lambda _images: detectors.load(model, workers, threads),
        options.max_pixels,
        clock,
        wide(model, partial(detectors.load, model), threads, cores),
    )

    info = Info(
        service="offload",
        version=__version__,
        model=model.identity,
        labels=model.labels,
        min_score=model.min_score,
        workers=workers,
        threads=threads,
        queue=options.queue,
        max_bytes=options.max_bytes,
        max_pixels=options.max_pixels,
        machine=machine.describe(),
        startup=Startup(0.0, 0.0, 0.0),  # not known before
    )
    url = _url(options.host, listener)
    opens = partial(place.open, Selection(min_score=model.min_score), workers)
    service = Service(opens, info, pictures.sample(), clock, given or made)
    service.most_requests = options.max_requests_per_connection or math.inf
    if options.access_log:
        service.tell = context.reporter.emit
    serve(service, listener, lambda info: announce(Serving(info, url, is_private, made)))


def _url(host: str, listener: socket.socket) -> str:
    """Where clients find what listens: none of them can ask for "any address"."""
    address, port, *_ = listener.getsockname()
    if ipaddress.ip_address(address).is_unspecified:
        host = machine.outward_address(listener.family)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
