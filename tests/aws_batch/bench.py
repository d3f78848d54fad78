"""What provisioning and running a batch takes: moto's account, whose client may be gone, an engine
that only says that it built, jobs that are processes.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from offload.domain.events import Reporter, Stop
from offload.drivers import settings
from offload.drivers.aws.batch.parts import BatchParts
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.objects.store import Store, opened
from offload.engines.aws_batch import BatchEngine
from offload.engines.ports import EngineConfig, Job, Outcome, Shard
from offload.usecases.batch.aws_parts import BatchOptions, carry_out, planned, remove
from offload.usecases.context import Context
from tests.aws_batch import toy
from tests.becoming import Begun, spawner
from tests.conftest import PROJECT
from tests.contexts import context
from tests.functions.aws import REGION, Account
from tests.functions.bench import Clients, Cut, Engine

NAME, BUCKET = "herd", "herd-bucket"
"""Emulated accounts of a process are one: functions and fleets of tests are called otherwise."""
SOURCE, OUT = f"s3://{BUCKET}/in", f"s3://{BUCKET}/out"


@dataclass
class Process:
    """A job's container as a process of this machine."""

    begun: Begun

    def poll(self) -> int | None:
        """How it ended, if it has."""
        return self.begun.poll()

    def kill(self) -> None:
        """End it at once."""
        self.begun.kill()

    def said(self) -> Sequence[str]:
        """Its lines."""
        out, err = self.begun.communicate()
        return (out + err).splitlines()


def as_process(settings: Mapping[str, str], module: str = toy.MODULE) -> Any:
    """How a container's command is started as a process, in an account with these variables."""

    def launch(_image: str, command: Sequence[str], variables: Mapping[str, str]) -> Process:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OFFLOAD_", "AWS_"))}
        environment = {**kept, **settings, **variables}
        return Process(spawner().begin(command, environment, PROJECT, module=module))

    return launch


@dataclass
class Bench:
    """What a batch takes, and what it told."""

    account: Account
    engine: Engine
    told: list[Any] = field(default_factory=list)
    agrees: bool = True

    def wish(self, **given: Any) -> BatchOptions:
        """What is asked for."""
        return BatchOptions(**{"name": NAME, "source": SOURCE, "out": OUT, **given})

    def plan(self, clients: Any = None, **given: Any) -> Any:
        """What would be done."""
        return planned(self.wish(**given), self.context(clients), self.connect(clients))

    def up(self, clients: Any = None, **given: Any) -> None:
        """All that the batch takes, as asked for."""
        found = self.plan(clients, **given)
        carry_out(found, self.context(clients), self.engine.connected)

    def down(self, clients: Any = None, *, may_be_cut: bool = False) -> list[str]:
        """The kinds of what was removed."""
        gone: list[str] = []
        with suppress(Cut) if may_be_cut else nullcontext():
            remove(
                self.context(clients), NAME, None, None, lambda r: gone.append(r.kind),
                lambda _found: self.agrees, self.connect(clients),
            )  # fmt: skip
        return gone

    def connect(self, clients: Any = None) -> Any:
        """What gives the parts."""
        parts = BatchParts(clients or Clients(self.account), REGION, lambda _s: None)
        return lambda _region, _profile: parts

    def context(self, clients: Any = None) -> Context:
        """With moto's cloud, and nobody else to ask."""
        configured = settings.load({"OFFLOAD_MODEL": "builtin", "OFFLOAD_OFFLINE": "true"})
        cloud = self.cloud(clients)
        return context(configured, reporter=Reporter(self.told.append), clouds=lambda _r, _p: cloud)

    def cloud(self, clients: Any = None) -> Cloud:
        """moto's."""
        return Cloud(clients or Clients(self.account), REGION)

    def there(self) -> set[str]:
        """The kinds of what the account has of our name."""
        of = self.account.client
        found = {
            "repository": [
                r["repositoryName"] for r in of("ecr").describe_repositories()["repositories"]
            ],
            "role": [r["RoleName"] for r in of("iam").list_roles()["Roles"]],
            "instance profile": [
                p["InstanceProfileName"]
                for p in of("iam").list_instance_profiles()["InstanceProfiles"]
            ],
            "log group": [g["logGroupName"] for g in of("logs").describe_log_groups()["logGroups"]],
            "security group": [
                g["GroupName"] for g in of("ec2").describe_security_groups()["SecurityGroups"]
            ],
            "compute environment": [e["computeEnvironmentName"] for e in self.environments()],
            "job queue": [
                q["jobQueueName"] for q in of("batch").describe_job_queues()["jobQueues"]
            ],
            "job definition": [
                d["jobDefinitionName"]
                for d in of("batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]
            ],
        }
        return {kind for kind, names in found.items() if any(NAME in name for name in names)}

    def environments(self) -> list[dict[str, Any]]:
        """The compute environments of the account."""
        said = self.account.client("batch").describe_compute_environments()
        found: list[dict[str, Any]] = said["computeEnvironments"]
        return found

    def store(self) -> Store:
        """What lies below the output."""
        return opened(OUT)

    def session(self, boot_s: float = 300, most: int = 8) -> BatchEngine:
        """An engine of up to so many machines, a dollar an hour each."""
        cloud = self.cloud()
        config = EngineConfig(
            settings.load({}), Reporter(self.told.append), lambda _r, _p: cloud, most=most,
            usd_per_h=1.0,
        )  # fmt: skip
        return BatchEngine(config, boot_s=boot_s, look_s=0.05)

    def run(
        self, *numbers: int, stop: Stop | None = None, boot_s: float = 300, most: int = 8
    ) -> list[Outcome]:
        """What became of the shards with these numbers."""
        engine = self.session(boot_s, most)
        job = Job(NAME, OUT, work=_nothing, command=("--out", OUT))
        with engine.open() as session:
            return list(session.run(job, shards(*numbers), Stop() if stop is None else stop))


def until(condition: Callable[[], object]) -> None:
    """Wait for it, on a busy machine too."""
    until_s = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def shards(*numbers: int) -> list[Shard]:
    """Those with these numbers, as the toy calls them."""
    return [Shard(number, toy.name(number), 10, 1000) for number in numbers]


def _nothing(shard: Shard) -> Outcome:
    raise AssertionError(shard)
