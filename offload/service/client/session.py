"""A session at a server: each image sent in its turn, once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from offload.domain import typed
from offload.domain.errors import (
    ImageError,
    OffloadError,
    PlaceUnavailable,
    Refused,
    Unanswered,
)
from offload.domain.timing import Clock, Durations
from offload.domain.vision import Detections, Image, Selection
from offload.drivers.http.connections import Reply, Server
from offload.drivers.http.web import Unreachable
from offload.drivers.images import pictures, stripping
from offload.service import wire
from offload.service.client import greeting
from offload.service.client.greeting import Address, detail
from offload.service.client.turns import Pieces, Turns

_RTT_PROBES = 5
_MOST_UNREADABLE = 3
"""Answers in a row that cannot be used, after which a server is asked no more."""

_SHORT_TRIPS = 6
"""Round trips within which an upload is over that the link does not hold back: TCP's slow start
(ten segments first, twice as many each round trip) needs four for 200 kB, the answer one.
"""


class Later(Unanswered):
    """The server gives no answer now, but may in `after_s` seconds or so: it is busy, or lost."""

    def __init__(self, reason: str, after_s: float = 0.0, *, is_busy: bool = False) -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.is_busy = is_busy


@dataclass(frozen=True, slots=True)
class Upload:
    """`max_side_px` is the longest side of what is sent, `quality` the JPEG quality of a copy that
    is made for it, 1..100. Larger pictures than `max_pixels` are not opened.
    """

    max_side_px: int | None = None
    quality: int = 90
    strip_metadata: bool = False
    max_pixels: int = pictures.MAX_PIXELS

    def prepare(self, data: bytes) -> tuple[bytes, tuple[int, int] | None]:
        """What is sent, and the picture's upright width and height if a copy has another size.

        Raises:
            ImageError: the image cannot be used.
        """
        if self.max_side_px is not None:
            copy = pictures.smaller(data, self.max_side_px, self.quality, self.max_pixels)
            if copy is not None:
                return copy
        if self.strip_metadata:
            return stripping.strip(data, self.max_pixels), None
        return data, None


class ServerSession:
    """A server that is up, for several threads."""

    def __init__(
        self,
        server: Server,
        address: Address,
        info: wire.Info,
        selection: Selection,
        max_pixels: int,
        upload: Upload,
        clock: Clock,
        phases: Mapping[str, float] | None = None,
    ) -> None:
        self.model = info.identity
        self.labels = info.labels
        self.slots = info.workers
        self.host = info.machine
        self.phases: Mapping[str, float] = phases or {}
        self._server = server
        self._address = address
        self._max_detections = selection.max_detections
        self._query = {
            "min_score": selection.min_score,
            "class": sorted(selection.classes),
            "max_detections": selection.max_detections,
            "iou": selection.max_iou,
            "max_pixels": max_pixels,
        }
        self._prepare = upload.prepare
        self._clock = clock
        self._unreadable = 0
        self._given_up = ""
        rtt_s = self._rtt_s()
        self.concurrency = address.concurrency or in_flight(info, rtt_s)
        self._uplink = Turns(self.concurrency, _SHORT_TRIPS * rtt_s)

    def greet(self) -> None:
        """See that the server answers, and is what it was.

        Raises:
            PlaceUnavailable: it does not, or is not.
        """
        if self._given_up:
            raise PlaceUnavailable(self._given_up)
        self._expect(greeting.ask(self._server, self._address).model.sha256)

    def close(self) -> None:
        """Close the connections; requests under way fail."""
        self._server.close()

    def detect(self, image: Image) -> Detections:
        """Send the image when it is its turn.

        Raises:
            ImageError: the image cannot be used.
            Later: the server gives no answer now, Unanswered: nor later, or Refused: none that can
                be used.
            PlaceUnavailable: it wants another token, has another model than before, or gave no
                answer that can be used for a while; it is not asked again.
        """
        if self._given_up:
            raise PlaceUnavailable(self._given_up)
        started_s = self._clock()
        data, size = self._prepare(image.data)
        trip = _Trip(data, self._clock() - started_s)
        try:
            reply = self._send(trip)
            way = Durations(
                prepare_s=trip.prepare_s,
                upload_wait_s=trip.upload_wait_s,
                upload_s=trip.wall_s,
                download_s=reply.ended_s - reply.began_s,
            )
            found = self._read(reply).detected(size, trip.sent_bytes, way)
            self._uplink.learn(found.durations.upload_s)
            return found
        except OffloadError as error:
            error.sent_bytes = trip.sent_bytes
            if isinstance(error, PlaceUnavailable):
                self._given_up = str(error)
            raise

    def probe(self, payload: bytes) -> float:
        """Seconds the payload takes to the server, its last byte's receipt included."""
        began_s = self._clock()
        return self._probed("POST", None, payload).began_s - began_s

    def probe_down(self, size_bytes: int) -> float:
        """Seconds that as many bytes from the server take, up to `wire.MOST_PROBE_BYTES`."""
        began_s = self._clock()
        return self._probed("GET", {"bytes": size_bytes}).ended_s - began_s

    def _probed(self, method: str, query: Mapping[str, int] | None, body: bytes = b"") -> Reply:
        sent = Pieces(body) if method == "POST" else None
        try:
            reply = self._server.request(method, wire.PROBE, query, sent, len(body))
        except Unreachable as error:
            raise Unanswered(str(error)) from error
        if reply.status != HTTPStatus.OK:
            raise Unanswered(detail(reply))
        if query and len(reply.body) != query["bytes"]:
            raise Unanswered(
                f"{self._server.shown} sends a different number of bytes than asked for"
            )
        return reply

    def _send(self, trip: "_Trip") -> Reply:
        asked_s = self._clock()
        with self._uplink.turn() as done:
            began_s = self._clock()
            sent = Pieces(trip.data, done)
            try:
                reply = self._server.request("POST", wire.DETECT, self._query, sent, len(trip.data))
            except Unreachable as error:
                raise Later(str(error)) from error
            finally:
                trip.sent_bytes = sent.sent_bytes
        trip.upload_wait_s, trip.wall_s = began_s - asked_s, reply.began_s - began_s
        return reply

    def _read(self, reply: Reply) -> wire.Answer:
        if reply.status in greeting.RETRIED:
            is_busy = reply.status == HTTPStatus.TOO_MANY_REQUESTS
            raise Later(detail(reply), greeting.retry_after_s(reply) or 0.0, is_busy=is_busy)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            raise greeting.refused(self._server.shown, self._address.token)
        if (
            reply.status in greeting.UNUSABLE
            and greeting.refusal(reply).type != wire.TOO_MANY_BYTES
        ):
            raise ImageError(detail(reply))
        if reply.status != HTTPStatus.OK:
            why = f"{self._server.shown} answers {reply.status}: {detail(reply)}"
            raise Refused(why) if reply.status in greeting.UNUSABLE else Unanswered(why)
        answer = self._parsed(reply)
        self._expect(answer.model_sha256)
        return answer

    def _expect(self, sha256: str) -> None:
        if sha256 != self.model.sha256:
            raise PlaceUnavailable(
                f"{self._server.shown} has another model now: SHA-256 {sha256[:12]}… instead of "
                f"{self.model.sha256[:12]}…."
            )

    def _parsed(self, reply: Reply) -> wire.Answer:
        try:
            answer = typed.parse(wire.Answer, reply.body)
            if len(answer.detections) > self._max_detections:
                raise ValueError(f"{len(answer.detections)} detections are more than asked for")
        except ValueError as error:
            self._unreadable += 1
            why = f"{self._server.shown} sends an unusable answer: {error}"
            if self._unreadable < _MOST_UNREADABLE:
                raise Refused(why) from error
            why += f"; after {self._unreadable} such answers it gets no more requests."
            raise PlaceUnavailable(why, hint=self._address.hint) from error
        self._unreadable = 0
        return answer

    def _rtt_s(self) -> float:
        """The shortest of a few empty requests: a round trip and what a request costs."""
        times_s = []
        for _ in range(_RTT_PROBES):
            began_s = self._clock()
            greeting.get(self._server, wire.LIVE, self._address)
            times_s.append(self._clock() - began_s)
        return min(times_s)


def in_flight(info: wire.Info, rtt_s: float) -> int:
    """How many requests at a time hide the latency.

    The pipeline's rule c >= Z / b + 1, with Z the seconds of one unhindered image and b those of
    the slowest stage: if that is the server, b = t_s / k of its k slots; if it is the uplink, fewer
    are enough. More than the server's queue takes are never sent.
    """
    slots, service_s = info.workers, max(info.startup.service_s, 1e-4)
    wanted = slots + math.ceil(slots * rtt_s / service_s) + 2
    return max(1, min(wanted, slots + info.queue, greeting.MOST_IN_FLIGHT))


@dataclass(slots=True)
class _Trip:
    """One image's way: what is sent, the wait for its turn, the seconds until its answer began."""

    data: bytes
    prepare_s: float
    upload_wait_s: float = 0.0
    wall_s: float = 0.0
    sent_bytes: int = 0
