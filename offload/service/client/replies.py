"""What a server's reply means beyond its document."""

import json

from offload.domain.errors import PlaceUnavailable
from offload.drivers.http.connections import Reply

OK, UNAUTHORIZED, BUSY = 200, 401, 429
UNUSABLE = {413, 422}
"""The image is at fault."""

RETRIED = {BUSY, 502, 503, 504}
"""Later the same request may be answered."""


def retry_after_s(reply: Reply | None) -> float | None:
    """The seconds a Retry-After header asks for, at most a minute; dates are left aside."""
    text = reply.headers.get("retry-after", "") if reply is not None else ""
    return min(60.0, float(text)) if text.isdecimal() else None


def detail(reply: Reply) -> str:
    """The sentence of a problem document, or the status."""
    try:
        return str(json.loads(reply.body)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {reply.status}"


def kind(reply: Reply) -> str:
    """The type of a problem document; empty if it is none."""
    try:
        return str(json.loads(reply.body)["type"])
    except (ValueError, KeyError, TypeError):
        return ""


def refused(shown: str, token: str | None) -> PlaceUnavailable:
    """The failure of a server that wants another token than `token`."""
    what = "refuses the token" if token else "wants a token"
    return PlaceUnavailable(f"{shown} {what}.", hint="To give it: export OFFLOAD_TOKEN=…")
