"""What ends a block of code in one thread, kept for another to raise."""

from typing import Self


class Captured:
    """A context that ends with its block, whatever is raised there; `error` is that, if anything.

    A thread that must hand over every failure, KeyboardInterrupt and SystemExit too, says so here.
    """

    error: BaseException | None = None

    def __enter__(self) -> Self:
        """Nothing was raised yet."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _at: object) -> bool:
        """Keep it."""
        self.error = error
        return True

    def again(self) -> None:
        """Raise what was raised, if anything."""
        if self.error is not None:
            raise self.error
