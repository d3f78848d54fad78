"""What a function of AWS Lambda consists of: a repository with its image, a role, a log group.

All are called like the function and carry our tag; by that they are found again, and what lacks it
is not ours. Every method may raise OffloadError: AWS refuses, with a reason.
"""

import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import OWNER, Resource
from offload.drivers.aws import account, calls
from offload.drivers.aws.buckets import Bucket
from offload.drivers.aws.calls import NotAllowed
from offload.drivers.aws.function.calling import AwsFunction, FunctionConfig, described
from offload.drivers.aws.function.drop_parts import GONE, DropParts
from offload.drivers.aws.function.policies import looks, writes_log
from offload.drivers.aws.iam import Answer, assumed_by
from offload.drivers.aws.lookup import Clients
from offload.drivers.aws.repositories import Repository
from offload.drivers.aws.tagging import pairs
from offload.drivers.host import machine

MARK = "offload:function"
"""The tag that everything of a function carries; its value is the function's name."""
_GONE = (
    *GONE, "NoSuchEntity", "RepositoryNotFoundException",
)  # fmt: skip
_THERE = (
    "EntityAlreadyExists",
    "ResourceAlreadyExistsException",
)
_KEPT_DAYS = 7
_STAGED_DAYS = 1


class FunctionParts:
    """Those of functions in one account and region. `clients` makes boto3's client of a service."""

    def __init__(
        self, clients: Clients, region: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.region = region
        self._clients = clients
        self._pause = pause

    @classmethod
    def connected(cls, region: str | None = None, profile: str | None = None) -> "FunctionParts":
        """The account and region of AWS' standard configuration, or those that are named."""
        session = account.session(region, profile)
        where = account.region(session)
        return cls(functools.cache(functools.partial(account.client, session)), where)

    def function(self, name: str) -> FunctionConfig | None:
        """The function as it is, if it is there.

        Raises:
            UsageError: one that is not ours has that name.
        """
        found = self._call("lambda", "get_function", fine=_GONE, FunctionName=name)
        if not found:
            return None
        self._check(found.get("Tags", {}), "function", name)
        return self.handle(name).config()

    def functions(self) -> list[FunctionConfig]:
        """Every function that offload made: it has the variable that no other needs."""
        with calls.explaining():
            pages = self._clients("lambda").get_paginator("list_functions").paginate()
            listed = pages.build_full_result()["Functions"]
        found = [described(each, self.region) for each in listed]
        return [function for function in found if function.bucket]

    def handle(self, name: str) -> AwsFunction:
        """The function of that name, whether or not it is there."""
        return AwsFunction(self._clients, name, self.region, self._pause)

    def drops(self) -> DropParts:
        """What drop boxes take besides."""
        return DropParts(self._clients, self.region, self._pause)

    def repository(self, name: str, tags: Mapping[str, str]) -> Repository:
        """Where its image belongs, made if it is not there."""
        there = Repository(self._clients, name)
        there.make(tags)
        self._check(there.tags() or {}, "repository", name)
        there.keep_few()
        return there

    def role(
        self, name: str, tags: Mapping[str, str], more: Sequence[Mapping[str, Any]] = ()
    ) -> str:
        """A role that may write the function's log, and what `more` says; its ARN."""
        role_name = self._role_name(name)
        assumes = json.dumps(assumed_by("lambda.amazonaws.com"))
        made = self._call(
            "iam", "create_role", fine=_THERE, RoleName=role_name,
            AssumeRolePolicyDocument=assumes, Tags=pairs(tags),
        )  # fmt: skip
        role = made.get("Role") or self._call("iam", "get_role", RoleName=role_name)["Role"]
        if not made:
            self._check(_tags(role.get("Tags")), "role", name)
        arn = str(role["Arn"])
        log = writes_log(arn, self.region, _log_group(name))
        policy = json.dumps({"Version": "2012-10-17", "Statement": [log, *more]})
        self._call(
            "iam", "put_role_policy", RoleName=role_name, PolicyName="log", PolicyDocument=policy
        )
        return arn

    def log_group(self, name: str, tags: Mapping[str, str]) -> None:
        """Where the function's log belongs, kept for a week."""
        group = _log_group(name)
        self._call("logs", "create_log_group", fine=_THERE, logGroupName=group, tags=dict(tags))
        self._call("logs", "put_retention_policy", logGroupName=group, retentionInDays=_KEPT_DAYS)

    def bucket(self, name: str, tags: Mapping[str, str]) -> str:
        """Where pictures that are too large for a call may wait, for a day at most: private, and
        encrypted as all new ones are.
        """
        bucket = self._bucket(name)
        bucket.make(tags, _STAGED_DAYS)
        return bucket.name

    def resources(self, name: str) -> Iterator[Resource]:
        """What there is of a function and carries our tag, in the order to remove it in."""
        found = self._call("lambda", "get_function", fine=_GONE, FunctionName=name)
        there = {"function": (name, found.get("Tags", {}))} if found else {}
        groups = self._call("logs", "describe_log_groups", logGroupNamePrefix=_log_group(name))
        for group in groups["logGroups"]:
            if group["logGroupName"] == _log_group(name):
                arn = group["arn"].removesuffix(":*")
                said = self._call("logs", "list_tags_for_resource", resourceArn=arn)
                there["log group"] = (_log_group(name), said.get("tags", {}))
        role = self._call("iam", "get_role", fine=_GONE, RoleName=self._role_name(name))
        if role:
            there["role"] = (self._role_name(name), _tags(role["Role"].get("Tags")))
        if (tags := Repository(self._clients, name).tags()) is not None:
            there["repository"] = (name, tags)
        bucket = self._bucket(name)
        if (tags := bucket.tags()) is not None:
            # Tagged after it was made; no other is called so.
            there["bucket"] = (bucket.name, tags or {MARK: name})
        there |= self.drops().tags(name)
        for kind, (key, tags) in there.items():
            if tags.get(MARK) == name:
                yield Resource(kind, key, name, self.region, tags.get(OWNER))

    def permissions(self, name: str) -> dict[str, Answer]:
        """Each permission that looking for a function and all that is its own takes. Nothing is
        done.
        """
        found: dict[str, Answer] = {}
        for permission, (service, operation, asked) in looks(name).items():
            try:
                self._call(service, operation, fine=_GONE, **asked)
                found[permission] = "allowed"
            except OffloadError as error:
                found[permission] = "missing" if isinstance(error, NotAllowed) else "unknown"
        return found

    def remove(self, resource: Resource) -> None:
        """Remove it; if it is gone already, all the better."""
        key = resource.id
        match resource.kind:
            case "function":
                self._call("lambda", "delete_function", fine=_GONE, FunctionName=key)
            case "log group":
                self._call("logs", "delete_log_group", fine=_GONE, logGroupName=key)
            case "role":
                listed = self._call("iam", "list_role_policies", fine=_GONE, RoleName=key)
                for policy in listed.get("PolicyNames", ()):
                    self._call(
                        "iam", "delete_role_policy", fine=_GONE, RoleName=key, PolicyName=policy
                    )
                self._call("iam", "delete_role", fine=_GONE, RoleName=key)
            case "table" | "queue":
                self.drops().remove(resource.kind, key)
            case "bucket":
                Bucket(self._clients, key, self.region).remove()
            case "repository":
                Repository(self._clients, key).remove()

    def _bucket(self, name: str) -> Bucket:
        account_id = self._call("sts", "get_caller_identity")["Account"]
        called = f"offload-{name}-{account_id}-{self.region}"[:63].rstrip("-")
        return Bucket(self._clients, called, self.region)

    def _role_name(self, name: str) -> str:
        return f"{name}-{self.region}"  # roles are of all regions

    def _check(self, tags: Mapping[str, str], kind: str, name: str) -> None:
        if tags.get(MARK) != name:
            raise UsageError(
                f"There is a {kind} {name} in {self.region} that offload did not make.",
                hint="For another name: offload provision lambda --name NAME",
            )

    def _call(self, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        return calls.call(self._clients(service), operation, **asked)


def marks(name: str) -> dict[str, str]:
    """The tags of everything that belongs to a function, and that this computer makes."""
    return {MARK: name, OWNER: machine.owner()}


def _log_group(name: str) -> str:
    return f"/aws/lambda/{name}"


def _tags(pairs: Any) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs or ()}
