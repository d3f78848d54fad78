"""The container that a kit asks for: what is started in it, what it sees of this machine."""

import hashlib
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack

from offload.detectors.catalogue import BUILTIN
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable
from offload.drivers.docker.engine import ContainerSpec
from offload.drivers.images import image_files
from offload.places.kit import PlaceConfig
from offload.version import __version__

SPEC = "offload.spec"
"""The label that tells whether a container is what is wanted now."""

KEEP = "offload.kept"
"""The label of one that stays when its job is done, for those that ask for it by this value."""

_PORT = 8080
_LABELS = "/model/labels.txt"


def wanted(
    kit: PlaceConfig, model: ModelSource, image: str, image_id: str, stack: ExitStack
) -> ContainerSpec:
    """The container, of an image that is here; what it has mounted lives as long as `stack`.

    Raises:
        PlaceUnavailable: its user could not read the model.
    """
    box = kit.box
    mounts, environment = _mounts(kit, model, stack)
    options: dict[str, object] = {
        "--host": "0.0.0.0",  # noqa: S104 - the container's own; published on loopback only
        "--port": _PORT,
        "--max-pixels": kit.max_pixels,
        "--max-bytes": image_files.MAX_FILE_BYTES,
        "--workers": kit.workers,
        "--threads": kit.threads,
        "--labels": _LABELS if _LABELS in mounts.values() else None,
    }
    command = ["serve", "--offline"]
    for option, value in options.items():
        command += [option, str(value)] if value is not None else []
    spec = {
        "version": __version__,
        "image": image_id,
        "command": command,
        "model": model.identity.sha256,
        "mounted": {there: here for here, there in mounts.items() if there != _LABELS},
        "settings": dict(environment),
        "labels": {str(key): name for key, name in model.labels.items()},
        "cpus": box.cpus,
        "memory": box.memory,
    }
    text = json.dumps(spec, sort_keys=True).encode()
    return ContainerSpec(
        image=image,
        command=tuple(command),
        port=_PORT,
        environment={"OFFLOAD_TOKEN": secrets.token_hex(16), **environment},
        mounts=mounts,
        labels={SPEC: hashlib.sha256(text).hexdigest()} | ({KEEP: box.keep} if box.keep else {}),
        cpus=box.cpus,
        memory=box.memory,
    )


def _mounts(
    kit: PlaceConfig, model: ModelSource, stack: ExitStack
) -> tuple[dict[str, str], Mapping[str, str]]:
    """Paths here -> paths there, and the settings that name the model there."""
    path = os.path.abspath(model.path)
    cache = os.path.abspath(kit.cache)
    mounts: dict[str, str] = {}
    if kit.labels is not None:
        mounts[_labels_file(model, stack)] = _LABELS
    if model.identity.name == BUILTIN:
        return mounts, {"OFFLOAD_MODEL": BUILTIN}
    _check_readable(model.path)
    by_name = not (kit.asked and os.path.exists(os.path.expanduser(kit.asked)))
    if by_name and path.startswith(cache + os.sep):
        mounts[cache] = "/cache/models"
        name = kit.asked or model.identity.name
        return mounts, {"OFFLOAD_MODEL": name, "OFFLOAD_CACHE": "/cache"}
    there = f"/model/{os.path.basename(path)}"
    return mounts | {path: there}, {"OFFLOAD_MODEL": there}


def _labels_file(model: ModelSource, stack: ExitStack) -> str:
    """The labels as `id name` lines in a file that lives as long as `stack`."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="offload-"))
    os.chmod(folder, 0o755)  # noqa: S103 - the container's user reads it
    path = os.path.join(folder, "labels.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{key} {name}\n" for key, name in model.labels.items())
    return path


def _check_readable(path: str) -> None:
    """See that a user who is nobody here may read the model.

    Raises:
        PlaceUnavailable: it may not.
    """
    below = [os.path.join(parent, name) for parent, _, names in os.walk(path) for name in names]
    for file in [path, *below]:
        if not os.stat(file).st_mode & stat.S_IROTH:
            raise PlaceUnavailable(
                f"The container's user may not read {file}.", hint=f"chmod -R a+rX {path}"
            )
