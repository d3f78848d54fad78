"""What a machine of a fleet is told at its boot."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from offload.drivers.docker.container_spec import hardened

_USUAL = ("--log-driver", "none", "--no-healthcheck", "--stop-timeout", "30")
"""The unit's journal and the console have the log; the image's health check is that of a server."""


@dataclass(frozen=True, slots=True)
class Boot:
    """A worker as machines of a `group` start it: our container `image`, which takes from a queue,
    has what it gives up kept in another, and writes rows below `out`, `s3://BUCKET/PREFIX`.

    `registry` is where the role logs in to pull the image, None where that takes no login; it does
    so, and leaves the group, at AWS' own addresses `ecr_url` and `autoscaling_url`. `endpoint`
    stands for all of AWS, as the variable AWS_ENDPOINT_URL does. `environment` is no secret.
    """

    group: str
    image: str
    region: str
    queue_url: str
    dead_url: str
    out: str
    ecr_url: str
    autoscaling_url: str
    registry: str | None = None
    endpoint: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def user_data(self) -> str:
        """The script of the first boot."""
        command = ["work", "--queue", self.queue_url, "--dead", self.dead_url, "--out", self.out]
        variables = {"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}
        given = [f"{name}={value}" for name, value in {**self.environment, **variables}.items()]
        options = [*_USUAL, *hardened(), *(word for each in given for word in ("-e", each))]
        values = {
            "@REGION@": shlex.quote(self.region),
            "@IMAGE@": shlex.quote(self.image),
            "@REGISTRY@": shlex.quote(self.registry or ""),
            "@GROUP@": shlex.quote(self.group),
            "@ECR_URL@": shlex.quote(self.ecr_url),
            "@AUTOSCALING_URL@": shlex.quote(self.autoscaling_url),
            "@DOCKER_OPTIONS@": shlex.join(options),
            "@COMMAND@": shlex.join(command),
            "@ENGINE@": _script("engine.sh").strip(),
        }
        script = _script("fleet/boot.sh")
        for placeholder, value in values.items():
            script = script.replace(placeholder, value)
        return script


def _script(name: str) -> str:
    return (resources.files("offload.drivers.aws") / name).read_text("utf-8")
