"""Keys that obstore does not list: what no folder could hold, as `a//b.jpg` or `../c.jpg`.

One such key has obstore end its listing, so the page that has it is listed by boto3.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any, TypeAlias

from offload.drivers.aws import account
from offload.drivers.aws.calls import explaining
from offload.drivers.objects.access import is_anonymous, parts

Page: TypeAlias = tuple[list[tuple[str, int, str]], bool]
"""Keys, sizes and ETags, and whether it is the last."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def is_odd(key: str) -> bool:
    """Whether no folder could hold a file of that name."""
    return bool(_CONTROL.search(key)) or any(part in {"", ".", ".."} for part in key.split("/"))


def pages(url: str, folder: str, after: str | None) -> Iterator[Page]:
    """The pages of a listing after the key `after`. Keys and `folder` are relative to the prefix in
    `url`.

    Raises:
        OffloadError: it is refused.
    """
    _, bucket, prefix = parts(url)
    base = prefix.rstrip("/") + "/" if prefix else ""
    start: Any = {} if after is None else {"StartAfter": base + after}
    below = base + (folder.rstrip("/") + "/" if folder else "")
    with closing(_client()) as client:
        yield from _asked(client, bucket, base, below, start)


def _asked(client: Any, bucket: str, base: str, below: str, start: Any) -> Iterator[Page]:
    while True:
        with explaining():
            page = client.list_objects_v2(Bucket=bucket, Prefix=below, **start)
        found = page.get("Contents", [])
        yield (
            [(each["Key"][len(base) :], each["Size"], each["ETag"]) for each in found],
            not page["IsTruncated"],
        )
        if not page["IsTruncated"]:
            return
        start = {"ContinuationToken": page["NextContinuationToken"]}


def _client() -> Any:
    more: dict[str, Any] = {"s3": {"addressing_style": "path"}}
    if is_anonymous("AWS"):
        from botocore import UNSIGNED

        more["signature_version"] = UNSIGNED
    return account.client(account.session(), "s3", **more)
