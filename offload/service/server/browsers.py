"""What a browser may be made to send by a page from elsewhere."""

import ipaddress
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from offload.service.server.problems import Problem


def refusal(scope: Scope, *, trusted: bool) -> Problem | None:
    """Why a request is not taken. One that is not `trusted`, as it needs no token, must name this
    machine as its host: a foreign name that is made to lead here is a page's way in.
    """
    headers = Headers(scope=scope)
    host, origin = headers.get("host"), headers.get("origin")
    foreign = headers.get("sec-fetch-site") == "cross-site"
    if not trusted:
        if host is not None and not is_loopback(_name(host)):
            detail = "Without a token this server answers only its own machine: use 127.0.0.1."
            return Problem(HTTPStatus.MISDIRECTED_REQUEST, detail)
        foreign |= origin is not None and origin.partition("//")[2] != host
    if foreign:
        return Problem(HTTPStatus.FORBIDDEN, "Pages of other sites may not use this server.")
    return None


def is_loopback(host: str) -> bool:
    """Whether it is this machine, by an address or the name that only itself is known by."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name(host: str) -> str:
    """A host without its port; empty if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
