"""What provisioning would mean, by what was asked for the last time."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.events import Stop
from offload.domain.machines import Machine, Offer, Spec
from offload.drivers import settings
from offload.drivers.aws.calls import NoCapacity, NotInPlan
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineFolder, MachineRecord
from offload.drivers.settings import Settings
from offload.drivers.ssh.login import LoginRefused, SshUnreachable
from offload.providers.ec2 import connection
from offload.providers.ec2.registry import MachineState
from offload.render import machines
from offload.usecases.provision import launch, planning, provisioning
from offload.usecases.provision.launch import Waiter
from offload.usecases.provision.planning import ProvisionOptions, ProvisionPlan
from tests.contexts import context

HERE = "192.0.2.1/32"
SPEC = Spec("big", "us-east-1", "x9.huge", ("10.0.0.0/8",))
RECORD = MachineRecord(
    SPEC, "ec2-user", 0.5, 16, "abc", "2026-11-21T12:00:00+00:00", cidrs_by_hand=True,
    model="builtin",
)  # fmt: skip


RUNNING = Machine("i-1", "big", "eu-west-1", "running", "x9.huge", RECORD.asked_at)


@dataclass
class Account:
    """A cloud with nothing in it."""

    region: str = "us-east-1"
    there: list[Machine] = field(default_factory=list)

    def machines(self, name: str) -> list[Machine]:
        assert name == "big"
        return self.there

    def offer(self, spec: Spec) -> Offer:
        return Offer(spec, "ami-1", "x86_64", 2, 4.0, "/dev/xvda", 16, "ec2-user", True, "vpc-1")

    def allowed(self, offer: Offer) -> None:
        if offer.spec.instance_type.startswith("p5."):
            raise NoCapacity("AWS does not offer that there.")
        if offer.spec.instance_type == "c7i.xlarge":
            raise NotInPlan("No.")

    def in_free_plan(self, offer: Offer) -> str:
        del offer
        return "c7i-flex.large"


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return settings.load(
        {"OFFLOAD_DATA": str(tmp_path), "OFFLOAD_CACHE": str(tmp_path), "OFFLOAD_OFFLINE": "1"}
    )


@pytest.fixture
def folder(tmp_path: Path) -> MachineFolder:
    return machine_files.folder(str(tmp_path / "machines"), "big")


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "caller_cidr", lambda _configured: HERE)
    monkeypatch.setattr(planning, "_engine_arch", lambda _offer, _way: None)


def clouds(region: str | None, profile: str | None) -> Account:
    there = [RUNNING] if (region, profile) == ("eu-west-1", "work") else []
    return Account(region or "us-east-1", there)


def planned(configured: Settings, **wishes: Any) -> ProvisionPlan:
    made = context(configured, clouds=clouds)
    return planning.planned(ProvisionOptions("big", **wishes), made)


def test_who_was_let_in_by_hand_stays_so_and_else_it_is_who_asks(
    configured: Settings, folder: MachineFolder
) -> None:
    folder.keep(RECORD)
    plan = planned(configured)
    assert (plan.record.spec.allow_cidrs, plan.record.cidrs_by_hand) == (("10.0.0.0/8",), True)
    plan = planned(configured, allow_cidrs=("192.0.2.0/24",))
    assert (plan.record.spec.allow_cidrs, plan.record.cidrs_by_hand) == (("192.0.2.0/24",), True)
    folder.keep(replace(RECORD, cidrs_by_hand=False))
    plan = planned(configured)
    assert (plan.record.spec.allow_cidrs, plan.record.cidrs_by_hand) == ((HERE,), False)


@pytest.mark.parametrize("machine_id", [None, "i-1"])
@pytest.mark.parametrize("elsewhere", [{"region": "us-east-1"}, {"profile": "private"}])
def test_a_machine_in_another_region_or_account_is_not_lost_sight_of(
    configured: Settings, folder: MachineFolder, elsewhere: dict[str, str], machine_id: str | None
) -> None:
    theirs = replace(SPEC, region="eu-west-1")
    folder.keep(replace(RECORD, spec=theirs, profile="work", id=machine_id))
    with pytest.raises(UsageError, match="big is in eu-west-1, profile work"):
        planned(configured, **elsewhere)


def test_where_there_is_none_any_more_another_region_will_do(
    configured: Settings, folder: MachineFolder
) -> None:
    folder.keep(replace(RECORD, spec=replace(SPEC, ami="ami-2", subnet="subnet-1")))
    there = replace(SPEC, region="eu-west-1")
    assert planned(configured, region="eu-west-1").record.spec == there


def test_what_was_asked_for_holds_but_the_zone_is_left_to_the_cloud(
    configured: Settings, folder: MachineFolder
) -> None:
    asked = replace(SPEC, ami="ami-2", subnet="subnet-1", spot=True, disk_gb=50, tags={"a": "b"})
    folder.keep(replace(RECORD, spec=replace(asked, zone="us-east-1a")))
    assert planned(configured).record.spec == asked


def test_a_price_that_only_the_user_knows_is_remembered(
    configured: Settings, folder: MachineFolder
) -> None:
    with pytest.raises(UsageError, match=r"x9\.huge"):
        planned(configured, model="builtin", instance_type="x9.huge")
    folder.keep(RECORD)
    assert planned(configured).billing.usd_per_h == 0.5
    with pytest.raises(UsageError, match=r"x9\.small"):
        planned(configured, instance_type="x9.small")


def chain(plan: ProvisionPlan | None) -> list[tuple[str, str | None]]:
    """Types and zones in the order in which they are tried."""
    if plan is None:
        return []
    spec = plan.record.spec
    assert spec == plan.offer.spec
    return [(spec.instance_type, spec.zone), *chain(plan.otherwise)]


def test_of_several_types_and_zones_each_is_tried_in_its_turn(configured: Settings) -> None:
    types, zones = "c7i.large, c7a.large", "us-east-1a,us-east-1b"
    plan = planned(configured, model="builtin", instance_type=types, zone=zones)
    assert chain(plan) == [
        ("c7i.large", "us-east-1a"), ("c7i.large", "us-east-1b"),
        ("c7a.large", "us-east-1a"), ("c7a.large", "us-east-1b"),
    ]  # fmt: skip
    assert plan.otherwise is not None
    assert plan.otherwise.otherwise is not None
    assert (plan.billing.usd_per_h, plan.otherwise.otherwise.billing.usd_per_h) == (
        0.08925,
        0.10264,
    )
    lines = list(machines.plan_lines(plan))
    assert any("Where AWS has none free: a c7i.large in us-east-1b, $0." in line for line in lines)


@pytest.mark.parametrize("types", ["p5.4xlarge,c7i.large", "c7i.large,p5.4xlarge"])
def test_a_type_that_aws_does_not_offer_there_is_left_out_of_several(
    configured: Settings, types: str
) -> None:
    plan = planned(configured, model="builtin", instance_type=types)
    assert chain(plan) == [("c7i.large", None)]
    with pytest.raises(NoCapacity):
        planned(configured, model="builtin", instance_type="p5.4xlarge,p5.48xlarge")


def test_of_several_types_the_machine_that_is_there_has_one(
    configured: Settings, folder: MachineFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.keep(replace(RECORD, spec=replace(SPEC, region="eu-west-1"), profile="work", id="i-1"))
    monkeypatch.setattr(launch, "check", lambda *_: None)
    plan = planned(configured, instance_type="c7i.large,x9.huge", price_usd_per_h=0.1)
    assert chain(plan) == [("x9.huge", None)]


def test_a_free_plan_is_offered_the_best_that_it_has_with_its_price(configured: Settings) -> None:
    with pytest.raises(UsageError, match=r"on AWS' Free plan, which has no c7i\.xlarge\.") as no:
        planned(configured, model="builtin", instance_type="c7i.xlarge")
    assert no.value.hint.endswith("it has, $0.0848 an hour: --instance-type c7i-flex.large")


def test_where_aws_has_none_free_the_next_plan_is_carried_out(
    configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    said: list[str] = []

    def carried_out(plan: ProvisionPlan, *_: Any) -> Any:
        tried.append(plan.record.spec.instance_type)
        if plan.record.spec.instance_type != "m7i.large":
            raise NoCapacity("AWS has no such machine available there now: so.")
        return plan.record

    monkeypatch.setattr(provisioning, "_carried_out", carried_out)
    plan = planned(configured, model="builtin", instance_type="c7i.large,c7a.large,m7i.large")
    up: Any = provisioning.carry_out(plan, context(configured, said.append))
    assert tried == ["c7i.large", "c7a.large", "m7i.large"]
    assert up.kind.label == "ec2:m7i.large@us-east-1"
    assert said[0] == "AWS has no such machine available there now: so. Trying a c7a.large."
    with pytest.raises(NoCapacity):
        provisioning.carry_out(planned(configured, model="builtin"), context(configured))


@pytest.mark.parametrize(
    ("refusal", "tries"),
    [
        (LoginRefused("It does not accept our key."), range(140, 152)),
        (SshUnreachable("It does not answer."), range(590, 610)),
    ],
)
def test_who_is_refused_knocks_less_often(
    folder: MachineFolder, monkeypatch: pytest.MonkeyPatch, refusal: Exception, tries: range
) -> None:
    now_s, knocks = [0.0], [0]

    def connect(_local: MachineState, _timeout_s: float) -> Any:
        knocks[0] += 1
        raise refusal

    def pause(seconds: float) -> None:
        now_s[0] += seconds

    monkeypatch.setattr(MachineState, "connect", connect)
    patience = Waiter(Stop(), lambda: now_s[0], pause)
    with pytest.raises(PlaceUnavailable, match="refuses SSH"):
        provisioning._let_in(MachineState(folder, RECORD), patience)
    assert knocks[0] in tries


def test_a_machine_that_lets_nobody_in_says_whom_it_would(
    folder: MachineFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(_local: MachineState, _timeout_s: float) -> Any:
        raise SshUnreachable("198.18.0.1:22 does not answer.")

    now_s = [0.0]

    def pause(seconds: float) -> None:
        now_s[0] += seconds

    monkeypatch.setattr(MachineState, "connect", connect)
    patience = Waiter(Stop(), lambda: now_s[0], pause)
    told = (
        r"^The machine big refuses SSH\. 198\.18\.0\.1:22 does not answer\. "
        r"It lets in 10\.0\.0\.0/8\.$"
    )
    with pytest.raises(PlaceUnavailable, match=told) as caught:
        provisioning._let_in(MachineState(folder, RECORD), patience)
    assert "offload allow big --allow-cidr" in str(caught.value.hint)
