"""What a function of AWS Lambda consists of: a repository with its image, a role, a log group.

All are called like the function and carry our tag; by that they are found again, and what lacks it
is not ours. Every method may raise OffloadError: AWS refuses, with a reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from offload.domain.errors import PlaceUnavailable
from offload.domain.machines import Resource
from offload.drivers.aws import calls, patience
from offload.drivers.aws.fleet.roles import Role
from offload.drivers.aws.function.calling import AwsFunction, FunctionConfig, described
from offload.drivers.aws.function.drops import DROPPED, KEYS
from offload.drivers.aws.function.policies import looks, writes_log
from offload.drivers.aws.parts import GONE, Found, Looks, Parts
from offload.drivers.aws.tagging import pairs, tags_of

_KEPT_DAYS = 7
_STAGED_DAYS = 1
_TRIES, _LOOK_S = 60, 1.0
_KEPT_S = str(14 * 86400)
"""How long the queue keeps what failed: as long as it may."""
_UNKNOWN = ("Unable to validate",)
"""What S3 says as long as it does not know that it may call the function."""
_SAID_ALREADY = ["ResourceConflictException"]


class _FunctionRole(Role):
    service = "lambda.amazonaws.com"


class FunctionParts(Parts):
    """Those of functions in one account and region."""

    MARK, COMMAND, BUCKET = "offload:function", "provision lambda", "offload"

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
        self._make_log(_log_group(name), tags, _KEPT_DAYS)

    def bucket(self, name: str, tags: Mapping[str, str]) -> str:
        """Where pictures that are too large for a call may wait, for a day at most: private, and
        encrypted as all new ones are.
        """
        bucket = self._bucket(name)
        bucket.make(tags, _STAGED_DAYS)
        return bucket.name

    def table(self, name: str, tags: Mapping[str, str]) -> str:
        """The ARN of the table for rows, billed by the request; made if it is not there."""
        self._call(
            "dynamodb", "create_table", fine=["ResourceInUseException"], TableName=name,
            BillingMode="PAY_PER_REQUEST", Tags=pairs(tags),
            KeySchema=[{"AttributeName": k, "KeyType": v} for k, v in KEYS.items()],
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in KEYS],
        )  # fmt: skip
        for _ in range(_TRIES):
            there = self._call("dynamodb", "describe_table", TableName=name)["Table"]
            if there["TableStatus"] == "ACTIVE":
                return str(there["TableArn"])
            self._pause(_LOOK_S)
        raise PlaceUnavailable(f"The table {name} does not come up.", hint="The same command again")

    def queue(self, name: str, tags: Mapping[str, str]) -> str:
        """The ARN of the queue for what failed; made if it is not there."""
        kept = {"MessageRetentionPeriod": _KEPT_S}
        made = self._call("sqs", "create_queue", QueueName=name, Attributes=kept, tags=dict(tags))
        asked = {"QueueUrl": made["QueueUrl"], "AttributeNames": ["QueueArn"]}
        return str(self._call("sqs", "get_queue_attributes", **asked)["Attributes"]["QueueArn"])

    def told_of(self, name: str, bucket: str) -> None:
        """Have S3 tell the function of each picture that is dropped into its bucket."""
        account_id = self._call("sts", "get_caller_identity")["Account"]
        function = self._call("lambda", "get_function", FunctionName=name)["Configuration"]
        arn = str(function["FunctionArn"])
        self._call(
            "lambda", "add_permission", fine=_SAID_ALREADY, FunctionName=name, StatementId="s3",
            Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
            SourceArn=f"arn:{arn.split(':')[1]}:s3:::{bucket}", SourceAccount=account_id,
        )  # fmt: skip
        rule = {"Name": "prefix", "Value": DROPPED}
        told = {
            "LambdaFunctionArn": arn,
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [rule]}},
        }
        patience.call_once_known(
            self._clients("s3"), "put_bucket_notification_configuration", _UNKNOWN, self._pause,
            Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [told]},
        )  # fmt: skip

    def _title(self, name: str) -> str:
        return name

    def _found(self, name: str) -> Iterator[Found]:
        found = self._call("lambda", "get_function", fine=GONE, FunctionName=name)
        if found:
            yield "function", name, found.get("Tags", {})
        yield from self._log(_log_group(name))
        yield from self._role(name).found()
        yield from self._kept(name)
        if table := self._call("dynamodb", "describe_table", fine=GONE, TableName=name):
            arn = table["Table"]["TableArn"]
            said = self._call("dynamodb", "list_tags_of_resource", ResourceArn=arn)
            yield "table", name, tags_of(said)
        if queue := self._call("sqs", "get_queue_url", fine=GONE, QueueName=name):
            url = queue["QueueUrl"]
            yield "queue", url, self._call("sqs", "list_queue_tags", QueueUrl=url).get("Tags", {})

    def _looks(self, name: str) -> Looks:
        return looks(name)

    def _remove_own(self, resource: Resource) -> None:
        key = resource.id
        match resource.kind:
            case "function":
                self._call("lambda", "delete_function", fine=GONE, FunctionName=key)
            case "role":
                _FunctionRole(self._clients, key).remove(resource.kind)
            case "table":
                self._call("dynamodb", "delete_table", fine=GONE, TableName=key)

    def _role(self, name: str) -> Role:
        # Roles are of all regions.
        return _FunctionRole(self._clients, f"{name}-{self.region}", self._pause)


def _log_group(name: str) -> str:
    return f"/aws/lambda/{name}"
