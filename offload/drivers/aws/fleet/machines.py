"""The machines of a fleet: how each is launched, the group of them, and when it grows by itself."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from offload.domain.errors import PlaceUnavailable
from offload.domain.machines import Offer
from offload.drivers.aws import calls, patience
from offload.drivers.aws.ec2 import launch_request
from offload.drivers.aws.fleet.policies import backlog, steps
from offload.drivers.aws.lookup import Clients
from offload.drivers.aws.parts import Asking, Found
from offload.drivers.aws.tagging import pairs, tagged, tags_of

_TRIES, _LOOK_S = 300, 2.0
_LIVING = ("pending", "running", "stopping", "shutting-down", "stopped")
_NO_TEMPLATE = (
    "InvalidLaunchTemplateName.NotFoundException",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.VersionNotFound",
)
_UNKNOWN = ("Instance Profile", "nstanceProfile", "does not exist", "attempting to assume role")
"""What Auto Scaling says of a launch template whose instance profile or security group it does not
know yet, and of its own role just after its first group.
"""
_NO_MACHINE = ("InvalidInstanceID.NotFound",)
_HANDED_ON = {"PropagateAtLaunch": True}
"""Of the group's tags, which its machines have too."""
_USED, _BUSY = ("still uses it",), ("in progress",)


class MachineParts(Asking):
    """Those of a fleet whose parts have this `title`; in one account and region."""

    def __init__(
        self, clients: Clients, title: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(clients, pause)
        self.title = title

    def security_group(self, vpc: str, tags: Mapping[str, str]) -> str:
        """The id of the security group in a network that lets nothing in, made if there is none."""
        for there in self.security_groups(vpc):
            return str(there["GroupId"])
        made = self._call(
            "ec2", "create_security_group", GroupName=self.title, VpcId=vpc,
            Description="Machines of a fleet of offload",
            TagSpecifications=[tagged("security-group", tags)],
        )  # fmt: skip
        with calls.explaining():  # AWS' left hand is slow to hear of the right
            waiter = self._clients("ec2").get_waiter("security_group_exists")
            waiter.wait(GroupIds=[made["GroupId"]])
        return str(made["GroupId"])

    def subnets(self, vpc: str) -> list[str]:
        """The default subnets of a network, one in each zone; all it has where none is a default
        one.
        """
        wanted = [{"Name": "vpc-id", "Values": [vpc]}]
        found = list(
            calls.each(self._clients("ec2"), "describe_subnets", "Subnets", Filters=wanted)
        )
        usual = [each for each in found if each.get("DefaultForAz")] or found
        return sorted(str(each["SubnetId"]) for each in usual)

    def template(
        self, offers: Sequence[Offer], group: str, profile: str, script: str,
        tags: Mapping[str, str],
    ) -> str:  # fmt: skip
        """The id of the launch template for machines like the first that is offered, made if it is
        not there; a new version if something of it is asked for otherwise.
        """
        data = _launch(offers, group, profile, script, tags)
        digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
        wanted: dict[str, Any] = {"LaunchTemplateData": data, "VersionDescription": digest}
        if (there := self._template()) is None:
            made = self._call(
                "ec2", "create_launch_template", LaunchTemplateName=self.title,
                TagSpecifications=[tagged("launch-template", tags)], **wanted,
            )  # fmt: skip
            return str(made["LaunchTemplate"]["LaunchTemplateId"])
        known = {"LaunchTemplateId": str(there["LaunchTemplateId"])}
        said = self._call("ec2", "describe_launch_template_versions", Versions=["$Latest"], **known)
        if said["LaunchTemplateVersions"][0].get("VersionDescription") != digest:
            self._call("ec2", "create_launch_template_version", **known, **wanted)
        return known["LaunchTemplateId"]

    def group(
        self, template: str, types: Sequence[str], subnets: Sequence[str], most: int,
        on_demand: int | None, tags: Mapping[str, str],
    ) -> None:  # fmt: skip
        """The group of up to so many machines, none at first; made if it is not there, and changed
        if it is asked for otherwise. All are on demand, or the first so many of them and the others
        at spot prices. The group ends none, as each leaves by itself.
        """
        there = self._group()
        if there is not None and there.get("Status"):  # it is being removed
            self._end_machines()
            there = None
        wanted = {
            "AutoScalingGroupName": self.title,
            "MinSize": 0,
            "MaxSize": most,
            "MixedInstancesPolicy": _mixed(template, types, on_demand),
            "VPCZoneIdentifier": ",".join(subnets),
            "NewInstancesProtectedFromScaleIn": True,
        }
        operation, asking = "update_auto_scaling_group", self._clients("autoscaling")
        if there is None:
            operation = "create_auto_scaling_group"
            named = pairs({"Name": self.title, **tags})
            wanted |= {"DesiredCapacity": 0, "Tags": [{**each, **_HANDED_ON} for each in named]}
        patience.call_once_known(asking, operation, _UNKNOWN, self._pause, **wanted)
        name = {"AutoScalingGroupName": self.title}
        # Rebalancing ends machines in one zone for new ones in another.
        calls.call(asking, "suspend_processes", ScalingProcesses=["AZRebalance"], **name)
        # The alarm needs to know how many machines are wanted.
        calls.call(asking, "enable_metrics_collection", Granularity="1Minute", **name)

    def growth(self, enough: int, start_s: int, tags: Mapping[str, str]) -> None:
        """Have machines come where `enough` images for one are ahead of each, and the first for the
        first image. They take so long to come.
        """
        self._call(
            "autoscaling", "put_scaling_policy", AutoScalingGroupName=self.title,
            PolicyName=self.title, PolicyType="StepScaling", AdjustmentType="ChangeInCapacity",
            EstimatedInstanceWarmup=start_s, StepAdjustments=steps(enough),
        )  # fmt: skip
        asked = {"AutoScalingGroupName": self.title, "PolicyNames": [self.title]}
        (policy,) = self._call("autoscaling", "describe_policies", **asked)["ScalingPolicies"]
        self._call(
            "cloudwatch", "put_metric_alarm", AlarmName=self.title,
            AlarmDescription="Images wait for a fleet of offload", EvaluationPeriods=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold", Threshold=float(enough),
            TreatMissingData="notBreaching", AlarmActions=[policy["PolicyARN"]],
            Metrics=backlog(self.title, enough), Tags=pairs(tags),
        )  # fmt: skip

    def found(self) -> Iterator[Found]:
        """What there is of it, in the order to remove it in."""
        alarms = self._call("cloudwatch", "describe_alarms", AlarmNames=[self.title])
        for alarm in alarms.get("MetricAlarms", ()):
            asked = {"ResourceARN": alarm["AlarmArn"]}
            said = self._call("cloudwatch", "list_tags_for_resource", **asked)
            yield "alarm", self.title, tags_of(said)
        if (group := self._group()) is not None:
            yield "group of machines", self.title, tags_of(group)
        if (template := self._template()) is not None:
            yield "launch template", str(template["LaunchTemplateId"]), tags_of(template)
        for each in self.security_groups():
            yield "security group", str(each["GroupId"]), tags_of(each)

    def remove(self, kind: str, key: str) -> None:
        """Remove it; if it is gone already, all the better."""
        match kind:
            case "alarm":
                self._call(
                    "cloudwatch", "delete_alarms", fine=["ResourceNotFound"], AlarmNames=[key]
                )
            case "group of machines":
                if (group := self._group()) is not None and not group.get("Status"):
                    patience.call_once_known(
                        self._clients("autoscaling"), "delete_auto_scaling_group", _BUSY,
                        self._pause, AutoScalingGroupName=key, ForceDelete=True,
                    )  # fmt: skip
                self._end_machines()
            case "launch template":
                self._call("ec2", "delete_launch_template", fine=_NO_TEMPLATE, LaunchTemplateId=key)
            case "security group":
                self._end_machines()  # one has it as long as it is not quite gone
                patience.call_once_known(
                    self._clients("ec2"), "delete_security_group", _USED, self._pause,
                    fine=["InvalidGroup.NotFound"], GroupId=key,
                )  # fmt: skip

    def _end_machines(self) -> None:
        """Wait until the group is gone, with its machines: those that outlive it are ended."""
        group, ids = self._group(), [each["InstanceId"] for each in self.living()]
        if ids and (group is None or group.get("Status")):
            self._call("ec2", "terminate_instances", fine=_NO_MACHINE, InstanceIds=ids)
        for _ in range(_TRIES):
            if self._group() is None and not self.living():
                return
            self._pause(_LOOK_S)
        raise PlaceUnavailable(
            f"The machines of {self.title} do not end.", hint="To go on: the same command again"
        )

    def living(self) -> list[dict[str, Any]]:
        """Its machines that are not quite gone, as EC2 describes them."""
        wanted = {"tag:aws:autoscaling:groupName": [self.title], "instance-state-name": _LIVING}
        filters = [{"Name": name, "Values": list(values)} for name, values in wanted.items()]
        listed = calls.each(
            self._clients("ec2"), "describe_instances", "Reservations", Filters=filters
        )
        return [each for some in listed for each in some["Instances"]]

    def _group(self) -> dict[str, Any] | None:
        names = {"AutoScalingGroupNames": [self.title]}
        found = self._call("autoscaling", "describe_auto_scaling_groups", **names)
        return next(iter(found["AutoScalingGroups"]), None)

    def _template(self) -> dict[str, Any] | None:
        names = {"LaunchTemplateNames": [self.title]}
        found = self._call("ec2", "describe_launch_templates", fine=_NO_TEMPLATE, **names)
        return next(iter(found.get("LaunchTemplates", ())), None)

    def security_groups(self, vpc: str | None = None) -> Iterator[dict[str, Any]]:
        """Its security groups in a network, or all, as EC2 describes them."""
        wanted = {"group-name": self.title} | ({"vpc-id": vpc} if vpc else {})
        filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
        ec2 = self._clients("ec2")
        return calls.each(ec2, "describe_security_groups", "SecurityGroups", Filters=filters)


def _launch(
    offers: Sequence[Offer], group: str, profile: str, script: str, tags: Mapping[str, str]
) -> dict[str, Any]:
    """What a launch template says; zones, subnets and prices are the group's to choose."""
    data = launch_request(offers[0], group)
    for key in ("MinCount", "MaxCount", "Placement", "InstanceMarketOptions"):
        data.pop(key, None)
    if not all(offer.burstable for offer in offers):
        data.pop("CreditSpecification", None)
    for card in data["NetworkInterfaces"]:
        card.pop("SubnetId", None)
    return data | {
        "IamInstanceProfile": {"Name": profile},
        "UserData": base64.b64encode(script.encode()).decode(),
        "TagSpecifications": [tagged(kind, tags) for kind in ("volume", "network-interface")],
    }


def _mixed(template: str, types: Sequence[str], on_demand: int | None) -> dict[str, Any]:
    """The first type that is to be had, wherever that is; of spot ones the cheapest of those that
    are the least likely to be taken away.
    """
    spread = {
        "OnDemandAllocationStrategy": "prioritized",
        "OnDemandBaseCapacity": on_demand or 0,
        "OnDemandPercentageAboveBaseCapacity": 100 if on_demand is None else 0,
        "SpotAllocationStrategy": "price-capacity-optimized",
    }
    return {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "$Latest"},
            "Overrides": [{"InstanceType": each} for each in types],
        },
        "InstancesDistribution": spread,
    }
