"""httpx: kept-alive connections to one server."""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from offload.domain.ports import Dial
from offload.domain.timing import Clock
from offload.drivers.http.web import Unreachable, reason, without_secrets

if TYPE_CHECKING:
    import httpx

_CONNECT_S = 10.0
_KEEP_ALIVE_S = 60.0

# What is written has all but left when `send` returns, instead of lying in a buffer of megabytes:
# so the end of writing is the end of sending, and the next upload may begin.
SOCKET_OPTIONS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
if hasattr(socket, "TCP_NOTSENT_LOWAT"):
    SOCKET_OPTIONS.append((socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 16 * 2**10))


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's whole answer, and when it began and ended, on the clock of `Server`."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    began_s: float
    ended_s: float


class Server:
    """Kept-alive connections to one server, for several threads.

    `timeout_s` is how long one request may wait for any progress, and how long an answer may take
    besides a second for each kilobyte. With `dial`, which makes the connections, `url` says no more
    than what the server is called.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float,
        connections: int,
        clock: Clock,
        dial: Dial | None = None,
    ) -> None:
        import httpx

        self.shown = without_secrets(url)
        self._clock = clock
        self._base = url.rstrip("/")
        try:
            transport = _transport(url, connections, dial)
        except (httpx.InvalidURL, ValueError, ImportError) as error:  # for SOCKS, a package lacks
            raise Unreachable(f"{self.shown} cannot be used: {reason(error)}.") from error
        self._client = httpx.Client(
            headers={**headers, "User-Agent": "offload", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S), pool=None),
            transport=transport,
        )

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Iterable[bytes] | None = None,
        size_bytes: int = 0,
    ) -> Reply:
        """The answer to one request, Unreachable if there is none; `body` is sent in pieces."""
        import httpx

        headers = {"Content-Length": str(size_bytes)} if body is not None else {}
        try:
            with self._client.stream(
                method, f"{self._base}{path}", params=query, content=body, headers=headers
            ) as response:
                began_s = self._clock()
                data = b"".join(response.iter_raw())
            ended_s = self._clock()
            return Reply(response.status_code, response.headers, data, began_s, ended_s)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Unreachable(f"{self.shown}: {reason(error)}.") from error
        except RuntimeError as error:
            if not self._client.is_closed:
                raise
            raise Unreachable(f"{self.shown}: the connection was closed.") from error

    def close(self) -> None:
        """Close the connections; requests under way fail."""
        self._client.close()


def _transport(url: str, connections: int, dial: Dial | None) -> "httpx.BaseTransport":
    import httpx

    from offload.drivers.http.bounded import bounded

    transport = httpx.HTTPTransport(
        verify=url.startswith("https:"),  # else certificates are loaded for nothing
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEEP_ALIVE_S,
        ),
        proxy=None if dial else _proxy_for(httpx.URL(url)),
        socket_options=SOCKET_OPTIONS,
    )
    return bounded(transport, dial)


def _proxy_for(url: "httpx.URL") -> str | None:
    """The proxy that the environment sets for this address; none finds this machine."""
    import urllib.request

    try:
        address = ipaddress.ip_address(url.host)
        is_here = address.is_loopback or address.is_unspecified
    except ValueError:
        is_here = url.host == "localhost" or url.host.endswith(".localhost")
    if is_here or urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
