"""A function of AWS Lambda brought up and taken down: what there is stays, what lacks is made."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.events import PhaseBegan, Reporter
from offload.domain.measurements import StartPhase
from offload.domain.prices import CORE_MB, CallPrice
from offload.domain.results import Json
from offload.drivers.aws.function.calling import FunctionConfig, FunctionSpec
from offload.drivers.aws.function.parts import FunctionParts, marks
from offload.drivers.aws.function.policies import rights
from offload.drivers.aws.iam import Answer
from offload.drivers.docker.engine import Engine
from offload.drivers.docker.own_image import ModelImage
from offload.drivers.folders import known_files
from offload.drivers.folders.known_files import Known
from offload.usecases.advise import prices
from offload.usecases.context import Context
from offload.usecases.provision import brought_up
from offload.usecases.provision.machines import each_region
from offload.usecases.provision.model_image import Engines, image_of, pushed
from offload.usecases.provision.teardown import May, Told

TIMEOUT_S = 60
_LEAST_MB, _MOST_MB = 512, 10_240
"""With less than that the model and a large photo do not fit; Lambda has no more than the other
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""
_ARCHS = ("x86_64", "arm64")
_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")
_ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+")

Connect = Callable[[str | None, str | None], FunctionParts]


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """The options of `offload provision lambda`. `role` is the ARN of one to use.

    Raises:
        UsageError: they cannot be meant.
    """

    name: str = "offload"
    memory_mb: int = CORE_MB
    model: str | None = None
    role: str | None = None
    drop_box: bool = False
    region: str | None = None
    profile: str | None = None
    offline: bool = False

    def __post_init__(self) -> None:
        """Refuse what AWS would, before it is asked."""
        check_name(self.name)
        if not _LEAST_MB <= self.memory_mb <= _MOST_MB:
            raise UsageError(
                f"--memory takes megabytes from {_LEAST_MB} to {_MOST_MB:,}, not {self.memory_mb}.",
                hint=f"For one core: --memory {CORE_MB}",
            )
        if self.role is not None and not _ROLE.fullmatch(self.role):
            raise UsageError(
                f"--role takes the ARN of a role, not {self.role!r}.",
                hint="To see those there are: aws iam list-roles --query 'Roles[].Arn'",
            )


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """What carrying out a wish means. `before` is the function that is there, `arch` the processor
    that its image is for, None where no engine answers.
    """

    options: FunctionOptions
    region: str
    model: ModelSource
    image: ModelImage
    price: CallPrice
    before: FunctionConfig | None
    parts: FunctionParts = field(repr=False)

    @property
    def drop_box(self) -> bool:
        """Whether it is to have a drop box, as it may have already."""
        return self.options.drop_box or bool(self.before and self.before.table)


def planned(
    options: FunctionOptions, context: Context, connect: Connect = FunctionParts.connected
) -> FunctionPlan:
    """What would be done, with everything looked up and nothing changed.

    Raises:
        OffloadError: it cannot be, as far as can be known before.
    """
    model = source.chosen(options.model or context.settings.model, context.hub, None)
    parts = connect(options.region, options.profile)
    before = parts.function(options.name)
    arch = before.arch if before else "x86_64"
    host = {"memory_mb": options.memory_mb, "cpu": arch, "region": parts.region}
    price = prices.of_calls(host, context, offline=options.offline)
    assert price is not None
    return FunctionPlan(options, parts.region, model, image_of(model, "aws"), price, before, parts)


def carry_out(
    plan: FunctionPlan, context: Context, engines: Engines = Engine.connected
) -> FunctionConfig:
    """The function, once it can be called. The same plan goes on after any failure.

    Raises:
        OffloadError: it cannot be done.
    """
    options, parts, reporter = plan.options, plan.parts, context.reporter
    name, tags = options.name, marks(options.name)
    here = Known(name, parts.region, options.profile)
    known_files.remember(context.settings.functions_path, here)
    with engines() as engine:
        image, arch = _pushed(plan, engine, tags, reporter), engine.arch
    reporter.emit(PhaseBegan(StartPhase.CREATE))
    bucket, table, queue = parts.bucket(name, tags), None, None
    more: list[dict[str, Any]] = []
    if plan.drop_box:
        table, queue = parts.drops().table(name, tags), parts.drops().queue(name, tags)
        more = rights(bucket, table, queue)
    role = options.role or _own_role(parts, name, tags, more)
    parts.log_group(name, tags)
    rows = name if table else None
    spec = FunctionSpec(options.memory_mb, TIMEOUT_S, image, arch, role, bucket, rows, queue)
    up = parts.handle(name).deploy(spec, tags)
    if plan.drop_box:
        parts.drops().told_of(name, bucket)
    return up


def _pushed(plan: FunctionPlan, engine: Engine, tags: Mapping[str, str], reporter: Reporter) -> str:
    """The address of the image in the account's repository, built and sent unless it is there.

    Raises:
        PlaceUnavailable: the engine builds for a processor that Lambda does not have.
    """
    if engine.arch not in _ARCHS:
        raise PlaceUnavailable(
            f"AWS Lambda runs {' and '.join(_ARCHS)}, and the Docker engine here builds for "
            f"{engine.arch}.",
            hint="To use another engine: export DOCKER_HOST=ssh://USER@HOST",
        )
    into = partial(plan.parts.repository, plan.options.name, tags)
    return pushed(plan.image, engine, into, reporter)


def _own_role(
    parts: FunctionParts, name: str, tags: Mapping[str, str], more: Sequence[Mapping[str, Any]]
) -> str:
    try:
        return parts.role(name, tags, more)
    except PlaceUnavailable as error:
        hint = "To use a role that is there, LabRole in a Learner Lab: --role ARN"
        raise PlaceUnavailable(str(error), hint=hint) from error


def remove(
    context: Context,
    name: str,
    region: str | None,
    profile: str | None,
    told: Told,
    may: May,
    connect: Connect = FunctionParts.connected,
) -> None:
    """Remove a function and all that is its own: log group, role, bucket, repository with images.
    `told` is told of each when it has gone. Where some of it was not made here, `may` is asked
    about all. Without a region it is the one that this computer brought up, if that is but one.

    Raises:
        UsageError: there is nothing of it.
    """
    check_name(name)
    at = (context.settings.functions_path, name, region, profile)
    found, where = brought_up.remove(*at, context, told, may, connect)
    if not found:
        raise UsageError(
            f"There is no function {name} of offload's in {where}.",
            hint="To look elsewhere: offload down lambda --region REGION",
        )


def known(context: Context) -> list[Known]:
    """The functions that this computer brought up."""
    return known_files.known(context.settings.functions_path)


def listed(
    context: Context,
    regions: Sequence[str],
    profile: str | None,
    *,
    everywhere: bool = False,
    connect: Connect = FunctionParts.connected,
) -> list[FunctionConfig]:
    """Every function of offload's in these regions; without regions in the one that is configured,
    and where this computer brought some up. Where they may not be listed, that is said.
    """
    try:
        where = brought_up.where(known(context), context, regions, profile, connect, everywhere)
        answers = each_region(where, lambda at: connect(*at).functions(), context)
        found = {(each.name, each.region): each for some in answers for each in some}
        return [found[key] for key in sorted(found)]
    except OffloadError as error:
        context.reporter.warn(f"Functions are not listed: {error}")
        return []


def permissions(
    context: Context,
    region: str | None,
    profile: str | None,
    connect: Connect = FunctionParts.connected,
) -> Json:
    """Which permissions there are of those that looking for a function takes. Nothing is made, so
    nothing is known of those to make one.
    """
    found = connect(region, profile).permissions(context.settings.function.rpartition(":")[2])
    return {each: [name for name in found if found[name] == each] for each in get_args(Answer)}


def check_name(name: str) -> None:
    """Raise UsageError where a function cannot be called that."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A function cannot be called {name!r}: a small letter, then small letters, digits and "
            "hyphens, 40 at most.",
            hint="For instance: offload provision lambda --name photos",
        )
