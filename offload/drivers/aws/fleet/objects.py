"""S3: the bucket of a fleet, where image files wait, rows stay, and the fleet says what it is."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from offload.domain import typed
from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, Unanswered
from offload.domain.machines import INFO_KEY, FleetInfo
from offload.drivers.aws.buckets import own_name
from offload.drivers.aws.fleet.asking import about, asked, provision
from offload.drivers.aws.lookup import Clients

_MOST_INFO_BYTES = 1_000_000
_THERE, _AT_ONCE = "PreconditionFailed", "ConditionalRequestConflict"
_TRIES, _PAUSE_S = 5, 0.2


def store_of(clients: Clients, fleet: str, region: str) -> "S3Store":
    """The bucket of a fleet of this account, whether or not it is there."""
    said = asked(clients("sts"), "get_caller_identity", "account")
    bucket = own_name(f"offload-fleet-{fleet}", str(said["Account"]), region)
    return S3Store(clients("s3"), bucket, f"fleet {fleet} in {region}")


class S3Store:
    """A bucket's objects by their keys, through boto3's client. Errors call it `what`.

    Whoever asks needs `s3:ListBucket` on the bucket: without it S3 says of an object that is not
    there that it may not be read
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
    """

    def __init__(
        self, client: Any, bucket: str, what: str = "",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.bucket = bucket
        self._what = what or f"bucket {bucket}"
        self._client = client
        self._pause = pause

    def put(self, key: str, data: bytes) -> None:
        """Write one."""
        self._asked("put_object", Key=key, Body=data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write one unless there is one; whether it was written. False too if it was, but S3's
        answer was lost (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
        """
        from botocore.exceptions import ClientError

        for _ in range(_TRIES):
            try:
                self._asked("put_object", Key=key, Body=data, IfNoneMatch="*")
                return True
            except OffloadError as error:
                cause = error.__cause__
                code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else ""
                if code == _THERE:
                    return False
                if code != _AT_ONCE:
                    raise
            self._pause(_PAUSE_S)  # somebody else writes it or deletes it at this moment
        raise Unanswered(f"others write {key} at the same time")

    def get(self, key: str, most_bytes: int) -> bytes | None:
        """One; None if there is none.

        Raises:
            ImageError: it is larger than `most_bytes`.
        """
        found = self._asked("get_object", ("NoSuchKey",), Key=key)
        if not found:
            return None
        body, size_bytes = found["Body"], int(found["ContentLength"])
        if size_bytes > most_bytes:
            body.close()
            raise ImageError(f"{size_bytes} bytes is more than is read of a file")
        with about(self._what), body:
            data: bytes = body.read()
        return data

    def delete(self, key: str) -> None:
        """Remove one; all the better if it is gone already."""
        self._asked("delete_object", Key=key)

    def delete_all(self, keys: Sequence[str]) -> None:
        """The same of several, 1000 at most."""
        gone = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        self._asked("delete_objects", Delete=gone)

    def keys(self, prefix: str) -> Iterator[str]:
        """Those that begin so, in their order."""
        more: dict[str, Any] = {}
        while True:
            found = self._asked("list_objects_v2", Prefix=prefix, **more)
            yield from (each["Key"] for each in found.get("Contents", ()))
            if not found.get("IsTruncated"):
                return
            more = {"ContinuationToken": found["NextContinuationToken"]}

    def _asked(self, operation: str, fine: tuple[str, ...] = (), **parameters: Any) -> Any:
        return asked(self._client, operation, self._what, fine, Bucket=self.bucket, **parameters)


def write_info(store: S3Store, info: FleetInfo) -> None:
    """Have the fleet say what it is."""
    store.put(INFO_KEY, typed.encoded(info))


def read_info(store: S3Store) -> FleetInfo:
    """What the fleet says that it is.

    Raises:
        PlaceUnavailable: there is none, or another version of offload made it.
    """
    text = store.get(INFO_KEY, _MOST_INFO_BYTES)
    if text is None:
        raise PlaceUnavailable(
            f"The bucket {store.bucket} is of no fleet, or of one that was not completed.",
            hint=f"To complete it: {provision(store.bucket)}",
        )
    try:
        return typed.parse(FleetInfo, text)
    except ValueError as error:
        raise PlaceUnavailable(
            f"The fleet of {store.bucket} is of another version of offload: {error}.",
            hint=f"To bring it up to date: {provision(store.bucket)}",
        ) from error
