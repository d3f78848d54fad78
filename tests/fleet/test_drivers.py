"""A fleet's queues, bucket, group and machines, at moto's AWS; what that does not do, stubbed."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from offload.domain.errors import ImageError, PlaceUnavailable
from offload.domain.fleets import Backlog, FleetInfo, Size
from offload.domain.ports import ModelIdentity
from offload.drivers.aws.fleet import asking
from offload.drivers.aws.fleet.group import AutoScalingGroup
from offload.drivers.aws.fleet.member import Ec2Member
from offload.drivers.aws.fleet.objects import S3Store, read_info, store_of, write_info
from offload.drivers.aws.fleet.queues import SqsQueue, SqsQueues, region_of
from offload.drivers.aws.lookup import Clients
from offload.service.queued.ports import Group, Member, Queue, Queues, Store
from tests.functions.aws import REGION, Account, account

ACCOUNT_ID = "123456789012"
INFO = FleetInfo(
    "photos", REGION, "1.0", ModelIdentity("builtin", "tflite", "ab" * 32), {1: "cat"}, 0.5,
    ("c7i.large", "c6i.large"), 2, 0.09, True, 19, "bucket", "queue", "dead",
)  # fmt: skip


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        yield one


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
    queue: Queue, queues: Queues, store: Store, group: Group, member: Member
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
