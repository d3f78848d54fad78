"""Seconds that a measurement may take."""

from offload.domain.timing import Clock


class Budget:
    """`whole_s` seconds from now on."""

    def __init__(self, whole_s: float, clock: Clock) -> None:
        self.whole_s = whole_s
        self.clock = clock
        self._began_s = clock()

    @property
    def spent_s(self) -> float:
        """What has gone."""
        return self.clock() - self._began_s

    @property
    def left_s(self) -> float:
        """What is left; negative when it is overdrawn."""
        return self.whole_s - self.spent_s

    def forgive(self, seconds: float) -> None:
        """Take so many of the spent seconds for unspent."""
        self._began_s += seconds

    def see_to(self, share: float) -> None:
        """Have at least this share of the whole left."""
        self.forgive(max(0.0, share * self.whole_s - self.left_s))
