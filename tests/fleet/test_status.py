"""`offload fleet`: how a fleet is, at moto's AWS; what that does not remember, stubbed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from offload.costmodel import fleet as costs
from offload.domain import typed
from offload.domain.errors import PlaceUnavailable
from offload.domain.machines import Backlog, FleetInfo, Size
from offload.drivers.aws.fleet.group import FleetMachine
from offload.drivers.aws.fleet.queues import SqsQueue
from offload.drivers.aws.fleet.watching import Activity, activities, images_per_s
from offload.drivers.aws.lookup import Clients
from offload.render.fleets import status as rendered
from offload.service.queued.message import VERSION, Task
from offload.usecases.fleet import DeadLetter, FleetStatus, NoMachine, machine_s, status
from tests.conftest import Offload
from tests.fleet.made import made
from tests.functions.aws import REGION, Account, account
from tests.stubbed_aws import Aws
from tests.stubbed_aws import aws as stubbed

__all__ = ["stubbed"]
NAME = "busy"
LONG = "offload-fleet-busy"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def machine(name: str, launched: datetime | None) -> FleetMachine:
    return FleetMachine(name, "c7i.large", f"{REGION}a", "InService", False, launched)


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        yield one


@pytest.fixture(scope="module")
def fleet(aws: Account) -> FleetInfo:
    """One of at most three machines that nobody has used."""
    return made(aws, NAME)


def now(aws: Account) -> FleetStatus:
    def connect(_region: str | None, _profile: str | None) -> tuple[Clients, str]:
        return aws.client, REGION

    return status(NAME, None, None, connect)


def test_a_fleet_at_rest_has_no_machine_and_costs_nothing(aws: Account, fleet: FleetInfo) -> None:
    found = now(aws)
    assert (found.info, found.backlog, found.size) == (fleet, Backlog(0, 0), Size(0, 0, 0, 3))
    assert (found.machines, found.usd_per_h, found.usd_today) == ((), 0, 0)
    assert (found.images_per_s, found.left_s) == (None, 0)
    assert (found.dead, found.dead_letters, found.failures) == (0, (), ())


def test_a_fleet_at_work_says_what_waits_how_long_that_takes_and_what_it_costs(
    aws: Account, fleet: FleetInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    queue, scaling = SqsQueue(aws.client("sqs"), fleet.queue_url), aws.client("autoscaling")
    for number in range(40):
        queue.send(str(number))
    assert now(aws).left_s is None  # nobody comes for them
    scaling.set_desired_capacity(AutoScalingGroupName=LONG, DesiredCapacity=2)
    messages = queue.receive(4, 0)
    found = now(aws)
    assert (found.backlog, found.size) == (Backlog(36, 4), Size(2, 2, 0, 3))
    assert found.left_s == pytest.approx(40 * costs.S_PER_IMAGE_AND_CORE / (2 * fleet.vcpus))
    counted(aws, 60 * 8.0)
    found = now(aws)
    assert (found.images_per_s, found.left_s) == (8.0, 5.0)
    assert found.usd_per_h == pytest.approx(0.72)
    ages_s = [(found.at - (each.launched or found.at)).total_seconds() for each in found.machines]
    assert found.usd_today == pytest.approx(sum(ages_s) * 0.36 / 3600)
    shown(found)
    said = capsys.readouterr().out
    for words in ("36 wait, 4 in progress", "2 at work", "8.0 images/s", "5 s", "$0.72 an hour"):
        assert words in said
    assert all(each.id in said for each in found.machines)
    rendered.status(found, as_json=True, verbose=False)
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "fleet-status"
    assert document["backlog"] == {"visible": 36, "in_flight": 4}
    assert [each["id"] for each in document["machines"]] == [each.id for each in found.machines]
    assert datetime.fromisoformat(document["machines"][0]["launched"]) <= found.at
    for message in messages:
        queue.delete(message)


def test_what_was_given_up_is_told_with_its_reason_and_stays(
    aws: Account, fleet: FleetInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = SqsQueue(aws.client("sqs"), fleet.dead_url)
    task = Task(VERSION, "a\x1b[2J.jpg", "in/j/1", "rows/j/1.json")
    dead.send(typed.encoded(task).decode(), {"reason": "three workers ended on it"})
    dead.send("no task", {"reason": "it is no task"})
    for _ in range(2):
        found = now(aws)
        assert found.dead == 2
    kept = [
        DeadLetter(task.path, "three workers ended on it"),
        DeadLetter("no task", "it is no task"),
    ]
    shown(replace(found, dead_letters=tuple(kept)))
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "three workers ended on it" in said


def test_of_a_fleet_that_is_not_there_it_is_said_how_to_make_it(aws: Account) -> None:
    with pytest.raises(PlaceUnavailable, match="There is no fleet nobodys") as error:
        status("nobodys", None, None, lambda _region, _profile: (aws.client, REGION))
    assert "offload provision fleet" in error.value.hint


def test_machines_that_came_and_went_today_are_paid_for() -> None:
    machines = [machine("i-1", at(-30)), machine("i-2", at(-5)), machine("i-6", None)]
    happened = [
        Activity(at(-5), "i-2"),
        Activity(at(-10), "i-3", launched=False),
        Activity(at(-20), "i-3"),
        Activity(at(-25), "", failure=PlaceUnavailable("none there")),
        Activity(at(-50), "i-4", launched=False),  # it came the day before
        Activity(at(-55), "i-5"),  # and of this one nobody knows
    ]
    minutes = machine_s(machines, happened, at(-60), NOON) / 60
    assert minutes == 30 + 5 + 10 + 10 + 60


def test_what_a_group_remembers_is_read_back_to_the_moment_that_matters(stubbed: Aws) -> None:
    def said(what: str, minutes: float, code: str = "Successful", why: str = "-") -> dict[str, Any]:
        return {
            "ActivityId": "a", "AutoScalingGroupName": LONG, "Cause": "a", "StartTime": at(minutes),
            "StatusCode": code, "Description": what, "StatusMessage": why,
        }  # fmt: skip

    why = "We currently do not have sufficient c7i.large capacity. Launching EC2 instance failed."
    asked = {"AutoScalingGroupName": LONG, "MaxRecords": 100}
    first = [said("Launching a new EC2 instance: i-2", 0), said("Updating load balancers", -1)]
    failed = said("Launching a new EC2 instance.  Status Reason: …", -2, "Failed", why)
    then = [
        said("Terminating EC2 instance: i-1", -1),
        failed,
        said("Launching a new EC2 …: i-1", -9),
    ]
    says = "describe_scaling_activities"
    stubbed.says(says, {"Activities": first, "NextToken": "t"}, asked, "autoscaling")
    stubbed.says(says, {"Activities": then}, {**asked, "NextToken": "t"}, "autoscaling")
    *known, missing = activities(stubbed, LONG, at(-5))
    assert known == [Activity(at(0), "i-2"), Activity(at(-1), "i-1", launched=False)]
    assert "AWS has no such machine available there now" in str(missing.failure)
    stubbed.was_asked_everything()


def test_a_rate_is_that_of_the_minutes_that_were_counted(stubbed: Aws) -> None:
    points = [{"Sum": 120.0, "Timestamp": at(-3)}, {"Sum": 240.0, "Timestamp": at(-2)}]
    for found in (points, []):
        stubbed.says("get_metric_statistics", {"Datapoints": found}, of="cloudwatch")
    assert images_per_s(stubbed, LONG, NOON) == 3
    assert images_per_s(stubbed, LONG, NOON) is None


def test_who_may_not_ask_cloudwatch_is_told_all_else(aws: Account, fleet: FleetInfo) -> None:
    denied = Aws()
    denied.refuses("get_metric_statistics", "AccessDenied", of="cloudwatch")

    def client(service: str) -> Any:
        return denied(service) if service == "cloudwatch" else aws.client(service)

    found = status(NAME, None, None, lambda _region, _profile: (client, REGION))
    assert (found.info, found.images_per_s) == (fleet, None)
    denied("cloudwatch").close()


def test_why_no_machine_comes_is_said(aws: Account, fleet: FleetInfo, capsys: Any) -> None:
    failures = (NoMachine(NOON, "AWS has none. For less: --instance-type TYPE"),)
    shown(replace(now(aws), failures=failures))
    assert "12:00 UTC: AWS has none. For less: --instance-type TYPE" in capsys.readouterr().out


def shown(found: FleetStatus) -> None:
    rendered.status(found, as_json=False, verbose=True)


def counted(aws: Account, messages: float) -> None:
    """CloudWatch has seen so many done in a minute."""
    point = {
        "MetricName": "NumberOfMessagesDeleted", "Value": messages,
        "Dimensions": [{"Name": "QueueName", "Value": LONG}],
        "Timestamp": datetime.now(UTC) - timedelta(seconds=90),
    }  # fmt: skip
    aws.client("cloudwatch").put_metric_data(Namespace="AWS/SQS", MetricData=[point])


def test_the_command_shows_the_fleet_that_is_named_or_the_one_of_the_setting(
    aws: Account, fleet: FleetInfo, home: Path, offload: Offload, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    none = offload("fleet")
    assert none.returncode == 4
    assert "There is no fleet offload" in none.stderr
    monkeypatch.setenv("OFFLOAD_FLEET", NAME)
    for words in ("fleet",), ("fleet", NAME):
        done = offload(*words, "--json")
        assert json.loads(done.stdout)["info"]["bucket"] == fleet.bucket
    assert f"{NAME} in {REGION}: builtin" in offload("fleet", NAME, "-v").stdout
