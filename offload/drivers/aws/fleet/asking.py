"""Calls about a fleet: what may pass by itself is Unanswered, what is missing is named."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, Unanswered
from offload.drivers.aws import account, calls
from offload.drivers.aws.parts import NO_QUEUE

BUSY = ("ScalingActivityInProgress", "ResourceContention")
"""What Auto Scaling says while it does something else with the group."""
_NO_GROUP = "name not found"
"""A part of what Auto Scaling says of a group that is not there, which has no code of its own."""
_GONE = {*NO_QUEUE, "NoSuchBucket"}
_SERVER_ERROR = 500
_TRIED = {"MaxAttemptsReached", "RetryQuotaReached"}
"""With these botocore says that it asked again, as for too many requests, and gave up."""
_NAMED = re.compile(r"\bfleet[ -]([\w-]+?)(?:-dead|-answers-\w+|-\d{12}-[\w-]+| in [\w-]+)?$")
"""How a fleet's name is in that of what it has."""
_ROLE = "To see what a fleet takes: offload provision fleet --plan"
connected = account.connected


@contextmanager
def about(what: str) -> Iterator[None]:
    """Meanwhile what boto3 raises about `what`, such as `queue NAME`, is an OffloadError.

    Raises:
        Unanswered: AWS does not answer, has a problem of its own or had too many requests, however
            often botocore asked again.
        PlaceUnavailable: it is not there, or may not be used.
    """
    try:
        with calls.explaining():
            yield
    except OffloadError as error:
        cause = error.__cause__
        if _passing(cause):
            raise Unanswered(str(error), hint=error.hint) from cause
        if _gone(cause):
            raise none(what) from cause
        if isinstance(error, calls.NotAllowed):
            said = str(error).rstrip(".")
            raise calls.NotAllowed(f"{said} ({what}).", hint=_ROLE) from cause
        raise


def none(what: str) -> PlaceUnavailable:
    """It is not there."""
    return PlaceUnavailable(
        f"There is no {what}.", hint=f"To bring up a fleet, or what one lacks: {provision(what)}"
    )


def provision(what: str) -> str:
    """The command that brings up the fleet that has it."""
    named = _NAMED.search(what)
    return f"offload provision fleet --name {named[1]}" if named else "offload provision fleet"


def asked(
    client: Any, operation: str, what: str, fine: Collection[str] = (), **parameters: Any
) -> dict[str, Any]:
    """What AWS answers to a call about `what`; nothing where it refuses with a code of `fine`."""
    with about(what):
        return calls.call(client, operation, fine=fine, **parameters)


def _gone(cause: BaseException | None) -> bool:
    from botocore.exceptions import ClientError, ParamValidationError

    if isinstance(cause, ClientError):
        said = cause.response.get("Error", {})
        return said.get("Code") in _GONE or _NO_GROUP in str(said.get("Message"))
    return isinstance(cause, ParamValidationError) and "Invalid bucket name" in str(cause)


def _passing(cause: BaseException | None) -> bool:
    from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
    from botocore.exceptions import ConnectionError as NotConnectedError

    if isinstance(cause, ClientError):
        said = cause.response.get("ResponseMetadata", {})
        return bool(said.get("HTTPStatusCode", 0) >= _SERVER_ERROR or _TRIED & said.keys())
    return isinstance(cause, NotConnectedError | HTTPClientError | IncompleteReadError)
