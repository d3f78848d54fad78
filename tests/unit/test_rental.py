"""Machines that are brought up on the way, in clouds of our own making."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer

from offload.cli.provisioning import renting
from offload.costmodel.dollars import Billing
from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Event, Failed, Reporter
from offload.domain.machines import Machine, Offer, Resource, Spec
from offload.domain.measurements import StartPhase
from offload.domain.ports import ModelIdentity
from offload.drivers import settings
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineRecord
from offload.drivers.settings import Settings
from offload.usecases.context import Context
from offload.usecases.provision import machines, provisioning, teardown
from offload.usecases.provision.launch import Interrupted
from offload.usecases.provision.planning import ProvisionPlan
from offload.usecases.split.events import (
    MachineLeft,
    MachineReturned,
    NotRented,
    TooExpensive,
)
from offload.usecases.split.forecast import Limits
from offload.usecases.split.monitor import SplitMonitor
from offload.usecases.split.rental import HiredMachine, OnDemandMachine
from offload.usecases.split.work_queue import WorkerStatus
from tests.contexts import context

SPEC = Spec("big", "us-east-1", "c7i.large", ("192.0.2.1/32",))
BEGAN = "2026-11-21T12:00:00+00:00"
RECORD = MachineRecord(SPEC, "ec2-user", 3.59, 0, "abc", BEGAN)
OFFER = Offer(SPEC, "ami-1", "x86_64", 2, 4.0, "/dev/xvda", 16, "ec2-user", True, "vpc-1")
STOPPED = Machine("i-1", "big", "us-east-1", "stopped", "c7i.large", BEGAN)
HERE = WorkerStatus("local", 20, 1, 1.0, 1.0, is_open=True, is_known=True, is_here=True)
CENT_S = 10.0
"""The machine costs a cent in so many seconds."""


class Over(threading.Event):
    """It is set when it has been waited for a few times; nobody sleeps."""

    looks = 3

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        self.looks -= 1
        if self.looks < 0:
            self.set()
        return self.is_set()


@dataclass
class Run:
    """A job at work here, with `left` images at one a second, and what a machine is told."""

    configured: Settings
    left: int = 1000
    now_s: float = 0.0
    here: WorkerStatus = HERE
    told: list[Event] = field(default_factory=list)
    announced: list[ProvisionPlan] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    over: Over = field(default_factory=Over)

    def standing(self) -> tuple[int, int, list[WorkerStatus]]:
        return self.left, 0, [self.here]

    def drain(self, name: str) -> None:
        raise AssertionError(name)

    abandon = drain

    def machine(
        self, max_usd: float | None = None, *, keep: bool = False, before: Machine | None = None
    ) -> OnDemandMachine:
        """One that may be brought up within these limits."""
        model = SimpleNamespace(identity=ModelIdentity("builtin", "tflite", "0" * 64))
        billing = Billing(3.59, idle_s=1200, disk_gb=0)
        cloud = SimpleNamespace(resources=lambda _name: [])
        plan = ProvisionPlan(
            OFFER, RECORD, cast("Any", model), billing, before, None, cast("Any", cloud)
        )
        limits, reporter = Limits(max_usd=max_usd), Reporter(self.told.append)
        monitor = SplitMonitor(cast("Any", self), lambda: self.now_s, 0.0, reporter, limits)
        rental = HiredMachine("big", self.announced.append, keep, plan)
        given = context(self.configured, reporter=reporter)
        return OnDemandMachine(rental, plan, given, monitor, self.over)


@pytest.fixture
def run(home: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Machines that are known here, of which one can be told what became."""
    one = Run(settings.load({"OFFLOAD_DATA": str(home), "OFFLOAD_OFFLINE": "1"}))

    def down(*words: Any) -> None:
        one.undone.append(f"{words[1]} is removed")
        words[-1](Resource("instance", "i-1", "big", "us-east-1"))
        one.now_s += 1000  # until the last of it is gone

    def stop(_context: Context, name: str) -> None:
        one.undone.append(f"{name} is stopped")

    monkeypatch.setattr(teardown, "down", down)
    monkeypatch.setattr(machines, "stop", stop)
    machine_files.folder(one.configured.machines_path, "big").keep(RECORD)
    return one


def comes_up(
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    phases: dict[str, float],
    then: Callable[[], None] = lambda: None,
    at: Callable[[str], None] = lambda _phase: None,
) -> None:
    """Coming up is these phases and seconds, in each of which somebody may ask to stop."""

    def carry_out(_plan: ProvisionPlan, context: Context, begins: Callable[[str], None]) -> None:
        for phase, seconds in phases.items():
            begins(StartPhase(phase))
            at(phase)
            run.now_s += seconds
            if context.stop:
                raise Interrupted("Interrupted.")
        then()

    monkeypatch.setattr(provisioning, "carry_out", carry_out)


NEW = {"api": 1.0, "pending": 5.0, "boot": 20.0, "image": 20.0}


def test_a_machine_pays_if_the_rest_takes_longer_here_than_one_takes_to_come_up(run: Run) -> None:
    """Nothing is known of machines, so one takes a minute or so."""
    assert run.machine().worth_starting()
    assert run.told == []


def test_it_is_said_once_that_none_is_rented(run: Run) -> None:
    run.left = 10
    machine = run.machine()
    assert not machine.worth_starting()
    assert run.told == [NotRented(11.0, machine.rental.startup_s)]
    assert machine.rental.is_told


def test_what_is_not_known_well_is_no_reason_to_rent_or_to_say_so(run: Run) -> None:
    machine = run.machine()
    run.here = replace(HERE, is_known=False)
    run.left = 10
    assert not machine.worth_starting()
    assert run.told == []
    needs_s = machine.rental.startup_s
    assert needs_s is not None
    for left, pays in ((needs_s * 1.2, False), (needs_s * 1.6, True)):
        run.left, run.over = round(left), Over()
        assert run.machine().worth_starting() == pays


def test_a_machine_may_pay_after_all_if_it_is_slower_here_than_it_was(run: Run) -> None:
    run.left = 10
    machine = run.machine()
    look = machine.monitor.view

    def slower() -> Any:
        view = look()
        run.left = 1000
        return view

    machine.monitor = cast("Any", SimpleNamespace(
        view=slower, admits=lambda *_: True, clock=lambda: 0.0
    ))  # fmt: skip
    assert machine.worth_starting()
    assert [type(event) for event in run.told] == [NotRented]


def test_a_machine_that_would_cost_too_much_is_not_rented(run: Run) -> None:
    machine = run.machine(max_usd=0.05)  # a minute costs six cents
    assert not machine.worth_starting()
    [told] = run.told
    assert isinstance(told, TooExpensive)
    assert (told.place, told.max_usd) == ("remote", 0.05)
    assert 0.05 < told.least_usd < 0.1
    assert machine.rental.is_told


def test_a_machine_that_is_up_pays_at_once(run: Run) -> None:
    run.left = 1
    assert run.machine(before=replace(STOPPED, state="running")).worth_starting()


def test_a_new_machine_is_removed_in_the_end_and_costs_nothing_while_it_goes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_up(monkeypatch, run, NEW)
    machine = run.machine()
    with machine.up():
        run.now_s += 54
        assert machine.monitor.view().usd["remote"] > 0.1
    assert run.undone == ["big is removed"]
    assert machine.rental.begun is None
    assert machine.monitor.view().usd["remote"] == pytest.approx(100 / CENT_S / 100, rel=0.01)
    assert run.announced == [machine.plan]
    assert run.told == [MachineReturned("big", is_removed=True)]


def test_it_costs_a_minute_at_least(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    comes_up(monkeypatch, run, {"api": 1.0, "pending": 2.0})
    machine = run.machine()
    with machine.up():
        pass
    assert machine.monitor.view().usd["remote"] == pytest.approx(60 / CENT_S / 100, rel=0.01)


def test_a_stopped_machine_is_stopped_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    comes_up(monkeypatch, run, {"start": 2.0, "pending": 5.0})
    with run.machine(before=STOPPED).up():
        assert run.undone == []
    assert run.undone == ["big is stopped"]
    assert run.announced == []
    assert run.told == [MachineReturned("big", is_removed=False)]


def test_a_machine_that_somebody_else_has_started_stays(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_up(monkeypatch, run, {"boot": 5.0, "image": 2.0})
    machine = run.machine()
    with machine.up():
        pass
    assert run.undone == []
    assert machine.monitor.view().usd["remote"] > 0


def test_a_machine_is_kept_only_if_it_came_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OffloadError("There is no room on its disk.")

    comes_up(monkeypatch, run, NEW)
    kept = run.machine(keep=True)
    with kept.up():
        pass
    assert (run.undone, kept.rental.begun) == ([], None)
    comes_up(monkeypatch, run, NEW, fails)
    with pytest.raises(OffloadError, match="no room"), run.machine(keep=True).up():
        pass
    assert run.undone == ["big is removed"]


def test_a_machine_is_given_up_before_it_has_cost_too_much_coming_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_up(monkeypatch, run, NEW | {"container": 20.0, "load": 20.0, "warm-up": 20.0})
    machine = run.machine(max_usd=0.08)
    says = "big is given up: before it is ready it costs more than --max-cost"
    with pytest.raises(PlaceUnavailable, match=says), machine.up():
        raise AssertionError("it is not up")
    assert run.undone == ["big is removed"]
    assert 0.06 <= machine.monitor.view().usd["remote"] <= 0.08


def test_a_machine_that_was_refused_costs_nothing_and_what_is_not_ours_stays(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(
        _plan: ProvisionPlan, _context: Context, begins: Callable[[StartPhase], None]
    ) -> None:
        begins(StartPhase.API)
        raise OffloadError("The key of the machine big is not on this computer.")

    monkeypatch.setattr(provisioning, "carry_out", refused)
    machine_files.folder(run.configured.machines_path, "big").remove()
    machine = run.machine()
    with pytest.raises(OffloadError, match="not on this computer"), machine.up():
        raise AssertionError("it is not up")
    assert run.undone == []
    assert machine.monitor.view().usd == {}
    assert machine.rental.begun is None


def test_nothing_is_begun_once_the_run_is_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    comes_up(monkeypatch, run, NEW)
    machine = run.machine()
    run.over.set()
    assert not machine.rental.close()
    with pytest.raises(Interrupted), machine.up():
        raise AssertionError("it is not up")
    assert run.undone == []
    assert machine.monitor.view().usd == {}


def test_coming_up_ends_with_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    comes_up(monkeypatch, run, NEW, at=lambda phase: run.over.set() if phase == "boot" else None)
    machine = run.machine()
    with pytest.raises(Interrupted), machine.up():
        raise AssertionError("it is not up")
    assert run.undone == ["big is removed"]


def test_a_machine_that_does_not_go_is_not_kept_quiet_about(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_words: Any) -> None:
        raise OffloadError("AWS does not answer.")

    comes_up(monkeypatch, run, NEW)
    monkeypatch.setattr(teardown, "down", fails)
    machine = run.machine()
    with machine.up():
        pass
    assert run.told == [MachineLeft("big", Failed("AWS does not answer.", ""))]
    assert machine.rental.begun == "api"


@pytest.mark.parametrize(
    ("begun", "says"),
    [
        (None, ""),
        ("start", "To stop it: offload stop big"),
        ("api", "Nothing of big exists."),
    ],
)
def test_who_ends_all_at_once_is_told_what_is_left(
    run: Run, capsys: pytest.CaptureFixture[str], begun: str | None, says: str
) -> None:
    rental = run.machine().rental
    rental.begun = StartPhase(begun) if begun else None
    with pytest.raises(typer.Exit) as ended, renting.renting(rental, context()):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    said = capsys.readouterr().err
    assert says in said
    assert bool(said) == bool(says)


def test_without_a_machine_an_interrupt_stays_what_it_is() -> None:
    with pytest.raises(KeyboardInterrupt), renting.renting(None, context()):
        raise KeyboardInterrupt
