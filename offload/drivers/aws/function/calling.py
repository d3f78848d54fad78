"""AWS Lambda: a function that is called and waited for; pictures too large for a call."""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, Refused, Unanswered
from offload.drivers.aws import account, calls, patience
from offload.drivers.aws.function.drops import DropBox
from offload.drivers.aws.lookup import Clients

BUCKET = "OFFLOAD_BUCKET"
"""The function's own variable that names the bucket where pictures may wait for it."""
TABLE = "OFFLOAD_TABLE"
"""And the one that names its table."""
STAGED = "staged/"
_STAGED_S = 900
"""How long the address of such a picture is good."""

_BUSY = {"TooManyRequestsException", "EC2ThrottledException", "ThrottlingException"}
_WAKING = {
    "CodeArtifactUserPendingException", "ResourceConflictException", "ResourceNotReadyException",
}  # fmt: skip
"""What is said to the first call after weeks without one, for a minute or two, and while a function
is being changed (https://docs.aws.amazon.com/lambda/latest/dg/invocation-images.html).
"""
_SERVER_ERROR = 500
_TRIES, _WAKES, _LOOK_S = 60, 5, 1.0
_ARN = re.compile(r"arn:[\w-]+:lambda:([\w-]+):\d+:function:([\w-]+)(?::[\w$-]+)?")
_UNKNOWN_ROLE = ("cannot be assumed", "does not have permissions")
"""What Lambda says of a role that it does not know yet."""
_SIGNED = {"s3": "s3v4", "dynamodb": "v4", "sqs": "v4"}
_NONE = "ResourceNotFoundException"
_ROOM_S = 10.0
"""How much later than it times out a function's answer may come."""
ENTRY = {
    "EntryPoint": ["/opt/offload/venv/bin/python", "-m", "awslambdaric"],
    "Command": ["offload.cli.function.handler"],
}
"""What our image does as a function, which else is a server."""


class Throttled(OffloadError):
    """The function, or the account, runs as many calls as it may; later the same call is taken."""


class _Waking(OffloadError):
    """AWS gets the function ready, which takes seconds or minutes."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function as it is asked for: `image` is where its image is, for processors `arch`; `role`
    the ARN of what it runs as, `bucket` where large pictures may wait for it. That of a drop box
    has a `table` for rows, and the ARN of a queue for what failed.
    """

    memory_mb: int
    timeout_s: int
    image: str
    arch: str
    role: str
    bucket: str
    table: str | None = None
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """A function as AWS has it. `arch` is `x86_64` or `arm64`; `most` is how many calls it may run
    at a time, None where nobody says; `bucket` is where large pictures may wait for it, `table`
    where rows of dropped ones are.
    """

    name: str
    region: str
    memory_mb: int
    arch: str
    timeout_s: float
    most: int | None = None
    bucket: str | None = None
    table: str | None = None


def described(known: Mapping[str, Any], region: str) -> FunctionConfig:
    """A function as AWS describes it, but for how many calls it may run."""
    variables = known.get("Environment", {}).get("Variables", {})
    return FunctionConfig(
        name=known["FunctionName"],
        region=region,
        memory_mb=int(known["MemorySize"]),
        arch=known.get("Architectures", ["x86_64"])[0],
        timeout_s=float(known["Timeout"]),
        bucket=variables.get(BUCKET),
        table=variables.get(TABLE),
    )


class AwsFunction:
    """A function by its name or ARN. Every method may raise OffloadError: AWS refuses, with a
    reason. `clients` makes boto3's client of a service.
    """

    def __init__(
        self, clients: Clients, name: str, region: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = name
        self.region = region
        self._lambda = clients("lambda")
        self._clients = clients
        self._pause = pause

    @classmethod
    def connected(cls, name: str, connections: int) -> "AwsFunction":
        """In the account of AWS' standard configuration, and its region unless the ARN names one;
        for as many calls at a time as there are to be `connections`.
        """
        arn = _ARN.fullmatch(name)
        # A call is waited for as long as a function may run.
        patient: dict[str, Any] = {"timeout_s": 900 + _ROOM_S, "attempts": 1}
        signed = {each: {"signature_version": version} for each, version in _SIGNED.items()}
        clients, region = account.connected(
            arn[1] if arn else None, None, connections, {"lambda": patient, **signed}
        )
        return cls(clients, name, region)

    def config(self) -> FunctionConfig:
        """How it is, once it can be called.

        Raises:
            PlaceUnavailable: there is none, or it cannot be called.
        """
        found = self._ready()
        most = found.get("Concurrency", {}).get("ReservedConcurrentExecutions")
        if most == 0:
            raise PlaceUnavailable(
                f"The function {self.name} is switched off: its reserved concurrency is 0.",
                hint="To switch it on: aws lambda delete-function-concurrency --function-name "
                f"{self.name}",
            )
        if most is None:
            with suppress(OffloadError):  # not all who may call it may ask that
                limits = calls.call(self._lambda, "get_account_settings")["AccountLimit"]
                most = limits["UnreservedConcurrentExecutions"]
        return replace(described(found["Configuration"], self.region), most=most)

    def _ready(self) -> dict[str, Any]:
        """What AWS says of it, once it can be called."""
        for _ in range(_TRIES):
            found = calls.call(self._lambda, "get_function", FunctionName=self.name)
            known = found["Configuration"]
            state = known.get("State", "Active")
            if state in {"Active", "Inactive"} and known.get("LastUpdateStatus") != "InProgress":
                break
            if state == "Failed":
                raise PlaceUnavailable(
                    f"The function {self.name} cannot be called: {known.get('StateReason')}",
                    hint="To see all of it: aws lambda get-function --function-name " + self.name,
                )
            self._pause(_LOOK_S)
        return found

    def deploy(self, spec: FunctionSpec, tags: Mapping[str, str]) -> FunctionConfig:
        """The function, made or changed so that it is as asked for; once it can be called."""
        wanted: dict[str, Any] = {
            "Role": spec.role,
            "Timeout": spec.timeout_s,
            "MemorySize": spec.memory_mb,
            "Environment": {"Variables": {BUCKET: spec.bucket}},
        }
        if spec.table and spec.queue:
            wanted["Environment"]["Variables"][TABLE] = spec.table
            wanted["DeadLetterConfig"] = {"TargetArn": spec.queue}
        configured = {"FunctionName": self.name, "ImageConfig": ENTRY, **wanted}
        image, arch = spec.image, [spec.arch]
        found = calls.call(self._lambda, "get_function", fine=[_NONE], FunctionName=self.name)
        if not found:
            self._changed(
                "create_function", PackageType="Image", Code={"ImageUri": image},
                Architectures=arch, Tags=dict(tags), **configured,
            )  # fmt: skip
            return self.config()
        self.config()  # whatever goes on is over
        if found["Code"].get("ImageUri") != image:
            calls.call(
                self._lambda, "update_function_code", FunctionName=self.name, Architectures=arch,
                ImageUri=image,
            )  # fmt: skip
            self.config()
        if any(found["Configuration"].get(key) != value for key, value in wanted.items()):
            self._changed("update_function_configuration", **configured)
        return self.config()

    def _changed(self, operation: str, **wanted: Any) -> None:
        """Make or change it, once Lambda knows its role and what that may."""
        patience.call_once_known(self._lambda, operation, _UNKNOWN_ROLE, self._pause, **wanted)

    def renew(self) -> None:
        """Have its environments end: the next call is cold. Nothing else of it changes."""
        said = f"offload {secrets.token_hex(4)}"
        calls.call(
            self._lambda, "update_function_configuration", FunctionName=self.name, Description=said
        )
        self.config()

    def call(self, payload: bytes) -> bytes:
        """Its answer to a call, once AWS has it ready; both are JSON.

        Raises:
            Throttled: it takes no more calls now.
            Refused: it came to an end on this one, by its time limit or otherwise.
            Unanswered: nothing came back.
            PlaceUnavailable: it may not be called, or is gone.
        """
        for _ in range(_WAKES):
            with suppress(_Waking):
                return self._called(payload)
            self._pause(_LOOK_S)
            self._ready()
        raise Unanswered("AWS does not get the function ready")

    def _called(self, payload: bytes) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from botocore.exceptions import ConnectionError as NotConnectedError

        try:
            answer = self._lambda.invoke(FunctionName=self.name, Payload=payload)
            body: bytes = answer["Payload"].read()
        except ClientError as error:
            said = error.response.get("Error", {})
            if said.get("Code") in _BUSY:
                why = error.response.get("Reason") or said.get("Message")
                raise Throttled(f"AWS takes no more calls now ({why})") from error
            if said.get("Code") in _WAKING:
                raise _Waking("AWS gets the function ready") from error
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_ERROR:
                raise Unanswered(f"AWS has a problem of its own: {said.get('Message')}") from error
            raise calls.explained(error) from error
        except (NotConnectedError, HTTPClientError) as error:
            raise Unanswered(f"AWS does not answer: {error}") from error
        except BotoCoreError as error:
            raise calls.explained(error) from error
        if answer.get("FunctionError"):
            request = answer["ResponseMetadata"].get("RequestId", "")
            raise Refused(f"{_failure(body)} (request {request}).")
        return body

    def box(self, bucket: str, table: str) -> DropBox:
        """The drop box that it answers."""
        return DropBox(self._clients, bucket, table, self.name.rpartition(":")[2])

    @contextmanager
    def staged(self, bucket: str, data: bytes) -> Iterator[str]:
        """Meanwhile `data` is at the address that is given, and only there."""
        s3, key = self._clients("s3"), STAGED + secrets.token_hex(16)
        at = {"Bucket": bucket, "Key": key}
        calls.call(s3, "put_object", **at, Body=data)
        try:
            with calls.explaining():
                yield s3.generate_presigned_url("get_object", at, ExpiresIn=_STAGED_S)
        finally:
            calls.call(s3, "delete_object", **at)


def _failure(body: bytes) -> str:
    """What a function that failed, or AWS for it, says in its answer
    (https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html).
    """
    import json

    with suppress(ValueError, AttributeError):
        said = json.loads(body)
        kind, message = said.get("errorType") or "", said.get("errorMessage") or ""
        if "timed out" in message or kind == "Sandbox.Timedout":
            return "the function took longer on it than it may"
        if kind == "Runtime.OutOfMemory":
            return "the function ran out of memory on it"
        if "exec format error" in message:
            return "its container image is for another processor than the function"
        if kind.startswith("Runtime."):
            return f"the function ended on it: {kind}"
        return f"the function failed on it: {kind or message}"[:300]
    return "the function failed on it"
