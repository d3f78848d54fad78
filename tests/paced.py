"""A computer that is as slow as a test wants it to be, at no cost: it waits before it infers."""

from dataclasses import dataclass
from pathlib import Path

from tests.conftest import PROJECT

_SITECUSTOMIZE = """\
import pathlib, time
from ai_edge_litert.interpreter import Interpreter

infer, pace = Interpreter.invoke, pathlib.Path(__file__).with_name("pace")


def paced(self):
    time.sleep(float(pace.read_text() or 0))
    infer(self)


Interpreter.invoke = paced
"""


@dataclass(frozen=True)
class Pace:
    """How long each picture takes a process that looks for modules in `paths` first, beside what it
    takes anyway; it can be changed while that runs.
    """

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        self(0)

    @property
    def paths(self) -> tuple[str, str]:
        """For a spawner."""
        return str(self.folder), str(PROJECT)

    def __call__(self, seconds: float) -> None:
        (self.folder / "pace").write_text(str(seconds))
