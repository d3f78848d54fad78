"""httpcore: connections whose answers come at a least rate, and end; also such as others make."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from offload.domain.ports import Dial, Stream

_SLOWEST_BYTES_PER_S = 1000.0
"""What comes more slowly than this, once it began to come, is stuck."""
_MOST_BYTES = 16 * 2**20
"""No answer of ours comes near; what a camera sends under any address never ends."""


def bounded(transport: httpx.HTTPTransport, dial: Dial | None = None) -> httpx.HTTPTransport:
    """The transport, of whose answers the first byte comes within the time-out for reading and the
    rest within as long again and a second for each kilobyte. With `dial`, which makes them, over
    such connections, whatever host is named.
    """
    pool = transport._pool  # httpx has no parameter for who makes the connections of its pool
    pool._network_backend = _BoundedBackend(_Dialled(dial) if dial else pool._network_backend)
    return transport


class _BoundedBackend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(self, *address: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_tcp(*address, **options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._began_s: float | None = None
        self._bytes = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._began_s is not None and timeout is not None:
            late_s = time.monotonic() - self._began_s - self._bytes / _SLOWEST_BYTES_PER_S
            if late_s >= timeout:
                raise httpcore.ReadTimeout("the answer comes too slowly")
            timeout -= max(0.0, late_s)
        data = self._inner.read(max_bytes, timeout)
        self._began_s = self._began_s or time.monotonic()
        self._bytes += len(data)
        if self._bytes > _MOST_BYTES:
            raise httpcore.ReadError("the answer does not end")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._began_s, self._bytes = None, 0  # what comes next is another answer
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, *how: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(*how, **options))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Dialled(httpcore.NetworkBackend):
    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **_others: Any
    ) -> httpcore.NetworkStream:
        assert timeout is not None
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            return _DialledStream(self._dial(timeout))


class _DialledStream(httpcore.NetworkStream):
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
