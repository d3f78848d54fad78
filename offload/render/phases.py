"""The phases of something long, in words."""

from collections.abc import Mapping

from offload.domain.events import PhaseBegan
from offload.domain.measurements import StartPhase

STEPS: Mapping[str, str] = {
    StartPhase.API: "Requesting a machine from AWS",
    StartPhase.START: "Starting the machine",
    StartPhase.PENDING: "Waiting for the machine to run",
    StartPhase.BOOT: "Waiting for SSH",
    StartPhase.ENGINE: "Waiting for Docker",
    StartPhase.IMAGE: "Installing the container image",
    StartPhase.BUILD: "Building the container image here",
    StartPhase.CONTAINER: "Starting the server",
}
"""What a step of a machine's bring-up is called."""


def phase(began: PhaseBegan) -> str:
    """A phase, with where it is if that was said; of a bring-up with which step that is."""
    if began.step:
        return f"[{began.step}/{began.steps}] {STEPS[began.phase]}"
    return f"{began.at}: {began.phase}" if began.at else began.phase
