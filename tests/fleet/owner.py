"""Somebody with a fleet at the test bed, and what becomes of its machines."""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offload.domain import typed
from offload.service.queued.message import VERSION, Task
from tests.engine import FLEETS
from tests.rented.renter import Renter, until
from tests.testbed import lab
from tests.testbed.host import Host

ACCOUNT = "123456789012"
TAG = "offload:fleet"
USD_PER_H = 0.1
IDLE_S = 60
"""How long a machine waits for more images."""


@dataclass
class Owner:
    """Of one fleet, in a region where nobody else has one."""

    renter: Renter
    name: str

    def provision(self, *words: object) -> str:
        """Bring it up."""
        usual = ("-m", "builtin", "--container-image", FLEETS.name, "--price", USD_PER_H, "-y")
        return self.renter.well("provision", "fleet", "--name", self.name, *usual, *words)

    def down(self) -> None:
        """Remove it."""
        self.renter.well("down", f"fleet:{self.name}", "-y", timeout=120)

    def words(self, *words: object) -> tuple[object, ...]:
        """Of a job at the fleet."""
        return ("detect", *words, "--where", "fleet", "-y", "-m", "builtin")

    @property
    def title(self) -> str:
        """What its parts are called, or begin with."""
        return f"offload-fleet-{self.name}"

    def enqueued(self, *pictures: Path) -> Callable[[], list[Any]]:
        """Put images into the queue for nobody in particular; gives their rows once all are there,
        else nothing.
        """
        s3, job = self.client("s3"), f"job{time.time_ns()}"
        bucket = self._bucket
        keys = []
        for picture in pictures:
            image_key, row_key = f"in/{job}/{picture.name}", f"rows/{job}/{picture.name}.json"
            s3.put_object(Bucket=bucket, Key=image_key, Body=picture.read_bytes())
            task = Task(VERSION, picture.name, image_key, row_key)
            self.send(typed.encoded(task).decode())
            keys.append(row_key)

        def rows() -> list[Any]:
            asked = {"Bucket": bucket, "Prefix": f"rows/{job}/"}
            if s3.list_objects_v2(**asked)["KeyCount"] < len(keys):
                return []
            bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"] for key in keys]
            return [json.loads(body.read()) for body in bodies]

        return rows

    def client(self, service: str) -> Any:
        """boto3's."""
        return self.renter.client(service)

    def send(self, body: str) -> None:
        """Put a message into its queue."""
        self.client("sqs").send_message(QueueUrl=self._url(), MessageBody=body)

    def dead(self) -> list[tuple[str, str]]:
        """What was given up, each with the reason; here it is then no more."""
        asked = {"QueueUrl": self._url("-dead"), "MessageAttributeNames": ["All"]}
        found = self.client("sqs").receive_message(**asked, MaxNumberOfMessages=10)
        return [
            (each["Body"], each["MessageAttributes"]["reason"]["StringValue"])
            for each in found.get("Messages", ())
        ]

    def retried(self) -> list[str]:
        """The keys of all rows that a worker began on after another had."""
        pages = self.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self._bucket, Prefix="rows/").build_full_result()
        return [each["Key"] for each in found.get("Contents", ()) if each["Key"].endswith(".2")]

    @property
    def _bucket(self) -> str:
        return f"{self.title}-{ACCOUNT}-{self.renter.region}"

    def _url(self, more: str = "") -> str:
        return str(self.client("sqs").get_queue_url(QueueName=self.title + more)["QueueUrl"])

    def machines(self) -> list[str]:
        """The ids of those that run."""
        of = [
            {"Name": f"tag:{TAG}", "Values": [self.name]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        found = self.client("ec2").describe_instances(Filters=of)["Reservations"]
        return [each["InstanceId"] for some in found for each in some["Instances"]]

    def wanted(self) -> int:
        """How many its group wants."""
        asked = {"AutoScalingGroupNames": [self.title]}
        [group] = self.client("autoscaling").describe_auto_scaling_groups(**asked)[
            "AutoScalingGroups"
        ]
        return int(group["DesiredCapacity"])

    def working(self) -> list[str]:
        """The ids of the machines whose workers have begun."""
        return [each for each in self.machines() if _works(each)]

    def leave(self) -> None:
        """Wait until no machine is left, as the queue is empty."""
        until(lambda: not self.machines() and self.wanted() == 0, IDLE_S + 120)

    def left(self) -> list[str]:
        """Whatever there is in the account with its name or tags."""
        return list(self._left())

    def _left(self) -> Iterator[str]:
        yield from self.machines()
        yield from self.client("sqs").list_queues(QueueNamePrefix=self.title).get("QueueUrls", ())
        of = [{"Name": f"tag:{TAG}", "Values": [self.name]}]
        for service, operation, key, name, asked in (
            ("s3", "list_buckets", "Buckets", "Name", {}),
            ("iam", "list_roles", "Roles", "RoleName", {}),
            ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName", {}),
            ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName", {}),
            ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups",
             "AutoScalingGroupName", {}),
            ("autoscaling", "describe_policies", "ScalingPolicies", "PolicyName", {}),
            ("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateName", {}),
            ("ec2", "describe_security_groups", "SecurityGroups", "GroupName", {}),
            ("ec2", "describe_volumes", "Volumes", "VolumeId", {"Filters": of}),
            ("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId",
             {"Filters": of}),
        ):  # fmt: skip
            found = getattr(self.client(service), operation)(**asked)[key]
            yield from (each[name] for each in found if asked or self.title in each[name])


def _works(machine_id: str) -> bool:
    log = Host(machine_id).dir / "root/var/log/offload-worker.log"
    return log.exists() and " works for " in log.read_text(errors="replace")


def kill_worker(_owner: Owner, machine_id: str) -> None:
    """End the container as the kernel ends what takes too much memory."""
    Host(machine_id).run("docker kill --signal KILL offload-worker")


def cut_power(_owner: Owner, machine_id: str) -> None:
    """End the machine without a word."""
    os.kill(Host(machine_id).meta["init"][0], signal.SIGKILL)


def take_back(owner: Owner, machine_id: str) -> None:
    """End it as AWS ends spot instances, which it announces two minutes before: here it has less
    to finish what it has, or not enough.
    """
    lab.take_back(machine_id)
    time.sleep(random.uniform(0, 10))
    owner.client("ec2").terminate_instances(InstanceIds=[machine_id])


Misfortune = Callable[[Owner, str], None]
MISFORTUNES: tuple[Misfortune, ...] = (kill_worker, cut_power, take_back)
"""What becomes of machines."""


def befall(owner: Owner, dice: random.Random) -> list[str]:
    """Something happens to a machine that works, if there is one; what."""
    working = owner.working()
    if not working:
        return []
    misfortune, machine_id = dice.choice(MISFORTUNES), dice.choice(working)
    try:
        misfortune(owner, machine_id)
    except (RuntimeError, OSError, KeyError):  # it has just gone by itself
        return []
    return [misfortune.__name__]
