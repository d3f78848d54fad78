"""A machine of an Auto Scaling group, from within: its notice of an end, and how it leaves."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from offload.domain.errors import OffloadError, Unanswered
from offload.drivers.aws.fleet.asking import BUSY, asked
from offload.drivers.aws.lookup import Clients

INSTANCE = "OFFLOAD_INSTANCE"
"""The variable that tells a worker which machine it is on."""
NOTICE = "/run/offload/notice"
"""The file in which the machine says that it is about to be taken away, and why."""
_NONE, _LEAST = "not found", "min size"
"""Parts of what Auto Scaling says of a machine that has left, and of one that it counts on no more
(https://github.com/hashicorp/nomad-autoscaler/pull/1290).
"""
_TRIES, _PAUSE_S = 20, 3.0


class Ec2Member:
    """The machine `instance`, which asks through boto3's client of Auto Scaling."""

    def __init__(
        self, client: Any, instance: str, notice_file: str | Path = NOTICE,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.id = instance
        self._client = client
        self._notice = Path(notice_file)
        self._pause = pause

    @classmethod
    def here(cls, clients: Clients, environment: Mapping[str, str]) -> "Ec2Member | None":
        """This machine, if its environment says that it is one of a fleet's."""
        name = environment.get(INSTANCE)
        return cls(clients("autoscaling"), name) if name else None

    def notice(self) -> str | None:
        """Why it is about to be taken away; None if it is not."""
        try:
            said = self._notice.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None
        try:  # as the metadata service says it
            action = json.loads(said)
            return f"spot: {action['action']} at {action['time']}"
        except (ValueError, KeyError, TypeError):
            return " ".join(said.split())[:200] or None

    def leave(self) -> None:
        """End it, and its place in the group; all the better if it has left already. It goes on for
        some seconds. That it is protected from scale-in does not keep it
        (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-instance-protection.html).

        Raises:
            Unanswered: AWS does not answer, or has too much to do with its group.
        """
        smaller = True
        for _ in range(_TRIES):
            try:
                if self._ended(smaller=smaller):
                    return
            except OffloadError as error:
                if _NONE in str(error):
                    return
                if not smaller or _LEAST not in str(error):
                    raise
                smaller = False  # the group counts on it no more, and will not replace it
            else:
                self._pause(_PAUSE_S)
        raise Unanswered(f"The group of {self.id} is busy for too long to let it go.")

    def _ended(self, *, smaller: bool) -> bool:
        """Whether the group lets it go now, and gets smaller by it if that is asked for."""
        answer = asked(
            self._client, "terminate_instance_in_auto_scaling_group", f"machine {self.id}",
            BUSY, InstanceId=self.id, ShouldDecrementDesiredCapacity=smaller,
        )  # fmt: skip
        return bool(answer)
