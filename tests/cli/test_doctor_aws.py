"""`offload doctor aws`."""

import json
import os
from collections.abc import Mapping

import pytest

from tests.conftest import Offload
from tests.testbed import lab

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


def test_without_credentials_one_command_is_named(offload: Offload) -> None:
    done = offload("doctor", "aws", "--region", "eu-central-1")
    assert done.returncode == 1
    assert done.stderr == "error: There are no AWS credentials.\n  To set them up: aws configure\n"
    assert "credentials" in done.stdout


def test_without_a_region_one_command_is_named(offload: Offload) -> None:
    done = offload("doctor", "aws", env=os.environ | KEYS)
    assert done.returncode == 1
    assert "No AWS region is chosen" in done.stderr
    assert "--region" in done.stderr


def test_the_policy_is_a_policy_and_nothing_else(offload: Offload) -> None:
    done = offload("doctor", "aws", "--policy")
    assert done.returncode == 0, done.stderr
    policy = json.loads(done.stdout)
    assert policy["Version"] == "2012-10-17"
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])


@pytest.mark.parametrize("arguments", [["azure"], ["--policy"], ["--region", "eu-central-1"]])
def test_what_is_asked_of_no_cloud_is_refused(offload: Offload, arguments: list[str]) -> None:
    done = offload("doctor", *arguments)
    assert done.returncode == 2
    assert "offload doctor aws" in done.stderr


@pytest.fixture
def bed() -> Mapping[str, str]:
    """The environment of the test bed's cloud."""
    if not lab.is_up():
        pytest.skip("the test bed is not up; to start it: sudo tests/testbed/up")
    return os.environ | KEYS | {"AWS_ENDPOINT_URL": lab.ENDPOINT, "AWS_REGION": "us-east-1"}


@pytest.mark.xdist_group("test bed")
def test_where_nothing_is_missing_all_is_said(offload: Offload, bed: Mapping[str, str]) -> None:
    done = offload("doctor", "aws", "--json", env=bed)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["credentials"].startswith("arn:")
    assert found["region"] == "us-east-1"
    assert found["machine"].startswith("c7i.large: x86_64, 2 vCPUs, 4 GiB")
    assert "with Docker" in found["image"]
    assert found["default_network"].startswith("vpc-")
    assert found["price"].startswith("c7i.large: $0.0892 an hour")
    assert found["quota"] == {"on demand": "not known", "spot": "not known"}
    assert "ec2:TerminateInstances" in found["permissions"]["allowed"]
    assert found["permissions"]["missing"] == []
    assert "missing: none" in offload("doctor", "aws", env=bed).stdout
