"""How an HTTP server comes to exist. A provider is one module and one line here, or an entry point
of another package; either way it is a place of that name.

The module declares `TRAITS` (`domain.places.PlaceTraits`) and `open(config, model)`: a context
manager that yields the `Endpoint`s of servers that answer, and takes them down again. What cannot
be meant may be refused beforehand by `check(config)`. No provider imports another.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from offload.costmodel.dollars import Billing
from offload.domain.machines import Kind
from offload.domain.measurements import StartPhase
from offload.domain.ports import Dial
from offload.domain.timing import Clock
from offload.drivers.host.plugins import Registry

PROVIDERS = Registry(
    "place",
    "offload.providers",
    {"container": "offload.providers.docker", "remote": "offload.providers.url"},
)
"""The name `--where` takes -> its provider. A rented machine (`providers.ec2`) is an endpoint of
`remote` that is up before the place is opened.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that answers.

    `token` None is the user's own. `dial` makes connections where the network alone does not lead
    there. `label` is what measurements at machines of its kind have in common, None where that is
    its address; `machine` is the kind of one that is rented. `notice` tells why the machine is
    about to be taken away, if it is. `phases` are the seconds of each phase of its start, and of
    all that were started with it. `hint` is what to type where it stops answering.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    dial: Dial | None = field(default=None, repr=False)
    label: str | None = None
    billing: Billing = field(default_factory=Billing)
    notice: Callable[[], str | None] = lambda: None
    phases: Mapping[str, float] = field(default_factory=dict)
    machine: Kind | None = None
    hint: str = ""


@dataclass(slots=True)
class Phases:
    """Seconds of each phase of a start, in order; `follow` is told each when it begins."""

    clock: Clock
    follow: Callable[[StartPhase], None] = lambda _phase: None
    taken_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, phase: StartPhase) -> Iterator[None]:
        """Meanwhile it is that phase, again if it was before."""
        self.follow(phase)
        began_s = self.clock()
        try:
            yield
        finally:
            self.taken_s[phase] = self.taken_s.get(phase, 0.0) + self.clock() - began_s
