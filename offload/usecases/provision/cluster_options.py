"""What is asked of a server in a cluster."""

import json
import re
from dataclasses import asdict, dataclass

from offload.domain.errors import UsageError
from offload.drivers.kubernetes.manifests import DeploymentSpec
from offload.usecases.provision.cluster_image import Delivery

_NAME = re.compile("[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?")
_MEMORY = re.compile("([1-9][0-9]*)([kmg])i?b?", re.IGNORECASE)
_EXPOSED = re.compile("(nodeport|loadbalancer)(?::([0-9]+))?")


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """The options of `offload provision kubernetes`. Those that are left out stay as they were
    when the same deployment was brought up last.

    Raises:
        UsageError: they cannot be meant.
    """

    namespace: str = "offload"
    name: str = "offload"
    replicas: int = 1
    cpus: float = 1.0
    memory: str = "1g"
    model: str | None = None
    registry: str | None = None
    container_image: str | None = None
    expose: str | None = None
    max_replicas: int | None = None
    price_usd_per_h: float | None = None

    def __post_init__(self) -> None:
        """Refuse what the cluster would, before it is asked."""
        few = self.max_replicas is not None and 0 < self.max_replicas <= self.replicas
        both = self.registry is not None and self.container_image is not None
        models = self.model is not None and self.container_image is not None
        names = "small letters, digits and hyphens, 53 at most"
        for is_wrong, wrong, hint in (
            (not _NAME.fullmatch(self.namespace), f"--namespace takes {names}.", "--namespace lab"),
            (not _NAME.fullmatch(self.name), f"--name takes {names}.", "--name photos"),
            (not 0.05 <= self.cpus <= 1024, "--cpus takes cores from 0.05 on.", "--cpus 0.5"),  # noqa: PLR2004 - a server starts with that
            (not _MEMORY.fullmatch(self.memory), "--memory takes a size.", "--memory 512m"),
            (
                self.expose is not None and not _EXPOSED.fullmatch(self.expose),
                "--expose takes nodeport, nodeport:PORT or loadbalancer.",
                "--expose nodeport:30080",
            ),
            (few, "--max-replicas must be more than --replicas.", "--replicas 1 --max-replicas 4"),
            (both, "--registry and --container-image name two images.", "--registry HOST/NAME"),
            (models, "A --container-image has its own model.", "--registry HOST/NAME"),
        ):
            if is_wrong:
                raise UsageError(wrong, hint=f"For instance: {hint}")

    @property
    def shown(self) -> str:
        """What people call the deployment."""
        return f"{self.namespace}/{self.name}"

    def spec(self, image: Delivery) -> DeploymentSpec:
        """The objects that they ask for."""
        number, unit = _MEMORY.fullmatch(self.memory).groups()  # type: ignore[union-attr] # checked
        exposed = _EXPOSED.fullmatch(self.expose or "")
        lasting = {k: v for k, v in asdict(self).items() if k not in {"namespace", "name"}}
        return DeploymentSpec(
            self.namespace, self.name, image.name, self.replicas, self.cpus,
            f"{number}{unit.upper()}i", image.arch,
            exposed[1] if exposed else None,  # type: ignore[arg-type] # one of the two
            int(exposed[2]) if exposed and exposed[2] else None,
            self.max_replicas or None,
            json.dumps({k: v for k, v in lasting.items() if v is not None}),
        )  # fmt: skip
