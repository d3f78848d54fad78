"""A server's answers, a line each."""

import json
from dataclasses import asdict

from offload.domain.events import Answered, Event, Listener
from offload.drivers.host.machine import now
from offload.render.messages import say_lines


def log(form: str) -> Listener:
    """Writes a line on standard error for each answer, as `json` or `text`."""

    def hear(event: Event) -> None:
        if isinstance(event, Answered):
            say_lines(_as_json(event) if form == "json" else _as_text(event))

    return hear


def _as_json(event: Answered) -> str:
    return json.dumps({"at": now(), **asdict(event), "duration_s": round(event.duration_s, 6)})


def _as_text(event: Answered) -> str:
    asked = f"{event.client} {event.method} {event.path} {event.status or '-'}"
    sizes = f"{event.received_bytes} bytes in, {event.sent_bytes} out"
    return f"{now()} {asked} {event.duration_s:.3f} s, {sizes}"
