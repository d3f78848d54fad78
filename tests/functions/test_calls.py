"""What AWS answers to a call, from a client that says what it is told to."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from offload.domain.errors import OffloadError, Unanswered
from offload.drivers.aws.function.calling import AwsFunction, Throttled

PENDING = ("CodeArtifactUserPendingException", 409)
READY = [{"State": "Pending"}, {"State": "Active"}]


@dataclass
class Client:
    """boto3's, whose calls are refused so before they are answered."""

    refusals: list[tuple[str, int]]
    states: list[dict[str, str]] = field(default_factory=list)

    def invoke(self, **_asked: Any) -> dict[str, Any]:
        """An answer after the refusals."""
        if not self.refusals:
            return {"Payload": io.BytesIO(b"{}")}
        code, status = self.refusals.pop(0)
        said = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(said, "Invoke")

    def get_function(self, **_asked: Any) -> dict[str, Any]:
        """The next of its states, which at last stays."""
        state = self.states.pop(0) if self.states else {"State": "Active"}
        known = {"FunctionName": "f", "MemorySize": 1769, "Timeout": 60, **state}
        return {"Configuration": known, "Concurrency": {"ReservedConcurrentExecutions": 1}}


def called(client: Client) -> tuple[bytes, list[float]]:
    """The answer, and the pauses before it."""
    pauses: list[float] = []
    answer = AwsFunction(lambda _service: client, "f", "us-east-1", pauses.append).call(b"{}")
    return answer, pauses


@pytest.mark.parametrize("code", ["CodeArtifactUserPendingException", "ResourceConflictException"])
def test_one_that_nobody_called_for_weeks_is_waited_for(code: str) -> None:
    answer, pauses = called(Client([(code, 409)] * 2, [*READY, *READY]))
    assert json.loads(answer) == {}
    assert pauses == [1.0] * 4, "after each refusal, and while it is pending"


@pytest.mark.parametrize(
    ("refusals", "kind"),
    [
        ([PENDING] * 9, Unanswered),
        ([("TooManyRequestsException", 429)], Throttled),
        ([("EC2ThrottledException", 502)], Throttled),
        ([("ServiceException", 500)], Unanswered),
        ([("RequestTooLargeException", 413)], OffloadError),
    ],
)
def test_what_aws_refuses_is_back_pressure_asked_again_or_said(
    refusals: Sequence[tuple[str, int]], kind: type[OffloadError]
) -> None:
    with pytest.raises(OffloadError) as raised:
        called(Client([*refusals]))
    assert type(raised.value) is kind
