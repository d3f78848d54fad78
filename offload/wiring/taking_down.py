"""Taking down what was left up."""

from collections.abc import Iterator

from offload.drivers.engine import Engine


def containers() -> Iterator[str]:
    """Remove every container that we started; the name of each when it is gone.

    Raises:
        PlaceUnavailable: no engine answers.
    """
    with Engine.connected() as engine:
        for container in engine.ours():
            engine.remove(container.id)
            yield container.name
