"""A server put together: model, detectors, limits, the socket it listens on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from offload import detectors
from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.errors import UsageError
from offload.domain.ports import Detector
from offload.domain.vision import Selection
from offload.drivers.host import machine
from offload.drivers.images import pictures
from offload.places.inprocess import InProcess
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


def run(options: Options, context: Context, announce: Callable[[str, Info], None]) -> None:
    """Serve until told to stop; `announce` is told the address once the model is warm.

    Raises:
        OffloadError: what is asked for cannot be done.
    """
    configured, clock = context.settings, context.clock
    token = options.token or configured.token
    if not token and not is_loopback(options.host):
        raise UsageError(
            f"On {options.host} others can reach this server, so it needs a token.",
            hint=f"For instance: OFFLOAD_TOKEN=$(openssl rand -hex 16) offload serve --host "
            f"{options.host}",
        )
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
        _wide(model, threads, cores),
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
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"http://{host}:{listener.getsockname()[1]}"
    opens = partial(place.open, Selection(min_score=model.min_score), workers)
    service = Service(opens, info, pictures.sample(), clock, token)
    serve(service, listener, lambda info: announce(address, info))


def _wide(model: ModelSource, threads: int, cores: int) -> Callable[[], Detector | None]:
    """A detector for requests that are alone, unless each detector uses every core already.

    A SavedModel's threads are the process's own: a second one would share them.
    """
    if threads >= cores or model.identity.runtime != "tflite":
        return lambda: None
    return lambda: detectors.load(model, 1, cores)[0]
