"""What AWS has to permit for machines to be rented, and what it does permit."""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from offload.domain.machines import MARK, Offer, Resource
from offload.drivers import aws, ec2request
from offload.drivers.ec2marks import called, tagged

Answer = Literal["allowed", "missing", "not known"]
"""`not known` is what may depend on a thing of ours, while there is none to ask about."""

_LOOKING = (
    "DescribeImages", "DescribeInstanceTypes", "DescribeInstances", "DescribeKeyPairs",
    "DescribeNetworkInterfaces", "DescribeRegions", "DescribeSecurityGroupRules",
    "DescribeSecurityGroups", "DescribeSpotInstanceRequests", "DescribeSubnets",
    "DescribeVolumes", "DescribeVpcs",
)  # fmt: skip
_MAKING = ("RunInstances", "CreateSecurityGroup", "ImportKeyPair")
_SSH = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
_HANDLING: Mapping[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "StartInstances": ("instance", lambda it: {"InstanceIds": [it]}),
    "StopInstances": ("instance", lambda it: {"InstanceIds": [it]}),
    "TerminateInstances": ("instance", lambda it: {"InstanceIds": [it]}),
    "CreateTags": ("instance", lambda it: {"Resources": [it], "Tags": [{"Key": "a", "Value": ""}]}),
    "AuthorizeSecurityGroupIngress": (
        "security group", lambda it: {"GroupId": it, "IpPermissions": _SSH},
    ),
    "RevokeSecurityGroupIngress": (
        "security group", lambda it: {"GroupId": it, "IpPermissions": _SSH},
    ),
    "DeleteSecurityGroup": ("security group", lambda it: {"GroupId": it}),
    "DeleteKeyPair": ("key pair", lambda it: {"KeyName": it}),
    "DeleteVolume": ("volume", lambda it: {"VolumeId": it}),
    "DeleteNetworkInterface": ("network interface", lambda it: {"NetworkInterfaceId": it}),
    "CancelSpotInstanceRequests": (
        "spot request", lambda it: {"SpotInstanceRequestIds": [it]},
    ),
}  # fmt: skip
"""What is done to things of ours: which kind of thing, and how EC2 is told which one."""

_NOBODYS = {
    "instance": "i-00000000000000000",
    "security group": "sg-00000000000000000",
    "key pair": called("doctor"),
    "volume": "vol-00000000000000000",
    "network interface": "eni-00000000000000000",
    "spot request": "sir-00000000",
}
_WOULD, _REFUSED = "DryRunOperation", "UnauthorizedOperation"


def policy() -> dict[str, Any]:
    """The least that renting machines needs, as an IAM policy: only what is ours may be touched."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Look",
                "Effect": "Allow",
                "Action": [*_ec2(_LOOKING), "pricing:GetProducts", "servicequotas:GetServiceQuota"],
                "Resource": "*",
            },
            {
                "Sid": "FindImages",
                "Effect": "Allow",
                "Action": "ssm:GetParameters",
                "Resource": "arn:aws:ssm:*::parameter/aws/service/*",
            },
            {"Sid": "Make", "Effect": "Allow", "Action": _ec2(_MAKING), "Resource": "*"},
            {
                "Sid": "TagWhatIsMade",
                "Effect": "Allow",
                "Action": "ec2:CreateTags",
                "Resource": "*",
                "Condition": {"StringEquals": {"ec2:CreateAction": list(_MAKING)}},
            },
            {
                "Sid": "HandleOurs",
                "Effect": "Allow",
                "Action": _ec2(_HANDLING),
                "Resource": "*",
                "Condition": {"StringLike": {f"ec2:ResourceTag/{MARK}": "*"}},
            },
            {
                "Sid": "FirstSpotMachine",
                "Effect": "Allow",
                "Action": "iam:CreateServiceLinkedRole",
                "Resource": "*",
                "Condition": {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}},
            },
        ],
    }


def asked(ec2: Any, offer: Offer | None, ours: list[Resource]) -> Iterator[tuple[str, Answer]]:
    """Each permission of EC2, and what EC2 says to a dry run of it. Nothing is done.

    Without an offer it cannot be asked about launching.
    """
    for action in _LOOKING:
        yield f"ec2:{action}", _answer(ec2, action, {})
    for action, parameters in _made(offer):
        yield f"ec2:{action}", _answer(ec2, action, parameters)
    there = {resource.kind: resource.id for resource in ours}
    for action, (kind, told) in _HANDLING.items():
        answer = _answer(ec2, action, told(there.get(kind, _NOBODYS[kind])))
        yield f"ec2:{action}", answer if kind in there or answer == "allowed" else "not known"


def _answer(ec2: Any, action: str, parameters: dict[str, Any]) -> Answer:
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in action)
    code = aws.dry_run(ec2, words.removeprefix("_"), **parameters)
    return "allowed" if code == _WOULD else "missing" if code == _REFUSED else "not known"


def _made(offer: Offer | None) -> Iterator[tuple[str, dict[str, Any]]]:
    mark, name = {MARK: "doctor"}, called("doctor")
    if offer is not None:
        yield "RunInstances", ec2request.request(offer)
        yield "CreateSecurityGroup", {
            "GroupName": name,
            "Description": name,
            "VpcId": offer.vpc,
            "TagSpecifications": [tagged("security-group", mark)],
        }
    yield "ImportKeyPair", {
        "KeyName": name,
        "PublicKeyMaterial": b"ssh-ed25519 " + base64.b64encode(_KEY),
        "TagSpecifications": [tagged("key-pair", mark)],
    }


_KEY = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)
"""An ed25519 key as SSH packs it, to which nobody has the private part."""


def _ec2(actions: Any) -> list[str]:
    return [f"ec2:{action}" for action in actions]
