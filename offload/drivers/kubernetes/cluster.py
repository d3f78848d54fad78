"""A cluster's API server: what it is asked, and what its refusals mean."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.results import Json

if TYPE_CHECKING:
    from kubernetes.client import Configuration

MANAGER = "offload"
"""Who owns what we apply, in the words of server-side apply."""
MARK = {"app.kubernetes.io/managed-by": "offload"}
"""The label of everything of ours."""
_CONNECT_S, _ANSWER_S = 5.0, 30.0
_NO_ERRORS = {
    ("GET", HTTPStatus.NOT_FOUND), ("DELETE", HTTPStatus.NOT_FOUND), ("POST", HTTPStatus.CONFLICT),
}  # fmt: skip
"""Answers that say how things are."""
_NO_LIBRARY = "To install it: pip install 'offload[kubernetes]'"


class Cluster:
    """The cluster of a context of the user's kubectl; several threads may ask it.

    Every question raises PlaceUnavailable where it does not answer, or refuses.
    """

    def __init__(self, configuration: "Configuration", context: str) -> None:
        from kubernetes.client.rest import RESTClientObject

        self.configuration = configuration
        self.context = context
        self._pool = RESTClientObject(configuration).pool_manager

    @classmethod
    @contextmanager
    def connected(cls) -> Iterator["Cluster"]:
        """That of the current context, which nothing is asked of yet.

        Raises:
            PlaceUnavailable: there is none.
        """
        try:
            from kubernetes import config
            from kubernetes.client import Configuration
            from yaml import YAMLError
        except ModuleNotFoundError as error:
            raise OffloadError(
                "The Kubernetes client library is not installed.", hint=_NO_LIBRARY
            ) from error
        configuration, file = Configuration(), os.environ.get("KUBECONFIG") or None
        try:
            _, active = config.list_kube_config_contexts(file)
            config.load_kube_config(file, client_configuration=configuration)
        except (config.ConfigException, YAMLError, OSError, KeyError, TypeError) as error:
            raise PlaceUnavailable(
                f"No Kubernetes cluster is configured here: {str(error).rstrip('.')}.",
                hint="To see the contexts: kubectl config get-contexts; to have a cluster on this "
                "machine: kind create cluster",
            ) from error
        cluster = cls(configuration, active["name"])
        try:
            yield cluster
        finally:
            cluster._pool.clear()

    def authorization(self) -> dict[str, str]:
        """The header that says who asks; it is new where the old one has expired."""
        said = self.configuration.get_api_key_with_prefix("BearerToken", "authorization")
        return {"authorization": said} if said else {}

    def get(self, path: str, **query: str) -> Json | None:
        """What is at a path; None if nothing is."""
        status, data = self._sent("GET", path, query)
        return None if status == HTTPStatus.NOT_FOUND else _document(data)

    def items(self, path: str, **query: str) -> list[Json]:
        """The objects of a list; none where there is no such kind."""
        return list((self.get(path, **query) or {}).get("items") or [])

    def text(self, path: str, **query: str) -> str:
        """What is at a path and is no document, as a log is; empty if nothing is."""
        return self._sent("GET", path, query)[1].decode("utf-8", "replace")

    def create(self, wanted: Json) -> None:
        """Make an object, unless there is one of that name."""
        path = path_of(wanted).rpartition("/")[0]
        self._sent("POST", path, {"fieldManager": MANAGER}, wanted)

    def apply(self, wanted: Json) -> Json:
        """Have an object be as it is wanted; what others set of it stays."""
        query = {"fieldManager": MANAGER, "force": "true"}
        kind = "application/apply-patch+yaml"
        return _document(self._sent("PATCH", path_of(wanted), query, wanted, kind)[1])

    def patch(self, path: str, change: Json) -> None:
        """Change parts of an object."""
        kind = "application/strategic-merge-patch+json"
        self._sent("PATCH", path, {"fieldManager": MANAGER}, change, kind)

    def delete(self, path: str) -> None:
        """Remove an object and what belongs to it, if it is there."""
        self._sent("DELETE", path, {"propagationPolicy": "Background"})

    def version_of(self, group: str, among: Sequence[str]) -> str:
        """The first version of a group that is served, of those that our objects fit."""
        served = {v["version"] for v in (self.get(f"/apis/{group}") or {}).get("versions") or []}
        return f"{group}/{next((each for each in among if each in served), among[0])}"

    def _sent(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Json | None = None,
        kind: str = "application/json",
    ) -> tuple[int, bytes]:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        url = f"{self.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": kind, "Accept": "application/json, */*", **self.authorization()}
        try:
            reply = self._pool.request(
                method, url, headers=headers, retries=False,
                body=json.dumps(body) if body is not None else None,
                timeout=Timeout(connect=_CONNECT_S, read=_ANSWER_S),
            )  # fmt: skip
        except HTTPError as error:
            raise self._silent(error) from error
        if (method, reply.status) in _NO_ERRORS:
            return reply.status, b""
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise self._refused(reply.status, reply.data, path)
        return reply.status, reply.data

    def _silent(self, error: Exception) -> PlaceUnavailable:
        why = str(getattr(error, "reason", None) or error).rpartition(": ")[2].rstrip(".")
        return PlaceUnavailable(
            f"The cluster {self.context} at {self.configuration.host} does not answer: {why}.",
            hint="To see more: kubectl cluster-info; for another: kubectl config use-context NAME",
        )

    def _refused(self, status: int, body: bytes, path: str) -> PlaceUnavailable:
        said = str(_document(body).get("message") or f"status {status}").strip().rstrip(".")
        if status == HTTPStatus.UNAUTHORIZED or '"system:anonymous"' in said:
            return PlaceUnavailable(
                f"The cluster {self.context} does not accept your credentials; they may have "
                "expired.",
                hint="To see more: kubectl get pods; on EKS: aws sso login",
            )
        if status == HTTPStatus.FORBIDDEN:
            within = path.partition("/namespaces/")[2].partition("/")[0]
            return PlaceUnavailable(
                f"The cluster {self.context} forbids it: {said.rpartition(' is forbidden: ')[2]}.",
                hint="To see what you may do: kubectl auth can-i --list"
                + (f" --namespace {within}" if within else ""),
            )
        return PlaceUnavailable(
            f"The cluster {self.context} refuses: {said}.", hint="To see more: kubectl get events"
        )


def path_of(wanted: Json) -> str:
    """Where an object is or is to be."""
    about = wanted["metadata"]
    return f"{below(wanted['apiVersion'], wanted['kind'], about.get('namespace'))}/{about['name']}"


def below(version: str, kind: str, namespace: str | None) -> str:
    """Where the objects of a kind are, in a namespace."""
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{within}/{kind.lower()}s"


def deployment_path(namespace: str, name: str) -> str:
    """Where a deployment is."""
    return f"{below('apps/v1', 'Deployment', namespace)}/{name}"


def selector(labels: Mapping[str, str]) -> str:
    """How objects with these labels are asked for."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _document(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
