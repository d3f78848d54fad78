"""AWS: whose credentials are here, and boto3 with them.

A profile or a region that cannot be raises UsageError, one that is missing PlaceUnavailable.
"""

import functools
import os
import threading
from collections.abc import Mapping
from typing import Any

from offload.drivers.aws.calls import explaining
from offload.drivers.aws.lookup import Clients

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
    """boto3's session as AWS' variables and files have it; what is named here goes before them."""
    import boto3

    # boto3 alone among AWS' tools does not read AWS_REGION.
    region = region or os.environ.get("AWS_REGION") or None
    with explaining():
        return boto3.Session(region_name=region, profile_name=profile)


def connected(
    region: str | None = None,
    profile: str | None = None,
    connections: int = 10,
    special: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Clients, str]:
    """boto3's clients in the account of AWS' standard configuration, and the region that they ask:
    that one, or the standard configuration's. Several threads may use them, `connections` of which
    find one kept. `special` are arguments of `client` for some services.
    """
    made_by = session(region, profile)
    where = region_of(made_by)
    lock = threading.Lock()  # a session makes clients for one thread at a time

    @functools.cache
    def made(service: str) -> Any:
        more = (special or {}).get(service, {})
        return client(made_by, service, max_pool_connections=connections, **more)

    def clients(service: str) -> Any:
        with lock:
            return made(service)

    return clients, where


def region_of(session: Any) -> str:
    """Where a session asks, once it has all it needs to ask."""
    from botocore.exceptions import NoCredentialsError, NoRegionError

    with explaining():
        if session.get_credentials() is None:
            raise NoCredentialsError
        if not session.region_name:  # set to nothing is not set
            raise NoRegionError
    return str(session.region_name)


def client(
    session: Any, service: str, timeout_s: float = 30.0, attempts: int = 4, **more: Any
) -> Any:
    """boto3's client of a service; it tries again where that helps. `more` is what else its
    configuration says.
    """
    from botocore.config import Config

    patience = Config(
        connect_timeout=min(timeout_s, _CONNECT_S),
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        **more,
    )
    with explaining():
        return session.client(service, config=patience)
