"""httpcore: httpx over connections that somebody else makes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from offload.domain.ports import Dial, Stream


class DialledTransport(httpx.HTTPTransport):
    """Requests over kept-alive connections that `dial` makes, whatever host they name."""

    def __init__(self, dial: Dial, **limits: Any) -> None:
        super().__init__(verify=False)  # else certificates are loaded for nothing
        # httpx has no parameter for who makes the connections of its pool.
        self._pool = httpcore.ConnectionPool(network_backend=_Backend(dial), **limits)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **_others: Any
    ) -> httpcore.NetworkStream:
        assert timeout is not None
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            return _Network(self._dial(timeout))


class _Network(httpcore.NetworkStream):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _as(httpcore.ReadTimeout, httpcore.ReadError):
            return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _as(httpcore.WriteTimeout, httpcore.WriteError):
            self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.is_readable() if info == "is_readable" else None


@contextmanager
def _as(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error
