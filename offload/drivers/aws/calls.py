"""Every call to AWS: pages are joined; a refusal, or no answer, is an OffloadError."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from offload.drivers.aws.errors import explained

WOULD = "DryRunOperation"
"""The code with which EC2 says that it would have done what was asked."""


@contextmanager
def explaining() -> Iterator[None]:
    """Meanwhile what boto3 raises becomes an OffloadError with a sentence and a command."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    # ValueError: an endpoint that is no URL, or an answer that is not AWS'.
    except (BotoCoreError, ClientError, ResponseParserError, ValueError) as error:
        raise explained(error) from error


def call(
    client: Any, operation: str, *, fine: Collection[str] = (), **parameters: Any
) -> dict[str, Any]:
    """What AWS answers; nothing where it refuses with one of the codes that are `fine`."""
    from botocore.exceptions import ClientError

    with explaining():
        try:
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in fine:
                raise
            return {}
    return answer


def dry_run(client: Any, operation: str, **parameters: Any) -> dict[str, str] | None:
    """The `Code` and `Message` with which EC2 would refuse; None if it would do it."""
    from botocore.exceptions import ClientError

    with explaining():
        try:
            getattr(client, operation)(DryRun=True, **parameters)
        except ClientError as error:
            said: dict[str, str] = error.response.get("Error", {})
            return None if said.get("Code") == WOULD else {"Code": "", **said}
    return None


def each(client: Any, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Everything that AWS lists under `key`, over all pages."""
    answer = call(client, operation, **parameters)
    yield from answer.get(key, ())
    while token := answer.get("NextToken"):
        answer = call(client, operation, **parameters, NextToken=token)
        yield from answer.get(key, ())
