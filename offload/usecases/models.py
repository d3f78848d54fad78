"""What is known of models."""

import os
from dataclasses import asdict

from offload.detectors import labels, source
from offload.detectors.catalogue import NAMED
from offload.detectors.source import Hub
from offload.domain.results import Json
from offload.drivers.http import web
from offload.drivers.model_cache import ModelCache, runtime_of
from offload.drivers.settings import Settings


def listing(configured: Settings) -> list[Json]:
    """A row for each named model, and for others in the cache."""
    cached = {model.name: model for model in ModelCache(configured.models_path).all()}
    rows: list[Json] = [
        {
            "name": row.name,
            "runtime": row.runtime,
            "accuracy": row.accuracy,
            "licence": row.licence,
            "bytes": cached[row.name].bytes if row.name in cached else row.bytes,
            "cached": row.name in cached or not row.handle,
        }
        for row in NAMED.values()
    ]
    rows += [
        {
            "name": web.without_secrets(name),
            "runtime": runtime_of(model.path),
            "accuracy": "unknown",
            "licence": "see its page",
            "bytes": model.bytes,
            "cached": True,
        }
        for name, model in cached.items()
        if name not in NAMED
    ]
    return rows


def facts(name: str, hub: Hub) -> Json:
    """Everything known of one model; asks nobody outside this machine.

    Raises:
        UsageError: there is no such model.
        ModelError: its cached copy is damaged.
    """
    here = source.resolve_here(name, hub)
    known: Json = {}
    row = None if here and here.path == os.path.expanduser(name) else source.row_of(name)
    if row:
        known = {key: value for key, value in asdict(row).items() if value not in (None, "")}
        known["url"] = hub.url(row.handle, row.runtime) if row.handle else "part of offload"
    if here is None:
        names = labels.COCO if row and row.classes == "coco" else {}
        return known | {"here": False, "labels": dict(names)}
    return known | {
        "here": True,
        "runtime": here.identity.runtime,
        "path": here.path,
        "sha256": here.identity.sha256,
        "labels": dict(here.labels),
    }
