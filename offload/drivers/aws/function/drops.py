"""A drop box: pictures in S3, a function that is told of each, and rows in a table of DynamoDB.

Every method may raise OffloadError: AWS refuses, with a reason.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from offload.domain.errors import ImageError
from offload.domain.vision import MAX_FILE_BYTES
from offload.drivers.aws import calls
from offload.drivers.aws.lookup import Clients

DROPPED = "in/"
"""What keys of dropped pictures begin with."""
_FOLDER, _ITEM = "drop_folder", "drop_item"
"""The table's keys: the folder that a picture was dropped into; its name there and its version.
Many shorter names are words of DynamoDB's own.
"""
KEYS = {_FOLDER: "HASH", _ITEM: "RANGE"}
_MOST_MESSAGES = 10


@dataclass(frozen=True, slots=True)
class Drop:
    """A picture as S3 tells of it: where it is, which version of it, and when it was put there (ISO
    8601, by S3's clock).
    """

    bucket: str
    key: str
    version: str
    at: str

    @property
    def path(self) -> str:
        """What it is called: its key without what all have in common."""
        return self.key.removeprefix(DROPPED)

    @property
    def keys(self) -> dict[str, dict[str, str]]:
        """Its own in the table."""
        folder, _, name = self.key.rpartition("/")
        return {_FOLDER: {"S": folder or "/"}, _ITEM: {"S": f"{name}#{self.version}"}}


def told(event: Mapping[str, Any]) -> list[Drop]:
    """The pictures that S3 tells a function of.

    Raises:
        ValueError: it is no event of S3.
    """
    try:
        found = []
        for record in event["Records"]:
            bucket, thing = record["s3"]["bucket"], record["s3"]["object"]
            version = thing.get("versionId") or thing.get("sequencer") or thing["eTag"]
            key = unquote_plus(thing["key"])
            found.append(Drop(str(bucket["name"]), key, str(version), str(record["eventTime"])))
        return found
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it lacks {error}") from error


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture that has no row, what the function said of it at last, and to which request."""

    path: str
    why: str
    request: str


def _told(text: str) -> list[Drop]:
    with suppress(ValueError):
        return told(json.loads(text))
    return []


class DropBox:
    """A bucket, the table of what was found in it, and the queue of what failed. `clients` makes
    boto3's client of a service.
    """

    def __init__(self, clients: Clients, bucket: str, table: str, queue: str = "") -> None:
        self.bucket = bucket
        self._clients = clients
        self._table = table
        self._queue = queue

    def put(self, path: str, data: bytes) -> None:
        """Drop a picture."""
        self._call("s3", "put_object", Bucket=self.bucket, Key=DROPPED + path, Body=data)

    def fetched(self, drop: Drop) -> bytes:
        """A picture's file.

        Raises:
            ImageError: it is there no more, or too large.
        """
        gone = ["NoSuchKey", "NoSuchVersion"]
        found = self._call("s3", "get_object", fine=gone, Bucket=drop.bucket, Key=drop.key)
        if not found:
            raise ImageError("it was removed before the function came to it")
        if found["ContentLength"] > MAX_FILE_BYTES:
            raise ImageError(f"{found['ContentLength']} bytes is more than is read of a file")
        with calls.explaining():
            data: bytes = found["Body"].read()
        return data

    def note(self, drop: Drop, row: Mapping[str, Any], times: Mapping[str, str]) -> bool:
        """Write a picture's row, unless it has one: S3 may tell twice. Whether it was written."""
        told_twice = ["ConditionalCheckFailedException"]
        moments = {name: {"S": moment} for name, moment in {"dropped_at": drop.at, **times}.items()}
        item = {**drop.keys, "row": {"S": json.dumps(row)}, **moments}
        written = self._call(
            "dynamodb", "put_item", fine=told_twice, TableName=self._table, Item=item,
            ConditionExpression=f"attribute_not_exists({_ITEM})",
        )  # fmt: skip
        return bool(written)

    def rows(self, folder: str | None = None) -> Iterator[dict[str, Any]]:
        """The rows of a folder of dropped pictures, or all: as JSON types, with their moments."""
        asked: dict[str, Any] = {"TableName": self._table}
        operation = "scan"
        if folder is not None:
            operation = "query"
            asked["KeyConditionExpression"] = f"{_FOLDER} = :folder"
            asked["ExpressionAttributeValues"] = {":folder": {"S": (DROPPED + folder).rstrip("/")}}
        while True:
            found = self._call("dynamodb", operation, **asked)
            for item in found.get("Items", ()):
                moments = {k: v["S"] for k, v in item.items() if k.endswith("_at")}
                yield {**json.loads(item["row"]["S"]), **moments}
            if not (last := found.get("LastEvaluatedKey")):
                return
            asked["ExclusiveStartKey"] = last

    def failures(self) -> Iterator[Failure]:
        """What the function did not get done, however often it was told; each picture once."""
        url = self._call("sqs", "get_queue_url", QueueName=self._queue)["QueueUrl"]
        asked = {"MaxNumberOfMessages": _MOST_MESSAGES, "VisibilityTimeout": 30}
        seen: set[str] = set()
        while True:
            found = self._call(
                "sqs", "receive_message", QueueUrl=url, MessageAttributeNames=["All"], **asked
            ).get("Messages", ())
            fresh = [message for message in found if message["MessageId"] not in seen]
            for message in fresh:
                seen.add(message["MessageId"])
                said = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
                why, request = said.get("ErrorMessage", ""), said.get("RequestID", "")
                for drop in _told(message["Body"]):
                    yield Failure(drop.path, why, request)
            if not fresh:
                return

    def _call(self, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        return calls.call(self._clients(service), operation, **asked)
