"""What a function of AWS Lambda consists of: a repository with its image, a role, a log group.

All are called like the function and carry our tag; by that they are found again, and what lacks it
is not ours. Every method may raise OffloadError: AWS refuses, with a reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from offload.domain.machines import OWNER, Resource
from offload.drivers.aws import calls
from offload.drivers.aws.fleet.roles import Role
from offload.drivers.aws.function.calling import AwsFunction, FunctionConfig, described
from offload.drivers.aws.function.drop_parts import DropParts
from offload.drivers.aws.function.policies import looks, writes_log
from offload.drivers.aws.parts import GONE, Found, Looks, Parts
from offload.drivers.host import machine

MARK = "offload:function"
"""The tag that everything of a function carries; its value is the function's name."""
_THERE = ("ResourceAlreadyExistsException",)
_KEPT_DAYS = 7
_STAGED_DAYS = 1


class _FunctionRole(Role):
    service = "lambda.amazonaws.com"


class FunctionParts(Parts):
    """Those of functions in one account and region."""

    MARK, COMMAND, BUCKET = MARK, "lambda", "offload"

    def function(self, name: str) -> FunctionConfig | None:
        """The function as it is, if it is there.

        Raises:
            UsageError: one that is not ours has that name.
        """
        found = self._call("lambda", "get_function", fine=GONE, FunctionName=name)
        if not found:
            return None
        self._check("function", name, name, found.get("Tags", {}))
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
        return DropParts(self._clients, self._pause)

    def role(
        self, name: str, tags: Mapping[str, str], more: Sequence[Mapping[str, Any]] = ()
    ) -> str:
        """A role that may write the function's log, and what `more` says; its ARN."""
        role = self._role(name)
        for kind, key, there in role.found():
            self._check(kind, key, name, there)

        def policy(arn: str) -> Mapping[str, Any]:
            log = writes_log(arn, self.region, _log_group(name))
            return {"Version": "2012-10-17", "Statement": [log, *more]}

        return role.make(policy, tags)

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

    def _title(self, name: str) -> str:
        return name

    def _found(self, name: str) -> Iterator[Found]:
        found = self._call("lambda", "get_function", fine=GONE, FunctionName=name)
        if found:
            yield "function", name, found.get("Tags", {})
        group = _log_group(name)
        for each in self._call("logs", "describe_log_groups", logGroupNamePrefix=group)[
            "logGroups"
        ]:
            if each["logGroupName"] == group:
                arn = each["arn"].removesuffix(":*")
                said = self._call("logs", "list_tags_for_resource", resourceArn=arn)
                yield "log group", group, said.get("tags", {})
        yield from self._role(name).found()
        yield from self._kept(name)
        yield from self.drops().found(name)

    def _looks(self, name: str) -> Looks:
        return looks(name)

    def _remove_own(self, resource: Resource) -> None:
        key = resource.id
        match resource.kind:
            case "function":
                self._call("lambda", "delete_function", fine=GONE, FunctionName=key)
            case "log group":
                self._call("logs", "delete_log_group", fine=GONE, logGroupName=key)
            case "role":
                _FunctionRole(self._clients, key).remove(resource.kind)
            case "table":
                self._call("dynamodb", "delete_table", fine=GONE, TableName=key)

    def _role(self, name: str) -> Role:
        # Roles are of all regions.
        return _FunctionRole(self._clients, f"{name}-{self.region}", self._pause)


def marks(name: str) -> dict[str, str]:
    """The tags of everything that belongs to a function, and that this computer makes."""
    return {MARK: name, OWNER: machine.owner()}


def _log_group(name: str) -> str:
    return f"/aws/lambda/{name}"
