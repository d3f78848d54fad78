"""What a batch at AWS Batch would be and cost."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from offload.render import tables
from offload.render.fleets.provisioning import priced_machines
from offload.render.messages import say_lines

if TYPE_CHECKING:
    from offload.usecases.batch.aws_parts import BatchPlan

_REST_USD_PER_MONTH = 0.02
"""Its container image, 200 MB at $0.10 a gigabyte (https://aws.amazon.com/ecr/pricing/)."""
_REPOSITORY = "a repository with its container image"
_ROLES = "a role for machines and one for containers that may use just these prefixes"
_MADE = {
    _REPOSITORY: "CreateRepository, PutLifecyclePolicy, the push of an image",
    "a log group": "CreateLogGroup, PutRetentionPolicy",
    _ROLES: "CreateRole, PutRolePolicy, CreateInstanceProfile, AddRoleToInstanceProfile, PassRole",
    "the account's role for AWS Batch, if it has none": "CreateServiceLinkedRole",
    "a security group that lets nothing in": "CreateSecurityGroup",
    "compute environments": "CreateComputeEnvironment",
    "a job queue": "CreateJobQueue",
    "a job definition": "RegisterJobDefinition",
}
"""What it consists of, and the calls that make each."""


def plan(plan: "BatchPlan", *, as_json: bool) -> None:
    """What would be made, on standard output."""
    if not as_json:
        return tables.print_lines(_plan_lines(plan))
    return tables.write_json({
        "kind": "plan", "region": plan.region, "batch": asdict(plan.options), "max": plan.most,
        "on_demand": plan.on_demand, "there": plan.is_there,
        "machines": priced_machines(plan),
        "most_usd_per_h": plan.most_usd_per_h, "rest_usd_per_month": _REST_USD_PER_MONTH,
        "model": asdict(plan.model.identity),
    })  # fmt: skip


def announce(plan: "BatchPlan", *, quiet: bool) -> None:
    """The same on standard error, before the question."""
    if not quiet:
        say_lines(*_plan_lines(plan))


def _plan_lines(plan: "BatchPlan") -> Iterator[str]:
    options, offer, cost = plan.options, plan.offers[0], plan.costs[0]
    yield (
        f"{options.name}: up to {_machines(plan)} of AWS Batch in {plan.region}, "
        f"{' or '.join(each.spec.instance_type for each in plan.offers)}, {offer.vcpus} vCPUs, "
        f"{offer.arch}, that detect with {plan.model.identity.name}"
    )
    yield f"They read {options.source} and write {options.out}, and nothing else."
    yield (
        "While no job waits no machine runs, and it costs its container image: "
        f"${_REST_USD_PER_MONTH:.2f} a month."
    )
    most = " at most" if options.spot else ""
    how = f"{cost.how}, {cost.as_of}" if cost.as_of else cost.how
    yield (
        f"A machine costs ${cost.all_usd_per_h:.4f} an hour{most}, address and disk included "
        f"({how}), while jobs run; all {plan.most} cost ${plan.most_usd_per_h:.2f} an hour at most."
    )
    if plan.is_there:
        yield "It is there; what differs is changed."
        return
    named = {_REPOSITORY: options.container_image, _ROLES: options.instance_profile}
    made = {what: calls for what, calls in _MADE.items() if not named.get(what)}
    yield (
        f"Will create {', '.join(made)}; no machine until jobs come. "
        f"Calls: {', '.join(made.values())}, SubmitJob."
    )


def _machines(plan: "BatchPlan") -> str:
    if not plan.options.spot:
        return f"{plan.most} machines"
    spot = f"{plan.most - plan.on_demand} spot instances"
    return f"{spot} and {plan.on_demand} on-demand ones" if plan.on_demand else spot
