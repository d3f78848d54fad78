"""Images that never leave this machine."""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import translate

from offload.domain.errors import UsageError
from offload.domain.places import REMOTE, SPLIT
from offload.drivers.images import image_files
from offload.drivers.images.image_files import ImageList
from offload.drivers.images.stored import Listing
from offload.drivers.objects.store import is_url
from offload.drivers.settings import Settings
from offload.places import known
from offload.usecases.context import Context
from offload.usecases.detect.request import Request

_MOST_LINKS = 40
"""As many as Linux follows."""


def patterns(request: Request, configured: Settings) -> tuple[str, ...]:
    """Those of the request and of the settings."""
    return (*request.keep_local, *configured.keep_local)


class KeepLocalRules:
    """The images of a list that patterns name: by the end of their path, or of that of a folder
    which they are in, links followed or not; or by their whole path, from `/`, from `~` or from the
    current folder, of an image in a store by its URL. `*` stands for anything, folders too; a name
    with brackets stands for itself besides.
    """

    def __init__(self, found: ImageList, among: Sequence[str]) -> None:
        self._located = found.located
        forms = dict.fromkeys(form for pattern in among for form in _forms(pattern))
        self._named = re.compile("|".join(forms)) if forms else None

    def __contains__(self, path: str) -> bool:
        named = self._named
        if named is None:
            return False
        place = self._located(path)
        names = [place] if is_url(place) else _followed(place)
        return any(named.match(name.replace(os.sep, "/")) for name in names)


def _followed(path: str) -> Iterator[str]:
    """A path, and all that it becomes as the links in it are followed one by one."""
    reached, real = path, os.path.realpath(path)
    yield from {path, real}
    if path == real:
        return
    for _ in range(_MOST_LINKS):
        ways = itertools.accumulate(reached.split(os.sep), lambda way, name: way + os.sep + name)
        link = next(filter(os.path.islink, ways), None)
        if link is None:
            return
        target = os.path.join(os.path.dirname(link), os.readlink(link))
        reached = os.path.normpath(target + reached[len(link) :])
        yield reached


def _forms(pattern: str) -> Iterator[str]:
    """Expressions for what a pattern says, and for what is in a folder of that name."""
    texts = [("(?s:.*/)", pattern)]
    if pattern.startswith((".", "~")) or os.path.isabs(pattern):
        texts += [("", text) for text in _anchored(os.path.abspath(os.path.expanduser(pattern)))]
    if is_url(pattern):
        texts = [("", pattern)]
    for before, text in texts:
        whole = text.replace(os.sep, "/").rstrip("/")
        for form in (whole, whole.replace("[", "[[]")):
            yield before + translate(form)
            yield before + translate(f"{form}/*")


def _anchored(pattern: str) -> Iterator[str]:
    """The pattern, with the links in what comes before its first `*` followed."""
    parts = pattern.split(os.sep)
    plain = list(itertools.takewhile(lambda part: not set("*?[") & set(part), parts))
    for folder in _followed(os.sep.join(plain) or os.sep):
        yield os.path.join(folder, *parts[len(plain) :])


def found(request: Request, context: Context, *, is_whole: bool = False) -> ImageList | Listing:
    """The images that a request names, of which nothing leaves that is to stay: those of a store as
    they are listed, unless all must be known first, or `is_whole`.

    Raises:
        UsageError: the sources name no image, or something would leave.
    """
    stays = request.leaves_machine and bool(patterns(request, context.settings))
    is_counted = any(known()[name].rented for name in request.members)
    if not (stays or is_counted or is_whole):
        listing = image_files.listing(request.sources, request.out)
        if listing is not None:
            return listing
    images = image_files.find(request.sources, recursive=request.recursive, skip=request.out)
    check(request, context, images)
    return images


def check(request: Request, context: Context, found: ImageList) -> None:
    """See that nothing leaves that is to stay. Warn of patterns of the request that name none of
    the images, as one that is mistyped may.

    Raises:
        UsageError: something would.
    """
    if request.where != SPLIT and request.leaves_machine:
        staying = KeepLocalRules(found, patterns(request, context.settings))
        if number := sum(path in staying for path in found.paths):
            # What a store has comes here; the patterns keep it from going on.
            bound = "may come to this machine only" if found.stored else "must stay here"
            raise UsageError(
                f"{number} of {len(found.paths)} images {bound}, but --where "
                f"{request.where} sends all.",
                hint="To do those here and the others there: --where split"
                + (f" --with {request.where}" if request.where != REMOTE else ""),
            )
    for pattern in dict.fromkeys(request.keep_local):
        staying = KeepLocalRules(found, [pattern])
        if not any(path in staying for path in found.paths):
            context.reporter.warn(f"--keep-local {pattern!r} matches none of the images.")


def leaving(request: Request, context: Context) -> tuple[ImageList, list[str], int]:
    """All images, those that could leave this machine, and what these weigh.

    Raises:
        UsageError: the sources name no image.
    """
    found = image_files.find(request.sources, recursive=request.recursive, skip=request.out)
    check(request, context, found)
    staying = KeepLocalRules(found, patterns(request, context.settings))
    away = found.paths if request.leaves_machine else []
    paths = [path for path in away if path not in staying]
    return found, paths, sum(map(found.size_bytes, paths))
