"""The server as a process: it listens at once, loads and warms the model, and drains at the end."""

import asyncio
import errno
import logging
import os
import socket
import statistics
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import uvicorn

from offload.domain.errors import PlaceUnavailable
from offload.domain.vision import Image
from offload.drivers.host import descriptors, endings
from offload.drivers.host.capture import Captured
from offload.service import wire
from offload.service.server.app import create
from offload.service.server.core import Elsewhere, Service, SessionFactory, Slots
from offload.service.server.protocol import PatientProtocol

_ROUND_S, _MOST_ROUNDS = 0.2, 15
"""A server that ends waits for so many seconds in which nobody comes, but so often at most: first
answering, so that who keeps a connection goes elsewhere, then refusing.
"""

_THIS_MACHINE = "For this machine only: offload serve --host 127.0.0.1"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        PlaceUnavailable: the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError) as error:
        raise PlaceUnavailable(
            f"Cannot listen on {host}: there is no such host.", hint=_THIS_MACHINE
        ) from error
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        elsewhere = error.errno == errno.EADDRNOTAVAIL
        raise PlaceUnavailable(
            f"Cannot listen on {host}:{port}: {reason}.",
            hint=_THIS_MACHINE if elsewhere else "For any free port: offload serve --port 0",
        ) from error


def serve(service: Service, listener: socket.socket, on_ready: Callable[[wire.Info], None]) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; then finish what is in progress and return.

    Raises:
        OffloadError: the model cannot be run.
    """
    config = uvicorn.Config(
        create(service),
        http=_protocol(),
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than our client keeps an idle connection
        timeout_graceful_shutdown=service.drain_s,
        ws="none",
    )
    # What is wrong with a request is told to its sender, not to whoever runs the server.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    server = _Server(config, service)
    loading = Captured()
    stopped = threading.Event()

    def load() -> None:
        with loading, ExitStack() as stack:
            _bring_up(service, stack)
            on_ready(service.ready().info)
            stopped.wait()
        if loading.error is not None:
            server.end()

    loader = threading.Thread(target=load, name="loader", daemon=True)
    loader.start()
    # uvicorn would raise the signal that ended it once more, and miss one that comes before.
    with endings.heard(server.end):
        server.run([listener])
    stopped.set()
    loading.again()
    if service.slots is not None:
        if service.slots.at_work:
            os._exit(0)  # what has not ended by now cannot be made to
        loader.join()


class _Server(uvicorn.Server):
    """Answers who comes while it ends, before it closes the door."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def end(self, _signal: int = 0) -> None:
        """Have it end."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer, then refuse what comes until nothing does, then end as uvicorn does."""
        self._service.ending = True
        await self._calm()
        self._service.closed = True
        await self._calm()
        await super().shutdown(sockets)

    async def _calm(self) -> None:
        for _ in range(_MOST_ROUNDS):
            before = self._passed()
            await asyncio.sleep(_ROUND_S)
            if self._passed() == before:
                break

    def _passed(self) -> tuple[int, int, frozenset[int]]:
        state = self.server_state
        return state.total_requests, len(state.tasks), frozenset(map(id, state.connections))


def _protocol() -> type[PatientProtocol]:
    class Protocol(PatientProtocol):
        most_connections = min(PatientProtocol.most_connections, descriptors.spare_files())

    return Protocol


def _bring_up(service: Service, stack: ExitStack) -> None:
    engine = stack.enter_context(service.open_engine())
    began_s = service.clock()
    # What is elsewhere would have to be started, and costs.
    service_s = 0.0 if isinstance(engine, Elsewhere) else _warm_up(engine, service.sample)
    warm_up_s = service.clock() - began_s
    seconds = (sum(engine.phases.values()), warm_up_s, service_s)
    startup = wire.Startup(*(round(value, 6) for value in seconds))
    info = replace(service.info, startup=startup)
    slots = Slots(engine, info, service.metrics, service.clock)
    for threads in (slots.threads, slots.heavy):
        stack.callback(threads.shutdown, wait=False)
    service.slots = slots


def _warm_up(engine: SessionFactory, sample: bytes) -> float:
    """The median seconds of an image in a slot while all are busy; each detector has answered."""
    image = Image("warm-up", sample)
    rounds = 3
    engine.detect(image)
    with ThreadPoolExecutor(engine.concurrency) as threads:
        futures = [threads.submit(engine.detect, image) for _ in range(rounds * engine.concurrency)]
        durations = [future.result().durations for future in futures]
    return statistics.median(d.decode_s + d.infer_s for d in durations[engine.concurrency :])
