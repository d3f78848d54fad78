"""What a user asks of `detect`."""

from dataclasses import dataclass

from offload.detectors.source import ModelSource
from offload.domain.errors import UsageError
from offload.domain.results import Json
from offload.domain.vision import Selection
from offload.drivers import pictures
from offload.places import PLACES


@dataclass(frozen=True, slots=True)
class Request:
    """The options of `offload detect`; None where the model or the machine decides.

    Raises:
        UsageError: there is no such place, or `max_failures` is neither a number nor a percentage.
    """

    sources: tuple[str, ...]
    recursive: bool = False
    where: str = "local"
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

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, before anything is touched."""
        self.failure_limit(0)
        if self.model == "":
            raise UsageError("--model is empty.", hint="To see the models: offload models list")
        if self.where not in PLACES:
            names = ", ".join(PLACES)
            raise UsageError(f"There is no place {self.where!r}.", hint=f"There is: {names}.")

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

    def selection(self, model: ModelSource) -> Selection:
        """Which detections to keep."""
        return Selection(
            min_score=model.min_score if self.min_score is None else self.min_score,
            classes=frozenset(_class(name) for name in self.classes),
            max_detections=self.max_detections,
            max_iou=self.max_iou,
        )

    def fixed(self, model: ModelSource, root: str) -> Json:
        """What must be the same for a results folder to be continued."""
        selection = self.selection(model)
        return {
            "root": root,
            "model_sha256": model.identity.sha256,
            "min_score": selection.min_score,
            "classes": sorted(selection.classes),
            "max_detections": selection.max_detections,
            "max_iou": selection.max_iou,
            "max_pixels": self.max_pixels,
            "annotate": self.annotate,
        }


def _class(wanted: str) -> str:
    """A class name or id in the form that detections are compared with."""
    name = wanted.strip().lower()
    return str(int(name)) if name.isdecimal() else name
