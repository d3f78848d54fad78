"""What a batch takes at AWS Batch, brought up and taken down, in moto's account; the engine only
says that it built.
"""

import json
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from offload.domain.errors import PlaceUnavailable, UsageError
from offload.drivers.aws.batch.spec import called
from offload.drivers.host import machine
from tests.aws_batch.bench import BUCKET, NAME, Bench
from tests.functions.aws import Account
from tests.functions.bench import Clients, Cut

pytestmark = pytest.mark.xdist_group("aws-batch")

ALL = {
    "repository", "role", "instance profile", "log group", "security group", "compute environment",
    "job queue", "job definition",
}  # fmt: skip


class Refusing(Clients):
    """Clients of an account that refuses one operation of one service."""

    def __init__(self, account: Account, service: str, operation: str, action: str) -> None:
        super().__init__(account)
        self.refused = service, operation, action

    def __call__(self, service: str) -> Any:
        client = super().__call__(service)
        return _Refusing(client, *self.refused[1:]) if service == self.refused[0] else client


class _Refusing:
    def __init__(self, client: Any, operation: str, action: str) -> None:
        self._client, self._operation, self._action = client, operation, action

    def __getattr__(self, operation: str) -> Any:
        if operation != self._operation:
            return getattr(self._client, operation)

        def refuse(**_asked: Any) -> Any:
            said = f"User: u is not authorized to perform: {self._action}"
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": said}}, operation)

        return refuse


def test_all_that_it_takes_is_there_and_goes_without_a_trace(bench: Bench) -> None:
    bench.up(most=20, spot=True)
    assert bench.there() == ALL
    assert bench.engine.built == [{"RUNTIME": "tflite", "TARGET": "aws", "MODEL": "builtin"}]
    spot, on_demand = sorted(bench.environments(), key=lambda e: -e["computeResources"]["maxvCpus"])
    assert (spot["computeResources"]["type"], spot["computeResources"]["maxvCpus"]) == ("SPOT", 36)
    assert on_demand["computeResources"]["type"] == "EC2"
    assert on_demand["computeResources"]["maxvCpus"] == 4
    assert spot["computeResources"]["minvCpus"] == 0
    assert spot["computeResources"]["instanceTypes"] == ["c7i.large", "c6i.large", "c7a.large"]
    assert bench.down() == [
        "job queue", "compute environment", "compute environment", "job definition",
        "security group", "instance profile", "role", "role", "log group", "repository",
    ]  # fmt: skip


def test_a_container_has_what_any_of_the_machines_has_left_and_is_tried_again_by_reason(
    bench: Bench,
) -> None:
    bench.up(container_image="ours:1")
    asked = {"jobDefinitionName": called(NAME), "status": "ACTIVE"}
    [said] = bench.account.client("batch").describe_job_definitions(**asked)["jobDefinitions"]
    needs = {
        r["type"]: int(r["value"]) for r in said["containerProperties"]["resourceRequirements"]
    }
    assert needs == {"VCPU": 2, "MEMORY": 3481}
    first, *_, last = said["retryStrategy"]["evaluateOnExit"]
    assert (first["onStatusReason"], first["action"].upper()) == ("Host EC2*", "RETRY")
    assert (last["onReason"], last["action"].upper()) == ("*", "EXIT")


def test_containers_may_use_just_the_prefixes_of_the_batch(bench: Bench) -> None:
    bench.up(container_image="ours:1")
    iam = bench.account.client("iam")
    [role] = [r["RoleName"] for r in iam.list_roles()["Roles"] if r["RoleName"].endswith("-job")]
    policy = iam.get_role_policy(RoleName=role, PolicyName="own")["PolicyDocument"]
    may = {
        action: each["Resource"]
        for each in policy["Statement"]
        for action in each["Action"]
        if action != "s3:ListBucket"
    }
    assert may["s3:PutObject"] == [f"arn:aws:s3:::{BUCKET}/out/*"]
    assert may["s3:GetObject"] == [f"arn:aws:s3:::{BUCKET}/in/*"]
    assert json.dumps(policy).count("s3:PutObject") == 1


def test_the_same_again_changes_nothing_and_another_maximum_is_taken_over(bench: Bench) -> None:
    bench.up(most=3)
    clients = Clients(bench.account)
    bench.up(clients, most=3)
    assert not {"create_compute_environment", "update_compute_environment", "update_job_queue"} & {
        *clients.made
    }
    assert len(bench.engine.built) == len(bench.engine.pushed) == 1
    clients = Clients(bench.account)
    bench.up(clients, most=5)
    assert clients.made.count("update_compute_environment") == 1


def test_an_image_and_an_instance_profile_that_are_named_are_used_and_none_are_made(
    bench: Bench,
) -> None:
    iam = bench.account.client("iam")
    iam.create_instance_profile(InstanceProfileName="LabBatch")
    bench.up(container_image="ours:1", instance_profile="LabBatch")
    assert bench.there() == ALL - {"repository", "role", "instance profile"}
    assert not bench.engine.built
    iam.delete_instance_profile(InstanceProfileName="LabBatch")


def test_a_client_that_is_gone_at_any_step_goes_on_and_down_leaves_nothing(bench: Bench) -> None:
    cut = 0
    for steps in range(1, 40, 3):
        with suppress(Cut):
            bench.up(Clients(bench.account, steps), spot=True, most=20)
            break
        cut += 1
    assert cut > 2
    assert bench.there() == ALL
    for steps in (0, 1, 3):
        bench.down(Clients(bench.account, steps), may_be_cut=True)
    bench.down()
    assert not bench.there()


def service_roles(bench: Bench) -> list[str]:
    """Those by which Batch acts for the account."""
    path = "/aws-service-role/batch.amazonaws.com/"
    listed = bench.account.client("iam").list_roles(PathPrefix=path)["Roles"]
    return [role["RoleName"] for role in listed]


def test_an_account_without_the_service_role_gets_one_or_is_told_who_can_make_it(
    bench: Bench,
) -> None:
    iam = bench.account.client("iam")
    for role in service_roles(bench):
        iam.delete_role(RoleName=role)
    refusing = Refusing(
        bench.account, "iam", "create_service_linked_role", "iam:CreateServiceLinkedRole"
    )
    with pytest.raises(
        PlaceUnavailable, match="The account lacks the role AWSServiceRoleForBatch"
    ) as no:
        bench.up(refusing, container_image="ours:1")
    assert no.value.hint.endswith(
        "aws iam create-service-linked-role --aws-service-name batch.amazonaws.com"
    )
    bench.up(container_image="ours:1")
    assert len(service_roles(bench)) == 1


def test_an_account_that_may_make_no_roles_is_told_of_the_way_without(bench: Bench) -> None:
    refusing = Refusing(bench.account, "iam", "create_role", "iam:CreateRole")
    with pytest.raises(PlaceUnavailable, match="may not iam:CreateRole") as no:
        bench.up(refusing, container_image="ours:1")
    assert no.value.hint == "To use one that is there: --instance-profile NAME"


def test_a_subnet_without_a_way_out_is_refused_before_anything_is_made(bench: Bench) -> None:
    ec2 = bench.account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    with pytest.raises(PlaceUnavailable, match=f"The subnet {subnet} has no route out") as no:
        bench.plan(subnet=subnet)
    assert no.value.hint == "For another network: --subnet ID"
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    [table] = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])[
        "RouteTables"
    ]
    way = {"RouteTableId": table["RouteTableId"], "GatewayId": gateway}
    ec2.create_route(DestinationCidrBlock="0.0.0.0/0", **way)
    with pytest.raises(PlaceUnavailable, match=f"The subnet {subnet} gives machines no public"):
        bench.plan(subnet=subnet)
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    assert bench.plan(subnet=subnet).most == 4
    assert not bench.there()


def test_what_somebody_else_made_goes_only_if_that_is_agreed_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(machine, "owner", lambda: "bob-desk")
        bench.up(container_image="ours:1")
    bench.agrees = False
    assert bench.down() == []
    assert bench.there()


def test_there_is_nothing_to_remove_of_a_batch_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(UsageError, match="There is no batch herd of offload's in us-"):
        bench.down()


def test_a_queue_that_offload_did_not_make_is_left_alone(bench: Bench) -> None:
    ec2 = bench.account.client("ec2")
    group = ec2.create_security_group(GroupName=called(NAME), Description="Somebody's")["GroupId"]
    with pytest.raises(UsageError, match=f"a security group {group} in us-east-1 that offload did"):
        bench.plan()
    ec2.delete_security_group(GroupId=group)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"out": "rows/"}, "write to S3, and 'rows/' is not there"),
        ({"source": "gs://bucket/"}, "read from S3 or the web, and 'gs://bucket/' is neither"),
        ({"source": "photos/"}, "read from S3 or the web, and 'photos/' is neither"),
        ({"on_demand": 3}, "--on-demand-base needs --spot"),
        ({"instance_type": " , "}, "--instance-type names no type"),
    ],
)
def test_what_machines_at_aws_cannot_use_is_refused(
    bench: Bench, given: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(UsageError, match=wrong):
        bench.wish(**given)


@pytest.mark.parametrize("name", ["photos", "My photos, 2026!", "x" * 100, "bilder-ä", "—"])
def test_parts_are_called_so_that_aws_takes_it_whatever_the_batch_is_called(name: str) -> None:
    title = called(name)
    assert title.isascii()
    assert len(f"{title}-ap-northeast-3-job") <= 64
    assert not title.endswith("-")
    assert called("photos") == "offload-batch-photos"
