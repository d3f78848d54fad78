"""What a drop box takes besides a function and its bucket: a table, a queue, and S3's telling.

All are called like the function and carry its tag. Every method may raise OffloadError.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from offload.domain.errors import PlaceUnavailable
from offload.drivers.aws import calls, patience
from offload.drivers.aws.function.drops import DROPPED, KEYS
from offload.drivers.aws.lookup import Clients
from offload.drivers.aws.tagging import pairs

_TRIES, _LOOK_S = 60, 1.0
_KEPT_S = str(14 * 86400)
"""How long the queue keeps what failed: as long as it may."""
_UNKNOWN = ("Unable to validate",)
"""What S3 says as long as it does not know that it may call the function."""
_SAID_ALREADY = ["ResourceConflictException"]
GONE = [
    "ResourceNotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
]
"""What AWS says of what is not there."""


class DropParts:
    """Those of functions in one account and region. `clients` makes boto3's client of a service."""

    def __init__(self, clients: Clients, region: str, pause: Callable[[float], None] = time.sleep):
        self.region = region
        self._clients = clients
        self._pause = pause

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

    def tags(self, name: str) -> dict[str, tuple[str, Mapping[str, str]]]:
        """What there is of a function's: by its kind what AWS calls it, and its tags."""
        found: dict[str, tuple[str, Mapping[str, str]]] = {}
        table = self._call("dynamodb", "describe_table", fine=GONE, TableName=name)
        if table:
            arn = table["Table"]["TableArn"]
            pairs = self._call("dynamodb", "list_tags_of_resource", ResourceArn=arn)["Tags"]
            found["table"] = (name, {pair["Key"]: pair["Value"] for pair in pairs})
        if url := self.queue_url(name):
            said = self._call("sqs", "list_queue_tags", QueueUrl=url)
            found["queue"] = (url, said.get("Tags", {}))
        return found

    def queue_url(self, name: str) -> str | None:
        """Where the queue is, if it is there."""
        found = self._call("sqs", "get_queue_url", fine=GONE, QueueName=name)
        return found.get("QueueUrl")

    def remove(self, kind: str, key: str) -> None:
        """Remove a table or a queue; if it is gone already, all the better."""
        if kind == "table":
            self._call("dynamodb", "delete_table", fine=GONE, TableName=key)
        else:
            self._call("sqs", "delete_queue", fine=GONE, QueueUrl=key)

    def _call(self, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        return calls.call(self._clients(service), operation, **asked)
