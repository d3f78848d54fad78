"""A worker put together: model, detectors, its queues and its bucket at AWS."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from offload.domain.errors import UsageError
from offload.domain.machines import ROWS
from offload.domain.ports import ModelIdentity
from offload.domain.vision import Image, Selection
from offload.drivers.aws.fleet.asking import connected
from offload.drivers.aws.fleet.member import Ec2Member
from offload.drivers.aws.fleet.objects import S3Store
from offload.drivers.aws.fleet.queues import SqsQueues, queue_name, region_of
from offload.drivers.images import pictures
from offload.places import inprocess
from offload.service.queued.answering import Answering
from offload.service.queued.insisting import Insisting
from offload.service.queued.working import IDLE_S, PER_SLOT, QueueWorker
from offload.usecases.context import Context
from offload.usecases.detect import places
from offload.usecases.detect.request import Request

_OUT = re.compile(rf"s3://([a-z0-9][a-z0-9.-]+)/{ROWS}?")


@dataclass(frozen=True, slots=True)
class Errand:
    """Where images come from and rows go to: the URLs of queues, and `s3://BUCKET/rows`; `stay`
    where it goes on though none comes.
    """

    queue: str
    dead: str
    out: str
    stay: bool = False


@dataclass(frozen=True, slots=True)
class Working:
    """A worker that is ready: its queue's name, its model, its detectors, who it is."""

    queue: str
    model: ModelIdentity
    slots: int
    worker: str


def run(
    errand: Errand,
    request: Request,
    where: str,
    context: Context,
    announce: Callable[[Working], None],
) -> None:
    """Work until told to end or there is nothing to do; rows say that they were made at `where`.

    Raises:
        OffloadError: what is asked for cannot be done, or AWS refuses it.
    """
    if not (bucket := _OUT.fullmatch(errand.out)):
        raise UsageError(
            f"--out takes a fleet's bucket, not {errand.out!r}.",
            hint="For instance: --out s3://BUCKET/rows",
        )
    config = places.config(request, context)
    place = inprocess.standing(config)
    selection = Selection(min_score=place.model.min_score)
    with place.open(selection, config.workers or config.cores) as engine:
        engine.detect(Image("warm-up", pictures.sample()))
        clients, _ = connected(region_of(errand.queue), connections=PER_SLOT * engine.slots + 1)
        queues = SqsQueues(clients("sqs"))
        member = Ec2Member.here(clients, os.environ)
        name = member.id if member else os.uname().nodename
        # A machine of a fleet waits for what may yet be allowed; a person wants to know at once.
        ask = Insisting(context.stop, IDLE_S if member else 0.0, context.reporter, context.clock)
        answering = Answering(
            queue=queues(errand.queue),
            dead=queues(errand.dead),
            replies=queues,
            store=S3Store(clients("s3"), bucket[1]),
            engine=engine,
            model=place.model,
            where=where,
            worker=name,
            slots=engine.slots,
            ask=ask,
        )
        announce(Working(queue_name(errand.queue), engine.model, engine.slots, name))
        QueueWorker(answering, member, errand.stay).run()
