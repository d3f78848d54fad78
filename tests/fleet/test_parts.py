"""What a fleet consists of, made and removed in moto's account."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import FleetInfo, Offer, Spec
from offload.domain.ports import ModelIdentity
from offload.drivers.aws.fleet.parts import FleetParts, FleetSpec, called, marks
from offload.drivers.aws.fleet.policies import backlog, steps
from tests.functions.aws import REGION, Account, account
from tests.functions.bench import Clients, Cut

NAME = "photos"
TITLE = called(NAME)
SEEN = "seen"
KINDS = [
    "alarm", "group of machines", "launch template", "security group", "instance profile", "role",
    "queue", "queue", "bucket",
]  # fmt: skip


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        yield one


@pytest.fixture(scope="module")
def spec(aws: Account) -> FleetSpec:
    ec2 = aws.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    ami = ec2.describe_images()["Images"][0]["ImageId"]
    disk = ("/dev/xvda", 16, "ec2-user", True)
    offers = [
        Offer(Spec(NAME, REGION, kind, ()), ami, "x86_64", 2, 4.0, *disk, vpc)
        for kind in ("c7i.large", "c6i.large")
    ]
    return FleetSpec(NAME, "offload:aws", tuple(offers), 3, spot=False)


@pytest.fixture
def fleet(aws: Account) -> Iterator[FleetParts]:
    one = parts(Clients(aws))
    yield one
    down(one)
    assert not [*one.resources(NAME)]


@pytest.fixture(scope="module")
def up(aws: Account, spec: FleetSpec) -> tuple[str, str, str]:
    """The bucket and the queues of a fleet that is only looked at."""
    return parts(Clients(aws)).bring_up(replace(spec, name=SEEN), marks(SEEN))


def parts(clients: Any) -> FleetParts:
    return FleetParts(clients, REGION, lambda _s: None)


def down(one: FleetParts) -> list[str]:
    """The kinds of what was removed."""
    found = [*one.resources(NAME)]
    for each in found:
        one.remove(each)
    return [each.kind for each in found]


def group(aws: Account, name: str = NAME) -> Any:
    asked = {"AutoScalingGroupNames": [called(name)]}
    [said] = aws.client("autoscaling").describe_auto_scaling_groups(**asked)["AutoScalingGroups"]
    return said


def versions(aws: Account, name: str = NAME) -> list[Any]:
    ec2 = aws.client("ec2")
    said = ec2.describe_launch_template_versions(LaunchTemplateName=called(name))
    found: list[Any] = said["LaunchTemplateVersions"]
    return found


def test_all_is_made_carries_the_tag_and_goes_without_a_trace(
    aws: Account, fleet: FleetParts, spec: FleetSpec
) -> None:
    bucket, queue_url, dead_url = fleet.bring_up(spec, marks(NAME))
    assert (queue_url.rpartition("/")[2], dead_url.rpartition("/")[2]) == (TITLE, f"{TITLE}-dead")
    assert bucket == f"{TITLE}-123456789012-{REGION}"
    fleet.repository(NAME, marks(NAME))
    answers = aws.client("sqs").create_queue(QueueName=f"{TITLE}-answers-1", tags=marks(NAME))
    aws.client("s3").put_object(Bucket=bucket, Key="in/job/0", Body=b"left")
    aws.client("autoscaling").set_desired_capacity(AutoScalingGroupName=TITLE, DesiredCapacity=2)
    assert [each.kind for each in fleet.resources(NAME)] == [*KINDS[:7], "queue", *KINDS[7:],
                                                             "repository"]  # fmt: skip
    assert answers["QueueUrl"] in {each.id for each in fleet.resources(NAME)}
    assert {each.name for each in fleet.machines(NAME)} == {NAME}
    down(fleet)
    assert not [*fleet.resources(NAME)]
    assert not fleet.machines(NAME)
    tagged = aws.client("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": "offload:fleet"}]
    )
    left = [each["ResourceARN"] for each in tagged["ResourceTagMappingList"]]
    # EC2 forgets machines in an hour.
    assert not [arn for arn in left if TITLE in arn and ":instance/" not in arn]


def test_what_belongs_to_somebody_else_is_left_alone(
    aws: Account, fleet: FleetParts, spec: FleetSpec
) -> None:
    sqs = aws.client("sqs")
    foreign = sqs.create_queue(QueueName=f"{TITLE}-answers-2")["QueueUrl"]
    with pytest.raises(UsageError, match="that offload did not make") as refused:
        fleet.info(NAME)
    assert "--name NAME" in refused.value.hint
    assert down(fleet) == []
    sqs.delete_queue(QueueUrl=foreign)
    del spec


def test_looking_takes_permissions_to_look_only(aws: Account) -> None:
    clients = Clients(aws)
    assert set(parts(clients).permissions(NAME).values()) == {"allowed"}
    assert clients.made == []


def test_the_same_again_changes_nothing(aws: Account, fleet: FleetParts, spec: FleetSpec) -> None:
    first = fleet.bring_up(spec, marks(NAME))
    before = (group(aws), versions(aws))
    assert fleet.bring_up(spec, marks(NAME)) == first
    assert (group(aws), versions(aws)) == before


def test_what_is_asked_for_otherwise_is_changed_and_machines_stay(
    aws: Account, fleet: FleetParts, spec: FleetSpec
) -> None:
    fleet.bring_up(spec, marks(NAME))
    aws.client("autoscaling").set_desired_capacity(AutoScalingGroupName=TITLE, DesiredCapacity=1)
    fleet.bring_up(replace(spec, image="offload:2", most=5), marks(NAME))
    assert [each["VersionNumber"] for each in versions(aws)] == [1, 2]
    assert (group(aws)["DesiredCapacity"], group(aws)["MaxSize"]) == (1, 5)


def test_the_group_starts_with_nothing_and_ends_no_machine(
    aws: Account, up: tuple[str, str, str]
) -> None:
    said = group(aws, SEEN)
    assert (said["MinSize"], said["DesiredCapacity"], said["MaxSize"]) == (0, 0, 3)
    assert said["NewInstancesProtectedFromScaleIn"]
    assert [each["ProcessName"] for each in said["SuspendedProcesses"]] == ["AZRebalance"]
    policy = said["MixedInstancesPolicy"]
    overrides = policy["LaunchTemplate"]["Overrides"]
    assert [each["InstanceType"] for each in overrides] == ["c7i.large", "c6i.large"]
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 100
    tags = {each["Key"]: each["PropagateAtLaunch"] for each in said["Tags"]}
    assert tags == {"Name": True, "offload:fleet": True, "offload:owner": True}
    subnets = aws.client("ec2").describe_subnets()["Subnets"]
    # Other tests of this process may have made some in the same account.
    usual = {each["SubnetId"] for each in subnets if each["DefaultForAz"]}
    used = set(said["VPCZoneIdentifier"].split(","))
    assert usual
    assert usual <= used <= {each["SubnetId"] for each in subnets}


def test_spot_machines_have_as_many_on_demand_below_them_as_are_asked_for(
    aws: Account, fleet: FleetParts, spec: FleetSpec
) -> None:
    fleet.bring_up(replace(spec, spot=True, on_demand=1), marks(NAME))
    spread = group(aws)["MixedInstancesPolicy"]["InstancesDistribution"]
    assert spread["OnDemandBaseCapacity"] == 1
    assert spread["OnDemandPercentageAboveBaseCapacity"] == 0
    assert spread["SpotAllocationStrategy"] == "price-capacity-optimized"


def test_a_machine_lets_nothing_in_and_keeps_its_credentials_from_containers(
    aws: Account, up: tuple[str, str, str]
) -> None:
    data = versions(aws, SEEN)[0]["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert data["IamInstanceProfile"] == {"Name": f"{called(SEEN)}-{REGION}"}
    [card] = data["NetworkInterfaces"]
    assert "SubnetId" not in card
    ec2 = aws.client("ec2")
    [security] = ec2.describe_security_groups(GroupIds=card["Groups"])["SecurityGroups"]
    assert security["IpPermissions"] == []
    assert f"GROUP={called(SEEN)}" in base64.b64decode(data["UserData"]).decode()


def test_a_named_instance_profile_is_used_and_none_is_made(
    aws: Account, fleet: FleetParts, spec: FleetSpec
) -> None:
    fleet.bring_up(replace(spec, instance_profile="LabInstanceProfile"), marks(NAME))
    data = versions(aws)[0]["LaunchTemplateData"]
    assert data["IamInstanceProfile"] == {"Name": "LabInstanceProfile"}
    assert not {"role", "instance profile"} & {each.kind for each in fleet.resources(NAME)}


def test_the_role_may_use_what_is_the_fleets_and_nothing_else(
    aws: Account, up: tuple[str, str, str]
) -> None:
    iam, role = aws.client("iam"), f"{called(SEEN)}-{REGION}"
    [only] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=only)["PolicyDocument"]
    may = {action: each["Resource"] for each in policy["Statement"] for action in each["Action"]}
    assert set(may) == {
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes", "sqs:SendMessage", "s3:ListBucket", "s3:GetObject",
        "s3:PutObject", "ecr:GetAuthorizationToken", "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer", "autoscaling:TerminateInstanceInAutoScalingGroup",
    }  # fmt: skip
    assert [what for what, where in may.items() if where == ["*"]] == ["ecr:GetAuthorizationToken"]
    assert all(called(SEEN) in arn for where in may.values() for arn in where if arn != "*")
    assert [arn.rpartition("/")[2] for arn in may["s3:PutObject"]] == ["*"]
    assert may["s3:PutObject"][0].endswith("/rows/*")


def test_the_queue_buries_after_four_receives_and_the_bucket_forgets_after_a_week(
    aws: Account, up: tuple[str, str, str]
) -> None:
    bucket, queue_url, _ = up
    asked = {"QueueUrl": queue_url, "AttributeNames": ["All"]}
    said = aws.client("sqs").get_queue_attributes(**asked)["Attributes"]
    assert said["VisibilityTimeout"] == "60"
    redrive = json.loads(said["RedrivePolicy"])
    assert int(redrive["maxReceiveCount"]) == 20
    assert redrive["deadLetterTargetArn"].endswith(f":{called(SEEN)}-dead")
    s3 = aws.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    kept = {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules}
    assert kept == {"in/": 7, "rows/": 7}
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}


def test_it_says_what_it_is(aws: Account, fleet: FleetParts, spec: FleetSpec) -> None:
    assert fleet.info(NAME) is None
    bucket, queue_url, dead_url = fleet.bring_up(spec, marks(NAME))
    assert fleet.info(NAME) is None
    assert fleet.fleets() == []
    info = FleetInfo(
        NAME, REGION, "1.0", ModelIdentity("builtin", "tflite", "ab" * 32), {1: "cat"}, 0.5,
        ("c7i.large",), 2, 0.09, False, 3, bucket, queue_url, dead_url,
    )  # fmt: skip
    fleet.tell(info)
    assert fleet.info(NAME) == info
    assert fleet.fleets() == [info]


def test_a_client_that_is_killed_at_any_step_goes_on_and_nothing_is_left(
    aws: Account, fleet: FleetParts, spec: FleetSpec
) -> None:
    steps_up = killed_at_each(aws, lambda one: one.bring_up(spec, marks(NAME)))
    assert steps_up >= 12
    assert [each.kind for each in fleet.resources(NAME)] == KINDS
    # Of what is gone nothing is asked to go, so each time less is left.
    assert killed_at_each(aws, down) >= 4
    assert not [*fleet.resources(NAME)]


def killed_at_each(aws: Account, work: Callable[[FleetParts], object]) -> int:
    """Each time one step later than before; how often, until nothing was left to do."""
    for count in range(40):
        try:
            work(parts(Clients(aws, count)))
        except Cut:
            continue
        return count
    raise AssertionError


class Late(Clients):
    """Whose AWS does not know at first what an operation rests on."""

    def __init__(self, account: Account, service: str, operation: str, message: str) -> None:
        super().__init__(account)
        self.late, self.refusals = (service, operation), [OffloadError(message)] * 3

    def __call__(self, service: str) -> Any:
        client = super().__call__(service)
        if service == self.late[0]:
            call = getattr(client, self.late[1])

            def later(**asked: Any) -> Any:
                if self.refusals:
                    raise self.refusals.pop()
                return call(**asked)

            client.__dict__[self.late[1]] = later
        return client


@pytest.mark.parametrize(
    ("service", "operation", "message"),
    [
        ("autoscaling", "create_auto_scaling_group",
         "AWS refuses CreateAutoScalingGroup: Invalid IAM Instance Profile name."),
        ("iam", "add_role_to_instance_profile",
         "AWS refuses it: The role with name x cannot be found."),
        ("sqs", "create_queue", "AWS refuses it: You must wait 60 seconds after deleting a queue."),
    ],
)  # fmt: skip
def test_what_was_made_or_removed_just_now_is_waited_for(
    aws: Account, fleet: FleetParts, spec: FleetSpec, service: str, operation: str, message: str
) -> None:
    late = Late(aws, service, operation, message)
    parts(late).bring_up(spec, marks(NAME))
    assert not late.refusals
    assert [each.kind for each in fleet.resources(NAME)] == KINDS


def test_a_group_is_deleted_once_and_waited_for_before_what_its_machines_have(
    aws: Account, fleet: FleetParts, spec: FleetSpec
) -> None:
    fleet.bring_up(spec, marks(NAME))
    clients = Ending(aws)
    one = parts(clients)
    found = [*one.resources(NAME)]
    machines = found[KINDS.index("group of machines")]
    one.remove(machines)
    one.remove(machines)
    assert clients.made.count("delete_auto_scaling_group") == 1
    assert clients.rounds == 0


class Ending(Clients):
    """Whose group is a while about its end."""

    rounds = 3

    def __call__(self, service: str) -> Any:
        client = super().__call__(service)
        if service == "autoscaling" and "delete_auto_scaling_group" in self.made and self.rounds:

            def ending(**_asked: Any) -> Any:
                self.rounds -= 1
                return {"AutoScalingGroups": [{"Status": "Delete in progress"}]}

            client.__dict__["describe_auto_scaling_groups"] = ending
        return client


def test_the_first_image_brings_a_machine_and_more_bring_more() -> None:
    enough = 100

    def ahead(visible: int, flying: int, wanted: int) -> float:
        """What the alarm looks at."""
        said: dict[str, Any] = {"visible": visible, "flying": flying, "wanted": wanted}
        for query in backlog(TITLE, enough):
            if "Expression" in query:
                text = query["Expression"]
                said[query["Id"]] = eval(text, {"FILL": lambda series, _none: series}, said)
        return float(said["each"])

    def coming(visible: int, flying: int, wanted: int) -> int:
        above = ahead(visible, flying, wanted) - enough
        return sum(
            int(step["ScalingAdjustment"])
            for step in steps(enough)
            if step["MetricIntervalLowerBound"] <= above < step.get("MetricIntervalUpperBound", 1e9)
        )

    assert coming(0, 0, 0) == 0
    assert coming(1, 0, 0) == 1
    assert coming(1, 1, 1) == 0
    assert coming(80, 10, 1) == 0
    assert coming(90, 10, 1) == 1
    assert coming(1000, 0, 0) == 8
    assert coming(1000, 0, 10) == 1
