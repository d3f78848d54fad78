"""Fleets: what one would be and cost, what came up, which there are."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from offload.domain.units import show_s
from offload.render import tables
from offload.version import __version__

if TYPE_CHECKING:
    from offload.domain.machines import FleetInfo
    from offload.domain.results import Json
    from offload.usecases.batch.aws_parts import BatchPlan
    from offload.usecases.provision.fleet_planning import FleetPlan
    from offload.usecases.provision.fleets import ListedFleet

_REST_USD_PER_MONTH = 0.35
"""Its container image, 200 MB at $0.10 a gigabyte (https://aws.amazon.com/ecr/pricing/), and the
three metrics of its alarm at $0.10 (https://aws.amazon.com/cloudwatch/pricing/).
"""
_REQUESTS_USD = 1.3e-5
"""Of an image, in us-east-1: two PUTs and a GET of S3 (https://aws.amazon.com/s3/pricing/), six
requests of SQS (https://aws.amazon.com/sqs/pricing/).
"""
_REPOSITORY = "a repository with its container image"
_ROLE = "a role that may use just this fleet"
_MADE = {
    _REPOSITORY: "CreateRepository, PutLifecyclePolicy, the push of an image",
    "a private bucket": "CreateBucket, PutPublicAccessBlock, PutLifecycleConfiguration, "
    "PutBucketTagging, PutObject",
    "two queues": "CreateQueue, SetQueueAttributes",
    _ROLE: "CreateRole, PutRolePolicy, CreateInstanceProfile, AddRoleToInstanceProfile, PassRole",
    "a security group that lets nothing in": "CreateSecurityGroup",
    "a launch template": "CreateLaunchTemplate",
    "a group with an alarm": "CreateAutoScalingGroup, SuspendProcesses, EnableMetricsCollection, "
    "PutScalingPolicy, PutMetricAlarm",
}
"""What a fleet consists of, and the calls that make each."""


def plan(plan: "FleetPlan", *, as_json: bool) -> None:
    """What would be made, on standard output."""
    if not as_json:
        return tables.print_lines(plan_lines(plan))
    return tables.write_json({
        "kind": "plan", "region": plan.region, "fleet": asdict(plan.options), "max": plan.most,
        "machines": priced_machines(plan),
        "most_usd_per_h": plan.most_usd_per_h, "rest_usd_per_month": _REST_USD_PER_MONTH,
        "there": asdict(plan.before) if plan.before else None, "changes": dict(_changes(plan)),
        "model": asdict(plan.model.identity),
    })  # fmt: skip


def priced_machines(plan: "FleetPlan | BatchPlan") -> "list[Json]":
    """What is offered, and what each costs."""
    return [
        {
            "instance_type": offer.spec.instance_type, "arch": offer.arch, "vcpus": offer.vcpus,
            "usd_per_h": cost.all_usd_per_h, "how": cost.how, "as_of": cost.as_of,
        }
        for offer, cost in zip(plan.offers, plan.costs, strict=True)
    ]  # fmt: skip


def plan_lines(plan: "FleetPlan") -> Iterator[str]:
    """What would be made, a sentence a line."""
    options, offer, cost = plan.options, plan.offers[0], plan.costs[0]
    kind = "spot instances" if options.spot else "machines"
    yield (
        f"{options.name}: a fleet of up to {plan.most} {kind} in {plan.region}, "
        f"{' or '.join(each.spec.instance_type for each in plan.offers)}, {offer.vcpus} vCPUs, "
        f"{offer.arch}, that detects with {plan.model.identity.name}"
    )
    yield (
        "While no image waits no machine runs, and it costs its container image and an alarm: "
        f"${_REST_USD_PER_MONTH:.2f} a month at most."
    )
    most = " at most" if options.spot else ""
    how = f"{cost.how}, {cost.as_of}" if cost.as_of else cost.how
    yield (
        f"A machine costs ${cost.all_usd_per_h:.4f} an hour{most}, address and disk included "
        f"({how}), until a minute after the queue is empty; all {plan.most} cost "
        f"${plan.most_usd_per_h:.2f} an hour at most. Requests for 1,000 images cost "
        f"${1000 * _REQUESTS_USD:.3f}."
    )
    if plan.before:
        said = ", ".join(
            f"{name} {_word(old)} -> {_word(new)}" for name, (old, new) in _changes(plan)
        )
        yield f"It is there; {f'this changes: {said}' if said else 'nothing of this changes'}."
        return
    named = {_REPOSITORY: options.container_image, _ROLE: options.instance_profile}
    made = {what: calls for what, calls in _MADE.items() if not named.get(what)}
    yield f"Will create {', '.join(made)}; no machine yet. Calls: {', '.join(made.values())}."


def _changes(plan: "FleetPlan") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """What of a fleet that is there would be different: old and new."""
    if (there := plan.before) is None:
        return
    types = ",".join(each.spec.instance_type for each in plan.offers)
    options, asked = plan.options, there.asked
    for name, old, new in (
        ("max", there.most, plan.most),
        ("type", ",".join(there.instance_types), types),
        ("spot", there.spot, options.spot),
        ("on-demand base", asked.get("on_demand", 0), options.on_demand),
        ("model", there.model.name, plan.model.identity.name),
        ("container image", asked.get("container_image"), options.container_image),
        ("instance profile", asked.get("instance_profile"), options.instance_profile),
        ("subnet", asked.get("subnet") or "any", options.subnet or "any"),
        ("version", there.version, __version__),
    ):
        if old != new:
            yield name, (old, new)


def _word(value: object) -> str:
    """A value of an option as people say it."""
    words = {None: "our own", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def provisioned(up: "FleetInfo", *, as_json: bool) -> None:
    """A fleet that takes images."""
    if as_json:
        return tables.write_json({"kind": "fleet", "fleet": asdict(up)})
    types = " or ".join(up.instance_types)
    return tables.print_lines([
        f"{up.name} in {up.region}: up to {up.most} machines, {types}; none runs until images come",
        "To use it:    offload detect photos/ --where fleet",
        f"To remove it: offload down fleet:{up.name} --region {up.region}",
    ])  # fmt: skip


def listed(fleets: "Sequence[ListedFleet]") -> None:
    """The fleets that there are, and their machines."""
    rows = [
        (
            each.info.name, each.info.region, f"{len(each.machines)} of {each.info.most}",
            " or ".join(each.info.instance_types) + (", spot" if each.info.spot else ""),
            f"${len(each.machines) * each.info.usd_per_h:.3f}",
        )
        for each in fleets
    ]  # fmt: skip
    tables.print_table(("fleet", "region", "machines", "type", "an hour"), rows)
    machines = [
        (
            one.machine.id, each.info.name, one.machine.state, one.machine.instance_type,
            one.machine.zone or "", "" if one.age_s is None else show_s(one.age_s),
            "" if one.usd is None else f"${one.usd:.3f}",
        )
        for each in fleets
        for one in each.machines
        if one.machine is not None
    ]  # fmt: skip
    if machines:
        tables.print_lines([""])
        columns = ("machine", "of fleet", "state", "type", "zone", "age", "cost")
        tables.print_table(columns, machines)
