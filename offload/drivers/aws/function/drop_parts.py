"""What a drop box takes besides a function and its bucket: a table, a queue, and S3's telling.

All are called like the function and carry its tag. Every method may raise OffloadError.
"""

from collections.abc import Iterator, Mapping

from offload.domain.errors import PlaceUnavailable
from offload.drivers.aws import patience
from offload.drivers.aws.function.drops import DROPPED, KEYS
from offload.drivers.aws.parts import GONE, Asking, Found
from offload.drivers.aws.tagging import pairs, tags_of

_TRIES, _LOOK_S = 60, 1.0
_KEPT_S = str(14 * 86400)
"""How long the queue keeps what failed: as long as it may."""
_UNKNOWN = ("Unable to validate",)
"""What S3 says as long as it does not know that it may call the function."""
_SAID_ALREADY = ["ResourceConflictException"]


class DropParts(Asking):
    """Those of functions in one account and region."""

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

    def found(self, name: str) -> Iterator[Found]:
        """What there is of a function's, in the order to remove it in."""
        if table := self._call("dynamodb", "describe_table", fine=GONE, TableName=name):
            arn = table["Table"]["TableArn"]
            said = self._call("dynamodb", "list_tags_of_resource", ResourceArn=arn)
            yield "table", name, tags_of(said)
        if url := self.queue_url(name):
            yield "queue", url, self._call("sqs", "list_queue_tags", QueueUrl=url).get("Tags", {})

    def queue_url(self, name: str) -> str | None:
        """Where the queue is, if it is there."""
        found = self._call("sqs", "get_queue_url", fine=GONE, QueueName=name)
        return found.get("QueueUrl")
