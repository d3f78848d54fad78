"""AWS: whose credentials are here, and the calls that are made with them."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from offload.drivers.awserrors import explained

_SIGNS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}
_CONNECT_S = 5.0

WOULD = "DryRunOperation"
"""The code with which EC2 says that it would have done what was asked."""


def credentials_source() -> str | None:
    """Where boto3 finds credentials (`env`, `shared-credentials-file`, …); None if nowhere.

    Looks at this machine only: nothing is sent.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError:
        return None
    return str(found.method) if found else None


def may_have_credentials(environment: Mapping[str, str]) -> bool:
    """Whether asking AWS is worth loading boto3: a variable or a file of credentials is here.

    The role of an EC2 instance shows in neither.
    """
    return any(environment.get(name) for name in _SIGNS) or any(
        os.path.exists(os.path.expanduser(environment.get(name) or usual))
        for name, usual in _FILES.items()
    )


def session(region: str | None = None, profile: str | None = None) -> Any:
    """boto3's session as AWS' variables and files have it; what is named here goes before them.

    Raises:
        UsageError: there is no such profile.
    """
    import boto3

    # boto3 alone among AWS' tools does not read AWS_REGION.
    region = region or os.environ.get("AWS_REGION") or None
    with _explaining():
        return boto3.Session(region_name=region, profile_name=profile)


def region(session: Any) -> str:
    """Where a session asks, once it has all it needs to ask.

    Raises:
        PlaceUnavailable: it has no credentials, or no region.
    """
    from botocore.exceptions import NoCredentialsError, NoRegionError

    with _explaining():
        if session.get_credentials() is None:
            raise NoCredentialsError
        if session.region_name is None:
            raise NoRegionError
    return str(session.region_name)


def client(session: Any, service: str, timeout_s: float = 30.0, attempts: int = 4) -> Any:
    """boto3's client of a service; it tries again where that helps.

    Raises:
        OffloadError: the region or the endpoint that is set cannot be meant.
    """
    from botocore.config import Config

    patience = Config(
        connect_timeout=min(timeout_s, _CONNECT_S),
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    with _explaining():
        return session.client(service, config=patience)


def call(
    client: Any, operation: str, *, fine: Collection[str] = (), **parameters: Any
) -> dict[str, Any]:
    """What AWS answers; nothing where it refuses with one of the codes that are `fine`.

    Raises:
        OffloadError: it refuses, or does not answer.
    """
    from botocore.exceptions import ClientError

    with _explaining():
        try:
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in fine:
                raise
            return {}
    return answer


def dry_run(client: Any, operation: str, **parameters: Any) -> dict[str, str] | None:
    """The `Code` and `Message` with which EC2 would refuse; None if it would do it.

    Raises:
        OffloadError: it does not answer.
    """
    from botocore.exceptions import ClientError

    with _explaining():
        try:
            getattr(client, operation)(DryRun=True, **parameters)
        except ClientError as error:
            said: dict[str, str] = error.response.get("Error", {})
            return None if said.get("Code") == WOULD else {"Code": "", **said}
    return None


def each(client: Any, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Everything that AWS lists under `key`, over all pages.

    Raises:
        OffloadError: it refuses, or does not answer.
    """
    answer = call(client, operation, **parameters)
    yield from answer.get(key, ())
    while token := answer.get("NextToken"):
        answer = call(client, operation, **parameters, NextToken=token)
        yield from answer.get(key, ())


@contextmanager
def _explaining() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    # ValueError: an endpoint that is no URL, or an answer that is not AWS'.
    except (BotoCoreError, ClientError, ResponseParserError, ValueError) as error:
        raise explained(error) from error
