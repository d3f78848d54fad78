"""httpcore: connections whose answers come at a least rate, and end."""

import time
from typing import Any

import httpcore
import httpx

_SLOWEST_BYTES_PER_S = 1000.0
"""What comes more slowly than this, once it began to come, is stuck."""
_MOST_BYTES = 16 * 2**20
"""No answer of ours comes near; what a camera sends under any address never ends."""


def bounded(transport: httpx.HTTPTransport) -> httpx.HTTPTransport:
    """The transport, of whose answers the first byte comes within the time-out for reading and the
    rest within as long again and a second for each kilobyte.
    """
    pool = transport._pool  # httpx has no parameter for who makes the connections of its pool
    pool._network_backend = _BoundedBackend(pool._network_backend)
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
