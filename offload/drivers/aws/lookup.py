"""What EC2 would give for what is asked: looked up, nothing created."""

import re
from collections.abc import Callable
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.machines import Offer, Spec
from offload.drivers.aws import calls

Clients = Callable[[str], Any]
"""The name of a service -> boto3's client of it."""

_QUOTAS = (
    (re.compile(r"(?:[acdhimrtz]|im|is)\d"), "L-1216C47A", "L-34B43A08"),
    (re.compile(r"(?:g|gr|vt)\d"), "L-DB2E81BA", "L-3819A6DF"),
)
"""Which instance types share a quota of vCPUs, and its codes: on demand, and spot.

https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
"""

USUAL_LOGIN = "ec2-user"
"""The user that Amazon's own images let in."""

_ECS = "/aws/service/ecs/optimized-ami/amazon-linux-2023"
_PLAIN = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default"
_IMAGES = {
    "x86_64": (f"{_ECS}/recommended/image_id", f"{_PLAIN}-x86_64"),
    "arm64": (f"{_ECS}/arm64/recommended/image_id", f"{_PLAIN}-arm64"),
}
"""The public parameters that name an image, best first: those for ECS bring Docker.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/retrieve-ecs-optimized_AMI.html
"""
USUAL_TYPES = {"x86_64": "c7i.large", "arm64": "c7g.large"}
"""A machine for each processor."""
_LOGINS = {"ubuntu": "ubuntu", "debian": "admin"}
_LEAST_DISK_GB = 16


def offer(clients: Clients, spec: Spec) -> Offer:
    """What there would be, as `Cloud.offer` says it."""
    ec2 = clients("ec2")
    kinds = calls.call(ec2, "describe_instance_types", InstanceTypes=[spec.instance_type])
    kind = kinds["InstanceTypes"][0]
    arch, vcpus = _arch(kind), int(kind["VCpuInfo"]["DefaultVCpus"])
    image = _image(ec2, spec.ami) if spec.ami else _usual_image(clients, arch)
    _check_image(image, arch, spec)
    vpc = _subnet_vpc(ec2, spec) if spec.subnet else _default_vpc(ec2, spec.region)
    _check_quota(clients, spec, vcpus)
    about = f"{image.get('Name', '')} {image.get('Description', '')}".lower()
    return Offer(
        spec=spec,
        ami=image["ImageId"],
        arch=arch,
        vcpus=vcpus,
        memory_gib=kind["MemoryInfo"]["SizeInMiB"] / 1024,
        root_device=image["RootDeviceName"],
        disk_gb=spec.disk_gb or max(_LEAST_DISK_GB, _disk_gb(image)),
        login=spec.login
        or next((login for name, login in _LOGINS.items() if name in about), USUAL_LOGIN),
        has_engine="-ecs-" in about,
        vpc=vpc,
        subnet=spec.subnet,
        burstable=bool(kind.get("BurstablePerformanceSupported")),
        in_free_plan=bool(kind.get("FreeTierEligible") and image.get("FreeTierEligible", True)),
    )


def in_free_plan(ec2: Any, arch: str | None) -> str | None:
    """The best instance type that AWS' Free plan has, of that processor or any that we know."""
    wanted = {"free-tier-eligible": ["true"]}
    wanted["processor-info.supported-architecture"] = [arch] if arch else list(_IMAGES)
    filters = [{"Name": name, "Values": values} for name, values in wanted.items()]
    found = calls.each(ec2, "describe_instance_types", "InstanceTypes", Filters=filters)
    best = min(found, key=_worse, default=None)
    return str(best["InstanceType"]) if best else None


def _worse(kind: dict[str, Any]) -> tuple[bool, int, int]:
    """Burstable is worse, then fewer cores, then memory far from what the usual type has."""
    memory_mib = int(kind["MemoryInfo"]["SizeInMiB"])
    burstable = bool(kind.get("BurstablePerformanceSupported"))
    return burstable, -int(kind["VCpuInfo"]["DefaultVCpus"]), abs(memory_mib - 4096)


def _arch(kind: dict[str, Any]) -> str:
    known = kind["ProcessorInfo"]["SupportedArchitectures"]
    for arch in _IMAGES:
        if arch in known:
            return arch
    raise UsageError(
        f"A {kind['InstanceType']} is {' or '.join(known)}; offload knows {', '.join(_IMAGES)}.",
        hint="For another: --instance-type c7i.large",
    )


def _usual_image(clients: Clients, arch: str) -> dict[str, Any]:
    """The image that AWS recommends; the newest of its kind for whoever may not ask which."""
    names, ec2 = _IMAGES[arch], clients("ec2")
    denied = ("AccessDeniedException", "AccessDenied")
    answer = calls.call(clients("ssm"), "get_parameters", fine=denied, Names=list(names))
    found = {each["Name"]: str(each["Value"]) for each in answer.get("Parameters", ())}
    for name in names:
        if name in found:
            return _image(ec2, found[name])
    wanted = {"name": "al2023-ami-ecs-hvm-*", "architecture": arch, "state": "available"}
    filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
    images = calls.each(ec2, "describe_images", "Images", Owners=["amazon"], Filters=filters)
    if newest := max(images, key=lambda image: str(image["CreationDate"]), default=None):
        return newest
    raise PlaceUnavailable(
        f"The region names no Amazon Linux 2023 for {arch}.", hint="To name one: --ami AMI"
    )


def _image(ec2: Any, ami: str) -> dict[str, Any]:
    for image in calls.each(ec2, "describe_images", "Images", ImageIds=[ami]):
        return image
    hint = "To let offload choose it, leave --ami out"
    raise UsageError(f"The region has no such AMI: {ami}.", hint=hint)


def _check_image(image: dict[str, Any], arch: str, spec: Spec) -> None:
    leave = "To let offload choose one that fits, leave --ami out"
    name = image["ImageId"]
    if image["Architecture"] != arch:
        other = USUAL_TYPES.get(image["Architecture"], "TYPE")
        raise UsageError(
            f"The AMI {name} is for {image['Architecture']}, a {spec.instance_type} is {arch}.",
            hint=f"{leave}; for a machine that fits the AMI: --instance-type {other}",
        )
    if str(image.get("Platform", "")).lower() == "windows":
        raise UsageError(f"The AMI {name} is Windows; Linux is needed.", hint=leave)
    if spec.disk_gb is not None and spec.disk_gb < _disk_gb(image):
        raise UsageError(
            f"The AMI {name} needs {_disk_gb(image)} GB, more than the {spec.disk_gb} asked for.",
            hint=f"To fit it: --disk-gb {_disk_gb(image)}",
        )


def _disk_gb(image: dict[str, Any]) -> int:
    for disk in image.get("BlockDeviceMappings", ()):
        if disk.get("DeviceName") == image["RootDeviceName"]:
            return int(disk.get("Ebs", {}).get("VolumeSize", 0))
    return 0


def _default_vpc(ec2: Any, region: str) -> str:
    usual = [{"Name": "is-default", "Values": ["true"]}]
    for vpc in calls.each(ec2, "describe_vpcs", "Vpcs", Filters=usual):
        return str(vpc["VpcId"])
    raise PlaceUnavailable(
        f"The region {region} has no default network.",
        hint=f"To make one: aws ec2 create-default-vpc --region {region}; to use another: "
        "--subnet SUBNET",
    )


def _subnet_vpc(ec2: Any, spec: Spec) -> str:
    (subnet,) = calls.call(ec2, "describe_subnets", SubnetIds=[spec.subnet])["Subnets"]
    zone = subnet["AvailabilityZone"]
    if spec.zone not in {None, zone}:
        raise UsageError(
            f"The subnet {spec.subnet} is in {zone}, not in {spec.zone}.",
            hint="To use the subnet's zone, leave --zone out",
        )
    return str(subnet["VpcId"])


def quota(clients: Clients, instance_type: str, *, spot: bool) -> float | None:
    """How many vCPUs of that kind the account may have at a time; None if nobody says."""
    if (code := _quota_code(instance_type, spot=spot)) is None:
        return None
    wanted = {"ServiceCode": "ec2", "QuotaCode": code}
    try:
        answer = calls.call(clients("service-quotas"), "get_service_quota", **wanted)
        return float(answer["Quota"]["Value"])
    except (KeyError, OffloadError):  # whoever may not ask is told by EC2 itself
        return None


def _check_quota(clients: Clients, spec: Spec, vcpus: int) -> None:
    most = quota(clients, spec.instance_type, spot=spec.spot)
    if most is None or most >= vcpus:
        return
    what = "spot machines" if spec.spot else "machines"
    raise PlaceUnavailable(
        f"The account's quota is {most:.0f} vCPUs of such {what} in {spec.region}, a "
        f"{spec.instance_type} takes {vcpus}.",
        hint=more_quota(spec, vcpus),
    )


def more_quota(spec: Spec, vcpus: int) -> str:
    """How to ask for so many more vCPUs of that kind, and how to need less."""
    code = _quota_code(spec.instance_type, spot=spec.spot)
    less = "for less: --instance-type TYPE"
    if code is None:
        return f"To ask for more: aws service-quotas list-service-quotas --service-code ec2; {less}"
    return (
        "To ask for more: aws service-quotas request-service-quota-increase --service-code ec2 "
        f"--quota-code {code} --desired-value {vcpus} --region {spec.region}; {less}"
    )


def _quota_code(instance_type: str, *, spot: bool) -> str | None:
    for types, on_demand, at_spot in _QUOTAS:
        if types.match(instance_type):
            return at_spot if spot else on_demand
    return None
