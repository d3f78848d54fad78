"""The whole life of a machine, at the test bed's cloud."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from offload.domain.errors import UsageError
from offload.domain.machines import EXPIRES, Machine, Spec
from offload.drivers.aws import iam
from offload.drivers.aws.ec2 import Cloud
from tests.testbed import lab

pytestmark = pytest.mark.xdist_group("test bed")

REGION = "us-east-1"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    if not lab.is_up():
        pytest.skip("the test bed is not up; to start it: sudo tests/testbed/up")
    monkeypatch.setenv("AWS_ENDPOINT_URL", lab.ENDPOINT)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return Cloud.connected(REGION)


@pytest.fixture
def spec(cloud: Cloud) -> Iterator[Spec]:
    """A machine to be; nothing of it is left after."""
    wanted = Spec(f"life-{time.time_ns()}", REGION, "c5.large", ("198.18.0.0/16",))
    yield wanted
    for resource in cloud.resources(wanted.name):
        cloud.remove(resource)


def until(cloud: Cloud, name: str, state: str) -> Machine:
    for _ in range(200):
        (machine,) = cloud.machines(name, gone=True)
        if machine.state == state:
            return machine
        time.sleep(0.1)
    raise AssertionError(f"{machine} is not {state}")


def test_a_machine_lives_and_leaves_nothing(cloud: Cloud, spec: Spec) -> None:
    name = spec.name
    assert cloud.who().startswith("arn:")
    assert REGION in cloud.regions()
    offer = cloud.offer(spec)
    assert (offer.arch, offer.vcpus, offer.login, offer.has_engine) == (
        "x86_64", 2, "ec2-user", True,
    )  # fmt: skip
    cloud.allowed(offer)
    assert not cloud.resources(name), "so far nothing was created"

    cloud.add_key(name, KEY)
    assert cloud.key_of(name) == KEY
    group = cloud.open_to(offer.vpc, name, spec.allow_cidrs)
    assert cloud.open_to(offer.vpc, name, ["198.18.1.0/24", "198.18.2.2/32"]) == group
    assert cloud.cidrs(name) == ("198.18.1.0/24", "198.18.2.2/32")
    assert cloud.open_to(None, name, spec.allow_cidrs) == group
    assert cloud.cidrs(name) == spec.allow_cidrs

    launched = cloud.launch(offer, group, "#!/bin/sh\ntrue\n", f"attempt of {name}")
    up = until(cloud, name, "running")
    assert (up.id, up.name, up.instance_type) == (launched.id, name, "c5.large")
    assert up.address is not None
    assert up.address.startswith("198.18.")
    cloud.retag(up.id, {EXPIRES: "2026-11-22T00:00:00+00:00"})
    assert cloud.machines(name)[0].expires_at == "2026-11-22T00:00:00+00:00"
    assert up.id in {machine.id for machine in cloud.machines()}
    kinds = {resource.kind for resource in cloud.resources(name)}
    assert kinds >= {"instance", "volume", "security group", "key pair"}

    cloud.stop(up.id)
    until(cloud, name, "stopped")
    cloud.start(up.id)
    until(cloud, name, "running")
    for resource in cloud.resources(name):
        cloud.remove(resource)
        cloud.remove(resource)
    assert not cloud.resources(name)
    assert not cloud.machines(name)
    assert cloud.key_of(name) is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"instance_type": "c5.huge"}, "no such instance type"),
        ({"ami": "ami-00000000000000000"}, "no such AMI"),
        ({"ami": "nonsense"}, "no such AMI"),
        ({"subnet": "subnet-00000000"}, "no such subnet"),
        ({"allow_cidrs": ("somewhere",)}, "not an address range"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_created(
    cloud: Cloud, spec: Spec, changed: dict[str, str], says: str
) -> None:
    wanted = replace(spec, **changed)  # type: ignore[arg-type] # one field at a time
    with pytest.raises(UsageError, match=says):
        cloud.open_to(cloud.offer(wanted).vpc, wanted.name, wanted.allow_cidrs)
    assert not cloud.resources(spec.name)


@pytest.mark.parametrize(
    ("instance_type", "arch"), [("c7g.large", "arm64"), ("c5.large", "x86_64")]
)
def test_the_image_is_found_for_either_processor(
    cloud: Cloud, spec: Spec, instance_type: str, arch: str
) -> None:
    offer = cloud.offer(replace(spec, instance_type=instance_type))
    assert (offer.arch, offer.has_engine) == (arch, True)
    other = "c5.large" if arch == "arm64" else "c7g.large"
    with pytest.raises(UsageError, match=f"is for {arch}, a {other} is"):
        cloud.offer(replace(spec, instance_type=other, ami=offer.ami))


def test_every_permission_is_asked_for_without_using_it(cloud: Cloud, spec: Spec) -> None:
    found = iam.asked(cloud.clients("ec2"), cloud.offer(spec), [])
    assert set(found.values()) == {"allowed"}
    assert not cloud.resources("doctor")
