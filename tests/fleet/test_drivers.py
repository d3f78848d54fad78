"""A fleet's queues, bucket, group and machines, at moto's AWS; stubbed where that cannot."""

import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.response import StreamingBody

from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, Unanswered
from offload.domain.machines import Backlog, FleetInfo, Message, Size
from offload.domain.ports import ModelIdentity
from offload.drivers.aws.calls import NoCapacity, NotAllowed, QuotaUsedUp
from offload.drivers.aws.fleet import asking
from offload.drivers.aws.fleet.group import AutoScalingGroup
from offload.drivers.aws.fleet.member import Ec2Member
from offload.drivers.aws.fleet.objects import S3Store, read_info, store_of, write_info
from offload.drivers.aws.fleet.queues import SqsQueue, SqsQueues, region_of
from offload.drivers.aws.lookup import Clients
from offload.service.queued.ports import MachineGroup, ObjectStore, OwnMachine, Queue, Queues
from tests.functions.aws import REGION, Account, account
from tests.stubbed_aws import Aws

ACCOUNT_ID = "123456789012"
URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/q"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
INFO = FleetInfo(
    "photos", REGION, "1.0", ModelIdentity("builtin", "tflite", "ab" * 32), {1: "cat"}, 0.5,
    ("c7i.large", "c6i.large"), 2, 0.09, True, 19, "bucket", "queue", "dead",
)  # fmt: skip


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        yield one


@pytest.fixture
def stubs() -> Iterator[Aws]:
    """Clients that answer as they are told to."""
    stubbed = Aws()
    yield stubbed
    for stubber in stubbed.stubbers.values():
        stubber.client.close()


@pytest.fixture
def clients(aws: Account) -> Clients:
    """Made once for all, as they take a while."""
    return aws.client


@pytest.fixture
def queue(clients: Clients) -> Iterator[SqsQueue]:
    queues = SqsQueues(clients("sqs"))
    one = queues.made("answers", {"offload:fleet": "photos"})
    yield one
    queues.remove(one)


@pytest.fixture
def store(clients: Clients) -> Iterator[S3Store]:
    one = store_of(clients, "photos", REGION)
    clients("s3").create_bucket(Bucket=one.bucket)
    yield one
    for key in one.keys(""):
        one.delete(key)
    clients("s3").delete_bucket(Bucket=one.bucket)


@pytest.fixture
def group(clients: Clients) -> Iterator[AutoScalingGroup]:
    """One of at most three machines, none of which there is."""
    ec2, scaling = clients("ec2"), clients("autoscaling")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    template = {"ImageId": image, "InstanceType": "c7i.large"}
    ec2.create_launch_template(LaunchTemplateName="fleet", LaunchTemplateData=template)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="g", MinSize=0, MaxSize=3, DesiredCapacity=0,
        LaunchTemplate={"LaunchTemplateName": "fleet"}, AvailabilityZones=[f"{REGION}a"],
        NewInstancesProtectedFromScaleIn=True,
    )  # fmt: skip
    yield AutoScalingGroup(clients, "g")
    scaling.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    ec2.delete_launch_template(LaunchTemplateName="fleet")


def test_the_drivers_are_what_both_ends_of_a_queue_ask_for(
    clients: Clients, queue: SqsQueue, store: S3Store, group: AutoScalingGroup
) -> None:
    member = Ec2Member(clients("autoscaling"), "i-1")
    assert names(queue, SqsQueues(clients("sqs")), store, group, member) == (queue.url, "i-1")


def names(
    queue: Queue, queues: Queues, store: ObjectStore, group: MachineGroup, member: OwnMachine
) -> tuple[str, str]:
    """What they are called, if types agree."""
    assert store
    assert group
    return queues(queue.url).url, member.id


def test_a_message_is_hidden_given_again_and_deleted(queue: SqsQueue) -> None:
    queue.send("task", {"reason": "", "who": "machine"})
    (first,) = queue.receive(20, 0)
    assert (first.body, first.receives) == ("task", 1)
    assert queue.backlog() == Backlog(0, 1)
    assert queue.receive(1, 0) == []
    queue.extend(first, 0)
    (again,) = queue.receive(1, 25)
    assert (again.body, again.receives) == ("task", 2)
    queue.delete(again)
    queue.delete(again)
    queue.extend(again, 60)
    assert queue.backlog() == Backlog(0, 0)


def test_what_a_queue_keeps_is_read_once_with_its_attributes(queue: SqsQueue) -> None:
    for number in range(12):
        queue.send(f"task {number}", {"reason": "x" * 2000})
    kept = dict(queue.kept())
    assert sorted(kept) == sorted(f"task {number}" for number in range(12))
    assert {len(notes["reason"]) for notes in kept.values()} == {1000}


def test_several_threads_share_a_queue_and_each_message_is_one_threads(
    aws: Account, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    connect, region = asking.connected(connections=4)
    assert region == REGION
    queues = SqsQueues(connect("sqs"))
    queue = queues.made("shared", {})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: queue.send(str(number)), range(40)))
        taken: list[str] = []
        lock = threading.Lock()

        def take(_: int) -> None:
            for message in queue.receive(10, 0):
                queue.delete(message)
                with lock:
                    taken.append(message.body)

        list(pool.map(take, range(40)))
    assert sorted(taken, key=int) == [str(number) for number in range(40)]
    queues.remove(queue)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-central-1.amazonaws.com/123456789012/q", "eu-central-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/q", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", "cn-north-1"),
        ("https://sqs.ap-southeast-2.api.aws/123456789012/q", "ap-southeast-2"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/q", "eu-west-1"),
        ("https://vpce-0a1.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q", "eu-west-1"),
        ("http://127.0.0.1:5000/123456789012/q", None),
        ("q", None),
    ],
)
def test_the_region_of_a_queue_is_read_from_its_url(url: str, region: str | None) -> None:
    assert region_of(url) == region


def test_an_object_is_written_read_listed_and_removed(store: S3Store) -> None:
    assert store.get("rows/a/1.json", 10) is None
    store.put("rows/a/1.json", b"{}")
    assert store.put_new("rows/a/2.json", b"two")
    assert not store.put_new("rows/a/2.json", b"other")
    assert store.get("rows/a/2.json", 3) == b"two"
    store.put("in/a/1", b"")
    assert list(store.keys("rows/a/")) == ["rows/a/1.json", "rows/a/2.json"]
    for _ in range(2):
        store.delete("rows/a/1.json")
    assert list(store.keys("rows/")) == ["rows/a/2.json"]


def test_an_object_larger_than_is_allowed_is_not_read(store: S3Store) -> None:
    store.put("in/large", bytes(1001))
    with pytest.raises(ImageError, match="1001 bytes is more"):
        store.get("in/large", 1000)


def test_of_those_who_write_one_object_at_once_one_did(store: S3Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda n: store.put_new("rows/one", bytes([n])), range(8)))
    assert written.count(True) == 1
    assert store.get("rows/one", 1) == bytes([written.index(True)])


def test_a_fleet_says_in_its_bucket_what_it_is(store: S3Store) -> None:
    with pytest.raises(PlaceUnavailable, match="not completed"):
        read_info(store)
    write_info(store, INFO)
    assert read_info(store) == INFO
    store.put("fleet.json", b'{"name": "photos"}')
    with pytest.raises(PlaceUnavailable, match="another version of offload"):
        read_info(store)


def test_a_group_grows_to_what_is_wanted_and_to_its_limit_and_never_shrinks(
    group: AutoScalingGroup,
) -> None:
    assert group.size() == Size(0, 0, 0, 3)
    assert group.machines() == []
    group.grow(2)
    assert group.size() == Size(2, 2, 0, 3)
    group.grow(1)
    assert group.size().desired == 2
    group.grow(7)
    assert group.size().desired == 3
    machines = group.machines()
    assert {(one.instance_type, one.zone, one.state) for one in machines} == {
        ("c7i.large", f"{REGION}a", "InService")
    }
    assert all(one.launched for one in machines)


def test_a_machine_that_leaves_takes_its_place_in_the_group_along(
    clients: Clients, group: AutoScalingGroup
) -> None:
    group.grow(2)
    first, second = group.machines()
    member = Ec2Member.here(clients, {"OFFLOAD_INSTANCE": first.id})
    assert member is not None
    member.leave()
    assert group.size() == Size(1, 1, 0, 3)
    assert [one.id for one in group.machines()] == [second.id]


def test_a_worker_that_somebody_runs_by_hand_is_no_member(clients: Clients) -> None:
    assert Ec2Member.here(clients, {}) is None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, None),
        ("", None),
        ('{"action": "terminate", "time": "2026-11-30T23:00:00Z"}',
         "spot: terminate at 2026-11-30T23:00:00Z"),
        ("the group\nends it\n", "the group ends it"),
        ("[1]", "[1]"),
    ],
)  # fmt: skip
def test_a_machines_notice_is_what_its_file_says(
    tmp_path: Path, written: str | None, said: str | None
) -> None:
    file = tmp_path / "notice"
    if written is not None:
        file.write_text(written)
    assert Ec2Member(None, "i-1", file).notice() == said


def refused(act: Callable[[], object]) -> OffloadError:
    """What is said of it."""
    with pytest.raises(OffloadError) as raised:
        act()
    return raised.value


def test_what_is_not_there_is_said_with_the_command_that_brings_it(clients: Clients) -> None:
    url = SqsQueues(clients("sqs")).made("here", {}).url
    queue = SqsQueue(clients("sqs"), url.replace("here", "elsewhere"))
    fleet = store_of(clients, "elsewhere", REGION)
    group = AutoScalingGroup(clients, "elsewhere")
    store = S3Store(clients("s3"), "no bucket")
    for act, what in (
        (lambda: queue.send("task"), "queue elsewhere"),
        (lambda: queue.receive(1, 0), "queue elsewhere"),
        (queue.backlog, "queue elsewhere"),
        (SqsQueue(clients("sqs"), URL).backlog, "queue q"),  # no host that a URL names is asked
        (lambda: read_info(fleet), "fleet elsewhere in us-east-1"),
        (lambda: fleet.put("in/1", b""), "fleet elsewhere in us-east-1"),
        (lambda: fleet.put_new("rows/1", b""), "fleet elsewhere in us-east-1"),
        (lambda: store.get("in/1", 1), "bucket no bucket"),
        (group.size, "Auto Scaling group elsewhere"),
        (group.machines, "Auto Scaling group elsewhere"),
    ):
        error = refused(act)
        assert (type(error), str(error)) == (PlaceUnavailable, f"There is no {what}.")
        assert ": offload provision fleet" in error.hint
    SqsQueues(clients("sqs")).remove(SqsQueue(clients("sqs"), url))


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("fleet photos in us-east-1", " --name photos"),
        ("queue offload-fleet-photos", " --name photos"),
        ("queue offload-fleet-my-photos-dead", " --name my-photos"),
        ("queue offload-fleet-photos-answers-00c0ffee", " --name photos"),
        (f"bucket offload-fleet-photos-{ACCOUNT_ID}-us-east-1", " --name photos"),
        ("Auto Scaling group offload-fleet-photos", " --name photos"),
        ("queue jobs", ""),
    ],
)
def test_the_command_names_the_fleet_that_lacks_something(what: str, name: str) -> None:
    assert asking.none(what).hint.endswith(f": offload provision fleet{name}")


@pytest.mark.parametrize(
    ("service", "operation", "act", "permission", "what"),
    [
        ("sqs", "receive_message", lambda c: SqsQueue(c("sqs"), URL).receive(1, 0),
         "sqs:receivemessage", "queue q"),
        ("s3", "put_object", lambda c: S3Store(c("s3"), "bucket").put_new("rows/1", b""),
         "s3:PutObject", "bucket bucket"),
        ("autoscaling", "set_desired_capacity", lambda c: AutoScalingGroup(c, "g").grow(1),
         "autoscaling:SetDesiredCapacity", "Auto Scaling group g"),
        ("autoscaling", "terminate_instance_in_auto_scaling_group",
         lambda c: Ec2Member(c("autoscaling"), "i-1").leave(),
         "autoscaling:TerminateInstanceInAutoScalingGroup", "machine i-1"),
    ],
)  # fmt: skip
def test_a_role_that_is_too_narrow_is_said_with_what_it_lacks(
    stubs: Aws, service: str, operation: str, act: Callable[[Clients], object], permission: str,
    what: str,
) -> None:  # fmt: skip
    if operation == "set_desired_capacity":
        stubs.says("describe_auto_scaling_groups", described(0, []), of="autoscaling")
    said = f"User: arn:aws:sts::{ACCOUNT_ID}:assumed-role/r/i-1 is not authorized to perform: "
    said += f"{permission} on resource: arn:aws:x:::y because no policy allows it"
    stubs.refuses(operation, "AccessDenied", said, of=service)
    error = refused(lambda: act(stubs))
    assert (type(error), str(error)) == (
        NotAllowed, f"These credentials may not {permission} ({what}).",
    )  # fmt: skip
    assert error.hint.endswith(": offload provision fleet --plan")


@pytest.mark.parametrize(
    ("code", "status", "metadata"),
    [
        ("ServiceUnavailable", 503, {}),
        ("InternalError", 500, {}),
        ("SlowDown", 503, {}),
        ("RequestThrottled", 400, {"MaxAttemptsReached": True}),
        ("ThrottlingException", 400, {"RetryQuotaReached": True}),
    ],
)
def test_what_may_pass_by_itself_is_no_answer(
    stubs: Aws, code: str, status: int, metadata: dict[str, bool]
) -> None:
    stubs("sqs")
    stubs.stubbers["sqs"].add_client_error(
        "send_message", code, "No.", status, response_meta=metadata
    )
    assert type(refused(lambda: SqsQueue(stubs("sqs"), URL).send("task"))) is Unanswered


def test_aws_that_is_not_reached_gives_no_answer() -> None:
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client = boto3.client(
        "s3", REGION, config=once, endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="testing", aws_secret_access_key="testing",
    )  # fmt: skip
    assert type(refused(lambda: S3Store(client, "bucket").get("in/1", 1))) is Unanswered


def test_half_an_object_is_no_answer(stubs: Aws) -> None:
    body = StreamingBody(io.BytesIO(b"half"), 8)
    stubs.says("get_object", {"Body": body, "ContentLength": 8}, of="s3")
    assert type(refused(lambda: S3Store(stubs("s3"), "bucket").get("in/1", 10))) is Unanswered


def test_who_writes_an_object_while_others_do_tries_again(stubs: Aws) -> None:
    pauses: list[float] = []
    store = S3Store(stubs("s3"), "bucket", pause=pauses.append)
    busy, there = "ConditionalRequestConflict", "PreconditionFailed"
    stubs.refuses("put_object", busy, of="s3")
    stubs.says("put_object", {}, of="s3")
    assert store.put_new("rows/1", b"")
    for code in (busy, there):
        stubs.refuses("put_object", code, of="s3")
    assert not store.put_new("rows/1", b"")
    assert pauses == [0.2, 0.2]
    for _ in range(5):
        stubs.refuses("put_object", busy, of="s3")
    assert type(refused(lambda: store.put_new("rows/1", b""))) is Unanswered
    stubs.was_asked_everything()


def test_a_queue_with_as_many_in_flight_as_may_be_gives_none(stubs: Aws) -> None:
    stubs.refuses("receive_message", "OverLimit", of="sqs")
    assert SqsQueue(stubs("sqs"), URL).receive(1, 0) == []


def test_a_message_that_is_not_in_hand_any_more_is_left_to_others(stubs: Aws) -> None:
    queue, message = SqsQueue(stubs("sqs"), URL), Message("task", "receipt", 1)
    for code in ("MessageNotInflight", "InvalidParameterValue", "ReceiptHandleIsInvalid"):
        stubs.refuses("change_message_visibility", code, of="sqs")
        queue.extend(message, 60)
    stubs.was_asked_everything()


def test_a_new_queue_is_given_once_it_is_known(stubs: Aws) -> None:
    pauses: list[float] = []
    stubs.says("create_queue", {"QueueUrl": URL}, of="sqs")
    stubs.refuses("get_queue_attributes", "AWS.SimpleQueueService.NonExistentQueue", of="sqs")
    stubs.says("get_queue_attributes", {"Attributes": {"QueueArn": "arn"}}, of="sqs")
    assert SqsQueues(stubs("sqs"), pauses.append).made("q", {}).url == URL
    assert len(pauses) == 1


def test_a_group_that_is_busy_grows_when_it_is_asked_again(stubs: Aws) -> None:
    for code in ("ScalingActivityInProgress", "ResourceContention"):
        stubs.says("describe_auto_scaling_groups", described(0, []), of="autoscaling")
        stubs.refuses("set_desired_capacity", code, of="autoscaling")
        AutoScalingGroup(stubs, "g").grow(2)
    stubs.was_asked_everything()


def test_machines_on_their_way_are_counted_as_such(stubs: Aws) -> None:
    states = ["InService", "Pending", "Pending:Wait", "Terminating"]
    stubs.says("describe_auto_scaling_groups", described(3, states), of="autoscaling")
    assert AutoScalingGroup(stubs, "g").size() == Size(desired=3, running=1, pending=2, most=3)


LEAST = (
    "Currently, desiredSize equals minSize (0). Terminating instance without replacement will "
    "violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false "
    "or lower group's min size."
)


@pytest.mark.parametrize(
    ("refusals", "asked"),
    [
        ([], [True]),
        ([("ValidationError", "Instance Id not found - No managed instance found")], [True]),
        ([("ScalingActivityInProgress", "Later.")] * 2, [True] * 3),
        ([("ValidationError", LEAST)], [True, False]),
    ],
)
def test_a_machine_leaves_a_group_that_is_busy_lacks_it_or_counts_on_it_no_more(
    stubs: Aws, refusals: list[tuple[str, str]], asked: list[bool]
) -> None:
    operation = "terminate_instance_in_auto_scaling_group"
    wanted = [{"InstanceId": "i-1", "ShouldDecrementDesiredCapacity": smaller} for smaller in asked]
    for (code, said), parameters in zip(refusals, wanted, strict=False):
        stubs.refuses(operation, code, said, parameters, of="autoscaling")
    if len(asked) > len(refusals):
        stubs.says(operation, {"Activity": activity("InProgress")}, wanted[-1], of="autoscaling")
    Ec2Member(stubs("autoscaling"), "i-1", pause=lambda _s: None).leave()
    stubs.was_asked_everything()


SPOT = "Could not launch Spot Instances. "
NONE_THERE, USED_UP = "no such machine available there", "quota is used up"


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        (SPOT + "InsufficientInstanceCapacity - There is none.", NoCapacity, NONE_THERE),
        (SPOT + "UnfulfillableCapacity - Unable to fulfill capacity.", NoCapacity, NONE_THERE),
        ("There is no Spot capacity available that matches.", NoCapacity, NONE_THERE),
        ("We currently do not have sufficient c7i.large capacity.", NoCapacity, NONE_THERE),
        ("Max spot instance count exceeded.", QuotaUsedUp, USED_UP),
        ("You have requested more than your current vCPU limit of 32.", QuotaUsedUp, USED_UP),
        ("Could not launch. VcpuLimitExceeded - Too many.", QuotaUsedUp, USED_UP),
        ("You are not authorized to perform this operation.", OffloadError, "not authorized"),
    ],
)
def test_why_no_machine_came_is_a_sentence(
    stubs: Aws, said: str, kind: type[OffloadError], sentence: str
) -> None:
    failed = activity("Failed", f"{said} Launching EC2 instance failed.")
    stubs.says("describe_scaling_activities", {"Activities": [failed]}, of="autoscaling")
    error = AutoScalingGroup(stubs, "g").trouble(NOW - timedelta(minutes=10))
    assert error is not None
    assert type(error) is kind
    assert sentence in str(error)
    assert "Launching" not in str(error)
    assert error.hint


@pytest.mark.parametrize(
    ("codes", "minutes"), [(["Successful", "Failed"], 10), (["Failed"], 0), (["InProgress"], 10)]
)
def test_a_failure_before_a_machine_came_or_of_another_time_is_no_trouble(
    stubs: Aws, codes: list[str], minutes: int
) -> None:
    listed = [activity(code) for code in codes]
    stubs.says("describe_scaling_activities", {"Activities": listed}, of="autoscaling")
    assert AutoScalingGroup(stubs, "g").trouble(NOW - timedelta(minutes=minutes)) is None


def activity(code: str, said: str = "No.") -> dict[str, Any]:
    """A minute ago the group wanted a machine."""
    return {
        "ActivityId": "a", "AutoScalingGroupName": "g", "Cause": "desired", "StatusCode": code,
        "Description": f"Launching a new EC2 instance.  Status Reason: {said}",
        "StatusMessage": said, "StartTime": NOW - timedelta(minutes=1),
    }  # fmt: skip


def described(desired: int, states: list[str]) -> dict[str, Any]:
    """A group of at most three, as Auto Scaling tells of it."""
    instances = [
        {
            "InstanceId": f"i-{number}", "AvailabilityZone": "us-east-1a", "LifecycleState": state,
            "HealthStatus": "Healthy", "ProtectedFromScaleIn": True,
        }
        for number, state in enumerate(states)
    ]  # fmt: skip
    group = {
        "AutoScalingGroupName": "g", "MinSize": 0, "MaxSize": 3, "DesiredCapacity": desired,
        "DefaultCooldown": 300, "AvailabilityZones": ["us-east-1a"], "HealthCheckType": "EC2",
        "CreatedTime": NOW, "Instances": instances,
    }  # fmt: skip
    return {"AutoScalingGroups": [group]}
