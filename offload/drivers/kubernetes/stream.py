"""Connections to a port of a pod, through the API server: WebSockets of the port-forward protocol.

The client library's own forwards through a thread and a pair of sockets for each, waits for ever
for the API server, and leaves its reader hanging where its thread fails.
"""

import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offload.domain.errors import PlaceUnavailable
from offload.drivers.kubernetes.cluster import Cluster

if TYPE_CHECKING:
    from websocket import WebSocket

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = b"\0", b"\1"
_PIECE_BYTES = 2**16
"""The API server takes larger ones, and holds each as one."""


class PodStream:
    """A connection to a port of a pod, for one thread at a time.

    What takes too long raises TimeoutError, any other end of the connection ConnectionResetError.
    """

    def __init__(self, socket: "WebSocket") -> None:
        self._socket = socket
        self._told: set[bytes] = set()
        self._left = b""

    def read(self, n: int, timeout_s: float | None) -> bytes:
        """Up to `n` bytes as soon as there are any; none at the end."""
        while not self._left:
            with _as_os_errors(timeout_s):
                self._socket.settimeout(timeout_s)
                frame = self._socket.recv()
            if not frame:
                return b""
            self._take(bytes(frame) if isinstance(frame, bytes) else frame.encode())
        data, self._left = self._left[:n], self._left[n:]
        return data

    def write(self, data: bytes, timeout_s: float | None) -> None:
        """Send it all; `timeout_s` is how long it may make no progress."""
        with _as_os_errors(timeout_s):
            self._socket.settimeout(timeout_s)
            for start in range(0, len(data), _PIECE_BYTES):
                self._socket.send_binary(_DATA + data[start : start + _PIECE_BYTES])

    def is_readable(self) -> bool:
        """Whether `read` would return at once: of an idle connection, that it has ended."""
        from urllib3.util.wait import wait_for_read

        wire = self._socket.sock
        if self._left or wire is None or (isinstance(wire, ssl.SSLSocket) and wire.pending()):
            return True
        return wait_for_read(wire, timeout=0)

    def close(self) -> None:
        """Close it."""
        with suppress(OSError):
            self._socket.shutdown()

    def _take(self, frame: bytes) -> None:
        channel, data = frame[:1], frame[1:]
        if channel not in self._told:  # each begins with the number of the port
            self._told.add(channel)
        elif channel == _ERROR:
            raise ConnectionResetError(data.decode("utf-8", "replace").strip() or "the pod is gone")
        else:
            self._left += data


def dial(cluster: Cluster, namespace: str, pod: str, port: int, timeout_s: float) -> PodStream:
    """A connection to a port of a pod.

    Raises:
        OSError: there is none within `timeout_s`.
    """
    from websocket import WebSocket

    configuration = cluster.configuration
    root = configuration.host.replace("http", "ws", 1)
    proxy = urlsplit(configuration.proxy or "")
    with _as_os_errors(timeout_s):
        socket = WebSocket(sslopt=_tls(cluster), skip_utf8_validation=True)
        socket.connect(
            f"{root}/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}",
            timeout=timeout_s,
            header=cluster.authorization(),
            subprotocols=[_PROTOCOL],
            redirect_limit=0,
            **({"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port}
               if proxy.hostname else {}),
        )  # fmt: skip
    return PodStream(socket)


def _tls(cluster: Cluster) -> dict[str, object]:
    configuration = cluster.configuration
    if not configuration.verify_ssl:
        return {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    said = {
        "ca_certs": configuration.ssl_ca_cert,
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "server_hostname": configuration.tls_server_name,
    }
    return {name: value for name, value in said.items() if value}


@contextmanager
def _as_os_errors(timeout_s: float | None) -> Iterator[None]:
    from websocket import WebSocketException, WebSocketTimeoutException

    try:
        yield
    except (WebSocketTimeoutException, TimeoutError) as error:
        raise TimeoutError(f"nothing moved for {timeout_s:g} s") from error
    except PlaceUnavailable as error:  # the credentials cannot be had again
        raise ConnectionError(str(error)) from error
    except (WebSocketException, OSError, struct.error) as error:
        raise ConnectionResetError(str(error).split(" -+-+- ")[0] or "it broke off") from error
