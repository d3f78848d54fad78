"""What carries our mark in EC2: how it is told, and what kinds of things there are."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from offload.domain.machines import MARK, OWNER, Resource
from offload.drivers.host import machine


def called(name: str) -> str:
    """What the machine `name`, its key and its group are called in the cloud."""
    return f"offload-{name}"


def marks(name: str) -> dict[str, str]:
    """The tags of everything that belongs to a machine, and that this computer makes."""
    return {MARK: name, OWNER: machine.owner()}


def tagged(kind: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The tags that a thing of that kind is created with, as EC2 takes them."""
    return {
        "ResourceType": kind,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def marked(name: str | None) -> dict[str, Any]:
    """EC2's filter of what belongs to a machine; to any, if it is None."""
    if name is None:
        return {"Name": "tag-key", "Values": [MARK]}
    return {"Name": f"tag:{MARK}", "Values": [name]}


def tags_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """The tags of anything that EC2 describes."""
    listed = thing.get("Tags") or thing.get("TagSet") or ()  # TagSet: of network interfaces
    return {tag["Key"]: tag["Value"] for tag in listed}


class ThingKind(NamedTuple):
    """How things of one kind are listed, named and removed, and which codes say they are gone."""

    name: str
    list: str
    key: str
    id: str
    remove: str
    gone: str
    living: Mapping[str, Sequence[str]]
    one_by_one: bool = True


KINDS = (
    ThingKind("spot request", "describe_spot_instance_requests", "SpotInstanceRequests",
          "SpotInstanceRequestId", "cancel_spot_instance_requests",
          "InvalidSpotInstanceRequestID.NotFound", {"state": ("open", "active")}, False),
    ThingKind("instance", "describe_instances", "Reservations", "InstanceId", "terminate_instances",
          "InvalidInstanceID.NotFound",
          {"instance-state-name": ("pending", "running", "stopping", "stopped")}, False),
    ThingKind("volume", "describe_volumes", "Volumes", "VolumeId", "delete_volume",
          "InvalidVolume.NotFound", {"status": ("creating", "available", "in-use", "error")}),
    ThingKind("network interface", "describe_network_interfaces", "NetworkInterfaces",
          "NetworkInterfaceId", "delete_network_interface", "InvalidNetworkInterfaceID.NotFound",
          {}),
    ThingKind("security group", "describe_security_groups", "SecurityGroups", "GroupId",
          "delete_security_group", "InvalidGroup.NotFound", {}),
    ThingKind("key pair", "describe_key_pairs", "KeyPairs", "KeyName", "delete_key_pair",
          "InvalidKeyPair.NotFound", {}),
)  # fmt: skip
"""In the order in which they can be removed."""


def resource(kind: ThingKind, thing: Mapping[str, Any], region: str) -> Resource:
    """A thing of ours, as EC2 describes it."""
    tags = tags_of(thing)
    whose = (tags[MARK], region, tags.get(OWNER), _ties(thing))
    return Resource(kind.name, thing[kind.id], *whose)


def _ties(thing: Mapping[str, Any]) -> frozenset[str]:
    asked = thing.get("LaunchSpecification", {})  # of a spot request
    at = [thing, asked, thing.get("Attachment", {}), *thing.get("Attachments", ())]
    groups = [*thing.get("SecurityGroups", ()), *thing.get("Groups", ())]
    ids = [each.get(key) for each in at for key in ("KeyName", "GroupName", "InstanceId")]
    return frozenset(filter(None, [*ids, *(group["GroupId"] for group in groups)]))
