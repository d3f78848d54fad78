"""EC2's security groups: from where machines let SSH in."""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import MARK
from offload.drivers.aws import calls
from offload.drivers.aws.tagging import called, marked, tagged

_SSH = 22


def of(ec2: Any, name: str, vpc: str | None = None) -> list[str]:
    """The ids of a machine's security groups, in one network or in all."""
    filters = [marked(name), {"Name": "group-name", "Values": [called(name)]}]
    if vpc is not None:
        filters.append({"Name": "vpc-id", "Values": [vpc]})
    found = calls.each(ec2, "describe_security_groups", "SecurityGroups", Filters=filters)
    return [group["GroupId"] for group in found]


def made(ec2: Any, name: str, vpc: str) -> str:
    """The machine's security group in a network, created if there is none."""
    if found := of(ec2, name, vpc):
        return found[0]
    answer = calls.call(
        ec2,
        "create_security_group",
        fine=["InvalidGroup.Duplicate"],
        GroupName=called(name),
        Description="SSH to a machine of offload",
        VpcId=vpc,
        TagSpecifications=[tagged("security-group", {MARK: name})],
    )
    if answer:
        calls.wait(ec2, "security_group_exists", GroupIds=[answer["GroupId"]])
        return str(answer["GroupId"])
    if found := of(ec2, name, vpc):
        return found[0]
    raise OffloadError(
        f"A security group {called(name)} that is not ours is in the network {vpc}.",
        hint="For another: --name NAME",
    )


def ranges(texts: Sequence[str]) -> set[str]:
    """Ranges of addresses as EC2 writes them: no bits beyond the prefix.

    Raises:
        UsageError: one of them is none.
    """
    return {_cidr(text) for text in texts}


def open_to(ec2: Any, group_id: str, wanted: set[str]) -> None:
    """Let SSH in from there, and nothing else from anywhere. What is let in stays so meanwhile."""
    rules = list(_ingress(ec2, group_id))
    for cidr in sorted(wanted - {rule.cidr for rule in rules}):
        calls.call(
            ec2,
            "authorize_security_group_ingress",
            fine=["InvalidPermission.Duplicate"],
            GroupId=group_id,
            IpPermissions=[_ssh_from(cidr)],
        )
    others = [rule.id for rule in rules if rule.cidr not in wanted]
    if others:
        calls.call(
            ec2,
            "revoke_security_group_ingress",
            fine=["InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound"],
            GroupId=group_id,
            SecurityGroupRuleIds=others,
        )


def cidrs(ec2: Any, name: str) -> tuple[str, ...]:
    """From where SSH is let in now."""
    found = {rule.cidr for each in of(ec2, name) for rule in _ingress(ec2, each)}
    return tuple(sorted(cidr for cidr in found if cidr is not None))


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a security group lets in; `cidr` is None where it is anything but SSH from addresses."""

    id: str
    cidr: str | None


def _ingress(ec2: Any, group_id: str) -> Iterator[_Rule]:
    filters = [{"Name": "group-id", "Values": [group_id]}]
    for rule in calls.each(
        ec2, "describe_security_group_rules", "SecurityGroupRules", Filters=filters
    ):
        if not rule["IsEgress"]:
            lets_in = (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"))
            cidr = rule.get("CidrIpv4") or rule.get("CidrIpv6")
            is_ssh = lets_in == ("tcp", _SSH, _SSH)
            yield _Rule(rule["SecurityGroupRuleId"], cidr if is_ssh else None)


def _ssh_from(cidr: str) -> dict[str, Any]:
    about = {"Description": "offload"}
    ranges = (
        {"Ipv6Ranges": [{"CidrIpv6": cidr, **about}]}
        if ":" in cidr
        else {"IpRanges": [{"CidrIp": cidr, **about}]}
    )
    return {"IpProtocol": "tcp", "FromPort": _SSH, "ToPort": _SSH, **ranges}


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no range of addresses.", hint="For one address: --allow-cidr ADDRESS/32"
        ) from error
