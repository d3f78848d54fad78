"""What EC2 is asked to launch."""

from collections.abc import Iterator
from typing import Any

from offload.domain.machines import EXPIRES, LOGIN, MARK, Offer
from offload.drivers.aws.tagging import called, tagged


def request(
    offer: Offer, group: str | None = None, expires_at: str | None = None
) -> dict[str, Any]:
    """The parameters of RunInstances, but for key, user data and token."""
    spec = offer.spec
    disk = {"VolumeSize": offer.disk_gb, "VolumeType": "gp3", "Encrypted": True}
    disk["DeleteOnTermination"] = True
    wanted: dict[str, Any] = {
        "ImageId": offer.ami,
        "InstanceType": spec.instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "BlockDeviceMappings": [{"DeviceName": offer.root_device, "Ebs": disk}],
        # Hop limit 1: containers on the machine do not reach the metadata service.
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        "InstanceInitiatedShutdownBehavior": "terminate",
        "TagSpecifications": list(_tags(offer, expires_at)),
    }
    groups = [group] if group else []
    if spec.subnet:  # a subnet of one's own gives no public address unasked
        card = {"DeviceIndex": 0, "SubnetId": spec.subnet, "AssociatePublicIpAddress": True}
        wanted["NetworkInterfaces"] = [card | ({"Groups": groups} if groups else {})]
    elif groups:
        wanted["SecurityGroupIds"] = groups
    if spec.zone:
        wanted["Placement"] = {"AvailabilityZone": spec.zone}
    if spec.spot:
        once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        wanted["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": once}
    return wanted


def _tags(offer: Offer, expires_at: str | None) -> Iterator[dict[str, Any]]:
    mark = {MARK: offer.spec.name}
    ours = {"Name": called(offer.spec.name), LOGIN: offer.login} | mark
    if expires_at is not None:
        ours[EXPIRES] = expires_at
    yield tagged("instance", {**offer.spec.tags, **ours})
    for kind in ("volume", "network-interface"):
        yield tagged(kind, mark)
    if offer.spec.spot:
        yield tagged("spot-instances-request", mark)
