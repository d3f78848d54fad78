"""Taking down what was left up."""

from offload.drivers.engine import Engine


def containers() -> list[str]:
    """Remove every container that we started; their names.

    Raises:
        PlaceUnavailable: no engine answers.
    """
    with Engine.connected() as engine:
        found = engine.ours()
        for container in found:
            engine.remove(container.id)
        return [container.name for container in found]
