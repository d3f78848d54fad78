"""`offload provision kubernetes`, and what `offload down kubernetes` does."""

from typing import TYPE_CHECKING, Annotated

import typer

from offload.cli import consent
from offload.cli.parsing import options
from offload.cli.process import stopping_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable

    from offload.domain.machines import Resource
    from offload.usecases.context import Context

PLACE = "kubernetes"
_pods = options.panel("The pods")
_image = options.panel("The container image")


def provision(
    context: typer.Context,
    replicas: Annotated[int | None, options.how_many(_pods, "--replicas", most=1000)] = None,
    max_replicas: Annotated[int | None, _pods("--max-replicas", takes="N", min=0)] = None,
    cpus: Annotated[float | None, _pods("--cpus", takes="N")] = None,
    memory: Annotated[str | None, _pods("--memory", takes="SIZE")] = None,
    model: options.Model = None,
    expose: Annotated[str | None, _pods("--expose", takes="KIND")] = None,
    registry: Annotated[str | None, _image("--registry", takes="HOST/NAME")] = None,
    container_image: Annotated[str | None, _image("--container-image", takes="IMAGE")] = None,
    namespace: Annotated[str | None, _pods("--namespace", takes="NAME")] = None,
    name: Annotated[str | None, _pods("--name", takes="NAME")] = None,
    price_usd_per_h: Annotated[float | None, options.dollars("--price")] = None,
    plan: Annotated[bool, _pods("--plan")] = False,
    yes: consent.Yes = False,
    as_json: Annotated[bool, options.rare("--json")] = False,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Bring up a server in a Kubernetes cluster.

        offload provision kubernetes --replicas 3 --cpus 0.5 --plan
        offload provision kubernetes --replicas 3 --cpus 0.5

    It uses the current context of kubectl. Nothing is opened to the network unless you say
    --expose: offload reaches each pod through the API server. The same command continues after any
    failure; what you leave out stays as it is.

    Parameters:
        replicas: Number of pods. [default: 1]
        max_replicas: Let the cluster start more pods, up to N, while they are busy; 0: not any
            more.
        cpus: Cores of each pod, at least and at most. [default: 1]
        memory: Memory of each pod, such as 512m. [default: 1g]
        expose: Also open a port for other clients: nodeport, nodeport:PORT or loadbalancer.
        registry: Push the container image there; pods pull it.
        container_image: Use one that the cluster can pull.
        namespace: The namespace. [default: offload]
        name: Name of the deployment. [default: offload]
        price_usd_per_h: Price per hour of all its pods.
        plan: Only print the manifests, as kubectl apply -f - takes them.
        as_json: JSON instead of text.
    """
    from offload import bootstrap
    from offload.domain.events import Sent
    from offload.drivers.kubernetes.cluster import Cluster
    from offload.render import clusters, messages, progress
    from offload.usecases.provision import clusters as provisioning
    from offload.usecases.provision.cluster_options import ClusterOptions

    given = options.fields(context, ClusterOptions)
    say = messages.Messages(quiet=quiet, verbose=verbose)
    made = bootstrap.context(say.hear, offline=offline)
    if plan:
        clusters.plan(provisioning.looked_up(given, made))
        return
    with Cluster.connected() as cluster:
        found = provisioning.planned(given, made, cluster)
        if found.before is None:
            say.lines(clusters.plan_lines(found))
            consent.to_create("a deployment", yes=yes)
        with progress.phases(quiet) as phases, progress.transfer(Sent, quiet) as bar:
            made = bootstrap.context(phases, bar, say.hear, offline=offline)
            with stopping_on_interrupt(made, "Stopping after this step"):
                up = provisioning.carry_out(found, made)
    if not quiet:
        clusters.provisioned(up, as_json=as_json)


def down(context: "Context", name: str, told: "Callable[[Resource], None]") -> None:
    """Remove the deployment called `name`, `kubernetes:NAMESPACE/NAME`, or that of the settings."""
    from offload.drivers.kubernetes.cluster import Cluster
    from offload.providers import kubernetes
    from offload.usecases.provision import clusters

    meant = name.partition(":")[2] or context.settings.deployment
    with Cluster.connected() as cluster:
        clusters.remove(cluster, *kubernetes.named(meant), context, told)
