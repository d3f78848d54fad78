"""What the machines of a batch cost while its jobs run, as EC2 lists them."""

import time
from collections.abc import Callable
from contextlib import suppress

from offload.domain.errors import OffloadError
from offload.drivers.aws import calls
from offload.drivers.aws.batch.parts import BatchParts
from offload.drivers.aws.lookup import Clients

_STAYS_S = 600.0
"""So long a machine may stay after its last job, or come for none: AWS Batch takes machines away by
itself, and promises no time.
"""
_BILLED = ["pending", "running"]


class Spending:
    """What those of the batch `name` cost from now on, at `usd_per_h` each."""

    def __init__(
        self, clients: Clients, name: str, usd_per_h: float,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._ec2 = clients("ec2")
        self._filters = [
            {"Name": f"tag:{BatchParts.MARK}", "Values": [name]},
            {"Name": "instance-state-name", "Values": _BILLED},
        ]
        self._usd_per_h = usd_per_h
        self._clock = clock
        self._began_s = clock()
        self._since_s: dict[str, float] = {}
        self._until_s: dict[str, float] = {}

    def usd(self, coming: int) -> float:
        """What they cost until now and until the last has gone, of which there are or will be at
        least `coming`. Where AWS does not answer, those that ran run on.
        """
        now_s = self._clock()
        with suppress(OffloadError):
            self._look(now_s)
        ran_s = sum(self._until_s.get(id_, now_s) - at_s for id_, at_s in self._since_s.items())
        staying = max(coming, len(self._since_s) - len(self._until_s))
        billed_s = ran_s + staying * _STAYS_S
        return billed_s / 3600 * self._usd_per_h if billed_s else 0.0

    def _look(self, now_s: float) -> None:
        """Note who came, and who is gone."""
        listed = calls.each(self._ec2, "describe_instances", "Reservations", Filters=self._filters)
        living = set()
        for each in (machine for there in listed for machine in there["Instances"]):
            id_, launched_s = str(each["InstanceId"]), each["LaunchTime"].timestamp()
            self._since_s.setdefault(id_, min(now_s, max(launched_s, self._began_s)))
            self._until_s.pop(id_, None)
            living.add(id_)
        for id_ in self._since_s.keys() - living:
            self._until_s.setdefault(id_, now_s)
