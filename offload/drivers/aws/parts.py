"""What functions and fleets have in common: each consists of parts at AWS that carry our tag; by
that and by their names they are found again, and what lacks it is not ours.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import OWNER, Resource
from offload.drivers.aws import account, buckets, calls
from offload.drivers.aws.buckets import Bucket
from offload.drivers.aws.calls import NotAllowed
from offload.drivers.aws.iam import Answer
from offload.drivers.aws.lookup import Clients
from offload.drivers.aws.repositories import Repository
from offload.drivers.host import machine

NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress")
GONE = (
    *NO_QUEUE, "NoSuchEntity", "RepositoryNotFoundException", "ResourceNotFoundException",
)  # fmt: skip
"""What AWS says of what is not there."""
_LOG_THERE = ("ResourceAlreadyExistsException",)

Tags = Mapping[str, str]
Found = tuple[str, str, Tags]
"""A part: its kind, what AWS calls it, and its tags."""
Looks = Mapping[str, tuple[str, str, Mapping[str, Any]]]
"""By the permission that it takes, a call that looks for a part: service, operation, parameters."""


class Asking:
    """Who asks AWS. `clients` makes boto3's client of a service."""

    def __init__(self, clients: Clients, pause: Callable[[float], None] = time.sleep) -> None:
        self._clients = clients
        self._pause = pause

    def _call(self, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        return calls.call(self._clients(service), operation, **asked)


class Parts(Asking):
    """Those of functions, or of fleets, in one account and region. Every method may raise
    OffloadError: AWS refuses, with a reason.
    """

    MARK: ClassVar[str]
    """The tag that each carries; its value is the name of the function or fleet."""
    COMMAND: ClassVar[str]
    """What brings one up: `offload COMMAND`."""
    BUCKET: ClassVar[str]
    """What its bucket's name begins with."""

    def __init__(
        self, clients: Clients, region: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(clients, pause)
        self.region = region

    @classmethod
    def connected(cls, region: str | None = None, profile: str | None = None) -> Self:
        """The account and region of AWS' standard configuration, or those that are named."""
        return cls(*account.connected(region, profile))

    @classmethod
    def marks(cls, name: str) -> dict[str, str]:
        """The tags of everything that belongs to one, and that this computer makes."""
        return {cls.MARK: name, OWNER: machine.owner()}

    def repository(self, name: str, tags: Tags) -> Repository:
        """Where its image belongs, made if it is not there."""
        there = Repository(self._clients, self._title(name))
        there.make(tags)
        self._check("repository", there.name, name, there.tags() or {})
        there.keep_few()
        return there

    def resources(self, name: str) -> Iterator[Resource]:
        """What there is of it and carries our tag, in the order to remove it in."""
        for kind, key, tags in self._found(name):
            if tags.get(self.MARK) == name:
                yield Resource(kind, key, name, self.region, tags.get(OWNER))

    def remove(self, resource: Resource) -> None:
        """Remove it; if it is gone already, all the better."""
        key = resource.id
        match resource.kind:
            case "queue":
                self._call("sqs", "delete_queue", fine=GONE, QueueUrl=key)
            case "bucket":
                Bucket(self._clients, key, self.region).remove()
            case "log group":
                self._call("logs", "delete_log_group", fine=GONE, logGroupName=key)
            case "repository":
                Repository(self._clients, key).remove()
            case _:
                self._remove_own(resource)

    def permissions(self, name: str) -> dict[str, Answer]:
        """Each permission that looking for one and what is its own takes. Nothing is done."""
        found: dict[str, Answer] = {}
        for permission, (service, operation, asked) in self._looks(name).items():
            try:
                self._call(service, operation, fine=GONE, **asked)
                found[permission] = "allowed"
            except OffloadError as error:
                found[permission] = "missing" if isinstance(error, NotAllowed) else "unknown"
        return found

    def _title(self, name: str) -> str:
        """What parts of it are called."""
        raise NotImplementedError

    def _found(self, name: str) -> Iterator[Found]:
        """What there is that is called like its parts, in the order to remove it in."""
        raise NotImplementedError

    def _looks(self, name: str) -> Looks:
        raise NotImplementedError

    def _remove_own(self, resource: Resource) -> None:
        """Remove a part of a kind that others have not."""
        raise NotImplementedError

    def _bucket(self, name: str) -> Bucket:
        account_id = self._call("sts", "get_caller_identity")["Account"]
        called = buckets.own_name(f"{self.BUCKET}-{name}", account_id, self.region)
        return Bucket(self._clients, called, self.region)

    def _kept(self, name: str) -> Iterator[Found]:
        """Its bucket and its repository."""
        bucket = self._bucket(name)
        if (tags := bucket.tags()) is not None:
            # Tagged after it was made; no other is called so.
            yield "bucket", bucket.name, tags or {self.MARK: name}
        yield from self._image(name)

    def _image(self, name: str) -> Iterator[Found]:
        title = self._title(name)
        if (tags := Repository(self._clients, title).tags()) is not None:
            yield "repository", title, tags

    def _make_log(self, group: str, tags: Tags, days: int) -> None:
        self._call("logs", "create_log_group", fine=_LOG_THERE, logGroupName=group, tags=dict(tags))
        self._call("logs", "put_retention_policy", logGroupName=group, retentionInDays=days)

    def _log(self, group: str) -> Iterator[Found]:
        listed = self._call("logs", "describe_log_groups", logGroupNamePrefix=group)
        for each in listed["logGroups"]:
            if each["logGroupName"] == group:
                arn = str(each["arn"]).removesuffix(":*")
                said = self._call("logs", "list_tags_for_resource", resourceArn=arn)
                yield "log group", group, said.get("tags", {})

    def _check(self, kind: str, key: str, name: str, tags: Tags) -> None:
        """Raise UsageError where a part is not ours."""
        if tags.get(self.MARK) != name:
            raise UsageError(
                f"There is a {kind} {key} in {self.region} that offload did not make.",
                hint=f"For another name: offload {self.COMMAND} --name NAME",
            )
