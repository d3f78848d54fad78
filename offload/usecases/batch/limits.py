"""What ends a batch early: somebody cancels it, or its money is spent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from offload.domain.errors import OffloadError, UsageError
from offload.domain.units import show_usd
from offload.drivers.objects.store import Store
from offload.engines.ports import Billed, EngineSession, LastingEngine
from offload.usecases.batch import layout
from offload.usecases.context import Context

_LOOK_S = 2.0


def check(session: EngineSession, engine: str, max_cost_usd: float | None) -> None:
    """Raise UsageError where a limit would do nothing."""
    if max_cost_usd is not None and not isinstance(session, Billed):
        raise UsageError(
            f"--max-cost has no effect with --engine {engine}, which knows no price.",
            hint="Leave --max-cost out.",
        )


@contextmanager
def watched(
    session: EngineSession, out: Store, max_cost_usd: float | None, context: Context
) -> Iterator[None]:
    """Meanwhile the batch is asked to stop when it is cancelled, or costs so much."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_S) and not context.stop:
            with suppress(OffloadError):  # the next look may be answered
                if layout.is_cancelled(out):
                    context.reporter.note("The batch is cancelled; finishing what is in progress")
                    context.stop.ask()
            if max_cost_usd is None or not isinstance(session, Billed):
                continue
            if (spent_usd := session.spent_usd()) >= max_cost_usd:
                said = f"{show_usd(spent_usd)} of --max-cost {show_usd(max_cost_usd)} are spent"
                context.reporter.warn(f"{said}, what is yet to end included; stopping")
                context.stop.ask()

    thread = threading.Thread(target=watch, name="limits", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def left(
    engine: LastingEngine | None, name: str, out: Store, max_cost_usd: float | None,
    context: Context,
) -> Iterator[None]:  # fmt: skip
    """Jobs that would go on without this process end with it if they may only cost so much: nobody
    would see what they cost. Otherwise who stops is told of them.
    """
    try:
        yield
    finally:
        if engine is not None and max_cost_usd is not None:
            engine.cancel(name)
        elif engine is not None and context.stop and not layout.is_cancelled(out):
            context.reporter.note(
                "The jobs go on without this command. To see them: offload batch status "
                f"{name}; to end them: offload batch cancel {name}"
            )
