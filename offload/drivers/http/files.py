"""httpx: many small files from web servers, over connections that are kept."""

import threading
import time
import weakref
from typing import TYPE_CHECKING

from offload.drivers.http.web import Unreachable, reason, web_client, without_secrets

if TYPE_CHECKING:
    import httpx

_TRIES, _PAUSE_S, _TIMEOUT_S = 5, 0.2, 30.0
_TOO_MANY, _BROKEN = 429, 500


class WebFiles:
    """Reads files at URLs, from any number of threads."""

    def __init__(self) -> None:
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

    def get(self, url: str, most_bytes: int) -> tuple[bytes, str | None]:
        """The bytes at `url`, and their ETag if the server gives one. What fails for now is tried
        again.

        Raises:
            Unreachable: there is none, it is larger than `most_bytes`, or it does not come.
        """
        import httpx

        for attempt in range(1, _TRIES + 1):
            try:
                return self._once(url, most_bytes)
            except httpx.HTTPStatusError as error:
                code = error.response.status_code
                if attempt == _TRIES or (code < _BROKEN and code != _TOO_MANY):
                    why = f"{code} {error.response.reason_phrase}"
                    raise Unreachable(f"{without_secrets(url)} answers {why}") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if attempt == _TRIES or isinstance(error, httpx.InvalidURL):
                    shown = without_secrets(url)
                    raise Unreachable(f"{shown} cannot be reached: {reason(error)}") from error
            time.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError

    def _once(self, url: str, most_bytes: int) -> tuple[bytes, str | None]:
        with self._lock:
            if self._client is None:
                self._client = web_client(_TIMEOUT_S)
                weakref.finalize(self, self._client.close)
        data = bytearray()
        with self._client.stream("GET", url) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > most_bytes:
                    raise Unreachable(f"{without_secrets(url)} is larger than {most_bytes} bytes")
            return bytes(data), answer.headers.get("ETag")
