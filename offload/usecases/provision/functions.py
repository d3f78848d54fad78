"""A function of AWS Lambda brought up and taken down: what there is stays, what lacks is made."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from offload.detectors import source
from offload.detectors.catalogue import BUILTIN, NAMED
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.events import PhaseBegan, Sent
from offload.domain.machines import Resource
from offload.domain.measurements import StartPhase
from offload.domain.prices import CallPrice
from offload.drivers.aws.drop_parts import rights
from offload.drivers.aws.function_parts import FunctionParts, marks
from offload.drivers.aws.functions import FunctionConfig, FunctionSpec
from offload.drivers.docker.engine import Engine
from offload.drivers.docker.own_image import ModelImage
from offload.usecases.advise import prices
from offload.usecases.context import Context
from offload.usecases.function import CORE_MB

TIMEOUT_S = 60
_LEAST_MB, _MOST_MB = 512, 10_240
"""With less than that the model and a large photo do not fit; Lambda has no more than the other."""
_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")
_ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+")

Connect = Callable[[str | None, str | None], FunctionParts]
Engines = Callable[[], AbstractContextManager[Engine]]
Told = Callable[[Resource], None]


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
    return FunctionPlan(options, parts.region, model, image_of(model), price, before, parts)


def image_of(model: ModelSource) -> ModelImage:
    """The image of a function with this model: named ones are pulled as it is built, others go into
    it as they are here.
    """
    name, runtime, sha256 = model.identity.name, model.identity.runtime, model.identity.sha256
    if name == BUILTIN or name in NAMED:
        return ModelImage(runtime, name, sha256)
    if os.path.isdir(model.path):
        raise UsageError(
            f"The model {name} is a folder, and a function takes models of one file.",
            hint="To see those that do: offload models list",
        )
    return ModelImage(runtime, f"models/{os.path.basename(model.path)}", sha256, model.path)


def carry_out(
    plan: FunctionPlan, context: Context, engines: Engines = Engine.connected
) -> FunctionConfig:
    """The function, once it can be called. The same plan goes on after any failure.

    Raises:
        OffloadError: it cannot be done.
    """
    options, parts, reporter = plan.options, plan.parts, context.reporter
    name, tags = options.name, marks(options.name)
    with engines() as engine:
        reporter.emit(PhaseBegan(StartPhase.BUILD))
        if not plan.image.is_current(engine):
            plan.image.build(engine, reporter.step)
        reporter.emit(PhaseBegan(StartPhase.IMAGE))
        repository, tag = parts.repository(name, tags), f"{plan.image.tag}-{engine.arch}"
        if not parts.has_image(name, tag):
            login = parts.login()

            def sent(done: int, total: int | None) -> None:
                reporter.emit(Sent(done, total))

            engine.push(plan.image.name, repository, tag, (login.user, login.password), sent)
        arch = engine.arch
    reporter.emit(PhaseBegan(StartPhase.CREATE))
    bucket, table, queue = parts.bucket(name, tags), None, None
    more: list[dict[str, Any]] = []
    if plan.drop_box:
        table, queue = parts.drops().table(name, tags), parts.drops().queue(name, tags)
        more = rights(bucket, table, queue)
    role = options.role or _own_role(parts, name, tags, more)
    parts.log_group(name, tags)
    image, table_name = f"{repository}:{tag}", name if table else None
    spec = FunctionSpec(
        options.memory_mb, TIMEOUT_S, image, arch, role, bucket, table_name, queue
    )  # fmt: skip
    up = parts.handle(name).deploy(spec, tags)
    if plan.drop_box:
        parts.drops().told_of(name, bucket)
    return up


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
    connect: Connect = FunctionParts.connected,
) -> None:
    """Remove a function and all that is its own: log group, role, bucket, repository with images.
    `told` is told of each when it has gone.

    Raises:
        UsageError: there is nothing of it.
    """
    check_name(name)
    parts = connect(region, profile)
    found = list(parts.resources(name))
    if not found:
        raise UsageError(
            f"There is no function {name} of offload's in {parts.region}.",
            hint="To look elsewhere: offload down lambda --region REGION",
        )
    for resource in found:
        if context.stop:
            return
        parts.remove(resource)
        told(resource)


def check_name(name: str) -> None:
    """Raise UsageError where a function cannot be called that."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A function cannot be called {name!r}: a small letter, then small letters, digits and "
            "hyphens, 40 at most.",
            hint="For instance: offload provision lambda --name photos",
        )
