"""What a batch's machines cost, as EC2 lists them, stubbed; and what is done about it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from offload.domain.events import Reporter
from offload.drivers import settings
from offload.drivers.aws.batch.spending import Spending
from offload.drivers.objects.store import opened
from offload.usecases.batch import limits
from tests.contexts import context
from tests.stubbed_aws import Aws

BEGAN = datetime(2026, 11, 30, 12, tzinfo=UTC)
STAYS_USD = 1.0
"""What a machine costs that goes: ten minutes at six dollars an hour."""


class Bill:
    """What machines cost, minutes after the run began."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self.now = aws, BEGAN
        self.spending = Spending(aws, "photos", 6.0, self._now_s)

    def _now_s(self) -> float:
        return self.now.timestamp()

    def usd(self, minutes: float, *machines: tuple[str, float], coming: int = 0) -> float:
        """With these listed, each launched so many minutes after the run began."""
        listed = [
            {"InstanceId": id_, "LaunchTime": BEGAN + timedelta(minutes=at)} for id_, at in machines
        ]
        self.aws.says("describe_instances", {"Reservations": [{"Instances": listed}]})
        return self.at(minutes, coming)

    def at(self, minutes: float, coming: int = 0) -> float:
        """With whatever AWS answers."""
        self.now = BEGAN + timedelta(minutes=minutes)
        return self.spending.usd(coming)


@pytest.fixture
def bill() -> Iterator[Bill]:
    stubbed = Aws()
    yield Bill(stubbed)
    for stubber in stubbed.stubbers.values():
        stubber.client.close()


def test_machines_that_may_still_come_cost_what_they_take_to_go_again(bill: Bill) -> None:
    assert bill.usd(0) == 0
    assert bill.usd(0, coming=3) == pytest.approx(3 * STAYS_USD)


def test_a_machine_costs_from_its_launch_until_it_has_gone(bill: Bill) -> None:
    assert bill.usd(5, ("i-1", 2)) == pytest.approx(0.3 + STAYS_USD)
    assert bill.usd(8, ("i-1", 2), ("i-2", 7)) == pytest.approx(0.7 + 2 * STAYS_USD)
    assert bill.usd(9, ("i-2", 7)) == pytest.approx(0.9 + STAYS_USD)
    assert bill.usd(30) == pytest.approx(0.7 + 2.3)
    assert bill.usd(60) == pytest.approx(0.7 + 2.3)


def test_what_ran_before_the_run_began_is_not_its_own(bill: Bill) -> None:
    assert bill.usd(1, ("i-1", -600)) == pytest.approx(0.1 + STAYS_USD)


def test_as_long_as_aws_refuses_to_say_machines_run_on(bill: Bill) -> None:
    bill.usd(1, ("i-1", 0))
    bill.aws.refuses("describe_instances", "UnauthorizedOperation")
    assert bill.at(11) == pytest.approx(1.1 + STAYS_USD)


def test_without_a_price_any_machine_is_too_dear(bill: Bill) -> None:
    unknown: Any = Spending(bill.aws, "photos", float("inf"))
    bill.aws.says("describe_instances", {"Reservations": []})
    assert unknown.usd(coming=1) == float("inf")


class Lasting:
    """An engine whose jobs go on."""

    name = "lasting"

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def open(self) -> Any:
        raise AssertionError

    def status(self, name: str) -> Iterator[str]:
        raise AssertionError(name)

    logs = status

    def cancel(self, name: str) -> int:
        """Only noted."""
        self.cancelled.append(name)
        return 1


def left(tmp_path: Path, max_cost_usd: float | None, *, stopped: bool) -> tuple[list[str], Any]:
    """Which jobs ended with the command, and what it said."""
    told: list[Any] = []
    made, engine = context(settings.load({}), reporter=Reporter(told.append)), Lasting()
    with limits.left(engine, "photos", opened(str(tmp_path)), max_cost_usd, made):
        if stopped:
            made.stop.ask()
    return engine.cancelled, [each.text for each in told]


def test_jobs_outlive_a_command_that_is_stopped_but_not_one_that_watches_their_cost(
    tmp_path: Path,
) -> None:
    ended, [said] = left(tmp_path, None, stopped=True)
    assert not ended
    assert said.endswith("to end them: offload batch cancel photos")
    assert left(tmp_path, None, stopped=False) == ([], [])
    assert left(tmp_path, 5.0, stopped=True) == (["photos"], [])
