"""From what the user calls a model to a file on this disk."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import resources

from offload.detectors import DETECTORS
from offload.detectors import labels as label_files
from offload.detectors.catalogue import BUILTIN, NAMED, PREFERRED, NamedModel
from offload.detectors.labels import COCO, TABLES, Labels
from offload.domain.errors import ModelError, UsageError, meant
from offload.domain.ports import ModelIdentity
from offload.domain.results import printable
from offload.domain.vision import InputSpec
from offload.drivers import trust
from offload.drivers.folders import archive
from offload.drivers.folders.files import sha256_of
from offload.drivers.http import web
from offload.drivers.model_cache import Cached, ModelCache, is_tflite, model_in, runtime_of

_PATH_SIGNS = ("/", ".", "~")
_COMPRESSED = "?tf-hub-format=compressed"
_LABELS: Mapping[str, Labels] = {"coco": COCO, "coco-80": TABLES["coco-80"], "named": {}}
_CONVERTED: Mapping[str, tuple[str, str]] = {
    ".pt": ("PyTorch", "litert-torch (pip install litert-torch)"),
    ".pth": ("PyTorch", "litert-torch (pip install litert-torch)"),
    ".h5": ("Keras", "keras.models.load_model('{}').export('FOLDER')"),
    ".keras": ("Keras", "keras.models.load_model('{}').export('FOLDER')"),
}
"""What runs elsewhere, by the ends of its names: what made it, and what converts it."""
NAMELESS = "tflite", "onnx"
"""Runtimes whose models name no class, unless their file has labels: those answer with numbers."""
_OUTPUTS = ", with boxes, classes, scores and their number as outputs."
_READY = "For ready models: offload models list"
_LITE_SIGNS = ("lite-format=tflite", "/lite-model/", "/tfLite/")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model on this disk and what is known of it beside its file.

    `labels` maps class ids to names and is empty where the model or nobody names them; `input` is
    the shape to fit pictures to, None where the file says.
    """

    identity: ModelIdentity
    path: str
    labels: Labels
    input: InputSpec | None = None
    min_score: float = 0.25


@dataclass(frozen=True, slots=True)
class Hub:
    """Where models come from, whether we may ask, and how long it may take to answer where another
    model would do.
    """

    base: str
    cache: ModelCache
    offline: bool
    on_bytes: web.OnBytes
    warn: Callable[[str], None]
    patience_s: float = 3.0

    def url(self, handle: str, runtime: str) -> str:
        """The download address of a handle, as the hub serves each format."""
        address = handle if "://" in handle else f"{self.base.rstrip('/')}/{handle}"
        if address.endswith((".tflite", ".onnx", ".tar.gz", ".tgz")) or "?" in address:
            return address
        return address + ("?lite-format=tflite" if runtime == "tflite" else _COMPRESSED)

    def pull(self, name: str, *, force: bool = False) -> ModelSource:
        """The named model, downloaded if it is not here; ModelError if it cannot be had."""
        if here := resolve_here(name, self) if not force or name == BUILTIN else None:
            return here
        row, shown = row_of(name), web.without_secrets(name)
        if self.offline:
            raise ModelError(
                f"{shown} is not in the cache, and --offline is set.", hint=_help(shown)
            )
        try:
            url = self.url(row.handle, row.runtime)
            cached = self.cache.fetch(name, url, self.on_bytes, row.sha256, force=force)
        except web.Unreachable as error:
            raise ModelError(f"{shown} cannot be fetched: {error}", hint=_help(shown)) from error
        return _with_row(row, cached)


def _help(name: str) -> str:
    if os.path.exists(name) and "://" not in name:
        return f"For the file here: --model ./{name}"
    return (
        f"Once the hub can be reached: offload models pull {name}; "
        f"until then: offload detect --model {BUILTIN}"
    )


def chosen(wanted: str | None, hub: Hub, labels_file: str | None = None) -> ModelSource:
    """The model `wanted` names, never another one: a short name, a `.tflite` or `.onnx` file, a
    SavedModel folder, a hub handle or a URL. The default if it names none. Of a SavedModel that is
    not in the catalogue it is said, once, what running it may do.

    Raises:
        UsageError: it names nothing we know, or there are labels without a model.
        ModelError: it is known but cannot be had.
    """
    if wanted:
        source = hub.pull(wanted)
        _say_once(wanted, source.identity, hub)
        return replace(source, labels=label_files.read(labels_file)) if labels_file else source
    if labels_file:
        raise UsageError("--labels needs a model.", hint="Add --model FILE.")
    return _default(hub)


def usual_labels(wanted: str | None, labels_file: str | None) -> str | None:
    """The labels that are set once and for all, which are not for models of the catalogue: what
    those answer is known.
    """
    return labels_file if wanted and wanted not in NAMED else None


def without_labels(name: str) -> str:
    """What is said of a model that names no class."""
    return (
        f"{name} names no classes, so objects are called class 1, class 2 and so on. If it was "
        "trained on COCO: --labels coco (official ids, 1 to 90) or --labels coco-80 (1 to 80); "
        "else --labels FILE, with one name per line."
    )


def resolve_here(wanted: str, hub: Hub) -> ModelSource | None:
    """The model `wanted` names; None where it would have to be fetched."""
    if path := on_disk(wanted):
        return _from_disk(path, hub.cache)
    row = row_of(wanted)
    if row.name == BUILTIN:
        folder = resources.files("offload.detectors") / "builtin"
        path = str(folder / "model.tflite")
        identity = ModelIdentity(BUILTIN, row.runtime, row.sha256)
        labels = label_files.read(str(folder / "labels.txt"))
        return ModelSource(identity, path, labels, row.input, row.min_score)
    cached = hub.cache.get(wanted, row.sha256)
    return _with_row(row, cached) if cached else None


def on_disk(wanted: str) -> str | None:
    """The path of the file or folder that `wanted` names, if it is there. A folder from elsewhere
    may hold others that are called like models: the hub's `publisher/model`, URLs, short names.
    """
    path = os.path.expanduser(wanted)
    if wanted in NAMED or "://" in wanted or not os.path.exists(path):
        return None
    is_plain = "/" not in wanted or wanted.startswith(_PATH_SIGNS) or wanted.endswith("/")
    return path if is_plain or (os.path.isfile(path) and os.path.splitext(path)[1]) else None


def _say_once(wanted: str, identity: ModelIdentity, hub: Hub) -> None:
    from_catalogue = wanted in NAMED or any(wanted == row.handle for row in NAMED.values())
    kind = identity.runtime
    if kind != "savedmodel" or from_catalogue or trust.is_known(identity.sha256, kind):
        return
    hub.warn(
        f"{web.without_secrets(wanted)} is a SavedModel from elsewhere, which can read and write "
        "your files. Use it only if you trust its maker."
    )
    with suppress(OSError):  # it is said again
        trust.note(identity.sha256, kind)


def check(path: str, expected: str, found: str) -> None:
    """ModelError unless what was loaded has the SHA-256 that was found when it was chosen."""
    if found != expected:
        raise ModelError(f"The model {path} has changed since it was chosen.")


def default_name(hub: Hub) -> str:
    """The model that is used where none is named: the preferred one if it is cached, else the
    embedded one, unless the hub has the preferred one when it is asked.
    """
    return PREFERRED if resolve_here(PREFERRED, hub) else BUILTIN


def _default(hub: Hub) -> ModelSource:
    """The default, once the hub was asked for the preferred model, if it answers in time."""
    if default_name(hub) == PREFERRED:
        return hub.pull(PREFERRED)
    why = ""
    if not hub.offline and not hub.cache.hub_is_silent():
        if web.answers(hub.url(row_of(PREFERRED).handle, "tflite"), hub.patience_s):
            hub.cache.note_hub(silent=False)
            try:
                return hub.pull(PREFERRED)
            except ModelError as error:
                why = f"{error} "
        hub.cache.note_hub(silent=True)
    hub.warn(
        f"{why}Using the builtin model (5 classes, for trying out). For {PREFERRED} "
        f"(80 classes, 4.6 MB), once the hub can be reached: offload models pull {PREFERRED}"
    )
    return hub.pull(BUILTIN)


def row_of(name: str) -> NamedModel:
    """The table's row, or one made up for a hub handle or URL.

    Raises:
        UsageError: the name is neither.
    """
    if name in NAMED:
        return NAMED[name]
    hint = "To see the models: offload models list"
    scheme, there, _ = name.partition("://")
    if there and scheme not in {"http", "https"}:
        shown = web.without_secrets(name)
        raise UsageError(
            f"{shown} is an unsupported address: {scheme}://.{meant(scheme, ('https', 'http'))}",
            hint="A model is a name (offload models list), a file or folder, a hub handle "
            "(publisher/model/…), or an http:// or https:// address.",
        )
    if not there and os.path.splitext(name)[1].lower() in _CONVERTED:
        raise _unsupported(name)
    if "/" not in name:
        like = meant(name, NAMED)
        raise UsageError(f"There is no model {name!r}, nor a file of that name.{like}", hint=hint)
    if name.startswith(_PATH_SIGNS):
        raise UsageError(f"The model {name} does not exist.", hint=hint)
    for row in NAMED.values():
        if row.handle and f"/{name}".partition("?")[0].endswith(f"/{row.handle}"):
            return replace(row, name=name, handle=name)
    if name.endswith(".onnx"):
        return NamedModel(name, name, "onnx", "own", None, "unknown", "see its page")
    lite = name.endswith(".tflite") or any(sign in name for sign in _LITE_SIGNS)
    zoo = "/tensorflow/" in f"/{name}"  # its detection modules are the COCO zoo's
    runtime, classes = ("tflite", "own") if lite else ("savedmodel", "coco" if zoo else "named")
    return NamedModel(name, name, runtime, classes, None, "unknown", "see its page")


def _unsupported(path: str) -> UsageError:
    """What is said of a file that no runtime of ours runs, and how it becomes one that they do."""
    made_by, becomes = _CONVERTED.get(os.path.splitext(path)[1].lower(), ("", ""))
    # A file of any other name may be a .tflite model.
    what = f"is a model of {made_by}" if made_by else "is not a .tflite model"
    return UsageError(
        f"{path} {what}; offload runs .tflite and .onnx models and TensorFlow SavedModels.",
        hint=f"{becomes and f'To convert it: {becomes.format(path)}{_OUTPUTS} '}{_READY}",
    )


def _from_disk(given: str, cache: ModelCache) -> ModelSource:
    path = given
    try:
        path = _model_at(given, cache)
        runtime = _runtime_of(path)
        name = printable(os.path.basename(os.path.abspath(path))).removesuffix(f".{runtime}")
        identity = ModelIdentity(name, runtime, sha256_of(path))
        labels = label_files.inside(path) if runtime == "tflite" else {}
        if path != given:
            labels = labels or label_files.beside(path)
        return ModelSource(identity, path, labels)
    except OSError as error:
        raise ModelError(f"The model {path} cannot be read: {error.strerror or error}.") from error


def _model_at(given: str, cache: ModelCache) -> str:
    """The model that a folder or an archive holds, or is."""
    if any(DETECTORS.module(name).recognises(given) for name in DETECTORS.installed):
        return given
    if not os.path.isdir(given):
        return cache.unpacked(given) if archive.is_archive(given) else given
    try:
        return model_in(given)
    except ValueError as error:
        raise UsageError(f"{given} is no model: {error}.", hint=_READY) from error


def _runtime_of(path: str) -> str:
    """The runtime that runs what is there; other packages are asked last."""
    if os.path.exists(os.path.join(path, "saved_model.pb")):
        return "savedmodel"
    if os.path.isfile(path) and is_tflite(path):
        return "tflite"
    if path.lower().endswith(".onnx"):
        return "onnx"
    for runtime in DETECTORS.installed:
        if DETECTORS.module(runtime).recognises(path):
            return runtime
    raise _unsupported(path)


def _with_row(row: NamedModel, cached: Cached) -> ModelSource:
    runtime = runtime_of(cached.path)  # an address does not say what its archive holds
    is_own = row.classes == "own" or runtime != row.runtime
    labels = label_files.inside(cached.path) if is_own else _LABELS[row.classes]
    # A URL may carry a password or a token, and the name goes into every result.
    identity = ModelIdentity(web.without_secrets(row.name), runtime, cached.sha256)
    return ModelSource(identity, cached.path, labels, row.input, row.min_score)
