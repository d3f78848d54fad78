"""The Docker engine."""

from offload.domain.errors import PlaceUnavailable


def version() -> str:
    """The running engine's version.

    Raises:
        PlaceUnavailable: no engine answers.
    """
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=3)
        try:
            return str(client.version()["Version"])
        finally:
            client.close()
    except DockerException as error:
        raise PlaceUnavailable(
            "No Docker engine answers.", hint="To start one: sudo systemctl start docker"
        ) from error
