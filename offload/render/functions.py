"""Functions of AWS Lambda: what one would be and cost, what came up."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from offload.domain.units import show_usd
from offload.render import tables
from offload.render.messages import shown

if TYPE_CHECKING:
    from offload.drivers.aws.function.calling import FunctionConfig
    from offload.drivers.aws.function.drops import Failure
    from offload.usecases.provision.functions import FunctionPlan

_USUAL_S = 0.1
"""What a photo about takes a core, where nobody measured."""
_CALLS = (
    "CreateRepository, PutLifecyclePolicy, the push of an image, CreateRole, PutRolePolicy, "
    "CreateLogGroup, PutRetentionPolicy, CreateBucket, PutPublicAccessBlock, "
    "PutLifecycleConfiguration, PutBucketTagging, CreateFunction"
)


def plan(plan: "FunctionPlan", *, as_json: bool) -> None:
    """What would be made, on standard output."""
    if not as_json:
        return tables.print_lines(plan_lines(plan))
    return tables.write_json({
        "kind": "plan", "region": plan.region, "function": asdict(plan.options),
        "there": asdict(plan.before) if plan.before else None, "price": asdict(plan.price),
        "model": asdict(plan.model.identity),
    })  # fmt: skip


def plan_lines(plan: "FunctionPlan") -> Iterator[str]:
    """What would be made, a sentence a line."""
    options, price = plan.options, plan.price
    yield (
        f"{options.name}: a function of {options.memory_mb} MB in {plan.region} that detects with "
        f"{plan.model.identity.name}"
    )
    each = price.usd(1000, 1000 * _USUAL_S)
    yield (
        f"It costs nothing while nobody calls it, but for its image: about $0.02 a month. 1,000 "
        f"images of {_USUAL_S:g} s each cost {show_usd(each)}, and {show_usd(price.usd_per_s)} "
        f"each second that an environment starts ({price.how}, as of {price.as_of})."
    )
    if there := plan.before:
        yield f"It is there, with {there.memory_mb} MB; what differs is changed."
    else:
        role = f"the role {options.role}" if options.role else "a role that may write its log"
        yield (
            f"Created: a repository with its image, {role}, a log group, a private bucket for "
            "images that are too large for a call, a function."
        )
        if plan.drop_box:
            yield (
                "And for the drop box: S3 tells the function of what is put into the bucket, a "
                "table for rows, a queue for what fails. They cost by the request: about $0.000006 "
                "a picture."
            )
        yield f"Calls: {_CALLS}."


def failures(found: "Iterable[Failure]", *, as_json: bool) -> None:
    """A line for each picture that has no row."""
    if as_json:
        return tables.write_json({"kind": "failures", "failures": [asdict(each) for each in found]})
    rows = [(shown(each.path), shown(each.why), each.request) for each in found]
    if not rows:
        return tables.print_lines(["Nothing failed."])
    return tables.print_table(("image", "why", "request"), rows, folded=("why",))


def provisioned(up: "FunctionConfig", *, as_json: bool) -> None:
    """A function that can be called."""
    if as_json:
        return tables.write_json({"kind": "function", "function": asdict(up)})
    return tables.print_lines([
        f"{up.name} in {up.region}: {up.memory_mb} MB, {up.arch}; it can be called",
        "To use it:    offload detect photos/ --where lambda",
        f"To remove it: offload down lambda:{up.name} --region {up.region}",
    ])  # fmt: skip
