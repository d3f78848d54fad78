"""S3: a bucket of ours, private and emptied by itself. Every method may raise OffloadError."""

from collections.abc import Mapping, Sequence
from typing import Any

from offload.drivers.aws import calls
from offload.drivers.aws.lookup import Clients
from offload.drivers.aws.tagging import pairs

_NOBODY = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_NONE = ("NoSuchBucket", "NoSuchTagSet")
_THERE = ("BucketAlreadyOwnedByYou",)
_LONGEST_NAME = 63


def own_name(title: str, account_id: str, region: str) -> str:
    """What a bucket of ours is called, as names of buckets are everybody's."""
    return f"{title}-{account_id}-{region}"[:_LONGEST_NAME].rstrip("-")


class Bucket:
    """The bucket of that name in one account and region, whether or not it is there."""

    def __init__(self, clients: Clients, name: str, region: str) -> None:
        self.name = name
        self._s3 = clients("s3")
        self._region = region

    def make(self, tags: Mapping[str, str], days: int, prefixes: Sequence[str] = ("",)) -> None:
        """Make it if it is not there; what begins with one of these goes after so many days. It is
        encrypted, as all new ones are.
        """
        here = {"LocationConstraint": self._region}
        where = {} if self._region == "us-east-1" else {"CreateBucketConfiguration": here}
        self._call("create_bucket", fine=_THERE, **where)
        blocked = dict.fromkeys(_NOBODY, True)
        self._call("put_public_access_block", PublicAccessBlockConfiguration=blocked)
        rules = [_rule(prefix, days) for prefix in prefixes]
        self._call("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules})
        self._call("put_bucket_tagging", Tagging={"TagSet": pairs(tags)})

    def tags(self) -> dict[str, str] | None:
        """Its tags; None if it is not there."""
        listed = calls.call(self._s3, "list_buckets").get("Buckets", ())
        if self.name not in {each["Name"] for each in listed}:
            return None
        said = self._call("get_bucket_tagging", fine=_NONE)
        return {each["Key"]: each["Value"] for each in said.get("TagSet", ())}

    def remove(self) -> None:
        """Remove it with all that is in it; if it is gone already, all the better."""
        while found := self._call("list_object_versions", fine=_NONE):
            things = found.get("Versions", []) + found.get("DeleteMarkers", [])
            if not things:
                break
            keys = [{name: each[name] for name in ("Key", "VersionId")} for each in things]
            self._call("delete_objects", Delete={"Objects": keys})
        self._call("delete_bucket", fine=_NONE)

    def _call(self, operation: str, **asked: Any) -> dict[str, Any]:
        return calls.call(self._s3, operation, Bucket=self.name, **asked)


def _rule(prefix: str, days: int) -> dict[str, Any]:
    return {
        "ID": prefix or "all",
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
    }
