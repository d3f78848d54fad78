"""Stores by their URLs, with the endpoints and credentials that the ecosystem's variables name."""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from offload.domain.errors import OffloadError, UsageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "gs", "az", "http", "https")
_CLIENT: Any = {
    "allow_http": True,  # only where an endpoint says so itself
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=30),
    "timeout": timedelta(minutes=10),
}
_RETRIES = 8
_NATIVE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""What obstore finds credentials by itself with; for profiles, logins and roles there is boto3."""
_YES = {"1", "true", "yes", "on", "y", "t"}


def parts(url: str) -> tuple[str, str, str]:
    """Scheme, bucket (or host) and key or prefix of a URL; the key is taken as it is written."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return scheme.lower(), bucket, key


def is_anonymous(kind: str) -> bool:
    """Whether requests are not signed, by the variable of AWS, GOOGLE or AZURE."""
    return os.environ.get(f"{kind}_SKIP_SIGNATURE", "").lower() in _YES


def connected(url: str, retries: int = _RETRIES) -> "ObjectStore":
    """The store at a URL, as obstore has it.

    Raises:
        UsageError: the URL cannot be meant.
        OffloadError: there are no credentials, or what they come from refuses.
    """
    import obstore
    from obstore.store import AzureStore, GCSStore, HTTPStore

    scheme, bucket, key = parts(url)
    if not bucket:
        raise UsageError(
            f"{url!r} names no bucket.", hint=f"For instance: {scheme}://BUCKET/photos/"
        )
    prefix = key.rstrip("/") or None
    common: Any = {"client_options": _CLIENT, "retry_config": _patience(retries)}
    try:
        if scheme == "s3":
            return _s3(bucket, prefix, common)
        if scheme == "gs":
            return GCSStore(bucket, prefix=prefix, config=_google(), **common)
        if scheme == "az":
            return AzureStore(bucket, prefix=prefix, config=_azure(os.environ), **common)
        return HTTPStore.from_url(url, **common)
    except (obstore.exceptions.BaseError, ValueError) as error:
        why = str(error).strip().split("\n", 1)[0].rstrip(".")
        raise UsageError(f"{url!r} cannot be used as a store: {why}.") from error


def _patience(retries: int) -> Any:
    """Of each request; 16 seconds of waiting in all if nothing else is said."""
    backoff = {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    }
    return {
        "max_retries": retries,
        "retry_timeout": timedelta(seconds=90),
        "backoff": backoff,
    }


def _s3(bucket: str, prefix: str | None, common: Any) -> "ObjectStore":
    from obstore.store import S3Store

    is_native = is_anonymous("AWS") or any(os.environ.get(name) for name in _NATIVE)
    provider = None if is_native else _of_boto3()
    return S3Store(bucket, prefix=prefix, credential_provider=provider, **common)


def _of_boto3() -> Any:
    """Credentials, and the region, as boto3 finds them: profiles, logins, roles of machines."""
    from obstore.auth.boto3 import Boto3CredentialProvider

    from offload.drivers.aws import account
    from offload.drivers.aws.calls import explaining

    session = account.session()
    with explaining():
        if session.get_credentials() is None:
            raise OffloadError(
                "There are no AWS credentials here.",
                hint="For a public bucket: export AWS_SKIP_SIGNATURE=true; else: aws configure",
            )
        provider = Boto3CredentialProvider(session)
        provider()  # a login that ran out is explained here
    return provider


def _google() -> Any:
    """What obstore does not read itself: the emulator that Google's libraries use."""
    host = os.environ.get("STORAGE_EMULATOR_HOST")
    if not host:
        return None
    return {"base_url": host if "://" in host else f"http://{host}", "skip_signature": True}


def _azure(environment: Mapping[str, str]) -> Any:
    """What obstore does not read itself: the variables of Azure's own command."""
    text = environment.get("AZURE_STORAGE_CONNECTION_STRING", "")
    stated = dict(each.split("=", 1) for each in text.split(";") if "=" in each)
    named = {
        "account_name": environment.get("AZURE_STORAGE_ACCOUNT") or stated.get("AccountName"),
        "account_key": environment.get("AZURE_STORAGE_KEY") or stated.get("AccountKey"),
        "sas_key": stated.get("SharedAccessSignature"),
        "endpoint": stated.get("BlobEndpoint"),
    }
    return {name: value for name, value in named.items() if value} or None
