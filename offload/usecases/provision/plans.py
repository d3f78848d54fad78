"""What there is to say of rented machines: planned, brought up, listed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from offload.costmodel.dollars import Billing
from offload.detectors.source import ModelSource
from offload.domain.machines import Machine, Offer
from offload.domain.measurements import Measurement
from offload.domain.places import StartState
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.folders.machine_files import MachineRecord
from offload.service.wire import Info


@dataclass(frozen=True, slots=True)
class ProvisionPlan:
    """What carrying out a wish means: what the cloud offers, what it costs, what is there already.

    `before` is the machine that is there, None where one is created. `can_send` says that this
    computer has an engine whose images run there.
    """

    offer: Offer
    record: MachineRecord
    model: ModelSource
    billing: Billing
    before: Machine | None
    can_send: bool
    cloud: Cloud = field(repr=False)


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A machine that serves, what it was brought up from, the seconds of each phase, what was done
    about its image, what its server says of itself, and what was added to the history.
    """

    machine: Machine
    record: MachineRecord
    came_from: StartState
    phases: Mapping[str, float]
    image: str
    info: Info
    measurement: Measurement | None


@dataclass(frozen=True, slots=True)
class ListedMachine:
    """A machine as `offload machines` shows it: what the cloud says, what this computer knows.

    `machine` is None where there is none any more, `record` where this computer knows of none.
    `age_s` and `usd` count from when it last began to run; a stopped one costs `usd_per_month`.
    """

    name: str
    region: str
    machine: Machine | None
    record: MachineRecord | None
    age_s: float | None = None
    usd: float | None = None
    usd_per_month: float | None = None
