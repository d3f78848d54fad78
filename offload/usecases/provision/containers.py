"""Taking down what was left up."""

from collections.abc import Iterator

from offload.drivers.docker.container_spec import KEEP
from offload.drivers.docker.engine import Engine


def containers(kept_as: str | None = None) -> Iterator[str]:
    """Remove every container that we started, or those that were kept as this; the name of each
    when it is gone.

    Raises:
        PlaceUnavailable: no engine answers.
    """
    with Engine.connected() as engine:
        for container in engine.ours():
            if kept_as is None or container.labels.get(KEEP) == kept_as:
                engine.remove(container.id)
                yield container.name
