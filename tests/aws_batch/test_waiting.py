"""Why jobs wait, as AWS says it: Batch, Auto Scaling, EC2 and ECS, stubbed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from offload.drivers.aws.batch.jobs import BatchJobs, SentJob
from offload.drivers.aws.batch.waiting import explained, troubles
from tests.stubbed_aws import Aws

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
TITLE, CLUSTER = "offload-batch-photos", "arn:aws:ecs:eu-central-1:123456789012:cluster/c"
WAITS = SentJob("j", "todo/1.json", 1, {"RUNNABLE": 1})


@pytest.fixture
def aws() -> Iterator[Aws]:
    stubbed = Aws()
    yield stubbed
    for stubber in stubbed.stubbers.values():
        stubber.client.close()


def environment(**changed: Any) -> dict[str, Any]:
    """One that is usable, but for what is changed."""
    return {
        "computeEnvironmentName": f"{TITLE}-ec2", "computeEnvironmentArn": "arn:e",
        "status": "VALID", "state": "ENABLED", "ecsClusterArn": CLUSTER, **changed,
    }  # fmt: skip


def queue_of(aws: Aws, *environments: dict[str, Any]) -> None:
    """Have a queue before these."""
    order = [
        {"order": n, "computeEnvironment": each["computeEnvironmentName"]}
        for n, each in enumerate(environments)
    ]
    queue = {
        "jobQueueName": TITLE, "jobQueueArn": "arn:q", "state": "ENABLED", "priority": 1,
        "computeEnvironmentOrder": order,
    }  # fmt: skip
    aws.says("describe_job_queues", {"jobQueues": [queue]}, of="batch")
    listed = {"computeEnvironments": list(environments)}
    aws.says("describe_compute_environments", listed, of="batch")


def machines_of(aws: Aws, *subnets: str) -> None:
    """Have these run, each in a subnet."""
    running = [{"InstanceId": f"i-{n}", "SubnetId": each} for n, each in enumerate(subnets)]
    aws.says("describe_instances", {"Reservations": [{"Instances": running}]})


def group_of(aws: Aws, *failures: str) -> None:
    """Have a group for the environment, whose machines did not come."""
    group = {
        "AutoScalingGroupName": f"{TITLE}-ec2-asg-1", "MinSize": 0, "MaxSize": 1,
        "DesiredCapacity": 1, "DefaultCooldown": 0, "AvailabilityZones": ["a"],
        "HealthCheckType": "EC2", "CreatedTime": NOW,
    }  # fmt: skip
    aws.says("describe_auto_scaling_groups", {"AutoScalingGroups": [group]}, of="autoscaling")
    said = [
        {
            "ActivityId": "1", "AutoScalingGroupName": "g", "Cause": "c", "StartTime": NOW,
            "StatusCode": "Failed", "StatusMessage": text,
            "Description": f"Launching a new EC2 instance. Status Reason: {text}",
        }
        for text in failures
    ]  # fmt: skip
    aws.says("describe_scaling_activities", {"Activities": said}, of="autoscaling")


def found(aws: Aws, job: SentJob = WAITS) -> list[tuple[str, bool]]:
    """What is said, and whether that is final."""
    jobs = BatchJobs(aws, TITLE, "/log")
    said = [(str(error), final) for error, final in troubles(aws, jobs, job, NOW)]
    aws.was_asked_everything()
    return said


def test_an_invalid_environment_says_why_and_is_final_if_there_is_no_other(aws: Aws) -> None:
    broken = environment(status="INVALID", statusReason="CLIENT_ERROR - no such role.")
    queue_of(aws, broken)
    group_of(aws)
    machines_of(aws)
    said = f"The compute environment {TITLE}-ec2 is invalid: CLIENT_ERROR - no such role."
    assert found(aws) == [(said, True)]


def test_of_two_environments_one_that_is_disabled_is_said_and_not_final(aws: Aws) -> None:
    spot = environment(computeEnvironmentName=f"{TITLE}-spot", state="DISABLED")
    queue_of(aws, spot, environment())
    for _ in range(2):
        aws.says("describe_auto_scaling_groups", {"AutoScalingGroups": []}, of="autoscaling")
        machines_of(aws)
    assert found(aws) == [(f"The compute environment {TITLE}-spot is disabled.", False)]


@pytest.mark.parametrize(
    ("reason", "said", "final"),
    [
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot", "no such machines", False),
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job", "more memory or vCPUs", True),
        ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - C", "than all machines", True),
        ("ACTION_REQUIRED - CE(s) are invalid", "environments are invalid", False),
    ],
)
def test_what_batch_says_of_the_head_of_the_queue_is_said_in_a_sentence(
    aws: Aws, reason: str, said: str, final: bool
) -> None:
    queue_of(aws, environment())
    aws.says("describe_auto_scaling_groups", {"AutoScalingGroups": []}, of="autoscaling")
    machines_of(aws)
    [(text, is_final)] = found(aws, SentJob("j", "todo", 1, {"RUNNABLE": 1}, why=reason))
    assert said in text
    assert is_final is final


def test_a_quota_that_is_used_up_is_what_the_group_says(aws: Aws) -> None:
    queue_of(aws, environment())
    group_of(aws, "You have requested more vCPU capacity than your current vCPU limit of 32 allows")
    machines_of(aws)
    [(said, final)] = found(aws)
    assert "vCPU limit of 32" in said
    assert not final


def test_machines_that_run_and_do_not_join_are_in_a_subnet_without_a_way_out(aws: Aws) -> None:
    queue_of(aws, environment())
    group_of(aws)
    machines_of(aws, "subnet-1", "subnet-1")
    cluster = {"clusterArn": CLUSTER, "registeredContainerInstancesCount": 0}
    aws.says("describe_clusters", {"clusters": [cluster]}, of="ecs")
    subnet = {"SubnetId": "subnet-1", "VpcId": "vpc-1"}
    aws.says("describe_subnets", {"Subnets": [subnet]}, {"SubnetIds": ["subnet-1"]})
    aws.says("describe_vpc_endpoints", {"VpcEndpoints": []})
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}
    tables = [{"Associations": [{"Main": True}], "Routes": [local]}]
    aws.says("describe_route_tables", {"RouteTables": tables})
    [(said, final)] = found(aws)
    assert said.startswith("2 machines run and none of them has reached ECS. The subnet subnet-1")
    assert not final


def test_an_array_is_asked_for_a_child_that_waits(aws: Aws) -> None:
    queue_of(aws, environment())
    child = {
        "jobId": "j:1", "jobName": TITLE, "statusReason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    }  # fmt: skip
    asked = {"arrayJobId": "j", "jobStatus": "RUNNABLE", "maxResults": 1}
    aws.says("list_jobs", {"jobSummaryList": [child]}, asked, of="batch")
    aws.says("describe_auto_scaling_groups", {"AutoScalingGroups": []}, of="autoscaling")
    machines_of(aws)
    [(said, _)] = found(aws, SentJob("j", "todo", 7, {"RUNNABLE": 7}))
    assert said.startswith("No job starts: AWS has no such machines available")


@pytest.mark.parametrize(
    ("reason", "means"),
    [
        ("CannotPullContainerError: no matching manifest for linux/arm64", "another processor"),
        ("it ended with 137 (OutOfMemoryError: Container killed)", "more memory"),
        ("Host EC2 (instance i-1) terminated.", "taken away too often"),
    ],
)
def test_what_a_container_died_of_is_said_with_what_it_means(reason: str, means: str) -> None:
    assert explained(reason).startswith(f"{reason}: ")
    assert means in explained(reason)


def test_an_end_that_is_plain_is_said_as_it_is() -> None:
    assert explained("it ended with 1") == "it ended with 1"
