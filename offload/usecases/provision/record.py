"""Bringing a machine up is a measurement: it goes into the history with every phase."""

from collections.abc import Mapping
from typing import Any

from offload.domain.errors import OffloadError
from offload.domain.measurements import Condition, Measurement, Start
from offload.domain.places import StartState
from offload.drivers.host import machine
from offload.usecases.context import Context


def brought_up(
    under: Condition,
    came_from: StartState,
    phases: Mapping[str, float],
    facts: Mapping[str, Any],
    context: Context,
    *,
    took_s: float | None = None,
) -> Measurement | None:
    """Add a bring-up to the history, unless the settings say not to; what was added, for the run
    that it was made for. None for a machine that was warm: nothing was brought up.

    `under` has the machine's label for its `url`. `facts` say how its `image` got there: `present`,
    `built` or `streamed`. `took_s` is what all phases took together, and between them.
    """
    if came_from is StartState.WARM:
        return None
    measurement = Measurement(
        taken_at=machine.now(),
        source="provision",
        condition=under,
        in_flight=1,
        starts=(Start(0, took_s or sum(phases.values()), 0.0, phases=dict(phases)),),
        facts={"from": came_from, **facts},
    )
    if context.settings.history:
        try:
            with context.history() as store:
                store.add(measurement)
        except OffloadError as error:
            context.reporter.warn(f"This bring-up could not be remembered: {error}")
    return measurement
