"""AWS as botocore's own models have it, answered by its stubber."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.stub import Stubber

REGION = "eu-central-1"


@dataclass
class Aws:
    """boto3's own clients, answered by botocore's stubber."""

    stubbers: dict[str, Stubber] = field(default_factory=dict)

    def __call__(self, service: str) -> Any:
        if service not in self.stubbers:
            import boto3

            client = boto3.client(
                service, REGION, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"
            )
            self.stubbers[service] = Stubber(client)
            self.stubbers[service].activate()
        return self.stubbers[service].client

    def says(
        self, operation: str, answer: dict[str, Any], asked: Any = None, of: str = "ec2"
    ) -> None:
        self(of)
        self.stubbers[of].add_response(operation, answer, asked)

    def refuses(
        self, operation: str, code: str, message: str = "No.", asked: Any = None, of: str = "ec2"
    ) -> None:
        self(of)
        self.stubbers[of].add_client_error(operation, code, message, expected_params=asked)

    def was_asked_everything(self) -> None:
        for stubber in self.stubbers.values():
            stubber.assert_no_pending_responses()


@pytest.fixture
def aws() -> Iterator[Aws]:
    stubbed = Aws()
    yield stubbed
    for stubber in stubbed.stubbers.values():
        stubber.client.close()


OPERATIONS = [
    ("DescribeImages", "describe_images"),
    ("DescribeInstanceTypes", "describe_instance_types"),
    ("DescribeInstances", "describe_instances"),
    ("DescribeKeyPairs", "describe_key_pairs"),
    ("DescribeNetworkInterfaces", "describe_network_interfaces"),
    ("DescribeRegions", "describe_regions"),
    ("DescribeSecurityGroupRules", "describe_security_group_rules"),
    ("DescribeSecurityGroups", "describe_security_groups"),
    ("DescribeSpotInstanceRequests", "describe_spot_instance_requests"),
    ("DescribeSubnets", "describe_subnets"),
    ("DescribeVolumes", "describe_volumes"),
    ("DescribeVpcs", "describe_vpcs"),
    ("StartInstances", "start_instances"),
    ("StopInstances", "stop_instances"),
    ("TerminateInstances", "terminate_instances"),
    ("CreateTags", "create_tags"),
    ("AuthorizeSecurityGroupIngress", "authorize_security_group_ingress"),
    ("RevokeSecurityGroupIngress", "revoke_security_group_ingress"),
    ("DeleteSecurityGroup", "delete_security_group"),
    ("DeleteKeyPair", "delete_key_pair"),
    ("DeleteVolume", "delete_volume"),
    ("DeleteNetworkInterface", "delete_network_interface"),
    ("CancelSpotInstanceRequests", "cancel_spot_instance_requests"),
    ("RunInstances", "run_instances"),
    ("CreateSecurityGroup", "create_security_group"),
    ("ImportKeyPair", "import_key_pair"),
]
"""Each permission of EC2 that renting needs, and the call it permits, in the order of asking."""
