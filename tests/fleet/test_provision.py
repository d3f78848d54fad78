"""A fleet brought up and taken down, in moto's account; the engine only says that it built."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.machines import INFO_KEY
from offload.drivers.host import machine
from offload.usecases.provision.fleet_planning import FleetOptions
from offload.usecases.provision.fleets import listed, permissions
from tests.becoming import spawner
from tests.conftest import Offload
from tests.contexts import context
from tests.fleet.provisioned import NAME, Bench
from tests.functions.aws import REGION, Account, account
from tests.functions.bench import Clients, Cut, Engine

pytestmark = pytest.mark.xdist_group("fleet-provision")

ALL = {
    "repository", "bucket", "queue", "role", "instance profile", "security group",
    "launch template", "group of machines", "alarm",
}  # fmt: skip
UP = (
    "provision", "fleet", "--name", NAME, "--container-image", "ours:1", "-m", "builtin",
    "--offline",
)  # fmt: skip


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        yield one


@pytest.fixture
def bench(aws: Account, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    one = Bench(aws, Engine(aws))
    yield one
    one.agrees = True
    if one.there():
        one.down()
    assert not one.there()


def test_it_says_in_its_bucket_what_it_is_and_goes_without_a_trace(bench: Bench) -> None:
    up = bench.up()
    assert (up.name, up.most, up.instance_types, up.vcpus) == (NAME, 4, ("c7i.large",), 2)
    assert (up.model.name, up.labels[1], up.spot) == ("builtin", "person", False)
    assert bench.there() == ALL
    assert bench.engine.built == [{"RUNTIME": "tflite", "TARGET": "aws", "MODEL": "builtin"}]
    said = bench.account.client("s3").get_object(Bucket=up.bucket, Key=INFO_KEY)["Body"].read()
    assert json.loads(said)["queue_url"] == up.queue_url
    bench.account.client("s3").put_object(Bucket=up.bucket, Key="in/job/1", Body=b"x")
    assert bench.down()[-2:] == ["bucket", "repository"]


def test_the_same_again_pushes_nothing_and_what_is_left_out_stays(bench: Bench) -> None:
    bench.up(most=3, instance_type="c7i.large,c7a.large", spot=True, price_usd_per_h=0.04)
    up = bench.up(most=5)
    assert (up.most, up.spot, up.instance_types) == (5, True, ("c7i.large", "c7a.large"))
    assert len(bench.engine.built) == len(bench.engine.pushed) == 1
    plan = bench.plan(model="builtin")
    assert (plan.before, plan.most, plan.options.price_usd_per_h) == (up, 5, 0.04)
    assert not plan.options.container_image


def test_an_image_and_an_instance_profile_that_are_named_are_used_and_none_are_made(
    bench: Bench,
) -> None:
    bench.account.client("iam").create_instance_profile(InstanceProfileName="Lab")
    bench.up(container_image="ours:1", instance_profile="Lab")
    assert bench.there() == ALL - {"repository", "role", "instance profile"}
    assert not bench.engine.built
    assert bench.plan().options.container_image == "ours:1", "until a model is named"
    assert bench.plan(model="builtin").options.container_image is None


def test_a_client_that_is_gone_at_any_step_goes_on_and_down_leaves_nothing(bench: Bench) -> None:
    cut = 0
    for steps in range(3, 40, 5):
        with suppress(Cut):
            bench.up(Clients(bench.account, steps))
            break
        cut += 1
        assert bench.plan().before is None, "it is there once it says what it is"
    assert cut > 2
    assert bench.there() == ALL
    for steps in (0, 1, 3):
        bench.down(Clients(bench.account, steps), may_be_cut=True)
    bench.down()
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


def test_there_is_nothing_to_remove_of_a_fleet_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(UsageError, match="There is no fleet photos of offload's in us-east-1"):
        bench.down()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "Photos!"}, "A fleet cannot be called 'Photos!'"),
        ({"name": "a-name-that-is-too-long-for-buckets"}, "20 at most"),
        ({"instance_type": " , "}, "--instance-type names no type"),
        ({"on_demand": 2}, "--on-demand-base needs --spot"),
    ],
)
def test_what_aws_would_refuse_is_refused_before(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        FleetOptions(**given)
    assert refused.value.hint


def test_machines_that_differ_are_no_fleet(bench: Bench) -> None:
    with pytest.raises(UsageError, match="same processor and number of vCPUs") as refused:
        bench.plan(instance_type="c7i.large,c7i.xlarge")
    assert "--instance-type c7i.large" in refused.value.hint


def test_an_engine_that_builds_for_other_machines_is_one_sentence_and_nothing_is_made(
    bench: Bench,
) -> None:
    bench.engine.arch = "arm64"
    with pytest.raises(UsageError, match="images are for arm64, the machine is x86_64"):
        bench.up()
    assert not bench.there()


class Quota(Clients):
    """Whose account may have so many vCPUs."""

    vcpus = 5.0

    def __call__(self, service: str) -> Any:
        if service == "service-quotas":
            return self
        return super().__call__(service)

    def get_service_quota(self, **_asked: Any) -> Any:
        return {"Quota": {"Value": self.vcpus}}


def test_more_machines_than_the_quota_allows_are_refused_and_by_default_none_are_asked_for(
    bench: Bench,
) -> None:
    clients = Quota(bench.account)
    assert bench.plan(clients).most == 2
    with pytest.raises(PlaceUnavailable, match="is 5 vCPUs of such spot machines") as refused:
        bench.plan(clients, most=19, spot=True)
    assert "19 of type c7i.large take 38." in str(refused.value)
    assert refused.value.hint.startswith("For fewer: --max 2. To ask for more: aws service-quotas")


def test_its_machines_are_listed_with_what_they_cost(bench: Bench) -> None:
    up = bench.up(container_image="ours:1", price_usd_per_h=3600.0)
    grow = bench.account.client("autoscaling").set_desired_capacity
    grow(AutoScalingGroupName=f"offload-fleet-{NAME}", DesiredCapacity=1)
    [fleet] = listed(bench.context(), (), None, connect=bench.connect())
    assert fleet.info == up
    [row] = fleet.machines
    assert row.machine is not None
    assert (row.machine.state, row.machine.instance_type) == ("running", "c7i.large")
    assert row.usd is not None
    assert row.age_s is not None
    assert row.usd == pytest.approx(row.age_s, rel=0.01)
    # moto, unlike AWS, spares protected machines of a group that is deleted by force.
    bench.account.client("autoscaling").set_instance_protection(
        AutoScalingGroupName=f"offload-fleet-{NAME}", InstanceIds=[row.machine.id],
        ProtectedFromScaleIn=False,
    )  # fmt: skip


class Refusing(Clients):
    """Whose account does not permit one operation."""

    def __init__(self, account: Account, service: str, operation: str, action: str) -> None:
        super().__init__(account)
        self.refused, self.action = (service, operation), action

    def __call__(self, service: str) -> Any:
        client = super().__call__(service)
        if service == self.refused[0]:
            text = f"not authorized to perform: {self.action} on resource: *"
            said = {"Error": {"Code": "AccessDenied", "Message": text}}

            def refuse(*_asked: Any, **_how: Any) -> Any:
                raise ClientError(said, self.refused[1])

            client.__dict__[self.refused[1]] = refuse
        return client


@pytest.mark.parametrize(
    ("service", "operation", "action", "hint"),
    [
        ("iam", "create_role", "iam:CreateRole", "--instance-profile NAME"),
        ("autoscaling", "create_auto_scaling_group", "autoscaling:CreateAutoScalingGroup",
         "offload provision fleet --plan"),
        ("cloudwatch", "put_metric_alarm", "cloudwatch:PutMetricAlarm",
         "offload provision fleet --plan"),
    ],
)  # fmt: skip
def test_what_aws_refuses_is_one_sentence_and_a_command(
    bench: Bench, service: str, operation: str, action: str, hint: str
) -> None:
    with pytest.raises(OffloadError) as raised:
        bench.up(Refusing(bench.account, service, operation, action), container_image="ours:1")
    assert str(raised.value) == f"These credentials may not {action}."
    assert hint in raised.value.hint


def test_who_may_list_no_fleets_is_told_so_and_the_doctor_says_what_is_missing(
    bench: Bench,
) -> None:
    action = "autoscaling:DescribeAutoScalingGroups"
    asked = ("autoscaling", "describe_auto_scaling_groups", action)
    refusing = bench.connect(Refusing(bench.account, *asked))
    told: list[str] = []
    assert listed(context(warn=told.append), (), None, connect=refusing) == []
    assert told == [f"Fleets are not listed: These credentials may not {action}."]
    found = permissions(context(), None, None, refusing)
    assert found["missing"] == [action]
    assert {"iam:GetInstanceProfile", "sqs:ListQueues"} < {*found["allowed"]}


def test_a_plan_creates_nothing_and_says_what_it_costs(bench: Bench, offload: Offload) -> None:
    done = offload(*UP, "--max", 19, "--spot", "--plan")
    assert done.returncode == 0, done.stderr
    assert "photos: a fleet of up to 19 spot instances in us-east-1, c7i.large" in done.stdout
    assert not bench.there()
    refused = offload(*UP)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith("--yes")


def killed_at(bench: Bench, request: int, *words: str) -> None:
    """Begin a command, and kill it once its request of that number is done, before it is told."""
    is_there, is_over, count = threading.Event(), threading.Event(), 0

    def done(_what: str) -> None:
        nonlocal count
        count += 1
        if count == request:
            is_there.set()
            is_over.wait()

    bench.account.watched.done = done
    with spawner().begin(words) as begun:
        while not is_there.wait(0.02):
            assert begun.poll() is None, begun.stderr.read()
        begun.kill()
        assert begun.wait() == -signal.SIGKILL
    is_over.set()
    bench.account.watched.done = lambda _what: None


def test_killed_it_goes_on_machines_lists_it_and_down_takes_it_away(
    bench: Bench, offload: Offload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    killed_at(bench, 40, *UP, "--yes")
    done = offload(*UP, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fleet"]["most"] == 4
    assert bench.there() == ALL - {"repository"}
    [row] = json.loads(offload("machines", "--json").stdout)["fleets"]
    assert (row["name"], row["machines"]) == (NAME, [])
    stays = f"The fleet stays; to remove it: offload down fleet:{NAME} --region {REGION}"
    assert offload("down").stdout.splitlines() == [stays]
    killed_at(bench, 20, "down", "--all")
    done = offload("down", "--all")
    assert (done.returncode, bench.there()) == (0, set()), done.stderr
