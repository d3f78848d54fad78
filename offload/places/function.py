"""A function of AWS Lambda: every image is a call that is billed, and nothing is while it rests."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property

from offload.domain import typed
from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, Refused, Unanswered
from offload.domain.measurements import StartPhase
from offload.domain.places import CALLS, SENDING, PlaceTraits, StartState
from offload.domain.ports import Model
from offload.domain.timing import Clock, Durations
from offload.domain.vision import Detections, Image, Selection
from offload.drivers.aws.function.calling import AwsFunction, FunctionConfig
from offload.providers.config import PlaceConfig
from offload.service import wire
from offload.service.client.greeting import expect
from offload.service.function.call import MOST_BYTES, UNFETCHED, Call, Reply
from offload.service.function.caller import Callee, Caller
from offload.version import __version__

TRAITS = PlaceTraits(
    "lambda",
    title="the function",
    phrase="as a function",
    by_call=True,
    has_own_model=True,
    start_states=(StartState.WARM, StartState.COLD),
    options=SENDING,
    simplicity=3,
)

_HINT = "To bring one up that fits: offload provision lambda"


def make(config: PlaceConfig) -> "FunctionPlace":
    """The function that the settings name, which has a model of its own."""
    connections = config.link.concurrency or CALLS
    return FunctionPlace(config, lambda: AwsFunction.connected(config.function, connections))


@dataclass
class FunctionPlace:
    """A function that somebody brought up; `connect` gives it."""

    config: PlaceConfig
    connect: Callable[[], Callee]
    pause: Callable[[float], None] = time.sleep
    name: str = "lambda"

    @cached_property
    def callee(self) -> Callee:
        """The function, once it was asked for."""
        return self.connect()

    @cached_property
    def about(self) -> FunctionConfig:
        """How AWS has it."""
        return self.callee.config()

    @cached_property
    def caller(self) -> Caller:
        """What calls it."""
        link, most = self.config.link, self.config.link.concurrency or CALLS
        most = min(most, self.about.most or most)
        clock = self.config.clock
        return Caller(self.callee, most, clock, link.max_retries, link.timeout_s, self.pause)

    @cached_property
    def greeted(self) -> "_Greeted":
        """What it says of itself, to the first call."""
        shown = f"The function {self.about.name}"
        try:
            reply, _, took_s = self.caller.call(b"{}")
        except Unanswered as error:
            raise PlaceUnavailable(
                f"{shown} does not answer: {error}",
                hint=f"To see why: aws logs tail /aws/lambda/{self.about.name}",
            ) from error
        if reply.info is None or reply.info.version != __version__:
            version = reply.info.version if reply.info else "of another version"
            raise PlaceUnavailable(
                f"{shown} runs offload {version}, this is offload {__version__}: their answers may "
                "differ.",
                hint=_HINT,
            )
        return _Greeted(reply.info, reply.init_s, took_s)

    @property
    def model(self) -> Model:
        """The one it has, which must be what was asked for, if anything was.

        Raises:
            PlaceUnavailable: it does not answer, or has another.
        """
        info = self.greeted.info
        if self.config.asked:
            asked = self.config.here() or self.config.asked
            expect(info, asked, f"The function {self.callee.name}", _HINT)
        return info

    def cool(self) -> None:
        """Have the next call be a cold one, where that may be asked for."""
        with suppress(OffloadError):
            self.callee.renew()

    @contextmanager
    def open(self, selection: Selection, images: int) -> Iterator["FunctionSession"]:
        """Nothing has to be brought up, but for what the first calls start.

        Raises:
            PlaceUnavailable: it does not answer, or has another model.
        """
        del images
        yield FunctionSession(self, selection)


@dataclass(frozen=True, slots=True)
class _Greeted:
    """What the function said to the first call, and how long that took; `init_s` where it had to
    start for it.
    """

    info: wire.Info
    init_s: float | None
    took_s: float


class FunctionSession:
    """A function that answers, for several threads."""

    def __init__(self, place: FunctionPlace, selection: Selection) -> None:
        config, about, greeted = place.config, place.about, place.greeted
        self._caller, self._about = place.caller, about
        self._clock: Clock = config.clock
        self._prepare = config.upload.prepare
        self._call = Call(**Call.of(selection, config.max_pixels))
        self.slots = self.concurrency = place.caller.most
        self.model = place.model.identity
        self.labels = greeted.info.labels
        self.host = {
            **greeted.info.machine,
            "name": f"{about.memory_mb} MB in {about.region}",
            "cpu": about.arch,
            "usable_cores": greeted.info.threads,
            "memory_mb": about.memory_mb,
            "region": about.region,
        }
        self.phases: dict[str, float] = {}
        if greeted.init_s is not None:
            self.phases[StartPhase.INIT] = max(greeted.init_s, greeted.took_s - self.probe(b""))

    def detect(self, image: Image) -> Detections:
        """Call the function with the image, as often as it takes.

        Raises:
            ImageError: the image cannot be used.
            Unanswered: no answer comes, or Refused: the function ends on it.
            PlaceUnavailable: it may not be called any more, or has another model than before.
        """
        began_s = self._clock()
        data, size = self._prepare(image.data)
        prepare_s = self._clock() - began_s
        payload = typed.encoded(replace(self._call, picture=data))
        with ExitStack() as stack:
            if len(payload) > MOST_BYTES:
                if self._about.bucket is None:
                    raise Refused(
                        f"it takes {len(payload)} bytes to send, and a call may have {MOST_BYTES}; "
                        f"smaller copies may do: --upload-max-side 1280"
                    )
                url = stack.enter_context(self._caller.callee.staged(self._about.bucket, data))
                payload = typed.encoded(replace(self._call, url=url))
            staged_s = self._clock() - began_s - prepare_s
            reply, wait_s, wall_s = self._caller.call(payload)
        answer = _read(reply)
        if answer.model_sha256 != self.model.sha256:
            raise PlaceUnavailable(f"The function {self._about.name} has another model now.")
        way = Durations(
            prepare_s=prepare_s,
            upload_wait_s=wait_s,
            upload_s=staged_s + wall_s,
            init_s=reply.init_s or 0.0,
        )
        return answer.detected(size, len(data), way)

    def probe(self, payload: bytes) -> float:
        """Seconds of a call with as many bytes, which are a third more on the way."""
        return self._caller.call(typed.encoded(Call(padding=payload, answer_bytes=0)))[2]

    def probe_down(self, size_bytes: int) -> float:
        """Seconds of a call for as many bytes, which are a third more on the way."""
        return self._caller.call(typed.encoded(Call(answer_bytes=size_bytes)))[2]


def _read(reply: Reply) -> wire.Answer:
    problem, request = reply.problem, reply.request_id
    if reply.answer is not None:
        return reply.answer
    if problem is None:
        raise Refused(f"the function answers nothing (request {request})")
    if problem.type in {wire.TOO_MANY_PIXELS, wire.NO_PICTURE}:
        raise ImageError(problem.detail)
    if problem.type == UNFETCHED:
        raise Unanswered(f"{problem.detail} (request {request})")
    raise Refused(f"{problem.detail} (request {request})")
