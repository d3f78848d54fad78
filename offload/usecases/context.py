"""What every use case is handed: settings, the model hub, clouds, the history, who is told."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from offload.detectors.source import Hub
from offload.domain.events import Reporter, Stop
from offload.domain.timing import Clock
from offload.drivers.aws.ec2 import Cloud, Clouds
from offload.drivers.settings import Settings
from offload.drivers.store.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """What a use case touches besides what it is asked.

    `stop`, once asked, ends what is under way.
    """

    settings: Settings
    hub: Hub
    reporter: Reporter = field(default_factory=Reporter)
    stop: Stop = field(default_factory=Stop)
    clouds: Clouds = Cloud.connected
    clock: Clock = time.perf_counter

    def history(self) -> AbstractContextManager[Store]:
        """What was measured before, open until the context ends.

        Raises:
            OffloadError: it cannot be read.
        """
        return Store.opened(self.settings.history_path, self.reporter.warn)
