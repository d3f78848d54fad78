"""A function of AWS Lambda brought up and taken down: what there is stays, what lacks is made."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.events import PhaseBegan, Reporter
from offload.domain.measurements import StartPhase
from offload.domain.prices import CORE_MB, CallPrice
from offload.domain.results import Json
from offload.drivers.aws.function.calling import FunctionConfig, FunctionSpec
from offload.drivers.aws.function.parts import FunctionParts
from offload.drivers.aws.function.policies import rights
from offload.drivers.docker.engine import Engine
from offload.drivers.docker.own_image import ModelImage
from offload.usecases.advise import prices
from offload.usecases.context import Context
from offload.usecases.provision import brought_up
from offload.usecases.provision.model_image import Engines, image_of, pushed

TIMEOUT_S = 60
_LEAST_MB, _MOST_MB = 512, 10_240
"""With less than that the model and a large photo do not fit; Lambda has no more than the other
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""
_ARCHS = ("x86_64", "arm64")
_ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+")

Connect = brought_up.Connect[FunctionParts]
FUNCTIONS = brought_up.PartsKind(
    "function", "functions", "lambda", FunctionParts.connected,
    re.compile(r"[a-z][a-z0-9-]{1,39}"), 40,
)  # fmt: skip


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
        FUNCTIONS.check_name(self.name)
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
    name, tags = options.name, parts.marks(options.name)
    FUNCTIONS.remember(name, parts, options.profile, context)
    with engines() as engine:
        image, arch = _pushed(plan, engine, tags, reporter), engine.arch
    reporter.emit(PhaseBegan(StartPhase.CREATE))
    bucket, table, queue = parts.bucket(name, tags), None, None
    more: list[dict[str, Any]] = []
    if plan.drop_box:
        table, queue = parts.table(name, tags), parts.queue(name, tags)
        more = rights(bucket, table, queue)
    role = options.role or _own_role(parts, name, tags, more)
    parts.log_group(name, tags)
    rows = name if table else None
    spec = FunctionSpec(options.memory_mb, TIMEOUT_S, image, arch, role, bucket, rows, queue)
    up = parts.handle(name).deploy(spec, tags)
    if plan.drop_box:
        parts.told_of(name, bucket)
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


remove = FUNCTIONS.remove
known = FUNCTIONS.known


def _there(parts: FunctionParts) -> Iterator[tuple[str, FunctionConfig]]:
    return ((each.name, each) for each in parts.functions())


listed = partial(FUNCTIONS.listed, _there)


def permissions(
    context: Context,
    region: str | None,
    profile: str | None,
    connect: Connect | None = None,
) -> Json:
    """Which permissions there are of those that looking for a function takes."""
    name = context.settings.function.rpartition(":")[2]
    return FUNCTIONS.permissions(region, profile, name, connect)
