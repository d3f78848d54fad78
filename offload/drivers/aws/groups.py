"""EC2's security groups: from where machines let SSH in."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from offload.domain.errors import OffloadError, UsageError
from offload.drivers.aws import calls
from offload.drivers.aws.tagging import called, marked, marks, tagged

_SSH = 22


def of(ec2: Any, name: str, vpc: str | None = None) -> list[str]:
    """The ids of a machine's security groups, in one network or in all."""
    filters = [marked(name), {"Name": "group-name", "Values": [called(name)]}]
    if vpc is not None:
        filters.append({"Name": "vpc-id", "Values": [vpc]})
    found = calls.each(ec2, "describe_security_groups", "SecurityGroups", Filters=filters)
    return [group["GroupId"] for group in found]


def made(ec2: Any, name: str, vpc: str, tags: Mapping[str, str]) -> str:
    """The machine's security group in a network, created with these tags if there is none."""
    if found := of(ec2, name, vpc):
        return found[0]
    answer = calls.call(
        ec2,
        "create_security_group",
        fine=["InvalidGroup.Duplicate"],
        GroupName=called(name),
        Description="SSH to a machine of offload",
        VpcId=vpc,
        TagSpecifications=[tagged("security-group", {**tags, **marks(name)})],
    )
    if answer:
        with calls.explaining():  # AWS' left hand is slow to hear of the right
            ec2.get_waiter("security_group_exists").wait(GroupIds=[answer["GroupId"]])
        return str(answer["GroupId"])
    if found := of(ec2, name, vpc):
        return found[0]
    raise OffloadError(
        f"A security group {called(name)} that offload did not create is in the network {vpc}.",
        hint="For another: --name NAME",
    )


def ranges(texts: Sequence[str]) -> set[str]:
    """Ranges of addresses as EC2 writes them; UsageError if one of them is none."""
    found = set()
    for text in texts:
        try:
            found.add(str(ipaddress.ip_network(text, strict=False)))
        except ValueError as error:
            hint = "For one address: --allow-cidr ADDRESS/32"
            raise UsageError(f"{text!r} is not an address range.", hint=hint) from error
    return found


def open_to(ec2: Any, group_id: str, wanted: set[str]) -> None:
    """Let SSH in from there, and nothing else from anywhere. What is let in stays so meanwhile."""
    rules = _ingress(ec2, group_id)
    for cidr in sorted(wanted - set(rules.values())):
        calls.call(
            ec2,
            "authorize_security_group_ingress",
            fine=["InvalidPermission.Duplicate"],
            GroupId=group_id,
            IpPermissions=[ssh_from(cidr)],
        )
    if others := [rule for rule, cidr in rules.items() if cidr not in wanted]:
        calls.call(
            ec2,
            "revoke_security_group_ingress",
            fine=["InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound"],
            GroupId=group_id,
            SecurityGroupRuleIds=others,
        )


def cidrs(ec2: Any, name: str) -> tuple[str, ...]:
    """From where SSH is let in now."""
    found = {cidr for group in of(ec2, name) for cidr in _ingress(ec2, group).values()}
    return tuple(sorted(cidr for cidr in found if cidr is not None))


def ssh_from(cidr: str) -> dict[str, Any]:
    """The permission of SSH from a range of addresses, as EC2 takes it."""
    kind, key = ("Ipv6Ranges", "CidrIpv6") if ":" in cidr else ("IpRanges", "CidrIp")
    addresses = {kind: [{key: cidr, "Description": "offload"}]}
    return {"IpProtocol": "tcp", "FromPort": _SSH, "ToPort": _SSH, **addresses}


def _ingress(ec2: Any, group_id: str) -> dict[str, str | None]:
    """The id of each rule that lets something in, and from where: None for all but SSH."""
    filters = [{"Name": "group-id", "Values": [group_id]}]
    rules = calls.each(ec2, "describe_security_group_rules", "SecurityGroupRules", Filters=filters)
    return {rule["SecurityGroupRuleId"]: _cidr(rule) for rule in rules if not rule["IsEgress"]}


def _cidr(rule: dict[str, Any]) -> str | None:
    lets_in = (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"))
    return rule.get("CidrIpv4") or rule.get("CidrIpv6") if lets_in == ("tcp", _SSH, _SSH) else None
