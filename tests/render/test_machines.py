"""What is said of a machine that is to be created, and while it comes up."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from offload.costmodel.dollars import Billing
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable
from offload.domain.events import PhaseBegan, Stepped
from offload.domain.machines import Machine, Offer, Spec
from offload.domain.measurements import StartPhase
from offload.drivers.folders.machine_files import MachineRecord
from offload.render import machines
from offload.render.messages import Messages
from offload.render.phases import STEPS
from offload.usecases.provision.planning import ProvisionPlan
from offload.usecases.provision.provisioning import step_of
from tests.measured import MODEL

NOON = "2026-11-21T12:00:00+00:00"
SPEC = Spec("big", "us-east-1", "c7i.large", ("192.0.2.1/32",))
OFFER = Offer(SPEC, "ami-1", "x86_64", 2, 4.0, "/dev/xvda", 8, "ec2-user", True, "vpc-1")
RECORD = MachineRecord(SPEC, "ec2-user", 0.09, 8, "abc", NOON)
THERE = Machine("i-1", "big", "us-east-1", "stopped", "c7i.large", NOON)


def plan(before: Machine | None = None) -> ProvisionPlan:
    cloud: Any = None
    model = ModelSource(MODEL, "model.tflite", {})
    return ProvisionPlan(OFFER, RECORD, model, Billing(0.09, "listed"), before, None, cloud)


def test_a_plan_says_what_will_be_created(capsys: pytest.CaptureFixture[str]) -> None:
    machines.plan(plan(), as_json=False)
    planned = capsys.readouterr().out
    assert "\nWill create a key pair, a security group, an instance with an encrypted " in planned
    assert "; it will serve builtin. " in planned
    Messages().lines(machines.plan_lines(plan()))
    assert capsys.readouterr().err == planned, "the question is about the same"
    machines.plan(plan(THERE), as_json=False)
    assert "\ni-1 exists (stopped); it will serve builtin.\n" in capsys.readouterr().out


def at(*seconds: float) -> Callable[[], float]:
    return iter(seconds).__next__


def test_each_step_of_a_bring_up_has_its_number_its_name_and_its_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    taken: list[str] = []
    with machines.steps(False, at(0.0, 2.4, 2.4, 43.9, 43.9, 643.9)) as hear:
        for phase in (StartPhase.API, StartPhase.BOOT, StartPhase.CONTAINER, StartPhase.CONTAINER):
            hear(step_of(phase, taken))
            hear(Stepped("a line of the machine's"))
            taken.append(phase)
    assert capsys.readouterr().err.splitlines() == [
        "[1/7] Requesting a machine from AWS, 2 s",
        "[3/7] Waiting for SSH, 42 s",
        "[7/7] Starting the server, 10 min",
    ]


def test_the_step_that_was_under_way_when_it_failed_is_told_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with suppress(PlaceUnavailable), machines.steps(False, at(0.0, 5.0)) as hear:
        hear(step_of(StartPhase.BOOT, []))
        raise PlaceUnavailable("The machine refuses SSH.")
    assert capsys.readouterr().err == "[3/7] Waiting for SSH, 5 s\n"


def test_quiet_has_no_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with machines.steps(True, at(0.0, 5.0)) as hear:
        hear(step_of(StartPhase.BOOT, []))
    assert capsys.readouterr().err == ""


def test_steps_never_go_back() -> None:
    built_here = (StartPhase.ENGINE, StartPhase.IMAGE, StartPhase.BUILD, StartPhase.IMAGE)
    numbers = [step_of(p, built_here[:done]).step for done, p in enumerate(built_here)]
    assert numbers == [4, 5, 6, 6]


def test_a_step_beside_a_run_is_told_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    say = Messages(verbose=True)
    say.hear(step_of(StartPhase.BOOT, []))
    say.hear(PhaseBegan("the link", "remote"))
    assert capsys.readouterr().err == "  [3/7] Waiting for SSH …\n  remote: the link …\n"


def test_every_step_has_a_name() -> None:
    never = {
        StartPhase.CREATE, StartPhase.LOAD, StartPhase.WARM_UP, StartPhase.INIT,
        StartPhase.MACHINES,
    }  # fmt: skip
    of_pods = {
        StartPhase.APPLIED, StartPhase.SCHEDULED, StartPhase.PULLED, StartPhase.STARTED,
        StartPhase.READY,
    }  # fmt: skip
    steps = set(StartPhase) - never - of_pods
    assert set(STEPS) == steps
    assert {step_of(each, ()).phase for each in steps} == steps
