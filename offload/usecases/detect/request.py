"""What a user asks of `detect`."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any

from offload.domain.errors import UsageError, meant
from offload.domain.places import AUTO, REMOTE, SPLIT
from offload.domain.ports import Model
from offload.domain.results import SHOWN_SCORE, Json, printable
from offload.domain.vision import Image, Selection
from offload.drivers.folders.results_formats import FORMATS
from offload.drivers.images import pictures
from offload.drivers.objects.store import is_url
from offload.places import known


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `offload detect`; None where the model or the machine decides.

    Raises:
        UsageError: there is no such place, or `max_failures` is neither a number nor a percentage.
    """

    sources: tuple[str | Image, ...]
    recursive: bool = False
    where: str = "local"
    others: tuple[str, ...] = ()
    model: str | None = None
    labels: str | None = None
    min_score: float | None = None
    classes: tuple[str, ...] = ()
    max_detections: int = 300
    max_iou: float = 0.7
    max_pixels: int = pictures.MAX_PIXELS
    max_failures: str | None = None
    out: str | None = None
    formats: tuple[str, ...] = ("jsonl",)
    annotate: bool = False
    overwrite: bool = False
    offline: bool = False
    workers: int | None = None
    threads: int | None = None
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    machine: str | None = None
    concurrency: int | None = None
    timeout_s: float = 60.0
    max_retries: int = 5
    fallback: str | None = None
    upload_max_side: int | None = None
    upload_quality: int = 90
    strip_metadata: bool = False
    container_image: str | None = None
    cpus: float | None = None
    memory: str | None = None
    replicas: int | None = None
    keep: bool = False
    keep_as: str | None = None
    deadline_s: float | None = None
    max_cost_usd: float | None = None
    keep_local: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, before anything is touched."""
        self.failure_limit(0)
        _check_names([self.where], (SPLIT, AUTO))
        _check_names(self.others)
        for wrong, hint in chain(self._contradictions(), self._of_output(), self._idle_options()):
            raise UsageError(wrong, hint=hint)

    def _contradictions(self) -> Iterator[tuple[str, str]]:
        """What is wrong by itself, and a hint to each."""
        here = known().in_process.name
        if self.model == "":
            yield "--model is empty.", "To see the models: offload models list"
        if not all(self.keep_local):
            yield "--keep-local is empty.", "For instance: --keep-local 'faces/**'"
        if self.where == SPLIT and (len(self.others) > 1 or here in self.others):
            hint = f"For instance: --where split --with {REMOTE}"
            yield "A split uses this process and one other place.", hint
        if self.url is not None and self.machine is not None:
            yield "--url and --machine name two servers.", "Leave one of the two out."
        if self.fallback not in {None, here}:
            yield f"There is no fallback {self.fallback!r}.", _there_is([here])
        if self.memory is not None and not re.fullmatch(r"\d+[bkmgBKMG]?", self.memory):
            yield f"--memory takes a size, not {self.memory!r}.", "For instance: --memory 512m"
        if self.cpus is not None and not 0 < self.cpus <= _MOST_CPUS:
            yield f"--cpus takes a number of cores, not {self.cpus}.", ""

    def _of_output(self) -> Iterator[tuple[str, str]]:
        if self.out is not None and is_url(self.out):
            if self.annotate:
                yield "--annotate takes a folder for --out.", "For instance: --out results/"
            if self.out.lower().startswith("http"):
                yield f"Nothing can be written to {self.out}.", "For instance: --out results/"
        for name in self.formats:
            if name not in FORMATS:
                yield f"There is no format {name!r}.{meant(name, FORMATS)}", _there_is(FORMATS)

    def _idle_options(self) -> Iterator[tuple[str, str]]:
        """An option that would do nothing at the place is a misunderstanding."""
        if self.where == AUTO:
            return  # each may do something at the place that will be chosen
        for name in _WISHES:
            if getattr(self, name) == _DEFAULTS[name]:
                continue
            takers = _takers(name)
            used = self.where, self.fallback or self.where
            if takers and not _takers(name, self.others, used):
                wrong = f"{_option(name)} has no effect with --where {self.where}."
                yield wrong, f"It needs --where {', '.join(takers)} or {AUTO}."
        if self.where == SPLIT and self.fallback is not None:
            yield "--where split falls back by itself.", "Leave --fallback out."
        if self.upload_quality != _DEFAULTS["upload_quality"] and self.upload_max_side is None:
            wrong = "--upload-quality needs --upload-max-side."
            yield wrong, "For instance: --upload-max-side 640 --upload-quality 85"

    @property
    def members(self) -> Sequence[str]:
        """The places that are used: two, if it is a split."""
        return _members(self.where, self.others)

    @property
    def leaves_machine(self) -> bool:
        """Whether images may be sent to another computer."""
        return any(known()[name].leaves_machine for name in self.members)

    @property
    def shown_score(self) -> float:
        """What people are shown scores that much at least; results have all that was asked for."""
        return SHOWN_SCORE if self.min_score is None else 0.0

    @property
    def as_is(self) -> "Request":
        """The same without smaller copies."""
        return replace(self, upload_max_side=None, upload_quality=_DEFAULTS["upload_quality"])

    def as_options(self) -> list[str]:
        """The options of `offload detect` that ask for the same, but for where results go; and for
        the token, as every user of a machine can read its command lines.
        """
        options: list[str] = []
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if name in _NO_OPTIONS or (value == default and name != "where"):
                continue
            if value is True:
                options.append(_option(name))
            else:
                values = value if isinstance(value, tuple) else (value,)
                options += [f"{_option(name)}={each}" for each in values]
        return options

    def failure_limit(self, images: int) -> int | None:
        """How many of `images` may fail: `max_failures` is `N`, or `P%` of all."""
        text = self.max_failures
        if text is None:
            return None
        try:
            value = float(text.removesuffix("%"))
            if not 0 <= value < float("inf") or not (text.endswith("%") or value.is_integer()):
                raise ValueError
        except ValueError as error:
            raise UsageError(
                f"--max-failures takes a number or a percentage, not {text!r}.",
                hint="For instance: --max-failures 10 or --max-failures 5%",
            ) from error
        return int(value * images / 100) if text.endswith("%") else int(value)

    def selection(self, model: Model) -> Selection:
        """Which detections to keep."""
        return Selection(
            min_score=model.min_score if self.min_score is None else self.min_score,
            classes=frozenset(_class(name) for name in self.classes),
            max_detections=self.max_detections,
            max_iou=self.max_iou,
        )

    def fixed(self, model: Model, root: str) -> Json:
        """What must be the same for a results folder to be continued."""
        selection = self.selection(model)
        return {
            "root": printable(root),
            "model_sha256": model.identity.sha256,
            "min_score": selection.min_score,
            "classes": sorted(selection.classes),
            "max_detections": selection.max_detections,
            "max_iou": selection.max_iou,
            "max_pixels": self.max_pixels,
            "annotate": self.annotate,
            "upload": self.upload_max_side and [self.upload_max_side, self.upload_quality],
        }


def at_each(places: Sequence[str], sources: Sequence[str | Image], **wishes: Any) -> list[Request]:
    """A request for each place, without the options that do something at others of them only.

    Raises:
        UsageError: as for a Request, or there is no such place.
    """
    _check_names(places or [""])
    return [at(place, places, sources, **wishes) for place in dict.fromkeys(places)]


def at(where: str, places: Sequence[str], sources: Sequence[str | Image], **wishes: Any) -> Request:
    """A request for one place, or a split, without the options that do something at others of
    `places` only.
    """
    others = wishes.get("others", ())
    kept = {
        name: value
        for name, value in wishes.items()
        if _takes(where, others, name) or not any(_takes(each, others, name) for each in places)
    }
    return Request(tuple(sources), where=where, **kept)


def _check_names(names: Sequence[str], besides: Sequence[str] = ()) -> None:
    """Raise UsageError where there is no place of one of the names."""
    there = [*known(), *besides]
    for name in names:
        if name not in there:
            wrong = f"There is no place {name!r}.{meant(name, there)}"
            raise UsageError(wrong, hint=_there_is(there))


def _there_is(names: Iterable[str]) -> str:
    return f"Available: {', '.join(names)}."


def fitting(
    places: Sequence[str], wishes: dict[str, Any], loose: Collection[str]
) -> dict[str, Any]:
    """`wishes` without those of the `loose` ones, which nobody typed, that would do nothing at any
    of the places.
    """
    if AUTO in places:
        return wishes
    others = wishes.get("others", ())
    kept = {
        name: value
        for name, value in wishes.items()
        if name not in loose or _takers(name, others, places) or not _takers(name)
    }
    if "upload_quality" in loose and "upload_max_side" not in kept:
        kept.pop("upload_quality", None)
    if places == [SPLIT] and "fallback" in loose:
        kept.pop("fallback", None)
    return kept


def _takers(name: str, others: Sequence[str] = (), where: Sequence[str] | None = None) -> list[str]:
    """The places, of all unless some are named, that a field does something at."""
    return [at for at in where or (*known(), SPLIT) if _takes(at, others, name)]


def moved(request: Request, where: str, **changed: Any) -> Request:
    """The request for another place, with what is to be changed."""
    wishes = {name: getattr(request, name) for name in _WISHES} | changed
    return at(where, (*known(), SPLIT), request.sources, **wishes)


def alone(request: Request, where: str) -> Request:
    """What a split asks of one of its places."""
    return moved(request, where, keep_local=())


def _members(where: str, others: Sequence[str]) -> list[str]:
    return [known().in_process.name, *(others or [REMOTE])] if where == SPLIT else [where]


def _takes(where: str, others: Sequence[str], name: str) -> bool:
    """Whether a field does something at a place, or with a split and the places it uses."""
    if where == SPLIT and name in _SPLIT_ONLY:
        return True
    return any(known()[each].takes(name) for each in _members(where, others))


def _option(name: str) -> str:
    other_names = {"classes": "class", "max_iou": "iou", "others": "with"}
    name = other_names.get(name, name.removesuffix("_s").removesuffix("_usd"))
    return f"--{name.replace('_', '-')}"


def _class(wanted: str) -> str:
    """A class name or id in the form that detections are compared with."""
    name = wanted.strip().lower()
    return str(int(name)) if name.isdecimal() else name


_MOST_CPUS = 1024
_DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(Request)}
_WISHES = [name for name in _DEFAULTS if name not in {"sources", "where"}]
_NO_OPTIONS = {"sources", "out", "formats", "annotate", "overwrite", "token"}
_SPLIT_ONLY = {"others", "keep", "deadline_s", "max_cost_usd", "keep_local"}
"""What a split takes besides what its places take."""
