"""Whether machines in a subnet reach AWS: what cannot, starts and does nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

from offload.drivers.aws import calls
from offload.drivers.aws.lookup import Clients

_ANYWHERE = "0.0.0.0/0"


def stranded(clients: Clients, subnets: Sequence[str]) -> Iterator[str]:
    """Why machines in a subnet reach nobody, a sentence for each such one. One with endpoints of
    its own for what it needs is taken at its word.
    """
    ec2 = clients("ec2")
    found = list(calls.each(ec2, "describe_subnets", "Subnets", SubnetIds=list(subnets)))
    for subnet in found:
        filters = [{"Name": "vpc-id", "Values": [subnet["VpcId"]]}]
        if any(calls.each(ec2, "describe_vpc_endpoints", "VpcEndpoints", Filters=filters)):
            continue
        tables = list(calls.each(ec2, "describe_route_tables", "RouteTables", Filters=filters))
        route = _way_out(tables, subnet["SubnetId"])
        if route is None:
            yield f"The subnet {subnet['SubnetId']} has no route out of its network."
        elif _is_gateway(route) and not subnet.get("MapPublicIpOnLaunch"):
            yield (
                f"The subnet {subnet['SubnetId']} gives machines no public address, and its route "
                "out is an internet gateway, which serves only those that have one."
            )


def _way_out(tables: Sequence[dict[str, Any]], subnet: str) -> dict[str, Any] | None:
    """The route to anywhere of the table that a subnet has, or of its network's main one."""
    own = [t for t in tables if any(a.get("SubnetId") == subnet for a in t["Associations"])]
    main = [t for t in tables if any(a.get("Main") for a in t["Associations"])]
    routes: list[dict[str, Any]] = [route for table in own or main for route in table["Routes"]]
    for route in routes:
        if route.get("DestinationCidrBlock") == _ANYWHERE and route.get("State") != "blackhole":
            return route
    return None


def _is_gateway(route: dict[str, Any]) -> bool:
    return str(route.get("GatewayId", "")).startswith("igw-")
