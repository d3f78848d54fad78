"""What provisioning a fleet takes: moto's account, whose client may be gone, and an engine that
only says that it built.
"""

from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from offload.domain.events import Reporter
from offload.domain.machines import FleetInfo
from offload.drivers import settings
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.aws.fleet.parts import FleetParts
from offload.usecases.context import Context
from offload.usecases.provision.fleet_planning import planned
from offload.usecases.provision.fleets import carry_out, remove
from tests.contexts import context
from tests.functions.aws import REGION, Account
from tests.functions.bench import Clients, Cut, Engine

NAME = "photos"


@dataclass
class Bench:
    """What provisioning takes, and what it told."""

    account: Account
    engine: Engine
    told: list[Any] = field(default_factory=list)
    agrees: bool = True

    def plan(self, clients: Any = None, **given: Any) -> Any:
        """What would be done."""
        asked = {"name": NAME, **given}
        return planned(asked, self.context(clients), self.connect(clients))

    def up(self, clients: Any = None, **given: Any) -> FleetInfo:
        """The fleet, as asked for."""
        found = self.plan(clients, **given)
        return carry_out(found, self.context(clients), self.engine.connected)

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
        parts = FleetParts(clients or Clients(self.account), REGION, lambda _s: None)
        return lambda _region, _profile: parts

    def context(self, clients: Any = None) -> Context:
        """With moto's cloud, and nobody else to ask."""
        configured = settings.load({"OFFLOAD_MODEL": "builtin", "OFFLOAD_OFFLINE": "true"})
        cloud = Cloud(clients or Clients(self.account), REGION)
        return context(configured, reporter=Reporter(self.told.append), clouds=lambda _r, _p: cloud)

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
            "bucket": [b["Name"] for b in of("s3").list_buckets()["Buckets"]],
            "queue": of("sqs").list_queues().get("QueueUrls", []),
            "security group": [
                g["GroupName"] for g in of("ec2").describe_security_groups()["SecurityGroups"]
            ],
            "launch template": [
                t["LaunchTemplateName"]
                for t in of("ec2").describe_launch_templates()["LaunchTemplates"]
            ],
            "group of machines": [
                g["AutoScalingGroupName"]
                for g in of("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
            ],
            "alarm": [a["AlarmName"] for a in of("cloudwatch").describe_alarms()["MetricAlarms"]],
        }
        return {kind for kind, names in found.items() if any(NAME in name for name in names)}
