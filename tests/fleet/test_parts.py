"""What a fleet consists of, made and removed in moto's account."""

from collections.abc import Iterator
from typing import Any

import pytest

from offload.domain.machines import Offer, Spec
from offload.drivers.aws.fleet.parts import FleetParts, FleetSpec, called, marks
from tests.functions.aws import REGION, Account, account
from tests.functions.bench import Clients

NAME = "photos"
TITLE = called(NAME)
KINDS = [
    "alarm", "group of machines", "launch template", "security group", "instance profile", "role",
    "queue", "queue", "bucket",
]  # fmt: skip


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        yield one


def parts(clients: Any) -> FleetParts:
    return FleetParts(clients, REGION, lambda _s: None)


@pytest.fixture
def spec(aws: Account) -> FleetSpec:
    ec2 = aws.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    ami = ec2.describe_images()["Images"][0]["ImageId"]
    offers = [
        Offer(
            Spec(NAME, REGION, kind, ()), ami, "x86_64", 2, 4.0, "/dev/xvda", 16, "ec2-user", True,
            vpc,
        )
        for kind in ("c7i.large", "c6i.large")
    ]  # fmt: skip
    return FleetSpec(NAME, "offload:aws", tuple(offers), 3, spot=False)


@pytest.fixture
def fleet(aws: Account) -> Iterator[FleetParts]:
    one = parts(Clients(aws))
    yield one
    down(one)
    assert not [*one.resources(NAME)]


def down(one: FleetParts) -> list[str]:
    gone = []
    for each in [*one.resources(NAME)]:
        one.remove(each)
        gone.append(each.kind)
    return gone


def test_all_is_made_carries_the_tag_and_goes_without_a_trace(
    fleet: FleetParts, spec: FleetSpec
) -> None:
    fleet.bring_up(spec, marks(NAME))
    assert [each.kind for each in fleet.resources(NAME)] == KINDS
    assert down(fleet) == KINDS
    assert [*fleet.resources(NAME)] == []


def test_the_same_again_changes_nothing(aws: Account, fleet: FleetParts, spec: FleetSpec) -> None:
    first = fleet.bring_up(spec, marks(NAME))
    before = state(aws)
    assert fleet.bring_up(spec, marks(NAME)) == first
    assert state(aws) == before


def state(aws: Account) -> dict[str, Any]:
    """All that AWS says of the parts."""
    group = aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    ec2 = aws.client("ec2")
    versions = ec2.describe_launch_template_versions(LaunchTemplateName=TITLE)
    return {
        "group": group,
        "versions": versions["LaunchTemplateVersions"],
        "policies": aws.client("autoscaling").describe_policies()["ScalingPolicies"],
    }
