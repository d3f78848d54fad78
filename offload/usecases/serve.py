"""A server put together: model, detectors, limits, the socket it listens on."""

import ipaddress
import math
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

from offload import detectors, places
from offload.detectors import source
from offload.domain.errors import UsageError
from offload.domain.ports import Model
from offload.domain.vision import Selection
from offload.drivers.host import machine
from offload.drivers.images import pictures
from offload.places.inprocess import InProcess, wide
from offload.service.server.browsers import is_loopback
from offload.service.server.core import Elsewhere, OpenEngine, Service
from offload.service.server.run import listen, serve
from offload.service.wire import Info, Startup
from offload.usecases.context import Context
from offload.usecases.detect.places import config
from offload.usecases.detect.request import Request
from offload.version import __version__

_WISHES = "model", "labels", "workers", "threads", "max_pixels"
"""What a request to another place may say, too."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `offload serve`; None where the model or the machine decides. `via` is the
    place that is asked instead of detecting here.

    Raises:
        UsageError: that place cannot be asked so.
    """

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
    via: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, before anything is touched."""
        able = [traits.name for traits in places.known().values() if traits.can_serve]
        if self.via is not None and self.via not in able:
            raise UsageError(
                f"--via {self.via} cannot be: a server asks only places where each image may have "
                "a selection of its own.",
                hint=f"Available: {', '.join(able)}; without --via this process detects.",
            )


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that is ready, and the address that clients know it by. `is_private` where only this
    computer can connect; `new_token` is one that was made for it, as nobody gave one; `via` is what
    the place is called that it asks, if it asks one.
    """

    info: Info
    url: str
    is_private: bool
    new_token: str | None = field(repr=False)
    via: str | None = None


def run(options: Options, context: Context, announce: Callable[[Serving], None]) -> None:
    """Serve until told to stop; `announce` is told once the model is warm.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    given = options.token or context.settings.token
    is_private = is_loopback(options.host)
    made = None if given or is_private else secrets.token_hex(16)
    listener = listen(options.host, options.port)
    url = _url(options.host, listener)
    with (_via if options.via else _here)(options, context) as (info, opens):
        service = Service(opens, info, pictures.sample(), context.clock, given or made)
        service.most_requests = options.max_requests_per_connection or math.inf
        if options.access_log:
            service.tell = context.reporter.emit
        via = options.via and places.known()[options.via].title
        serve(service, listener, lambda info: announce(Serving(info, url, is_private, made, via)))


@contextmanager
def _here(options: Options, context: Context) -> Iterator[tuple[Info, OpenEngine]]:
    """Detectors of this process."""
    configured, clock = context.settings, context.clock
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
    opens = partial(place.open, Selection(min_score=model.min_score), workers)
    yield _described(options, model, workers, threads), opens


@contextmanager
def _via(options: Options, context: Context) -> Iterator[tuple[Info, OpenEngine]]:
    """Another place, which is up as long as this lasts, and is asked for each image."""
    name = options.via or ""
    wishes = {wish: getattr(options, wish) for wish in _WISHES}
    place = places.make(name, config(Request((), where=name, **wishes), context))
    model = place.model
    # For as many images as come: none is known beforehand.
    with place.open(Selection(min_score=model.min_score), 0) as session:
        assert isinstance(session, Elsewhere)  # as its traits promise
        info = _described(options, model, session.concurrency, 1)
        yield replace(info, machine=session.host), lambda: nullcontext(session)


def _described(options: Options, model: Model, workers: int, threads: int) -> Info:
    return Info(
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


def _url(host: str, listener: socket.socket) -> str:
    """Where clients find what listens: none of them can ask for "any address"."""
    address, port, *_ = listener.getsockname()
    if ipaddress.ip_address(address).is_unspecified:
        host = machine.outward_address(listener.family)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
