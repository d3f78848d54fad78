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
_LARGEST_CPUS = 1024


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
        for option, value in (("--namespace", self.namespace), ("--name", self.name)):
            if not _NAME.fullmatch(value):
                raise UsageError(
                    f"{option} takes small letters, digits and hyphens, 53 at most, not {value!r}.",
                    hint=f"For instance: {option} photos",
                )
        if not 0.05 <= self.cpus <= _LARGEST_CPUS:  # noqa: PLR2004 - what a server starts with
            raise UsageError(
                f"--cpus takes cores from 0.05 on, not {self.cpus:g}.",
                hint="For instance: --cpus 0.5",
            )
        if not _MEMORY.fullmatch(self.memory):
            raise UsageError(
                f"--memory takes a size, not {self.memory!r}.", hint="For instance: --memory 512m"
            )
        if self.expose is not None and not _EXPOSED.fullmatch(self.expose):
            raise UsageError(
                f"--expose takes nodeport, nodeport:PORT or loadbalancer, not {self.expose!r}.",
                hint="For kind: --expose nodeport:30080",
            )
        if self.max_replicas is not None and 0 < self.max_replicas <= self.replicas:
            raise UsageError(
                "--max-replicas must be more than --replicas.", hint="Leave it out, or raise it."
            )
        if self.registry is not None and self.container_image is not None:
            raise UsageError(
                "--registry and --container-image name two images.", hint="Leave one of them out."
            )

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
