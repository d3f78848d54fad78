"""What the doctor says of a cloud."""

from pathlib import Path
from typing import Any

import pytest

from offload.domain.errors import OffloadError
from offload.domain.machines import OWNER
from offload.domain.results import Json
from offload.drivers import settings
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.aws.tagging import marks
from offload.drivers.settings import Settings
from offload.usecases.provision import cloud_diagnosis
from tests.contexts import context
from tests.stubbed_aws import OPERATIONS, REGION, Aws, aws

__all__ = ["aws"]


@pytest.fixture
def configured(home: Path) -> Settings:
    return settings.load({"OFFLOAD_CACHE": str(home), "OFFLOAD_OFFLINE": "1"})


def looked_up(aws: Aws, vpc: str | None = "vpc-1") -> None:
    """Whose account it is, two quotas, and all that an offer needs."""
    aws.says("get_caller_identity", {"Arn": "arn:aws:iam::1:user/bee"}, of="sts")
    for value in (32.0, 0.0):
        aws.says("get_service_quota", {"Quota": {"Value": value}}, of="service-quotas")
    about: dict[str, Any] = {
        "InstanceType": "c7i.large",
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "VCpuInfo": {"DefaultVCpus": 2},
        "MemoryInfo": {"SizeInMiB": 4096},
    }
    aws.says("describe_instance_types", {"InstanceTypes": [about]})
    name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
    aws.says("get_parameters", {"Parameters": [{"Name": name, "Value": "ami-1"}]}, of="ssm")
    image = {"ImageId": "ami-1", "Architecture": "x86_64", "RootDeviceName": "/dev/xvda"}
    aws.says("describe_images", {"Images": [image]})
    aws.says("describe_vpcs", {"Vpcs": [{"VpcId": vpc}] if vpc else []})
    if vpc:
        aws.says("get_service_quota", {"Quota": {"Value": 32.0}}, of="service-quotas")


def diagnosed(aws: Aws, configured: Settings) -> tuple[Json, OffloadError | None]:
    made = context(configured, clouds=lambda _region, _profile: Cloud(aws, REGION))
    return cloud_diagnosis.facts(made, None, None)


def permitted(aws: Aws, *denied: str, without: str = "") -> None:
    for operation in LISTS:
        aws.says(operation, {})
    for _, operation in OPERATIONS:
        code = "UnauthorizedOperation" if operation in denied else "DryRunOperation"
        if operation != without:
            aws.refuses(operation, code)


LISTS = (
    "describe_spot_instance_requests", "describe_instances", "describe_volumes",
    "describe_network_interfaces", "describe_security_groups", "describe_key_pairs",
)  # fmt: skip


def test_where_nothing_is_missing_there_is_nothing_to_say(aws: Aws, configured: Settings) -> None:
    looked_up(aws)
    aws.refuses("run_instances", "DryRunOperation")
    permitted(aws)
    found, wrong = diagnosed(aws, configured)
    assert wrong is None
    assert found["quota"] == {"on demand": "32 vCPUs", "spot": "0 vCPUs"}
    assert found["default_network"] == "vpc-1"
    assert found["permissions"]["missing"] == found["permissions"]["unknown"] == []
    aws.was_asked_everything()


def test_whoever_has_no_default_network_asks_about_a_subnet(aws: Aws, configured: Settings) -> None:
    looked_up(aws, vpc=None)
    subnet = {"VpcId": "vpc-2", "AvailabilityZone": "eu-central-1b"}
    aws.stubbers["ec2"]._queue.pop()
    aws.says("describe_subnets", {"Subnets": [subnet]}, {"SubnetIds": ["subnet-1"]})
    aws.says("get_service_quota", {"Quota": {"Value": 32.0}}, of="service-quotas")
    aws.refuses("run_instances", "DryRunOperation")
    permitted(aws)
    made = context(configured, clouds=lambda _region, _profile: Cloud(aws, REGION))
    found, wrong = cloud_diagnosis.facts(made, None, None, "subnet-1")
    assert (found["network"], wrong) == ("vpc-2", None)
    assert found["machine"].endswith("AWS' Free plan does not have it")


def test_all_that_is_missing_is_named_at_once(aws: Aws, configured: Settings) -> None:
    looked_up(aws)
    aws.refuses("run_instances", "UnauthorizedOperation")
    permitted(aws, "run_instances", "import_key_pair", "terminate_instances")
    found, wrong = diagnosed(aws, configured)
    assert str(wrong) == "These credentials may not ec2:RunInstances, ec2:ImportKeyPair."
    assert wrong is not None
    assert wrong.exit_code == 1
    assert "offload doctor aws --policy" in wrong.hint
    assert found["permissions"]["unknown"] == ["ec2:TerminateInstances"]


def test_what_is_refused_for_another_reason_is_said(aws: Aws, configured: Settings) -> None:
    looked_up(aws)
    aws.refuses("run_instances", "PendingVerification", "Your account is being verified.")
    permitted(aws)
    found, wrong = diagnosed(aws, configured)
    assert "being verified" in str(wrong)
    assert found["refused"] == str(wrong)


def test_without_a_default_network_the_rest_is_still_looked_at(
    aws: Aws, configured: Settings
) -> None:
    looked_up(aws, vpc=None)
    permitted(aws, without="run_instances")
    found, wrong = diagnosed(aws, configured)
    assert "no default network" in str(wrong)
    assert found["permissions"]["unknown"] == ["ec2:RunInstances"]
    assert "ec2:TerminateInstances" in found["permissions"]["allowed"]
    aws.was_asked_everything()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "These credentials may not ec2:TerminateInstances."),
        ({OWNER: "bob-desk"}, "None"),  # which the policy keeps us from
    ],
)
def test_who_may_terminate_is_known_while_there_is_a_machine_of_ours(
    aws: Aws, configured: Settings, changed: dict[str, str], said: str
) -> None:
    looked_up(aws)
    aws.refuses("run_instances", "DryRunOperation")
    tags = [{"Key": key, "Value": value} for key, value in (marks("bee") | changed).items()]
    machine = {"InstanceId": "i-1", "Tags": tags}
    for operation in LISTS:
        there = {"Reservations": [{"Instances": [machine]}]}
        aws.says(operation, there if operation == "describe_instances" else {})
    for _, operation in OPERATIONS:
        denied = operation == "terminate_instances"
        aws.refuses(operation, "UnauthorizedOperation" if denied else "DryRunOperation")
    _, wrong = diagnosed(aws, configured)
    assert str(wrong) == said
