"""What works on this machine."""

from offload import places
from offload.detectors import DETECTORS
from offload.detectors.catalogue import PREFERRED
from offload.domain.errors import PlaceUnavailable
from offload.domain.results import Json
from offload.drivers.aws import account
from offload.drivers.docker import engine
from offload.drivers.host import machine
from offload.drivers.http import web
from offload.drivers.model_cache import ModelCache
from offload.drivers.settings import Settings
from offload.providers import PROVIDERS
from offload.version import __version__

_LIBRARIES = ("ai-edge-litert", "tensorflow", "tensorflow-hub")
_PATIENCE_S = 3.0


def facts(configured: Settings) -> Json:
    """A line for each thing that detection here or elsewhere may need; of places, providers of
    servers and runtimes, the package that brings them.
    """
    installed = machine.versions()
    missing = "not installed; to install it: pip install {}"
    return {
        "offload": __version__,
        "machine": machine.describe(),
        "runtimes": {name: installed.get(name, missing.format(name)) for name in _LIBRARIES},
        "places": {name: places.source(name) for name in places.names()},
        "providers": {name: PROVIDERS.source(name) for name in PROVIDERS.names()},
        "detectors": {name: DETECTORS.source(name) for name in DETECTORS.names()},
        "docker": _engine(),
        "aws_credentials": account.credentials_source() or "none; to set them up: aws configure",
        "model_hub": _hub(configured),
        "cache": configured.models_path,
        "cached_models": {
            model.name: f"{model.bytes / 1e6:.1f} MB, SHA-256 {model.sha256[:12]}…"
            for model in ModelCache(configured.models_path).all()
        },
        "settings": {
            name: f"{found.value} ({found.source})" for name, found in configured.origins.items()
        },
    }


def _engine() -> str:
    try:
        return f"engine {engine.version()}"
    except PlaceUnavailable as error:
        return f"{error} {error.hint}"


def _hub(configured: Settings) -> str:
    if configured.offline:
        return f"{configured.hub}: not asked, offline is set"
    if web.answers(configured.hub, _PATIENCE_S):
        return f"{configured.hub}: answers"
    return f"{configured.hub}: no answer in {_PATIENCE_S:.0f} s; {PREFERRED} needs it once"
