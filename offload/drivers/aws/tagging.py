"""What carries our mark in EC2: how it is told, listed and removed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offload.domain.machines import MARK, Resource
from offload.drivers.aws import calls


def called(name: str) -> str:
    """What the machine `name`, its key and its group are called in the cloud."""
    return f"offload-{name}"


def tagged(kind: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The tags that a thing of that kind is created with, as EC2 takes them."""
    return {
        "ResourceType": kind,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def marked(name: str | None) -> dict[str, Any]:
    """EC2's filter of what belongs to a machine; to any, if it is None."""
    if name is None:
        return {"Name": "tag-key", "Values": [MARK]}
    return {"Name": f"tag:{MARK}", "Values": [name]}


def tags_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """The tags of anything that EC2 describes."""
    listed = thing.get("Tags") or thing.get("TagSet") or ()  # TagSet: of network interfaces
    return {tag["Key"]: tag["Value"] for tag in listed}


def key(ec2: Any, name: str) -> str | None:
    """The public key that the cloud has for a machine, without its comment."""
    filters = [marked(name), {"Name": "key-name", "Values": [called(name)]}]
    found = calls.call(ec2, "describe_key_pairs", Filters=filters, IncludePublicKey=True)[
        "KeyPairs"
    ]
    return " ".join(found[0]["PublicKey"].split()[:2]) if found else None


@dataclass(frozen=True, slots=True)
class _Kind:
    """How things of one kind are listed, named and removed, and which codes say they are gone."""

    name: str
    list: str
    key: str
    id: str
    remove: str
    gone: str
    living: Mapping[str, Sequence[str]]
    one_by_one: bool = True


_KINDS = (
    _Kind("spot request", "describe_spot_instance_requests", "SpotInstanceRequests",
          "SpotInstanceRequestId", "cancel_spot_instance_requests",
          "InvalidSpotInstanceRequestID.NotFound", {"state": ("open", "active")}, False),
    _Kind("instance", "describe_instances", "Reservations", "InstanceId", "terminate_instances",
          "InvalidInstanceID.NotFound",
          {"instance-state-name": ("pending", "running", "stopping", "stopped")}, False),
    _Kind("volume", "describe_volumes", "Volumes", "VolumeId", "delete_volume",
          "InvalidVolume.NotFound", {"status": ("creating", "available", "in-use", "error")}),
    _Kind("network interface", "describe_network_interfaces", "NetworkInterfaces",
          "NetworkInterfaceId", "delete_network_interface", "InvalidNetworkInterfaceID.NotFound",
          {}),
    _Kind("security group", "describe_security_groups", "SecurityGroups", "GroupId",
          "delete_security_group", "InvalidGroup.NotFound", {}),
    _Kind("key pair", "describe_key_pairs", "KeyPairs", "KeyName", "delete_key_pair",
          "InvalidKeyPair.NotFound", {}),
)  # fmt: skip
"""In the order in which they can be removed."""


def resources(ec2: Any, region: str, name: str | None) -> Iterator[Resource]:
    """Everything that carries our mark and is not gone, in the order to remove it in."""
    for kind in _KINDS:
        living = [{"Name": key, "Values": list(values)} for key, values in kind.living.items()]
        for thing in calls.each(ec2, kind.list, kind.key, Filters=[marked(name), *living]):
            for each in thing.get("Instances", [thing]):
                owner = tags_of(each)[MARK]
                if name in {None, owner}:  # to a filter, a * that others gave is any name
                    yield Resource(kind.name, each[kind.id], owner, region)


def remove(ec2: Any, resource: Resource) -> None:
    """Remove it; if it is gone already, all the better.

    Raises:
        OffloadError: something else still uses it.
    """
    kind = next(each for each in _KINDS if each.name == resource.kind)
    wanted = {kind.id: resource.id} if kind.one_by_one else {f"{kind.id}s": [resource.id]}
    calls.call(ec2, kind.remove, fine=[kind.gone], **wanted)
