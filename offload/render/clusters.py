"""A server in a cluster: its manifests, what would be created, what came up."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from offload.domain.units import show_s
from offload.drivers.kubernetes.manifests import TOKEN, as_yaml
from offload.render import tables
from offload.render.words import count

if TYPE_CHECKING:
    from offload.usecases.provision.cluster_options import ClusterOptions
    from offload.usecases.provision.clusters import ClusterPlan, ClusterUp

_DEFAULT = "offload/offload"


def plan(plan: "ClusterPlan") -> None:
    """The manifests, on standard output, with the commands that make the rest."""
    namespace, name = plan.options.namespace, plan.options.name
    labels = " ".join(f"{key}={value}" for key, value in plan.spec.labels.items())
    said = [
        "# The token is in no manifest. After these, make one:",
        f"#   openssl rand -hex 16 | tr -d '\\n' | kubectl create secret generic {name} \\",
        f"#     --namespace {namespace} --from-file={TOKEN}=/dev/stdin",
        f"#   kubectl label secret {name} --namespace {namespace} {labels}",
        *([f"# And push the container image: {plan.image.name} as {plan.delivery.name}"]
          if plan.image else []),
        as_yaml(plan.objects),
    ]  # fmt: skip
    tables.write("\n".join(said))


def plan_lines(plan: "ClusterPlan") -> Iterator[str]:
    """What would be made, a sentence a line."""
    options = plan.options
    where = plan.cluster.context if plan.cluster else "no cluster"
    pods = f"{count(options.replicas, 'pod')} of {options.cpus:g} CPU"
    most = f", up to {options.max_replicas} while they are busy" if options.max_replicas else ""
    yield (
        f"Cluster {where}, namespace {options.namespace}: {pods} of {options.memory} memory{most}"
    )
    kinds = ", ".join(dict.fromkeys(each["kind"] for each in plan.objects[1:]))
    yield f"Will create {options.name}: Secret, {kinds}; the namespace if there is none."
    yield f"Container image: {plan.delivery.name} ({plan.delivery.way})."
    yield (
        f"Exposed as a {options.expose}: other computers can connect, with the token."
        if options.expose
        else "Nothing is opened: offload reaches the pods through the API server."
    )


def provisioned(up: "ClusterUp", *, as_json: bool) -> None:
    """A deployment that serves."""
    options = up.options
    if as_json:
        return tables.write_json({
            "kind": "deployment", "deployment": asdict(options), "context": up.context,
            "pods": list(up.pods), "phases": dict(up.phases), "urls": list(up.urls),
        })  # fmt: skip
    usual = options.shown == _DEFAULT
    setting, named = ("", "") if usual else (f"OFFLOAD_DEPLOYMENT={options.shown} ", ":")
    phases = ", ".join(f"{name} {show_s(s)}" for name, s in up.phases.items())
    pods = f"{count(len(up.pods), 'pod')} of {options.cpus:g} CPU"
    lines = [
        f"{options.shown} in {up.context}: {pods} ready in {show_s(up.took_s)} ({phases})",
        f"To use it:    {setting}offload detect photos/ --where kubernetes",
        f"To remove it: offload down kubernetes{named and f':{options.shown}'}",
    ]
    if options.expose:
        where = up.urls[0] if up.urls else "not assigned yet: kubectl get services"
        lines.append(f"Elsewhere:    --where remote --url {where}; its token: {_token(options)}")
    return tables.print_lines(lines)


def _token(options: "ClusterOptions") -> str:
    return (
        f"kubectl get secret {options.name} --namespace {options.namespace} "
        f"-o jsonpath='{{.data.{TOKEN}}}' | base64 -d"
    )
