"""Every failure we can explain, drawn once; `offload.cli` turns them into exit codes.

    OffloadError         1  explained failure
    ├── UsageError       2  the command line or a settings file asks for the impossible
    ├── PlaceUnavailable 4  a place is switched off or out of reach
    │   └── NoServer     4  nothing answers there, or not yet
    ├── ModelError       1  a model cannot be found, fetched, trusted or run
    └── ImageError       -  one image cannot be used: becomes a failed row, never ends a run
        ├── TooManyPixels -  it is larger than is allowed
        ├── TooHeavy     -  it takes more to decode than whoever asked has to spare now
        └── Unanswered   -  nothing is wrong with it, but the place gave no answer
            └── Refused  -  and never will, for this image

Anything else that escapes is our bug and shows its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


def meant(word: str, known: Iterable[str]) -> str:
    """What follows a sentence about `word`: a question, if it is much like one of those known."""
    like = get_close_matches(word, list(known), 1)
    return f" Did you mean {like[0]}?" if like else ""


class OffloadError(Exception):
    """A failure we can explain; `hint` ends in a command to type."""

    exit_code = 1
    sent_bytes = 0
    """How much of an image left this process nevertheless."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(OffloadError):
    """An option, argument, setting or input file is invalid."""

    exit_code = 2


class PlaceUnavailable(OffloadError):
    """The place to run at is not available now."""

    exit_code = 4


class NoServer(PlaceUnavailable):
    """Nothing answers at the place's address; later something may."""


class ModelError(OffloadError):
    """A model cannot be found, fetched, trusted or run."""


class ImageError(OffloadError):
    """One image cannot be used; the message is the reason its row shows."""


class TooManyPixels(ImageError):
    """The image is larger than is allowed; whoever allows more may use it."""


class TooHeavy(ImageError):
    """The image takes much to decode, or nobody knows how much; whoever can wait may use it."""


class Unanswered(ImageError):
    """The place gave no answer for an image, however often it was asked."""


class Refused(Unanswered):
    """The place takes images, but not this one, which others may take."""
