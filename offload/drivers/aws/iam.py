"""What AWS has to permit for machines to be rented, and what it does permit."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from offload.domain.machines import OWNER, Offer, Resource
from offload.drivers.aws import calls
from offload.drivers.aws.ec2 import launch_request
from offload.drivers.aws.groups import ssh_from
from offload.drivers.aws.tagging import called, marks, tagged
from offload.drivers.host import machine

Answer = Literal["allowed", "missing", "unknown"]
"""`unknown` is what cannot be asked about yet, such as what may be allowed for things of ours only
while there are none.
"""

_LOOKING = (
    "DescribeImages", "DescribeInstanceTypes", "DescribeInstances", "DescribeKeyPairs",
    "DescribeNetworkInterfaces", "DescribeRegions", "DescribeSecurityGroupRules",
    "DescribeSecurityGroups", "DescribeSpotInstanceRequests", "DescribeSubnets",
    "DescribeVolumes", "DescribeVpcs",
)  # fmt: skip
_MAKING = ("CreateSecurityGroup", "ImportKeyPair")
_LAUNCH = "RunInstances"
_LAUNCHED_WITH = (
    "image", "key-pair", "network-interface", "security-group", "snapshot",
    "spot-instances-request", "subnet", "volume",
)  # fmt: skip
_SSH = {"IpPermissions": [ssh_from("0.0.0.0/0")]}
_HANDLING: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "StartInstances": ("instance", "InstanceIds", {}),
    "StopInstances": ("instance", "InstanceIds", {}),
    "TerminateInstances": ("instance", "InstanceIds", {}),
    "CreateTags": ("instance", "Resources", {"Tags": [{"Key": "a", "Value": ""}]}),
    "AuthorizeSecurityGroupIngress": ("security group", "GroupId", _SSH),
    "RevokeSecurityGroupIngress": ("security group", "GroupId", _SSH),
    "DeleteSecurityGroup": ("security group", "GroupId", {}),
    "DeleteKeyPair": ("key pair", "KeyName", {}),
    "DeleteVolume": ("volume", "VolumeId", {}),
    "DeleteNetworkInterface": ("network interface", "NetworkInterfaceId", {}),
    "CancelSpotInstanceRequests": ("spot request", "SpotInstanceRequestIds", {}),
}
"""What is done to things of ours: which kind of thing, how EC2 is told which one (a plural takes a
list), and what else it is told.
"""

_NOBODYS = {
    "instance": "i-00000000000000000",
    "security group": "sg-00000000000000000",
    "key pair": called("doctor"),
    "volume": "vol-00000000000000000",
    "network interface": "eni-00000000000000000",
    "spot request": "sir-00000000",
}


def policy() -> dict[str, Any]:
    """The least that renting machines from here needs, as an IAM policy: only what this computer
    made may be touched.
    """
    owner = machine.owner()
    statements = (
        _allow("Look", [*_ec2(_LOOKING), "pricing:GetProducts", "servicequotas:GetServiceQuota"]),
        _allow("FindImages", "ssm:GetParameters", "arn:aws:ssm:*::parameter/aws/service/*"),
        _allow("Make", _ec2(_MAKING)),
        _allow("LaunchWith", _ec2([_LAUNCH]), _arns(_LAUNCHED_WITH)),
        _allow(
            "LaunchMarked",
            _ec2([_LAUNCH]),
            _arns(["instance"]),
            StringEquals={f"aws:RequestTag/{OWNER}": owner},
        ),
        _allow(
            "TagWhatIsMade",
            "ec2:CreateTags",
            StringEquals={
                "ec2:CreateAction": [_LAUNCH, *_MAKING],
                f"aws:RequestTag/{OWNER}": owner,
            },
        ),
        _allow("HandleOurs", _ec2(_HANDLING), StringEquals={f"ec2:ResourceTag/{OWNER}": owner}),
        _allow(
            "FirstSpotMachine",
            "iam:CreateServiceLinkedRole",
            StringEquals={"iam:AWSServiceName": "spot.amazonaws.com"},
        ),
    )
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _arns(kinds: Iterable[str]) -> list[str]:
    return [f"arn:aws:ec2:*:*:{kind}/*" for kind in kinds]  # an image's has no account


def _allow(
    name: str,
    actions: str | list[str],
    resources: str | list[str] = "*",
    **condition: Mapping[str, Any],
) -> dict[str, Any]:
    said = {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}
    return said | ({"Condition": condition} if condition else {})


def asked(ec2: Any, offer: Offer | None, ours: list[Resource]) -> dict[str, Answer]:
    """Each permission of EC2, and what EC2 says to a dry run of it. Nothing is done.

    Without an offer, launching cannot be asked about.
    """
    answers: dict[str, Answer] = {}
    for action in _LOOKING:
        answers |= _answers(ec2, action, {})
    answers["ec2:RunInstances"] = "unknown"
    there = {resource.kind: resource.id for resource in ours}
    for action, (kind, key, more) in _HANDLING.items():
        which = there.get(kind, _NOBODYS[kind])
        answers |= _answers(ec2, action, {key: [which] if key.endswith("s") else which, **more})
        if kind not in there and answers[f"ec2:{action}"] == "missing":
            answers[f"ec2:{action}"] = "unknown"
    for action, parameters in _making(offer).items():
        answers |= _answers(ec2, action, parameters)
    return answers


def _answers(ec2: Any, action: str, parameters: dict[str, Any]) -> dict[str, Answer]:
    """What is known of an action after a dry run; and of that which it needs besides, if named."""
    operation = "".join(f"_{c.lower()}" if c.isupper() else c for c in action).removeprefix("_")
    refusal = calls.dry_run(ec2, operation, **parameters)
    if refusal is None:
        return {f"ec2:{action}": "allowed"}
    if refusal["Code"] != "UnauthorizedOperation":
        return {f"ec2:{action}": "unknown"}
    lacking = calls.lacking(refusal.get("Message", ""))
    if lacking in {None, f"ec2:{action}"}:
        return {f"ec2:{action}": "missing"}
    return {f"ec2:{action}": "unknown", str(lacking): "missing"}  # to tag what it creates


def _making(offer: Offer | None) -> dict[str, dict[str, Any]]:
    mark, name = marks("doctor"), called("doctor")
    return ({"RunInstances": launch_request(offer)} if offer else {}) | {
        "CreateSecurityGroup": {
            "GroupName": name,
            "Description": name,
            "TagSpecifications": [tagged("security-group", mark)],
        },
        "ImportKeyPair": {
            "KeyName": name,
            "PublicKeyMaterial": b"ssh-ed25519 " + base64.b64encode(_KEY),
            "TagSpecifications": [tagged("key-pair", mark)],
        },
    }


_KEY = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)
"""An ed25519 key as SSH packs it, to which nobody has the private part."""


def _ec2(actions: Any) -> list[str]:
    return [f"ec2:{action}" for action in actions]


def assumed_by(service: str) -> dict[str, Any]:
    """That a service of AWS takes a role on."""
    taken = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [taken]}
