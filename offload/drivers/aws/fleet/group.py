"""An Auto Scaling group: how many machines there are, and more of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from offload.domain.errors import OffloadError
from offload.domain.machines import Size
from offload.drivers.aws import calls
from offload.drivers.aws.fleet.asking import BUSY, about, asked, none
from offload.drivers.aws.lookup import Clients

_RUNNING, _COMING = "InService", "Pending"
_LAUNCH = "Launching"
"""What the description of an activity that brings a machine begins with."""
_CODE = re.compile(r"\b([A-Z][a-z]+(?:[A-Z][A-Za-z]+)+) - ")
_CODES = {
    "sufficient": "InsufficientInstanceCapacity",
    "no Spot capacity": "InsufficientInstanceCapacity",
    "UnfulfillableCapacity": "InsufficientInstanceCapacity",
    "Max spot instance count": "MaxSpotInstanceCountExceeded",
    "vCPU limit": "VcpuLimitExceeded",
    "quota allows": "InstanceLimitExceeded",
    "not supported": "Unsupported",
}
"""A part of why a machine did not come -> EC2's code, which is not always said
(https://github.com/kubernetes/autoscaler/issues/3241).
"""


@dataclass(frozen=True, slots=True)
class FleetMachine:
    """One of the group: `state` is Auto Scaling's name of where it is in its life; `launched` is
    None where EC2 does not say.
    """

    id: str
    instance_type: str
    zone: str
    state: str
    spot: bool = False
    launched: datetime | None = None


class AutoScalingGroup:
    """A group by its name. `clients` makes boto3's client of a service."""

    def __init__(self, clients: Clients, name: str) -> None:
        self.name = name
        self._clients = clients

    def size(self) -> Size:
        """How many machines there are."""
        said = self._said()
        states = [each["LifecycleState"] for each in said["Instances"]]
        return Size(
            desired=int(said["DesiredCapacity"]),
            running=states.count(_RUNNING),
            pending=sum(state.startswith(_COMING) for state in states),
            most=int(said["MaxSize"]),
        )

    def grow(self, machines: int) -> None:
        """Have at least so many, as many as there may be at most. Never fewer: each leaves by
        itself. A group that is busy stays as it is.

        AWS knows no "at least": of two who ask at once for more, the smaller wish may hold. No
        machine ends by that, as all are protected, and who asks on gets what is wanted.
        """
        size = self.size()
        wanted = min(machines, size.most)
        if wanted > size.desired:
            self._asked("set_desired_capacity", BUSY, DesiredCapacity=wanted, HonorCooldown=False)

    def machines(self) -> list[FleetMachine]:
        """Each machine, the oldest first."""
        listed = self._said()["Instances"]
        ids = [each["InstanceId"] for each in listed]
        wanted = [{"Name": "instance-id", "Values": ids}]
        with about(self._what):
            found = calls.each(
                self._clients("ec2"), "describe_instances", "Reservations", Filters=wanted
            ) if ids else ()  # fmt: skip
            known = {each["InstanceId"]: each for there in found for each in there["Instances"]}
        machines = [_machine(each, known.get(each["InstanceId"], {})) for each in listed]
        return sorted(machines, key=lambda one: (one.launched is None, str(one.launched), one.id))

    def trouble(self, since: datetime) -> OffloadError | None:
        """Why the last machine that was asked for since then did not come; None if it came, or may
        yet.
        """
        said = self._asked("describe_scaling_activities", MaxRecords=50)
        for each in said.get("Activities", ()):  # the last one first
            if each["StartTime"] < since:
                break
            if _LAUNCH not in each.get("Description", ""):
                continue
            if each["StatusCode"] == "Failed":
                return failure(str(each.get("StatusMessage", "")))
            if each["StatusCode"] == "Successful":
                break
        return None

    def _said(self) -> dict[str, Any]:
        found = asked(
            self._clients("autoscaling"), "describe_auto_scaling_groups", self._what,
            AutoScalingGroupNames=[self.name],
        )["AutoScalingGroups"]  # fmt: skip
        if not found:
            raise none(self._what)
        said: dict[str, Any] = found[0]
        return said

    @property
    def _what(self) -> str:
        return f"Auto Scaling group {self.name}"

    def _asked(self, operation: str, fine: tuple[str, ...] = (), **parameters: Any) -> Any:
        client = self._clients("autoscaling")
        return asked(
            client, operation, self._what, fine, AutoScalingGroupName=self.name, **parameters
        )


def _machine(listed: Mapping[str, Any], known: Mapping[str, Any]) -> FleetMachine:
    return FleetMachine(
        id=listed["InstanceId"],
        instance_type=str(listed.get("InstanceType") or known.get("InstanceType", "")),
        zone=listed["AvailabilityZone"],
        state=listed["LifecycleState"],
        spot=known.get("InstanceLifecycle") == "spot",
        launched=known.get("LaunchTime"),
    )


def failure(message: str) -> OffloadError:
    """Why a machine did not come, as EC2 said it to the group: as if it had said it to us."""
    from botocore.exceptions import ClientError

    message = message.partition(" Launching EC2 instance failed")[0]
    found = _CODE.search(message)
    code = next((code for part, code in _CODES.items() if part in message), "")
    said = {"Code": code or (found[1] if found else ""), "Message": message}
    return calls.explained(ClientError({"Error": said}, "RunInstances"))
