"""What became of a fleet lately, as Auto Scaling and CloudWatch remember it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from offload.domain.errors import OffloadError
from offload.drivers.aws.fleet.asking import asked
from offload.drivers.aws.fleet.group import failure
from offload.drivers.aws.lookup import Clients

_RATE_S, _PERIOD_S = 300, 60
_LAUNCHED, _ENDED = "Launching", "Terminating"


@dataclass(frozen=True, slots=True)
class Activity:
    """A machine that came or, if it is not `launched`, went `at` that time; or the `failure` of one
    that did not come.
    """

    at: datetime
    machine: str
    launched: bool = True
    failure: OffloadError | None = None


def activities(clients: Clients, group: str, since: datetime) -> Iterator[Activity]:
    """What happened in a group since then, the last first."""
    token: dict[str, str] = {}
    while True:
        said = asked(
            clients("autoscaling"), "describe_scaling_activities", f"Auto Scaling group {group}",
            AutoScalingGroupName=group, MaxRecords=100, **token,
        )  # fmt: skip
        for each in said.get("Activities", ()):
            if each["StartTime"] < since:
                return
            what, _, machine = str(each.get("Description", "")).rpartition(": ")
            if what.startswith(_ENDED):
                yield Activity(each["StartTime"], machine, launched=False)
            elif what.startswith(_LAUNCHED) and each["StatusCode"] == "Failed":
                why = failure(str(each.get("StatusMessage", "")))
                yield Activity(each["StartTime"], "", failure=why)
            elif what.startswith(_LAUNCHED):
                yield Activity(each["StartTime"], machine)
        if not (following := said.get("NextToken")):
            return
        token = {"NextToken": following}


def images_per_s(clients: Clients, queue: str, now: datetime) -> float | None:
    """How many messages a second were done with lately, over the last minutes that CloudWatch has
    counted, which are one or two behind; None if it has none of the last five.
    """
    said = asked(
        clients("cloudwatch"), "get_metric_statistics", f"queue {queue}",
        Namespace="AWS/SQS", MetricName="NumberOfMessagesDeleted", Statistics=["Sum"],
        Dimensions=[{"Name": "QueueName", "Value": queue}], Period=_PERIOD_S,
        StartTime=now - timedelta(seconds=_RATE_S), EndTime=now,
    )  # fmt: skip
    counted = [float(each["Sum"]) for each in said["Datapoints"]]
    return sum(counted) / len(counted) / _PERIOD_S if counted else None
