"""httpx: does a server answer, and one file from it, resumed where it broke off.

No answer, an error status or a transfer that breaks off three times is Unreachable.
"""

import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

from offload.domain.errors import OffloadError
from offload.drivers.host.capture import Captured

if TYPE_CHECKING:
    import httpx

OnBytes = Callable[[int, int | None], None]
"""Told the bytes there are so far and, if the server says so, the total."""

_PAGE_CHARS = 2**10
_TIMEOUT_S = 20.0
_ATTEMPTS = 3
_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416


class Unreachable(OffloadError):
    """The server gave no usable answer."""


def reason(error: Exception) -> str:
    """Why a request failed, without a full stop."""
    return (str(error) or type(error).__name__).rstrip(".")


def without_user(url: str) -> str:
    """`url` without user and password."""
    return re.sub("(?<=://)[^/?#]*@", "", url, count=1)


def without_secrets(url: str) -> str:
    """`url` as it may be shown and kept: without user, password, query and fragment.

    What is no URL stays as it is.
    """
    return re.split("[?#]", without_user(url), maxsplit=1)[0] if "://" in url else url


def answers(url: str, within_s: float) -> bool:
    """Whether the server behind `url` starts to answer in time."""
    with suppress(Unreachable):
        text(url, within_s)
        return True
    return False


def text(url: str, within_s: float, *, as_ssh: bool = False) -> str:
    """What a short page says; of a long one, how it begins. It is asked over IPv4 and past any
    proxy if `as_ssh`.

    The time covers everything, also name resolution and an answer that drips, which no socket
    time-out bounds: hence the thread that is left behind if it takes longer.
    """
    import httpx

    page: Future[str] = Future()

    def ask() -> None:
        with (
            Captured() as caught,
            web_client(within_s, as_ssh=as_ssh) as client,
            client.stream("GET", url) as answer,
        ):
            page.set_result(next(answer.raise_for_status().iter_text(_PAGE_CHARS), ""))
        if not page.done():
            page.set_exception(caught.error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return page.result(within_s)
    except TimeoutError as error:
        why = f"no answer within {within_s:g} s"
        raise Unreachable(f"{without_secrets(url)}: {why}.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"{without_secrets(url)}: {reason(error)}.") from error


def download(url: str, part: str, on_bytes: OnBytes, most_bytes: int) -> None:
    """Fetch `url` into the file `part`, continuing one that is there.

    `part` keeps what has come if the transfer breaks off, and `part`.etag which version it was; it
    goes if there are, or would be, more than `most_bytes`.
    """
    import httpx

    shown = without_secrets(url)

    def told(have_bytes: int, total_bytes: int | None) -> None:
        if max(have_bytes, total_bytes or 0) > most_bytes:
            raise OverflowError(f"{shown} is larger than {most_bytes / 1e6:.0f} MB.")
        on_bytes(have_bytes, total_bytes)

    with web_client(_TIMEOUT_S) as client:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _transfer(client, url, part, told)
                return
            except OverflowError as error:
                os.remove(part)
                raise Unreachable(str(error)) from error
            except httpx.HTTPStatusError as error:
                raise Unreachable(
                    f"{shown} answers {error.response.status_code} {error.response.reason_phrase}."
                ) from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if attempt == _ATTEMPTS or isinstance(error, httpx.InvalidURL):
                    raise Unreachable(f"{shown} cannot be reached: {reason(error)}.") from error


def web_client(timeout_s: float, *, as_ssh: bool = False) -> "httpx.Client":
    """Follows redirects, but for those from https to http."""
    import httpx

    def stay_safe(response: httpx.Response) -> None:
        here = response.request.url
        there = here.join(response.headers["Location"]) if response.has_redirect_location else here
        if (here.scheme, there.scheme) == ("https", "http"):
            raise httpx.InvalidURL(f"it leads from https to http://{there.host}")

    hooks = {"response": [stay_safe]}
    past = httpx.HTTPTransport(local_address="0.0.0.0") if as_ssh else None  # noqa: S104 # IPv4
    try:
        return httpx.Client(
            timeout=timeout_s, follow_redirects=True, event_hooks=hooks, transport=past
        )
    except (httpx.InvalidURL, ValueError, ImportError) as error:  # for SOCKS, a package lacks
        raise Unreachable(f"The proxy that is set cannot be used: {reason(error)}.") from error


def _transfer(client: "httpx.Client", url: str, part: str, on_bytes: OnBytes) -> None:
    have_bytes = os.path.getsize(part) if os.path.exists(part) else 0
    version = ""
    with suppress(OSError), open(part + ".etag", encoding="utf-8") as file:
        version = file.read()
    headers = {"Accept-Encoding": "identity"}
    if have_bytes and version:
        headers |= {"Range": f"bytes={have_bytes}-", "If-Range": version}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == _RANGE_NOT_SATISFIABLE and have_bytes:
            os.remove(part)
            return _transfer(client, url, part, on_bytes)
        response.raise_for_status()
        resumed = response.status_code == _PARTIAL_CONTENT
        have_bytes = have_bytes if resumed else 0
        length = response.headers.get("Content-Length", "")
        total_bytes = have_bytes + int(length) if length.isdigit() else None
        with open(part, "ab" if resumed else "wb") as stream:
            # Only a strong validator promises that a continued transfer fits the bytes before it.
            version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            with open(part + ".etag", "w", encoding="utf-8") as file:
                file.write("" if version.startswith("W/") else version)
            on_bytes(have_bytes, total_bytes)
            # As they come: what a chunk size holds back is lost when the transfer breaks off.
            for chunk in response.iter_raw():
                stream.write(chunk)
                have_bytes += len(chunk)
                on_bytes(have_bytes, total_bytes)
    return None
