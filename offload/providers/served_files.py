"""The files that a server in a container needs: the model, the names of its classes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from offload.detectors.catalogue import BUILTIN
from offload.detectors.source import ModelSource

INSIDE = "/model"
"""The container's folder of such files."""
_LABELS = "labels.txt"


@dataclass(frozen=True, slots=True)
class ServedFiles:
    """Their paths below `INSIDE` -> their paths here; `settings` and `options` of `offload serve`
    name them.
    """

    files: Mapping[str, str]
    settings: Mapping[str, str]
    options: tuple[str, ...] = ()


def served_files(
    model: ModelSource, asked: str | None, labels: str | None, cache: str
) -> ServedFiles:
    """What the model takes, which the user `asked` for by name or path; `labels` is a file of class
    names, `cache` the folder of fetched models, which are known by their names there too.
    """
    files: dict[str, str] = {}
    options: tuple[str, ...] = ()
    if labels is not None:
        files[_LABELS] = os.path.abspath(labels)
        options = ("--labels", f"{INSIDE}/{_LABELS}")
    if model.identity.name == BUILTIN:
        return ServedFiles(files, {"OFFLOAD_MODEL": BUILTIN}, options)
    path, fetched = os.path.abspath(model.path), os.path.abspath(cache) + os.sep
    by_path = bool(asked) and os.path.exists(os.path.expanduser(str(asked)))
    if path.startswith(fetched) and not by_path:
        home = path.removeprefix(fetched).split(os.sep)[0]
        files[f"models/{home}"] = os.path.join(fetched, home)
        settings = {"OFFLOAD_MODEL": asked or model.identity.name, "OFFLOAD_CACHE": INSIDE}
        return ServedFiles(files, settings, options)
    name = os.path.basename(path)
    return ServedFiles(files | {name: path}, {"OFFLOAD_MODEL": f"{INSIDE}/{name}"}, options)
