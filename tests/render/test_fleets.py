"""What is said of a fleet that is to be created, that is there, and of its machines."""

import json
from dataclasses import replace
from typing import Any

import pytest

from offload.costmodel.dollars import Billing
from offload.detectors.source import ModelSource
from offload.domain.machines import FleetInfo, Machine, Offer, Spec
from offload.render import machines
from offload.render.fleets import provisioning as fleets
from offload.render.messages import Messages
from offload.usecases.provision.fleet_planning import FleetOptions, FleetPlan
from offload.usecases.provision.fleets import ListedFleet
from offload.usecases.provision.machines import ListedMachine
from offload.version import __version__
from tests.measured import MODEL

NOON = "2026-11-21T12:00:00+00:00"
BUCKET = "offload-fleet-photos-123456789012-us-east-1"
INFO = FleetInfo(
    "photos", "us-east-1", __version__, MODEL, {}, 0.25, ("c7i.large",), 2, 0.09, False, 4, BUCKET,
    "https://queue", "https://dead",
)  # fmt: skip
PARTS: Any = None


def plan(before: FleetInfo | None = None, **asked: Any) -> FleetPlan:
    options = FleetOptions("photos", instance_type="c7i.large,c7a.large", **asked)
    offers = tuple(
        Offer(
            Spec("photos", "us-east-1", each, (), spot=options.spot),
            "ami-1", "x86_64", 2, 4.0, "/dev/xvda", 16, "ec2-user", True, "vpc-1",
        )
        for each in ("c7i.large", "c7a.large")
    )  # fmt: skip
    costs = Billing(0.09, "AWS price list", "2026-11-20"), Billing(0.11, "AWS price list")
    model = ModelSource(MODEL, "model.tflite", {})
    return FleetPlan(options, "us-east-1", model, None, offers, costs, 19, before, asked, PARTS)


def test_a_plan_says_what_is_made_and_what_it_costs_at_rest_and_at_most(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fleets.plan(plan(spot=True), as_json=False)
    planned = capsys.readouterr().out
    first, rest, cost, made = planned.splitlines()
    assert first == (
        "photos: a fleet of up to 19 spot instances in us-east-1, c7i.large or c7a.large, 2 vCPUs, "
        "x86_64, that detects with builtin"
    )
    assert rest.startswith("While no image waits no machine runs, and it costs ")
    assert rest.endswith("a month at most.")
    assert cost.startswith("A machine costs $0.0959 an hour at most, address and disk included ")
    assert "(AWS price list, 2026-11-20)" in cost
    assert "all 19 cost $2.20 an hour at most." in cost
    assert made.startswith("Will create a repository with its container image, a private bucket")
    assert "CreateAutoScalingGroup" in made
    Messages().lines(fleets.plan_lines(plan(spot=True)))
    assert capsys.readouterr().err == planned, "the question is about the same"


def test_what_is_named_is_not_created(capsys: pytest.CaptureFixture[str]) -> None:
    fleets.plan(plan(container_image="ours:1", instance_profile="Lab"), as_json=False)
    made = capsys.readouterr().out.splitlines()[-1]
    assert made.startswith("Will create a private bucket, two queues, a security group ")
    assert "CreateRole" not in made
    assert "CreateRepository" not in made


def test_a_plan_of_what_is_there_says_what_would_change(capsys: pytest.CaptureFixture[str]) -> None:
    fleets.plan(plan(INFO), as_json=False)
    changed = capsys.readouterr().out.splitlines()[-1]
    assert (
        changed == "It is there; this changes: max 4 -> 19, type c7i.large -> c7i.large,c7a.large."
    )
    named = replace(INFO, asked={"container_image": "ours:1"})
    fleets.plan(plan(named, spot=True), as_json=False)
    changed = capsys.readouterr().out.splitlines()[-1]
    assert changed.endswith(", spot no -> yes, container image ours:1 -> our own.")
    same = replace(INFO, most=19, instance_types=("c7i.large", "c7a.large"))
    fleets.plan(plan(same), as_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == "It is there; nothing of this changes."


def test_a_plan_is_json_with_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    fleets.plan(plan(INFO), as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "plan"
    assert document["max"] == 19
    assert document["changes"]["max"] == [4, 19]
    dearest = max(each["usd_per_h"] for each in document["machines"])
    assert document["most_usd_per_h"] == pytest.approx(19 * dearest)


def test_a_fleet_that_came_up_says_how_it_is_used_and_removed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fleets.provisioned(INFO, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "photos in us-east-1: up to 4 machines, c7i.large; none runs until images come",
        "To use it:    offload detect photos/ --where fleet",
        "To remove it: offload down fleet:photos --region us-east-1",
    ]
    fleets.provisioned(INFO, as_json=True)
    assert json.loads(capsys.readouterr().out)["fleet"]["bucket"] == BUCKET


def test_machines_are_listed_with_their_fleet_and_what_they_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine = Machine("i-1", "photos", "us-east-1", "running", "c7i.large", NOON, zone="us-east-1b")
    row = ListedMachine("photos", "us-east-1", machine, None, 90.0, 0.00225)
    listed = [ListedFleet(INFO, (row,)), ListedFleet(replace(INFO, name="empty"), ())]
    machines.listed([], [], listed, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["photos", "us-east-1", "1", "of", "4", "c7i.large", "$0.090"] in lines
    assert ["empty", "us-east-1", "0", "of", "4", "c7i.large", "$0.000"] in lines
    [of_machine] = [line for line in lines if line[:1] == ["i-1"]]
    assert of_machine[1:5] == ["photos", "running", "c7i.large", "us-east-1b"]
    machines.listed([], [], listed, as_json=True)
    [first, second] = json.loads(capsys.readouterr().out)["fleets"]
    assert first["machines"][0]["machine"]["id"] == "i-1"
    assert (second["name"], second["machines"]) == ("empty", [])
